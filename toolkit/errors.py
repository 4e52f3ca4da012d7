"""Every error and warning that this package raises on purpose.

::

    ToolkitError
    ├── SourceError                    a log cannot be found or read
    │   ├── SourceNotFoundError        (FileNotFoundError) no such file or match
    │   ├── NoLogsError                (FileNotFoundError) a directory without logs
    │   ├── ExportGivenError           (ValueError) an export where logs are expected
    │   ├── UnsupportedSourceError     (ValueError) an address of an unknown kind
    │   ├── UnreadableSourceError      (OSError) the operating system cannot read it
    │   ├── StreamReadTwiceError       (ValueError) standard input was already read
    │   └── DamagedLogError            (ValueError) truncated or corrupt compression
    ├── LogChangedError                a log changed while it was read
    ├── RejectedLineError              (ValueError) a bad line, with on_reject="raise"
    ├── MissingPackageError            (ImportError) an optional package is missing
    ├── PreconditionError              another process wrote the object first
    ├── NotEnoughMemoryError           (MemoryError) a log larger than free memory
    ├── ValidationError                (ValueError) a frame does not match its schema
    ├── MissingColumnsError            (ValueError) a frame lacks a column
    ├── UnsuitableColumnError          (ValueError) a column cannot be used here
    ├── OptionError                    (ValueError) an argument has an invalid value
    │   ├── UnknownOptionError         (ValueError) an option that does not exist
    │   └── OptionTypeError            (TypeError) an argument has the wrong type
    ├── ConfigurationError             (ValueError) a settings file is invalid
    ├── PriceFileError                 (ValueError) a price file is invalid
    ├── InvoiceError                   (ValueError) an invoice is invalid
    ├── TotalOverflowError             (OverflowError) a sum does not fit into 64 bits
    └── ExportError                    an export cannot be written or read
        ├── NotEmptyError              (FileExistsError) the target is not empty
        ├── NotAnExportError           (FileNotFoundError) no state.json there
        ├── DamagedExportError         (ValueError) a file of an export is damaged
        ├── BusyError                  another process is writing there
        └── WriteError                 (OSError) disk full, no permission, ...
    ToolkitWarning                     (UserWarning)
    ├── RejectsWarning                 lines were rejected
    ├── DamageWarning                  logs could not be read to their end
    │   └── MissingBytesWarning        a log was removed before it was fully read
    ├── ReplacedLogWarning             a log was replaced since the last export
    ├── SlowDecoderWarning             a large log, and the Rust decoder is missing
    ├── PassedOverWarning              files were skipped because of their names
    └── PartialResponsesWarning        choices are missing, so usage may be missing

No message contains text of a prompt or an answer. Where the caller needs the cells
themselves, the error has them in an attribute.
"""

from __future__ import annotations

import unicodedata
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import polars as pl


_PLAIN = (str, float, int, date, Path, type(None))


def __dir__() -> list[str]:
    """List the errors and warnings."""
    public = (name for name in globals() if not name.startswith("_"))
    return sorted(name for name in public if name.endswith(("Error", "Warning")))


