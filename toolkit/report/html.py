"""The report as one HTML page, without scripts or external resources.

All text from logs is escaped, by Jinja2 and in the SVG of the charts. The
Content-Security-Policy allows one style sheet, given by its hash, and nothing else.
"""

from __future__ import annotations

import gc
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from toolkit import charts
from toolkit.charts.plot import find_chart
from toolkit.formatting.text import format_count
from toolkit.report.svg import NARROW, WIDE, Styles, draw, sparkline

if TYPE_CHECKING:
    from toolkit.report.content import ReportContent, SectionResult

# Dark colours of the page; the charts have their own.
_DARK = (
    ":root{--ground:#141b22;--ink:#eef2f6;--muted:#a3aeb9;--line:#2a343f;--card:#1b242d;"
    "--link:#6db8ee;--good:#4cc38a;--bad:#ff7b72;--spark:#3d9bdb}"
)


@cache
def _text_of(name: str) -> str:
    """Read a text file of this package."""
    return files("toolkit.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _templates() -> jinja2.Environment:
    """Return the templates; undefined names are errors, and text is escaped."""
    templates = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text_of),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    templates.filters["format_count"] = format_count
    return templates


def to_html(content: ReportContent) -> str:
    """Return a report as an HTML page."""
    styles = Styles()
    charts.colors(content.names)
    # A chart makes a hundred thousand objects: looking for reference cycles among them
    # takes a fifth of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        pictures = {
            result.section.name: _draw(result, styles) for result in content.sections
        }
    finally:
        if collects:
            gc.enable()
    style = _style_sheet(styles)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return (
        _templates()
        .get_template("page.html")
        .render(
            content=content,
            plan=content.plan,
            data=content.data,
            against=content.against,
            pictures=pictures,
            footer=content.provenance.footer(content.plan),
            style=Markup(style),  # noqa: S704 - our own rules, and numbers of matplotlib
            style_hash=f"sha256-{digest}",
            sparkline=sparkline,
        )
    )


def _style_sheet(styles: Styles) -> str:
    """Return the style sheet of the page and its charts, in both themes."""
    light, dark = styles.rules()
    sheet = " ".join(_text_of("page.css").split())
    return (
        f"{sheet}{light}@media screen and (prefers-color-scheme:dark){{{_DARK}{dark}}}"
    )


def _draw(result: SectionResult, styles: Styles) -> list[Markup]:
    """Draw a section, for wide and for narrow screens."""
    name = result.section.name
    chart = find_chart(name)
    # Their text is escaped when it is written.
    return [
        Markup(draw(chart, result.frame, styles, f"{name}-{size}", inches))  # noqa: S704
        for size, inches in (("w", WIDE), ("n", NARROW))
    ]
