"""Rules: what must be true in each row of a table, beside the limits of columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from toolkit.schema.tables import EARLIEST_CREATED, LATEST_CREATED, USAGE_COLUMNS

if TYPE_CHECKING:
    from toolkit.schema.columns import Table


@dataclass(frozen=True)
class Rule:
    """A condition that is true in every row, reported for the cells of one column."""

    name: str
    column: str
    description: str
    condition: pl.Expr = field(repr=False)


_position, _created = pl.col("choice_position"), pl.col("created")
_RULES = {
    "choices": (
        Rule(
            "position_within_count",
            "choice_position",
            "must be below choice_count, or 0 if there is no choice",
            _position < pl.max_horizontal("choice_count", pl.lit(1)),
        ),
        Rule(
            "usage_on_first_choice",
            "choice_position",
            "must be 0 if a usage column is not null",
            (_position == 0)
            | pl.all_horizontal(pl.col(name).is_null() for name in USAGE_COLUMNS),
        ),
        Rule(
            "created_in_range",
            "created",
            "must be from 1970 to before 2200",
            _created.is_null()
            | _created.is_between(EARLIEST_CREATED, LATEST_CREATED, closed="left"),
        ),
    )
}


def rules_of(table: Table) -> tuple[Rule, ...]:
    """Return the rules of a table, without that its key is unique."""
    return _RULES.get(table.name, ())


def all_rules(table: Table) -> tuple[Rule, ...]:
    """Return the rules of a table, and that its key is unique.

    Examples
    --------
    >>> from toolkit.schema import REJECTS
    >>> [rule.description for rule in all_rules(REJECTS)]
    ['must be unique together with log_id']
    """
    if not table.key:
        return rules_of(table)
    *others, column = table.key
    together = f" together with {', '.join(others)}" if others else ""
    condition = pl.struct(table.key).is_unique()
    unique = Rule("key_is_unique", column, f"must be unique{together}", condition)
    return (*rules_of(table), unique)
