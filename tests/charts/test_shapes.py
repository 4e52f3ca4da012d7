"""Charts of metrics that are declared at run time, by the shape in the declaration."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

import polars as pl
import pytest

import toolkit
from tests.support.charting import (
    bars,
    everything_is_inside,
    label_texts,
    lines,
    note,
    rectangles,
    subtitle,
    title,
)
from toolkit.charts import describe
from toolkit.charts.by_metric import _SHAPES
from toolkit.metrics import registry
from toolkit.metrics.engine import compute
from toolkit.metrics.measures import (
    MONEY,
    RESPONSES,
    Measure,
    count,
    ratio,
    total,
)
from toolkit.metrics.registry import metric
from toolkit.metrics.spec import ChartShape, Key, MetricSpec
from toolkit.testing import make_choices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Unpack

    from toolkit.metrics.options import Choices, MetricOptions

    Register = Callable[..., str]

CHOICES = make_choices(
    {"model": "a", "prompt_tokens": 30, "completion_tokens": 6},
    {"model": "b", "prompt_tokens": 10, "completion_tokens": 4},
    {"model": "b"},
)
UNSEEN = count("unseen", pl.col("prompt_tokens").is_null())
READ = total(
    "prompt_tokens", pl.col("prompt_tokens"), label="tokens read", unseen="unseen"
)


def usd(name: str, values: pl.Expr, unseen: str | None = None) -> Measure:
    return Measure(name, MONEY, "USD", rows=values.cast(MONEY).sum(), unseen=unseen)


@pytest.fixture
def register() -> Iterator[Register]:
    """Register metrics, computed or of a given frame; remove them after the test."""
    names = []

    def add(spec: MetricSpec, frame: pl.DataFrame | None = None) -> str:
        @metric(spec)
        def function(
            choices: Choices, **options: Unpack[MetricOptions]
        ) -> pl.DataFrame:
            """Compute what a test declares."""
            return compute(spec, choices, options) if frame is None else frame

        names.append(spec.name)
        return spec.name

    yield add
    for name in names:
        del registry._METRICS[name], registry._SPECS[name]


def test_every_shape_has_a_function_that_draws_it() -> None:
    assert set(_SHAPES) == set(get_args(ChartShape))


def test_a_sum_is_a_stack_over_time_and_bars_without_periods(
    register: Register,
) -> None:
    name = register(
        MetricSpec(
            "tokens_read",
            (RESPONSES, UNSEEN, READ),
            main="prompt_tokens",
            title="Tokens read",
            needs=("prompt_tokens",),
        )
    )

    over_time = toolkit.plot(name, CHOICES)
    whole = toolkit.plot(name, CHOICES, every=None)

    assert title(over_time) == "Tokens read by model and day"
    assert subtitle(over_time).startswith("Tokens read per day (UTC)")
    assert note(over_time) == (
        "at least 40 tokens: 1 call without tokens read (dotted) · 3 calls"
    )
    heights = {k: v[0].get_height() for k, v in bars(over_time).items()}
    assert (heights["a"], heights["b"]) == (30, 10)
    # 30 and 10 of 40 tokens, or more: of b one call is unknown.
    assert label_texts(whole) == ["30 · ≤ 75%", "≥ 10 · ~ 25%", "a", "b"]
    assert describe(whole).startswith("Tokens read by model. Bars: Tokens read. a 30")


def test_a_sum_of_dollars_with_unknown_parts_is_a_lower_bound(
    register: Register,
) -> None:
    name = register(
        MetricSpec(
            "discounts",
            (
                RESPONSES,
                UNSEEN,
                usd("discount", pl.col("prompt_tokens"), unseen="unseen"),
            ),
            main="discount",
            needs=("prompt_tokens",),
        )
    )

    ax = toolkit.plot(name, CHOICES, every=None)

    assert label_texts(ax) == ["$30.00", "≥ $10.00, unpriced calls", "a", "b"]
    assert note(ax).startswith("at least $40.00: 1 call without a known price")


def test_a_sum_of_dollars_that_is_always_known_is_exact(register: Register) -> None:
    spec = MetricSpec(
        "fees",
        (usd("fee", pl.col("choice_position") + 2),),
        main="fee",
        needs=("choice_position",),
    )

    ax = toolkit.plot(register(spec), CHOICES, every=None)

    assert label_texts(ax) == ["$4.00", "$2.00", "b", "a"]
    assert subtitle(ax) == "US dollars"


def test_a_share_is_lines_over_time_and_bars_without_periods(
    register: Register,
) -> None:
    name = register(
        MetricSpec(
            "silent_share",
            (RESPONSES, UNSEEN, ratio("silent", "unseen", "responses")),
            main="responses",
            shape="ratio",
            draws=("silent",),
            needs=("prompt_tokens",),
        )
    )

    over_time = toolkit.plot(name, CHOICES)
    whole = toolkit.plot(name, CHOICES, every=None)

    assert {"a", "b"} <= {*lines(over_time)}
    assert label_texts(whole) == [
        "50% · 1 of 2",
        "0% · 0 of 1",
        "b",
        "a",
    ]


def test_a_mix_is_shares_of_the_sum(register: Register) -> None:
    spec = MetricSpec("calls_mix", (RESPONSES,), main="responses", shape="mix")
    name = register(spec)

    over_time = toolkit.plot(name, CHOICES)
    whole = toolkit.plot(name, CHOICES, every=None)

    # b has 2 and a has 1 of 3 calls
    assert bars(over_time)["b"][0].get_height() == pytest.approx(2 / 3)
    assert label_texts(whole) == ["66.7% · 2 calls", "33.3% · 1 call", "b", "a"]


def test_bars_are_the_sums_of_a_key_or_of_the_series(register: Register) -> None:
    calls = Measure("calls", unit="calls", meaning="calls")
    by_tool = register(
        MetricSpec("tools", (calls,), main="calls", shape="bars", keys=(Key("tool"),)),
        pl.DataFrame({"tool": ["x", "y", "x"], "calls": [1, 5, 3]}),
    )
    by_model = register(
        MetricSpec("calls", (RESPONSES,), main="responses", shape="bars")
    )

    assert label_texts(toolkit.plot(by_tool, CHOICES)) == ["5", "4", "y", "x"]
    assert label_texts(toolkit.plot(by_model, CHOICES)) == ["2", "1", "b", "a"]
    assert label_texts(toolkit.plot(by_model, CHOICES, by=None)) == ["3", "all calls"]


def test_a_distribution_is_a_range_for_each_series(register: Register) -> None:
    ranks = tuple(Measure(rank, unit="tokens") for rank in ("p50", "p90", "p99"))
    name = register(
        MetricSpec(
            "sizes",
            (RESPONSES, *ranks),
            main="responses",
            shape="distribution",
            draws=("p50", "p90", "p99"),
        ),
        pl.DataFrame(
            {"model": ["a"], "responses": [9], "p50": [10], "p90": [20], "p99": [30]}
        ),
    )

    ax = toolkit.plot(name, CHOICES, every=None)

    assert label_texts(ax) == ["10 · 20 · 30", "a"]
    assert subtitle(ax) == "Tokens per call: median, p90, p99"


def test_a_heat_map_has_the_sums_of_weekdays(register: Register) -> None:
    tokens = Measure("total_tokens", unit="tokens", label="tokens")
    keys = (Key("weekday", pl.Int8), Key("hour", pl.Int8))
    name = register(
        MetricSpec("hours", (tokens,), "total_tokens", shape="heatmap", keys=keys),
        pl.DataFrame({"weekday": [1, 1], "hour": [9, 10], "total_tokens": [7, 2]}),
    )

    ax = toolkit.plot(name, CHOICES)

    assert note(ax) == "9 tokens · busiest: Mon 09:00 (7 tokens)"
    assert subtitle(ax) == "Tokens by weekday and hour of the day; stronger is more"


def test_a_timeline_has_a_bar_for_each_series(register: Register) -> None:
    moments = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 9)]
    seen = [
        Measure(f"{end}_seen", pl.Datetime("us", "UTC")) for end in ("first", "last")
    ]
    name = register(
        MetricSpec("seen", (RESPONSES, *seen), main="responses", shape="timeline"),
        pl.DataFrame(
            {
                "model": ["a"],
                "responses": [3],
                "first_seen": moments[:1],
                "last_seen": moments[1:],
            }
        ),
    )

    ax = toolkit.plot(name, CHOICES)

    assert label_texts(ax) == ["3 calls", "a"]
    (bar,) = rectangles(ax.patches)
    assert bar.get_width() == pytest.approx(8)
    assert everything_is_inside(ax)
