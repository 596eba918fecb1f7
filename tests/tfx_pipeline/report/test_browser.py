"""The page in a browser: nothing is loaded, nothing complains, every control works by mouse and by keyboard."""

import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tfx_pipeline.report.report import write_report

from .conftest import FakeRun

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)"),
    pytest.mark.slow,
]

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Opened:
    """A page, and what it did that it should not have done."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(run: FakeRun) -> Path:
    return write_report(run.config, run.data, run.places, run.record, run.outcome, run.maps)


@pytest.fixture(scope="module")
def pages(browser: Browser, report: Path) -> dict[str, Opened]:
    """One page of each kind: opening one takes longer than most tests, so each test leaves it as it found it."""
    return {kind: open_page(browser, report, kind) for kind in ("light", "dark", "phone")}


@pytest.fixture(params=["light", "dark", "phone"])
def opened(request: pytest.FixtureRequest, pages: dict[str, Opened], report: Path) -> Iterator[Opened]:
    yield pages[request.param]
    check(pages[request.param], report)


@pytest.fixture
def desktop(pages: dict[str, Opened], report: Path) -> Iterator[Opened]:
    yield pages["light"]
    check(pages["light"], report)


@pytest.fixture
def phone(pages: dict[str, Opened], report: Path) -> Iterator[Opened]:
    yield pages["phone"]
    check(pages["phone"], report)


def check(opened: Opened, report: Path) -> None:
    """After all that a test has done with the page: nothing was asked for but the file, and nothing complained."""
    asked = {url for url in opened.requests if not url.startswith(("data:", "blob:"))}
    assert asked == {report.as_uri()}
    assert opened.complaints == []


def open_page(browser: Browser, report: Path, kind: str) -> Opened:
    context = browser.new_context(
        viewport=PHONE if kind == "phone" else DESKTOP,
        color_scheme="dark" if kind == "dark" else "light",
        has_touch=kind == "phone",
        is_mobile=kind == "phone",
    )
    opened = Opened(context.new_page())
    opened.page.on("console", lambda message: opened.complaints.append(f"{message.type}: {message.text}"))
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.page.on("request", lambda request: opened.requests.append(request.url))
    opened.page.goto(report.as_uri())
    return opened


def shown_size(picture: Locator) -> tuple[float, float]:
    box = picture.bounding_box()
    return (0, 0) if box is None else (box["width"], box["height"])


def tab_to(page: Page, target: Locator, most: int = 80) -> None:
    """Reaches an element as somebody without a mouse does."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError("the element was not reached by the tabulator key")


def test_pictures_and_charts_really_show(opened: Opened) -> None:
    page = opened.page
    widths = page.locator("img").evaluate_all(
        "images => Promise.all(images.map(image => image.decode().then(() => image.naturalWidth)))"
    )
    assert len(widths) > 30
    assert all(width > 0 for width in widths)
    charts = page.locator("[data-chart]")
    drawn = charts.locator("svg.main-svg").count()
    assert charts.count() >= 5
    assert drawn >= charts.count()
    assert all(shown_size(charts.nth(number))[1] > 100 for number in range(charts.count()))


def test_nothing_is_wider_than_the_screen(opened: Opened) -> None:
    size = opened.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert size[0] <= size[1]


@pytest.mark.parametrize(("kind", "paper_is_bright"), [("light", True), ("dark", False)])
def test_light_and_dark_can_both_be_read(pages: dict[str, Opened], kind: str, paper_is_bright: bool) -> None:
    page = pages[kind].page
    ink, paper = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        ".map(color => color.match(/[0-9]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 765)"
    )
    assert paper > 0.9 if paper_is_bright else paper < 0.15
    assert abs(ink - paper) > 0.6
    axis = page.locator("[data-chart=loss] .xtick text").first
    assert axis.evaluate("text => getComputedStyle(text).fill") == page.evaluate(
        "getComputedStyle(document.body).color"
    )


def test_the_matrix_switches_view_and_kind_by_mouse(desktop: Opened) -> None:
    section = desktop.page.locator("#confusion")
    whole, patches = section.locator("#confusion-tiles"), section.locator("#confusion-patches")
    assert whole.is_visible()
    assert not patches.is_visible()
    section.get_by_role("button", name="Patch records", exact=True).click()
    assert patches.is_visible()
    assert not whole.is_visible()
    cell = patches.locator("td.heat").first
    assert cell.inner_text() == "75.0 %"
    section.get_by_role("button", name="Pixel counts").click()
    assert cell.inner_text() == "60"
    assert patches.locator("tfoot").is_visible()
    section.get_by_role("button", name="Share of each row").click()
    assert cell.inner_text() == "75.0 %"
    section.get_by_role("button", name="Whole tiles", exact=True).click()
    assert whole.is_visible()


