"""Metrics: from a frame of choices to a small tidy frame.

Each is pure, and takes and gives the same::

    metric(choices, *, every="1d", by="model", tz="UTC", since=None, until=None,
           top=None, fill=False, compare=None) -> pl.DataFrame

choices
    One row per choice; see `toolkit.schema.CHOICES`. A polars frame, eager or lazy, or
    anything with ``__arrow_c_stream__`` (`Loaded`, pyarrow, DuckDB, pandas).
every
    Length of a period in polars' duration language: ``"1h"``, ``"1d"``, ``"1w"`` (from
    Monday), ``"1mo"``; None for the whole range, without columns of a period.
by
    Column or columns that name the series: a fact of the response, a tag, or a column
    of the caller's own, of which the first choice's value counts. None at all, ``()``,
    for all responses together. A fact of a choice is refused.
tz
    Time zone in which days begin; days of 23 and 25 hours are one day.
since, until
    Range of `created`, until exclusive: a date, a datetime or its ISO text; one without
    a zone is in `tz`. With either, undated responses are left out.
top
    So many series, the largest by the metric's main measure over the whole range, stand
    for themselves. The others become one, called ``other`` in each column that names
    the series (these are then text), with exact figures. A column `folded` says how
    many series they are; it is 0 for a series that stands for itself.
fill
    Whether each series has a row in each period of the range, or where it is open, of
    the data: counts are 0 in the gaps, ratios null.
compare
    ``"previous"`` sets beside each measure its value in the period before, `_before`,
    and the change since, `_change`. Before the first period of the data nothing is
    known: null. A series that has no response in the period before has counts of 0 in
    it. With ``every=None`` it is the range of the same length that ends at `since`.

The result has a row per period and series in which a response exists, sorted by them,
nulls last: `period` and `period_end` (datetime[us, `tz`], exclusive), `partial` (the
range or the data do not cover the period: the range begins or ends in it, or the latest
response of the frame lies in it, so that more may come), the columns of `by`, the key
columns of the metric, and its measures. Undated responses stand in rows with a null
period. Counts and tokens are int64, ratios float64, null where their denominator is 0.
Absence is not zero: beside each sum stands the number of responses that it could not
see. An empty frame gives the same columns and dtypes.

An eager frame from which choices were picked warns (`PartialResponsesWarning`): the row
that stands for a response, and bears its usage, may be gone.
"""

from __future__ import annotations

from toolkit.metrics.activity import drift, response_volume
from toolkit.metrics.calendar import reach
from toolkit.metrics.catalogue import METRICS, WITH_MONEY, Shape, measure, shape_of
from toolkit.metrics.distributions import (
    choices_per_response,
    confidence,
    tokens_per_response,
)
from toolkit.metrics.health import log_health
from toolkit.metrics.options import By, Choices, Compare, check_options
from toolkit.metrics.outcomes import (
    finish_reasons,
    refusal_and_filter_rate,
    truncation_rate,
)
from toolkit.metrics.shares import (
    cache_share,
    model_mix,
    output_input_ratio,
    reasoning_share,
)
from toolkit.metrics.spending import cost
from toolkit.metrics.tools import tool_calls
from toolkit.metrics.usage import token_usage, usage_coverage

__all__ = [
    "METRICS",
    "WITH_MONEY",
    "By",
    "Choices",
    "Compare",
    "Shape",
    "cache_share",
    "check_options",
    "choices_per_response",
    "confidence",
    "cost",
    "drift",
    "finish_reasons",
    "log_health",
    "measure",
    "model_mix",
    "output_input_ratio",
    "reach",
    "reasoning_share",
    "refusal_and_filter_rate",
    "response_volume",
    "shape_of",
    "token_usage",
    "tokens_per_response",
    "tool_calls",
    "truncation_rate",
    "usage_coverage",
]
