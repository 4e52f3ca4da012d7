"""Colours of series: a hue for each maker, a shade for each model."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.charts.colors import (
    _DARK_SHADES,
    DARK_MARKS,
    LIGHT_MARKS,
    LIGHT_SHADES,
    assign_colors,
    contrast,
    mix,
    readable,
    shade_of,
)
from toolkit.errors import OptionError

THEMES = {"light": (LIGHT_SHADES, LIGHT_MARKS), "dark": (_DARK_SHADES, DARK_MARKS)}
# How the colour-blind see linear RGB (Machado, Oliveira and Fernandes 2009).
SIGHT = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deutan": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritan": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))


def product(matrix: tuple[tuple[float, ...], ...], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def seen(color: str, kind: str) -> tuple[float, float, float]:
    """Return CIELAB of a colour as somebody sees it."""
    parts = [part / 255 for part in bytes.fromhex(color[1:])]
    linear = [
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts
    ]
    linear = [min(1, max(0, part)) for part in product(SIGHT[kind], linear)]
    white = (0.9505, 1, 1.089)
    xyz = [part / of for part, of in zip(product(TO_XYZ, linear), white, strict=True)]
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("kind", SIGHT)
@pytest.mark.parametrize("theme", THEMES)
def test_neighbours_are_apart_for_all_eyes(theme: str, kind: str) -> None:
    shades, _ = THEMES[theme]
    of_maker = [pair for pair in combinations(shades, 2) if pair[0][0] == pair[1][0]]
    of_makers = [*pairwise(("a1", "b1", "c1", "d1", "e1", "z"))]

    for one, two in [*of_maker, *of_makers]:
        colors = (seen(shades[slot].fill, kind) for slot in (one, two))
        # A just noticeable difference is about 2.3.
        assert round(math.dist(*colors)) >= 19, (one, two)


@pytest.mark.parametrize("theme", THEMES)
def test_no_two_slots_look_alike(theme: str) -> None:
    shades, _ = THEMES[theme]

    for one, two in combinations(shades.values(), 2):
        for kind in SIGHT:
            assert math.dist(seen(one.fill, kind), seen(two.fill, kind)) > 6


@pytest.mark.parametrize("theme", THEMES)
def test_fills_and_texts_are_clear_on_their_ground(theme: str) -> None:
    shades, marks = THEMES[theme]

    for slot, (fill, text) in shades.items():
        # WCAG 2.2: 3 for graphics, 4.5 for text. The palest shades have an edge.
        is_palest = theme == "light" and slot.endswith("3")
        assert contrast(fill, marks["ground"]) >= (1.85 if is_palest else 3), slot
        for ground in ("ground", "panel"):
            assert contrast(text, marks[ground]) >= 4.5, slot
    for mark in ("ink", "muted"):
        assert contrast(marks[mark], marks["ground"]) >= 4.5


def test_the_hue_is_that_of_the_maker_and_the_shade_comes_from_the_order() -> None:
    names = [
        "claude-3-7-sonnet-20250219",
        "gpt-4o-2024-08-06",
        "azure/gpt-4o-mini",
        "mistral-large-2411",
        "sonar-pro",
        "deepseek-r1",
        "o3-mini",
        "gpt-5",
        "grok-3",
    ]

    assert assign_colors(names) == {
        "claude-3-7-sonnet-20250219": "b1",
        "gpt-4o-2024-08-06": "a1",
        "azure/gpt-4o-mini": "a2",
        "mistral-large-2411": "c1",
        "sonar-pro": "d1",
        "deepseek-r1": "e1",
        "o3-mini": "a3",
        "gpt-5": "z",  # the fourth of OpenAI
        "grok-3": "z",  # no hue is left
    }


def test_another_maker_gets_a_hue_that_is_free() -> None:
    # OpenAI has a, although it comes later; xAI and Meta the first of the others.
    assert assign_colors(["grok-3", "llama-3-8b", "gpt-4o", "grok-4"]) == {
        "grok-3": "b1",
        "llama-3-8b": "c1",
        "gpt-4o": "a1",
        "grok-4": "b2",
    }


def test_an_unknown_model_is_grey_and_a_model_of_an_unknown_maker_is_not() -> None:
    assert assign_colors(["unknown", "prod-chat", "prod-mail"]) == {
        "unknown": "z",
        "prod-chat": "a1",
        "prod-mail": "b1",
    }


def test_models_of_unknown_makers_share_the_hues_that_no_maker_has() -> None:
    names = ["gpt-4o", "sonar", "mistral-tiny", "deepseek-r1", *"wxyz"]

    # Only b is free: b1, b2, b3, then none is left.
    assert [*assign_colors(names).values()][4:] == ["b1", "b2", "b3", "z"]


def test_a_name_keeps_its_colour_and_no_other_gets_it() -> None:
    kept = {"gpt-4o": "a2", "grok-3": "c1", "gpt-3.5-turbo": "a1", "o1": "#AB00CD"}

    found = assign_colors(["o3", "o1", "gpt-4o", "mistral-tiny", "grok-4"], kept)

    assert found == {
        "o3": "a3",  # a1 belongs to a model that is not in this log
        "o1": "#ab00cd",
        "gpt-4o": "a2",
        "mistral-tiny": "b1",  # xAI got c before Mistral was seen
        "grok-4": "c2",
    }


def test_other_series_get_the_first_shades_of_all_hues_first() -> None:
    names = [f"team {number}" for number in range(17)]

    slots = [*assign_colors(names, by_maker=False).values()]

    assert slots[:6] == ["a1", "b1", "c1", "d1", "e1", "a2"]
    assert slots[14:] == ["e3", "z", "z"]


NAMES = st.lists(
    st.sampled_from(["gpt-4o", "gpt-5", "o1", "o3", "grok-3", "sonar", "x", "unknown"])
    | st.text(max_size=4),
    max_size=30,
)


@given(NAMES, st.booleans())
def test_no_two_names_share_a_colour_but_grey(names: list[str], by_maker: bool) -> None:
    found = assign_colors(names, by_maker=by_maker)

    bright = [slot for slot in found.values() if slot != "z"]
    assert list(found) == list(dict.fromkeys(names))
    assert len(bright) == len(set(bright))


@given(NAMES, NAMES, st.booleans())
def test_colours_stay_as_they_are_when_names_are_added(
    before: list[str], later: list[str], by_maker: bool
) -> None:
    kept = assign_colors(before, by_maker=by_maker)

    assert (
        kept.items()
        <= assign_colors([*later, *before], kept, by_maker=by_maker).items()
    )


@pytest.mark.parametrize("color", ["a4", "red", "#12345", "", None])
def test_a_colour_that_is_none_is_refused(color: str) -> None:
    with pytest.raises(OptionError, match=r'colors: expected colours such as "a1"'):
        assign_colors([], {"gpt-4o": color})


def test_a_colour_is_a_slot_a_mark_or_hex() -> None:
    assert shade_of("a1") == ("#0a3a70", "#0a3a70")
    assert shade_of("a1", dark=True) == ("#387ccb", "#6fb1f0")
    assert shade_of("soft").fill == LIGHT_MARKS["soft"]
    fill, text = shade_of("#ffee00")
    assert fill == "#ffee00"
    assert contrast(text) >= 4.5


def test_contrast_and_mixtures() -> None:
    # (1 + 0.05) / (0 + 0.05) = 21
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1
    # 255 * 0.25 = 63.75, 16 * 0.75 + 255 * 0.25 = 75.75
    assert mix("#001000", "#ffffff", 0.25) == "#404c40"
    assert readable("#0072b2") == "#0072b2"
    assert contrast(readable("#bbbbbb", "#000000"), "#000000") >= 4.5


def test_colours_need_no_matplotlib() -> None:
    code = (
        "import sys, toolkit.charts.colors;"
        "assert not {'matplotlib', 'toolkit.charts.style'} & set(sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
