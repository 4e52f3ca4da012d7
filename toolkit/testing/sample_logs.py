"""Small true data: one response, or a log as mixed as the logs of real use.

A sample line is a response of one of `MODELS`, in the dialect of its provider, with at
most one of `QUIRKS` put into it, wrapped, written as JSON and, seldom, damaged. Chance
comes from `random.Random.random` alone, whose sequence Python promises to keep, and
numbers from IEEE arithmetic: the same arguments give the same bytes everywhere.
"""

import json
import math
from bisect import bisect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from gzip import GzipFile
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from zstandard import ZstdCompressor

from toolkit.testing.dialects import (
    DEEPSEEK,
    FLEET,
    FOREIGN,
    GPT_4O,
    GPT_MINI,
    GROK,
    LATER_FLEET,
    MISTRAL,
    MODELS,
    OLLAMA,
    SENTENCES,
    TOOLS,
    Change,
    Damage,
    Dice,
    Json,
    Model,
    Pen,
    Wrap,
    stating,
)
from toolkit.testing.responses import make_response

START = datetime(2026, 10, 1, tzinfo=UTC)
DAYS = 45
FULL_DECK = 500  # lines from which on every quirk is there
THIRD_WEEK = 14  # days after the start
WEEKDAYS = (100, 104, 106, 102, 92, 24, 18)  # volume, Monday first
NIGHT, MORNING = (4, 3, 2, 2, 3, 6), (14, 34, 62, 80, 86, 78)
HOURS = (*NIGHT, *MORNING, 64, 76, 88, 84, 70, 48, 30, 22, 18, 14, 10, 6)  # volume, UTC
TEAMS = ("search", "search", "support", "support", "support", "billing", "docs")


def bare(response: Json, _dice: Dice) -> Json:
    """Let the response be the line."""
    return response


def tagged(response: Json, dice: Dice) -> Json:
    """Put metadata of the caller into the response."""
    return {**response, "metadata": {"team": dice.pick(TEAMS)}}


def batch(response: Json, dice: Dice) -> Json:
    """Wrap it as the output file of a batch job does."""
    answer = {"status_code": 200, "request_id": dice.code(), "body": response}
    name, task = f"batch_req_{dice.code()}", f"task-{dice.pick(range(10**6))}"
    return {"id": name, "custom_id": task, "response": answer, "error": None}


def pair(response: Json, dice: Dice) -> Json:
    """Put the request beside it, as a proxy does."""
    messages = [{"role": "user", "content": dice.pick(SENTENCES)}]
    request = {"model": dice.model.requested, "messages": messages, "temperature": 0.2}
    metadata = {"team": dice.pick(TEAMS)}
    return {"request": request, "response": response, "metadata": metadata}


def pair_text(response: Json, dice: Dice) -> Json:
    """Make such a pair, the response in it a string of JSON."""
    return {**pair(response, dice), "response": json.dumps(response)}


ESCAPED = json.JSONEncoder(separators=(",", ":")).encode
RAW = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
PENS: tuple[Pen, ...] = (RAW, RAW, ESCAPED, json.dumps)
WRAPS = (*[bare] * 42, *[tagged] * 3, *[pair] * 3, *[batch] * 2)


def latin(line: bytes, _dice: Dice) -> bytes:
    """Write the line in Latin-1."""
    return line.decode().encode("latin-1", "replace")


def put(value: object, *path: str | int) -> Change:
    """Return a change that puts `value` at `path`."""

    def change(response: Json, _dice: Dice) -> None:
        place: Any = response
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def saying(finish_reason: str, **message: object) -> Change:
    """Return a change that gives this message, without content."""
    fields = {"role": "assistant", "content": None, **message}
    choice = {"index": 0, "message": fields, "finish_reason": finish_reason}
    return put([choice], "choices")


def tools(arguments: Callable[[Json], object], calls: int = 1) -> Change:
    """Return a change that makes the message a call of functions."""

    def call(dice: Dice) -> Json:
        name, given = dice.pick(TOOLS)
        function = {"name": name, "arguments": arguments(given)}
        return {"id": f"call_{dice.code()}", "type": "function", "function": function}

    def change(response: Json, dice: Dice) -> None:
        made = [call(dice) for _ in range(calls)]
        saying("tool_calls", tool_calls=made)(response, dice)

    return change


