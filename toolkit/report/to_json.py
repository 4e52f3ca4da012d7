"""The report as JSON, for programs and for comparison with a later report.

The schema is ``docs/report.schema.json``. Keys may be added, but none changes its
meaning while `SCHEMA_VERSION` is the same.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.report.content import ReportContent
    from toolkit.report.provenance import Provenance

SCHEMA_VERSION = 1


def to_data(content: ReportContent, provenance: Provenance) -> dict[str, Any]:
    """Return a report as data."""
    plan, data = content.plan, content.data
    return {
        "schema_version": SCHEMA_VERSION,
        "title": plan.title,
        "range": {
            "since": provenance.since,
            "until": provenance.until,
            "tz": plan.tz,
            "every": plan.every,
            "by": list(plan.by),
            "words": content.range,
            "before": content.before,
        },
        "headline": content.headline,
        "figures": [
            {
                "name": kpi.name,
                "label": kpi.label,
                "value": kpi.value,
                "before": kpi.before,
                "text": kpi.text,
                "change": kpi.change,
                "direction": kpi.direction,
            }
            for kpi in content.kpis
        ],
        "changes": [change._asdict() for change in content.changes],
        "against": provenance.against,
        "sections": [
            {
                "name": result.section.name,
                "title": result.section.title,
                "words": result.section.words,
                "columns": result.table.names,
                "rows": result.table.data,
                "folded": result.table.folds,
                "notes": result.notes,
            }
            for result in content.sections
        ],
        "periods": content.periods.to_dicts(),
        "series": content.series.to_dicts(),
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
            "inputs": provenance.inputs,
            "command": provenance.command,
            "versions": provenance.versions,
            "prices": provenance.prices,
            "decoder": provenance.decoder,
            "generated": provenance.generated,
        },
    }


def to_json(content: ReportContent, provenance: Provenance) -> str:
    """Return a report as JSON in ASCII, safe to print."""
    return json.dumps(to_data(content, provenance), indent=1, default=plain) + "\n"


def plain(value: object) -> object:
    """Convert what JSON cannot hold: times to ISO 8601, amounts to exact text."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
