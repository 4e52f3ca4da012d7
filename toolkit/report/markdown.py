r"""The report as Markdown, for job summaries and chats.

Names from logs are written as code spans, in which GitHub and chats interpret no links,
mentions, formulas or HTML.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolkit.formatting.text import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.report.content import ReportContent, SectionResult
    from toolkit.report.provenance import Provenance

_NUMBERS = {"count", "share", "usd", "number"}
# Characters with a meaning in Markdown, entities, and mentions on GitHub.
_SIGNS = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&@^=]|:(?=\S)|^-)")
_SHOWN = 12  # rows of a table


def to_markdown(content: ReportContent, provenance: Provenance) -> str:
    """Return a report as Markdown."""
    before = f" · before: {content.before}" if content.before else ""
    plan = content.plan
    blocks = [
        f"# {_escape(plan.title)}: {_escape(content.range)} ({_escape(plan.tz)})",
        f"**{_escape(content.headline)}**{_escape(before)}",
        _table(
            ["", "now", *(["change"] if content.before else [])],
            ["words", "count", *(["count"] if content.before else [])],
            [
                [
                    kpi.label,
                    kpi.text,
                    *([kpi.change] if content.before else []),
                ]
                for kpi in content.kpis
            ],
        ),
    ]
    if content.changes:
        blocks += [
            "## What changed most",
            "\n".join(
                f"- **{_escape(change.amount)}** "
                + (f"{_code(change.subject)}: " if change.subject else "")
                + _escape(change.words)
                for change in content.changes
            ),
        ]
    if provenance.against:
        against = provenance.against
        blocks += ["## What is no longer as it was told", _escape(against["words"])]
        if against["rows"]:
            blocks.append(_table(against["heads"], against["kinds"], against["rows"]))
    for result in content.sections:
        blocks += _section(result)
    blocks += _data_blocks(content)
    blocks += [
        "## How this was made",
        "\n".join(f"- {name}: {_code(value)}" for name, value in provenance.footer()),
    ]
    return "\n\n".join(blocks) + "\n"


def _section(result: SectionResult) -> list[str]:
    """Return the blocks of a section: the largest rows of its table."""
    rows = result.table.rows
    more = len(rows) - _SHOWN
    notes = [
        *result.notes,
        *([f"{format_count(more)} more rows are not shown."] if more > 0 else []),
    ]
    return [
        f"## {result.section.title}",
        _escape(result.section.words),
        _table(result.table.heads, result.table.kinds, rows[:_SHOWN]),
        *[_escape(note) for note in notes],
    ]


def _data_blocks(content: ReportContent) -> list[str]:
    """Return the blocks about how far the figures can be trusted."""
    data = content.data
    blocks = [
        "## The data",
        _table(["", "number", ""], ["words", "count", "words"], data.facts),
    ]
    if data.ledger:
        ledger = [
            (name, format_count(count), words) for name, count, words in data.ledger
        ]
        blocks += [
            "### The ledger: what became of every line",
            _table(["", "number", ""], ["words", "count", "words"], ledger),
        ]
    if data.rejects:
        rejects = [
            (name, format_count(lines), first) for name, lines, first in data.rejects
        ]
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
    """Return a table, with numbers right-aligned and names as code."""
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
