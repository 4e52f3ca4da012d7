"""What `toolkit.toml` may contain: names, types, defaults, checks, the JSON Schema.

`Settings` is the one definition. This is imported only if there is such a file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)

from toolkit.cli.command_line import RejectLimit, check_unique, parse_duration
from toolkit.errors import ConfigurationError, OptionError, check_word, near_miss
from toolkit.expressions.periods import check_period
from toolkit.expressions.time_ranges import Period, check_zone
from toolkit.expressions.vendors import check_provider
from toolkit.pricing.budgets import check_amount
from toolkit.reading.object_store import is_uri
from toolkit.reading.options import Content, CreatedUnit, Duplicates, OnDamage
from toolkit.report.model import TILES
from toolkit.schema.tables import choices_table
from toolkit.system import local_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic_core import ErrorDetails

# Words that other tools use for the same thing.
_ALIASES = {
    "zone": "tz",
    "timezone": "tz",
    "logs": "sources",
    "budget": "budgets",
    "tag": "tags",
    "model": "by",
}
# Types of errors of pydantic, and what was expected.
_EXPECTED = {
    "string_type": "a string",
    "string_too_short": "some text",
    "int_type": "a whole number",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "too_short": "at least one",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": 'a colour such as "a1" (a1 to e3, z) or "#0a3a70"',
    "bool_type": "true or false",
}


def _valid(check: Callable[[Any], object]) -> AfterValidator:
    """Return a validator that calls a check, which raises `OptionError`."""

    def validate(value: Any) -> Any:
        check(value)
        return value

    return AfterValidator(validate)


def _place(path: str, info: ValidationInfo[Any]) -> str:
    """Return a path relative to the current directory, not to the file."""
    path = local_path(path)
    if path == "-" or is_uri(path):
        return path
    # Behind an absolute path the folder is dropped.
    return os.path.normpath(Path(info.context["folder"], path))


def _check_limit(value: Any) -> Any:
    """Return a limit of rejected lines that is valid."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise OptionError("", value, expected="a count or a share: 10 or 0.1%")
    RejectLimit(str(value))
    return value


_Text = Annotated[str, Field(min_length=1)]
_NOT_EMPTY = Field(min_length=1, json_schema_extra={"uniqueItems": True})
_Texts = Annotated[list[_Text], _NOT_EMPTY, _valid(check_unique)]
_Path = Annotated[_Text, AfterValidator(_place)]
_Paths = Annotated[
    _Texts, AfterValidator(lambda paths, info: [_place(one, info) for one in paths])
]
_Section = Annotated[
    str,
    _valid(lambda name: check_word("", name, TILES)),
    Field(json_schema_extra={"enum": [*TILES]}),
]
_Sections = Annotated[list[_Section], _NOT_EMPTY, _valid(check_unique)]
_Limit = Annotated[
    Any,
    PlainValidator(_check_limit),
    WithJsonSchema({"type": ["string", "integer"], "minLength": 1, "minimum": 0}),
]
_Amount = Annotated[_Text, _valid(check_amount)]
_Amounts = dict[_Text, _Amount]
_Color = Annotated[str, Field(pattern=r"^([a-e][1-3]|z|#[0-9a-fA-F]{6})$")]
_Every = Annotated[_Text, _valid(check_period)]
_Top = Annotated[int, Field(ge=1, le=1000)]
_Wait = Annotated[_Text, _valid(parse_duration)]


