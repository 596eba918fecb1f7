"""Two versions on one page: what it says, that it escapes, and that it works in a browser."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.errors import MissingFileError
from tfx_pipeline.cli.main import EXIT_BAD_INPUT, main
from tfx_pipeline.report.compare import render_comparison, write_comparison
from tfx_pipeline.report.compare_origin import OriginRow, config_changes
from tfx_pipeline.report.compare_runs import PushingRun
from tfx_pipeline.report.compare_sources import PushedVersion, read_version

from .make_versions import NASTY, counts_of, evidence, make_version

POOR = {"a": 60, "b": 65, "c": 58, "d": 61}
GOOD = {"a": 90, "b": 93, "c": 88, "d": 91}
CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("served")
    return make_version(base / "41", POOR), make_version(base / "42", GOOD, steps=60)


@pytest.fixture(scope="module")
def versions(folders: tuple[Path, Path]) -> tuple[PushedVersion, PushedVersion]:
    """As if their runs were there: with counts."""
    read = [
        replace(read_version(folder, None), tiles=evidence(counts_of(right)), patches=evidence(counts_of(right)))
        for folder, right in zip(folders, (POOR, GOOD), strict=True)
    ]
    return read[0], read[1]


def words(page: str) -> str:
    body = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def test_the_page_tells_figures_differences_gates_areas_and_what_differs(
    versions: tuple[PushedVersion, PushedVersion],
) -> None:
    text = words(render_comparison(*versions))
    assert "Both were evaluated on the same 4 tiles" in text
    assert "Overall accuracy 0.610" in text  # (60 + 65 + 58 + 61) / 400
    assert "+0.295" in text  # (90 + 93 + 88 + 91) / 400 less that
    assert "reaches 0.4" in text
    assert "ground 2.5 2.6" in text  # hectares of 25 000 and 26 000 square metres
    assert "training.steps 30 60" in text
    assert re.search(r"Data fingerprint same-data same-data same", text)
    assert re.search(r"Code git c0de41 git c0de42 differs", text)
    assert "lava" in text


def test_names_are_escaped(versions: tuple[PushedVersion, PushedVersion]) -> None:
    page = render_comparison(*versions)
    assert "<b>bold</b>" not in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "default-src 'none'" in page


def test_without_the_runs_the_cards_are_compared_and_the_page_says_so(folders: tuple[Path, Path]) -> None:
    one, other = (read_version(folder, None) for folder in folders)
    text = words(render_comparison(one, other))
    assert "not in ML Metadata; what is shown is from its model card" in text
    assert "have no interval" in text
    assert "+0.295" in text
    assert "0 better" not in text, "nothing is claimed with confidence"


def test_a_version_without_a_card_still_stands_beside_one_with(folders: tuple[Path, Path], tmp_path: Path) -> None:
    bare = read_version(make_version(tmp_path / "40", POOR, card=False), None)
    assert bare.patches is None
    assert config_changes(bare, read_version(folders[1], None)) is None
    text = words(render_comparison(bare, read_version(folders[1], None)))
    assert "it has no model card" in text
    assert "Only one of the two versions was evaluated in this view" in text
    assert "Its verdicts are not known" in text


def test_settings_that_a_search_found_are_compared_as_trained(tmp_path: Path) -> None:
    folders = [
        make_version(tmp_path / str(i), POOR, found={"learning_rate": rate}) for i, rate in ((50, 0.1), (51, 0.2))
    ]
    changes = config_changes(*(read_version(folder, None) for folder in folders))
    assert changes == [OriginRow("training.learning_rate", "0.1", "0.2")]


def test_artifacts_that_are_gone_are_said_to_be_gone(folders: tuple[Path, Path], tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    keys = (("Evaluator", "evaluation"), ("MapEvaluator", "evaluation"), ("ModelGates", "blessing"))
    version = read_version(folders[0], PushingRun("r", folders[0], dict.fromkeys(keys, gone)))
    assert len(version.missing) == 3
    assert version.gates is not None, "the card has them"
    assert version.tiles is not None
    with pytest.raises(MissingFileError, match="a version that EOSeg pushed"):
        read_version(tmp_path, None)


def test_the_verb_writes_the_page_and_refuses_bad_names(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "page.html"
    assert main(["report", "--compare", *map(str, folders), "--output", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert "B against A" in out.read_text(encoding="utf-8")
    for wrong in (["--compare", str(folders[0]), str(folders[0])], ["--compare", "41", "42"], []):
        assert main(["report", *wrong]) == EXIT_BAD_INPUT
        assert "expected:" in capsys.readouterr().err
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def opened(
    browser: Any, versions: tuple[PushedVersion, PushedVersion], tmp_path: Path
) -> Iterator[Callable[..., tuple[Any, list[str]]]]:
    """Opens the page from disk; gives it with all that the browser complained of."""
    path = write_comparison(*versions, tmp_path / "compare.html")
    pages = []

    def open_page(**options: Any) -> tuple[Any, list[str]]:
        page = browser.new_page(**options)
        pages.append(page)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith("file:") else complaints.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector("[data-chart] .main-svg")
        return page, complaints

    yield open_page
    for page in pages:
        page.close()


@pytest.mark.slow
def test_the_page_works_in_a_browser_by_mouse_and_by_keyboard(opened: Callable[..., tuple[Any, list[str]]]) -> None:
    page, complaints = opened(viewport={"width": 1200, "height": 900})
    shown = page.locator("#tiles-matrix-difference")
    assert shown.is_visible()
    page.click("[data-shows=tiles-matrix-b]")
    assert page.locator("#tiles-matrix-b").is_visible()
    assert not shown.is_visible()
    page.focus("[data-shows=tiles-matrix-difference]")
    page.keyboard.press("Enter")
    assert shown.is_visible()
    assert page.locator("#patches-matrix-difference").is_visible(), "the other view's own buttons"
    assert page.locator("[data-chart] .main-svg").count() >= 2
    # Class names in the chart are text: the tag was not made an element.
    assert page.evaluate("document.querySelectorAll('[data-chart] b').length") == 0
    assert NASTY in page.inner_text("#tiles")
    assert complaints == []


@pytest.mark.slow
def test_marks_stand_at_their_ious(
    opened: Callable[..., tuple[Any, list[str]]], versions: tuple[PushedVersion, PushedVersion]
) -> None:
    page, _ = opened(viewport={"width": 1200, "height": 900})
    drawn = page.evaluate(
        """() => {
          const box = document.querySelector("[data-chart=iou-tiles]");
          return [...box.querySelectorAll(".scatterlayer .trace")].map((trace) =>
            [...trace.querySelectorAll(".points path")].map((mark) =>
              box._fullLayout.xaxis.p2d(mark.transform.baseVal[0].matrix.e)));
        }"""
    )
    for version, marks in zip(versions, drawn, strict=True):
        assert version.tiles is not None
        expected = [version.tiles.figures[f"iou/{name}"].value for name in ("ground", NASTY)]
        assert marks == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_in_light_and_dark(opened: Callable[..., tuple[Any, list[str]]], scheme: str) -> None:
    page, complaints = opened(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) == (scheme == "dark")
    assert complaints == []
