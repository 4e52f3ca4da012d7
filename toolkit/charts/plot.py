"""Plot metrics: a chart of any metric in one call, and an overview of six."""

from __future__ import annotations

import os
import warnings
from inspect import signature
from math import inf
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from toolkit import charts, metrics
from toolkit.charts.by_metric import draw_multiples, find_chart
from toolkit.charts.layout import MARGIN
from toolkit.charts.series import (
    divide_sums,
    order_colors,
    read_frame,
    sum_measure,
    use_colors,
)
from toolkit.charts.style import Style, current_theme
from toolkit.charts.text import LEADING, text_height, wrap
from toolkit.errors import OptionError, OptionTypeError, UnknownOptionError, plural
from toolkit.expressions.choices import as_frame, check_columns
from toolkit.expressions.time_ranges import span
from toolkit.formatting.dates import format_days
from toolkit.formatting.parameters import (
    check_type,
    complete_options,
    share_parameters,
)
from toolkit.formatting.text import capitalize, format_count, format_share, format_usd
from toolkit.metrics.options import (
    PARAMETERS,
    PeriodOptions,
    check_options,
)
from toolkit.metrics.rates import ENOUGH_CALLS
from toolkit.metrics.registry import SPECS
from toolkit.reading.options import DEFAULTS, READ_PARAMETERS, ReadOptions, complete
from toolkit.reading.scan import scan
from toolkit.reading.sources import choices_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from toolkit.expressions.time_ranges import Moment
    from toolkit.metrics.options import Choices
    from toolkit.metrics.spec import MetricSpec
    from toolkit.pricing.price_file import Prices
    from toolkit.reading.discovery import Sources

_PAGE = (16.0, 10.4)  # inches
_HEADLINE, _UNDER = Style(18, "bold"), Style(11, "normal")
# The charts of an overview: over time, then of the whole range.
PICTURES = (
    "token_usage",
    "cost",
    "truncation_rate",
    "cache_share",
    "tokens_per_response",
    "response_volume",
)
_OVER_TIME, _RATE = PICTURES[:2], PICTURES[2]
_FEW_PERIODS = 3  # of rates: no line is drawn
# Columns of text, which may be most of a log, and which an overview does not read.
_UNREAD = ("content", "reasoning_content", "refusal", "tool_calls", "custom_id")
# Length of a period in a chart of at most so many days.
_LENGTHS = ((2.1, "1h"), (100.0, "1d"), (800.0, "1w"), (inf, "1mo"))
_DAYS = {"1d": 1.0, "1w": 7.0, "1mo": 30.4}


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
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
    colors: Mapping[str, str] | None = None,
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
        ``"light"`` or ``"dark"``, of a new figure.
    ax
        Where to draw; by default a new figure. It has the theme of its figure.
    title
        The title instead of that of the metric. ``ax.set_title`` also works.
    figsize
        Width and height of the figure in inches; the default depends on the chart.
    colors
        Colours of series: ``{"gpt-4o": "#0a3a70"}``, or slots such as ``"a1"``.
    prices
        Your own price file, as in `toolkit.pricing.add_cost`; for metrics with costs.
    **options
        Those of the metric, then those of reading logs. By default a period is a day,
        or longer if there are more than a hundred, or if a rate had too few calls.

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
    check_type("title", title, str | None, "a text")
    is_size = isinstance(figsize, tuple | list) and len(figsize) == 2
    if figsize is not None and not (is_size and min(figsize) >= 1):
        expected = "width and height in inches, such as (9, 4)"
        raise OptionError("figsize", figsize, expected=expected)
    complete_options(plot, options, ())  # raises if there is no such option
    with charts.theme(theme), use_colors(colors):
        frame = metrics.measure(metric, sources, prices=prices, **options)
        every = "1d" if "every" in options else _suit_frame(frame, SPECS[metric])
        if every != "1d" and _can_read_again(sources):
            options["every"] = every
            order_colors(frame, read_frame(frame, SPECS[metric]).by, pl.col("period"))
            with warnings.catch_warnings():  # the first reading has warned
                warnings.simplefilter("ignore")
                frame = metrics.measure(metric, sources, prices=prices, **options)
        ax = draw(frame, ax=ax)
    if title is not None:
        ax.set_title(title, loc="left")
    if figsize is not None:
        cast("Figure", ax.figure).set_size_inches(figsize)
    return ax


