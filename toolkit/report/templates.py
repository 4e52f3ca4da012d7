"""The templates of a page, and what they are filled with."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jinja2

from toolkit.formatting.text import format_count

if TYPE_CHECKING:
    from toolkit.report.content import ReportContent


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


def variables(content: ReportContent) -> dict[str, Any]:
    """Return the variables of every template."""
    return {
        "content": content,
        "plan": content.plan,
        "data": content.data,
        "against": content.against,
        "footer": content.provenance.footer(content.plan),
    }
