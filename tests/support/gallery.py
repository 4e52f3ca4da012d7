"""Draw every chart under every condition, to look at: ``make gallery``.

The pictures in docs/gallery are drawn from logs, and are under version control; a test
compares what they show. All others, from invented frames, are in out/gallery, with a
page that shows them side by side.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import warnings
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ["MPLBACKEND"] = "agg"  # before matplotlib looks for a screen

import numpy as np
import polars as pl
from matplotlib import pyplot as plt
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

import toolkit
from tests.support import frames
from toolkit import charts
from toolkit.errors import RejectsWarning
from toolkit.testing.sample_logs import write_sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
COMMITTED, ALL = ROOT / "docs" / "gallery", ROOT / "out" / "gallery"
SAMPLE = ROOT / "data" / "sample"
DPI = 110
NAMES = [
    "$x^$",
    r"\frac{",
    "_private",
    "n" * 300,
    "通义千问 😀",
    "\N{RIGHT-TO-LEFT OVERRIDE}exe.gnp مرحبا",
    "a\nb\x00",
    "",
    None,
]
WEEK = {"since": "2026-11-02", "until": "2026-11-09"}
# The pictures in docs/gallery, at least one of each chart: metric, log, options.
SHOWN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "token_usage": ("token_usage", "sample", {}),
    "token_usage-dark": ("token_usage", "sample", {"theme": "dark"}),
    "token_usage-half-a-year": ("token_usage", "large", {}),
    "token_usage-teams": ("token_usage", "sample", {"by": "tag_team", "every": None}),
    "cost": ("cost", "sample", {}),
    "cost-weeks": ("cost", "sample", {"every": "1w"}),
    "cost-models": ("cost", "sample", {"every": None}),
    "cost_change": ("cost_change", "sample", WEEK),
    "cache_share": ("cache_share", "large", {}),
    "cache_share-models": ("cache_share", "sample", {"every": None}),
    "reasoning_share": ("reasoning_share", "large", {}),
    "finish_reasons": ("finish_reasons", "large", {}),
    "finish_reasons-models": ("finish_reasons", "sample", {"every": None}),
    "truncation_rate": ("truncation_rate", "large", {"every": "1mo"}),
    "truncation_rate-models": ("truncation_rate", "sample", {"every": None}),
    "refusal_and_filter_rate": ("refusal_and_filter_rate", "large", {"every": None}),
    "tool_calls": ("tool_calls", "sample", {}),
    "choices_per_response": ("choices_per_response", "sample", {"every": None}),
    "tokens_per_response": ("tokens_per_response", "large", {"by": ()}),
    "tokens_per_response-models": ("tokens_per_response", "sample", {"every": None}),
    "output_input_ratio": ("output_input_ratio", "sample", {"every": None}),
    "model_mix": ("model_mix", "large", {}),
    "confidence": ("confidence", "large", {}),
    "usage_coverage": ("usage_coverage", "sample", {"every": None}),
    "response_volume": ("response_volume", "sample", {}),
    "response_volume-dark": ("response_volume", "sample", {"theme": "dark"}),
    "drift": ("drift", "sample", {}),
    "log_health": ("log_health", "sample", {}),
    "overview": ("overview", "sample", {}),
    "overview-dark": ("overview", "sample", {"theme": "dark"}),
}


def write_large(folder: Path) -> Path:
    """Write a log of half a year, and return its path."""
    log = folder / "large.jsonl"
    start = datetime(2026, 4, 1, tzinfo=UTC)
    write_sample(log, 20_000, seed=7, start=start, days=183)
    return log


def draw_shown(large: Path) -> Iterator[tuple[str, Figure, str]]:
    """Yield the name, the figure and the alt text of each picture in docs/gallery."""
    charts.set_colors()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RejectsWarning)
        tags = {"team": "metadata.team"}
        sample = toolkit.scan(SAMPLE, tags=tags).collect()
        places = {"sample": sample, "large": toolkit.scan(large).collect()}
        for name, (metric, log, options) in SHOWN.items():
            source = str(SAMPLE) if metric == "log_health" else places[log]
            if metric == "overview":
                figure = toolkit.overview(source, **options)
            else:
                figure = toolkit.plot(metric, source, **options).figure  # type: ignore[assignment] # no subfigure
            heads = (f"{text.get_text().rstrip('.')}." for text in figure.texts)
            alt_text = " ".join([*heads, *map(charts.describe, figure.axes)])
            yield name, figure, alt_text.replace("\n", " ")
            plt.close(figure)


def fingerprint(figure: Figure) -> str:
    """Return a short hash of what a figure shows: its texts, data and colours.

    Neither the rasterisation of fonts nor their widths are in it.
    """
    figure.draw_without_rendering()
    shown: list[object] = [figure.get_size_inches().tolist()]
    for artist in figure.findobj():
        if isinstance(artist, Text):
            shown.append(artist.get_text().replace("\n", " "))
        elif isinstance(artist, Line2D) and artist.axes:
            shown.append([artist.get_color(), *_rounded(artist.get_xydata())])
        elif isinstance(artist, Rectangle) and artist.axes:
            where = (*artist.get_xy(), artist.get_width(), artist.get_height())
            shown.append([to_hex(artist.get_facecolor()), *_rounded(where)])
        elif isinstance(artist, Collection):
            values = artist.get_array()
            paths = [path.vertices for path in artist.get_paths()]
            shown.append([_rounded(one) for one in (values, *paths) if one is not None])
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:12]


def _rounded(values: Any) -> list[str]:
    """Format numbers with four digits, so that the last bits do not matter."""
    return [f"{value:.4g}" for value in np.asarray(values, dtype=float).ravel()]


def over_time(name: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield frames of a metric: few and many models, short and long, odd and empty."""
    make = frames.OVER_TIME[name]
    days = frames.periods(22)
    for count in (1, 5, 60):
        yield f"22-days-{count}", make(days, frames.models(count))
        yield f"whole-{count}", make(None, frames.models(count))
    yield "whole-12", make(None, frames.models(12))
    hour = frames.periods(12, "5m", "Asia/Kathmandu")
    yield "one-hour", make(hour, frames.models(3))
    yield (
        "two-years",
        make(frames.periods(730, "1d", "Europe/Berlin"), frames.models(5)),
    )
    yield "two-years-monthly", make(frames.periods(24, "1mo"), frames.models(5))
    yield "one-day", make(frames.periods(1), frames.models(3))
    yield "hours", make(frames.periods(60, "1h", "America/New_York"), frames.models(4))
    yield "names", make(frames.periods(5), NAMES)
    yield "names-whole", make(None, NAMES)
    yield "empty", make(days, [])
    yield "gaps", with_gaps(make(days, frames.models(3)))
    yield "all-null", all_null(make(days, frames.models(3)))
    yield "folded-9", folded(make(days, frames.models(9)))


