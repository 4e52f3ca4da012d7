"""Where chunks are in a log: lines, lines of events, and whole streams on one line."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

import toolkit
from tests.support.assembler import Assembly, assemble
from tests.support.decoding import code, fault, rows
from tests.support.stream_logs import CARRIERS, LINES, differences, read_logs, write_set
from tests.support.stream_samples import SHAPES, chunk, dump, make_stream, used

pytestmark = pytest.mark.both_decoders

STREAM = [
    chunk({"role": "assistant", "content": "Hel"}),
    chunk({"content": "lo"}, finish_reason="stop"),
    chunk(choices=[], usage=used(10, 5)),
]
TEXTS = [dump(one) for one in STREAM]
EVENTS = "".join(f"data: {text}\n\n" for text in TEXTS)
FACTS = {
    "response_id": "chatcmpl-1",
    "content": "Hello",
    "finish_reason": "stop",
    "total_tokens": 15,
    "chunk_count": 3,
}


def facts(row: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of `FACTS`."""
    return {name: row[name] for name in FACTS}


def load_lines(folder: Path, *lines: str, **options: Any) -> toolkit.Loaded:
    """Read one log."""
    return toolkit.load(write_set(folder, lines), **options)


# --- Each form ------------------------------------------------------------------------


@pytest.mark.parametrize("form", LINES)
def test_lines_of_chunks_are_one_response(form: str, tmp_path: Path) -> None:
    lines = LINES[form](TEXTS)

    log = load_lines(tmp_path, *lines)

    (row,) = log.choices.to_pylist()
    counts = log.ledger.row(0, named=True)
    blank = sum(not line for line in lines)
    assert (facts(row), row["line"]) == (FACTS, 1)
    assert (counts["responses"], counts["blank"]) == (1, blank)
    assert counts["chunks"] == len(lines) - blank - 1


@pytest.mark.parametrize("form", CARRIERS)
def test_a_whole_stream_on_one_line_is_one_response(form: str, tmp_path: Path) -> None:
    line = CARRIERS[form](TEXTS)

    log = load_lines(tmp_path, "", line)

    (row,) = log.choices.to_pylist()
    assert (facts(row), row["line"]) == (FACTS, 2)
    names = ("lines", "blank", "responses", "chunks", "rejected")
    assert log.ledger.select(names).row(0) == (2, 1, 1, 0, 0)


def test_a_stream_has_the_same_hash_in_each_form(tmp_path: Path) -> None:
    paths = []
    for form, write in LINES.items():
        paths += write_set(tmp_path / form, write(TEXTS))
    paths += write_set(tmp_path / "carriers", [put(TEXTS) for put in CARRIERS.values()])

    log = toolkit.load(paths, duplicates="keep")
    once = toolkit.load(paths)

    assert len(log.frame) == len(LINES) + len(CARRIERS)
    assert log.frame["response_hash"].n_unique() == 1
    assert len(once.frame) == 1
    assert once.ledger["duplicates"].sum() == len(LINES) + len(CARRIERS) - 1


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_of_a_stream_is_the_same_in_each_form(
    shape: str, tmp_path: Path
) -> None:
    """What the assembler makes of a list of chunks holds in all forms of one line.

    On lines of their own a stream whose first chunk has no id falls apart in two.
    """
    stream = [dump(one) for one in make_stream(Random(7), "chatcmpl-7", [shape])]
    lines = [write(stream) for write in LINES.values()]
    whole = [write(stream) for write in CARRIERS.values()]
    paths = [
        path
        for place, log in enumerate([whole, *lines])
        for path in write_set(tmp_path / str(place), log)
    ]

    found = read_logs(paths, duplicates="keep")

    (one,) = assemble([f"[{', '.join(stream)}]"]).responses
    carried = [r for r in found.responses if r.log == 0]
    assert len(carried) == len(CARRIERS)
    for response in carried:
        assert response.columns == one.columns
        assert response.choices == one.choices
    for place, log in enumerate(lines, start=1):
        expected = assemble(log)
        mine = [r for r in found.responses if r.log == place]
        for response in mine:
            response.log = 0
        part = Assembly(mine, [found.ledgers[place]])
        assert differences(part, expected) == []


