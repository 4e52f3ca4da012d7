"""Where metrics and charts meet: a picture in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit import charts, metrics
from toolkit.blocks import check_word
from toolkit.loading import open_choices

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from matplotlib.axes import Axes

    from toolkit.metrics import Moment
    from toolkit.sources import Sources


class Shown(NamedTuple):
    """A metric and the chart that draws it."""

    metric: Callable[..., pl.DataFrame]
    chart: Callable[..., Axes]


SHOWN = {"token_usage": Shown(metrics.token_usage, charts.plot_token_usage)}


def plot(
    metric: str,
    sources: Sources,
    *,
    every: str = "1d",
    by: str | Sequence[str] = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    ax: Axes | None = None,
    progress: Callable[[int], None] | None = None,
) -> Axes:
    """Draw a metric of logs or of an export.

    Parameters
    ----------
    metric
        ``"token_usage"``.
    sources
        Logs as in `toolkit.load`, or the directory of one export.
    every, by, tz, since, until
        As in the metric: see `toolkit.metrics.token_usage`.
    ax
        Where to draw; a new figure unless given.
    progress
        As in `toolkit.load`.

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
    metrics.check_options(every=every, tz=tz, since=since, until=until)
    shown = SHOWN[metric]
    frame = shown.metric(
        open_choices(sources, progress),
        every=every,
        by=by,
        tz=tz,
        since=since,
        until=until,
    )
    return shown.chart(frame, ax=ax)
