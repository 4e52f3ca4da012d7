"""Mutated lines, through the library and through an oracle that shares no code.

A longer run, which stops at the first disagreement::

    python -m tests.reading.test_fuzz 100      # a hundred logs, seeds 1 to 100
"""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

import toolkit
from tests.support.oracle import CANDIDATES, CARRIERS, Chunks, Reject, Row, outcome
from toolkit.errors import RejectsWarning
from toolkit.reading.log_reader import open_logs
from toolkit.reading.options import DEFAULTS
from toolkit.schema import REJECT_CODES
from toolkit.testing import make_response, sample_lines

pytestmark = pytest.mark.both_decoders

SEED, LINES, TAILS = 20261122, 12_000, 300
LIMIT = 16_384  # max_line_bytes of these logs; few of the lines reach it

# --- Seeds: what is mutated -----------------------------------------------------------

# Every path of every column is in this one, also those behind the first.
FULL: dict[str, Any] = make_response(
    created="1767225600.25",
    provider="router",
    service_tier="flex",
    system_fingerprint="fp_ollama",
    x_groq={"id": "req_1"},
    cost={"usd": "0.02"},
    time_info={"queue_time": 0.5},
    choices=[
        {
            "index": 1,
            "finish_reason": "stop",
            "native_finish_reason": "end_turn",
            "message": {
                "role": "assistant",
                "content": 'café 🌻 \\ " \u0000 / [{',
                "reasoning_content": "why",
                "reasoning": "also why",
                "refusal": "",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a": 1}'},
                    },
                    {"id": "", "custom": {"name": "g", "input": "select 1"}},
                    {"type": "", "function": {"name": "f"}, "custom": {"input": {}}},
                    {"function": {"name": "h", "arguments": {"b": [1.50]}}},
                ],
                "function_call": {"name": "i", "arguments": "{}"},
            },
            "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -1}]},
        },
        {
            "index": 0,
            "message": {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "w"}]},
                    {"type": "thinking", "thinking": "hy"},
                    {"type": "text", "text": "Hello"},
                    {"type": "image_url", "image_url": {}},
                    {"type": "text", "text": "."},
                ],
                "function_call": {"name": "i", "arguments": {}},
            },
            "logprobs": None,
        },
        {"message": {"content": {"k": [1e2, "é"]}, "tool_calls": {}}, "index": 2.0},
    ],
    usage={
        "service_tier": "batch",
        "prompt_tokens": 10,
        "completion_tokens": 5.0,
        "total_tokens": 15,
        "prompt_tokens_details": {
            "cached_tokens": 1,
            "cache_write_tokens": 2,
            "cache_creation_tokens": 24,
            "audio_tokens": 3,
            "image_tokens": 14,
        },
        "prompt_cache_hit_tokens": 4,
        "cached_tokens": 5,
        "num_cached_tokens": 6,
        "cache_read_input_tokens": 7,
        "cache_creation_input_tokens": 8,
        "completion_tokens_details": {
            "reasoning_tokens": 9,
            "audio_tokens": 10,
            "accepted_prediction_tokens": 11,
            "rejected_prediction_tokens": 12,
            "image_tokens": 15,
        },
        "reasoning_tokens": 13,
        "cache_creation": {"ephemeral_1h_input_tokens": 16},
        "citation_tokens": 17,
        "server_tool_use": {"web_search_requests": 18},
        "server_tool_use_details": {"web_search_requests": 19},
        "num_search_queries": 20,
        "num_sources_used": 21,
        "search_context_size": "low",
        "is_byok": True,
        "cost": {"total_cost": 0.0125},
        "cost_in_usd_ticks": 37756000,
        "pydantic_ai_gateway": {"cost_estimate": 3.5e-05},
        "prompt_token_details": {"cached_tokens": 22},
        "completion_token_details": {"reasoning_tokens": 23},
        "cost_details": {"upstream_inference_cost": 0.5},
    },
)
CACHED = {
    **{"id": "batch_req_1", "cache_hit": "False", "custom_llm_provider": "azure"},
    **{"response_cost": 0.0, "cost_usd": "0.25", "costUSD": 0.5},
    "request_body": {"model": "d"},
    **{"recordId": "r", "key": 5, "modelId": "m", "custom_id": ""},
    **{"timestamp": "2026-01-01T00:00:00.5+01:00", "processed_time": 1767225600},
}
TIMES = (
    *(
        "2026-01-01T00:00:00Z",
        "2026-01-01 00:00:00.0000005+0130",
        "2026-01-01T00:00:00",
    ),
    *("2016-12-31t23:59:60z", "1970-01-01T00:00:00Z", "2026-02-30T00:00:00Z"),
)
ZEROS = {
    "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    **{"cached_tokens": 0, "cache_read_input_tokens": 7, "num_cached_tokens": 0.0},
    **{"cost": None, "cost_in_usd_ticks": 37756000},
}
ASKED = {"request": {"body": {"model": "a"}, "model": "b"}, "model": "c"}
ERROR = {"error": {"message": "overloaded", "code": 529}}
DELTA = {"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}
CHUNK = make_response(object="chat.completion.chunk", choices=[DELTA])
TEXT = {"index": 0, "text": "Hel", "finish_reason": "length"}
COMPLETION = make_response(object="text_completion", choices=[TEXT])
BOTH = {**DELTA, "message": {"content": "Hel"}}
WITH_BOTH = make_response(object="chat.completion.chunk", choices=[BOTH])
# All that is read of a chunk, and where else providers have its usage.
MESSAGE = FULL["choices"][0]["message"]
PART: dict[str, Any] = {
    **FULL,
    "object": "chat.completion.chunk",
    "choices": [
        {
            **{"index": 1, "finish_reason": None, "native_finish_reason": "end_turn"},
            "delta": {
                **MESSAGE,
                "tool_calls": [
                    {**call, "index": index}
                    for call, index in zip(
                        MESSAGE["tool_calls"], (0, "1", 2.0, None), strict=True
                    )
                ],
            },
            "logprobs": FULL["choices"][0]["logprobs"],
        },
        {"delta": {"function_call": {"name": "i", "arguments": {}, "index": 5}}},
    ],
}
USED = {"usage": FULL["usage"]}
GROQ = {**CHUNK, "usage": None, "x_groq": USED}
MOONSHOT = {**CHUNK, "usage": None, "choices": [{**DELTA, **USED}]}
STREAM = [PART, CHUNK, {**CHUNK, "choices": []}, GROQ, MOONSHOT]
TEXTS = [
    {**COMPLETION, "choices": [{**TEXT, "finish_reason": None}]},
    COMPLETION,
]
EVENTS = "".join(f"data: {json.dumps(one)}\n\n" for one in STREAM) + "data: [DONE]\n\n"
SHORT = {"object": "o", "choices": [{"message": {"content": "a"}}, {"index": 1}]}


def enveloped(path: str, response: object, **beside: object) -> dict[str, object]:
    """Put a response at a path, and other keys beside it."""
    for key in reversed(path.split(".")):
        response = {key: response}
    return {**response, **beside}  # type: ignore[dict-item]


WRITTEN: tuple[object, ...] = (
    *[FULL] * 30,
    *[SHORT] * 4,
    *(make_response(choices=[]), make_response(n=3), {**SHORT, **ASKED}),
    *(CHUNK, {**CHUNK, "object": ""}, {"choices": []}, {"choices": [DELTA]}),
    *(ERROR, {"error": "timed out"}, {"response": {"body": ERROR}}, {"level": "INFO"}),
    *(COMPLETION, {**COMPLETION, "usage": None}, {**COMPLETION, "choices": [DELTA]}),
    *(enveloped("response", SHORT, **CACHED), {**SHORT, "usage": ZEROS}),
    {**SHORT, "cost": {"usd": 0.001, "diem": 1}},
    *(WITH_BOTH, {**WITH_BOTH, "object": "chat.completion"}),
    *([], "text", 5, None, {}, [make_response()], {"choices": [1], "body": SHORT}),
    *(enveloped(path, SHORT, **ASKED, custom_id=7) for path in CANDIDATES),
    *(enveloped(path, FULL, custom_id="c") for path in CANDIDATES),
    *(enveloped(path, SHORT, **CACHED) for path in CANDIDATES),
    *(enveloped(path, FULL, **CACHED) for path in CANDIDATES[:2]),
    *({**SHORT, "created": time} for time in TIMES),
    *(enveloped("body", {**SHORT, "created": time}, **CACHED) for time in TIMES),
    *(enveloped("output", SHORT, usage={}), {**SHORT, "usage_metadata": {}}),
    *(enveloped(path, json.dumps(FULL), custom_id=True) for path in CANDIDATES),
    *(enveloped(path, json.dumps(CHUNK), data=SHORT) for path in CANDIDATES[:3]),
    {"response": json.dumps({"body": json.dumps(SHORT)}), "error": None},
    {"response": {"choices": [1]}, "output": ERROR, "data": SHORT},
    *[PART] * 10,
    *(*STREAM, *TEXTS, STREAM, TEXTS, EVENTS),
    *(enveloped(path, PART, **CACHED) for path in CANDIDATES[:3]),
    *(enveloped(path, STREAM, **CACHED) for path in CARRIERS),
    *(enveloped(path, EVENTS, **ASKED) for path in CARRIERS),
    [json.dumps(one) for one in STREAM],
    {"events": [{"raw": f"data: {json.dumps(one)}\n"} for one in STREAM]},
    {"chunks": [*STREAM, ERROR, FULL], "body": EVENTS[:900]},
    {"chunks": [ERROR, 5], "events": f": ping\r\ndata: {json.dumps(SHORT)}\r\n"},
    {"choices": [DELTA], "usage_metadata": {}, "chunks": STREAM[:2]},
    *[{"choices": [DELTA], "usage_metadata": {}}] * 5,  # no chunk of its own
)
RAW: tuple[bytes, ...] = (
    *(b"data: [DONE]", b"[DONE]", b"data:", b": ping", b"id: 1", b"retry:5", b"event:"),
    *(b"data:" + json.dumps(one).encode() for one in (PART, CHUNK, SHORT, ERROR)),
    *(b"error: " + json.dumps(ERROR["error"]).encode(), b"error:", b"data: {"),
    *(b"", b" \t ", b"\r", b"\xef\xbb\xbf{}", b"NaN", b'{"a":01}', b"{'a':1}"),
    b'{"choices" : [ { } ] ,\t"object":"\\u006f", "x": [1e400, -0.0, 1E+2]}',
    b'{"choices":[{}],"object":"o","id":"first","id":"last","usage":{"a":{},"a":[]}}',
    b'{"choices":[{"message":{"content":"\\ud83c\\udf3b \\u00e9 \\n"}}]}',
    b'{"choices":[{"message":{"content":{ "b" : 1.50,"a":"\\u00e9","a":2 }}}]}',
    b'{"choices":[{}],"object":"o","x":' + b"[" * 510 + b"]" * 510 + b"}",
    b'{"choices":[{}],"object":"o","x":' + b'{"":[' * 256 + b"]}" * 256 + b"}",
    b'{"choices":[{}],"object":"o"}'.ljust(LIMIT),
    b'{"choices":[{}],"object":"o"}'.ljust(LIMIT + 1),
)
SEEDS = (
    *(json.dumps(value).encode() for value in WRITTEN * 3),
    *(json.dumps(value, ensure_ascii=False).encode() for value in WRITTEN * 3),
    *RAW * 5,
    *sample_lines(500, seed=1),  # holds every quirk
)

# --- Mutations ------------------------------------------------------------------------

Mutate = Callable[[Random, bytes], bytes]
VALUES = (
    *("null", '""', "0", "-1", "1.5", "true", "false", '"str"', '"5"', "[]", "{}"),
    *("[{}]", "[null]", '{"a":1}', "5.0", "-0", "1e-400", "1e400", "-1e400"),
    *("1000000000000", "1000000000001", "9" * 5000, '"\\ud800"', '"\\ud83d\\ude00"'),
)
MARK = "\N{REPLACEMENT CHARACTER}put\N{REPLACEMENT CHARACTER}"


def flip_bit(random: Random, line: bytes) -> bytes:
    """Flip one bit."""
    place = random.randrange(len(line))
    return with_byte(line, place, line[place] ^ 1 << random.randrange(8))


def flip_byte(random: Random, line: bytes) -> bytes:
    """Put one byte in the place of another, mostly one that means something."""
    byte = random.choice([*rb' "\{}[]:,-.+0159eEuntfdD8/', random.randrange(256)])
    return with_byte(line, random.randrange(len(line)), byte)


def with_byte(line: bytes, place: int, byte: int) -> bytes:
    """Return the line with one byte replaced."""
    return line[:place] + bytes([byte]) + line[place + 1 :]


def cut(random: Random, line: bytes) -> bytes:
    """Cut a slice out: from anywhere, the end, or the beginning."""
    begin, end = cuts(random, line)
    return random.choice([line[:begin] + line[end:], line[:end], line[begin:]])


def repeat(random: Random, line: bytes) -> bytes:
    """Repeat a slice, seldom often."""
    begin, end = cuts(random, line)
    times = random.choice([2, 2, 2, 3, 20])
    return line[:begin] + line[begin:end] * times + line[end:]


def splice(random: Random, line: bytes) -> bytes:
    """Join the line and another one at cuts."""
    other = random.choice(SEEDS)
    return line[: random.randint(0, len(line))] + other[random.randint(0, len(other)) :]


def cuts(random: Random, line: bytes) -> tuple[int, int]:
    """Return two places in order, half of the time near to each other."""
    begin = random.randrange(len(line))
    near = begin + random.randint(1, 8)
    end = near if random.random() < 0.5 else random.randint(begin, len(line))
    return begin, min(end, len(line))


def swap(random: Random, line: bytes) -> bytes:
    """Put another value in the place of a random one."""
    return changed(random, line, lambda holder, key: holder.__setitem__(key, MARK))


def repeat_key(random: Random, line: bytes) -> bytes:
    """Write a key once more, with another value, before or behind all others."""

    def change(holder: Any, key: Any) -> None:
        if isinstance(holder, dict):
            members = list(holder.items())
            members.insert(random.choice([0, len(members)]), (key + MARK, MARK))
            holder.clear()
            holder.update(members)

    return changed(random, line, change)


def wrap(random: Random, line: bytes) -> bytes:
    """Put the line into an envelope, as it is or as a string."""
    text = line.decode(errors="replace")
    envelope = enveloped(random.choice(CANDIDATES), MARK, **random.choice([ASKED, {}]))
    inner = random.choice([text, json.dumps(text)])
    return json.dumps(envelope).replace(json.dumps(MARK), inner).encode()


def changed(random: Random, line: bytes, change: Callable[[Any, Any], None]) -> bytes:
    """Change a value at a random path; leave what is not JSON as it is."""
    try:
        value = {"": json.loads(line)}
    except (ValueError, RecursionError):
        return line
    change(*random.choice(list(places(value))))
    text = json.dumps(value[""], ensure_ascii=random.random() < 0.5)
    for mark in (json.dumps(MARK), f'"{MARK}"'):
        text = text.replace(mark, random.choice(VALUES))
    for mark in (json.dumps(MARK)[1:-1], MARK):
        text = text.replace(mark, "")
    return text.encode(errors="surrogatepass")


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the container and key of each value."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


MUTATIONS: tuple[Mutate, ...] = (
    *(flip_bit, flip_byte, cut, repeat, splice),
    *[swap] * 7,
    *[repeat_key] * 3,
    wrap,
)


def mutated_lines(seed: int, count: int) -> list[bytes]:
    """Make lines of a log, each of one to three mutations; none holds an LF."""
    random = Random(seed)
    lines = []
    for _ in range(count):
        line = random.choice(SEEDS)
        for _ in range(random.choice([1, 1, 1, 2, 3])):
            if 0 < len(line) < 2 * LIMIT:
                line = random.choice(MUTATIONS)(random, line)
        lines.append(line.replace(b"\n", b" "))
    return lines


# --- The library against the oracle ---------------------------------------------------

Outcome = list[Row] | Chunks | Reject
OURS = ("log_id", "source", "line")  # columns that the reader of a log fills
KINDS = (
    *("blank", "responses", "chunks", "duplicates", "outside", "errors", "rejected"),
)


def write_log(path: Path, lines: Sequence[bytes], end: bytes = b"\n") -> Path:
    """Write a blank line, so that no line is taken for magic bytes, and the lines."""
    path.write_bytes(b"\n".join([b"", *lines]) + end)
    return path


Found = dict[tuple[int, int], Outcome]


def found_in(path: Path) -> tuple[Found, int]:
    """Return what the decoder makes of each line, by log and line, and its blank lines.

    Framing of server-sent events is as nothing here; only the ledger counts it.
    """
    found: Found = {}
    blank = chunks = framing = 0
    reader = open_logs(path, {**DEFAULTS, "max_line_bytes": LIMIT})
    for decoded in reader.decode(reader.iter_blocks()):
        blank, chunks = blank + decoded.blank, chunks + decoded.chunks
        parts: list[tuple[tuple[int, int], Outcome]] = [
            ((row["log_id"], row["line"]), Reject(row["code"], row["json_path"]))
            for row in decoded.rejects.to_pylist()
        ]
        parts += by_line(decoded.choices)
        if decoded.chunk_rows is not None:
            parts += [
                (place, Chunks(rows, is_whole=rows[0]["chunk_position"] is not None))
                for place, rows in by_line(decoded.chunk_rows)
            ]
        framing += decoded.lines - decoded.blank - len(parts)
        assert len(dict(parts)) == len(parts), "a line is two of these"
        found |= dict(parts)
    of_lines = [one for one in found.values() if isinstance(one, Chunks)]
    assert chunks == framing + sum(not one.is_whole for one in of_lines)
    return found, blank


def by_line(batch: pa.RecordBatch) -> list[tuple[tuple[int, int], list[Row]]]:
    """Return the rows of each line, without the columns that the reader fills."""
    rows = groupby(batch.to_pylist(), lambda row: (row["log_id"], row["line"]))
    return [
        (place, [{k: v for k, v in row.items() if k not in OURS} for row in choices])
        for place, choices in rows
    ]


# The same lines are read in several orders.
outcome_once = lru_cache(maxsize=10_000)(outcome)


def agreed_log(path: Path, lines: Sequence[bytes]) -> toolkit.Loaded:
    """Write and load a log of these lines, and hold it against the oracle.

    NUL bytes at the beginning of a line are dropped before it is decoded.
    """
    lines = [line.lstrip(b"\0") for line in lines]
    write_log(path, lines)
    log = toolkit.load(path, duplicates="keep", max_line_bytes=LIMIT)
    found, blank = found_in(path)
    offset, white = 1, 1
    rejects = []
    for number, raw in enumerate(lines, start=2):
        line = raw.removesuffix(b"\r")
        expected = outcome_once(line, max_line_bytes=LIMIT)
        is_framing = expected == Chunks([])
        nothing: Outcome = Chunks([]) if is_framing else []
        assert_same(f"line {number}", line, found.get((0, number), nothing), expected)
        if isinstance(expected, Reject):
            held = None if expected.code == "line_too_long" else line
            rejects.append((number, offset, len(line), held))
        white += expected == []
        offset += len(raw) + 1
    columns = ("line", "offset", "length", "raw")
    got = zip(*(log.rejects[name].to_list() for name in columns), strict=True)
    assert list(got) == rejects
    (ledger,) = log.ledger.to_dicts()
    assert ledger["lines"] == 1 + len(lines) == sum(ledger[name] for name in KINDS)
    assert ledger["blank"] == blank == white
    return log


def codes(log: toolkit.Loaded) -> Counter[str]:
    """Count the reject codes."""
    return Counter(log.rejects["code"].to_list())


def assert_same(place: str, line: bytes, found: Outcome, expected: Outcome) -> None:
    """Fail with both outcomes, short, where they differ."""
    if found == expected:
        return
    one, other = (it.rows if isinstance(it, Chunks) else it for it in (found, expected))
    if isinstance(one, list) and isinstance(other, list) and one and other:
        pairs = list(zip(one, other, strict=False))
        names = [n for n in other[0] if any(a.get(n) != b[n] for a, b in pairs)]
        one, other = (
            [{name: row.get(name) for name in names} for row in rows]
            for rows in (one, other)
        )
    kinds = [type(it).__name__ for it in (found, expected)]
    pytest.fail(
        f"{place}: the library {kinds[0]} {one!s:.400}, the oracle {kinds[1]} "
        f"{other!s:.400}\n"
        f"{line[:2000]!r}",
        pytrace=False,
    )


def test_the_library_and_the_oracle_agree_on_mutated_lines(tmp_path: Path) -> None:
    log = agreed_log(tmp_path / "log.jsonl", mutated_lines(SEED, LINES))

    found = codes(log)
    assert log.ledger["responses"].item() >= 0.2 * LINES
    assert log.ledger["blank"].item() >= 20
    whole = {code: found[code] for code in REJECT_CODES if code != "truncated"}
    assert min(whole.values()) >= 10, whole


def test_the_library_and_the_oracle_agree_on_tails(tmp_path: Path) -> None:
    lines = mutated_lines(SEED + 1, TAILS)
    for number, line in enumerate(lines):
        write_log(tmp_path / f"{number:05}.jsonl", [line], end=b"")

    log = toolkit.load(tmp_path, duplicates="keep", max_line_bytes=LIMIT)

    found, _ = found_in(tmp_path)
    for number, line in enumerate(lines):
        expected = outcome(line, tail=True, max_line_bytes=LIMIT)
        nothing: Outcome = Chunks([]) if expected == Chunks([]) else []
        assert_same(f"log {number}", line, found.get((number, 2), nothing), expected)
    assert codes(log)["truncated"] >= 15
    assert log.ledger["responses"].sum() >= 0.2 * TAILS


@pytest.mark.parametrize("begin", [b"", b'{"object":"o","choices":[{}]}'])
def test_equal_lines_over_the_limit_give_the_same_wherever_a_block_ends(
    begin: bytes, tmp_path: Path
) -> None:
    lines = [begin.ljust(40_000)] * 100

    log = toolkit.load(write_log(tmp_path / "log.jsonl", lines), max_line_bytes=LIMIT)

    alike = {"line_too_long": len(lines)}
    assert codes(log) == alike or (codes(log) == {} and not begin)


def run(logs: int) -> None:
    """Compare so many logs."""
    warnings.simplefilter("ignore", RejectsWarning)
    rejected: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, logs + 1):
            log = agreed_log(Path(folder) / "log.jsonl", mutated_lines(seed, LINES))
            rejected += codes(log)
    counts = dict(rejected.most_common())
    sys.stdout.write(f"{logs * LINES:,} lines agree, rejects among them: {counts}\n")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
