"""What logs cost, and the lines behind such a number: `spending`, `explain`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date as Date  # noqa: N812 - `date` is what the day is called here
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Unpack, cast

import polars as pl

from toolkit.errors import OptionError, near_miss
from toolkit.expressions.choices import MONEY, check_columns, iter_batches
from toolkit.expressions.time_ranges import Moment, Span, span
from toolkit.formatting.parameters import check_type, share_parameters
from toolkit.formatting.text import format_share, format_usd
from toolkit.metrics.engine import compute
from toolkit.metrics.inputs import read_once, with_series
from toolkit.metrics.options import (
    PARAMETERS,
    PeriodOptions,
    check_series,
    split_options,
)
from toolkit.metrics.spending import COST
from toolkit.pricing.costs import Choices, first_choices, price_responses
from toolkit.pricing.price_file import Prices, read_prices
from toolkit.pricing.pricer import Pricer, priced_by
from toolkit.pricing.rates import AMOUNTS, Rates
from toolkit.pricing.unpriced import missing_prices
from toolkit.reading.options import READ_PARAMETERS, ReadOptions
from toolkit.reading.scan import scan
from toolkit.reading.sources import choices_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from decimal import Decimal

    from toolkit.reading.discovery import Sources


class _SpendingOptions(PeriodOptions, ReadOptions, total=False):
    """The options of `spending`."""


# Of a line: its place, names, what else affects its price, and the price.
_NAMED = ("source", "line", "created", "model", "provider", "service_tier")
_COST = ("cost", "cost_bound", "cost_source", "rate", "reason")
_ALL: dict[str, object] = {"every": None, "by": ()}
_BATCH = 1 << 16  # responses
_MOST_NAMES = 5  # in an error


@dataclass(frozen=True)
class Explained:
    """What a model cost on a day, from the sum down to the lines of the logs.

    Attributes
    ----------
    lines
        One row per response, in the order of `created`: `place` (``source:line``), the
        columns of `cost_lines`, and `price`, the row of `prices` that was used.
    prices
        The rates that were used: `price` (its number), `source` (the row of the price
        file or of the catalogue), USD per million tokens of each kind (null where a
        kind has no rate of its own), USD for a `request`, `responses`, `cost`.
    unseen
        What has no cost, as `toolkit.pricing.missing_prices` lists it.
    costs
        Their sum: the metric `toolkit.metrics.cost`, in one row.
    """

    model: str
    date: Date | None
    lines: pl.DataFrame
    prices: pl.DataFrame
    unseen: pl.DataFrame
    costs: pl.DataFrame

    @property
    def cost(self) -> Decimal | None:
        """USD of all lines that have a cost; None if none has one."""
        return cast("Decimal | None", self.costs["cost"].item())

    @property
    def summary(self) -> str:
        """The cost in words; a lower bound if a response has no known price."""
        return _summary_of(self.costs)


class Spent(NamedTuple):
    """What logs cost: the metric `cost`, and what could not be priced."""

    costs: pl.DataFrame
    missing: pl.DataFrame

    @property
    def summary(self) -> str:
        """The sum in words; a lower bound if a response has no known price.

        Such as ``at least $4,812.07; 3.1% of tokens unpriced``.
        """
        return _summary_of(self.costs)


def _summary_of(costs: pl.DataFrame) -> str:
    """Return the sum of costs in words, and how much has no known price."""
    sums = costs.sum().row(0, named=True)
    cost, unpriced = COST["cost"].figure(sums), sums["responses_unpriced"]
    text = format_usd(cost, words=True) if cost.is_known else "cost unknown"
    if not unpriced:
        return text
    if sums["tokens_unpriced"]:
        share = format_share(sums["tokens_unpriced"] / sums["total_tokens"])
        return f"{text}; {share} of tokens unpriced"
    return f"{text}; {unpriced:,} of {sums['responses']:,} responses unpriced"


@share_parameters(_SpendingOptions, {**PARAMETERS, **READ_PARAMETERS})
def spending(
    sources: Sources | Choices,
    *,
    prices: Prices = None,
    **options: Unpack[_SpendingOptions],
) -> Spent:
    """Sum what logs or exports cost, and list what could not be priced.

    Parameters
    ----------
    sources
        Logs or exports as in `toolkit.scan`, or choices: a frame, a `Loaded`. Logs are
        read once.
    prices
        As in `toolkit.pricing.add_cost`.
    **options
        Those of `toolkit.metrics.cost`, then those of reading logs.

    Returns
    -------
    Spent
        `costs` is what `toolkit.metrics.cost` returns, `missing` what
        `toolkit.pricing.missing_prices` does; `summary` is the sum in words.

    Examples
    --------
    >>> import toolkit
    >>> spent = toolkit.spending("data/sample", every=None, by=())
    >>> spent.costs["responses"].to_list() == [spent.costs["responses"].sum()]
    True
    """
    own, read = split_options(options)
    query = COST.query(own)
    check_series(query.by, ())
    file = read_prices(prices, query.provider)
    # Only a response after the range shows that its last period is complete.
    scanned = query.scan_range if query.calendar else query.within
    first = _first_of(sources, scanned, read)
    first = with_series(first, query.by, query.provider).lazy()
    needed = list(dict.fromkeys(("choice_position", *priced_by(first), *query.by)))
    collected = read_once(first, needed)
    costs = compute(COST, price_responses(collected, file), own)
    in_range = collected.filter(*query.within.conditions())
    return Spent(costs, missing_prices(in_range, file))


def _first_of(
    sources: Sources | Choices, within: Span, read: ReadOptions
) -> pl.LazyFrame:
    """Return the first choice of each response of a range; logs are scanned."""
    choices = choices_of(sources)
    if choices is None:
        since, until = within
        choices = scan(cast("Sources", sources), since=since, until=until, **read)
    return first_choices(choices).filter(*within.conditions())


def _lines_of(
    sources: Sources | Choices, within: Span, read: ReadOptions
) -> pl.LazyFrame:
    """Return the place of each response, and what affects its price."""
    first = _first_of(sources, within, read)
    check_columns(first, ("source", "line"))
    return first.select("source", "line", "choice_position", *priced_by(first))


@share_parameters(ReadOptions, READ_PARAMETERS)
def explain(
    sources: Sources | Choices,
    *,
    model: str,
    date: Date | str | None,
    tz: str = "UTC",
    prices: Prices = None,
    provider: str | None = None,
    **options: Unpack[ReadOptions],
) -> Explained:
    """Explain what a model cost on a day: its lines, their prices, what is unpriced.

    Parameters
    ----------
    sources
        Logs or exports as in `toolkit.scan`, or choices: a frame, a `Loaded`.
    model
        Its name as served.
    date
        A day (or its ISO text) in `tz`; None for undated responses.
    tz
        Time zone in which the day begins.
    prices, provider
        As in `toolkit.pricing.add_cost`.
    **options
        Of logs only; an export keeps the options that it was made with.

    Raises
    ------
    OptionError
        If the model has no response on that day; the message names other models.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 100},
    ... )
    >>> explained = explain(choices, model="gpt-4o", date="2026-01-01")
    >>> explained.lines.select("place", "cost", "price").row(0)
    ('made.jsonl:1', Decimal('0.003500000000'), 0)
    >>> explained.prices.select("input", "output").row(0)
    (Decimal('2.500000000000'), Decimal('10.000000000000'))
    >>> explained.summary
    '$0.0035'
    """
    check_type("model", model, str, "the name of a model")
    day = _day_of(date)
    try:
        within = span(day, None if day is None else day + timedelta(days=1), tz)
    except OverflowError:
        raise OptionError("date", date, expected="a day before 9999-12-31") from None
    pricer = Pricer(read_prices(prices, provider))
    responses = _lines_of(sources, within, options)
    if day is None:
        responses = responses.filter(pl.col("created").is_null())
    responses = read_once(responses, responses.collect_schema().names())
    rows = responses.filter(pl.col("model") == model).collect()
    if rows.is_empty():
        counts = responses.group_by("model").len().drop_nulls().collect()
        others = counts.sort("len", "model", descending=[True, False])["model"]
        raise _no_response(model, day, others.to_list())
    rows = rows.sort("created", "source", "line")
    known: dict[Rates, int] = {}
    place = pl.format("{}:{}", "source", "line").alias("place")
    lines = _price_lines(rows, pricer, known).select(place, pl.all())
    return Explained(
        model=model,
        date=day,
        lines=lines,
        prices=_price_rows(known, lines),
        unseen=missing_prices(rows, pricer.prices),
        costs=compute(COST, rows.with_columns(lines[_COST]), _ALL),
    )


@share_parameters(ReadOptions, READ_PARAMETERS)
def cost_lines(
    sources: Sources | Choices,
    *,
    prices: Prices = None,
    provider: str | None = None,
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    **options: Unpack[ReadOptions],
) -> Iterator[pl.DataFrame]:
    """Yield what each response of logs cost, in batches: a row for a line of a log.

    Parameters
    ----------
    sources
        Logs or exports as in `toolkit.scan`, or choices: a frame, a `Loaded`.
    prices, provider
        As in `toolkit.pricing.add_cost`.
    tz, since, until
        The range, as in `toolkit.metrics.cost`.
    **options
        Of logs only; an export keeps the options that it was made with.

    Yields
    ------
    pl.DataFrame
        `source`, `line`, `created`, `model`, `provider`, `service_tier`, what else
        affects the price (tokens and reported costs), `cost` in USD (null if unknown),
        `cost_bound` (``exact`` or ``unknown``), `cost_source`, `rate` (the row of
        prices in words, or ``reported``) and the `reason` why it is unpriced. The
        costs of all rows add up to those of `toolkit.spending`. The first frame has no
        rows, only the columns.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 100},
    ... )
    >>> lines = pl.concat(cost_lines(choices))
    >>> lines.select("source", "line", "cost", "cost_source").row(0)
    ('made.jsonl', 1, Decimal('0.003500000000'), 'priced')
    """
    rows = _lines_of(sources, span(since, until, tz), options)
    pricer = Pricer(read_prices(prices, provider))
    batches = chain([rows.head(0).collect()], iter_batches(rows, _BATCH))
    for batch in batches:
        yield _price_lines(batch, pricer, {}).drop("price")


def _price_lines(
    rows: pl.DataFrame, pricer: Pricer, known: dict[Rates, int]
) -> pl.DataFrame:
    """Add to responses what they cost, and by which rates; number these in `known`."""
    ends = [end if isinstance(end, Rates) else None for end in pricer.find_rates(rows)]
    numbers = [end and known.setdefault(end, len(known)) for end in ends]
    sources = [end and end.source for end in ends]
    source, is_known = pl.col("cost_source"), pl.col("cost").is_not_null()
    by_rates = pl.when(source == "priced")
    rate = by_rates.then(pl.Series(sources, dtype=pl.String))
    lines = rows.with_columns(pricer.price(rows)).with_columns(
        pl.when(is_known)
        .then(pl.lit("exact"))
        .otherwise(pl.lit("unknown"))
        .alias("cost_bound"),
        rate.when(source == "reported").then(source).alias("rate"),
        by_rates.then(pl.Series(numbers, dtype=pl.Int64)).alias("price"),
    )
    others = pl.exclude(*_NAMED, *_COST, "choice_position", "price_date", "price")
    return lines.select(*_NAMED, others, *_COST, "price")


def _day_of(date: Date | str | None) -> Date | None:
    """Parse a day."""
    check_type("date", date, str | Date | None, "a day such as 2026-01-31, or None")
    try:
        return Date.fromisoformat(date) if isinstance(date, str) else date
    except ValueError:
        raise OptionError("date", date, expected="a day such as 2026-01-31") from None


def _no_response(model: str, day: Date | None, others: Sequence[str]) -> OptionError:
    """Return the error for a model without a response on a day."""
    of_day = f"on {day}" if day else "without a date"
    hint = near_miss(model, others)
    if others:
        more = ", ..." if len(others) > _MOST_NAMES else ""
        hint += f"; there are: {', '.join(others[:_MOST_NAMES])}{more}"
    expected = f"a model with a response {of_day}"
    return OptionError("model", model, expected=expected, hint=hint)


def _price_rows(known: Iterable[Rates], lines: pl.DataFrame) -> pl.DataFrame:
    """Return the rates that were used, with responses and cost of each."""
    rates = pl.DataFrame(
        [
            (number, rates.source, *(getattr(rates, name) for name in AMOUNTS))
            for number, rates in enumerate(known)
        ],
        {"price": pl.Int64, "source": pl.String, **dict.fromkeys(AMOUNTS, MONEY)},
        orient="row",
    )
    sums = lines.group_by("price").agg(
        pl.len().cast(pl.Int64).alias("responses"), pl.col("cost").sum()
    )
    return rates.join(sums, on="price").sort("price")
