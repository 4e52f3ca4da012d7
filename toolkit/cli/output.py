"""Output of the command: tables that fit the terminal, and safe JSON and CSV.

A log is not trusted: nothing in it may control the screen or become a formula.
"""

from __future__ import annotations

import csv
import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from rich import box, progress
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from toolkit.errors import clean, plural
from toolkit.formatting.figures import Figure, sum_with_gaps
from toolkit.formatting.text import UNKNOWN_TEXT, format_count, format_usd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import polars as pl

    from toolkit.metrics.explain import Explained
    from toolkit.metrics.spec import MetricSpec
    from toolkit.reading.check import CheckResult
    from toolkit.schema import Table as DeclaredTable

    _Row: TypeAlias = tuple[str, int | str, str]

_MOST_LINES = 100


def print_result(text: str) -> None:
    """Print a result."""
    print(text)  # noqa: T201 - the one place that prints


def print_message(text: str) -> None:
    """Print a message about the result on stderr, in one line."""
    print(clean(text), file=sys.stderr)  # noqa: T201 - the one place that prints


def print_json(data: object) -> None:
    """Print a result as JSON."""
    print_result(_to_json(data))


def _to_json(data: object) -> str:
    """Format JSON: times in ISO 8601, in ASCII so that nothing controls the screen.

    Money is a string, because no float is exact.
    """
    return json.dumps(data, indent=1, default=_plain, allow_nan=False)


def _plain(value: Any) -> str:
    """Format money, with all digits, or a time for JSON and CSV."""
    return f"{value:f}" if isinstance(value, Decimal) else value.isoformat()


def print_data(
    frame: pl.DataFrame, form: str | None, spec: MetricSpec | None = None
) -> bool:
    """Print a table as JSON or CSV; return whether either was asked for.

    That of a metric gets the bounds of its figures.
    """
    if spec is not None and form:
        # Imported here: polars is not needed for --help.
        from toolkit.metrics.bounds import with_bounds

        frame = with_bounds(frame, spec)
    if form == "json":
        print_json(frame.to_dicts())
    elif form == "csv":
        _print_csv(frame)
    return form is not None


def print_batches(batches: Iterable[pl.DataFrame], form: str | None) -> None:
    """Print tables that follow each other as one, in JSON or else CSV."""
    if form == "json":
        rows = (row for batch in batches for row in batch.iter_rows(named=True))
        texts = map(_to_json, rows)
        print_result(f"[{next(texts, '')}")
        for text in texts:
            print_result(f",{text}")
        print_result("]")
    else:
        for number, batch in enumerate(batches):
            _print_csv(batch, has_header=not number)


def _print_csv(frame: pl.DataFrame, *, has_header: bool = True) -> None:
    """Print CSV in which no cell is a formula to a spreadsheet."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if has_header:
        writer.writerow(frame.columns)
    for row in frame.iter_rows():
        writer.writerow([_safe_cell(cell) for cell in row])


def _safe_cell(cell: object) -> object:
    """Format a cell of CSV."""
    if isinstance(cell, datetime | Decimal):
        return _plain(cell)
    if isinstance(cell, str):
        cell = clean(cell)
        return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell
    return cell


def print_table(
    frame: pl.DataFrame, spec: MetricSpec, by: Sequence[str] | None = None
) -> None:
    """Print the table of a metric, as wide as the terminal, with its sums.

    Parameters
    ----------
    frame
        Its table.
    spec
        Its declaration.
    by
        The columns that name the series, if they are not those of the default.
    """
    # Imported here: polars is not needed for --help.
    from toolkit.cli.tables import lay_out, notes_of

    if frame.is_empty():
        rows = spec.name.replace("_", " ") if spec.key_names else "responses"
        print_message(f"no {rows}, or none in this range")
        return
    console = Console()
    layout = lay_out(frame, spec, console.width, cell_len, by)
    table = Table(
        box=box.SIMPLE_HEAD,
        show_footer=bool(spec.sums),
        pad_edge=False,
        padding=0,
        caption="\n".join(notes_of(frame, spec, layout)) or None,
        caption_justify="left",
    )
    for column in layout.shown:
        table.add_column(
            Text(column.heading),
            column.footer,
            justify="left" if column.at_left else "right",
            no_wrap=not column.folds,
            overflow="fold",
        )
    for row in zip(*[column.cells for column in layout.shown], strict=True):
        table.add_row(*map(Text, row))
    console.print(table)
    if layout.left_out:
        more = plural(len(layout.left_out), "more column")
        print_message(f"{more}: use a wider terminal, or --csv")


def print_explained(explained: Explained) -> None:
    """Print what a model cost on a day: sum, prices, lines, and what has no price."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.pricing.rates import MEANINGS, Reason

    lines, day = explained.lines, explained.date or "undated"
    console = Console()
    console.print(Text(clean(f"{explained.model}, {day}: {explained.summary}")))
    rows: list[_Row] = []
    names = explained.prices.drop("price", "source", "responses", "cost").columns
    for row in explained.prices.iter_rows(named=True):
        known = {name: row[name] for name in names if row[name] is not None}
        if not known["request"]:  # most models have no price of a request
            del known["request"]
        rates = ", ".join(f"{name} {usd.normalize():f}" for name, usd in known.items())
        text = f"{format_usd(row['cost'], 'exact')} by {row['source']}: {rates}"
        rows.append((f"price {row['price']}", row["responses"], text))
    reported = lines.filter(cost_source="reported")
    if reported.height:
        cost = format_usd(reported["cost"].sum(), "exact")
        text = f"{cost}, as the provider reports"
        rows.append(("reported", reported.height, text))
    for row in explained.unseen.iter_rows(named=True):
        text = f"{MEANINGS[Reason(row['reason'])]}: {missing_tokens(row)}"
        rows.append(("unpriced", row["responses"], text))
    _print_pairs("Responses", rows)
    first = f" (the first {_MOST_LINES:,})" if lines.height > _MOST_LINES else ""
    shown = lines.head(_MOST_LINES).iter_rows(named=True)
    pairs = [(_line_words(row), _cost_words(row), row["place"]) for row in shown]
    _print_pairs(f"Lines{first}", pairs)


