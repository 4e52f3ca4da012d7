"""Draw every chart under every condition, to look at: ``make gallery``.

A few pictures are saved in docs/gallery, under version control; all others in
out/gallery, with a page that shows them side by side.
"""

from __future__ import annotations

import os
import sys
import time
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

os.environ["MPLBACKEND"] = "agg"  # before matplotlib looks for a screen

import polars as pl
from matplotlib import pyplot as plt

import toolkit
from tests.support import frames
from toolkit import charts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
# The pictures in docs/gallery: at least one of each chart.
CHOSEN = {
    "token_usage-22-days-5",
    "token_usage-dark",
    "token_usage-whole-12",
    "cost-22-days-5",
    "cost-whole-12",
    "cache_share-22-days-5",
    "reasoning_share-22-days-5",
    "finish_reasons-22-days-5",
    "finish_reasons-whole-5",
    "truncation_rate-22-days-5",
    "refusal_and_filter_rate-22-days-5",
    "tool_calls-22-days-5",
    "choices_per_response-22-days-5",
    "tokens_per_response-22-days-1",
    "tokens_per_response-whole-5",
    "output_input_ratio-22-days-5",
    "model_mix-22-days-5",
    "confidence-22-days-5",
    "usage_coverage-22-days-5",
    "response_volume",
    "response_volume-dark",
    "drift",
    "log_health",
    "overview",
    "overview-dark",
}


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
    path = (COMMITTED if title in CHOSEN else ALL) / f"{title}.png"
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


def overviews() -> Iterator[Picture]:
    """Draw the overview of the sample log."""
    choices = toolkit.scan(SAMPLE).collect()
    for theme in ("light", "dark"):
        started = time.process_time()
        charts.set_colors()
        figure = toolkit.overview(choices, theme=theme)
        alt_text = " ".join(
            [f"{text.get_text().rstrip('.')}." for text in figure.texts]
            + [charts.describe(ax) for ax in figure.axes]
        )
        title = "overview" if theme == "light" else "overview-dark"
        yield save(title, figure, alt_text.replace("\n", " "), started)


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


def write_readme(drawn: Iterable[Picture]) -> None:
    """Write the page of the pictures in docs/gallery, with the alt text of each."""
    committed = sorted(picture for picture in drawn if picture.path.parent == COMMITTED)
    parts = [
        "# Gallery\n",
        "`make gallery` draws every chart in many variants; these are checked in. The "
        "overviews show `data/sample`, all others invented numbers from "
        "`tests/support/frames.py`. Below each is its alt text, written by "
        "`toolkit.charts.describe()` from the data.\n",
    ]
    for path, alt_text, _ in committed:
        parts.append(f"## {path.stem}\n\n![{path.stem}]({path.name})\n\n{alt_text}\n")
    (COMMITTED / "README.md").write_text("\n".join(parts), encoding="utf-8")


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
        drawn += [*small_axes(), *overviews()]
        write_readme(drawn)
    write_page(drawn)
    size = sum(path.stat().st_size for path in COMMITTED.glob("*.png")) / 1e6
    slowest = max(drawn, key=lambda picture: picture.seconds)
    print(f"{len(drawn)} pictures: {ALL / 'index.html'}")
    print(f"committed: {COMMITTED}, {size:.1f} MB")
    print(f"slowest: {slowest.path.stem}, {slowest.seconds:.2f} s with its file")


if __name__ == "__main__":
    main()
