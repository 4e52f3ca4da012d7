"""The report as JSON, for programs and for comparison with a later report.

The schema is ``docs/report.schema.json``. Keys may be added, but none changes its
meaning while `SCHEMA_VERSION` is the same.
"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.report.content import ReportContent

SCHEMA_VERSION = 1


def to_data(content: ReportContent) -> dict[str, Any]:
    """Return a report as data."""
    plan, data = content.plan, content.data
    return {
        "schema_version": SCHEMA_VERSION,
        "title": plan.title,
        "range": {
            "since": plan.since,
            "until": plan.until,
            "tz": plan.tz,
            "every": plan.every,
            "by": list(plan.by),
            "words": content.range,
            "before": content.before,
        },
        "headline": content.headline,
        "figures": [kpi.as_data() for kpi in content.kpis],
        "changes": [change._asdict() for change in content.changes],
        "against": content.against,
        "sections": [
            {
                "name": result.section.name,
                "title": result.section.title,
                "words": result.section.words,
                "columns": result.table.fields,
                "rows": result.table.data,
                "folded": result.table.folds,
                "notes": result.notes,
            }
            for result in content.sections
        ],
        "periods": content.periods,
        "series": content.series,
        "data": {
            "facts": [
                {"name": name, "count": count, "words": words}
                for name, count, words in data.facts
            ],
            "ledger": {name: count for name, count, _ in data.ledger},
            "rejects": [reject._asdict() for reject in data.rejects],
            "left_out": data.left_out,
            "last_call": plan.last_call,
        },
        "made": content.provenance._asdict(),
    }


def to_json(content: ReportContent) -> str:
    """Return a report as JSON in ASCII, safe to print."""
    return json.dumps(to_data(content), indent=1, default=plain) + "\n"


def plain(value: object) -> object:
    """Convert what JSON cannot hold: times to ISO 8601, amounts to exact text."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, date) else str(value)
