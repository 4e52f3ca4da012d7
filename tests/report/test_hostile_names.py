"""A report on hostile names: nothing runs, no table breaks, totals are exact."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from tests.report.test_markdown import PARSER, blocks
from tests.report.test_report import WEEK, calls
from toolkit.formatting.text import format_name
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
    """Make calls with each name in each place of a name, in this week and before."""
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
    assert one["periods"] == other["periods"]
    mine, theirs = (data["analysis"]["table"]["rows"] for data in (one, other))
    # The largest first: the last name has the most calls.
    assert [row[0] for row in mine] == [format_name(name) for name in NASTY[::-1]]
    assert [row[1:] for row in mine] == [row[1:] for row in theirs]


def test_no_block_of_markdown_breaks_and_nothing_becomes_a_link(
    tame: Any, hostile: Any
) -> None:
    assert blocks(hostile.markdown()) == blocks(tame.markdown())
    inline = [
        child.type
        for token in PARSER.parse(hostile.markdown())
        for child in token.children or []
    ]
    assert set(inline) <= {"text", "code_inline", "softbreak"}


def test_the_names_of_markdown_are_code_and_so_mention_nobody(hostile: Any) -> None:
    texts = [
        child.content
        for token in PARSER.parse(hostile.markdown())
        for child in token.children or []
        if child.type == "text"
    ]

    assert [text for text in texts if "everyone" in text or "evil" in text] == []


def test_very_many_names_make_a_small_table_that_says_what_it_folded() -> None:
    count = 2_000
    frame = make_choices(*calls("2026-11-18", 1))
    number = pl.int_range(count, dtype=pl.Int64)
    many = frame.select(pl.all().repeat_by(count).explode())
    many = many.with_columns(
        line=number,
        model=pl.format("model-{}", number),
        response_id=pl.format("id-{}", number),
    )

    made = write_report(
        many.lazy(), sections=["calls"], top=12, last="week", now="2026-11-23",
    )  # fmt: skip

    data = made.data()
    table = data["analysis"]["table"]
    assert len(table["rows"]) == 201
    assert table["rows"][-1][:3] == ["1,800 others", "1,800", f"{1100 * 1800:,}"]
    assert sum(row["calls"] for row in table["data"]) == count
    assert len(made.markdown()) < 100_000
    figures = {one["name"]: one["value"]["value"] for one in data["figures"]}
    assert figures["tokens"] == 1100 * count


def test_the_json_of_hostile_names_is_ascii(hostile: Any) -> None:
    text = hostile.json()

    assert text.isascii()
    names = [row["name"] for row in json.loads(text)["analysis"]["table"]["data"]]
    assert len(set(names)) == len(NASTY)
