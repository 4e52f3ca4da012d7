"""Output of the command as text, safe JSON and CSV; `toolkit.cli.screen` has tables.

A log is not trusted: nothing in it may control the screen or become a formula.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit import system
from toolkit.errors import clean, plural
from toolkit.formatting.figures import sum_with_gaps
from toolkit.formatting.text import format_count, format_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import polars as pl

    from toolkit.metrics.spec import MetricSpec
    from toolkit.reading.check import CheckResult
    from toolkit.schema import Table


class Form(NamedTuple):
    """What is printed in place of a table (json, csv), and files to write."""

    printed: str | None
    files: Sequence[str] = ()


def print_result(text: str) -> None:
    """Print a result."""
    print(text)  # noqa: T201 - the one place that prints


def print_message(text: str) -> None:
    """Print a message about the result on stderr, in one line."""
    print(clean(text), file=sys.stderr)  # noqa: T201 - the one place that prints


def print_json(data: object) -> None:
    """Print a result as JSON."""
    print_result(format_json(data))


def print_data(
    frame: pl.DataFrame,
    form: Form | None,
    spec: MetricSpec | None = None,
    data: Callable[[], object] | None = None,
) -> bool:
    """Print a table as JSON or CSV, or write it to files; return False for neither.

    That of a metric gets the bounds of its figures. `data` returns its JSON, if that is
    more than the rows.
    """
    if form is None:
        return False
    # Imported here: polars is not needed for --help.
    from toolkit.formatting.table_files import write_table
    from toolkit.metrics.bounds import with_bounds

    if spec is not None:
        frame = with_bounds(frame, spec)
    for file in form.files:
        if data is not None and file.lower().endswith(".json"):
            system.write_whole(Path(file), f"{format_json(data())}\n".encode())
        else:
            write_table(frame, file)
        print_message(f"{file} written, {plural(frame.height, 'row')}")
    if form.printed == "json":
        print_json(data() if data is not None else frame.to_dicts())
    elif form.printed == "csv":
        _print_csv(frame)
    return True


def print_batches(batches: Iterable[pl.DataFrame], form: Form | None) -> None:
    """Print tables that follow each other as one, in JSON or else CSV."""
    if form is not None and form.files:
        # Imported here: polars is not needed for --help.
        import polars as pl

        print_data(pl.concat(batches), form)
    elif form is not None and form.printed == "json":
        rows = (row for batch in batches for row in batch.iter_rows(named=True))
        texts = map(format_json, rows)
        print_result(f"[{next(texts, '')}")
        for text in texts:
            print_result(f",{text}")
        print_result("]")
    else:
        for number, batch in enumerate(batches):
            _print_csv(batch, has_heading=not number)


def _print_csv(frame: pl.DataFrame, *, has_heading: bool = True) -> None:
    """Print CSV in which no cell is a formula to a spreadsheet."""
    # Imported here: polars is not needed for --help.
    from toolkit.formatting.table_files import to_csv

    text = to_csv(frame, has_heading=has_heading)
    if text:
        print_result(text.removesuffix("\n"))


def missing_tokens(row: dict[str, Any]) -> str:
    """Return how many tokens have no price, in words."""
    missing, of = row["responses_without_usage"], row["responses"]
    figure = sum_with_gaps(row["total_tokens"], missing=missing, of=of)
    return f"{format_count(figure, words=True)} tokens"


def describe_catalogue() -> tuple[str, str, int]:
    """Return the version of the price data, its latest change, and how old that is."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.pricing.catalogue import catalogue_age

    today = datetime.now(UTC).date()
    number, latest = catalogue_age(today)
    return number, latest.isoformat(), (today - latest).days


def check_data(checked: CheckResult) -> dict[str, object]:
    """Return the ledger, the rejects and the findings of logs, for JSON."""
    number, latest, _ = describe_catalogue()
    return {
        "ledger": checked.ledger.to_dicts(),
        "rejects": [row._asdict() for row in checked.rejects],
        "schema_failures": checked.failures,
        "findings": [row._asdict() for row in checked.findings],
        "passed_over": checked.passed_over,
        "prices": {"genai-prices": number, "latest_change": latest},
    }


def table_data(table: Table) -> list[dict[str, object]]:
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
    if not sys.stderr.isatty():
        yield lambda _size: None
        return
    # Imported here: it takes a while, and few commands run for long.
    from rich import progress
    from rich.console import Console

    with progress.Progress(
        progress.TextColumn(what),
        progress.DownloadColumn(),
        progress.BarColumn(),
        progress.TransferSpeedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as shown:
        task = shown.add_task(what, total=None)
        yield lambda size: shown.advance(task, size)
