"""Charts: the artists are asked, not photographed; values are worked by hand."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import polars as pl
import pytest
from matplotlib import pyplot as plt
from matplotlib.dates import date2num

from toolkit.charts import (
    CONTRAST,
    PALETTE,
    REST,
    contrast,
    percent,
    plot_token_usage,
    readable,
    short_number,
)
from toolkit.errors import MissingColumnsError, UnsuitableColumnError
from toolkit.metrics import token_usage
from toolkit.testing import make_choices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

BERLIN = "Europe/Berlin"
HOUR = 1 / 24  # of matplotlib's days


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    """Leave no figure behind."""
    yield
    plt.close("all")


def complete(frame: pl.DataFrame, every: str, silent: int = 0) -> pl.DataFrame:
    """Add to period, names and total tokens the other columns of `token_usage`."""
    names = [name for name in frame.columns if name not in ("period", "total_tokens")]
    return frame.select(
        "period",
        pl.col("period").dt.offset_by(every).alias("period_end"),
        *names,
        pl.lit(1, pl.UInt32).alias("responses"),
        pl.lit(silent, pl.UInt32).alias("responses_without_usage"),
        pl.col("total_tokens").alias("prompt_tokens"),
        pl.lit(0, pl.Int64).alias("completion_tokens"),
        "total_tokens",
        pl.lit(0, pl.Int64).alias("cached_tokens"),
        pl.lit(0, pl.Int64).alias("reasoning_tokens"),
    )


def make_usage(
    *rows: tuple[str | None, str | None, int],
    every: str = "1d",
    tz: str = "UTC",
    silent: int = 0,
) -> pl.DataFrame:
    """Make usage of (day or None, model, total tokens), one call a row."""
    days, models, tokens = zip(*rows, strict=True)
    period = pl.Series("period", days, pl.String).str.to_datetime("%F", time_unit="us")
    frame = pl.DataFrame(
        {
            "period": period.dt.replace_time_zone(tz),
            "model": pl.Series(models, dtype=pl.String),
            "total_tokens": pl.Series(tokens, dtype=pl.Int64),
        }
    )
    return complete(frame, every, silent)


def make_range(
    first: str, until: str, every: str, *, models: int = 2, tz: str = "UTC"
) -> pl.DataFrame:
    """Make usage of each period of a range; the first model has the most tokens."""
    start, end = datetime.fromisoformat(first), datetime.fromisoformat(until)
    periods = pl.datetime_range(
        start, end, every, closed="left", time_zone=tz, eager=True
    ).alias("period")
    names = pl.DataFrame(
        {
            "model": [f"model-{place}" for place in range(models)],
            "total_tokens": [100 * (models - place) for place in range(models)],
        }
    )
    return complete(periods.to_frame().join(names, how="cross"), every)


def one_day_of(*models: str | None) -> pl.DataFrame:
    """Make usage of one day, each model a little less than the one before."""
    sizes = range(len(models), 0, -1)
    pairs = zip(models, sizes, strict=True)
    return make_usage(*[("2026-11-01", name, size) for name, size in pairs])


def on_axis(wall: str, tz: str = "UTC") -> float:
    """Return a moment of a wall clock in matplotlib's days of UTC."""
    moment = datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(tz))
    days = date2num(moment.astimezone(UTC))  # type: ignore[no-untyped-call] # no stubs
    return float(days)


def bars(ax: Axes) -> list[tuple[float, float]]:
    """Return left and right of the bars of the lowest series."""
    boxes: list[Any] = list(ax.containers[0])
    return [(box.get_x(), box.get_x() + box.get_width()) for box in boxes]


def heights(ax: Axes) -> list[list[float]]:
    """Return the heights of the bars of each series, the lowest first."""
    containers: list[Any] = list(ax.containers)
    return [[box.get_height() for box in boxes] for boxes in containers]


def note(ax: Axes) -> str:
    """Return the words under the chart."""
    return ax.texts[0].get_text()


