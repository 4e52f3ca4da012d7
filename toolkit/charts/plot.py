"""Where metrics and charts meet: a picture in one line, and an overview of one page."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import polars as pl

from toolkit import charts, metrics
from toolkit.charts import page
from toolkit.errors import OptionError, check_word
from toolkit.expressions.choices import first_choice
from toolkit.expressions.time_ranges import span
from toolkit.metrics.options import check_options
from toolkit.pricing.costs import add_cost
from toolkit.reading.scan import scan
from toolkit.reading.sources import choices_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from toolkit.expressions.time_ranges import Moment
    from toolkit.metrics.options import Choices
    from toolkit.pricing.price_file import Prices
    from toolkit.reading.discovery import Sources
    from toolkit.reading.options import CreatedUnit, OnDamage


class _Shown(NamedTuple):
    """A metric and the chart that draws it."""

    metric: Callable[..., pl.DataFrame]
    chart: Callable[..., Axes]


SHOWN = {
    name: _Shown(metric, getattr(charts, f"plot_{name}"))
    for name, metric in metrics.METRICS.items()
    if hasattr(charts, f"plot_{name}")
}
# What an overview reads of choices: no text, which may be most of a log.
_UNREAD = ("content", "reasoning_content", "refusal", "tool_calls", "custom_id")
PAGE = (16.0, 10.4)  # inches
# Of so many days, periods of that length.
_LENGTHS = ((2.1, "1h"), (100.0, "1d"), (800.0, "1w"))


def plot(
    metric: str,
    sources: Sources | Choices,
    *,
    every: str | None = "1d",
    by: str | Sequence[str] = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    top: int | None = None,
    fill: bool = False,
    theme: str = "light",
    ax: Axes | None = None,
    prices: Prices = None,
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    on_damage: OnDamage = "raise",
    progress: Callable[[int], None] | None = None,
) -> Axes:
    """Draw a metric of logs or of an export.

    Parameters
    ----------
    metric
        Name of any metric: a key of `toolkit.metrics.METRICS`.
    sources
        Logs or exports as in `toolkit.scan`, or choices that are at hand: a frame, a
        `Loaded`.
    every, by, tz, since, until, top, fill
        As in the metric: see `toolkit.metrics`. With ``every=None`` each series is a
        horizontal bar. What a metric does not take (`drift` has no `by`) is refused.
    theme
        ``"light"`` or ``"dark"``.
    ax
        Where to draw; a new figure unless given.
    prices
        Your own price file, as in `toolkit.pricing.add_cost`; for `cost` and
        `truncation_rate`.
    tags, response_path, created_unit, on_damage, progress
        As in `toolkit.load`; an export keeps those that it was made with.

    Returns
    -------
    matplotlib.axes.Axes
        Its figure is saved by ``ax.figure.savefig("usage.png")``.

    Raises
    ------
    OptionError
        If there is no such metric, or it takes no such option.

    Examples
    --------
    >>> import toolkit
    >>> ax = toolkit.plot("token_usage", "data/sample", by="provider")
    >>> ax.get_title(loc="left")
    'Tokens by provider and day'
    """
    check_word("metric", metric, tuple(SHOWN))
    options = _options_of(
        metric,
        every=every,
        by=by,
        tz=tz,
        since=since,
        until=until,
        top=top,
        fill=fill,
    )
    with charts.theme(theme):
        frame = metrics.measure(
            metric,
            sources,
            tags=tags,
            response_path=response_path,
            created_unit=created_unit,
            on_damage=on_damage,
            progress=progress,
            prices=prices,
            **options,
        )
        return SHOWN[metric].chart(frame, ax=ax)


def _options_of(metric: str, **options: object) -> dict[str, object]:
    """Return the options that a metric takes; refuse one that it would not heed."""
    own = signature(SHOWN[metric].metric).parameters
    ours = signature(plot).parameters
    for name, value in options.items():
        if name not in own and value != ours[name].default:
            taken = ", ".join(known for known in own if known in options) or "nothing"
            raise OptionError(name, value, expected=f"what {metric} takes: {taken}")
    # A metric that is of all responses by itself stays so, unless it is told otherwise.
    return {
        name: value
        for name, value in options.items()
        if name in own and not (name == "by" and value == ours["by"].default)
    }


def overview(
    sources: Sources | Choices,
    *,
    every: str | None = None,
    by: str | Sequence[str] = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    top: int = 5,
    theme: str = "light",
    prices: Prices = None,
    **options: object,
) -> Figure:
    """Draw what matters most on one page: use, money, quality, rhythm.

    Parameters
    ----------
    sources
        Choices, or names of logs or exports, as in `plot`. Logs are read once, without
        their texts.
    every
        Length of a period; by default one that suits the range: hours for two days,
        days for a hundred, then weeks, then months.
    by, tz, since, until
        As in the metrics: see `toolkit.metrics`.
    top
        So many series are named; the others are one, with exact figures.
    theme
        ``"light"`` or ``"dark"``.
    prices
        Your own price file, as in `toolkit.pricing.add_cost`.
    **options
        As in `toolkit.scan`: `tags`, `response_path`, `created_unit`, `on_damage`,
        `progress`.

    Returns
    -------
    matplotlib.figure.Figure
        A headline, and six charts: tokens, cost, cut off at the limit, prompt from
        cache, size of calls, hours of the week. 16 by 10.4 inches, known to pyplot.

    Examples
    --------
    >>> import toolkit
    >>> figure = toolkit.overview("data/sample")
    >>> len(figure.axes)
    6
    >>> figure.texts[0].get_text()
    '3.36M tokens in 2,906 calls, at least $...'
    """
    frame = _at_hand(sources, tz, since, until, options)
    if prices is not None:
        frame = add_cost(frame, prices)
    asked = {"tz": tz, "since": since, "until": until}
    length = every or _suited(frame, tz, since, until)
    check_options(every=length, by=by, top=top, **asked)  # type: ignore[arg-type] # of these three
    series = {"by": by, "top": top}
    with charts.theme(theme):
        places = page.build_page(PAGE, 3, 2, _headline(frame, asked))
        for name, ax in zip(PICTURES, places, strict=True):
            shown, own = SHOWN[name], {}
            if name != "response_volume":
                own = {"every": length, **series}
            shown.chart(shown.metric(frame, **asked, **own), ax=ax)
    return cast("Figure", places[0].figure)


PICTURES = (
    "token_usage",
    "cost",
    "truncation_rate",
    "cache_share",
    "tokens_per_response",
    "response_volume",
)


def _at_hand(
    sources: Sources | Choices,
    tz: str,
    since: Moment,
    until: Moment,
    options: dict[str, object],
) -> pl.DataFrame:
    """Collect what an overview reads, once."""
    choices = choices_of(sources)
    if choices is None:
        within = span(since, until, tz)
        known = cast("dict[str, Any]", options)
        lazy = scan(cast("Sources", sources), since=within.start, **known)
    elif options:
        name, value = next(iter(options.items()))
        raise OptionError(name, value, expected="names of logs, not choices, beside it")
    elif isinstance(choices, pl.LazyFrame):
        lazy = choices
    else:
        lazy = pl.DataFrame(choices).lazy()
    return lazy.drop(_UNREAD, strict=False).collect()


def _suited(frame: pl.DataFrame, tz: str, since: Moment, until: Moment) -> str:
    """Choose a length of periods for the range of time."""
    times = frame.filter(*span(since, until, tz).conditions())["created"]
    first, last = times.min(), times.max()
    if first is None or last is None:
        return "1d"
    days = (last - first).total_seconds() / 86_400  # type: ignore[operator,union-attr] # dates
    return next((every for most, every in _LENGTHS if days <= most), "1mo")


def _headline(frame: pl.DataFrame, asked: Mapping[str, object]) -> tuple[str, str]:
    """Say in one sentence what was used and what it cost; and of which time."""
    every: dict[str, object] = {"every": None, "by": (), **asked}
    usage = metrics.token_usage(frame, **every).to_dicts()  # type: ignore[arg-type] # of these
    money = metrics.cost(frame, **every).to_dicts()  # type: ignore[arg-type] # of these
    tz, since, until = str(asked["tz"]), asked["since"], asked["until"]
    within = span(cast("Moment", since), cast("Moment", until), tz)
    times = frame.filter(first_choice(), *within.conditions())["created"]
    return page.format_usage(usage, money), page.format_range(times, tz)
