"""What a line should become, in plain Python that shares no code with us.

It follows docs/reference/lines.md section by section, with the standard library alone
(except xxhash for the hash), and is slow. Of the APIs it has chat and text completions,
whole or in chunks; of two choices with a usage each it reads the first.
It leaves out the limit on how often facts of the response may be repeated, and how long
those of a chunk are; no line of the tests is large.
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


@dataclass(frozen=True)
class Chunks:
    """What a line has of streamed responses.

    Parameters
    ----------
    rows
        One row for each choice of each chunk; none if the line is framing.
    is_whole
        The line has the whole stream.
    """

    rows: list[Row]
    is_whole: bool = False


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
) -> list[Row] | Chunks | Reject:
    """Return the outcome of a line: its rows (none if it is blank), chunks or reject.

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
        return found_in(data_of(text), tail=tail)
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
    kind = ""  # of a response and its choices: one of `kinds_of`
    place = ""  # of a response: the path of its envelope
    usage_at = "usage"  # of a chunk


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


def checked_json(text: str, *, tail: bool = False) -> Json:
    """Check depth and JSON."""
    if depth(text) > LEVELS:
        raise RejectError("too_deep")
    try:
        value = parse(text)
    except ValueError:
        raise RejectError("truncated" if tail else "invalid_json") from None
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


def data_of(line: str) -> str:
    """Return what a line says; one of server-sent events says it behind its field."""
    field, colon, rest = line.partition(":")
    if colon and field in ("", "event", "id", "retry"):
        return ""
    if colon and field == "error":
        return '{"error":' + rest + "}"
    return (rest if colon and field == "data" else line).strip(" \t\r\n")


def found_in(data: str, *, tail: bool) -> list[Row] | Chunks:
    """Return the rows of a line, of its chunk or of its whole stream."""
    if data == "" and tail:
        raise RejectError("truncated")
    if data in ("", "[DONE]"):
        return Chunks([END] if data else [])
    line = checked_json(data, tail=tail)
    # What is no object could still go on.
    fault = RejectError("truncated" if tail else "not_a_response")
    if isinstance(line, Object):
        try:
            found, path, kind = find_response(line)
        except RejectError as error:
            fault = error
        else:
            if kind in WHOLE:
                return rows(line, found, path, kind)
            if kind != "delta":
                return Chunks(chunk_rows(line, found, path, path, kind))
            fault = RejectError("stream_chunk")
    stream = find_stream(line)
    if stream is None:
        raise fault
    return stream


WHOLE = ("chat", "text")
# Of Anthropic's Messages API; what a stream of them gives is not known here.
EVENTS = (
    *("message_start", "message_delta"),
    *("content_block_start", "content_block_delta"),
)


def find_response(line: Object, *, is_item: bool = False) -> tuple[Object, str, str]:
    """Return the response or chunk of a line, its path (``""`` for the line), its kind.

    An item of a whole stream is a chunk before it is a response.
    """
    found = [(line, ""), *((candidate(line, path), path) for path in CANDIDATES)]
    for value, path in found:
        kinds = kinds_of(value, line if path == "output" else None)
        if kinds:
            is_chunk = [kind for kind in kinds if kind not in WHOLE]
            return value, path, is_chunk[0] if is_item and is_chunk else kinds[0]
        if isinstance(value, Object) and value.get("type") in EVENTS:
            raise RejectError("stream_chunk")
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


