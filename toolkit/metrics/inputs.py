"""The input of a metric: a frame of choices, checked and converted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import MissingColumnsError, UnsuitableColumnError
from toolkit.expressions.choices import RESPONSE_KEY, SOURCE, response_key, with_models
from toolkit.expressions.makers import maker
from toolkit.expressions.model_families import model_family
from toolkit.expressions.vendors import vendor
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    doubles of counts that have nulls.
    """
    schema = frame.collect_schema()
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
        elif found.is_numeric() and expected.is_numeric():
            whole = column.fill_nan(None) if found.is_float() else column
            changed.append(whole.cast(expected))
        elif found.base_type() == expected.base_type() == pl.List:
            changed.append(column.cast(expected))
        elif expected != pl.String or found.is_nested() or found.is_numeric():
            raise UnsuitableColumnError(name, why=f"is {found}, expected {expected}")
    return changed


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
    if spec.of_choices and own_columns(query):
        key = (*RESPONSE_KEY, "choice_count")
    if not set(RESPONSE_KEY) <= {*key, *spec.columns}:
        return ()
    return (*key, SOURCE) if SOURCE in frame.collect_schema().names() else key


def own_columns(query: MetricQuery) -> list[str]:
    """Return the columns of `by` outside the schema: tags and the user's own."""
    return [name for name in query.by if name not in CHOICES]


def with_first_values(frame: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    """Replace the values of all choices of a response by those of the first."""
    if not names:
        return frame
    values = [pl.col(name) for name in names]
    return of_responses(frame, values, lambda v: v.sort_by("choice_position").first())


def of_responses(
    frame: pl.LazyFrame, values: Sequence[pl.Expr], fold: Callable[[pl.Expr], pl.Expr]
) -> pl.LazyFrame:
    """Add to each row the values of its whole response.

    Most responses have one choice: only the rows of the others are grouped.
    """
    key = response_key(frame)
    has_several = (pl.col("choice_count") > 1).fill_null(True)
    several = frame.filter(has_several)
    names = [value.meta.output_name() for value in values]
    folded = several.group_by(key).agg(map(fold, values))
    # Of the two sides, the facts are smaller than the rows: they are in memory.
    whole = several.drop(names, strict=False).join(
        folded, on=key, how="left", nulls_equal=True, build_side="force_right"
    )
    single = frame.filter(~has_several).with_columns(values)
    return pl.concat([single, whole], how="diagonal")
