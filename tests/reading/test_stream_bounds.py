"""What a log of chunks can cost: many streams, an endless one, large indexes and ids."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import toolkit
from tests.support.decoding import fault
from tests.support.stream_logs import write_set
from tests.support.stream_samples import as_lines, chunk, dump, used
from toolkit.reading import streams

pytestmark = pytest.mark.both_decoders


def counts(log: toolkit.Loaded) -> tuple[int, int, int]:
    """Return lines, responses and chunks."""
    return log.ledger.select("lines", "responses", "chunks").sum().row(0)


def test_an_index_of_a_billion_is_a_choice_as_any(tmp_path: Path) -> None:
    chunks = [chunk({"content": "a"}, index=10**9), chunk({"content": "b"}, index=3)]

    log = toolkit.load(write_set(tmp_path, as_lines([*chunks, *chunks])))

    assert log.frame.select("choice_position", "choice_index", "content").rows() == [
        (0, 3, "bb"),
        (1, 10**9, "aa"),
    ]
    assert log.frame["choice_count"].to_list() == [2, 2]


def test_an_index_beyond_32_bits_is_out_of_range() -> None:
    line = chunk({"content": "a"}, index=2**31)

    assert fault(line) == ("out_of_range", "choices[0].index")


@pytest.mark.parametrize("count", [1024, 1025])
def test_the_1025th_index_begins_a_new_stream(count: int, tmp_path: Path) -> None:
    chunks = [chunk({"content": "a"}, index=index) for index in range(count)]

    log = toolkit.load(write_set(tmp_path, as_lines(chunks)))

    expected = [1024] if count == 1024 else [1024, 1]
    first = log.frame.filter(pl.col("choice_position") == 0).sort("line")
    assert first["choice_count"].to_list() == expected
    assert first["chunk_count"].to_list() == expected
    assert counts(log) == (count, len(expected), count - len(expected))


def test_beyond_the_most_open_streams_the_oldest_is_given_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten may be open: of fifty streams, each of two far chunks, all tokens are there."""
    monkeypatch.setattr(streams, "MOST_STREAMS", 10)
    begun = [{**chunk({"content": "a"}), "id": f"id-{n}"} for n in range(50)]
    ended = [
        {**chunk(choices=[], usage=used(1, 2)), "id": f"id-{n}"} for n in range(50)
    ]

    log = toolkit.load(write_set(tmp_path, as_lines([*begun, *ended])))

    # Nothing is lost: what comes later is a stream of its own.
    assert log.frame["chunk_count"].sum() == 100
    assert log.ledger["total_tokens"].sum() == 150
    lines, responses, chunks = counts(log)
    assert lines == 100 == responses + chunks
    assert 50 <= responses <= 100


def test_beyond_the_most_text_the_oldest_is_given_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand characters may be held: an endless stream comes in several rows."""
    monkeypatch.setattr(streams, "MOST_TEXT", 1000)
    monkeypatch.setattr(toolkit.reading.framing, "BLOCK_BYTES", 2000)
    endless = [chunk({"content": "0123456789"}) for _ in range(1000)]

    log = toolkit.load(write_set(tmp_path, as_lines(endless)))

    assert log.frame["content_chars"].sum() == 10_000
    assert "".join(log.frame.sort("line")["content"]) == "0123456789" * 1000
    assert log.frame["content_chars"].max() < 5000
    assert log.frame["chunk_count"].sum() == 1000


def test_many_open_streams_are_all_given_out(tmp_path: Path) -> None:
    """70,000 streams of a chunk each: more than may be open, and none is lost."""
    made = dump(chunk({"content": "a"}))
    lines = [made.replace("chatcmpl-1", f"id-{number}") for number in range(70_000)]

    log = toolkit.load(write_set(tmp_path, lines))

    assert log.frame["response_id"].n_unique() == 70_000
    assert counts(log) == (70_000, 70_000, 0)


def test_facts_of_a_chunk_may_be_64_kib(tmp_path: Path) -> None:
    """An id of 70,000 characters would be in memory as long as its stream is open."""
    long = [{**chunk({"content": "a"}), "id": "i" * size} for size in (60_000, 70_000)]

    log = toolkit.load(write_set(tmp_path, as_lines(long)))

    assert log.frame["response_id"].str.len_chars().to_list() == [60_000]
    assert log.rejects.select("line", "code").rows() == [(2, "out_of_range")]


def test_a_hundred_thousand_lines_after_its_finish_a_stream_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window is ten lines here: what comes later is a stream of its own."""
    monkeypatch.setattr(streams, "WINDOW", 10)
    monkeypatch.setattr(toolkit.reading.framing, "BLOCK_BYTES", 1)
    finished = [chunk({"content": "a"}), chunk(finish_reason="stop")]
    usage = chunk(choices=[], usage=used(1, 2))

    near = toolkit.load(
        write_set(tmp_path / "a", as_lines([*finished, *[""] * 5, usage]))
    )
    far = toolkit.load(
        write_set(tmp_path / "b", as_lines([*finished, *[""] * 50, usage]))
    )

    assert near.frame["chunk_count"].to_list() == [3]
    assert sorted(far.frame["chunk_count"]) == [1, 2]


def test_an_unfinished_stream_is_open_for_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "WINDOW", 10)
    monkeypatch.setattr(toolkit.reading.framing, "BLOCK_BYTES", 1)
    lines = as_lines([chunk({"content": "a"}), *[""] * 50, chunk({"content": "b"})])

    log = toolkit.load(write_set(tmp_path, lines))

    assert log.frame["content"].to_list() == ["ab"]


def test_a_line_with_a_very_long_stream_is_one_response(tmp_path: Path) -> None:
    chunks = [chunk({"content": "a"})] * 20_000

    log = toolkit.load(write_set(tmp_path, [dump(chunks)]))

    assert log.frame.select("content_chars", "chunk_count").rows() == [(20_000,) * 2]