def with_gaps(frame: pl.DataFrame) -> pl.DataFrame:
    """Remove some days, and the first model on others."""
    day = pl.col("period").dt.day()
    return frame.filter(
        ~day.is_in([4, 5, 13]) & ~((pl.col("model") == "gpt-4o") & (day % 5 == 0))
    )


def all_null(frame: pl.DataFrame) -> pl.DataFrame:
    """Set all measures to null."""
    keys = {
        "period",
        "period_end",
        "partial",
        "model",
        "tokens",
        "finish_reason",
        "tool",
    }
    return frame.with_columns(
        pl.lit(None, dtype).alias(name)
        for name, dtype in frame.schema.items()
        if name not in keys and name != "responses"
    )


def folded(frame: pl.DataFrame) -> pl.DataFrame:
    """Mark the last model as folded, as a metric does with `top`."""
    last = frames.models(9)[-1]
    count = pl.when(pl.col("model") == last).then(7).otherwise(0).cast(pl.Int64)
    place = frame.columns.index("model") + 1
    return frame.insert_column(place, frame.select(count.alias("folded")).to_series())


def frames_of(name: str) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield all frames of a chart, with what is special about each."""
    if name in frames.OVER_TIME:
        yield from over_time(name)
    elif name == "response_volume":
        yield "", frames.response_volume()
        yield "empty", frames.response_volume(empty=True)
    elif name == "drift":
        yield "", frames.drift(frames.models(6))
        yield "60", frames.drift(frames.models(60))
        yield "names", frames.drift(NAMES)
        yield "empty", frames.drift([])
    elif name == "log_health":
        yield "", frames.log_health()
        yield "empty", frames.log_health(empty=True)


class Picture(NamedTuple):
    """The path of a picture, its alt text, and how long it took."""

    path: Path
    alt_text: str
    seconds: float


def draw(name: str, kind: str, frame: pl.DataFrame, theme: str) -> Picture:
    """Draw one picture."""
    title = "-".join(filter(None, (name, kind, "dark" if theme == "dark" else "")))
    if theme == "dark" and kind == "22-days-5":
        title = f"{name}-dark"
    charts.set_colors()
    started = time.process_time()
    with charts.theme(theme):
        ax = getattr(charts, f"plot_{name}")(frame)
    alt_text = charts.describe(ax)
    return save(title, ax.figure, alt_text, started)


def save(title: str, figure: Any, alt_text: str, started: float) -> Picture:
    """Save a picture."""
    path = ALL / f"{title}.png"
    figure.savefig(path, dpi=DPI)
    plt.close("all")
    return Picture(path, alt_text, time.process_time() - started)


def small_axes() -> Iterator[Picture]:
    """Draw each chart in axes as small as in a notebook's grid."""
    names = [*frames.OVER_TIME, "response_volume", "drift", "log_health"]
    for form in ("over-time", "whole"):
        started = time.process_time()
        figure, grid = plt.subplots(5, 4, figsize=(20, 19))
        for name, ax in zip(names, grid.flat, strict=False):
            made = dict(frames_of(name))
            kind = "22-days-5" if form == "over-time" else "whole-5"
            getattr(charts, f"plot_{name}")(made.get(kind, made.get("")), ax=ax)
        for ax in grid.flat[len(names) :]:
            ax.remove()
        yield save(f"small-{form}", figure, "All charts in small axes.", started)


