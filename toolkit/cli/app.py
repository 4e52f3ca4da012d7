"""The command `toolkit`: parse, call one public function, print, exit code.

Results go to stdout, words to stderr. Exit codes: 0 done, 1 failure, 2 wrong usage,
3 a budget was crossed, 4 more rejects than allowed, 5 the export directory is busy.
"""

from __future__ import annotations

import errno
import os
import sys
import time
import warnings
from pathlib import Path  # noqa: TC003 - typer reads the annotation
from typing import Annotated, Any, BinaryIO, TextIO, cast

import typer
from typer.core import TyperGroup

from toolkit.cli.metrics import check_taken, is_told, metric, tokens
from toolkit.cli.money import cost, explain
from toolkit.cli.options import (
    NONE,
    AsJson,
    By,
    Config,
    CreatedUnitOption,
    Last,
    Logs,
    LogsOrExport,
    Now,
    OnDamageOption,
    PricesOption,
    ResponsePath,
    Since,
    Tag,
    Tz,
    Until,
    Wait,
    log_options,
    parse_duration,
    series_of,
    within,
)
from toolkit.cli.output import (
    check_data,
    print_check,
    print_schema,
    progress_of,
    say,
    say_hints,
    say_passed_over,
    table_data,
    to_json,
    words,
)
from toolkit.cli.report import config, hold_limit, limit_of, report
from toolkit.errors import (
    BusyError,
    ConfigurationError,
    DamageWarning,
    MissingColumnsError,
    MissingPackageError,
    OptionError,
    PriceFileError,
    ToolkitError,
    UnsuitableColumnError,
    clean,
    plural,
)
from toolkit.reading.object_store import is_uri

_FAILURE, _USAGE, _BUSY = 1, 2, 5

_HELP = """\
usage: toolkit COMMAND [OPTIONS] ...        toolkit COMMAND --help says more

Logs of LLM chat completions as dataframes: right to the token, nothing lost.
LOG is a file, a directory, a glob or -, DIR an export; also s3://bucket/key.

Look
  tokens LOG|DIR    sum tokens by period and model (metric NAME LOG|DIR: any)
  cost, explain     what responses cost; from such a sum down to its lines
  check LOG|DIR     account for every line: ledger, rejects, findings
  rejects LOG|DIR   write the refused lines as a log, to be mended
Keep
  export LOG        write Parquet, by date; run again, it adds what is new
  verify, compact   hold an export against its state; merge its small parts
Tell
  report LOG|DIR    write the report on a range: page, Markdown, JSON, picture
  plot METRIC LOG|DIR   save a chart as PNG, SVG or PDF; plot overview: one page
Help
  schema, config    print the data dictionary; the settings and their origin
  sample, --version write a log to try things on; print versions

Examples
  toolkit tokens logs/ --every 1w --by model
  toolkit export 'logs/*.jsonl.gz' --to parquet/
  toolkit plot cost parquet/ --every 1w --to cost.png
"""


class _Screen(TyperGroup):
    """The commands, with a help that fits one screen."""

    def get_help(self, ctx: Any) -> str:  # noqa: ANN401, ARG002 - typer's private type
        """Return the screen above."""
        return _HELP.rstrip()


_app = typer.Typer(
    cls=_Screen,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version(expected: bool) -> None:
    """Print the versions and stop."""
    # Imported here: what a command does not use is not loaded.
    from importlib.metadata import version as version_of

    own = version_of("completion-toolkit")

    if expected:
        # Imported here: only this needs them at once.
        import polars
        import pyarrow

        from toolkit.reading.decoder import DECODER

        say(
            f"completion-toolkit {own} (decoder {DECODER}, "
            f"polars {polars.__version__}, pyarrow {pyarrow.__version__}, "
            f"Python {sys.version.split()[0]})"
        )
        raise typer.Exit


@_app.callback(invoke_without_command=True)
def start(
    ctx: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True)
    ] = False,
) -> None:
    """Print the help if no command is given."""
    if ctx.invoked_subcommand is None:
        say(_HELP.rstrip())


_app.command()(metric)
_app.command()(tokens)
_app.command()(report)
_app.command()(config)


_app.command()(cost)
_app.command()(explain)


