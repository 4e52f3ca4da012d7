"""Guess what a file that is not a log, or a rejected line, looks like.

The rejects name each line; one sentence for each log says what they look like, and what
to do. It holds names of well-known fields only, never content of the log.
"""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from contextlib import suppress
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import TYPE_CHECKING, Any

from toolkit.schema.paths import parse_path, write_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NOT_READ = "not read yet, only chat completions are"
_DEEPEST = 4  # fields from a line to an object that is looked at
_MOST_OBJECTS = 200  # of a line that are looked at
_LONGEST = 256 * 1024  # bytes of a line that are looked at
_UNITS = (("ns", 10**17), ("us", 10**14), ("ms", 10**11))
# Beginnings of the sentences for faults of single lines, which any log may contain.
FAULTS_OF_LINES = ("JSON with ", "text of another", "responses with created")


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
    >>> line_looks_like("not_a_response", b'{"log": "{\\"choices\\": []}"}', None)
    'responses in the field log: give --response-path log'
    """
    head = (raw or b"")[:_LONGEST]
    faults: dict[str, str] = _tables()["faults"]
    odd: list[str] = []
    try:
        value = json.loads(head.decode(errors="replace"), parse_constant=odd.append)
    except (ValueError, RecursionError) as error:
        words = (faults[start] for start in faults if str(error).startswith(start))
        return looks_like(head + b"\n") or next(words, None)
    if code == "invalid_utf8":
        return faults["encoding"]
    if code == "invalid_json":
        return faults["NaN" if odd else "surrogate"]
    if json_path is not None:
        return _odd_date(value, json_path) if json_path.endswith("created") else None
    return _form_of(value) or (looks_like(head) if value else None)


def _odd_date(value: object, json_path: str) -> str | None:
    """Return how a `created` that was rejected is written."""
    for key in parse_path(json_path):
        value = _opened(value).get(key)
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value):
        return "responses with created as ISO text: write seconds since 1970"
    number = re.fullmatch(r"(\d{11,19})(?:\.\d*)?", str(value))
    size = int(number[1]) if number else 0
    unit = next((unit for unit, least in _UNITS if size >= least), None)
    words = f"responses with created in {unit}: give --created-unit {unit} if all are"
    return unit and words


def _form_of(value: object) -> str | None:
    """Return where the response in a line is, or which API it is of."""
    if isinstance(value, str) and _opened(value):
        return "JSON in a string: decode each line once (jq -c fromjson)"
    known = set(_tables()["fields"])
    objects = list(islice(_objects_in(value), _MOST_OBJECTS))
    for path, found in objects:
        if path and _is_response(found):
            if not known.issuperset(path):
                return "responses in a field of the line: give --response-path"
            name = write_path(path)
            given = shlex.quote(name)
            return f"responses in the field {name}: give --response-path {given}"
    for fields, words in _tables()["forms"]:
        for path, found in objects:
            # A request beside a response is not what the line is.
            if known.issuperset(path[-1:]) and _has(found, fields):
                return words if ":" in words else f"{words}: {_NOT_READ}"
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


def _is_response(found: Mapping[str, Any]) -> bool:
    """Return whether an object is a whole chat completion."""
    choices = found.get("choices")
    return isinstance(choices, list) and all(
        isinstance(choice, dict) and (choice.get("message") or "delta" not in choice)
        for choice in choices
    )


def _has(found: Mapping[str, Any], fields: Mapping[str, object]) -> bool:
    """Return whether an object has all fields; with True whatever their value is."""
    return all(
        found.get(key) is not None if value is True else found.get(key) == value
        for key, value in fields.items()
    )
