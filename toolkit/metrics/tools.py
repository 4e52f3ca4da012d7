"""Tool calls: which tools, how often, with what arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import polars as pl

from toolkit.expressions.choices import RESPONSE_KEY, response_key
from toolkit.metrics.engine import compute
from toolkit.metrics.measures import Measure, ratio
from toolkit.metrics.registry import metric
from toolkit.metrics.spec import Key, MetricSpec
from toolkit.reading.json_values import is_json

if TYPE_CHECKING:
    from toolkit.metrics.options import Choices, MetricOptions


def is_invalid(arguments: pl.Series) -> pl.Series:
    """Return whether each text is neither JSON nor blank; equal texts are read once."""
    different = arguments.drop_nulls().unique()
    different = different.filter(different.str.strip_chars().str.len_bytes() > 0)
    found = [text for text in different if not is_json(text)]
    invalid = pl.Series(found, dtype=pl.String)
    return arguments.is_in(invalid.implode()).fill_null(False)


def _with_calls(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Return a row for each tool call: its name and arguments, and its response."""
    call, arguments = pl.col("tool_calls").struct, pl.col("~arguments")
    calls = rows.with_columns(pl.struct(response_key(rows)).alias("~response"))
    calls = calls.explode("tool_calls").with_columns(
        call.field("name").alias("tool"),
        call.field("arguments").alias("~arguments"),
    )
    invalid = arguments.map_batches(is_invalid, pl.Boolean, is_elementwise=True)
    return calls.with_columns(invalid.alias("~invalid"))


def _calls(name: str, label: str, meaning: str, rows: pl.Expr) -> Measure:
    """Return a measure that counts calls."""
    return Measure(name, pl.Int64, "calls", label, meaning, rows)


_TOOL_CALLS = MetricSpec(
    "tool_calls",
    (
        _calls("calls", "times", "calls of the tool", pl.len()),
        Measure(
            "responses",
            label="calls",
            meaning="responses with such a call",
            rows=pl.col("~response").n_unique(),
        ),
        _calls(
            "arguments_invalid",
            "unreadable",
            "calls whose arguments are not JSON",
            pl.col("~invalid").sum(),
        )._replace(unseen="arguments_unseen", of="calls"),
        _calls(
            "arguments_unseen",
            "",
            'calls whose arguments are null, as after content="drop"',
            pl.col("~arguments").is_null().sum(),
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
    needs=(*RESPONSE_KEY, "choice_count"),
    where=pl.col("tool_calls").list.len() > 0,
    keys=(Key("tool", meaning="its name; null where none is reported"),),
    adds=_with_calls,
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
