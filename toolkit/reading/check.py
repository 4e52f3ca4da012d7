"""Check logs and exports: `check`, and its findings in valid responses.

No finding rejects a line: real providers send all of them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Unpack

import polars as pl

from toolkit.errors import ValidationError
from toolkit.expressions.choices import first_choice, is_unfinished, reports_usage
from toolkit.formatting.parameters import share_parameters
from toolkit.reading.batching import iter_tables
from toolkit.reading.ledger import LedgerBuilder, rank_counts, reject_counts
from toolkit.reading.log_reader import open_logs
from toolkit.reading.manifest import CHOICES_DIR, list_parts
from toolkit.reading.options import READ_PARAMETERS, ReadOptions, complete
from toolkit.reading.rejects import export_reject_counts
from toolkit.reading.scan import part_errors, scan, scan_parts
from toolkit.reading.sources import Exports, resolve_lines
from toolkit.schema.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.reading.discovery import Sources
    from toolkit.reading.ledger import RejectCount
    from toolkit.reading.load import Loaded
    from toolkit.schema.columns import Table


class Finding(NamedTuple):
    """Something unusual: in how many responses, and the place of the first one."""

    code: str
    words: str
    responses: int
    first: str


class CheckResult(NamedTuple):
    """What a check found in logs or in exports."""

    ledger: pl.DataFrame
    rejects: list[RejectCount]
    failures: list[str]  # of the schema: none if validation passed
    findings: list[Finding]
    passed_over: dict[str, int]


_PROMPT, _COMPLETION, _TOTAL, _REASONING = (
    pl.col(f"{name}_tokens") for name in ("prompt", "completion", "total", "reasoning")
)
# xAI counts the reasoning beside the completion.
_IS_REASONING_APART = (_TOTAL == _PROMPT + _COMPLETION + _REASONING).fill_null(False)
_HAS_ANSWER = (pl.col("content_chars") > 0) | (pl.col("tool_calls").list.len() > 0)
_IS_STREAMED = pl.col("chunk_count") > 0
_USAGE_PROBLEMS = {
    "iterations": "with steps that their usage leaves out (tokens are lower bounds)",
    "fast_mode": "in fast mode, which has other rates",
    "inference_geo": "computed in a chosen region, which has other rates",
    "server_tools": "that used tools of the provider, which are billed apart",
    "billed_units": "that are billed by other counts than their tokens",
}

# Each finding by its code, in the order in which they are shown.
_WORDS = {
    "undated": "responses without a date (see --created-path)",
    "no_time_zone": "responses undated for lack of a time zone: log UTC, or an offset",
    "without_usage": "responses without total_tokens",
    "streamed_without_usage": "streamed responses that end without usage: ask for it "
    'with stream_options={"include_usage": true}',
    "zero_usage": "responses that report 0 tokens and have an answer: the usage is a "
    "placeholder",
    "negative_cost": "responses that report a cost below 0: it is not a cost",
    **{
        code: f"responses {words}: their cost is unknown"
        for code, words in _USAGE_PROBLEMS.items()
    },
    "without_id": "responses without an id",
    "without_model": "responses without a model",
    "without_choices": "responses without choices",
    "total_differs": "responses whose total is not prompt + completion (of Google's "
    "models, the difference is thinking)",
    "cached_exceeds_prompt": "responses with more cached tokens than prompt tokens",
    "reasoning_exceeds_completion": "responses with more reasoning tokens than "
    "completion tokens",
    "repeated_id": "responses whose id occurs more than once",
    "equal_without_id": "identical responses without an id (kept: they may be genuine)",
    "unfinished": "streamed responses without an end: they were cut off, or it was not "
    "logged; tokens that they report are lower bounds, and their cost is unknown",
    "changing_ids": "streams of one chunk without an end: the provider seems to give "
    "each chunk an id of its own (log each stream on one line)",
}
FINDING_CODES = tuple(_WORDS)
# What the first row of a response shows.
_UNUSUAL: dict[str, pl.Expr] = {
    "undated": pl.col("created").is_null(),
    "no_time_zone": pl.col("created_problem") == "no_time_zone",
    "without_usage": _TOTAL.is_null(),
    "streamed_without_usage": _IS_STREAMED
    & pl.col("finish_reason").is_not_null()
    & ~reports_usage()
    & pl.col("api").is_in(["chat", "text"]),
    "zero_usage": (pl.max_horizontal(_PROMPT, _COMPLETION, _TOTAL) == 0) & _HAS_ANSWER,
    "negative_cost": pl.col("reported_cost") < 0,
    **{code: pl.col("usage_problem") == code for code in _USAGE_PROBLEMS},
    "without_id": pl.col("response_id").is_null(),
    "without_model": pl.col("model").is_null(),
    "without_choices": pl.col("choice_count") == 0,
    "total_differs": (_TOTAL != _PROMPT + _COMPLETION) & ~_IS_REASONING_APART,
    "cached_exceeds_prompt": pl.col("cached_tokens") > _PROMPT,
    "reasoning_exceeds_completion": (_REASONING > _COMPLETION) & ~_IS_REASONING_APART,
}
# Of a model: so many streams of one chunk, which are at least half of all. An answer
# has tens of chunks; a stream that is cut off after the first one is rare.
_MANY_STREAMS = 10
# The place of a response as one number: its log, and its line in it.
_LINE_BITS = 40
_PLACE = pl.col("log_id").cast(pl.Int64) * 2**_LINE_BITS + pl.col("line")
# The columns that a check needs of each response: some hundred bytes.
_FINDING_COLUMNS = sorted(
    {"log_id", "line", "choice_position", "response_id", "response_hash", "model"}
    | {"chunk_count", "finish_reason"}
    | {name for shows in _UNUSUAL.values() for name in shows.meta.root_names()}
)


@share_parameters(ReadOptions, READ_PARAMETERS, on_damage="collect")
def check(sources: Sources, **options: Unpack[ReadOptions]) -> CheckResult:
    """Check logs or exports: ledger, rejects, schema, and findings.

    Parameters
    ----------
    sources
        Logs as in `toolkit.load`, or one or several directories of an export.
    **options
        Of logs only; an export keeps the options that it was made with. A damaged log
        does not end a check: its error is in the ledger.

    Returns
    -------
    CheckResult
        Findings count responses; those with a count of 0 are left out.

    Notes
    -----
    For logs, a few hundred bytes of each response are kept in memory, but no rejected
    lines.

    Examples
    --------
    >>> import toolkit
    >>> [finding.code for finding in toolkit.check("data/sample").findings][:2]
    ['undated', 'without_usage']
    """
    known = complete(check, options)
    on_damage = options.pop("on_damage", known["on_damage"])
    found = resolve_lines(sources, options, on_damage=on_damage)
    if isinstance(found, Exports):
        return summarize_exports(found)._replace(failures=_export_failures(found))
    reader = open_logs(found, known).without_text()
    table = reader.plan.table
    builder = LedgerBuilder(reader.logs, table)
    failures: list[str] = []
    seen = [table.empty().select(_FINDING_COLUMNS)]
    for block in iter_tables(builder.count_all(reader.iter_decoded()), table.arrow):
        frame = pl.DataFrame(block)
        failures += _frame_failures(frame, table)
        rows = frame.filter(first_choice() | is_unfinished())
        seen.append(rows.select(_FINDING_COLUMNS))
    builder.warn_of_tags()
    builder.warn_of_copies()
    ledger = builder.frame()
    findings = _findings(pl.concat(seen).lazy(), ledger)
    rejects, passed_over = builder.rejects(), reader.passed_over
    return CheckResult(ledger, rejects, failures, findings, passed_over)


def summarize_exports(exports: Exports) -> CheckResult:
    """Build the result for exports from what their files say, without checking them."""
    findings = _findings(scan(exports), exports.ledger)
    return CheckResult(exports.ledger, export_reject_counts(exports), [], findings, {})


def summarize_loaded(loaded: Loaded) -> CheckResult:
    """Build the result for logs that were loaded: their rows are validated already."""
    choices = pl.DataFrame(loaded.choices.select(_FINDING_COLUMNS))
    findings = _findings(choices.lazy(), loaded.ledger)
    rejects = rank_counts(reject_counts(loaded.rejects))
    return CheckResult(loaded.ledger, rejects, [], findings, loaded.passed_over)


def _frame_failures(frame: pl.DataFrame, table: Table) -> list[str]:
    """Validate a frame, and return the failures."""
    try:
        validate(frame, table=table)
    except ValidationError as error:
        return error.failures
    return []


def _export_failures(exports: Exports) -> list[str]:
    """Compare each export with its own ledger, and validate each of its parts."""
    failures = []
    for export in exports.exports:
        alone = Exports([export.directory], [export])
        failures += _sum_failures(scan(alone), alone.ledger)
        table, version = export.manifest.table, export.manifest.schema
        for part in list_parts(export.directory, CHOICES_DIR, export.manifest):
            with part_errors(part):
                frame = scan_parts([part], table.polars, version).collect()
            found = _frame_failures(frame, table)
            failures += [f"{part}: {failure}" for failure in found]
    return failures


def _sum_failures(choices: pl.LazyFrame, ledger: pl.DataFrame) -> list[str]:
    """Compare the sums of the rows with those of the ledger."""
    names = LedgerBuilder.SUMS
    sums = choices.select(pl.col(names).sum()).collect()
    return [
        f"{name}: expected {ledger[name].sum():,} as in the ledger, got "
        f"{sums[name].item():,} in the rows"
        for name in names
        if sums[name].item() != ledger[name].sum()
    ]


def _findings(choices: pl.LazyFrame, ledger: pl.DataFrame) -> list[Finding]:
    """Count what is unusual in choices, in one pass as far as rows show it alone."""
    counts = _first_rows(choices).select(
        pl.struct(is_unusual.sum(), pl.when(is_unusual).then(_PLACE).min()).alias(code)
        for code, is_unusual in _UNUSUAL.items()
    )
    counted = counts.collect(engine="streaming").row(0, named=True)
    found = {code: (*pair.values(),) for code, pair in counted.items()}
    for code, search in _SEARCHES.items():
        found[code] = search(choices).collect(engine="streaming").row(0)
    # The ledger of an export has the present name of a log that was renamed.
    sources = dict(ledger.select("log_id", "source").iter_rows())
    findings = []
    for code, (count, place) in found.items():
        if count:
            first = f"{sources[place >> _LINE_BITS]}:{place % 2**_LINE_BITS}"
            findings.append(Finding(code, _WORDS[code], count, first))
    return findings


def _first_rows(choices: pl.LazyFrame) -> pl.LazyFrame:
    """Return one row per response."""
    return choices.filter(first_choice())


def _repeated(choices: pl.LazyFrame, key: str, distinct: int) -> pl.LazyFrame:
    """Count the responses that share a key, and find the place of the first.

    So many of them must differ. First the keys that occur more than once are found:
    that takes eight bytes per row.
    """
    has_id = pl.col("response_id").is_not_null()
    rows = _first_rows(choices).filter(has_id if key == "response_id" else ~has_id)
    hashes = pl.col(key).hash()
    keys = rows.select(hashes).collect(engine="streaming")[key].sort()
    repeated = keys.filter(keys == keys.shift(1)).unique()
    groups = (
        rows.filter(hashes.is_in(repeated.implode()))
        .group_by(key)
        .agg(
            pl.len().alias("count"),
            _PLACE.min().alias("first"),
            pl.col("response_hash").n_unique().alias("distinct"),
        )
        .filter(pl.col("count") > 1, pl.col("distinct") >= distinct)
    )
    return groups.select(pl.col("count").sum(), pl.col("first").min())


def _unfinished(choices: pl.LazyFrame) -> pl.LazyFrame:
    """Count the streams with an unfinished choice, and find the place of the first."""
    places = choices.filter(is_unfinished()).select(_PLACE.alias("place"))
    return places.select(pl.n_unique("place"), first=pl.min("place"))


def _changing_ids(choices: pl.LazyFrame) -> pl.LazyFrame:
    """Count the streams of one chunk of models that have many, and find the first."""
    has_id = pl.col("response_id").is_not_null()
    is_single = is_unfinished() & has_id & (pl.col("chunk_count") == 1)
    models = _first_rows(choices).filter(_IS_STREAMED).group_by("model")
    counts = models.agg(
        pl.len().alias("streams"),
        is_single.sum().alias("single"),
        _PLACE.filter(is_single).min().alias("first"),
    ).filter(
        pl.col("single") >= pl.max_horizontal(_MANY_STREAMS, pl.col("streams") / 2)
    )
    return counts.select(pl.col("single").sum(), pl.col("first").min())


# What several rows show.
_SEARCHES: dict[str, Callable[[pl.LazyFrame], pl.LazyFrame]] = {
    "repeated_id": partial(_repeated, key="response_id", distinct=2),
    "equal_without_id": partial(_repeated, key="response_hash", distinct=1),
    "unfinished": _unfinished,
    "changing_ids": _changing_ids,
}
