"""The whole page from a run in miniature."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from components.errors import DataError
from components.evaluation.map_evaluator.files import MapEvaluationFiles
from components.training.pictures import AUGMENTED_FILE
from tfx_pipeline.data_set import Places
from tfx_pipeline.report.augmented_picture import augmented_picture
from tfx_pipeline.report.report import write_report
from tfx_pipeline.run_record import RunRecord

from .conftest import NASTY, SIZE, FakeRun


class Page(HTMLParser):
    """Tags, attributes and text of a page; scripts apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.pictures: list[str] = []
        self.scripts: list[str] = []
        self.words = ""
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._within = tag
        for name, value in attributes:
            if name in ("src", "href", "srcset", "action", "data", "poster"):
                self.addresses.append(value)
            if tag == "img" and name == "src":
                self.pictures.append(value)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._within = ""
        if tag in ("td", "th", "dt", "dd", "li", "h4", "pre", "small", "span", "strong"):
            self.words += " "

    def handle_data(self, data):
        if self._within == "script":
            self.scripts[-1] += data
        elif self._within != "style":
            self.words += data


def read(run: FakeRun) -> Page:
    path = write_report(run.config, run.data, run.places, run.record, run.outcome, run.maps)
    assert path == run.places.report
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(run: FakeRun) -> Page:
    return read(run)


def words(page: Page) -> str:
    return re.sub(r"\s+", " ", page.words)


def test_the_headline_is_that_of_whole_tiles(page: Page) -> None:
    text = words(page)
    assert "Version 42 pushed" in text
    # 12 x 12 pixels are wrong, of 64 x 64 less the void corner of 8 x 8.
    assert f"Overall accuracy {1 - 144 / 4032:.3f} 95 %: " in text
    assert "4 032 pixels with truth" in text


def test_each_gate_is_told_with_its_view_and_slice(page: Page) -> None:
    text = words(page)
    assert "mean_iou is 0.4583 and reaches 0.4" in text
    assert "iou/lava is absent and does not reach 0.1" in text
    assert f"failed iou/{NASTY} at least 0.99: {1904 / 2048:.3f} whole tiles · with/{NASTY}" in text
    assert "agrees on 16 real patches" in text


def test_all_views_stand_side_by_side(page: Page) -> None:
    text = words(page)
    heads = "figure Whole tiles Whole tiles, boundaries eroded Patch records Patch records, boundaries eroded"
    assert heads in text
    row = text[text.index(heads) + len(heads) :]
    row = row[: row.index("Mean IoU")]
    assert "share of pixels whose class is right" in row
    assert "0.700 +0.100 against 0.600" in row  # patches: (60 + 10) / 100; the blessed model had (50 + 10) / 100
    assert row.strip().endswith("0.900")  # patches without boundaries: (40 + 5) / 50
    assert "95 % intervals by bootstrap over 4 blocks" in text


def test_classes_stand_beside_the_blessed_models(page: Page) -> None:
    text = words(page)
    assert "ground 0.667 0.556 +0.111" in text  # 60 / 90 beside 50 / 90
    assert "lava not scored absent from the truth absent absent" in text
    assert "evaluated on the same records" in text
    assert "evaluated on the same tiles" in text


def test_what_is_not_there_says_why(run: FakeRun, tmp_path: Path) -> None:
    whole = run.outcome.map_evaluation
    assert whole is not None
    reason = "the latest blessed model has other bands (blue) and is not compared"
    document = {**whole.document, "areas": None, "blessed_figures": None, "differences": None, "not_compared": reason}
    outcome = replace(run.outcome, map_evaluation=replace(whole, document=document))
    text = words(read(replace(run, outcome=outcome, places=replace(run.places, workdir=tmp_path))))
    assert f"Nothing is compared: {reason}." in text
    assert "Areas none are given: at least one tile has no coordinate system" in text
    assert "within 3 px." in text  # of boundary F1


def test_calibration_slices_and_areas_are_told(page: Page, run: FakeRun) -> None:
    text = words(page)
    assert charts(page)["reliability"]["data"][1]["x"] == [0, 1]
    assert "Blocks whose truth holds the class" in text
    assert f"south 4 032 {1 - 144 / 4032:.3f}" in text
    # All 64 x 64 pixels of 0.5 m are mapped, half of them as ground.
    assert "ground 512.0" in text
    assert "areas.csv" not in text
    assert "user's accuracy producer's accuracy" in text


def test_names_are_escaped_everywhere(page: Page, run: FakeRun) -> None:
    assert NASTY in page.words
    assert "east <i>" in page.words
    assert "much <script>void</script>" in page.words
    assert not {"b", "i"} & set(page.tags)
    assert page.tags.count("script") == 4  # chart data, plotly.js, our own two
    names = [trace.get("name", "") for chart in charts(page).values() for trace in chart["data"]]
    assert any("&lt;b&gt;" in name for name in names)
    assert not any("<b>" in name for name in names)


def charts(page: Page) -> dict:
    return json.loads(page.scripts[0])


def test_settings_that_a_search_found_stand_beside_the_configured_ones(page: Page) -> None:
    assert "in place of the configuration's: training.learning_rate 0.0042 (configured: 0.001)." in words(page)


