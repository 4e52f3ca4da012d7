"""Model families: one name for the many names under which a model is logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from toolkit.errors import OptionError
from toolkit.expressions.vendors import read_names

if TYPE_CHECKING:
    from collections.abc import Sequence


class FamilyRule(NamedTuple):
    """A pattern in the lower-case name of a model, and its replacement.

    A pattern is a regular expression of Rust's regex crate, without look-around.
    """

    pattern: str
    replacement: str = ""


FAMILY_RULES = tuple(FamilyRule(*rule) for rule in read_names()["families"]["rules"])


def families(names: pl.Series, rules: Sequence[FamilyRule]) -> pl.Series:
    """Return the family of each name; equal names are computed once."""
    known = pl.DataFrame({"name": names.unique().drop_nulls().cast(pl.String)})
    family = pl.col("name").str.strip_chars().str.to_lowercase()
    for rule in rules:
        family = family.str.replace(rule.pattern, rule.replacement)
    known = known.with_columns(family.alias("family"))
    return names.cast(pl.String).replace_strict(
        known["name"], known["family"], default=None, return_dtype=pl.String
    )


def _check_rules(rules: Sequence[tuple[str, str]]) -> tuple[FamilyRule, ...]:
    """Return the rules, or raise `OptionError` if a pattern is invalid."""
    checked = tuple(FamilyRule(*rule) for rule in rules)
    for rule in checked:
        try:
            pl.Series(["x"]).str.replace(rule.pattern, rule.replacement)
        except pl.exceptions.PolarsError:
            expected = "a regular expression of Rust (no look-around)"
            raise OptionError("rules", rule.pattern, expected=expected) from None
    return checked


def model_family(
    column: str | pl.Expr = "model",
    *,
    rules: Sequence[tuple[str, str]] = FAMILY_RULES,
) -> pl.Expr:
    """Return the family of a model: snapshots, prefixes and file paths as one name.

    Parameters
    ----------
    column
        The column with the names of models, such as `requested_model`.
    rules
        Pairs of a pattern and its replacement, applied to the lower-case name in this
        order, once each. To add rules, put them before or after
        `toolkit.expressions.FAMILY_RULES`.

    Returns
    -------
    pl.Expr
        A string, null where the model is unknown.

    Raises
    ------
    OptionError
        If a pattern is not a regular expression of Rust.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> names = ("gpt-4o-2024-08-06", "openai/gpt-4o", "/models/llama-3-8b.Q4_K_M.gguf")
    >>> choices = make_choices(*[{"model": name} for name in names])
    >>> choices.select(model_family()).to_series().to_list()
    ['gpt-4o', 'gpt-4o', 'llama-3-8b']
    >>> own = (*FAMILY_RULES, ("^gpt-.*", "gpt"))
    >>> choices.select(model_family(rules=own)).to_series().to_list()
    ['gpt', 'gpt', 'llama-3-8b']
    """
    known = _check_rules(rules)
    names = pl.col(column) if isinstance(column, str) else column
    return names.map_batches(
        lambda series: families(series, known),
        return_dtype=pl.String,
        is_elementwise=True,
    ).alias("model_family")