def test_the_matrix_switches_by_keyboard(desktop: Opened) -> None:
    button = desktop.page.locator("#confusion").get_by_role("button", name="Pixel counts")
    tab_to(desktop.page, button)
    desktop.page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert desktop.page.locator("#confusion-tiles tfoot").is_visible()
    desktop.page.keyboard.press("Shift+Tab")
    desktop.page.keyboard.press("Space")
    assert not desktop.page.locator("#confusion-tiles tfoot").is_visible()


def test_tables_sort_by_keyboard(desktop: Opened) -> None:
    page = desktop.page
    head = page.locator("#slices-presence .sort").filter(has_text="pixels").first
    page.locator("#slices").get_by_role("button", name="With and without a class").click()
    head.focus()
    page.keyboard.press("Enter")
    pixels = page.locator("#slices-presence table").first.locator("tbody td:nth-child(2)")
    ascending = [int(value) for value in pixels.evaluate_all("cells => cells.map(cell => Number(cell.dataset.value))")]
    page.keyboard.press("Enter")
    falling = [int(value) for value in pixels.evaluate_all("cells => cells.map(cell => Number(cell.dataset.value))")]
    assert len(set(ascending)) > 1
    assert ascending == sorted(ascending)
    assert falling == ascending[::-1]


def layer(page: Page, section: str, key: str) -> Locator:
    return page.locator(f"{section} .layer[data-layer={key}]").first


def test_a_gallery_shows_one_layer_or_all_by_mouse(desktop: Opened) -> None:
    page = desktop.page
    keys = ("image", "truth", "prediction", "errors", "confidence")
    assert all(layer(page, "#examples", key).is_visible() for key in keys)  # side by side
    lefts = [layer(page, "#examples", key).bounding_box()["x"] for key in keys]
    assert lefts == sorted(set(lefts))
    page.locator("#examples .choice label").filter(has_text="truth").click()
    assert [key for key in keys if layer(page, "#examples", key).is_visible()] == ["image", "truth"]
    assert layer(page, "#examples", "truth").bounding_box() == layer(page, "#examples", "image").bounding_box()
    page.locator("#examples .choice label").filter(has_text="side by side").click()


def test_a_gallery_and_its_swipe_work_by_keyboard(desktop: Opened) -> None:
    page = desktop.page
    chosen = page.locator("#tiles .choice input:checked")
    assert chosen.get_attribute("value") == "errors"
    chosen.focus()
    page.keyboard.press("ArrowRight")
    assert layer(page, "#tiles", "confidence").is_visible()
    assert not layer(page, "#tiles", "errors").is_visible()
    page.keyboard.press("Tab")
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    clip = layer(page, "#tiles", "confidence").evaluate("element => getComputedStyle(element).clipPath")
    assert clip.replace("px", "").startswith("inset(0 0 0 30%")
    page.keyboard.press("Home")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowLeft")
    assert layer(page, "#tiles", "errors").is_visible()


def test_errors_lie_on_the_pale_image(desktop: Opened) -> None:
    page = desktop.page
    picture = page.locator("#windows .layers").first
    picture.scroll_into_view_if_needed()
    pixels = page.evaluate("window.devicePixelRatio")
    shot = np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("RGB")).astype(int)
    # The window is the lower right quarter, rows and columns 32 to 64; rows 40 to 52 and columns 36 to 48 are wrong.
    scale = shot.shape[0] / 32 / pixels
    wrong, right = shot[int(14 * scale), int(10 * scale)], shot[int(26 * scale), int(26 * scale)]
    assert wrong[0] - wrong[1:].max() > 80
    assert abs(right - right.mean()).max() < 12
    assert right.mean() > 100


def test_a_tile_opens_large_zooms_and_closes_by_keyboard(desktop: Opened) -> None:
    page = desktop.page
    button = page.locator("#tiles .enlarge").first
    button.focus()
    page.keyboard.press("Enter")
    dialog, picture = page.locator("#large"), page.locator("#large .layers")
    assert dialog.is_visible()
    assert page.locator("#large-title").inner_text() == "south"
    fitted = shown_size(picture)
    assert fitted[1] > 500
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert shown_size(picture)[0] == pytest.approx(fitted[0] * 1.5**2, rel=0.01)
    before = picture.bounding_box()
    page.keyboard.press("ArrowRight")
    assert picture.bounding_box()["x"] == pytest.approx(before["x"] - 60, abs=1)
    page.keyboard.press("0")
    assert shown_size(picture) == pytest.approx(fitted, rel=0.01)
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.locator("#tiles .layers").first.is_visible()  # it went back to its place
    assert button.evaluate("element => element === document.activeElement")


