"""The analyst's part: titles, charts and the table, worked out by hand."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report.made import calls, tables_of
from toolkit.expressions.time_ranges import span
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.metrics.rates import wilson_interval
from toolkit.pricing.price_file import PriceFile
from toolkit.report.analysis import TILES, build_analysis
from toolkit.report.drawing import draw_tile
from toolkit.report.inputs import Plan, collect_inputs, price
from toolkit.report.model import Bars, Dots, Heat
from toolkit.report.tables import MetricTables, Names, short_names

if TYPE_CHECKING:
    from toolkit.report.model import Analysis, Tile

MINI = {"model": "gpt-4o-mini"}
OWN = {"model": "of-our-own", "provider": None}


def built(*groups: list[dict[str, Any]], **options: Any) -> Analysis:
    """Build the part of calls; models have the names and slots of their log."""
    colors = {"gpt-4o": "a1", "gpt-4o-mini": "a2"}
    tables = tables_of(*groups, **options)
    return build_analysis(tables, Names(tables.plan.by, {}, colors))


def tiles(analysis: Analysis) -> dict[str, Tile]:
    """Return tiles by name."""
    return {tile.name: tile for tile in analysis.tiles}


def bars(tile: Tile) -> dict[str, list[Figure]]:
    """Return the parts of each bar."""
    assert isinstance(tile.chart, Bars)
    return {bar.label: [part.value for part in bar.parts] for bar in tile.chart.bars}


def test_tokens_and_calls_of_each_day() -> None:
    """Two models on two days; in the week before 20 calls on its first day."""
    found = tiles(
        built(
            calls("2026-11-09", 20),
            calls("2026-11-16", 12),
            calls("2026-11-17", 3, **MINI),
            calls("2026-11-17", 10),
        )
    )
    tokens = bars(found["token_usage"])
    assert list(tokens) == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert tokens["Mon"] == [Figure(13_200), Figure(0)]
    assert tokens["Tue"] == [Figure(11_000), Figure(3300)]
    # Of two days there is nothing to compare with the weekend.
    assert found["token_usage"].title == "Tue is the busiest day: 14,300 tokens"
    assert found["token_usage"].note == "Tokens per day by model; 27,500 in the week"
    assert found["calls"].title == "25 calls, 5 more than the week before"
    assert found["calls"].summary.startswith("Mon: 12; Tue: 13; Wed: 0;")
    chart = found["calls"].chart
    assert isinstance(chart, Bars)
    assert [bar.before.value for bar in chart.bars] == [20, 0, 0, 0, 0, 0, 0]


def test_a_count_that_lacks_calls_is_a_lower_bound_in_its_column() -> None:
    silent = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"))
    found = tiles(
        built(calls("2026-11-16", 20), calls("2026-11-16", 1, **silent), compares=False)
    )
    assert bars(found["token_usage"])["Mon"] == [Figure(22_000, "lower")]
    assert found["token_usage"].title == (
        "Mon is the busiest day: at least 22,000 tokens"
    )
    assert found["calls"].title == "Mon is the busiest day: 21 calls"
    assert found["calls"].note == "Calls per day"


def test_days_that_are_not_over_are_hatched_and_later_ones_not_drawn() -> None:
    now = datetime(2026, 11, 18, 12, tzinfo=UTC)
    found = tiles(built(calls("2026-11-16", 5), calls("2026-11-18", 6), now=now))
    chart = found["calls"].chart
    assert isinstance(chart, Bars)
    assert [(bar.label, bar.parts[0].mark) for bar in chart.bars] == [
        ("Mon", "solid"),
        ("Tue", "solid"),
        ("Wed", "hatched"),
    ]
    assert found["calls"].note == "Calls per day; hatched: not whole"


def test_nothing_is_drawn_before_the_first_call_of_the_log() -> None:
    """Without calls before it is unknown whether there was a log."""
    tables = tables_of(calls("2026-11-18", 5), compares=False)
    first = datetime(2026, 11, 18, 12, tzinfo=UTC)
    found = tiles(build_analysis(tables, Names(tables.plan.by, {}, {}, first)))
    assert list(bars(found["calls"])) == ["Wed", "Thu", "Fri", "Sat", "Sun"]


def test_more_than_seven_series_are_six_and_the_others() -> None:
    groups = [calls("2026-11-16", 9 - n, model=f"m{n}") for n in range(8)]
    chart = tiles(built(*groups))["token_usage"].chart
    assert isinstance(chart, Bars)
    # The smallest have 3 and 2 calls of 1,100 tokens.
    assert chart.legend[0][0] == "2 others"
    assert chart.bars[0].parts[-1].value == Figure(5500)
    assert chart.bars[0].parts[-1].color == "z"
    seven = tiles(built(*groups[:7]))["token_usage"].chart
    assert isinstance(seven, Bars)
    assert len(seven.legend) == 7


def test_hours_of_the_week() -> None:
    """20 calls at noon on Monday, 5 on Sunday at 3 in the morning."""
    night = datetime(2026, 11, 22, 3, tzinfo=UTC)
    tile = tiles(built(calls("2026-11-16", 20), calls("2026-11-22", 5, created=night)))[
        "response_volume"
    ]
    # 12 hours from 03:00 to 15:00 have both; from 01:00 on they have, too.
    assert tile.title == "100% of calls fall between 01:00 and 13:00"
    assert tile.note == "Calls by weekday and hour (UTC); darkest: 20 calls"
    assert tile.summary == "Most calls: 20 (Mon 12:00)."
    assert isinstance(tile.chart, Heat)
    assert len(tile.chart.columns) == 24
    assert (tile.chart.counts[0][12], tile.chart.counts[6][3]) == (20, 5)
    part = tables_of(calls("2026-11-16", 20), since="2026-11-16", until="2026-11-18")
    chart = tiles(build_analysis(part, Names(part.plan.by)))["response_volume"].chart
    assert isinstance(chart, Heat)
    assert chart.rows == ["Mon", "Tue"]  # no zeros for days that are not in the range


def test_tokens_by_kind_add_up_to_the_total() -> None:
    """Reasoning is in the answer of one model, and beside that of the other."""
    inside = calls("2026-11-16", 20, cached_tokens=400, reasoning_tokens=60)
    beside = calls("2026-11-16", 20, reasoning_tokens=300, total_tokens=1400, **MINI)
    tile = tiles(built(inside, beside))["token_kinds"]
    # Of 20 calls: 1,000 - 400 prompt, 400 from cache, 100 - 60 answer, 60 reasoning.
    assert bars(tile)["gpt-4o"] == [Figure(n) for n in (12_000, 8000, 800, 1200)]
    # 1,000 prompt, nothing from the cache, 100 answer, 300 reasoning: 1,400.
    assert bars(tile)["gpt-4o-mini"] == [Figure(n) for n in (20_000, 2000, 6000)]
    # 40,000 of 20 x 1,100 + 20 x 1,400 = 50,000.
    assert tile.title == "80% of all tokens are prompt"
    assert "gpt-4o: prompt 12,000, from cache 8,000, answer 800" in tile.summary


def test_spans_of_prompts_and_answers() -> None:
    """Prompts of 1 to 20 tokens: the nearest ranks are 2, 10 and 18."""
    groups = [calls("2026-11-16", 1, prompt_tokens=n) for n in range(1, 21)]
    tile = tiles(built(*groups))["tokens_per_response"]
    assert isinstance(tile.chart, Dots)
    ((prompt, answer),) = tile.chart.rows
    assert (prompt.low, prompt.value, prompt.high) == (
        Figure(2),
        Figure(10),
        Figure(18),
    )
    assert answer.value == Figure(100)
    assert tile.title == "The median prompt to gpt-4o has 10 tokens"
    assert tile.summary == ("gpt-4o: prompt 10 (2 to 18), answer 100 (100 to 100).")


def test_cost_of_1000_calls() -> None:
    """Of gpt-4o 1,000 calls cost 3.50; of mini 1,000 x 0.15 + 100 x 0.60 = 0.21."""
    found = built(
        calls("2026-11-16", 20),
        calls("2026-11-16", 20, **MINI),
        calls("2026-11-16", 20, **OWN),
    )
    tile = tiles(found)["cost"]
    assert tile.title == "A gpt-4o call costs 17 times one to gpt-4o-mini"  # 16.7
    assert tile.summary == "gpt-4o: $3.50; gpt-4o-mini: $0.21."
    assert tile.below == "of-our-own: no known price."
    assert bars(tile)["gpt-4o"] == [Figure(Decimal("3.5"))]
    none = built(calls("2026-11-16", 20, **OWN))
    assert "cost of a call (no model has 20 calls with a known price)" in none.left_out


def test_wilson_interval() -> None:
    """Of 0 of 20 the upper end is z^2 / (20 + z^2) = 3.841459 / 23.841459."""
    assert wilson_interval(0, 20) == (0.0, pytest.approx(0.161125, abs=1e-6))
    # 10 of 20 is symmetric: 0.5 +- z sqrt(0.25 / 20 + z^2 / 1600) / (1 + z^2 / 20).
    assert wilson_interval(10, 20) == pytest.approx((0.299298, 0.700702), abs=1e-6)


def test_answers_cut_off() -> None:
    """2 of 40 and 20 of 20 calls; the week before 1 of 10."""
    found = built(
        calls("2026-11-09", 9),
        calls("2026-11-09", 1, finish_reason="length"),
        calls("2026-11-16", 38),
        calls("2026-11-16", 2, finish_reason="length"),
        calls("2026-11-16", 20, finish_reason="length", **MINI),
    )
    tile = tiles(found)["truncation_rate"]
    assert tile.title == ("22 of 60 calls were cut off; most at gpt-4o-mini: 20 of 20")
    assert tile.note == "Share of calls with 95% range; 1 of 10 before"
    assert isinstance(tile.chart, Dots)
    assert [row[0].value for row in tile.chart.rows] == [Figure(0.05), Figure(1.0)]
    assert [row[0].text for row in tile.chart.rows] == ["2 of 40", "20 of 20"]
    none = built(calls("2026-11-16", 20))
    assert "answers cut off (of 20 calls none was cut off)" in none.left_out


def test_a_call_that_does_not_say_how_it_ended_may_have_been_cut_off() -> None:
    silent = calls("2026-11-16", 5, finish_reason=None)
    cut = calls("2026-11-16", 1, finish_reason="length")
    tile = tiles(built(calls("2026-11-16", 19), cut, silent))["truncation_rate"]
    assert tile.title == "At least 1 of 25 calls was cut off"
    assert isinstance(tile.chart, Dots)
    ((dot,),) = tile.chart.rows
    assert dot.text == "≥ 1 of 25"
    assert dot.value.value == 0.05  # 1 of the 20 that say it


def test_a_rate_of_few_calls_that_say_how_they_ended_is_not_drawn() -> None:
    silent = calls("2026-11-16", 19, finish_reason=None)
    found = built(silent, calls("2026-11-16", 5, finish_reason="length"))
    assert (
        "answers cut off (no model has 20 calls that say how they ended)"
        in found.left_out
    )


def test_tokens_that_one_model_does_not_report_make_the_day_a_lower_bound() -> None:
    none = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"))
    found = tiles(
        built(calls("2026-11-16", 20), calls("2026-11-16", 1, **none, **MINI))
    )
    assert found["token_usage"].summary.startswith("Mon: ≥ 22,000; Tue: 0;")


def test_share_from_the_cache() -> None:
    """500 of 1,000 tokens before, 200 now; one model reports more than its prompt."""
    found = built(
        calls("2026-11-09", 20, cached_tokens=500),
        calls("2026-11-16", 20, cached_tokens=200),
        calls("2026-11-16", 20, cached_tokens=5000, **OWN),
        calls("2026-11-16", 20, cached_tokens=None, **MINI),
    )
    tile = tiles(found)["cache_share"]
    assert tile.title == (
        "Fewer of the prompt tokens of gpt-4o came from the cache: 20%, 50% before"
    )
    assert tile.summary == "gpt-4o: 50% → 20%."
    assert tile.below == (
        "40 of 60 calls report it. of-our-own reports 100,000 cached of 20,000 prompt "
        "tokens: no share."
    )
    rows = {row[0]: dict(zip(found.table.heads, row, strict=True))
            for row in found.table.rows}  # fmt: skip
    assert [rows[name]["From cache"] for name in ("gpt-4o", "of-our-own")] == [
        "20%",
        "–",
    ]


def test_how_answers_ended_and_tools() -> None:
    good = {"id": "1", "type": "function", "name": "add", "arguments": "{}"}
    bad = {**good, "name": "sql", "arguments": "{"}
    found = tiles(
        built(
            calls("2026-11-16", 18),
            calls("2026-11-16", 1, tool_calls=[good, bad], finish_reason="tool_calls"),
            calls("2026-11-16", 1, refusal="No.", finish_reason="stop"),
        )
    )
    endings = found["finish_reasons"]
    assert endings.title == "95% of 20 answers finished by themselves"
    assert endings.summary == "finished: 19 (95%); called a tool: 1 (5%)."
    assert endings.below == "1 answer was a refusal by gpt-4o."
    one = tiles(built(calls("2026-11-16", 1)))["finish_reasons"]
    assert one.title == "100% of 1 answer finished by itself"
    tools = found["tool_calls"]
    assert tools.title == "1 of 2 tool calls has arguments that cannot be read"
    assert tools.summary == "add: 1; sql: 1, 1 unreadable."
    assert isinstance(tools.chart, Bars)
    assert [part.color for bar in tools.chart.bars for part in bar.parts] == [
        "soft",
        "warn",
    ]


def test_versions_over_the_weeks() -> None:
    """The version of most calls of a day, from its first day to that of the next."""
    old, new = ({"system_fingerprint": f"fp_{name}"} for name in ("aaaa11", "bbbb22"))
    found = tiles(
        built(
            calls("2026-11-07", 10, **old),
            calls("2026-11-16", 10, **old),
            calls("2026-11-16", 1, **new),
            calls("2026-11-17", 10, **new),
        )
    )["drift"]
    assert found.title == "gpt-4o changed version on 17 Nov"
    assert found.summary == "gpt-4o: aaaa, bbbb."
    # From 7 to 16 November, and on the 17th.
    assert bars(found) == {"gpt-4o": [Figure(10), Figure(1)]}
    assert isinstance(found.chart, Bars)
    assert [bar.start for bar in found.chart.bars] == [0]
    assert found.note.endswith("system_fingerprint, 7 to 17 Nov 2026")
    tokyo = built(
        calls("2026-11-15", 20, **old),
        calls("2026-11-17", 20, **new),
        since="2026-11-16T00:00+09:00",
        until="2026-11-23T00:00+09:00",
        tz="Asia/Tokyo",
    )
    assert tiles(tokyo)["drift"].title == "gpt-4o changed version on 17 Nov"
    same = built(calls("2026-11-16", 20, **old))
    assert "versions of models (no change in 1 model)" in same.left_out


def test_a_model_that_begins_later_has_a_bar_that_begins_later() -> None:
    """The days before its first call are no part of the bar."""
    old, new = ({"system_fingerprint": f"fp_{name}"} for name in ("aaaa11", "bbbb22"))
    later = {"model": "gpt-4o-mini"}
    found = tiles(
        built(
            calls("2026-11-07", 10, **old),
            calls("2026-11-17", 10, **new),
            calls("2026-11-16", 10, **old, **later),
            calls("2026-11-18", 10, **new, **later),
        )
    )["drift"]
    assert isinstance(found.chart, Bars)
    days = {
        bar.label: (bar.start, [part.value.number for part in bar.parts])
        for bar in found.chart.bars
    }
    # 7 to 16, and the 17th; from 9 days later on the 16th and 17th, and the 18th.
    assert days == {"gpt-4o": (0, [10, 1]), "gpt-4o-mini": (9, [2, 1])}
    assert {part.color for bar in found.chart.bars for part in bar.parts} == {"pale"}
    # The second bar is drawn from where the first one has its tenth day.
    rects = re.findall(r'<rect [^>]*x="([\d.]+)"', draw_tile(found))
    first, last, later, later_last = map(float, rects)
    assert later == pytest.approx(first + 0.9 * (last - first), abs=0.2)
    # 9 + 2 days after the first day; the last version of the other began after 10.
    assert later_last == pytest.approx(first + 1.1 * (last - first), abs=0.2)


def test_models_with_few_calls_are_in_the_table_only() -> None:
    found = built(calls("2026-11-16", 20), calls("2026-11-16", 19, **MINI))
    assert found.head.note == (
        "Models with fewer than 20 calls (1 model, 19 calls) are in the table only. "
        "Colours as above."
    )
    assert list(bars(tiles(found)["cost"])) == ["gpt-4o"]
    assert [row[0] for row in found.table.rows] == ["gpt-4o", "gpt-4o-mini"]


def test_the_table() -> None:
    found = built(
        calls("2026-11-09", 3), calls("2026-11-16", 4), calls("2026-11-16", 1, **OWN)
    )
    heads = ["Model", "Calls (before)", "Tokens", "Prompt median", "Answer median",
             "From cache", "Reasoning", "Cut off", "Refused", "Tool calls",
             "Answers a call", "Cost", "Per 1,000 calls"]  # fmt: skip
    assert found.table.heads == heads
    assert found.table.rows == [
        ["gpt-4o", "4 (3)", "4,400", "1,000", "100", "0%", "0%", "0", "0", "0", "1",
         "$0.0140", "$3.50"],
        ["of-our-own", "1 (0)", "1,100", "1,000", "100", "0%", "0%", "0", "0", "0", "1",
         "unknown", "–"],
    ]  # fmt: skip
    assert found.table.data[1]["cost"] == UNKNOWN
    assert found.table.data[0]["cost"] == Figure(Decimal("0.014"))
    assert found.table_head.note.startswith("In brackets the week before.")


def test_a_range_without_calls() -> None:
    found = built(calls("2026-11-02", 1))
    assert (found.tiles, found.table.rows) == ([], [])
    assert found.head.title == "Too little data for charts"
    assert len(found.left_out) == len(TILES)


@pytest.mark.parametrize(
    ("options", "title", "busiest"),
    [
        ({"since": None, "until": None}, "All calls in", "16 Nov is the busiest day"),
        (
            {"since": "2026-11-16", "until": "2026-11-17", "every": "1h"},
            "The same day in",
            "12:00 is the busiest hour",
        ),
        (
            {"since": "2026-01-01", "until": "2027-01-01", "every": "1mo"},
            "The same range in",
            "Nov is the busiest month",
        ),
    ],
)
def test_ranges(options: dict[str, Any], title: str, busiest: str) -> None:
    found = built(
        calls("2026-11-05", 1), calls("2026-11-16", 25), compares=False, **options
    )
    assert found.head.title.startswith(title)
    assert tiles(found)["calls"].title.startswith(f"{busiest}: 2")


@pytest.mark.parametrize("by", [(), ("provider",), ("provider", "api"), ("maker",)])
def test_other_series(by: tuple[str, ...]) -> None:
    found = built(calls("2026-11-16", 25), by=by)
    noun = by[0] if len(by) == 1 else "group"
    assert found.table.heads[0] == noun.capitalize()
    assert len(found.table.rows) == 1
    assert found.table.rows[0][0]
    assert "cost" in tiles(found)


def test_tiles_are_chosen_and_ordered_by_name() -> None:
    tables = tables_of(calls("2026-11-16", 25))
    found = build_analysis(tables, Names(tables.plan.by), ("cost", "calls"))
    assert [tile.name for tile in found.tiles] == ["cost", "calls"]


GROUPS = st.tuples(
    st.integers(2, 22),  # the day
    st.sampled_from(["gpt-4o", "gpt-4o-mini", "of-our-own"]),
    st.integers(1, 30),  # calls
    st.integers(0, 900),  # tokens of the prompt, of the cache and of reasoning
    st.integers(0, 900),
    st.integers(0, 900),
)


@settings(max_examples=15)
@given(st.lists(GROUPS, min_size=1, max_size=6))
def test_columns_and_kinds_add_up_to_all_tokens(groups: list[Any]) -> None:
    """Each call has 100 tokens in its answer; days 16 to 22 are in the range."""
    made = [
        calls(f"2026-11-{day:02}", count, model=model, prompt_tokens=prompt,
              cached_tokens=cached, reasoning_tokens=reasoning,
              completion_tokens=100, total_tokens=prompt + 100)
        for day, model, count, prompt, cached, reasoning in groups
    ]  # fmt: skip
    found = built(*made)
    total = sum(n * (prompt + 100) for day, _, n, prompt, _, _ in groups if day >= 16)
    shown = tiles(found)
    if not total:
        assert not found.tiles
        return
    columns = bars(shown["token_usage"]).values()
    assert sum(part.number for parts in columns for part in parts) == total
    rows = {str(one["name"]): one["tokens"] for one in found.table.data}
    kinds = bars(shown["token_kinds"]) if "token_kinds" in shown else {}
    for name, parts in kinds.items():
        assert sum(parts, Figure(0)) == rows[name]


def sample() -> MetricTables:
    """Return the tables of a week of the sample."""
    inputs = price(collect_inputs("data/sample", {}), PriceFile(), ("model",))
    now = datetime(2026, 11, 9, tzinfo=UTC)
    return MetricTables(
        inputs,
        Plan(span("2026-11-02", "2026-11-09"), True, "UTC", "1d", ("model",), 12, (),
             "LLM usage", now, now),
    )  # fmt: skip


def test_a_week_of_the_sample() -> None:
    """The figures were worked out by another, in the mock of the page."""
    tables = sample()
    rows = tables.table("token_usage", every=None, by=("model",))
    analysis = build_analysis(tables, Names(("model",), short_names(rows["model"])))
    found = tiles(analysis)
    assert analysis.head.title == "The same week in 12 small charts"
    assert "(5 models, 64 calls)" in analysis.head.note
    days = [86_757, 99_926, 99_225, 108_638, 85_059, 24_391, 18_245]
    parts = [[part.value.number for part in bar.parts]
             for bar in _bars(found["token_usage"])]  # fmt: skip
    assert [sum(numbers) for numbers in parts] == days
    assert "about 22% of a weekday" in found["token_usage"].title
    assert found["calls"].title == "443 calls, 8 fewer than the week before"
    assert [bar.text for bar in _bars(found["calls"])] == [
        *("81", "81", "88", "83", "76", "20", "14")
    ]
    assert found["response_volume"].title == (
        "88% of calls fall between 07:00 and 19:00"
    )
    assert found["response_volume"].note.endswith("darkest: 9 calls")
    assert found["token_kinds"].title == "About 81% of all tokens are prompt"
    assert "claude-3.7-sonnet gets the longest prompts" in (
        found["tokens_per_response"].title
    )
    assert found["tokens_per_response"].title.endswith("1,808")
    assert found["cost"].title == (
        "A claude-3.7-sonnet call costs 51 times one to gpt-4o-mini"
    )
    assert found["truncation_rate"].title == (
        "At least 17 of 443 calls were cut off; no model stands out"
    )
    assert found["cache_share"].title.endswith("32%, 41% before")
    assert found["finish_reasons"].title == "88% of 459 answers finished by themselves"
    assert "3 answers were refusals, all by gpt-4o" in found["finish_reasons"].below
    assert found["tool_calls"].title == (
        "2 of 43 tool calls have arguments that cannot be read"
    )
    assert "286 of 443" in found["cache_share"].below
    assert found["drift"].title == "3 models changed version on 6 Nov"
    assert "36 calls name both" in found["drift"].below
    assert "the same in all" in found["drift"].below
    medians = {row[0]: row[3:5] for row in analysis.table.rows}
    assert medians["gpt-5-mini-2025-08-07"] == ["675", "465"]
    assert medians["deepseek-r1"] == ["607", "668"]
    assert medians["sonar-pro"] == ["114", "112"]


def _bars(tile: Tile) -> list[Any]:
    """Return the bars of a tile."""
    assert isinstance(tile.chart, Bars)
    return list(tile.chart.bars)
