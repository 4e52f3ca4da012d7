"""What is needed to make a report again, and what changed since an earlier one."""

from __future__ import annotations

import json
import os
import shlex
import sys
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from toolkit.charts.colors import check_colors
from toolkit.errors import OptionError, clean, plural
from toolkit.expressions.time_ranges import Span
from toolkit.formatting.dates import format_moment
from toolkit.formatting.figures import Figure
from toolkit.metrics.options import check_options
from toolkit.reading.native import DECODER
from toolkit.report.inputs import iso
from toolkit.report.model import (
    SCHEMA_VERSION,
    Head,
    Made,
    Period,
    Restated,
    RestatedRow,
)
from toolkit.report.tables import MetricTables, figure_of
from toolkit.report.wording import calls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.formatting.figures import Bound
    from toolkit.report.inputs import Plan, ReportInputs
    from toolkit.report.model import Kind

    Options: TypeAlias = Mapping[str, str | Sequence[str] | None]

_EPOCH = "SOURCE_DATE_EPOCH"
# Libraries that may change a figure or a chart.
_LIBRARIES = ("completion-toolkit", "polars", "pyarrow", "matplotlib", "genai-prices")


@cache
def _versions() -> dict[str, str]:
    """Return the versions of Python and the libraries."""
    known = {name: version(name) for name in _LIBRARIES}
    return {**known, "Python": ".".join(map(str, sys.version_info[:3]))}


def build_made(
    tables: MetricTables, inputs: ReportInputs, given: Options, *, uses_clock: bool
) -> Made:
    """Build how the report was made; `uses_clock` is whether it depends on the time.

    `given` are options of the command that the plan lacks, such as ``prices`` and
    ``tag``.
    """
    decoder = DECODER
    if inputs.ledger is not None and len(inputs.ledger):
        decoder = ", ".join(inputs.ledger["decoder"].unique().sort())
    reported = tables.row("cost")["responses_reported"] or 0
    prices = f"own prices of {given['prices']}, then " if given.get("prices") else ""
    prices += f"genai-prices {_versions()['genai-prices']}, on the day of each call"
    if reported:
        prices += (
            f"; {plural(reported, 'call')} at the price that the provider reported"
        )
    return Made(
        list(inputs.names),
        clean(prices),
        _command_of(tables.plan, inputs.names, given, uses_clock=uses_clock),
        _versions(),
        decoder,
        _generated_at(),
    )


def _generated_at() -> str | None:
    """Return the time in SOURCE_DATE_EPOCH; the clock is not read."""
    text = os.environ.get(_EPOCH)
    if not text:
        return None
    try:
        moment = datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        raise OptionError(_EPOCH, text, expected="seconds since 1970") from None
    return f"{format_moment(moment)} UTC"


def _command_of(
    plan: Plan, names: Sequence[str], given: Options, *, uses_clock: bool
) -> str:
    """Return the command that makes the same report again."""
    options: Options = {
        "since": iso(plan.within.start),
        "until": iso(plan.within.end),
        "now": iso(plan.now) if uses_clock else None,
        "compare": "previous" if plan.compares else None,
        "tz": plan.tz,
        "every": plan.every,
        "top": str(plan.top),
        "by": plan.by,
        "provider": plan.provider,
        **given,
        "to": "report.html",
    }
    words = ["toolkit", "report", *(names or ["LOG"])]
    for name, value in options.items():
        for one in [value] if isinstance(value, str) else value or ():
            words += [f"--{name.replace('_', '-')}", clean(one)]
    return shlex.join(words)


# --- What changed since an earlier report --------------------------------------------

# The figures of a period: metric and measure, label and kind.
_FIGURES: dict[str, tuple[str, str, str, Kind]] = {
    "calls": ("token_usage", "responses", "calls", "count"),
    "tokens": ("token_usage", "total_tokens", "tokens", "count"),
    "cost": ("cost", "cost", "cost", "usd"),
    "calls_unpriced": ("cost", "responses_unpriced", "calls without a price", "count"),
    "calls_cut_off": (
        *("truncation_rate", "responses_truncated"),
        *("answers cut off", "count"),
    ),
}
_NO_CALLS = Period(None, None, False, **dict.fromkeys(_FIGURES, Figure(0)))


