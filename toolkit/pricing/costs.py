"""Add the cost of each response: `add_cost` and `price_responses`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, overload

import numpy as np
import polars as pl

from toolkit.expressions.choices import (
    LIST_PRICE,
    RESPONSE_KEY,
    SOURCE,
    as_frame,
    check_columns,
    check_responses,
    first_choice,
    response_key,
    with_models,
)
from toolkit.pricing.price_file import Prices, read_prices
from toolkit.pricing.pricer import (
    AS_BILLED,
    LISTED,
    NEEDED,
    PRICED,
    Pricer,
    priced_by,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from toolkit.schema.columns import ArrowStream

Choices: TypeAlias = "pl.DataFrame | pl.LazyFrame | ArrowStream"

_KEY = (*RESPONSE_KEY, "choice_position")
ADDED = ("cost", "cost_source", "price_date")
_PER_RESPONSE = ("cost_source", "price_date")
_FROM = ("cost", "cost_source")
_PRICED = "~priced"
_SHARED, _CHOSEN = "~shared", "~chosen"


@overload
def add_cost(
    choices: pl.LazyFrame, prices: Prices = None, *, provider: str | None = None
) -> pl.LazyFrame: ...
@overload
def add_cost(
    choices: ArrowStream, prices: Prices = None, *, provider: str | None = None
) -> pl.DataFrame: ...
def add_cost(
    choices: Choices, prices: Prices = None, *, provider: str | None = None
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
    frame = as_frame(choices)
    check_columns(frame, (*_KEY, *NEEDED))
    priced = price_responses(frame.lazy(), prices, provider=provider).lazy()
    # A response is priced at its first choice.
    cost = pl.when(first_choice()).then("cost").alias("cost")
    shared = pl.struct(*response_key(frame), "choice_position", *_PER_RESPONSE)
    spread = shared.map_batches(
        lambda rows: _spread_first(rows.struct.unnest()).to_struct(),
        return_dtype=pl.Struct({name: PRICED[name] for name in _PER_RESPONSE}),
    )
    facts = pl.col(_SHARED).struct.field(*_PER_RESPONSE)
    marked = priced.with_columns(cost, spread.alias(_SHARED))
    added = marked.with_columns(facts).drop(_SHARED)
    return added.collect() if isinstance(frame, pl.DataFrame) else added


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
    added = add_priced(frame.lazy(), pricer, {name: name for name in ADDED})
    return added.collect() if isinstance(frame, pl.DataFrame) else added


def add_list_prices(
    responses: pl.DataFrame | pl.LazyFrame,
    prices: Prices = None,
    *,
    provider: str | None = None,
    where: pl.Expr | None = None,
) -> pl.DataFrame | pl.LazyFrame:
    """Add what each response costs by list prices, and what that is made of.

    The column `LIST_PRICE` has the fields of `LISTED`. It is null where no price is
    known: neither that of the provider nor, for a cost that is known anyway, that of
    the model's own name. `cost` and its source are added unless the frame has costs;
    with a price file, they are replaced. Rows outside `where` get none of it.
    """
    frame, file = as_frame(responses), read_prices(prices, provider)
    pricers = Pricer(file), Pricer(replace(file, provider=None))
    own = [] if prices else [n for n in _FROM if n in frame.collect_schema().names()]
    priced = _with_computed(
        frame.lazy(),
        [*priced_by(frame), *own],
        lambda part: _list_prices(part, *pricers),
        {**{name: PRICED[name] for name in _FROM}, **LISTED},
        where,
    )
    fields = pl.col(_PRICED).struct
    listed = pl.struct(fields.field(*LISTED)).alias(LIST_PRICE)
    costs = [] if own else [fields.field(name) for name in _FROM]
    added = priced.with_columns(listed, *costs).drop(_PRICED)
    return added.collect() if isinstance(frame, pl.DataFrame) else added


def _list_prices(frame: pl.DataFrame, pricer: Pricer, alone: Pricer) -> pl.DataFrame:
    """Return costs, which a frame may have, and `LISTED`."""
    found = pricer.find_list_prices(frame)
    costs, parts = frame, found.parts
    if "cost" not in frame.columns:
        costs = pricer.price_slice(frame, found, _FROM)
    lacking = costs["cost"].is_not_null() & parts["list_cost"].is_null()
    if lacking.any():
        without_provider = {
            name: pl.lit(None, pl.String) for name in ("provider", "service_tier")
        }
        names = frame.filter(lacking).drop(AS_BILLED, strict=False)
        own = alone.find_list_prices(names.with_columns(**without_provider)).parts
        rows = np.concatenate([np.flatnonzero(~lacking), np.flatnonzero(lacking)])
        parts = pl.concat([parts.filter(~lacking), own])[np.argsort(rows)]
    return costs.select(_FROM).hstack(parts)


def first_choices(choices: Choices) -> pl.LazyFrame:
    """Return the first choice of each response, with all columns that a price needs.

    The model is the requested one where the response names none.
    Warn if rows of responses are missing in an eager frame.
    """
    frame = as_frame(choices)
    if isinstance(frame, pl.DataFrame):
        check_responses(frame, needs_key=False)
    check_columns(frame, ("choice_position", *NEEDED))
    return with_models(frame.lazy().filter(first_choice()))


def add_priced(
    rows: pl.LazyFrame,
    pricer: Pricer,
    names: Mapping[str, str],
    where: pl.Expr | None = None,
) -> pl.LazyFrame:
    """Price each row by its own usage, and add fields of `PRICED` under new names.

    They are null for rows outside `where`.
    """
    priced = _with_computed(
        rows,
        priced_by(rows),
        lambda part: pricer.price(part, names),
        {name: PRICED[name] for name in names},
        where,
    )
    fields = pl.col(_PRICED).struct
    added = [fields.field(name).alias(new) for name, new in names.items()]
    return priced.with_columns(added).drop(_PRICED)


def _with_computed(
    rows: pl.LazyFrame,
    names: Sequence[str],
    compute: Callable[[pl.DataFrame], pl.DataFrame],
    schema: Mapping[str, pl.DataType],
    where: pl.Expr | None,
) -> pl.LazyFrame:
    """Add a struct of what is computed from columns of the rows at `where`."""
    is_chosen = pl.lit(True) if where is None else where.fill_null(False)

    def compute_batch(batch: pl.Series) -> pl.Series:
        frame = batch.struct.unnest()
        chosen = frame[_CHOSEN]
        if chosen.all():
            return compute(frame).to_struct()
        place = pl.when(chosen).then(chosen.cum_sum() - 1)
        found = pl.DataFrame(schema=schema)
        if chosen.any():
            found = compute(frame.filter(chosen))
        return found.select(pl.struct(pl.all()).gather(place)).to_series()

    batches = pl.struct(*names, is_chosen.alias(_CHOSEN)).map_batches(
        compute_batch, return_dtype=pl.Struct(schema), is_elementwise=True
    )
    return rows.with_columns(batches.alias(_PRICED))


def _spread_first(rows: pl.DataFrame) -> pl.DataFrame:
    """Return source and date of each choice: those of the first of its response."""
    position = rows["choice_position"].to_numpy()
    if not (position != 0).any():
        return rows.select(_PER_RESPONSE)
    # The rows of a response usually follow each other, its first choice first.
    place = np.maximum.accumulate(np.where(position == 0, np.arange(rows.height), 0))
    names = [name for name in (*RESPONSE_KEY, SOURCE) if name in rows.columns]
    key = rows.select(names)
    is_same = (key == key[place]).select(pl.all_horizontal(pl.all()).all()).item()
    if is_same and not position[place].any():
        return rows.select(_PER_RESPONSE)[place]
    first = pl.col(_PER_RESPONSE).filter(first_choice()).first().over(names)
    return rows.select(first).with_columns(pl.col("cost_source").fill_null("unpriced"))
