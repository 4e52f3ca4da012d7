"""polars expressions with a name, and the way from choices to responses.

Usage belongs to the response and stands on its first choice: pick choices with
`any_choice`, count calls with `responses`.
"""

from __future__ import annotations

import re
import warnings
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, overload

import polars as pl

from toolkit.errors import (
    MissingColumnsError,
    OptionError,
    PartialResponsesWarning,
    UnsuitableColumnError,
    plural,
)
from toolkit.families import FAMILY_RULES, check_rules, families
from toolkit.ranges import check_zone
from toolkit.schema import CHOICES, EARLIEST_CREATED, LATEST_CREATED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.blocks import ArrowStream

RESPONSE_KEY = ("log_id", "line")
# Every load counts its logs from 0: put together, their sources tell them apart.
SOURCE = "source"
LAST_YEAR = 9999  # of the calendar of Python and of every tool behind it
# polars' duration language: whole numbers above 0, each with its unit.
PART_OF_PERIOD = re.compile(r"([1-9][0-9]*)(ns|us|ms|mo|s|m|h|d|w|q|y)")
PERIOD = re.compile(rf"({PART_OF_PERIOD.pattern})+")
DAYS = {"d", "w", "mo", "q", "y"}


def first_choice() -> pl.Expr:
    """Say whether a row is the first of its response: the one that bears its usage.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"choice_position": 0}, {"choice_position": 1})
    >>> choices.filter(first_choice()).height
    1
    """
    return (pl.col("choice_position") == 0).alias("first_choice")


def any_choice(condition: pl.Expr) -> pl.Expr:
    """Say of every row whether the condition holds for any choice of its response.

    Filter with it to pick whole responses, so that their usage stays in the frame.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"choice_position": 0, "finish_reason": "stop", "choice_count": 2},
    ...     {"choice_position": 1, "finish_reason": "length", "choice_count": 2},
    ... )
    >>> choices.filter(any_choice(pl.col("finish_reason") == "length")).height
    2
    """
    # A frame without sources has none to tell responses apart by: the pattern then adds
    # nothing, and stands in a struct, as an expression with it would vanish as a whole.
    return condition.any().over(pl.struct(*RESPONSE_KEY, pl.col(f"^{SOURCE}$")))


def reports_usage() -> pl.Expr:
    """Say whether a response reports any of the three token counts.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> make_choices({"prompt_tokens": 5}, {}).filter(reports_usage()).height
    1
    """
    counts = pl.col("prompt_tokens", "completion_tokens", "total_tokens")
    return pl.any_horizontal(counts.is_not_null()).alias("reports_usage")


def model_family(
    column: str | pl.Expr = "model",
    *,
    rules: Sequence[tuple[str, str]] = FAMILY_RULES,
) -> pl.Expr:
    """Family of a model: snapshots, routers' prefixes and file paths as one name.

    Parameters
    ----------
    column
        The names of models; `requested_model` holds some, too.
    rules
        What is replaced, in this order, once each, after the name was put into lower
        case: pairs of a pattern and what stands in its place. To extend the table, put
        rules of your own before or behind `toolkit.expressions.FAMILY_RULES`.

    Returns
    -------
    pl.Expr
        Text, null where no model is said.

    Raises
    ------
    OptionError
        If a pattern is no regular expression of Rust.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> names = ("gpt-4o-2024-08-06", "openai/gpt-4o", "/models/llama-3-8b.Q4_K_M.gguf")
    >>> choices = make_choices(*[{"model": name} for name in names])
    >>> choices.select(model_family()).to_series().to_list()
    ['gpt-4o', 'gpt-4o', 'llama-3-8b']
    >>> own = (*FAMILY_RULES, ("^gpt-.*", "gpt"))
    >>> choices.select(model_family(rules=own)).to_series().to_list()
    ['gpt', 'gpt', 'llama-3-8b']
    """
    known = check_rules(rules)
    names = pl.col(column) if isinstance(column, str) else column
    return names.map_batches(
        lambda series: families(series, known),
        return_dtype=pl.String,
        is_elementwise=True,
    ).alias("model_family")


def check_period(every: str) -> str:
    """Return a length of period that polars accepts, or raise `OptionError`."""
    # In UTC polars lets a wrong period pass where there is nothing to do.
    moment = pl.Series([LATEST_CREATED]).dt.convert_time_zone("Europe/Berlin")
    wrong = OptionError("every", every, wanted='a period such as "1h", "1d" or "1mo"')
    if not isinstance(every, str) or not PERIOD.fullmatch(every):
        raise wrong
    try:
        ends = moment.dt.truncate(every).dt.offset_by(every).dt.year()
    except pl.exceptions.PolarsError:
        raise wrong from None
    if not 1970 <= ends.item() <= LAST_YEAR:
        raise wrong
    return every


def period(every: str = "1d", tz: str = "UTC") -> pl.Expr:
    """Start of the calendar period in which a response was made.

    A day begins at midnight of the zone, or where the clocks pass over it; a week on
    Monday; days of 23 and 25 hours are one day. Null for an undated response.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.testing import make_choices
    >>> make_choices({}).select(period("1mo", tz="Asia/Tokyo")).item().isoformat()
    '2026-01-01T00:00:00+09:00'
    """
    start = local_period(pl.col("created"), check_period(every), check_zone(tz))
    return start.alias("period")


