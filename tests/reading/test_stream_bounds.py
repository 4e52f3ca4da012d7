"""What a log of chunks can cost: many streams, an endless one, a large index."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import toolkit
from tests.support.decoding import fault
from tests.support.stream_logs import read_small_blocks, write_set
from tests.support.stream_samples import as_lines, chunk, dump, used
from toolkit.errors import ToolkitWarning
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


def test_a_stream_with_more_than_1024_indexes_is_over(tmp_path: Path) -> None:
    """Each chunk is a choice of its own: 3,000 of them, and none is lost."""
    chunks = [chunk({"content": "a"}, index=index) for index in range(3000)]

    with pytest.warns(ToolkitWarning, match="1 streamed response may be incomplete"):
        log = toolkit.load(write_set(tmp_path, as_lines(chunks)))

    first = log.frame.filter(pl.col("choice_position") == 0)
    assert first["chunk_count"].sum() == 3000
    assert log.frame["content_chars"].sum() == 3000
    assert counts(log) == (3000, len(first), 3000 - len(first))


def test_1024_indexes_are_one_response(tmp_path: Path) -> None:
    chunks = [chunk({"content": "a"}, index=index) for index in range(1024)]

    log = toolkit.load(write_set(tmp_path, as_lines(chunks)))

    assert log.frame["choice_count"].unique().to_list() == [1024]
    assert counts(log) == (1024, 1, 1023)


def test_beyond_the_most_open_streams_the_oldest_is_given_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten may be open: of fifty streams of two chunks far apart no token is lost."""
    monkeypatch.setattr(streams, "_MOST_STREAMS", 10)
    monkeypatch.setattr(streams, "_MOST_CHOICES", 10)
    read_small_blocks(monkeypatch, 500)
    begun = [{**chunk({"content": "a"}), "id": f"id-{n}"} for n in range(50)]
    ended = [
        {**chunk(choices=[], usage=used(1, 2)), "id": f"id-{n}"} for n in range(50)
    ]

    with pytest.warns(ToolkitWarning, match="may be incomplete: too many were open"):
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
    monkeypatch.setattr(streams, "_MOST_BYTES", 1000)
    read_small_blocks(monkeypatch, 2000)
    endless = [chunk({"content": f"{number:010}"}) for number in range(1000)]

    with pytest.warns(ToolkitWarning, match="may be incomplete: too many were open"):
        log = toolkit.load(write_set(tmp_path, as_lines(endless)))

    assert log.frame["content_chars"].sum() == 10_000
    text = "".join(log.frame.sort("line")["content"])
    assert text == "".join(f"{number:010}" for number in range(1000))
    assert log.frame["content_chars"].max() < 5000
    assert log.frame["chunk_count"].sum() == 1000


def test_many_open_streams_are_all_given_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3,000 streams of a chunk each where 2,000 may be open, and none is lost."""
    monkeypatch.setattr(streams, "_MOST_STREAMS", 2000)
    made = dump(chunk({"content": "a"}))
    lines = [made.replace("chatcmpl-1", f"id-{number}") for number in range(3000)]

    with pytest.warns(ToolkitWarning, match="1,000 streamed responses may be"):
        log = toolkit.load(write_set(tmp_path, lines))

    assert log.frame["response_id"].n_unique() == 3000
    assert counts(log) == (3000, 3000, 0)


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
    monkeypatch.setattr(streams, "_FINISHED_LINES", 10)
    read_small_blocks(monkeypatch, 50)
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
    monkeypatch.setattr(streams, "_FINISHED_LINES", 10)
    read_small_blocks(monkeypatch, 50)
    lines = as_lines([chunk({"content": "a"}), *[""] * 50, chunk({"content": "b"})])

    log = toolkit.load(write_set(tmp_path, lines))

    assert log.frame["content"].to_list() == ["ab"]


def test_a_line_with_a_very_long_stream_is_one_response(tmp_path: Path) -> None:
    chunks = [chunk({"content": "a"})] * 3000

    log = toolkit.load(write_set(tmp_path, [dump(chunks)]))

    assert log.frame.select("content_chars", "chunk_count").rows() == [(3000, 3000)]
