"""The sections of a report: their metrics and words, which are in ``sections.toml``."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Section(NamedTuple):
    """A metric, and how the report shows it: see the top of ``sections.toml``."""

    name: str
    title: str
    words: str
    columns: Sequence[str]
    sorts: str = ""
    over_time: bool = False
    together: bool = False


_TEXT = files("toolkit.report").joinpath("sections.toml").read_text("utf-8")
SECTIONS = tuple(Section(name, **facts) for name, facts in tomllib.loads(_TEXT).items())
NAMES = tuple(section.name for section in SECTIONS)