def local_period(moments: pl.Expr, every: str, tz: str) -> pl.Expr:
    """Start of the calendar period in which moments of any zone lie."""
    local = moments.dt.convert_time_zone(tz)
    if is_of_days(every) and has_odd_midnights(tz):
        # polars begins the day at that midnight which has the offset of the moment,
        # and fails where the day that a period begins with was left out.
        return first_of(local.dt.replace_time_zone(None).dt.truncate(every), tz)
    return local.dt.truncate(every)


def first_of(wall: pl.Expr, tz: str) -> pl.Expr:
    """First moment at which clocks show a time or, where they leap over it, a later."""
    moments = [
        (wall + pl.duration(minutes=minutes)).dt.replace_time_zone(
            tz, ambiguous="earliest", non_existent="null"
        )
        # Clocks leap half an hour, an hour, or (Samoa, once) a day.
        for minutes in (0, 30, 60, 24 * 60)
    ]
    return pl.coalesce(moments)


def is_of_days(every: str) -> bool:
    """Say whether periods are counted in days of the calendar, not in hours."""
    return any(unit in DAYS for _, unit in PART_OF_PERIOD.findall(every))


@cache
def has_odd_midnights(tz: str) -> bool:
    """Say whether some day has two midnights, as in Havana, or was left out (Samoa)."""
    days = pl.datetime_range(
        EARLIEST_CREATED.replace(tzinfo=None),
        LATEST_CREATED.replace(tzinfo=None),
        "1d",
        eager=True,
    )
    first, second = (
        days.dt.replace_time_zone(tz, ambiguous=which, non_existent="null")
        for which in ("earliest", "latest")
    )
    noon = (days + timedelta(hours=12)).dt.replace_time_zone(
        tz, ambiguous="earliest", non_existent="null"
    )
    return bool((first != second).any()) or noon.has_nulls()


def period_end(every: str = "1d", tz: str = "UTC") -> pl.Expr:
    """End of the period that starts at the column `period`; it is not part of it.

    A period of some hours may be longer or shorter where the clocks change.
    """
    start = pl.col("period")
    if is_of_days(every):
        wall = start.dt.replace_time_zone(None).dt.truncate(every).dt.offset_by(every)
        return first_of(wall, tz).alias("period_end")
    end = start.dt.offset_by(every)
    # In the night of the longer day six hours on is still within the same period.
    later = end.dt.offset_by("2h")
    inside = end.dt.truncate(every) == start
    next_start = pl.when(inside).then(later).otherwise(end).dt.truncate(every)
    # Of 45 minutes the clocks that go back may cut one off: its end begins no other.
    return (
        pl.when(next_start > start).then(next_start).otherwise(end).alias("period_end")
    )


def check_columns(frame: pl.DataFrame | pl.LazyFrame, needed: Sequence[str]) -> None:
    """Raise `MissingColumnsError` if a frame lacks a column, before it is collected."""
    available = frame.collect_schema().names()
    missing = [name for name in needed if name not in available]
    if missing:
        raise MissingColumnsError(missing, available)


@overload
def responses(choices: pl.DataFrame) -> pl.DataFrame: ...
@overload
def responses(choices: pl.LazyFrame) -> pl.LazyFrame: ...
@overload
def responses(choices: ArrowStream) -> pl.DataFrame: ...
def responses(
    choices: pl.DataFrame | pl.LazyFrame | ArrowStream,
) -> pl.DataFrame | pl.LazyFrame:
    """Turn choices into responses: one row each.

    Parameters
    ----------
    choices
        One row per choice; see `toolkit.schema.CHOICES`. A polars frame, or anything
        with ``__arrow_c_stream__``. Tags and the caller's own columns are kept with
        the value of the first row.

    Returns
    -------
    pl.DataFrame or pl.LazyFrame
        As given, in the same order. The columns of a response (R and U) keep their
        names; `finish_reasons` lists the `finish_reason` of each choice, null where
        a choice has none, empty for a response without choices. The other columns of
        a choice are not kept.

    Raises
    ------
    MissingColumnsError
        If a column of the key, `choice_count` or `finish_reason` is missing.
    UnsuitableColumnError
        Of an eager frame, if its key names several responses: see `check_responses`.

    Warns
    -----
    PartialResponsesWarning
        Of an eager frame, if rows of a response are missing: its usage may be too.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"choice_position": 0, "finish_reason": "stop", "choice_count": 2},
    ...     {"choice_position": 1, "finish_reason": "length", "choice_count": 2},
    ... )
    >>> responses(choices)["finish_reasons"].to_list()
    [['stop', 'length']]
    """
    if not isinstance(choices, pl.DataFrame | pl.LazyFrame):
        choices = pl.DataFrame(choices)
    check_columns(choices, (*CHOICES.key, "choice_count", "finish_reason"))
    key = response_key(choices)
    if isinstance(choices, pl.DataFrame):
        check_responses(choices, needs_key=True)
    names = choices.collect_schema().names()
    grains = {name: CHOICES[name].grain if name in CHOICES else "R" for name in names}
    facts = [
        # The one row that bears usage may stand anywhere among the response's rows.
        pl.col(name).max() if grain == "U" else pl.col(name).first()
        for name, grain in grains.items()
        if grain != "C" and name not in key
    ]
    reasons = pl.col("finish_reason").sort_by("choice_position")
    one_row_each = (
        choices.lazy()
        .group_by(*key, maintain_order=True)
        .agg(
            *facts,
            reasons.filter(pl.col("choice_count") > 0).alias("finish_reasons"),
        )
        .select(*[name for name in names if grains[name] != "C"], "finish_reasons")
    )
    return one_row_each.collect() if isinstance(choices, pl.DataFrame) else one_row_each


