"""Guess what a file that is not a log, or a rejected line, looks like.

The rejects name each line; one sentence for each log says what they look like, how many
there are, and what to do. It holds numbers and names of well-known fields only, never
content of the log.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import TYPE_CHECKING, Any

from toolkit.errors import plural
from toolkit.reading.event_stream import strip_event
from toolkit.reading.find_response import find_response
from toolkit.reading.json_values import LineError, Node, checked_json
from toolkit.reading.parsed_api import parse_api
from toolkit.schema.apis import APIS, CHUNK_APIS
from toolkit.schema.paths import parse_path, write_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from toolkit.reading.parsed_api import ParsedApi

_DEEPEST = 4  # fields from a line to an object that is looked at
_MOST_OBJECTS = 200  # of a line that are looked at
_LONGEST = 4 * 1024 * 1024  # bytes of a line that are looked at
_LONGEST_TEXT = 256 * 1024  # of a line that is not JSON
_MOST_LOOKS = 3  # in a sentence; lines with other looks are counted together
_UNITS = (("ns", 10**17), ("us", 10**14), ("ms", 10**11))
# Beginnings of the sentences for faults of single lines, which any log may contain.
_FAULTS_OF_LINES = ("JSON with ", "text of another", "responses with created")


@dataclass
class Looks:
    """What the beginning of a log and its rejected lines look like.

    A look is a text of hints.toml: what a line looks like, and what to do. `lines` is
    the number of lines of each look; "" is the look of lines like nothing known.
    """

    head: str | None = None
    lines: dict[str, int] = field(default_factory=dict)
    unseen: int = 0  # rejected lines that were not looked at

    def __add__(self, later: Looks) -> Looks:
        """Return the looks of a log of which two parts were read."""
        lines = dict(Counter(self.lines) + Counter(later.lines))
        return Looks(self.head or later.head, lines, self.unseen + later.unseen)

    def hint(self, counts: Mapping[str, int]) -> str | None:
        """Return a sentence about a log with these counts, None if nothing is known.

        Examples
        --------
        >>> looks = Looks(lines={"embeddings: no answers": 2, "": 1})
        >>> looks.hint({"responses": 9, "lines": 12, "rejected": 3})
        'has 2 lines that look like embeddings: no answers; 1 other rejected line'
        """
        is_log = any(map(counts.get, ("responses", "chunks", "duplicates", "outside")))
        if self.head and not is_log:
            return f"looks like {self.head}"
        has_few = is_log and counts["rejected"] <= counts["lines"] // 10
        looks = [
            (look, lines)
            for look, lines in Counter(self.lines).most_common()
            if look and not look.startswith(_FAULTS_OF_LINES * has_few)
        ]
        # What the beginning looks like says what to do with the whole file.
        looks = sorted(looks, key=lambda pair: pair[0] != self.head)[:_MOST_LOOKS]
        seen = sum(self.lines.values())
        others = seen - sum(lines for _, lines in looks)
        if not looks:
            return None
        if not (is_log or others or looks[1:]):
            return f"looks like {looks[0][0]}"
        parts = [
            f"{plural(lines, 'line')} that look{'s' * (lines == 1)} like {look}"
            for look, lines in looks
        ]
        parts += [plural(others, "other rejected line")] * bool(others)
        part = f", of {seen:,} rejected lines that were looked at,"
        return f"has{part * bool(self.unseen)} {'; '.join(parts)}"


@cache
def _tables() -> dict[str, Any]:
    """Return the tables of hints.toml, with compiled patterns."""
    text = files("toolkit.reading").joinpath("hints.toml").read_text("utf-8")
    tables = tomllib.loads(text)
    tables["beginnings"] = [
        (re.compile(pattern.encode(), re.DOTALL | re.IGNORECASE), words)
        for pattern, words in tables["beginnings"]
    ]
    return tables


def looks_like(head: bytes) -> str | None:
    r"""Return what the beginning of a file looks like, and what to do; None if unknown.

    Examples
    --------
    >>> looks_like(b'[\n  {"id": "a"}')
    "one JSON array: write a line for each item (jq -c '.[]')"
    >>> looks_like(b"what is this?") is None
    True
    """
    looks = _tables()["beginnings"]
    return next((words for pattern, words in looks if pattern.match(head)), None)


def line_looks_like(code: str, raw: bytes | None, json_path: str | None) -> str | None:
    r"""Return what a rejected line looks like, and what to do; None if unknown.

    Examples
    --------
    >>> line = b'{"log": "{\\"choices\\": [{\\"message\\": {}}]}"}'
    >>> line_looks_like("not_a_response", line, None)
    'responses in the field log: give --response-path log'
    """
    head = (raw or b"")[:_LONGEST]
    text = head[:_LONGEST_TEXT] + b"\n"
    faults: dict[str, str] = _tables()["faults"]
    odd: list[str] = []
    try:
        data = strip_event(head).decode(errors="replace")
        value = json.loads(data, parse_constant=odd.append)
    except (ValueError, RecursionError) as error:
        is_whole = text.lstrip().startswith(b"{")  # not a piece of JSON over many lines
        words = (faults[start] for start in faults if str(error).startswith(start))
        return looks_like(text) or (next(words, None) if is_whole else None)
    if code == "too_deep":
        return None
    if code == "invalid_utf8":
        return faults["encoding"]
    if code == "invalid_json":
        is_escape = "\\ud" in data.lower()
        return faults["NaN" if odd else "surrogate" if is_escape else "event"]
    if json_path is not None:
        is_date = re.search(r"^(?!.*\[\d).*creat\w*$", json_path)  # of no item
        return _odd_date(value, json_path) if is_date else None
    if code == "stream_chunk":
        return _form_of(value) or faults[code]
    return _form_of(value) or (looks_like(text) if value else None)


def _odd_date(value: object, json_path: str) -> str | None:
    """Return the look of a `created` that was rejected; None if unknown."""
    for key in parse_path(json_path):
        value = _opened(value).get(key)
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value):
        return "responses with created in another form: write 2026-11-02T09:15:00Z"
    number = re.fullmatch(r"(\d{11,19})(?:\.\d*)?", str(value))
    size = int(number[1]) if number else 0
    unit = next((unit for unit, least in _UNITS if size >= least), None)
    words = f"responses with created in {unit}: give --created-unit {unit} if all are"
    return unit and words


def _form_of(value: object) -> str | None:
    """Return where the response in a line is, or what the line is instead."""
    if isinstance(value, str) and _opened(value):
        return "JSON in a string: decode each line once (jq -c fromjson)"
    known = set(_tables()["fields"])
    objects = list(islice(_objects_in(value), _MOST_OBJECTS))
    # A request beside a response is not what the line is.
    near = [found for path, found in objects if known.issuperset(path[-1:])]
    if words := _first_form("records", near):
        return words
    for path, found in objects:
        if path and _is_response(found):
            if not known.issuperset(path):
                return "responses in a field of the line: give --response-path"
            name = write_path(path)
            given = shlex.quote(name)
            return f"responses in the field {name}: give --response-path {given}"
    return _first_form("forms", near)


def _first_form(table: str, objects: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the first form of a table that one of the objects has."""
    keys = set().union(*objects)
    for words, shapes in _tables()[table]:
        for shape in shapes:
            if keys.issuperset(shape) and any(_fits(one, shape) for one in objects):
                return str(words)
    return None


