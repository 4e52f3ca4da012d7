"""The command `toolkit`: parse, call one public function, print, exit code.

Results go to stdout, words to stderr. Exit codes: 0 done, 1 failure, 2 wrong usage,
4 more rejects than allowed, 5 the export directory is busy.
"""

from __future__ import annotations

import csv
import json
import os
import sys
import time
import unicodedata
import warnings
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path  # noqa: TC003 - typer reads the annotation
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, cast

import typer
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

import toolkit
from toolkit.errors import (
    BusyError,
    MissingColumnsError,
    OptionError,
    ToolkitError,
    UnsuitableColumnError,
    plural,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

    from toolkit.checking import Checked

FAILURE, USAGE, TOO_MANY_REJECTS, BUSY = 1, 2, 4, 5

HELP = """\
usage: toolkit COMMAND [OPTIONS] ...        toolkit COMMAND --help says more

Logs of LLM chat completions as dataframes: right to the token, nothing lost.
LOG is a file, a directory, a glob or - (plain, .gz, .zst); DIR is an export.

Look
  tokens LOG|DIR    sum the tokens of each model in each period
  check LOG|DIR     account for every line: ledger, rejects, findings
Keep
  export LOG        write Parquet, by date, in constant memory
Tell
  plot METRIC LOG|DIR   save a chart as PNG, SVG or PDF
Help
  schema            print the data dictionary
  sample            write a log to try things on
  --version         print versions

Examples
  toolkit tokens logs/ --every 1w --by model
  toolkit export 'logs/*.jsonl.gz' --to parquet/
  toolkit plot token_usage parquet/ --to usage.png
"""


class Screen(TyperGroup):
    """The commands, with a help that fits one screen."""

    def get_help(self, ctx: Any) -> str:  # noqa: ANN401, ARG002 - typer's private type
        """Return the screen above."""
        return HELP.rstrip()


app = typer.Typer(
    cls=Screen,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Logs = Annotated[list[str], typer.Argument(metavar="LOG...", show_default=False)]
LogsOrExport = Annotated[
    list[str], typer.Argument(metavar="LOG...|DIR", show_default=False)
]
Every = Annotated[str, typer.Option(help="length of a period: 1h, 1d, 1w, 1mo")]
By = Annotated[
    list[str] | None,
    typer.Option(help="column that names the series; may be repeated  [model]"),
]
Tz = Annotated[str, typer.Option(help="time zone in which days begin")]
Since = Annotated[str | None, typer.Option(help="from this date or time on")]
Until = Annotated[str | None, typer.Option(help="up to this date or time, exclusive")]
Tag = Annotated[
    list[str] | None,
    typer.Option(help="column tag_NAME from a path of the line: NAME=PATH"),
]
ResponsePath = Annotated[
    str | None, typer.Option(help="where the response stands in a line")
]
CreatedUnitOption = Annotated[
    str, typer.Option(help="unit of created in the log: s, ms, us, ns")
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
AsCsv = Annotated[bool, typer.Option("--csv", help="print CSV")]


def version(wanted: bool) -> None:
    """Print the versions and stop."""
    if wanted:
        # Imported here: only this needs them at once.
        import polars
        import pyarrow

        from toolkit.decoding import DECODER

        say(
            f"completion-toolkit {toolkit.__version__} (decoder {DECODER}, "
            f"polars {polars.__version__}, pyarrow {pyarrow.__version__}, "
            f"Python {sys.version.split()[0]})"
        )
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    ctx: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True)
    ] = False,
) -> None:
    """Print the help if no command is given."""
    if ctx.invoked_subcommand is None:
        say(HELP.rstrip())


