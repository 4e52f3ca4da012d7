"""Generated streams, against an independent assembler, and what holds for any log.

`STREAM_SAMPLES` in the environment is how many streams are compared with the assembler
(20,000 with ``make crashes``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import toolkit
from tests.support.assembler import Assembly, assemble, read_line
from tests.support.stream_logs import (
    differences,
    read_logs,
    read_small_blocks,
    write_set,
)
from tests.support.stream_samples import (
    QUIRKS,
    SHAPES,
    WHOLES,
    as_lines,
    cut,
    interleave,
    make_log,
    make_stream,
)

pytestmark = pytest.mark.both_decoders

SAMPLES = int(os.environ.get("STREAM_SAMPLES", "240"))
STREAMS = 6  # of a log
SEED = 20_261_126
ORDER = ["log_id", "line", "choice_position"]


def compare(folder: Path, sets: Sequence[Sequence[Sequence[str]]]) -> None:
    """Read rotation sets in one go, and compare each with the assembler."""
    paths: list[Path] = []
    places: list[range] = []
    for number, logs in enumerate(sets):
        written = write_set(folder / str(number), *logs)
        places.append(range(len(paths), len(paths) + len(written)))
        paths += written
    # Many sets have the same ids, so duplicates are kept.
    found = read_logs(paths, duplicates="keep")
    for logs, place in zip(sets, places, strict=True):
        mine = [one for one in found.responses if one.log in place]
        for one in mine:
            one.log -= place.start
        part = Assembly(mine, [found.ledgers[log] for log in place])
        assert differences(part, assemble(*logs, drop=False)) == [], logs


# --- Against the assembler ------------------------------------------------------------


@pytest.mark.parametrize("quirk", QUIRKS)
def test_a_quirk_is_read_as_the_assembler_reads_it(quirk: str, tmp_path: Path) -> None:
    """Three one after the other, and three interleaved."""
    dice = Random(SEED)
    streams = [
        as_lines(make_stream(dice, f"chatcmpl-{number}", [quirk]))
        for number in range(6)
    ]

    compare(tmp_path, [[list(chain(*streams[:3]))], [interleave(dice, *streams[3:])]])


def test_logs_of_many_streams_are_read_as_the_assembler_reads_them(
    tmp_path: Path,
) -> None:
    sets = []
    for number in range(SAMPLES // STREAMS):
        dice = Random(SEED + number)
        lines = make_log(dice, STREAMS)
        sets.append(cut(dice, lines, dice.choice([1, 1, 2, 3])))

    compare(tmp_path, sets)


def test_duplicates_are_those_of_the_assembler(tmp_path: Path) -> None:
    """Each log of a set is in another set too, as a log that was shipped twice."""
    dice = Random(SEED)
    lines = as_lines(
        line
        for number in range(20)
        for line in make_stream(dice, f"chatcmpl-{number}", ["the same again"])
    )
    paths = [
        path
        for name in "abc"
        for path in write_set(tmp_path / name, *cut(dice, lines, 2))
    ]

    log = toolkit.load(paths)

    # 20 responses, and 20 more in the first set, 40 in the second and the third.
    assert len(log.frame) == 20
    assert log.ledger["duplicates"].sum() == 100
    assert log.ledger["responses"].sum() == 20
    assert log.ledger["chunks"].sum() == 3 * len(lines) - 120


# --- What holds for any log -----------------------------------------------------------


@st.composite
def logs_of_streams(
    draw: st.DrawFn, names_of_quirks: Sequence[str] = tuple(QUIRKS)
) -> list[list[str]]:
    """Draw streams with any quirks, mix their lines, and cut them into logs."""
    dice = Random(draw(st.integers(0, 2**32)))
    names = draw(st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=5))
    streams = []
    for name in names:
        quirks = draw(
            st.lists(st.sampled_from(names_of_quirks), max_size=3, unique=True)
        )
        streams.append(as_lines(make_stream(dice, name, quirks)))
    lines = interleave(dice, *streams)
    order = draw(st.sampled_from(["mixed", "any order", "backwards"]))
    if order == "any order":
        dice.shuffle(lines)
    if order == "backwards":
        lines.reverse()
    return cut(dice, lines, draw(st.integers(1, 4)))


def read(logs: Sequence[Sequence[str]], **options: Any) -> toolkit.Loaded:
    """Read the logs of one rotation set."""
    with TemporaryDirectory() as folder:
        return toolkit.load(write_set(Path(folder), *logs), **options)


SETTINGS = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@SETTINGS
@given(logs_of_streams())
def test_each_line_is_counted_and_each_chunk_is_in_one_response(
    logs: list[list[str]],
) -> None:
    log = read(logs, duplicates="keep")

    kinds = ("blank", "responses", "chunks", "duplicates", "errors", "rejected")
    ledger = log.ledger
    assert ledger["lines"].to_list() == [len(lines) for lines in logs]
    assert ledger.select(kinds).sum_horizontal().to_list() == ledger["lines"].to_list()
    assert min(ledger.select(kinds).min().row(0)) >= 0
    first = log.frame.filter(pl.col("choice_position") == 0)
    assert len(first) == ledger["responses"].sum()
    assert len(log.frame) == ledger["choices"].sum()
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert first[name].sum() == ledger[name].sum()
    kinds_of_lines = [read_line(line).kind for lines in logs for line in lines]
    chunks = kinds_of_lines.count("chunk")
    if "whole" in kinds_of_lines:
        assert first["chunk_count"].sum() <= chunks
    else:
        assert first["chunk_count"].sum() == chunks
    streams = first.filter(pl.col("chunk_count").is_not_null())
    assert streams.select("log_id", "line").n_unique() == len(streams)
    toolkit.validate(log.frame)


@SETTINGS
@given(st.integers(0, 2**32), st.integers(1, 5), st.data())
def test_streams_with_ids_of_their_own_are_the_same_however_they_are_mixed(
    seed: int, count: int, data: st.DataObject
) -> None:
    """Any interleaving and any cuts give the rows of each stream alone."""
    dice = Random(seed)
    shapes = [
        name for name in SHAPES if name not in {"no id", "id only in later chunks"}
    ]
    streams = []
    for number in range(count):
        quirks = data.draw(st.lists(st.sampled_from(shapes), max_size=3, unique=True))
        streams.append(as_lines(make_stream(dice, f"chatcmpl-{number}", quirks)))
    one_by_one = [line for stream in streams for line in stream]
    mixed = cut(dice, interleave(dice, *streams), dice.randint(1, 4))

    alone, together = read([one_by_one]), read(mixed)

    place = ["log_id", "source", "line"]
    order = ["response_id", "choice_position"]
    assert (
        together.frame.drop(place)
        .sort(order)
        .equals(alone.frame.drop(place).sort(order))
    )
    # Some quirks together make several responses of one: a finish twice, with text.
    assert together.responses["response_id"].n_unique() == count


# Of several streams with the id of a whole response it depends on the blocks which are
# still open when that comes.
NOT_WHOLE = [name for name in QUIRKS if name not in WHOLES]


@SETTINGS
@given(logs_of_streams(NOT_WHOLE), st.sampled_from([100, 400, 2000]))
def test_the_size_of_blocks_and_threads_change_nothing(
    logs: list[list[str]], size: int
) -> None:
    expected = read(logs, threads=1)

    with pytest.MonkeyPatch.context() as patch:
        read_small_blocks(patch, size)
        found = read(logs, threads=3)

    assert found.ledger.drop("source").equals(expected.ledger.drop("source"))
    assert found.rejects.drop("source").equals(expected.rejects.drop("source"))
    left, right = (one.frame.drop("source").sort(ORDER) for one in (found, expected))
    assert left.equals(right)


def test_a_log_in_blocks_of_a_line_is_read_as_in_one_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 streams, each chunk a block of its own, in eight threads."""
    dice = Random(SEED)
    streams = [as_lines(make_stream(dice, f"id-{n}", [])) for n in range(30)]
    path, *_ = write_set(tmp_path, interleave(dice, *streams))
    expected = toolkit.load(path)

    read_small_blocks(monkeypatch, 200)
    found = toolkit.load(path, threads=8)

    assert found.frame.sort(ORDER).equals(expected.frame.sort(ORDER))
    assert found.ledger.equals(expected.ledger)
