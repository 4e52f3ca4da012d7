"""Titles, subtitles and notes, worded the same in all charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.charts.text import join_words
from toolkit.errors import plural
from toolkit.formatting.text import format_count, format_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.charts.series import ChartData
    from toolkit.charts.time_axis import Span

NO_DATES, NOT_REPORTED = "no dated responses", "not reported by any call"


class ChartText(NamedTuple):
    """The text around the axes of a chart."""

    title: str
    subtitle: str
    note: Sequence[str] = ()


def format_title(what: str, by: Sequence[str], span: Span | None = None) -> str:
    """Format a title: what is drawn, by which columns and which period."""
    facets = [name.removeprefix("tag_").replace("_", " ") for name in by]
    if span is not None:
        facets.append(span.length.word)
    return f"{what} by {join_words(facets)}" if facets else what


def format_subtitle(
    data: ChartData, span: Span | None, what: str, *details: str, mark: str = "Hatched"
) -> str:
    """Format a subtitle: what is drawn, the time zone, incomplete periods."""
    if data.zone is not None:
        per = f" per {span.length.word}" if span else ""
        # "tokens per call, per day"
        what += (
            f"{',' * (' per ' in what and bool(per))}{per} ({format_zone(data.zone)})"
        )
    return "; ".join([what, *details]) + (
        _format_incomplete(span, mark) if span else ""
    )


def format_zone(zone: str) -> str:
    """Format a time zone.

    Examples
    --------
    >>> format_zone("Europe/Berlin"), format_zone("America/New_York")
    ('Berlin time', 'New York time')
    >>> format_zone("UTC"), format_zone("Etc/GMT+5")
    ('UTC', 'Etc/GMT+5')
    """
    region, _, city = zone.rpartition("/")
    return f"{city.replace('_', ' ')} time" if region and region != "Etc" else zone


def _format_incomplete(span: Span, mark: str) -> str:
    """Format which periods are not complete."""
    places = span.partial.nonzero()[0].tolist()
    if not places:
        return ""
    word = span.length.word
    first, last = 0 in places, len(span.starts) - 1 in places
    if len(places) > first + last:
        return f". {mark}: {format_count(len(places))} {word}s not complete"
    which = ["last"] if len(span.starts) == 1 else ["first"] * first + ["last"] * last
    many = "s" if len(which) > 1 else ""
    return f". {mark}: {join_words(which)} {word}{many} not complete"


def build_note(
    data: ChartData,
    counted: str = "responses",
    noun: str = "call",
    *,
    share: tuple[str, str] | None = None,
    missing: tuple[str, str] | None = None,
) -> list[str]:
    """Build a note: how many are counted, are not shown, or lack a value.

    `share` is a measure and its unit, of which undated rows have a share; `missing` is
    the count of what lacks a value, and what to say of it.
    """
    undated = data.undated
    note = [plural(int(data.total(counted)), noun)]
    part = ""
    if share and data.total(share[0]):
        lost = float(undated[share[0]].cast(float).sum() or 0)
        part = f" ({format_share(lost / data.total(share[0]))} of {share[1]})"
    note += format_undated(int(undated[counted].sum() or 0), noun, part)
    return note + (format_missing(data, *missing, noun) if missing else [])


def format_undated(count: int, noun: str = "call", part: str = "") -> list[str]:
    """Format how many have no date, if any."""
    return [f"not shown: {plural(count, noun)} without a date{part}"] if count else []


def format_missing(
    data: ChartData, column: str, what: str, noun: str = "call"
) -> list[str]:
    """Format how many lack a value, if any: ``1 call does not report cache use``."""
    count = int(data.total(column)) if column in data.frame.columns else 0
    if count == 1:
        what = what.replace("do not ", "does not ")
    return [f"{plural(count, noun)} {what}"] if count else []
