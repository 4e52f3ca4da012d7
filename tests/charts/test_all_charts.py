"""What holds for every chart: its errors, its room, its alt text."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import polars as pl
import pytest
from matplotlib import pyplot as plt

from tests.support import frames
from tests.support.charting import (
    everything_is_inside,
    label_texts,
    note,
    what_is_drawn_is_inside,
)
from toolkit import charts, metrics
from toolkit.errors import MissingColumnsError, UnsuitableColumnError
from toolkit.testing import make_choices

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

ZONE = "America/New_York"
HOSTILE = [
    "$x^$",
    r"\frac{",
    "_private",
    "n" * 10_000,
    "通义千问 😀",
    "\N{RIGHT-TO-LEFT OVERRIDE}exe.gnp مرحبا",
    "a\nb\x00\x1b[31m",
    "",
    None,
]
OTHERS: dict[str, Callable[[int], pl.DataFrame]] = {
    "response_volume": lambda count: frames.response_volume(empty=not count),
    "drift": lambda count: frames.drift(frames.models(count), tz=ZONE),
    "cost_change": lambda count: frames.cost_change(frames.models(count)),
    "log_health": lambda count: frames.log_health(empty=not count),
}
ALL = [*frames.OVER_TIME, *OTHERS]
# Each chart over time, and where it has two forms, without periods.
FORMS = [(metric, True) for metric in ALL]
FORMS += [(metric, False) for metric in frames.OVER_TIME]


def plot_of(metric: str) -> Callable[..., Axes]:
    plot = getattr(charts, f"plot_{metric}")
    assert callable(plot)
    return plot  # type: ignore[no-any-return]


def made(metric: str, models: int, *, over_time: bool = True) -> pl.DataFrame:
    if metric in OTHERS:
        return OTHERS[metric](models)
    periods = frames.periods(14, tz=ZONE) if over_time else None
    return frames.OVER_TIME[metric](periods, frames.models(models))


def test_every_metric_has_its_chart() -> None:
    for metric in metrics.METRICS:
        assert callable(getattr(charts, f"plot_{metric}")), metric
        assert f"plot_{metric}" in charts.__all__


@pytest.mark.parametrize("metric", ALL)
def test_only_the_frame_of_the_metric_is_drawn(metric: str) -> None:
    plot, hint = plot_of(metric), rf"toolkit\.metrics\.{metric}\("
    others = [made(other, 2) for other in ALL if other != metric]

    for frame in (make_choices({"total_tokens": 5}), *others):
        with pytest.raises(MissingColumnsError, match=hint):
            plot(frame)
    with pytest.raises(UnsuitableColumnError, match=hint):
        plot(made(metric, 2).with_columns(choice_position=pl.lit(0)))
    for value, name in (([1, 2], "list"), (made(metric, 2).lazy(), "LazyFrame")):
        with pytest.raises(TypeError, match=rf"polars DataFrame, got {name}: call"):
            plot(value)
    assert not plt.get_fignums()


@pytest.mark.parametrize(("metric", "over_time"), FORMS)
@pytest.mark.parametrize("models", [1, 60])
def test_nothing_leaves_the_figure(metric: str, models: int, over_time: bool) -> None:
    ax = plot_of(metric)(made(metric, models, over_time=over_time))

    assert everything_is_inside(ax)
    assert not any(text.get_parse_math() for text in ax.texts)


@pytest.mark.parametrize(("metric", "over_time"), FORMS)
def test_in_small_axes_all_words_stay_in_their_place(
    metric: str, over_time: bool
) -> None:
    figure, grid = plt.subplots(2, 3, figsize=(11, 5))
    before = figure.get_facecolor(), figure.get_size_inches().tolist()

    # One is above the other and to its right.
    drawn = [grid[1, 0], grid[0, 1]]
    for ax in drawn:
        assert plot_of(metric)(made(metric, 6, over_time=over_time), ax=ax) is ax
    figure.draw_without_rendering()

    low, high = (ax.get_tightbbox() for ax in drawn)
    assert low is not None
    assert high is not None
    assert low.x1 <= high.x0
    assert low.y1 <= high.y0 + 1
    assert all(what_is_drawn_is_inside(ax) for ax in drawn)
    assert (figure.get_facecolor(), figure.get_size_inches().tolist()) == before
    assert len(figure.axes) == 6
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize(("metric", "over_time"), FORMS)
def test_an_empty_frame_is_an_empty_chart_that_says_so(
    metric: str, over_time: bool
) -> None:
    ax = plot_of(metric)(made(metric, 0, over_time=over_time))

    assert not ax.patches
    assert not ax.lines
    assert len(label_texts(ax)) == 1
    assert everything_is_inside(ax)
    assert charts.describe(ax)


@pytest.mark.parametrize(("metric", "over_time"), FORMS)
def test_a_frame_of_nulls_is_drawn_without_a_word_of_nan(
    metric: str, over_time: bool
) -> None:
    frame = made(metric, 3, over_time=over_time)
    leading = {"period", "period_end", "partial", "model", "kind", "name"}
    keys = {"tokens", "finish_reason", "tool", "weekday", "hour"}
    measures = [n for n in frame.columns if n not in leading | keys]

    ax = plot_of(metric)(
        frame.with_columns(
            pl.lit(None, frame.schema[name]).alias(name) for name in measures
        )
    )

    assert everything_is_inside(ax)
    words = " ".join(text.get_text() for text in ax.texts) + charts.describe(ax)
    assert "nan" not in words.lower()


@pytest.mark.parametrize("metric", [*frames.OVER_TIME, "drift"])
@pytest.mark.parametrize("over_time", [True, False])
def test_any_name_is_drawn_as_text(metric: str, over_time: bool) -> None:
    if metric == "drift":
        frame = frames.drift(HOSTILE)
    else:
        periods = frames.periods(3) if over_time else None
        frame = frames.OVER_TIME[metric](periods, HOSTILE)

    ax = plot_of(metric)(frame)

    ax.figure.savefig(BytesIO(), format="png" if over_time else "svg")
    assert everything_is_inside(ax)
    alt_text = charts.describe(ax)
    assert "\x1b" not in alt_text
    assert "\n" not in alt_text
    assert len(alt_text) < 4_000


@pytest.mark.parametrize(
    "metric",
    [
        "tool_calls",
        "finish_reasons",
        "usage_coverage",
        "tokens_per_response",
        "log_health",
    ],
)
def test_a_log_that_names_its_tools_and_reasons_strangely_is_drawn(metric: str) -> None:
    frame = made(metric, 2)
    keys = [
        n for n in ("tool", "finish_reason", "name", "tokens") if n in frame.columns
    ]

    for name in HOSTILE:
        odd = frame.with_columns(pl.lit(name, pl.String).alias(key) for key in keys)
        plot_of(metric)(odd).figure.canvas.draw()
        plt.close("all")


@pytest.mark.parametrize("metric", ALL)
def test_the_alt_text_says_title_and_note(metric: str) -> None:
    ax = plot_of(metric)(made(metric, 5))

    alt_text = charts.describe(ax)

    assert alt_text.startswith(ax.get_title(loc="left").replace("\n", " "))
    parts = [part for part in note(ax).replace("\n", " ").split(" · ") if part]
    assert all(part.rstrip(".") in alt_text for part in parts)


def test_the_alt_text_contains_the_figures() -> None:
    days = frames.periods(2).with_columns(partial=pl.lit(value=False))
    frame = frames.token_usage(days, ["a", "b"]).filter(pl.col("period").is_not_null())
    tokens = [30, 10, 50, 10]  # a and b on each of two days
    frame = frame.with_columns(
        total_tokens=pl.Series(tokens), responses_without_usage=pl.lit(0)
    )

    alt_text = charts.describe(charts.plot_token_usage(frame))

    # 100 in all, of which a has 30 + 50; the second day has 50 + 10
    calls = frame["responses"].sum()
    assert alt_text == (
        "Tokens by model and day. Stacked bars: Total tokens per day (UTC). "
        "1 to 2 Nov 2026. Total 100. a 80 (80%); b 20 (20%). "
        f"Highest: 60, 2 Nov 2026. {calls:,} calls."
    )


def test_the_alt_text_of_another_axes_is_not_known() -> None:
    _, ax = plt.subplots()

    with pytest.raises(TypeError, match=r"expected an Axes drawn by toolkit\.charts"):
        charts.describe(ax)


@pytest.mark.parametrize("metric", ALL)
def test_a_picture_depends_on_its_frame_only_and_changes_nothing(metric: str) -> None:
    frame, settings, pictures = made(metric, 5), dict(plt.rcParams), []
    before = frame.clone()
    for _ in range(2):
        charts.set_colors()
        file = BytesIO()
        plot_of(metric)(frame).figure.savefig(file, format="raw", dpi=50)
        pictures.append(file.getvalue())

    assert pictures[0] == pictures[1]
    assert frame.equals(before)
    assert dict(plt.rcParams) == settings


@pytest.mark.parametrize("metric", ["token_usage", "truncation_rate", "model_mix"])
def test_two_years_of_hours_by_sixty_models_are_few_artists(metric: str) -> None:
    hours = frames.periods(17_520, "1h")
    small = frames.OVER_TIME[metric](frames.periods(1, "1h"), frames.models(60))
    keep = small.filter(pl.col("period").is_not_null()).drop(hours.columns)
    frame = hours.join(keep, how="cross")

    ax = plot_of(metric)(frame)
    ax.figure.canvas.draw()

    # One for each of a million rows would take minutes to draw.
    assert len(ax.findobj()) < 200
