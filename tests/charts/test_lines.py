"""Ratios over time: lines, where they break, where they are open, what is folded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from tests.support import frames
from tests.support.charting import (
    label_texts,
    labels,
    lines,
    note,
    subtitle,
    ticks,
    title,
)
from toolkit import charts
from toolkit.charts.by_metric import draw_multiples
from toolkit.charts.colors import LIGHT_SHADES, contrast
from toolkit.charts.style import LIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


def rates(*rows: Mapping[str, object], tz: str = "UTC") -> pl.DataFrame:
    """One row per day of November and model; `cut` of `responses` were truncated."""
    schema = {
        "period": pl.Datetime("us", tz),
        "period_end": pl.Datetime("us", tz),
        "partial": pl.Boolean(),
        "model": pl.String(),
        "responses": pl.Int64(),
        "responses_without_reason": pl.Int64(),
        "responses_truncated": pl.Int64(),
        "response_rate": pl.Float64(),
    }
    made = []
    for row in rows:
        day = row.get("day")
        begin = datetime(2026, 11, day, tzinfo=UTC) if isinstance(day, int) else None
        of, cut = row.get("responses", 100), row.get("cut")
        made.append(
            {
                "period": begin,
                "period_end": begin + timedelta(days=1) if begin else None,
                "partial": row.get("partial", False),
                "model": row.get("model", "a"),
                "responses": of,
                "responses_without_reason": 0 if cut is not None else of,
                "responses_truncated": cut or 0,
                "response_rate": cut / of if cut is not None else None,
            }
        )
    return pl.DataFrame(made, schema=schema)


def points(line: Line2D) -> list[float | None]:
    ys = np.asarray(line.get_ydata(), dtype=float)
    return [None if np.isnan(y) else round(float(y), 6) for y in ys]


def dots(line: Line2D) -> list[float | None]:
    return [points(line)[place] for place in line.get_markevery()]  # type: ignore[union-attr] # a list


def open_ends(ax: Axes) -> list[Line2D]:
    return [line for line in ax.lines if line.is_dashed()]


def test_a_line_goes_through_the_ratios_that_the_metric_gave() -> None:
    ax = charts.plot_truncation_rate(rates(*({"day": d, "cut": d} for d in (1, 2, 3))))

    assert points(lines(ax)["a"]) == [0.01, 0.02, 0.03]
    assert title(ax) == "Truncated answers by model and day"
    assert subtitle(ax) == (
        "Share of calls of a per day (UTC); an answer was cut off at the token limit"
    )
    assert ax.get_ylim()[0] == 0


def test_a_point_is_in_the_middle_of_its_period() -> None:
    ax = charts.plot_truncation_rate(rates({"day": 1, "cut": 5}, {"day": 2, "cut": 5}))

    xs = np.asarray(lines(ax)["a"].get_xdata(), dtype=float)
    assert (xs % 1).tolist() == [0.5, 0.5]
    assert ticks(ax)[0] == "1 Nov\n2026"


def test_a_line_is_broken_where_a_period_is_missing_or_the_ratio_is_null() -> None:
    cuts = ((1, 3), (2, 4), (3, None), (4, 5), (5, 6))
    rows = [{"day": day, "cut": cut} for day, cut in cuts]

    null = charts.plot_truncation_rate(rates(*rows))
    missing = charts.plot_truncation_rate(rates(*rows[:2], *rows[3:]))

    for ax in (null, missing):
        assert points(lines(ax)["a"]) == [0.03, 0.04, None, 0.05, 0.06]
    assert note(null) == (
        "500 calls · 100 calls without a finish reason · median of 100 calls per point"
    )


def test_a_model_that_comes_later_is_no_zero_before() -> None:
    ax = charts.plot_truncation_rate(
        rates(
            {"day": 1, "cut": 3},
            {"day": 2, "cut": 3},
            {"day": 2, "cut": 9, "model": "b"},
            {"day": 3, "cut": 9, "model": "b"},
        )
    )

    assert points(lines(ax)["b"]) == [None, 0.09, 0.09]
    assert points(lines(ax)["a"]) == [0.03, 0.03, None]


def test_a_point_without_neighbours_is_a_dot() -> None:
    ax = charts.plot_truncation_rate(
        rates(*({"day": d, "cut": c} for d, c in ((1, 3), (3, 5), (4, 6))))
    )

    assert dots(lines(ax)["a"]) == [0.03]


def test_the_way_to_an_unfinished_period_is_dashed_and_its_end_hollow() -> None:
    ax = charts.plot_truncation_rate(
        rates({"day": 1, "cut": 3}, {"day": 2, "cut": 5, "partial": True})
    )

    assert points(lines(ax)["a"]) == [0.03, None]
    (end,) = open_ends(ax)
    assert points(end) == [0.03, 0.05]
    assert end.get_markevery() == [1]
    assert to_hex(end.get_markerfacecolor()) == to_hex(ax.get_facecolor())
    assert subtitle(ax).endswith(". Dashed: not complete")


def test_no_line_crosses_a_gap_to_an_unfinished_period() -> None:
    ax = charts.plot_truncation_rate(
        rates({"day": 1, "cut": 3}, {"day": 3, "cut": 5, "partial": True})
    )

    assert [points(end) for end in open_ends(ax)] == [[None, 0.05]]


def test_names_are_at_the_right_edge_in_the_colour_of_their_line() -> None:
    names = frames.models(4)
    frame = frames.output_input_ratio(frames.periods(8), names)

    ax = charts.plot_output_input_ratio(frame)
    ax.figure.draw_without_rendering()

    assert sorted(label_texts(ax)) == sorted(names)
    texts = {shade.fill: shade.text for shade in LIGHT_SHADES.values()}
    for label in labels(ax):
        color = to_hex(lines(ax)[label.get_text()].get_color())
        assert label.get_color() == texts[color]
        assert label.xy[0] == 1  # of the axes: the right edge


def test_labels_are_in_the_order_of_the_last_values_and_apart() -> None:
    ends = {"top": 90, "b": 50, "c": 50, "d": 49, "low": 0}
    frame = rates(*({"day": 1, "model": n, "cut": c} for n, c in ends.items()))

    ax = charts.plot_truncation_rate(frame)
    ax.figure.draw_without_rendering()

    drawn = {label.get_text(): label.get_window_extent() for label in labels(ax)}
    heights = {name: box.y0 for name, box in drawn.items()}
    assert heights["top"] > max(heights["b"], heights["c"])
    assert min(heights["b"], heights["c"]) > heights["d"] > heights["low"]
    boxes = sorted(drawn.values(), key=lambda box: box.y0)
    assert all(one.y1 <= two.y0 + 2 for one, two in pairwise(boxes))


def test_many_series_are_one_from_the_sums_of_their_parts() -> None:
    # Seven models: the five with the most calls are named; f and g are one line,
    # (2 + 9) of (20 + 30) calls.
    sizes = {"a": 900, "b": 800, "c": 700, "d": 600, "e": 500, "f": 20, "g": 30}
    cuts = {"f": 2, "g": 9}
    frame = rates(
        *(
            {"day": 1, "model": n, "responses": of, "cut": cuts.get(n, 0)}
            for n, of in sizes.items()
        )
    )

    ax = charts.plot_truncation_rate(frame)

    rest = lines(ax)["2 others"]
    assert points(rest) == [0.22]
    assert to_hex(rest.get_color()) == LIGHT.muted.lower()


def test_folded_perplexity_is_that_of_all_tokens() -> None:
    # Each of seven models has 10 tokens; the two smallest a mean of -1 and -3, together
    # (-10 - 30) / 20 = -2, and e^2 = 7.389.
    rows = []
    for place, mean in enumerate((-0.1, -0.2, -0.3, -0.4, -0.5, -1.0, -3.0)):
        rows.append(
            {
                "model": f"m{place}",
                "choices": 100 - place,
                "choices_without_logprobs": 0,
                "logprob_tokens": 10,
                "logprob_sum": 10 * mean,
                "perplexity": float(np.exp(-mean)),
            }
        )
    time = frames.periods(1)
    frame = pl.DataFrame(rows).join(time, how="cross")
    frame = frame.select(*time.columns, "model", pl.exclude(*time.columns, "model"))

    ax = charts.plot_confidence(frame.with_columns(partial=pl.lit(value=False)))

    assert points(lines(ax)["2 others"]) == [pytest.approx(np.exp(2), abs=1e-4)]


@pytest.mark.parametrize("name", ["a", "other"])
def test_what_the_metric_folded_is_grey_and_counted_and_drawn_as_it_is(
    name: str,
) -> None:
    frame = rates(
        {"day": 1, "cut": 4, "model": name}, {"day": 1, "cut": 7, "model": "other"}
    ).insert_column(4, pl.Series("folded", [0, 6]))

    ax = charts.plot_truncation_rate(frame)

    assert points(lines(ax)[name]) == [0.04]
    assert points(lines(ax)["6 others"]) == [0.07]
    assert to_hex(lines(ax)["6 others"].get_color()) == LIGHT.muted.lower()


def test_shares_end_at_100_percent_and_higher_values_are_noted_and_not_drawn() -> None:
    frame = rates(
        {"day": 1, "cut": 50}, {"day": 2, "cut": 90}, {"day": 3, "cut": 2_000}
    )

    ax = charts.plot_truncation_rate(frame)

    assert ax.get_ylim() == (0, pytest.approx(1.04))
    assert points(lines(ax)["a"]) == [0.5, 0.9, None]
    assert note(ax) == (
        "300 calls · above 100%, not drawn: 1 value · median of 100 calls per point"
    )


@pytest.mark.parametrize(("cuts", "top"), [((1, 2), 0.02), ((0, 0), 0.1)])
def test_small_shares_use_the_whole_height_from_the_zero_line(
    cuts: tuple[int, int], top: float
) -> None:
    days = enumerate(cuts, start=1)
    ax = charts.plot_truncation_rate(rates(*({"day": d, "cut": c} for d, c in days)))

    assert points(lines(ax)["a"]) == [cut / 100 for cut in cuts]
    assert ax.get_ylim() == (0, pytest.approx(1.04 * top))


def test_a_chart_without_known_values_says_so() -> None:
    ax = charts.plot_truncation_rate(rates({"day": 1}, {"day": 2}))

    assert label_texts(ax) == ["not reported by any call"]
    assert not ax.lines


def test_undated_responses_are_counted_and_not_drawn() -> None:
    ax = charts.plot_truncation_rate(
        rates({"day": 1, "cut": 3}, {"cut": 4, "responses": 12})
    )

    assert points(lines(ax)["a"]) == [0.03]
    assert note(ax) == (
        "112 calls · not shown: 12 calls without a date · median of 100 calls per point"
    )


def test_coverage_has_a_line_for_each_count_over_all_models() -> None:
    # Two models of 100 and 300 calls; 90 and 210 report cached tokens: 300 of 400.
    rows = [
        {"tokens": name, "model": model, "responses": of, "reported": reported}
        for model, of, cached in (("a", 100, 90), ("b", 300, 210))
        for name, reported in (("total_tokens", of), ("cached_tokens", cached))
    ]
    time = frames.periods(1).with_columns(partial=pl.lit(value=False))
    frame = pl.DataFrame(rows).with_columns(
        coverage=pl.col("reported") / pl.col("responses")
    )
    frame = frame.join(time, how="cross").select(
        *time.columns, "model", pl.exclude(*time.columns, "model")
    )

    ax = charts.plot_usage_coverage(frame)

    assert points(lines(ax)["total_tokens"]) == [1.0]
    assert points(lines(ax)["cached_tokens"]) == [0.75]


def test_a_line_over_hours_and_over_two_years_has_ticks_that_read_well() -> None:
    hours = charts.plot_truncation_rate(
        frames.truncation_rate(frames.periods(12, "5m"), ["a"])
    )
    years = charts.plot_truncation_rate(
        frames.truncation_rate(frames.periods(730), ["a"])
    )

    assert ticks(hours)[:2] == ["00:00\n1 Nov 2026", "00:10"]
    assert ticks(years)[:3] == ["Jan\n2027", "Apr", "Jul"]


@pytest.mark.parametrize("over_time", [True, False])
def test_an_infinite_perplexity_is_not_drawn(over_time: bool) -> None:
    time = frames.periods(3) if over_time else None
    frame = frames.confidence(time, ["a", "b"]).with_columns(
        # exp(1000) is more than a double holds.
        logprob_sum=pl.when(model="b")
        .then(-1000.0 * pl.col("logprob_tokens"))
        .otherwise("logprob_sum"),
    )

    ax = charts.plot_confidence(frame)

    ax.figure.draw_without_rendering()
    assert "b" not in lines(ax)
    assert "b" not in label_texts(ax)
    assert note(ax).endswith("unknown: b")
    assert "inf" not in charts.describe(ax)


def drawn_colors(ax: Axes) -> set[str]:
    return {to_hex(line.get_color()) for line in ax.lines}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_line_is_visible_on_its_background(theme: str) -> None:
    names = [f"m{n:02}" for n in range(12)]
    frame = frames.cache_share(frames.periods(4), names)
    asked = frame.insert_column(4, pl.lit(0, pl.Int64).alias("folded"))

    with charts.theme(theme):
        ax = charts.plot_cache_share(asked)

    shades = [to_hex(lines(ax)[name].get_color()) for name in names]
    assert len(set(shades)) == 12
    ground = to_hex(ax.get_facecolor())
    assert all(contrast(shade, ground) >= 2.2 for shade in shades)


def test_two_series_never_have_one_colour() -> None:
    frame = frames.cache_share(frames.periods(4), frames.models(6))

    assert len(drawn_colors(charts.plot_cache_share(frame))) == 6


def test_small_multiples_have_a_line_of_each_series_and_the_rate_of_all_its_calls() -> (
    None
):
    # The highest rate of 20 calls or more is 10%: the scale of every row.
    frame = rates(
        *({"day": day, "cut": cut} for day, cut in ((1, 5), (2, 10), (3, 0))),
        {"day": 1, "cut": 1, "model": "b", "responses": 50},
        {"day": 2, "cut": 9, "model": "b", "responses": 19},
        {"day": 3, "cut": 2, "model": "b", "responses": 50},
    )
    _, ax = plt.subplots(figsize=(8, 5))

    draw_multiples("truncation_rate", frame, ax)

    # 12 of 119 calls are more than 15 of 300: b is the first row. A row of 0.8 begins
    # 0.4 below its middle, and the axis goes down.
    heights = {name: points(lines(ax)[name]) for name in "ab"}
    assert heights["b"] == [0.24, None, 0.08]
    assert heights["a"] == [1.0, 0.6, 1.4]
    assert label_texts(ax) == [
        "10.1% · 12 of 119",
        "5% · 15 of 300",
        "b",
        "a",
    ]
    assert "each row from 0 to 10%" in subtitle(ax)
    # 19, 50, 50, 100, 100, 100
    assert note(ax).endswith("median of 75 calls per point")


def test_small_multiples_of_few_calls_have_no_lines() -> None:
    frame = rates(*({"day": day, "cut": 1, "responses": 19} for day in (1, 2, 3)))
    _, ax = plt.subplots()

    draw_multiples("truncation_rate", frame, ax)

    assert label_texts(ax) == ["too few calls in each period"]
