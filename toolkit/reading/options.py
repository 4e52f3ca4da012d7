"""Options of reading: what may be said of how logs are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping


class LogOptions(TypedDict, total=False):
    """What may be said of how logs are to be read; an export has settled it."""

    content: Content
    duplicates: Duplicates
    tags: Mapping[str, str] | None
    response_path: str | None
    created_unit: CreatedUnit
    max_line_bytes: int
    on_damage: OnDamage
    threads: int | None


MAX_LINE_BYTES = 64 * 1024 * 1024
Content = Literal["keep", "drop"]
CreatedUnit = Literal["s", "ms", "us", "ns"]
Duplicates = Literal["drop", "keep"]
OnDamage = Literal["raise", "collect"]


OnReject = Literal["collect", "raise"]
