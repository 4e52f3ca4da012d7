"""Text in Markdown: nothing in it becomes a link, a mention, a formula or HTML."""

from __future__ import annotations

import re

# What Markdown, GitHub or a chat would interpret.
SIGNS = re.compile(
    r"[`*\\|@\[\]]|<[A-Za-z/!?]|&[#\w]|(?<!\w)_|_(?!\w)|#\d|://|www\.|~\S|\$(?!\d)"
    r"|:[a-z_+-]+:|^([#>+-]|\d+[.)])( |$)"
)


def code_span(text: str) -> str:
    """Return text as a code span.

    Examples
    --------
    >>> print(code_span("a`b"))
    `` a`b ``
    """
    # A backslash before a pipe would escape the pipe in a table.
    text = " ".join(text.split()).replace("\\|", "\\ |")
    ticks = max(map(len, re.findall("`+", text)), default=0)
    fence, pad = "`" * (ticks + 1), " " if ticks else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def table_cell(text: str) -> str:
    r"""Return text as a cell of a table, as a code span if Markdown would interpret it.

    Examples
    --------
    >>> print(table_cell("gpt-4o"), table_cell("a|b"))
    gpt-4o `a\|b`
    """
    text = " ".join(text.split())
    return code_span(text).replace("|", r"\|") if SIGNS.search(text) else text
