"""List the responses without a price, and why: `missing_prices`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from polars.selectors import integer

from toolkit.errors import TotalOverflowError, near_miss
from toolkit.expressions.vendors import find_seller
from toolkit.pricing.catalogue import model_names, provider_names
from toolkit.pricing.costs import Choices, add_priced, first_choices
from toolkit.pricing.price_file import Prices, read_prices
from toolkit.pricing.pricer import MOMENT, NAMES, Pricer, billed_tier
from toolkit.pricing.rates import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping


def sum_known(values: pl.Expr | str) -> pl.Expr:
    """Return a sum, which is null if nothing in it is known."""
    values = pl.col(values) if isinstance(values, str) else values
    return pl.when(values.is_not_null().any()).then(values.sum())


_PARTS = pl.col("prompt_tokens") + pl.col("completion_tokens")
_TOTAL = pl.coalesce("total_tokens", _PARTS).replace(0, None)
# What is summed over responses, with or without a price.
SUMS = (
    pl.len().alias("responses"),
    pl.col("total_tokens").is_null().sum().alias("responses_without_usage"),
    sum_known(_TOTAL.cast(pl.Int128)).alias("total_tokens"),
)
_LARGEST_SUM = 2**63 - 1
_SIMILAR = 0.85


def missing_prices(
    choices: Choices, prices: Prices = None, *, provider: str | None = None
) -> pl.DataFrame:
    """List the responses without a price: one row for each model, tier and reason.

    Parameters
    ----------
    choices
        One row per choice; see `toolkit.schema.CHOICES`.
    prices, provider
        As in `add_cost`.

    Returns
    -------
    pl.DataFrame
        Sorted by tokens, most first; empty if everything was priced.

        ======================= ================= ====================================
        column                  dtype             meaning
        ======================= ================= ====================================
        provider, model,        String            as in the log, or the requested model
        service_tier                              where none answered; the tier of a
                                                  line of a batch is ``batch``
        reason                  String            one of `toolkit.pricing.Reason`:
                                                  ``no_usage``, ``iterations``,
                                                  ``fast_mode``, ``inference_geo``,
                                                  ``server_tools``,
                                                  ``billed_units``, ``no_model``,
                                                  ``unknown_provider``,
                                                  ``no_provider``, ``unknown_model``,
                                                  ``unknown_tier``,
                                                  ``no_tier_rate``, ``out_of_date``,
                                                  ``no_rate``, ``undated``,
                                                  ``counts_contradict``,
                                                  ``negative_cost``, ``own_key``
        responses               Int64             responses
        responses_without_usage Int64             of them, without `total_tokens`
        total_tokens            Int64             their tokens, where reported (prompt
                                                  and completion where no total is);
                                                  null if nowhere
        first_seen, last_seen   datetime[us, UTC] null where all are undated
        ======================= ================= ====================================

    Raises
    ------
    TotalOverflowError
        If a sum of tokens does not fit into 64 bits.

    Warns
    -----
    PartialResponsesWarning
        Of an eager frame, if rows of a response are missing: its usage may be too.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    >>> choices = make_choices({"model": "my-own", **usage}, {"model": "gpt-4o"})
    >>> missing_prices(choices).select("model", "reason", "total_tokens").rows()
    [('my-own', 'unknown_model', 30), ('gpt-4o', 'no_usage', None)]
    """
    first = first_choices(choices)
    priced = add_priced(
        first, Pricer(read_prices(prices, provider)), {"reason": "reason"}
    )
    created = pl.col("created").cast(MOMENT)
    order = ("total_tokens", "responses", *NAMES, "reason")
    rows = (
        priced.filter(pl.col("reason").is_not_null())
        .with_columns(billed_tier(priced.collect_schema().names()))
        .group_by(pl.col(*NAMES).cast(pl.String), "reason")
        .agg(
            *SUMS,
            created.min().alias("first_seen"),
            created.max().alias("last_seen"),
        )
        .sort(order, descending=[True] * 2 + [False] * 4, nulls_last=True)
        .collect()
    )
    return cast_sums(rows)


def likely_name(row: Mapping[str, Any]) -> str:
    """Return `` (did you mean ...?)`` for a row of `missing_prices`, or nothing.

    Examples
    --------
    >>> likely_name(
    ...     {"model": "gpt-4o-minii", "provider": None, "reason": "unknown_model"}
    ... )
    " (did you mean 'gpt-4o-mini'?)"
    """
    model, provider = row["model"], row["provider"]
    if row["reason"] == Reason.UNKNOWN_MODEL:
        known = model_names(provider or find_seller(None, model)[0])
        return near_miss(model, sorted(known - {model.casefold()}), cutoff=_SIMILAR)
    if row["reason"] == Reason.UNKNOWN_PROVIDER and provider:
        return near_miss(provider, sorted(provider_names()), cutoff=_SIMILAR)
    return ""


def cast_sums(rows: pl.DataFrame) -> pl.DataFrame:
    """Cast sums to int64; raise `TotalOverflowError` if 64 bits are too few."""
    for name, dtype in rows.schema.items():
        if dtype == pl.Int128 and (rows[name].abs() > _LARGEST_SUM).any():
            raise TotalOverflowError(name)
    return rows.cast({integer(): pl.Int64})
