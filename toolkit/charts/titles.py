"""Titles, subtitles and notes: the same words for the same things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.charts.text import listing
from toolkit.errors import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.charts.series import Given
    from toolkit.charts.time_axis import Span


def heading(what: str, by: Sequence[str], span: Span | None = None) -> str:
    """Write a title: what is drawn, by which columns, by which period."""
    facets = [name.replace("_", " ") for name in by]
    if span is not None:
        facets.append(span.length.word)
    return f"{what} by {listing(facets)}" if facets else what


def when(given: Given, span: Span | None, mark: str = "hatched") -> str:
    """Tell the zone and the periods, and which of them are unfinished."""
    if given.zone is None:
        return ""
    if span is None:
        return f"; {given.zone}"
    word = span.length.word
    text = f"; {given.zone} {word}s"
    places = span.partial.nonzero()[0].tolist()
    if not places:
        return text
    first, last = 0 in places, len(span.starts) - 1 in places
    if len(places) > first + last:
        return f"{text}; {len(places):,} {word}s unfinished ({mark})"
    which = ["last"] if len(span.starts) == 1 else ["first"] * first + ["last"] * last
    many = "s" if len(which) > 1 else ""
    return f"{text}; {listing(which)} {word}{many} unfinished ({mark})"


_VERBS = {"have": "has"}


def silent(given: Given, column: str, says: str, noun: str = "call") -> list[str]:
    """Say how many responses tell nothing; `says` begins with a verb, as of many."""
    count = int(given.total(column))
    verb, _, rest = says.partition(" ")
    if count == 1:
        verb = _VERBS.get(verb, f"{verb}s")
    return [f"{plural(count, noun)} {verb} {rest}"] if count else []
