"""Figures as text: counts, shares, changes, dollars and names.

One function writes each kind of text. Styles differ by purpose, never by module:

========== ================================= ======================================
kind       in tables and sentences           on axes
========== ================================= ======================================
count      ``1,234``; sentence: ``1.93M``    short: ``1.2k``, ``50M``
share      ``3.1%``, ``<0.1%``, ``>99.9%``   exact: ``2.5%``, ``0.05%``
dollars    cents: ``$4,812.07``, ``$0.0036`` short: ``$12.50``, ``$1.5k``, ``$2M``
========== ================================= ======================================

Dollars in a column all have the places that `usd_places` returns. Dollars that are
compared or traced (budgets, the lines of `explain`) are ``exact``.

Every function takes a `Figure` or a plain number. A bound is marked by a sign
(``≥ $5.95``) or, with ``words=True``, by words (``at least $5.95``), and is rounded on
its own side. What is unknown is a dash or, in words, ``unknown``. Minus is ``-``.
"""

from __future__ import annotations

import json
from datetime import date, time
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from toolkit.errors import clean
from toolkit.formatting.figures import Figure, as_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from toolkit.formatting.figures import Number

    Amount: TypeAlias = Figure | Number | None
    UsdStyle: TypeAlias = Literal["exact", "cents", "short"] | int

DASH = "–"
UNKNOWN_TEXT = "unknown"
_SIGNS = {"lower": "≥ ", "upper": "≤ ", "approximate": "~ "}
_WORDS = {"lower": "at least ", "upper": "at most ", "approximate": "about "}
_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))
_ALL_DIGITS = Context(prec=60)  # a ratio of figures has 50
_SHORT_FROM = {"sentence": 10**6, "short": 1000}
_LONGEST = 64  # characters of a name: more are cut out of its middle
_BEGINNING = 40  # characters that are kept before the cut


def format_count(
    count: Amount,
    style: Literal["exact", "sentence", "short"] = "exact",
    *,
    words: bool = False,
) -> str:
    """Format a count, or a measured number such as a mean in three digits.

    Parameters
    ----------
    count
        A number of responses, tokens or lines; a mean, a ratio.
    style
        ``exact``: all digits of a count, in tables; ``sentence``: three digits of a
        million and more; ``short``: three digits of a thousand and more, on axes.
    words
        Write a bound in words, not as a sign.

    Examples
    --------
    >>> format_count(1234567), format_count(Figure(1234, "lower"))
    ('1,234,567', '≥ 1,234')
    >>> [format_count(number) for number in (1.2345, 0.031, 12_345.6, 3.0)]
    ['1.23', '0.031', '12,346', '3']
    >>> [format_count(number, "short") for number in (0, 999, 1234, 50_000_000)]
    ['0', '999', '1.23k', '50M']
    >>> format_count(207_812, "sentence"), format_count(1_934_000_000, "sentence")
    ('207,812', '1.93B')
    """

    def write(figure: Figure) -> str:
        is_short = style != "exact" and abs(figure.number) >= _SHORT_FROM[style]
        return _with_unit(figure) if is_short else _three_digits(figure)

    return _format(count, write, words=words)


def format_share(
    share: Amount,
    style: Literal["rounded", "exact"] = "rounded",
    *,
    words: bool = False,
) -> str:
    """Format a share; one that is not 0 or 1 is never written as if it were.

    Parameters
    ----------
    share
        1 is the whole; a ratio may be more.
    style
        ``rounded``: one digit after the point; ``exact``: all digits, on axes.
    words
        Write a bound in words, not as a sign.

    Examples
    --------
    >>> [format_share(share) for share in (0, 0.00001, 0.0312, 0.25, 0.99999, 1)]
    ['0%', '<0.1%', '3.1%', '25%', '>99.9%', '100%']
    >>> format_share(Figure(0.6789, "lower")), format_share(12.345)
    ('≥ 67.8%', '1,234.5%')
    >>> format_share(0.0005, "exact")
    '0.05%'
    """

    def write(figure: Figure) -> str:
        percent = _in_percent(figure)
        if style == "exact":
            return f"{_plain(percent.rounded(10).number)}%"
        return _rounded_share(percent)

    return _format(share, write, words=words)


def format_share_change(change: Amount, *, words: bool = False) -> str:
    """Format the difference of two shares in percentage points.

    Examples
    --------
    >>> [format_share_change(change) for change in (-0.004, 0.06, 0.01, 0, -0.0001)]
    ['-0.4 points', '+6 points', '+1 point', '±0 points', '-<0.1 points']
    """

    def write(figure: Figure) -> str:
        percent = _in_percent(figure)
        size = _tenths(percent)
        noun = "point" if size == "1" else "points"
        return f"{_sign(percent.number)}{size} {noun}"

    return _format(change, write, words=words)


