"""Logs into memory: `load`, `batches`, and `Loaded` with its summary."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Unpack, get_args

import polars as pl

from toolkit import expressions, system
from toolkit.errors import (
    NotEnoughMemoryError,
    RejectedLineError,
    check_word,
    clean,
    plural,
)
from toolkit.expressions.choices import is_unfinished
from toolkit.formatting.dates import format_moment
from toolkit.formatting.parameters import share_parameters
from toolkit.reading.batching import TableBuilder
from toolkit.reading.discovery import passed_over_words
from toolkit.reading.ledger import LedgerBuilder, rank_counts, reject_counts
from toolkit.reading.log_reader import open_logs
from toolkit.reading.options import (
    READ_PARAMETERS,
    Content,
    OnReject,
    ReadOptions,
    complete,
)
from toolkit.schema.tables import REJECTS
from toolkit.schema.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from toolkit.reading.blocks import Decoded, Source
    from toolkit.reading.discovery import Sources


@dataclass(frozen=True, eq=False, repr=False)
class Loaded:
    """Logs as tables: the choices, the rejected lines, and a ledger of all lines.

    Attributes
    ----------
    choices
        One row per choice, as an Arrow table; see `toolkit.schema.CHOICES`. `frame` is
        the same as a polars frame.
    rejects
        One row per rejected line, with its bytes; see `toolkit.schema.REJECTS`. A
        polars frame, as `toolkit.rejects` returns; ``rejects.to_arrow()`` for Arrow.
    ledger
        One row per log; see `toolkit.schema.LEDGER`. A polars frame, as
        `toolkit.ledger` returns.
    passed_over
        Files in a directory that were not read, counted by ending.
    """

    choices: pa.Table
    rejects: pl.DataFrame
    ledger: pl.DataFrame
    passed_over: dict[str, int] = field(default_factory=dict)

    @cached_property
    def frame(self) -> pl.DataFrame:
        """The choices as a polars frame, validated."""
        return validate(pl.DataFrame(self.choices))

    @cached_property
    def responses(self) -> pl.DataFrame:
        """One row per response; see `toolkit.responses`."""
        return expressions.responses(self.frame)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the choices to any library that reads Arrow."""
        return self.choices.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        """Return the number of rows of the choices."""
        return int(self.choices.num_rows)

    def __repr__(self) -> str:
        """Return lines about what was read, and one for each bad log."""
        return "\n".join(f"{label:<11}{text}" for label, text in self.summary())

    def _repr_html_(self) -> str:
        """Return the same as an HTML table."""
        rows = "".join(
            f'<tr><th style="text-align:left">{html.escape(label)}</th>'
            f'<td style="text-align:left">{html.escape(text)}</td></tr>'
            for label, text in self.summary()
        )
        return f"<table>{rows}</table>"

    def summary(self) -> list[tuple[str, str]]:
        """Return pairs of label and sentence: five or six, and one for each bad log."""
        totals = self.ledger.sum().row(0, named=True)
        hints = self.ledger.select("source", "hint").drop_nulls("hint")
        columns = ["log_id", "line", "choice_position", "created", "total_tokens"]
        columns += ["chunk_count", "finish_reason"]
        choices = pl.DataFrame(self.choices.select(columns))
        first = choices.filter(expressions.first_choice())
        chunks = first["chunk_count"].drop_nulls()
        unfinished = choices.filter(is_unfinished())["log_id", "line"].n_unique()
        streamed = (
            f"{plural(len(chunks), 'response')} of {plural(int(chunks.sum()), 'chunk')}"
            + f"; {unfinished:,} unfinished" * bool(unfinished)
        )
        sentences = [
            ("logs", self._logs(totals["bytes"] or 0)),
            ("lines", _lines(totals)),
            *[("streamed", streamed)] * bool(len(chunks)),
            ("tokens", _tokens(totals, first["total_tokens"].null_count())),
            ("set aside", self._set_aside(totals)),
            ("created", _created(first["created"])),
            *[("damaged", error) for error in self.ledger["error"].drop_nulls()],
            *[("hint", f"{source} {hint}") for source, hint in hints.rows()],
        ]
        return [(label, clean(text)) for label, text in sentences]

    def _logs(self, size: int) -> str:
        decoders = ", ".join(self.ledger["decoder"].unique(maintain_order=True))
        text = f"{plural(len(self.ledger), 'log')}, {size:,} bytes, decoder {decoders}"
        if self.passed_over:
            text += f"; {passed_over_words(self.passed_over)}"
        return text

    def _set_aside(self, totals: dict[str, int]) -> str:
        counts = rank_counts(reject_counts(self.rejects))
        errors = [place for code, _, place in counts if code == "error_response"]
        rejected = [
            f"{count:,} {code} (first {place})"
            for code, count, place in counts
            if code != "error_response"
        ]
        return (
            f"{plural(totals['duplicates'], 'duplicate')}, "
            f"{plural(totals['errors'], 'error')}"
            + (f" (first {errors[0]})" if errors else "")
            + f", {totals['rejected']:,} rejected"
            + (f": {', '.join(rejected)}" if rejected else "")
        )


def _lines(totals: dict[str, int]) -> str:
    chunks = totals["chunks"]
    further = f", {plural(chunks, 'further chunk')}" if chunks else ""
    return (
        f"{plural(totals['lines'], 'line')} -> "
        f"{plural(totals['responses'], 'response')} -> "
        f"{plural(totals['choices'], 'choice')}; {totals['blank']:,} blank{further}"
    )


