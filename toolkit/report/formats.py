"""The report as one HTML page, and as Markdown for job summaries and chats.

The page has no scripts or external resources. All text from logs is escaped, by Jinja2
and in the drawings. The Content-Security-Policy allows one style sheet, given by its
hash, and nothing else: there are no style attributes.

Markdown also reads well as text. Names from logs are code spans, in which GitHub and
chats interpret no links, mentions, formulas or HTML. Other text has no characters with
a meaning in Markdown; if it has, because a name is in it, all of it is a code span.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from itertools import chain, islice
from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

import jinja2
from markupsafe import Markup, escape

from toolkit.charts.colors import DARK_MARKS, LIGHT_MARKS, LIGHT_SHADES, shade_of
from toolkit.errors import clean, plural
from toolkit.formatting.dates import format_moment, format_range
from toolkit.formatting.markdown import SIGNS, code_span
from toolkit.formatting.text import (
    UNKNOWN_TEXT,
    format_count,
    format_name,
    format_usd,
    usd_places,
)
from toolkit.report import svg
from toolkit.report.drawing import color_class, draw_tile, shortened, write
from toolkit.report.model import Bars, Dots
from toolkit.report.wording import percent, usd

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from toolkit.formatting.figures import Figure, Number
    from toolkit.formatting.text import UsdStyle
    from toolkit.report.model import KeyFigure, Kind, ReportContent

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)  # of CSS
# A minus in front of a figure; the sign of a bound and its figure; a word with hyphens,
# such as the name of a model.
_MINUS = re.compile(r"(?<![\w-])-(?=<?\$?\d)")
_BOUND = re.compile(r"([≥≤~]) (?=[+−$<\d])")
_HYPHENS = re.compile(r"(?<!\S)\S*\w-\w\S*")
_FUNCTIONS = (
    *(svg.draw_bar, svg.draw_budget, svg.draw_change, svg.draw_course, svg.draw_lines),
    *(svg.draw_spark, draw_tile, color_class, format_range, plural, usd_places),
)
_LONGEST = 32  # characters of a word that is not broken


def _environment() -> jinja2.Environment:
    """Return an environment that escapes text; undefined names are errors."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("toolkit", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )


def to_html(content: ReportContent) -> str:
    """Return a report as an HTML page."""
    style = _style_sheet(content.colors.values())
    digest = b64encode(sha256(style.encode()).digest()).decode()
    page = _environment()
    page.finalize = _cleaned
    page.filters |= {
        "any": any,
        "count": lambda figure, style: _signed(format_count(figure, style)),
        "figure": _figure,
        "key_figure": _key_figure,
        "moment": format_moment,
        "most": _most,
        "name": _name,
        "usd": _usd,
        "words": _words,
    }
    return page.get_template("page.html").render(
        it=content,
        style=Markup(style),  # noqa: S704 - our own rules
        style_hash=f"sha256-{digest}",
        **{function.__name__: function for function in _FUNCTIONS},
    )


def _style_sheet(own: Iterable[str]) -> str:
    """Return the style sheet of the page, with the user's own colours."""
    names = sorted({*LIGHT_SHADES, *LIGHT_MARKS, *(c for c in own if c[0] == "#")})
    themes = []
    for marks in (LIGHT_MARKS, DARK_MARKS):
        rules = [f":root{{{';'.join(f'--{name}:{marks[name]}' for name in marks)}}}"]
        for name in names:
            fill, text = shade_of(name, dark=marks is DARK_MARKS)
            rules.append(f".{color_class(name)}{{--f:{fill};--t:{text}}}")
        themes.append("".join(rules))
    light, dark = themes
    text = files("toolkit.report").joinpath("page.css").read_text("utf-8")
    sheet = " ".join(_COMMENT.sub("", text).split())
    return f"{light}@media screen and (prefers-color-scheme:dark){{{dark}}}{sheet}"


def _cleaned(value: object) -> object:
    """Replace control and bidi characters of a text."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean(value)
    return value


def _words(text: str) -> Markup:
    """Return text with a real minus; names and figures are not broken into lines."""
    escaped = str(escape(clean(_MINUS.sub("−", text))))
    escaped = _BOUND.sub("\\1\N{NO-BREAK SPACE}", escaped)
    return Markup(_HYPHENS.sub(_unbroken, escaped))  # noqa: S704 - escaped


def _unbroken(found: re.Match[str]) -> str:
    """Keep a word with hyphens in one line, unless it is long."""
    word = found[0]
    return f'<span class="unbroken">{word}</span>' if len(word) <= _LONGEST else word


def _name(name: str, room: float, whole: str = "") -> Markup:
    """Return a name shortened to its room; the whole one shows on pointing at it."""
    whole, short = clean(whole or name), shortened(name, room, bold=True)
    if short == whole:
        return escape(short)
    return Markup('<span title="{}">{}</span>').format(whole, short)


def _usd(figure: Figure, style: UsdStyle, signed: bool = False) -> Markup:
    """Return an amount with its sign."""
    return _signed(format_usd(figure, style, signed=signed))


def _figure(figure: Figure, kind: Kind) -> Markup:
    """Return a figure of a kind with its sign."""
    return _signed(write(figure, kind))


def _key_figure(one: KeyFigure) -> Markup:
    """Return a key figure: large ones have three digits, or no cents."""
    value = one.value.value or 0
    if one.kind == "count":
        return _signed(format_count(one.value, "sentence"))
    if one.kind == "share" or value < 1000:
        return _figure(one.value, one.kind)
    return _usd(one.value, 0 if value < 10**6 else "short")


def _signed(text: str) -> Markup:
    """Return a figure with its sign set apart, and what is unknown as a word."""
    sign, _, number = text.replace("-", "−").rpartition(" ")
    if number == "–":
        return Markup("<i>{}</i>").format(UNKNOWN_TEXT)
    return Markup("<i>{}</i>&nbsp;{}").format(sign, number) if sign else escape(number)


def _most(values: Iterable[Number | None]) -> float:
    """Return the largest size of values that are known."""
    sizes = (abs(float(value)) for value in values if value is not None)
    return max(sizes, default=0.0)


# --- Markdown ------------------------------------------------------------------------

_WORDS = re.compile(r"[^\W_]+( [^\W_]+)*")  # a name that needs no code span
_WIDEST = 98  # characters of a table
_MOST_NAMES = 500  # that are looked for in sentences


def to_markdown(content: ReportContent) -> str:
    """Return a report as Markdown."""
    write = _Writer(_names_of(content))
    templates = _environment().overlay(
        finalize=write, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters |= {"code": _code, "figure": _plain_figure, "table": _table}
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


def _plain_figure(
    figure: Figure, kind: Kind, style: Literal["exact", "short"] = "exact"
) -> str:
    """Return a figure of a kind."""
    if kind == "share":
        return percent(figure)
    return format_usd(figure) if kind == "usd" else format_count(figure, style)
