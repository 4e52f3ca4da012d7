"""Costs of responses: `add_cost`, and what could not be priced: `missing_prices`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, overload

import numpy as np
import polars as pl

from toolkit.errors import MissingColumnsError
from toolkit.expressions.choices import (
    RESPONSE_KEY,
    SOURCE,
    check_columns,
    first_choice,
    response_key,
    warn_of_picked_choices,
)
from toolkit.pricing.price_file import read_prices
from toolkit.pricing.pricer import NEEDED, PRICED, Pricer

if TYPE_CHECKING:
    from toolkit.pricing.price_file import Prices
    from toolkit.schema.columns import ArrowStream

Choices: TypeAlias = "pl.DataFrame | pl.LazyFrame | ArrowStream"

_KEY = (*RESPONSE_KEY, "choice_position")
_ADDED = ("cost", "cost_source", "price_date")
_OF_RESPONSE = ("cost_source", "price_date")
PRICED_ROW = "~priced"
_SHARED = "~shared"
_FRAMES = (pl.DataFrame, pl.LazyFrame)


@overload
def add_cost(choices: pl.DataFrame, prices: Prices = None) -> pl.DataFrame: ...
@overload
def add_cost(choices: pl.LazyFrame, prices: Prices = None) -> pl.LazyFrame: ...
@overload
def add_cost(choices: ArrowStream, prices: Prices = None) -> pl.DataFrame: ...
def add_cost(
    choices: pl.DataFrame | pl.LazyFrame | ArrowStream, prices: Prices = None
) -> pl.DataFrame | pl.LazyFrame:
    """Add what each response cost, in USD, at the price of its day.

    Parameters
    ----------
    choices
        One row per choice; see `toolkit.schema.CHOICES`. A polars frame, or anything
        with ``__arrow_c_stream__``. Of a lazy frame nothing is collected.
    prices
        Path of the user's own price file, or what `read_prices` made of one. Its rows
        stand before the prices of genai-prices.

    Returns
    -------
    pl.DataFrame or pl.LazyFrame
        As given, in the same order, with three columns more (they replace columns of
        the same name):

        =========== ============== ===== ===========================================
        column      dtype          grain meaning
        =========== ============== ===== ===========================================
        cost        Decimal(38,12) U     USD; null where unpriced, and on every
                                         choice but the first
        cost_source String         R     ``reported``: what the provider said that it
                                         charged (`reported_cost`), which stands
                                         first; ``priced``; ``unpriced``
        price_date  Date           R     UTC day at whose rate it was priced; null
                                         unless priced, and where undated
        =========== ============== ===== ===========================================

    Raises
    ------
    MissingColumnsError
        If `choices` lacks a column that a price needs; before anything is collected.
    PriceFileError
        If the price file cannot be read, or cannot be meant.

    Notes
    -----
    Unknown is never zero: a response without usage, without a price or with counts
    that contradict each other has no cost, and `missing_prices` tells why. Where the
    first choice of a response was filtered away it is ``unpriced``.

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
    if not isinstance(choices, pl.DataFrame | pl.LazyFrame):
        choices = pl.DataFrame(choices)
    check_columns(choices, (*_KEY, *NEEDED))
    pricer = Pricer(read_prices(prices))
    key = response_key(choices)
    if isinstance(choices, pl.LazyFrame):
        own = pl.col(PRICED_ROW).struct
        cost = pl.when(first_choice()).then(own.field("cost")).alias("cost")
        marked = choices.with_columns(priced(pricer))
        told = [*key, "choice_position", *(own.field(name) for name in _OF_RESPONSE)]
        shared = pl.struct(told).map_batches(
            lambda rows: _first_says(rows.struct.unnest()).to_struct(),
            return_dtype=pl.Struct({name: PRICED[name] for name in _OF_RESPONSE}),
        )
        marked = marked.with_columns(cost, shared.alias(_SHARED))
        facts = pl.col(_SHARED).struct.field(*_OF_RESPONSE)
        return marked.with_columns(facts).drop(PRICED_ROW, _SHARED)
    rows = choices.select(*key, "choice_position").hstack(
        pricer.price(choices.select(NEEDED))
    )
    costs = rows.select(pl.when(first_choice()).then(pl.col("cost")).alias("cost"))
    return choices.with_columns(costs.hstack(_first_says(rows)).select(_ADDED))


def price_responses(
    responses: Choices, prices: Prices = None
) -> pl.DataFrame | pl.LazyFrame:
    """Add what each response cost to a frame with one row per response.

    As `add_cost`, for what `toolkit.responses` returns or for first choices alone: no
    key is needed, and a lazy frame streams, for no row is looked up in another.

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
    frame = responses if isinstance(responses, _FRAMES) else pl.DataFrame(responses)
    check_columns(frame, NEEDED)
    pricer = Pricer(read_prices(prices))
    if isinstance(frame, pl.DataFrame):
        return frame.with_columns(pricer.price(frame.select(NEEDED)).select(_ADDED))
    own = pl.col(PRICED_ROW).struct
    marked = frame.with_columns(priced(pricer))
    return marked.with_columns(own.field(*_ADDED)).drop(PRICED_ROW)


def taken(choices: Choices) -> pl.DataFrame | pl.LazyFrame:
    """Take choices of which costs are summed; warn if some were picked out of them."""
    frame = choices if isinstance(choices, _FRAMES) else pl.DataFrame(choices)
    if isinstance(frame, pl.DataFrame):
        try:
            check_columns(frame, (*_KEY, "choice_count"))
        except MissingColumnsError:
            return frame  # it does not have what it takes to tell
        warn_of_picked_choices(frame)
    return frame


def priced(pricer: Pricer) -> pl.Expr:
    """Price each row as if it bore its usage; a struct of `PRICED`."""
    return (
        pl.struct(NEEDED)
        .map_batches(
            lambda rows: pricer.price(rows.struct.unnest()).to_struct(),
            return_dtype=pl.Struct(PRICED),
            is_elementwise=True,
        )
        .alias(PRICED_ROW)
    )


def _first_says(rows: pl.DataFrame) -> pl.DataFrame:
    """Give every choice what the first of its response says: source and date."""
    says = rows.select(_OF_RESPONSE)
    position = rows["choice_position"].to_numpy()
    if not (position != 0).any():
        return says
    # Rows of a response stand together as a rule: the last first choice is theirs.
    place = np.maximum.accumulate(np.where(position == 0, np.arange(rows.height), 0))
    names = [name for name in (*RESPONSE_KEY, SOURCE) if name in rows.columns]
    key = rows.select(names)
    apart = (key != key[place]).select(pl.any_horizontal(pl.all())).to_series()
    apart = apart | (rows["choice_position"][place] != 0)
    if not apart.any():
        return says[place]
    first = rows.filter(first_choice()).unique(names, keep="first")
    joined = key.join(
        first, on=names, how="left", nulls_equal=True, maintain_order="left"
    )
    return joined.select(
        pl.col("cost_source").fill_null("unpriced"), pl.col("price_date")
    )
