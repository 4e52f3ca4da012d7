"""Tool calls: which tools, how often, with what arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import polars as pl

from toolkit.expressions.choices import RESPONSE_KEY, response_key
from toolkit.metrics.engine import compute
from toolkit.metrics.groups import Computation, group
from toolkit.metrics.measures import Measure, ratio
from toolkit.metrics.registry import metric
from toolkit.metrics.spec import Key, MetricSpec
from toolkit.reading.json_values import is_json

if TYPE_CHECKING:
    from toolkit.metrics.options import Choices, MetricOptions


def _count_calls(work: Computation) -> pl.DataFrame:
    """Count the calls of the choices, and the responses that have them."""
    keys = [*work.when, *work.query.by, "tool"]
    # Renamed, as a series may have the name of a key column.
    key = {f"~{name}": pl.col(name) for name in response_key(work.frame)}
    call = pl.col("tool_calls").struct
    calls = (
        work.rows.select(*work.when.values(), *work.query.by, "tool_calls", **key)
        .explode("tool_calls")
        .with_columns(
            call.field("name").alias("tool"),
            call.field("arguments").alias("~arguments"),
        )
        .drop("tool_calls")
        .collect(engine="streaming")
    )
    marked = calls.with_columns(
        is_invalid(calls["~arguments"]).alias("arguments_invalid"),
        pl.col("~arguments").is_null().alias("arguments_unseen"),
    )
    table = group(
        marked.lazy(),
        keys,
        pl.len().alias("calls"),
        pl.struct(*key).n_unique().alias("responses"),
        pl.col("arguments_invalid", "arguments_unseen").sum(),
    )
    return work.folded(table)


def is_invalid(arguments: pl.Series) -> pl.Series:
    """Return whether each text is neither JSON nor blank; equal texts are read once."""
    different = arguments.drop_nulls().unique()
    different = different.filter(different.str.strip_chars().str.len_bytes() > 0)
    found = [text for text in different if not is_json(text)]
    invalid = pl.Series(found, dtype=pl.String)
    return arguments.is_in(invalid.implode()).fill_null(False)


_TOOL_CALLS = MetricSpec(
    "tool_calls",
    (
        Measure("calls", pl.Int64, "calls", "times", "calls of the tool"),
        Measure("responses", label="calls", meaning="responses with such a call"),
        Measure(
            "arguments_invalid",
            pl.Int64,
            "calls",
            "unreadable",
            "calls whose arguments are not JSON",
            unseen="arguments_unseen",
            of="calls",
        ),
        Measure(
            "arguments_unseen",
            pl.Int64,
            "calls",
            meaning='calls whose arguments are null, as after content="drop"',
        ),
        ratio(
            "invalid_share",
            "arguments_invalid",
            pl.col("calls") - pl.col("arguments_unseen"),
            "share unreadable",
            "share of the calls whose arguments were seen",
            unseen="arguments_unseen",
            of="calls",
        ),
    ),
    main="calls",
    title="Tool calls",
    shape="bars",
    draws=("calls", "invalid_share"),
    adds_up=False,
    of_choices=True,
    leaves_out=True,
    needs=(*RESPONSE_KEY, "choice_count", "tool_calls"),
    where=pl.col("tool_calls").list.len() > 0,
    keys=(Key("tool", meaning="its name; null where none is reported"),),
    gather=_count_calls,
)


@metric(_TOOL_CALLS)
def tool_calls(choices: Choices, **options: Unpack[MetricOptions]) -> pl.DataFrame:
    """Count the calls of each tool, and those whose arguments are not JSON.

    Notes
    -----
    Blank arguments count as none, not as invalid. A custom tool takes free text: its
    calls are likely to be counted as invalid.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> call = {"id": "1", "type": "function", "name": "add", "arguments": '{"a": 1}'}
    >>> choices = make_choices({"tool_calls": [call, {**call, "arguments": "{"}]})
    >>> tool_calls(choices).select("tool", "calls", "responses", "invalid_share").row(0)
    ('add', 2, 1, 0.5)
    """
    return compute(_TOOL_CALLS, choices, options)
