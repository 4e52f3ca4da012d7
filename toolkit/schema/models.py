"""The tables as pandera models: `Choices`, `Rejects`, `Ledger`.

What is nullable, the limits and the rules are taken from `toolkit.schema.tables`. Names
and types are written out, for type checkers and editors; they are generated: after a
change of the tables, run ``make reference``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
from pandera.api.polars.model_config import BaseConfig
from pandera.polars import DataFrameModel, Field, PolarsData, check
from pandera.typing import FieldType  # noqa: TC002 - pandera reads the annotations

from toolkit.schema.tables import CHOICES, LEDGER, REJECTS

if TYPE_CHECKING:
    from toolkit.schema.columns import Column, Rule, Table

_TOOL_CALL = pl.Struct(
    {"id": pl.String, "type": pl.String, "name": pl.String, "arguments": pl.String}
)


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


class _TableModel(DataFrameModel):
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
        for rule in table.all_rules if table else ():
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


# Generated from here on.


class Choices(_TableModel, table=CHOICES):
    """The choices table: one row per choice of a response."""

    log_id: FieldType[pl.Int32]
    source: FieldType[pl.String]
    line: FieldType[pl.Int64]
    choice_position: FieldType[pl.Int32]
    choice_index: FieldType[pl.Int32]
    choice_count: FieldType[pl.Int32]
    response_hash: FieldType[pl.UInt64]
    response_id: FieldType[pl.String]
    created: FieldType[Annotated[pl.Datetime, "us", "UTC"]]
    model: FieldType[pl.String]
    requested_model: FieldType[pl.String]
    custom_id: FieldType[pl.String]
    provider: FieldType[pl.String]
    service_tier: FieldType[pl.String]
    search_context_size: FieldType[pl.String]
    system_fingerprint: FieldType[pl.String]
    processing: FieldType[pl.String]
    served_by: FieldType[pl.String]
    is_byok: FieldType[pl.Boolean]
    cache_hit: FieldType[pl.Boolean]
    finish_reason: FieldType[pl.String]
    native_finish_reason: FieldType[pl.String]
    role: FieldType[pl.String]
    content: FieldType[pl.String]
    reasoning_content: FieldType[pl.String]
    refusal: FieldType[pl.String]
    tool_calls: FieldType[Annotated[pl.List, _TOOL_CALL]]
    content_chars: FieldType[pl.Int64]
    logprob_tokens: FieldType[pl.Int64]
    logprob_sum: FieldType[pl.Float64]
    prompt_tokens: FieldType[pl.Int64]
    completion_tokens: FieldType[pl.Int64]
    total_tokens: FieldType[pl.Int64]
    cached_tokens: FieldType[pl.Int64]
    cache_write_tokens: FieldType[pl.Int64]
    cache_write_1h_tokens: FieldType[pl.Int64]
    reasoning_tokens: FieldType[pl.Int64]
    prompt_audio_tokens: FieldType[pl.Int64]
    completion_audio_tokens: FieldType[pl.Int64]
    prompt_image_tokens: FieldType[pl.Int64]
    completion_image_tokens: FieldType[pl.Int64]
    accepted_prediction_tokens: FieldType[pl.Int64]
    rejected_prediction_tokens: FieldType[pl.Int64]
    citation_tokens: FieldType[pl.Int64]
    web_searches: FieldType[pl.Int64]
    search_sources: FieldType[pl.Int64]
    reported_cost: FieldType[pl.Float64]
    upstream_cost: FieldType[pl.Float64]


class Rejects(_TableModel, table=REJECTS):
    """The rejects table: one row per rejected line."""

    log_id: FieldType[pl.Int32]
    source: FieldType[pl.String]
    line: FieldType[pl.Int64]
    offset: FieldType[pl.Int64]
    length: FieldType[pl.Int64]
    code: FieldType[pl.String]
    json_path: FieldType[pl.String]
    reason: FieldType[pl.String]
    raw: FieldType[pl.Binary]


class Ledger(_TableModel, table=LEDGER):
    """The ledger table: one row per log."""

    log_id: FieldType[pl.Int32]
    source: FieldType[pl.String]
    bytes: FieldType[pl.Int64]
    lines: FieldType[pl.Int64]
    blank: FieldType[pl.Int64]
    responses: FieldType[pl.Int64]
    duplicates: FieldType[pl.Int64]
    outside: FieldType[pl.Int64]
    errors: FieldType[pl.Int64]
    rejected: FieldType[pl.Int64]
    choices: FieldType[pl.Int64]
    pending_bytes: FieldType[pl.Int64]
    prompt_tokens: FieldType[pl.Int64]
    completion_tokens: FieldType[pl.Int64]
    total_tokens: FieldType[pl.Int64]
    decoder: FieldType[pl.String]
    error: FieldType[pl.String]
    hint: FieldType[pl.String]


MODELS = {"choices": Choices, "rejects": Rejects, "ledger": Ledger}
