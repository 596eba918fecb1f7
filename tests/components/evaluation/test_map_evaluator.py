"""The step that evaluates whole tiles, by its own executor function, on a model that one can do in the head."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
from shapely.geometry import box, mapping
from tfx import v1 as tfx

from components.classes import VOID_ID, ClassTable, LandClass, encode_colors
from components.contract import ModelContract
from components.errors import DataError
from components.evaluation.all_figures import ScoredClasses, all_figures
from components.evaluation.bootstrap import Interval
from components.evaluation.confusion import confusion_matrix
from components.evaluation.counts import CountingOptions
from components.evaluation.counts_file import from_npz
from components.evaluation.evaluate_tile import TileEvaluationOptions
from components.evaluation.gate import NO_BLESSED_MODEL
from components.evaluation.gate_options import Gate
from components.evaluation.map_evaluator.component import MapEvaluation, MapEvaluator, why_not_compared
from components.evaluation.map_evaluator.files import read_map_evaluation
from components.evaluation.map_evaluator.options import MapEvaluatorOptions
from components.evaluation.map_evaluator.tile_gates import judge_tiles
from components.evaluation.saved_model_scorer import SavedModelScorer
from components.evaluation.tile_products import facts_from_json, pictures_from_npz
from components.geo.window import Window
from components.geo.zones import ZoneOptions
from components.tile_source import TileList, TileSource
from tests.components.evaluation.make_model import export_band_scores
from tests.make_raster import ORIGIN, write_raster

SIDE = 48
TABLE = ClassTable(
    classes=(
        LandClass(name="roof", color=(255, 0, 0)),
        LandClass(name="lawn", color=(0, 255, 0)),
        LandClass(name="road", color=(0, 0, 255)),
    )
)
CONTRACT = ModelContract(patch_size=16, bands=("red", "green", "blue"), dtype="uint8", table=TABLE)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """`good` takes the brightest band; `bad` prefers roads."""
    folder = tmp_path_factory.mktemp("models")
    made = {}
    for name, bias in (("good", (0, 0, 0)), ("bad", (0, 0, 90))):
        export_band_scores(folder / name / "Format-Serving", CONTRACT, bias)
        made[name] = str(folder / name)
    return made


@pytest.fixture
def tiles(tmp_path: Path) -> TileList:
    """Three tiles of blocks of a class, bright in its band; one of them is given by two of its ground blocks."""
    sources = []
    for i in range(3):
        rng = np.random.default_rng(i)
        ids = np.kron(rng.integers(0, 3, (6, 6)), np.ones((8, 8))).astype(np.uint8)
        pixels = np.where(ids[..., None] == np.arange(3), 150, 80) + rng.integers(0, 60, (SIDE, SIDE, 3))
        image = write_raster(tmp_path / f"{i}.tif", pixels.astype(np.uint8))
        label = write_raster(tmp_path / f"{i}_label.tif", encode_colors(ids, TABLE))
        sources.append(TileSource(tile=f"tile {i}", image=str(image), label=str(label), split="test"))
    last = sources.pop()
    for place, area in (("r0c0", Window(0, 0, 20, 24)), ("r1c1", Window(28, 24, 20, 24))):
        sources.append(last.model_copy(update={"tile": f"{last.tile}/{place}", "area": area}))
    return TileList(tiles=tuple(sources))


def artifact(kind: type, uri: str | Path) -> Any:
    made = kind()
    made.uri = str(uri)
    return made


@pytest.fixture
def evaluate(models: dict[str, str], tiles: TileList, tmp_path: Path) -> Callable[..., Path]:
    """Runs the step; gives the artifact's folder."""

    def run(
        candidate: str,
        blessed: str | None = None,
        ignored: tuple[str, ...] = (),
        zones: ZoneOptions | None = None,
    ) -> Path:
        evaluation = artifact(MapEvaluation, tmp_path / "evaluation")
        model_kind = tfx.types.standard_artifacts.Model
        options = MapEvaluatorOptions(
            table=TABLE,
            tiles=TileEvaluationOptions(counting=CountingOptions(block_px=16), worst_windows=2, zones=zones),
            ignored=ignored,
        )
        MapEvaluator.test_call(
            evaluation=evaluation,
            model=artifact(model_kind, models[candidate]),
            blessed_model=None if blessed is None else artifact(model_kind, models[blessed]),
            tiles=tiles.model_dump_json(),
            fingerprint="f",
            options=options.model_dump_json(),
            beam_pipeline=beam.Pipeline(),
        )
        return tmp_path / "evaluation"

    return run


