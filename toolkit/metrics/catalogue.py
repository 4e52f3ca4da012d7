"""All metrics by name, and the way from logs to any of them."""

from __future__ import annotations

import inspect
import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from toolkit.errors import OptionError, check_word
from toolkit.metrics.activity import RESPONSE_VOLUME, VERSION, drift, response_volume
from toolkit.metrics.calendar import reach
from toolkit.metrics.distributions import (
    CHOICES_PER_RESPONSE,
    CONFIDENCE,
    choices_per_response,
    confidence,
    tokens_per_response,
)
from toolkit.metrics.health import log_health
from toolkit.metrics.outcomes import (
    FINISH_REASONS,
    REFUSAL_AND_FILTER_RATE,
    TRUNCATION_RATE,
    finish_reasons,
    refusal_and_filter_rate,
    truncation_rate,
)
from toolkit.metrics.shares import (
    CACHE_SHARE,
    MODEL_MIX,
    OUTPUT_INPUT_RATIO,
    REASONING_SHARE,
    cache_share,
    model_mix,
    output_input_ratio,
    reasoning_share,
)
from toolkit.metrics.spending import SPENDING, cost
from toolkit.metrics.tools import tool_calls
from toolkit.metrics.usage import TOKEN_USAGE, token_usage, usage_coverage
from toolkit.pricing.costs import add_cost
from toolkit.reading.scan import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from toolkit.metrics.options import Choices
    from toolkit.pricing.price_file import Prices
    from toolkit.reading.discovery import Sources
    from toolkit.reading.options import CreatedUnit, OnDamage

# Metrics that price responses.
WITH_MONEY = ("cost", "truncation_rate")
METRICS: Mapping[str, Callable[..., pl.DataFrame]] = MappingProxyType(
    {
        metric.__name__: metric
        for metric in (
            token_usage,
            cost,
            cache_share,
            reasoning_share,
            finish_reasons,
            truncation_rate,
            refusal_and_filter_rate,
            tool_calls,
            choices_per_response,
            tokens_per_response,
            output_input_ratio,
            model_mix,
            confidence,
            usage_coverage,
            response_volume,
            drift,
            log_health,
        )
    }
)


class Shape(NamedTuple):
    """What the columns of a metric are.

    `series` are named by default, `keys` are further columns that tell rows apart, and
    of `sums` the sum over all rows is that of everything. `main` is the measure by
    which series are ranked.
    """

    series: tuple[str, ...]
    keys: tuple[str, ...]
    sums: tuple[str, ...]
    main: str


# The declarations whose rows hold each response, or each choice, once.
_SUMMED = {
    "token_usage": TOKEN_USAGE,
    "cost": SPENDING,
    "cache_share": CACHE_SHARE,
    "reasoning_share": REASONING_SHARE,
    "finish_reasons": FINISH_REASONS,
    "truncation_rate": TRUNCATION_RATE,
    "refusal_and_filter_rate": REFUSAL_AND_FILTER_RATE,
    "choices_per_response": CHOICES_PER_RESPONSE,
    "output_input_ratio": OUTPUT_INPUT_RATIO,
    "model_mix": MODEL_MIX,
    "confidence": CONFIDENCE,
    "response_volume": RESPONSE_VOLUME,
}
_MAIN = {"tool_calls": "calls", "log_health": "count"}
_KEYS = {
    "finish_reasons": ("finish_reason",),
    "tool_calls": ("tool",),
    "tokens_per_response": ("tokens",),
    "usage_coverage": ("tokens",),
    "response_volume": ("weekday", "hour"),
    "drift": VERSION,
    "log_health": ("kind", "name"),
}


def shape_of(name: str) -> Shape:
    """Tell what the columns of a metric are.

    Examples
    --------
    >>> shape_of("finish_reasons")
    Shape(series=('model',), keys=('finish_reason',), sums=('choices',), main='choices')
    """
    known = inspect.signature(METRICS[name]).parameters
    by = known["by"].default if "by" in known else ()
    series = (by,) if isinstance(by, str) else tuple(by)
    declared = _SUMMED.get(name)
    shown = declared.shown if declared else []
    sums = tuple(measure.name for measure in shown if measure.additive)
    main = declared.main if declared else _MAIN.get(name, "responses")
    return Shape(series, _KEYS.get(name, ()), sums, main)


def measure(
    name: str,
    sources: Sources | Choices,
    *,
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    on_damage: OnDamage = "raise",
    progress: Callable[[int], None] | None = None,
    prices: Prices = None,
    **options: object,
) -> pl.DataFrame:
    """Make the table of any metric, of logs, of exports, or of choices at hand.

    Parameters
    ----------
    name
        Name of the metric; `METRICS` has them all.
    sources
        Logs or exports as in `toolkit.scan`; or a frame of choices, a `Loaded`.
    tags, response_path, created_unit, on_damage, progress
        As in `toolkit.scan`; of logs only.
    prices
        The user's own price file, as in `toolkit.pricing.add_cost`; for metrics with
        money in them.
    options
        Those of the metric, such as `every` and `by`; see `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        As the metric returns it.

    Raises
    ------
    OptionError
        If there is no such metric, or it takes no such option.

    Examples
    --------
    >>> measure("model_mix", "data/sample", every=None, top=1).select("model", "folded")
    shape: (2, 2)
    ┌────────────────────────┬────────┐
    │ model                  ┆ folded │
    │ ---                    ┆ ---    │
    │ str                    ┆ i64    │
    ╞════════════════════════╪════════╡
    │ gpt-4o-mini-2024-07-18 ┆ 0      │
    │ other                  ┆ 12     │
    └────────────────────────┴────────┘
    """
    check_word("metric", name, tuple(METRICS))
    metric = METRICS[name]
    known = inspect.signature(metric).parameters
    for option, value in options.items():
        if option not in known:
            raise OptionError(
                option, value, expected=f"nothing: {name} takes no {option}"
            )
    if prices is not None and name not in WITH_MONEY:
        expected = f"nothing: there is no money in {name}"
        raise OptionError("prices", str(prices), expected=expected)
    if not isinstance(sources, str | os.PathLike | list | tuple):
        return metric(_priced(cast("Choices", sources), prices), **options)
    of_logs: dict[str, Any] = {
        "tags": tags,
        "response_path": response_path,
        "created_unit": created_unit,
        "progress": progress,
    }
    if metric is log_health:
        return log_health(cast("Sources", sources), **of_logs)
    given = {**{name: known[name].default for name in known}, **options}
    looked_at = reach(
        given.get("every"),
        given["tz"],
        given["since"],
        given["until"],
        given.get("compare"),
    )
    choices = scan(
        cast("Sources", sources),
        since=looked_at.start,
        until=looked_at.end,
        on_damage=on_damage,
        **of_logs,
    )
    return metric(_priced(choices, prices), **options)


def _priced(choices: Choices, prices: Prices) -> Choices:
    """Add costs by the user's own prices, if there are any."""
    return choices if prices is None else add_cost(choices, prices)
