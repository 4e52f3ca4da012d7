"""Logs to measure with, and what a right answer to each is.

    python -m tests.benchmarks.logs mixed OUT.jsonl 300        # 300 MB
    python -m tests.benchmarks.logs realistic OUT.jsonl.gz 377

``mixed`` repeats recorded responses of 38 providers, each time with a fresh id and a
fresh time and otherwise byte for byte. (They are not part of the project: where they
are absent, responses of ``data/sample`` are repeated.) ``realistic`` varies as logs of
OpenAI's API do, and so does ``short``, with answers of a few words. ``chunks`` repeats
recorded streams, a chunk a line, 40 streams at a time. The right answers are counted
here, not by the package.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from math import log
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).parents[2]
CORPUS = ROOT.parent / "shared" / "corpus"
SAMPLE = ROOT / "data" / "sample" / "chat.jsonl"
FIRST, DAYS = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp()), 60
_JSON = json.JSONDecoder()
_PLAIN = re.compile(
    rb'\{"id": "[^"]+", "object": "chat.completion", "created": \d.+\}\}'
)
_BETWEEN = re.compile(r"[\s,:]*")


@dataclass
class Right:
    """What a log holds."""

    lines: int = 0
    responses: int = 0
    choices: int = 0
    rejected: int = 0
    tokens: int = 0
    choices_tokens: int = 0  # counted for each choice of a response
    # "day model", each empty if unknown: responses and tokens
    groups: dict[str, list[int]] = field(default_factory=dict)

    def count(self, response: dict[str, Any], created: int | None) -> None:
        """Count a line."""
        self.lines += 1
        if _is_rejected(response):
            self.rejected += 1
            return
        total = (response.get("usage") or {}).get("total_tokens") or 0
        self.responses += 1
        self.choices += len(response["choices"])
        self.tokens += total
        self.choices_tokens += total * len(response["choices"])
        key = f"{_day(created)} {response.get('model') or ''}"
        group = self.groups.setdefault(key, [0, 0])
        group[0] += 1
        group[1] += total


def _day(created: int | None) -> str:
    """Return the day of a time in UTC."""
    if created is None:
        return ""
    return datetime.fromtimestamp(created, UTC).date().isoformat()


def _is_rejected(response: dict[str, Any]) -> bool:
    """Return whether a recorded line is a run of LangSmith, or has a wrong type."""
    reasons = [choice.get("finish_reason") for choice in response["choices"]]
    return bool(response.get("usage_metadata")) or not all(
        isinstance(reason, str | None) for reason in reasons
    )


# Recorded responses, repeated.


@dataclass
class _Recorded:
    """A line, cut where the fresh id and the fresh time belong."""

    response: dict[str, Any]
    pieces: list[str]  # the text between them
    fresh: list[str]  # "id" and "created", in the order of the line

    def line(self, number: int, created: int) -> str:
        """Return the line with another id and another time."""
        quote = '"' if isinstance(self.response.get("created"), str) else ""
        fresh = f"{quote}{created}{quote}"
        values = [self._id(number) if key == "id" else fresh for key in self.fresh]
        pairs = zip(self.pieces, [*values, ""], strict=True)
        return "".join(piece + value for piece, value in pairs)

    def _id(self, number: int) -> str:
        """Return an id of the same form that no other line has."""
        tail = re.split("[-_]", self.response["id"])[-1]
        head = self.response["id"].removesuffix(tail)
        scattered = number * 0x9E3779B97F4A7C15 % 2**64
        fresh = f"{scattered:020}" if tail.isdigit() else f"{scattered:016x}"
        return f'"{head}{fresh}"'

    @property
    def is_dated(self) -> bool:
        return "created" in self.fresh


def _cut(line: str) -> _Recorded:
    """Find the id and the time in a line."""
    pieces, fresh, begun, place = [], [], 0, line.index("{") + 1
    response: dict[str, Any] = {}
    while line[place] != "}":
        key, place = _JSON.raw_decode(line, _after(line, place))
        start = _after(line, place)
        response[key], place = _JSON.raw_decode(line, start)
        if key in ("id", "created") and response[key] not in (None, ""):
            pieces.append(line[begun:start])
            fresh.append(key)
            begun = place
        place = _after(line, place)
    return _Recorded(response, [*pieces, line[begun:]], fresh)


def _after(line: str, place: int) -> int:
    """Return the place of the next value."""
    found = _BETWEEN.match(line, place)
    return found.end() if found else place


def _recorded() -> list[_Recorded]:
    """Return the recorded responses, or the plain ones of the sample."""
    if CORPUS.is_dir():
        return [_cut(line) for line in _lines("responses.jsonl")]
    sample = SAMPLE.read_bytes().splitlines()
    return [_cut(line.decode()) for line in sample if _PLAIN.fullmatch(line)]


def mixed(size: int, right: Right) -> Iterator[bytes]:
    """Yield recorded responses again and again, in any order, up to a size."""
    random, recorded = Random(7), _recorded()
    written = 0
    while written < size:
        place = right.lines % len(recorded)
        if not place:
            random.shuffle(recorded)
        one = recorded[place]
        created = FIRST + DAYS * 86_400 * written // size
        line = one.line(right.lines, created).encode() + b"\n"
        right.count(one.response, created if one.is_dated else None)
        written += len(line)
        yield line


# Recorded streams, repeated.

AT_A_TIME = 40


def _lines(name: str) -> list[str]:
    """Return the lines of a file of the corpus."""
    return [line.decode() for line in (CORPUS / name).read_bytes().splitlines()]


def _recorded_streams() -> list[tuple[list[str], int]]:
    """Return the chunks of each recorded stream, and the tokens that it reports."""
    lines, places, expected = (
        _lines("chunks.jsonl"),
        map(json.loads, _lines("chunks.streams.jsonl")),
        map(json.loads, _lines("chunks.expected.jsonl")),
    )
    return [
        (
            lines[place["first_line"] : place["first_line"] + place["chunks"]],
            response["total_tokens"] or 0,
        )
        for place, response in zip(places, expected, strict=True)
    ]


def _with_id(line: str, name: str) -> bytes:
    """Return a chunk with another id, if it may have one."""
    value = json.loads(line)
    if any(value.get(key) for key in ("id", "choices", "usage")):
        value["id"] = name
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"


def chunks(size: int, right: Right) -> Iterator[bytes]:
    """Yield recorded streams again and again, mixed up, up to a size."""
    random, recorded = Random(7), _recorded_streams()
    is_open: list[Iterator[bytes]] = []
    written = 0
    while is_open or written < size:
        if written < size and len(is_open) < AT_A_TIME:
            stream, tokens = recorded[right.responses % len(recorded)]
            name = f"chatcmpl-{right.responses}"
            is_open.append(iter([_with_id(chunk, name) for chunk in stream]))
            right.responses += 1
            right.choices += 1
            right.tokens += tokens
        place = random.randrange(len(is_open))
        line = next(is_open[place], None)
        if line is None:
            del is_open[place]
            continue
        right.lines += 1
        written += len(line)
        yield line


# Generated responses.

MODELS = {
    "gpt-4o-mini-2024-07-18": 50,
    "gpt-4o-2024-08-06": 20,
    "gpt-4.1-2025-04-14": 10,
    "o3-mini-2025-01-31": 8,
    "gpt-4.1-nano-2025-04-14": 8,
    "ft:gpt-4o-mini-2024-07-18:acme::9xKq2LzP": 4,
}
SYLLABLES = (
    "an", "be", "co", "de", "el", "fi", "go", "hi", "in", "ka", "la", "me", "no", "or",
    "pa", "qui", "re", "sa", "to", "un", "ve", "wi",
)  # fmt: skip
SEPARATORS = {" ": 88, ", ": 5, ". ": 4, "\n": 1, "\n\n- ": 1, '" ': 1}
UNUSUAL = (
    "café", "naïve", "日本語", "Größe", "привет", "🌻", "“so”", "don't", 'say "yes"',
    "C:\\temp", "a\tb", "```python\nprint(1)\n```", "1 < 2", "</p>",
)  # fmt: skip
POOL = 400_000  # words
# How the programs that write logs turn a response into a line.
WRITERS: tuple[tuple[int, dict[str, Any]], ...] = (
    (60, {"ensure_ascii": False, "separators": (",", ":")}),  # as OpenAI's API
    (20, {}),
    (10, {"ensure_ascii": False}),
    (10, {"sort_keys": True, "separators": (",", ":")}),
)


class _Maker:
    """Make responses that vary as those of OpenAI's API do.

    Half of the answers have fewer than ``length`` characters.
    """

    def __init__(self, length: int) -> None:
        self.length = log(length)
        self.random = random = Random(7)
        words = [
            "".join(random.choices(SYLLABLES, k=random.randint(1, 4)))
            for _ in range(3_000)
        ]
        often = [1 / rank for rank in range(1, len(words) + 1)]  # Zipf's law
        for place in random.sample(range(100, len(words)), 10 * len(UNUSUAL)):
            words[place] = random.choice(UNUSUAL)
        pieces = random.choices(words, often, k=POOL)
        between = random.choices(list(SEPARATORS), SEPARATORS.values(), k=POOL)
        pieces = [one + other for one, other in zip(pieces, between, strict=True)]
        self.text = "".join(pieces)

    def content(self) -> str:
        """Return a text of 1 to 20,000 characters."""
        length = int(self.random.lognormvariate(self.length, 1.1))
        length = min(max(length, 1), 20_000)
        start = self.random.randrange(len(self.text) - length)
        return self.text[start : start + length]

    def some_id(self, prefix: str, length: int) -> str:
        return prefix + f"{self.random.getrandbits(4 * length):0{length}x}"

    def choice(self, index: int) -> dict[str, Any]:
        """Make a choice: an answer, a refusal, or calls of tools."""
        random = self.random
        message: dict[str, Any] = {"role": "assistant", "content": self.content()}
        choice = {"index": index, "message": message, "logprobs": None}
        choice["finish_reason"] = "length" if random.random() < 0.03 else "stop"
        if random.random() < 0.7:
            message["refusal"] = None
        if random.random() < 0.01:
            message.update(content=None, refusal=self.content()[:80])
        elif random.random() < 0.15:
            message["content"] = None
            choice["finish_reason"] = "tool_calls"
            message["tool_calls"] = [
                self.tool_call() for _ in range(random.choice((1, 1, 2)))
            ]
        if random.random() < 0.4:
            message["annotations"] = []
        if random.random() < 0.02:
            choice["logprobs"] = {
                "content": [self.logprob() for _ in range(random.randint(1, 40))],
                "refusal": None,
            }
        return choice

    def tool_call(self) -> dict[str, Any]:
        asked = {"query": self.content()[:200], "limit": self.random.randint(1, 50)}
        function = {"name": "search_orders", "arguments": json.dumps(asked)}
        call_id = self.some_id("call_", 24)
        return {"id": call_id, "type": "function", "function": function}

    def logprob(self) -> dict[str, Any]:
        token = self.content()[:4]
        logprob = -self.random.expovariate(2)
        bytes_ = list(token.encode())
        return {"token": token, "logprob": logprob, "bytes": bytes_, "top_logprobs": []}

    def usage(self, characters: int) -> dict[str, Any]:
        random = self.random
        prompt = int(random.lognormvariate(6.5, 1.2)) + 8
        completion = characters // 4 + random.randint(1, 30)
        usage: dict[str, Any] = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
        if random.random() < 0.75:
            usage["prompt_tokens_details"] = {
                "cached_tokens": random.choice((0, 0, prompt // 128 * 128)),
                "audio_tokens": 0,
            }
            usage["completion_tokens_details"] = {
                "reasoning_tokens": random.choice((0, 0, 0, completion // 2)),
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            }
        return usage

    def response(self, created: int) -> dict[str, Any]:
        """Make a response."""
        random = self.random
        n = random.choice((2, 3, 4)) if random.random() < 0.03 else 1
        choices = [self.choice(index) for index in range(n)]
        texts = [one["message"]["content"] or "" for one in choices]
        response: dict[str, Any] = {
            "id": self.some_id("chatcmpl-", 29),
            "object": "chat.completion",
            "created": created,
            "model": random.choices(list(MODELS), MODELS.values())[0],
            "choices": choices,
            "usage": self.usage(sum(map(len, texts))),
        }
        if random.random() < 0.01:
            response["usage"] = None
        if random.random() < 0.8:
            response["service_tier"] = "default"
        response["system_fingerprint"] = random.choice(
            ("fp_0aa8d3e20b", "fp_51e1070cf2", None)
        )
        return response


def generated(size: int, right: Right, length: int) -> Iterator[bytes]:
    """Yield generated responses up to a size."""
    make = _Maker(length)
    weights = [weight for weight, _ in WRITERS]
    encoders = [json.JSONEncoder(**options).encode for _, options in WRITERS]
    written = 0
    while written < size:
        created = FIRST + DAYS * 86_400 * written / size
        # A log is in the order in which the answers end.
        response = make.response(int(created - make.random.expovariate(0.1)))
        [encode] = make.random.choices(encoders, weights)
        line = encode(response).encode() + b"\n"
        right.count(response, response["created"])
        written += len(line)
        yield line


KINDS: dict[str, Callable[[int, Right], Iterator[bytes]]] = {
    "mixed": mixed,
    "realistic": partial(generated, length=400),
    "short": partial(generated, length=20),
    "chunks": chunks,
}


def write_log(kind: str, path: Path, size: int) -> Right:
    """Write a log of a size (before it is compressed), and return what it holds."""
    right = Right()
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as file:
        file.writelines(KINDS[kind](size, right))
    return right


if __name__ == "__main__":
    made = write_log(sys.argv[1], Path(sys.argv[2]), int(float(sys.argv[3]) * 1e6))
    print(json.dumps(asdict(made)))
