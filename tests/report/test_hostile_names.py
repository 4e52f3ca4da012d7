"""A report on hostile names: nothing runs, no table breaks, totals are exact."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from markdown_it import MarkdownIt

from tests.report.test_report import WEEK, calls
from toolkit.report import write_report
from toolkit.testing import make_choices

# Each in the place of a tame name; the last is cut in its middle.
NASTY = [
    '<script>alert(1)</script><img src=x onerror="alert(1)">',
    "</svg></style><style>*{display:none}</style>",
    '"><svg onload=alert(1)>',
    "$\\frac{1}{0}$ and $x",
    "a|b`c``d|\\|e",
    "[click](javascript:alert(1)) ![x](https://evil.example/x.png)",
    "@everyone https://evil.example www.evil.example #1",
    "line\nbreak\r\n| --- |\n# heading",
    "\x1b[31mred\x07\x00",
    "\u202eevil\u2066\u200b",
    "{{ 7 * 7 }}{% raw %}",
    "x" * 10_000,
]
PLACES = ("model", "system_fingerprint", "service_tier", "provider", "requested_model")


def rows(names: list[str]) -> list[dict[str, Any]]:
    """Make calls of each name, wherever a name may stand, in this week and before."""
    made = []
    for number, name in enumerate(names):
        cells: dict[str, Any] = dict.fromkeys(PLACES, name)
        cells["finish_reason"] = name
        cells["tool_calls"] = [
            {"id": name, "type": "function", "name": name, "arguments": "{}"}
        ]
        made += calls("2026-11-11", 30, **cells)
        made += calls("2026-11-18", 31 + number, **cells)
    return made


def made_of(names: list[str]) -> Any:
    """Make the report on names."""
    return write_report(make_choices(*rows(names)), title=names[0], **WEEK)


@pytest.fixture(scope="module")
def tame() -> Any:
    """Make a report on as many harmless names of the same order."""
    return made_of([f"model-{number:02}" for number in range(len(NASTY))])


@pytest.fixture(scope="module")
def hostile() -> Any:
    """Make a report on names that mean harm."""
    return made_of(NASTY)


def test_no_control_or_bidi_character_is_in_any_form(hostile: Any) -> None:
    for text in (hostile.markdown(), hostile.json()):
        assert not set("\x00\x07\x1b\r\u202e\u2066\u200b") & set(text)


def test_the_figures_are_exact_whatever_the_names(tame: Any, hostile: Any) -> None:
    one, other = hostile.data(), tame.data()

    assert one["figures"] == other["figures"]
    assert one["headline"] == other["headline"]
    for mine, theirs in zip(one["sections"], other["sections"], strict=True):
        assert len(mine["rows"]) == len(theirs["rows"])
        if mine["name"] == "token_usage":
            names = [row[0] for row in mine["rows"]]
            # The largest first: the last name has the most calls.
            assert names == NASTY[::-1]
            assert [row[1:] for row in mine["rows"]] == [
                row[1:] for row in theirs["rows"]
            ]


def test_no_table_of_markdown_breaks_and_nothing_becomes_a_link(
    tame: Any, hostile: Any
) -> None:
    parser = MarkdownIt("gfm-like", {"linkify": False}).enable("table")
    one, other = (
        [
            (token.type, token.tag)
            for token in parser.parse(made.markdown())
        ]
        for made in (hostile, tame)
    )  # fmt: skip

    assert one == other
    inline = [
        child.type
        for token in parser.parse(hostile.markdown())
        for child in token.children or []
    ]
    assert not {"link_open", "image", "html_inline", "html_block"} & set(inline)


def test_the_names_of_markdown_are_code_and_so_mention_nobody(hostile: Any) -> None:
    parser = MarkdownIt("gfm-like", {"linkify": False}).enable("table")

    texts = [
        child.content
        for token in parser.parse(hostile.markdown())
        for child in token.children or []
        if child.type == "text"
    ]

    names = [text for text in texts if "everyone" in text or "evil" in text]
    # The title of the report alone is text: it is the caller's own.
    assert names == []


def test_very_many_names_make_a_small_table_that_says_what_it_folded() -> None:
    count = 20_000
    frame = make_choices(*calls("2026-11-18", 1))
    number = pl.int_range(count, dtype=pl.Int64)
    many = frame.select(pl.all().repeat_by(count).explode())
    many = many.with_columns(
        line=number,
        model=pl.format("model-{}", number),
        response_id=pl.format("id-{}", number),
    )

    made = write_report(
        many.lazy(), sections=["token_usage", "cost"], top=12, last="week",
        now="2026-11-23",
    )  # fmt: skip

    usage = made.data()["sections"][0]
    assert "19,988 smaller ones are summed in one row." in made.markdown()
    assert (
        sum(row[usage["columns"].index("responses")] for row in usage["rows"]) == count
    )
    assert made.data()["figures"][0]["value"] == 1100 * count


def test_the_json_of_hostile_names_is_ascii(hostile: Any) -> None:
    text = hostile.json()

    assert text.isascii()
    names = [row[0] for row in json.loads(text)["sections"][0]["rows"]]
    assert names == NASTY[::-1]