def test_the_step_counts_every_pixel_of_the_split_once(
    evaluate: Callable[..., Path], tiles: TileList, models: dict[str, str]
) -> None:
    folder = evaluate("good")
    document = json.loads((folder / "figures.json").read_text())
    counts = from_npz((folder / "candidate_counts.npz").read_bytes())
    assert counts.confusion.sum() == 2 * SIDE * SIDE + 2 * 20 * 24
    assert {unit.tile for unit in counts.units} == {"tile 0", "tile 1", "tile 2"}
    assert document["confusion"] == counts.confusion.sum(axis=0).tolist()
    expected = all_figures(counts, ScoredClasses(TABLE.names, (0, 1, 2)))
    for name, value in expected.items():
        shown = document["figures"][name]["value"]
        assert shown == pytest.approx(value) if not math.isnan(value) else shown is None
    interval = Interval(**document["figures"]["mean_iou"])
    assert interval.low <= interval.value <= interval.high
    assert interval.units == 3
    assert document["not_compared"] == NO_BLESSED_MODEL
    assert not (folder / "failures.json").exists()
    # The ground: every pixel of the split has a class, and is half a metre wide.
    ground = sum(row["mapped_square_metres"] for row in document["areas"]["classes"].values())
    assert ground == pytest.approx(counts.confusion.sum() * 0.25)


def test_areas_are_measured_by_tile_and_by_zone(evaluate: Callable[..., Path], tmp_path: Path) -> None:
    # All tiles lie at the same place: the western half of each is one zone, the north-eastern quarter another.
    west, north = ORIGIN @ (0, 0)
    middle, south = ORIGIN @ (SIDE / 2, SIDE)
    east, halfway = ORIGIN @ (SIDE, SIDE / 2)
    zones = {"west": (west, south, middle, north), "quarter": (middle, halfway, east, north)}
    shapely_boxes = [
        {"type": "Feature", "properties": {"name": name}, "geometry": mapping(box(*place))}
        for name, place in zones.items()
    ]
    path = tmp_path / "zones.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": shapely_boxes}))
    folder = evaluate("good", zones=ZoneOptions(file=str(path), attribute="name", crs="EPSG:25832"))
    rows = list(csv.DictReader((folder / "areas.csv").read_text().splitlines()))
    ground = {}
    for row in rows:
        place = (row["kind"], row["place"])
        ground[place] = ground.get(place, 0.0) + float(row["mapped_m2"])
    # Half a metre wide; of the third tile its north-western block and one in the south-east are in the split.
    assert ground["tile", "tile 0"] == ground["tile", "tile 1"] == pytest.approx(SIDE * SIDE * 0.25)
    assert ground["tile", "tile 2"] == pytest.approx(2 * 20 * 24 * 0.25)
    assert ground["zone", "west"] == pytest.approx((2 * SIDE * SIDE / 2 + 20 * 24) * 0.25)
    assert ground["zone", "quarter"] == pytest.approx(2 * SIDE * SIDE / 4 * 0.25)
    assert ground["all", ""] == pytest.approx((2 * SIDE * SIDE + 2 * 20 * 24) * 0.25)
    places = json.loads((folder / "figures.json").read_text())["places"]
    assert [(row["kind"], row["place"], row["class_name"]) for row in places] == [
        (row["kind"], row["place"], row["class"]) for row in rows
    ]


def test_what_there_is_to_look_at_lies_beside_the_figures(evaluate: Callable[..., Path]) -> None:
    folder = evaluate("bad") / "tiles"
    facts = [facts_from_json(path.read_text()) for path in sorted(folder.glob("*.json"))]
    assert sorted(of_tile.tile for of_tile in facts) == ["tile 0", "tile 1", "tile 2"]
    for of_tile in facts:
        pictures = dict(pictures_from_npz((folder / of_tile.pictures).read_bytes()))
        assert sorted(pictures) == ["overview", *(f"worst_{i}" for i in range(len(of_tile.worst)))]
        assert len(of_tile.worst) == 2
        layers = pictures["overview"].layers
        assert layers.truth.shape == pictures["overview"].image.shape[:2] == layers.confidence.shape
        matrix = confusion_matrix(layers.truth, layers.predicted, 3)
        assert matrix.sum() == sum(area.height * area.width for area in of_tile.areas)
        assert matrix.sum() - np.trace(matrix) >= sum(worst.errors for worst in of_tile.worst) > 0
        assert np.count_nonzero(layers.predicted != VOID_ID) == sum(of_tile.mapped_pixels)


