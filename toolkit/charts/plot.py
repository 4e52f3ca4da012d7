"""Plot metrics: a chart of any metric in one call, and an overview of six."""

from __future__ import annotations

from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, cast

from toolkit import charts, metrics
from toolkit.charts.counts import draw_counts
from toolkit.charts.distributions import draw_sizes
from toolkit.charts.heatmap import draw_hours
from toolkit.charts.layout import MARGIN, TICK_ROOM
from toolkit.charts.mix import draw_mix
from toolkit.charts.ratio_chart import draw_ratio
from toolkit.charts.series import divide_sums, sum_measure
from toolkit.charts.style import Style, current_theme
from toolkit.charts.text import LEADING, text_height, wrap
from toolkit.charts.timeline import draw_timeline
from toolkit.charts.titles import capitalize
from toolkit.charts.usage import draw_sums
from toolkit.errors import (
    OptionError,
    OptionTypeError,
    UnknownOptionError,
    check_word,
    plural,
)
from toolkit.expressions.choices import as_frame, first_choice
from toolkit.expressions.time_ranges import span
from toolkit.formatting.dates import format_days
from toolkit.formatting.parameters import complete_options, share_parameters
from toolkit.formatting.text import format_count, format_share, format_usd
from toolkit.metrics.options import (
    PARAMETERS,
    PeriodOptions,
    check_options,
    split_options,
)
from toolkit.metrics.registry import SPECS
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
_PAGE, _ROWS, _COLUMNS = (16.0, 10.4), 3, 2  # inches, and charts
_HEADLINE, _UNDER = Style(19, "bold"), Style(11, "normal")
_BETWEEN = (70.0, 26.0)  # points between charts: across (with tick labels), and down
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
        # Imported here: only costs need prices.
        from toolkit.pricing.costs import add_cost

        frame = add_cost(frame, prices, provider=provider)
    every = every or _choose_length(frame, within)
    series: dict[str, Any] = {"every": every, "by": by, "top": top}
    series["provider"] = provider
    check_options(**series, **within)
    with charts.theme(theme):
        axes = build_page(*_format_headline(frame, within))
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
    return _format_usage(usage, costs), _format_times(times, within["tz"])


def build_page(sentence: str, under: str) -> list[Axes]:
    """Create a pyplot figure of six Axes under a headline and a small line above it."""
    # Imported here: pyplot chooses a backend.
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=_PAGE, facecolor=current_theme().ground, layout="none")
    wide, high = (72 * inches for inches in _PAGE)
    left = MARGIN + TICK_ROOM
    across = (wide - left - MARGIN - _BETWEEN[0] * (_COLUMNS - 1)) / _COLUMNS
    head = _write_headline(figure, sentence, under)
    down = (high - MARGIN - head - _BETWEEN[1] * (_ROWS - 1)) / _ROWS
    grid = {
        "left": left / wide,
        "right": 1 - MARGIN / wide,
        "bottom": MARGIN / high,
        "top": 1 - head / high,
        "wspace": _BETWEEN[0] / across,
        "hspace": _BETWEEN[1] / down,
    }
    return list(figure.subplots(_ROWS, _COLUMNS, gridspec_kw=grid).flat)


def _write_headline(figure: Figure, sentence: str, under: str) -> float:
    """Draw the headline and the line above it; return their height in points."""
    wide, high = figure.get_size_inches() * 72
    x = (MARGIN + TICK_ROOM) / wide
    lines = wrap(sentence.split(" "), " ", _HEADLINE, wide - 2 * (MARGIN + TICK_ROOM))
    for text, style, down, color in (
        (lines, _HEADLINE, MARGIN + LEADING * _UNDER.size + 4, current_theme().ink),
        (under, _UNDER, MARGIN, current_theme().muted),
    ):
        figure.text(
            x,
            1 - down / high,
            text,
            fontproperties=style.font,
            color=color,
            linespacing=LEADING,
            verticalalignment="top",
            parse_math=False,
            usetex=False,
        )
    return MARGIN + LEADING * _UNDER.size + text_height(lines, _HEADLINE) + 2 * MARGIN


def _format_usage(usage: pl.DataFrame, money: pl.DataFrame) -> str:
    """Format how many tokens were used in how many calls, and what they cost.

    Examples
    --------
    >>> import polars as pl
    >>> usage = pl.DataFrame({"total_tokens": 1_934_000_000, "responses": 207_812})
    >>> money = pl.DataFrame(
    ...     {
    ...         "cost": 4812,
    ...         "responses_unpriced": 3,
    ...         "tokens_unpriced": 60_000_000,
    ...         "total_tokens": 1_934_000_000,
    ...     }
    ... )
    >>> _format_usage(usage, money)
    '1.93B tokens in 207,812 calls, at least $4,812.00. 3.1% of tokens have no ...'
    """
    calls = int(usage["responses"].sum())
    if not calls:
        return "No calls."
    used = sum_measure(SPECS["token_usage"]["total_tokens"], usage)
    tokens = format_count(used, "sentence", words=True)
    tokens = f"{tokens} tokens in" if used.is_known else "Tokens unknown of"
    cost = sum_measure(SPECS["cost"]["cost"], money)
    spent = format_usd(cost, words=True) if cost.is_known else "cost unknown"
    sentence = f"{capitalize(tokens)} {plural(calls, 'call')}, {spent}."
    share = divide_sums(SPECS["cost"]["unpriced_share"], money)
    if share.value:
        shown = capitalize(format_share(share, words=True))
        sentence += f" {shown} of tokens have no known price."
    return sentence


def _format_times(times: pl.Series, zone: str) -> str:
    """Format the range of times, in a time zone.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> import polars as pl
    >>> days = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 22)]
    >>> _format_times(pl.Series(days), "UTC")
    'LLM usage · 1 to 22 Nov 2026 (UTC)'
    """
    local = times.drop_nulls().dt.convert_time_zone(zone)
    if local.is_empty():
        return "LLM usage · no dated responses"
    first, last = (at.date() for at in (local.min(), local.max()))  # type: ignore[union-attr] # datetimes
    return f"LLM usage · {format_days(first, last)} ({zone})"
