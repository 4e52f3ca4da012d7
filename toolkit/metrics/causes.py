"""Why the known cost changed since the range before: the metric `cost_change`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import polars as pl

from toolkit.expressions.choices import LIST_PRICE, MONEY, with_models
from toolkit.metrics.decomposition import TOKENS, split_segments
from toolkit.metrics.engine import compute
from toolkit.metrics.measures import RESPONSES, Measure, count, money, ratio, total
from toolkit.metrics.options import BEFORE, By, Choices, MetricQuery, RangeOptions
from toolkit.metrics.registry import metric
from toolkit.metrics.spec import Key, MetricSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

# What is gathered is split by offer, and by the rates of its tokens.
_OFFER = tuple(f"~offer_{name}" for name in ("model", "provider", "tier", "listed"))
_RATES = tuple(f"~{name}_rate" for name in TOKENS)
_ALL = "~all"
_ENDS = (BEFORE, "")
_COUNTS = (
    RESPONSES,
    count("responses_unpriced", pl.col("cost").is_null(), "calls without a price"),
    *(
        total(name, pl.col(f"~{name}"), meaning="of the responses with a cost")
        for name in TOKENS
    ),
)
_COST = money(
    "cost",
    pl.col("cost"),
    "",
    "USD: a lower bound if responses are unpriced",
    "responses_unpriced",
    "responses",
)
_LIST_COST = Measure("list_cost", MONEY, rows=pl.col("~list_cost").sum())
# The causes: what charts and reports call them, and what they mean.
_CAUSES = {
    "volume": ("number of calls", "more or fewer responses"),
    "coverage": ("calls with a known price", "their share of all"),
    "mix": ("choice of models", "shares of models, providers and service tiers"),
    "prompt_length": ("prompt length", "longer or shorter prompts"),
    "completion_length": ("answer length", "longer or shorter completions"),
    "cache": ("cache", "less or more of the prompts read from a cache"),
    "price": ("prices", "higher or lower prices"),
    "fees": ("fees", "requests, cache writes, audio, searches"),
    "unsplit": ("cannot be split", "charges of providers without a list price"),
}
_EFFECTS = {cause: f"{cause}_effect" for cause in _CAUSES}


class _ChangeOptions(RangeOptions, total=False):
    """The options of `cost_change`."""

    by: By
    provider: str | None
    top: int | None


def _pair(now: Measure) -> tuple[Measure, Measure]:
    """Return the measure of a figure in the range before, and that of now."""
    before = now._replace(
        name=f"{now.name}{BEFORE}",
        label=f"{now.title} before",
        meaning="in the range before",
        unseen=now.unseen and f"{now.unseen}{BEFORE}",
        of=f"{now.of}{BEFORE}",
    )
    return before, now


def _priced(end: str) -> pl.Expr:
    """Return how many responses have a cost, in one of the ranges."""
    return pl.col(f"responses{end}") - pl.col(f"responses_unpriced{end}")


def _means(end: str) -> list[Measure]:
    """Return the measures of a call with a cost on average, in one of the ranges."""
    means = [
        ratio(
            f"{kind}_tokens_per_response{end}",
            f"{kind}_tokens{end}",
            _priced(end),
            unit="tokens per response",
            meaning="of the responses with a cost",
        )
        for kind in ("prompt", "completion")
    ]
    prompt = f"prompt_tokens{end}"
    return [*means, ratio(f"cached_share{end}", f"cached_tokens{end}", prompt)]


def _parts_of(query: MetricQuery) -> MetricSpec:
    """Return the declaration of what is gathered; the table is made of that."""
    # What is folded by `top` is split before.
    series = {f"~by_{name}": pl.col(name) for name in query.by}
    return replace(
        _COST_CHANGE,
        measures=(_COST, _LIST_COST, *_COUNTS),
        keys=tuple(map(Key, (*series, *_OFFER, *_RATES))),
        adds=lambda rows: _with_parts(rows).with_columns(**series),
        finish=lambda table, query: _changes(table, query.series, [*series, *_OFFER]),
    )


def _with_parts(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Add to responses their offers and rates, and their tokens as billed."""
    # Imported here: only costs need prices.
    from toolkit.pricing.pricer import billed_tier

    listed = pl.col(LIST_PRICE).struct
    figures = {"~list_cost": listed.field("list_cost")}
    for name in TOKENS:
        figures[f"~{name}_rate"] = listed.field(f"{name}_rate")
        figures[f"~{name}"] = pl.coalesce(listed.field(f"{name}_billed"), name)
    # More tokens than the prompt has were not read from a cache.
    prompt, cached = figures["~prompt_tokens"], figures["~cached_tokens"]
    figures["~cached_tokens"] = pl.when(cached <= prompt).then(cached)
    is_known = pl.col("cost").is_not_null()
    known = [pl.when(is_known).then(one).alias(name) for name, one in figures.items()]
    is_listed = is_known & listed.field("list_cost").is_not_null()
    tier = billed_tier(rows.collect_schema().names())
    offer = (pl.col("model"), pl.col("provider"), tier, is_listed)
    named = [one.alias(name) for name, one in zip(_OFFER, offer, strict=True)]
    return with_models(rows).with_columns(*named, *known)


