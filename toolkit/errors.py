"""Every error and warning that this package raises on purpose.

::

    ToolkitError
    ├── SourceError                    a log cannot be found or read
    │   ├── SourceNotFoundError        (FileNotFoundError) no such file or match
    │   ├── NoLogsError                (FileNotFoundError) no log in a directory
    │   ├── ExportGivenError           (ValueError) an export where logs are expected
    │   ├── UnsupportedSourceError     (ValueError) an address not read here
    │   ├── UnreadableSourceError      (OSError) the system refuses to read it
    │   ├── StreamReadTwiceError       (ValueError) standard input comes once
    │   └── DamagedLogError            (ValueError) truncated or corrupt compression
    ├── LogChangedError                a log was cut or rewritten while it was read
    ├── RejectedLineError              (ValueError) one bad line, on_reject="raise"
    ├── MissingPackageError            (ImportError) an extra that is not installed
    ├── PreconditionError              another writer of an object was faster
    ├── NotEnoughMemoryError           (MemoryError) a log larger than free memory
    ├── ValidationError                (ValueError) a frame breaks the schema
    ├── MissingColumnsError            (ValueError) a frame lacks a column
    ├── UnsuitableColumnError          (ValueError) a column that cannot serve
    ├── OptionError                    (ValueError) a wrong period, zone, date, path
    │   └── UnknownOptionError         (ValueError) an option that there is not
    ├── ConfigurationError             (ValueError) a file of settings that is wrong
    ├── PriceFileError                 (ValueError) prices that cannot be meant
    ├── InvoiceError                   (ValueError) an invoice that cannot be read
    ├── TotalOverflowError             (OverflowError) a sum that 64 bits cannot hold
    ├── ExportError                    an export cannot be made or read
    │   ├── NotEmptyError              (FileExistsError) the target holds something
    │   ├── NotAnExportError           (FileNotFoundError) no state.json there
    │   ├── DamagedExportError         (ValueError) a part or the state cannot be read
    │   ├── BusyError                  another process is writing there
    │   └── WriteError                 (OSError) disk full, no permission, ...
    └── (warnings) ToolkitWarning      (UserWarning)
        ├── RejectsWarning             lines were rejected
        ├── DamageWarning              logs were left off, on_damage="collect"
        │   └── MissingBytesWarning    a log is gone before its end was read
        ├── ReplacedLogWarning         a log is not the one that it was
        ├── SlowDecoderWarning         a large log, and the kernel was not built
        ├── PassedOverWarning          files were found that are not called like logs
        └── PartialResponsesWarning    choices were picked, so usage may be missing

No message holds a word of a prompt or an answer; where a caller needs the cells
themselves, they stand in an attribute.
"""

from __future__ import annotations

import unicodedata
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import polars as pl


def near_miss(word: str, known: Iterable[str]) -> str:
    """Say which known word was probably meant, or nothing."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def plural(count: int, word: str) -> str:
    """Write a count with its noun: ``1 line``, ``1,200 lines``."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def as_text(path: str) -> str:
    r"""Write a path as text that any file can hold.

    Examples
    --------
    >>> as_text("caf\udce9.jsonl")
    'caf\\xe9.jsonl'
    """
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def clean(text: str) -> str:
    r"""Replace control and bidi characters: a name must not steer the screen.

    Examples
    --------
    >>> clean("a\x1b[31m.jsonl")
    'a\ufffd[31m.jsonl'
    """
    return "".join(
        "\ufffd" if unicodedata.category(sign) in {"Cc", "Cf", "Cs"} else sign
        for sign in as_text(text)
    )


class ToolkitError(Exception):
    """Base of every error of this package; its sentence is safe to print."""

    def __init__(self, sentence: str) -> None:
        super().__init__(clean(sentence))

    def __reduce__(self) -> tuple[object, ...]:
        """Say how another process makes it again: the same sentence and facts."""
        facts = dict(vars(self))
        if isinstance(self, OSError):
            facts["errno"] = self.errno
        return made_again, (type(self), self.args, facts)


def made_again(
    kind: type[ToolkitError], args: tuple[object, ...], facts: Mapping[str, object]
) -> ToolkitError:
    """Make an error of its facts, whatever its class makes it of."""
    error = kind.__new__(kind)
    error.args = args
    for name, value in facts.items():
        setattr(error, name, value)
    return error


class SourceError(ToolkitError):
    """A log cannot be found or read."""


class SourceNotFoundError(SourceError, FileNotFoundError):
    """A path or a glob that names no file."""

    def __init__(self, source: str, *, hint: str = "") -> None:
        super().__init__(f"{source}: no such file or directory{hint}")
        self.source = source

    def __str__(self) -> str:
        """Return the sentence (an OSError would print its arguments)."""
        return str(self.args[0])


