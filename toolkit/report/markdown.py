"""The report as Markdown, for job summaries and chats; it also reads well as text.

Names from logs are written as code spans, in which GitHub and chats interpret no links,
mentions, formulas or HTML. Other text has no characters with a meaning in Markdown; if
it has, because a name is in it, all of it is a code span.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

from markupsafe import Markup

from toolkit.formatting.dates import format_day
from toolkit.formatting.text import format_count, format_name, format_usd
from toolkit.report.analysis_rows import percent
from toolkit.report.model import Bars, Dots, Heat, Timeline
from toolkit.report.templates import environment
from toolkit.report.wording import usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from toolkit.formatting.figures import Figure
    from toolkit.report.model import Kind, ReportContent

    # Heads, rows, and the side of each column; the last is for all that follow.
    _Table = tuple[Sequence[str], Iterable[Sequence[object]], str]

# What Markdown, GitHub or a chat would interpret.
_SIGNS = re.compile(
    r"[`*\\|@\[\]\n]|<[A-Za-z/!?]|&[#\w]|(?<!\w)_|_(?!\w)|#\d|://|www\.|~\S|\$(?!\d)"
    r"|:[a-z_+-]+:|^ *([#>+-]|\d+[.)])( |$)"
)
_WORDS = re.compile(r"[^\W_]+( [^\W_]+)*")  # a name that may stand in a sentence
_WIDEST = 98  # characters of a table


def to_markdown(content: ReportContent) -> str:
    """Return a report as Markdown."""
    names = _Names(content)
    templates = environment().overlay(
        finalize=names.write, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters |= {"code": _code, "usd": format_usd, "change": _change}
    template = templates.get_template("page.md")
    written = {name: names.table(*rows) for name, rows in _tables(content).items()}
    text = template.render(content=content, tables=written)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _tables(content: ReportContent) -> dict[str, _Table]:
    """Return heads, rows and sides of the tables of a report."""
    found: dict[str, _Table] = {}
    rows: list[Sequence[object]] = []
    for one in content.figures:
        now = _write(one.value, one.kind)
        points = [_write(point, one.kind, "short") for point in one.points]
        of = "" if one.of is None else f" of {one.of:,}"
        rows.append((one.label, f"{now}{of}", one.words, ", ".join(points)))
    heads = ["", "Now", "Change", "Over time, now last"]
    found["figures"] = heads, rows, "lrll"
    for place, budget in enumerate(content.budgets):
        likely = f"{format_usd(budget.low)} to {format_usd(budget.high)}"
        sums = (budget.spent, budget.forecast, budget.with_unpriced, budget.limit)
        spent, forecast, unpriced, limit = map(format_usd, sums)
        heads = ["Spent", "Forecast", "Likely", "With unpriced calls", "Limit"]
        cells = (spent, forecast, likely, unpriced, limit)
        found[f"budget{place}"] = heads, [cells], "r"
    if course := content.course:
        columns = [course.labels, map(format_usd, course.totals),
                   map(percent, course.unpriced)]  # fmt: skip
        columns += [map(format_usd, one.values) for one in reversed(course.series)]
        heads = [
            "From",
            "All",
            "Unpriced",
            *(one.name for one in reversed(course.series)),
        ]
        found["course"] = heads, list(zip(*columns, strict=True)), "lr"
    for place, tag in enumerate(content.tags):
        heads = [tag.column.removeprefix("tag_").capitalize(), "Cost", "Calls"]
        rows = [(one.value or "none", format_usd(one.cost), f"{one.calls:,}")
                for one in tag.rows]  # fmt: skip
        found[f"tag{place}"] = heads, rows, "lr"
    if models := content.models:
        heads = ["", "Calls (before)", "Tokens", "Known cost", "Change", "No price"]
        rows = [
            (one.short, _calls(one.calls, one.calls_before), format_count(one.tokens),
             format_usd(one.cost), _change(one.change), f"{one.unpriced:,}", one.reason)
            for one in (*models.rows, models.total)
        ]  # fmt: skip
        found["models"] = [*heads, "Main reason"], rows, "lrrrrrl"
    if restated := content.restated:
        rows = [
            (f"{format_day(one.start, 'iso')}", one.label, _write(one.before, one.kind),
             _write(one.now, one.kind), one.why) for one in restated.rows
        ]  # fmt: skip
        found["restated"] = ["From", "", "Before", "Now", "Why"], rows, "llrrl"
    if analysis := content.analysis:
        found["all"] = analysis.table.heads, analysis.table.rows, "lr"
        for tile in analysis.tiles:
            if isinstance(chart := tile.chart, Heat):
                hours = zip(chart.columns, *chart.counts, strict=True)
                found["hours"] = ["Hour", *chart.rows], list(hours), "lr"
    return found


def _calls(now: int, before: int | None) -> str:
    """Return a number of calls, with that before in brackets."""
    return f"{now:,}" if before is None else f"{now:,} ({before:,})"


def _change(amount: Figure) -> str:
    """Return a change of a cost."""
    return usd(amount, words=False, signed=True)


def _write(
    figure: Figure, kind: Kind, style: Literal["exact", "short"] = "exact"
) -> str:
    """Return a figure of a kind."""
    if kind == "share":
        return percent(figure)
    return format_usd(figure) if kind == "usd" else format_count(figure, style)


class _Names:
    """The names in a report, and text that may contain them."""

    def __init__(self, content: ReportContent) -> None:
        found = {format_name(name) for name in _names_of(content) if name}
        coded = sorted((n for n in found if not _WORDS.fullmatch(n)), key=len)
        names = "|".join(map(re.escape, reversed(coded)))
        self._names = re.compile(rf"(?<![\w-])({names or '(?!)'})(?![\w-])")

    def write(self, text: object) -> Markup:
        """Return text with its names as code spans."""
        if isinstance(text, Markup):
            return text
        parts = self._names.split(str(text))
        if any(map(_SIGNS.search, parts[::2])):
            return _code(str(text))
        parts[1::2] = map(_code, parts[1::2])
        return Markup("".join(parts))  # noqa: S704 - without signs

    def table(
        self, heads: Sequence[str], rows: Iterable[Sequence[object]], sides: str
    ) -> Markup:
        """Return a table; a wide one is cut into several with the same first column."""
        cells = [
            [self.write(cell).replace("|", "\\|") for cell in row]
            for row in (heads, *rows)
        ]
        columns = list(zip(*cells, strict=True))
        widths = [max(3, *map(_width, column)) for column in columns]
        tables: list[list[int]] = [[0]]
        for place in range(1, len(columns)):
            used = sum(widths[one] + 3 for one in tables[-1])
            if len(tables[-1]) > 1 and used + widths[place] + 3 > _WIDEST:
                tables.append([0])
            tables[-1].append(place)
        lines = []
        for places in tables:
            right = [sides[min(place, len(sides) - 1)] == "r" for place in places]
            rule = ["-" * (widths[place] - one) + ":" * one
                    for place, one in zip(places, right, strict=True)]  # fmt: skip
            written = [
                [_padded(row[place], widths[place], right=one)
                 for place, one in zip(places, right, strict=True)]
                for row in cells
            ]  # fmt: skip
            lines += ["", *(f"| {' | '.join(row)} |" for row in
                            [written[0], rule, *written[1:]])]  # fmt: skip
        return Markup("\n".join(lines[1:]))  # noqa: S704 - each cell is safe


def _names_of(content: ReportContent) -> Iterable[str | None]:
    """Yield the names in a report: of series, tags, tools and versions."""
    yield from chain(content.colors, content.range.by)
    for row in content.models.rows if content.models else []:
        yield from (row.name, row.short)
    for tag in content.tags:
        yield from (tag.column, *(row.value for row in tag.rows))
    for budget in content.budgets:
        yield from (budget.tag, budget.value)
    for series in content.course.series if content.course else []:
        yield series.name
    if content.analysis is not None:
        yield from (row[0] for row in content.analysis.table.rows)
        for chart in (tile.chart for tile in content.analysis.tiles):
            if isinstance(chart, Bars):
                yield from (one[0] for one in chart.legend)
                yield from (bar.label for bar in chart.bars if not chart.upright)
            elif isinstance(chart, Dots):
                yield from (row[0].label for row in chart.rows)
            elif isinstance(chart, Timeline):
                yield from (name for name, _ in chart.rows)


def _code(text: str) -> Markup:
    """Return text as a code span.

    Examples
    --------
    >>> print(_code("a`b"))
    `` a`b ``
    """
    text = " ".join(text.split())
    ticks = max((len(run) for run in re.findall("`+", text)), default=0)
    fence, pad = "`" * (ticks + 1), " " if ticks else ""
    # A backslash before a pipe would escape the pipe in a table.
    text = text.replace("\\|", "\\ |")
    return Markup(f"{fence}{pad}{text}{pad}{fence}")  # noqa: S704 - nothing ends it


def _width(text: str) -> int:
    """Return how many columns a text takes."""
    return sum(
        0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1
        for sign in text
    )


def _padded(text: str, width: int, *, right: bool) -> str:
    """Return text with spaces to a width."""
    spaces = " " * (width - _width(text))
    return f"{spaces}{text}" if right else f"{text}{spaces}"