def subtitle(ax: Axes) -> str:
    """Return the words under the title."""
    return ax.texts[1].get_text()


def names(ax: Axes) -> list[str]:
    """Return the names at the right edge, from below."""
    return [text.get_text() for text in ax.texts[2:]]


def ticks(ax: Axes) -> list[str]:
    """Return the labels under the x axis."""
    return [label.get_text() for label in ax.get_xticklabels()]


def test_parts_are_stacked_with_the_largest_at_the_bottom() -> None:
    usage = make_usage(
        ("2026-11-01", "small", 10),
        ("2026-11-01", "large", 30),
        ("2026-11-02", "large", 5),
    )

    ax = plot_token_usage(usage)

    assert names(ax) == ["large", "small"]
    assert heights(ax) == [[30, 5], [10, 0]]
    upper: Any = ax.containers[1]
    assert [box.get_y() for box in upper] == [30, 5]


def test_a_bar_is_as_wide_as_its_period() -> None:
    # 2026 has 31 days in January and 28 in February.
    ax = plot_token_usage(make_range("2026-01-01", "2026-03-01", "1mo"))

    assert [round(end - start) for start, end in bars(ax)] == [31, 28]


def test_the_first_and_the_last_bar_are_whole() -> None:
    ax = plot_token_usage(make_range("2026-11-01", "2026-11-20", "1d"))

    low, high = ax.get_xlim()

    assert low < on_axis("2026-11-01")
    assert high > on_axis("2026-11-20")


def test_a_period_without_a_response_is_a_gap() -> None:
    ax = plot_token_usage(make_usage(("2026-11-01", "a", 1), ("2026-11-03", "a", 1)))

    (_, end), (start, _) = bars(ax)

    assert (end, start) == (on_axis("2026-11-02"), on_axis("2026-11-03"))


def test_a_bar_of_1_november_in_berlin_stands_on_1_november() -> None:
    ax = plot_token_usage(make_range("2026-11-01", "2026-11-03", "1d", tz=BERLIN))

    assert bars(ax)[0][0] == pytest.approx(on_axis("2026-11-01", BERLIN))
    assert ticks(ax)[0] == "1 Nov\n2026"
    assert "Europe/Berlin days" in subtitle(ax)


def test_the_day_on_which_clocks_go_back_is_25_hours_wide() -> None:
    ax = plot_token_usage(make_range("2026-10-24", "2026-10-27", "1d", tz=BERLIN))

    widths = [round((end - start) / HOUR) for start, end in bars(ax)]

    assert widths == [24, 25, 24]


def test_the_hours_of_a_repeated_hour_do_not_overlap() -> None:
    # From 00:00 to 06:00 seven hours pass: two of them are called 02:00.
    usage = make_range("2026-10-25T00:00", "2026-10-25T06:00", "1h", tz=BERLIN)

    ax = plot_token_usage(usage)

    assert len(bars(ax)) == 7
    assert all(one[1] <= two[0] + 1e-9 for one, two in pairwise(bars(ax)))
    assert [tick.split("\n")[0] for tick in ticks(ax)].count("02:00") == 2


def test_more_than_90_periods_are_areas_that_fall_to_zero_in_a_gap() -> None:
    usage = make_range("2026-01-01", "2026-07-01", "1d", models=1)
    gap = datetime(2026, 3, 1, tzinfo=UTC)

    ax = plot_token_usage(usage.filter(pl.col("period") != gap))

    assert not ax.containers
    path = ax.collections[0].get_paths()[0]
    noons = [on_axis(f"2026-{day}T12:00") for day in ("02-28", "03-01", "03-02")]
    assert [path.contains_point((noon, 50)) for noon in noons] == [True, False, True]


def test_90_periods_are_bars() -> None:
    ax = plot_token_usage(make_range("2026-01-01", "2026-04-01", "1d"))

    assert len(bars(ax)) == 90


