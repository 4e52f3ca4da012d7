"""Horizontal bars, dotted unknowns, tools, health, hours, backends and sizes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from tests.support import frames
from tests.support.charting import (
    bars,
    everything_is_inside,
    label_texts,
    labels,
    lines,
    note,
    rectangles,
    subtitle,
    ticks,
    title,
)
from toolkit import charts
from toolkit.charts.colors import contrast, mix
from toolkit.charts.plot import _format_usage
from toolkit.charts.style import LIGHT
from toolkit.errors import UnsuitableColumnError


def points(line: Line2D) -> list[float]:
    return [float(x) for x in np.asarray(line.get_xdata())]


def costs(*rows: tuple[str, str, int, int]) -> pl.DataFrame:
    """Rows of model, cost, tokens, and tokens of them that have no price."""
    return pl.DataFrame(
        [
            {
                "model": model,
                "responses": 10,
                "cost": Decimal(cost),
                "responses_unpriced": 10 if lost == tokens else int(lost > 0),
                "total_tokens": tokens,
                "tokens_unpriced": lost,
                "unpriced_share": lost / tokens,
            }
            for model, cost, tokens, lost in rows
        ],
        schema_overrides={"cost": frames.MONEY},
    )


def dated(frame: pl.DataFrame, day: int = 1) -> pl.DataFrame:
    """Set the rows on a day of November 2026, whole."""
    begin, end = (datetime(2026, 11, d, tzinfo=UTC) for d in (day, day + 1))
    time = [pl.Datetime("us", "UTC")] * 2
    return frame.select(
        pl.lit(begin, time[0]).alias("period"),
        pl.lit(end, time[1]).alias("period_end"),
        pl.lit(value=False).alias("partial"),
        pl.all(),
    )


def test_without_periods_each_series_is_a_bar_the_largest_at_the_top() -> None:
    ax = charts.plot_cost(costs(("b", "390", 9, 0), ("a", "2310.42", 99, 0)))

    drawn = {name: bar[0] for name, bar in bars(ax).items()}
    assert {name: bar.get_width() for name, bar in drawn.items()} == {
        "a": 2310.42,
        "b": 390,
    }
    low, high = ax.get_ylim()
    assert low > high  # rows go down
    assert drawn["a"].get_y() < drawn["b"].get_y()
    assert label_texts(ax) == ["$2,310.42", "$390.00", "a", "b"]
    assert title(ax) == "Cost by model"
    assert subtitle(ax) == "US dollars"


def test_an_unpriced_part_is_dotted_and_the_cost_a_lower_bound() -> None:
    ax = charts.plot_cost(costs(("a", "100", 900, 0), ("b", "152", 100, 31)))

    assert note(ax).startswith("at least $252.00: 3.1% of tokens have no known price")
    assert subtitle(ax) == ("US dollars; calls without a known price are not included")
    assert label_texts(ax)[:2] == ["≥ $152.00, 31% unpriced", "$100.00"]
    (stub,) = bars(ax)["not known"]
    assert stub.get_facecolor()[3] == 0  # empty
    assert stub.get_x() == 152  # it begins where the known cost ends
    # $252 for 969 of 1,000 tokens; 31 cost about 31 * 252 / 969.
    assert stub.get_width() == pytest.approx(31 * 252 / 969)


def test_at_least_so_much_is_rounded_down_and_unknown_is_no_amount() -> None:
    ax = charts.plot_cost(costs(("a", "1.598715", 900, 9), ("b", "0.524524", 9, 1)))

    # 1.598715 + 0.524524 = 2.123239; to the nearest the parts were $1.60 and $0.52.
    assert label_texts(ax)[:2] == ["≥ $1.59, 1% unpriced", "≥ $0.52, 11.1% unpriced"]
    assert note(ax).startswith("at least $2.12: 1.1% of tokens")
    summed = costs(("a", "5.955995", 900, 9), ("b", "0.000000305", 9, 1))
    # 5.955995305 to the nearest were $5.96.
    assert note(charts.plot_cost(summed)).startswith("at least $5.95: ")
    over_time = charts.plot_cost(dated(summed))
    alt_text = charts.describe(over_time)
    assert "Total at least $5.95. a at least $5.95 (" in alt_text
    nothing = charts.plot_cost(costs(("own", "0", 50, 50)))
    assert note(nothing).startswith("cost unknown: 100% of tokens")
    both = [dated(costs(("a", "2.5", 9, 0), ("own", "0", 50, 50))), dated(summed, 2)]
    alt_text = charts.describe(charts.plot_cost(pl.concat(both)))
    # 5.955995305 + 2.5 = 8.455995305; the second day is the higher.
    assert "Total at least $8.45. a at least $8.45 (" in alt_text
    assert "; own unknown. Highest known: at least $5.95, 2 Nov 2026." in alt_text


def test_the_sentence_over_a_page_rounds_down_and_knows_unknown() -> None:
    usage = pl.DataFrame({"total_tokens": 100, "responses": 2})
    money = {"responses_unpriced": 1, "tokens_unpriced": 50, "total_tokens": 100}
    spent = pl.DataFrame({**money, "cost": Decimal("5.955995305")})
    unknown = pl.DataFrame({**money, "cost": 0, "responses_unpriced": 2})

    least = _format_usage(usage, spent)
    nothing = _format_usage(usage, unknown)

    assert least.startswith("100 tokens in 2 calls, at least $5.95.")
    assert nothing.startswith("100 tokens in 2 calls, cost unknown.")


def test_a_model_without_any_price_is_not_free() -> None:
    ax = charts.plot_cost(costs(("a", "100", 900, 0), ("own", "0", 50, 50)))

    assert label_texts(ax)[1] == "no known price"
    assert "own" not in bars(ax)
    # As much per token as the others: 50 * 100 / 900.
    assert bars(ax)["not known"][0].get_width() == pytest.approx(50 * 100 / 900)


def test_without_any_price_nothing_is_estimated() -> None:
    ax = charts.plot_cost(costs(("own", "0", 50, 50)))

    assert not ax.patches
    assert label_texts(ax) == ["no call has a known price"]
    assert "dotted" not in note(ax)


def test_a_free_model_is_zero_and_not_dotted() -> None:
    ax = charts.plot_cost(costs(("a", "100", 900, 0), ("free", "0", 50, 0)))

    assert label_texts(ax)[1] == "$0"
    assert "not known" not in bars(ax)
    assert note(ax) == "20 calls"


def test_over_time_a_dotted_cap_is_on_days_with_unpriced_tokens() -> None:
    priced, lost = costs(("a", "100", 900, 0)), costs(("a", "50", 900, 90))

    ax = charts.plot_cost(pl.concat([dated(priced), dated(lost, 2)]))

    none, cap = bars(ax)["not known"]
    assert none.get_height() == 0
    # $150 for 1,710 of 1,800 tokens; 90 cost about 90 * 150 / 1710.
    assert cap.get_height() == pytest.approx(90 * 150 / 1710)
    assert cap.get_facecolor()[3] == 0
    assert cap.get_y() == 50
    assert cap.get_x() == bars(ax)["a"][1].get_x()
    assert subtitle(ax) == (
        "US dollars of a per day (UTC); calls without a known price are not included"
    )


def test_a_partial_day_is_hatched_and_the_others_are_not() -> None:
    ax = charts.plot_token_usage(frames.token_usage(frames.periods(3), ["a", "b"]))

    for name in ("a", "b"):
        hatched = [bool(bar.get_hatch()) for bar in bars(ax)[name]]
        assert hatched == [False, False, True]
    assert subtitle(ax).endswith(" per day (UTC). Hatched: not complete")


def test_a_partial_step_of_an_area_is_hatched_too() -> None:
    ax = charts.plot_token_usage(frames.token_usage(frames.periods(95), ["a"]))

    assert len(ax.collections) == 1
    hatched = [bar for bar in rectangles(ax.patches) if bar.get_hatch()]
    assert len(hatched) == 1
    outline = np.asarray(ax.collections[0].get_paths()[0].vertices)
    inside = outline[outline[:, 0] > hatched[0].get_x() + 0.5]
    assert inside[:, 1].max() == 0  # the area itself has ended


def test_many_rows_are_folded_to_what_the_place_can_hold() -> None:
    frame = frames.token_usage(None, frames.models(60))

    ax = charts.plot_token_usage(frame)

    # 25 named, and 35 others with the sum of theirs
    assert len(bars(ax)) == 26
    rest = bars(ax)["35 others"][0].get_width()
    total = sum(bar[0].get_width() for bar in bars(ax).values())
    assert total == frame["total_tokens"].sum()
    assert rest == frame["total_tokens"].sort(descending=True)[25:].sum()
    assert everything_is_inside(ax)


def test_a_bar_says_its_ratio_and_what_that_is_of() -> None:
    frame = pl.DataFrame(
        {
            "model": ["a", "b"],
            "responses": [3, 2],
            "responses_without_reason": [0, 2],
            "responses_truncated": [1, 0],
            "response_rate": [1 / 3, None],
        }
    )

    ax = charts.plot_truncation_rate(frame)

    assert label_texts(ax) == ["33.3% · 1 of 3", "a"]
    assert note(ax) == "5 calls · 2 calls without a finish reason · unknown: b"
    (dot,), (between,) = ax.lines, bars(ax)["a"]
    assert points(dot) == pytest.approx([1 / 3])
    # Wilson: (1/3 + 1.96²/6 ± 1.96 √(2/27 + 1.96²/36)) / (1 + 1.96²/3)
    ends = between.get_x(), between.get_x() + between.get_width()
    assert ends == pytest.approx((0.0615, 0.7923), abs=1e-4)


def test_rates_are_sorted_and_those_of_few_calls_are_written_and_not_drawn() -> None:
    frame = pl.DataFrame(
        {
            "model": ["most", "worst", "few", "others"],
            "folded": [0, 0, 0, 3],
            "responses": [1_000, 100, 19, 500],
            "responses_without_reason": [0, 0, 0, 0],
            "responses_truncated": [10, 5, 19, 400],
            "response_rate": [0.01, 0.05, 1.0, 0.8],
        }
    )

    ax = charts.plot_truncation_rate(frame)

    texts = label_texts(ax)
    assert [text.split(" · ")[0] for text in texts[:3]] == ["100%", "5%", "1%"]
    assert texts[4:] == ["few", "worst", "most", "3 others"]
    assert {str(line.get_label()) for line in ax.lines} == {"worst", "most", "3 others"}


def test_a_share_above_100_percent_is_noted_and_not_drawn() -> None:
    frame = pl.DataFrame(
        {
            "model": ["a"],
            "responses": [1],
            "cached_unseen": [0],
            "prompt_tokens": [10],
            "cached_tokens": [50],
            "cache_share": [5.0],
        }
    )

    ax = charts.plot_cache_share(frame)

    assert label_texts(ax) == ["not reported by any call"]
    assert note(ax) == "1 call · above 100%, not drawn: 1 value"


def test_finish_reasons_of_each_model_make_100_percent() -> None:
    ax = charts.plot_finish_reasons(frames.finish_reasons(None, ["a", "b"]))

    ends = [bar.get_x() + bar.get_width() for bar in list(bars(ax).values())[-1]]
    assert ends == pytest.approx([1, 1])
    assert next(iter(bars(ax))) == "stop"
    assert "unknown" in bars(ax)


def test_shares_over_time_make_100_percent_of_all_series() -> None:
    frame = frames.finish_reasons(frames.periods(4), ["a", "b"])

    ax = charts.plot_finish_reasons(frame)

    tops = np.sum([[bar.get_height() for bar in b] for b in bars(ax).values()], axis=0)
    assert tops.tolist() == pytest.approx([1] * 4)
    assert ax.get_ylim()[1] == pytest.approx(1.04)
    mix = charts.plot_model_mix(frames.model_mix(frames.periods(3), frames.models(8)))
    tops = np.sum([[bar.get_height() for bar in b] for b in bars(mix).values()], axis=0)
    assert tops.tolist() == pytest.approx([1] * 3)
    assert list(bars(mix))[-1] == "3 others"
    # stop of both: (calls - a twelfth - ...) of the period, worked from the rows
    first = frame.filter(pl.col("period") == frame["period"][0])
    stop = first.filter(pl.col("finish_reason") == "stop")["choices"].sum()
    assert bars(ax)["stop"][0].get_height() == stop / first["choices"].sum()


def test_calls_of_a_tool_are_summed_and_invalid_ones_marked() -> None:
    frame = pl.DataFrame(
        {
            "model": ["a", "b", "a", "a"],
            "tool": ["sql", "sql", "mail", None],
            "calls": [30, 10, 7, 1],
            "responses": [30, 10, 7, 1],
            "arguments_invalid": [3, 1, 0, 0],
            "arguments_unseen": [0, 0, 2, 0],
            "invalid_share": [0.1, 0.1, 0.0, 0.0],
        }
    )

    ax = charts.plot_tool_calls(frame)

    drawn = rectangles(ax.patches)
    sql = [bar for bar in drawn if bar.get_y() == drawn[0].get_y()]
    # 36 sound and 4 broken of 40, the broken behind the sound
    assert [(bar.get_x(), bar.get_width()) for bar in sql] == [(0, 36), (36, 4)]
    assert to_hex(sql[1].get_facecolor()) == LIGHT.warn
    assert label_texts(ax) == [
        "40 · 10% invalid",
        "7",
        "1",
        "sql",
        "mail",
        "unknown",
    ]
    assert note(ax) == (
        "48 tool calls · orange: invalid JSON arguments"
        " · 2 calls without arguments, not checked"
    )


def test_tools_beyond_sixteen_are_one() -> None:
    frame = pl.DataFrame(
        {
            "tool": [f"t{n:02}" for n in range(20)],
            "calls": [100 - n for n in range(20)],
            "arguments_invalid": 0,
            "arguments_unseen": 0,
            "invalid_share": 0.0,
        }
    )

    ax = charts.plot_tool_calls(frame)

    # 84 + 83 + 82 + 81
    assert bars(ax)["4 others"][0].get_width() == 330


def test_charts_without_tool_calls_and_without_problems_say_so() -> None:
    without_calls = charts.plot_tool_calls(frames.tool_calls(None, []))
    without_problems = charts.plot_log_health(frames.log_health(empty=True))

    assert label_texts(without_calls) == ["no tool calls"]
    assert label_texts(without_problems) == ["no problems found"]


def test_health_shows_what_is_odd_and_leaves_out_what_is_sound() -> None:
    ax = charts.plot_log_health(frames.log_health())

    assert list(bars(ax)) == [
        "error response",
        "invalid json",
        "stream chunk",
        "without usage",
        "undated",
        "total differs",
        "duplicates",
    ]
    red = to_hex(bars(ax)["invalid json"][0].get_facecolor())
    assert red == LIGHT.warn
    # 31 of 207,900 lines is 0.015%; 31 + 22 + 21 lines were rejected
    assert label_texts(ax)[0] == "31 · <0.1% of 207,900"
    assert note(ax) == "74 rejected lines (orange) · 3 kinds of findings (grey)"


def test_further_lines_of_streams_are_no_problem() -> None:
    health = frames.log_health()
    chunks = health.filter(name="duplicates").with_columns(name=pl.lit("chunks"))

    ax = charts.plot_log_health(pl.concat([health, chunks]))

    assert "duplicates" in bars(ax)
    assert "chunks" not in bars(ax)


def test_hours_of_the_week_begin_on_monday() -> None:
    frame = pl.DataFrame(
        {
            "weekday": [1, 1, 7, None],
            "hour": [0, 9, 23, None],
            "responses": [4, 8, 2, 3],
        },
        schema_overrides={"weekday": pl.Int8, "hour": pl.Int8},
    )

    ax = charts.plot_response_volume(frame)

    low, high = ax.get_ylim()
    assert low > high  # Monday, the first row, is at the top
    cells = {name: to_hex(cell.get_facecolor()) for name, (cell,) in bars(ax).items()}
    assert len(cells) == 7 * 24
    assert max(cells, key=lambda cell: contrast(cells[cell])) == "Mon 09:00"
    assert cells["Tue 00:00"] == mix(LIGHT.ground, LIGHT.ink, 0.05)
    hours = ("Tue 00:00", "Sun 23:00", "Mon 00:00")
    order = [contrast(cells[hour]) for hour in hours]
    assert order == sorted(order)
    assert len(set(order)) == 3
    assert note(ax) == (
        "17 calls · not shown: 3 calls without a date · busiest: Mon 09:00 (8 calls)"
    )


def test_the_sum_of_a_weekday_is_at_its_right_and_hours_below() -> None:
    ax = charts.plot_response_volume(frames.response_volume())

    at_edge = [label.get_text() for label in labels(ax) if label.xy[0] == 1]
    assert len(at_edge) == 7
    assert ticks(ax)[:2] == ["00:00", "02:00"]


def test_several_series_of_hours_are_summed() -> None:
    frame = pl.DataFrame(
        {"model": ["a", "b"], "weekday": [2, 2], "hour": [5, 5], "responses": [4, 8]}
    )

    assert note(charts.plot_response_volume(frame)).endswith(
        "busiest: Tue 05:00 (12 calls)"
    )


def test_a_backend_is_a_bar_from_its_first_to_its_last_response() -> None:
    frame = frames.drift(["m"], tz="Europe/Berlin").with_columns(
        first_seen=pl.datetime(2026, 11, 3, time_zone="Europe/Berlin"),
        last_seen=pl.datetime(2026, 11, 10, 12, time_zone="Europe/Berlin"),
    )

    ax = charts.plot_drift(frame)

    (bar,) = rectangles(ax.patches)
    assert bar.get_width() == pytest.approx(7.5)
    # 3 November in Berlin begins at 23:00 UTC on the day before.
    assert bar.get_x() % 1 == pytest.approx(23 / 24)
    assert subtitle(ax) == "First to last response (Berlin time)"
    assert ticks(ax)[0].endswith("Nov\n2026")


def test_a_backend_that_was_not_asked_for_says_so() -> None:
    ax = charts.plot_drift(frames.drift(frames.models(3)))

    asked = [text for text in label_texts(ax) if "requested: gpt-4o" in text]
    assert len(asked) == 2  # Llama-3.3-70B and DeepSeek-R1, once each
    assert not any(bar.get_hatch() for bar in ax.patches)


def test_a_snapshot_of_the_model_that_was_asked_for_is_no_other_model() -> None:
    names = ["gpt-4o-2024-08-06", "openai/gpt-4o", "gpt-4o-mini"]
    frame = frames.drift(["m"]).head(1)
    rows = [
        frame.with_columns(
            model=pl.lit(name), requested_model=pl.lit("gpt-4o"), differs=pl.lit(True)
        )
        for name in names
    ]

    ax = charts.plot_drift(pl.concat(rows))

    asked = [text for text in label_texts(ax) if "requested" in text]
    assert len(asked) == 1  # gpt-4o-mini


def test_a_version_is_named_by_what_it_has_and_is_not_usual() -> None:
    seen = frames.drift(["a", "b"]).unique("model", maintain_order=True)
    frame = seen.with_columns(
        system_fingerprint=pl.lit("fp_1"),
        service_tier=pl.lit("default"),
        provider=pl.Series(["x", None]),
        differs=pl.lit(False),
    )

    assert label_texts(charts.plot_drift(frame))[-2:] == ["a · fp_1 · x", "b · fp_1"]


def test_backends_are_in_the_order_in_which_they_came() -> None:
    ax = charts.plot_drift(frames.drift(frames.models(6)))

    drawn = sorted(rectangles(ax.patches), key=Rectangle.get_y)
    starts: dict[str, list[float]] = {}
    names = label_texts(ax)[-len(drawn) :]
    for bar, name in zip(drawn, names, strict=True):
        model = name.split(" · ", maxsplit=1)[0]
        starts.setdefault(model, []).append(bar.get_x())
    assert all(begun == sorted(begun) for begun in starts.values())
    firsts = [begun[0] for begun in starts.values()]
    assert firsts == sorted(firsts)
    assert sum(map(len, starts.values())) == len(drawn)


def test_the_rarest_of_too_many_backends_are_counted() -> None:
    frame = frames.drift(frames.models(60))

    ax = charts.plot_drift(frame)

    assert len(ax.patches) == 25
    assert f"{len(frame) - 25} less frequent versions not shown" in note(ax)
    assert everything_is_inside(ax)


def test_drift_without_a_zone_is_refused() -> None:
    naive = frames.drift(["m"]).with_columns(
        pl.col("first_seen", "last_seen").dt.replace_time_zone(None)
    )

    with pytest.raises(UnsuitableColumnError, match="has no time zone"):
        charts.plot_drift(naive)


def test_sizes_of_one_series_are_three_lines() -> None:
    ax = charts.plot_tokens_per_response(
        frames.tokens_per_response(frames.periods(5), ["a"])
    )

    assert sorted(label_texts(ax)) == ["p50", "p90", "p99"]
    p50 = np.asarray(lines(ax)["p50"].get_ydata(), dtype=float)
    p99 = np.asarray(lines(ax)["p99"].get_ydata(), dtype=float)
    assert (p99[:-1] == 11 * p50[:-1]).all()


def test_sizes_far_apart_are_on_a_log_axis_that_says_so() -> None:
    frame = frames.tokens_per_response(frames.periods(5), ["a"])

    plain = charts.plot_tokens_per_response(frame)
    far = charts.plot_tokens_per_response(frame.with_columns(p99=pl.col("p50") * 100))

    assert (plain.get_yscale(), far.get_yscale()) == ("linear", "log")
    assert "log scale" in subtitle(far)
    assert "log scale" not in subtitle(plain)
    assert plain.get_ylim()[0] == 0


def test_percentiles_are_never_added() -> None:
    ax = charts.plot_tokens_per_response(
        frames.tokens_per_response(frames.periods(3), frames.models(8))
    )

    assert "3 others not shown" in note(ax)
    assert "3 others" not in lines(ax)


def test_percentiles_that_the_metric_folded_are_drawn() -> None:
    frame = frames.tokens_per_response(frames.periods(3), ["a", "other"])
    folded = pl.Series([6 if name == "other" else 0 for name in frame["model"]])

    ax = charts.plot_tokens_per_response(
        frame.insert_column(4, folded.alias("folded").cast(pl.Int64))
    )

    assert "6 others" in lines(ax)


def test_sizes_without_periods_go_from_the_median_to_p99() -> None:
    ax = charts.plot_tokens_per_response(frames.tokens_per_response(None, ["a", "b"]))

    p50, p90, p99 = (
        frames.tokens_per_response(None, ["a"])
        .filter(pl.col("tokens") == "total_tokens")
        .select("p50", "p90", "p99")
        .row(0)
    )
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars(ax)["a"]]
    assert ends == [(p50, p90), (p90, p99)]
    assert points(lines(ax)["a"]) == [p50]
