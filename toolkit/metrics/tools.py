"""Tool calls: which tools, how often, with what arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.expressions.choices import RESPONSE_KEY, response_key
from toolkit.metrics.engine import answer
from toolkit.metrics.measures import Measure, ratio
from toolkit.metrics.options import ask
from toolkit.metrics.spec import Declared
from toolkit.reading.json_values import are_json

if TYPE_CHECKING:
    from toolkit.expressions.time_ranges import Moment
    from toolkit.metrics.engine import Work
    from toolkit.metrics.options import By, Choices, Compare


def _calls(work: Work) -> pl.DataFrame:
    """Take the calls out of the choices, and count them by response first."""
    keys = [*work.when, *work.question.by, "tool"]
    # By names of their own: a series may be called like a column of the key.
    key = {f"~{name}": pl.col(name) for name in response_key(work.frame)}
    made = (
        work.rows.filter(pl.col("tool_calls").list.len() > 0)
        .select(*work.when.values(), *work.question.by, "tool_calls", **key)
        .explode("tool_calls")
        .select(
            *work.when,
            *work.question.by,
            *key,
            pl.col("tool_calls").struct.field("name").alias("tool"),
            pl.col("tool_calls").struct.field("arguments").alias("~arguments"),
        )
        .collect(engine="streaming")
    )
    marked = made.with_columns(
        _is_invalid(made["~arguments"]).alias("arguments_invalid"),
        pl.col("~arguments").is_null().alias("arguments_unseen"),
    )
    sums = pl.col("calls", "arguments_invalid", "arguments_unseen").cast(pl.Int64).sum()
    table = (
        marked.lazy()
        .with_columns(pl.lit(1).alias("calls"))
        .group_by(*keys, *key)
        .agg(sums)
        .group_by(keys)
        .agg(sums, pl.len().alias("responses"))
        .collect()
    )
    return work.folded(table)


def _is_invalid(arguments: pl.Series) -> pl.Series:
    """Say of each text whether it is neither JSON nor blank; each is read once."""
    different = arguments.drop_nulls().unique()
    different = different.filter(different.str.strip_chars().str.len_bytes() > 0)
    faults = different.filter(
        ~pl.Series(are_json(different.to_list()), dtype=pl.Boolean)
    )
    return arguments.is_in(faults.implode()).fill_null(False)


_TOOL_CALLS = Declared(
    (
        Measure("calls"),
        Measure("responses"),
        Measure("arguments_invalid"),
        Measure("arguments_unseen"),
        ratio(
            "invalid_share",
            "arguments_invalid",
            pl.col("calls") - pl.col("arguments_unseen"),
        ),
    ),
    main="calls",
    of_choices=True,
    leaves_out=True,
    needs=(*RESPONSE_KEY, "choice_count", "tool_calls"),
    rows=lambda frame: frame,
    keys={"tool": pl.String},
    gather=_calls,
)


def tool_calls(
    choices: Choices,
    *,
    every: str | None = "1d",
    by: By = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    top: int | None = None,
    fill: bool = False,
    compare: Compare | None = None,
) -> pl.DataFrame:
    """Count the calls of each tool, and those whose arguments are no JSON.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then `tool` (its
        name; null where none is said), `_calls`, `responses` with such a call,
        `arguments_invalid` (calls), `arguments_unseen` (calls whose arguments are null,
        as after ``content="drop"``), and `invalid_share`, of the calls whose arguments
        were seen.

    Notes
    -----
    Blank arguments count as none given, not as invalid. A custom tool takes free text:
    its calls are likely to be counted as invalid.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> call = {"id": "1", "type": "function", "name": "add", "arguments": '{"a": 1}'}
    >>> choices = make_choices({"tool_calls": [call, {**call, "arguments": "{"}]})
    >>> tool_calls(choices).select("tool", "calls", "responses", "invalid_share").row(0)
    ('add', 2, 1, 0.5)
    """
    question = ask(
        every=every,
        by=by,
        tz=tz,
        since=since,
        until=until,
        top=top,
        fill=fill,
        compare=compare,
    )
    return answer(choices, _TOOL_CALLS, question)
