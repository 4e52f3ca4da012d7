"""Parse and format the paths of values in a line.

The notation of the declarations in `toolkit.schema`:

==========================  ==========================================================
path                        what is read there
==========================  ==========================================================
``a.b``                     the value of b in a
``a[].b``                   b of each item of the list a
``a[k=v|w].b``              b of the items whose k is v or w
``a[k].b``, ``a[!k].b``     b of the items whose k has a value that is not false, or not
``a[].b|c.d``               of each item b, or else c.d
``a?``                      a, or null if it has a type that is not expected
``a = x*``                  a, if it is a text that begins with x
``a -> x``                  the word x if a has a value; ``a -> null`` is null
``a / n``                   a divided by n
``a != 0``                  a, or null if it is 0
``a + b|c``                 a, and b or else c if it is there; null without a
``a or 0 beside b``         a, or 0 if it is not there, but b is
==========================  ==========================================================

A path starts at the response, or at the choice if the column belongs to the choice.
``(line).a`` starts at the line, ``(envelope).a`` at the line unless the line is the
response, and ``(at a.b).c`` at the line if the response is at a.b.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import NamedTuple, cast

from toolkit.errors import OptionError

_STEP = re.compile(
    r"""(?:^|\.)(?P<name>[A-Za-z_][A-Za-z0-9_]*)|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]"""
)
_ITEMS = re.compile(r"\[(?P<without>!)?(?P<key>\w*)(?:=(?P<words>[\w|]+))?\]\.?")
_NOTATION = re.compile(
    r"(?:\((?P<root>\w+)(?: (?P<at>[\w.]+))?\)\.)?(?P<steps>.*?)(?P<any>\?)?"
    r"(?: = (?P<prefix>\S+)\*)?(?: -> (?P<word>\w+))?"
    r"(?: / (?P<divisor>[\w.]+))?(?P<nonzero> != 0)?"
    r"(?P<plus>(?: \+ [\w.|]+)*)(?: or 0 beside (?P<beside>[\w.]+))?"
)
_OUTSIDE_BRACKETS = re.compile(r"\|(?![^\[]*\])")


class Items(NamedTuple):
    """Which items of a list a path goes on into, and how."""

    key: str = ""  # only those that have this key, with one of the words if there are
    words: tuple[str, ...] = ()
    without: bool = False  # only those that do not have the key
    then: tuple[Steps, ...] = ()  # what is read of each; the first that has a value


class Steps(NamedTuple):
    """Keys from one object to the next, and the list where they end."""

    keys: tuple[str, ...]
    items: Items | None = None


class Path(NamedTuple):
    """A path in its parts."""

    steps: Steps
    root: str = "response"  # response, choice, line, envelope or at
    at: tuple[str, ...] = ()  # where the response must be, for the root `at`
    # A later path goes deeper: an object here is only a container.
    passes_objects: bool = False
    takes_any_shape: bool = False  # what is not as declared is null, not an error
    prefix: str = ""  # how the text must begin
    word: str | None = None  # the cell, if there is a value
    divisor: float = 1.0
    skips_zero: bool = False  # 0 is null
    # Of a sum: the paths of each further count, and beside what the first one may be 0.
    plus: tuple[tuple[Steps, ...], ...] = ()
    zero_if: Steps | None = None
    # Of tool calls: the keys of id, type, name, arguments and index in a call.
    fields: tuple[tuple[tuple[str, ...], ...], ...] = ()


def parse_path(path: str, *, option: str = "path") -> tuple[str, ...]:
    """Parse a path into its keys: ``a.b``, or ``a["b.c"]`` for any other key.

    Examples
    --------
    >>> parse_path('metadata["cost.center"].team')
    ('metadata', 'cost.center', 'team')
    """
    keys, rest = _split_keys(path)
    if rest:
        expected = 'a path such as metadata.team or metadata["cost center"]'
        raise OptionError(option, path, expected=expected)
    if not keys:
        raise OptionError(option, path, expected="at least one key")
    return keys


def _split_keys(path: str) -> tuple[tuple[str, ...], str]:
    """Return the keys that a path begins with, and the rest of it."""
    keys: list[str] = []
    at = 0
    while step := _STEP.match(path, at):
        keys.append(step["name"] or json.loads(step["quoted"]))
        at = step.end()
    return tuple(keys), path[at:]


def _parse_steps(path: str) -> Steps:
    """Parse a path that may go on into the items of lists.

    Examples
    --------
    >>> items = _parse_steps("content[type=text].text").items
    >>> items.key, items.words, items.then
    ('type', ('text',), (Steps(keys=('text',), items=None),))
    """
    keys, rest = _split_keys(path)
    items = _ITEMS.match(rest)
    if items is None:
        return Steps(parse_path(path))
    rest = rest[items.end() :]
    then = map(_parse_steps, _OUTSIDE_BRACKETS.split(rest) if rest else ())
    words = tuple(items["words"].split("|")) if items["words"] else ()
    return Steps(keys, Items(items["key"], words, items["without"] == "!", tuple(then)))


@lru_cache(maxsize=1024)
def parse_notation(path: str, root: str = "response") -> Path:
    """Parse a path in the notation of the declarations, which starts at `root`.

    Examples
    --------
    >>> parse_notation("(at response.body).custom_id -> batch").at
    ('response', 'body')
    """
    found = cast("re.Match[str]", _NOTATION.fullmatch(path))
    return Path(
        _parse_steps(found["steps"]),
        found["root"] or root,
        tuple(found["at"].split(".")) if found["at"] else (),
        takes_any_shape=found["any"] is not None,
        prefix=found["prefix"] or "",
        word="" if found["word"] == "null" else found["word"],
        divisor=float(found["divisor"] or 1),
        skips_zero=found["nonzero"] is not None,
        plus=tuple(
            tuple(map(_parse_steps, paths.split("|")))
            for paths in found["plus"].split(" + ")[1:]
        ),
        zero_if=_parse_steps(found["beside"]) if found["beside"] else None,
    )


def write_path(keys: tuple[str | int, ...]) -> str:
    """Format keys and positions as the rejects table shows them.

    Examples
    --------
    >>> write_path(("response", "choices", 1, "cost center"))
    'response.choices[1]["cost center"]'
    """
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
            text += f".{key}" if text else key
        else:
            text += f"[{json.dumps(key)}]"
    return text