@app.command()
def tokens(
    logs: LogsOrExport,
    every: Every = "1d",
    by: By = None,
    tz: Tz = "UTC",
    since: Since = None,
    until: Until = None,
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Sum the tokens of each model in each period; a response counts once."""
    series = by or ["model"]
    if as_json and as_csv:
        raise OptionError("csv", as_csv, wanted="either --json or --csv")
    toolkit.metrics.check_options(
        every=every, by=series, tz=tz, since=since, until=until
    )
    with progress_of("reading") as progress:
        usage = toolkit.metrics.token_usage(
            choices_of(logs, progress, log_options(tag, response_path, created_unit)),
            every=every,
            by=series,
            tz=tz,
            since=since,
            until=until,
        )
    if as_json:
        say(to_json(usage.to_dicts()))
    elif as_csv:
        print_csv(usage)
    else:
        print_usage(usage, series)


@app.command()
def check(
    logs: LogsOrExport,
    max_rejects: Annotated[
        str | None, typer.Option(help="exit 4 above so many: 10 or 0.1%")
    ] = None,
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
    as_json: AsJson = False,
) -> None:
    """Account for every line: ledger, rejects, pandera's verdict, findings."""
    limit = None if max_rejects is None else parse_limit(max_rejects)
    with progress_of("reading") as progress:
        checked = toolkit.check(
            one_or_all(logs),
            progress=progress,
            **log_options(tag, response_path, created_unit),
        )
    if as_json:
        say(to_json(check_data(checked)))
    else:
        print_check(checked)
    if checked.failures:
        raise typer.Exit(FAILURE)
    totals = checked.ledger.select("lines", "rejected").sum().row(0, named=True)
    if limit is not None and totals["rejected"] > limit(totals["lines"]):
        words(f"{totals['rejected']:,} lines rejected, more than {max_rejects}")
        raise typer.Exit(TOO_MANY_REJECTS)


@app.command()
def export(
    logs: Logs,
    to: Annotated[str, typer.Option(help="directory to write, new or empty")],
    content: Annotated[str, typer.Option(help="keep, or drop the text")] = "keep",
    duplicates: Annotated[str, typer.Option(help="drop or keep")] = "drop",
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
) -> None:
    """Write logs as Parquet, partitioned by the UTC date of created."""
    started = time.monotonic()
    options = {
        "content": content,
        "duplicates": duplicates,
        **log_options(tag, response_path, created_unit),
    }
    with progress_of("exporting") as progress:
        done = toolkit.export(logs, to=to, progress=progress, **cast("Any", options))
    say_passed_over(done.passed_over)
    totals = done.ledger.select("responses", "rejected").sum().row(0, named=True)
    words(
        f"{plural(totals['responses'], 'new response')}, "
        f"{totals['rejected']:,} rejected, {plural(len(done.ledger), 'log')}, "
        f"{time.monotonic() - started:.1f} s"
    )


@app.command()
def plot(
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="token_usage")],
    logs: LogsOrExport,
    to: Annotated[Path, typer.Option(help="file to write: .png, .svg or .pdf")],
    every: Every = "1d",
    by: By = None,
    tz: Tz = "UTC",
    since: Since = None,
    until: Until = None,
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
) -> None:
    """Save the chart of a metric."""
    if to.suffix.lower() not in {".png", ".svg", ".pdf"}:
        raise OptionError(
            "to", str(to), wanted="a file that ends in .png, .svg or .pdf"
        )
    # A script has no screen: matplotlib must not look for one.
    os.environ.setdefault("MPLBACKEND", "agg")
    with progress_of("reading") as progress:
        ax = toolkit.plot(
            metric,
            one_or_all(logs),
            every=every,
            by=by or ["model"],
            tz=tz,
            since=since,
            until=until,
            progress=progress,
            **log_options(tag, response_path, created_unit),
        )
    cast("Any", ax.figure).savefig(to, dpi=150)
    words(f"{to} written")


@app.command()
def schema(as_json: AsJson = False) -> None:
    """Print the data dictionary: every column, its type, unit and source."""
    if as_json:
        tables = {table.name: table_data(table) for table in toolkit.schema.TABLES}
        say(to_json(tables))
        return
    for table in toolkit.schema.TABLES:
        shown = Table(box=box.SIMPLE_HEAD, title=table.name, title_justify="left")
        for name in ("column", "type", "grain", "unit", "what"):
            shown.add_column(name)
        for column in table.columns:
            kind = "list<call>" if column.name == "tool_calls" else str(column.type)
            shown.add_row(
                column.name, kind, column.grain, column.unit, column.description
            )
        Console().print(shown)


@app.command()
def sample(
    lines: Annotated[int, typer.Option(help="number of lines", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="picks one of many logs")] = 0,
    to: Annotated[
        Path | None, typer.Option(help="file to write (.gz, .zst)  [stdout]")
    ] = None,
    torn: Annotated[bool, typer.Option(help="cut the last line in half")] = False,
) -> None:
    """Write a log with every quirk of real ones, the same for the same seed."""
    target = cast("BinaryIO", sys.stdout.buffer) if to is None else to
    toolkit.testing.write_sample(target, lines, seed=seed, torn=torn)
    if to is not None:
        words(f"{to} written, {plural(lines, 'line')}")