def missing_tokens(row: dict[str, Any]) -> str:
    """Return how many tokens have no price, in words."""
    missing, of = row["responses_without_usage"], row["responses"]
    figure = sum_with_gaps(row["total_tokens"], missing=missing, of=of)
    return f"{format_count(figure, words=True)} tokens"


def _line_words(row: dict[str, Any]) -> str:
    """Format the time and the token counts of a line."""
    when = f"{row['created']:%H:%M:%S}" if row["created"] else "undated"
    counts = (row["prompt_tokens"], row["completion_tokens"])
    prompt, completion = ("?" if count is None else f"{count:,}" for count in counts)
    cached = f" ({row['cached_tokens']:,} cached)" if row["cached_tokens"] else ""
    return f"{when} {prompt}{cached} + {completion}"


def _cost_words(row: dict[str, Any]) -> str:
    """Format what a line cost, or why that is unknown."""
    return row["reason"] if row["cost"] is None else format_usd(row["cost"], "exact")


def print_check(checked: CheckResult) -> None:
    """Print the ledger, the rejects and the findings of logs."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.reading.ledger import TOTALS, LedgerBuilder
    from toolkit.schema.tables import LEDGER

    print_passed_over(checked.passed_over)
    totals = checked.ledger.sum().row(0, named=True)
    names = [name for name in TOTALS if name not in LedgerBuilder.SUMS]
    counts = [(name, totals[name], LEDGER[name].description) for name in names]
    logs = ("logs", len(checked.ledger), "")
    tokens = ("total_tokens", totals["total_tokens"], "as reported")
    _print_pairs("Ledger", [logs, *counts, tokens])
    rejects = [(row.code, row.lines, f"first {row.first}") for row in checked.rejects]
    _print_pairs("Rejects", rejects)
    damage = checked.ledger["error"].drop_nulls().to_list()
    if damage:
        _print_sentences("Damage", damage)
    hints = checked.ledger.select("source", "hint").drop_nulls().rows()
    if hints:
        _print_sentences("Hints", [f"{source} {hint}" for source, hint in hints])
    verdict = checked.failures or ["every row passed"]
    _print_pairs("Schema", [("pandera", "", sentence) for sentence in verdict])
    findings = [
        (row.code, row.responses, f"{row.words}; first {row.first}")
        for row in checked.findings
    ]
    _print_pairs("Findings", findings)
    number, latest, days = _catalogue()
    since = f"latest price change {latest}, {plural(days, 'day')} ago"
    _print_pairs("Prices", [("genai-prices", number, since)])


def _catalogue() -> tuple[str, str, int]:
    """Return the version of the price data, its latest change, and how old that is."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.pricing.catalogue import catalogue_age

    today = datetime.now(UTC).date()
    number, latest = catalogue_age(today)
    return number, latest.isoformat(), (today - latest).days


def _print_pairs(title: str, rows: Sequence[_Row]) -> None:
    """Print a heading and its rows: name, figure, text."""
    console = Console()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for name, figure, text in rows or [("none", "", "")]:
        number = f"{figure:,}" if isinstance(figure, int) else figure
        table.add_row(Text(name), number, Text(clean(text)))
    console.print(Text(title, style="bold"))
    console.print(Padding(table, (0, 0, 0, 2)))


def _print_sentences(title: str, sentences: Sequence[str]) -> None:
    """Print a heading and sentences below it."""
    console = Console()
    console.print(Text(title, style="bold"))
    for sentence in sentences:
        console.print(Padding(Text(clean(sentence)), (0, 0, 0, 2)))


