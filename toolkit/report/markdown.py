r"""The report as Markdown: for the summary of a job, or for a chat.

A name from a log stands in a code span: there GitHub and chats read no link, no
mention, no formula and no HTML.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.report.content import Contents, Part
    from toolkit.report.provenance import Made

_NUMBERS = {"count", "share", "usd", "number"}
# What begins something in Markdown, and entities and mentions of GitHub.
_SIGNS = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&@^=]|:(?=\S)|^-)")
_SHOWN = 12  # rows of a table


def to_markdown(contents: Contents, made: Made) -> str:
    """Write a report as Markdown."""
    before = f" · before: {contents.before}" if contents.before else ""
    plan = contents.plan
    blocks = [
        f"# {_escape(plan.title)}: {_escape(contents.range)} ({_escape(plan.tz)})",
        f"**{_escape(contents.headline)}**{_escape(before)}",
        _table(
            ["", "now", *(["change"] if contents.before else [])],
            ["words", "count", *(["count"] if contents.before else [])],
            [
                [
                    figure.label,
                    figure.text,
                    *([figure.change] if contents.before else []),
                ]
                for figure in contents.figures
            ],
        ),
    ]
    if contents.changes:
        blocks += [
            "## What changed most",
            "\n".join(
                f"- **{_escape(change.amount)}** "
                + (f"{_code(change.subject)}: " if change.subject else "")
                + _escape(change.words)
                for change in contents.changes
            ),
        ]
    if made.against:
        against = made.against
        blocks += ["## What is no longer as it was told", _escape(against["words"])]
        if against["rows"]:
            blocks.append(_table(against["heads"], against["kinds"], against["rows"]))
    for part in contents.parts:
        blocks += _section(part)
    blocks += _data_blocks(contents)
    blocks += [
        "## How this was made",
        "\n".join(f"- {name}: {_code(value)}" for name, value in made.footer()),
    ]
    return "\n\n".join(blocks) + "\n"


def _section(part: Part) -> list[str]:
    """Write a section: its table, the largest rows of it."""
    rows = part.table.rows
    more = len(rows) - _SHOWN
    notes = [*part.notes, *([f"{more:,} more rows are not shown."] if more > 0 else [])]
    return [
        f"## {part.section.title}",
        _escape(part.section.words),
        _table(part.table.heads, part.table.kinds, rows[:_SHOWN]),
        *[_escape(note) for note in notes],
    ]


def _data_blocks(contents: Contents) -> list[str]:
    """Write how far the figures can be trusted."""
    data = contents.data
    blocks = [
        "## The data",
        _table(["", "number", ""], ["words", "count", "words"], data.facts),
    ]
    if data.ledger:
        ledger = [(name, f"{count:,}", words) for name, count, words in data.ledger]
        blocks += [
            "### The ledger: what became of every line",
            _table(["", "number", ""], ["words", "count", "words"], ledger),
        ]
    if data.rejects:
        rejects = [(name, f"{lines:,}", first) for name, lines, first in data.rejects]
        blocks += [
            "### Rejects by code",
            _table(["code", "lines", "first"], ["name", "count", "name"], rejects),
        ]
    if data.left_out:
        blocks += [
            "### What was left out",
            "\n".join(f"- {_escape(one)}" for one in data.left_out),
        ]
    return blocks


def _table(
    heads: Sequence[str], kinds: Sequence[str], rows: Sequence[Sequence[str]]
) -> str:
    """Write a table: numbers at the right, names as code."""
    right = [kind in _NUMBERS for kind in kinds]
    lines = [
        [_escape(head) for head in heads],
        ["---:" if is_right else "---" for is_right in right],
        *[
            [
                _code(cell) if kind == "name" and cell else _escape(cell)
                for cell, kind in zip(row, kinds, strict=True)
            ]
            for row in rows
        ],
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str) -> str:
    r"""Write text as a code span, also within a table.

    Examples
    --------
    >>> _code("a|b`c")
    '`` a\\|b`c ``'
    """
    ticks = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (ticks + 1)
    pad = " " if ticks else ""
    # A backslash before a pipe would else be taken for the table's.
    text = text.replace("\\|", "\\ |").replace("|", "\\|")
    return f"{fence}{pad}{text}{pad}{fence}"


def _escape(text: str) -> str:
    r"""Write text so that Markdown takes none of it for its own.

    Examples
    --------
    >>> _escape("<b>*x*</b>")
    '\\<b\\>\\*x\\*\\</b\\>'
    """
    return _SIGNS.sub(r"\\\1", text)
