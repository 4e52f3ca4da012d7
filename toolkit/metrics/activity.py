"""When responses are made, and by which version: hours of the week, and drift."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from toolkit.expressions.choices import first_choice
from toolkit.metrics.engine import answer, start
from toolkit.metrics.measures import count, total, unseen
from toolkit.metrics.options import ask
from toolkit.metrics.spec import Declared

if TYPE_CHECKING:
    from toolkit.expressions.time_ranges import Moment
    from toolkit.metrics.options import By, Choices, Compare

_WEEK = pl.DataFrame({"weekday": range(1, 8)}, schema={"weekday": pl.Int8}).join(
    pl.DataFrame({"hour": range(24)}, schema={"hour": pl.Int8}), how="cross"
)
RESPONSE_VOLUME = Declared(
    (
        count("responses"),
        unseen("responses_without_usage", "total_tokens"),
        total("total_tokens", "total_tokens"),
    ),
    main="responses",
    needs=("created", "total_tokens"),
    keys={"weekday": pl.Int8, "hour": pl.Int8},
    grid=_WEEK,
)


def response_volume(
    choices: Choices,
    *,
    by: By = (),
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    top: int | None = None,
    fill: bool = False,
    compare: Compare | None = None,
) -> pl.DataFrame:
    """Count the responses of each hour of the week.

    Parameters
    ----------
    choices, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`; `fill` gives each series all 168 hours.

    Returns
    -------
    pl.DataFrame
        The columns of the series, then `weekday` (int8, 1 is Monday) and `hour` (int8,
        0 to 23) in the zone, null for undated responses; `responses`,
        `responses_without_usage`, and `total_tokens`.

    Notes
    -----
    `created` is when a response was made, in the zone: an hour that clocks show twice
    in a night counts as one, and one that they leap over has no response.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> response_volume(make_choices({"total_tokens": 5}, {})).row(0)  # a Thursday
    (4, 0, 2, 1, 5)
    """
    question = ask(
        by=by,
        tz=tz,
        since=since,
        until=until,
        top=top,
        fill=fill,
        compare=compare,
    )
    local = pl.col("created").dt.convert_time_zone(tz)

    def rows(frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.filter(first_choice()).with_columns(
            local.dt.weekday().alias("weekday"), local.dt.hour().alias("hour")
        )

    return answer(choices, replace(RESPONSE_VOLUME, rows=rows), question)


VERSION = (
    "requested_model",
    "model",
    "system_fingerprint",
    "service_tier",
    "provider",
)
_DRIFT = Declared((count("responses"),), main="responses", needs=("created", *VERSION))


def drift(
    choices: Choices,
    *,
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
) -> pl.DataFrame:
    """Tell when each version of a model was first and last seen.

    Parameters
    ----------
    choices, tz, since, until
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        One row per `requested_model`, `model`, `system_fingerprint`, `service_tier` and
        `provider`, sorted by them, nulls last: `first_seen` and `last_seen`
        (datetime[us, `tz`], null where no response has a date), `responses`, `undated`
        (responses), and `differs`: whether another model answered than the one that was
        asked for, null where one of them is not said.

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
    question = ask(tz=tz, since=since, until=until)
    return (
        start(choices, _DRIFT, question)
        .rows.group_by(VERSION)
        .agg(
            pl.col("created").min().alias("first_seen"),
            pl.col("created").max().alias("last_seen"),
            pl.len().cast(pl.Int64).alias("responses"),
            pl.col("created").null_count().cast(pl.Int64).alias("undated"),
        )
        .with_columns(
            pl.col("first_seen", "last_seen").dt.convert_time_zone(tz),
            (pl.col("requested_model") != pl.col("model")).alias("differs"),
        )
        .sort(VERSION, nulls_last=True)
        .collect(engine="streaming")
    )
