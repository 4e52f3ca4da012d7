"""Tables in the terminal, as wide as it is.

A log is not trusted: its text is cleaned before it is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from toolkit.cli.output import (
    describe_catalogue,
    missing_tokens,
    print_message,
    print_passed_over,
)
from toolkit.cli.tables import lay_out, notes_of
from toolkit.errors import clean, plural
from toolkit.formatting.figures import Figure
from toolkit.formatting.text import UNKNOWN_TEXT, format_usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

    from toolkit.cli.tables import TableColumn
    from toolkit.metrics.explain import Explained
    from toolkit.metrics.spec import MetricSpec
    from toolkit.reading.check import CheckResult

    _Row: TypeAlias = tuple[str, int | str, str]

_MOST_LINES = 100
_NARROWEST = 4  # of a column of names
_RULE = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"


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
    if frame.is_empty():
        rows = spec.name.replace("_", " ") if spec.key_names else "responses"
        print_message(f"no {rows}, or none in this range")
        return
    console = Console()
    layout = lay_out(frame, spec, console.width, by)
    grid = _Grid(layout.shown, console)
    blank = " " * grid.width
    console.out(blank)
    grid.draw([[one.heading for one in layout.shown]], "table.header", is_heading=True)
    rule = "-" if console.options.ascii_only else _RULE
    console.out(f" {rule * (grid.width - 2)} ")
    grid.draw(zip(*[one.cells for one in layout.shown], strict=True))
    if spec.sums:
        console.out(blank)
        grid.draw([[one.footer for one in layout.shown]], "table.footer")
    console.out(blank)
    for note in notes_of(frame, spec, layout):
        console.print(Text(note, "table.caption"), width=grid.width, justify="left")
    if layout.left_out:
        more = plural(len(layout.left_out), "more column")
        print_message(f"{more} (no room, or only 0 or unknown): use --csv")


class _Grid:
    """A table of text. One of rich would take a millisecond for some dozen cells."""

    def __init__(self, columns: Sequence[TableColumn], console: Console) -> None:
        self.columns, self.console = columns, console
        self.widths = [column.width for column in columns]
        self.width = sum(self.widths) + len(columns) + 1
        folding = [place for place, column in enumerate(columns) if column.folds]
        while self.width > console.width and folding:
            widest = max(reversed(folding), key=self.widths.__getitem__)
            if self.widths[widest] <= _NARROWEST:
                break
            self.widths[widest] -= 1
            self.width -= 1

    def draw(
        self,
        rows: Iterable[Sequence[str]],
        style: str | None = None,
        *,
        is_heading: bool = False,
    ) -> None:
        """Print rows: names are folded, numbers have the width that they need."""
        lines = [line for row in rows for line in self._lines(row, is_heading)]
        self.console.out("\n".join(lines), style=style, highlight=False)

    def _lines(self, row: Sequence[str], is_heading: bool) -> list[str]:
        """Return the lines of a row; a heading is aligned at the bottom."""
        cells = list(map(self._fold, row, self.columns, self.widths))
        height = max(map(len, cells))
        drawn = []
        for parts, column, width in zip(cells, self.columns, self.widths, strict=True):
            empty = [""] * (height - len(parts))
            parts = [*empty, *parts] if is_heading else [*parts, *empty]
            drawn.append([_pad(part, width, column.at_left) for part in parts])
        return [f" {' '.join(line)} " for line in zip(*drawn, strict=True)]

    def _fold(self, text: str, column: TableColumn, width: int) -> list[str]:
        """Break a text into lines of a width."""
        if not column.folds or cell_len(text) <= width:
            return text.split("\n")
        lines = Text(text).wrap(self.console, width, overflow="fold")
        return [line.plain.rstrip() for line in lines]


def _pad(text: str, width: int, at_left: bool) -> str:
    """Return a text with spaces behind it, or in front of it."""
    spaces = " " * (width - cell_len(text))
    return f"{text}{spaces}" if at_left else f"{spaces}{text}"


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
    number, latest, days = describe_catalogue()
    since = f"latest price change {latest}, {plural(days, 'day')} ago"
    _print_pairs("Prices", [("genai-prices", number, since)])


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
