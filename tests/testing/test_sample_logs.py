"""Properties of the sample, checked with the standard library."""

import gzip
import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import toolkit
from tests.support.zstd_frames import zstd
from toolkit.errors import WriteError
from toolkit.testing.responses import make_response
from toolkit.testing.sample_logs import sample_lines, write_sample

START = datetime(2026, 10, 1, tzinfo=UTC)
Json = dict[str, Any]


class Sample(NamedTuple):
    """A sample, taken apart."""

    lines: list[bytes]
    objects: list[Json]  # of the lines that are objects
    responses: list[Json]  # bare or in an envelope
    choices: list[Json]
    messages: list[Json]
    usages: list[Json]
    calls: list[Json]
    verdicts: Counter[str]
    streams: list[list[Json]]  # of whole streams on a line: their chunks


def refuse(constant: str) -> None:
    raise ValueError(constant)


def stream_of(line: bytes) -> list[Json]:
    """Return the chunks of a whole stream, in the three forms that the sample uses."""
    if line.startswith(b'[{"id":'):
        return list(json.loads(line))
    if line.startswith(b'{"chunks":'):
        return list(json.loads(line)["chunks"])
    if line.startswith(b'{"response":"data: '):
        *events, end, last = json.loads(line)["response"].split("\n\n")
        assert (end, last) == ("data: [DONE]", "")
        return [json.loads(event.removeprefix("data: ")) for event in events]
    return []


