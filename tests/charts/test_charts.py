"""Charts: the drawn objects are checked, not images."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, tzinfo
from io import BytesIO
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.dates import num2date

from tests.support.charting import (
    bars,
    everything_is_inside,
    labels,
    labels_are_apart,
    note,
    subtitle,
    ticks,
)
from tests.support.charting import label_texts as names
from toolkit.charts import plot_token_usage
from toolkit.charts.colors import LIGHT_SHADES, contrast, readable
from toolkit.charts.layout import _spread
from toolkit.charts.style import FULL
from toolkit.charts.text import fit, text_width, tick_of
from toolkit.charts.time_axis import Length, _choose_ticks, _tick_label
from toolkit.errors import MissingColumnsError, UnsuitableColumnError
from toolkit.metrics.measures import Measure

if TYPE_CHECKING:
    from collections.abc import Mapping


BERLIN = ZoneInfo("Europe/Berlin")
HOSTILE = [
    "$x^$",
    r"\frac{",
    "_private",
    "n" * 10_000,
    "通义千问 😀\N{EMOJI MODIFIER FITZPATRICK TYPE-6}",
    "\N{RIGHT-TO-LEFT OVERRIDE}exe.gnp مرحبا",
    "a\nb\x00\x1b[31m",
]


def utc(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0
) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def on_wall(days: float, zone: tzinfo = UTC) -> datetime:
    moment = num2date(days, zone)  # type: ignore[no-untyped-call] # no stubs
    assert isinstance(moment, datetime)
    return moment


def make_usage(
    *rows: Mapping[str, object], every: str = "1d", tz: str = "UTC"
) -> pl.DataFrame:
    """One row per period and model; `day` is a day of November 2026 in the zone."""
    tokens = ("prompt", "completion", "total", "cached", "reasoning")
    columns = {
        "day": pl.Int64(),
        "period": pl.Datetime("us", tz),
        "model": pl.String(),
        "responses": pl.UInt32(),
        "responses_without_usage": pl.UInt32(),
        **{f"{name}_tokens": pl.Int64() for name in tokens},
    }
    usual = {"model": "gpt-a", "responses": 1, "responses_without_usage": 0}
    zeros = {f"{name}_tokens": 0 for name in tokens}
    frame = pl.DataFrame([{**usual, **zeros, **row} for row in rows], schema=columns)
    day = pl.datetime(2026, 11, pl.col("day"), time_zone=tz)
    period = pl.coalesce(day, "period")
    return frame.select(
        period.alias("period"),
        period.dt.offset_by(every).alias("period_end"),
        pl.exclude("day", "period"),
    )


def make_days(count: int) -> pl.DataFrame:
    """One row of 10 tokens on each of so many days from 1 November 2026."""
    days = [utc(2026, 11, 1) + timedelta(days=day) for day in range(count)]
    return make_usage(*({"period": day, "total_tokens": 10} for day in days))


def make_models(**tokens: int) -> pl.DataFrame:
    """One day, one row per model."""
    rows = tokens.items()
    return make_usage(
        *({"day": 1, "model": name, "total_tokens": number} for name, number in rows)
    )


def with_team(frame: pl.DataFrame) -> pl.DataFrame:
    """Add a second column that names the series, where a metric puts it."""
    return frame.select(
        "period",
        "period_end",
        "model",
        pl.lit("x").alias("tag_team"),
        pl.exclude("period", "period_end", "model"),
    )


def test_a_bar_of_1_november_in_berlin_starts_on_1_november() -> None:
    ax = plot_token_usage(make_usage({"day": 1}, {"day": 2}, tz="Europe/Berlin"))

    first = bars(ax)["gpt-a"][0]
    assert on_wall(first.get_x(), BERLIN) == datetime(2026, 11, 1, tzinfo=BERLIN)
    assert ticks(ax) == ["1 Nov\n2026", "2"]
    assert ax.get_xticks()[0] == pytest.approx(first.get_x() + first.get_width() / 2)


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 29, 23), (10, 25, 25)])
def test_a_bar_is_as_wide_as_its_day_of_23_or_25_hours(
    month: int, day: int, hours: int
) -> None:
    start = datetime(2026, month, day, tzinfo=BERLIN)

    ax = plot_token_usage(make_usage({"period": start}, tz="Europe/Berlin"))

    assert bars(ax)["gpt-a"][0].get_width() * 24 == pytest.approx(hours)
    assert subtitle(ax) == "Total tokens of gpt-a per day (Berlin time)"


def test_a_bar_is_as_wide_as_its_month() -> None:
    months = [utc(2026, month, 1) for month in (1, 2, 4)]

    ax = plot_token_usage(make_usage(*({"period": m} for m in months), every="1mo"))

    widths = [bar.get_width() for bar in bars(ax)["gpt-a"]]
    assert widths == pytest.approx([31, 28, 30])
    assert ticks(ax) == ["Jan\n2026", "Feb", "Mar", "Apr"]


def test_bars_of_the_hour_that_comes_twice_do_not_overlap() -> None:
    # Clocks go back at 01:00 UTC: 00:00 UTC is 02:00 CEST and 01:00 UTC is 02:00 CET.
    hours = [utc(2026, 10, 25, hour) for hour in (0, 1, 2)]

    ax = plot_token_usage(
        make_usage(*({"period": h} for h in hours), every="1h", tz="Europe/Berlin")
    )

    drawn = bars(ax)["gpt-a"]
    ends = [bar.get_x() + bar.get_width() for bar in drawn]
    assert [bar.get_x() for bar in drawn][1:] == pytest.approx(ends[:-1])
    assert ticks(ax) == ["02:00\n25 Oct 2026", "02:00", "03:00"]


def test_a_period_without_responses_is_a_gap() -> None:
    ax = plot_token_usage(make_usage({"day": 1}, {"day": 2}, {"day": 5}))

    left, right = bars(ax)["gpt-a"][1], bars(ax)["gpt-a"][2]
    assert right.get_x() - (left.get_x() + left.get_width()) == pytest.approx(2)


def test_the_first_and_the_last_bar_are_whole() -> None:
    ax = plot_token_usage(make_days(30))

    low, high = ax.get_xlim()
    drawn = bars(ax)["gpt-a"]
    assert low < drawn[0].get_x()
    assert drawn[-1].get_x() + drawn[-1].get_width() < high


def test_90_periods_are_bars_and_91_are_areas() -> None:
    few, many = plot_token_usage(make_days(90)), plot_token_usage(make_days(91))

    assert len(bars(few)["gpt-a"]) == 90
    assert not few.collections
    assert not many.containers
    assert [str(area.get_label()) for area in many.collections] == ["gpt-a"]


def test_two_days_a_year_apart_are_areas_that_no_edge_hides() -> None:
    days = (utc(2026, 1, 1), utc(2026, 12, 31))

    ax = plot_token_usage(make_usage(*({"period": d, "total_tokens": 1} for d in days)))

    # A day is 1/365 of the width, some 2 pixels; an edge of 0.7 points would hide it.
    assert np.max(ax.collections[0].get_linewidth()) < 0.2


def test_two_seconds_years_apart_are_drawn_in_no_time() -> None:
    moments = (utc(2006, 1, 1), utc(2026, 12, 31, 12))

    ax = plot_token_usage(make_usage(*({"period": m} for m in moments), every="1s"))

    # A list of all seconds between them would need 5 GB.
    assert ticks(ax)[0].endswith("2006")


def test_an_area_falls_to_zero_in_a_gap() -> None:
    frame = make_days(200).filter(pl.col("period").dt.date() != pl.date(2026, 12, 1))

    ax = plot_token_usage(frame)

    outline = np.asarray(ax.collections[0].get_paths()[0].vertices)
    gap = [y for x, y in outline.tolist() if on_wall(x) == utc(2026, 12, 1)]
    assert min(gap) == 0
    assert outline[:, 1].max() == 10


@pytest.mark.parametrize(
    ("every", "word"),
    [
        ("30s", "30-second period"),
        ("1m", "minute"),
        ("1h", "hour"),
        ("6h", "6-hour period"),
        ("24h", "day"),
        ("1d", "day"),
        ("10d", "10-day period"),
        ("1w", "week"),
        ("1mo", "month"),
        ("3mo", "3-month period"),
        ("1y", "year"),
    ],
)
def test_title_and_subtitle_name_the_length_of_a_period(every: str, word: str) -> None:
    ax = plot_token_usage(make_usage({"day": 1}, every=every))

    assert ax.get_title(loc="left") == f"Tokens by model and {word}"
    assert subtitle(ax) == f"Total tokens of gpt-a per {word} (UTC)"


@pytest.mark.parametrize(
    ("every", "count", "ticks", "second"),
    [
        ("1m", 60, 6, "00:10"),  # 12 times 5, 6 times 10
        ("1h", 24, 8, "03:00"),  # 12 times 2, 8 times 3
        # Every fourth day since 1970; 1 November 2026 is day 20,758, and 4 x 5,190 is
        # 20,760.
        ("1d", 22, 5, "7"),
        ("1d", 60, 9, "9"),  # Mondays from 2 November to 28 December
        ("1d", 730, 8, "Apr"),  # quarters from January 2027 to October 2028
        ("1mo", 24, 8, "Apr"),
        ("7h", 7, 7, "07:00"),  # 7 divides neither 12 nor 24
        ("7h", 18, 9, "14:00"),
    ],
)
def test_ticks_are_few_and_on_round_starts_of_periods(
    every: str, count: int, ticks: int, second: str
) -> None:
    length = Length(int(every.rstrip("hdmo")), every.lstrip("0123456789"))
    ends = pl.datetime_range(utc(2026, 11, 1), utc(2029, 11, 1), every, eager=True)
    starts = ends.head(count)

    shown, unit = _choose_ticks(starts, length, 10)

    moments = starts.filter(pl.Series(shown)).to_list()
    assert len(moments) == ticks
    assert _tick_label(moments[1], moments[0], unit).split("\n")[0] == second


def test_ticks_of_weeks_are_weeks_and_never_months_which_begin_within_one() -> None:
    first = utc(2026, 11, 2)
    weeks = [first + timedelta(weeks=number) for number in range(52)]

    shown, unit = _choose_ticks(pl.Series(weeks), Length(1, "w"), 10)

    # 52 weeks are 13 times four, and six times eight and four more.
    assert (shown.sum(), unit) in {(6, "w"), (7, "w")}
    assert set(np.diff(np.flatnonzero(shown))) == {8}


def test_each_tick_is_under_the_middle_of_a_bar() -> None:
    ax = plot_token_usage(make_days(40))

    middles = [bar.get_x() + bar.get_width() / 2 for bar in bars(ax)["gpt-a"]]
    assert all(np.isclose(middles, tick).any() for tick in ax.get_xticks())
    # Every fourth day since 1970; the month is named where it begins.
    days = ["7", "11", "15", "19", "23", "27"]
    assert ticks(ax) == ["3 Nov\n2026", *days, "1 Dec", "5", "9"]


@pytest.mark.parametrize(
    ("moment", "before", "unit", "expected"),
    [
        (utc(2026, 11, 1), None, "d", "1 Nov\n2026"),
        (utc(2026, 11, 5), utc(2026, 11, 1), "d", "5"),
        (utc(2026, 12, 3), utc(2026, 11, 29), "d", "3 Dec"),
        (utc(2027, 11, 5), utc(2026, 11, 5), "d", "5 Nov\n2027"),
        (utc(2026, 11, 1), None, "mo", "Nov\n2026"),
        (utc(2026, 12, 1), utc(2026, 11, 1), "mo", "Dec"),
        (utc(2026, 11, 1, 6), None, "h", "06:00\n1 Nov 2026"),
        (utc(2026, 11, 1, 6, 5), utc(2026, 11, 1, 6), "m", "06:05"),
        (utc(2026, 11, 2), utc(2026, 11, 1, 18), "h", "00:00\n2 Nov"),
        (utc(2026, 11, 2, 0, 0, 5), utc(2026, 11, 2), "s", "00:00:05"),
    ],
)
def test_a_tick_says_only_what_the_one_before_has_not(
    moment: datetime, before: datetime | None, unit: str, expected: str
) -> None:
    assert _tick_label(moment, before, unit) == expected


def test_parts_are_stacked_on_one_another_the_largest_at_the_bottom() -> None:
    ax = plot_token_usage(make_models(small=5, large=30, middle=10))

    piled = [
        (name, bar[0].get_y(), bar[0].get_height()) for name, bar in bars(ax).items()
    ]
    assert piled == [("large", 0, 30), ("middle", 30, 10), ("small", 40, 5)]
    assert names(ax) == ["large", "middle", "small"]


def test_a_model_absent_from_a_period_has_no_height_there() -> None:
    ax = plot_token_usage(
        make_usage(
            {"day": 1, "model": "a", "total_tokens": 7},
            {"day": 2, "model": "b", "total_tokens": 3},
        )
    )

    assert [bar.get_height() for bar in bars(ax)["a"]] == [7, 0]
    assert [bar.get_height() for bar in bars(ax)["b"]] == [0, 3]


def test_beyond_six_series_the_five_largest_are_named_and_the_others_are_one() -> None:
    ax = plot_token_usage(make_models(a=70, b=60, c=50, d=40, e=30, f=20, g=1))

    assert names(ax) == ["a", "b", "c", "d", "e", "2 others"]
    assert bars(ax)["2 others"][0].get_height() == 21  # 20 + 1
    assert to_hex(bars(ax)["2 others"][0].get_facecolor()) == LIGHT_SHADES["z"].fill


def test_six_series_are_all_named() -> None:
    ax = plot_token_usage(make_models(a=60, b=50, c=40, d=30, e=20, f=10))

    shades = [to_hex(bar[0].get_facecolor()) for bar in bars(ax).values()]
    slots = ("a1", "b1", "c1", "d1", "e1", "a2")  # of no known maker
    assert names(ax) == ["a", "b", "c", "d", "e", "f"]
    assert shades == [LIGHT_SHADES[slot].fill for slot in slots]


def test_a_thousand_series_are_folded_with_their_exact_total() -> None:
    ax = plot_token_usage(make_models(**{f"model {n}": n for n in range(1_000)}))

    assert names(ax)[0] == "model 999"
    assert names(ax)[-1] == "995 others"
    # 0 + 1 + ... + 994 = 994 x 995 / 2
    assert bars(ax)["995 others"][0].get_height() == 494_515


def test_a_model_that_is_called_like_our_words_is_not_taken_for_them() -> None:
    tokens = {"others": 90, "2 others": 80, "unknown": 70, "": 60, "e": 50, "f": 2}
    nameless = make_usage({"day": 1, "model": None, "total_tokens": 3})

    ax = plot_token_usage(pl.concat([make_models(**tokens), nameless]))

    assert names(ax) == ["others", '"2 others"', '"unknown"', '""', "e", "2 others"]
    assert bars(ax)["others"][0].get_height() == 90
    assert bars(ax)["2 others"][0].get_height() == 5  # 2 + 3


def test_a_null_name_is_shown_as_unknown() -> None:
    ax = plot_token_usage(make_usage({"day": 1, "model": None}, {"day": 1}))

    assert sorted(names(ax)) == ["gpt-a", "unknown"]


def test_one_series_has_its_name_in_the_subtitle_and_no_label() -> None:
    ax = plot_token_usage(make_models(**{"gpt-4o": 5}))

    assert subtitle(ax) == "Total tokens of gpt-4o per day (UTC)"
    assert not labels(ax)


def test_the_title_names_the_columns_that_name_the_series() -> None:
    two = plot_token_usage(with_team(make_models(a=1, b=2)))
    none = plot_token_usage(make_models(a=3).drop("model"))
    api = plot_token_usage(make_models(chat=3, text=2).rename({"model": "api"}))

    assert api.get_title(loc="left") == "Tokens by API and day"
    assert two.get_title(loc="left") == "Tokens by model, team and day"
    assert names(two) == ["b · x", "a · x"]
    assert none.get_title(loc="left") == "Tokens by day"
    assert subtitle(none) == "Total tokens per day (UTC)"


def test_a_column_of_any_type_may_name_the_series() -> None:
    frame = make_models(a=1, b=2).with_columns(model=pl.Series([True, False]))

    assert names(plot_token_usage(frame)) == ["False", "True"]


@pytest.mark.parametrize("color", [shade.fill for shade in LIGHT_SHADES.values()])
def test_a_colour_for_text_is_readable_and_hardly_darker_than_that(color: str) -> None:
    dark = readable(color)

    assert contrast(dark) >= 4.5
    assert contrast(dark) < 4.8 or dark == color.lower()


def test_a_label_is_written_in_the_darker_colour_of_its_series() -> None:
    ax = plot_token_usage(make_models(a=2, b=1))

    assert [label.get_color() for label in labels(ax)] == [
        LIGHT_SHADES[slot].text for slot in ("a1", "b1")
    ]


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        ("tokens", 0, "0"),
        ("tokens", 200, "200"),
        ("tokens", 1_200, "1.2k"),
        ("tokens", 999_999, "1M"),
        ("tokens", 1_500_000_000, "1.5B"),
        ("tokens", 9.2e18, "9,200,000T"),
        ("tokens", -1_200, "-1.2k"),
        ("USD", 0, "$0"),
        ("USD", 0.2, "$0.20"),
        ("USD", 0.00042, "$0.00042"),
        ("USD", 12.5, "$12.50"),
        ("USD", 1_500, "$1.5k"),
        ("USD", -3, "-$3"),
        ("share", 0, "0%"),
        ("share", 0.025, "2.5%"),
        ("share", 1, "100%"),
    ],
)
def test_a_value_on_an_axis_is_short(unit: str, value: float, expected: str) -> None:
    assert tick_of(Measure("x", unit=unit))(value) == expected


def test_the_value_axis_starts_at_zero_and_has_short_whole_ticks() -> None:
    ax = plot_token_usage(make_models(a=3_000))
    ax.figure.draw_without_rendering()

    assert ax.get_ylim()[0] == 0
    shown = [tick.get_text() for tick in ax.get_yticklabels()]
    assert shown[:4] == ["0", "500", "1k", "1.5k"]


def test_the_note_says_what_is_counted_and_what_is_left_out() -> None:
    frame = make_usage(
        {"day": 1, "responses": 207_790, "total_tokens": 997},
        {"day": 2, "responses": 10, "responses_without_usage": 41},
        {"period": None, "responses": 12, "total_tokens": 3},
    )

    # 207,790 + 10 + 12 calls
    assert note(plot_token_usage(frame)) == (
        "at least 1k tokens: 41 calls without token counts (dotted) · 207,812 calls"
        " · not shown: 12 calls without a date"
    )


def test_the_note_says_no_more_than_applies() -> None:
    silent = make_usage({"day": 1, "responses_without_usage": 1})

    assert note(plot_token_usage(make_usage({"day": 1}))) == "1 call"
    assert note(plot_token_usage(silent)) == (
        "tokens unknown: 1 call without token counts · 1 call"
    )


def test_a_long_name_is_shortened_in_its_middle() -> None:
    short = fit("start" + "x" * 10_000 + "finish", FULL.names, 150)

    assert short.startswith("startx")
    assert short.endswith("xfinish")
    assert short.count("…") == 1
    assert text_width(short, FULL.names) <= 150 < text_width(short + "x", FULL.names)


def test_what_cannot_be_shown_is_replaced_and_never_acts() -> None:
    acting = "a\nb\x00\N{RIGHT-TO-LEFT OVERRIDE}"

    assert fit(acting, FULL.names, 150) == "a\ufffdb\ufffd\ufffd"
    assert fit("𐘀", FULL.names, 150) == "\ufffd"  # Linear A, of which no font knows


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
def test_any_name_is_drawn_as_text_without_a_warning(name: str, form: str) -> None:
    ax = plot_token_usage(make_models(**{name: 2, "b": 1}))
    alone = plot_token_usage(make_models(**{name: 2}))

    for number in plt.get_fignums():
        plt.figure(number).savefig(BytesIO(), format=form)
    assert not any(text.get_parse_math() for text in (*ax.texts, *alone.texts))
    assert names(ax)[0][0] in {name[0], "\ufffd"}
    assert list(bars(ax)) == [name, "b"]


@pytest.mark.parametrize("dpi", [72, 100, 300])
def test_a_new_figure_cuts_nothing_off_at_any_resolution(dpi: int) -> None:
    ax = plot_token_usage(make_models(**{letter * 200: 10**6 for letter in "WiM_$g"}))

    ax.figure.set_dpi(dpi)

    assert everything_is_inside(ax)


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
def test_labels_stay_apart_and_whole_beside_other_axes(layout: str | None) -> None:
    figure, grid = plt.subplots(2, 2, figsize=(11, 8), layout=layout)
    frame = make_models(**{f"a rather long name {n}": 1 for n in range(9)}, large=1_000)

    for ax in grid.flat:
        assert plot_token_usage(frame, ax=ax) is ax

    assert all(everything_is_inside(ax) for ax in grid.flat)
    assert all(labels_are_apart(ax) for ax in grid.flat)
    rightmost = max(label.get_window_extent().x1 for label in labels(grid[0, 0]))
    assert rightmost < grid[0, 1].get_window_extent().x0
    assert len(figure.axes) == 4


def test_labels_stay_apart_when_a_figure_gets_smaller() -> None:
    ax = plot_token_usage(make_models(a=1, b=1, c=1, d=1, e=1, f=1_000))

    plt.gcf().set_size_inches(5, 3)

    assert labels_are_apart(ax)


def test_tight_layout_and_a_tight_box_work() -> None:
    figure, ax = plt.subplots()
    plot_token_usage(make_models(a=1, b=2), ax=ax)

    figure.tight_layout()
    figure.savefig(BytesIO(), bbox_inches="tight")

    assert everything_is_inside(ax)


def test_a_note_too_long_for_its_place_takes_more_lines() -> None:
    _, ax = plt.subplots(figsize=(3.9, 3.2))
    silent = {"responses": 2, "responses_without_usage": 1, "total_tokens": 7}
    frame = make_usage({"day": 1, **silent})

    plot_token_usage(frame, ax=ax)

    assert note(ax).split("\n") == [
        "at least 7 tokens: 1 call without token counts (dotted) ·",
        "2 calls",
    ]


def test_places_are_spread_without_changing_their_order() -> None:
    # 5 is pushed up to 10; 41 comes down to the top, and 40 makes way for it.
    assert _spread(np.array([0.0, 5, 40, 41]), 10, 40).tolist() == [0, 10, 30, 40]
    assert _spread(np.array([]), 10, 40).tolist() == []


def test_a_figure_can_be_pickled() -> None:
    ax = plot_token_usage(make_models(a=1, b=2))

    again = pickle.loads(pickle.dumps(ax.figure))

    assert names(again.axes[0]) == ["b", "a"]


def test_an_empty_frame_gives_an_empty_chart_that_says_so() -> None:
    ax = plot_token_usage(make_usage())

    assert [text.get_text() for text in ax.texts] == [
        "0 calls",
        "Total tokens (UTC)",
        "no calls",
    ]
    assert ax.get_title(loc="left") == "Tokens by model"
    assert not ax.patches
    assert everything_is_inside(ax)


def test_undated_responses_alone_give_an_empty_chart_that_counts_them() -> None:
    undated = {"period": None, "responses": 3, "total_tokens": 5}

    ax = plot_token_usage(make_usage(undated, tz="Asia/Tokyo"))

    assert note(ax) == ("3 calls · not shown: 3 calls without a date")
    assert subtitle(ax) == "Total tokens (Tokyo time)"
    assert names(ax) == ["no dated responses"]


@pytest.mark.parametrize("tokens", [0, None])
def test_no_tokens_at_all_are_drawn_as_zero(tokens: int | None) -> None:
    frame = make_usage({"day": 1}, {"day": 2, "model": "b"}, {"period": None})

    ax = plot_token_usage(frame.with_columns(total_tokens=pl.lit(tokens, pl.Int64)))

    assert ax.get_ylim() == (0, 1)
    assert note(ax) == "3 calls · not shown: 1 call without a date"


def test_all_missing_columns_are_named_at_once() -> None:
    with pytest.raises(MissingColumnsError, match="period_end") as caught:
        plot_token_usage(make_models(a=1).drop("period_end", "responses"))

    assert caught.value.missing == ["period_end", "responses"]


def test_a_period_without_a_zone_is_refused() -> None:
    naive = make_models(a=1).with_columns(pl.col("period").dt.replace_time_zone(None))

    with pytest.raises(UnsuitableColumnError, match="has no time zone"):
        plot_token_usage(naive)
