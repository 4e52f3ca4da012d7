"""load(), batches() and the repr of a Loaded."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import toolkit
from toolkit.errors import (
    NotEnoughMemoryError,
    OptionError,
    RejectedLineError,
    RejectsWarning,
    SlowDecoderWarning,
)
from toolkit.reading.native import DECODER
from toolkit.schema import CHOICES, LEDGER, REJECTS
from toolkit.testing import make_choices, make_response, write_sample

pytestmark = pytest.mark.both_decoders


def write(path: Path, *lines: Mapping[str, object] | bytes) -> Path:
    """Write a log."""
    raw = [
        line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines
    ]
    path.write_bytes(b"".join(line + b"\n" for line in raw))
    return path


def test_a_response_with_three_choices_is_three_rows_and_one_usage(
    tmp_path: Path,
) -> None:
    log = toolkit.load(write(tmp_path / "a.jsonl", make_response(n=3)))

    assert log.frame["choice_position"].to_list() == [0, 1, 2]
    assert log.frame["total_tokens"].to_list() == [15, None, None]
    assert log.responses["finish_reasons"].to_list() == [["stop", "stop", "stop"]]


def test_tables_have_the_declared_schemas_whatever_was_read(tmp_path: Path) -> None:
    log = toolkit.load(write(tmp_path / "a.jsonl", b"oops"))

    assert log.choices.schema.equals(CHOICES.arrow, check_metadata=True)
    assert log.rejects.schema == REJECTS.polars
    assert log.ledger.schema == LEDGER.polars
    assert log.frame.schema == CHOICES.polars


def test_any_library_that_speaks_arrow_takes_a_loaded_log(tmp_path: Path) -> None:
    log = toolkit.load(write(tmp_path / "a.jsonl", make_response()))

    assert pl.DataFrame(log).equals(log.frame)
    assert pa.table(log).equals(log.choices)


def test_the_second_of_two_equal_lines_is_a_duplicate_if_it_has_an_id(
    tmp_path: Path,
) -> None:
    path = write(
        tmp_path / "a.jsonl",
        make_response(n=2),
        make_response(id=None),
        make_response(n=2),  # again
        make_response(id=None),  # equal, but nobody says that it is the same
        make_response(n=2, model="other"),  # the same id, another response
    )

    log = toolkit.load(path)
    kept = toolkit.load(path, duplicates="keep")

    assert log.choices.column("line").to_pylist() == [1, 1, 2, 4, 5, 5]
    assert log.ledger.select("responses", "duplicates").row(0) == (4, 1)
    assert log.ledger["total_tokens"].item() == 4 * 15
    assert kept.ledger.select("responses", "duplicates").row(0) == (5, 0)


def test_duplicates_are_found_across_logs(tmp_path: Path) -> None:
    logs = [write(tmp_path / name, make_response()) for name in ("a.jsonl", "b.jsonl")]

    log = toolkit.load(logs)

    assert log.ledger["duplicates"].to_list() == [0, 1]
    assert log.choices.column("log_id").to_pylist() == [0]


def test_content_drop_leaves_no_text_and_keeps_its_length(tmp_path: Path) -> None:
    message = {
        "content": "secret",
        "refusal": "secret",
        "reasoning": "secret",
        "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "secret"}}],
    }
    path = write(tmp_path / "a.jsonl", make_response(choices=[{"message": message}]))

    log = toolkit.load(path, content="drop")

    (row,) = log.choices.to_pylist()
    assert "secret" not in str(row)
    assert row["content_chars"] == len("secret")
    assert row["tool_calls"] == [
        {"id": "1", "type": None, "name": "f", "arguments": None}
    ]


def test_tags_are_read_from_the_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        {**make_response(), "metadata": {"team": "search"}},
        {"response": make_response(id="b"), "metadata": {"team": 7}},
        make_response(id="c"),
    )

    log = toolkit.load(path, tags={"team": "metadata.team"})

    assert log.frame["tag_team"].to_list() == ["search", "7", None]


def test_response_path_and_created_unit_say_what_a_log_is_like(tmp_path: Path) -> None:
    inner = make_response(created=1767225600123)
    path = write(tmp_path / "a.jsonl", {"my": {"answer": inner}})

    log = toolkit.load(path, response_path="my.answer", created_unit="ms")

    assert log.frame["created"].item().isoformat() == "2026-01-01T00:00:00.123000+00:00"


def test_max_lines_reads_no_further(tmp_path: Path) -> None:
    lines = [make_response(id=str(number)) for number in range(5)]
    logs = [write(tmp_path / "a.jsonl", *lines), write(tmp_path / "b.jsonl", *lines)]

    log = toolkit.load(logs, max_lines=7, duplicates="keep")

    assert log.ledger["lines"].to_list() == [5, 2]
    assert log.choices.num_rows == 7
    assert toolkit.load(logs, max_lines=0).choices.num_rows == 0


def test_rejects_are_warned_of_once_in_one_line_without_content(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", b'{"secret": ', b"{}", make_response())

    with pytest.warns(RejectsWarning) as caught:
        log = toolkit.load(path)

    (warning,) = caught
    assert str(warning.message).startswith("2 of 3 lines skipped: ")
    assert "secret" not in str(warning.message)
    assert "\n" not in str(warning.message)
    assert warning.filename == __file__
    assert log.rejects["raw"].to_list() == [b'{"secret": ', b"{}"]


def test_a_clean_log_is_not_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", make_response())

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        toolkit.load(path)


def test_on_reject_raise_names_the_first_bad_line(tmp_path: Path) -> None:
    choice = {"message": {"role": 5}}
    path = write(tmp_path / "a.jsonl", make_response(), make_response(choices=[choice]))

    with pytest.raises(RejectedLineError) as caught:
        toolkit.load(path, on_reject="raise")

    assert str(caught.value) == (
        f"{path}:2: wrong_type at choices[0].message.role: "
        "expected a string, got a number"
    )


def test_batches_give_the_rows_of_load(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_sample(path, 600, torn=True)

    batches = list(toolkit.batches(path))
    log = toolkit.load(path)

    assert pa.Table.from_batches([b.choices for b in batches]).equals(log.choices)
    assert sum(batch.lines for batch in batches) == 600
    assert sum(batch.duplicates for batch in batches) == log.ledger["duplicates"].item()


def test_a_log_larger_than_free_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.jsonl", make_response())
    monkeypatch.setattr("toolkit.system.free_memory", lambda: 100)

    with pytest.raises(NotEnoughMemoryError, match=r"toolkit\.scan"):
        toolkit.load(path)
    assert toolkit.load(path, max_lines=10).choices.num_rows == 1


@pytest.mark.parametrize("has_kernel", [False, True])
def test_a_large_log_on_the_reference_gets_one_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_kernel: bool
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(make_response()) + "\n")
    monkeypatch.setattr(
        "toolkit.reading.log_reader._SLOW_BYTES", path.stat().st_size - 1
    )
    monkeypatch.setattr(
        "toolkit.reading.log_reader.KERNEL", object() if has_kernel else None
    )

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        toolkit.load(path)

    kinds = [warning.category for warning in warned]
    assert kinds == ([] if has_kernel else [SlowDecoderWarning])


def test_a_whole_response_behind_a_stream_of_its_model_keeps_its_choices(
    tmp_path: Path,
) -> None:
    def completion(reason: str | None, *choices: tuple[int, str]) -> dict[str, object]:
        found = [
            {"index": index, "text": text, "finish_reason": reason}
            for index, text in choices
        ]
        usage = reason and {"prompt_tokens": 1, "completion_tokens": len(choices)}
        return {
            **{"object": "text_completion", "model": "m", "created": 1767225600},
            **{"choices": found, "usage": usage},
        }

    # Without an id the chunks of a model are one stream, and its last one looks like a
    # whole response. What comes after that is not of the stream: its choices are in
    # their own order, and two of one index are two.
    stream = [completion(None, (0, "a")), completion("stop", (0, "b"))]
    whole = completion("length", (1, "c"), (0, "d"), (0, "e"))
    path = write(tmp_path / "a.jsonl", *stream, whole)

    log = toolkit.load(path)

    names = ("line", "choice_position", "choice_index", "content", "chunk_count")
    assert log.frame.select(*names, "completion_tokens").rows() == [
        (1, 0, 0, "ab", 2, 1),
        (3, 0, 1, "c", None, 3),
        (3, 1, 0, "d", None, None),
        (3, 2, 0, "e", None, None),
    ]
    assert log.ledger.select("lines", "responses", "chunks").rows() == [(3, 2, 1)]
    alone = toolkit.load(write(tmp_path / "b.jsonl", whole)).frame
    behind = log.frame.filter(pl.col("line") == 3)
    assert behind.drop("source", "line").equals(alone.drop("source", "line"))


def test_the_repr_of_a_loaded_log_accounts_for_every_line_in_five_lines(
    tmp_path: Path,
) -> None:
    path = write(
        tmp_path / "a.jsonl",
        make_response(),
        make_response(),
        make_response(id="b", created=None, usage=None),
        b"",
        {"error": "no"},
        b"oops",
    )
    size = path.stat().st_size

    log = toolkit.load(path)

    assert repr(log) == (
        f"logs       1 log, {size} bytes, decoder {DECODER}\n"
        "lines      6 lines -> 2 responses -> 2 choices; 1 blank\n"
        "tokens     15 total, 10 prompt, 5 completion, as reported; "
        "1 response without usage\n"
        f"set aside  1 duplicate, 1 error (first {path}:5), 1 rejected: "
        f"1 invalid_json (first {path}:6)\n"
        "created    2026-01-01 00:00 to 2026-01-01 00:00 UTC; 1 undated"
    )
    assert log._repr_html_().count("<tr>") == 5


def test_the_summary_counts_the_chunks_of_streams_and_adds_up() -> None:
    # Two streams of 5 and 7 chunks, one of them unfinished, and a whole response.
    stream = {"chunk_count": 7, "finish_reason": "stop", "choice_count": 2}
    choices = make_choices(
        stream,
        {**stream, "choice_position": 1, "finish_reason": None},
        {"chunk_count": 5, "finish_reason": "stop"},
        {},
    )
    counts = {"lines": 15, "blank": 1, "responses": 3, "chunks": 11, "choices": 4}
    row = dict.fromkeys(LEDGER.names, 0) | counts | {"decoder": "", "source": ""}
    row |= {"error": None, "hint": None}
    ledger = pl.DataFrame([row], schema=LEDGER.polars)

    summary = dict(
        toolkit.Loaded(choices.to_arrow(), REJECTS.empty(), ledger).summary()
    )

    # 3 responses + 1 blank line + 11 further lines = 15 lines.
    assert summary["lines"] == (
        "15 lines -> 3 responses -> 4 choices; 1 blank, 11 further chunks"
    )
    assert summary["streamed"] == "2 responses of 12 chunks; 1 unfinished"


def test_a_name_cannot_write_html(tmp_path: Path) -> None:
    folder = tmp_path / "<b>"
    folder.mkdir()
    log = toolkit.load(write(folder / "a.jsonl", b"oops"))

    assert "<b>" not in log._repr_html_()


def test_progress_adds_up_to_the_size_of_the_files(tmp_path: Path) -> None:
    logs = [tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"]
    for seed, log in enumerate(logs):
        write_sample(log, 50, seed=seed)
    seen: list[int] = []

    toolkit.load(logs, progress=seen.append)

    assert sum(seen) == sum(log.stat().st_size for log in logs)


def test_a_short_line_cannot_ask_for_rows_of_a_gigabyte(tmp_path: Path) -> None:
    greedy = make_response(model="m" * 10**6, choices=[{"message": {}}] * 1000)
    path = write(tmp_path / "a.jsonl", greedy, make_response(n=128))

    log = toolkit.load(path)

    (reject,) = log.rejects.to_dicts()
    assert (reject["code"], reject["json_path"]) == ("out_of_range", "choices")
    assert log.choices.num_rows == 128


def test_duplicates_are_found_over_many_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    # 6,000 responses of about 250 bytes, in which 2,000 occur three times each: the
    # log is read in more than one block of a mebibyte.
    line = json.dumps(make_response(id="NAME", text="x" * 80))
    names = [str(number % 2000) for number in range(6000)]
    path.write_text("".join(line.replace("NAME", n) + "\n" for n in names), "utf-8")
    assert path.stat().st_size > 2 * 2**20

    log = toolkit.load(path)

    assert log.ledger.select("responses", "duplicates").row(0) == (2000, 4000)
    assert log.choices.column("line").to_pylist() == list(range(1, 2001))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("content", "lose"),
        ("duplicates", "maybe"),
        ("on_reject", "ignore"),
        ("created_unit", "h"),
        ("max_lines", -1),
        ("max_lines", 2.5),
        ("max_lines", True),
        ("max_line_bytes", 0),
        ("tags", {"te am": "a"}),
        ("tags", {"team": "a..b"}),
        ("response_path", ""),
    ],
)
def test_an_option_that_means_nothing_is_refused(
    tmp_path: Path, option: str, value: object
) -> None:
    path = write(tmp_path / "a.jsonl", make_response())

    with pytest.raises(OptionError, match="expected"):
        toolkit.load(path, **{option: value})  # type: ignore[arg-type]
