"""Calls that brought nothing, and what the cache saved: for the report.

`WASTE` is no public metric. A call is in one group only, the first of `GROUPS` that
it belongs to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from toolkit.expressions.choices import LIST_PRICE, MONEY, first_choice, response_key
from toolkit.metrics.measures import count, exact, money, total
from toolkit.metrics.outcomes import IS_FILTERED, IS_REFUSED, IS_TRUNCATED
from toolkit.metrics.spec import MetricSpec
from toolkit.metrics.tools import is_invalid

if TYPE_CHECKING:
    from toolkit.expressions.time_ranges import Span
    from toolkit.metrics.measures import Measure

GROUPS = ("cut_off", "refused", "unreadable", "repeated")
_TEXT = "~text"  # a number for the text of an answer: a frame may have that only
_MINUTES = 10  # within which a call is repeated
# Shorter answers, such as the label of a class, are often equal by chance.
_SHORTEST_TEXT = 80
# What a token from the cache costs less than another, in 10^-12 USD.
_DISCOUNT = pl.col(LIST_PRICE).struct.field("cached_tokens_rate") // -(10**12)
_LOSS, _KEY, _AGAIN = "~loss", "~key", "~again"
_CACHED, _PROMPT = pl.col("cached_tokens"), pl.col("prompt_tokens")
_HAS_CALLS = pl.col("tool_calls").list.len() > 0
_LACKS_TEXT = pl.col("content").is_null() & (pl.col("content_chars") > 0)


def text_number() -> pl.Expr:
    """Return a number for the text of each answer; null if it is short or unknown."""
    text = pl.col("content")
    return (
        pl.when(text.str.len_chars() >= _SHORTEST_TEXT).then(text.hash()).alias(_TEXT)
    )


_ARGUMENTS = pl.element().struct.field("arguments")
_CONDITIONS = {
    "cut_off": IS_TRUNCATED,
    "refused": IS_REFUSED | IS_FILTERED,
    "has_reason": pl.col("finish_reason").is_not_null(),
    "calls_tools": _HAS_CALLS,
    "lacks_arguments": pl.col("tool_calls").list.eval(_ARGUMENTS.is_null()).list.any(),
    "lacks_text": _LACKS_TEXT,
}


def _find_repeated(frame: pl.LazyFrame) -> tuple[pl.DataFrame, bool]:
    """Return the keys of responses that repeat another one, and if texts are missing.

    Model, prompt tokens and text of the answer are equal to those of a response at most
    ten minutes earlier.
    """
    is_known = pl.all_horizontal(
        pl.col("created", "prompt_tokens", _TEXT).is_not_null()
    )
    same = pl.struct("model", "prompt_tokens", _TEXT).hash().alias(_KEY)
    own, created, key = response_key(frame), pl.col("created"), pl.col(_KEY)
    is_soon = created - created.shift() <= pl.duration(minutes=_MINUTES)
    is_again = (key == key.shift()) & is_soon
    firsts = frame.filter(first_choice() & (is_known | _LACKS_TEXT))
    calls = firsts.select(pl.when(is_known).then(same), "created").collect(
        engine="streaming"
    )
    lacks_texts = calls[_KEY].has_nulls()
    keys = calls[_KEY].drop_nulls().sort()
    several = keys.filter(keys == keys.shift()).unique()
    calls = calls.filter(key.is_in(several.implode())).sort(_KEY, "created")
    repeated = calls.filter(is_again)[_KEY].unique()
    found = frame.clear() if repeated.is_empty() else firsts.filter(is_known)
    found = found.select(same, "created", *own).filter(key.is_in(repeated.implode()))
    found = found.sort(_KEY, "created", *own).filter(is_again)
    marked = found.select(*own, pl.lit(True).alias(_AGAIN))
    return marked.collect(engine="streaming"), lacks_texts


def _prepare(frame: pl.LazyFrame, within: Span) -> MetricSpec:
    """Return the declaration with the marks of responses, and those that are again."""
    if _TEXT not in frame.collect_schema().names():
        frame = frame.with_columns(text_number())
    repeated, lacks_texts = _find_repeated(frame)
    key = response_key(frame)
    # Other metrics may read a longer range: arguments outside this one are not parsed.
    is_in = pl.all_horizontal(pl.lit(True), *within.conditions())
    wrong = _ARGUMENTS.map_batches(is_invalid, pl.Boolean, is_elementwise=True)
    unreadable = pl.when(is_in).then("tool_calls").list.eval(wrong).list.any()
    any_of = {**_CONDITIONS, "unreadable": unreadable}
    if not lacks_texts:  # texts need not be read again
        any_of["lacks_text"] = pl.lit(False)

    def add_loss(rows: pl.LazyFrame) -> pl.LazyFrame:
        if repeated.is_empty():
            rows = rows.with_columns(pl.lit(False).alias(_AGAIN))
        else:
            again = repeated.lazy()
            rows = rows.join(
                again, on=key, how="left", nulls_equal=True, build_side="force_right"
            )
        marks = [*(pl.col(f"~any_{name}") for name in GROUPS[:-1]), pl.col(_AGAIN)]
        groups = zip(marks, GROUPS, strict=True)
        loss = pl.coalesce(pl.when(mark).then(pl.lit(name)) for mark, name in groups)
        return rows.with_columns(loss.alias(_LOSS))

    return replace(WASTE, any_of=any_of, adds=add_loss)


def _group(name: str, gap: str) -> tuple[Measure, ...]:
    """Count the responses of a group and sum their cost; `gap` counts what may be."""
    calls, condition = f"responses_{name}", (pl.col(_LOSS) == name).fill_null(False)
    cost = pl.when(condition).then("cost")
    unpriced = f"{calls}_unpriced"
    return (
        count(calls, condition)._replace(unseen=gap),
        money(f"cost_{name}", cost, "", "", unpriced, calls)._replace(unsure=(gap,)),
        count(unpriced, condition & pl.col("cost").is_null()),
    )


def _of_cache(name: str, tokens: pl.Expr, gap: str) -> tuple[Measure, ...]:
    """Sum what tokens cost less from the cache, and count where that is not known."""
    saved = pl.when(pl.col("cost").is_not_null()).then(
        tokens * _DISCOUNT.cast(pl.Int64)
    )
    dollars = saved.cast(pl.Decimal(38, 0)) * pl.lit("0.000000000001").cast(MONEY)
    is_unknown = (tokens > 0) & saved.is_null()
    return (
        money(name, dollars, "", "", gap, "responses"),
        count(gap, is_unknown.fill_null(False)),
    )


WASTE = MetricSpec(
    "waste",
    (
        count("responses"),
        count("responses_with_tools", pl.col("~any_calls_tools")),
        *_group("cut_off", "without_reason"),
        *_group("refused", "without_text"),
        *_group("unreadable", "without_arguments"),
        *_group("repeated", "without_text"),
        count("without_reason", ~pl.col("~any_has_reason")),
        count("without_text", pl.col("~any_lacks_text")),
        count("without_arguments", pl.col("~any_lacks_arguments")),
        total("cached_tokens", _CACHED),
        *_of_cache("cache_saved", _CACHED, "cached_unpriced"),
        *_of_cache("cache_possible", _PROMPT, "prompt_unpriced"),
        # In thousandths of a dollar: the squares of small costs are very small.
        exact("cost_squares", (pl.col("cost").cast(pl.Float64) * 1000) ** 2),
    ),
    main="responses",
    any_of=_CONDITIONS,
    needs=("created", "prompt_tokens", "cached_tokens"),
    costs="list_price",
    prepare=_prepare,
)
