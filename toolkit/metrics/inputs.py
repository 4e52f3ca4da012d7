"""The input of a metric: a frame of choices, checked and converted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import MissingColumnsError, UnsuitableColumnError
from toolkit.expressions.choices import (
    LIST_PRICE,
    MONEY,
    RESPONSE_KEY,
    SOURCE,
    response_key,
    with_models,
)
from toolkit.expressions.makers import maker
from toolkit.expressions.model_families import model_family
from toolkit.expressions.vendors import vendor
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from toolkit.metrics.options import MetricQuery
    from toolkit.metrics.spec import MetricSpec

# Columns that series may be named by and that no table has: what computes them, and
# the columns that it reads.
_COMPUTED: dict[str, tuple[Callable[[str | None], pl.Expr], tuple[str, ...]]] = {
    "maker": (lambda _: maker(), ("model",)),
    "model_family": (lambda _: model_family(), ("model",)),
    "vendor": (vendor, ("model", "provider")),
}
# How polars names a source written in Python, such as `toolkit.scan` of logs.
_PYTHON_SCAN = re.compile(r"^\s*PYTHON(\[.*\])? SCAN", re.MULTILINE)
_LARGEST_COST = 10**14  # USD of one response, as of what a provider reports
# Types that polars cannot cast to text.
_NO_TEXT = (pl.Binary, pl.Duration, pl.Object)


def with_series(
    frame: pl.DataFrame | pl.LazyFrame, by: Sequence[str], provider: str | None = None
) -> pl.DataFrame | pl.LazyFrame:
    """Add the columns of `by` that are computed, unless the frame has its own.

    A model is the requested one where the response names none. Also `usage_problem` is
    added: frames of earlier versions lack it.
    """
    frame = with_models(frame) if by else frame
    names = frame.collect_schema().names()
    if "usage_problem" not in names:
        frame = frame.with_columns(pl.lit(None, pl.String).alias("usage_problem"))
    new = {name: _COMPUTED[name] for name in by if name in _COMPUTED.keys() - names}
    needs = [name for _, needed in new.values() for name in needed]
    missing = [name for name in (*by, *needs) if name not in {*names, *new}]
    if missing:
        raise MissingColumnsError(list(dict.fromkeys(missing)), [*names, *_COMPUTED])
    return frame.with_columns(compute(provider) for compute, _ in new.values())


def as_declared(
    frame: pl.DataFrame | pl.LazyFrame, needs: Sequence[str]
) -> list[pl.Expr]:
    """Return casts that restore the types of the schema.

    Other libraries change them: pandas has no type for a column of nulls, and makes
    doubles of counts that have nulls. A count with a fraction is an error.
    """
    schema = frame.collect_schema()
    fractions = _with_fractions(frame.lazy(), needs)
    changed = []
    for name in needs:
        if name not in CHOICES or schema[name] == CHOICES[name].dtype:
            continue
        found, expected = schema[name], CHOICES[name].dtype
        column = pl.col(name)
        if found == pl.Null or (
            isinstance(frame, pl.DataFrame) and frame[name].is_null().all()
        ):
            changed.append(pl.lit(None, expected).alias(name))
        elif isinstance(found, pl.Datetime) and name == "created":
            if found.time_zone is None:
                why = 'has no time zone: set it, as with .dt.replace_time_zone("UTC")'
                raise UnsuitableColumnError(name, why=why)
            changed.append(column.dt.cast_time_unit("us"))
        elif name in fractions:
            why = f"is {found} with fractions, expected {expected}"
            raise UnsuitableColumnError(name, why=why)
        elif found.is_numeric() and expected.is_numeric():
            whole = column.fill_nan(None) if found.is_float() else column
            changed.append(whole.cast(expected))
        elif found.base_type() == expected.base_type() == pl.List:
            changed.append(column.cast(expected))
        elif expected != pl.String or found.is_nested() or found.is_numeric():
            raise UnsuitableColumnError(name, why=f"is {found}, expected {expected}")
    return changed


def _with_fractions(frame: pl.LazyFrame, needs: Sequence[str]) -> list[str]:
    """Return the counts of a frame that are not all whole numbers."""
    schema = frame.collect_schema()
    counts = [
        name
        for name in dict.fromkeys(needs)
        if name in CHOICES
        and CHOICES[name].dtype.is_integer()
        and (schema[name].is_float() or schema[name].is_decimal())
    ]
    if not counts:  # as in all frames of this package: the rows are not read
        return []
    numbers = pl.col(counts)
    found = frame.select((numbers != numbers.floor()).any()).collect(engine="streaming")
    return [name for name in counts if found[name].item()]


def read_once(frame: pl.LazyFrame, needs: Sequence[str]) -> pl.LazyFrame:
    """Collect the needed columns if they come from logs, to read those once."""
    if not reads_logs(frame):
        return frame
    return frame.select(needs).collect(engine="streaming").lazy()


def reads_logs(frame: pl.LazyFrame) -> bool:
    """Return whether rows come from a source written in Python, which reads logs."""
    return bool(_PYTHON_SCAN.search(frame.explain(optimized=False)))


def check_types(frame: pl.LazyFrame, query: MetricQuery) -> None:
    """Raise an error if small series are to be folded and cannot be named by text."""
    schema = frame.collect_schema()
    for name in query.by if query.top is not None else ():
        if schema[name].is_nested() or schema[name] in _NO_TEXT:
            raise UnsuitableColumnError(name, why="is not text: top=N cannot group it")


def key_of(
    frame: pl.LazyFrame, spec: MetricSpec, query: MetricQuery
) -> tuple[str, ...]:
    """Return the columns that identify a response, for a metric that needs them."""
    key: tuple[str, ...] = ()
    if spec.of_choices and own_columns(query.by):
        key = (*RESPONSE_KEY, "choice_count")
    if not set(RESPONSE_KEY) <= {*key, *spec.columns}:
        return ()
    return (*key, SOURCE) if SOURCE in frame.collect_schema().names() else key


def own_columns(by: Iterable[str]) -> list[str]:
    """Return the columns of `by` outside the schema: tags and the user's own."""
    return [name for name in by if name not in CHOICES]


