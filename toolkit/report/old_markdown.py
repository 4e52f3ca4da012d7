r"""The report as Markdown, for job summaries and chats.

Names from logs are written as code spans, in which GitHub and chats interpret no links,
mentions, formulas or HTML; all other text is escaped.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from toolkit.report.tables import NUMBERS
from toolkit.report.templates import environment

if TYPE_CHECKING:
    import jinja2

    from toolkit.report.content import ReportContent

# Characters with a meaning in Markdown, entities, and mentions on GitHub.
_SIGNS = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&@^=]|:(?=\S)|^-)")
_MOST_ROWS = 12  # of a table


def to_markdown(content: ReportContent) -> str:
    """Return a report as Markdown."""
    return _template().render(content=content)


@cache
def _template() -> jinja2.Template:
    """Return the template, in which what is not `Markup` is escaped for Markdown."""
    templates = environment().overlay(
        finalize=_escape, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters["code"] = lambda text: Markup(_code(text))  # noqa: S704 - safe
    templates.globals |= {"numbers": NUMBERS, "most_rows": _MOST_ROWS}
    return templates.get_template("old_page.md")


def _code(text: str) -> str:
    r"""Return text as a code span that is safe in a table.

    Examples
    --------
    >>> _code("a|b`c")
    '`` a\\|b`c ``'
    """
    ticks = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (ticks + 1)
    pad = " " if ticks else ""
    # A backslash before a pipe would escape the pipe.
    text = text.replace("\\|", "\\ |").replace("|", "\\|")
    return f"{fence}{pad}{text}{pad}{fence}"


def _escape(text: str) -> Markup:
    r"""Return text in which no character has a meaning in Markdown.

    Examples
    --------
    >>> _escape("<b>*x*</b>")
    Markup('\\<b\\>\\*x\\*\\</b\\>')
    """
    if isinstance(text, Markup):
        return text
    return Markup(_SIGNS.sub(r"\\\1", text))  # noqa: S704 - it is Markdown