class NoLogsError(SourceError, FileNotFoundError):
    """A directory that holds no log."""

    def __init__(self, source: str, *, passed_over: Mapping[str, int]) -> None:
        text = f"{source.rstrip('/')}/ holds no *.jsonl or *.ndjson"
        if passed_over:
            most = list(passed_over.items())[:3]
            kinds = [f"{count:,} {kind}" for kind, count in most]
            text += f"; it holds {', '.join(kinds)}"
            endings = [kind for kind in passed_over if kind.startswith("*")]
            if endings:
                text += f": name them, {source.rstrip('/')}/{endings[0]}"
        super().__init__(text)
        self.source = source
        self.passed_over = dict(passed_over)

    def __str__(self) -> str:
        """Return the sentence (an OSError would print its arguments)."""
        return str(self.args[0])


class ExportGivenError(SourceError, ValueError):
    """An export directory was given where logs are expected."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"{source} is an export, not a log: use toolkit.scan({source!r})"
        )
        self.source = source


class UnsupportedSourceError(SourceError, ValueError):
    """An address of a kind that this version does not read."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"{source}: local paths and s3://bucket/key are read, no other address"
        )
        self.source = source


class UnreadableSourceError(SourceError, OSError):
    """A log, or a file of settings, that the system refuses to open or to read."""

    def __init__(self, source: str, *, cause: OSError) -> None:
        super().__init__(f"{source}: {cause.strerror or cause}")
        self.source = source
        self.errno = cause.errno

    def __str__(self) -> str:
        """Return the sentence (an OSError would print its arguments)."""
        return str(self.args[0])


class StreamReadTwiceError(SourceError, ValueError):
    """Standard input, of which nothing is left to read."""

    def __init__(self, source: str) -> None:
        super().__init__(f"{source}: was read already: collect it once and keep that")
        self.source = source


class DamagedLogError(SourceError, ValueError):
    """A compressed log that is truncated or corrupt.

    Attributes
    ----------
    byte
        Where in the file the damaged member or frame begins.
    verified
        How many decompressed bytes stand before it, all of them checked.
    lines
        How many line feeds the damaged member held before the fault.
    """

    def __init__(
        self, source: str, *, byte: int, verified: int, lines: int, fault: str
    ) -> None:
        held = plural(lines, "line")
        super().__init__(
            f"{source}: damaged: the member that begins at byte {byte:,} {fault}; "
            f"{held} of it could be read and cannot be trusted"
        )
        self.source = source
        self.byte = byte
        self.verified = verified
        self.lines = lines


class LogChangedError(ToolkitError):
    """A log that was cut or rewritten while it was read."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"{source}: was cut or rewritten while it was read: nothing was committed, "
            "run the same command again"
        )
        self.source = source


class RejectedLineError(ToolkitError, ValueError):
    """The first rejected line, when the caller asked for an error."""

    def __init__(
        self, *, source: str, line: int, code: str, reason: str, json_path: str | None
    ) -> None:
        where = f" at {json_path}" if json_path else ""
        super().__init__(f"{source}:{line}: {code}{where}: {reason}")
        self.source = source
        self.line = line
        self.code = code
        self.json_path = json_path


class MissingPackageError(ToolkitError, ImportError):
    """A package that only some users need, and that is not installed."""

    def __init__(self, package: str, *, extra: str) -> None:
        super().__init__(
            f"{package} is needed: pip install 'completion-toolkit[{extra}]'"
        )
        self.package = package


class PreconditionError(ToolkitError):
    """An object that another writer has put in the meantime."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"{uri}: another writer was faster")
        self.uri = uri


class NotEnoughMemoryError(ToolkitError, MemoryError):
    """A log whose table would not fit into free memory."""

    def __init__(self, *, needed: int, free: int) -> None:
        super().__init__(
            f"the table of these logs needs about {needed / 1e9:,.1f} GB and "
            f"{free / 1e9:,.1f} GB are free: use toolkit.export() and toolkit.scan(), "
            'toolkit.batches(), content="drop" or max_lines=...'
        )
        self.needed = needed
        self.free = free


class ValidationError(ToolkitError, ValueError):
    """A frame that breaks its schema; every failure is named.

    Attributes
    ----------
    failures
        One sentence a failure, without any cell.
    failure_cases
        pandera's table of the failing cells, in clear: private.
    """

    def __init__(
        self, failures: Sequence[str], *, failure_cases: pl.DataFrame | None = None
    ) -> None:
        super().__init__(f"{plural(len(failures), 'failure')}: " + "; ".join(failures))
        self.failures = list(failures)
        self.failure_cases = failure_cases


class MissingColumnsError(ToolkitError, ValueError):
    """A frame that lacks columns."""

    def __init__(
        self, missing: Sequence[str], available: Sequence[str], *, hint: str = ""
    ) -> None:
        named = ", ".join(f"{name!r}{near_miss(name, available)}" for name in missing)
        noun = "column" if len(missing) == 1 else "columns"
        super().__init__(f"no {noun} {named}" + (f": {hint}" if hint else ""))
        self.missing = list(missing)
        self.available = list(available)