@_app.command()
def check(
    ctx: typer.Context,
    logs: LogsOrExport,
    max_rejects: Annotated[
        str | None, typer.Option(help="exit 4 above so many: 10 or 0.1%")
    ] = None,
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
    as_json: AsJson = False,
    config: Config = None,  # noqa: ARG001 - its callback has read it
) -> None:
    """Account for every line: ledger, rejects, pandera's verdict, findings."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.reading.check import check as check_logs

    limit = limit_of(max_rejects)
    with progress_of("reading") as progress:
        checked = check_logs(
            logs,
            progress=progress,
            **log_options(ctx, tag, response_path, created_unit),
        )
    if as_json:
        say(to_json(check_data(checked)))
    else:
        print_check(checked)
    if checked.failures or checked.ledger["error"].count():
        raise typer.Exit(_FAILURE)
    hold_limit(limit, checked.ledger.sum().row(0, named=True), max_rejects)


@_app.command()
def rejects(
    ctx: typer.Context,
    logs: LogsOrExport,
    code: Annotated[str | None, typer.Option(help="only those with this code")] = None,
    to: Annotated[
        Path | None, typer.Option(help="new file to write, for you only  [stdout]")
    ] = None,
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
    on_damage: OnDamageOption = "raise",
    config: Config = None,  # noqa: ARG001 - its callback has read it
) -> None:
    """Write the raw lines that were refused as a log, to be mended and read again."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.reading.rejects import write_rejects

    if to is None and sys.stdout.isatty():
        expected = "a file, or a pipe: raw lines are private and may steer a screen"
        raise OptionError("to", "the screen", expected=expected)
    target = cast("BinaryIO", sys.stdout.buffer) if to is None else to
    with progress_of("reading") as progress:
        done = write_rejects(
            logs,
            target,
            code=code,
            progress=progress,
            on_damage=cast("Any", on_damage),
            **log_options(ctx, tag, response_path, created_unit),
        )
    left_out = f", {done.without_bytes:,} too long to be kept"
    words(plural(done.lines, "line") + (left_out if done.without_bytes else ""))


@_app.command()
def export(
    ctx: typer.Context,
    logs: Logs,
    to: Annotated[
        str, typer.Option(help="directory to write or to add to, or one file .parquet")
    ],
    content: Annotated[str, typer.Option(help="keep, or drop the text")] = "keep",
    duplicates: Annotated[str, typer.Option(help="drop or keep")] = "drop",
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
    since: Since = None,
    until: Until = None,
    max_rejects: Annotated[
        str | None, typer.Option(help="exit 4 above so many of this run: 10 or 0.1%")
    ] = None,
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="make it anew, also with other options")
    ] = False,
    wait: Wait = "0s",
    quiet: Annotated[bool, typer.Option("--quiet", help="no closing line")] = False,
    on_damage: OnDamageOption = "raise",
    config: Config = None,  # noqa: ARG001 - its callback has read it
) -> None:
    """Write logs as Parquet, by the UTC date of created; again: only what is new."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.exports.export import export as export_logs

    started = time.monotonic()
    options = {
        "content": content,
        "duplicates": duplicates,
        "on_damage": on_damage,
        "rewrite": rewrite,
        "wait": parse_duration(wait),
        **within(since, until, "UTC"),
        **log_options(ctx, tag, response_path, created_unit),
    }
    limit = limit_of(max_rejects)
    with progress_of("exporting") as progress:
        done = export_logs(logs, to=to, progress=progress, **cast("Any", options))
    say_passed_over(done.passed_over)
    say_hints(done.added)
    totals = done.added.sum().row(0, named=True)
    if not quiet:
        words(
            f"{plural(totals['responses'], 'new response')}, "
            f"{totals['rejected']:,} rejected, {_provider_errors(totals['errors'])}"
            f"{len(done.added):,} of {plural(done.found, 'log')}, "
            f"{time.monotonic() - started:.1f} s"
        )
    hold_limit(limit, totals, max_rejects)


def _provider_errors(count: int) -> str:
    """Say how many lines are a provider's failure, if there are any."""
    return f"{plural(count, 'provider error')}, " if count else ""


@_app.command()
def verify(
    directory: Annotated[str, typer.Argument(metavar="DIR", show_default=False)],
) -> None:
    """Read an export again, and hold it against its state: a line for each fault."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.exports.verify import verify as verify_export

    verified = verify_export(directory)
    for fault in verified.faults:
        say(clean(fault))
    words(
        f"{plural(verified.rows, 'row')} in {plural(verified.parts, 'part')}, "
        f"{plural(len(verified.faults), 'fault')}"
    )
    if verified.faults:
        raise typer.Exit(_FAILURE)


@_app.command()
def compact(
    directory: Annotated[str, typer.Argument(metavar="DIR", show_default=False)],
    wait: Wait = "0s",
) -> None:
    """Merge the small parts of closed days; readers may go on reading."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.exports.compact import compact as compact_export

    if sys.platform != "linux" or is_uri(directory):
        words("a compaction here needs a moment without readers")
    done = compact_export(directory, wait=parse_duration(wait))
    kinds = "directory" if done.directories == 1 else "directories"
    words(
        f"{done.directories:,} {kinds}: {plural(done.before, 'part')} "
        f"became {done.after:,}"
    )


