"""Definitions of `Api`, `Test` and `ToolCalls`: how the responses of an API are read.

An API is a declaration: what recognizes a response, where its choices are, and where
each column is found. The declarations are in `toolkit.schema.apis`; both decoders
follow them and know no API by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast

from toolkit.schema.paths import Path, parse_notation

if TYPE_CHECKING:
    from collections.abc import Mapping

_Part = TypeVar("_Part")
# "objects" is a list of objects, "empty" a list without items, "filled" any value but
# the empty string; "" is any value but null.
ValueType = Literal[
    "", "object", "objects", "list", "empty", "string", "boolean", "filled"
]


@dataclass(frozen=True)
class Test:
    """Whether one of the values at a path is as expected.

    Parameters
    ----------
    path
        Where the values are.
    words
        The value is one of these texts; without words it is any.
    type
        The JSON type of the value.
    expected
        False: no value may be so.
    """

    path: Path
    words: tuple[str, ...] = ()
    type: ValueType = ""
    expected: bool = True


def has(path: str, *words: str, type: ValueType = "") -> Test:  # noqa: A002
    """Return the test that a value at a path is one of the words, or of the type."""
    return Test(parse_notation(path), words, type)


def lacks(path: str, *words: str, type: ValueType = "") -> Test:  # noqa: A002
    """Return the test that no value at a path is one of the words, or of the type."""
    return Test(parse_notation(path), words, type, expected=False)


# Any of these, each with all of its tests.
Condition: TypeAlias = tuple[tuple[Test, ...], ...]


@dataclass(frozen=True)
class ToolCalls:
    """Where the tools are that a response calls, and the fields of each call.

    Parameters
    ----------
    items
        Path of the calls, or of one call.
    id, type, name, arguments
        Path in a call, or several with ``|`` between them, of which the first with a
        value is read.
    index
        Of a chunk: path of the number of the call that a piece belongs to.
    """

    items: str
    id: str = "id"
    type: str = "type"
    name: str = "name"
    arguments: str = "arguments"
    index: str = "index"


# As in chat completions.
FUNCTION_CALLS = ToolCalls(
    "message.tool_calls[]", name="function.name", arguments="function.arguments"
)


@dataclass(frozen=True, eq=False)
class Api:
    """How the responses of one API are recognized and read, or chunks of them.

    Parameters
    ----------
    name, title
        The value of the column `api`, and the name for people.
    tests, unless
        An object is a response of the API if `tests` hold and `unless` does not.
    chunks
        The response is a chunk of a streamed one, which is not read.
    errors
        The response is an error, without an answer.
    choices
        Where the list of the choices is; "": the response is the only choice.
    paths
        Where the value of each column is found: the first path with a value is read, of
        numbers the first that is not 0. Paths start at the response, those of a choice
        column at the choice. A column without paths is null.
    tool_calls
        Where the tools are that a choice calls; the first with calls is read.
    finish_reasons
        The word of chat completions for each of the API's own.
    stream
        "" for responses. The objects are chunks of streamed ones that can be lines of
        their own ("lines"), or that are read in a line with the whole stream
        ("carriers").
    ends_whole
        The last chunk has the form of a response.
    """

    name: str
    title: str
    tests: Condition
    unless: Condition = ()
    chunks: Condition = ()
    errors: Condition = ()
    choices: str = ""
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tool_calls: tuple[ToolCalls, ...] = ()
    finish_reasons: Mapping[str, str] = field(default_factory=dict)
    stream: Literal["", "lines", "carriers"] = ""
    ends_whole: bool = False


def in_snake_case(part: _Part) -> _Part:
    """Return a part of a declaration with each key in snake_case.

    Examples
    --------
    >>> in_snake_case(("usageMetadata.totalTokenCount",))
    ('usage_metadata.total_token_count',)
    """
    found: Any = part
    if isinstance(part, str):
        found = re.sub(r"(?<=[a-z])[A-Z]", lambda it: f"_{it[0].lower()}", part)
    elif isinstance(part, tuple):
        parts = [in_snake_case(one) for one in part]
        found = type(part)(*parts) if hasattr(part, "_fields") else tuple(parts)
    elif isinstance(part, dict):
        found = {name: in_snake_case(one) for name, one in part.items()}
    elif isinstance(part, Api | Test | ToolCalls):
        found = replace(part, **in_snake_case(vars(part)))
    return cast("_Part", found)