def parse(line: bytes) -> Json | None:
    """Return the object on a line that is strict JSON."""
    try:
        value = json.loads(line.decode(), parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()
    except ValueError:  # a lone surrogate is UnicodeEncodeError, a ValueError
        return None
    return value if isinstance(value, dict) else None


def response_of(line: Json) -> Json | None:
    """Return the object with choices, at the three places that the sample uses."""
    inside = line.get("response")
    if isinstance(inside, str):
        inside = {} if inside.startswith("data: ") else json.loads(inside)
    body = inside.get("body") if isinstance(inside, dict) else None
    places = [place for place in (line, body, inside) if isinstance(place, dict)]
    return next((place for place in places if "choices" in place), None)


def has_error(line: Json) -> bool:
    inside = line.get("response")
    body = inside.get("body") if isinstance(inside, dict) else None
    return any(
        isinstance(place, dict) and "error" in place and place["error"]
        for place in (line, inside, body)
    )


def column_fault(response: Json) -> str:
    usage = response.get("usage") or {}
    counts = [value for key, value in usage.items() if key.endswith("_tokens")]
    contents = [
        choice.get("message", {}).get("content") for choice in response["choices"]
    ]
    if any(isinstance(count, str) for count in counts):
        return "wrong_type"
    if any(isinstance(content, int) for content in contents):
        return "wrong_type"
    # 7,258,118,400 is 2200-01-01: from then on a time is out of range.
    late = float(response.get("created") or 0) >= 7_258_118_400
    return "out_of_range" if late or any(count < 0 for count in counts) else "response"


def verdict(line: bytes) -> str:
    """Return what the definition of a line says of a line of the sample."""
    if not line.strip(b" \t\r"):
        return "blank"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "invalid_utf8"
    if b"[" * 513 in line:
        return "too_deep"
    if stream_of(line):
        return "response"
    parsed = parse(line)
    if parsed is None:
        return "invalid_json"
    if parsed.get("type") == "content_block_delta":
        return "stream_chunk"
    response = response_of(parsed)
    if response is None:
        return "error_response" if has_error(parsed) else "not_a_response"
    return column_fault(response)


def take_apart(lines: list[bytes]) -> Sample:
    objects = [line for line in map(parse, lines) if line is not None]
    responses = [made for made in map(response_of, objects) if made is not None]
    choices = [choice for made in responses for choice in made["choices"]]
    messages = [choice["message"] for choice in choices if choice.get("message")]
    usages = [made["usage"] for made in responses if made.get("usage")]
    calls = [call for message in messages for call in message.get("tool_calls") or []]
    verdicts = Counter(map(verdict, lines))
    streams = [stream for stream in map(stream_of, lines) if stream]
    return Sample(
        lines, objects, responses, choices, messages, usages, calls, verdicts, streams
    )


@cache
def sample(lines: int = 500, seed: int = 0) -> Sample:
    return take_apart(list(sample_lines(lines, seed=seed)))


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def functions(found: Sample) -> list[Any]:
    return [call["function"]["arguments"] for call in found.calls if "function" in call]


def lists(found: Sample) -> list[str]:
    """Return the type of the first part of each content that is a list."""
    contents = [message.get("content") for message in found.messages]
    return [content[0]["type"] for content in contents if isinstance(content, list)]


def repeats(values: Iterable[object]) -> bool:
    return max(Counter(values).values(), default=0) > 1


def number_of(usage: Json, *path: str) -> int:
    value: Any = usage
    for key in path:
        value = (value or {}).get(key)
    return value if isinstance(value, int) else 0


def finishes(reason: str) -> Callable[[Sample], bool]:
    return lambda s: any(choice.get("finish_reason") == reason for choice in s.choices)


def is_named(name: str) -> Callable[[Sample], bool]:
    return lambda s: any(name in str(made.get("model")) for made in s.responses)


def created_is(expected: type | None) -> Callable[[Sample], bool]:
    kind = type(None) if expected is None else expected
    return lambda s: any(type(made.get("created")) is kind for made in s.responses)


def is_found(code: str) -> Callable[[Sample], bool]:
    return lambda s: s.verdicts[code] > 0


def reported(*path: str) -> Callable[[Sample], bool]:
    return lambda s: any(number_of(usage, *path) > 0 for usage in s.usages)


def reasoning_of(usage: Json) -> int:
    return number_of(usage, "completion_tokens_details", "reasoning_tokens")


def sums_up(usage: Json) -> bool:
    parts = number_of(usage, "prompt_tokens") + number_of(usage, "completion_tokens")
    return number_of(usage, "total_tokens") == parts


def is_ended(stream: list[Json]) -> bool:
    choices = [choice for chunk in stream for choice in chunk["choices"]]
    return any(choice["finish_reason"] for choice in choices)


QUIRKS: dict[str, Callable[[Sample], bool]] = {
    **{f"finish_reason {reason!r}": finishes(reason) for reason in (
        "stop", "length", "tool_calls", "function_call", "content_filter", "")},
    **{f"model {name}": is_named(name) for name in (
        "gpt-4o-2024-08-06", "gpt-4o-mini", "deepseek-r1", "llama-3.3-70b", "mistral",
        "anthropic/claude", ".gguf", "gemini", "grok", "sonar", "llama3.2", "gpt-5")},
    **{f"created {kind}": created_is(kind) for kind in (None, int, float, str)},
    "created 0": lambda s: any(
        made.get("created") == 0 and made.get("id") for made in s.responses),
    "created in milliseconds": lambda s: any(
        float(made.get("created") or 0) > 10**12 for made in s.responses),
    "arguments are JSON": lambda s: any(
        isinstance(given, str) and is_json(given) for given in functions(s)),
    "arguments are no JSON": lambda s: any(
        isinstance(given, str) and not is_json(given) for given in functions(s)),
    "arguments are an object": lambda s: any(
        isinstance(given, dict) for given in functions(s)),
    "two tool calls": lambda s: any(
        len(message.get("tool_calls") or []) == 2 for message in s.messages),
    "custom tool call": lambda s: any(
        call["type"] == "custom" and call["custom"]["input"] for call in s.calls),
    "legacy function call": lambda s: any(
        message.get("function_call") for message in s.messages),
    "refusal": lambda s: any(message.get("refusal") for message in s.messages),
    "choice without message": lambda s: any(
        "message" not in choice for choice in s.choices),
    "content is a list that begins with thinking": lambda s: "thinking" in lists(s),
    "content is an object": lambda s: any(
        isinstance(message.get("content"), dict) for message in s.messages),
    "content is a number": lambda s: any(
        isinstance(message.get("content"), int) for message in s.messages),
    "error is an object": lambda s: any(
        isinstance(line.get("error"), dict) for line in s.objects),
    "error is a string": lambda s: any(
        isinstance(line.get("response"), dict)
        and isinstance(line["response"].get("error"), str) for line in s.objects),
    "error in a batch": lambda s: any(
        "custom_id" in line and line["response"]["body"].get("error")
        for line in s.objects),
    "reasoning content": lambda s: any(
        message.get("reasoning_content") for message in s.messages),
    "logprobs": lambda s: any(
        isinstance(item["logprob"], float)
        for choice in s.choices
        for item in (choice.get("logprobs") or {}).get("content") or []),
    "several choices": lambda s: any(len(made["choices"]) > 1 for made in s.responses),
    "no choices": lambda s: any(
        made["choices"] == [] and made["object"] == "chat.completion"
        for made in s.responses),
    "batch envelope": lambda s: any(
        "custom_id" in line and "choices" in line["response"]["body"]
        for line in s.objects),
    "pair of request and response": lambda s: any(
        "messages" in line.get("request", {}) and isinstance(line["response"], dict)
        for line in s.objects),
    "response is a string": lambda s: any(
        isinstance(line.get("response"), str) for line in s.objects),
    "team of a pair": lambda s: any(
        "request" in line and line["metadata"]["team"] for line in s.objects),
    "team of a bare response": lambda s: any(
        "choices" in line and line.get("metadata", {}).get("team")
        for line in s.objects),
    "provider": lambda s: any(made.get("provider") for made in s.responses),
    "cost is a number": lambda s: any(
        isinstance(usage.get("cost"), float) for usage in s.usages),
    "cost is an object": lambda s: any(
        isinstance(usage.get("cost"), dict) and usage["cost"]["total_cost"] > 0
        for usage in s.usages),
    "service tiers": lambda s: {"default", "flex"} <= {
        made.get("service_tier") for made in s.responses},
    "fingerprint changes": lambda s: len({
        made["system_fingerprint"] for made in s.responses
        if made.get("model") == "gpt-4o-mini-2024-07-18"}) > 2,
    "empty id": lambda s: any(
        made.get("id") == "" and made.get("created") for made in s.responses),
    "no id": lambda s: any("id" not in made for made in s.responses),
    "id of several responses": lambda s: repeats(
        made["id"] for made in {
            json.dumps(made): made for made in s.responses if made.get("id")}.values()),
    "line logged twice": lambda s: repeats(
        line for line in s.lines if (response_of(parse(line) or {}) or {}).get("id")),
    "equal responses without id": lambda s: repeats(
        json.dumps(made) for made in s.responses if not made.get("id")),
    "total does not add up": lambda s: not all(map(sums_up, s.usages)),
    "reasoning exceeds completion": lambda s: any(
        reasoning_of(usage) > usage["completion_tokens"] for usage in s.usages),
    "cached exceeds prompt": lambda s: any(
        number_of(usage, "cached_tokens") > number_of(usage, "prompt_tokens")
        for usage in s.usages),
    "cached tokens": reported("prompt_tokens_details", "cached_tokens"),
    "cache hits": reported("prompt_cache_hit_tokens"),
    "reasoning tokens": reported("completion_tokens_details", "reasoning_tokens"),
    "no usage": lambda s: any("usage" not in made for made in s.responses),
    "null usage": lambda s: any(
        made["usage"] is None and made["object"] == "chat.completion"
        for made in s.responses if "usage" in made),
    "negative count": lambda s: any(
        number_of(usage, "completion_tokens") < 0 for usage in s.usages),
    "count is a string": lambda s: any(
        isinstance(usage.get("prompt_tokens"), str) for usage in s.usages),
    "service tier in the usage": lambda s: any(
        usage.get("service_tier") for usage in s.usages),
    "blank line": lambda s: b"" in s.lines,
    "blank line of spaces": lambda s: any(
        line and not line.strip(b" \t") for line in s.lines),
    "CRLF": lambda s: any(line.endswith(b"}\r") for line in s.lines),
    "raw UTF-8": lambda s: any(
        "é" in line.decode(errors="replace") and parse(line) for line in s.lines),
    "raw emoji": lambda s: any("🌻".encode() in line for line in s.lines),
    "escaped": lambda s: any(
        rb"\u65e5\u672c\u8a9e" in line and rb"\ud83c\udf3b" in line
        for line in s.lines),
    "NaN": lambda s: any(b"NaN" in line for line in s.lines),
    "trailing comma": lambda s: any(line.endswith(b",}") for line in s.lines),
    "cut short": lambda s: any(
        parse(line) is None and line.count(b"{") > line.count(b"}")
        for line in s.lines),
    "lone surrogate": lambda s: any(rb"\ud83d" + b'"' in line for line in s.lines),
    "stream with usage": lambda s: any(is_ended(one) and one[-1]["usage"]
                                       for one in s.streams),
    "stream without usage": lambda s: any(
        is_ended(one) and not any(chunk["usage"] for chunk in one)
        for one in s.streams),
    "stream that was cut off": lambda s: not all(map(is_ended, s.streams)),
    "stream as a list": lambda s: any(line.startswith(b"[{") for line in s.lines),
    "stream as a text": lambda s: any(b'"data: ' in line for line in s.lines),
    **{f"reject {code}": is_found(code) for code in (
        "invalid_utf8", "too_deep", "invalid_json", "stream_chunk", "error_response",
        "not_a_response", "wrong_type", "out_of_range")},
}  # fmt: skip


def created_of(found: Sample) -> list[int]:
    """Return the times in seconds, in the order of the log."""
    numbers = (made.get("created") for made in found.responses)
    return [n for n in numbers if isinstance(n, int) and 0 < n < 10**10]


@pytest.mark.parametrize(
    ("lines", "seed"),
    [*((500, seed) for seed in (0, 1, 2, 77, 2026)), (501, 0), (569, 0), (1000, 0)],
)
def test_500_lines_or_more_hold_every_quirk_whatever_the_seed(
    lines: int, seed: int
) -> None:
    found = sample(lines, seed)

    missing = [name for name, holds in QUIRKS.items() if not holds(found)]

    assert missing == []


@pytest.mark.parametrize("lines", [0, 1, 2, 10, 499, 500, 1000])
def test_a_sample_has_exactly_so_many_physical_lines(lines: int) -> None:
    made = list(sample_lines(lines))

    assert len(made) == lines
    assert not any(b"\n" in line for line in made)


def test_the_package_lists_public_names_only() -> None:
    names = ["make_choices", "make_response", "sample_lines", "write_sample"]

    assert dir(toolkit.testing) == names


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert list(sample_lines(700, seed=5)) == list(sample_lines(700, seed=5))


def test_every_argument_counts() -> None:
    made = [
        b"\n".join(sample_lines(50)),
        b"\n".join(sample_lines(51)),
        b"\n".join(sample_lines(50, seed=1)),
        b"\n".join(sample_lines(50, start=START + timedelta(days=1))),
        b"\n".join(sample_lines(50, days=44)),
    ]

    assert len(set(made)) == 5


@pytest.mark.parametrize(("hash_seed", "zone"), [("1", "Asia/Tokyo"), ("2", "UTC")])
def test_the_bytes_depend_on_neither_the_process_nor_its_time_zone(
    hash_seed: str, zone: str
) -> None:
    code = (
        "import sys; from toolkit.testing.sample_logs import write_sample;"
        "write_sample(sys.stdout.buffer, 500)"
    )
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone, "PYTHONPATH": root}

    call = [sys.executable, "-c", code]
    done = subprocess.run(call, env=env, capture_output=True, check=True)

    assert done.stdout == b"".join(line + b"\n" for line in sample().lines)


