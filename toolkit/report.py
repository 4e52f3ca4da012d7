"""Where metrics and charts meet: a picture in one line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, cast

from toolkit import charts, metrics
from toolkit.blocks import check_word
from toolkit.ranges import span
from toolkit.scanning import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl
    from matplotlib.axes import Axes

    from toolkit.blocks import CreatedUnit, OnDamage
    from toolkit.finding import Sources
    from toolkit.metrics import Choices
    from toolkit.ranges import Moment


class Shown(NamedTuple):
    """A metric and the chart that draws it."""

    metric: Callable[..., pl.DataFrame]
    chart: Callable[..., Axes]


SHOWN = {"token_usage": Shown(metrics.token_usage, charts.plot_token_usage)}


def plot(
    metric: str,
    sources: Sources | Choices,
    *,
    every: str = "1d",
    by: str | Sequence[str] = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    ax: Axes | None = None,
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    on_damage: OnDamage = "raise",
    progress: Callable[[int], None] | None = None,
) -> Axes:
    """Draw a metric of logs or of an export.

    Parameters
    ----------
    metric
        ``"token_usage"``.
    sources
        Logs or exports as in `toolkit.scan`, or choices that are at hand: a frame, a
        `Loaded`.
    every, by, tz, since, until
        As in the metric: see `toolkit.metrics.token_usage`.
    ax
        Where to draw; a new figure unless given.
    tags, response_path, created_unit, on_damage, progress
        As in `toolkit.load`; an export keeps those that it was made with.

    Returns
    -------
    matplotlib.axes.Axes
        Its figure is saved by ``ax.figure.savefig("usage.png")``.

    Examples
    --------
    >>> import toolkit
    >>> ax = toolkit.plot("token_usage", "data/sample", by="provider")
    >>> ax.figure is not None
    True
    """
    check_word("metric", metric, tuple(SHOWN))
    metrics.check_options(every=every, by=by, tz=tz, since=since, until=until)
    shown = SHOWN[metric]
    if isinstance(sources, str | os.PathLike | list | tuple):
        within = span(since, until, tz)
        sources = scan(
            cast("Sources", sources),
            since=within.start,
            until=within.end,
            on_damage=on_damage,
            progress=progress,
            tags=tags,
            response_path=response_path,
            created_unit=created_unit,
        )
    frame = shown.metric(
        sources,
        every=every,
        by=by,
        tz=tz,
        since=since,
        until=until,
    )
    return shown.chart(frame, ax=ax)
