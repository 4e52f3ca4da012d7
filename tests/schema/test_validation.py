"""The gate: what passes, and what is said of what does not."""

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
    ("cells", "said"),
    [
        ({"prompt_tokens": -1}, "prompt_tokens"),
        ({"prompt_tokens": 10**12 + 1}, "prompt_tokens"),
        ({"choice_index": -1}, "choice_index"),
        ({"line": None}, "line"),
        ({"source": None}, "source"),
        ({"choice_position": 1, "choice_count": 1}, "choice_position is below"),
        (
            {"choice_position": 1, "choice_count": 2, "total_tokens": 5},
            "usage is null unless",
        ),
        ({"created": datetime(2200, 1, 1, tzinfo=UTC)}, "created is from 1970"),
        ({"created": datetime(1969, 12, 31, tzinfo=UTC)}, "created is from 1970"),
    ],
)
def test_a_cell_that_breaks_a_rule_is_named_by_rule_and_row(
    cells: dict[str, object], said: str
) -> None:
    frame = pl.concat([make_choices({}), make_choices(cells).with_columns(log_id=1)])
    frame = frame.with_columns(pl.col("log_id").cast(pl.Int32))

    with pytest.raises(ValidationError, match=said) as caught:
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
def test_each_limit_of_a_column_is_held(name: str, value: float) -> None:
    frame = make_choices({}).with_columns(
        pl.lit(value, CHOICES[name].dtype).alias(name)
    )

    with pytest.raises(ValidationError, match=f"column '{name}': .*fails in 1 rows"):
        toolkit.validate(frame)


def test_a_key_that_stands_twice_is_named() -> None:
    frame = pl.concat([make_choices({}), make_choices({})])

    with pytest.raises(ValidationError, match="is unique fails in 2 rows"):
        toolkit.validate(frame)


def test_all_failures_are_told_at_once() -> None:
    frame = make_choices({"prompt_tokens": -1, "completion_tokens": -1, "source": None})

    with pytest.raises(ValidationError) as caught:
        toolkit.validate(frame)

    assert len(caught.value.failures) == 3


def test_no_cell_stands_in_the_message() -> None:
    frame = make_choices({"content": "secret", "prompt_tokens": -12345, "source": None})

    with pytest.raises(ValidationError) as caught:
        toolkit.validate(frame)

    assert "secret" not in str(caught.value)
    assert "12345" not in str(caught.value)


def test_a_wrong_name_dtype_or_order_is_told() -> None:
    good = make_choices({})
    other = good.rename({"model": "modle"})
    typed = good.with_columns(pl.col("line").cast(pl.Int32))

    with pytest.raises(ValidationError, match=r"no column 'model' \(did you mean"):
        toolkit.validate(other)
    with pytest.raises(ValidationError, match="'line' is Int32, expected Int64"):
        toolkit.validate(typed)
    with pytest.raises(ValidationError, match="another order"):
        toolkit.validate(good.select(*reversed(good.columns)))


def test_own_columns_stand_behind_and_may_be_forbidden() -> None:
    frame = make_choices({"mine": 1})

    toolkit.validate(frame)
    with pytest.raises(ValidationError, match="'mine' is not in the schema"):
        toolkit.validate(frame, extra="forbid")


def test_a_lazy_frame_is_refused_with_the_words_that_help() -> None:
    with pytest.raises(TypeError, match="collect it first"):
        toolkit.validate(make_choices({}).lazy())  # type: ignore[arg-type]