@pytest.mark.parametrize("lines", range(1, 11))
def test_a_small_sample_begins_and_ends_with_a_response(lines: int) -> None:
    made = list(sample_lines(lines))

    assert verdict(made[0]) == "response"
    assert verdict(made[-1]) == "response"


def test_small_samples_are_mostly_ordinary() -> None:
    made = [line for seed in range(50) for line in sample_lines(10, seed=seed)]

    ordinary = sum(verdict(line) == "response" for line in made)

    assert ordinary >= 480  # of 500


def test_about_one_line_in_a_hundred_is_a_reject() -> None:
    verdicts = sample(20_000).verdicts

    rejects = verdicts.total() - verdicts["response"] - verdicts["blank"]

    assert 120 < rejects < 320


def test_a_line_has_about_one_kilobyte_and_is_mostly_ascii() -> None:
    text = b"\n".join(sample(20_000).lines)

    assert 850 < len(text) / 20_000 < 1150
    assert len(text.decode("ascii", errors="ignore")) > 0.97 * len(text)


@pytest.mark.parametrize("days", [1, 45])
@pytest.mark.parametrize("lines", [10, 2000])
def test_times_lie_between_start_and_end(lines: int, days: int) -> None:
    start = datetime(2026, 3, 4, 5, 30, tzinfo=UTC)

    made = list(sample_lines(lines, start=start, days=days))

    times = created_of(take_apart(made))
    assert min(times) >= start.timestamp()
    assert max(times) < (start + timedelta(days=days)).timestamp()