def test_of_forty_series_five_are_named_and_the_rest_is_one_exact_part() -> None:
    ax = plot_token_usage(make_range("2026-11-01", "2026-11-02", "1d", models=40))

    # The 35 smallest have 100, 200, ... 3500: 100 * 35 * 36 / 2.
    assert names(ax)[-1] == "35 others"
    assert heights(ax)[-1] == [63_000]
    assert [heights(ax)[0], heights(ax)[4]] == [[4000], [3600]]


def test_a_sixth_series_is_named_rather_than_called_one_other() -> None:
    ax = plot_token_usage(one_day_of(*"abcdef"))

    assert names(ax) == list("abcdef")


def test_a_model_called_like_our_words_is_told_from_them() -> None:
    ax = plot_token_usage(one_day_of("3 others", "not said", None, "", *"abcd"))

    assert names(ax) == ['"3 others"', '"not said"', "not said", '""', "a", "3 others"]


def test_one_series_has_no_label_and_its_name_in_the_subtitle() -> None:
    ax = plot_token_usage(one_day_of("gpt-a"))

    assert names(ax) == []
    assert "gpt-a" in subtitle(ax)


def test_labels_are_in_the_colour_of_their_series_and_readable() -> None:
    ax = plot_token_usage(one_day_of(*"abcdef"))

    colors = [str(text.get_color()) for text in ax.texts[2:]]

    assert colors == [readable(color) for color in PALETTE]
    assert all(contrast(color) >= CONTRAST for color in [*colors, readable(REST)])


def test_labels_never_touch() -> None:
    # Five of six parts are a thousandth of the chart high.
    usage = make_usage(
        ("2026-11-01", "a", 5000), *[("2026-11-01", name, 5) for name in "bcdef"]
    )

    ax = plot_token_usage(usage)

    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts[2:]]
    # The boxes of lines are set to whole pixels: one pixel is no touch.
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))


@pytest.mark.parametrize("dpi", [72, 100, 220])
def test_no_word_is_cut(dpi: int) -> None:
    usage = one_day_of("x" * 10_000, "W" * 60, "a", "b", "c")

    ax = plot_token_usage(usage)

    ax.figure.dpi = dpi
    ax.figure.canvas.draw()
    frame = ax.figure.bbox
    heading: Any = ax.get_children()
    texts = [*ax.texts, *ax.get_xticklabels(), ax.yaxis.get_ticklabels()[0]]
    texts += [part for part in heading if getattr(part, "get_text", None)]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    assert all(frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)
    assert "…" in names(ax)[0]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
@pytest.mark.parametrize("box", [None, "tight"])
def test_any_name_is_drawn_as_text(kind: str, box: str | None) -> None:
    hostile = ["$x^$", "_a\n\x1b[31m", "\u901a\U0001f600", "\u202e\u0645", "\ud7ff"]

    ax = plot_token_usage(one_day_of(*hostile))

    figure: Any = ax.figure
    figure.savefig(io.BytesIO(), format=kind, bbox_inches=box)
    assert names(ax)[0] == "$x^$"
    assert names(ax)[1] == "_a\ufffd\ufffd[31m"


@pytest.mark.parametrize(
    ("first", "until", "every", "period", "label"),
    [
        ("2026-11-01T09:00", "2026-11-01T10:00", "1m", "minute", "09:00\n1 Nov 2026"),
        ("2026-11-01", "2026-11-02", "1h", "hour", "00:00\n1 Nov 2026"),
        ("2026-11-01", "2026-11-22", "1d", "day", "1 Nov\n2026"),
        ("2026-11-02", "2026-11-30", "1w", "week", "2 Nov\n2026"),
        ("2025-01-01", "2027-01-01", "1mo", "month", "Jan\n2025"),
    ],
)
def test_the_words_follow_the_length_of_the_periods(
    first: str, until: str, every: str, period: str, label: str
) -> None:
    ax = plot_token_usage(make_range(first, until, every))

    assert ax.get_title(loc="left") == f"Tokens by model and {period}"
    assert subtitle(ax) == f"total tokens, as reported; UTC {period}s"
    assert ticks(ax)[0] == label


