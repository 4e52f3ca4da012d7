"""The configuration: what a house says once, so that no command need say it again.

It stands in ``toolkit.toml``, or in ``[tool.completion-toolkit]`` of a pyproject.toml;
it is read strictly, and a flag of the command wins over it. `_SETTINGS` is the one
definition: what may be set, how it is checked, and the JSON Schema.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

from toolkit.errors import (
    ConfigurationError,
    OptionError,
    UnreadableSourceError,
    near_miss,
)
from toolkit.expressions.periods import check_period
from toolkit.expressions.time_ranges import check_zone
from toolkit.pricing.budgets import parse_amount, parse_limit
from toolkit.reading.object_store import is_uri
from toolkit.reading.options import CreatedUnit, OnDamage
from toolkit.schema.tables import choices_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_VARIABLE = "TOOLKIT_CONFIG"
_FILE, _PYPROJECT, _TABLE = "toolkit.toml", "pyproject.toml", "completion-toolkit"
_DEFAULT = "default"

# The sections that a report can have, in its order: each is the name of a metric.
_SECTIONS = (
    "token_usage",
    "cost",
    "model_mix",
    "truncation_rate",
    "cache_share",
    "reasoning_share",
    "finish_reasons",
    "refusal_and_filter_rate",
    "tool_calls",
    "tokens_per_response",
    "output_input_ratio",
    "choices_per_response",
    "confidence",
    "response_volume",
    "usage_coverage",
    "drift",
)
# Words that other tools use for the same thing.
_ALIASES = {
    "zone": "tz",
    "timezone": "tz",
    "logs": "sources",
    "budget": "budgets",
    "tag": "tags",
    "model": "by",
}


def _check_budgets(value: dict[str, Any]) -> None:
    """Refuse amounts that are none."""
    for amount in [value.get("total", "0USD"), *value.get("models", {}).values()]:
        parse_amount(amount)


class _Setting(NamedTuple):
    """Something that may be set: its shape as JSON Schema, and what it is for."""

    name: str
    shape: dict[str, Any]
    default: object
    description: str
    check: Callable[[Any], object] | None = None


_TEXT = {"type": "string", "minLength": 1}
_TEXTS = {"type": "array", "items": _TEXT, "minItems": 1, "uniqueItems": True}
_TEXT_BY_NAME = {"type": "object", "additionalProperties": _TEXT}
_SETTINGS = (
    _Setting(
        "sources",
        _TEXTS,
        None,
        "logs or exports that are read where a command names none; a relative path is "
        "relative to this file",
    ),
    _Setting(
        "tags",
        _TEXT_BY_NAME,
        {},
        "columns tag_NAME of logs: the path of each from the root of the line",
        choices_table,
    ),
    _Setting(
        "response_path", _TEXT, None, "where the response stands in a line of logs"
    ),
    _Setting(
        "created_unit",
        {"enum": list(get_args(CreatedUnit))},
        "s",
        "unit of created in logs",
    ),
    _Setting(
        "on_damage",
        {"enum": list(get_args(OnDamage))},
        "raise",
        "whether a damaged log ends the work",
    ),
    _Setting("tz", _TEXT, "UTC", "time zone in which days begin", check_zone),
    _Setting("every", _TEXT, "1d", "length of a period: 1h, 1d, 1w, 1mo", check_period),
    _Setting("by", _TEXTS, ["model"], "columns that name the series"),
    _Setting(
        "top",
        {"type": "integer", "minimum": 1, "maximum": 1000},
        12,
        "series that a report names; the others are folded into one, with exact sums",
    ),
    _Setting(
        "prices",
        _TEXT,
        None,
        "file of your own prices; a relative path is relative to this file",
    ),
    _Setting(
        "budgets",
        {
            "type": "object",
            "properties": {"total": _TEXT, "models": _TEXT_BY_NAME},
            "additionalProperties": False,
        },
        {},
        'what a report may find spent: total = "500USD", and models by name',
        _check_budgets,
    ),
    _Setting(
        "max_rejects",
        {"type": ["string", "integer"], "minLength": 1, "minimum": 0},
        None,
        'unreadable lines that are allowed: 10 or "0.1%"',
        lambda value: parse_limit(str(value)),
    ),
    _Setting(
        "sections",
        {
            "type": "array",
            "items": {"enum": list(_SECTIONS)},
            "minItems": 1,
            "uniqueItems": True,
        },
        list(_SECTIONS),
        "metrics that a report shows, in this order",
    ),
    _Setting("title", _TEXT, None, "what a report is about, above its first line"),
)
_NAMES = {setting.name: setting for setting in _SETTINGS}


class Configuration(NamedTuple):
    """What was set, and the file in which it stands; None if there is none."""

    file: str | None
    values: dict[str, Any]

    def effective(self) -> list[tuple[str, Any, str]]:
        """Return each setting with its value, and where that came from."""
        return [
            (setting.name, self.values[setting.name], str(self.file))
            if setting.name in self.values
            else (setting.name, setting.default, _DEFAULT)
            for setting in _SETTINGS
        ]


def read_configuration(file: str | os.PathLike[str] | None = None) -> Configuration:
    """Read the configuration, and check it to the last word.

    Parameters
    ----------
    file
        A TOML file. Unless given, ``TOOLKIT_CONFIG`` of the environment names it; else
        it is the first of ``toolkit.toml`` and ``pyproject.toml`` (if that has the
        table ``[tool.completion-toolkit]``) in this directory and the ones above it.

    Returns
    -------
    Configuration
        With paths that are right from the current directory.

    Raises
    ------
    ConfigurationError
        If the file is missing, is no TOML, or holds anything that is no setting.
    UnreadableSourceError
        If the system refuses to read it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "toolkit.toml").write_text('zone = "UTC"')
    >>> read_configuration(folder / "toolkit.toml")
    Traceback (most recent call last):
    toolkit.errors.ConfigurationError: ...: no setting 'zone' (did you mean 'tz'?)
    """
    named = file or os.environ.get(_VARIABLE) or None
    if named is not None:
        path = Path(named)
        values = _table_of(path)
        if values is None:
            fault = f"it has no table [tool.{_TABLE}]"
            raise ConfigurationError(str(path), [fault])
        return Configuration(str(path), _checked(path, values))
    for folder in (Path(), *Path.cwd().parents):
        for name in (_FILE, _PYPROJECT):
            path = folder / name
            values = _table_of(path) if path.is_file() else None
            if values is not None:
                return Configuration(str(path), _checked(path, values))
    return Configuration(None, {})


def _table_of(path: Path) -> dict[str, Any] | None:
    """Read a file of TOML; None if it is a pyproject.toml that says nothing to us."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ConfigurationError(str(path), [str(error.strerror)]) from error
    except OSError as error:
        raise UnreadableSourceError(str(path), cause=error) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(path), [f"it is no TOML: {error}"]) from error
    if path.name != _PYPROJECT:
        return document
    tool = document.get("tool", {})
    found = tool.get(_TABLE) if isinstance(tool, dict) else None
    return found if isinstance(found, dict) else None


