r"""The report as Markdown, for job summaries and chats.

Names from logs are written as code spans, in which GitHub and chats interpret no links,
mentions, formulas or HTML.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolkit.formatting.text import format_count
from toolkit.report.tables import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from toolkit.report.content import Data, ReportContent, SectionResult

# Characters with a meaning in Markdown, entities, and mentions on GitHub.
_SIGNS = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&@^=]|:(?=\S)|^-)")
_SHOWN = 12  # rows of a table


def to_markdown(content: ReportContent) -> str:
    """Return a report as Markdown."""
    plan, against = content.plan, content.against
    before = f" · before: {content.before}" if content.before else ""
    if content.data.last_call:
        before += f" · last call: {content.data.last_call}"
    # Without a range before there is no change.
    shown = 3 if content.before else 2
    blocks = [
        f"# {_escape(plan.title)}: {_escape(content.range)} ({_escape(plan.tz)})",
        f"**{_escape(content.headline)}**{_escape(before)}",
        _table(
            ["", "now", "change"][:shown],
            ["words", "count", "count"][:shown],
            [(kpi.label, kpi.text, kpi.change)[:shown] for kpi in content.kpis],
        ),
    ]
    if content.changes:
        changes = [
            f"**{_escape(change.amount)}** "
            + (f"{_code(change.subject)}: " if change.subject else "")
            + _escape(change.words)
            for change in content.changes
        ]
        blocks += ["## What changed most", _list(changes)]
    if against:
        blocks += ["## What is no longer as it was told", _escape(against["words"])]
        if against["rows"]:
            blocks.append(_table(against["heads"], against["kinds"], against["rows"]))
    for result in content.sections:
        blocks += _section(result)
    blocks += _data_blocks(content.data)
    footer = content.provenance.footer(plan)
    made = _list(f"{name}: {_code(value)}" for name, value in footer)
    return "\n\n".join([*blocks, "## How this was made", made]) + "\n"


def _section(result: SectionResult) -> list[str]:
    """Return the blocks of a section: the largest rows of its table."""
    section, table, notes = result.section, result.table, [*result.notes]
    more = len(table.rows) - _SHOWN
    if more > 0:
        notes.append(f"{format_count(more)} more rows are not shown.")
    return [
        f"## {section.title}",
        _escape(section.words),
        _table(table.heads, table.kinds, table.rows[:_SHOWN]),
        *map(_escape, notes),
    ]


def _data_blocks(data: Data) -> list[str]:
    """Return the blocks about how far the figures can be trusted."""
    heads, kinds = ["", "number", ""], ["words", "count", "words"]
    blocks = ["## The data", _table(heads, kinds, data.facts)]
    if data.ledger:
        blocks += [
            "### The ledger: what became of every line",
            _table(heads, kinds, data.ledger),
        ]
    if data.rejects:
        heads, kinds = ["code", "lines", "first"], ["name", "count", "name"]
        blocks += ["### Rejects by code", _table(heads, kinds, data.rejects)]
    if data.left_out:
        blocks += ["### What was left out", _list(map(_escape, data.left_out))]
    return blocks


def _list(items: Iterable[str]) -> str:
    """Return a list of items that are Markdown."""
    return "\n".join(f"- {item}" for item in items)


def _table(
    heads: Sequence[str], kinds: Sequence[str], rows: Iterable[Sequence[str | int]]
) -> str:
    """Return a table, with numbers right-aligned and names as code."""
    lines = [
        [_escape(head) for head in heads],
        ["---:" if kind in NUMBERS else "---" for kind in kinds],
        *[list(map(_cell, row, kinds)) for row in rows],
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: str | int, kind: str) -> str:
    """Return a cell of a table: a count, or text."""
    if isinstance(cell, int):
        return format_count(cell)
    return _code(cell) if kind == "name" and cell else _escape(cell)


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


def _escape(text: str) -> str:
    r"""Return text in which no character has a meaning in Markdown.

    Examples
    --------
    >>> _escape("<b>*x*</b>")
    '\\<b\\>\\*x\\*\\</b\\>'
    """
    return _SIGNS.sub(r"\\\1", text)
