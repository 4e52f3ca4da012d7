"""Small true data: one response, or a log as mixed as the logs of real use.

A sample line is a response of one of `MODELS`, in the dialect of its provider, with at
most one of `_QUIRKS` put into it, wrapped, written as JSON and, seldom, damaged. Chance
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

_START = datetime(2026, 10, 1, tzinfo=UTC)
_DAYS = 45
_FULL_DECK = 500  # lines from which on every quirk is there
_THIRD_WEEK = 14  # days after the start
_WEEKDAYS = (100, 104, 106, 102, 92, 24, 18)  # volume, Monday first
_NIGHT, _MORNING = (4, 3, 2, 2, 3, 6), (14, 34, 62, 80, 86, 78)
_HOURS = (
    *_NIGHT,
    *_MORNING,
    64,
    76,
    88,
    84,
    70,
    48,
    30,
    22,
    18,
    14,
    10,
    6,
)  # volume, UTC
_TEAMS = ("search", "search", "support", "support", "support", "billing", "docs")


def _bare(response: Json, _dice: Dice) -> Json:
    """Let the response be the line."""
    return response


def _tagged(response: Json, dice: Dice) -> Json:
    """Put metadata of the caller into the response."""
    return {**response, "metadata": {"team": dice.pick(_TEAMS)}}


def _batch(response: Json, dice: Dice) -> Json:
    """Wrap it as the output file of a batch job does."""
    answer = {"status_code": 200, "request_id": dice.code(), "body": response}
    name, task = f"batch_req_{dice.code()}", f"task-{dice.pick(range(10**6))}"
    return {"id": name, "custom_id": task, "response": answer, "error": None}


def _pair(response: Json, dice: Dice) -> Json:
    """Put the request beside it, as a proxy does."""
    messages = [{"role": "user", "content": dice.pick(SENTENCES)}]
    request = {"model": dice.model.requested, "messages": messages, "temperature": 0.2}
    metadata = {"team": dice.pick(_TEAMS)}
    return {"request": request, "response": response, "metadata": metadata}


def _pair_text(response: Json, dice: Dice) -> Json:
    """Make such a pair, the response in it a string of JSON."""
    return {**_pair(response, dice), "response": json.dumps(response)}


_ESCAPED = json.JSONEncoder(separators=(",", ":")).encode
_RAW = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_PENS: tuple[Pen, ...] = (_RAW, _RAW, _ESCAPED, json.dumps)
_WRAPS = (*[_bare] * 42, *[_tagged] * 3, *[_pair] * 3, *[_batch] * 2)


def _latin(line: bytes, _dice: Dice) -> bytes:
    """Write the line in Latin-1."""
    return line.decode().encode("latin-1", "replace")


def _put(value: object, *path: str | int) -> Change:
    """Return a change that puts `value` at `path`."""

    def change(response: Json, _dice: Dice) -> None:
        place: Any = response
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def _saying(finish_reason: str, **message: object) -> Change:
    """Return a change that gives this message, without content."""
    fields = {"role": "assistant", "content": None, **message}
    choice = {"index": 0, "message": fields, "finish_reason": finish_reason}
    return _put([choice], "choices")


def _tools(arguments: Callable[[Json], object], calls: int = 1) -> Change:
    """Return a change that makes the message a call of functions."""

    def call(dice: Dice) -> Json:
        name, given = dice.pick(TOOLS)
        function = {"name": name, "arguments": arguments(given)}
        return {"id": f"call_{dice.code()}", "type": "function", "function": function}

    def change(response: Json, dice: Dice) -> None:
        made = [call(dice) for _ in range(calls)]
        _saying("tool_calls", tool_calls=made)(response, dice)

    return change


def _several_choices(response: Json, dice: Dice) -> None:
    """Give two to four answers; the usage counts them all, once."""
    usage, first = response["usage"], response["choices"][0]
    for index in range(1, dice.pick((2, 3, 4))):
        text = dice.text(dice.model.sentences)
        message = {**first["message"], "content": text}
        response["choices"].append({**first, "index": index, "message": message})
        usage["completion_tokens"] += len(text) // 4
        usage["total_tokens"] += len(text) // 4


def _logprobs(response: Json, dice: Dice) -> None:
    """Give a short answer and the log probability of each of its tokens."""
    choice = response["choices"][0]
    tokens = choice["message"]["content"].split()[:12]
    choice["message"]["content"] = " ".join(tokens)
    content = [
        {"token": token, "logprob": -round(dice.random() ** 2, 7), "top_logprobs": []}
        for token in tokens
    ]
    choice["logprobs"] = {"content": content, "refusal": None}


def _parts(response: Json, dice: Dice) -> None:
    """Give the content as a list of parts, the thinking first."""
    message = response["choices"][0]["message"]
    thinking = [{"type": "text", "text": dice.text(2)}]
    text = {"type": "text", "text": message["content"]}
    message["content"] = [{"type": "thinking", "thinking": thinking}, text]


def _half(line: bytes) -> bytes:
    """Return the first half, cut between two characters."""
    return line[: len(line) // 2].decode(errors="ignore").encode()


class _Quirk(NamedTuple):
    """Something that a response, or the line that it stands on, may have."""

    name: str
    rate: int  # lines of 10,000, beside the one that a whole deck holds
    change: Change = stating()
    model: Model | None = None  # None, here and below: as it comes
    wrap: Wrap | None = None
    pen: Pen | None = None
    damage: Damage | None = None


_FINISH = ("choices", 0, "finish_reason")
_CONTENT = ("choices", 0, "message", "content")
_DEEP = b',"trace":' + b"[" * 600 + b"]" * 600 + b"}"
_SQL = {
    "id": "call_1",
    "type": "custom",
    "custom": {"name": "sql", "input": "select 1"},
}
_LEGACY = {"name": "get_weather", "arguments": '{"city":"Lyon"}'}
_FILTERED = {
    "index": 0,
    "finish_reason": "content_filter",
    "content_filter_results": {},
}
_DELTA = {"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}
_CHUNK = make_response(object="chat.completion.chunk", choices=[_DELTA], usage=None)
_ERROR = {"error": {"message": "Too many requests.", "type": "requests", "code": None}}
_ERROR_TEXT = {"error": "upstream timed out"}
_NOTICE = {"level": "INFO", "logger": "worker", "message": "ready"}
# Each is in the deck twice: it takes two lines to be equal.
_REPEATED_ID = _Quirk("repeated_id", 0, _put("chatcmpl-417", "id"), OLLAMA)
_EQUAL = _Quirk("equal", 10, wrap=lambda *_: make_response(id="", created=0), pen=_RAW)
_QUIRKS = (
    _Quirk("finish_length", 300, _put("length", *_FINISH)),
    _Quirk("finish_empty", 15, _put("", *_FINISH)),
    _Quirk("tool_call", 600, _tools(json.dumps)),
    _Quirk("two_tool_calls", 80, _tools(json.dumps, calls=2)),
    _Quirk("tool_invalid_arguments", 20, _tools(lambda given: json.dumps(given)[:-3])),
    _Quirk("tool_object_arguments", 20, _tools(dict), MISTRAL),
    _Quirk("tool_custom", 30, _saying("tool_calls", tool_calls=[_SQL]), GPT_4O),
    _Quirk(
        "function_call", 30, _saying("function_call", function_call=_LEGACY), GPT_4O
    ),
    _Quirk("refusal", 60, _saying("stop", refusal="I cannot help with that."), GPT_4O),
    _Quirk("content_filter", 40, _put([_FILTERED], "choices"), GPT_4O),
    _Quirk("content_parts", 80, _parts, MISTRAL),
    _Quirk("content_object", 20, _put({"city": "Lyon", "nights": 3}, *_CONTENT)),
    _Quirk("text_escaped", 20, _put(FOREIGN, *_CONTENT), pen=_ESCAPED),
    _Quirk("text_raw", 20, _put(FOREIGN, *_CONTENT), pen=_RAW),
    _Quirk("logprobs", 120, _logprobs, GPT_4O),
    _Quirk("several_choices", 200, _several_choices, GPT_MINI),
    _Quirk("choices_empty", 10, _put([], "choices")),
    _Quirk("service_tier", 80, _put("flex", "service_tier"), GPT_MINI),
    _Quirk(
        "service_tier_in_usage", 20, _put("batch", "usage", "service_tier"), MISTRAL
    ),
    _Quirk("metadata", 0, wrap=_tagged),
    _Quirk("batch", 0, wrap=_batch),
    _Quirk("pair", 0, wrap=_pair),
    _Quirk("pair_text", 40, wrap=_pair_text),
    _Quirk("created_missing", 40, lambda response, _: response.pop("created")),
    _Quirk("created_zero", 20, _put(0, "created")),
    _Quirk("created_string", 25, lambda made, dice: made.update(created=f"{dice.now}")),
    _Quirk(
        "created_float", 30, lambda made, dice: made.update(created=dice.now + 0.25)
    ),
    _Quirk("id_empty", 30, _put("", "id")),
    _Quirk("id_missing", 15, lambda response, _: response.pop("id")),
    *(_REPEATED_ID, _REPEATED_ID, _EQUAL, _EQUAL),
    _Quirk("logged_twice", 40, damage=lambda _, dice: dice.remembered),
    _Quirk("reasoning_over", 20, _put(9, "usage", "completion_tokens"), DEEPSEEK),
    _Quirk("cached_over", 10, _put(10**4, "usage", "cached_tokens"), GROK),
    _Quirk("usage_missing", 30, lambda response, _: response.pop("usage")),
    _Quirk("usage_null", 15, _put(None, "usage")),
    _Quirk("blank", 15, damage=lambda *_: b""),
    _Quirk("blank_spaces", 10, damage=lambda *_: b" \t "),
    _Quirk("crlf", 40, damage=lambda line, _: line + b"\r"),
    _Quirk("invalid_utf8", 10, _put(FOREIGN, *_CONTENT), pen=_RAW, damage=_latin),
    _Quirk("too_deep", 1, damage=lambda line, _: line[:-1] + _DEEP),
    _Quirk("nan", 6, _put(math.nan, "usage", "queue_time")),
    _Quirk("trailing_comma", 6, damage=lambda line, _: line[:-1] + b",}"),
    _Quirk("cut_short", 8, damage=lambda line, _: _half(line)),
    _Quirk("lone_surrogate", 5, _put("A smile: \ud83d", *_CONTENT), pen=_ESCAPED),
    _Quirk("stream_chunk", 12, wrap=lambda _, dice: {**_CHUNK, "created": dice.now}),
    _Quirk("error", 18, wrap=lambda *_: _ERROR),
    _Quirk("error_text", 5, wrap=lambda _, dice: _pair(_ERROR_TEXT, dice)),
    _Quirk("error_in_batch", 5, wrap=lambda _, dice: _batch(_ERROR, dice)),
    _Quirk("not_a_response", 8, wrap=lambda *_: _NOTICE),
    _Quirk("wrong_type_usage", 4, _put("12", "usage", "prompt_tokens")),
    _Quirk("wrong_type_content", 4, _put(42, *_CONTENT)),
    _Quirk("out_of_range_tokens", 4, _put(-1, "usage", "completion_tokens")),
    _Quirk("out_of_range_created", 4, _put(1_790_812_800_000, "created")),
)
_PLAIN = _Quirk("plain", 0)
_QUIRKY = [quirk for quirk in _QUIRKS for _ in range(quirk.rate)]
_ODDS = [*_QUIRKY, *[_PLAIN] * (10_000 - len(_QUIRKY))]
_DECK = (*_QUIRKS, *(_Quirk(model.name, 0, model=model) for model in MODELS))


def _moments(lines: int, start: datetime, days: int, dice: Dice) -> Iterator[int]:
    """Yield seconds since `start`: mostly rising, most in working hours."""
    clock = (start.astimezone(UTC) + timedelta(hours=hour) for hour in range(24 * days))
    volumes = [_WEEKDAYS[hour.weekday()] * _HOURS[hour.hour] for hour in clock]
    reached = list(accumulate(volumes))
    for line in range(lines):
        volume = (line + dice.random()) / lines * reached[-1]
        hour = bisect(reached, volume, hi=len(reached) - 1)
        logged = (hour + 1 - (reached[hour] - volume) / volumes[hour]) * 3600
        # A line is written when its response is complete, `created` is its beginning.
        yield min(max(int(logged) - dice.size(4), 0), days * 86_400 - 1)


def _deal(lines: int, dice: Dice) -> dict[int, _Quirk]:
    """Return what is certain: both ends are plain, each card falls on some line."""
    ends = {0: _PLAIN, lines - 1: _PLAIN}
    if lines < _FULL_DECK:
        return ends
    gap = lines // len(_DECK)
    cards = enumerate(sorted(_DECK, key=lambda _: dice.random()))
    return ends | {gap * k + dice.pick(range(1, gap)): card for k, card in cards}


def _respond(model: Model, dice: Dice) -> Json:
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


def _compose(quirk: _Quirk, dice: Dice) -> bytes:
    """Return one line."""
    fleet = FLEET if dice.day < _THIRD_WEEK else LATER_FLEET
    dice.model = quirk.model or dice.pick(fleet)
    response = _respond(dice.model, dice)
    quirk.change(response, dice)
    wrap, write = quirk.wrap or dice.pick(_WRAPS), quirk.pen or dice.pick(_PENS)
    line = write(wrap(response, dice)).encode()
    return quirk.damage(line, dice) if quirk.damage else line


def _roll(lines: int, dice: Dice, start: datetime, days: int) -> Iterator[bytes]:
    """Yield one line after the other."""
    first, certain = math.ceil(start.timestamp()), _deal(lines, dice)
    for number, elapsed in enumerate(_moments(lines, start, days, dice)):
        dice.now, dice.day = first + elapsed, elapsed // 86_400
        quirk = certain.get(number) or dice.pick(_ODDS)
        line = _compose(quirk, dice)
        if quirk is _PLAIN and (number % 64 == 0 or not dice.remembered):
            dice.remembered = line
        yield line


def sample_lines(
    lines: int, *, seed: int = 0, start: datetime = _START, days: int = _DAYS
) -> Iterator[bytes]:
    """Make the lines of a log, the same for the same arguments.

    Parameters
    ----------
    lines
        Number of physical lines. The first and the last are ordinary; from 500 on the
        log holds every one of `_QUIRKS` and of `MODELS`.
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
    return _roll(lines, Dice(seed), start, days)


@contextmanager
def _opened(to: Path | BinaryIO) -> Iterator[Callable[[bytes], object]]:
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
    start: datetime = _START,
    days: int = _DAYS,
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
    with _opened(to) as write:
        for number, line in enumerate(sample, start=1):
            write(_half(line) if torn and number == lines else line + b"\n")
