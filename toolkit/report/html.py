"""The report as one HTML page, without scripts or external resources.

All text from logs is escaped, by Jinja2 and in the drawings. The
Content-Security-Policy allows one style sheet, given by its hash, and nothing else:
there are no style attributes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup, escape

from toolkit.charts.colors import DARK_MARKS, LIGHT_MARKS, LIGHT_SHADES, shade_of
from toolkit.errors import clean, plural
from toolkit.formatting.dates import format_moment, format_range
from toolkit.formatting.text import UNKNOWN_TEXT, format_count, format_usd, usd_places
from toolkit.report.drawing import color_class, shortened, write
from toolkit.report.svg import (
    draw_bar,
    draw_budget,
    draw_change,
    draw_course,
    draw_limit,
    draw_lines,
    draw_spark,
)
from toolkit.report.tiles import draw_tile

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    *(draw_bar, draw_budget, draw_change, draw_course, draw_limit, draw_lines),
    *(draw_spark, draw_tile, color_class, format_range, plural, usd_places),
)
_LONGEST = 32  # characters of a word that is not broken


def environment() -> jinja2.Environment:
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
    page = environment()
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