def kinds_of(value: Json, outer: Object | None) -> list[str]:
    """Return what an object with an array of objects as its choices may be read as.

    Those of LangSmith and DashScope have their usage elsewhere and are no chats.
    """
    if not isinstance(value, Object):
        return []
    is_list = value.get("choices") is not None
    choices = value["choices"] if is_list else []
    if not isinstance(choices, list) or not all(isinstance(c, Object) for c in choices):
        return []
    elsewhere = (value.get("usage_metadata"), outer and outer.get("usage"))
    usage = value.get("usage")
    counts = usage if isinstance(usage, Object) else {}
    is_counted = any(
        counts.get(name) is not None for name in ("prompt_tokens", "total_tokens")
    )
    is_named = value.get("object") == "text_completion"
    has_message, has_text, has_delta = (
        any(choice.get(key) is not None for choice in choices)
        for key in ("message", "text", "delta")
    )
    is_text = not has_message and (is_named or (has_text and not has_delta))
    is_chat = not is_text and (is_counted or elsewhere == (None, None))
    is_part = is_piece(value, choices, is_list=is_list)
    may_be_text = not has_message and (is_named or has_text)
    is_text_part = may_be_text and (is_part or (is_named and is_text_piece(value)))
    kinds = {
        "chat": is_list and is_chat and not is_part,
        "text": is_list and may_be_text and not is_text_part,
        "chunk": is_chat and is_part,
        "text chunk": is_text_part,
        "delta": has_delta,
    }
    return [kind for kind, holds in kinds.items() if holds]


PIECES = (
    *("chat.completion.chunk", "chat.completion.done", "chat.reasoning"),
    *("chat.reasoning.done", "completion.chunk", "text_completion.chunk"),
)


def is_piece(response: Object, choices: list[Object], *, is_list: bool) -> bool:
    """Return whether this is a chunk of a streamed response by its name."""
    kind = response.get("object")
    has_message = any(choice.get("message") is not None for choice in choices)
    has_delta = any(choice.get("delta") is not None for choice in choices)
    if kind in (None, ""):
        return not has_message and (has_delta or (is_list and not choices))
    if kind == "chat.completion":
        return has_delta and is_open(choices)
    if kind not in PIECES:
        return False
    return not has_message or any(isinstance(c.get("delta"), Object) for c in choices)


def is_open(choices: list[Object]) -> bool:
    """Return whether no choice has a reason why it ended."""
    return all(choice.get("finish_reason") in (None, "") for choice in choices)


def is_text_piece(response: Object) -> bool:
    """Return whether what is called a text completion is not the whole of one."""
    choices = response.get("choices")
    has_none = response.get("usage") is None and all(
        choice.get("text") in (None, "") for choice in choices or ()
    )
    return has_none or (choices != [] and is_open(choices or []))


# --- Whole streams in a line ----------------------------------------------------------

CARRIERS = (
    *CANDIDATES,
    *("chunks", "streamed_data", "events"),
    *("response.chunks", "response.streamed_data", "response.events"),
)


def find_stream(line: Json) -> list[Row] | Chunks | None:
    """Return what the list or text of a whole stream has, the first in a line."""
    codes: set[str] = set()
    for path in CARRIERS if isinstance(line, Object) else ("",):
        value = line
        for key in path.split(".") if path else ():
            value = value.get(key) if isinstance(value, Object) else None
        if not isinstance(value, list | str):
            continue
        found = []
        for item, where in items_of(value, path):
            try:
                one, inner, kind = find_response(item, is_item=True)
            except RejectError as error:
                codes.add(error.args[0])
            else:
                place = f"{where}.{inner}" if inner else where
                outer = line if isinstance(line, Object) else item
                found.append((outer, one, path, place, kind))
        made = of_stream(found, is_text=isinstance(value, str))
        if made is not None:
            return made
    for code in ("error_response", "stream_chunk"):
        if code in codes:
            raise RejectError(code)
    return None


Found: TypeAlias = tuple[Object, Object, str, str, str]


def of_stream(found: list[Found], *, is_text: bool) -> list[Row] | Chunks | None:
    """Return the rows of the chunks, or of the one response that they end with."""
    names = [name_of(one[-1]) for one in found if one[-1] not in WHOLE]
    # The last chunk of a text completion looks like a whole one.
    is_of_text = names[:1] == ["text"]
    whole = [
        one
        for one in found
        if one[-1] in WHOLE and not (one[-1] == "text" and is_of_text)
    ]
    if (names or is_text) and len(whole) == 1:
        outer, response, path, place, kind = whole[0]
        return rows(outer, response, path, kind, place)
    if not names or whole:
        return None
    chunks = [one for one in found if name_of(one[-1]) == names[0]]
    return Chunks(
        [
            row | {"chunk_position": position}
            for position, (*one, kind) in enumerate(chunks)
            for row in chunk_rows(*one, "text chunk" if is_of_text else kind)
        ],
        is_whole=True,
    )


