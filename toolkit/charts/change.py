"""The chart of the causes of a change in cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from toolkit.charts.layout import draw_empty
from toolkit.charts.rows import build_row_axes, draw_rows, finish_rows, lay_out_rows
from toolkit.charts.series import read_frame, sum_measure
from toolkit.charts.style import current_theme
from toolkit.charts.text import join_words, tick_of
from toolkit.charts.titles import ChartText, set_alt_text, why_unknown
from toolkit.errors import plural
from toolkit.formatting.text import format_usd
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

_SPACE = 1.04  # of the longest bar, at both sides of the middle


def plot_cost_change(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw by how much each cause changed the known cost.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.cost_change`. All series are summed.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        A bar for each cause, the largest at the top and dark: to the left if it made
        the responses cheaper, to the right if dearer. The note names causes without an
        effect, and how many calls have no known price.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `cost_change`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from toolkit.metrics import cost_change
    >>> from toolkit.testing import make_choices
    >>> rows = [
    ...     {"created": datetime(2026, 1, day, tzinfo=UTC), "reported_cost": cost}
    ...     for day, cost in ((1, 0.5), (2, 0.75), (2, 0.75))
    ... ]
    >>> choices = make_choices(*rows)
    >>> change = cost_change(choices, since="2026-01-02", until="2026-01-03")
    >>> [text.get_text() for text in plot_cost_change(change).texts][2:]
    ['+$0.005', 'prompt length']
    """
    spec = SPECS["cost_change"]
    rows = read_frame(frame, spec).frame
    whole, *effects = spec.drawn
    before, now = (sum_measure(spec[name], rows) for name in ("cost_before", "cost"))
    text = ChartText(spec.title, "US dollars")
    if rows[whole.name].is_null().all():
        ax, why = build_row_axes(0, ax), why_unknown(whole)
        if not rows.is_empty() and rows["cost_before"].is_null().all():
            why = "the cost before is not known"
        return draw_empty(ax, text, why if len(rows) else "no calls", in_rows=True)
    sums = {effect.title: float(rows[effect.name].sum()) for effect in effects}
    bars = sorted(filter(sums.get, sums), key=lambda title: -abs(sums[title]))
    idle = [title for title in sums if title not in bars]
    change = format_usd(now - before, words=True, signed=True)
    costs = [format_usd(figure, words=True) for figure in (before, now)]
    note = [f"no effect: {join_words(idle)}"] if idle else []
    unpriced, calls = (int(rows[n].sum()) for n in ("responses_unpriced", "responses"))
    if unpriced:
        note.append(f"{unpriced:,} of {plural(calls, 'call')} have no known price")
    what = f"Known cost in US dollars: {costs[0]} before, {costs[1]} now, {change}"
    text = text._replace(subtitle=what, note=note)
    ax = build_row_axes(len(bars), ax)
    if not bars:
        return draw_empty(ax, text, "no change", in_rows=True)
    ends = [format_usd(sums[title], signed=True) for title in bars]
    facts = [f"{title} {end}" for title, end in zip(bars, ends, strict=True)]
    set_alt_text(ax, "Bars", text, facts)
    layout = lay_out_rows(ax, text, bars, ends=ends)
    theme = current_theme()
    for place, title in enumerate(bars):
        color = theme.soft if place else theme.ink
        draw_rows(ax, place, sums[title], color, title)
    reach = _SPACE * abs(sums[bars[0]])
    ax.set_xlim(-reach, reach)
    ticks = max(2, int(layout.inside().width / 60))
    ax.xaxis.set_major_locator(MaxNLocator(min(7, ticks), symmetric=True))
    ax.xaxis.set_major_formatter(tick_of(whole))
    ax.spines["left"].set_position(("data", 0))
    finish_rows(ax, bars, layout, ends=ends)
    return ax
