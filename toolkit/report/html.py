"""The report as one page of HTML: no script, nothing fetched, nothing that runs.

Every word from a log passes Jinja2's escaping; the charts come as SVG that was written
here, with their words escaped too. The Content-Security-Policy allows one style sheet,
named by its hash, and nothing else.
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
from toolkit.report.svg import NARROW, WIDE, Styles, draw, sparkline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.report.content import Contents, Part
    from toolkit.report.provenance import Made

# Of the page itself in the dark; that of the charts is theirs.
_DARK = (
    ":root{--ground:#141b22;--ink:#eef2f6;--muted:#a3aeb9;--line:#2a343f;--card:#1b242d;"
    "--link:#6db8ee;--good:#4cc38a;--bad:#ff7b72;--spark:#3d9bdb}"
)


@cache
def _text_of(name: str) -> str:
    """Read a file of this package."""
    return files("toolkit.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _templates() -> jinja2.Environment:
    """Return the templates: what is not known is an error, what is text is escaped."""
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_text_of),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )


def to_html(contents: Contents, made: Made) -> str:
    """Write a report as a page."""
    styles = Styles()
    charts.colors(contents.names)
    # A chart makes a hundred thousand objects: to look for circles in them, again and
    # again, takes a fifth of the time.
    collects = gc.isenabled()
    gc.disable()
    try:
        parts = [_part_data(part, styles) for part in contents.parts]
    finally:
        if collects:
            gc.enable()
    style = _style_sheet(styles)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    page = _templates().get_template("page.html")
    return page.render(
        title=contents.plan.title,
        range=contents.range,
        before=contents.before,
        tz=contents.plan.tz,
        headline=contents.headline,
        figures=[
            {**figure._asdict(), "line": sparkline(figure.points)}
            for figure in contents.figures
        ],
        changes=contents.changes,
        against=made.against,
        parts=parts,
        data={
            **contents.data._asdict(),
            "ledger": _with_commas(contents.data.ledger),
            "rejects": _with_commas(contents.data.rejects),
        },
        made=made,
        footer=made.footer(),
        style=Markup(style),  # noqa: S704 - of ours, and of matplotlib's numbers
        style_hash=f"sha256-{digest}",
        table=_html_table,
        arrow=_arrow,
    )


def _with_commas(rows: Sequence[tuple[str, int, str]]) -> list[tuple[str, str, str]]:
    """Write the counts of a table."""
    return [(name, f"{count:,}", words) for name, count, words in rows]


def _style_sheet(styles: Styles) -> str:
    """Return the one style sheet: of the page, and of its pictures, in both themes."""
    light, dark = styles.rules()
    sheet = " ".join(_text_of("page.css").split())
    return (
        f"{sheet}{light}@media screen and (prefers-color-scheme:dark){{{_DARK}{dark}}}"
    )


def _part_data(part: Part, styles: Styles) -> dict[str, Any]:
    """Draw a section, once for a laptop and once for a phone."""
    section, table = part.section, part.table
    drawn = [
        draw(section.chart, part.frame, styles, f"{section.name}-{size}", inches)
        for size, inches in (("w", WIDE), ("n", NARROW))
    ]
    # Their words were escaped where they were written.
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
        "notes": part.notes,
    }


def _html_table(
    heads: Sequence[str],
    kinds: Sequence[str],
    rows: Sequence[Sequence[str]],
    label: str,
) -> Markup:
    """Write a table that scrolls by itself where the page is narrow."""
    written = (
        _templates()
        .get_template("table.html")
        .render(
            heads=list(zip(heads, kinds, strict=True)),
            rows=[list(zip(row, kinds, strict=True)) for row in rows],
            label=label,
        )
    )
    return Markup(written)  # noqa: S704 - the template has escaped it


def _arrow(change: str) -> str:
    """Return the arrow of a change."""
    return {"+": "▲ ", "−": "▼ "}.get(change[:1], "")
