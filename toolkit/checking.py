"""Findings: what is odd in a log though it is valid, told with count and first place.

None of these rejects a line: real providers send all of them.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import polars as pl

from toolkit.errors import DamagedExportError, RejectsWarning, ValidationError
from toolkit.expressions import first_choice
from toolkit.loaded import reject_counts
from toolkit.loading import (
    LogOptions,
    is_one_export,
    ledger,
    load,
    rejects,
    scan,
)
from toolkit.schema import choices_table
from toolkit.state import CHOICES_DIR, read_state
from toolkit.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from toolkit.blocks import CreatedUnit
    from toolkit.finding import Sources


class Finding(NamedTuple):
    """Something odd: how many responses it concerns, and where the first one stands."""

    code: str
    words: str
    responses: int
    first: str


class RejectCount(NamedTuple):
    """A reject code, how many lines it has, and where the first one stands."""

    code: str
    lines: int
    first: str


class Checked(NamedTuple):
    """The account of logs or of an export."""

    ledger: pl.DataFrame
    rejects: list[RejectCount]
    failures: list[str]  # of the schema: none if validation passed
    findings: list[Finding]
    passed_over: dict[str, int]


# Code, words, and the condition on the row that stands for a response.
ODDITIES: tuple[tuple[str, str, pl.Expr], ...] = (
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
PLACE = pl.format("{}:{}", "source", "line")
# Of a group: how many, and where the first of them stands.
COUNT_AND_PLACE = (
    pl.len().alias("count"),
    PLACE.sort_by("log_id", "line").first().alias("first"),
    pl.col("log_id", "line").sort_by("log_id", "line").first(),
)


def check(
    sources: Sources,
    *,
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    progress: Callable[[int], None] | None = None,
) -> Checked:
    """Give the account of logs, or of an export: ledger, rejects, schema, findings.

    Parameters
    ----------
    sources
        Logs as in `toolkit.load`, or the directory of one export.
    tags, response_path, created_unit, progress
        As in `toolkit.load`; an export keeps those that it was made with.

    Returns
    -------
    Checked
        Findings count responses; those with a count of 0 are left out.

    Examples
    --------
    >>> import toolkit
    >>> [finding.code for finding in toolkit.check("data/sample").findings][:2]
    ['undated', 'without_usage']
    """
    options: LogOptions = {
        "tags": tags,
        "response_path": response_path,
        "created_unit": created_unit,
    }
    if is_one_export(sources, options):
        return check_export(Path(cast("str", sources)))
    with warnings.catch_warnings():
        # The account that is given says it all.
        warnings.simplefilter("ignore", RejectsWarning)
        loaded = load(sources, content="drop", progress=progress, **options)
    counts = reject_counts(loaded.rejects)
    frame = pl.DataFrame(loaded.choices)
    return Checked(
        loaded.ledger,
        [RejectCount(*row) for row in counts],
        frame_failures(frame),
        findings(frame.lazy()),
        loaded.passed_over,
    )


def check_export(directory: Path) -> Checked:
    """Give the account of an export."""
    choices = scan(directory)
    account = ledger(directory)
    counts = reject_counts(rejects(directory).to_arrow())
    return Checked(
        account,
        [RejectCount(*row) for row in counts],
        [*sum_failures(choices, account), *export_failures(directory)],
        findings(choices),
        {},
    )


def frame_failures(frame: pl.DataFrame) -> list[str]:
    """Ask the gate about a frame."""
    try:
        validate(frame)
    except ValidationError as error:
        return error.failures
    return []


def sum_failures(choices: pl.LazyFrame, account: pl.DataFrame) -> list[str]:
    """Hold the sums of the rows against those of the ledger."""
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    sums = choices.select(pl.col(names).sum()).collect()
    return [
        f"{name} of the rows are {sums[name].item():,}, of the ledger "
        f"{account[name].sum():,}"
        for name in names
        if sums[name].item() != account[name].sum()
    ]


def export_failures(directory: Path) -> list[str]:
    """Ask the gate about every part of an export."""
    table = choices_table(read_state(directory).tags)
    failures = []
    for part in sorted((directory / CHOICES_DIR).glob("*/*.parquet")):
        try:
            frame = pl.read_parquet(part, hive_partitioning=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DamagedExportError(str(part), fault="it is no Parquet") from error
        try:
            validate(frame, table=table)
        except ValidationError as error:
            failures += [f"{part}: {failure}" for failure in error.failures]
    return failures


def findings(choices: pl.LazyFrame) -> list[Finding]:
    """Count what is odd in choices, one pass for all that a row shows by itself."""
    rows = choices.filter(first_choice())
    counts = rows.select(
        *[is_odd.sum().alias(code) for code, _, is_odd in ODDITIES],
        *[
            PLACE.filter(is_odd)
            .sort_by(*[pl.col(name).filter(is_odd) for name in ("log_id", "line")])
            .first()
            .alias(f"{code} first")
            for code, _, is_odd in ODDITIES
        ],
    ).collect()
    found = [
        Finding(code, words, counts[code].item(), counts[f"{code} first"].item())
        for code, words, _ in ODDITIES
    ]
    found.append(repeated_ids(rows))
    found.append(equal_without_id(rows))
    return [finding for finding in found if finding.responses]


def repeated_ids(rows: pl.LazyFrame) -> Finding:
    """Count the responses that share an id with a different response."""
    named = rows.filter(pl.col("response_id").is_not_null())
    groups = named.group_by("response_id").agg(
        *COUNT_AND_PLACE, pl.col("response_hash").n_unique().alias("distinct")
    )
    return summed(
        "repeated_id",
        "responses that share their id with another one",
        groups.filter(pl.col("distinct") > 1),
    )


def equal_without_id(rows: pl.LazyFrame) -> Finding:
    """Count the responses without id that are equal to another one."""
    groups = (
        rows.filter(pl.col("response_id").is_null())
        .group_by("response_hash")
        .agg(*COUNT_AND_PLACE)
    )
    return summed(
        "equal_without_id",
        "responses without an id that equal another one; all are kept",
        groups.filter(pl.col("count") > 1),
    )


def summed(code: str, words: str, groups: pl.LazyFrame) -> Finding:
    """Make one finding of groups of responses."""
    total = (
        groups.sort("log_id", "line")
        .select(pl.col("count").sum(), pl.col("first").first())
        .collect()
    )
    return Finding(code, words, total["count"].item(), total["first"].item())
