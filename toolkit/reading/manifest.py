"""The layout of an export on disk, and its manifest, state.json."""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit import errors
from toolkit.reading import object_store
from toolkit.reading.blocks import read_errors
from toolkit.reading.fingerprints import Checkpoint
from toolkit.reading.hints import Looks
from toolkit.schema.columns import SCHEMA_VERSION
from toolkit.schema.tables import LEDGER, choices_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from toolkit.schema.columns import Table

CHOICES_DIR = "choices"
REJECTS_DIR = "rejects"
KINDS = (CHOICES_DIR, REJECTS_DIR)
OPEN_DIR = "open"
STAGING_DIR = ".staging"
LOCK_FILE = ".lock"
STATE_FILE = "state.json"
README_FILE = "README.txt"
# Generation, number, and in a store also the run.
PART_NAME = re.compile(
    r"(?P<generation>[0-9]{1,18})-(?P<number>[0-9]{1,18})(-(?P<run>[0-9a-f]{8}))?\.parquet"
)
OWN_NAMES = frozenset(
    {*KINDS, OPEN_DIR, STAGING_DIR, LOCK_FILE, STATE_FILE, README_FILE}
)

README = """\
One row per choice of an LLM response, as Parquet, made by completion-toolkit.
Token counts are on the first choice of a response: sum() counts each once.

toolkit   toolkit.scan("{directory}")
polars    pl.read_parquet("{directory}/choices")
DuckDB    select * from read_parquet('{directory}/choices/**/*.parquet')
pandas    pd.read_parquet("{directory}/choices")
pyarrow   pyarrow.dataset.dataset("{directory}/choices", partitioning="hive")

Responses without a date are in date=1970-01-01; their `created` is null.
rejects/ holds the lines that could not be read, with their bytes: keep it private.
open/ holds streamed responses that the next run may complete: keep it private too.
"""


@dataclass(frozen=True)
class TrackedLog:
    """A log that an export has read: its row of the ledger, and its checkpoint.

    `stamp` is that of the file when it was last found. A file with an equal stamp was
    not written since, if it had `rested` then: the clock of a file system may tick only
    once in two seconds.
    """

    row: dict[str, Any]
    path: str
    stamp: tuple[int | str, ...] | None = None
    rested: bool = False
    mark: Checkpoint | None = None  # None: nothing was read
    torn: Checkpoint | None = None  # then the end of an unfinished line, if any
    cut: int = 0  # bytes after the mark that were rejected as truncated
    looks: Looks = field(default_factory=Looks)  # of which its hint was made

    @property
    def log_id(self) -> int:
        """The number of the log in this export."""
        return int(self.row["log_id"])

    @property
    def last_checkpoint(self) -> Checkpoint | None:
        """The place up to which its bytes are known, None if there are none."""
        return self.mark or self.torn


def _parse_log(data: Mapping[str, Any]) -> TrackedLog:
    """Build a log from the values in JSON."""
    stamp, mark, torn = data["stamp"], data["mark"], data.get("torn")
    fields = {
        "row": {"chunks": 0, **data["row"]},
        "stamp": stamp and tuple(stamp),
        "mark": mark and Checkpoint(**mark),
        "torn": torn and Checkpoint(**torn),
        "looks": Looks(**data.get("looks", {})),
    }
    return TrackedLog(**{**data, **fields})


@dataclass(frozen=True)
class Manifest:
    """What is committed: the logs, the options that shaped the rows, totals."""

    generation: int
    options: Mapping[str, Any]
    logs: Sequence[TrackedLog]
    schema: int = SCHEMA_VERSION
    run: str | None = None  # in a store: the run whose parts of this generation count
    first: int = 1  # parts of an earlier generation were replaced
    totals: Mapping[str, int] = field(default_factory=dict)
    merged: Sequence[str] = ()  # in a store: parts that were replaced by merged ones
    open: str | None = None  # the file of the open streams, if there are any

    @property
    def ledger(self) -> pl.DataFrame:
        """One row per log; see `toolkit.schema.LEDGER`."""
        rows = [log.row for log in self.logs]
        return pl.DataFrame(rows, schema=LEDGER.polars, orient="row")

    def with_totals(self) -> Manifest:
        """Return the manifest with the sums of its ledger."""
        totals = self.ledger.select(pl.col(pl.Int64).sum()).row(0, named=True)
        return replace(self, totals=totals)

    @property
    def next_log_id(self) -> int:
        """The number of the next new log."""
        return max((log.log_id for log in self.logs), default=-1) + 1

    @property
    def table(self) -> Table:
        """The table of the choices, with a column for each tag."""
        return choices_table(self.options.get("tags"), self.options.get("created_path"))

    def check_version(self, where: str) -> None:
        """Raise if an earlier version made the export, which can only be read then."""
        if self.schema != SCHEMA_VERSION:
            fault = "was made by an earlier version, and can only be read"
            message = f"{where} {fault}: export its logs again into a new directory"
            raise errors.ExportError(message)


