"""The command `toolkit`: parse, call one public function, print, exit code.

Results go to stdout, messages to stderr. Exit codes: 0 done, 1 failure, 2 wrong usage,
3 over budget, 4 more rejects than allowed, 5 the export directory is busy.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO, cast

from toolkit import errors, system
from toolkit.cli import output
from toolkit.cli.command_line import RejectLimit, UsageError, check_folder, fail
from toolkit.cli.metrics import metric, plot, tokens
from toolkit.cli.money import cost, explain, focus, reconcile
from toolkit.cli.options import LOG_FORMAT, RANGE, READ, command
from toolkit.cli.report import check_rejects, config, report
from toolkit.errors import (
    OptionError,
    ToolkitError,
    check_word,
    clean,
    near_miss,
    plural,
)
from toolkit.reading.object_store import is_uri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.exports.export import Exported

_FAILURE, _USAGE, _BUSY = 1, 2, 5
_WRONG_USAGE = (
    errors.ConfigurationError,
    errors.InvoiceError,
    errors.MissingColumnsError,
    errors.MissingPackageError,
    errors.OptionError,
    errors.PriceFileError,
    errors.UnsuitableColumnError,
    UsageError,
)


def _print_version() -> None:
    """Print the versions."""
    # Imported here: only this needs them at once.
    from importlib.metadata import version

    from toolkit.reading.native import DECODER

    output.print_result(
        f"completion-toolkit {version('completion-toolkit')} (decoder {DECODER}, "
        f"polars {version('polars')}, pyarrow {version('pyarrow')}, "
        f"Python {sys.version.split()[0]})"
    )


@command("sources", "max_rejects", *LOG_FORMAT, "to_table", "as_json", "config")
def check(
    sources: list[str],
    max_rejects: RejectLimit | None = None,
    form: output.Form | None = None,
    **options: Any,
) -> None:
    """Account for every line: ledger, rejects, validation, findings."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.cli.screen import print_check
    from toolkit.reading.check import check as check_logs

    with output.show_progress("reading") as progress:
        checked = check_logs(sources, progress=progress, **options)
    data = partial(output.check_data, checked)
    if not output.print_data(checked.ledger, form, data=data):
        print_check(checked)
    if checked.failures or checked.ledger["error"].count():
        raise SystemExit(_FAILURE)
    check_rejects(max_rejects, checked.ledger.sum().row(0, named=True))


def _target(to: Path | None) -> Path | BinaryIO:
    """Return the file to write, in a directory that exists, or stdout."""
    if to is None:
        return cast("BinaryIO", sys.stdout.buffer)
    check_folder(to)
    return to


@command("sources", "to_rejects", "code", *READ)
def rejects(
    sources: list[str],
    to: Path | None = None,
    **options: Any,
) -> None:
    """Write the raw lines that were rejected to a file, to fix and re-read."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.reading.rejects import write_rejects

    if to is None and sys.stdout.isatty():
        expected = "a file or a pipe (raw lines are private and may hold control codes)"
        raise OptionError("to", "the terminal", expected=expected)
    target = _target(to)
    with output.show_progress("reading") as progress:
        done = write_rejects(sources, target, progress=progress, **options)
    too_long = f", {done.without_bytes:,} too long, so left out"
    output.print_message(
        plural(done.lines, "line") + (too_long if done.without_bytes else "")
    )


@command(
    *(
        "only_logs",
        "to_export",
        "content",
        "duplicates",
        *RANGE[1:],
        "rewrite",
        "final",
    ),
    *("max_rejects", "wait", "quiet", *READ),
)
def export(
    sources: list[str],
    to: str,
    max_rejects: RejectLimit | None = None,
    quiet: bool = False,
    **options: Any,
) -> None:
    """Write logs as Parquet, by UTC date; run again, it adds only what is new."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.exports.export import export as export_logs

    started = time.monotonic()
    with output.show_progress("exporting") as progress:
        done = export_logs(sources, to=to, progress=progress, **options)
    output.print_passed_over(done.passed_over)
    output.print_hints(done.added)
    totals = done.added.sum().row(0, named=True)
    if not quiet:
        seconds = f"({time.monotonic() - started:.1f} s)"
        output.print_message(f"{_export_words(totals, done)} {seconds}")
    elif totals["rejected"]:
        of = plural(totals["lines"], "line")
        output.print_message(f"{totals['rejected']:,} of {of} rejected")
    check_rejects(max_rejects, totals)


def _export_words(totals: dict[str, int], done: Exported) -> str:
    """Return what an export added, in words."""
    added, found, streams = len(done.added), done.found, done.streams
    logs = plural(found, "log") if added >= found else f"{added:,} of {found:,} logs"
    words = f"nothing new in {plural(found, 'log')}"
    if added:
        words = f"{plural(totals['responses'], 'new response')} from {logs}"
    if streams.responses:
        chunks = plural(streams.chunks, "chunk")
        words += f"; {plural(streams.responses, 'response')} of {chunks}"
    words += f"; {streams.unfinished:,} unfinished" * bool(streams.unfinished)
    words += f"; {streams.open:,} still open" * bool(streams.open)
    faults = []
    if totals["rejected"]:
        faults.append(f"{plural(totals['rejected'], 'line')} rejected")
    if totals["errors"]:
        faults.append(plural(totals["errors"], "provider error"))
    return f"{words}; {', '.join(faults)}" if faults else words