def _objects_in(value: object) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield the objects of a line with their paths, outer ones first."""
    waiting: list[tuple[tuple[str, ...], dict[str, Any]]] = [((), _opened(value))]
    for path, found in waiting:
        if found and len(path) <= _DEEPEST:
            yield path, found
            waiting += [((*path, key), _opened(found[key])) for key in found]


def _opened(value: object) -> dict[str, Any]:
    """Return an object, also one that is written in a string; empty for all else."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    return value if isinstance(value, dict) else {}


@cache
def _apis() -> tuple[list[ParsedApi], set[str]]:
    """Return the APIs that are read, and fields of which a response has one."""
    apis = (*APIS, *(api for api in CHUNK_APIS if api.stream == "lines"))
    paths = [(api, tests[0].path) for api in apis for tests in api.tests]
    fields = {at.steps.keys[0] for _, at in paths if at.root == "response"}
    fields |= {api.choices for api, at in paths if at.root == "choice"}
    return [parse_api(api) for api in apis], fields


def _is_response(found: Mapping[str, Any]) -> bool:
    """Return whether an object is a response of an API that is read, or a chunk."""
    apis, fields = _apis()
    if not fields.isdisjoint(found):
        with suppress(LineError, RecursionError):
            raw = checked_json(json.dumps(found).encode())
            return bool(find_response(Node(raw), (), apis))
    return False


def _fits(value: object, shape: object) -> bool:
    """Return whether a value is as a form of hints.toml describes it."""
    if isinstance(shape, str):
        return isinstance(value, str) and re.fullmatch(shape, value) is not None
    if isinstance(shape, dict):
        found = value if isinstance(value, dict) else {}
        return all(_fits(found.get(key), part) for key, part in shape.items())
    return value is not None
