"""The colours of the page in both themes, until `toolkit.charts.colors` is there."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

_TEXT_CONTRAST = 4.5  # of text on its ground: WCAG 2.2, success criterion 1.4.3

# Slots of series: fill and text on a light ground, then on a dark one. Fills have a
# contrast of 3 with their ground, but for the palest (a3, b3, ...). Shades of a maker,
# and the first shades of makers, are apart for the colour-blind: see the tests.
_SHADES = """
a1 #0a3a70 #0a3a70 #387ccb #6fb1f0
a2 #2a75b3 #1f6ab0 #7db6ee #7db6ee
a3 #62abe3 #22689f #bfddf7 #bfddf7
b1 #c98200 #8f5b00 #edb23f #edb23f
b2 #6f3805 #6f3805 #997c18 #a78826
b3 #e5b36d #8f6523 #ffe596 #ffe596
c1 #8e2a5e #8e2a5e #dd78ae #e995c2
c2 #b75a9c #a74b8d #a04896 #c66bba
c3 #eaa0cc #9a5680 #ffbfeb #ffbfeb
d1 #14936b #0b7050 #5adbae #5adbae
d2 #006032 #006032 #36a468 #36a468
d3 #89c89d #3c7952 #beffef #beffef
e1 #b5400b #b5400b #ef6a35 #ff9a68
e2 #67170b #67170b #a54b32 #d27155
e3 #ef794d #b84b23 #ffa183 #ffa183
z #8a96a1 #55636f #66747f #a3b2c0
"""
# What is no series, on a light ground and on a dark one.
_MARKS = """
ground #ffffff #0f161d
panel #f5f7f9 #17212b
ink #15202b #e9eef3
muted #55636f #a3b2c0
soft #8a96a1 #7f8e9b
pale #c3ccd4 #465563
rule #cfd7de #33414e
grid #e6ebf0 #222d38
warn #b5400b #f47b45
warn2 #dd8a5c #a85a38
"""


class Shade(NamedTuple):
    """The colour of a series, as a fill and for its name."""

    fill: str
    text: str


def _read_shades(column: int) -> dict[str, Shade]:
    """Return the shades of all slots, from a column of the table on."""
    rows = map(str.split, _SHADES.strip().splitlines())
    return {row[0]: Shade(*row[column : column + 2]) for row in rows}


def _read_marks(column: int) -> dict[str, str]:
    """Return the colours of all marks, from a column of the table."""
    rows = map(str.split, _MARKS.strip().splitlines())
    return {row[0]: row[column] for row in rows}


LIGHT_SHADES, DARK_SHADES = _read_shades(1), _read_shades(3)
LIGHT_MARKS, DARK_MARKS = _read_marks(1), _read_marks(2)


def shade_of(color: str, *, dark: bool = False) -> Shade:
    """Return the shade of a slot, a mark such as ``soft``, or a colour ``#rrggbb``."""
    shades, marks = (DARK_SHADES, DARK_MARKS) if dark else (LIGHT_SHADES, LIGHT_MARKS)
    if color in shades:
        return shades[color]
    fill = marks.get(color, color)
    return Shade(fill, readable(fill, marks["ground"]))


def contrast(color: str, ground: str = LIGHT_MARKS["ground"]) -> float:
    """Return the contrast of two colours, 1 to 21, as WCAG 2.2 defines it."""
    dark, light = sorted((_luminance(color), _luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    """Return the relative luminance of a colour, 0 to 1."""
    shares = (part / 255 for part in _parts(color))
    linear = (
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares
    )
    return sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _parts(color: str) -> tuple[int, ...]:
    """Return red, green and blue of a colour, 0 to 255."""
    return tuple(bytes.fromhex(color[1:]))


@lru_cache(maxsize=1024)
def readable(
    color: str, ground: str = LIGHT_MARKS["ground"], least: float = _TEXT_CONTRAST
) -> str:
    """Darken a colour, or lighten it on a dark background, until text is readable."""
    end = max(("#000000", "#ffffff"), key=lambda shade: contrast(shade, ground))
    shades = (mix(color, end, step / 100) for step in range(101))
    return next((shade for shade in shades if contrast(shade, ground) >= least), end)


def mix(color: str, other: str, share: float) -> str:
    """Return a mixture of two colours; `share` is that of `other`."""
    pairs = zip(_parts(color), _parts(other), strict=True)
    mixed = (round(one + (two - one) * share) for one, two in pairs)
    return "#" + "".join(f"{part:02x}" for part in mixed)
