"""What a report is made of: the choices of logs or exports, and their account.

Logs are read once, without the text of messages; exports are opened where they lie.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, cast

import polars as pl

from toolkit.accounting import Account, merged, passed_over_words, ranked, reject_counts
from toolkit.decoding import DECODER
from toolkit.errors import clean
from toolkit.expressions import first_choice
from toolkit.finding import named_sources
from toolkit.loaded import Loaded
from toolkit.loading import open_logs
from toolkit.replay import reject_frames
from toolkit.scanning import exports_in, ledger, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from toolkit.accounting import RejectCount
    from toolkit.blocks import CreatedUnit, OnDamage
    from toolkit.finding import Sources
    from toolkit.loading import LogOptions
    from toolkit.metrics import Choices

# What no figure needs. Of the text of an answer only that it is there is kept.
UNREAD = {"reasoning_content", "native_finish_reason", "role", "custom_id"}
IS_THERE = pl.when(pl.col("content").is_not_null()).then(pl.lit("")).alias("content")


class Material(NamedTuple):
    """Choices, the account of their lines (None of a frame), and what they are from."""

    choices: pl.LazyFrame
    ledger: pl.DataFrame | None
    rejects: list[RejectCount]
    inputs: list[str]
    passed_over: str


def collect_material(
    sources: Sources | Choices,
    *,
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    on_damage: OnDamage = "raise",
    progress: Callable[[int], None] | None = None,
) -> Material:
    """Open exports, read logs, or take choices that are at hand."""
    if isinstance(sources, Loaded):
        return Material(
            pl.DataFrame(sources.choices).lazy(),
            sources.ledger,
            reject_counts(sources.rejects),
            sources.ledger["source"].to_list(),
            passed_over_words(sources.passed_over) if sources.passed_over else "",
        )
    if not isinstance(sources, str | os.PathLike | list | tuple):
        frame = sources if isinstance(sources, pl.LazyFrame) else pl.DataFrame(sources)
        return Material(frame.lazy(), None, [], [], "")
    named = cast("Sources", sources)
    inputs = [clean(name) for name in named_sources(named)]
    options: LogOptions = {
        "tags": tags,
        "response_path": response_path,
        "created_unit": created_unit,
    }
    exports = exports_in(named, **options)
    if exports:
        counts = merged(
            count
            for frame in reject_frames(exports)
            for count in reject_counts(frame.drop("raw").to_arrow())
        )
        return Material(
            scan(exports), ledger(exports), ranked(counts.values()), inputs, ""
        )
    options["on_damage"] = on_damage
    reading = open_logs(named, progress=progress, **options)
    account = Account(reading.logs)
    table = reading.plan.table
    kept = [name for name in table.names if name not in UNREAD]
    frames = [table.empty().select(kept)]
    frames += [
        pl.DataFrame(decoded.choices.select(kept)).with_columns(IS_THERE)
        for decoded in account.noting(reading.decoded())
    ]
    account.warn_of_damage()
    return Material(
        pl.concat(frames).lazy(),
        account.frame(),
        account.rejects(),
        inputs,
        passed_over_words(reading.passed_over) if reading.passed_over else "",
    )


def undated(choices: pl.LazyFrame) -> tuple[int, int]:
    """Count the responses without a date, and sum the tokens that they report."""
    row = (
        choices.filter(first_choice(), pl.col("created").is_null())
        .select(pl.len(), pl.col("total_tokens").sum())
        .collect()
        .row(0)
    )
    return int(row[0]), int(row[1] or 0)


def decoder_of(material: Material) -> str:
    """Say which decoder read the lines."""
    if material.ledger is None or material.ledger.is_empty():
        return DECODER
    return ", ".join(material.ledger["decoder"].unique().sort())