def read_manifest(directory: str | os.PathLike[str]) -> Manifest:
    """Read state.json; raise if this is not an export, or a damaged one."""
    name = os.fspath(directory)
    path = below(name, STATE_FILE)
    try:
        if object_store.is_uri(name):
            text = object_store.read_object(path)[0].decode()
        else:
            text = Path(path).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise errors.NotAnExportError(name) from None
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and object_store.is_uri(name):
            raise errors.UnreadableSourceError(path, cause=error) from error
        raise errors.DamagedExportError(path, fault=str(error)) from error
    return parse_manifest(text, path)


def parse_manifest(text: str, path: str) -> Manifest:
    """Parse a manifest; the path is for the error."""
    malformed = (LookupError, TypeError, ValueError, RecursionError)
    try:
        data = json.loads(text)
        logs = [_parse_log(log) for log in data["logs"]]
        totals = {"chunks": 0, **data.get("totals", {})}
        state = Manifest(**{**data, "logs": logs, "totals": totals})
        state.ledger.select("choices").sum()
        is_ours = 1 <= state.schema <= SCHEMA_VERSION
    except (*malformed, pl.exceptions.PolarsError):
        fault = "it is not the state of an export"
        raise errors.DamagedExportError(path, fault=fault) from None
    if not (is_ours and isinstance(state.options, dict)):
        raise errors.DamagedExportError(path, fault="it was written by another version")
    return state


def format_manifest(state: Manifest) -> str:
    """Format a manifest as JSON, with a line for each log.

    In ASCII: a name that is not UTF-8 has lone surrogates, which escapes can hold.
    """
    fields = {**vars(state)}
    logs = ",\n".join(json.dumps(asdict(log)) for log in fields.pop("logs"))
    return f'{json.dumps(fields, indent=1)[:-2]},\n "logs": [\n{logs}\n]}}\n'


def below(directory: str, name: str) -> str:
    """Return the path or address of a file in an export."""
    return f"{directory.rstrip('/')}/{name}" if directory != "/" else f"/{name}"


def list_parts(directory: str, kind: str, state: Manifest) -> list[str]:
    """Return the committed parts of an export, in the order of their writing."""
    parts = []
    merged = {below(directory, part) for part in state.merged}
    for path in list_part_files(directory, kind):
        name = PART_NAME.fullmatch(PurePosixPath(path).name)
        if name is None or path in merged:
            continue
        generation = int(name["generation"])
        is_last = generation == state.generation and name["run"] == state.run
        if is_last or state.first <= generation < state.generation:
            parts.append((generation, int(name["number"]), path))
    return [path for _, _, path in sorted(parts)]


def format_part_name(generation: int, number: int, run: str | None) -> str:
    """Return the name of a part."""
    return f"{generation}-{number}{f'-{run}' if run else ''}.parquet"


def list_open_files(directory: str, state: Manifest | None) -> list[str]:
    """Return the files of open streams that are not those of the last commit."""
    named = below(directory, (state and state.open) or STATE_FILE)
    files = list_part_files(directory, OPEN_DIR)
    return [path for path in files if path != named and parse_generation(path)]


def list_uncommitted(directory: str, state: Manifest) -> list[str]:
    """Return the files of open streams and parts that the last commit does not have."""
    left = list_open_files(directory, state)
    for kind in KINDS:
        committed = list_parts(directory, kind, state)
        left += sorted({*list_part_files(directory, kind)}.difference(committed))
    return left


def parse_generation(path: str) -> int:
    """Return the generation of a part by its name; 0 of another file."""
    name = PART_NAME.fullmatch(PurePosixPath(path).name)
    return int(name["generation"]) if name else 0


def list_part_files(directory: str, kind: str) -> list[str]:
    """Return all files in the directory for parts of a kind."""
    where = below(directory, kind)
    if object_store.is_uri(directory):
        with read_errors(where):
            return [stored.uri for stored in object_store.list_objects(f"{where}/")]
    found = Path(where).rglob("*.parquet")
    return [below(where, path.relative_to(where).as_posix()) for path in found]


@contextmanager
def write_errors(where: str) -> Iterator[None]:
    """Raise errors of the operating system as `WriteError`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, errors.ToolkitError):
            raise
        raise errors.WriteError(str(error.filename or where), cause=error) from error