class _Table(BaseModel):
    """A table of the file: strict types, and no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _setting(text: str, default: Any = None) -> Any:
    """Describe a setting; None: it has no default."""
    if default is None:  # from a function it is not in the JSON Schema
        return Field(default_factory=lambda: None, description=text)
    return Field(default=default, description=text)


class _Budgets(_Table):
    """Budgets of a report: what may be spent in its range, and in a month."""

    total: _Amount = _setting('in the range, on all models together: "500USD"')
    models: _Amounts = _setting('in the range, by model: { "gpt-4o" = "100USD" }')
    tags: dict[_Text, _Amounts] = _setting(
        'in the range, by value of a tag: { team = { search = "50USD" } }'
    )
    month: _Amount = _setting("in the month in which the range ends: the same")
    month_models: _Amounts = _setting("in that month, by model")
    month_tags: dict[_Text, _Amounts] = _setting("in that month, by value of a tag")
    check_forecast: bool = _setting(
        "whether a forecast above a budget of the month fails, too", False
    )


class _Shared(_Table):
    """Settings of all commands (at the top) or of one command (in its table)."""

    sources: _Paths = _setting(
        "logs or exports to read if a command names none; a relative path is "
        "relative to this file"
    )
    on_damage: OnDamage = _setting("if a log is damaged: stop or go on", "raise")
    max_rejects: _Limit = _setting('how many lines may be rejected: 10 or "0.1%"')


class _ReportOptions(_Table):
    """Settings of a report; some also apply to the tables of metrics."""

    every: _Every = _setting("length of a period: 1h, 1d, 1w, 1mo", "1d")
    by: _Texts = _setting("columns whose values are the series", ["model"])
    top: _Top = _setting(
        "how many series are shown, the largest; the rest is grouped as 'other'; if "
        "not set, a report shows 12 and a table shows all"
    )
    budgets: _Budgets = _setting("what may be spent in a range, and in a month", {})
    colors: dict[_Text, _Color] = _setting(
        'colours of series: { "gpt-4o" = "a1", "my-model" = "#0a3a70" }', {}
    )
    sections: _Sections = Field(
        default_factory=lambda: [*TILES],
        description="analyst's charts of a report, in this order",
    )
    title: _Text = _setting("title of a report, above its first line")


class _Export(_Shared):
    """Settings of `toolkit export`; they take precedence over those at the top."""

    to: _Path = _setting("directory or .parquet file to write; relative to this file")
    content: Content = _setting("keep or drop the text of prompts and answers", "keep")
    duplicates: Duplicates = _setting("drop or keep repeated responses", "drop")
    wait: _Wait = _setting("how long to wait for another run: 30s, 10m", "0s")


class _Report(_ReportOptions, _Shared):
    """Settings of `toolkit report`; they take precedence over those at the top."""

    to: _Paths = _setting("files to write: .html, .md, .json, .png")
    last: Period = _setting("last complete period that is reported")
    compare: Literal["previous"] = _setting("compare with the range before it")


class Settings(_ReportOptions, _Shared):
    """The settings of all commands."""

    tags: Annotated[dict[_Text, _Text], _valid(choices_table)] = _setting(
        "columns tag_NAME of logs: the path of each from the root of the line", {}
    )
    response_path: _Text = _setting("path of the response in a line of a log")
    created_unit: CreatedUnit = _setting("unit of `created` in logs", "s")
    created_path: _Text = _setting(
        "path of the time in a line of a log, for responses that have none"
    )
    tz: Annotated[_Text, _valid(check_zone)] = _setting(
        "time zone in which days begin", "UTC"
    )
    provider: Annotated[_Text, _valid(check_provider)] = _setting(
        "who served the lines that name no provider"
    )
    prices: _Path = _setting("file of your own prices; relative to this file")
    export: _Export = _setting("settings of `toolkit export`")
    report: _Report = _setting("settings of `toolkit report`")


_TABLES: dict[str, type[_Table]] = {
    "export": _Export,
    "report": _Report,
    "budgets": _Budgets,
}


def check_settings(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return valid settings, or raise an error that lists all faults."""
    try:
        settings = Settings.model_validate(values, context={"folder": path.parent})
    except ValidationError as error:
        faults = [_sentence(fault) for fault in error.errors(include_url=False)]
        raise ConfigurationError(str(path), faults) from None
    return settings.model_dump(exclude_unset=True)


def _sentence(fault: ErrorDetails) -> str:
    """Return a sentence on a fault that pydantic found."""
    *parents, name = fault["loc"]
    if fault["type"] == "extra_forbidden":
        table = _TABLES.get(str(parents[-1]), Settings) if parents else Settings
        likely = _ALIASES.get(str(name), "")
        hint = near_miss(str(name), table.model_fields)
        if likely in table.model_fields:
            hint = f" (did you mean {likely!r}?)"
        elif parents and name in Settings.model_fields:
            hint = " (it belongs at the top of the file)"
        return f"no setting {_dotted(fault['loc'])!r}{hint}"
    value, facts = fault["input"], fault.get("ctx", {})
    error = facts.get("error")
    if isinstance(error, OptionError):
        # Its sentence begins with its own name of the option.
        return f"{_dotted(fault['loc'])}{str(error).removeprefix(error.name)}"
    expected = _EXPECTED[fault["type"]].format(**facts)
    hint = near_miss(value, expected.split("'")[1::2]) if isinstance(value, str) else ""
    return f"{_dotted(fault['loc'])}: expected {expected}, got {value!r}{hint}"


def _dotted(place: tuple[int | str, ...]) -> str:
    """Return the place of a setting: ``budgets.total``, ``sources[0]``."""
    parts = [f"[{one}]" if isinstance(one, int) else f".{one}" for one in place]
    return "".join(parts).removeprefix(".")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``toolkit.toml``.

    Examples
    --------
    >>> json_schema()["properties"]["tz"]["description"]
    'time zone in which days begin'
    """
    schema = Settings.model_json_schema()
    for table in schema["$defs"].values():
        for setting in table["properties"].values():
            setting.pop("default", None)  # it is the value at the top
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **schema, "title": "toolkit.toml"}
