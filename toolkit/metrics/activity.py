"""When responses are made, and by which version: hours of the week, and drift."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Unpack

import polars as pl

from toolkit.metrics.engine import compute
from toolkit.metrics.measures import (
    RESPONSES,
    TOTAL_TOKENS,
    WITHOUT_USAGE,
    Measure,
    count,
    derived,
)
from toolkit.metrics.options import Choices, MetricQuery, RangeOptions, SeriesOptions
from toolkit.metrics.registry import metric
from toolkit.metrics.spec import Key, MetricSpec

_WEEK = pl.DataFrame({"weekday": range(1, 8)}, schema={"weekday": pl.Int8}).join(
    pl.DataFrame({"hour": range(24)}, schema={"hour": pl.Int8}), how="cross"
)


def _by_hours(query: MetricQuery) -> MetricSpec:
    """Return the declaration for the hours of a zone."""
    local = pl.col("created").dt.convert_time_zone(query.tz).dt
    hours = {"weekday": local.weekday(), "hour": local.hour()}
    return replace(_RESPONSE_VOLUME, adds=lambda rows: rows.with_columns(**hours))


_RESPONSE_VOLUME = MetricSpec(
    "response_volume",
    (RESPONSES, WITHOUT_USAGE, TOTAL_TOKENS),
    main="responses",
    title="When calls are made",
    shape="heatmap",
    options=SeriesOptions,
    series=(),
    needs=("created",),
    keys=(
        Key("weekday", pl.Int8, "day", "1 is Monday; null for undated responses"),
        Key("hour", pl.Int8, meaning="0 to 23, in `tz`; null for undated responses"),
    ),
    grid=_WEEK,
    of_query=_by_hours,
)


@metric(_RESPONSE_VOLUME)
def response_volume(choices: Choices, **options: Unpack[SeriesOptions]) -> pl.DataFrame:
    """Count the responses of each hour of the week.

    Notes
    -----
    With `fill` each series has all 168 hours. An hour that clocks show twice in a night
    counts as one, and one that they skip has no response.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> response_volume(make_choices({"total_tokens": 5}, {})).row(0)  # a Thursday
    (4, 0, 2, 1, 5)
    """
    return compute(_RESPONSE_VOLUME, choices, options)


def _seen(which: str, fold: Literal["min", "max"]) -> Measure:
    """Return the measure of the first or the last time at which a version was seen."""
    return Measure(
        f"{which}_seen",
        pl.Datetime("us", "UTC"),
        "time",
        meaning="in `tz`; null where no response has a date",
        rows=getattr(pl.col("created"), fold)(),
        fold=fold,
        unseen="undated",
        bound="upper" if fold == "min" else "lower",
    )


_DRIFT = MetricSpec(
    "drift",
    (
        _seen("first", "min"),
        _seen("last", "max"),
        RESPONSES,
        count(
            "undated", pl.col("created").is_null(), meaning="responses without a date"
        ),
        derived(
            "differs",
            pl.col("requested_model") != pl.col("model"),
            "yes or no",
            "other than requested",
            "whether another model answered than the one that was requested; null "
            "where one of them is not reported",
        )._replace(dtype=pl.Boolean),
    ),
    main="responses",
    title="Model versions in use",
    shape="timeline",
    draws=("first_seen", "last_seen", "undated", "differs"),
    adds_up=False,
    options=RangeOptions,
    series=(),
    keys=(
        Key("requested_model", label="asked for"),
        Key("model"),
        Key("system_fingerprint", label="version"),
        Key("service_tier", label="tier"),
        Key("provider"),
    ),
    finish=lambda table, query: table.with_columns(
        pl.col("first_seen", "last_seen").dt.convert_time_zone(query.tz)
    ),
)


@metric(_DRIFT)
def drift(choices: Choices, **options: Unpack[RangeOptions]) -> pl.DataFrame:
    """Compute when each version of a model was first and last seen.

    There is one row per combination of the key columns, sorted by them, nulls last.

    Notes
    -----
    A router that answers to an alias by a dated snapshot differs, too: to compare
    families, apply `toolkit.expressions.model_family` to both.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> seen = drift(make_choices({"requested_model": "gpt-b", "model": "gpt-a"}, {}))
    >>> seen.select("requested_model", "model", "responses", "differs").rows()
    [('gpt-b', 'gpt-a', 1, True), (None, 'gpt-a', 1, None)]
    """
    return compute(_DRIFT, choices, options)
