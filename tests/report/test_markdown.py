"""A report as Markdown: it reads well as text, and no name has a meaning in it."""

from __future__ import annotations

import re
from dataclasses import replace
from unicodedata import east_asian_width

import pytest
from markdown_it import MarkdownIt

from tests.report import example
from toolkit.formatting.text import format_name
from toolkit.report.formats import to_markdown
from toolkit.report.model import ReportContent

PARSER = MarkdownIt("gfm-like", {"linkify": False}).enable("table")
EXAMPLES = ["example", "one_model", "many_models", "no_prices"]
# Names that would be a link, a mention, HTML, a formula, a heading or a new cell.
NASTY = [
    '<script>alert(1)</script><img src=x onerror="alert(1)">',
    "$\\frac{1}{0}$ and $x",
    "a|b`c``d|\\|e",
    "[click](javascript:alert(1)) ![x](https://evil.example/x.png)",
    "@everyone https://evil.example www.evil.example #1",
    "line\nbreak\r\n| --- |\n# heading",
    "**bold** _and_ ~~gone~~ :smile:",
    "- item",
]


def made(name: str) -> ReportContent:
    """Return a report of the examples."""
    content: ReportContent = getattr(example, name)()
    return content


def inline(text: str) -> list[tuple[str, str]]:
    """Return the types and texts of what Markdown makes of a text."""
    return [
        (child.type, child.content)
        for token in PARSER.parse(text)
        for child in token.children or []
    ]


def blocks(text: str) -> list[tuple[str, str]]:
    """Return the blocks outside of tables, which are cut where they are too wide."""
    parts = ("table", "thead", "tbody", "tr", "th", "td", "inline")
    return [
        (token.type, token.tag)
        for token in PARSER.parse(text)
        if token.type.partition("_")[0] not in parts
    ]


def cells_of(text: str, head: str) -> list[str]:
    """Return the first cell of each row of the table that has a head."""
    tokens = PARSER.parse(text)
    start = next(n for n, one in enumerate(tokens) if one.content == head)
    end = next(n for n in range(start, len(tokens)) if tokens[n].type == "table_close")
    return [
        "".join(child.content for child in tokens[n + 2].children or [])
        for n in range(start, end)
        if tokens[n].type == "tr_open"
    ]


def rows_of(text: str) -> list[str]:
    """Return the lines of tables."""
    return [line for line in text.splitlines() if line.startswith("|")]


def columns_of(line: str) -> int:
    """Return how many columns of a terminal a line takes."""
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in line)


@pytest.mark.parametrize("name", EXAMPLES)
def test_tables_are_narrow_and_aligned_and_nothing_is_escaped(name: str) -> None:
    text = to_markdown(made(name))

    assert "\\" not in text
    assert not re.search(r"\n\n\n| \n|\bNone\b(?! found| of|:)|Figure\(|&[a-z]+;", text)
    assert max(map(columns_of, rows_of(text))) < 100
    # A line right below a table would be a row of it, and one above no paragraph.
    assert not re.search(r"\|\n[^|\n]|[^|\n]\n\|", text)
    tables = re.split(r"\n(?!\|)", text)
    for table in tables:
        widths = {columns_of(line) for line in rows_of(table)}
        assert len(widths) <= 1, table


def test_everything_of_the_first_pages_is_there() -> None:
    content = made("example")
    text = to_markdown(content).replace("`", "")

    assert content.models is not None
    assert content.causes is not None
    assert content.waste is not None
    assert content.course is not None
    assert content.analysis is not None
    parts_of = (content.course, content.models, content.causes, content.waste)
    heads = [one.head for one in (*parts_of, *content.budgets, *content.tags)]
    parts = [
        content.answer.headline,
        content.answer.certainty,
        *(head.title for head in (*heads, content.trust.head, content.analysis.head)),
        *(figure.words for figure in content.figures),
        *(row.reason for row in content.models.rows),
        *(cause.words for cause in content.causes.rows),
        *(one for loss in content.waste.rows for one in (loss.words, loss.todo)),
        *(one for gap in content.trust.rows for one in (gap.words, gap.todo)),
        *(line.label for line in content.trust.lines),
        *(one for tile in content.analysis.tiles
          for one in (tile.title, tile.summary, tile.below)),
        *(cell for row in content.analysis.table.rows for cell in row),
        content.made.command,
    ]  # fmt: skip
    assert [part for part in parts if part not in text] == []


def test_all_hours_of_the_week_are_in_a_table() -> None:
    content = made("example")
    assert content.analysis is not None
    tiles = [replace(tile, name="response_volume") if tile.name == "rhythm" else tile
             for tile in content.analysis.tiles]  # fmt: skip
    rows = rows_of(
        to_markdown(replace(content, analysis=replace(content.analysis, tiles=tiles)))
    )
    (start,) = [place for place, row in enumerate(rows) if row.startswith("| Hour")]
    hours = [row[2:4] for row in rows[start + 2 : start + 26]]
    assert hours == [f"{hour:02}" for hour in range(24)]
    days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert [word for word in rows[start].split() if word != "|"] == ["Hour", *days]


@pytest.mark.parametrize("names", [NASTY, NASTY[::-1], example.ASIAN, example.LONG])
def test_names_become_code_and_nothing_else(names: list[str]) -> None:
    tame = example.rename(made("example"), [f"model-{n}" for n in range(len(names))])
    hostile = example.rename(made("example"), names)
    one, other = to_markdown(hostile), to_markdown(tame)

    # The same blocks: no heading or list begins, and each row has its name.
    assert blocks(one) == blocks(other)
    assert hostile.models is not None
    shown = [row.short for row in hostile.models.rows]
    assert cells_of(one, "Calls (before)")[:-1] == [
        format_name(name).replace("\\|", "\\ |") for name in shown
    ]
    kinds = {kind for kind, _ in inline(one)}
    assert kinds <= {"text", "code_inline", "softbreak"}
    texts = " ".join(text for kind, text in inline(one) if kind == "text")
    assert not re.search("evil|everyone|script|frac|smile|bold", texts)


def test_a_sentence_with_an_unknown_name_is_code() -> None:
    content = made("example")
    answer = replace(content.answer, headline="It cost <b>$1</b>, says @someone.")
    text = to_markdown(replace(content, answer=answer, title="[x](y)"))
    assert "\n`It cost <b>$1</b>, says @someone.`\n" in text
    assert text.startswith("# `[x](y)`: week")


def test_names_in_sentences_are_code_where_they_are_no_words() -> None:
    text = to_markdown(made("example"))
    assert "## `gpt-4o` and `claude-3.7-sonnet` are two thirds" in text
    # Not in the longer name, and a plain word stays one.
    assert "`gpt-4o`-mini" not in text
    assert "| search  |" in text
