"""The commands about money: `cost`, `explain`, `focus` and `reconcile`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from toolkit import system
from toolkit.cli import output
from toolkit.cli.command_line import check_folder, fail
from toolkit.cli.options import FORM, RANGE, READ, command
from toolkit.errors import plural
from toolkit.formatting.parameters import TABLE_ENDINGS, check_ending
from toolkit.formatting.text import format_name

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl


# Columns that `cost` prints beside those of the period and the series.
_SPENT = (
    "cost", "responses", "responses_unpriced", "total_tokens",
    "responses_without_usage",
)  # fmt: skip
_MOST_MISSING = 10
_READ = ("provider", "prices", *FORM, *READ)
_RECONCILED = ("tolerance", "match", "columns", "prices")
_DIFFERS = 3


@command("sources", "every", "by", *RANGE, "as_model", "as_lines", *_READ)
def cost(
    configured: set[str],
    sources: list[str],
    as_model: str | None = None,
    as_lines: bool = False,
    form: output.Form | None = None,
    **options: Any,
) -> None:
    """Print what responses cost in US dollars, and which have no known price."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.cli.screen import print_table
    from toolkit.metrics.explain import cost_lines, spending
    from toolkit.metrics.options import PERIOD
    from toolkit.metrics.registry import SPECS

    if as_model is not None or as_lines:
        grouped = [name for name in ("every", "by") if options.pop(name, None)]
        if any(name not in configured for name in grouped):
            fail("--as and --lines cannot be combined with --every or --by")
    with output.show_progress("reading") as progress:
        if as_model is not None:
            _print_elsewhere(sources, as_model, form, progress=progress, **options)
            return
        if as_lines:
            lines = cost_lines(sources, progress=progress, **options)
            output.print_batches(lines, form)
            return
        spent = spending(sources, progress=progress, **options)
    costs = spent.costs
    if not output.print_data(costs, form, SPECS["cost"]):
        series = options.get("by", ("model",))
        periods = [name for name in PERIOD if name in costs.columns]
        shown = costs.select(*periods, *series, *_SPENT)
        print_table(shown, SPECS["cost"], series)
    if not costs.is_empty():
        output.print_message(spent.summary)
    _print_missing(spent.missing)


