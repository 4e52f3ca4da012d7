"""The page in a real browser: Debian's Chromium, without a head, where it is there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.example import VARIANTS
from toolkit.report import write_report
from toolkit.report.formats import to_html

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.filterwarnings("ignore"),  # of the browser's driver, not of ours
]

NAMES = ["sample", *VARIANTS]
PAPER = 703  # A4 less its margins, at 96 dots an inch
SERIOUS = {"serious", "critical"}
# Returns texts over others, texts that are cut, contrasts of colours, and the width.
MEASURE = (Path(__file__).parent / "measure.js").read_text("utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Start Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write the page of each variant."""
    folder = tmp_path_factory.mktemp("pages")
    for name, make in VARIANTS.items():
        (folder / f"{name}.html").write_text(to_html(make()), encoding="utf-8")
    report = write_report(
        "data/sample", folder / "sample.html", last="week", now="2026-11-09",
        compare="previous", budgets="4USD", tags={"team": "metadata.team"},
    )  # fmt: skip
    assert report.content.budgets
    return {name: folder / f"{name}.html" for name in NAMES}


@pytest.fixture(scope="module", params=NAMES)
def page(
    request: pytest.FixtureRequest, browser: Any, files: dict[str, Path]
) -> Iterator[Any]:
    """Open the page of each variant; what it asks for and what goes wrong is kept."""
    opened = browser.new_page()
    opened.name, opened.messages, opened.asked = request.param, [], []
    opened.on("console", lambda message: opened.messages.append(message.text))
    opened.on("pageerror", lambda error: opened.messages.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.goto(files[request.param].as_uri())
    yield opened
    opened.close()


def show(page: Any, width: int, theme: str = "light") -> None:
    """Show a page in a window, or on paper."""
    media = "print" if width == PAPER else "screen"
    page.emulate_media(media=media, color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 900})


def test_a_page_is_quiet_and_asks_for_nothing(page: Any) -> None:
    assert page.messages == []
    assert len(page.asked) == 1


@pytest.mark.parametrize("width", [1280, 900, 390, PAPER])
def test_no_text_is_cut_or_over_another_and_nothing_scrolls_sideways(
    page: Any, width: int
) -> None:
    show(page, width)

    found = page.evaluate(MEASURE)

    assert found["overlaps"] == []
    assert found["cut"] == []
    assert found["width"] <= width


@pytest.mark.parametrize(
    ("width", "theme"),
    [(1280, "light"), (1280, "dark"), (390, "dark"), (PAPER, "dark")],
)
def test_every_text_has_contrast(page: Any, width: int, theme: str) -> None:
    show(page, width, theme)

    found = page.evaluate(MEASURE)

    assert min(found["contrasts"].values()) >= 4.5, found["contrasts"]


def test_the_dark_is_dark_on_a_screen_and_paper_is_white(page: Any) -> None:
    grounds = []
    for width in (1280, PAPER):
        show(page, width, "dark")
        ground = "getComputedStyle(document.body).backgroundColor"
        grounds.append(page.evaluate(ground))

    assert grounds == ["rgb(15, 22, 29)", "rgb(255, 255, 255)"]


def test_one_drawing_of_each_is_seen(page: Any) -> None:
    counts = []
    for width in (1280, 900, 390, PAPER):
        show(page, width)
        seen = "all => all.filter(one => one.getClientRects().length).length"
        counts.append(page.eval_on_selector_all("svg.chart", seen))

    assert len(set(counts)) == 1


@pytest.mark.parametrize("name", ["sample", "week"])
def test_the_managers_part_is_two_pages_of_paper(
    browser: Any, files: dict[str, Path], name: str
) -> None:
    page = browser.new_page()
    page.goto(files[name].as_uri())

    counts = []
    for script in ("", "document.querySelector('#analysts').remove()"):
        page.evaluate(script)
        pdf = page.pdf(prefer_css_page_size=True)
        counts.append(len(re.findall(rb"/Type\s*/Page\b", pdf)))
    page.close()

    assert counts[0] > counts[1] == 2


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["sample", "nothing", "one_year"])
def test_axe_finds_no_serious_fault(
    browser: Any, files: dict[str, Path], name: str, theme: str
) -> None:
    from axe_core_python.sync_playwright import Axe

    page = browser.new_page(color_scheme=theme)
    page.goto(files[name].as_uri())
    found = Axe().run(page)["violations"]
    page.close()

    faults = [
        (fault["id"], node["html"][:100])
        for fault in found
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]
    assert faults == []