@command("directory")
def verify(directory: str) -> None:
    """Read an export again and compare it with its ledger; print a line per fault."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.exports.verify import verify as verify_export

    verified = verify_export(directory)
    for fault in verified.faults:
        output.print_result(clean(fault))
    output.print_message(
        f"{plural(verified.rows, 'row')} in {plural(verified.parts, 'part')}, "
        f"{plural(len(verified.faults), 'fault')}"
    )
    if verified.faults:
        raise SystemExit(_FAILURE)


@command("directory", "wait")
def compact(directory: str, **options: Any) -> None:
    """Merge small files of past days; except on Windows an export stays readable."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.exports.compact import compact as compact_export

    if is_uri(directory) or not system.EXCHANGES_AT_ONCE:
        output.print_message("do not read this export while it is being compacted")
    done = compact_export(directory, **options)
    kinds = "directory" if done.directories == 1 else "directories"
    counts = f"{plural(done.before, 'part')} before, {done.after:,} after"
    merged = f"{done.directories:,} {kinds} compacted: {counts}"
    output.print_message(merged if done.directories else "nothing to merge")


@command("to_table", "as_json")
def schema(form: output.Form | None = None) -> None:
    """Print the columns of all tables; with --json also where each API has them."""
    # Imported here: what a command does not use is not loaded.
    import polars as pl

    from toolkit.cli.screen import print_schema
    from toolkit.schema.tables import TABLES

    if form is None:
        print_schema()
        return
    data = {table.name: output.table_data(table) for table in TABLES}
    rows = [{"table": name, **row} for name, rows in data.items() for row in rows]
    columns = pl.DataFrame(rows).drop("paths")
    output.print_data(columns, form, data=lambda: data)


@command("to_sample", "lines", "seed", "torn")
def sample(
    to: Path | None = None,
    lines: int = 1000,
    **options: Any,
) -> None:
    """Write a sample log with the quirks of real ones."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.testing.sample_logs import write_sample

    write_sample(_target(to), lines, **options)
    if to is not None:
        output.print_message(f"{to} written, {plural(lines, 'line')}")


_COMMANDS = {
    one.name: one
    for one in (
        *(tokens, metric, plot, cost, explain, focus, reconcile, report, config),
        *(check, rejects, export, verify, compact, schema, sample),
    )
}


def _run(words: Sequence[str]) -> None:
    """Run a command; without one, print the list of all, in one screen."""
    name, *rest = words or ["--help"]
    if name in ("-h", "--help"):
        text = Path(__file__).with_name("help.txt").read_text("utf-8")
        output.print_result(text.rstrip())
    elif name == "--version":
        _print_version()
    elif name.startswith("-"):
        hint = near_miss(name, ["--help", "--version"])
        fail(f"no option {name!r}{hint}")
    else:
        check_word("command", name, list(_COMMANDS))
        _COMMANDS[name](rest)


def main() -> None:
    """Run the command and exit."""
    _replace_closed()
    if isinstance(sys.stdout, TextIOWrapper):
        # A name may have characters that the encoding of a terminal lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    damaged = False

    def show(message: Warning | str, category: type[Warning], *_rest: object) -> None:
        nonlocal damaged
        damaged = damaged or issubclass(category, errors.DamageWarning)
        text = str(message).replace(
            "list them with toolkit.rejects()",
            "write them to a file with `toolkit rejects`",
        )
        output.print_message(f"warning: {text}")

    warnings.showwarning = cast("Any", show)
    code: Any = None
    try:
        _run(sys.argv[1:])
    except SystemExit as done:
        code = done.code
    except ToolkitError as error:
        _complain("; ".join([str(error), *getattr(error, "__notes__", [])]))
        code = _exit_code(error)
    except OSError as error:
        if not system.is_closed_pipe(error):  # its reader has seen enough
            _complain(f"{error.filename or 'output'}: {error.strerror or error}")
        code = _FAILURE
    sys.exit(_flush(_FAILURE if damaged and not code else code))


def _replace_closed() -> None:
    """Open the standard streams that are closed.

    Writing to stdout then fails; messages are dropped.
    """
    for name, flags in (("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, flags)
            setattr(sys, name, os.fdopen(handle, "w", encoding="utf-8"))


def _complain(fault: str) -> None:
    """Print what went wrong, if possible: the disk may be full for this too."""
    try:
        output.print_message(f"toolkit: {fault}")
    except OSError:
        _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """Drop what is still buffered: writing it at exit would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _exit_code(error: ToolkitError) -> int:
    """Return the exit code: wrong usage, a busy directory, or a failure."""
    if isinstance(error, errors.BusyError):
        return _BUSY
    return _USAGE if isinstance(error, _WRONG_USAGE) else _FAILURE


def _flush(code: str | int | None) -> str | int | None:
    """Write out what is buffered; ignore that a reader is gone."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _discard(sys.stdout)
        if not code and not system.is_closed_pipe(error):
            _complain(f"output: {error.strerror or error}")
        return code or _FAILURE
    return code
