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
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup

from toolkit import charts
from toolkit.formatting.text import format_count
from toolkit.report.svg import NARROW, WIDE, Styles, draw, sparkline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.report.content import ReportContent, SectionResult
    from toolkit.report.provenance import Provenance

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
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_text_of),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )


def to_html(content: ReportContent, provenance: Provenance) -> str:
    """Return a report as an HTML page."""
    styles = Styles()
    charts.colors(content.names)
    # A chart makes a hundred thousand objects: looking for reference cycles among them
    # takes a fifth of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        sections = [_section_data(result, styles) for result in content.sections]
    finally:
        if collects:
            gc.enable()
    style = _style_sheet(styles)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    page = _templates().get_template("page.html")
    return page.render(
        title=content.plan.title,
        range=content.range,
        before=content.before,
        tz=content.plan.tz,
        headline=content.headline,
        kpis=[{**kpi._asdict(), "line": sparkline(kpi.points)} for kpi in content.kpis],
        changes=content.changes,
        against=provenance.against,
        sections=sections,
        data={
            **content.data._asdict(),
            "ledger": _with_commas(content.data.ledger),
            "rejects": _with_commas(content.data.rejects),
        },
        provenance=provenance,
        footer=provenance.footer(),
        style=Markup(style),  # noqa: S704 - our own rules, and numbers of matplotlib
        style_hash=f"sha256-{digest}",
        table=_html_table,
        arrow=_arrow,
    )


def _with_commas(rows: Sequence[tuple[str, int, str]]) -> list[tuple[str, str, str]]:
    """Format the counts of a table."""
    return [(name, format_count(count), words) for name, count, words in rows]


def _style_sheet(styles: Styles) -> str:
    """Return the style sheet of the page and its charts, in both themes."""
    light, dark = styles.rules()
    sheet = " ".join(_text_of("page.css").split())
    return (
        f"{sheet}{light}@media screen and (prefers-color-scheme:dark){{{_DARK}{dark}}}"
    )


def _section_data(result: SectionResult, styles: Styles) -> dict[str, Any]:
    """Draw a section, for wide and for narrow screens."""
    section, table = result.section, result.table
    drawn = [
        draw(section.chart, result.frame, styles, f"{section.name}-{size}", inches)
        for size, inches in (("w", WIDE), ("n", NARROW))
    ]
    # Their text was escaped when it was written.
    wide, narrow = (Markup(one.svg) for one in drawn)  # noqa: S704
    return {
        "name": section.name,
        "title": section.title,
        "words": section.words,
        "wide": wide,
        "narrow": narrow,
        "heads": table.heads,
        "kinds": table.kinds,
        "rows": table.rows,
        "notes": result.notes,
    }


def _html_table(
    heads: Sequence[str],
    kinds: Sequence[str],
    rows: Sequence[Sequence[str]],
    label: str,
) -> Markup:
    """Return a table that scrolls on narrow screens."""
    written = (
        _templates()
        .get_template("table.html")
        .render(
            heads=list(zip(heads, kinds, strict=True)),
            rows=[list(zip(row, kinds, strict=True)) for row in rows],
            label=label,
        )
    )
    return Markup(written)  # noqa: S704 - escaped by the template


def _arrow(change: str) -> str:
    """Return the arrow for a change."""
    return "▲ " if "+" in change else "▼ " if "-" in change else ""