def test_a_tile_zooms_about_the_mouse_and_is_dragged(desktop: Opened) -> None:
    page = desktop.page
    page.locator("#tiles .layers").first.click()
    picture = page.locator("#large .layers")
    fitted = picture.bounding_box()
    x, y = fitted["x"] + 0.25 * fitted["width"], fitted["y"] + 0.5 * fitted["height"]
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    page.wait_for_function(
        "before => document.querySelector('#large .layers').getBoundingClientRect().width > 1.5 * before",
        arg=fitted["width"],
    )
    zoomed = picture.bounding_box()
    assert zoomed["x"] + 0.25 * zoomed["width"] == pytest.approx(x, abs=2)
    assert zoomed["y"] + 0.5 * zoomed["height"] == pytest.approx(y, abs=2)
    page.mouse.down()
    page.mouse.move(x + 50, y - 30)
    page.mouse.up()
    moved = picture.bounding_box()
    assert (moved["x"] - zoomed["x"], moved["y"] - zoomed["y"]) == pytest.approx((50, -30), abs=2)
    page.locator("#large .choice label").filter(has_text="truth").click()
    assert layer(page, "#large", "truth").is_visible()
    page.get_by_role("button", name="close").click()
    assert not page.locator("#large").is_visible()


def test_everything_works_by_touch(phone: Opened) -> None:
    page = phone.page
    page.locator("#tiles .choice label").filter(has_text="prediction").tap()
    assert layer(page, "#tiles", "prediction").is_visible()
    page.locator("#tiles .enlarge").first.tap()
    picture = page.locator("#large .layers")
    fitted = picture.bounding_box()
    stage = page.locator("#large .stage").bounding_box()
    middle = (stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2)
    touch = page.context.new_cdp_session(page)

    def fingers(apart: float) -> list[dict[str, float]]:
        return [{"x": middle[0] + side * apart, "y": middle[1], "id": number} for number, side in enumerate((-1, 1))]

    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": fingers(40)})
    for apart in (60, 80, 100, 120):
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": fingers(apart)})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert shown_size(picture)[0] == pytest.approx(fitted["width"] * 3, rel=0.1)  # from 80 pixels apart to 240
    page.get_by_role("button", name="close").tap()
    assert not page.locator("#large").is_visible()


def test_the_skip_link_and_the_sections_are_reached_by_keyboard(desktop: Opened) -> None:
    page = desktop.page
    page.reload()
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the report"
    targets = page.locator("nav a").evaluate_all("links => links.map(link => link.getAttribute('href').slice(1))")
    assert {"figures", "examples", "windows", "tiles", "areas", "data", "lineage"} <= set(targets)
    assert all(page.locator(f"[id='{target}']").count() == 1 for target in targets)


def test_every_picture_and_control_has_a_name(desktop: Opened) -> None:
    page = desktop.page
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('img:not(.under-image), button, input, [role]')]
          .filter(e => !(e.alt || e.ariaLabel || e.innerText || e.textContent.trim() || e.closest('label')))
          .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert unnamed == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


VIEWS = ("tiles", "tiles-eroded", "patches", "patches-eroded")


def stacked(page: Page) -> bool:
    """Whether the tables of all views stand below one another, each under its view's name, with no button about."""
    panels = [page.locator(f"#{section}-{view}") for section in ("classes", "confusion") for view in VIEWS]
    named = all(panel.is_visible() and panel.locator(".of-view").is_visible() for panel in panels)
    return named and page.locator("#slices-patches").is_visible() and not page.locator(".toggle").first.is_visible()


def test_on_paper_the_tables_of_all_views_stand_with_shares_and_counts(desktop: Opened) -> None:
    page = desktop.page
    assert not stacked(page)
    page.emulate_media(media="print")
    try:
        assert stacked(page)
        cell = page.locator("#confusion-tiles .heat").first
        assert cell.locator(".share").is_visible()
        assert cell.locator(".count").is_visible()
    finally:
        page.emulate_media(media="screen")


def test_without_scripts_the_tables_of_all_views_stand_and_no_dead_button(browser: Browser, report: Path) -> None:
    context = browser.new_context(viewport=DESKTOP, java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert stacked(page)
    assert not page.locator(".chart-box").first.is_visible()
    assert page.get_by_text("Scripts are off").is_visible()
    context.close()
