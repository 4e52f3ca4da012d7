"""Plot metrics: a chart of any metric in one call, and an overview of six."""

from __future__ import annotations

from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, cast

from toolkit import charts, metrics
from toolkit.charts import page
from toolkit.charts.counts import draw_counts
from toolkit.charts.distributions import draw_sizes
from toolkit.charts.heatmap import draw_hours
from toolkit.charts.mix import draw_mix
from toolkit.charts.ratio_chart import draw_ratio
from toolkit.charts.timeline import draw_timeline
from toolkit.charts.usage import draw_sums
from toolkit.errors import OptionError, OptionTypeError, UnknownOptionError, check_word
from toolkit.expressions.choices import as_frame, first_choice
from toolkit.expressions.time_ranges import span
from toolkit.formatting.parameters import complete_options, share_parameters
from toolkit.metrics.options import (
    PARAMETERS,
    PeriodOptions,
    check_options,
    split_options,
)
from toolkit.metrics.registry import SPECS
from toolkit.pricing.costs import add_cost
from toolkit.reading.options import DEFAULTS, READ_PARAMETERS, ReadOptions, complete
from toolkit.reading.scan import scan
from toolkit.reading.sources import choices_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from toolkit.expressions.time_ranges import Moment
    from toolkit.metrics.options import Choices
    from toolkit.pricing.price_file import Prices
    from toolkit.reading.discovery import Sources

# Functions that draw a metric by its declaration, by the shape of its chart.
_SHAPES: Mapping[str, Callable[..., Axes]] = {
    "stacked": draw_sums,
    "ratio": draw_ratio,
    "mix": draw_mix,
    "bars": draw_counts,
    "distribution": draw_sizes,
    "heatmap": draw_hours,
    "timeline": draw_timeline,
}
PAGE = (16.0, 10.4)  # inches
# The charts of an overview.
PICTURES = (
    "token_usage",
    "cost",
    "truncation_rate",
    "cache_share",
    "tokens_per_response",
    "response_volume",
)
# Columns of text, which may be most of a log, and which an overview does not read.
_UNREAD = ("content", "reasoning_content", "refusal", "tool_calls", "custom_id")
# Length of a period in an overview of at most so many days.
_LENGTHS = ((2.1, "1h"), (100.0, "1d"), (800.0, "1w"))


def find_chart(name: str) -> Callable[..., Axes]:
    """Return the function that draws a metric.

    It is the one of this package or, for a metric that was registered later, one of the
    shape in its declaration.
    """
    check_word("metric", name, tuple(SPECS))
    by_shape = partial(_SHAPES[SPECS[name].shape], spec=SPECS[name])
    return getattr(charts, f"plot_{name}", by_shape)


class _PlotOptions(PeriodOptions, ReadOptions, total=False):
    """The options of `plot`."""

    top: int | None
    fill: bool


_PARAMETERS = {**PARAMETERS, **READ_PARAMETERS}


@share_parameters(_PlotOptions, _PARAMETERS)
def plot(
    metric: str,
    sources: Sources | Choices,
    *,
    theme: str = "light",
    ax: Axes | None = None,
    prices: Prices = None,
    **options: Unpack[_PlotOptions],
) -> Axes:
    """Draw a metric of logs or of an export.

    Parameters
    ----------
    metric
        Name of a metric: a key of `toolkit.metrics.METRICS`.
    sources
        Logs or exports as in `toolkit.scan`, or choices: a frame or a `Loaded`.
    theme
        ``"light"`` or ``"dark"``.
    ax
        Where to draw; by default a new figure.
    prices
        Your own price file, as in `toolkit.pricing.add_cost`; for metrics with costs.
    **options
        Those of the metric, then those of reading logs.

    Returns
    -------
    matplotlib.axes.Axes
        With ``every=None`` each series is a horizontal bar. Save the figure by
        ``ax.figure.savefig("usage.png")``.

    Raises
    ------
    OptionError
        If there is no such metric, or it has no such option.

    Examples
    --------
    >>> import toolkit
    >>> ax = toolkit.plot("token_usage", "data/sample", by="provider")
    >>> ax.get_title(loc="left")
    'Tokens by provider and day'
    """
    _check_metric(metric, sources)
    draw = find_chart(metric)
    complete_options(plot, options, ())  # raises if there is no such option
    own, read = split_options(options)
    own = _select_options(metric, own)
    with charts.theme(theme):
        frame = metrics.measure(metric, sources, prices=prices, **read, **own)
        return draw(frame, ax=ax)


