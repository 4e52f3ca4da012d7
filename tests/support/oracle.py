"""What a line should become, in plain Python that shares no code with us.

It follows docs/reference/lines.md section by section, with the standard library alone
(except xxhash for the hash), and is slow. Of the APIs it has chat and text completions.
It leaves out the limit on how often facts of the response may be repeated; no line of
the tests is large.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import MAX_PREC, ROUND_HALF_EVEN, Context, Decimal
from functools import partial, reduce
from itertools import accumulate
from json.decoder import JSONObject
from json.scanner import py_make_scanner
from operator import add
from typing import Any, NoReturn, TypeAlias

import xxhash

Row: TypeAlias = dict[str, Any]
Json: TypeAlias = Any  # None, bool, str, Number, list or Object
Read: TypeAlias = Callable[[Json, str], Any]  # the cell, of a value and its path

LEVELS = 512
LARGEST_COUNT = 10**12
LARGEST_INT32 = 2**31 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_2200 = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Reject:
    """A rejected line, and the field that is wrong."""

    code: str
    json_path: str | None = None


class RejectError(Exception):
    """Code and path of the first check that failed."""


def wrong_type(where: str) -> NoReturn:
    """Reject the line: a field has a type that it cannot have."""
    raise RejectError("wrong_type", where)


def out_of_range(where: str) -> NoReturn:
    """Reject the line: a number is outside what the field can hold."""
    raise RejectError("out_of_range", where)


def outcome(
    line: bytes, *, tail: bool = False, max_line_bytes: int = 64 * 2**20
) -> list[Row] | Reject:
    """Return the outcome of a line: its rows (none if it is blank), or its reject.

    Parameters
    ----------
    line
        Its bytes, without LF and the one CR before it.
    tail
        It is the last line of a log that is loaded, and no LF ends it.
    max_line_bytes
        A longer one is refused.
    """
    try:
        text = checked_text(line, max_line_bytes)
        if not text.strip(" \t\r"):
            return []
        value = checked_json(text, tail=tail)
        return rows(value, *find_response(value))
    except RejectError as refused:
        return Reject(*refused.args)


# --- Lines and JSON (sections 2 and 3) ------------------------------------------------

STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
# Escapes as they follow each other: a pair of surrogates, half of one, any other.
ESCAPE = re.compile(
    r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>\\u[dD][89a-fA-F])|\\.", re.DOTALL
)


@dataclass(frozen=True)
class Number:
    """A JSON number, as written."""

    text: str


class Object(dict[str, Any]):
    """A JSON object that remembers how it was written."""

    text: str
    of_text = False  # a choice of a text completion


class Decoder(json.JSONDecoder):
    """The standard library's, made strict; numbers and objects keep their text."""

    def __init__(self) -> None:
        super().__init__(
            parse_int=number_as_written,
            parse_float=number_as_written,
            parse_constant=refuse_constant,
        )
        self.parse_object = object_as_written
        self.scan_once = py_make_scanner(self)  # the other one has no such hook


def number_as_written(text: str) -> Number:
    """Keep the text; the library's pattern also takes digits of other scripts."""
    if not text.isascii():
        raise ValueError(text)
    return Number(text)


def refuse_constant(text: str) -> NoReturn:
    """Reject NaN and the infinities, which the library accepts."""
    raise ValueError(text)


def object_as_written(at: tuple[str, int], *options: Any) -> tuple[Object, int]:
    """Read the object that begins before `at`, and keep its text."""
    text, begin = at
    members, end = JSONObject(at, *options)
    made = Object(members)
    made.text = text[begin - 1 : end]
    return made, end


def checked_text(line: bytes, max_line_bytes: int) -> str:
    """Check length and encoding."""
    if len(line) > max_line_bytes:
        raise RejectError("line_too_long")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise RejectError("invalid_utf8") from None


def checked_json(text: str, *, tail: bool) -> Json:
    """Check depth and JSON; a tail must be a whole object."""
    if depth(text) > LEVELS:
        raise RejectError("too_deep")
    try:
        value = parse(text)
    except ValueError:
        raise RejectError("truncated" if tail else "invalid_json") from None
    if tail and not isinstance(value, Object):
        raise RejectError("truncated")
    return value


def depth(text: str) -> int:
    """Count how deep brackets are nested outside strings."""
    brackets = re.findall(r"[][{}]", STRING.sub("", text))
    return max(accumulate(1 if b in "[{" else -1 for b in brackets), default=0)