def format_change(now: Amount, before: Amount, *, words: bool = False) -> str:
    """Format how much a count or an amount grew, relative to what it was.

    Examples
    --------
    >>> format_change(112, 100), format_change(100, 100), format_change(5, 0)
    ('+12%', '±0%', 'new')
    >>> format_change(91, 99.5), format_change(Figure(3, "lower"), 2)
    ('-8.5%', '≥ +50%')
    """
    new, old = as_figure(now), as_figure(before)
    if old == Figure(0) and new.exceeds(0) is not None:
        return "new" if new.exceeds(0) else "±0%"
    return _format(new / old - 1, _relative_change, words=words)


def _relative_change(change: Figure) -> str:
    """Write how much something grew in percent, with fewer digits the more it is."""
    percent = _in_percent(change)
    size = abs(percent.number)
    if size >= 10_000 and not _is_bound(percent):
        text = ">9,999"
    elif -100 < percent.number < -99 and not _is_bound(percent):
        # What is not gone is not written as -100%.
        text = f"{min(round(size, 1), Decimal('99.9'))}"
    elif size >= 10:
        text = _plain(abs(percent.rounded(0).number))
    else:
        text = _tenths(percent)
    return f"{_sign(percent.number)}{text}%"


def usd_places(amounts: Iterable[Amount]) -> int:
    """Return the decimal places of a column of dollars: three digits of the largest.

    Examples
    --------
    >>> [usd_places([Decimal(usd), 0, None]) for usd in ("0.284", "-0.0301", "12.5")]
    [3, 4, 2]
    >>> usd_places([4812.5]), usd_places([10_000]), usd_places([0.0])
    (2, 0, 2)
    """
    figures = [as_figure(amount) for amount in amounts]
    largest = max((abs(one.number) for one in figures if one.is_known), default=0)
    return 0 if largest >= 10_000 else max(2, _places_of(Decimal(largest), 3))


def format_usd(
    amount: Amount,
    style: UsdStyle = "cents",
    *,
    words: bool = False,
    signed: bool = False,
) -> str:
    """Format an amount of US dollars.

    Parameters
    ----------
    amount
        USD.
    style
        ``cents``: to the cent, below a dollar in two digits if it takes more places;
        ``exact``: all digits, and cents at least; ``short``: on axes, thousands and
        more in three digits, and no cents of whole dollars; a number: so many decimal
        places, in columns.
    words
        Write a bound in words, not as a sign.
    signed
        Write ``+`` before a positive amount, for changes.

    Examples
    --------
    >>> [format_usd(Decimal(usd)) for usd in ("4812.0679", "-3.5", "0.0035521", "0")]
    ['$4,812.07', '-$3.50', '$0.0036', '$0']
    >>> bound = Figure(Decimal("5.956"), "lower")
    >>> format_usd(bound), format_usd(bound, words=True), format_usd(None)
    ('≥ $5.95', 'at least $5.95', '–')
    >>> format_usd(Decimal("0.0035521"), "exact"), format_usd(1234.5, "exact")
    ('$0.0035521', '$1,234.50')
    >>> [format_usd(usd, "short") for usd in (0, 0.05, 0.5, 12.34, 152, 1_500)]
    ['$0', '$0.05', '$0.50', '$12.34', '$152', '$1.5k']
    >>> format_usd(Figure(Decimal("0.288"), "lower"), signed=True)
    '≥ +$0.28'
    >>> [format_usd(usd, 3) for usd in (0.2836, 0, -0.0002, Figure(0.0002, "upper"))]
    ['$0.284', '$0.000', '-<$0.001', '≤ $0.001']
    >>> format_usd(Figure(-0.0002, "upper"), 3, signed=True)
    '≤ $0.000'
    """

    def write(figure: Figure) -> str:
        size, less = figure.number.copy_abs(), ""
        if isinstance(style, int):
            rounded = abs(figure.rounded(style).number)
            if size and not rounded and not _is_bound(figure):
                rounded, less = Decimal(1).scaleb(-style), "<"
            text = f"{rounded:,f}"
        elif not size:
            text = "0"
        elif style == "short" and size >= 1000:
            text = _with_unit(figure)
        elif style == "exact":
            text = _with_cents(size)
        else:
            digits = 3 if style == "short" else 2
            places = 2 if size >= 1 else max(2, _places_of(size, digits))
            text = _with_cents(abs(figure.rounded(places).number))
            if style == "short":
                text = text.removesuffix(".00")
        is_zero = not text.strip("0.,")
        sign = "" if is_zero else "-" if figure.number < 0 else "+" if signed else ""
        return f"{sign}{less}${text.removeprefix('-')}"

    return _format(amount, write, words=words)


