"""Validation: what passes, and the error where something fails."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

import toolkit
from toolkit.errors import ValidationError
from toolkit.schema import CHOICES, LEDGER, REJECTS
from toolkit.testing import make_choices


def test_the_sample_passes_and_comes_back_as_it_is() -> None:
    log = toolkit.load("data/sample")

    frame = pl.DataFrame(log)

    assert toolkit.validate(frame) is frame
    assert toolkit.validate(log).equals(frame)  # type: ignore[arg-type]
    toolkit.validate(pl.DataFrame(log.rejects), table=REJECTS)
    toolkit.validate(log.ledger, table=LEDGER)


@pytest.mark.parametrize("table", [CHOICES, REJECTS, LEDGER], ids=lambda t: t.name)
def test_an_empty_table_passes(table: toolkit.schema.Table) -> None:
    toolkit.validate(table.empty(), table=table)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"prompt_tokens": -1}, "prompt_tokens: must be >= 0; 1 row is not"),
        ({"prompt_tokens": 10**12 + 1}, "prompt_tokens: must be <= 1,000,000,000,000"),
        ({"choice_index": -1}, "choice_index"),
        ({"line": None}, r"line: must not be null; 1 row is \(first: row 1\)"),
        ({"source": None}, "source"),
        (
            {"choice_position": 1, "choice_count": 1},
            "choice_position: must be below choice_count",
        ),
        (
            {"choice_position": 1, "choice_count": 2, "total_tokens": 5},
            "choice_position: must be 0 if a usage column",
        ),
        ({"created": datetime(2200, 1, 1, tzinfo=UTC)}, "created: must be from 1970"),
        ({"created": datetime(1969, 12, 31, tzinfo=UTC)}, "created: must be from 1970"),
    ],
)
def test_a_cell_that_breaks_a_rule_is_named_by_rule_and_row(
    cells: dict[str, object], message: str
) -> None:
    frame = pl.concat([make_choices({}), make_choices(cells).with_columns(log_id=1)])
    frame = frame.with_columns(pl.col("log_id").cast(pl.Int32))

    with pytest.raises(ValidationError, match=message) as caught:
        toolkit.validate(frame)

    assert caught.value.failure_cases is not None
    assert "row 1" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((c.name, c.minimum - 1) for c in CHOICES.columns if c.minimum is not None),
        *(
            (c.name, c.maximum + 1)
            for c in CHOICES.columns
            # An int32 cannot pass its own largest value.
            if c.maximum is not None and c.maximum != 2**31 - 1
        ),
    ],
)
def test_each_limit_of_a_column_is_checked(name: str, value: float) -> None:
    frame = make_choices({}).with_columns(
        pl.lit(value, CHOICES[name].dtype).alias(name)
    )

    with pytest.raises(ValidationError, match=f"{name}: must be .* 1 row is not"):
        toolkit.validate(frame)


def test_a_key_that_occurs_twice_is_named() -> None:
    frame = pl.concat([make_choices({}), make_choices({})])

    with pytest.raises(
        ValidationError, match=r"must be unique together with .*; 2 rows are not"
    ):
        toolkit.validate(frame)


def test_all_failures_are_reported_at_once() -> None:
    frame = make_choices({"prompt_tokens": -1, "completion_tokens": -1, "source": None})

    with pytest.raises(ValidationError) as caught:
        toolkit.validate(frame)

    assert len(caught.value.failures) == 3


def test_the_message_contains_no_cell() -> None:
    frame = make_choices({"content": "secret", "prompt_tokens": -12345, "source": None})

    with pytest.raises(ValidationError) as caught:
        toolkit.validate(frame)

    assert "secret" not in str(caught.value)
    assert "12345" not in str(caught.value)


def test_a_wrong_name_dtype_or_order_is_named() -> None:
    good = make_choices({})
    other = good.rename({"model": "modle"})
    typed = good.with_columns(pl.col("line").cast(pl.Int32))

    with pytest.raises(ValidationError, match=r"no column 'model' \(did you mean"):
        toolkit.validate(other)
    with pytest.raises(ValidationError, match="line: expected Int64, got Int32"):
        toolkit.validate(typed)
    with pytest.raises(
        ValidationError,
        match="order of columns: expected 'log_id', got 'upstream_cost'",
    ):
        toolkit.validate(good.select(*reversed(good.columns)))


def test_own_columns_are_allowed_or_forbidden() -> None:
    frame = make_choices({"mine": 1})

    toolkit.validate(frame)
    with pytest.raises(
        ValidationError, match="mine: not a column of the table choices"
    ):
        toolkit.validate(frame, extra="forbid")


def test_the_message_counts_the_rows_and_names_the_first() -> None:
    rows = [{"total_tokens": 1}, *[{"total_tokens": -1}] * 2887]

    with pytest.raises(ValidationError) as caught:
        toolkit.validate(make_choices(*rows))

    assert str(caught.value) == (
        "1 failure: total_tokens: must be >= 0; 2,887 rows are not (first: row 1)"
    )


def test_a_message_ends_after_ten_failures() -> None:
    with pytest.raises(ValidationError) as caught:
        toolkit.validate(pl.DataFrame({"a": [1]}))

    assert len(caught.value.failures) == len(CHOICES.columns)
    assert str(caught.value).endswith(f"; {len(CHOICES.columns) - 9} more")
    assert str(caught.value).count(";") == 9


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (make_choices({}).lazy(), "got a LazyFrame: call collect\\(\\) first"),
        ("secret", "expected a DataFrame or Arrow data, got a str$"),
        ([{"content": "secret"}], "got a list$"),
    ],
)
def test_what_is_no_frame_is_one_sentence_with_its_type(
    given: object, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        toolkit.validate(given)  # type: ignore[arg-type]
