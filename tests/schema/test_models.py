"""The tables as pandera models, with the verdicts of `toolkit.validate`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaError, SchemaErrors
from pandera.typing import FieldType
from pandera.typing.polars import DataFrame

import toolkit
from tests.support import models
from toolkit.errors import ValidationError
from toolkit.schema import CHOICES, REJECTS, TABLES, Choices, Ledger, Rejects, Table
from toolkit.schema.models import MODELS
from toolkit.testing import make_choices


class Priced(Choices):
    """Choices with the user's own column."""

    dollars: FieldType[pl.Float64] = pa.Field(ge=0)


@pa.check_types
def count(frame: DataFrame[Choices]) -> int:
    return frame.height


@pa.check_types
def total(frame: DataFrame[Priced]) -> float:
    return float(frame[Priced.dollars].sum())


def verdict_of_validate(frame: pl.DataFrame, table: Table = CHOICES) -> bool:
    try:
        toolkit.validate(frame, table=table)
    except ValidationError:
        return False
    return True


def verdict_of_model(frame: pl.DataFrame, table: Table = CHOICES) -> bool:
    try:
        MODELS[table.name].validate(frame, lazy=True)
    except SchemaErrors:
        return False
    return True


# --- Generated, and imported on first use --------------------------------------------


def test_the_stub_is_what_the_tables_generate() -> None:
    text = models.STUB.read_text("utf-8")

    assert models.generate() == text, "run `make reference` and commit it"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_model_has_the_columns_of_its_table(table: Table) -> None:
    schema = MODELS[table.name].to_schema()

    assert list(schema.columns) == table.names
    for column in table.columns:
        field = schema.columns[column.name]
        assert field.dtype.type == column.dtype
        assert (field.nullable, field.required) == (column.nullable, True)
        assert field.description == column.description
        assert field.metadata == {"grain": column.grain, "unit": column.unit}


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Choises'"):
        toolkit.schema.Choises  # type: ignore[attr-defined]  # noqa: B018


# --- As pandera's users expect it ----------------------------------------------------


def test_check_types_validates_what_a_function_takes() -> None:
    good = make_choices({}, {})

    assert count(good) == 2  # type: ignore[arg-type]
    assert count(DataFrame[Choices](good)) == 2
    with pytest.raises(SchemaError, match="prompt_tokens"):
        count(make_choices({"prompt_tokens": -1}))  # type: ignore[arg-type]


def test_a_subclass_adds_a_column_and_checks_the_others_too() -> None:
    frame = make_choices({"dollars": 1.5}, {"dollars": 0.25})

    assert total(frame) == 1.75  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="'dollars' not in"):
        Priced.validate(frame.drop("dollars"))
    with pytest.raises(SchemaError, match="dollars"):
        Priced.validate(frame.with_columns(dollars=-frame["dollars"]))
    with pytest.raises(SchemaErrors, match="must be unique together with log_id, line"):
        Priced.validate(frame.with_columns(line=pl.lit(1, pl.Int64)), lazy=True)


def test_the_attributes_of_a_model_are_the_names_of_its_columns() -> None:
    assert Choices.prompt_tokens == "prompt_tokens"
    assert make_choices({}).select(Choices.model).item() == "gpt-a"


def test_the_tables_of_a_load_pass() -> None:
    log = toolkit.load("data/sample")

    Choices.validate(pl.DataFrame(log), lazy=True)
    Rejects.validate(pl.DataFrame(log.rejects), lazy=True)
    Ledger.validate(pl.DataFrame(log.ledger), lazy=True)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_empty_table_passes(table: Table) -> None:
    MODELS[table.name].validate(table.empty(), lazy=True)


def test_of_a_lazy_frame_names_and_dtypes_are_checked() -> None:
    bad = make_choices({"prompt_tokens": -1})

    assert isinstance(Choices.validate(bad.lazy()), pl.LazyFrame)
    with pytest.raises(SchemaErrors, match="Int32"):
        Choices.validate(bad.lazy().cast({"line": pl.Int32}), lazy=True)


def test_what_is_no_polars_frame_is_one_sentence_with_its_type() -> None:
    with pytest.raises(TypeError, match="expected a polars frame, got Loaded"):
        Choices.validate(toolkit.load("data/sample"))
    with pytest.raises(TypeError, match="expected a polars frame, got str"):
        Choices.validate("secret")


# --- The same verdicts ---------------------------------------------------------------

Break = Callable[[pl.DataFrame], pl.DataFrame]