# --- Lines of server-sent events ------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        *("data:", "data: ", ": OPENROUTER PROCESSING", ":", "event: message", "id: 7"),
        *("retry: 3000", "[DONE]", "data: [DONE]", "data:[DONE]", "event:", "id:"),
        "data: [DONE]\r",
    ],
)
def test_a_line_of_framing_is_counted_and_nothing_else(
    line: str, tmp_path: Path
) -> None:
    log = load_lines(tmp_path, line, *TEXTS, line)

    assert [facts(row) for row in log.choices.to_pylist()] == [FACTS]
    names = ("lines", "responses", "chunks", "rejected", "errors")
    assert log.ledger.select(names).row(0) == (5, 1, 4, 0, 0)


@pytest.mark.parametrize("prefix", ["data:", "data: "])
def test_behind_data_is_a_whole_response_an_error_or_a_bad_line(
    prefix: str, tmp_path: Path
) -> None:
    message = {"role": "assistant", "content": "Whole."}
    whole = dump({"id": "w", "choices": [{"index": 0, "message": message}]})
    lines = [whole, '{"error": {"code": 529}}', '{"torn', "5", "data: {}", '{"a": 1}']

    log = load_lines(tmp_path, *(prefix + line for line in lines))

    assert log.frame["content"].to_list() == ["Whole."]
    assert log.rejects.select("line", "code").rows() == [
        (2, "error_response"),
        (3, "invalid_json"),
        (4, "not_a_response"),
        (5, "invalid_json"),
        (6, "not_a_response"),
    ]
    # Rejects keep the line as it is.
    assert log.rejects["raw"].to_list()[1] == f'{prefix}{{"torn'.encode()


def test_an_error_of_llama_cpp_is_an_error() -> None:
    assert code('error: {"code": 500, "message": "no slot"}') == "error_response"
    assert code("error: no JSON") == "invalid_json"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_carriage_returns_are_dropped(end: str, tmp_path: Path) -> None:
    path = tmp_path / "app.jsonl"
    path.write_text(EVENTS.replace("\n", end), newline="")

    log = toolkit.load(path)

    assert [facts(row) for row in log.choices.to_pylist()] == [FACTS]


@pytest.mark.parametrize("prefix", ["", "data: "])
def test_a_last_line_without_line_feed_is_taken_if_it_is_whole(
    prefix: str, tmp_path: Path
) -> None:
    path = tmp_path / "app.jsonl"
    path.write_text("\n".join(prefix + text for text in TEXTS))

    assert toolkit.load(path).frame["total_tokens"].to_list() == [15]


@pytest.mark.parametrize("end", ["data: {", "data: 5", "dat", ": ping", "event: a"])
def test_a_last_line_that_is_cut_off_is_truncated(end: str, tmp_path: Path) -> None:
    path = tmp_path / "app.jsonl"
    path.write_text("\n".join([*TEXTS, end]))

    log = toolkit.load(path)

    assert log.rejects["code"].to_list() == ["truncated"]
    assert log.frame["total_tokens"].to_list() == [15]


def test_done_without_line_feed_is_an_end(tmp_path: Path) -> None:
    path = tmp_path / "app.jsonl"
    path.write_text("\n".join([*TEXTS, "data: [DONE]"]))

    log = toolkit.load(path)

    assert log.rejects.height == 0
    assert log.ledger.select("lines", "responses", "chunks").row(0) == (4, 1, 3)


# --- Whole streams on one line --------------------------------------------------------


def test_ids_in_one_line_may_differ(tmp_path: Path) -> None:
    """One line is one answer, whatever ids its chunks have."""
    chunks = [{**one, "id": f"chatcmpl-{n}"} for n, one in enumerate(STREAM)]

    log = load_lines(tmp_path, dump(chunks))

    (row,) = log.choices.to_pylist()
    assert facts(row) == {**FACTS, "response_id": "chatcmpl-0"}


def test_chunks_of_one_line_begin_nothing_again(tmp_path: Path) -> None:
    log = load_lines(tmp_path, dump([*STREAM, *STREAM]))

    assert log.frame.select("content", "total_tokens", "chunk_count").rows() == [
        ("HelloHello", 15, 6)
    ]


def test_a_cut_off_last_event_is_passed_over(tmp_path: Path) -> None:
    lines = [dump(EVENTS[:-cut]) for cut in (3, 40)]

    log = load_lines(tmp_path, *lines, duplicates="keep")

    # Without its last event the stream has no usage.
    assert (
        log.frame.select("content", "total_tokens", "chunk_count").rows()
        == [("Hello", None, 2)] * 2
    )


