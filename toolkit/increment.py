"""What one run adds to an export: the lines that are new, without what they repeat."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from toolkit.accounting import Account, some_of
from toolkit.blocks import Decoded
from toolkit.decoding import make_seen
from toolkit.errors import MissingBytesWarning, ReplacedLogWarning, plural
from toolkit.parts import Parts, days_of, within
from toolkit.resuming import LogMovedError, blocks_behind
from toolkit.scanning import DUPLICATE_KEY, scan_parts
from toolkit.schema import CHOICES
from toolkit.state import CHOICES_DIR, State, parts_of
from toolkit.tracking import Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from toolkit.blocks import Block
    from toolkit.loading import Reading
    from toolkit.ranges import Span
    from toolkit.state import Known
    from toolkit.targets import Target

# What finds a repeat; a committed response counts once, by whatever row.
KEYS = ("choice_position", *DUPLICATE_KEY)


class Increment:
    """Reads what is new in logs into parts, and commits them."""

    def __init__(
        self, reading: Reading, target: Target, span: Span, *, anew: bool
    ) -> None:
        self.reading = reading
        self.span = span
        self.target = target
        self.anew = anew
        self.before = None if anew else target.state
        known = self.before.logs if self.before else ()
        self.tracker = Tracker(reading.logs, known, reading.on_damage)
        self.unread = self.tracker.unread()
        self.account = Account({log.log_id: log.source for log in self.unread})
        self.moved: set[int] = set()  # logs that had another place when they were read
        self.cut: set[int] = set()  # logs whose last line was rejected as truncated
        self.replaced: list[str] = []
        self.missing: list[str] = []

    def write(self, options: Mapping[str, object]) -> None:
        """Write the parts, and commit them if there is anything to be kept."""
        generation = self.target.generation + 1
        made = self.write_parts(generation) if self.unread else []
        known = self.known_now()
        self.note_losses(known)
        logs = [known[log_id] for log_id in sorted(known)]
        first = self.before.first if self.before else generation
        state = State(generation, options, logs, run=self.target.run, first=first)
        self.state = state.with_totals()
        if self.before is None or made or logs != self.before.logs:
            self.target.commit(made, self.state, anew=self.anew)

    def write_parts(self, generation: int) -> list[Path]:
        """Read what is unread into parts below staging."""
        with Parts(
            self.target.stage(),
            generation=generation,
            run=self.target.run,
            table=self.reading.plan.table,
        ) as parts:
            for decoded in self.account.noting(self.decoded()):
                parts.add(decoded.choices, decoded.rejects)
            parts.finish()
        return parts.made

    def decoded(self) -> Iterator[Decoded]:
        """Yield what is new, without what repeats a response of this or another run."""
        repeats = Repeats(self.target.where, self.before)
        for decoded in within(self.reading.decode(self.blocks()), self.span):
            codes = decoded.rejects.column("code")
            if len(codes) and codes[-1].as_py() == "truncated":
                self.cut.add(decoded.log_id)
            if self.reading.duplicates == "keep":
                yield decoded
            else:
                yield repeats.without_repeats(decoded)

    def blocks(self) -> Iterator[Block]:
        """Yield what is unread of log after log."""
        for log in self.unread:
            try:
                yield from blocks_behind(
                    log.mark,
                    log.source,
                    log.log_id,
                    log.witness,
                    max_line_bytes=self.reading.plan.max_line_bytes,
                    on_damage=self.reading.on_damage,
                )
            except LogMovedError:  # the next run finds it where it is then
                self.moved.add(log.log_id)

    def added(self) -> pl.DataFrame:
        """Return the ledger of this run alone."""
        return self.account.frame().filter(~pl.col("log_id").is_in(list(self.moved)))

    def known_now(self) -> dict[int, Known]:
        """Return all logs of the export as they are known after this run."""
        known = self.tracker.renamed()
        counts = {row["log_id"]: row for row in self.added().to_dicts()}
        for log in self.unread:
            if log.log_id not in self.moved:
                is_cut = log.log_id in self.cut
                known[log.log_id] = log.known_now(
                    counts[log.log_id], is_cut=is_cut, now=self.tracker.now
                )
        return known

    def note_losses(self, known: dict[int, Known]) -> None:
        """Note the logs that are gone; in the ledger, if bytes of them are missing."""
        for log, size in self.tracker.losses():
            name = log.row["source"]
            if size is None:
                self.replaced.append(
                    f"{name} is not the log that it was: made anew or rewritten, it is "
                    "read from its beginning"
                )
                continue
            error = f"gone before its end was read: {plural(size, 'byte')} missing"
            self.missing.append(f"{name}: {error}")
            known[log.log_id] = replace(log, row={**log.row, "error": error})

    def warn(self) -> None:
        """Say what is wrong with the logs, each kind once."""
        self.account.warn_of_damage(stacklevel=3)
        if self.replaced:
            warnings.warn(some_of(self.replaced), ReplacedLogWarning, stacklevel=3)
        if self.missing:
            warnings.warn(some_of(self.missing), MissingBytesWarning, stacklevel=3)


class Repeats:
    """Finds what repeats a response, of this run or of an earlier one.

    Equal bytes have an equal date: of what is committed only the keys of those dates
    are read that new rows have.
    """

    def __init__(self, directory: str, committed: State | None) -> None:
        self.directory = directory
        self.committed = committed
        self.seen = make_seen()
        self.days: set[str] = set()

    def without_repeats(self, decoded: Decoded) -> Decoded:
        """Leave out the rows of responses that were seen before."""
        if self.committed is not None:
            for day in days_of(decoded.choices) - self.days:
                self.days.add(day)
                self.see(day, self.committed)
        return self.seen.without_repeats(decoded)

    def see(self, day: str, committed: State) -> None:
        """Note the responses that are committed of a day."""
        parts = parts_of(self.directory, f"{CHOICES_DIR}/date={day}", committed)
        if not parts:
            return
        schema = pa.schema([CHOICES[name].arrow for name in KEYS])
        keys = (
            scan_parts(parts, pl.Schema(schema))
            .select(DUPLICATE_KEY)
            .filter(pl.col("response_id").is_not_null())
            .unique()
            .select(pl.lit(0, pl.Int32).alias("choice_position"), *DUPLICATE_KEY)
            .collect()
        )
        for batch in keys.to_arrow().cast(schema).to_batches():
            self.seen.without_repeats(Decoded(0, "", batch, batch, 0, 0, 0, 0))
