"""A query of a scan gives what it gives of the whole table, whatever it asks for.

The kernel's rows of some columns are compared with the reference's in
`tests.kernel.test_projection`.
"""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import polars as pl
import pytest

import toolkit
from tests.support.differential import EVERY_SEED, attacked_lines, joined
from tests.support.stream_logs import CARRIERS, LINES, read_small_blocks, write_set
from tests.support.stream_samples import QUIRKS, as_lines, cut, interleave, make_stream
from tests.support.streamed_lines import streamed_lines
from toolkit.reading import log_reader
from toolkit.reading.ledger import LedgerBuilder
from toolkit.reading.log_reader import open_logs
from toolkit.reading.native import KERNEL
from toolkit.reading.options import DEFAULTS
from toolkit.schema import CHOICES
from toolkit.testing import make_response, sample_lines, write_sample

both_decoders = pytest.mark.both_decoders
SEED = 20261126
TAGS = {"team": "metadata.team", "id": "custom_id", "none": "not.there"}
Query = Callable[[pl.LazyFrame], pl.LazyFrame]

# --- Logs of every kind ---------------------------------------------------------------


def sample(folder: Path) -> None:
    """Write every dialect and quirk, with repeats, and a last line that is cut off."""
    write_sample(folder / "a.jsonl", 500, seed=5, torn=True)
    write_sample(folder / "b.jsonl.zst", 60, seed=6)
    (folder / "c.jsonl.gz").write_bytes(gzip.compress(joined(list(sample_lines(40)))))
    (folder / "d.jsonl").write_bytes(joined(list(sample_lines(40))))
    (folder / "e.txt").write_text("not read")


def rejected(folder: Path) -> None:
    """Write lines of every API, and lines that were made bad in many ways."""
    lines = [*EVERY_SEED, *attacked_lines(SEED, 200)]
    (folder / "a.jsonl").write_bytes(joined([*lines, *lines[::3], b"", b"\0\0"]))
    (folder / "b.jsonl").write_text("time=1 level=info\ntime=2 level=info\n")


def streamed(folder: Path) -> None:
    """Write streams with many a quirk into a log and its rotations."""
    dice = Random(SEED)
    streams = [
        as_lines(make_stream(dice, f"chatcmpl-{number}", [quirk]))
        for number, quirk in enumerate([*QUIRKS][::3])
    ]
    lines = [line for stream in streams[::2] for line in stream]
    write_set(folder / "a", *cut(dice, lines, 2))
    write_set(folder / "b", interleave(dice, *streams[1::2]))


def carried(folder: Path) -> None:
    """Write streams in each form of logging, and streams of every API."""
    stream = [json.dumps(one) for one in make_stream(Random(SEED), "chatcmpl-1", [])]
    forms = [write(stream) for write in LINES.values()]
    for place, lines in enumerate([*forms, [put(stream) for put in CARRIERS.values()]]):
        write_set(folder / str(place), lines)
    (folder / "any.jsonl").write_bytes(joined(streamed_lines(SEED, 120)))


def damaged(folder: Path) -> None:
    """Write a log that is cut off, one with other bytes, and whole ones."""
    data = gzip.compress(joined(list(sample_lines(30)))) * 2
    (folder / "a.jsonl.gz").write_bytes(data[:-9])
    (folder / "b.jsonl.gz").write_bytes(data[:100] + b"x" + data[101:])
    (folder / "c.jsonl").write_bytes(joined(list(sample_lines(60, seed=3))))


def enveloped(folder: Path) -> None:
    """Write responses in an envelope, with tags and times of its own."""
    lines = [
        {
            "log": {"answer": make_response(id=str(number % 20))},
            "metadata": {"team": number % 3} if number % 4 else None,
            "sent": 1767225600000 + number * 40_000_000 if number % 5 else "soon",
        }
        for number in range(40)
    ]
    (folder / "a.jsonl").write_bytes(
        joined([json.dumps(one).encode() for one in lines])
    )


def empty(folder: Path) -> None:
    """Write a log without lines, and one without a line that is read."""
    (folder / "a.jsonl").touch()
    (folder / "b.jsonl").write_bytes(b"\n{}\n[]\n")