def _suit_frame(frame: pl.DataFrame, spec: MetricSpec) -> str:
    """Return the length of periods, a day or longer, that suits a frame of days."""
    if "period" not in frame.columns or frame["period"].is_null().all():
        return "1d"
    lasting = pl.col("period_end").max() - pl.col("period").min()
    days = frame.select(lasting.dt.total_seconds() / 86_400).item()
    every = _suit_days(max(days, 3.0))
    if spec.shape not in {"ratio", "distribution"}:
        return every
    counted = "responses" if "responses" in frame.columns else spec.main
    calls = frame.group_by(read_frame(frame, spec).by).agg(pl.col(counted).sum())
    per_day = calls.select(pl.col(counted).top_k(5).median()).item() / days
    lengths = [length for length in _DAYS if days >= 3 * _DAYS[length]] or ["1d"]
    enough = (length for length in lengths if per_day * _DAYS[length] >= ENOUGH_CALLS)
    return max(every, next(enough, lengths[-1]), key=[*_DAYS].index)


def _can_read_again(sources: Sources | Choices) -> bool:
    """Return whether sources can be read twice: standard input cannot."""
    names = [sources] if isinstance(sources, str | os.PathLike) else sources
    is_list = isinstance(names, list | tuple) and "-" not in names
    return is_list or choices_of(sources) is not None


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
    check_columns(frame, ["created"])
    times = frame.filter(*span(**within).conditions())["created"].drop_nulls()
    every = every or _choose_length(times)
    series: dict[str, Any] = {"by": by, "top": top, "provider": provider}
    check_options(every=every, **series, **within)
    with charts.theme(theme):
        whole: dict[str, Any] = {"every": None, "by": None, **within}
        usage, costs = metrics.token_usage(frame, **whole), metrics.cost(frame, **whole)
        axes = build_page(_format_usage(usage, costs), _format_times(times, tz))
        names = [by] if isinstance(by, str) else list(by or ())
        if {*names} <= {*frame.columns}:
            order_colors(frame, names, pl.col("created").dt.convert_time_zone(tz))
        rates = _compute_rates(frame, **series, **within)
        for name, ax in zip(PICTURES, axes, strict=True):
            if name == _RATE and len(rates):
                draw_multiples(name, rates, ax)
                continue
            own = {} if name == "response_volume" else {"every": None, **series}
            own |= {"every": every} if name in _OVER_TIME else {}
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


def _compute_rates(frame: pl.DataFrame, **options: Any) -> pl.DataFrame:  # noqa: ANN401
    """Compute a rate in periods of enough calls; no rows if there are too few."""
    rates = metrics.METRICS[_RATE](frame, every="1d", **options)
    if (every := _suit_frame(rates, SPECS[_RATE])) != "1d":
        rates = metrics.METRICS[_RATE](frame, every=every, **options)
    return rates if rates["period"].n_unique() > _FEW_PERIODS else rates.clear()


def _choose_length(times: pl.Series) -> str:
    """Return a length of periods that suits a time range."""
    first, last = times.min(), times.max()
    if first is None or last is None:
        return "1d"
    days = (last - first).total_seconds() / 86_400  # type: ignore[operator,union-attr] # dates
    return _suit_days(days)


def _suit_days(days: float) -> str:
    """Return a length of periods that suits so many days."""
    return next(every for most, every in _LENGTHS if days <= most)


def build_page(sentence: str, under: str) -> list[Axes]:
    """Create a pyplot figure of six Axes under a headline and a small line above it."""
    # Imported here: pyplot chooses a backend.
    from matplotlib import pyplot as plt

    theme = current_theme()
    figure = plt.figure(figsize=_PAGE, facecolor=theme.ground, layout="none")
    wide, high = (72 * inches for inches in _PAGE)
    lines = wrap(sentence, _HEADLINE, wide - 2 * MARGIN)
    down = MARGIN + LEADING * _UNDER.size + 4
    for text, style, at, color in (
        (lines, _HEADLINE, down, theme.ink),
        (under, _UNDER, MARGIN, theme.muted),
    ):
        look: dict[str, Any] = {"fontproperties": style.font, "color": color}
        look |= {"linespacing": LEADING, "parse_math": False, "usetex": False}
        figure.text(MARGIN / wide, 1 - at / high, text, va="top", **look)
    top = 1 - (down + text_height(lines, _HEADLINE) + 2 * MARGIN) / high
    grid = {"left": MARGIN / wide, "right": 1 - MARGIN / wide, "top": top}
    grid |= {"bottom": MARGIN / high, "wspace": 0.14, "hspace": 0.12}
    axes = figure.subplots(3, 2, gridspec_kw=grid)
    if "inline" in plt.get_backend():
        plt.close(figure)  # a notebook shows what a cell returns, and what is open
    return list(axes.flat)


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
    local = times.dt.convert_time_zone(zone)
    if local.is_empty():
        return "LLM usage · no dated responses"
    first, last = (at.date() for at in (local.min(), local.max()))  # type: ignore[union-attr] # datetimes
    return f"LLM usage · {format_days(first, last)} ({zone})"
