"""Colours: a hue for each maker of models, a shade for each model, in both themes.

The same name has the same colour in all charts and in the report. Nothing here needs
matplotlib.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import OptionError
from toolkit.expressions.makers import maker_of
from toolkit.formatting.text import UNKNOWN_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
REST = "z"  # the slot of all that have no other, and of grouped series
_HUES = "abcde"
# The hues of these makers; others get a free one.
_PREFERRED = {
    "openai": "a",
    "anthropic": "b",
    "mistral": "c",
    "perplexity": "d",
    "deepseek": "e",
}


class Shade(NamedTuple):
    """The colour of a series, as a fill and for its name."""

    fill: str
    text: str


_shades, _marks = (
    [line.split() for line in table.strip().splitlines()] for table in (_SHADES, _MARKS)
)
LIGHT_SHADES = {slot: Shade(*colors[:2]) for slot, *colors in _shades}
_DARK_SHADES = {slot: Shade(*colors[2:]) for slot, *colors in _shades}
LIGHT_MARKS = {mark: light for mark, light, _ in _marks}
DARK_MARKS = {mark: dark for mark, _, dark in _marks}


def shade_of(color: str, *, dark: bool = False) -> Shade:
    """Return the shade of a slot, a mark such as ``soft``, or a colour ``#rrggbb``."""
    shades, marks = (_DARK_SHADES, DARK_MARKS) if dark else (LIGHT_SHADES, LIGHT_MARKS)
    if color in shades:
        return shades[color]
    fill = marks.get(color, color)
    return Shade(fill, readable(fill, marks["ground"]))


def check_colors(colors: Mapping[str, str]) -> dict[str, str]:
    """Return the colours of names; raise `OptionError` unless each is a slot or hex."""
    for color in colors.values():
        text = color if isinstance(color, str) else ""
        if text not in LIGHT_SHADES and not re.fullmatch("#[0-9a-fA-F]{6}", text):
            expected = 'colours such as "a1" (a1 to e3, z) or "#0a3a70"'
            raise OptionError("colors", color, expected=expected)
    return {name: color.casefold() for name, color in colors.items()}


def assign_colors(
    names: Iterable[str],
    kept: Mapping[str, str] | None = None,
    *,
    by_maker: bool = True,
) -> dict[str, str]:
    """Return the slot of each name, or the colour that it keeps.

    Parameters
    ----------
    names
        In order of their first day in the log, then of the alphabet; ``unknown`` is
        grey.
    kept
        Slots or colours ``#rrggbb`` of names, which win: those of an earlier report,
        and those that the user chose. A slot that is kept goes to no other name.
    by_maker
        Whether these are models: the hue is that of the maker, the shade is the first
        free one. The fourth model of a maker, and the sixth maker, are grey. Models of
        unknown makers share the hues that no maker has. Other names get the first
        shades of all hues, then the second ones.

    Returns
    -------
    dict
        For each of `names` a slot, ``a1`` to ``e3`` or ``z``, or a colour.

    Examples
    --------
    >>> assign_colors(["claude-3-opus", "gpt-4o", "grok-3", "gpt-5"])
    {'claude-3-opus': 'b1', 'gpt-4o': 'a1', 'grok-3': 'c1', 'gpt-5': 'a2'}
    >>> assign_colors(["search", "docs"], {"docs": "a1"}, by_maker=False)
    {'search': 'b1', 'docs': 'a1'}
    """
    found = {UNKNOWN_TEXT: REST} | check_colors(kept or {})
    ordered = list(dict.fromkeys(names))
    hues = _find_hues(ordered, found) if by_maker else {}
    free_hues = [hue for hue in _HUES if hue not in hues.values()]
    used = {*found.values()}
    for name in ordered:
        own = hues.get(maker_of(name) or "", free_hues)
        slots = (f"{hue}{shade}" for shade in (1, 2, 3) for hue in own)
        free = (slot for slot in slots if slot in LIGHT_SHADES and slot not in used)
        used.add(found.setdefault(name, next(free, REST)))
    return {name: found[name] for name in ordered}


def _find_hues(names: Iterable[str], kept: Mapping[str, str]) -> dict[str, str]:
    """Return the hue of each known maker: of a kept model, its own, or a free one."""
    hues: dict[str, str] = {}
    for name, color in kept.items():
        maker = maker_of(name)
        if maker and color in LIGHT_SHADES and color != REST:
            hues.setdefault(maker, color[0])
    makers = dict.fromkeys(filter(None, map(maker_of, names)))
    for maker in sorted(makers, key=lambda maker: maker not in _PREFERRED):
        own = _PREFERRED.get(maker, "")
        free = [hue for hue in (own, *_HUES) if hue and hue not in hues.values()]
        hues.setdefault(maker, free[0] if free else REST)
    return hues


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
