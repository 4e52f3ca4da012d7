"""Signatures and docstrings of the metrics, written from their specs."""

from __future__ import annotations

import inspect
import re
from textwrap import indent, wrap
from typing import TYPE_CHECKING

import polars as pl

from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.metrics.measures import DataType
    from toolkit.metrics.spec import Key, MetricSpec

_SECTION = re.compile(r"^(?!Parameters)\w+\n-+$", re.MULTILINE)
_MEANING_WIDTH = 44  # of a table in a docstring
# The entry of the options is replaced by those that the metric has.
_PARAMETERS = """Parameters
----------
choices
    One row per choice; see `toolkit.schema.CHOICES`. A polars frame, eager or
    lazy, or anything that exports Arrow (`Loaded`, pyarrow, DuckDB, pandas).
**options
    Those of metrics."""


def docstring_of(function: Callable[..., pl.DataFrame], spec: MetricSpec) -> str:
    """Return a docstring with the parameters and the table of the result."""
    text = inspect.cleandoc(function.__doc__ or "")
    result = indent(f"{_leading_columns(spec)}{_table_of(spec)}", "    ")
    own = f"Returns\n-------\npl.DataFrame\n{result}"
    if spec.option_names:
        own = f"{_PARAMETERS}\n\n{own}"
    section = _SECTION.search(text)
    place = section.start() if section else len(text)
    parts = (text[:place].rstrip(), own, text[place:])
    return "\n\n".join(filter(None, parts)) + "\n"


def _leading_columns(spec: MetricSpec) -> str:
    """Name the columns that come before those of the metric."""
    known = {"every": "period", "by": "series"}
    names = [name for option, name in known.items() if option in spec.option_names]
    if not names:
        return ""
    return f"The columns of {' and '.join(names)} (see `toolkit.metrics`), then\n\n"


def _table_of(spec: MetricSpec) -> str:
    """Write the columns of a metric as a table of reStructuredText."""
    rows = [
        ("column", "type", "meaning"),
        *((key.name, _type_name(key.dtype), _meaning_of(key)) for key in spec.keys),
        *((m.name, _type_name(m.dtype), m.meaning or m.unit) for m in spec.shown),
    ]
    widths = [max(len(row[place]) for row in rows) for place in (0, 1)]
    rule = " ".join("=" * width for width in (*widths, _MEANING_WIDTH))
    lines = [rule]
    for name, dtype, meaning in rows:
        first, *more = wrap(meaning, _MEANING_WIDTH) or [""]
        lines.append(f"{name:{widths[0]}} {dtype:{widths[1]}} {first}".rstrip())
        lines += [f"{'':{sum(widths) + 1}} {line}" for line in more]
        if name == "column":
            lines.append(rule)
    return "\n".join([*lines, rule])


def _meaning_of(key: Key) -> str:
    """Return what a key is: by default, what the schema says of the column."""
    described = CHOICES[key.name].description if key.name in CHOICES else ""
    return key.meaning or described


def _type_name(dtype: DataType) -> str:
    """Write a type of polars as it is written in documentation.

    Examples
    --------
    >>> _type_name(pl.Int64), _type_name(pl.Decimal(38, 12))
    ('int64', 'decimal(38, 12)')
    """
    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.precision}, {dtype.scale})"
    return "datetime" if isinstance(dtype, pl.Datetime) else str(dtype).lower()
