"""The reference decoder against its definition: forms of a line, and columns."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import xxhash

from tests.support.decoding import (
    chunk_rows,
    code,
    decode,
    decode_block,
    dump,
    fault,
    nest,
    rows,
)
from tests.support.paths import envelope_of, keys_of, paths_of, place_of
from toolkit.reading import reference_decoder
from toolkit.reading.blocks import Block, Plan, as_pieces, make_plan
from toolkit.schema import CHOICES, Column
from toolkit.testing import make_response

pytestmark = pytest.mark.both_decoders

ENVELOPES = (
    "response.body",
    "response",
    "response_body",
    "body",
    "result.message",
    "modelOutput",
    "output.outputBodyJson",
    "output",
    "outputs",
    "result",
    "data",
)
GOOD = make_response()
BARE: dict[str, Any] = {"object": "chat.completion", "choices": [{}]}
CHUNK = {"object": "chat.completion.chunk", "choices": [{"delta": {}}]}
ERROR = {"message": "overloaded", "code": 529}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_2200 = datetime(2200, 1, 1, tzinfo=UTC)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)  # 1767225600 seconds after EPOCH


def choice(**fields: object) -> dict[str, Any]:
    """Return a bare response whose one choice has these fields."""
    return {**BARE, "choices": [fields]}


def message(**fields: object) -> dict[str, Any]:
    return choice(message=fields)


# --- Forms of a line (section 4) -----------------------------------------------------


@pytest.mark.parametrize("path", ENVELOPES)
@pytest.mark.parametrize("as_text", [False, True])
def test_each_envelope_gives_the_row_of_its_response(path: str, as_text: bool) -> None:
    response = dump(GOOD) if as_text else GOOD

    (row,) = rows(nest(path, response))

    assert row["response_id"] == "chatcmpl-1"
    assert row["content"] == "Hello."
    assert row["total_tokens"] == 15


@pytest.mark.parametrize(("first", "second"), [*pairwise(ENVELOPES)])
def test_of_two_envelopes_the_first_in_the_contract_s_order_is_read(
    first: str, second: str
) -> None:
    inner = nest(first, make_response(id="first"))
    outer = nest(second, make_response(id="second"))
    if first.startswith(f"{second}."):  # both are under one key
        inner, outer = {second: outer[second] | inner[second]}, {}

    assert rows({**outer, **inner})[0]["response_id"] == "first"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda body: {"response": dump({"body": body})},
        lambda body: {"response": {"body": dump(body)}},
        lambda body: {"response": dump({"body": dump(body)})},
    ],
)
def test_a_json_string_is_decoded_at_each_step_of_a_path(wrap: Any) -> None:
    assert rows(wrap(GOOD))[0]["model"] == "gpt-a"


def test_a_json_string_is_decoded_once_and_not_twice() -> None:
    assert code({"response": dump(dump(GOOD))}) == "not_a_response"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello.",
        '{"choices": [',
        '{"choices": [{}], "object": "o", "x": "\\ud800"}',
        '{"choices": [{}], "object": "o", "x": NaN}',
        '{"choices": [{}], "object": "o", "x": ' + "[" * 512 + "]" * 512 + "}",
    ],
)
def test_a_json_string_that_does_not_parse_is_no_candidate(text: str) -> None:
    assert code({"response": text}) == "not_a_response"
    assert rows({"response": text, "body": GOOD})[0]["response_id"] == "chatcmpl-1"


def test_a_json_string_is_its_own_document_for_depth() -> None:
    deepest = {**GOOD, "x": json.loads("[" * 511 + "]" * 511)}

    assert rows({"result": dump(deepest)})[0]["response_id"] == "chatcmpl-1"


def test_a_bare_response_is_taken_before_any_envelope_in_it() -> None:
    line = {**GOOD, "response": make_response(id="inner")}

    assert rows(line)[0]["response_id"] == "chatcmpl-1"
    assert rows(line, response_path="response")[0]["response_id"] == "chatcmpl-1"


@pytest.mark.parametrize("path", ["log.answer", 'log["the answer"]', '["a.b"]'])
def test_response_path_is_read(path: str) -> None:
    body = {"log": {"answer": GOOD, "the answer": GOOD}, "a.b": dump(GOOD)}

    assert rows(body, response_path=path)[0]["response_id"] == "chatcmpl-1"


def test_response_path_leaves_no_other_candidate() -> None:
    assert code({"response": GOOD}, response_path="answer") == "not_a_response"
    assert code({"body": {"error": ERROR}}, response_path="a") == "not_a_response"
    assert code({"a": {"error": ERROR}}, response_path="a") == "error_response"


@pytest.mark.parametrize(
    "line",
    [
        CHUNK,
        {**CHUNK, "choices": []},
        {**CHUNK, "choices": [{"message": None}]},
        {**CHUNK, "choices": [{"delta": {}}, {"message": {"content": "a"}}]},
        {"object": "chat.completion", "choices": [{"delta": {}}]},
        {"choices": []},
        {"choices": [], "error": ERROR},
        {"object": None, "choices": []},
        {"object": "", "choices": []},
        {"choices": [{"delta": {"content": "a"}}]},
        {"object": "", "choices": [{}, {"delta": {}}]},
        {"choices": [{"message": None, "delta": {}}]},
    ],
)
def test_a_chunk_of_a_stream_is_a_row_of_the_stream(line: dict[str, Any]) -> None:
    expected = chunk_rows(line)

    assert len(expected) == max(len(line["choices"]), 1)
    for row in expected:
        assert (row["api"], row["choice_count"]) == ("chat", len(line["choices"]))
        assert (row["is_end"], row["chunk_position"]) == (False, None)
    assert chunk_rows({"response": {"body": line}}) == expected
    wrapped = chunk_rows({"result": dump(line), "data": GOOD})
    assert wrapped == expected


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ({**CHUNK, "choices": [{"message": {}}]}, 1),
        ({"choices": [{"message": {}, "delta": {}}]}, 1),
        ({"choices": [{}]}, 1),
        ({"choices": [{"delta": None}]}, 1),
        ({"object": "completion", "choices": [{"text": "a"}]}, 1),
        ({"object": 5, "choices": [{"delta": {}}]}, 1),
    ],
)
def test_what_has_a_message_or_another_object_is_no_chunk(
    line: object, count: int
) -> None:
    assert len(rows(line)) == count


@pytest.mark.parametrize(
    "line",
    [
        {"error": ERROR},
        {"error": "overloaded"},
        {"error": ERROR, "choices": None},
        {"error": ERROR, "response": None},
        {"custom_id": "a", "response": {"status_code": 500, "body": {"error": ERROR}}},
        {"response": {"error": ERROR}},
        {"response": dump({"error": ERROR})},
        {"error": None, "data": {"error": "overloaded"}},
    ],
)
def test_an_error_of_the_provider_is_an_error_response(line: object) -> None:
    assert code(line) == "error_response"


def test_a_response_with_an_error_beside_it_is_a_response() -> None:
    assert len(rows({**GOOD, "error": ERROR})) == 1
    assert len(rows({"response": {"body": GOOD}, "error": ERROR})) == 1


@pytest.mark.parametrize(
    "line",
    [
        *("null", "true", "5", '"text"', "[]", "{}"),
        [GOOD],
        dump(dump(GOOD)),
        {"error": None},
        {"choices": None},
        {"choices": {}},
        {"choices": "text"},
        {"object": "chat.completion", "choices": [1]},
        {"object": "chat.completion", "choices": [{}, None]},
        {"response": {"body": None}},
        {"response": [GOOD]},
        {"other": GOOD},
        {"response": {"other": {"error": ERROR}}},
    ],
)
def test_other_json_is_not_a_response(line: object) -> None:
    assert code(line) == "not_a_response"


def test_a_response_is_found_beside_choices_that_hold_no_objects() -> None:
    assert len(rows({"choices": [1], "body": GOOD})) == 1
    assert len(rows({"response": {"choices": [1]}, "body": GOOD})) == 1


_MESSAGE = {"role": "assistant", "content": "Hel"}
_DELTA = {"delta": {"content": "l"}, "finish_reason": None}
_BOTH = {**_DELTA, "message": _MESSAGE}
_TEXT = {"text": "Hel", "index": 0, "logprobs": None, "finish_reason": None}
_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


@pytest.mark.parametrize(
    ("name", "choices", "usage"),
    [
        *(
            (name, [_BOTH], _USAGE)
            for name in ("chat.completion.chunk", "chat.completion")
        ),
        *(
            (name, [_BOTH], _USAGE)
            for name in ("chat.reasoning", "chat.reasoning.done")
        ),
        # The last chunk of Perplexity has a reason too.
        ("chat.completion.chunk", [{**_BOTH, "finish_reason": "stop"}], _USAGE),
        ("chat.completion.done", [{**_BOTH, "finish_reason": "stop"}], _USAGE),
        ("chat.completion.done", [], _USAGE),
        ("chat.completion", [_DELTA], None),
        ("chat.completion", [{**_BOTH, "finish_reason": ""}], None),
        ("chat.completion.chunk", [{"message": _MESSAGE}, _BOTH], None),
        ("", [_DELTA], None),
        ("completion.chunk", [{**_TEXT, "finish_reason": "stop"}], _USAGE),
        ("text_completion.chunk", [{**_TEXT, "finish_reason": "stop"}], _USAGE),
        # OpenAI, vLLM (with a usage that grows), TGI.
        ("text_completion", [_TEXT], None),
        ("text_completion", [_TEXT], _USAGE),
        ("text_completion", [{**_TEXT, "finish_reason": ""}], None),
        ("text_completion", [{**_TEXT, "text": "", "finish_reason": "stop"}], None),
        ("text_completion", [], None),
    ],
)
def test_a_piece_of_a_stream_is_no_response(
    name: str, choices: list[Any], usage: dict[str, int] | None
) -> None:
    line = {"object": name, "choices": choices, "usage": usage}
    is_text = "text" in name or any("text" in choice for choice in choices)

    found = chunk_rows(line)

    assert {row["api"] for row in found} == {"text" if is_text else "chat"}
    # Of a choice with a message too, the delta is read.
    for row, choice in zip(found, choices, strict=bool(choices)):
        piece = choice if is_text else choice.get("delta", {})
        assert row["content"] == piece.get("text", piece.get("content"))
        assert row["finish_reason"] == (choice.get("finish_reason") or None)
    for name, tokens in (usage or {}).items():
        assert [row[name] for row in found] == [tokens, *[None] * (len(found) - 1)]
    assert chunk_rows({"response": line}) == found


@pytest.mark.parametrize(
    ("name", "choices", "usage", "content"),
    [
        # Whole responses of Perplexity have both, and a reason.
        ("chat.completion", [{**_BOTH, "finish_reason": "stop"}], _USAGE, "Hel"),
        ("chat.completion", [{"message": _MESSAGE}], None, "Hel"),
        # Tracers join the chunks and keep the name.
        ("chat.completion.chunk", [{"message": _MESSAGE, "delta": None}], None, "Hel"),
        ("chat.completion.chunk", [{"message": _MESSAGE, "delta": ""}], None, "Hel"),
        ("", [_BOTH], None, "Hel"),
        ("other", [_DELTA], None, None),
        ("text_completion", [{**_TEXT, "finish_reason": "length"}], _USAGE, "Hel"),
        ("text_completion", [{**_TEXT, "finish_reason": "length"}], None, "Hel"),
        ("text_completion", [{**_TEXT, "text": "", "finish_reason": "stop"}], {}, ""),
        ("text_completion", [], _USAGE, None),
        # Together, Writer.
        ("text.completion", [_TEXT], None, "Hel"),
        (None, [{"text": "Hel", "log_probs": None}], None, "Hel"),
        ("chat.completion", [{"message": {"content": None}, "text": "a"}], None, None),
    ],
)
def test_a_whole_response_keeps_its_text(
    name: object, choices: list[Any], usage: object, content: str | None
) -> None:
    (row,) = rows({"object": name, "choices": choices, "usage": usage})

    assert row["content"] == content
    assert row["content_chars"] == (None if content is None else len(content))


def test_a_text_that_is_no_string_is_of_the_wrong_type() -> None:
    line = {"object": 5, "choices": [{"text": "a"}, {"text": 5}]}

    assert fault(line) == ("wrong_type", "choices[1].text")


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_one_bad_choice_rejects_the_whole_line(bad: int) -> None:
    response: Any = make_response(n=3)
    response["choices"][bad]["message"]["role"] = 5
    path = f"choices[{bad}].message.role"

    assert fault(response) == ("wrong_type", path)
    body = {"response": {"body": dump(response)}}
    assert fault(body) == ("wrong_type", f"response.body.{path}")


def test_a_choice_without_message_is_a_row_with_null_message_columns() -> None:
    (row,) = rows(choice(index=4, finish_reason="content_filter"))

    assert row["choice_index"] == 4
    assert row["finish_reason"] == "content_filter"
    names = [column.name for column, path in READ if path.startswith("message.")]
    assert {row[name] for name in names} == {None}


def test_an_empty_choices_is_one_row_that_keeps_the_usage() -> None:
    (row,) = rows(make_response(choices=[]))

    assert (row["choice_position"], row["choice_index"]) == (0, None)
    assert row["choice_count"] == 0
    assert row["total_tokens"] == 15


# --- Rows and grains (section 5) -----------------------------------------------------


def test_usage_is_on_the_first_choice_and_facts_of_the_response_on_each() -> None:
    response: Any = make_response(n=3)
    response["choices"][0]["index"] = 2
    response["choices"][2]["index"] = 0

    table = rows(response)

    assert [row["choice_position"] for row in table] == [0, 1, 2]
    assert [row["choice_index"] for row in table] == [2, 1, 0]
    assert [row["prompt_tokens"] for row in table] == [10, None, None]
    for column in CHOICES.columns:
        if column.grain == "R":
            assert len({row[column.name] for row in table}) == 1, column.name
        elif column.grain == "U":
            assert table[1][column.name] is None, column.name


def test_response_hash_is_of_the_bytes_of_the_response_as_written() -> None:
    text = '{"choices" : [ {} ],  "object":"o", "x": "\\u0041é"}'
    expected = xxhash.xxh3_64_intdigest(text.encode())  # at least 0, below 2^64
    assert expected >= 2**63

    for line in (text, f"\t {text} ", f'{{"a":1,"response": {text} ,"b":2}}'):
        assert rows(line)[0]["response_hash"] == expected - 2**64


def test_the_first_fault_in_column_order_then_choice_order_is_reported() -> None:
    bad = {"index": -1, "message": {"role": 5, "content": 5}}
    late = {"message": {"content": 5}}
    early = {"message": {"role": 5}}
    usage = {"prompt_tokens": "5"}

    def first(choices: list[object], **fields: object) -> str | None:
        return fault({**BARE, "choices": choices, **fields})[1]

    assert first([{}, bad], id=5) == "choices[1].index"
    assert first([late, early], id=5) == "id"
    assert first([late, early], usage=usage) == "choices[1].message.role"
    assert first([late, late], usage=usage) == "choices[0].message.content"
    assert first([{}, {}], usage=usage) == "usage.prompt_tokens"


def test_reasons_are_fixed_sentences_without_content() -> None:
    secrets = [message(content="ok", role=[word]) for word in ("SECRET", "other")]

    rejects = decode(*secrets, '{"SECRET": SECRET}', "[").rejects.to_pylist()

    assert rejects[0]["reason"] == rejects[1]["reason"]
    assert rejects[2]["reason"] == rejects[3]["reason"]
    assert not [r for r in rejects if "SECRET" in r["reason"] + (r["json_path"] or "")]


# --- Every column, every kind of value -----------------------------------------------

MISSING = "missing"
WRONG = ("wrong_type", "")
RANGE = ("out_of_range", "")
BIG, BIGGER = "1000000000000", "1000000000001"  # 10^12 and one more
STRINGS = {'"5"': "5", '"abc"': "abc"}
NUMBERS = ("0", "-1", "1.5", "5.0", BIG, BIGGER, "1e400")
VALUES = (
    *("null", MISSING, '""', "true", "[]", "[1]", "{}", '{"a":1}'),
    *STRINGS,
    *NUMBERS,
)
COUNT = {"0": 0, "5.0": 5, "-1": RANGE, BIGGER: RANGE, "1e400": RANGE}
COST = {"0": 0.0, "-1": -1.0, "1.5": 1.5, "5.0": 5.0, "1e400": RANGE}
COST |= {'"5"': 5.0, BIG: 1e12, BIGGER: 1000000000001.0}
TIMES = {'""': None, "0": None, **dict.fromkeys(("-1", BIG, BIGGER, "1e400"), RANGE)}
# What each kind makes of a value; what is not here is of the wrong type.
OUTCOMES: dict[str, dict[str, Any]] = {
    "string": {**STRINGS, '""': None},
    "label": {**STRINGS, '""': None, "true": "true", **{n: n for n in NUMBERS}},
    "text": {**STRINGS, '""': ""},
    "content": {
        **STRINGS,
        **{'""': "", "[]": None, "[1]": ("wrong_type", "[0]")},
        **{"{}": "{}", '{"a":1}': '{"a":1}'},
    },
    "characters": {
        **{'"5"': 1, '"abc"': 3, '""': 0, "[]": None, "[1]": ("wrong_type", "[0]")},
        **{"{}": 2, '{"a":1}': 7},
    },
    "message.tool_calls[]": {"[]": [], "{}": None, "[1]": ("wrong_type", "[0]")},
    "message.function_call": {"{}": None, '{"a":1}': None},
    "items": {**dict.fromkeys(VALUES), "[]": 0, "[1]": 1},
    "logprob_sum": {**dict.fromkeys(VALUES), "[]": 0.0},
    "count": {**COUNT, BIG: 10**12},
    "index": {**COUNT, BIG: RANGE},
    "number": COST,
    "usage.cost": {**COST, "{}": None, '{"a":1}': None},
    "flag": {**dict.fromkeys(VALUES), "true": True, "false": False},
    "timestamp": {
        **TIMES,
        "1.5": EPOCH + timedelta(seconds=1.5),
        **dict.fromkeys(('"5"', "5.0"), EPOCH + timedelta(seconds=5)),
    },
    "timestamp_problem": {**TIMES, **dict.fromkeys(('"5"', "5.0", "1.5"))},
}
OUTCOMES["finish_reason"] = OUTCOMES["label"]
TAGGED = make_plan(tags={"team": "metadata.team"}).table
READ = [(column, path) for column in TAGGED.columns for path in paths_of(column)]


def line_with(root: str, place: str, text: str) -> str:
    """Write a bare response (in an envelope if need be) with one path filled."""
    filled = {} if text == MISSING else nest(place.removesuffix("[]"), "@")
    line: Any = {**BARE, **filled}
    if root == "choice":
        line = choice(**filled)
    elif outer := ".".join(envelope_of(root)):
        line = {**nest(outer, BARE), **filled}
    return dump(line).replace('"@"', text)


@pytest.mark.parametrize(
    ("column", "path"),
    [
        pytest.param(column, path, id=f"{column.name}-{path}")
        for column, path in READ
        # Parts of a list and markers: tested below.
        if "[]." not in keys_of(path) and column.kind != "marker"
    ],
)
def test_each_column_makes_of_each_value_what_its_kind_says(
    column: Column, path: str
) -> None:
    root, place = place_of(column, path)
    outcomes = OUTCOMES.get(path, OUTCOMES.get(column.kind, {}))
    for text in VALUES:
        line = line_with(root, place, text)
        expected = None if text in ("null", MISSING) else outcomes.get(text, WRONG)
        if "?" in path and isinstance(expected, tuple):
            expected = None
        if " / " in path and expected is not None:
            expected /= 10**10  # ticks
        if "!= 0" in path and expected == 0:
            expected = None

        if isinstance(expected, tuple):
            prefix = "choices[0]." if root == "choice" else ""
            where = prefix + place.removesuffix("[]") + expected[1]
            found: Any = fault(line, tags={"team": "metadata.team"})
            expected = (expected[0], where)
        else:
            found = rows(line, tags={"team": "metadata.team"})[0][column.name]

        assert found == expected, text


CONTAINERS = {
    (place_of(column, path)[0], keys_of(path).rpartition(".")[0]): column
    for column, path in READ
    if "." in keys_of(path) and "[" not in path and not path.startswith("usage.cost.")
    if column.kind not in ("flag", "marker") and "?" not in path  # of any shape
}


@pytest.mark.parametrize("text", ["null", MISSING, "{}", '""', "5", "true", "[]"])
@pytest.mark.parametrize(
    ("root", "container", "column"),
    [pytest.param(*place, column, id=place[1]) for place, column in CONTAINERS.items()],
)
def test_a_container_is_null_or_an_object_and_logprobs_may_be_anything(
    root: str, container: str, column: Column, text: str
) -> None:
    line = line_with(root, container, text)
    tags = {"team": "metadata.team"}

    if text in ("null", MISSING, "{}") or container == "logprobs":
        assert rows(line, tags=tags)[0][column.name] is None
    else:
        prefix = "choices[0]." if root == "choice" else ""
        assert fault(line, tags=tags) == ("wrong_type", prefix + container)


# --- Single columns ------------------------------------------------------------------


def batch(path: str = "response.body", **beside: object) -> dict[str, Any]:
    """Return a line that holds a bare response at a path, and other keys."""
    return {**nest(path, BARE), **beside}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # vLLM, Groq, Azure and Mistral write these shapes too.
        (batch(id="batch_req_1", custom_id="a"), "batch"),
        (batch(id="vllm-1", custom_id="a"), "batch"),
        (batch(custom_id=0), "batch"),
        (batch(custom_id=""), "batch"),
        (batch(id="batch_req_1"), "batch"),
        (batch(id="batch_req_1", custom_id=None), "batch"),
        (batch(id="request-1", custom_id=None), None),
        (batch(id=5), None),
        (batch(), None),
        # Elsewhere it is no batch's output file.
        (batch("response", custom_id="a"), None),
        (batch("body", custom_id="a"), None),
        ({**BARE, "custom_id": "a", "id": "batch_req_1"}, None),
        ({"custom_id": "a", "response": {"body": dump(BARE)}}, "batch"),
        ({"custom_id": "a", "response": dump({"body": BARE})}, "batch"),
    ],
)
def test_a_line_of_a_batch_has_its_response_in_the_body_and_an_id_of_a_batch(
    line: Any, expected: str | None
) -> None:
    (row,) = rows(line)

    assert row["processing"] == expected


@pytest.mark.parametrize(
    ("path", "expected"), [("response.body", "batch"), ("other.body", None)]
)
def test_the_path_of_the_user_makes_a_line_of_a_batch_as_ours_does(
    path: str, expected: str | None
) -> None:
    (row,) = rows(batch(path, custom_id="a"), response_path=path)

    assert row["processing"] == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"x_groq": {"id": "req_1"}}, "groq"),
        ({"x_groq": 5}, "groq"),
        ({"x_groq": None}, None),
        ({"usage": {"prompt_cache_hit_tokens": 0}}, "deepseek"),
        ({"time_info": {"queue_time": 0.5}}, "cerebras"),
        ({"time_info": [], "x_groq": ""}, "groq"),
        ({"system_fingerprint": "fp_ollama"}, "ollama"),
        ({"system_fingerprint": "fp_oll"}, None),
        ({"system_fingerprint": "fp_1", "time_info": {}}, "cerebras"),
    ],
)
def test_own_extensions_show_who_served_a_response(
    fields: Any, expected: str | None
) -> None:
    (row,) = rows({**BARE, **fields})

    assert row["served_by"] == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        # A 0 in one place does not hide a count in another, whatever their order.
        ({"prompt_tokens_details": {"cached_tokens": 0}, "cached_tokens": 7}, 7),
        ({"prompt_cache_hit_tokens": 0, "cache_read_input_tokens": 49216}, 49216),
        ({"cached_tokens": 7, "cache_read_input_tokens": 0}, 7),
        ({"cached_tokens": 7, "cache_read_input_tokens": 8}, 7),
        ({"cached_tokens": 0.0, "num_cached_tokens": None}, 0),
        ({"cached_tokens": None}, None),
        # Behind a 0 nothing was read before, so that nothing is an error.
        ({"cached_tokens": 0, "cache_read_input_tokens": "7"}, 0),
        (
            {"cached_tokens": 0, "num_cached_tokens": -1, "cache_read_input_tokens": 5},
            5,
        ),
        ({"prompt_token_details": {"cached_tokens": 7}}, 7),
        ({"prompt_token_details": []}, None),
    ],
)
def test_of_several_counts_the_first_that_is_not_zero_is_read(
    usage: Any, expected: int | None
) -> None:
    (row,) = rows({**BARE, "usage": usage})

    assert row["cached_tokens"] == expected


@pytest.mark.parametrize("first", [None, "7"])
def test_a_count_of_a_wrong_type_is_an_error_before_any_zero(first: object) -> None:
    usage = {"cached_tokens": first, "num_cached_tokens": "7"}
    wrong = "num_cached_tokens" if first is None else "cached_tokens"

    assert fault({**BARE, "usage": usage}) == ("wrong_type", f"usage.{wrong}")


@pytest.mark.parametrize(
    ("fields", "beside", "expected"),
    [
        # xAI: 10^10 ticks a dollar.
        ({"usage": {"cost_in_usd_ticks": 37756000}}, {}, 0.0037756),
        ({"usage": {"cost_in_usd_ticks": 0}}, {}, None),
        ({"usage": {"cost_in_usd_ticks": True}}, {}, None),
        ({"usage": {"pydantic_ai_gateway": {"cost_estimate": 3.5e-05}}}, {}, 3.5e-05),
        ({"cost": {"usd": 0.001, "diem": 1}}, {}, 0.001),
        ({"cost": 0.5}, {}, None),
        ({}, {"response_cost": 0.00021}, 0.00021),
        ({}, {"response_cost": 0.0}, None),
        ({}, {"response_cost": "abc", "cost_usd": "0.25"}, 0.25),
        ({}, {"costUSD": 0.5}, 0.5),
        # The usage of the response is preferred, but its 0 hides no other cost.
        ({"usage": {"cost": 0}}, {"response_cost": 0.5}, 0.5),
        ({"usage": {"cost": 0, "cost_in_usd_ticks": 37756000}}, {}, 0.0037756),
        ({"usage": {"cost": 0}}, {"response_cost": 0.0}, 0.0),
        ({"usage": {"cost": 0}}, {}, 0.0),
        ({"usage": {"cost": "0.25"}}, {"response_cost": 0.5}, 0.25),
        ({"usage": {"cost": {}}}, {"response_cost": 0.5}, 0.5),
    ],
)
def test_a_cost_is_read_from_the_usage_the_response_or_the_line(
    fields: Any, beside: Any, expected: float | None
) -> None:
    (row,) = rows({"response": {**BARE, **fields}, **beside})

    assert row["reported_cost"] == expected


@pytest.mark.parametrize("cost", ["", "1e3", "0x1", "5.", ".5", "+1", " 1", "1,5"])
def test_a_cost_in_a_string_is_a_plain_decimal_number(cost: str) -> None:
    line = {**BARE, "usage": {"cost": cost}}

    assert fault(line) == ("wrong_type", "usage.cost")


def test_names_in_the_line_serve_where_the_response_has_none() -> None:
    names = {"custom_llm_provider": "azure", "request_body": {"model": "a"}}
    (row,) = rows({"response": BARE, **names})
    (own,) = rows({"response": {**BARE, "provider": "b"}, "model": "c", **names})
    (other,) = rows({"response": BARE, "custom_llm_provider": 5, "request_body": "x"})

    assert (row["provider"], row["requested_model"]) == ("azure", "a")
    assert (own["provider"], own["requested_model"]) == ("b", "c")
    assert (other["provider"], other["requested_model"]) == (None, None)


@pytest.mark.parametrize("request_", ["POST /v1", [], {"body": "{}"}, {"model": 5}])
def test_a_request_of_any_shape_rejects_no_response(request_: object) -> None:
    asked = {"response": BARE, "request": request_}

    assert rows({**asked, "model": "a"})[0]["requested_model"] == "a"
    assert rows({**asked, "model": {"name": "a"}})[0]["requested_model"] is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("false", False),
        ('"True"', True),
        ('"true"', True),
        ('"False"', False),
        ('"false"', False),
        # LiteLLM writes "None" and "" where it did not look.
        *((text, None) for text in ('"None"', '""', '"TRUE"', "null", "1", "[]", "{}")),
    ],
)
def test_a_flag_is_a_boolean_or_its_text_and_never_an_error(
    text: str, expected: bool | None
) -> None:
    line = '{"cache_hit": ' + text + ', "response": ' + dump(BARE)[:-1]
    (row,) = rows(line + ', "usage": {"is_byok": ' + text + "}}}")

    assert row["cache_hit"] is expected
    assert row["is_byok"] is expected


def at(**since_new_year: int) -> datetime:
    return NEW_YEAR + timedelta(**since_new_year)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1767225600", NEW_YEAR),
        ('"1767225600"', NEW_YEAR),
        ("1767225600.25", at(microseconds=250_000)),
        ('"1767225600.25"', at(microseconds=250_000)),
        ("1.7672256e9", NEW_YEAR),
        # 1/128 s is 7812.5 us and 3/128 s is 23437.5 us: halves go to the even one
        ("1767225600.0078125", at(microseconds=7812)),
        ('"1767225600.0078125"', at(microseconds=7812)),
        ("1767225600.0234375", at(microseconds=23438)),
        ('"1767225600.0234375"', at(microseconds=23438)),
        ('"1767225600.00000050000000000001"', at(microseconds=1)),
        ('"0000001767225600"', NEW_YEAR),
        *((zero, None) for zero in ("0", "-0", "0.0", "0e9", '"0"', '"0.0"')),
        *((tiny, None) for tiny in ("0.0000001", '"0.0000005"', "1e-400")),
        ('"0.0000015"', EPOCH + timedelta(microseconds=2)),
        ("7258118399.5", YEAR_2200 - timedelta(microseconds=500_000)),
        ('"7258118399.999999"', YEAR_2200 - timedelta(microseconds=1)),
    ],
)
def test_created_is_seconds_rounded_half_to_even(text: str, expected: object) -> None:
    assert rows(line_with("response", "created", text))[0]["created"] == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((late, "out_of_range") for late in ("7258118400", '"7258118400"')),
        # 7258118399999999.5 us go to the even one, which is 2200-01-01
        ('"7258118399.9999995"', "out_of_range"),
        *((low, "out_of_range") for low in ("-1", "-0.001", "-1e400", "1767225600000")),
        ("9" * 5000, "out_of_range"),
        ('"' + "9" * 5000 + '"', "out_of_range"),
        *(
            (f'"{word}"', "wrong_type")
            for word in ("-1", "+1", "1e3", "1.2.3", ".", " 1", "1 ", "1_0", "0x1")
        ),
        *(
            (f'"{word}"', "wrong_type")
            for word in ("\u0663", "\u00b2", "\uff15", "inf", "nan")
        ),
    ],
)
def test_created_that_is_no_time_before_2200_is_a_fault(text: str, code: str) -> None:
    assert fault(line_with("response", "created", text)) == (code, "created")


@pytest.mark.parametrize(
    ("unit", "created", "microseconds"),
    [
        ("ms", "1767225600123", 123_000),
        ("ms", '"1767225600123.5"', 123_500),
        ("us", "1767225600000007", 7),
        ("us", '"1767225600000007.5"', 8),
        ("ns", "1767225600000001000", 1),
        ("ns", "1767225600000000500", 0),  # 0.5 us
        ("ns", "1767225600000001500", 2),
        ("ns", "1767225600000000501", 1),
    ],
)
def test_created_unit_is_applied_before_the_range(
    unit: str, created: str, microseconds: int
) -> None:
    line = line_with("response", "created", created)

    assert rows(line, created_unit=unit)[0]["created"] == at(microseconds=microseconds)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("-0", 0), ("-0.0", 0), ("0e5", 0), ("1e-400", 0), ("5e0", 5), ("1E3", 1000)),
        *(("5.00000000000000000001", 5), ("50000e-4", 5), ("1e12", 10**12)),
        *(("1000000000000.00000001", 10**12), ("1000000000000.5", WRONG)),
        *(("0.5", WRONG), ("-0.5", WRONG), ("-1", RANGE), ("-1.0", RANGE)),
        *(("1e13", RANGE), ("1e400", RANGE), ("-1e400", RANGE), ("9" * 5000, RANGE)),
        *(("18446744073709551616", RANGE), ("18446744073709551621", RANGE)),
    ],
)
def test_a_count_is_an_integral_double_from_0_to_10_to_the_12th(
    text: str, expected: object
) -> None:
    line = line_with("response", "usage.total_tokens", text)

    if isinstance(expected, tuple):
        assert fault(line) == (expected[0], "usage.total_tokens")
    else:
        assert rows(line)[0]["total_tokens"] == expected


@pytest.mark.parametrize(
    ("text", "ok"), [("2147483647", True), ("2147483648", False), ("-1", False)]
)
def test_choice_index_is_an_int32_from_0(text: str, ok: bool) -> None:
    line = line_with("choice", "index", text)

    if ok:
        assert rows(line)[0]["choice_index"] == int(text)
    else:
        assert fault(line) == ("out_of_range", "choices[0].index")


def test_later_paths_are_read_where_the_first_is_not_present_and_else_unread() -> None:
    cached = {"prompt_tokens_details": {"cached_tokens": 0}, "cached_tokens": "bad"}
    later = {"prompt_tokens_details": {"cached_tokens": None}, "cached_tokens": 3}
    tier = {"usage": {"service_tier": "flex"}}

    assert rows({**BARE, "usage": cached})[0]["cached_tokens"] == 0
    assert rows({**BARE, "usage": later})[0]["cached_tokens"] == 3
    assert rows({**BARE, **tier, "service_tier": ""})[0]["service_tier"] == "flex"
    assert (
        rows(message(reasoning_content="", reasoning=5))[0]["reasoning_content"] == ""
    )
    asked = {"request": {"model": "a"}, "model": 5, "response": BARE}
    assert rows(asked)[0]["requested_model"] == "a"


def part(kind: str, value: object) -> dict[str, object]:
    return {"type": kind, kind: value}


@pytest.mark.parametrize(
    ("content", "text", "thinking"),
    [
        ([part("text", "a"), part("text", "é😀")], "aé😀", None),
        ([part("thinking", "why"), part("text", "a")], "a", "why"),
        ([part("thinking", [part("text", "w"), part("text", "hy")])], None, "why"),
        ([part("text", "")], "", None),
        ([part("image_url", {"url": "u"}), part("text", "a")], "a", None),
        ([part("reference_ids", [1])], None, None),
    ],
)
def test_the_text_parts_of_a_list_are_the_content_and_thinking_parts_the_reasoning(
    content: object, text: str | None, thinking: str | None
) -> None:
    (row,) = rows(message(content=content))

    assert (row["content"], row["reasoning_content"]) == (text, thinking)
    assert row["content_chars"] == (None if text is None else len(text))


@pytest.mark.parametrize("value", [5, True, [], {"a": 1}])
def test_a_text_part_whose_text_is_no_string_is_of_the_wrong_type(
    value: object,
) -> None:
    content = [part("text", "a"), part("text", value)]

    path = "choices[0].message.content[1].text"
    assert fault(message(content=content)) == ("wrong_type", path)


def test_a_reasoning_field_takes_precedence_over_thinking_parts() -> None:
    content = [part("thinking", "parts"), part("text", "a")]

    (row,) = rows(message(content=content, reasoning="named"))

    assert row["reasoning_content"] == "named"


def test_content_that_is_an_object_is_its_json_text_as_written() -> None:
    text = '{ "b" : 1.50,\t"a":"\\u00e9é" , "a":2 }'
    (row,) = rows('{"choices":[{"message":{"content": ' + text + " }}]}")

    assert row["content"] == text
    assert row["content_chars"] == len(text)


def test_content_chars_counts_code_points() -> None:
    line = '{"choices":[{"message":{"content":"e\\u0301\\ud83d\\ude00\\u0000"}}]}'

    assert rows(line)[0]["content"] == "e\u0301😀\0"
    assert rows(line)[0]["content_chars"] == 4


ARGUMENTS = '{"city": "Oslo",  "n": 1.0}'
ODD_CALLS = (
    '{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},'
    '{"id":"c2","type":"custom","custom":{"name":"g","input":"free text"}},'
    '{"id":"c3","function":{"name":"h","arguments":' + ARGUMENTS + "}}"
)


def test_tool_calls_are_functions_or_custom_and_objects_stay_as_written() -> None:
    line = '{"choices":[{"message":{"tool_calls":[' + ODD_CALLS + "]}}]}"
    keys = ("id", "type", "name", "arguments")
    expected = [
        ("c1", "function", "f", "{}"),
        ("c2", "custom", "g", "free text"),
        ("c3", None, "h", ARGUMENTS),
    ]

    calls = rows(line)[0]["tool_calls"]
    dropped = rows(line, content="drop")[0]["tool_calls"]

    assert [tuple(call[key] for key in keys) for call in calls] == expected
    names = [(*call[:3], None) for call in expected]
    assert [tuple(call[key] for key in keys) for call in dropped] == names


def test_a_function_call_is_one_tool_call_unless_it_is_empty() -> None:
    (row,) = rows(message(function_call={"name": "f", "arguments": "{}"}))
    (call,) = row["tool_calls"]

    assert (call["id"], call["name"], call["arguments"]) == (None, "f", "{}")
    empty: dict[str, object] = {"name": None, "arguments": None}
    assert rows(message(function_call=empty))[0]["tool_calls"] is None
    empty = {"name": "", "arguments": ""}  # Snowflake's word for no call
    assert rows(message(function_call=empty))[0]["tool_calls"] is None


@pytest.mark.parametrize(
    ("call", "path"),
    [
        ({"id": 5}, ".id"),
        ({"type": []}, ".type"),
        ({"function": "f"}, ".function"),
        ({"function": {"name": 5}}, ".function.name"),
        ({"function": {"name": "f", "arguments": 5}}, ".function.arguments"),
        ({"custom": {"name": "f", "input": True}}, ".custom.input"),
        (None, ""),
    ],
)
def test_a_fault_in_a_tool_call_is_named_by_its_path(call: object, path: str) -> None:
    calls = [{"function": {"name": "f"}}, call]

    expected = f"choices[0].message.tool_calls[1]{path}"
    assert fault(message(tool_calls=calls)) == ("wrong_type", expected)


@pytest.mark.parametrize(
    ("logprobs", "total"),
    [
        ("[0.1,0.2,0.3]", 0.6000000000000001),  # (0.1 + 0.2) + 0.3 in doubles
        ("[1e16,1,-1e16]", 0.0),  # 1e16 + 1 is 1e16: added left to right
        ("[0,-9999.0]", -9999.0),
        ("[-0.5,null]", None),
        ('[-0.5,"-1"]', None),
        ("[-0.5,true]", None),
        ("[-0.5,-1e400]", None),
        ("[1e308,1e308]", None),
    ],
)
def test_logprobs_are_counted_and_summed_left_to_right(
    logprobs: str, total: float | None
) -> None:
    items = ",".join('{"logprob":' + n + "}" for n in logprobs[1:-1].split(","))
    line = '{"choices":[{"message":{},"logprobs":{"content":[' + items + "]}}]}"

    (row,) = rows(line)

    assert row["logprob_tokens"] == logprobs.count(",") + 1
    assert row["logprob_sum"] == total


def test_custom_id_and_requested_model_are_null_on_a_bare_response() -> None:
    (bare,) = rows({**GOOD, "custom_id": "c", "request": {"model": "asked"}})
    (pair,) = rows({"response": GOOD, "custom_id": 7, "request": {"model": "asked"}})
    (beside,) = rows({"response": GOOD, "custom_id": "", "model": "asked"})

    assert (bare["custom_id"], bare["requested_model"]) == (None, None)
    assert (pair["custom_id"], pair["requested_model"]) == ("7", "asked")
    assert (beside["custom_id"], beside["requested_model"]) == (None, "asked")
    assert bare["model"] == pair["model"] == beside["model"] == "gpt-a"


@pytest.mark.parametrize("number", ["1.50", "-0", "1E+2", "9" * 5000, "1e400"])
def test_a_label_that_is_a_number_is_its_json_text(number: str) -> None:
    line = '{"custom_id":' + number + ',"response":' + dump(GOOD) + "}"

    (row,) = rows(line, tags={"t": "custom_id"})

    assert (row["custom_id"], row["tag_t"]) == (number, number)


def test_tags_are_read_from_the_root_of_the_whole_line() -> None:
    tags = {"team": "metadata.team", "cost": '["cost center"]["a.b"]'}
    facts = {"metadata": {"team": "red"}, "cost center": {"a.b": False}}

    for line in ({**GOOD, **facts}, {"response": {"body": GOOD}, **facts}):
        (row,) = rows(line, tags=tags)
        assert (row["tag_team"], row["tag_cost"]) == ("red", "false")


@pytest.mark.parametrize(
    "facts",
    [
        *({"metadata": {"team": value}} for value in ([], ["a"], {}, {"a": "b"})),
        *({"metadata": value} for value in ([], [{"team": "a"}], "a", "", 5, True)),
    ],
)
def test_a_tag_of_another_shape_is_null_and_the_response_is_read(facts: Any) -> None:
    tags = {"team": "metadata.team", "model": "response.model"}

    (row,) = rows({"response": GOOD, **facts}, tags=tags)

    assert (row["tag_team"], row["tag_model"]) == (None, GOOD["model"])
    (untagged,) = rows({"response": GOOD, **facts})
    assert {name: row[name] for name in untagged} == untagged


@pytest.mark.parametrize(
    "key", ["a / 2", "a + b", "a or 0 beside b", "a -> b", "a = b*", "a != 0", "a?"]
)
def test_the_key_of_a_tag_is_not_read_as_notation(key: str) -> None:
    tags = {"t": f"metadata[{json.dumps(key)}].b"}

    (row,) = rows({**GOOD, "metadata": {key: {"b": "red"}}}, tags=tags)

    assert row["tag_t"] == "red"


def test_content_drop_leaves_texts_null_and_keeps_their_length() -> None:
    line = message(content="Hello.", reasoning="why", refusal="no", role="assistant")

    (row,) = rows(line, content="drop")

    dropped = [row[name] for name in ("content", "reasoning_content", "refusal")]
    assert dropped == [None, None, None]
    assert (row["content_chars"], row["role"]) == (6, "assistant")
    assert row["response_hash"] == rows(line)[0]["response_hash"]


# --- Blocks and kinds ----------------------------------------------------------------


def test_a_block_of_line_feeds_is_not_split_into_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = b"\n\r\n \t\n" * 1000
    block = Block(0, "made.jsonl", as_pieces(data), 1, 0, len(data), len(data))
    monkeypatch.setattr(reference_decoder, "_split", None)
    decoded = reference_decoder.Reference(make_plan()).decode(block)
    assert (decoded.lines, decoded.blank, len(decoded.rejects)) == (3000, 3000, 0)


@pytest.mark.parametrize(
    ("data", "tail", "lines", "blank"),
    [
        (b"\n  \n   \n", False, 3, 3),
        (b"\n  \n    \n", False, 3, 2),  # the last line has 4 bytes: rejected
        (b"\n  \n  ", True, 3, 3),  # the last line has no line feed
    ],
)
def test_lines_of_white_space_are_blank_unless_too_long(
    data: bytes, tail: bool, lines: int, blank: int
) -> None:
    decoded = decode_block(data, tail=tail, max_line_bytes=3)
    assert (decoded.lines, decoded.blank) == (lines, blank)
    assert len(decoded.rejects) == lines - blank


def test_a_kind_of_value_without_a_reader_is_an_error() -> None:
    columns = tuple(
        replace(column, kind="colour") if column.name == "model" else column
        for column in CHOICES.columns
    )
    plan = Plan(replace(CHOICES, columns=columns))
    data = dump(GOOD).encode() + b"\n"
    block = Block(0, "made.jsonl", as_pieces(data), 1, 0, len(data), len(data))
    with pytest.raises(LookupError, match="kind colour"):
        reference_decoder.Reference(plan).decode(block)