def near_miss(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return ``(did you mean ...?)`` with the most similar name, or nothing.

    Case and ``tag_`` do not matter; else it is the longest name that ends with it.
    """
    names, word = {name.casefold(): name for name in known}, word.casefold()
    names = {name.removeprefix("tag_"): names[name] for name in names} | names
    close = get_close_matches(word, names, n=1, cutoff=cutoff)
    ends = [name for name in names if name.endswith((f"_{word}", f"/{word}"))]
    close = close or sorted(ends, key=len)[-1:]
    return f" (did you mean {names[close[0]]!r}?)" if close else ""


def plural(count: int, word: str) -> str:
    """Format a count with its noun: ``1 line``, ``1,200 lines``."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def as_text(path: str) -> str:
    r"""Return a path as text that can be encoded as UTF-8: ``caf\xe9.jsonl``."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def clean(text: str) -> str:
    """Replace control and bidi characters and line separators."""
    unsafe = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return "".join(
        "\ufffd" if unicodedata.category(char) in unsafe else char
        for char in as_text(text)
    )


class ToolkitError(Exception):
    """Base class of every error of this package; the message is safe to print."""

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))

    def __str__(self) -> str:
        """Return the message (an OSError would print its arguments)."""
        return str(self.args[0])

    def __reduce__(self) -> tuple[object, ...]:
        """Return how to copy the error to another process, without its ``__init__``."""
        state = {**vars(self), "args": self.args}
        if isinstance(self, OSError):
            state["errno"] = self.errno
        return type(self).__new__, (type(self),), state


class SourceError(ToolkitError):
    """A log cannot be found or read."""

    problem = ""

    def __init__(self, source: str, problem: str = "") -> None:
        problem = problem or self.problem.format(source=source)
        super().__init__(f"{source}: {problem}")
        self.source = source


class SourceNotFoundError(SourceError, FileNotFoundError):
    """A path does not exist, or a glob matches nothing."""

    def __init__(self, source: str, *, hint: str = "") -> None:
        super().__init__(source, f"no such file or directory{hint}")


class NoLogsError(SourceError, FileNotFoundError):
    """A directory contains no log."""

    def __init__(self, source: str, *, passed_over: Mapping[str, int]) -> None:
        found = [f"{count:,} {kind}" for kind, count in passed_over.items()]
        text = f"expected *.jsonl or *.ndjson, found {', '.join(found[:3]) or 'none'}"
        endings = [kind for kind in passed_over if kind.startswith("*")]
        if endings:
            text += f": to read these, name them: {source.rstrip('/')}/{endings[0]}"
        super().__init__(source, text)
        self.passed_over = dict(passed_over)


class ExportGivenError(SourceError, ValueError):
    """An export directory was given where logs are expected."""

    problem = (
        "expected a log, got an export: name the log files instead, or read it "
        "with toolkit.scan({source!r})"
    )


class UnsupportedSourceError(SourceError, ValueError):
    """An address is neither a local path nor an object of a supported store."""

    problem = "expected a local path, s3://bucket/key, gs:// or az://"


class UnreadableSourceError(SourceError, OSError):
    """The operating system cannot open or read a log or a settings file."""

    def __init__(self, source: str, *, cause: OSError) -> None:
        super().__init__(source, cause.strerror or str(cause))
        self.errno = cause.errno


class StreamReadTwiceError(SourceError, ValueError):
    """Standard input was already read to its end."""

    problem = "already read: load it once and use the result"


class DamagedLogError(SourceError, ValueError):
    """A compressed log is truncated or corrupt.

    The damaged member or frame begins at `byte` of the file. The `verified` bytes
    before it (decompressed) were checked; `lines` line feeds of it could be read.
    """

    def __init__(
        self, source: str, *, byte: int, verified: int, lines: int, fault: str
    ) -> None:
        super().__init__(
            source,
            f"damaged: the member that begins at byte {byte:,} {fault}; "
            f"{plural(lines, 'line')} of it could be read but not verified",
        )
        self.byte, self.verified, self.lines = byte, verified, lines


class LogChangedError(ToolkitError):
    """A log was truncated or rewritten while it was read."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"{source}: truncated or rewritten while it was read; nothing was "
            "committed: run the same command again"
        )
        self.source = source


class RejectedLineError(ToolkitError, ValueError):
    """A line was rejected, and the caller asked for an error."""

    def __init__(
        self, *, source: str, line: int, code: str, reason: str, json_path: str | None
    ) -> None:
        where = f" at {json_path}" if json_path else ""
        super().__init__(f"{source}:{line}: {code}{where}: {reason}")
        self.source, self.line, self.code = source, line, code
        self.json_path = json_path


class MissingPackageError(ToolkitError, ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str, versions: str) -> None:
        super().__init__(f"{package} is needed: pip install '{package}{versions}'")
        self.package = package


