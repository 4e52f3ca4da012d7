"""Metrics: from a frame of choices to a small tidy frame.

All take the same options, and none changes its argument::

    metric(choices, *, every="1d", by="model", tz="UTC", since=None, until=None,
           top=None, fill=False, compare=None) -> pl.DataFrame

The help of each metric, as of ``help(toolkit.metrics.token_usage)``, explains its
parameters and lists its columns. `METRICS` has all of them by name, and `measure`
computes any of them from logs or exports.

The result has a row per period and series in which a response exists, sorted by them,
nulls last:

period, period_end
    Start and end of the period, as datetime[us, `tz`]; the end is exclusive. Undated
    responses are in rows with a null period.
partial
    Whether the period is incomplete: the range begins or ends in it, or the latest
    response of the frame lies in it, so that more may come.
model, ...
    The columns of `by`; with `top` also `folded`, how many series the row is of.
finish_reason, ...
    The key columns of the metric, if it has any.
responses, ...
    Its measures. Counts and tokens are int64, ratios float64, null where their
    denominator is 0. Unknown is not zero: beside each sum is the number of responses
    that it could not see.

An empty frame gives the same columns and dtypes.

An eager frame from which choices were removed warns (`PartialResponsesWarning`): the
row that has the usage of a response may be gone.
"""

from __future__ import annotations

# The order is that of `METRICS`.
# isort: off
from toolkit.metrics.usage import token_usage, usage_coverage
from toolkit.metrics.spending import cost
from toolkit.metrics.causes import cost_change
from toolkit.metrics.shares import (
    cache_share,
    model_mix,
    output_input_ratio,
    reasoning_share,
)
from toolkit.metrics.outcomes import (
    finish_reasons,
    refusal_and_filter_rate,
    truncation_rate,
)
from toolkit.metrics.tools import tool_calls
from toolkit.metrics.distributions import (
    choices_per_response,
    confidence,
    tokens_per_response,
)
from toolkit.metrics.activity import drift, response_volume
from toolkit.metrics.health import log_health
from toolkit.metrics.registry import METRICS, measure

# isort: on

__all__ = [
    "METRICS",
    "cache_share",
    "choices_per_response",
    "confidence",
    "cost",
    "cost_change",
    "drift",
    "finish_reasons",
    "log_health",
    "measure",
    "model_mix",
    "output_input_ratio",
    "reasoning_share",
    "refusal_and_filter_rate",
    "response_volume",
    "token_usage",
    "tokens_per_response",
    "tool_calls",
    "truncation_rate",
    "usage_coverage",
]


def __dir__() -> list[str]:
    """Return the names that tab completion offers."""
    return __all__