def write_page(drawn: Iterable[Picture]) -> None:
    """Write a page that shows all pictures side by side."""
    pictures = "\n".join(
        f'<figure><img src="{escape(os.path.relpath(picture.path, ALL))}" width="680" '
        f'alt="{escape(picture.alt_text)}">'
        f"<figcaption>{escape(picture.path.stem)}</figcaption></figure>"
        for picture in drawn
    )
    page = f"<!doctype html><meta charset=utf-8><title>Gallery</title>\n{pictures}\n"
    (ALL / "index.html").write_text(page, encoding="utf-8")


def write_shown(folder: Path) -> list[Picture]:
    """Draw the pictures of docs/gallery, and their page with the alt text of each."""
    parts = [
        "# Gallery\n",
        "Drawn by `make gallery` from `data/sample`, and from a generated log of half "
        "a year. Below each picture is its alt text, written by "
        "`toolkit.charts.describe()` from the data.\n",
    ]
    drawn, prints = [], {}
    for old in COMMITTED.glob("*.png"):
        old.unlink()
    for name, figure, alt_text in draw_shown(write_large(folder)):
        path, started = COMMITTED / f"{name}.png", time.process_time()
        figure.savefig(path, dpi=DPI, metadata={"Software": None})
        prints[name] = fingerprint(figure)
        drawn.append(Picture(path, alt_text, time.process_time() - started))
        parts.append(f"## {name}\n\n![{name}]({name}.png)\n\n{alt_text}\n")
    (COMMITTED / "README.md").write_text("\n".join(parts), encoding="utf-8")
    (COMMITTED / "drawn.json").write_text(json.dumps(prints, indent=1) + "\n")
    return drawn


def main() -> None:
    """Draw all charts, or those of the metrics in the arguments."""
    for folder in (COMMITTED, ALL):
        folder.mkdir(parents=True, exist_ok=True)
    every = [*frames.OVER_TIME, "response_volume", "drift", "log_health"]
    drawn = [
        draw(name, kind, frame, theme)
        for name in sys.argv[1:] or every
        for kind, frame in frames_of(name)
        for theme in ("light", "dark")
    ]
    if not sys.argv[1:]:
        with TemporaryDirectory() as folder:
            drawn += [*small_axes(), *write_shown(Path(folder))]
    write_page(drawn)
    size = sum(path.stat().st_size for path in COMMITTED.glob("*.png")) / 1e6
    slowest = max(drawn, key=lambda picture: picture.seconds)
    print(f"{len(drawn)} pictures: {ALL / 'index.html'}")
    print(f"committed: {COMMITTED}, {size:.1f} MB")
    print(f"slowest: {slowest.path.stem}, {slowest.seconds:.2f} s with its file")


if __name__ == "__main__":
    main()