def parse(text: str) -> Json:
    """Parse RFC 8259, at most 512 levels; raise ValueError for anything else."""
    if depth(text) > LEVELS:
        raise ValueError("too deep")
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + 4 * LEVELS)
    try:
        value = Decoder().decode(text)
    finally:
        sys.setrecursionlimit(before)
    if any(escape["half"] for escape in ESCAPE.finditer(text)):
        raise ValueError("lone surrogate")
    return value


# --- Forms of a line (section 4) ------------------------------------------------------

CANDIDATES = (
    *("response.body", "response", "response_body", "body"),
    *("result.message", "modelOutput", "output.outputBodyJson"),
    *("output", "outputs", "result", "data"),
)


def find_response(line: Json) -> tuple[Object, str]:
    """Return the response of a line and the path of it, ``""`` for the line itself."""
    found = [(line, ""), *((candidate(line, path), path) for path in CANDIDATES)]
    for value, path in found:
        if is_response(value, line if path == "output" else None):
            if is_chunk(value):
                raise RejectError("stream_chunk")
            return value, path
    if any(isinstance(v, Object) and v.get("error") is not None for v, _ in found):
        raise RejectError("error_response")
    raise RejectError("not_a_response")


def candidate(line: Json, path: str) -> Json:
    """Return the value at a path; a string on it is decoded once."""
    value = line
    for key in path.split("."):
        value = decoded(value.get(key)) if isinstance(value, Object) else None
    return value


def decoded(value: Json) -> Json:
    """Return what a string of JSON holds, null if it is none, others as they are."""
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ValueError:
        return None


def is_response(value: Json, outer: Object | None) -> bool:
    """Return whether an object has an array of objects as its choices.

    Those of LangSmith and DashScope have their usage elsewhere and are none.
    """
    choices = value.get("choices") if isinstance(value, Object) else None
    if not isinstance(choices, list) or not all(isinstance(c, Object) for c in choices):
        return False
    elsewhere = (value.get("usage_metadata"), outer and outer.get("usage"))
    usage = value.get("usage")
    counts = usage if isinstance(usage, Object) else {}
    is_counted = any(
        counts.get(name) is not None for name in ("prompt_tokens", "total_tokens")
    )
    has_no_usage = not is_counted and elsewhere != (None, None)
    return is_text(value) or not has_no_usage


def is_text(response: Object) -> bool:
    """Return whether a response is a text completion."""
    choices = response["choices"]
    if any(choice.get("message") is not None for choice in choices):
        return False
    is_named = response.get("object") == "text_completion"
    return is_named or any(choice.get("text") is not None for choice in choices)


PIECES = (
    *("chat.completion.chunk", "chat.completion.done", "chat.reasoning"),
    *("chat.reasoning.done", "completion.chunk", "text_completion.chunk"),
)


def is_chunk(response: Object) -> bool:
    """Return whether this is a chunk of a streamed response."""
    choices, kind = response["choices"], response.get("object")
    has_message = any(choice.get("message") is not None for choice in choices)
    has_delta = any(choice.get("delta") is not None for choice in choices)
    is_open = all(choice.get("finish_reason") in (None, "") for choice in choices)
    if kind in (None, ""):
        return not has_message and (has_delta or not choices)
    if kind == "chat.completion":
        return has_delta and is_open
    if kind == "text_completion":
        is_last = response.get("usage") is None and all(
            choice.get("text") in (None, "") for choice in choices
        )
        return not has_message and (is_last or (is_open and len(choices) > 0))
    if kind not in PIECES:
        return False
    return not has_message or any(isinstance(c.get("delta"), Object) for c in choices)


# --- Rows (section 5) -----------------------------------------------------------------


def rows(line: Object, response: Object, path: str) -> list[Row]:
    """Read the columns in their order, each over the choices in theirs."""
    within = f"{path}." if path else ""
    choices = [(c, f"{within}choices[{i}].") for i, c in enumerate(response["choices"])]
    outer = line if path else None
    roots = {
        "R": (response, within),
        "U": (response, within),
        "W": (outer, path),
        "P": ((response, outer), within),
        "V": ((response, outer), within),
    }
    for choice, _ in choices:
        choice.of_text = is_text(response)
    table: list[Row] = [{"choice_position": i} for i in range(len(choices) or 1)]
    for name, (grain, read) in COLUMNS.items():
        if grain == "C":
            cells = [read(*choice) for choice in choices] or [None]
        else:
            cell = read(*roots[grain])
            later = None if grain in "UV" else cell
            cells = [cell, *[later] * (len(table) - 1)]
        for row, value in zip(table, cells, strict=True):
            row[name] = value
    return table


