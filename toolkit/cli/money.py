"""The commands about money: `cost`, `explain` and `reconcile`."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING, Any, Literal

from toolkit.cli.options import RANGE, READ, LogsOrExport, shared
from toolkit.cli.output import (
    print_csv,
    print_data,
    print_explained,
    print_json,
    print_message,
    print_reconciled,
    print_table,
    show_progress,
)
from toolkit.cli.values import parse_pairs
from toolkit.errors import OptionError, plural

if TYPE_CHECKING:
    import polars as pl

_PERIOD = ("period", "period_end", "partial")
# Columns that `cost` prints beside those of the period and the series.
_SPENT = ("cost", "responses", "responses_unpriced", "total_tokens")
_MOST_MISSING = 10
_LONGEST_NAME = 60
_READ = ("prices", "as_json", "as_csv", *READ)


@shared("every", "by", *RANGE, *_READ)
def cost(
    logs: LogsOrExport, as_json: bool = False, as_csv: bool = False, **options: Any
) -> None:
    """Print what responses cost in US dollars, and which have no known price."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.explain import spending
    from toolkit.metrics.registry import SPECS

    with show_progress("reading") as progress:
        spent = spending(logs, progress=progress, **options)
    costs = spent.costs
    if not print_data(costs, SPECS["cost"], as_json=as_json, as_csv=as_csv):
        series = options.get("by", ("model",))
        periods = [name for name in _PERIOD if name in costs.columns]
        shown = costs.select(*periods, *series, *_SPENT)
        print_table(shown, SPECS["cost"], series)
    if not costs.is_empty():
        print_message(spent.summary)
    _print_missing(spent.missing)


@shared("model", "date", "tz", *_READ)
def explain(
    logs: LogsOrExport,
    model: str,
    date: str,
    as_json: bool = False,
    as_csv: bool = False,
    **options: Any,
) -> None:
    """Print the prices and the log lines behind the cost of a model on one day."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.explain import explain as explain_spending

    day = None if date == "undated" else date
    with show_progress("reading") as progress:
        explained = explain_spending(
            logs, model=model, date=day, progress=progress, **options
        )
    if as_json:
        parts = ("prices", "lines", "unseen")
        tables = {part: getattr(explained, part).to_dicts() for part in parts}
        print_json({"summary": explained.summary, **tables})
    elif as_csv:
        print_csv(explained.lines)
    else:
        print_explained(explained)
    if as_json or as_csv:
        print_message(explained.summary)


@shared("invoice", "match", "provider", "column", *RANGE[1:], *_READ)
def reconcile(
    logs: LogsOrExport,
    invoice: str,
    match: Literal["family", "name"] = "family",  # `reconcile` checks it
    provider: str | None = None,
    column: list[str] | None = None,
    as_json: bool = False,
    as_csv: bool = False,
    prices: str | None = None,
    **options: Any,
) -> None:
    """Compare the log with a provider's invoice, by UTC day and model."""
    # Imported here: what a command does not use is not loaded.
    import polars as pl

    from toolkit.pricing.reconciliation import reconcile as reconcile_log
    from toolkit.reading.scan import scan

    since, until = options.get("since"), options.get("until")
    for name, bound in (("since", since), ("until", until)):
        if bound is not None and bound.time() != time():
            raise OptionError(name, str(bound), expected="the start of a day in UTC")
    columns: dict[str, list[str]] = {}
    for name, of_invoice in parse_pairs("column", column or []):
        columns.setdefault(name, []).append(of_invoice)
    with show_progress("reading") as progress:
        choices = scan(logs, progress=progress, **options)
        if provider is not None:
            choices = choices.filter(pl.col("provider") == provider)
        rows = reconcile_log(
            choices, invoice, match=match, columns=columns, prices=prices
        )
    if since is not None:
        rows = rows.filter(pl.col("day") >= since.date())
    if until is not None:
        rows = rows.filter(pl.col("day") < until.date())
    if not print_data(rows, as_json=as_json, as_csv=as_csv):
        print_reconciled(rows)


def _print_missing(missing: pl.DataFrame) -> None:
    """List what has no known price, the most tokens first."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.pricing.rates import MEANINGS, Reason

    for row in missing.head(_MOST_MISSING).iter_rows(named=True):
        names = [row[name] for name in ("model", "provider", "service_tier")]
        called = ", ".join(name for name in names if name) or "responses without model"
        if len(called) > _LONGEST_NAME:
            called = f"{called[:_LONGEST_NAME]}..."
        print_message(
            f"no price for {called} ({MEANINGS[Reason(row['reason'])]}): "
            f"{plural(row['responses'], 'response')}, {row['total_tokens']:,} tokens"
        )
    if missing.height > _MOST_MISSING:
        print_message(f"no price for {missing.height - _MOST_MISSING:,} more")