OF_ENVELOPE = {"response_path": "log.answer", "created_path": "sent"}
KINDS: dict[str, tuple[Callable[[Path], None], dict[str, Any]]] = {
    "sample": (sample, {}),
    "sample, tags, drop": (sample, {"tags": TAGS, "content": "drop"}),
    "rejected": (rejected, {}),
    "rejected, keep": (rejected, {"duplicates": "keep", "max_line_bytes": 700}),
    "rejected, tags, ms": (rejected, {"tags": TAGS, "created_unit": "ms"}),
    "streamed": (streamed, {}),
    "streamed, keep": (streamed, {"duplicates": "keep", "tags": TAGS}),
    "carried": (carried, {"duplicates": "keep"}),
    "damaged": (damaged, {"on_damage": "collect", "created_path": "no.time"}),
    "enveloped": (enveloped, {"tags": TAGS, "created_unit": "ms", **OF_ENVELOPE}),
    "empty": (empty, {}),
}


class Read(NamedTuple):
    """Logs, how they are read, and what they hold."""

    folder: Path
    options: dict[str, Any]
    whole: toolkit.Loaded
    warned: list[str]

    def scan(self, query: Query, **span: Any) -> tuple[pl.DataFrame, list[str]]:
        """Return the rows of a query of a scan, and the warnings."""
        return recorded(
            lambda: query(toolkit.scan(self.folder, **span, **self.options)).collect()
        )

    def check(self, query: Query) -> None:
        """Compare a query of a scan with the same query of the whole table."""
        found, warned = self.scan(query)
        assert found.equals(query(self.whole.frame.lazy()).collect())
        assert warned == self.warned