def at(read: Read, *paths: str) -> Read:
    """Read the first of the paths, below a root, that is present."""

    def first(root: Json, where: str) -> Any:
        cells = (read(*find(root, where, path)) for path in paths)
        return next((cell for cell in cells if cell is not None), None)

    return first


def find(root: Json, where: str, path: str) -> tuple[Json, str]:
    """Return the value at a path below a root, and its path from the line."""
    value, separator = root, ""
    for key in path.split("."):
        if value is not None and not isinstance(value, Object):
            wrong_type(where)
        value = None if value is None else value.get(key)
        where, separator = f"{where}{separator}{key}", "."
    return value, where


def text(value: Json, where: str) -> str | None:
    """Read a string."""
    if value is None or isinstance(value, str):
        return value
    wrong_type(where)


def string(value: Json, where: str) -> str | None:
    """Read a string of the kind E: an empty one is null."""
    return text(value, where) or None


def label(value: Json, where: str) -> str | None:
    """Read a string, or a number or boolean by its JSON text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.text if isinstance(value, Number) else string(value, where)


def number(value: Json, where: str) -> float | None:
    """Read a double."""
    if value is None:
        return None
    if not isinstance(value, Number):
        wrong_type(where)
    if not math.isfinite(double := float(value.text)):
        out_of_range(where)
    return double


def count(value: Json, where: str, largest: int = LARGEST_COUNT) -> int | None:
    """Read a number of integral value from 0 on."""
    double = number(value, where)
    if double is None:
        return None
    if not double.is_integer():
        wrong_type(where)
    if not 0 <= double <= largest:
        out_of_range(where)
    return int(double)


RFC_3339 = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?P<time>[0-9]{2}:[0-9]{2}):"
    r"(?P<second>[0-9]{2})(?P<fraction>\.[0-9]+)?"
    r"(?P<zone>[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)


def calendar_time(found: re.Match[str], where: str) -> datetime | None:
    """Read an RFC 3339 time; without a zone it is null."""
    zone = found["zone"]
    if zone is None:
        return None
    zone = "+0000" if zone in "Zz" else zone.replace(":", "")
    if int(zone[1:3]) > 23 or int(zone[3:]) > 59 or int(found["second"]) > 60:
        out_of_range(where)
    sign = -1 if zone[0] == "-" else 1
    ahead = sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
    exact = Decimal(found["fraction"] or 0).scaleb(6, Context(prec=MAX_PREC))
    microseconds = int(exact.to_integral_value(ROUND_HALF_EVEN))
    try:
        minute = datetime.fromisoformat(f"{found['day']} {found['time']}+00:00")
        created = minute - ahead
        created += timedelta(seconds=int(found["second"]), microseconds=microseconds)
    except (ValueError, OverflowError):
        out_of_range(where)
    if not EPOCH <= created < YEAR_2200:
        out_of_range(where)
    return created if created > EPOCH else None


def timestamp(value: Json, where: str) -> datetime | None:
    """Read a calendar time, or seconds: a number, or a string of digits and a point."""
    if value in (None, ""):
        return None
    if isinstance(value, str) and (found := RFC_3339.fullmatch(value)):
        return calendar_time(found, where)
    if isinstance(value, str) and re.fullmatch(r"(?=.*[0-9])[0-9]*\.?[0-9]*", value):
        value = Number(value)
    if not isinstance(value, Number):
        wrong_type(where)
    seconds = float(value.text)
    if not -1 < seconds < 1e10:
        out_of_range(where)
    if abs(seconds) < 1e-9:  # its exponent may be more than Decimal holds
        return None
    exact = Decimal(value.text).scaleb(6, Context(prec=MAX_PREC))
    microseconds = int(exact.to_integral_value(ROUND_HALF_EVEN))
    created = EPOCH + timedelta(microseconds=microseconds)
    if not EPOCH <= created < YEAR_2200:
        out_of_range(where)
    return created if microseconds else None


def content(value: Json, where: str) -> str | None:
    """Read a string, the text parts of a list, or an object as written."""
    if isinstance(value, list):
        return joined_parts("text", value, where)
    return value.text if isinstance(value, Object) else text(value, where)


def joined_parts(kind: str, parts: list[Json], where: str) -> str | None:
    """Join the parts of a kind; null if there is none."""
    found = []
    for place, part in enumerate(parts):
        if not isinstance(part, Object):
            wrong_type(f"{where}[{place}]")
        if part.get("type") == kind:
            read = thinking if kind == "thinking" else text
            found.append(read(part.get(kind), f"{where}[{place}].{kind}"))
    said = [words for words in found if words is not None]
    return "".join(said) if said else None


def thinking(value: Json, where: str) -> str | None:
    """Read the text of a thinking part, itself a string or a list of text parts."""
    if isinstance(value, list):
        return joined_parts("text", value, where)
    return text(value, where)


def reasoning(choice: Object, where: str) -> str | None:
    """Read the reasoning under either name, or the thinking parts of the content."""
    named = at(text, "message.reasoning_content", "message.reasoning")(choice, where)
    parts, place = find(choice, where, "message.content")
    if named is not None or not isinstance(parts, list):
        return named
    return lenient(lambda value, _: joined_parts("thinking", value, place), parts)  # type: ignore[no-any-return]


def tool_calls(choice: Object, where: str) -> list[Row] | None:
    """Read the calls, or the one call of the older kind."""
    calls, place = find(choice, where, "message.tool_calls")
    if calls is None or calls == {}:
        return function_call(*find(choice, where, "message.function_call"))
    if not isinstance(calls, list):
        wrong_type(place)
    for i, call in enumerate(calls):
        if not isinstance(call, Object):
            wrong_type(f"{place}[{i}]")
    return [tool_call(call, f"{place}[{i}]") for i, call in enumerate(calls)]


def tool_call(call: Object, where: str) -> Row:
    """Read one call of a function or of a custom tool; what is empty stays so."""
    return {
        "id": at(text, "id")(call, f"{where}."),
        "type": at(text, "type")(call, f"{where}."),
        "name": at(text, "function.name", "custom.name")(call, f"{where}."),
        "arguments": at(arguments, "function.arguments", "custom.input")(
            call, f"{where}."
        ),
    }


def function_call(call: Json, where: str) -> list[Row] | None:
    """Read the older kind of call: none, if it has neither name nor arguments."""
    if call is None:
        return None
    if not isinstance(call, Object):
        wrong_type(where)
    name = at(text, "name")(call, f"{where}.")
    given = at(arguments, "arguments")(call, f"{where}.")
    if not name and not given:
        return None
    ids = {key: at(text, key)(call, f"{where}.") for key in ("id", "type")}
    return [{**ids, "name": name, "arguments": given}]


def arguments(value: Json, where: str) -> str | None:
    """Read a string, or an object as written."""
    return value.text if isinstance(value, Object) else text(value, where)


def answer(choice: Object, where: str) -> str | None:
    """Read the content of the message, or the text of a text completion."""
    path = "text" if choice.of_text else "message.content"
    return at(content, path)(choice, where)  # type: ignore[no-any-return]


def characters(choice: Object, where: str) -> int | None:
    """Count the code points of the content."""
    words = answer(choice, where)
    return None if words is None else len(words)


def logprobs(choice: Object) -> list[Json] | None:
    """Return the items of ``logprobs.content``; any other shape is null."""
    value = choice.get("logprobs")
    items = value.get("content") if isinstance(value, Object) else None
    return items if isinstance(items, list) else None


def logprob_tokens(choice: Object, _where: str) -> int | None:
    """Count the tokens with a logprob."""
    items = logprobs(choice)
    return None if items is None else len(items)


def logprob_sum(choice: Object, _where: str) -> float | None:
    """Add from left to right; null if one is no number, or the sum is not finite."""
    items = logprobs(choice)
    if items is None:
        return None
    found = [i.get("logprob") if isinstance(i, Object) else None for i in items]
    if not all(isinstance(logprob, Number) for logprob in found):
        return None
    total = reduce(add, [float(logprob.text) for logprob in found], 0.0)
    return total if math.isfinite(total) else None


def amount(value: Json, where: str) -> float | None:
    """Read an amount of dollars: a number, or a string with a decimal one."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        value = Number(value)
    return number(value, where)


