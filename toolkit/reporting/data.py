"""The report as JSON: every figure of it, as numbers, for programs and for next time.

The form is that of ``docs/report.schema.json``; what is added later is added, and
nothing that is there changes its meaning while `SCHEMA_VERSION` is the same.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.reporting.tables import as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.reporting.contents import Contents
    from toolkit.reporting.making import Made

SCHEMA_VERSION = 1


def to_data(contents: Contents, made: Made) -> dict[str, Any]:
    """Return a report as data."""
    plan, data = contents.plan, contents.data
    return {
        "schema_version": SCHEMA_VERSION,
        "title": plan.title,
        "range": {
            "since": made.since,
            "until": made.until,
            "tz": plan.tz,
            "every": plan.every,
            "by": list(plan.by),
            "words": contents.range,
            "before": contents.before,
        },
        "headline": contents.headline,
        "figures": [
            {
                "name": figure.name,
                "label": figure.label,
                "value": figure.value,
                "before": figure.before,
                "text": figure.text,
                "change": figure.change,
                "direction": figure.direction,
            }
            for figure in contents.figures
        ],
        "changes": [change._asdict() for change in contents.changes],
        "against": made.against,
        "sections": [
            {
                "name": part.section.name,
                "title": part.section.title,
                "words": part.section.words,
                "columns": part.table.names,
                "rows": part.table.data,
                "folded": part.table.folds,
                "notes": part.notes,
            }
            for part in contents.parts
        ],
        "periods": contents.periods.to_dicts(),
        "series": contents.series.to_dicts(),
        "data": {
            "facts": [
                {"name": name, "count": int(count.replace(",", "")), "words": words}
                for name, count, words in data.facts
            ],
            "ledger": {name: count for name, count, _ in data.ledger},
            "rejects": [
                {"code": code, "lines": lines, "first": first}
                for code, lines, first in data.rejects
            ],
            "left_out": data.left_out,
        },
        "made": {
            "inputs": made.inputs,
            "command": made.command,
            "versions": made.versions,
            "prices": made.prices,
            "decoder": made.decoder,
            "generated": made.generated,
        },
    }


def to_json(contents: Contents, made: Made) -> str:
    """Write a report as JSON, in ASCII: no name in it steers a screen."""
    return json.dumps(to_data(contents, made), indent=1, default=plain) + "\n"


def plain(value: object) -> object:
    """Write what JSON has no form for: times in ISO 8601, money as exact text."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return as_text(value)


def periods_of(
    usage: pl.DataFrame, cost: pl.DataFrame, truncation: pl.DataFrame
) -> pl.DataFrame:
    """Sum the series of each period: the figures that are held against later ones."""
    keys = ["period", "period_end", "partial"]
    frames = [
        usage.group_by(keys).agg(
            pl.col("responses").sum().alias("calls"),
            pl.col("total_tokens").sum().alias("tokens"),
        ),
        cost.group_by("period").agg(
            pl.col("cost").sum(),
            pl.col("responses_unpriced").sum().alias("calls_unpriced"),
        ),
        truncation.group_by("period").agg(
            pl.col("responses_truncated").sum().alias("calls_cut_off")
        ),
    ]
    table, *others = frames
    for other in others:
        table = table.join(other, on="period", how="left", nulls_equal=True)
    return table.sort("period", nulls_last=True)


def series_of(
    usage: pl.DataFrame, cost: pl.DataFrame, by: Sequence[str]
) -> pl.DataFrame:
    """Return calls, tokens and cost of each series over the range."""
    costs = cost.select(
        *by, "cost", pl.col("responses_unpriced").alias("calls_unpriced")
    )
    return (
        usage.filter(pl.col("folded") == 0)
        .select(
            *by,
            pl.col("responses").alias("calls"),
            pl.col("total_tokens").alias("tokens"),
        )
        .join(costs, on=list(by), how="left", nulls_equal=True)
        .sort(*by, nulls_last=True)
    )