def format_name(name: object) -> str:
    r"""Format a name of a log: harmless, in one line, of 64 characters at most.

    Examples
    --------
    >>> format_name("a\x1b[31m\nb"), format_name(None)
    ('a�[31m�b', 'unknown')
    >>> len(format_name("x" * 10_000))
    64
    """
    if name is None:
        return UNKNOWN_TEXT
    # The middle is cut first: a name may have megabytes.
    text = str(name)
    if len(text) > _LONGEST:
        text = f"{text[:_BEGINNING]}…{text[_BEGINNING + 1 - _LONGEST :]}"
    text = " ".join(clean(text).split())
    return text or repr(str(name)[:_LONGEST])


def capitalize(text: str) -> str:
    """Return a text with a capital first letter; the others stay as they are."""
    return text[:1].upper() + text[1:]


def join_words(words: Sequence[str]) -> str:
    """Join words: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _format(amount: Amount, write: Callable[[Figure], str], *, words: bool) -> str:
    """Format an amount by `write`, after the mark of its bound, or as unknown."""
    figure = as_figure(amount)
    if not figure.is_known:
        return UNKNOWN_TEXT if words else DASH
    return (_WORDS if words else _SIGNS).get(figure.bound, "") + write(figure)


def _sign(number: Decimal) -> str:
    """Return the sign of a change."""
    return "±" if not number else "+" if number > 0 else "-"


def _plain(number: Decimal) -> str:
    """Write a number with groups of thousands, and without trailing zeros."""
    text = f"{number or 0:,f}"  # no -0
    return text.rstrip("0").rstrip(".") if "." in text else text


def _places_of(number: Decimal, digits: int) -> int:
    """Return how many decimal places a number in so many significant digits has."""
    return digits - 1 - number.adjusted() if number else 0


def _three_digits(figure: Figure) -> str:
    """Write three significant digits, or all digits of a whole number."""
    return _plain(figure.rounded(max(0, _places_of(figure.number, 3))).number)


def _with_unit(figure: Figure) -> str:
    """Write three digits of a large number, and its unit."""
    rounded = figure.rounded(_places_of(figure.number, 3)).number
    size, unit = next(pair for pair in _UNITS if abs(rounded) >= pair[0])
    return f"{_plain(rounded / size)}{unit}"


def _with_cents(size: Decimal) -> str:
    """Write dollars with cents, and with more places only where they are not 0."""
    text = _plain(size)
    whole, _, cents = text.partition(".")
    return f"{whole}.{cents:0<2}"


def _in_percent(figure: Figure) -> Figure:
    """Return a share in percent, with all of its digits."""
    return Figure(figure.number.scaleb(2, _ALL_DIGITS), figure.bound)


def _is_bound(figure: Figure) -> bool:
    """Return whether a figure must be rounded to its own side."""
    return figure.bound in {"lower", "upper"}


def _tenths(percent: Figure) -> str:
    """Write the size of a change to one decimal place, never as 0 if it is not."""
    if 0 < abs(percent.number) < Decimal("0.1") and not _is_bound(percent):
        return "<0.1"
    return _plain(abs(percent.rounded(1).number))


def _rounded_share(percent: Figure) -> str:
    """Write a share to one decimal place, never as 0% or 100% if it is not."""
    number = percent.number
    if not _is_bound(percent):
        if 0 < number < Decimal("0.1"):
            return "<0.1%"
        if Decimal("99.9") < number < 100:
            return ">99.9%"
        if 100 < number < Decimal("100.1"):
            return ">100%"
    rounded = percent.rounded(1).number
    # A bound: it is rounded to its own side, and 0 would say nothing.
    return ">0%" if number > 0 and not rounded else f"{_plain(rounded)}%"


def format_json(data: object, indent: int | None = 1) -> str:
    """Format JSON in ASCII, so that nothing in it controls a screen.

    Money is a string, because no float is exact; times are in ISO 8601.
    """
    return json.dumps(data, indent=indent, default=plain_text, allow_nan=False)


def plain_text(value: object) -> str:
    r"""Return an amount with all its digits, a time in ISO 8601, other values as text.

    Examples
    --------
    >>> plain_text(Decimal("0.000000000001")), plain_text(b"a\xff")
    ('0.000000000001', 'a\\xff')
    """
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value.isoformat() if isinstance(value, date | time) else str(value)