def lenient(read: Read, value: Json) -> Any:
    """Read a value; one that cannot be read is null."""
    try:
        return read(value, "")
    except RejectError:
        return None


def below(value: Json, *keys: str) -> Json:
    """Return what is below some keys, null where there is no object."""
    for key in keys:
        value = value.get(key) if isinstance(value, Object) else None
    return value


def reported_cost(pair: tuple[Object, Object | None], where: str) -> float | None:
    """Read the cost: of the usage first, then of the response, then of the line.

    A 0 is read only if there is no other cost.
    """
    response, line = pair
    value, place = find(response, where, "usage.cost")
    own = None if isinstance(value, Object) else amount(value, place)
    ticks = lenient(amount, below(response, "usage", "cost_in_usd_ticks"))
    found = [
        own,
        lenient(amount, below(value, "total_cost")),
        ticks / 10_000_000_000 if ticks else None,
        lenient(
            amount, below(response, "usage", "pydantic_ai_gateway", "cost_estimate")
        ),
        lenient(amount, below(response, "cost", "usd")),
        *(lenient(amount, below(line, key)) or None for key in LOGGED_COSTS),
    ]
    zero = 0.0 if 0 in found else None
    return next((cost for cost in found if cost), zero)


LOGGED_COSTS = ("response_cost", "cost_usd", "costUSD")