@command("sources", "model", "date", "tz", *_READ)
def explain(
    sources: list[str],
    model: str,
    date: str,
    form: output.Form | None = None,
    **options: Any,
) -> None:
    """Print the prices and the log lines behind the cost of a model on one day."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.cli.screen import print_explained
    from toolkit.metrics.explain import explain as explain_spending

    day = None if date == "undated" else date
    with output.show_progress("reading") as progress:
        explained = explain_spending(
            sources, model=model, date=day, progress=progress, **options
        )

    def data() -> dict[str, object]:
        parts = ("prices", "lines", "unseen")
        tables = {part: getattr(explained, part).to_dicts() for part in parts}
        return {"summary": explained.summary, **tables}

    if not output.print_data(explained.lines, form, data=data):
        print_explained(explained)
    if form:
        output.print_message(explained.summary)


@command("sources", "month", "to_focus", "account", "provider", "prices", *READ)
def focus(
    sources: list[str],
    month: str,
    to: Path,
    account: str | None = None,
    provider: str | None = None,
    prices: str | None = None,
    **options: Any,
) -> None:
    """Write the costs of a month in the columns of FOCUS 1.2, for a FinOps tool."""
    # Imported here: what a command does not use is not loaded.
    from polars.selectors import datetime as datetime_columns

    from toolkit.formatting.table_files import to_csv, write_table
    from toolkit.pricing.focus_export import focus as focus_rows
    from toolkit.pricing.focus_export import month_span
    from toolkit.reading.scan import scan

    check_ending("to", to, TABLE_ENDINGS)
    check_folder(to)
    since, until = month_span(month)
    with output.show_progress("reading") as progress:
        choices = scan(sources, since=since, until=until, progress=progress, **options)
        rows = focus_rows(
            choices, month=month, prices=prices, provider=provider, account=account
        )
    if to.suffix.lower() == ".csv":
        # As FOCUS has it: times end in Z, and there is no byte-order mark.
        times = datetime_columns().dt.to_string("%Y-%m-%dT%H:%M:%SZ")
        text = to_csv(rows.with_columns(times), in_file=True)
        system.write_whole(to, text.encode())
    else:
        write_table(rows, to)
    unpriced = int(rows["x_ResponsesUnpriced"].sum())
    unknown = f", without the unknown cost of {plural(unpriced, 'response')}"
    output.print_message(
        f"{to} written, {plural(rows.height, 'row')}{unknown if unpriced else ''}"
    )


@command(
    "sources", "bill", "tolerance", "match", "vendor", "columns", *RANGE[1:], *_READ
)
def reconcile(
    sources: list[str],
    bill: str,
    vendor: str | None = None,
    provider: str | None = None,
    form: output.Form | None = None,
    **options: Any,
) -> None:
    """Compare the log with a provider's bill, by UTC day and model."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.cli.screen import print_reconciled
    from toolkit.expressions import vendors
    from toolkit.pricing import reconciliation
    from toolkit.pricing.price_file import read_prices
    from toolkit.reading.scan import scan

    own = {name: options.pop(name) for name in _RECONCILED if name in options}
    own |= {name: options[name] for name in ("since", "until") if name in options}
    with output.show_progress("reading") as progress:
        choices = scan(sources, progress=progress, **options)
        if vendor is not None:
            choices = choices.filter(
                vendors.vendor(provider) == vendors.seller_named(vendor)
            )
        own["prices"] = read_prices(own.get("prices"), provider)
        rows = reconciliation.reconcile(choices, bill, **own)
    if not output.print_data(rows, form):
        print_reconciled(rows)
    differs = rows.filter(is_total=False)["explanation"] != reconciliation.AGREES
    if "tolerance" in own and differs.any():
        raise SystemExit(_DIFFERS)


def _print_elsewhere(
    sources: list[str], model: str, form: output.Form | None, **options: Any
) -> None:
    """Print what the same tokens cost at another model."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.cli.screen import print_elsewhere
    from toolkit.pricing.alternatives import what_if
    from toolkit.pricing.price_file import read_prices
    from toolkit.reading.scan import scan

    prices = read_prices(options.pop("prices", None), options.pop("provider", None))
    rows = what_if(scan(sources, **options), model=model, prices=prices)
    if not output.print_data(rows, form):
        print_elsewhere(rows, model)
    output.print_message(
        "an estimate: another model uses other tokens for the same text"
    )


def _print_missing(missing: pl.DataFrame) -> None:
    """List what has no known price, the most tokens first, and how to price it."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.pricing.rates import MEANINGS, Reason
    from toolkit.pricing.unpriced import likely_name

    unknown = (Reason.NO_PROVIDER, Reason.UNKNOWN_MODEL, Reason.UNKNOWN_PROVIDER)
    example = ""
    for row in missing.head(_MOST_MISSING).iter_rows(named=True):
        names = [row[name] for name in ("model", "provider", "service_tier")]
        called = ", ".join(name for name in names if name) or "responses without model"
        likely, shown = likely_name(row), format_name(called)
        if row["reason"] in unknown and not likely and shown == called:
            example = example or json.dumps(row["model"], ensure_ascii=False)
        tokens = output.missing_tokens(row)
        output.print_message(
            f"no price for {shown} ({MEANINGS[Reason(row['reason'])]}): "
            f"{plural(row['responses'], 'response')}, {tokens}{likely}"
        )
    if missing.height > _MOST_MISSING:
        output.print_message(f"no price for {missing.height - _MOST_MISSING:,} more")
    if example:
        output.print_message(
            "to price them: --provider NAME if your lines name no provider, or "
            "--prices FILE with a line of these (USD per million tokens):"
        )
        output.print_message(f'aliases = {{{example} = "the model that it is"}}')
        output.print_message(
            f'price = [{{model = {example}, input = "?", output = "?"}}]'
        )