class UnsuitableColumnError(ToolkitError, ValueError):
    """A column that exists and cannot serve here."""

    def __init__(self, column: str, *, why: str) -> None:
        super().__init__(f"column {column!r} {why}")
        self.column = column


class OptionError(ToolkitError, ValueError):
    """An argument whose value means nothing here.

    The sentence reads ``name: expected X, got Y``; `hint` says what to do.
    """

    def __init__(
        self, name: str, value: object, *, expected: str, hint: str = ""
    ) -> None:
        super().__init__(f"{name}: expected {expected}, got {value!r}{hint}")
        self.name = name
        self.value = value


class UnknownOptionError(OptionError):
    """An option that a function or a metric does not have."""

    def __init__(self, name: str, *, owner: str, known: Sequence[str]) -> None:
        takes = ", ".join(known) or "none"
        hint = near_miss(name, known)
        ToolkitError.__init__(
            self, f"{owner} has no option {name!r}{hint}; it takes {takes}"
        )
        self.name = name
        self.value = None


class ConfigurationError(ToolkitError, ValueError):
    """A file of settings that is missing, no TOML, or holds what is no setting."""

    def __init__(self, file: str, faults: Sequence[str]) -> None:
        super().__init__(f"{file}: " + "; ".join(faults))
        self.file = file
        self.faults = list(faults)


class PriceFileError(ToolkitError, ValueError):
    """A price file that is missing, is no TOML, or cannot be meant."""

    def __init__(self, source: str, fault: str) -> None:
        super().__init__(f"{source}: {fault}")
        self.source = source
        self.fault = fault


class InvoiceError(ToolkitError, ValueError):
    """An invoice that cannot be read, or lacks what is needed."""

    def __init__(self, place: str, fault: str) -> None:
        super().__init__(f"{place}: {fault}")
        self.place = place
        self.fault = fault


class TotalOverflowError(ToolkitError, OverflowError):
    """A sum that 64 bits cannot hold: said, never wrapped."""

    def __init__(self, column: str) -> None:
        super().__init__(f"the sum of {column!r} does not fit into 64 bits")
        self.column = column


class ExportError(ToolkitError):
    """An export cannot be made or read."""


class NotEmptyError(ExportError, FileExistsError):
    """The target of an export holds something already."""

    def __init__(self, directory: str) -> None:
        super().__init__(
            f"{directory} is not empty: name a new directory, or remove this one first"
        )
        self.directory = directory

    def __str__(self) -> str:
        """Return the sentence (an OSError would print its arguments)."""
        return str(self.args[0])


class NotAnExportError(ExportError, FileNotFoundError):
    """A directory in which no export was ever committed."""

    def __init__(self, directory: str, *, hint: str = "") -> None:
        super().__init__(f"{directory} is not an export: it has no state.json{hint}")
        self.directory = directory

    def __str__(self) -> str:
        """Return the sentence (an OSError would print its arguments)."""
        return str(self.args[0])


class DamagedExportError(ExportError, ValueError):
    """A file of an export that cannot be read."""

    def __init__(self, path: str, *, fault: str) -> None:
        super().__init__(f"{path}: damaged: {fault}")
        self.path = path


class BusyError(ExportError):
    """Another process is writing into the same export."""

    def __init__(self, directory: str, *, holder: str) -> None:
        super().__init__(f"{directory} is being written by {holder}: nothing was done")
        self.directory = directory
        self.holder = holder


class WriteError(ExportError, OSError):
    """The system refuses to write."""

    def __init__(self, path: str, *, cause: OSError) -> None:
        super().__init__(f"{path}: cannot write: {cause.strerror or cause}")
        self.path = path
        self.errno = cause.errno

    def __str__(self) -> str:
        """Return the sentence (an OSError would print its arguments)."""
        return str(self.args[0])


class ToolkitWarning(UserWarning):
    """Base of every warning of this package; its sentence is safe to print."""

    def __init__(self, sentence: str) -> None:
        super().__init__(clean(sentence))


class RejectsWarning(ToolkitWarning):
    """Some lines of a log were rejected."""


class DamageWarning(ToolkitWarning):
    """Some logs could not be read to their end."""


class MissingBytesWarning(DamageWarning):
    """Logs were replaced or deleted before an export had read their end."""


class ReplacedLogWarning(ToolkitWarning):
    """A log that an export knows was made anew, or rewritten in place."""


class SlowDecoderWarning(ToolkitWarning):
    """A large log is read by the decoder in plain Python."""


class PassedOverWarning(ToolkitWarning):
    """A walk over a directory met files that are not called like logs."""


class PartialResponsesWarning(ToolkitWarning):
    """Choices were picked, so usage may be missing, or responses are there twice."""


def check_word(name: str, value: object, words: Sequence[str]) -> None:
    """Raise `OptionError` unless a value is one of some words."""
    if value not in words:
        expected = " or ".join(repr(word) for word in words)
        hint = near_miss(str(value), words)
        raise OptionError(name, value, expected=expected, hint=hint)
