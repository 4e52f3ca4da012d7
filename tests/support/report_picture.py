"""Take the picture of the report in the README: ``make gallery``.

It shows the first parts of a report on the sample, as Chromium draws them. A hash of
what it shows is stored in the file; a test compares it with that of today.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

import toolkit
from toolkit.report.formats import to_html

if TYPE_CHECKING:
    from toolkit.report.model import ReportContent

ROOT = Path(__file__).parents[2]
THEMES = {theme: ROOT / "docs" / f"report-{theme}.png" for theme in ("light", "dark")}
CHROMIUM = shutil.which("chromium")
_COLORS = 128
# The cost by week beside its causes, and nothing below.
_STYLE = """
body { width: 1160px; max-width: none }
h1, .columns .note { max-width: none }
main { display: grid; grid-template-columns: 620px 1fr; gap: 0 44px; padding: 0 }
.figures { grid-column: 1 / -1; margin-bottom: 18px }
.columns { display: block }
.causes th { white-space: nowrap }
.causes td.n { padding-right: 0 }
.sure, .causes .text, .top a, main > section:not(:has(.causes)), aside { display: none }
"""


def shown_parts() -> ReportContent:
    """Return the parts of the report that the picture shows."""
    report = toolkit.write_report(
        ROOT / "data" / "sample", last="week", now="2026-11-09", compare="previous"
    )
    return dataclasses.replace(
        report.content, models=None, waste=None, analysis=None, left_out=[]
    )


def fingerprint(content: ReportContent) -> str:
    """Return a short hash of the figures and texts of the picture."""
    facts = dataclasses.asdict(content)
    shown = [facts[part] for part in ("answer", "figures", "course", "causes")]
    return hashlib.sha256(json.dumps(shown, default=str).encode()).hexdigest()[:12]


def stored_fingerprint(path: Path) -> str | None:
    """Return the hash that a picture was stored with."""
    with Image.open(path) as picture:
        return picture.info.get("shows")


def main() -> None:
    """Take the picture in each theme."""
    from playwright.sync_api import sync_playwright

    content = shown_parts()
    notes = PngInfo()
    notes.add_text("shows", fingerprint(content))
    with TemporaryDirectory() as folder, sync_playwright() as driver:
        page_file = Path(folder) / "report.html"
        page_file.write_text(to_html(content), encoding="utf-8")
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        for theme, path in THEMES.items():
            taken = _take(browser, page_file, theme)
            with Image.open(io.BytesIO(taken)) as picture:
                small = picture.convert("RGB").quantize(_COLORS)
                small.save(path, optimize=True, pnginfo=notes)
        browser.close()


def _take(browser: Any, page_file: Path, theme: str) -> bytes:
    """Return the page as PNG, twice as sharp as its size."""
    page = browser.new_page(
        viewport={"width": 1160, "height": 640},
        color_scheme=theme,
        device_scale_factor=2,
        bypass_csp=True,  # for the style
    )
    page.goto(page_file.as_uri())
    page.add_style_tag(content=_STYLE)
    height = page.evaluate(
        "document.querySelector('.causes').getBoundingClientRect().bottom"
    )
    clip = {"x": 0, "y": 0, "width": 1160, "height": height + 24}
    picture: bytes = page.screenshot(full_page=True, clip=clip)
    page.close()
    return picture


if __name__ == "__main__":
    main()
