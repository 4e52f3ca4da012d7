"""Properties that hold for any log."""

from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import toolkit
from tests.support.zstd_frames import zstd_frame
from toolkit.errors import DamagedLogError
from toolkit.schema import CHOICES, REJECTS
from toolkit.testing import make_response

pytestmark = pytest.mark.both_decoders

quick = settings(
    max_examples=30, deadline=None, suppress_health_check=list(HealthCheck)
)

counts = st.integers(0, 10**6)
responses = st.builds(
    lambda name, model, created, prompt, completion, n: make_response(
        n=n,
        id=name,
        model=model,
        created=created,
        usage={
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        },
    ),
    st.sampled_from(["a", "b", "c", "", None]),
    st.sampled_from(["gpt-a", "gpt-b", None]),
    st.sampled_from([None, 0, 1767225600, 1767312000.5, "1767398400"]),
    counts,
    counts,
    st.integers(1, 3),
)
good_lines = responses.map(lambda response: json.dumps(response).encode())
# No LF inside a line, and no byte-order mark that would begin a file.
other_lines = st.one_of(
    st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b" ")),
    st.sampled_from([b"", b"  ", b"{}", b"[1]", b'{"error": 1}', b"\xff", b"{"]),
).filter(lambda raw: not raw.startswith((b"\xef\xbb\xbf", b"\x1f\x8b", b"\x28\xb5")))
lines = st.lists(st.one_of(good_lines, other_lines), max_size=8)


def write(folder: str, name: str, parts: list[bytes]) -> Path:
    """Write lines, each ended by LF; the file begins with a blank line.

    So that no line's bytes are taken for the magic bytes of a compression.
    """
    path = Path(folder) / name
    path.write_bytes(b"\n" + b"".join(part + b"\n" for part in parts))
    return path


def facts(log: toolkit.Loaded) -> tuple[list[dict[str, object]], ...]:
    """Return rows and rejects without what tells where they stood."""
    place = ("log_id", "source", "line", "offset")
    return tuple(
        [{k: v for k, v in row.items() if k not in place} for row in rows]
        for rows in (log.choices.to_pylist(), log.rejects.to_dicts())
    )


@quick
@given(lines, lines)
def test_two_logs_in_one_file_give_the_rows_of_both(
    first: list[bytes], second: list[bytes]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        a, b = write(folder, "a.jsonl", first), write(folder, "b.jsonl", second)
        both = Path(folder) / "ab.jsonl"
        both.write_bytes(a.read_bytes() + b.read_bytes())
        one, two, joined = (
            facts(toolkit.load(path, duplicates="keep")) for path in (a, b, both)
        )

    assert joined == (one[0] + two[0], one[1] + two[1])


@quick
@given(lines, st.integers(0, 8))
def test_cutting_a_log_into_files_changes_no_metric(
    parts: list[bytes], cut: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole = write(folder, "whole.jsonl", parts)
        halves = [
            write(folder, "1.jsonl", parts[:cut]),
            write(folder, "2.jsonl", parts[cut:]),
        ]
        one = toolkit.metrics.token_usage(toolkit.load(whole))
        two = toolkit.metrics.token_usage(toolkit.load(halves))

    assert one.equals(two)


@quick
@given(
    st.binary(max_size=400), st.sampled_from(["plain", "gzip", "zstd"]), st.booleans()
)
def test_any_bytes_give_rows_or_rejects_and_never_another_exception(
    raw: bytes, packing: str, cut: bool
) -> None:
    packed = {
        "plain": raw,
        "gzip": gzip.compress(raw, mtime=0),
        "zstd": zstd_frame(raw),
    }[packing]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.jsonl"
        path.write_bytes(packed[: len(packed) // 2] if cut else packed)
        try:
            log = toolkit.load(path)
        except DamagedLogError as error:
            assert cut or packing == "plain"
            assert error.source == path.as_posix()
            return

    assert log.choices.schema.equals(CHOICES.arrow, check_metadata=True)
    assert log.rejects.schema == REJECTS.polars
    assert_ledger_law(log)


def assert_ledger_law(log: toolkit.Loaded) -> None:
    """Check the equations of the ledger against its tables."""
    ledger = log.ledger.row(0, named=True)
    parts = ("blank", "responses", "chunks", "duplicates", "errors", "rejected")
    assert ledger["lines"] == sum(ledger[name] for name in parts)
    assert ledger["choices"] == log.choices.num_rows
    assert ledger["errors"] + ledger["rejected"] == log.rejects.height
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        cells = log.choices.column(name).to_pylist()
        assert ledger[name] == sum(cell or 0 for cell in cells)


@quick
@given(lines)
def test_the_ledger_accounts_for_every_line_and_byte(parts: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, "a.jsonl", parts)
        size = path.stat().st_size
        log = toolkit.load(path)

    assert log.ledger["lines"].item() == len(parts) + 1
    assert log.ledger["bytes"].item() == size
    assert_ledger_law(log)


@quick
@given(lines)
def test_loading_twice_gives_the_same(parts: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(folder, "a.jsonl", parts)
        one, two = toolkit.load(path), toolkit.load(path)

    assert one.choices.equals(two.choices)
    assert one.rejects.equals(two.rejects)


@quick
@given(lines)
def test_the_way_through_parquet_is_the_identity(parts: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = toolkit.load(write(folder, "a.jsonl", parts))
        path = Path(folder) / "a.parquet"
        pq.write_table(log.choices, path)
        back = pq.read_table(path)

    assert back.schema.equals(log.choices.schema, check_metadata=True)
    assert back.equals(log.choices)


@quick
@given(st.lists(responses, min_size=1, max_size=6), st.integers(1, 5))
def test_sums_do_not_depend_on_the_number_of_choices(
    made: list[dict[str, object]], n: int
) -> None:
    wide = [{**response, "choices": make_response(n=n)["choices"]} for response in made]
    with tempfile.TemporaryDirectory() as folder:
        logs = [
            write(folder, name, [json.dumps(response).encode() for response in log])
            for name, log in (("a.jsonl", made), ("b.jsonl", wide))
        ]
        one, two = (
            toolkit.metrics.token_usage(toolkit.load(log, duplicates="keep"))
            for log in logs
        )

    assert one.equals(two)


@quick
@given(st.lists(responses, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_metrics_depend_neither_on_the_order_of_rows_nor_on_the_period(
    made: list[dict[str, object]], random: object
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        raw = [json.dumps(response).encode() for response in made]
        frame = toolkit.load(write(folder, "a.jsonl", raw), duplicates="keep").frame
    mixed = frame.sample(fraction=1, shuffle=True, seed=random.randint(0, 9))  # type: ignore[attr-defined]

    usage = toolkit.metrics.token_usage(frame)

    assert usage.equals(toolkit.metrics.token_usage(mixed))
    assert usage.equals(toolkit.metrics.token_usage(frame.lazy()))
    assert usage.equals(toolkit.metrics.token_usage(pa.table(frame)))
    yearly = toolkit.metrics.token_usage(frame, every="1y")
    columns = pl.col(pl.Int64).sum()
    assert usage.select(columns).equals(yearly.select(columns))