_COST_CHANGE = MetricSpec(
    "cost_change",
    (
        *_pair(_COST),
        Measure("cost_change", MONEY, "USD", "change", "USD, of the known cost"),
        *(
            Measure(_EFFECTS[cause], MONEY, "USD", label, f"USD: {meaning}")
            for cause, (label, meaning) in _CAUSES.items()
        ),
        *(one for counted in _COUNTS for one in _pair(counted)),
        *(mean for both in zip(*map(_means, _ENDS), strict=True) for mean in both),
    ),
    main="cost",
    title="Why the cost changed",
    shape="bars",
    draws=("cost_change", *_EFFECTS.values()),
    options=_ChangeOptions,
    fixed={"compare": "previous", "fill": True},
    costs="list_price",
    of_query=_parts_of,
)


@metric(_COST_CHANGE)
def cost_change(choices: Choices, **options: Unpack[_ChangeOptions]) -> pl.DataFrame:
    """Split the change in the known cost since the range before into its causes.

    `since` and `until` are needed; the range before has the same length and ends at
    `since`. A series has a row if it has a response in one of the two.

    Notes
    -----
    An effect is what a cause adds to the cost of a series, the other causes being
    half-way between before and now. The effects add up to `cost_change`, in each row
    and over all rows, to the last digit. Effects are computed for each model, provider
    and service tier of a series; what moved between them is `mix_effect`.

    The costs are those of `toolkit.metrics.cost`. What a provider reports as cost, or
    your own column `cost`, is split like the list price of the model. Without one,
    what is neither calls, mix nor lengths is `unsplit_effect`. Of responses without a
    cost only the number counts: with any, the change is not exact. Where no response
    has a cost, and where no response before `since` is known, the change is null.

    Examples
    --------
    A prompt of 1,000 tokens at 2.50 USD a million, and the next day one of 3,000:

    >>> from datetime import UTC, datetime
    >>> from toolkit.testing import make_choices
    >>> rows = [
    ...     {"model": "gpt-4o", "prompt_tokens": tokens, "completion_tokens": 0}
    ...     | {"created": datetime(2026, 1, day, tzinfo=UTC)}
    ...     for day, tokens in ((1, 1000), (2, 3000))
    ... ]
    >>> choices = make_choices(*rows)
    >>> change = cost_change(choices, since="2026-01-02", until="2026-01-03")
    >>> change.select("cost", "cost_change", "prompt_length_effect").row(0)
    (Decimal('0.007500000000'), Decimal('0.005000000000'), Decimal('0.005000000000'))
    """
    return compute(_COST_CHANGE, choices, options)


def _changes(
    table: pl.DataFrame, series: Sequence[str], segment: Sequence[str]
) -> pl.DataFrame:
    """Split the change of each series: the sum of those of its segments."""
    # Imported here: only costs need prices.
    from toolkit.pricing.pricer import as_money

    by, measures = [*series, _ALL], _COST_CHANGE.measures
    sums = ("cost", "list_cost", *(one.name for one in _COUNTS))
    ends = [f"{name}{end}" for name in sums for end in _ENDS]
    # Before all data nothing is known.
    is_known = pl.lit(table[f"responses{BEFORE}"].null_count() == 0)
    table = table.with_columns(pl.lit(0).alias(_ALL), pl.col(ends).fill_null(0))
    calls = [int(table[f"responses{end}"].sum()) for end in _ENDS]
    priced = [table.select(_priced(end).sum()).item() for end in _ENDS]
    segments = table.group_by([*by, *segment], maintain_order=True)
    rows = segments.agg(pl.col(*_RATES, *ends))
    split = list(split_segments(rows.iter_rows(named=True), calls, priced))
    effects = [
        as_money(pl.Series(name, [one.get(cause, 0) for one in split], pl.Int128))
        for cause, name in _EFFECTS.items()
    ]
    parts = rows.select(*by, pl.col(ends).list.sum(), *effects)
    shown = parts.group_by(by, maintain_order=True).sum()
    change = pl.col("cost") - pl.col(f"cost{BEFORE}")
    derived = [m.derive((), ()).alias(m.name) for m in measures if m.derive]
    shown = shown.with_columns(change.alias("cost_change"), *derived)
    shown = shown.with_columns(one.known for one in measures)
    is_priced = pl.sum_horizontal(*map(_priced, _ENDS)) > 0
    changed = pl.when(is_known & is_priced).then(pl.col(_COST_CHANGE.draws))
    before = [one.name for one in measures if one.name.endswith(BEFORE)]
    shown = shown.with_columns(changed)
    shown = shown.with_columns(pl.when(is_known).then(pl.col(before)))
    return shown.select(*series, *[pl.col(m.name).cast(m.dtype) for m in measures])
