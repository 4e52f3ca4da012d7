"""The report as JSON, for programs and for comparison with a later report.

It is the data classes of `toolkit.report.model` as they are: a figure is its value and
its bound. The schema is ``docs/report.schema.json``. Keys may be added, but none
changes its meaning while `SCHEMA_VERSION` is the same.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.report.model import ReportContent

SCHEMA_VERSION = 2


def to_data(content: ReportContent) -> dict[str, Any]:
    """Return a report as data."""
    return {"schema_version": SCHEMA_VERSION, **asdict(content)}


def to_json(content: ReportContent) -> str:
    """Return a report as JSON in ASCII, safe to print."""
    return json.dumps(to_data(content), indent=1, default=_plain) + "\n"


def _plain(value: object) -> object:
    """Convert what JSON cannot hold: times to ISO 8601, amounts to exact text."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, date) else str(value)
