"""Charts: the artists are asked, not photographed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from toolkit import charts
from toolkit.charts import plot_token_usage
from toolkit.errors import MissingColumnsError, UnsuitableColumnError
from toolkit.metrics import token_usage
from toolkit.testing import make_choices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer

BERLIN = "Europe/Berlin"
OFFSETS = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1)}


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    """Leave no figure behind."""
    yield
    plt.close("all")


def make_usage(
    *rows: tuple[str | None, object, int],
    every: str = "1d",
    tz: str = "UTC",
    calls: int = 1,
    silent: int = 0,
) -> pl.DataFrame:
    """Make a frame of `token_usage` of (wall clock of the period, model, tokens)."""
    keys = [model for _, model, _ in rows]
    start = pl.Series("period", [time for time, _, _ in rows], pl.String)
    frame = pl.DataFrame(
        {
            "period": start.str.to_datetime(
                "%Y-%m-%dT%H:%M", time_unit="us", strict=True
            ).dt.replace_time_zone(tz),
            "model": pl.Series(keys, dtype=None if any(keys) else pl.String),
            "total_tokens": pl.Series([tokens for *_, tokens in rows], dtype=pl.Int64),
        }
    )
    return with_usage_columns(frame, every=every, calls=calls, silent=silent)


def with_usage_columns(
    frame: pl.DataFrame, *, every: str, calls: int = 1, silent: int = 0
) -> pl.DataFrame:
    """Add what a frame of period, names and total tokens lacks."""
    names = [name for name in frame.columns if name not in ("period", "total_tokens")]
    return frame.select(
        "period",
        pl.col("period").dt.offset_by(every).alias("period_end"),
        *names,
        pl.lit(calls, pl.UInt32).alias("responses"),
        pl.lit(silent, pl.UInt32).alias("responses_without_usage"),
        pl.col("total_tokens").alias("prompt_tokens"),
        pl.lit(0, pl.Int64).alias("completion_tokens"),
        "total_tokens",
        pl.lit(0, pl.Int64).alias("cached_tokens"),
        pl.lit(0, pl.Int64).alias("reasoning_tokens"),
    )


def make_range(
    first: str, until: str, every: str, models: int = 2, tz: str = "UTC"
) -> pl.DataFrame:
    """Make usage of each period of a range; the first model has the most tokens."""
    ends = [datetime.fromisoformat(text) for text in (first, until)]
    periods = pl.datetime_range(
        *ends, every, closed="left", time_zone=tz, eager=True
    ).alias("period")
    names = pl.DataFrame(
        {
            "model": [f"model-{place}" for place in range(models)],
            "total_tokens": [100 * (models - place) for place in range(models)],
        }
    )
    return with_usage_columns(periods.to_frame().join(names, how="cross"), every=every)


def days(text: str, tz: str = "UTC") -> float:
    """Return a moment of a wall clock in matplotlib's days of UTC."""
    wall = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz))
    return float(date2num(wall.astimezone(UTC)))  # type: ignore[no-untyped-call]


def bars(ax: Axes) -> dict[str, list[tuple[float, float, float, float]]]:
    """Return left, width, bottom and height of the bars of each series."""
    containers: list[Any] = list(ax.containers)
    return {
        container.get_label(): [
            (bar.get_x(), bar.get_width(), bar.get_y(), bar.get_height())
            for bar in container
        ]
        for container in containers
    }


def heights(ax: Axes) -> dict[str, list[float]]:
    """Return the heights of the bars of each series."""
    return {name: [bar[3] for bar in parts] for name, parts in bars(ax).items()}


def words(ax: Axes) -> list[str]:
    """Return note, subtitle and labels."""
    return [text.get_text() for text in ax.texts]


def labels(ax: Axes) -> list[str]:
    """Return the names at the right edge, from below."""
    return words(ax)[2:]


def ticks(ax: Axes) -> list[str]:
    """Return the labels under the x axis."""
    return [label.get_text() for label in ax.get_xticklabels()]


def figure_of(ax: Axes) -> Figure:
    """Return the figure of an Axes."""
    figure = ax.figure
    assert isinstance(figure, Figure)
    return figure


def drawn_boxes(ax: Axes) -> list[Any]:
    """Draw, and return where every word came to stand, in pixels."""
    figure = figure_of(ax)
    figure.canvas.draw()
    texts = [
        *ax.texts,
        ax.title,
        *(text for side in ("left", "right") for text in [titles(ax)[side]]),
        *ax.get_xticklabels(),
        *ax.get_yticklabels(),
    ]
    low, high = ax.get_ylim()
    ticks_outside = {
        label
        for label, place in zip(ax.get_yticklabels(), ax.get_yticks(), strict=True)
        if not low <= place <= high
    }
    return [
        text.get_window_extent()
        for text in texts
        if text.get_text() and text not in ticks_outside
    ]


def titles(ax: Axes) -> dict[str, Any]:
    """Return the text artists of the title by their side."""
    return {"left": ax._left_title, "right": ax._right_title}


def assert_whole(ax: Axes) -> None:
    """Assert that every word stands inside the figure."""
    width, height = figure_of(ax).bbox.size

    for box in drawn_boxes(ax):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
