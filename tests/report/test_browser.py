"""The page in a real browser: Debian's Chromium, without a head, where it is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from toolkit.report import write_report

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.filterwarnings("ignore"),  # of the browser's driver, not of ours
]

WIDTHS = {"laptop": 1280, "phone": 390, "paper": 794}  # 210 mm at 96 dots an inch
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report on a week of the sample."""
    path = tmp_path_factory.mktemp("browser") / "report.html"
    write_report("data/sample", path, last="week", now="2026-11-09", compare="previous")
    return path


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


LOOKS = [
    *[("laptop", "light"), ("laptop", "dark"), ("phone", "light"), ("paper", "dark")],
]


@pytest.fixture(scope="module", params=LOOKS, ids="-".join)
def page(
    request: pytest.FixtureRequest, browser: Any, page_file: Path
) -> Iterator[Any]:
    """Open the report at each width in each theme; what it says and asks for is kept.

    One page serves the tests in their order: those behind the opening see all tables.
    """
    width, theme = request.param
    context = browser.new_context(
        viewport={"width": WIDTHS[width], "height": 900}, color_scheme=theme
    )
    opened = context.new_page()
    opened.said, opened.asked, opened.look = [], [], request.param
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda expected: opened.asked.append(expected.url))
    if width == "paper":
        opened.emulate_media(media="print", color_scheme=theme)
    opened.goto(page_file.as_uri())
    yield opened
    context.close()


def test_the_page_is_quiet_asks_for_nothing_and_fits(
    page: Any, page_file: Path
) -> None:
    assert page.said == []
    assert page.asked == [page_file.as_uri()]
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"]


def test_every_figure_fits_its_card(page: Any) -> None:
    sizes = page.eval_on_selector_all(
        ".value", "all => all.map(one => [one.scrollWidth, one.clientWidth])"
    )

    assert len(sizes) == 5
    assert all(content <= box for content, box in sizes)


def test_every_image_has_alt_text_and_one_drawing_is_seen(page: Any) -> None:
    images = page.eval_on_selector_all(
        "svg, img", "all => all.map(one => [one.getAttribute('role'), "
        "one.getAttribute('aria-label') || one.getAttribute('alt')])"
    )  # fmt: skip

    assert len(images) >= 2 * 16
    assert all(role == "img" and label and len(label) > 10 for role, label in images)
    seen = page.eval_on_selector_all(
        ".picture svg", "all => all.filter(one => one.getClientRects().length).length"
    )
    assert seen == 16


def test_every_table_opens(page: Any) -> None:
    closed = page.locator("details:not([open]) > summary")
    count = closed.count()
    assert count == 16
    if page.look[0] == "paper":
        # On paper nothing can be opened: all tables are there.
        heights = page.eval_on_selector_all(
            "details table", "all => all.map(one => one.getBoundingClientRect().height)"
        )
        assert len(heights) == 16
        assert min(heights) > 20
        return
    for _ in range(count):
        closed.first.click()

    assert page.locator("details[open] table:visible").count() == 16
    # A header breaks between words only: it has no more lines than words.
    broken = page.eval_on_selector_all(
        "thead th",
        """all => all.map(one => {
            const text = document.createRange();
            text.selectNodeContents(one);
            const lines = new Set([...text.getClientRects()].map(line => line.top));
            return [one.innerText, lines.size];
        }).filter(([words, lines]) => lines > words.trim().split(/\\s+/).length)""",
    )
    assert broken == []
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"]


def test_the_dark_is_dark_on_a_screen_and_paper_is_white(page: Any) -> None:
    width, theme = page.look

    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")

    dark = theme == "dark" and width != "paper"
    assert ground == ("rgb(20, 27, 34)" if dark else "rgb(255, 255, 255)")


@pytest.mark.parametrize(
    "page", [("laptop", "dark"), ("phone", "light")], indirect=True, ids="-".join
)
def test_axe_finds_no_serious_fault(page: Any) -> None:
    from axe_core_python.sync_playwright import Axe

    # A drawing is one image to it: its marks, thousands, would take a minute.
    found = Axe().run(page, {"exclude": [[".picture"]]})["violations"]

    faults = [
        (fault["id"], node["html"][:100])
        for fault in found
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]
    assert faults == []
