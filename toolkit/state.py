"""The export directory on disk: its layout, and state.json that says what is in it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import polars as pl

from toolkit import stores
from toolkit.errors import DamagedExportError, NotAnExportError, WriteError
from toolkit.schema import LEDGER, SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

CHOICES_DIR = "choices"
REJECTS_DIR = "rejects"
STAGING_DIR = ".staging"
LOCK_FILE = ".lock"
STATE_FILE = "state.json"
README_FILE = "README.txt"
# Generation, number, and in a store also what tells one run from another.
PART_NAME = re.compile(
    r"(?P<generation>[0-9]{1,18})-(?P<number>[0-9]{1,18})(-(?P<run>[0-9a-f]{8}))?\.parquet"
)
OWN_NAMES = frozenset(
    {CHOICES_DIR, REJECTS_DIR, STAGING_DIR, LOCK_FILE, STATE_FILE, README_FILE}
)

README = """\
One row per choice of an LLM chat completion, as Parquet, made by completion-toolkit.
Token counts stand on the first choice of a response: sum() counts each once.

toolkit   toolkit.scan("{directory}")
polars    pl.read_parquet("{directory}/choices")
DuckDB    select * from read_parquet('{directory}/choices/**/*.parquet')
pandas    pd.read_parquet("{directory}/choices")
pyarrow   pyarrow.dataset.dataset("{directory}/choices", partitioning="hive")

Responses without a date lie in date=1970-01-01; their `created` is null.
rejects/ holds the lines that could not be read, with their bytes: keep it private.
"""


@dataclass(frozen=True)
class State:
    """What was committed: logs, the options that shaped the rows, totals."""

    generation: int
    options: Mapping[str, object]
    logs: list[dict[str, object]]
    schema: int = SCHEMA_VERSION
    totals: dict[str, int] = field(default_factory=dict)
    run: str | None = None  # in a store: whose parts of this generation count

    @property
    def ledger(self) -> pl.DataFrame:
        """One row per log; see `toolkit.schema.LEDGER`."""
        return pl.DataFrame(self.logs, schema=LEDGER.polars, orient="row")

    @property
    def tags(self) -> dict[str, str]:
        """The tags whose columns the choices have."""
        tags = self.options.get("tags")
        return {**tags} if isinstance(tags, dict) else {}


def make_state(
    generation: int,
    options: Mapping[str, object],
    ledger: pl.DataFrame,
    run: str | None = None,
) -> State:
    """Make the state of an export from its ledger."""
    counts = ledger.select(pl.col(pl.Int64).sum()).row(0, named=True)
    return State(generation, options, ledger.to_dicts(), totals=counts, run=run)


def read_state(directory: str | os.PathLike[str]) -> State:
    """Read state.json, or say that this is no export or a damaged one."""
    name = os.fspath(directory)
    path = below(name, STATE_FILE)
    try:
        if stores.is_uri(name):
            text = stores.read_object(path)[0].decode()
        else:
            text = Path(path).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise NotAnExportError(name) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedExportError(path, fault=str(error)) from error
    try:
        state = State(**json.loads(text))
        if not 1 <= state.schema <= SCHEMA_VERSION or not isinstance(
            state.options, dict
        ):
            raise DamagedExportError(path, fault="it is of another version")
        state.ledger.select("choices").sum()
    except (TypeError, ValueError, RecursionError, pl.exceptions.PolarsError):
        raise DamagedExportError(path, fault="it is not a state") from None
    return state


def below(directory: str, name: str) -> str:
    """Return the path or address of something in an export."""
    return f"{directory.rstrip('/')}/{name}" if directory != "/" else f"/{name}"


def parts_of(directory: str, kind: str, state: State) -> list[str]:
    """Return the committed parts of an export, in the order in which they were made."""
    parts = []
    for path in part_paths(directory, kind):
        name = PART_NAME.fullmatch(PurePosixPath(path).name)
        if name is None or int(name["generation"]) > state.generation:
            continue
        is_last = int(name["generation"]) == state.generation
        if is_last and name["run"] != state.run:
            continue
        parts.append((int(name["generation"]), int(name["number"]), path))
    return [path for _, _, path in sorted(parts)]


def part_paths(directory: str, kind: str) -> list[str]:
    """Return everything that lies where parts of a kind lie."""
    where = below(directory, kind)
    if stores.is_uri(directory):
        return [stored.uri for stored in stores.list_objects(f"{where}/")]
    return [str(path) for path in Path(where).rglob("*.parquet")]


def state_text(state: State) -> str:
    """Write a state as JSON.

    In ASCII: a name that is no UTF-8 comes as lone surrogates, which escapes carry.
    """
    return json.dumps(asdict(state), indent=1)


def write_state(directory: Path, state: State) -> None:
    """Replace state.json at once: this commits what was renamed into place before."""
    staged = directory / STAGING_DIR / STATE_FILE
    write_synced(staged, state_text(state))
    staged.replace(directory / STATE_FILE)
    sync_directory(directory)


def write_synced(path: Path, text: str) -> None:
    """Write a file and have it on disk before returning."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Have the names of a directory on disk before returning."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        raise WriteError(str(directory), cause=error) from error
    finally:
        os.close(handle)
