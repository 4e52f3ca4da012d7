"""Assign colours to names, the same ones in every chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.charts.style import LIGHT, current_theme

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SLOTS = len(LIGHT.palette)
# Finish reasons always have the same colours.
_FIXED = {"finish_reason": ("stop", "length", "tool_calls", "content_filter")}

# The palette slots of names, by kind: series, finish reasons, kinds of tokens.
_assigned: dict[str, dict[str, int]] = {}


def colors(names: Iterable[str] = ()) -> None:
    """Reset all colours, and assign the palette to these names in order.

    Parameters
    ----------
    names
        Names of series as the charts show them; the first get the clearest colours.
        Earlier assignments are dropped, so that a chart does not depend on what was
        drawn before.

    Notes
    -----
    Other names get the next free colour when they are first drawn, and keep it until
    the process ends. There are 12 colours, and grey for grouped series. With more than
    12 names two may share a colour, but not in the same chart.

    Examples
    --------
    >>> from toolkit.charts import colors
    >>> colors(["gpt-4o", "gpt-4o-mini"])
    """
    _assigned.clear()
    _assign_slots(list(dict.fromkeys(names)), "series")


def _assign_slots(names: Sequence[str], kind: str) -> list[int]:
    """Return the palette slot of each name, all different for up to 12 names."""
    known = _assigned.setdefault(
        kind, {name: slot for slot, name in enumerate(_FIXED.get(kind, ()))}
    )
    slots: dict[str, int] = {}
    # Names that have a colour keep it; the largest series goes first.
    for name in names:
        if name in known and known[name] not in slots.values():
            slots[name] = known[name]
    for name in names:
        if name not in slots:
            taken = list(known.values())
            free = {*range(_SLOTS)}.difference(slots.values()) or range(_SLOTS)
            slots[name] = min(free, key=lambda slot: (taken.count(slot), slot))
            known.setdefault(name, slots[name])
    return [slots[name] for name in names]


def assign_colors(names: Sequence[str], kind: str = "series") -> list[str]:
    """Return the colour of each name in the current theme."""
    return [current_theme().palette[slot] for slot in _assign_slots(names, kind)]