def _tokens(totals: dict[str, int], silent: int) -> str:
    return (
        f"{totals['total_tokens']:,} total, {totals['prompt_tokens']:,} prompt, "
        f"{totals['completion_tokens']:,} completion, as reported; "
        f"{plural(silent, 'response')} without usage"
    )


def _created(created: pl.Series) -> str:
    known = created.drop_nulls().sort()
    span = "no dates"
    if len(known):
        first, last = (format_moment(known[end], "iso") for end in (0, -1))
        span = f"{first} to {last} UTC"
    return f"{span}; {created.null_count():,} undated"


# Bytes of a table for each byte of its log, measured on data/sample/chat.jsonl (lines
# of a thousand bytes; shorter ones take more), and how much larger a compressed log is
# (the sample 12 times). Both are low estimates: no log that fits is rejected.
_TABLE_BYTES = {"keep": 0.8, "drop": 0.35}
_INFLATION = 4


@share_parameters(ReadOptions, READ_PARAMETERS)
def batches(
    sources: Sources, *, max_lines: int | None = None, **options: Unpack[ReadOptions]
) -> Iterator[Decoded]:
    """Read logs block by block, in order, in constant memory.

    Parameters
    ----------
    sources
        As in `toolkit.load`.
    max_lines
        Read at most this many lines in total.
    **options
        See `toolkit.reading.options.ReadOptions`.

    Yields
    ------
    Decoded
        `choices` and `rejects` as Arrow record batches, the counts of the block, and
        the log that it is from. Rows come as they are read: of a compressed log that
        turns out to be damaged the first ones have been yielded when the error comes
        (not so with ``on_damage="collect"``, where the last block has the `error`).
        A streamed response is in the block in which its stream is over. If it began in
        another log, it is in a block of that log, without lines and with negative
        `chunks`: so many lines that were counted as chunks are responses.

    Examples
    --------
    >>> import toolkit
    >>> rows = sum(batch.choices.num_rows for batch in toolkit.batches("data/sample"))
    >>> rows == toolkit.load("data/sample").choices.num_rows
    True
    """
    known = complete(batches, options)
    return open_logs(sources, known, max_lines=max_lines).iter_decoded()


@share_parameters(ReadOptions, READ_PARAMETERS)
def load(
    sources: Sources,
    *,
    on_reject: OnReject = "collect",
    max_lines: int | None = None,
    **options: Unpack[ReadOptions],
) -> Loaded:
    """Read logs into memory: a table of choices, one of rejects, and a ledger.

    Parameters
    ----------
    sources
        A path, a directory, a glob, ``-`` for standard input, an address
        ``s3://bucket/key``, also ``gs://`` and ``az://`` (of an object or of a folder,
        or with a glob), or a list of them.
        Plain text, gzip and zstd are detected by their first bytes.
        Logs are read in the order of the list, sorted by name within each; a log and
        its rotations (``app.jsonl.1``) are read together, oldest first.
    on_reject
        ``"collect"`` puts bad lines into `rejects` and warns once; ``"raise"`` stops
        at the first with `RejectedLineError`.
    max_lines
        Read at most this many lines in total.
    **options
        See `toolkit.reading.options.ReadOptions`.

    Returns
    -------
    Loaded
        Rows in the order of the logs and lines. Those of a streamed response come when
        its stream is over, at the latest after all others. A response without choices
        has one row, so that its usage is not lost.

    Raises
    ------
    SourceError
        If a log is missing, unreadable or damaged.
    NotEnoughMemoryError
        Before reading, if the table would be larger than free memory.

    Warns
    -----
    RejectsWarning
        Once, if lines were rejected.
    DamageWarning
        Once, if logs are damaged and ``on_damage="collect"``.

    Examples
    --------
    >>> import toolkit
    >>> log = toolkit.load("data/sample/chat.jsonl", max_lines=100)
    >>> log.choices.num_rows >= 90
    True
    """
    check_word("on_reject", on_reject, get_args(OnReject))
    known = complete(load, options)
    reader = open_logs(sources, known, max_lines=max_lines)
    if max_lines is None:
        _check_memory(reader.logs, known["content"])
    builder = LedgerBuilder(reader.logs, reader.plan.table)
    choices = TableBuilder(reader.plan.table.arrow)
    rejects = TableBuilder(REJECTS.arrow)
    for decoded in builder.count_all(reader.iter_decoded()):
        if on_reject == "raise" and len(decoded.rejects):
            raise _first_reject(decoded)
        choices.add(decoded.choices)
        rejects.add(decoded.rejects)
    builder.warn()
    return Loaded(
        choices.build(),
        pl.DataFrame(rejects.build()),
        builder.frame(),
        reader.passed_over,
    )


def _first_reject(decoded: Decoded) -> RejectedLineError:
    """Build the error for the first reject of a block."""
    facts = decoded.rejects.select(["source", "line", "code", "reason", "json_path"])
    return RejectedLineError(**facts.slice(0, 1).to_pylist()[0])


def _check_memory(logs: Sequence[Source], content: Content) -> None:
    """Raise if the table of the logs would be larger than free memory."""
    free = system.free_memory()
    needed = 0
    for log in logs:
        inflation = _INFLATION if log.name.endswith((".gz", ".zst")) else 1
        needed += int((log.size or 0) * inflation * _TABLE_BYTES[content])
    if free is not None and needed > free:
        raise NotEnoughMemoryError(needed=needed, free=free)
