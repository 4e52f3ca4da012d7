"""Where the money went: series by known cost, and how that changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from toolkit.errors import plural
from toolkit.formatting.figures import UNKNOWN, Figure, sum_figures
from toolkit.report.causes import main_reason
from toolkit.report.course import REST, amount_of, series_name
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import Head, ModelRow, Models
from toolkit.report.wording import fraction, join

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from toolkit.report.causes import Change
    from toolkit.report.metric_tables import MetricTables

    Row = Mapping[str, Any]

_MOST_ROWS = 12


def build_models(
    tables: MetricTables,
    change: Change | None,
    names: Mapping[str, str],
    colors: Mapping[str, str],
) -> Models | None:
    """Build the table of series, the most expensive first; None without calls."""
    plan = tables.plan
    costs = tables.series("cost").to_dicts()
    rows = [_row(row, plan.by, names, colors, compares=plan.compares) for row in costs]
    if plan.compares:
        changes = tables.table("cost_change", by=plan.by).to_dicts()
        gone = [row for row in changes if not row["responses"]]
        rows += [_gone(row, plan.by, names, colors) for row in gone]
    if not rows:
        return None
    total = tables.row("cost")
    spent = amount_of(figure_of("cost", "cost", total))
    series = change.series if change is not None else []
    reasons = {one["series"]: main_reason(one, spent) for one in series}
    rows = [
        replace(row, reason=row.reason or reasons.get(row.name, ""))
        if row.change.is_known
        else row
        for row in rows
    ]
    rows.sort(key=_rank)
    by = _noun(plan.by)
    all_rows = _sum(f"All {by}", rows, total)
    title = _title(rows, all_rows, by)
    most = min(plan.top + 1, _MOST_ROWS)
    if len(rows) > most:
        others = rows[most - 1 :]
        rest = _sum(plural(len(others), "other"), others)
        rows = [*rows[: most - 1], rest]
    note = f"In brackets: the {plan.unit} before. " if plan.compares else ""
    note = f"{note}Bars: known cost{' and its change' if plan.compares else ''}."
    return Models(Head("Where the money went", title, note), rows, all_rows)


def _noun(by: Sequence[str]) -> str:
    """Return what the series are."""
    if len(by) != 1:
        return "series" if by else "calls"
    return f"{by[0].removeprefix('tag_').replace('_', ' ')}s"


def _rank(row: ModelRow) -> tuple[float, float, float, str]:
    """Return what rows are sorted by: known cost, then that before."""
    before = amount_of(row.cost - row.change)
    return (-amount_of(row.cost), -before, -amount_of(row.tokens), row.name)


def _row(
    row: Row,
    by: Sequence[str],
    names: Mapping[str, str],
    colors: Mapping[str, str],
    *,
    compares: bool,
) -> ModelRow:
    """Return the row of a series."""
    name = series_name(row, by)
    cost = figure_of("cost", "cost", row)
    before = figure_of("cost", "cost", row, "_before") if compares else UNKNOWN
    return ModelRow(
        name,
        names.get(name, name),
        colors.get(name, REST),
        row["responses"],
        row.get("responses_before"),
        figure_of("cost", "total_tokens", row),
        cost,
        cost - before,
        "",
        row["responses_unpriced"],
    )


def _gone(
    row: Row, by: Sequence[str], names: Mapping[str, str], colors: Mapping[str, str]
) -> ModelRow:
    """Return the row of a series that has calls only in the range before."""
    name = series_name(row, by)
    return ModelRow(
        name,
        names.get(name, name),
        colors.get(name, REST),
        0,
        row["responses_before"],
        Figure(0),
        Figure(0),
        Figure(0) - figure_of("cost_change", "cost_before", row),
        "no more calls",
        0,
    )


def _sum(name: str, rows: Sequence[ModelRow], row: Row | None = None) -> ModelRow:
    """Return several rows as one; `row` has exact sums."""
    before = [one.calls_before for one in rows]
    cost = sum_figures(one.cost for one in rows)
    changes = [one.change for one in rows if one.change.is_known]
    change = sum(changes, Figure(0)) if changes else UNKNOWN
    if row is not None:
        cost = figure_of("cost", "cost", row)
        change = cost - figure_of("cost", "cost", row, "_before")
    return ModelRow(
        name,
        name,
        REST,
        sum(one.calls for one in rows),
        None if None in before else sum(one or 0 for one in before),
        sum_figures(one.tokens for one in rows),
        cost,
        change,
        "",
        sum(one.unpriced for one in rows),
    )


def _title(rows: Sequence[ModelRow], total: ModelRow, by: str) -> str:
    """Return the answer of the table: who has most of the known cost."""
    whole = amount_of(total.cost)
    if not whole:
        return "No call has a known cost" if total.calls else "No calls"
    known = [row for row in rows if amount_of(row.cost)]
    if by == "calls":
        return "The known cost of all calls"
    if len(known) == 1:
        return f"{known[0].short} is all of the known cost"
    part, shown = 0.0, []
    for row in known[:3]:
        shown.append(row.short)
        part += amount_of(row.cost) / whole
        if part >= 0.5:
            break
    if part < 0.25:
        return f"The known cost is spread over {len(known):,} {by}"
    verb = "is" if len(shown) == 1 else "are"
    return f"{join(shown)} {verb} {fraction(part)} of the known cost"