def put(name: str, value: object, *, row: int = 1) -> Break:
    """Return a change of one cell; the column has the dtype of the table."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        typed = frame.schema.get(name) == CHOICES[name].dtype
        if not typed or row >= frame.height:
            return frame
        cell = pl.lit(value, frame.schema[name])
        at = pl.int_range(pl.len()) == row
        return frame.with_columns(pl.when(at).then(cell).otherwise(name).alias(name))

    return change


def limits() -> dict[str, Break]:
    """Return a change for each limit of a column, and each that must not be null."""
    changes: dict[str, Break] = {}
    for column in CHOICES.columns:
        if column.minimum is not None:
            changes[f"{column.name} too small"] = put(column.name, column.minimum - 1)
        # An int32 cannot pass its own largest value.
        if column.maximum is not None and column.maximum != 2**31 - 1:
            changes[f"{column.name} too large"] = put(column.name, column.maximum + 1)
        if not column.nullable:
            changes[f"{column.name} null"] = put(column.name, None)
    return changes


def cast(name: str, dtype: type[pl.DataType]) -> Break:
    return lambda frame: frame.cast({name: dtype} if name in frame.columns else {})


def drop(*names: str) -> Break:
    return lambda frame: frame.drop(*names, strict=False)


BAD: dict[str, Break] = {
    **limits(),
    **{f"no {name}": drop(name) for name in (*CHOICES.key, "created", "total_tokens")},
    "no key": drop("log_id", "line", "choice_position"),
    "line as text": cast("line", pl.String),
    "line narrow": cast("line", pl.Int32),
    "choice_position as text": cast("choice_position", pl.String),
    "created without a zone": lambda frame: frame.with_columns(
        pl.col("^created$").dt.replace_time_zone(None)
    ),
    "created in milliseconds": lambda frame: frame.with_columns(
        pl.col("^created$").dt.cast_time_unit("ms")
    ),
    "tokens as floats": cast("total_tokens", pl.Float64),
    "tool calls as text": lambda frame: frame.with_columns(tool_calls=pl.lit("x")),
    "position beyond the count": put("choice_position", 5),
    "usage on a later choice": lambda frame: put("choice_position", 1)(
        put("choice_count", 2)(put("total_tokens", 7)(frame))
    ),
    "created in 2200": put("created", datetime(2200, 1, 1, tzinfo=UTC)),
    "created in 1969": put("created", datetime(1969, 12, 31, tzinfo=UTC)),
    "a key twice": put("line", 1),
    "another order": lambda frame: frame.select(reversed(frame.columns)),
    "two columns exchanged": lambda frame: frame.select(
        *frame.columns[1:2], *frame.columns[:1], *frame.columns[2:]
    ),
}
FINE: dict[str, Break] = {
    "nothing": lambda frame: frame,
    "a tag": lambda frame: frame.with_columns(tag_team=pl.lit("search")),
    "a column in front": lambda frame: frame.select(pl.lit(1).alias("own"), pl.all()),
    "a strange column": lambda frame: frame.with_columns(
        mine=pl.Series([object()] * frame.height, dtype=pl.Object)
    ),
    "no rows": lambda frame: frame.clear(),
    "the smallest line": put("line", 1, row=0),
    "the largest count": put("total_tokens", 10**12),
    "a count of 0": put("prompt_tokens", 0),
    "just before 2200": put("created", datetime(2199, 12, 31, tzinfo=UTC)),
    "the first moment": put("created", datetime(1970, 1, 1, tzinfo=UTC)),
    "undated": put("created", None),
}


def frame() -> pl.DataFrame:
    return make_choices({}, {"total_tokens": 3}, {"choice_count": 0})


@pytest.mark.parametrize("name", BAD)
def test_a_bad_frame_fails_in_both(name: str) -> None:
    bad = BAD[name](frame())

    assert not verdict_of_validate(bad)
    assert not verdict_of_model(bad)


@pytest.mark.parametrize("name", FINE)
def test_a_good_frame_passes_in_both(name: str) -> None:
    good = FINE[name](frame())

    assert verdict_of_validate(good)
    assert verdict_of_model(good)


@given(st.lists(st.sampled_from([*BAD, *FINE]), max_size=4, unique=True))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_verdicts_are_the_same_whatever_is_changed(names: list[str]) -> None:
    changed = frame()
    for name in names:
        changed = (BAD | FINE)[name](changed)

    assert verdict_of_model(changed) == verdict_of_validate(changed)


def test_bytes_that_are_no_text_in_a_failing_row_do_no_harm() -> None:
    row = {"log_id": 0, "source": "a", "line": 1, "offset": 0, "length": 2,
           "code": "invalid_utf8", "reason": "r", "raw": b"\xff\xfe"}  # fmt: skip
    twice = pl.DataFrame([row, row], schema=REJECTS.polars)

    assert not verdict_of_model(twice, REJECTS)
    assert not verdict_of_validate(twice, REJECTS)