def _check_metric(metric: object, sources: object) -> None:
    """Raise if `metric` is none for a reason that is easily seen."""
    if isinstance(metric, str) and metric == "overview":
        hint = ": toolkit.overview() draws it"
        raise OptionError("metric", metric, expected="one metric", hint=hint)
    is_swapped = isinstance(sources, str) and sources in SPECS
    if not isinstance(metric, str) or (is_swapped and metric not in SPECS):
        hint = ": the arguments are swapped, the metric comes first" * is_swapped
        error = OptionError if isinstance(metric, str) else OptionTypeError
        raise error("metric", metric, expected="the name of a metric", hint=hint)


def _select_options(metric: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a metric has; raise if another one is not the default."""
    known = SPECS[metric].option_names
    selected = {}
    for name, value in options.items():
        is_default = value == PARAMETERS[name].default
        if name in known and not (name == "by" and is_default):
            selected[name] = value  # the default of `by` is that of the metric
        elif not is_default:
            names = [one for one in known if one in _PlotOptions.__annotations__]
            raise UnknownOptionError(name, owner=metric, known=names)
    return selected


@share_parameters(ReadOptions, READ_PARAMETERS)
def overview(
    sources: Sources | Choices,
    *,
    every: str | None = None,
    by: str | Sequence[str] | None = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    top: int = 5,
    theme: str = "light",
    prices: Prices = None,
    provider: str | None = None,
    **options: Unpack[ReadOptions],
) -> Figure:
    """Draw a page of six charts: tokens, cost, truncated answers, cache, size, hours.

    Parameters
    ----------
    sources
        Logs or exports as in `toolkit.scan`, or choices: a frame or a `Loaded`. Logs
        are read once, without their texts.
    every
        Length of a period. The default depends on the time range: hours up to two days,
        days up to a hundred, then weeks, then months.
    by, tz, since, until
        Options of the metrics: see `toolkit.metrics`.
    top
        Number of series; the others are grouped as one, with exact figures.
    theme
        ``"light"`` or ``"dark"``.
    prices
        Your own price file, as in `toolkit.pricing.add_cost`.
    provider
        Who served the responses whose line names no provider, such as ``azure``.
    **options
        As in `toolkit.scan`.

    Returns
    -------
    matplotlib.figure.Figure
        A pyplot figure of 16 by 10.4 inches with a headline and six charts.

    Examples
    --------
    >>> import toolkit
    >>> figure = toolkit.overview("data/sample")
    >>> len(figure.axes)
    6
    >>> figure.texts[0].get_text()
    'At least 3.36M tokens in 2,906 calls, at least $...'
    """
    within: dict[str, Any] = {"tz": tz, "since": since, "until": until}
    frame = _collect(sources, within, options)
    if prices is not None or (provider is not None and "cost" not in frame.columns):
        frame = add_cost(frame, prices, provider=provider)
    every = every or _choose_length(frame, within)
    series: dict[str, Any] = {"every": every, "by": by, "top": top}
    series["provider"] = provider
    check_options(**series, **within)
    with charts.theme(theme):
        axes = page.build_page(PAGE, 3, 2, _format_headline(frame, within))
        for name, ax in zip(PICTURES, axes, strict=True):
            own = {} if name == "response_volume" else series
            find_chart(name)(metrics.METRICS[name](frame, **within, **own), ax=ax)
    return cast("Figure", axes[0].figure)


def _collect(
    sources: Sources | Choices, within: Mapping[str, Any], options: ReadOptions
) -> pl.DataFrame:
    """Read the columns of an overview, once."""
    choices = choices_of(sources)
    complete(overview, options)  # raises for an unknown option
    if choices is None:
        start = span(**within).start
        lazy = scan(cast("Sources", sources), since=start, **options)
    elif options:
        own = [name for name in signature(overview).parameters if name not in DEFAULTS]
        owner = "overview() of choices"
        raise UnknownOptionError(next(iter(options)), owner=owner, known=own[1:])
    else:
        lazy = as_frame(choices).lazy()
    return lazy.drop(_UNREAD, strict=False).collect()


def _choose_length(frame: pl.DataFrame, within: Mapping[str, Any]) -> str:
    """Return a length of periods that suits the time range."""
    times = frame.filter(*span(**within).conditions())["created"]
    first, last = times.min(), times.max()
    if first is None or last is None:
        return "1d"
    days = (last - first).total_seconds() / 86_400  # type: ignore[operator,union-attr] # dates
    return next((every for most, every in _LENGTHS if days <= most), "1mo")


def _format_headline(frame: pl.DataFrame, within: Mapping[str, Any]) -> tuple[str, str]:
    """Format what was used and what it cost, and the time range."""
    every: dict[str, Any] = {"every": None, "by": None, **within}
    usage, costs = metrics.token_usage(frame, **every), metrics.cost(frame, **every)
    times = frame.filter(first_choice(), *span(**within).conditions())["created"]
    return page.format_usage(usage, costs), page.format_range(times, within["tz"])