def response_key(choices: pl.DataFrame | pl.LazyFrame) -> tuple[str, ...]:
    """Return the columns that tell responses apart: with the source where there is one.

    The log_id of a load tells its logs apart; two loads put together both begin at 0.
    """
    if SOURCE not in choices.collect_schema().names():
        return RESPONSE_KEY
    if isinstance(choices, pl.DataFrame) and is_in_order(choices):
        return RESPONSE_KEY
    return (*RESPONSE_KEY, SOURCE)


def is_in_order(choices: pl.DataFrame) -> bool:
    """Say whether rows stand as one load gives them, so that a log_id is one source."""
    log, line = map(pl.col, RESPONSE_KEY)
    same_log = log == log.shift()
    broken = (log < log.shift()) | (same_log & (line < line.shift()))
    if SOURCE in choices.columns:
        source = pl.col(SOURCE)
        broken = broken | (same_log & source.ne_missing(source.shift()))
    unknown = log.is_null() | line.is_null()
    return not choices.select((broken | unknown).any()).item()


def count_responses(choices: pl.DataFrame | pl.LazyFrame) -> tuple[int, int]:
    """Count the responses with choices missing, and the keys of several responses."""
    if isinstance(choices, pl.DataFrame) and is_in_order(choices):
        groups = runs(choices).lazy()
    else:
        groups = (
            choices.lazy()
            .group_by(*response_key(choices))
            .agg(
                pl.len().alias("present"),
                pl.col("choice_count").max().alias("wanted"),
                first_choice().sum().alias("firsts"),
            )
        )
    firsts = pl.col("firsts")
    present = pl.col("present").cast(pl.Int64)
    wanted = pl.max_horizontal(pl.col("wanted").cast(pl.Int64), pl.lit(1))
    picked, repeated = (
        groups.select(
            (present < wanted).sum().alias("picked"),
            ((firsts > 1) | (present > wanted)).sum().alias("repeated"),
        )
        .collect()
        .row(0)
    )
    return int(picked), int(repeated)


def runs(choices: pl.DataFrame) -> pl.DataFrame:
    """Count the rows of each response, where those stand together: soon done."""
    log, line = map(pl.col, RESPONSE_KEY)
    begins = log.ne_missing(log.shift()) | line.ne_missing(line.shift())
    row = pl.int_range(pl.len())
    so_far = first_choice().cast(pl.Int64).cum_sum()
    return (
        choices.lazy()
        .select(
            begins.alias("begins"),
            row.alias("row"),
            pl.len().alias("rows"),
            pl.col("choice_count").alias("wanted"),
            (so_far - first_choice().cast(pl.Int64)).alias("before"),
            so_far.last().alias("all"),
        )
        .filter(pl.col("begins"))
        .select(
            (pl.col("row").shift(-1).fill_null(pl.col("rows")) - pl.col("row")).alias(
                "present"
            ),
            "wanted",
            (
                pl.col("before").shift(-1).fill_null(pl.col("all")) - pl.col("before")
            ).alias("firsts"),
        )
        .collect()
    )


def count_picked(choices: pl.DataFrame | pl.LazyFrame) -> int:
    """Count the responses of which some choices are not in the frame."""
    return count_responses(choices)[0]


def warn_of_picked_choices(choices: pl.DataFrame) -> None:
    """Warn if choices were picked out of responses, or responses are there twice."""
    check_responses(choices, needs_key=False)


def check_responses(choices: pl.DataFrame, *, needs_key: bool) -> None:
    """Warn if choices were picked; refuse a key that names several responses.

    Where nothing hangs on the key it warns of these, too: they may be there twice.
    """
    picked, repeated = count_responses(choices)
    if picked:
        warnings.warn(
            f"choices of {plural(picked, 'response')} are missing: usage stands on the "
            "first choice and may be lost; pick with toolkit.expressions.any_choice()",
            PartialResponsesWarning,
            stacklevel=3,
        )
    if not repeated:
        return
    why = (
        f"is that of several responses {plural(repeated, 'time')}, as log_id and "
        "source are: load the logs together, or give each frame its own log_id"
    )
    if needs_key:
        raise UnsuitableColumnError("line", why=why)
    warnings.warn(f"column 'line' {why}", PartialResponsesWarning, stacklevel=3)