# From what was typed to arguments.


def one_or_all(logs: list[str]) -> str | list[str]:
    """Unwrap a single path: it may be an export."""
    return logs[0] if len(logs) == 1 else logs


def log_options(
    tag: list[str] | None, response_path: str | None, created_unit: str
) -> dict[str, Any]:
    """Gather what was said of the logs; the library checks the words."""
    return {
        "tags": parse_tags(tag or []),
        "response_path": response_path,
        "created_unit": created_unit,
    }


def choices_of(
    logs: list[str], progress: Callable[[int], None], options: dict[str, Any]
) -> pl.LazyFrame:
    """Open logs or an export."""
    # Imported here: polars and Arrow are not needed for --help.
    from toolkit.loading import open_choices

    return open_choices(one_or_all(logs), progress=progress, **options)


def parse_tags(tags: list[str]) -> dict[str, str]:
    """Read NAME=PATH."""
    pairs = [tag.partition("=") for tag in tags]
    for name, equals, path in pairs:
        if not (name and equals and path):
            raise OptionError("tag", f"{name}{equals}{path}", wanted="NAME=PATH")
    return {name: path for name, _, path in pairs}


def parse_limit(text: str) -> Callable[[int], float]:
    """Read a number of lines, or a share of them in percent."""
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise OptionError("max_rejects", text, wanted="a count or a share: 10 or 0.1%")
    if text.endswith("%"):
        return lambda lines: lines * number / 100
    return lambda _lines: number


# What is printed.


def clean(text: str) -> str:
    """Replace control and bidi characters: a log must not steer the screen."""
    return "".join(
        "\ufffd" if unicodedata.category(sign) in {"Cc", "Cf", "Cs"} else sign
        for sign in text
    )


def say(text: str) -> None:
    """Print a result."""
    print(text)  # noqa: T201 - the one place that prints


def words(text: str) -> None:
    """Print words about the result, on stderr and in one line."""
    print(clean(text), file=sys.stderr)  # noqa: T201 - the one place that prints


def to_json(data: object) -> str:
    """Write JSON; times in ISO 8601, in ASCII so that nothing steers the screen."""
    return json.dumps(data, indent=1, default=lambda value: value.isoformat())


def print_csv(frame: pl.DataFrame) -> None:
    """Print CSV that no spreadsheet takes for a formula."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(frame.columns)
    for row in frame.iter_rows():
        writer.writerow([safe_cell(cell) for cell in row])


def safe_cell(cell: object) -> object:
    """Write a cell of CSV."""
    if isinstance(cell, datetime):
        return cell.isoformat()
    if isinstance(cell, str):
        cell = clean(cell)
        return f"'{cell}" if cell.startswith(("=", "+", "-", "@")) else cell
    return cell


def print_usage(usage: pl.DataFrame, series: list[str]) -> None:
    """Print token usage as a table with its sum."""
    names = {
        "responses": "responses",
        "prompt_tokens": "prompt",
        "completion_tokens": "completion",
        "total_tokens": "total",
    }
    silent = int(usage["responses_without_usage"].sum())
    table = Table(
        box=box.SIMPLE_HEAD,
        show_footer=True,
        pad_edge=False,
        padding=0,
        caption=f"{plural(silent, 'response')} without usage" if silent else None,
        caption_justify="left",
    )
    table.add_column("period", "all", no_wrap=True)
    for name in series:
        table.add_column(name, overflow="fold")
    for name, heading in names.items():
        total = f"{usage[name].sum():,}"
        table.add_column(heading, total, justify="right", no_wrap=True)
    for row in usage.iter_rows(named=True):
        period = period_words(row["period"], row["period_end"])
        labels = ["not said" if row[name] is None else row[name] for name in series]
        cells = [Text(clean(str(label))) for label in labels]
        table.add_row(period, *cells, *[f"{row[name]:,}" for name in names])
    Console().print(table)
    if usage.is_empty():
        words("no responses, or none in this range")


def period_words(start: datetime | None, end: datetime | None) -> str:
    """Write a period as short as it is clear."""
    if start is None or end is None:
        return "undated"
    midnight = (start.hour, start.minute, start.second) == (0, 0, 0)
    if midnight and (end.hour, end.minute, end.second) == (0, 0, 0):
        return f"{start:%Y-%m-%d}"
    return f"{start:%Y-%m-%d %H:%M}"


def print_check(checked: Checked) -> None:
    """Print the account of logs, within 80 columns."""
    say_passed_over(checked.passed_over)
    totals = checked.ledger.sum().row(0, named=True)
    print_pairs(
        "Ledger",
        [
            ("logs", f"{len(checked.ledger):,}", ""),
            *[
                (name, f"{totals[name]:,}", toolkit.schema.LEDGER[name].description)
                for name in ("bytes", "lines", "blank", "responses", "duplicates")
            ],
            *[
                (name, f"{totals[name]:,}", toolkit.schema.LEDGER[name].description)
                for name in ("errors", "rejected", "choices", "pending_bytes")
            ],
            ("total_tokens", f"{totals['total_tokens']:,}", "as reported"),
        ],
    )
    print_pairs(
        "Rejects",
        [(row.code, f"{row.lines:,}", f"first {row.first}") for row in checked.rejects],
    )
    verdict = checked.failures or ["every row passed"]
    print_pairs("Schema", [("pandera", "", sentence) for sentence in verdict])
    print_pairs(
        "Findings",
        [
            (row.code, f"{row.responses:,}", f"{row.words}; first {row.first}")
            for row in checked.findings
        ],
    )


def print_pairs(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """Print a heading and its rows: name, figure, words."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for name, figure, text in rows or [("none", "", "")]:
        table.add_row(Text(f"  {name}"), figure, Text(clean(text)))
    console = Console()
    console.print(Text(title, style="bold"))
    console.print(table)


