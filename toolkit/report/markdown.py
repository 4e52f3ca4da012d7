"""The report as Markdown, for job summaries and chats; it also reads well as text.

Names from logs are written as code spans, in which GitHub and chats interpret no links,
mentions, formulas or HTML. Other text has no characters with a meaning in Markdown; if
it has, because a name is in it, all of it is a code span.
"""

from __future__ import annotations

import re
from itertools import chain, islice
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

from markupsafe import Markup

from toolkit.formatting.markdown import SIGNS, code_span
from toolkit.formatting.text import format_count, format_name, format_usd
from toolkit.report.html import environment
from toolkit.report.model import Bars, Dots
from toolkit.report.wording import percent, usd

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from toolkit.formatting.figures import Figure
    from toolkit.report.model import Kind, ReportContent

_WORDS = re.compile(r"[^\W_]+( [^\W_]+)*")  # a name that needs no code span
_WIDEST = 98  # characters of a table
_MOST_NAMES = 500  # that are looked for in sentences


def to_markdown(content: ReportContent) -> str:
    """Return a report as Markdown."""
    write = _Writer(_names_of(content))
    templates = environment().overlay(
        finalize=write, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters |= {"code": _code, "figure": _figure, "table": _table}
    templates.filters |= {"name": format_name, "usd": format_usd, "change": _change}
    text = templates.get_template("page.md").render(content=content)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


class _Writer:
    """Writes text in which names may be."""

    def __init__(self, names: Iterable[str | None]) -> None:
        known = {one for name in names if name for one in (name, format_name(name))}
        coded = sorted((one for one in known if not _WORDS.fullmatch(one)), key=len)
        pattern = "|".join(map(re.escape, reversed(coded))) or "(?!)"
        self._names = re.compile(rf"(?<![\w-])({pattern})(?![\w-])")

    def __call__(self, text: object) -> Markup:
        """Return text in one line with its names as code spans."""
        if isinstance(text, Markup):
            return text
        parts = self._names.split(" ".join(str(text).split()))
        if any(map(SIGNS.search, parts[::2])):
            return _code(str(text))
        parts[1::2] = map(_code, parts[1::2])
        return Markup("".join(parts))  # noqa: S704 - without signs


def _names_of(content: ReportContent) -> Iterable[str | None]:
    """Yield the names in a report: of series, tags, tools and versions."""
    yield from chain(islice(content.colors, _MOST_NAMES), content.range.by)
    for row in content.models.rows if content.models else []:
        yield from (row.name, row.short)
    for tag in content.tags:
        yield from (tag.column, *(row.value for row in tag.rows))
    for budget in content.budgets:
        yield from (budget.tag, budget.value)
    if content.analysis is None:
        return
    yield from (row[0] for row in content.analysis.table.rows)
    for chart in (tile.chart for tile in content.analysis.tiles):
        if isinstance(chart, Bars):
            yield from (bar.label for bar in chart.bars if not chart.upright)
        elif isinstance(chart, Dots):
            yield from (row[0].label for row in chart.rows)


def _code(text: str) -> Markup:
    """Return text as a code span."""
    return Markup(code_span(text))  # noqa: S704 - nothing ends it


def _table(text: str, sides: str) -> Markup:
    """Return lines of cells, separated by tabs, as a table.

    `sides` has an l or r for each column, the last one for all that follow. A wide
    table becomes several with the same first column.
    """
    rows = [line.replace("|", "\\|").split("\t") for line in text.splitlines() if line]
    columns = list(zip(*([cell.strip() for cell in row] for row in rows), strict=True))
    widths = [max(3, *map(_width, column)) for column in columns]
    written = []
    for place, (column, width) in enumerate(zip(columns, widths, strict=True)):
        is_right = sides[min(place, len(sides) - 1)] == "r"
        spaces = [" " * (width - _width(cell)) for cell in column]
        cells = [f"{space}{cell}" if is_right else f"{cell}{space}"
                 for cell, space in zip(column, spaces, strict=True)]  # fmt: skip
        rule = "-" * (width - 1) + (":" if is_right else "-")
        written.append([cells[0], rule, *cells[1:]])
    tables, used = [[written[0]]], widths[0]
    for cells, width in zip(written[1:], widths[1:], strict=True):
        if len(tables[-1]) > 1 and used + width + 7 > _WIDEST:
            tables.append([written[0]])
            used = widths[0]
        tables[-1].append(cells)
        used += width + 3
    lines = ["\n".join(f"| {' | '.join(row)} |" for row in zip(*table, strict=True))
             for table in tables]  # fmt: skip
    return Markup("\n\n".join(lines) + "\n")  # noqa: S704 - each cell is safe


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    wide = sum(east_asian_width(sign) in "WF" for sign in text)
    return len(text) + wide - sum(map(bool, map(combining, text)))


def _change(amount: Figure) -> str:
    """Return a change of a cost."""
    return usd(amount, words=False, signed=True)


def _figure(
    figure: Figure, kind: Kind, style: Literal["exact", "short"] = "exact"
) -> str:
    """Return a figure of a kind."""
    if kind == "share":
        return percent(figure)
    return format_usd(figure) if kind == "usd" else format_count(figure, style)
