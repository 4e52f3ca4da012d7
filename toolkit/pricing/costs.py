"""Add the cost of each response: `add_cost` and `price_responses`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, overload

import numpy as np
import polars as pl

from toolkit.expressions.choices import (
    RESPONSE_KEY,
    SOURCE,
    as_frame,
    check_columns,
    check_responses,
    first_choice,
    response_key,
)
from toolkit.pricing.price_file import Prices, read_prices
from toolkit.pricing.pricer import NEEDED, PRICED, Pricer, priced_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.schema.columns import ArrowStream

Choices: TypeAlias = "pl.DataFrame | pl.LazyFrame | ArrowStream"

_KEY = (*RESPONSE_KEY, "choice_position")
_ADDED = ("cost", "cost_source", "price_date")
_PER_RESPONSE = ("cost_source", "price_date")
_PRICED = "~priced"
_SHARED = "~shared"


@overload
def add_cost(
    choices: pl.DataFrame, prices: Prices = None, *, provider: str | None = None
) -> pl.DataFrame: ...
@overload
def add_cost(
    choices: pl.LazyFrame, prices: Prices = None, *, provider: str | None = None
) -> pl.LazyFrame: ...
@overload
def add_cost(
    choices: ArrowStream, prices: Prices = None, *, provider: str | None = None
) -> pl.DataFrame: ...
def add_cost(
    choices: pl.DataFrame | pl.LazyFrame | ArrowStream,
    prices: Prices = None,
    *,
    provider: str | None = None,
) -> pl.DataFrame | pl.LazyFrame:
    """Add the cost of each response, in USD, at the price of its day.

    Parameters
    ----------
    choices
        One row per choice; see `toolkit.schema.CHOICES`. A polars frame, or anything
        with ``__arrow_c_stream__``. A lazy frame is not collected.
    prices
        Path of your own price file, or the result of `read_prices`. Its prices override
        those of genai-prices.
    provider
        Who served the responses whose line names no provider, such as ``azure``.

    Returns
    -------
    pl.DataFrame or pl.LazyFrame
        The same rows in the same order, with three new columns (they replace columns
        of the same name):

        =========== ============== ===== ===========================================
        column      dtype          grain meaning
        =========== ============== ===== ===========================================
        cost        Decimal(38,12) U     USD; null where unpriced, and on every
                                         choice but the first
        cost_source String         R     ``reported`` (the provider's own figure,
                                         `reported_cost`, which is preferred);
                                         ``priced``; ``unpriced``
        price_date  Date           R     UTC day of the price; null unless priced, and
                                         for undated responses
        =========== ============== ===== ===========================================

    Raises
    ------
    MissingColumnsError
        If `choices` lacks a column that a price needs; before anything is collected.
    PriceFileError
        If the price file cannot be read, or has an error.
    OptionError
        If no provider has such a name.

    Notes
    -----
    Unknown is never zero: a response without usage, without a price or with counts
    that contradict each other has no cost, and `missing_prices` gives the reason. A
    response whose first choice was filtered out is ``unpriced``.

    Examples
    --------
    1,000 prompt tokens at 2.50 USD per million and 100 completion tokens at 10 USD:

    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 100},
    ...     {"model": "my-own", "prompt_tokens": 1000, "completion_tokens": 100},
    ... )
    >>> add_cost(choices).select("cost", "cost_source").rows()
    [(Decimal('0.003500000000'), 'priced'), (None, 'unpriced')]
    """
    choices = as_frame(choices)
    check_columns(choices, (*_KEY, *NEEDED))
    pricer = Pricer(read_prices(prices, provider))
    key = response_key(choices)
    if isinstance(choices, pl.LazyFrame):
        own = pl.col(_PRICED).struct
        cost = pl.when(first_choice()).then(own.field("cost")).alias("cost")
        marked = choices.with_columns(_priced(pricer, priced_by(choices)))
        fields = [*key, "choice_position", *(own.field(name) for name in _PER_RESPONSE)]
        shared = pl.struct(fields).map_batches(
            lambda rows: _spread_first(rows.struct.unnest()).to_struct(),
            return_dtype=pl.Struct({name: PRICED[name] for name in _PER_RESPONSE}),
        )
        marked = marked.with_columns(cost, shared.alias(_SHARED))
        facts = pl.col(_SHARED).struct.field(*_PER_RESPONSE)
        return marked.with_columns(facts).drop(_PRICED, _SHARED)
    rows = choices.select(*key, "choice_position").hstack(
        pricer.price(choices.select(priced_by(choices)))
    )
    costs = rows.select(pl.when(first_choice()).then(pl.col("cost")).alias("cost"))
    return choices.with_columns(costs.hstack(_spread_first(rows)).select(_ADDED))


def price_responses(
    responses: Choices, prices: Prices = None, *, provider: str | None = None
) -> pl.DataFrame | pl.LazyFrame:
    """Add the cost of each response to a frame with one row per response.

    Like `add_cost`, for the result of `toolkit.responses` or for first choices alone.
    It needs no key columns, and a lazy frame is streamed.

    Examples
    --------
    >>> import toolkit
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 100},
    ... )
    >>> price_responses(toolkit.responses(choices))["cost"].to_list()
    [Decimal('0.003500000000')]
    """
    frame = as_frame(responses)
    check_columns(frame, NEEDED)
    pricer = Pricer(read_prices(prices, provider))
    if isinstance(frame, pl.DataFrame):
        return frame.with_columns(
            pricer.price(frame.select(priced_by(frame))).select(_ADDED)
        )
    return add_priced(frame, pricer, {name: name for name in _ADDED})


def first_choices(choices: Choices) -> pl.LazyFrame:
    """Return the first choice of each response, with all columns that a price needs.

    Warn if rows of responses are missing in an eager frame.
    """
    frame = as_frame(choices)
    if isinstance(frame, pl.DataFrame):
        check_responses(frame, needs_key=False)
    check_columns(frame, ("choice_position", *NEEDED))
    return frame.lazy().filter(first_choice())


def add_priced(
    rows: pl.LazyFrame, pricer: Pricer, names: Mapping[str, str]
) -> pl.LazyFrame:
    """Price each row by its own usage, and add fields of `PRICED` under new names."""
    fields = pl.col(_PRICED).struct
    added = [fields.field(name).alias(new) for name, new in names.items()]
    priced = rows.with_columns(_priced(pricer, priced_by(rows)))
    return priced.with_columns(added).drop(_PRICED)


def _priced(pricer: Pricer, needed: Sequence[str]) -> pl.Expr:
    """Return an expression that prices each row, as a struct of `PRICED`."""
    return (
        pl.struct(needed)
        .map_batches(
            lambda rows: pricer.price(rows.struct.unnest()).to_struct(),
            return_dtype=pl.Struct(PRICED),
            is_elementwise=True,
        )
        .alias(_PRICED)
    )


def _spread_first(rows: pl.DataFrame) -> pl.DataFrame:
    """Return source and date of each choice: those of the first of its response."""
    own = rows.select(_PER_RESPONSE)
    position = rows["choice_position"].to_numpy()
    if not (position != 0).any():
        return own
    # The rows of a response usually follow each other, its first choice first.
    place = np.maximum.accumulate(np.where(position == 0, np.arange(rows.height), 0))
    names = [name for name in (*RESPONSE_KEY, SOURCE) if name in rows.columns]
    key = rows.select(names)
    apart = (key != key[place]).select(pl.any_horizontal(pl.all())).to_series()
    apart = apart | (rows["choice_position"][place] != 0)
    if not apart.any():
        return own[place]
    first = rows.filter(first_choice()).unique(names, keep="first")
    joined = key.join(
        first, on=names, how="left", nulls_equal=True, maintain_order="left"
    )
    return joined.select(
        pl.col("cost_source").fill_null("unpriced"), pl.col("price_date")
    )