def test_tick_labels_do_not_touch() -> None:
    ax = plot_token_usage(make_range("2025-01-15", "2027-01-10", "1d"))

    ax.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
    assert all(one.x1 < two.x0 for one, two in pairwise(boxes))


def test_the_note_says_what_is_not_drawn() -> None:
    usage = make_usage(("2026-11-01", "a", 997), (None, "a", 3), silent=1)

    ax = plot_token_usage(usage)

    assert note(ax) == "2 calls · 1 undated, 0.3 % of tokens, not drawn · 2 calls " + (
        "report no usage"
    )


def test_the_note_says_only_what_applies() -> None:
    assert note(plot_token_usage(one_day_of("a"))) == "1 call"


@pytest.mark.parametrize(
    ("usage", "calls"),
    [
        (one_day_of("a").clear(), "0 calls"),
        (
            make_usage((None, "a", 5)),
            "1 call · 1 undated, 100 % of tokens, not drawn",
        ),
    ],
)
def test_a_frame_without_dates_is_an_honest_empty_chart(
    usage: pl.DataFrame, calls: str
) -> None:
    ax = plot_token_usage(usage)

    assert names(ax) == ["no dated responses"]
    assert note(ax) == calls
    assert not ax.containers


def test_zero_tokens_are_drawn_from_zero() -> None:
    ax = plot_token_usage(make_usage(("2026-11-01", "a", 0), ("2026-11-01", "b", 0)))

    assert ax.get_ylim()[0] == 0
    assert heights(ax) == [[0], [0]]


def test_columns_of_any_kind_may_name_the_series() -> None:
    frame = one_day_of("a", "b").with_columns(pl.Series("tier", [1, None]))

    ax = plot_token_usage(frame)

    assert names(ax) == ["a · 1", "b · not said"]
    assert ax.get_title(loc="left") == "Tokens by model, tier and day"


def test_the_metric_is_drawn_as_it_comes() -> None:
    choices = make_choices(
        {"model": "a", "total_tokens": 15}, {"model": "b"}, {"created": None}
    )

    ax = plot_token_usage(token_usage(choices))

    assert heights(ax) == [[15], [0]]
    assert note(ax).startswith("3 calls · 1 undated")


def test_choices_are_refused_with_what_to_do() -> None:
    with pytest.raises(MissingColumnsError, match="token_usage") as caught:
        plot_token_usage(make_choices({}))

    assert "period" in caught.value.missing


def test_a_period_without_a_zone_is_refused() -> None:
    naive = one_day_of("a").with_columns(pl.col("period").dt.replace_time_zone(None))

    with pytest.raises(UnsuitableColumnError, match="no time zone"):
        plot_token_usage(naive)


def test_the_axes_given_are_used_and_the_others_left_alone() -> None:
    _, (left, right) = plt.subplots(1, 2, figsize=(14, 4))

    ax = plot_token_usage(one_day_of("a", "b"), ax=right)

    assert ax is right
    assert not left.texts
    ax.figure.canvas.draw()
    edge = left.get_window_extent().x1
    assert all(text.get_window_extent().x0 > edge for text in ax.texts)


def test_neither_the_frame_nor_a_global_setting_is_changed() -> None:
    usage = one_day_of("a", "b")
    before, settings = usage.clone(), dict(mpl.rcParams)

    plot_token_usage(usage)

    assert usage.equals(before)
    assert dict(mpl.rcParams) == settings


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (200, "200"), (1200, "1.2k"), (5e7, "50M"), (1.5e9, "1.5B")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short_number(value) == text


@pytest.mark.parametrize(
    ("part", "text"),
    [(0, "0 %"), (1, "< 0.1 %"), (30, "0.3 %"), (9_999, "> 99.9 %"), (10_000, "100 %")],
)
def test_a_share_is_never_rounded_to_nothing_or_all(part: int, text: str) -> None:
    assert percent(part, 10_000) == text
