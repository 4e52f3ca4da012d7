"""Where metrics and charts meet: any metric by name, and the overview."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

import polars as pl
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.text import Text

import toolkit
from tests.support.charting import bars, everything_is_inside, lines, title
from toolkit import charts, metrics
from toolkit.charts.by_metric import find_chart
from toolkit.charts.colors import LIGHT_SHADES, contrast
from toolkit.charts.plot import PICTURES, _choose_length
from toolkit.charts.style import DARK
from toolkit.errors import OptionError
from toolkit.testing import make_choices

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLE = "data/sample"


def test_every_metric_can_be_plotted_by_its_name() -> None:
    for name in metrics.METRICS:
        assert find_chart(name) is getattr(charts, f"plot_{name}")


@pytest.mark.parametrize("metric", [*metrics.METRICS])
def test_a_metric_is_plotted_from_choices_in_memory(metric: str) -> None:
    choices = make_choices(
        {"model": "gpt-4o", "prompt_tokens": 10, "completion_tokens": 5},
        {"model": "b", "prompt_tokens": 10, "completion_tokens": 5},
    )
    source = SAMPLE if metric == "log_health" else choices
    within = {"since": "2026-11-02", "until": "2026-11-09"}
    options: Any = within if metric == "cost_change" else {}

    ax = toolkit.plot(metric, source, **options)  # type: ignore[arg-type] # either will do

    assert title(ax)
    assert charts.describe(ax)


def test_plot_passes_on_what_the_metric_takes() -> None:
    choices = make_choices(
        *({"model": f"m{n}", "total_tokens": n} for n in range(1, 9))
    )

    over_time = toolkit.plot("token_usage", choices, top=2, every="1w")
    whole = toolkit.plot("token_usage", choices, top=2, every=None, theme="dark")

    assert title(over_time) == "Tokens by model and week"
    assert list(bars(over_time)) == ["m8", "m7", "6 others"]
    # 1 + 2 + 3 + 4 + 5 + 6
    assert bars(over_time)["6 others"][0].get_height() == 21
    assert title(whole) == "Tokens by model"
    assert bars(whole)["6 others"][0].get_width() == 21
    assert to_hex(whole.figure.get_facecolor()) == DARK.ground.lower()


@pytest.mark.parametrize(
    ("metric", "option"),
    [("drift", "by"), ("response_volume", "every"), ("log_health", "since")],
)
def test_what_a_metric_does_not_take_is_refused(metric: str, option: str) -> None:
    with pytest.raises(OptionError, match=f"{metric} has no option '{option}'"):
        toolkit.plot(metric, SAMPLE, **{option: "2026-11-01"})  # type: ignore[arg-type]


def test_a_metric_of_all_responses_stays_so_by_default() -> None:
    default = inspect.signature(metrics.response_volume).parameters["by"].default

    ax = toolkit.plot("response_volume", make_choices({"created": None}, {}))

    assert default == ()
    assert ax.texts[0].get_text().startswith("2 calls")


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(OptionError, match="did you mean 'token_usage'"):
        toolkit.plot("tokens", SAMPLE)


def test_the_overview_has_six_charts_and_one_sentence() -> None:
    figure = toolkit.overview(SAMPLE, theme="dark")

    # The figures of the sample, as `toolkit tokens` and `toolkit check` print them.
    sentence = figure.texts[0].get_text().replace("\n", " ")
    assert sentence.startswith("At least 3.36M tokens in 2,906 calls, at least $")
    assert figure.texts[1].get_text() == "LLM usage · 1 Oct to 14 Nov 2026 (UTC)"
    assert [title(ax) for ax in figure.axes] == [
        "Tokens by model and day",
        "Cost by model and day",
        "Truncated answers by model and week",
        "Prompt tokens served from cache by model",
        "Size of calls by model",
        "When calls are made",
    ]
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_text().strip():
            assert contrast(to_hex(text.get_color()), DARK.ground) >= 4.5


def test_a_model_has_one_colour_in_all_charts_of_an_overview() -> None:
    figure = toolkit.overview(SAMPLE)

    tokens, truncated = figure.axes[0], figure.axes[2]
    named = {name: to_hex(bar[0].get_facecolor()) for name, bar in bars(tokens).items()}
    both = {"gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"}
    assert both <= {*named} & {*lines(truncated)}
    for name in both:
        assert to_hex(lines(truncated)[name].get_color()) == named[name]


def test_in_an_overview_nothing_is_cut_or_covered() -> None:
    figure = toolkit.overview(SAMPLE)
    figure.draw_without_rendering()

    boxes = [ax.get_tightbbox() for ax in figure.axes]
    heading = [text.get_window_extent() for text in figure.texts]
    for place, box in enumerate(boxes):
        assert box is not None
        assert figure.bbox.contains(*box.min)
        assert figure.bbox.contains(*box.max)
        for other in (*boxes[place + 1 :], *heading):
            assert other is not None
            assert not box.overlaps(other)


def test_an_overview_of_nothing_says_so() -> None:
    figure = toolkit.overview(make_choices().clear())
    figure.savefig(BytesIO(), dpi=40)

    assert figure.texts[0].get_text() == "No calls."
    assert figure.texts[1].get_text() == "LLM usage · no dated responses"
    assert len(figure.axes) == len(PICTURES)


@pytest.mark.parametrize(
    ("last", "every"),
    [
        ("2026-11-02", "1h"),  # a day
        ("2026-12-01", "1d"),  # a month
        ("2027-11-01", "1w"),  # a year
        ("2029-11-01", "1mo"),  # three years
    ],
)
def test_the_length_of_a_period_suits_the_range(last: str, every: str) -> None:
    times = pl.Series(["2026-11-01", last]).str.to_datetime(time_zone="UTC")

    assert _choose_length(times) == every


def test_options_of_logs_beside_choices_are_refused() -> None:
    with pytest.raises(OptionError, match=r"overview\(\) of choices has no .*'tags'"):
        toolkit.overview(make_choices({}), tags={"team": "metadata.team"})


def test_what_is_no_metric_is_answered_with_what_to_do() -> None:
    choices = make_choices({})

    with pytest.raises(OptionError, match=r"^metric: .*: toolkit\.overview\(\) draws"):
        toolkit.plot("overview", choices)
    for first, got in ((choices, "DataFrame"), ("data/sample", "'data/sample'")):
        words = rf"^metric: .* got {got}: the arguments are swapped"
        with pytest.raises(OptionError, match=words):
            toolkit.plot(first, "token_usage")  # type: ignore[arg-type]


def test_a_title_and_a_size_are_laid_out_before_the_next_drawing() -> None:
    words = "What the teams of the whole company used in the first weeks of the autumn"
    ax = toolkit.plot("token_usage", SAMPLE, title=words, figsize=(5, 4))
    drawn = everything_is_inside(ax)
    size = cast("Figure", ax.figure).get_size_inches().tolist()

    assert drawn
    assert size == [5, 4]
    assert title(ax).replace("\n", " ") == words
    assert "\n" in title(ax)
    assert charts.describe(ax).startswith(words)
    # The lower line of the title is above the subtitle.
    above, below = ax.title, ax.texts[1]
    left = next(text for text in ax.findobj(Text) if text.get_text() == title(ax))  # type: ignore[union-attr] # of this class
    assert above.get_text() == ""
    assert left.get_window_extent().y0 >= below.get_window_extent().y1 - 2


@pytest.mark.parametrize("loc", ["left", "center", "right"])
def test_a_title_set_later_replaces_that_of_the_chart(loc: Any) -> None:
    ax = toolkit.plot("cost", SAMPLE, every=None)

    ax.set_title("Spent", loc=loc)
    ax.figure.draw_without_rendering()

    assert [ax.get_title(loc=at) for at in ("left", "center", "right")] == [  # type: ignore[arg-type] # places
        "Spent",
        "",
        "",
    ]
    assert charts.describe(ax).startswith("Spent. Bars: US dollars")


def test_in_another_size_a_chart_is_laid_out_again_and_keeps_what_was_added() -> None:
    frame = metrics.token_usage(toolkit.load(SAMPLE).frame, every=None, by="model")
    ax = charts.plot_token_usage(frame)
    drawn = len(bars(ax))
    line = ax.axvline(1e6, color="black")

    cast("Figure", ax.figure).set_size_inches(4, 2.5)
    inside = everything_is_inside(ax)

    assert inside
    assert line in ax.lines
    assert len(bars(ax)) < drawn  # the rest is one
    assert len(ax.containers) == len({id(one) for one in ax.containers})
    cast("Figure", ax.figure).set_size_inches(9, 8)
    assert everything_is_inside(ax)
    assert len(bars(ax)) == drawn


def test_colours_of_one_chart_are_those_of_no_other() -> None:
    choices = make_choices({"model": "gpt-4o", "total_tokens": 5})

    colors = {"gpt-4o": "#123456"}
    own = toolkit.plot("token_usage", choices, every=None, colors=colors)
    other = toolkit.plot("token_usage", choices, every=None)

    assert to_hex(bars(own)["gpt-4o"][0].get_facecolor()) == "#123456"
    assert to_hex(bars(other)["gpt-4o"][0].get_facecolor()) == "#0a3a70"
    with pytest.raises(OptionError, match="colors: expected colours such as"):
        toolkit.plot("token_usage", choices, colors={"gpt-4o": "blue"})


@pytest.mark.parametrize("size", [5, (1,), (0, 3), "ab", (3, -2)])
def test_a_size_that_is_none_is_refused(size: Any) -> None:
    with pytest.raises(OptionError, match="figsize: expected width and height"):
        toolkit.plot("token_usage", make_choices({}), figsize=size)


def test_a_chart_has_the_theme_of_its_figure() -> None:
    choices = make_choices({"model": "gpt-4o", "total_tokens": 5})
    figure, (one, two) = plt.subplots(1, 2, facecolor="#101820")

    toolkit.plot("token_usage", choices, every=None, ax=one)
    toolkit.plot("token_usage", choices, every=None, ax=two, theme="light")

    for ax in (one, two):
        assert to_hex(bars(ax)["gpt-4o"][0].get_facecolor()) == "#387ccb"
        for text in (*ax.texts, *ax.get_xticklabels()):
            assert contrast(to_hex(text.get_color()), "#101820") >= 4.5
    assert to_hex(figure.get_facecolor()) == "#101820"


def test_the_default_length_of_a_period_suits_the_range() -> None:
    def spread(days: int, calls: int, metric: str) -> str:
        start = datetime(2026, 1, 5, tzinfo=UTC)
        step = timedelta(days=days) / calls
        rows = ({"created": start + step * n, "total_tokens": 3} for n in range(calls))
        return title(toolkit.plot(metric, make_choices(*rows)))

    assert spread(90, 100, "token_usage").endswith("by model and day")
    assert spread(400, 100, "token_usage").endswith("by model and week")
    assert spread(1_000, 100, "token_usage").endswith("by model and month")
    # A rate has 20 calls in a period or more, if there are three of them.
    assert spread(30, 620, "truncation_rate").endswith("by model and day")
    assert spread(30, 120, "truncation_rate").endswith("by model and week")
    assert spread(30, 9, "truncation_rate").endswith("by model and week")
    assert spread(200, 150, "truncation_rate").endswith("by model and month")


def test_a_length_that_is_given_is_used() -> None:
    assert title(toolkit.plot("truncation_rate", SAMPLE, every="1d")).endswith("day")


def test_a_notebook_shows_an_overview_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plt, "get_backend", lambda: "inline")

    figure = toolkit.overview(make_choices({}))

    assert not plt.get_fignums()  # the notebook shows what the cell returns
    figure.savefig(BytesIO(), dpi=40)


def test_a_model_has_the_colour_that_it_has_in_a_report() -> None:
    # On the first day not in the order of their names; one appears later.
    calls = [("gpt-5", 1, 8), ("gpt-4o", 1, 9), ("gpt-4", 2, 7)]
    choices = make_choices(
        *(
            {"model": model, "created": datetime(2026, 11, day, hour, tzinfo=UTC)}
            | {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            for model, day, hour in calls
        )
    )
    charts.set_colors()

    slots = toolkit.write_report(choices, []).content.colors
    assert slots == {"gpt-4o": "a1", "gpt-5": "a2", "gpt-4": "a3"}
    for every in ("1h", "1d"):
        charts.set_colors()
        ax = toolkit.plot("token_usage", choices, every=every)
        drawn = {
            bar.get_label(): to_hex(bar.patches[0].get_facecolor())
            for bar in ax.containers
        }
        assert drawn == {name: LIGHT_SHADES[slot].fill for name, slot in slots.items()}