def _checked(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values that hold in every respect; all faults are told at once."""
    faults = []
    for name, value in values.items():
        if name not in _NAMES:
            likely = _ALIASES.get(name)
            hint = f" (did you mean {likely!r}?)" if likely else near_miss(name, _NAMES)
            faults.append(f"no setting {name!r}{hint}")
            continue
        setting = _NAMES[name]
        found = list(_misfits(value, setting.shape, name))
        if not found and setting.check is not None:
            try:
                setting.check(value)
            except OptionError as error:
                found = [str(error) if error.name == name else f"{name}: {error}"]
        faults += found
    if faults:
        raise ConfigurationError(str(path), faults)
    return {name: _placed(name, value, path.parent) for name, value in values.items()}


_KINDS: dict[str, type] = {"string": str, "integer": int, "array": list, "object": dict}


def _misfits(value: Any, shape: dict[str, Any], name: str) -> list[str]:  # noqa: ANN401
    """Say where a value does not fit its shape, in the words of JSON Schema."""
    if "enum" in shape:
        known = shape["enum"]
        if isinstance(value, str) and value in known:
            return []
        hint = near_miss(value, known) if isinstance(value, str) else ""
        return [f"{name}={value!r}: expected one of {', '.join(known)}{hint}"]
    kinds = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    # A boolean of Python is an integer too; of TOML it is none.
    if isinstance(value, bool) or not isinstance(
        value, tuple(_KINDS[kind] for kind in kinds)
    ):
        return [f"{name}={value!r}: expected {_words_for(kinds)}"]
    if isinstance(value, str):
        return [] if value else [f"{name} is empty"]
    if isinstance(value, int):
        low, high = shape.get("minimum", value), shape.get("maximum", value)
        most = f"to {high}" if "maximum" in shape else "or more"
        return (
            [] if low <= value <= high else [f"{name}={value}: expected {low} {most}"]
        )
    if isinstance(value, list):
        return _items_misfits(value, shape, name)
    return _members_misfits(cast("dict[str, Any]", value), shape, name)


def _items_misfits(items: list[Any], shape: Mapping[str, Any], name: str) -> list[str]:
    """Say where the items of a list do not fit."""
    if not items:
        return [f"{name} is empty"]
    faults = [
        fault
        for number, item in enumerate(items)
        for fault in _misfits(item, shape["items"], f"{name}[{number}]")
    ]
    doubles = {item for item in items if not faults and items.count(item) > 1}
    return faults + [f"{name} names {item!r} twice" for item in sorted(doubles)]


def _members_misfits(
    members: dict[str, Any], shape: Mapping[str, Any], name: str
) -> list[str]:
    """Say where the members of a table do not fit."""
    known = shape.get("properties", {})
    faults = []
    for key, value in members.items():
        member = known.get(key, shape["additionalProperties"])
        if member is False:
            faults.append(f"no setting '{name}.{key}'{near_miss(key, known)}")
        else:
            faults += _misfits(value, member, f"{name}.{key}")
    return faults


def _words_for(kinds: list[str]) -> str:
    """Write the kinds of a value as TOML calls them."""
    names = {"array": "a list", "object": "a table", "string": "a string"}
    return " or ".join(names.get(kind, "a whole number") for kind in kinds)


def _placed(name: str, value: Any, folder: Path) -> Any:  # noqa: ANN401
    """Make paths that are relative to the file relative to where we are."""
    if name == "sources":
        return [_placed("prices", source, folder) for source in value]
    if name != "prices" or value == "-" or is_uri(value):
        return value
    # Behind an absolute path the folder is dropped.
    return os.path.normpath(folder / value)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``toolkit.toml``.

    Examples
    --------
    >>> json_schema()["properties"]["tz"]["description"]
    'time zone in which days begin'
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _FILE,
        "type": "object",
        "properties": {
            setting.name: {
                **setting.shape,
                "description": setting.description,
                **({} if setting.default is None else {"default": setting.default}),
            }
            for setting in _SETTINGS
        },
        "additionalProperties": False,
    }