def with_facts(
    frame: pl.LazyFrame, any_of: Mapping[str, pl.Expr], firsts: Sequence[str]
) -> pl.LazyFrame:
    """Add to each row facts of its whole response.

    As ``~any_...`` whether any choice meets a condition; columns of `firsts` get the
    value of the first choice. Most responses have one choice: only the rows of the
    others are grouped.
    """
    conditions = [
        condition.fill_null(False).alias(f"~any_{name}")
        for name, condition in any_of.items()
    ]
    if not conditions and not firsts:
        return frame
    key = response_key(frame)
    has_several = (pl.col("choice_count") > 1).fill_null(True)
    several = frame.filter(has_several)
    facts = [condition.any() for condition in conditions]
    facts += [pl.col(name).sort_by("choice_position").first() for name in firsts]
    folded = several.group_by(key).agg(facts)
    # Of the two sides, the facts are smaller than the rows: they are in memory.
    whole = several.drop(firsts).join(
        folded, on=key, how="left", nulls_equal=True, build_side="force_right"
    )
    single = frame.filter(~has_several).with_columns(conditions)
    return pl.concat([single, whole], how="diagonal")


def needs_of_costs(frame: pl.LazyFrame, costs: str) -> list[str]:
    """Return the columns that costs, or list prices, are read or computed from."""
    if not costs:
        return []
    # Imported here: only costs need prices.
    from toolkit.pricing.pricer import priced_by

    names, needed = frame.collect_schema().names(), priced_by(frame)
    if "cost" not in names:
        return needed
    listed = (LIST_PRICE, *needed) if costs == "list_price" else ()
    return [name for name in ("cost", "cost_source", *listed) if name in names]


def with_costs(
    rows: pl.LazyFrame, costs: str, where: pl.Expr, provider: str | None
) -> pl.LazyFrame:
    """Add the costs of some rows, and their list prices, unless the frame has them."""
    if not costs:
        return rows
    # Imported here: only costs need prices.
    from toolkit.pricing.costs import add_list_prices, add_priced
    from toolkit.pricing.price_file import read_prices
    from toolkit.pricing.pricer import NEEDED, Pricer

    names = rows.collect_schema().names()
    if "cost" in names:
        # What is not an amount (NaN, or more than all money) is unknown, not an error.
        is_amount = pl.col("cost").abs() < _LARGEST_COST
        cost = pl.when(is_amount).then(pl.col("cost")).cast(MONEY)
        known = pl.col("cost_source") if "cost_source" in names else pl.lit("priced")
        source = pl.when(cost.is_null()).then(pl.lit("unpriced")).otherwise(known)
        rows = rows.with_columns(cost, source.alias("cost_source"))
    elif costs == "cost":
        pricer = Pricer(read_prices(None, provider))
        fields = {name: name for name in ("cost", "cost_source")}
        return add_priced(rows, pricer, fields, where)
    if costs == "cost" or LIST_PRICE in names:
        return rows
    lacking = [name for name in NEEDED if name not in names]
    nothing = [pl.lit(None, CHOICES[name].dtype).alias(name) for name in lacking]
    rows = rows.with_columns(nothing)
    return add_list_prices(rows, provider=provider, where=where).lazy()