class PreconditionError(ToolkitError):
    """Another process wrote the object first."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"{uri}: another process wrote it first")
        self.uri = uri


class NotEnoughMemoryError(ToolkitError, MemoryError):
    """The table of a log does not fit into free memory."""

    def __init__(self, *, needed: int, free: int) -> None:
        super().__init__(
            f"the table of these logs needs about {needed / 1e9:,.1f} GB, but only "
            f"{free / 1e9:,.1f} GB are free: use toolkit.export() and toolkit.scan(), "
            'toolkit.batches(), content="drop" or max_lines=...'
        )
        self.needed, self.free = needed, free


class ValidationError(ToolkitError, ValueError):
    """A frame does not match its schema.

    `failures` has one sentence per failure, without the values of cells.
    `failure_cases` is pandera's table of the cells, which may contain private text.
    """

    def __init__(
        self, failures: Sequence[str], *, failure_cases: pl.DataFrame | None = None
    ) -> None:
        count = len(failures)
        last = [f"{count - 9:,} more"] if count > 10 else failures[9:]
        shown = "; ".join([*failures[:9], *last])
        super().__init__(f"{plural(count, 'failure')}: {shown}")
        self.failures, self.failure_cases = list(failures), failure_cases


class MissingColumnsError(ToolkitError, ValueError):
    """A frame lacks columns."""

    def __init__(
        self, missing: Sequence[str], available: Sequence[str], *, hint: str = ""
    ) -> None:
        names = ", ".join(f"{name!r}{near_miss(name, available)}" for name in missing)
        noun = "column" if len(missing) == 1 else "columns"
        super().__init__(f"no {noun} {names}" + (f": {hint}" if hint else ""))
        self.missing, self.available = list(missing), list(available)


class UnsuitableColumnError(ToolkitError, ValueError):
    """A column exists but cannot be used here."""

    def __init__(self, column: str, *, why: str) -> None:
        super().__init__(f"column {column!r} {why}")
        self.column = column


class OptionError(ToolkitError, ValueError):
    """An argument has an invalid value.

    The message is ``name: expected X, got Y``, then `hint`: what to do.
    """

    def __init__(
        self, name: str, value: object, *, expected: str, hint: str = ""
    ) -> None:
        got = self._describe(value)
        super().__init__(f"{name}: expected {expected}, got {got}{hint}")
        self.name, self.value = name, value

    def _describe(self, value: object) -> str:
        """Return a value of a plain type, or else only the name of its type."""
        items = list(value.values()) if isinstance(value, dict) else value
        items = items if isinstance(items, list | tuple) else [items]
        plain = all(isinstance(one, _PLAIN) for one in items)
        return repr(value) if plain else type(value).__name__


class UnknownOptionError(OptionError):
    """An option that a function or a metric does not have."""

    def __init__(self, name: str, *, owner: str, known: Sequence[str]) -> None:
        text = f"{owner} has no option {name!r}{near_miss(name, known)}"
        ToolkitError.__init__(self, f"{text}; it takes {', '.join(known) or 'none'}")
        self.name, self.value = name, None


class OptionTypeError(OptionError, TypeError):
    """An argument has the wrong type; the message names the type, never the value."""

    def _describe(self, value: object) -> str:
        return type(value).__name__


class ConfigurationError(ToolkitError, ValueError):
    """A settings file is missing, not valid TOML, or contains invalid settings."""

    def __init__(self, file: str, faults: Sequence[str]) -> None:
        super().__init__(f"{file}: " + "; ".join(faults))
        self.file, self.faults = file, list(faults)


class _InputError(ToolkitError, ValueError):
    """A file, or an argument in place of a file, is invalid."""

    def __init__(self, source: str, fault: str) -> None:
        super().__init__(f"{source}: {fault}")
        self.source, self.fault = source, fault


class PriceFileError(_InputError):
    """A price file is missing, not valid TOML, or contains invalid prices."""


class InvoiceError(_InputError):
    """An invoice cannot be read or is incomplete."""


class TotalOverflowError(ToolkitError, OverflowError):
    """A sum does not fit into 64 bits."""

    def __init__(self, column: str) -> None:
        super().__init__(f"the sum of {column!r} does not fit into 64 bits")
        self.column = column


class ExportError(ToolkitError):
    """An export cannot be written or read."""


class NotEmptyError(ExportError, FileExistsError):
    """The target of an export is not empty."""

    def __init__(self, directory: str) -> None:
        super().__init__(
            f"{directory} is not empty: name a new directory, or remove this one first"
        )
        self.directory = directory


class NotAnExportError(ExportError, FileNotFoundError):
    """A directory is not an export."""

    def __init__(self, directory: str, *, hint: str = "") -> None:
        super().__init__(f"{directory} is not an export: it has no state.json{hint}")
        self.directory = directory


class DamagedExportError(ExportError, ValueError):
    """A file of an export cannot be read."""

    def __init__(self, path: str, *, fault: str) -> None:
        super().__init__(f"{path}: damaged: {fault}")
        self.path = path


class BusyError(ExportError):
    """Another process is writing into the same export."""

    def __init__(self, directory: str, *, holder: str) -> None:
        super().__init__(f"{directory} is being written by {holder}: nothing was done")
        self.directory, self.holder = directory, holder


class WriteError(ExportError, OSError):
    """The operating system cannot write a file."""

    def __init__(self, path: str, *, cause: OSError) -> None:
        reason = cause.strerror or str(cause)
        if isinstance(cause, FileNotFoundError) and not Path(path).parent.exists():
            reason = f"the directory {Path(path).parent} does not exist"
        if isinstance(cause, FileExistsError):
            reason = "it exists already: name a new file, or remove this one first"
        super().__init__(f"{path}: cannot write: {reason}")
        self.path, self.errno = path, cause.errno


class ToolkitWarning(UserWarning):
    """Base class of every warning of this package; the message is safe to print."""

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))


class RejectsWarning(ToolkitWarning):
    """Some lines of a log were rejected."""


class DamageWarning(ToolkitWarning):
    """Some logs could not be read to their end."""


class MissingBytesWarning(DamageWarning):
    """A log was replaced or deleted before an export had read all of it."""


class ReplacedLogWarning(ToolkitWarning):
    """A log of an export was replaced by a new one, or rewritten in place."""


class SlowDecoderWarning(ToolkitWarning):
    """A large log is read by the slow decoder in plain Python."""


class PassedOverWarning(ToolkitWarning):
    """A directory contains files that do not have the names of logs."""


class PartialResponsesWarning(ToolkitWarning):
    """Choices are missing, so usage may be missing, or responses occur twice."""


def check_word(name: str, value: object, words: Sequence[str]) -> None:
    """Raise `OptionError` unless a value is one of `words`."""
    if not isinstance(value, str) or value not in words:
        *others, last = map(repr, words)
        expected = f"{', '.join(others)} or {last}" if others else last
        hint = near_miss(value, words) if isinstance(value, str) else ""
        raise OptionError(name, value, expected=expected, hint=hint)
