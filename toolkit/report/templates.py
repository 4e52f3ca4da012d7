"""The templates of HTML and Markdown; both are filled with a `ReportContent`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2

from toolkit.formatting.text import format_count


@cache
def text_of(name: str) -> str:
    """Read a text file of this package."""
    return files("toolkit.report").joinpath(name).read_text(encoding="utf-8")


def environment() -> jinja2.Environment:
    """Return an environment that escapes text; undefined names are errors."""
    templates = jinja2.Environment(
        loader=jinja2.FunctionLoader(text_of),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    templates.filters["format_count"] = format_count
    return templates