def read_report(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the JSON of an earlier report, or raise `OptionError`."""
    written = "a report that was written with --to NAME.json"
    expected = f"{written} (version {SCHEMA_VERSION})"
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        is_known = data["schema_version"] == SCHEMA_VERSION and _is_complete(data)
    except OSError as error:
        expected = f"a report that can be read ({error.strerror})"
        raise OptionError("against", str(path), expected=expected) from error
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError):
        is_known = False
    if not is_known:
        raise OptionError("against", str(path), expected=expected)
    return dict(data)


def _is_complete(data: dict[str, Any]) -> bool:
    """Return whether all that is compared is in a report, or raise an error."""
    of = data["range"]
    check_options(tz=of["tz"], every=of["every"])
    check_colors(data.get("colors", {}))
    for end in ("since", "until"):
        _moment(of[end])
    parts = (data["ledger"], data["made"]["versions"])
    is_complete = "words" in of and all(isinstance(part, dict) for part in parts)
    return is_complete and bool(_periods_in(data))


def build_periods(tables: MetricTables) -> list[Period]:
    """Build the figures of every period of the range, also of those without calls."""
    plan = tables.plan
    options = {"every": plan.every, "by": (), "fill": True, **plan.axis}
    rows: dict[datetime | None, dict[str, Any]] = {}
    for name, (metric, measure, *_) in _FIGURES.items():
        table = tables.table(metric, **options).with_columns(plan.is_partial)
        for row in table.to_dicts():
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
    within = Span(*(_moment(of[end]) for end in ("since", "until")))
    plan = tables.plan._replace(within=within, tz=of["tz"], every=of["every"])
    again = build_periods(MetricTables(inputs._replace(choices=tables.choices), plan))
    after = {one.start.astimezone(UTC): one for one in again if one.start is not None}
    known = _periods_in(earlier)
    # Periods before the last one that had no calls then.
    late = {start for start in after.keys() - known.keys() if start < max(known)}
    complete = {start for start, period in known.items() if not period.is_partial}
    pairs = {
        start: _changed(known.get(start, _NO_CALLS), after.get(start, _NO_CALLS))
        for start in sorted(complete | late)
    }
    repaired = 0
    if inputs.ledger is not None and "rejected" in earlier["ledger"]:
        repaired = earlier["ledger"]["rejected"] - inputs.ledger["rejected"].sum()
    counts = [pair["calls"] for pair in pairs.values() if "calls" in pair]
    grown = int(sum(max(Decimal(0), (new - old).number) for old, new in counts))
    rows = []
    for start, pair in pairs.items():
        period, why = known.get(start) or after[start], _reason(pair, repaired, grown)
        for name, (old, new) in pair.items():
            *_, label, kind = _FIGURES[name]
            ends = period.start or start, period.end or start
            rows.append(RestatedRow(*ends, name, label, kind, old, new, why))
    report = f"the earlier report ({of['words']})"
    title, note = f"All figures of {report} still hold", ""
    if not complete:
        title = f"No period of {report} was complete: nothing to compare"
    elif rows:
        has = "has" if len(rows) == 1 else "have"
        title = f"{plural(len(rows), 'figure')} of {report} {has} changed"
        note = _note(earlier["made"]["versions"], repaired, grown)
    return Restated(Head("Corrections to the earlier report", title, note), rows)


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


def _changed(old: Period, new: Period) -> dict[str, tuple[Figure, Figure]]:
    """Return the figures of a period that differ."""
    pairs = {name: (getattr(old, name), getattr(new, name)) for name in _FIGURES}
    return {
        name: pair for name, pair in pairs.items() if pair[0].value != pair[1].value
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
    is_other = "tokens" in changed or "calls_cut_off" in changed
    return "other lines" if is_other else "prices"


def _note(before: Mapping[str, str], repaired: int, grown: int) -> str:
    """Return what else has changed since a report that was made with some versions."""
    notes = [f"{calls(grown)} more"] if grown else []
    if repaired > 0:
        notes.append(f"{plural(repaired, 'rejected line')} fewer")
    then, now = before.get("genai-prices"), _versions()["genai-prices"]
    if then != now:
        notes.append(f"prices of genai-prices {then} before, {now} now")
    return "; ".join(notes) + "." * bool(notes)