def provider(pair: tuple[Object, Object | None], where: str) -> str | None:
    """Read the provider, of the response or else of the line."""
    response, line = pair
    named = string(response.get("provider"), f"{where}provider")
    return named or lenient(string, below(line, "custom_llm_provider"))


def created(pair: tuple[Object, Object | None], where: str) -> datetime | None:
    """Read the time of the response, or else one of the line."""
    response, line = pair
    own = at(timestamp, "created")(response, where)
    found = (lenient(timestamp, below(line, key)) for key in LOGGED_TIMES)
    return next((time for time in (own, *found) if time is not None), None)


LOGGED_TIMES = ("timestamp", "processed_time")


def created_problem(pair: tuple[Object, Object | None], where: str) -> str | None:
    """Return whether a time without a zone is the only one."""
    response, line = pair
    times = (response.get("created"), *(below(line, key) for key in LOGGED_TIMES))
    has_none = any(
        isinstance(time, str)
        and (found := RFC_3339.fullmatch(time))
        and not found["zone"]
        for time in times
    )
    return "no_time_zone" if has_none and created(pair, where) is None else None


def requested_model(line: Object | None, path: str) -> str | None:
    """Read the model that was asked for."""
    names = ("request.body.model", "request.model", "model", "request_body.model")
    asked = (lenient(string, below(line, *name.split("."))) for name in names)
    of_log = line if path == "output.outputBodyJson" else None
    named = next((name for name in asked if name), None)
    return named or lenient(string, below(of_log, "modelId"))


def custom_id(line: Object | None, path: str) -> str | None:
    """Read the caller's id in a batch."""
    own: str | None = at(label, "custom_id")(line, "")
    key = {"modelOutput": "recordId", "response": "key"}.get(path)
    return own or (lenient(label, below(line, key)) if key else None)


def processing(line: Object | None, path: str) -> str | None:
    """Return whether a line is of the output file of a batch."""
    names = {
        "response.body": "custom_id",
        "result.message": "custom_id",
        "modelOutput": "recordId",
        "response": "processed_time",
    }
    if line is None or path not in names:
        return None
    name = line.get("id") if path == "response.body" else None
    is_named = isinstance(name, str) and name.startswith("batch_req_")
    return "batch" if is_named or line.get(names[path]) is not None else None


def served_by(pair: tuple[Object, Object | None], where: str) -> str | None:
    """Return whose extensions a response has, or whose log it is in."""
    response, line = pair
    if response.get("x_groq") is not None:
        return "groq"
    counts = response.get("usage")
    if isinstance(counts, Object) and counts.get("prompt_cache_hit_tokens") is not None:
        return "deepseek"
    if response.get("time_info") is not None:
        return "cerebras"
    name = response.get("system_fingerprint")
    if isinstance(name, str) and name.startswith("fp_ollama"):
        return "ollama"
    key = {"output.outputBodyJson.": "modelId", "modelOutput.": "recordId"}.get(where)
    return "aws" if key and below(line, key) is not None else None


def is_byok(response: Object, _where: str) -> bool | None:
    """Return whether the caller's own key was used."""
    counts = response.get("usage")
    return yes_or_no(counts.get("is_byok")) if isinstance(counts, Object) else None


def cache_hit(line: Object | None, _path: str) -> bool | None:
    """Return whether a proxy answered from its own cache."""
    return None if line is None else yes_or_no(line.get("cache_hit"))


