"""Titles, subtitles, notes and alt text, worded the same in all charts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import OptionTypeError, clean, plural
from toolkit.formatting.text import UNKNOWN_TEXT, join_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.series import ChartData
    from toolkit.charts.time_axis import Span
    from toolkit.metrics.measures import Measure

_NOUNS = {"responses": "call", "choices": "answer"}
_NO_DATES, NOT_REPORTED = "no dated responses", "not reported by any call"
_ATTRIBUTE, TITLE = "toolkit_alt_text", "toolkit_title"  # of an Axes
_LONGEST = 80  # characters of a name


class ChartText(NamedTuple):
    """The text around the axes of a chart."""

    title: str
    subtitle: str
    note: Sequence[str] = ()


def format_title(what: str, by: Sequence[str], span: Span | None = None) -> str:
    """Format a title: what is drawn, by which columns and which period."""
    facets = [name.removeprefix("tag_").replace("_", " ") for name in by]
    facets = ["API" if name == "api" else name for name in facets]
    if span is not None:
        facets.append(span.length.word)
    return f"{what} by {join_words(facets)}" if facets else what


def build_text(
    data: ChartData,
    note: Sequence[str],
    words: Sequence[str],
    span: Span | None = None,
    mark: str = "Hatched",
) -> ChartText:
    """Build the text of a chart of a metric.

    The subtitle is what is drawn (the first of `words`), the time zone, details (the
    other words), and how incomplete periods are marked.
    """
    what, *details = words
    if data.zone is not None:
        per = f" per {span.length.word}" if span else ""
        comma = "," if per and " per " in what else ""  # "tokens per call, per day"
        what += f"{comma}{per} ({format_zone(data.zone)})"
    subtitle = "; ".join([what, *details])
    if mark and span and span.partial.any():
        subtitle += f". {mark}: not complete"
    return ChartText(format_title(data.spec.title, data.by, span), subtitle, note)


def name_lack(measure: Measure) -> str:
    """Return what a series is called that has no value of a measure."""
    return "no known price" if measure.is_money else UNKNOWN_TEXT


def why_unknown(measure: Measure) -> str:
    """Return why no value of a measure is known."""
    return "no call has a known price" if measure.is_money else NOT_REPORTED


def no_rows(data: ChartData) -> str:
    """Return why a chart of dated rows has none."""
    return "no calls" if data.frame.is_empty() else _NO_DATES


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


def build_note(data: ChartData, measure: Measure, missing: str = "") -> list[str]:
    """Build a note: how many are counted, are not shown, or lack a value.

    `missing` is what those lack that `measure` does not include.
    """
    noun, counted = unit_noun(measure.of), measure.of in data.frame.columns
    note = []
    if counted:
        undated = int(data.undated[measure.of].sum() or 0)
        note = [plural(int(data.total(measure.of)), noun)]
        note += format_undated(undated, noun)
    return note + format_missing(data, measure, missing)


def unit_noun(unit: str) -> str:
    """Return the noun for what is counted in a unit: call, answer, token."""
    return _NOUNS.get(unit, unit.removesuffix("s"))


def format_undated(count: int, noun: str) -> list[str]:
    """Format how many have no date, if any."""
    return [f"not shown: {plural(count, noun)} without a date"] if count else []


def format_missing(data: ChartData, measure: Measure, what: str) -> list[str]:
    """Format how many lack a value, if any: ``1 call does not report cache use``."""
    if measure.unseen not in data.frame.columns:
        return []
    count = int(data.total(measure.unseen))
    what = what or f"without {measure.title}"
    if count == 1:
        what = what.replace("do not ", "does not ")
    return [f"{plural(count, unit_noun(measure.of))} {what}"] if count else []


def describe(ax: Axes) -> str:
    """Return the alt text of a chart.

    Parameters
    ----------
    ax
        The result of a function of this package.

    Returns
    -------
    str
        Title, subtitle, time range, the largest series, total and highest period where
        there are such, and the notes. It is built from the data.

    Raises
    ------
    OptionTypeError
        If the Axes was not drawn by this package.

    Examples
    --------
    >>> from toolkit.charts import plot_token_usage
    >>> from toolkit.metrics import token_usage
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"total_tokens": 45}, {"total_tokens": 15})
    >>> describe(plot_token_usage(token_usage(choices)))
    'Tokens by model and day. Stacked bars: Total tokens of gpt-a per day (UTC). ...'
    """
    locate = hasattr(ax, _ATTRIBUTE) and ax.get_axes_locator()
    if not locate:
        hint = " with another chart" if hasattr(ax, "get_title") else ""
        expected = "an Axes drawn by toolkit.charts"
        raise OptionTypeError("ax", ax, expected=expected, hint=hint)
    locate(ax, None)  # type: ignore[arg-type] # with the title that it has now
    return str(vars(ax)[_ATTRIBUTE])


def title_of(ax: Axes, text: ChartText) -> str:
    """Return the title that the user has set, or that of a chart."""
    return str(vars(ax).get(TITLE, text.title))


def set_alt_text(
    ax: Axes, kind: str, text: ChartText, sentences: Sequence[str] = ()
) -> None:
    """Store the alt text of a chart with its Axes."""
    parts = [title_of(ax, text), f"{kind}: {text.subtitle}", *sentences, *text.note]
    vars(ax)[_ATTRIBUTE] = clean(
        " ".join(f"{part.rstrip('.')}." for part in parts if part)
    )


def shorten(name: str) -> str:
    """Shorten a name that is too long for alt text."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
