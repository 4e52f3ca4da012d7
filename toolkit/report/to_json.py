"""The report as JSON: every figure of it, as numbers, for programs and for next time.

The form is that of ``docs/report.schema.json``; what is added later is added, and
nothing that is there changes its meaning while `SCHEMA_VERSION` is the same.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from toolkit.report.tables import as_text

if TYPE_CHECKING:
    from toolkit.report.content import Contents
    from toolkit.report.provenance import Made

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
