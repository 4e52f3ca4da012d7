"""The look: themes, colours by name, contrast, numbers, fonts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import polars as pl
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.text import Text

from tests.support import frames
from tests.support.charting import bars, lines
from toolkit import charts
from toolkit.charts.colors import _DARK_SHADES, LIGHT_SHADES, contrast
from toolkit.charts.style import _FALLBACKS, DARK, LIGHT, families
from toolkit.charts.text import _printable, fit, text_width
from toolkit.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def face(ax: Axes, name: str) -> str:
    return to_hex(bars(ax)[name][0].get_facecolor())


def test_a_theme_applies_only_inside_its_block() -> None:
    frame = frames.token_usage(frames.periods(3), ["a", "b"])

    with charts.theme("dark"):
        dark = charts.plot_token_usage(frame)
    light = charts.plot_token_usage(frame)

    assert to_hex(dark.figure.get_facecolor()) == DARK.ground
    assert face(dark, "a") == _DARK_SHADES["a1"].fill
    assert to_hex(light.figure.get_facecolor()) == LIGHT.ground
    assert face(light, "a") == LIGHT_SHADES["a1"].fill


def test_an_unknown_theme_is_refused() -> None:
    with pytest.raises(OptionError, match="'light' or 'dark'"), charts.theme("sepia"):
        pass


@pytest.mark.parametrize("metric", [*frames.OVER_TIME])
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_every_word_of_every_chart_is_readable(
    metric: str, theme: charts.style.Theme
) -> None:
    make, plot = frames.OVER_TIME[metric], getattr(charts, f"plot_{metric}")

    with charts.theme(theme.name):
        drawn = [
            plot(make(time, frames.models(5))) for time in (frames.periods(4), None)
        ]

    for ax in drawn:
        for text in ax.findobj(Text):
            assert isinstance(text, Text)
            # Words in a bar are on its colour.
            if not text.get_text().strip() or text.get_gid() == "inside":
                continue
            assert contrast(to_hex(text.get_color()), theme.ground) >= 4.5, text


def test_text_in_a_bar_is_readable_on_its_colour() -> None:
    for theme in (LIGHT, DARK):
        with charts.theme(theme.name):
            ax = charts.plot_finish_reasons(frames.finish_reasons(None, ["a", "b"]))

        colors = {name: face(ax, name) for name in bars(ax)}
        words = [text for text in ax.texts if text.get_gid() == "inside"]
        assert words
        for text in words:
            # Shares are 69.4% stop, 20% tool_calls, 8.3% length.
            name = {"6": "stop", "2": "tool_calls", "8": "length"}[text.get_text()[0]]
            assert contrast(to_hex(text.get_color()), colors[name]) >= 4.5


def test_a_dark_chart_on_a_white_figure_stays_readable() -> None:
    figure, ax = plt.subplots()

    with charts.theme("dark"):
        charts.plot_token_usage(
            frames.token_usage(frames.periods(3), ["a", "b"]), ax=ax
        )

    assert to_hex(figure.get_facecolor()) == "#ffffff"
    texts = (*ax.texts, *ax.get_xticklabels())
    assert all(contrast(to_hex(text.get_color())) >= 4.5 for text in texts)


def test_a_name_has_the_same_colour_in_every_chart() -> None:
    time = frames.periods(3)

    first = charts.plot_token_usage(frames.token_usage(time, ["a", "b", "c"]))
    second = charts.plot_truncation_rate(frames.truncation_rate(time, ["x", "c", "b"]))

    assert to_hex(lines(second)["b"].get_color()) == face(first, "b")
    assert to_hex(lines(second)["c"].get_color()) == face(first, "c")
    assert to_hex(lines(second)["x"].get_color()) not in {
        face(first, name) for name in "abc"
    }


def test_colours_are_assigned_again_after_a_reset() -> None:
    frame = frames.token_usage(frames.periods(2), ["gpt-4", "o1"])
    first = face(charts.plot_token_usage(frame), "o1")

    charts.set_colors({"o1": "a1", "gpt-4": "#123456"})
    ax = charts.plot_token_usage(frame)

    assert first == LIGHT_SHADES["a2"].fill
    assert face(ax, "o1") == LIGHT_SHADES["a1"].fill
    assert face(ax, "gpt-4") == "#123456"


def test_colours_come_from_the_order_of_first_appearance_not_from_the_size() -> None:
    frame = frames.token_usage(frames.periods(3), ["gpt-4", "o1"])
    seen_later = frame.filter(
        (pl.col("model") == "o1") | (pl.col("period") > frame["period"].min())
    )

    ax = charts.plot_token_usage(seen_later)

    # gpt-4 has more tokens, but not on the first day.
    assert face(ax, "o1") == LIGHT_SHADES["a1"].fill
    assert face(ax, "gpt-4") == LIGHT_SHADES["a2"].fill


def test_teams_have_colours_of_their_own() -> None:
    time = frames.periods(2)
    charts.plot_token_usage(frames.token_usage(time, ["gpt-4", "o1"]))
    teams = frames.token_usage(time, ["docs", "gpt-4"]).rename({"model": "tag_team"})

    ax = charts.plot_token_usage(teams)

    assert face(ax, "docs") == LIGHT_SHADES["a1"].fill
    assert face(ax, "gpt-4") == LIGHT_SHADES["b1"].fill


def test_a_finish_reason_has_its_own_colour_whatever_came_before() -> None:
    charts.plot_token_usage(frames.token_usage(frames.periods(2), frames.models(5)))
    ax = charts.plot_finish_reasons(frames.finish_reasons(frames.periods(2), ["a"]))

    assert face(ax, "stop") == LIGHT_SHADES["a1"].fill
    assert face(ax, "length") == LIGHT_SHADES["b1"].fill


def test_more_fonts_are_asked_only_if_they_are_there() -> None:
    there = {font.name for font in mpl.font_manager.fontManager.ttflist}

    assert families()[0] == mpl.rcParams["font.family"][0]
    assert set(families()[1:]) == set(_FALLBACKS.split(",")) & there


def test_a_font_that_is_set_is_the_first_that_is_asked() -> None:
    with mpl.rc_context({"font.family": ["DejaVu Serif"]}):
        assert families()[0] == "DejaVu Serif"
        assert _printable("gpt ☃ 4o", charts.style.FULL.body) == "gpt ☃ 4o"


def test_text_of_svg_keeps_characters_that_no_font_here_has() -> None:
    style, names = charts.style.FULL.body, "通义-max 🦙 нет نموذج \ue000"
    with mpl.rc_context({"svg.fonttype": "none"}):
        # Only the last one is for private use.
        assert _printable(names, style) == names.replace("\ue000", "\ufffd")
        # A character without a glyph is as wide as high.
        assert text_width("通" * 4, style) >= 4 * style.size
        assert _printable("a\u202eb\x00", style) == "a\ufffdb\ufffd"


def test_a_name_that_fits_is_left_as_it_is() -> None:
    assert fit("gpt-4o", charts.style.FULL.names, 150) == "gpt-4o"


def test_labels_beyond_six_series_become_a_legend_with_all_names() -> None:
    frame = frames.token_usage(frames.periods(5), frames.models(9))
    asked = frame.insert_column(4, frame["responses"].clip(0, 0).alias("folded"))

    ax = charts.plot_token_usage(asked)

    legend = ax.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [str(name) for name in bars(ax) if name != "not known"]
    assert len(names) == 9
    squares = [to_hex(patch.get_facecolor()) for patch in legend.get_patches()]
    assert squares == [face(ax, name) for name in names]
