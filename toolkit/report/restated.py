"""Restatement: complete periods whose figures have changed since an earlier report."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import metrics
from toolkit.errors import OptionError, plural
from toolkit.expressions.time_ranges import moment
from toolkit.formatting.dates import format_days, format_moment
from toolkit.formatting.text import format_count, format_usd
from toolkit.report.inputs import price
from toolkit.report.provenance import versions
from toolkit.report.tables import periods_of
from toolkit.report.to_json import SCHEMA_VERSION, plain
from toolkit.report.wording import calls

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from toolkit.pricing.price_file import Prices
    from toolkit.report.inputs import ReportInputs

_MEASURES = {
    "calls": "calls",
    "tokens": "tokens",
    "cost": "cost",
    "calls_unpriced": "calls without a price",
    "calls_cut_off": "calls cut off",
}
_MOST_ROWS = 100


def read_report(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the JSON of an earlier report, or raise `OptionError`."""
    expected = (
        f"a report that was written with --to NAME.json (version {SCHEMA_VERSION})"
    )
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        known = data["schema_version"] == SCHEMA_VERSION
        periods = {row["period"]: row for row in data["periods"]}
        _ = data["range"]["tz"], data["range"]["every"], data["data"]["ledger"]
    except OSError as error:
        expected = f"a report that can be read ({error.strerror})"
        raise OptionError("against", str(path), expected=expected) from error
    except (ValueError, KeyError, TypeError) as error:
        raise OptionError("against", str(path), expected=expected) from error
    if not known or not periods:
        raise OptionError("against", str(path), expected=expected)
    return dict(data)


def compare_with(
    earlier: Mapping[str, Any],
    inputs: ReportInputs,
    prices: Prices,
) -> dict[str, Any]:
    """Return the figures of complete periods that differ from an earlier report."""
    now = _periods_again(earlier["range"], inputs, prices)
    before = {
        row["period"]: row
        for row in earlier["periods"]
        if row["period"] is not None and not row["partial"]
    }
    after = {row["period"]: row for row in json.loads(json.dumps(now, default=plain))}
    ledger = earlier["data"]["ledger"]
    mended = 0
    if inputs.ledger is not None and ledger:
        mended = ledger["rejected"] - int(inputs.ledger["rejected"].sum() or 0)
    data: list[dict[str, Any]] = []
    late = {period for period in after if period and _was_empty(period, earlier)}
    for period in sorted(before.keys() | late):
        row, new = before.get(period, {}), after.get(period, {})
        changed = {
            name: (row.get(name, 0), new.get(name, 0))
            for name in _MEASURES
            if Decimal(row.get(name) or 0) != Decimal(new.get(name) or 0)
        }
        if changed:
            end = (row or new)["period_end"]
            data.append({"period": period, "period_end": end, "changed": changed})
    grown = sum(
        max(0, one["changed"].get("calls", (0, 0))[1] - one["changed"]["calls"][0])
        for one in data
        if "calls" in one["changed"]
    )
    for one in data:
        one["why"] = _reason(one["changed"], mended, grown)
    rows = [
        [
            _period_words(one["period"], one["period_end"]),
            _MEASURES[name],
            _write(name, old),
            _write(name, new),
            one["why"],
        ]
        for one in data
        for name, (old, new) in one["changed"].items()
    ]
    return {
        "range": earlier["range"]["words"],
        "words": _summary(earlier, data, mended, grown),
        "changes": data,
        "heads": ["period", "figure", "told", "now", "why"],
        "kinds": ["time", "label", "count", "count", "words"],
        "rows": rows[:_MOST_ROWS],
    }


def _periods_again(
    within: Mapping[str, Any], inputs: ReportInputs, prices: Prices
) -> list[dict[str, Any]]:
    """Compute the figures of the periods of an earlier report again."""
    options: dict[str, Any] = {
        "every": within["every"],
        "by": (),
        "tz": within["tz"],
        "since": within["since"],
        "until": within["until"],
    }
    since = moment("since", within["since"], within["tz"])
    choices = price(inputs, prices, (), since).priced
    return periods_of(
        metrics.token_usage(choices, **options),
        metrics.cost(choices, **options),
        metrics.truncation_rate(choices, **options),
    ).to_dicts()


def _was_empty(period: str, earlier: Mapping[str, Any]) -> bool:
    """Return whether a period had no calls then, although a later one had."""
    known = [row["period"] for row in earlier["periods"] if row["period"] is not None]
    return period not in known and any(
        datetime.fromisoformat(period) < datetime.fromisoformat(one) for one in known
    )


def _reason(changed: Mapping[str, tuple[Any, Any]], mended: int, grown: int) -> str:
    """Return why the figures of a period changed."""
    if "calls" in changed:
        old, new = changed["calls"]
        if new < old:
            return "lines are gone"
        if mended <= 0:
            return "late lines"
        return "rejects mended" if mended >= grown else "late lines, rejects mended"
    if "tokens" in changed or "calls_cut_off" in changed:
        return "other lines"
    return "prices"


def _summary(
    earlier: Mapping[str, Any],
    data: list[dict[str, Any]],
    mended: int,
    grown: int,
) -> str:
    """Return what has changed since a report, in one sentence."""
    of = earlier["range"]["words"]
    if not data:
        return f"Nothing: every closed period of the report on {of} is as it was told."
    text = (
        f"Figures of {plural(len(data), 'closed period')} of the report on {of} changed"
    )
    if grown:
        text += f": {calls(grown)} more"
    if mended > 0:
        text += f", {plural(mended, 'reject')} fewer"
    then = earlier["made"]["versions"].get("genai-prices")
    now = versions()["genai-prices"]
    if then != now:
        text += f"; prices of genai-prices {then} were {now} now"
    return f"{text}."


def _period_words(start: str, end: str) -> str:
    """Format a period of a report."""
    first, stop = datetime.fromisoformat(start), datetime.fromisoformat(end)
    midnight = first.time() == stop.time() == first.time().min
    if midnight:
        return format_days(first.date(), stop.date() - timedelta(days=1))
    return format_moment(first, "iso")


def _write(name: str, value: object) -> str:
    """Format a figure of a period."""
    number = None if value is None else Decimal(str(value))
    return format_usd(number) if name == "cost" else format_count(number)