def name_of(kind: str) -> str:
    """Return the API of a kind."""
    return "text" if kind.startswith("text") else "chat"


def items_of(value: Json, path: str) -> list[tuple[Object, str]]:
    """Return the objects of a list or of a text, and the path of each."""
    if isinstance(value, str):
        return items_of_text(value, path, is_item=False)
    found = []
    for place, item in enumerate(value):
        where = f"{path}[{place}]"
        words = item.get("raw") if isinstance(item, Object) else item
        if isinstance(words, str):
            found += items_of_text(words, where, is_item=True)
        elif isinstance(item, Object):
            found.append((item, where))
    return found


def items_of_text(text: str, path: str, *, is_item: bool) -> list[tuple[Object, str]]:
    """Return the objects of a text of events or a list, or the only one of an item."""
    try:
        values = [checked_json(text)]
    except RejectError:
        values = events(text)
        is_item = True
    if values and isinstance(values[0], list):
        values = values[0]
    elif not is_item:
        values = []
    return [(v, f"{path}[{i}]") for i, v in enumerate(values) if isinstance(v, Object)]


def events(text: str) -> list[Json]:
    """Return the events of a text; the last one may be cut off.

    One ends at a blank line, or with a line of data that is all of its JSON.
    """
    lines = re.split("\r\n|\n|\r", text.removeprefix("\ufeff"))
    found: list[Json] = []
    data: list[str] = []
    fault: RejectError | None = None
    for line in [*lines, ""]:
        is_data = line.startswith(("data:", "error:"))
        if is_data:
            if fault is not None:
                raise fault
            data.append(data_of(line))
        is_over = line == ""
        joined = "\n".join(data)
        if joined == "" or not (is_over or (is_data and len(data) == 1)):
            continue
        if joined == "[DONE]":
            data = []
            continue
        try:
            found.append(checked_json(joined))
        except RejectError as error:
            if is_over:
                fault, data = error, []
        else:
            data = []
    return found


# --- Rows (section 5) -----------------------------------------------------------------


def rows(
    line: Object,
    response: Object,
    path: str,
    kind: str,
    place: str | None = None,
    columns: dict[str, tuple[str, Read]] | None = None,
) -> list[Row]:
    """Read the columns in their order, each over the choices in theirs.

    The path is that of the envelope; of a whole stream the response is at a place in
    it.
    """
    place = path if place is None else place
    within = f"{place}." if place else ""
    list_ = response.get("choices") or []
    choices = [(c, f"{within}choices[{i}].") for i, c in enumerate(list_)]
    outer = line if path else None
    roots = {
        "R": (response, within),
        "U": (response, within),
        "W": (outer, path),
        "P": ((response, outer), within),
        "V": ((response, outer), within),
    }
    for one in (response, *list_):
        one.kind, one.place = kind, path
    table: list[Row] = [{"choice_position": i} for i in range(len(choices) or 1)]
    for name, (grain, read) in (columns or COLUMNS).items():
        if grain == "C":
            cells = [read(*choice) for choice in choices] or [None]
        else:
            cell = read(*roots[grain])
            later = None if grain in "UV" else cell
            cells = [cell, *[later] * (len(table) - 1)]
        for row, value in zip(table, cells, strict=True):
            row[name] = value
    return table


def chunk_rows(
    line: Object, chunk: Object, path: str, place: str, kind: str
) -> list[Row]:
    """Read the columns of a chunk, of its delta what a message would have."""
    if kind == "chunk":
        chunk = with_usage(chunk)
    found = rows(line, chunk, path, kind, place, CHUNK_COLUMNS)
    return [row | {"chunk_position": None, "is_end": False} for row in found]