def test_charts_carry_the_history_and_the_statistics(page: Page) -> None:
    found = charts(page)
    assert found["loss"]["data"][0]["y"] == [2.0, 1.0]
    assert found["scores"]["data"][0]["y"] == [0.2, 0.4]
    assert found["band_0"]["data"][0]["y"] == [75.0, 25.0]  # 3 and 1 of 4 patches
    void = next(trace for trace in found["class_shares"]["data"] if trace["name"] == "void")
    assert void["x"] == pytest.approx([100 * 64 / 4096] * 3)  # an 8 x 8 corner of 64 x 64


def test_augmented_patches_are_shown_no_wider_than_the_page(page: Page) -> None:
    assert "as they were varied" in page.words
    shown = [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in page.pictures]
    assert [picture.size for picture in shown if picture.size[0] > 1000] == [(1080, 32)]  # 2000 x 60


def test_a_damaged_picture_is_a_remark_and_not_a_failed_report(run: FakeRun, tmp_path: Path) -> None:
    damaged = tmp_path / AUGMENTED_FILE
    damaged.write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot be read"):
        augmented_picture(str(tmp_path))
    damaged.unlink()
    assert augmented_picture(str(tmp_path)) is None
    whole = augmented_picture(run.record.output("Trainer", "model_run").uri)
    assert whole is not None
    assert (whole.height, whole.width) == (round(60 * 1080 / 2000), 1080)


def test_nothing_is_loaded_from_anywhere(page: Page, run: FakeRun) -> None:
    assert page.addresses
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert "link" not in page.tags
    head = run.places.report.read_text(encoding="utf-8")[:20_000]
    assert "default-src 'none'" in head
    assert "url(" not in head
    assert "@import" not in head


def test_plotly_is_embedded_once(page: Page, run: FakeRun) -> None:
    assert sum("plotly.js v" in script for script in page.scripts) == 1
    assert run.places.report.stat().st_size < 8e6


def test_pictures_are_whole(page: Page) -> None:
    # The test tile has 2 x 2 patches, one bad window and an overview, of five layers each, one map of four, and the
    # augmented patches.
    assert len(page.pictures) == (4 + 1 + 1) * 5 + 4 + 1
    for address in page.pictures:
        kind, _, data = address.partition(",")
        assert kind in ("data:image/png;base64", "data:image/jpeg;base64")
        Image.open(io.BytesIO(base64.b64decode(data))).load()
    assert "rows 32 to 64, columns 32 to 64" in words(page)


def test_the_map_lies_beside_its_tile_as_a_png(page: Page, run: FakeRun) -> None:
    with Image.open(run.places.workdir / "map_south.png") as picture:
        assert picture.width == 2 * SIZE + 3 * 12
        assert picture.getpixel((12 + SIZE + 12 + 40, 12 + 40)) == (255, 255, 255)  # ground all over


def test_data_and_lineage_are_told(page: Page, run: FakeRun) -> None:
    text = words(page)
    assert "train 1 4 0 0" in text  # tiles, patches, left out
    assert "red train 60 12.5 59 61" in text
    assert "statistics no anomalies" in text
    assert "band_mean/red skew test 0.125 0.800 4" in text
    assert "f1ngerpr1nt" in text
    assert "tensorflow 2." in text
    assert "2023-11-14 22:13:20 UTC" in text  # 1.7e9 seconds since 1970
    assert "patches: size: 32" in text
    base = run.places.model_base
    assert f"eoseg serve --model-base {base} --model-name eoseg --port 8500" in text
    assert "--bands 1,2,3" in text
    withdraw = f"mkdir -p {base}-withdrawn && mv {base}/eoseg/42 {base}-withdrawn"
    assert f"Roll back to version 41, for a server that serves the newest version {withdraw}" in text
    assert f"eoseg report --compare {base}/eoseg/41 {base}/eoseg/42" in text


def test_a_refused_model_is_said_to_be_refused(refused: FakeRun) -> None:
    text = words(read(refused))
    assert "refused, not pushed" in text
    assert "The model did not pass its gates" in text
    assert "no earlier blessed model" in text
    assert "This run did not evaluate whole tiles" in text
    assert "Overall accuracy 0.700" in text
    assert "blessed IoU" not in text
    assert "Nothing was pushed by this run" in text
    assert "Predicted maps" not in text


def test_a_run_without_artifacts_still_gets_a_page(run: FakeRun, tmp_path: Path) -> None:
    gone = MapEvaluationFiles(str(tmp_path / "gone"), run.outcome.map_evaluation.document)
    bare = replace(
        run,
        record=RunRecord("bare", {}),
        places=Places(tmp_path, tmp_path / "served"),
        maps={"south": tmp_path / "no"},
        outcome=replace(run.outcome, map_evaluation=gone),
    )
    text = words(read(bare))
    assert "The trainer left no history" in text
    assert "A search found" not in text
    assert "to show examples of" in text
    assert "Not shown, maps: " in text
    assert "Not shown, tiles: " in text
    assert "Not shown, worst windows: " in text
    assert "does not exist" in text
    assert "there is no report of the label validator" in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
