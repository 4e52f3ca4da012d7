"""The page: its structure, what is in it and what is not, and how names are escaped."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from tests.report.example import (
    HOSTILE,
    LONG,
    VARIANTS,
    course,
    example,
    nothing,
    rename,
)
from toolkit.formatting.figures import UNKNOWN
from toolkit.report.formats import to_html

EMPTY = {"meta", "br", "img", "link", "hr"}


class Page(HTMLParser):
    """The elements of a page: names, attributes, and texts with their element."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1], data))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def text_of(self, tag: str) -> str:
        """Return the texts of the elements of a name."""
        return "\n".join(data for name, data in self.texts if name == tag)


@pytest.fixture(scope="module")
def page() -> str:
    """Return the page of the example."""
    return to_html(example())


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    """Return the page of each variant."""
    return to_html(VARIANTS[request.param]())


def test_a_page_has_no_scripts_styles_or_other_resources(variant: str) -> None:
    page = Page(variant)
    names = {name for _, attributes in page.elements for name in attributes}

    assert not {"script", "img", "link", "iframe", "object", "use"} & {
        tag for tag, _ in page.elements
    }
    assert "style" not in names
    assert not any(name.startswith("on") for name in names)
    assert not re.search(r"(src|href)=\"(?!#)", variant)
    assert "url(" not in variant.replace("url(#hatch)", "")


def test_the_policy_names_the_hash_of_the_style_sheet(variant: str) -> None:
    sheet = re.search(r"<style>(.*?)</style>", variant, re.DOTALL)
    assert sheet is not None
    digest = b64encode(sha256(sheet[1].encode()).digest()).decode()

    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    assert policy in variant.replace("&#39;", "'")


def test_headings_are_in_order_and_tables_have_scopes(variant: str) -> None:
    page = Page(variant)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(new - old <= 1 for old, new in pairwise(levels))
    assert all(one.get("scope") in {"col", "row"} for one in page.of("th"))
    assert len([tag for tag, _ in page.elements if tag == "main"]) == 1


def test_every_drawing_has_a_sentence_or_is_beside_its_figure(variant: str) -> None:
    for one in Page(variant).of("svg"):
        label = one.get("aria-label")
        is_image = one.get("role") == "img" and label and len(label) > 10
        assert is_image or one.get("aria-hidden") == "true"


def test_a_page_is_small(variant: str) -> None:
    assert len(variant.encode()) < 400_000


def test_the_same_content_gives_the_same_page(page: str) -> None:
    assert to_html(example()) == page


def test_figures_have_a_real_minus_and_names_keep_their_hyphens(page: str) -> None:
    texts = "\n".join(data for _, data in Page(page).texts)

    assert "−$0.081" in texts
    assert "(−9.5%)" in texts
    assert "gpt-4o" in texts
    assert not re.search(r"(?<![\w-])-\$?\d", texts.partition("{")[0])


def test_bounds_are_marked_and_unknown_is_a_word(page: str) -> None:
    # A cost that is a lower bound, a change that is an upper one, and no cost at all.
    assert "<i>≥</i>&nbsp;$0.283" in page
    assert "<i>≤</i>&nbsp;+$0.029" in page
    row = re.search(r"deepseek-r1</th>.*?</tr>", page, re.DOTALL)
    assert row is not None
    assert "<i>unknown</i>" in row[0]
    assert "$0" not in row[0]
    # Its bar is open: nothing is drawn to scale.
    assert 'class="open"' in row[0]


def test_money_has_three_digits_of_the_largest_in_its_column(page: str) -> None:
    models = page[page.index('class="models"') : page.index('class="causes"')]

    assert {"$0.284", "$0.012", "$0.002"} <= set(re.findall(r"\$[\d.]+", models))
    # A change of 0.0002 at most is 0.000 at most, in three places and rounded up.
    assert "<i>≤</i>&nbsp;$0.000" in models


def test_parts_that_do_not_apply_are_not_there() -> None:
    text = to_html(nothing())

    for name in (
        "Budget",
        "Cost by",
        "Where the money",
        "What changed",
        "For analysts",
    ):
        assert name not in text
    assert "Left out:" in text
    assert "<h1>No calls.</h1>" in text


def test_a_course_without_any_known_cost_says_so_in_words() -> None:
    blank = replace(course(), totals=[UNKNOWN] * 8, unpriced=[UNKNOWN] * 8)
    text = to_html(replace(example(), course=blank))

    assert "before 1 Oct." in text


def test_without_a_range_before_there_is_no_column_of_changes() -> None:
    text = to_html(VARIANTS["one_day"]())

    assert "(before)" not in text[: text.index('id="analysts"')]
    assert "In brackets" not in text


def test_one_line_and_one_call_are_not_plural() -> None:
    content = VARIANTS["one_day"]()  # nothing is compared
    assert content.models is not None
    row = replace(content.models.rows[0], calls=1)
    lines = [replace(content.trust.lines[0], count=1)]
    text = to_html(
        replace(
            content,
            models=replace(content.models, rows=[row]),
            trust=replace(content.trust, lines=lines),
        )
    )
    assert "<b>1</b> log line =" in text
    assert '<td class="n calls one">1' in text


def test_restated_figures_are_a_table() -> None:
    text = to_html(VARIANTS["one_year"]())
    table = text[text.index('class="restated"') :]

    assert "Week of 26 Oct to 1 Nov 2026" in table
    assert table.index("$0.93") < table.index("$0.94")


def test_a_colour_of_the_user_is_in_both_themes() -> None:
    text = to_html(replace(example(), colors={"gpt-4o": "#ffee00"}))

    assert text.count(".c-ffee00{--f:#ffee00;--t:#") == 2


def test_the_tags_of_a_page_with_hostile_names_are_those_of_a_harmless_one() -> None:
    tame = rename(example(), [f"model-{number:060}" for number in range(len(HOSTILE))])
    one, other = Page(to_html(rename(example(), HOSTILE))), Page(to_html(tame))

    kinds = [{tag for tag, _ in page.elements} for page in (one, other)]
    names = [
        {name for _, each in page.elements for name in each} for page in (one, other)
    ]
    assert kinds[0] == kinds[1]
    assert names[0] == names[1]
    assert [len(page.of("tr")) for page in (one, other)] == [len(one.of("tr"))] * 2


def test_names_are_as_they_are_but_for_what_is_not_seen() -> None:
    content = rename(example(), HOSTILE)
    text = to_html(replace(content, title=HOSTILE[4]))
    page = Page(text)

    assert HOSTILE[0] in page.text_of("th") + page.text_of("title")
    assert HOSTILE[3] in page.text_of("th")
    assert not set("\x00\x1b\u202e\u2066\u200b") & set(text)


def test_names_in_other_scripts_are_text_in_the_drawings() -> None:
    names = ["通义千问-max", "модель", "نموذج", "🦙-llama"]
    text = to_html(rename(example(), names))

    for name in names:
        assert f">{name}</text>" in text or f">{name}</tspan>" in text


def test_a_long_name_lacks_its_middle_and_is_whole_in_its_title() -> None:
    text = to_html(rename(example(), LONG))

    assert "xxx…xxx" in text
    assert f"<title>{LONG[1]}</title>" in text
    assert f'<span title="{LONG[1]}">' in text
    # The last table has it in full.
    assert f'<th scope="row">{LONG[1]}</th>' in text