def check_data(checked: Checked) -> dict[str, object]:
    """Return the account of logs as data."""
    return {
        "ledger": checked.ledger.to_dicts(),
        "rejects": [row._asdict() for row in checked.rejects],
        "schema_failures": checked.failures,
        "findings": [row._asdict() for row in checked.findings],
        "passed_over": checked.passed_over,
    }


def table_data(table: toolkit.schema.Table) -> list[dict[str, object]]:
    """Return the data dictionary of a table as data."""
    return [
        {
            "name": column.name,
            "type": str(column.type),
            "grain": column.grain,
            "unit": column.unit,
            "nullable": column.nullable,
            "description": column.description,
            "paths": [column.written(path) for path in column.paths],
        }
        for column in table.columns
    ]


def say_passed_over(passed_over: dict[str, int]) -> None:
    """Say what a walk did not read."""
    if passed_over:
        # Imported here: polars and Arrow are not needed for --help.
        from toolkit.loaded import passed_over_words

        words(passed_over_words(passed_over))


@contextmanager
def progress_of(what: str) -> Iterator[Callable[[int], None]]:
    """Show bytes and rate while work goes on, on a terminal only."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _bytes: None
        return
    bars = (TextColumn(what), DownloadColumn(), BarColumn(), TransferSpeedColumn())
    with Progress(*bars, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda size: progress.advance(task, size)


def show_warning(
    message: Warning | str,
    category: type[Warning],  # noqa: ARG001 - the signature of warnings.showwarning
    *_rest: object,
    **_more: object,
) -> None:
    """Print a warning as one line."""
    words(f"warning: {message}")


def main() -> None:
    """Run the command and exit."""
    warnings.showwarning = cast("Any", show_warning)
    try:
        app()
    except SystemExit as done:
        sys.exit(flush(done.code))
    except ToolkitError as error:
        words(f"toolkit: {error}")
        sys.exit(exit_code(error))
    except OSError as error:
        words(f"toolkit: {error.filename or 'output'}: {error.strerror or error}")
        sys.exit(FAILURE)


def exit_code(error: ToolkitError) -> int:
    """Tell wrong usage and a busy directory from a failure."""
    if isinstance(error, BusyError):
        return BUSY
    wrong_usage = (OptionError, MissingColumnsError, UnsuitableColumnError)
    return USAGE if isinstance(error, wrong_usage) else FAILURE


def flush(code: str | int | None) -> str | int | None:
    """Write out what is left; a reader that has gone makes no noise."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    return code
