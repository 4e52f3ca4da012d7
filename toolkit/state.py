"""The export directory on disk: its layout, and state.json that says what is in it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

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
    generation: int, options: Mapping[str, object], ledger: pl.DataFrame
) -> State:
    """Make the state of an export from its ledger."""
    counts = ledger.select(pl.col(pl.Int64).sum()).row(0, named=True)
    return State(generation, options, ledger.to_dicts(), totals=counts)


def read_state(directory: str | os.PathLike[str]) -> State:
    """Read state.json, or say that this is no export or a damaged one."""
    path = Path(directory) / STATE_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise NotAnExportError(os.fspath(directory)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedExportError(str(path), fault=str(error)) from error
    try:
        state = State(**json.loads(text))
        if state.schema != SCHEMA_VERSION or not isinstance(state.options, dict):
            raise DamagedExportError(str(path), fault="it is of another version")
        state.ledger.select("choices").sum()
    except (TypeError, ValueError, RecursionError, pl.exceptions.PolarsError):
        raise DamagedExportError(str(path), fault="it is not a state") from None
    return state


def write_state(directory: Path, state: State) -> None:
    """Replace state.json at once: this commits what was renamed into place before."""
    staged = directory / STAGING_DIR / STATE_FILE
    # In ASCII: a name that is no UTF-8 comes as lone surrogates, which escapes carry.
    write_synced(staged, json.dumps(asdict(state), indent=1))
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