def test_a_worse_model_is_refused_and_a_better_one_is_not(evaluate: Callable[..., Path]) -> None:
    gates = (
        Gate(metric="mean_iou", view="tiles", max_drop=0.01, confidently_better=True),
        Gate(metric="iou/roof", view="tiles", slice="with/roof", max_drop=0.02),
    )
    files = read_map_evaluation(str(evaluate("bad", "good")))
    assert [verdict.passed for verdict in judge_tiles(files, gates)] == [False, False, False]
    assert files.document["differences"]["mean_iou"]["high"] < 0
    found = judge_tiles(read_map_evaluation(str(evaluate("good", "bad"))), gates)
    assert [verdict.passed for verdict in found] == [True, True, True]
    assert "over 3 units" in found[1].reason


def test_an_ignored_class_counts_nowhere_but_in_areas(evaluate: Callable[..., Path]) -> None:
    folder = evaluate("bad", ignored=("road",))
    document = json.loads((folder / "figures.json").read_text())
    pixels = np.array(document["confusion"])[:2].sum()
    assert 0 < pixels < np.sum(document["confusion"])
    assert document["figures"]["pixels"]["value"] == sum(document["reliability"]["pixels"]) == pixels
    assert document["figures"]["boundary_f1/road"]["value"] is None
    worst = document["worst"][0]
    for path in folder.glob("tiles/*.npz"):
        for _, picture in pictures_from_npz(path.read_bytes()):
            assert set(np.unique(picture.layers.truth)) <= {0, 1, VOID_ID}
    assert worst["errors"] <= worst["pixels"] < 16 * 16
    assert document["areas"]["classes"]["road"]["adjusted_square_metres"] > 0


def test_counts_that_are_gone_are_named(evaluate: Callable[..., Path]) -> None:
    folder = evaluate("good")
    (folder / "candidate_counts.npz").unlink()
    with pytest.raises(DataError, match=r"candidate_counts\.npz cannot be read"):
        judge_tiles(read_map_evaluation(str(folder)), [Gate(metric="kappa", view="tiles", at_least=0)])


def test_a_tile_that_cannot_be_read_is_named(evaluate: Callable[..., Path], tiles: TileList) -> None:
    image = Path(tiles.tiles[1].image)
    image.write_bytes(image.read_bytes()[:500])
    with pytest.raises(DataError, match=r"tile tile 1: .*1\.tif"):
        evaluate("good")


def test_models_of_other_classes_or_bands_are_not_compared() -> None:
    assert why_not_compared(CONTRACT, CONTRACT.model_copy(update={"provenance": {"x": "y"}})) == ""
    table = ClassTable(classes=(*TABLE.classes[:2], LandClass(name="water", color=(0, 0, 9))))
    other = CONTRACT.model_copy(update={"table": table})
    assert "other classes (roof, lawn, water)" in why_not_compared(CONTRACT, other)
    assert "other bands" in why_not_compared(CONTRACT, CONTRACT.model_copy(update={"dtype": "uint16"}))


def test_the_scorer_answers_with_the_exported_model(models: dict[str, str]) -> None:
    patches = np.random.default_rng(0).integers(0, 250, (3, 16, 16, 3)).astype(np.uint8)
    with SavedModelScorer(f"{models['good']}/Format-Serving", patches_per_request=3) as scorer:
        assert scorer.contract == CONTRACT
        np.testing.assert_array_equal(scorer.submit(patches).result(), patches)
        np.testing.assert_array_equal(scorer.submit(patches[:1]).result(), patches[:1])


def test_what_is_no_model_is_refused_by_name(tmp_path: Path, models: dict[str, str]) -> None:
    with pytest.raises(DataError, match=r"eoseg_contract\.json is not there"):
        SavedModelScorer(str(tmp_path))
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "eoseg_contract.json").write_text(CONTRACT.model_dump_json())
    with pytest.raises(DataError, match="cannot be loaded"):
        SavedModelScorer(str(tmp_path))
