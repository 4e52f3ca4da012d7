"""`passes` and the pandera models: the same result for every frame."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from toolkit.errors import ValidationError
from toolkit.schema import CHOICES, LEDGER, REJECTS, TABLES, USAGE_COLUMNS, Table
from toolkit.schema.columns import Column
from toolkit.schema.models import MODELS
from toolkit.schema.rules import all_rules
from toolkit.schema.validation import passes, report_failures, validate_rows
from toolkit.testing import make_choices

BETWEEN = [datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)]
TICK = timedelta(microseconds=1)
TIMES = [time + step for time in BETWEEN for step in (-TICK, 0 * TICK, TICK)]
# The columns that each rule of the choices compares.
RULES = {
    "position_within_count": {"choice_position", "choice_count"},
    "usage_on_first_choice": {"choice_position", *USAGE_COLUMNS},
    "created_in_range": {"created"},
    "key_is_unique": {"log_id", "line", "choice_position"},
}
OFTEN = ["choice_position", "choice_count", "created", "total_tokens"]
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def cells(column: Column) -> list[object]:
    """Return cells of a column: null, and just inside and outside of its limits."""
    if column.dtype == pl.Datetime("us", "UTC"):
        return [None, *TIMES]
    if column.dtype.is_float():
        return [None, 0.0, -1.0, float("nan"), float("inf")]
    if column.dtype.is_integer():
        low, high = column.minimum or 0, column.maximum or 5
        largest = 2**31 - 1 if column.dtype == pl.Int32 else 2**63 - 1
        return [None, low - 1, low, low + 1, 2, high, min(high + 1, largest)]
    if column.dtype == pl.String:
        return [None, "", "a"]
    if column.dtype == pl.Boolean:
        return [None, True, False]
    return [None]


def a_row(table: Table, line: int) -> dict[str, object]:
    """Return a valid row of the rejects or the ledger."""
    row = {
        column.name: "a" if column.dtype == pl.String else column.minimum
        for column in table.columns
        if not column.nullable
    }
    return row | ({"line": line} if "line" in table else {"log_id": line})


@st.composite
def frames(draw: st.DrawFn, table: Table) -> pl.DataFrame:
    """Draw a frame with the dtypes of a table, and some cells that may be wrong."""
    often = [name for name in OFTEN if name in table]
    names = st.sampled_from(often or table.names) | st.sampled_from(table.names)
    changes = st.lists(names, max_size=3, unique=True)
    rows: list[dict[str, object]] = []
    for line, changed in enumerate(draw(st.lists(changes, max_size=4)), 1):
        new = {name: draw(st.sampled_from(cells(table[name]))) for name in changed}
        rows.append(new if table is CHOICES else a_row(table, line) | new)
    if table is CHOICES:
        return make_choices(*rows)
    return pl.DataFrame(rows, schema=table.polars)


@st.composite
def changed_columns(draw: st.DrawFn, frame: pl.DataFrame) -> pl.DataFrame:
    """Draw a frame with some columns missing, moved, added, or of another dtype."""
    name = draw(st.sampled_from(frame.columns))
    changes = ["missing", "moved", "added", "dtype", "zone"]
    match draw(st.none() | st.none() | st.sampled_from(changes)):
        case "missing":
            return frame.drop(name)
        case "moved":
            return frame.select(pl.exclude(name), name)
        case "added":
            return frame.select(pl.lit("a").alias("tag_a"), pl.all(), mine=pl.lit(1))
        case "dtype":
            null = pl.lit(None, draw(st.sampled_from([pl.Int32, pl.Int64, pl.Null])))
            return frame.with_columns(null.alias(name))
        case "zone":
            return frame.with_columns(pl.col("^created$").dt.replace_time_zone(None))
    return frame


def failures(frame: pl.DataFrame, table: Table) -> set[tuple[str, str]]:
    """Return the columns and checks that fail in the pandera model of a table."""
    try:
        MODELS[table.name].validate(frame, lazy=True)
    except SchemaErrors as error:
        return set(error.failure_cases.select("column", "check").iter_rows())
    return set()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@given(data=st.data())
@SLOW
def test_pandera_accepts_what_passes_and_nothing_else(
    table: Table, data: st.DataObject
) -> None:
    frame = data.draw(frames(table))
    frame = data.draw(changed_columns(frame))

    assert passes(frame, table) == (not failures(frame, table))


@given(data=st.data())
@SLOW
def test_a_part_of_the_columns_is_checked_by_their_limits_and_rules(
    data: st.DataObject,
) -> None:
    frame = data.draw(frames(CHOICES))
    names = data.draw(st.sets(st.sampled_from(CHOICES.names)))
    rules = {rule.description: RULES[rule.name] for rule in all_rules(CHOICES)}
    expected = [
        check
        for column, check in failures(frame, CHOICES)
        if rules.get(check, {column}) <= names
    ]

    part = frame.select(name for name in CHOICES.names if name in names)

    assert passes(part, CHOICES, partial=True) == (not expected)
    if expected:
        with pytest.raises(ValidationError) as caught:
            report_failures(part, CHOICES)
        assert len(caught.value.failures) == len(expected)
    assert passes(part, CHOICES) == (not expected and names == set(CHOICES.names))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@given(data=st.data())
@SLOW
def test_arrow_rows_are_valid_if_their_frame_is(
    table: Table, data: st.DataObject
) -> None:
    frame = data.draw(frames(table))
    cells = [frame[field.name].to_arrow().cast(field.type) for field in table.arrow]
    rows = pa.Table.from_arrays(cells, schema=table.arrow)
    name = data.draw(st.none() | st.sampled_from(table.names))
    rows = rows if name is None else rows.drop_columns(name)

    if passes(frame, table) and name is None:
        validate_rows(rows, table)
    else:
        with pytest.raises(ValidationError):
            validate_rows(rows, table)


def test_a_part_of_the_columns_has_their_order_and_dtypes() -> None:
    good = make_choices({}).select("line", "model", "total_tokens")

    assert passes(good, CHOICES, partial=True)
    assert passes(good.with_columns(mine=1), CHOICES, partial=True)
    assert passes(good.select(), CHOICES, partial=True)
    assert not passes(good.select("model", "line"), CHOICES, partial=True)
    assert not passes(good.cast({"line": pl.Int32}), CHOICES, partial=True)


@pytest.mark.parametrize(
    ("keys", "unique"),
    [
        ([(0, 1, 0), (0, 1, 1), (0, 2, 0), (1, 1, 0)], True),  # in order
        ([(1, 1, 0), (0, 2, 0), (0, 1, 1), (0, 1, 0)], True),  # in no order
        ([(0, 1, 0), (0, 2, 0), (0, 2, 0)], False),  # next to each other
        ([(0, 1, 0), (0, 2, 0), (0, 1, 0)], False),  # apart
    ],
)
def test_a_key_is_unique_in_any_order(
    keys: list[tuple[int, int, int]], unique: bool
) -> None:
    rows = [{"log_id": log, "line": line, "choice_position": position,
             "choice_count": 2} for log, line, position in keys]  # fmt: skip

    assert passes(make_choices(*rows), CHOICES) is unique


@pytest.mark.parametrize("table", [CHOICES, REJECTS, LEDGER], ids=lambda t: t.name)
def test_no_column_that_must_not_be_null_can_be_nan(table: Table) -> None:
    # pandera counts NaN as null, `passes` does not.
    assert not [one for one in table.columns if one.dtype.is_float() > one.nullable]
