"""Logs in, Parquet by date out, in constant memory.

Parts are written in a staging directory and committed at once by state.json: whoever
reads sees whole files only, and a run that died leaves nothing that the next one does
not clear away.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from toolkit.accounting import Account
from toolkit.blocks import MAX_LINE_BYTES
from toolkit.loading import open_logs
from toolkit.parts import Parts
from toolkit.state import make_state
from toolkit.targets import opened_target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from toolkit.accounting import RejectCount
    from toolkit.blocks import Content, CreatedUnit, Duplicates, OnDamage
    from toolkit.finding import Sources


class Exported(NamedTuple):
    """What an export did."""

    directory: str
    ledger: pl.DataFrame
    rejects: list[RejectCount]
    passed_over: dict[str, int]


def export(
    sources: Sources,
    to: str | os.PathLike[str],
    *,
    content: Content = "keep",
    duplicates: Duplicates = "drop",
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    max_line_bytes: int = MAX_LINE_BYTES,
    on_damage: OnDamage = "raise",
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Exported:
    """Write logs as Parquet, partitioned by the UTC date of `created`.

    Parameters
    ----------
    sources
        As in `toolkit.load`.
    to
        A directory that does not exist yet, or is empty, or holds what an export that
        was cut off left; or such an address ``s3://bucket/key``.
    content, duplicates, tags, response_path, created_unit, max_line_bytes
        As in `toolkit.load`; they are kept with the export.
    on_damage, threads, progress
        As in `toolkit.load`.

    Returns
    -------
    Exported
        The directory, the ledger (one row per log) and the files passed over.

    Raises
    ------
    NotEmptyError
        If the directory holds anything else.
    BusyError
        If another process is writing there, or was faster in the store.
    SourceError
        If a log is missing, unreadable or damaged; nothing is committed then.
    WriteError
        If the system refuses to write; nothing is committed then.

    Warns
    -----
    DamageWarning
        Once, if logs are damaged and ``on_damage="collect"``.

    Notes
    -----
    An unfinished last line of a plain file is left for later (`pending_bytes` in the
    ledger). Every batch passes `toolkit.validate` before it is written.

    Examples
    --------
    >>> import tempfile, toolkit
    >>> to = tempfile.mkdtemp()
    >>> done = toolkit.export("data/sample/chat.jsonl", to=to)
    >>> toolkit.scan(to).select("line").collect().height == done.ledger["choices"].sum()
    True
    """
    options = {
        "content": content,
        "duplicates": duplicates,
        "tags": dict(tags or {}),
        "response_path": response_path,
        "created_unit": created_unit,
        "max_line_bytes": max_line_bytes,
    }
    reading = open_logs(
        sources,
        content=content,
        duplicates=duplicates,
        tags=tags,
        response_path=response_path,
        created_unit=created_unit,
        max_line_bytes=max_line_bytes,
        on_damage=on_damage,
        threads=threads,
        leave_pending=True,
        progress=progress,
    )
    directory = os.fspath(to)
    account = Account(reading.logs)
    with opened_target(directory) as target:
        with Parts(
            target.staging, generation=1, run=target.run, table=reading.plan.table
        ) as parts:
            for decoded in account.noting(reading.decoded()):
                parts.add(decoded.choices, decoded.rejects)
            parts.finish()
        ledger = account.frame()
        target.commit(parts.made, make_state(1, options, ledger, target.run))
    account.warn_of_damage()
    return Exported(directory, ledger, account.rejects(), reading.passed_over)
