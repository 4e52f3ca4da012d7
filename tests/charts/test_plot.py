"""Where metrics and charts meet: any metric by name, and the overview."""

from __future__ import annotations

import inspect
from io import BytesIO

import polars as pl
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

import toolkit
from tests.support.charting import bars, lines, title
from toolkit import charts, metrics
from toolkit.charts.colors import contrast
from toolkit.charts.plot import PICTURES, _choose_length, find_chart
from toolkit.charts.style import DARK
from toolkit.errors import OptionError
from toolkit.testing import make_choices

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
    day = {"since": "2026-01-01", "until": "2026-01-02"}
    needed = day if metric == "cost_change" else {}

    ax = toolkit.plot(metric, source, **needed)  # type: ignore[arg-type] # either will do

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
        "Truncated answers by model and day",
        "Prompt tokens served from cache by model and day",
        "Size of calls by model and day",
        "When calls are made",
    ]
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if text.get_text().strip("■ "):
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
    choices = pl.DataFrame({"created": times})

    assert _choose_length(choices, {"tz": "UTC", "since": None, "until": None}) == every


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