def recorded(read: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Return the result of reading, and each warning with its category."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = read()
    return result, [f"{one.category.__name__}: {one.message}" for one in caught]


def read(folder: Path, options: dict[str, Any]) -> Read:
    """Load logs; a scan warns of what `load` warns of, and of files it did not read."""
    whole, of_load = recorded(lambda: toolkit.load(folder, **options))
    logs = Read(folder, options, whole, of_load)
    found, warned = logs.scan(lambda rows: rows)
    assert found.equals(whole.frame)
    assert [one for one in warned if "not read: " not in one] == of_load
    return logs._replace(warned=warned)


@pytest.fixture(scope="module", params=KINDS)
def logs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Read:
    """Write and load the logs of a kind."""
    write, options = KINDS[request.param]
    folder = tmp_path_factory.mktemp("logs")
    write(folder)
    return read(folder, options)


# --- Queries --------------------------------------------------------------------------


def some(random: Random, names: Sequence[str]) -> list[str]:
    """Return some of the columns, in any order."""
    return random.sample(names, random.choice([1, 2, 3, 5, 12, len(names)]))


def condition(random: Random, frame: pl.DataFrame) -> pl.Expr:
    """Return a condition of any column, about half of them with others."""
    name = random.choice(frame.columns)
    column, dtype = pl.col(name), frame.schema[name]
    conditions = [column.is_null(), column.is_not_null()]
    values = frame[name].drop_nulls().unique().sort() if not dtype.is_nested() else []
    if len(values):
        value = random.choice(values)
        conditions += [column == value, column != value, column.is_in([value])]
        conditions += [column > value, column.ne_missing(value), ~(column <= value)]
    if dtype == pl.String:
        conditions += [column.str.contains("a"), column.str.len_chars() > 5]
    if dtype.is_numeric():
        conditions += [column * 2 > 30, column + pl.col("total_tokens") > 40]
    found = random.choice(conditions)
    if random.random() < 0.5:
        other = condition(random, frame)
        return found & other if random.random() < 0.5 else found | other
    return found


@pytest.mark.parametrize("logs", ["sample", "rejected", "streamed"], indirect=True)
def test_each_column_alone_is_that_of_the_table(logs: Read) -> None:
    for name in logs.whole.frame.columns:
        logs.check(lambda rows, name=name: rows.select(name))  # type: ignore[misc]


@both_decoders
def test_any_columns_of_the_rows_of_any_condition_are_those_of_the_table(
    logs: Read,
) -> None:
    random = Random(SEED)
    for _ in range(6):
        names = some(random, logs.whole.frame.columns)
        where = condition(random, logs.whole.frame)
        logs.check(lambda rows, n=names, w=where: rows.filter(w).select(n))  # type: ignore[misc]


@both_decoders
def test_the_first_rows_are_those_of_the_table(logs: Read) -> None:
    random = Random(SEED)
    frame = logs.whole.frame
    for count in (0, 3, 40):
        names, where = some(random, frame.columns), condition(random, frame)
        for query in (
            lambda rows, n=names, c=count: rows.select(n).head(c),
            lambda rows, n=names, c=count, w=where: rows.filter(w).select(n).head(c),
            lambda rows, n=names, c=count, w=where: rows.head(c).filter(w).select(n),
        ):
            # Reading may end early: not all lines are known then.
            assert logs.scan(query)[0].equals(query(frame.lazy()).collect())


def test_a_range_of_time_is_that_of_the_table(logs: Read) -> None:
    # The times of the sample are of October and November 2026.
    start, end = (datetime(2026, 10, day, 6, tzinfo=UTC) for day in (5, 20))
    created = pl.col("created")
    for since, until, names, expected in (
        (start, end, ["total_tokens"], (created >= start) & (created < end)),
        (start, None, ["content", "created"], created >= start),
        (None, start, logs.whole.frame.columns, created < start),
    ):
        found, warned = logs.scan(
            lambda rows, n=names: rows.select(n),  # type: ignore[misc]
            since=since,
            until=until,
        )

        assert found.equals(logs.whole.frame.filter(expected).select(names))
        assert warned == logs.warned


def test_counts_and_sums_are_those_of_the_table(logs: Read) -> None:
    logs.check(lambda rows: rows.select(pl.len()))
    logs.check(
        lambda rows: (
            rows.group_by("model", pl.col("created").dt.date())
            .agg(pl.len(), pl.col("total_tokens").sum(), pl.col("content").count())
            .sort(pl.all())
        )
    )


def test_each_row_is_there_in_blocks_of_few_lines(
    logs: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In such blocks it depends on the size which streams with one id are still open.
    read_small_blocks(monkeypatch, 10_000)
    small = read(logs.folder, logs.options)
    for names in (["total_tokens"], ["model", "content", "line"]):
        small.check(lambda rows, n=names: rows.select(n))  # type: ignore[misc]


@pytest.mark.skipif(KERNEL is None, reason="the reference does not read ahead")
def test_logs_that_were_read_ahead_give_the_same(
    logs: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "_LEAST_BYTES", 0)
    ahead = log_reader.start_reading(logs.folder, logs.options, ["model"])  # type: ignore[arg-type]

    logs._replace(folder=ahead).check(lambda rows: rows.select("model", "total_tokens"))  # type: ignore[arg-type]


# --- Ledgers --------------------------------------------------------------------------


@both_decoders
def test_the_ledger_and_the_rejects_are_the_same_whatever_is_read(logs: Read) -> None:
    random = Random(SEED)
    reader = open_logs(logs.folder, {**DEFAULTS, **logs.options})
    names = reader.plan.table.names
    rejects = pl.DataFrame(logs.whole.rejects)
    for columns in ([], ["content"], names, *(some(random, names) for _ in range(2))):
        some_columns = reader.project(columns)
        builder = LedgerBuilder(reader.logs, reader.plan.table)
        stream = builder.count_all(some_columns.iter_decoded())

        found = pl.concat(
            [rejects.clear(), *(pl.DataFrame(decoded.rejects) for decoded in stream)]
        )

        assert builder.frame().equals(logs.whole.ledger)
        assert found.equals(rejects)


def test_the_ledger_is_that_of_a_check_and_of_an_export(
    logs: Read, tmp_path: Path
) -> None:
    logs.scan(lambda rows: rows.select("model"))

    checked, _ = recorded(lambda: toolkit.check(logs.folder, **logs.options))
    exported, _ = recorded(
        lambda: toolkit.export(
            logs.folder, to=tmp_path / "out", final=True, **logs.options
        )
    )

    assert checked.ledger.equals(logs.whole.ledger)
    # An export leaves a last line that is cut off to its next run.
    rejects = pl.DataFrame(logs.whole.rejects)
    left = rejects.filter(code="truncated")["log_id"].implode()
    ledgers = [
        ledger.filter(pl.col("log_id").is_in(left).not_())
        for ledger in (exported.ledger, logs.whole.ledger)
    ]
    assert ledgers[0].equals(ledgers[1])


# --- Recorded responses ---------------------------------------------------------------


def test_columns_of_recorded_responses_are_those_of_the_table(corpus: Path) -> None:
    logs = read(corpus, {"duplicates": "keep"})
    random = Random(SEED)
    names = random.sample(CHOICES.names, len(CHOICES.names))
    for number in range(6):
        where = condition(random, logs.whole.frame) if number % 2 else pl.lit(True)
        logs.check(lambda rows, n=names[number::6], w=where: rows.filter(w).select(n))  # type: ignore[misc]
