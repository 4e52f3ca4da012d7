"""One name, one colour: in every chart of a process, or of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.charts.style import LIGHT, now

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SLOTS = len(LIGHT.palette)
# What a choice ended with has colours of its own, and the same ones always.
_KNOWN = {"finish_reason": ("stop", "length", "tool_calls", "content_filter")}

# The slots of names, by what is named: models, finish reasons, kinds of tokens.
_taken: dict[str, dict[str, int]] = {}


def colors(names: Iterable[str] = ()) -> None:
    """Fix the colours of names anew, in this order.

    Parameters
    ----------
    names
        Names of series as the charts write them, the first ones in the clearest
        colours. All that was fixed before is forgotten, so that the same names give
        the same picture, whatever was drawn before.

    Notes
    -----
    Names that were not fixed get the next free colour when they are first drawn, and
    keep it as long as the process lives. There are 12 colours and the grey of the rest;
    two of more names may have the same one, but never in one chart.

    Examples
    --------
    >>> from toolkit.charts import colors
    >>> colors(["gpt-4o", "gpt-4o-mini"])
    """
    _taken.clear()
    _slots_of(list(dict.fromkeys(names)), "series")


def _slots_of(names: Sequence[str], kind: str) -> list[int]:
    """Return the slot of each name, all different while there are enough."""
    known = _taken.setdefault(
        kind, {name: slot for slot, name in enumerate(_KNOWN.get(kind, ()))}
    )
    used: set[int] = set()
    places: dict[str, int] = {}
    for name in names:  # those who have a colour come first, the largest before others
        if name in known and known[name] not in used:
            places[name] = known[name]
            used.add(known[name])
    for name in names:
        if name in places:
            continue
        counts = [list(known.values()).count(slot) for slot in range(_SLOTS)]
        free = [slot for slot in range(_SLOTS) if slot not in used] or list(
            range(_SLOTS)
        )
        places[name] = min(free, key=lambda slot: (counts[slot], slot))
        used.add(places[name])
        known.setdefault(name, places[name])
    return [places[name] for name in names]


def colors_of(names: Sequence[str], kind: str = "series") -> list[str]:
    """Return the colour of each name in the theme that is in force."""
    return [now().palette[slot] for slot in _slots_of(names, kind)]