@_app.command()
def plot(
    ctx: typer.Context,
    metric: Annotated[
        str,
        typer.Argument(
            metavar="METRIC",
            help="any metric, such as token_usage or cost; or overview, one page",
            show_default=False,
        ),
    ],
    logs: LogsOrExport,
    to: Annotated[Path, typer.Option(help="file to write: .png, .svg or .pdf")],
    every: Annotated[
        str | None,
        typer.Option(help="length of a period: 1h, 1d, 1w, 1mo; none for all  [1d]"),
    ] = None,
    by: By = None,
    tz: Tz = "UTC",
    since: Since = None,
    until: Until = None,
    last: Last = None,
    now: Now = None,
    top: Annotated[
        int | None, typer.Option(help="so many series; the others become one", min=1)
    ] = None,
    theme: Annotated[str, typer.Option(help="light or dark")] = "light",
    prices: PricesOption = None,
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
    on_damage: OnDamageOption = "raise",
    config: Config = None,  # noqa: ARG001 - its callback has read it
) -> None:
    """Save the chart of a metric, or an overview of all."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.charts.plot import overview
    from toolkit.charts.plot import plot as plot_metric

    if to.suffix.lower() not in {".png", ".svg", ".pdf"}:
        raise OptionError(
            "to", str(to), expected="a file that ends in .png, .svg or .pdf"
        )
    if not to.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(to))
    # A script has no screen: matplotlib must not look for one.
    os.environ.setdefault("MPLBACKEND", "agg")
    chosen = {"by": series_of(by), "top": top, "every": every, "prices": prices}
    options: dict[str, Any] = {
        **{
            name: value
            for name, value in chosen.items()
            if value is not None
            and (metric == "overview" or is_told(ctx, metric, name))
        },
        "tz": tz,
        **within(since, until, tz, last=last, now=now),
        "theme": theme,
        "on_damage": on_damage,
        **log_options(ctx, tag, response_path, created_unit),
    }
    if metric != "overview":
        check_taken(metric, {name: chosen[name] for name in chosen if name in options})
    if every == NONE:
        options["every"] = None
        if metric == "overview":
            raise OptionError(
                "every", every, expected="a length of a period, or no word"
            )
    with progress_of("reading") as progress:
        if metric == "overview":
            drawn: Any = overview(logs, progress=progress, **options)
        else:
            drawn = plot_metric(metric, logs, progress=progress, **options).figure
    drawn.savefig(to, dpi=150)
    words(f"{to} written")


@_app.command()
def schema(as_json: AsJson = False) -> None:
    """Print the data dictionary: every column, its type, unit and source."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.schema.tables import TABLES

    if as_json:
        tables = {table.name: table_data(table) for table in TABLES}
        say(to_json(tables))
        return
    print_schema()


@_app.command()
def sample(
    lines: Annotated[int, typer.Option(help="number of lines", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="picks one of many logs")] = 0,
    to: Annotated[
        Path | None, typer.Option(help="file to write (.gz, .zst)  [stdout]")
    ] = None,
    torn: Annotated[bool, typer.Option(help="cut the last line in half")] = False,
) -> None:
    """Write a log with every quirk of real ones, the same for the same seed."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.testing.sample_logs import write_sample

    target = cast("BinaryIO", sys.stdout.buffer) if to is None else to
    write_sample(target, lines, seed=seed, torn=torn)
    if to is not None:
        words(f"{to} written, {plural(lines, 'line')}")


def main() -> None:
    """Run the command and exit."""
    damaged = False

    def show(message: Warning | str, category: type[Warning], *_rest: object) -> None:
        nonlocal damaged
        damaged = damaged or issubclass(category, DamageWarning)
        words(f"warning: {message}")

    warnings.showwarning = cast("Any", show)
    try:
        _app()
    except SystemExit as done:
        sys.exit(_flush(_FAILURE if damaged and not done.code else done.code))
    except ToolkitError as error:
        _complain(str(error))
        sys.exit(_flush(_exit_code(error)))
    except OSError as error:
        _complain(f"{error.filename or 'output'}: {error.strerror or error}")
        sys.exit(_flush(_FAILURE))


def _complain(fault: str) -> None:
    """Say what went wrong, if it can be written: the disk may be full for it too."""
    try:
        words(f"toolkit: {fault}")
    except OSError:
        _let_go(sys.stderr)


def _let_go(stream: TextIO) -> None:
    """Drop what is buffered still: tried again at exit, it would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _exit_code(error: ToolkitError) -> int:
    """Tell wrong usage and a busy directory from a failure."""
    if isinstance(error, BusyError):
        return _BUSY
    wrong_usage = (
        ConfigurationError,
        OptionError,
        MissingColumnsError,
        MissingPackageError,
        PriceFileError,
        UnsuitableColumnError,
    )
    return _USAGE if isinstance(error, wrong_usage) else _FAILURE


def _flush(code: str | int | None) -> str | int | None:
    """Write out what is left; a reader that has gone makes no noise."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _let_go(sys.stdout)
        if not code and not isinstance(error, BrokenPipeError):
            _complain(f"output: {error.strerror or error}")
        return code or _FAILURE
    return code