def yes_or_no(value: Json) -> bool | None:
    """Read a boolean, or Python's or JSON's text of one; anything else is null."""
    words = {"true": True, "True": True, "false": False, "False": False}
    if isinstance(value, str):
        return words.get(value)
    return value if isinstance(value, bool) else None


def tokens(*paths: str, more: str = "") -> tuple[str, Read]:
    """Declare a count of the usage: the first above 0, else 0 if one is 0.

    What cannot be read at `more` is null, and so is what follows a 0.
    """

    def read(response: Json, where: str) -> int | None:
        zero = None
        for path in paths:
            try:
                found = count(*find(response, where, f"usage.{path}"))
            except RejectError:
                if zero is None:
                    raise
                continue
            if found:
                return found
            zero = found if zero is None else zero
        place = below(response, "usage", *more.split(".")) if more else None
        further = lenient(count, place)
        return further or (further if zero is None else zero)  # type: ignore[no-any-return]

    return "U", read


PROMPT, COMPLETION = "prompt_tokens_details", "completion_tokens_details"
COLUMNS: dict[str, tuple[str, Read]] = {
    "choice_index": ("C", at(partial(count, largest=LARGEST_INT32), "index")),
    "choice_count": ("R", lambda response, _: len(response["choices"])),
    "response_hash": (
        "R",
        lambda response, _: int.from_bytes(
            xxhash.xxh3_64_digest(response.text.encode()), signed=True
        ),
    ),
    "api": ("R", lambda response, _: "text" if is_text(response) else "chat"),
    "response_id": ("R", at(string, "id")),
    "created": ("P", created),
    "created_problem": ("P", created_problem),
    "model": ("R", at(string, "model")),
    "requested_model": ("W", requested_model),
    "custom_id": ("W", custom_id),
    "provider": ("P", provider),
    "service_tier": ("R", at(label, "service_tier", "usage.service_tier")),
    "search_context_size": ("R", at(string, "usage.search_context_size")),
    "system_fingerprint": ("R", at(string, "system_fingerprint")),
    "processing": ("W", processing),
    "served_by": ("P", served_by),
    "usage_problem": ("R", lambda *_: None),
    "is_byok": ("R", is_byok),
    "cache_hit": ("W", cache_hit),
    "finish_reason": ("C", at(label, "finish_reason")),
    "native_finish_reason": ("C", at(label, "native_finish_reason")),
    "role": ("C", at(string, "message.role")),
    "content": ("C", answer),
    "reasoning_content": ("C", reasoning),
    "refusal": ("C", at(text, "message.refusal")),
    "tool_calls": ("C", tool_calls),
    "content_chars": ("C", characters),
    "logprob_tokens": ("C", logprob_tokens),
    "logprob_sum": ("C", logprob_sum),
    "prompt_tokens": tokens("prompt_tokens"),
    "completion_tokens": tokens("completion_tokens"),
    "total_tokens": tokens("total_tokens"),
    "cached_tokens": tokens(
        f"{PROMPT}.cached_tokens",
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "num_cached_tokens",
        "cache_read_input_tokens",
        more="prompt_token_details.cached_tokens",
    ),
    "cache_write_tokens": tokens(
        f"{PROMPT}.cache_write_tokens",
        "cache_creation_input_tokens",
        more=f"{PROMPT}.cache_creation_tokens",
    ),
    "cache_write_1h_tokens": tokens("cache_creation.ephemeral_1h_input_tokens"),
    "reasoning_tokens": tokens(
        f"{COMPLETION}.reasoning_tokens",
        "reasoning_tokens",
        more="completion_token_details.reasoning_tokens",
    ),
    "prompt_audio_tokens": tokens(f"{PROMPT}.audio_tokens"),
    "completion_audio_tokens": tokens(f"{COMPLETION}.audio_tokens"),
    "prompt_image_tokens": tokens(f"{PROMPT}.image_tokens"),
    "completion_image_tokens": tokens(f"{COMPLETION}.image_tokens"),
    "accepted_prediction_tokens": tokens(f"{COMPLETION}.accepted_prediction_tokens"),
    "rejected_prediction_tokens": tokens(f"{COMPLETION}.rejected_prediction_tokens"),
    "citation_tokens": tokens("citation_tokens"),
    "web_searches": tokens(
        "server_tool_use.web_search_requests",
        "server_tool_use_details.web_search_requests",
        "num_search_queries",
    ),
    "search_sources": tokens("num_sources_used"),
    "reported_cost": ("V", reported_cost),
    "upstream_cost": ("U", at(amount, "usage.cost_details.upstream_inference_cost")),
}