def test_times_mostly_rise() -> None:
    times = created_of(sample(5000))

    rising = sum(a <= b for a, b in pairwise(times))

    assert 0.95 * len(times) < rising < len(times) - 1


def test_weekends_and_nights_are_quieter() -> None:
    moments = [datetime.fromtimestamp(t, tz=UTC) for t in created_of(sample(20_000))]

    days = Counter(moment.weekday() for moment in moments)
    hours = Counter(moment.hour for moment in moments)

    assert 3 * max(days[5], days[6]) < min(days[day] for day in range(5))
    assert 5 * hours[3] < hours[10]


def test_one_model_appears_only_from_the_third_week_on() -> None:
    first: dict[str, int] = {}
    for made in sample(20_000).responses:
        if isinstance(made.get("created"), int) and made["created"] > 0:
            first.setdefault(made.get("model", ""), made["created"])

    late = [
        m for m, t in first.items() if t >= (START + timedelta(days=14)).timestamp()
    ]

    assert late == ["gpt-5-mini-2025-08-07"]


def test_models_have_different_shares() -> None:
    shares = Counter(made.get("model") for made in sample(20_000).responses)

    (_, most), *_, (_, least) = [pair for pair in shares.most_common() if pair[1] > 100]

    assert most > 5 * least


def test_token_counts_are_skewed_to_the_right_as_log_normal_ones_are() -> None:
    prompts = sorted(
        usage["prompt_tokens"]
        for made in sample(20_000).responses
        if made.get("model") == "gpt-4o-2024-08-06" and (usage := made.get("usage"))
        if isinstance(usage["prompt_tokens"], int)
    )

    low, median, high = (prompts[len(prompts) * q // 10] for q in (1, 5, 9))

    # Log-normal: the median is the geometric middle, well below the arithmetic one.
    assert 0.8 < median**2 / (low * high) < 1.25
    assert median < 0.7 * (low + high) / 2


def test_usage_counts_every_choice_of_a_response_once() -> None:
    several = [made for made in sample(20_000).responses if len(made["choices"]) > 1]

    assert all(sums_up(made["usage"]) for made in several)
    for made in several:
        characters = sum(len(c["message"]["content"]) for c in made["choices"])
        assert made["usage"]["completion_tokens"] >= characters // 4 - 4


def test_the_streams_of_a_sample_are_read_as_the_responses_that_they_were(
    tmp_path: Path,
) -> None:
    write_sample(tmp_path / "log.jsonl", 500)

    rows = toolkit.load(tmp_path).frame.drop_nulls("chunk_count").to_dicts()

    assert len(rows) == len(sample().streams) == 4
    for row, stream in zip(rows, sample().streams, strict=True):
        choices = [choice for chunk in stream for choice in chunk["choices"]]
        texts = [choice["delta"].get("content", "") for choice in choices]
        usages = [chunk["usage"] for chunk in stream if chunk["usage"]]
        assert row["response_id"] == stream[0]["id"]
        assert row["chunk_count"] == len(stream)
        assert row["content"] == "".join(texts)
        assert row["total_tokens"] == (usages[0]["total_tokens"] if usages else None)
        assert (row["finish_reason"] == "stop") is is_ended(stream)


def test_a_written_sample_ends_each_line_with_lf(tmp_path: Path) -> None:
    write_sample(tmp_path / "log.jsonl", 500)

    assert (tmp_path / "log.jsonl").read_bytes().split(b"\n") == [*sample().lines, b""]


def test_a_compressed_sample_holds_the_plain_one(tmp_path: Path) -> None:
    plain = io.BytesIO()

    write_sample(plain, 500)
    write_sample(tmp_path / "log.jsonl.gz", 500)
    write_sample(tmp_path / "log.jsonl.zst", 500)

    packed = (tmp_path / "log.jsonl.zst").read_bytes()
    unpacked = zstd.decompress(packed)
    assert gzip.decompress((tmp_path / "log.jsonl.gz").read_bytes()) == plain.getvalue()
    assert unpacked == plain.getvalue()


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_compressed_sample_does_not_know_its_name_or_the_time(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sample(tmp_path / f"a.{ending}", 20)
    monkeypatch.setattr("time.time", lambda: 1e9)
    write_sample(tmp_path / f"b.{ending}", 20)

    a, b = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize("ending", ["jsonl", "gz", "zst"])
def test_an_error_in_the_middle_leaves_no_file(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_line: bytes) -> bytes:
        assert [*tmp_path.iterdir()]
        assert not (tmp_path / f"a.{ending}").exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("toolkit.testing.sample_logs.half", interrupted)  # the last line
        with pytest.raises(KeyboardInterrupt):
            write_sample(tmp_path / f"a.{ending}", 20, torn=True)

    assert not any(tmp_path.iterdir())
    write_sample(tmp_path / f"a.{ending}", 20)


@pytest.mark.parametrize("is_early", [True, False])
def test_a_file_of_the_same_name_is_never_replaced(
    tmp_path: Path, is_early: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "a.jsonl"

    def meanwhile(line: bytes) -> bytes:
        log.write_bytes(b"mine")
        return line

    monkeypatch.setattr("toolkit.testing.sample_logs.half", meanwhile)
    if is_early:
        log.write_bytes(b"mine")
    with pytest.raises(WriteError, match="cannot write: it exists already"):
        write_sample(log, 20, torn=True)

    assert log.read_bytes() == b"mine"
    assert [*tmp_path.iterdir()] == [log]


@pytest.mark.parametrize("seed", range(20))
def test_a_torn_sample_ends_in_the_middle_of_its_last_line(seed: int) -> None:
    log = io.BytesIO()

    write_sample(log, 5, seed=seed, torn=True)

    *whole, tail = log.getvalue().split(b"\n")
    *expected, last = sample_lines(5, seed=seed)
    assert whole == expected
    assert last.startswith(tail)
    assert 0.4 * len(last) < len(tail) < 0.6 * len(last)
    assert not is_json(tail.decode())  # decodes: no character is torn


def test_a_file_stays_open_and_where_it_is_for_its_owner() -> None:
    log = io.BytesIO(b"")
    log.write(b"{}\n")

    write_sample(log, 2)

    assert log.getvalue() == b"".join([b"{}\n", *(x + b"\n" for x in sample_lines(2))])


@pytest.mark.parametrize(
    ("start", "days"),
    [(START.replace(tzinfo=None), 45), (START, 0), (START, -1)],
)
def test_a_start_without_zone_or_no_days_is_an_error_before_anything_is_written(
    tmp_path: Path, start: datetime, days: int
) -> None:
    log = tmp_path / "log.jsonl"

    with pytest.raises(ValueError, match="time zone"):
        write_sample(log, 5, start=start, days=days)

    assert not log.exists()


def test_a_made_response_has_n_choices_and_one_usage() -> None:
    made = make_response(n=3)

    assert response_of(made) is made
    assert [
        choice["index"] for choice in take_apart([json.dumps(made).encode()]).choices
    ] == [0, 1, 2]
    assert made["usage"] == {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
    }


def test_the_fields_of_a_made_response_can_be_replaced() -> None:
    made = make_response(model="gpt-b", usage=None, provider="Anthropic")

    assert (made["model"], made["usage"], made["provider"]) == (
        "gpt-b",
        None,
        "Anthropic",
    )
    assert made["created"] == datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def test_made_responses_share_nothing() -> None:
    first, second = make_response(n=2), make_response(n=2)

    first["choices"][0]["message"]["content"] = "Changed."  # type: ignore[index]

    assert second == make_response(n=2)
    assert first["choices"][1]["message"]["content"] == "Hello."  # type: ignore[index]


def test_a_path_may_be_text(tmp_path: Path) -> None:
    write_sample(str(tmp_path / "a.jsonl.gz"), 3)

    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()).count(b"\n") == 3
