"""Figures of complete periods that have changed since an earlier report, and why."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import OptionError, plural
from toolkit.expressions.time_ranges import Span
from toolkit.formatting.figures import Figure
from toolkit.report.metric_tables import MetricTables, figure_of
from toolkit.report.model import Head, Period, Restated, RestatedRow
from toolkit.report.provenance import versions
from toolkit.report.to_json import SCHEMA_VERSION
from toolkit.report.wording import calls

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from toolkit.formatting.figures import Bound
    from toolkit.report.inputs import ReportInputs
    from toolkit.report.model import Kind

# The figures of a period: label, kind, metric and measure.
_FIGURES: dict[str, tuple[str, Kind, str, str]] = {
    "calls": ("calls", "count", "token_usage", "responses"),
    "tokens": ("tokens", "count", "token_usage", "total_tokens"),
    "cost": ("cost", "usd", "cost", "cost"),
    "calls_unpriced": ("calls without a price", "count", "cost", "responses_unpriced"),
    "calls_cut_off": (
        "answers cut off",
        "count",
        "truncation_rate",
        "responses_truncated",
    ),
}
_NO_CALLS = dict.fromkeys(_FIGURES, Figure(0))


def read_report(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the JSON of an earlier report, or raise `OptionError`."""
    version = f"(version {SCHEMA_VERSION})"
    expected = f"a report that was written with --to NAME.json {version}"
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        _ = data["range"]["tz"], data["range"]["every"], data["range"]["words"]
        _ = data["ledger"].get, data["made"]["versions"].get
        is_known = bool(_periods_in(data)) and data["schema_version"] == SCHEMA_VERSION
    except OSError as error:
        expected = f"a report that can be read ({error.strerror})"
        raise OptionError("against", str(path), expected=expected) from error
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        is_known = False
    if not is_known:
        raise OptionError("against", str(path), expected=expected)
    return dict(data)


def build_periods(tables: MetricTables) -> list[Period]:
    """Build the figures of every period of the range, also of those without calls."""
    plan = tables.plan
    options = {"every": plan.every, "by": (), "fill": True, **plan.axis}
    rows: dict[datetime | None, dict[str, Any]] = {}
    for name, (_, _, metric, measure) in _FIGURES.items():
        table = tables.table(metric, **options).with_columns(plan.is_partial)
        for row in table.iter_rows(named=True):
            start, end = row["period"], row["period_end"]
            found = {"start": start, "end": end, "is_partial": bool(row["partial"])}
            figure = figure_of(metric, measure, row)
            rows.setdefault(start, found)[name] = figure
    return [Period(**row) for row in rows.values()]


def build_restated(
    earlier: Mapping[str, Any], tables: MetricTables, inputs: ReportInputs
) -> Restated:
    """Compare the complete periods of an earlier report with the same ones today."""
    of = earlier["range"]
    plan = tables.plan._replace(
        within=Span(*(_moment(of[end]) for end in ("since", "until"))),
        tz=of["tz"],
        every=of["every"],
    )
    again = build_periods(MetricTables(inputs._replace(choices=tables.choices), plan))
    after = {one.start.astimezone(UTC): one for one in again if one.start is not None}
    known = _periods_in(earlier)
    # Periods before the last one that had no calls then.
    late = {start for start in after.keys() - known.keys() if start < max(known)}
    complete = {start for start, period in known.items() if not period.is_partial}
    rejected = earlier["ledger"].get("rejected")
    repaired = 0
    if inputs.ledger is not None and rejected is not None:
        repaired = rejected - inputs.ledger["rejected"].sum()
    pairs = {
        start: found
        for start in sorted(complete | late)
        if (found := _changed(known.get(start), after.get(start)))
    }
    counts = [pair["calls"] for pair in pairs.values() if "calls" in pair]
    grown = int(sum(max(Decimal(0), (new - old).number) for old, new in counts))
    rows = []
    for start, pair in pairs.items():
        why, period = _reason(pair, repaired, grown), known.get(start) or after[start]
        for name, (old, new) in pair.items():
            label, kind, *_ = _FIGURES[name]
            ends = (period.start or start, period.end or start)
            rows.append(RestatedRow(*ends, name, label, kind, old, new, why))
    return Restated(_head(earlier, len(rows), bool(complete), repaired, grown), rows)


def _moment(text: str | None) -> datetime | None:
    """Parse a time of a report; None is an open end."""
    return None if text is None else datetime.fromisoformat(text)


def _periods_in(earlier: Mapping[str, Any]) -> dict[datetime, Period]:
    """Return the periods with a date in the JSON of a report, by their start in UTC."""
    found = {}
    for row in earlier["periods"]:
        if (start := _moment(row["start"])) is not None:
            figures = {name: _figure(**row[name]) for name in _FIGURES}
            period = Period(start, _moment(row["end"]), row["is_partial"], **figures)
            found[start.astimezone(UTC)] = period
    return found


def _figure(value: float | str | None, bound: Bound) -> Figure:
    """Return a figure in the JSON of a report."""
    return Figure(None if value is None else Decimal(str(value)), bound)


def _changed(
    period: Period | None, new: Period | None
) -> dict[str, tuple[Figure, Figure]]:
    """Return the figures of a period that differ; one that is missing had no calls."""
    before, after = (_NO_CALLS if one is None else vars(one) for one in (period, new))
    return {
        name: (before[name], after[name])
        for name in _FIGURES
        if before[name].value != after[name].value
    }


def _reason(
    changed: Mapping[str, tuple[Figure, Figure]], repaired: int, grown: int
) -> str:
    """Return why the figures of a period changed."""
    if "calls" in changed:
        before, now = changed["calls"]
        if before.exceeds(now):
            return "lines are gone"
        if repaired <= 0:
            return "late lines"
        return "lines repaired" if repaired >= grown else "late and repaired lines"
    if "tokens" in changed or "calls_cut_off" in changed:
        return "other lines"
    return "prices"


def _head(
    earlier: Mapping[str, Any],
    changed: int,
    is_complete: bool,
    repaired: int,
    grown: int,
) -> Head:
    """Return how much has changed since a report."""
    report = f"the earlier report ({earlier['range']['words']})"
    notes = [f"{calls(grown)} more"] if grown else []
    if repaired > 0:
        notes.append(f"{plural(repaired, 'rejected line')} fewer")
    before = earlier["made"]["versions"].get("genai-prices")
    now = versions()["genai-prices"]
    if before != now:
        notes.append(f"prices of genai-prices {before} before, {now} now")
    note = "; ".join(notes) + "." * bool(notes)
    if not is_complete:
        title = f"No period of {report} was complete: nothing to compare"
    elif changed:
        has = "has" if changed == 1 else "have"
        title = f"{plural(changed, 'figure')} of {report} {has} changed"
    else:
        title = f"All figures of {report} still hold"
    return Head("Corrections to the earlier report", title, note if changed else "")