def several_choices(response: Json, dice: Dice) -> None:
    """Give two to four answers; the usage counts them all, once."""
    usage, first = response["usage"], response["choices"][0]
    for index in range(1, dice.pick((2, 3, 4))):
        text = dice.text(dice.model.sentences)
        message = {**first["message"], "content": text}
        response["choices"].append({**first, "index": index, "message": message})
        usage["completion_tokens"] += len(text) // 4
        usage["total_tokens"] += len(text) // 4


def logprobs(response: Json, dice: Dice) -> None:
    """Give a short answer and the log probability of each of its tokens."""
    choice = response["choices"][0]
    tokens = choice["message"]["content"].split()[:12]
    choice["message"]["content"] = " ".join(tokens)
    content = [
        {"token": token, "logprob": -round(dice.random() ** 2, 7), "top_logprobs": []}
        for token in tokens
    ]
    choice["logprobs"] = {"content": content, "refusal": None}


def parts(response: Json, dice: Dice) -> None:
    """Give the content as a list of parts, the thinking first."""
    message = response["choices"][0]["message"]
    thinking = [{"type": "text", "text": dice.text(2)}]
    text = {"type": "text", "text": message["content"]}
    message["content"] = [{"type": "thinking", "thinking": thinking}, text]


def half(line: bytes) -> bytes:
    """Return the first half, cut between two characters."""
    return line[: len(line) // 2].decode(errors="ignore").encode()


class Quirk(NamedTuple):
    """Something that a response, or the line that it stands on, may have."""

    name: str
    rate: int  # lines of 10,000, beside the one that a whole deck holds
    change: Change = stating()
    model: Model | None = None  # None, here and below: as it comes
    wrap: Wrap | None = None
    pen: Pen | None = None
    damage: Damage | None = None


FINISH = ("choices", 0, "finish_reason")
CONTENT = ("choices", 0, "message", "content")
DEEP = b',"trace":' + b"[" * 600 + b"]" * 600 + b"}"
SQL = {"id": "call_1", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
LEGACY = {"name": "get_weather", "arguments": '{"city":"Lyon"}'}
FILTERED = {"index": 0, "finish_reason": "content_filter", "content_filter_results": {}}
DELTA = {"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}
CHUNK = make_response(object="chat.completion.chunk", choices=[DELTA], usage=None)
ERROR = {"error": {"message": "Too many requests.", "type": "requests", "code": None}}
ERROR_TEXT = {"error": "upstream timed out"}
NOTICE = {"level": "INFO", "logger": "worker", "message": "ready"}
# Each is in the deck twice: it takes two lines to be equal.
REPEATED_ID = Quirk("repeated_id", 0, put("chatcmpl-417", "id"), OLLAMA)
EQUAL = Quirk("equal", 10, wrap=lambda *_: make_response(id="", created=0), pen=RAW)
QUIRKS = (
    Quirk("finish_length", 300, put("length", *FINISH)),
    Quirk("finish_empty", 15, put("", *FINISH)),
    Quirk("tool_call", 600, tools(json.dumps)),
    Quirk("two_tool_calls", 80, tools(json.dumps, calls=2)),
    Quirk("tool_invalid_arguments", 20, tools(lambda given: json.dumps(given)[:-3])),
    Quirk("tool_object_arguments", 20, tools(dict), MISTRAL),
    Quirk("tool_custom", 30, saying("tool_calls", tool_calls=[SQL]), GPT_4O),
    Quirk("function_call", 30, saying("function_call", function_call=LEGACY), GPT_4O),
    Quirk("refusal", 60, saying("stop", refusal="I cannot help with that."), GPT_4O),
    Quirk("content_filter", 40, put([FILTERED], "choices"), GPT_4O),
    Quirk("content_parts", 80, parts, MISTRAL),
    Quirk("content_object", 20, put({"city": "Lyon", "nights": 3}, *CONTENT)),
    Quirk("text_escaped", 20, put(FOREIGN, *CONTENT), pen=ESCAPED),
    Quirk("text_raw", 20, put(FOREIGN, *CONTENT), pen=RAW),
    Quirk("logprobs", 120, logprobs, GPT_4O),
    Quirk("several_choices", 200, several_choices, GPT_MINI),
    Quirk("choices_empty", 10, put([], "choices")),
    Quirk("service_tier", 80, put("flex", "service_tier"), GPT_MINI),
    Quirk("service_tier_in_usage", 20, put("batch", "usage", "service_tier"), MISTRAL),
    Quirk("metadata", 0, wrap=tagged),
    Quirk("batch", 0, wrap=batch),
    Quirk("pair", 0, wrap=pair),
    Quirk("pair_text", 40, wrap=pair_text),
    Quirk("created_missing", 40, lambda response, _: response.pop("created")),
    Quirk("created_zero", 20, put(0, "created")),
    Quirk("created_string", 25, lambda made, dice: made.update(created=f"{dice.now}")),
    Quirk("created_float", 30, lambda made, dice: made.update(created=dice.now + 0.25)),
    Quirk("id_empty", 30, put("", "id")),
    Quirk("id_missing", 15, lambda response, _: response.pop("id")),
    *(REPEATED_ID, REPEATED_ID, EQUAL, EQUAL),
    Quirk("logged_twice", 40, damage=lambda _, dice: dice.remembered),
    Quirk("reasoning_over", 20, put(9, "usage", "completion_tokens"), DEEPSEEK),
    Quirk("cached_over", 10, put(10**4, "usage", "cached_tokens"), GROK),
    Quirk("usage_missing", 30, lambda response, _: response.pop("usage")),
    Quirk("usage_null", 15, put(None, "usage")),
    Quirk("blank", 15, damage=lambda *_: b""),
    Quirk("blank_spaces", 10, damage=lambda *_: b" \t "),
    Quirk("crlf", 40, damage=lambda line, _: line + b"\r"),
    Quirk("invalid_utf8", 10, put(FOREIGN, *CONTENT), pen=RAW, damage=latin),
    Quirk("too_deep", 1, damage=lambda line, _: line[:-1] + DEEP),
    Quirk("nan", 6, put(math.nan, "usage", "queue_time")),
    Quirk("trailing_comma", 6, damage=lambda line, _: line[:-1] + b",}"),
    Quirk("cut_short", 8, damage=lambda line, _: half(line)),
    Quirk("lone_surrogate", 5, put("A smile: \ud83d", *CONTENT), pen=ESCAPED),
    Quirk("stream_chunk", 12, wrap=lambda _, dice: {**CHUNK, "created": dice.now}),
    Quirk("error", 18, wrap=lambda *_: ERROR),
    Quirk("error_text", 5, wrap=lambda _, dice: pair(ERROR_TEXT, dice)),
    Quirk("error_in_batch", 5, wrap=lambda _, dice: batch(ERROR, dice)),
    Quirk("not_a_response", 8, wrap=lambda *_: NOTICE),
    Quirk("wrong_type_usage", 4, put("12", "usage", "prompt_tokens")),
    Quirk("wrong_type_content", 4, put(42, *CONTENT)),
    Quirk("out_of_range_tokens", 4, put(-1, "usage", "completion_tokens")),
    Quirk("out_of_range_created", 4, put(1_790_812_800_000, "created")),
)
PLAIN = Quirk("plain", 0)
QUIRKY = [quirk for quirk in QUIRKS for _ in range(quirk.rate)]
ODDS = [*QUIRKY, *[PLAIN] * (10_000 - len(QUIRKY))]
DECK = (*QUIRKS, *(Quirk(model.name, 0, model=model) for model in MODELS))


def moments(lines: int, start: datetime, days: int, dice: Dice) -> Iterator[int]:
    """Yield seconds since `start`: mostly rising, most in working hours."""
    clock = (start.astimezone(UTC) + timedelta(hours=hour) for hour in range(24 * days))
    volumes = [WEEKDAYS[hour.weekday()] * HOURS[hour.hour] for hour in clock]
    reached = list(accumulate(volumes))
    for line in range(lines):
        volume = (line + dice.random()) / lines * reached[-1]
        hour = bisect(reached, volume, hi=len(reached) - 1)
        logged = (hour + 1 - (reached[hour] - volume) / volumes[hour]) * 3600
        # A line is written when its response is complete, `created` is its beginning.
        yield min(max(int(logged) - dice.size(4), 0), days * 86_400 - 1)


def deal(lines: int, dice: Dice) -> dict[int, Quirk]:
    """Return what is certain: both ends are plain, each card falls on some line."""
    ends = {0: PLAIN, lines - 1: PLAIN}
    if lines < FULL_DECK:
        return ends
    gap = lines // len(DECK)
    cards = enumerate(sorted(DECK, key=lambda _: dice.random()))
    return ends | {gap * k + dice.pick(range(1, gap)): card for k, card in cards}


def respond(model: Model, dice: Dice) -> Json:
    """Return an ordinary response of `model`."""
    prompt, text = dice.size(model.prompt), dice.text(model.sentences)
    reasoning = dice.size(model.reasoning) if model.reasoning else 0
    completion = reasoning + 1 + len(text) // 4
    usage: Json = {"prompt_tokens": prompt, "completion_tokens": completion}
    usage["total_tokens"] = prompt + completion
    if reasoning:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    small, message = dice.pick(range(1000)), {"role": "assistant", "content": text}
    response = {
        "id": model.id.format(code=dice.code(), now=dice.now, small=small),
        "object": "chat.completion",
        "created": dice.now,
        "model": model.name,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": usage,
    }
    model.dialect(response, dice)
    return response


def compose(quirk: Quirk, dice: Dice) -> bytes:
    """Return one line."""
    fleet = FLEET if dice.day < THIRD_WEEK else LATER_FLEET
    dice.model = quirk.model or dice.pick(fleet)
    response = respond(dice.model, dice)
    quirk.change(response, dice)
    wrap, write = quirk.wrap or dice.pick(WRAPS), quirk.pen or dice.pick(PENS)
    line = write(wrap(response, dice)).encode()
    return quirk.damage(line, dice) if quirk.damage else line


def roll(lines: int, dice: Dice, start: datetime, days: int) -> Iterator[bytes]:
    """Yield one line after the other."""
    first, certain = math.ceil(start.timestamp()), deal(lines, dice)
    for number, elapsed in enumerate(moments(lines, start, days, dice)):
        dice.now, dice.day = first + elapsed, elapsed // 86_400
        quirk = certain.get(number) or dice.pick(ODDS)
        line = compose(quirk, dice)
        if quirk is PLAIN and (number % 64 == 0 or not dice.remembered):
            dice.remembered = line
        yield line


def sample_lines(
    lines: int, *, seed: int = 0, start: datetime = START, days: int = DAYS
) -> Iterator[bytes]:
    """Make the lines of a log, the same for the same arguments.

    Parameters
    ----------
    lines
        Number of physical lines. The first and the last are ordinary; from 500 on the
        log holds every one of `QUIRKS` and of `MODELS`.
    seed
        Picks one of many logs.
    start
        When the log begins; it needs a time zone.
    days
        Length of the log. One more model is in use from the third week on.

    Returns
    -------
    Iterator[bytes]
        Lines without their LF. One in a hundred is a reject, some are blank, and some
        end with the CR of a CRLF.

    Raises
    ------
    ValueError
        If `start` has no time zone or `days` is less than 1.

    Examples
    --------
    >>> sum(line.startswith(b'{"id":') for line in sample_lines(3))
    3
    """
    if start.tzinfo is None or days < 1:
        message = f"start needs a time zone, days 1 or more, got {start!r} and {days}"
        raise ValueError(message)
    return roll(lines, Dice(seed), start, days)


@contextmanager
def opened(to: Path | BinaryIO) -> Iterator[Callable[[bytes], object]]:
    """Open `to` for writing, compressed as its name says, and give its `write`."""
    if not isinstance(to, Path):
        yield to.write
        return
    with to.open("wb") as file:
        if to.suffix == ".gz":
            with GzipFile("", "wb", fileobj=file, mtime=0) as gz:
                yield gz.write
        elif to.suffix == ".zst":
            compressor = ZstdCompressor(write_checksum=True)
            with compressor.stream_writer(file, closefd=False) as zst:
                yield zst.write
        else:
            yield file.write


def write_sample(
    to: Path | BinaryIO,
    lines: int,
    *,
    seed: int = 0,
    start: datetime = START,
    days: int = DAYS,
    torn: bool = False,
) -> None:
    r"""Write a sample, each line ended by LF.

    Parameters
    ----------
    to
        A file, compressed if its name ends in ``.gz`` or ``.zst``, or an open one.
    lines, seed, start, days
        As in `sample_lines`.
    torn
        Leave the second half of the last line out, and its LF, as a log has it whose
        writer was stopped.

    Examples
    --------
    >>> from io import BytesIO
    >>> log = BytesIO()
    >>> write_sample(log, 3, torn=True)
    >>> log.getvalue().count(b"\n")
    2
    """
    sample = sample_lines(lines, seed=seed, start=start, days=days)
    with opened(to) as write:
        for number, line in enumerate(sample, start=1):
            write(half(line) if torn and number == lines else line + b"\n")