@pytest.mark.parametrize("after", [[dump(STREAM[-1])], ["[DONE]"]])
def test_an_unreadable_event_without_a_blank_line_is_not_the_last(
    tmp_path: Path, after: list[str]
) -> None:
    """Else the chunks after it, and their usage, would be lost without a trace."""
    events = [dump(STREAM[0]), '{"choices": [{"ind', *after]

    log = load_lines(tmp_path, dump("".join(f"data: {one}\n" for one in events)))

    assert log.rejects["code"].to_list() == ["invalid_json"]


def test_an_event_over_several_data_lines_may_be_cut_off(tmp_path: Path) -> None:
    lines = [dump(STREAM[0]), '{"choices": [', '{"index": 0},', '"delta']

    log = load_lines(tmp_path, dump("".join(f"data: {one}\n" for one in lines)))

    assert log.frame.select("chunk_count", "total_tokens").rows() == [(1, None)]


def test_an_event_over_several_data_lines_is_joined(tmp_path: Path) -> None:
    text = EVENTS.replace('"choices": ', '"choices":\ndata: ')

    log = load_lines(tmp_path, dump(text))

    assert [facts(row) for row in log.choices.to_pylist()] == [FACTS]


def test_comments_and_other_fields_of_events_are_passed_over(tmp_path: Path) -> None:
    text = EVENTS.replace("data: ", ": ping\n\nevent: message\nid: 7\nretry: 1\ndata: ")

    log = load_lines(tmp_path, dump(text))

    assert [facts(row) for row in log.choices.to_pylist()] == [FACTS]


BAD: dict[str, tuple[Any, str]] = {
    "a chunk of a list": ([STREAM[0], chunk({"content": 5})], "wrong_type"),
    "a chunk of a text": (
        f"data: {dump(chunk({'content': 5}))}\n\n{EVENTS}",
        "wrong_type",
    ),
    "an event": (EVENTS.replace("data: {", "data: {torn", 1), "invalid_json"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_bad_chunk_refuses_the_line(case: str, tmp_path: Path) -> None:
    line, expected = BAD[case]

    log = load_lines(tmp_path, dump(line), dump(STREAM))

    assert log.rejects.select("line", "code").rows() == [(1, expected)]
    assert [facts(row) for row in log.choices.to_pylist()] == [FACTS]
    assert log.ledger.select("lines", "responses", "rejected").row(0) == (2, 1, 1)


def test_an_error_event_counts_only_without_a_chunk(tmp_path: Path) -> None:
    error = 'data: {"error": {"message": "overloaded"}}\n\n'

    log = load_lines(tmp_path, dump(error), dump(EVENTS + error))

    assert log.rejects.select("line", "code").rows() == [(1, "error_response")]
    assert [facts(row) for row in log.choices.to_pylist()] == [FACTS]


@pytest.mark.parametrize(
    "line", [[], ["a"], [{}], [1, 2], "text", "data: 5\n\n", [{"raw": "text"}], [[]]]
)
def test_lists_and_texts_without_a_chunk_are_no_response(line: object) -> None:
    assert code(dump(line)) == "not_a_response"
    assert code({"chunks": line}) == "not_a_response"


def test_framing_in_one_line_is_no_chunk(tmp_path: Path) -> None:
    framing = {"id": "", "choices": [], "model": "", "prompt_filter_results": []}

    log = load_lines(tmp_path, dump([framing, *STREAM]))

    assert [facts(row) for row in log.choices.to_pylist()] == [FACTS]


def test_a_response_comes_before_a_stream_beside_it(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": "Whole."}
    whole = {"id": "w", "choices": [{"index": 0, "message": message}]}

    log = load_lines(tmp_path, dump({"chunks": STREAM, "response": whole}))

    assert log.frame.select("content", "chunk_count").rows() == [("Whole.", None)]


def test_a_single_whole_response_is_read_as_ever() -> None:
    (row,) = rows({"id": "w", "choices": [{"message": {"content": "Whole."}}]})

    assert (row["content"], row.get("chunk_count")) == ("Whole.", None)


def test_the_path_of_a_bad_chunk_is_that_in_its_line() -> None:
    assert fault([STREAM[0], chunk({"content": 5})]) == (
        "wrong_type",
        "[1].choices[0].delta.content",
    )
