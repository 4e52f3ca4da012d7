"""Restatement: complete periods whose figures have changed since an earlier report."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import OptionError, plural
from toolkit.formatting.dates import format_days, format_moment
from toolkit.formatting.figures import Figure
from toolkit.formatting.text import format_count, format_usd
from toolkit.metrics.registry import METRICS
from toolkit.report.inputs import ReportInputs, price
from toolkit.report.old_provenance import versions
from toolkit.report.old_to_json import SCHEMA_VERSION, plain
from toolkit.report.tables import PERIOD_METRICS, periods_of
from toolkit.report.wording import calls

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from toolkit.pricing.price_file import PriceFile

_MEASURES = {
    "calls": "calls",
    "tokens": "tokens",
    "cost": "cost",
    "calls_unpriced": "calls without a price",
    "calls_cut_off": "calls cut off",
}
_NO_CALLS = (Figure(0), Figure(0))
_MOST_ROWS = 100


def read_report(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the JSON of an earlier report, or raise `OptionError`."""
    version = f"(version {SCHEMA_VERSION})"
    expected = f"a report that was written with --to NAME.json {version}"
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        _ = data["range"]["tz"], data["range"]["every"], data["data"]["ledger"]
        periods = [row["period"] for row in data["periods"]]
        is_known = bool(periods) and data["schema_version"] == SCHEMA_VERSION
    except OSError as error:
        expected = f"a report that can be read ({error.strerror})"
        raise OptionError("against", str(path), expected=expected) from error
    except (ValueError, KeyError, TypeError):
        is_known = False
    if not is_known:
        raise OptionError("against", str(path), expected=expected)
    return dict(data)


def compare_with(
    earlier: Mapping[str, Any], inputs: ReportInputs, prices: PriceFile
) -> dict[str, Any]:
    """Return the figures of complete periods that differ from an earlier report."""
    known = {row["period"]: row for row in earlier["periods"] if row["period"]}
    before = {period: row for period, row in known.items() if not row["partial"]}
    after = _periods_again(earlier["range"], inputs, prices)
    # Periods before the last one that had no calls then.
    times = {period: datetime.fromisoformat(period) for period in {*known, *after}}
    last = max(times[period] for period in known)
    late = {one for one in after.keys() - known.keys() if times[one] < last}
    ledger = earlier["data"]["ledger"]
    mended = 0
    if inputs.ledger is not None and ledger:
        mended = ledger["rejected"] - inputs.ledger["rejected"].sum()
    changed = {
        period: figures
        for period in sorted(before.keys() | late)
        if (figures := _changed(before.get(period, {}), after.get(period, {})))
    }
    calls_of = [figures.get("calls", _NO_CALLS) for figures in changed.values()]
    grown = int(sum(max(Decimal(0), (new - old).number) for old, new in calls_of))
    data, rows = [], []
    for period, figures in changed.items():
        row, new = before.get(period, {}), after.get(period, {})
        end, why = (row or new)["period_end"], _reason(figures, mended, grown)
        values = {name: (row.get(name, 0), new.get(name, 0)) for name in figures}
        bounds = {name: (old.bound, now.bound) for name, (old, now) in figures.items()}
        one = {"period": period, "period_end": end, "changed": values}
        data.append({**one, "bounds": bounds, "why": why})
        for name, (old, now) in figures.items():
            texts = [_write(name, old), _write(name, now)]
            rows.append([_period_words(period, end), _MEASURES[name], *texts, why])
    return {
        "range": earlier["range"]["words"],
        "words": _summary(earlier, len(data), mended, grown),
        "changes": data,
        "heads": ["period", "figure", "told", "now", "why"],
        "kinds": ["time", "label", "count", "count", "words"],
        "rows": rows[:_MOST_ROWS],
    }


def _periods_again(
    within: Mapping[str, Any], inputs: ReportInputs, prices: PriceFile
) -> dict[str, dict[str, Any]]:
    """Compute the figures of the periods of an earlier report again, as in JSON."""
    options = {name: within[name] for name in ("every", "tz", "since", "until")}
    choices = price(inputs, prices, ()).choices
    periods = periods_of(
        {name: METRICS[name](choices, by=(), **options) for name in PERIOD_METRICS}
    )
    rows = json.loads(json.dumps(periods, default=plain))
    return {row["period"]: row for row in rows if row["period"]}


def _changed(
    row: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, tuple[Figure, Figure]]:
    """Return the figures of a period that differ between two reports."""
    pairs = {name: (_figure(row, name), _figure(new, name)) for name in _MEASURES}
    return {
        name: (old, now) for name, (old, now) in pairs.items() if old.value != now.value
    }


def _reason(
    changed: Mapping[str, tuple[Figure, Figure]], mended: int, grown: int
) -> str:
    """Return why the figures of a period changed."""
    if "calls" in changed:
        old, new = changed["calls"]
        if old.exceeds(new):
            return "lines are gone"
        if mended <= 0:
            return "late lines"
        return "rejects mended" if mended >= grown else "late lines, rejects mended"
    if "tokens" in changed or "calls_cut_off" in changed:
        return "other lines"
    return "prices"


def _summary(earlier: Mapping[str, Any], changed: int, mended: int, grown: int) -> str:
    """Return what has changed since a report, in one sentence."""
    of = earlier["range"]["words"]
    if not changed:
        return f"Nothing: every closed period of the report on {of} is as it was told."
    text = (
        f"Figures of {plural(changed, 'closed period')} of the report on {of} changed"
    )
    if grown:
        text += f": {calls(grown)} more"
    if mended > 0:
        text += f", {plural(mended, 'reject')} fewer"
    then = earlier["made"]["versions"].get("genai-prices")
    now = versions()["genai-prices"]
    if then != now:
        text += f"; prices of genai-prices {then} then, of {now} now"
    return f"{text}."


def _period_words(start: str, end: str) -> str:
    """Format a period of a report."""
    first, stop = datetime.fromisoformat(start), datetime.fromisoformat(end)
    if first.time() == stop.time() == time.min:
        return format_days(first.date(), stop.date() - timedelta(days=1))
    return format_moment(first, "iso")


def _figure(row: Mapping[str, Any], name: str) -> Figure:
    """Return a figure of a period in JSON; a period that is not there had no calls."""
    value = row.get(name, 0)
    number = None if value is None else Decimal(str(value))
    bound = row.get(f"{name}_bound")
    # Before there were bounds, 0 was written for what is unknown.
    is_vague = bound is None and name in {"tokens", "cost"} and row.get("calls")
    return Figure(number or None if is_vague else number, bound or "exact")


def _write(name: str, figure: Figure) -> str:
    """Format a figure of a period."""
    return format_usd(figure) if name == "cost" else format_count(figure)
