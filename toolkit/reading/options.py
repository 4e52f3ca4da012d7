"""Options of reading: their types, defaults and descriptions, for every function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict, cast

from toolkit.formatting.parameters import Parameter, complete_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Content = Literal["keep", "drop"]
CreatedUnit = Literal["s", "ms", "us", "ns"]
Duplicates = Literal["drop", "keep"]
OnDamage = Literal["raise", "collect"]
OnReject = Literal["collect", "raise"]
MAX_LINE_BYTES = 64 * 1024 * 1024


class ReadOptions(TypedDict, total=False):
    """How logs are read; an export keeps the options that it was made with."""

    content: Content
    duplicates: Duplicates
    tags: Mapping[str, str] | None
    response_path: str | None
    created_unit: CreatedUnit
    created_path: str | None
    max_line_bytes: int
    on_damage: OnDamage
    threads: int | None
    progress: Callable[[int], None] | None


READ_PARAMETERS = {
    "content": Parameter(
        "keep", '``"drop"`` leaves the text of messages null; `content_chars` is kept.'
    ),
    "duplicates": Parameter(
        "drop",
        '``"drop"`` keeps the first of two lines with the same response bytes and the\n'
        'same id; the ledger counts the rest. ``"keep"`` keeps all.',
    ),
    "tags": Parameter(
        None,
        'Name to path of a value in the line, ``{"team": "metadata.team"}``; each\n'
        "gives a nullable string column, ``tag_team``.",
    ),
    "response_path": Parameter(
        None,
        "Path of the response in a line, if it is not in one of the usual envelopes.",
    ),
    "created_unit": Parameter(
        "s", 'Unit of `created` in the log: ``"s"``, ``"ms"``, ``"us"`` or ``"ns"``.'
    ),
    "created_path": Parameter(
        None,
        "Path of the time in a line, for responses that have none: a Unix time, or an\n"
        "RFC 3339 time with a time zone.",
    ),
    "max_line_bytes": Parameter(
        MAX_LINE_BYTES, "A longer line is rejected without being held in memory."
    ),
    "on_damage": Parameter(
        "raise",
        '``"raise"`` stops at a log that is damaged or cannot be read; ``"collect"``\n'
        "keeps what was verified before the damage and every other log, warns once,\n"
        "and puts the error into the ledger. A compressed log is then read twice.",
    ),
    "threads": Parameter(None, "Number of threads that decode, by default all cores."),
    "progress": Parameter(
        None, "Called with the number of bytes read from files since the last call."
    ),
}
DEFAULTS = {name: one.default for name, one in READ_PARAMETERS.items()}


def complete(function: Callable[..., object], options: ReadOptions) -> ReadOptions:
    """Return all options of reading: as given, else the default of the function."""
    return cast("ReadOptions", complete_options(function, options, READ_PARAMETERS))