def with_usage(chunk: Object) -> Object:
    """Return a chunk with the usage that Groq and Moonshot have elsewhere."""
    choices = enumerate(chunk.get("choices") or ())
    places = {
        "usage": chunk.get("usage"),
        "x_groq.usage": below(chunk, "x_groq", "usage"),
        **{f"choices[{place}].usage": choice.get("usage") for place, choice in choices},
    }
    found = [path for path, usage in places.items() if isinstance(usage, Object)]
    own = below(chunk, "usage", "prompt_tokens"), below(chunk, "usage", "total_tokens")
    if own == (None, None):  # says less than another one
        found = [path for path in found if path != "usage"]
    if not found:
        return chunk
    made = Object({**chunk, "usage": places[found[0]]})
    made.text, made.usage_at = chunk.text, found[0]
    return made


def at(read: Read, *paths: str) -> Read:
    """Read the first of the paths, below a root, that is present."""

    def first(root: Json, where: str) -> Any:
        cells = (read(*find(root, where, path)) for path in paths)
        return next((cell for cell in cells if cell is not None), None)

    return first


def find(root: Json, where: str, path: str) -> tuple[Json, str]:
    """Return the value at a path below a root, and its path from the line."""
    value, separator = root, ""
    if isinstance(root, Object) and root.kind in ("chunk", "delta"):
        path = re.sub(r"^message\b", "delta", path)
    for key in path.split("."):
        if value is not None and not isinstance(value, Object):
            wrong_type(where)
        value = None if value is None else value.get(key)
        named = root.usage_at if root is not None and key == "usage" else key
        where, separator = f"{where}{separator}{named}", "."
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
        call, place = find(choice, where, "message.function_call")
        found = function_call(call, place)
        if choice.kind in WHOLE or found is None:
            return found
        return [{**found[0], "index": index_of(call)}]
    if not isinstance(calls, list):
        wrong_type(place)
    for i, call in enumerate(calls):
        if not isinstance(call, Object):
            wrong_type(f"{place}[{i}]")
    is_part = choice.kind not in WHOLE
    found = [tool_call(call, f"{place}[{i}]") for i, call in enumerate(calls)]
    indexes = [{"index": index_of(call)} if is_part else {} for call in calls]
    return [call | index for call, index in zip(found, indexes, strict=True)]


def index_of(call: Object) -> str | None:
    """Return the number of a call in a chunk, as written."""
    value = call.get("index")
    return value if value is None or isinstance(value, str) else written(value)


def written(value: Json) -> str:
    """Write a value that has no white space outside of objects."""
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    if isinstance(value, Object | Number):
        return value.text
    return json.dumps(value, ensure_ascii=False)


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
    path = "text" if name_of(choice.kind) == "text" else "message.content"
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


def served_by(pair: tuple[Object, Object | None], _where: str) -> str | None:
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
    names = {"output.outputBodyJson": "modelId", "modelOutput": "recordId"}
    key = names.get(response.place)
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
    "choice_count": ("R", lambda response, _: len(response.get("choices") or ())),
    "response_hash": (
        "R",
        lambda response, _: int.from_bytes(
            xxhash.xxh3_64_digest(response.text.encode()), signed=True
        ),
    ),
    "chunk_count": ("R", lambda *_: None),
    "api": ("R", lambda response, _: name_of(response.kind)),
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


def length(read: Read) -> Read:
    """Count the code points of a text."""

    def counted(choice: Json, where: str) -> int | None:
        words = read(choice, where)
        return None if words is None else len(words)

    return counted


CHUNK_COLUMNS = {
    **COLUMNS,
    "reasoning_chars": ("C", length(reasoning)),
    "refusal_chars": ("C", length(at(text, "message.refusal"))),
}
# What a line with [DONE] is.
END: Row = {
    **dict.fromkeys(("choice_position", *CHUNK_COLUMNS, "chunk_position")),
    **{"choice_position": 0, "choice_count": 0, "response_hash": 0, "is_end": True},
}
