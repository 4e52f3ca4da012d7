"""Findings: what is odd in a log though it is valid, told with count and first place.

None of these rejects a line: real providers send all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from toolkit.errors import DamagedExportError, ValidationError
from toolkit.expressions.choices import first_choice
from toolkit.reading.batching import iter_tables
from toolkit.reading.discovery import exports_in
from toolkit.reading.ledger import (
    LedgerBuilder,
    merge_counts,
    rank_counts,
    reject_counts,
)
from toolkit.reading.log_reader import open_logs
from toolkit.reading.manifest import CHOICES_DIR, list_parts, read_manifest
from toolkit.reading.rejects import reject_frames
from toolkit.reading.scan import ledger, scan, scan_parts
from toolkit.schema.tables import choices_table
from toolkit.schema.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from toolkit.reading.discovery import Sources
    from toolkit.reading.ledger import RejectCount
    from toolkit.reading.load import Loaded
    from toolkit.reading.options import CreatedUnit, OnDamage
    from toolkit.schema.columns import Table


class Finding(NamedTuple):
    """Something odd: how many responses it concerns, and where the first one stands."""

    code: str
    words: str
    responses: int
    first: str


class CheckResult(NamedTuple):
    """The account of logs or of exports."""

    ledger: pl.DataFrame
    rejects: list[RejectCount]
    failures: list[str]  # of the schema: none if validation passed
    findings: list[Finding]
    passed_over: dict[str, int]


# Code, words, and the condition on the row that stands for a response.
_ODDITIES: tuple[tuple[str, str, pl.Expr], ...] = (
    ("undated", "responses without a date", pl.col("created").is_null()),
    (
        "without_usage",
        "responses that report no total of tokens",
        pl.col("total_tokens").is_null(),
    ),
    ("without_id", "responses without an id", pl.col("response_id").is_null()),
    ("without_model", "responses without a model", pl.col("model").is_null()),
    ("without_choices", "responses without choices", pl.col("choice_count") == 0),
    (
        "total_differs",
        "responses whose total is not prompt + completion",
        pl.col("total_tokens") != pl.col("prompt_tokens") + pl.col("completion_tokens"),
    ),
    (
        "cached_exceeds_prompt",
        "responses with more cached tokens than prompt tokens",
        pl.col("cached_tokens") > pl.col("prompt_tokens"),
    ),
    (
        "reasoning_exceeds_completion",
        "responses with more reasoning tokens than completion tokens",
        pl.col("reasoning_tokens") > pl.col("completion_tokens"),
    ),
)
_REPEATED_ID = ("repeated_id", "responses that share their id with another one")
_EQUAL_WITHOUT_ID = (
    "equal_without_id",
    "responses without an id that equal another one; all are kept",
)
FINDING_CODES = (
    *(code for code, _, _ in _ODDITIES),
    _REPEATED_ID[0],
    _EQUAL_WITHOUT_ID[0],
)
# The place of a response as one number: its log, and its line in it.
_LINE_BITS = 40
_PLACE = pl.col("log_id").cast(pl.Int64) * 2**_LINE_BITS + pl.col("line")
# Of a group: how many, and where the first of them stands.
_COUNT_AND_PLACE = (pl.len().alias("count"), _PLACE.min().alias("first"))
# What is kept of a response until all were read: some hundred bytes.
_FINDING_COLUMNS = sorted(
    {"log_id", "source", "line", "choice_position", "response_id", "response_hash"}
    | {name for _, _, is_odd in _ODDITIES for name in is_odd.meta.root_names()}
)


def check(
    sources: Sources,
    *,
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    on_damage: OnDamage = "collect",
    progress: Callable[[int], None] | None = None,
) -> CheckResult:
    """Give the account of logs, or of exports: ledger, rejects, schema, findings.

    Parameters
    ----------
    sources
        Logs as in `toolkit.load`, or one or several directories of an export.
    tags, response_path, created_unit, on_damage, progress
        As in `toolkit.load`; an export keeps those that it was made with. A damaged log
        does not end a check: its fault stands in the ledger.

    Returns
    -------
    Checked
        Findings count responses; those with a count of 0 are left out.

    Notes
    -----
    Of logs some hundred bytes of each response are held, and no rejected line.

    Examples
    --------
    >>> import toolkit
    >>> [finding.code for finding in toolkit.check("data/sample").findings][:2]
    ['undated', 'without_usage']
    """
    exports = exports_in(
        sources, tags=tags, response_path=response_path, created_unit=created_unit
    )
    if exports:
        return _check_exports(exports)
    reading = open_logs(
        sources,
        tags=tags,
        response_path=response_path,
        created_unit=created_unit,
        on_damage=on_damage,
        progress=progress,
    ).without_text()
    account = LedgerBuilder(reading.logs)
    table = reading.plan.table
    failures: list[str] = []
    seen = [table.empty().select(_FINDING_COLUMNS)]
    for rows in iter_tables(account.count_all(reading.iter_decoded()), table.arrow):
        frame = pl.DataFrame(rows)
        failures += _frame_failures(frame, table)
        seen.append(frame.filter(first_choice()).select(_FINDING_COLUMNS))
    return CheckResult(
        account.frame(),
        account.rejects(),
        failures,
        _findings(pl.concat(seen).lazy()),
        reading.passed_over,
    )


def _check_exports(exports: list[str]) -> CheckResult:
    """Give the account of exports; each is held against its own ledger."""
    failures = []
    for directory in exports:
        failures += _sum_failures(scan(directory), ledger(directory))
        failures += _export_failures(directory)
    return summarize_exports(exports)._replace(failures=failures)


def summarize_exports(exports: list[str]) -> CheckResult:
    """Give the account of exports as their files tell it, held against nothing."""
    counts = merge_counts(
        count
        for frame in reject_frames(exports)
        for count in reject_counts(frame.to_arrow())
    )
    return CheckResult(
        ledger(exports),
        rank_counts(counts.values()),
        [],
        _findings(scan(exports)),
        {},
    )


def summarize_loaded(loaded: Loaded) -> CheckResult:
    """Give the account of logs that were loaded, of which every row was validated."""
    return CheckResult(
        loaded.ledger,
        reject_counts(loaded.rejects),
        [],
        _findings(pl.DataFrame(loaded.choices.select(_FINDING_COLUMNS)).lazy()),
        loaded.passed_over,
    )


def _frame_failures(frame: pl.DataFrame, table: Table) -> list[str]:
    """Ask the gate about a frame."""
    try:
        validate(frame, table=table)
    except ValidationError as error:
        return error.failures
    return []


def _sum_failures(choices: pl.LazyFrame, account: pl.DataFrame) -> list[str]:
    """Hold the sums of the rows against those of the ledger."""
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    sums = choices.select(pl.col(names).sum()).collect()
    return [
        f"{name} of the rows are {sums[name].item():,}, of the ledger "
        f"{account[name].sum():,}"
        for name in names
        if sums[name].item() != account[name].sum()
    ]


def _export_failures(directory: str) -> list[str]:
    """Ask the gate about every part of an export."""
    state = read_manifest(directory)
    table = choices_table(state.tags)
    failures = []
    for part in list_parts(directory, CHOICES_DIR, state):
        try:
            frame = scan_parts([part], table.polars).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DamagedExportError(part, fault="it is no Parquet") from error
        failures += [f"{part}: {failure}" for failure in _frame_failures(frame, table)]
    return failures


def _findings(choices: pl.LazyFrame) -> list[Finding]:
    """Count what is odd in choices, one pass for all that a row shows by itself."""
    rows = choices.filter(first_choice())
    counts = rows.select(
        *[is_odd.sum().alias(code) for code, _, is_odd in _ODDITIES],
        *[
            pl.when(is_odd).then(_PLACE).min().alias(f"{code} first")
            for code, _, is_odd in _ODDITIES
        ],
    ).collect(engine="streaming")
    found = [
        (code, words, counts[code].item(), counts[f"{code} first"].item())
        for code, words, _ in _ODDITIES
    ]
    found.append((*_REPEATED_ID, *_repeated_ids(rows)))
    found.append((*_EQUAL_WITHOUT_ID, *_equal_without_id(rows)))
    places = _places_of(rows, [first for *_, count, first in found if count])
    return [
        Finding(code, words, count, places[first])
        for code, words, count, first in found
        if count
    ]


def _places_of(rows: pl.LazyFrame, firsts: list[int]) -> dict[int, str]:
    """Write places for a reader: source and line."""
    if not firsts:
        return {}
    expected = pl.Series(firsts, dtype=pl.Int64).implode()
    written = pl.format("{}:{}", "source", "line").alias("written")
    found = rows.filter(_PLACE.is_in(expected)).select(_PLACE.alias("place"), written)
    return dict(found.collect(engine="streaming").iter_rows())


def _repeated_ids(rows: pl.LazyFrame) -> tuple[int, int | None]:
    """Count the responses that share an id with a different response."""
    named = rows.filter(pl.col("response_id").is_not_null())
    groups = (
        _only_repeated(named, pl.col("response_id").hash())
        .group_by("response_id")
        .agg(*_COUNT_AND_PLACE, pl.col("response_hash").n_unique().alias("distinct"))
    )
    return _summed(groups.filter(pl.col("distinct") > 1))


def _equal_without_id(rows: pl.LazyFrame) -> tuple[int, int | None]:
    """Count the responses without id that are equal to another one."""
    nameless = rows.filter(pl.col("response_id").is_null())
    groups = (
        _only_repeated(nameless, pl.col("response_hash"))
        .group_by("response_hash")
        .agg(*_COUNT_AND_PLACE)
    )
    return _summed(groups.filter(pl.col("count") > 1))


def _only_repeated(rows: pl.LazyFrame, key: pl.Expr) -> pl.LazyFrame:
    """Leave out the rows whose key stands once: eight bytes each tell them."""
    keys = rows.select(key.alias("key")).collect(engine="streaming")["key"].sort()
    repeated = keys.filter(keys == keys.shift(1)).unique()
    return rows.filter(key.is_in(repeated.implode()))


def _summed(groups: pl.LazyFrame) -> tuple[int, int | None]:
    """Return how many responses are in groups, and the place of the first."""
    total = groups.select(pl.col("count").sum(), pl.col("first").min())
    return total.collect(engine="streaming").row(0)