def check_data(checked: CheckResult) -> dict[str, object]:
    """Return the ledger, the rejects and the findings of logs, for JSON."""
    number, latest, _ = _catalogue()
    return {
        "ledger": checked.ledger.to_dicts(),
        "rejects": [row._asdict() for row in checked.rejects],
        "schema_failures": checked.failures,
        "findings": [row._asdict() for row in checked.findings],
        "passed_over": checked.passed_over,
        "prices": {"genai-prices": number, "latest_change": latest},
    }


def table_data(table: DeclaredTable) -> list[dict[str, object]]:
    """Return the data dictionary of a table, for JSON."""
    return [
        {
            "name": column.name,
            "type": str(column.type),
            "grain": column.grain,
            "unit": column.unit,
            "nullable": column.nullable,
            "description": column.description,
            "paths": column.paths_by_api,
        }
        for column in table.columns
    ]


def print_schema() -> None:
    """Print the data dictionary, a table for each table."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.schema.tables import TABLES

    for table in TABLES:
        shown = Table(box=box.SIMPLE_HEAD, title=table.name, title_justify="left")
        for name in ("column", "type", "grain", "unit", "what"):
            shown.add_column(name)
        for column in table.columns:
            kind = "list<call>" if column.name == "tool_calls" else str(column.type)
            shown.add_row(
                column.name, kind, column.grain, column.unit, column.description
            )
        Console().print(shown)


def print_settings(settings: Sequence[tuple[str, object, str]]) -> None:
    """Print settings as lines of TOML, each with a comment on where it comes from."""
    for name, value, source in settings:
        line = f"{'# ' if value is None else ''}{name} = {_as_toml(value)}"
        print_result(f"{line}  # {clean(source)}")


def _as_toml(value: object) -> str:
    """Format a value as TOML; None: not set."""
    if value is None:
        return "not set"
    if isinstance(value, dict):
        members = [f"{json.dumps(key)} = {_as_toml(of)}" for key, of in value.items()]
        return f"{{ {', '.join(members)} }}" if members else "{}"
    # A string or a list of JSON, in ASCII, is one of TOML.
    return json.dumps(value)


def print_hints(ledger: pl.DataFrame) -> None:
    """Print what files and rejected lines that are no responses look like."""
    for source, hint in ledger.select("source", "hint").drop_nulls().rows():
        print_message(f"{source} {hint}")


def print_passed_over(passed_over: dict[str, int]) -> None:
    """Print which files of a directory were not read."""
    if passed_over:
        # Imported here: polars and Arrow are not needed for --help.
        from toolkit.reading.discovery import passed_over_words

        print_message(passed_over_words(passed_over))


@contextmanager
def show_progress(what: str) -> Iterator[Callable[[int], None]]:
    """Show bytes and rate while work goes on, on a terminal only."""
    console = Console(stderr=True)
    with progress.Progress(
        progress.TextColumn(what),
        progress.DownloadColumn(),
        progress.BarColumn(),
        progress.TransferSpeedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as shown:
        task = shown.add_task(what, total=None)
        yield lambda size: shown.advance(task, size)


def print_reconciled(rows: pl.DataFrame) -> None:
    """Print a log beside its bill: a row for each day and model, and their sum."""
    table = _money_table(("day", "model"), ("log", "bill", "difference"))
    table.add_column("explanation", overflow="fold")
    unnamed = "all" if rows["model"].is_null().all() else UNKNOWN_TEXT
    for row in rows.iter_rows(named=True):
        names = (str(row["day"] or "undated"), clean(row["model"] or unnamed))
        if row["is_total"]:
            names = ("total", "")
            table.add_section()
        amounts = _amounts(row, "cost", "cost_invoiced", "difference")
        table.add_row(*map(Text, (*names, *amounts, row["explanation"])))
    Console().print(table)
    compared = rows.filter(is_total=False)
    agreeing = compared.filter(explanation="agrees").height
    print_message(f"{agreeing:,} of {plural(compared.height, 'row')} agree")


def print_elsewhere(rows: pl.DataFrame, model: str) -> None:
    """Print what the same tokens cost at another model, a row for each model."""
    table = _money_table(("model", "responses"), ("now", model, "difference"))
    for row in rows.iter_rows(named=True):
        names = (clean(row["model"] or UNKNOWN_TEXT), f"{row['responses']:,}")
        amounts = _amounts(row, "cost", "cost_elsewhere", "difference")
        table.add_row(*map(Text, (*names, *amounts)))
    Console().print(table)


def _money_table(names: Sequence[str], amounts: Sequence[str]) -> Table:
    """Return a table of amounts without rows."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold")
    for name in amounts:
        table.add_column(Text(clean(name)), justify="right", no_wrap=True)
    return table


def _amounts(row: dict[str, Any], *names: str) -> list[str]:
    """Format amounts of a row, with their bounds."""
    figures = (Figure(row[name], row.get(f"{name}_bound") or "exact") for name in names)
    return [format_usd(figure, "exact") for figure in figures]
