"""Parameters that several functions share: declared once, shown in each of them."""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from toolkit import system
from toolkit.errors import (
    OptionError,
    OptionTypeError,
    UnknownOptionError,
    near_miss,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from types import UnionType

    _Function = TypeVar("_Function", bound=Callable[..., Any])

TABLE_ENDINGS = (".csv", ".xlsx", ".parquet", ".json", ".md")  # of `write_table`
# In a docstring: the entry of ``**options``, up to the next entry or section.
_ENTRY = re.compile(r"^\*\*\w+\n(?: +.*\n|\n(?= ))*", re.MULTILINE)


class Parameter(NamedTuple):
    """The default of a parameter, and its description."""

    default: Any
    description: str


def share_parameters(
    options: type, parameters: Mapping[str, Parameter], **defaults: object
) -> Callable[[_Function], _Function]:
    """Show what ``**options`` stands for in the signature and help of a function.

    Parameters
    ----------
    options
        The TypedDict that ``**options`` unpacks.
    parameters
        Default and description of its keys, in the order in which they are shown.
    **defaults
        Defaults that differ for this function.

    Examples
    --------
    >>> from typing import TypedDict, Unpack
    >>> Where = TypedDict("Where", {"tz": "str"})
    >>> @share_parameters(Where, {"tz": Parameter("UTC", "Time zone.")})
    ... def count(log: str, **options: "Unpack[Where]") -> int: ...
    >>> inspect.signature(count).parameters["tz"].default
    'UTC'
    """
    types = options.__annotations__
    shared = {name: one for name, one in parameters.items() if name in types}

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)
        own = [
            one
            for one in signature.parameters.values()
            if one.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        added = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(name, one.default),
                annotation=getattr(types[name], "__forward_arg__", types[name]),
            )
            for name, one in shared.items()
        ]
        function.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*own, *added]
        )
        if function.__doc__ is not None:
            text = f"{inspect.cleandoc(function.__doc__)}\n"
            entries = [
                f"{name}\n{indent(one.description, '    ')}\n"
                for name, one in shared.items()
            ]
            function.__doc__ = _ENTRY.sub(lambda _: "".join(entries), text, count=1)
        return function

    return decorate


def complete_options(
    function: Callable[..., Any], options: Mapping[str, Any], names: Iterable[str]
) -> dict[str, Any]:
    """Return the named options: as given, else the default of the function.

    Raises
    ------
    UnknownOptionError
        If the function has no parameter of that name.
    """
    parameters = inspect.signature(function).parameters
    for name in options:
        if name not in parameters:
            known = [
                one.name
                for one in parameters.values()
                if one.kind is inspect.Parameter.KEYWORD_ONLY
            ]
            owner = f"{function.__name__}()"
            raise UnknownOptionError(name, owner=owner, known=known)
    return {name: options.get(name, parameters[name].default) for name in names}


def check_type(
    name: str, value: object, types: type | UnionType, expected: str, *, hint: str = ""
) -> None:
    """Raise `OptionTypeError` unless a value has one of the types; True is no number.

    Examples
    --------
    >>> check_type("wait", "1s", int | float, "a number of seconds")
    Traceback (most recent call last):
    toolkit.errors.OptionTypeError: wait: expected a number of seconds, got str
    """
    if not isinstance(value, types) or isinstance(value, bool):
        raise OptionTypeError(name, value, expected=expected, hint=hint)


def check_ending(name: str, path: object, endings: Collection[str]) -> str:
    """Return the ending of a path in lower case; raise `OptionError` for another one.

    Examples
    --------
    >>> check_ending("to", "usage.CSV", TABLE_ENDINGS)
    '.csv'
    """
    text = check_path(name, path)
    ending = Path(text).suffix.lower()
    if ending not in endings:
        expected = f"a file that ends in {', '.join(endings)}"
        raise OptionError(
            name, text, expected=expected, hint=near_miss(ending, endings)
        )
    return ending


def check_path(name: str, value: object, expected: str = "a path") -> str:
    """Return a path as text; raise `OptionTypeError` for anything else."""
    if isinstance(value, str | os.PathLike):
        return system.local_path(os.fspath(value))
    hint = ": give its path, not the open file" if hasattr(value, "read") else ""
    raise OptionTypeError(name, value, expected=expected, hint=hint)
