"""The pandera model of a table: `TableModel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
from pandera.api.polars.model_config import BaseConfig
from pandera.polars import DataFrameModel, Field, PolarsData, check
from pandera.typing import FieldType

from toolkit.schema.rules import all_rules

if TYPE_CHECKING:
    from toolkit.schema.columns import Column, Table
    from toolkit.schema.rules import Rule


def _annotation(dtype: pl.DataType) -> Any:  # noqa: ANN401 - a special form
    """Return a dtype as an annotation that pandera understands."""
    if isinstance(dtype, pl.Datetime):
        return Annotated[pl.Datetime, dtype.time_unit, dtype.time_zone]
    if isinstance(dtype, pl.List):
        return Annotated[pl.List, dtype.inner]
    return type(dtype)


def _field(column: Column) -> Any:  # noqa: ANN401 - as pandera's Field
    """Return the pandera field of a column."""
    limits: dict[str, Any] = {}
    if column.minimum is not None:
        error = f"must be >= {column.minimum:,}"
        limits["ge"] = {"min_value": column.minimum, "error": error}
    if column.maximum is not None:
        error = f"must be <= {column.maximum:,}"
        limits["le"] = {"max_value": column.maximum, "error": error}
    return Field(
        nullable=column.nullable,
        description=column.description,
        metadata={"grain": column.grain, "unit": column.unit},
        **limits,
    )


def _check(rule: Rule) -> object:
    """Return the pandera check of a rule."""

    def is_met(_cls: type[DataFrameModel], data: PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(rule.condition)

    # Of a check of the whole frame pandera would collect whole rows, in JSON.
    return check(rule.column, name=rule.name, error=rule.description)(is_met)


class TableModel(DataFrameModel):
    """A model of a table; own columns are allowed beside those of the table."""

    class Config(BaseConfig):
        """The options of pandera."""

        ordered = True

    def __init_subclass__(
        cls, *, table: Table | None = None, **options: object
    ) -> None:
        """Add the fields and checks of a table."""
        for column in table.columns if table else ():
            field = _field(column)
            field.__set_name__(cls, column.name)
            setattr(cls, column.name, field)
            kind = _annotation(column.dtype)
            cls.__annotations__[column.name] = FieldType[kind]  # type: ignore[valid-type]
        for rule in all_rules(table) if table else ():
            setattr(cls, rule.name, _check(rule))
        super().__init_subclass__(**options)  # type: ignore[no-untyped-call]

    if not TYPE_CHECKING:  # pandera's overloads are more precise

        @classmethod
        def validate(
            cls, check_obj: object, *args: object, **options: object
        ) -> object:
            """Validate a polars frame; of a LazyFrame only names and dtypes."""
            if not isinstance(check_obj, pl.DataFrame | pl.LazyFrame):
                kind = type(check_obj).__name__
                message = f"expected a polars frame, got {kind}: use polars.DataFrame()"
                raise TypeError(message)
            return super().validate(check_obj, *args, **options)
