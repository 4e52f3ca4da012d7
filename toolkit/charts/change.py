"""The chart of the causes of a change in cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from toolkit.charts.layout import draw_empty
from toolkit.charts.rows import THICKNESS, finish_rows, lay_out_rows, start_rows
from toolkit.charts.series import sum_measure
from toolkit.charts.style import current_theme, solid
from toolkit.charts.text import join_words, tick_of
from toolkit.charts.titles import ChartText, set_alt_text, why_unknown
from toolkit.errors import plural
from toolkit.formatting.text import format_usd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import ChartData

_SPACE = 1.04  # of the longest bar, at both sides of the middle


def draw_change(ax: Axes, data: ChartData) -> AxesLayout:
    """Draw by how much each cause changed the known cost.

    A bar for each cause, the largest at the top and dark: to the left if it made the
    responses cheaper, to the right if dearer. All series are summed. The note names
    causes without an effect, and how many calls have no known price.
    """
    spec, rows = data.spec, data.frame
    whole, *effects = spec.drawn
    before, now = (sum_measure(spec[name], rows) for name in ("cost_before", "cost"))
    text = ChartText(spec.title, "US dollars")
    if rows[whole.name].is_null().all():
        start_rows(ax, 0)
        why = why_unknown(whole)
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
    start_rows(ax, len(bars))
    if not bars:
        return draw_empty(ax, text, "no change", in_rows=True)
    ends = [format_usd(sums[title], signed=True) for title in bars]
    facts = [f"{title} {end}" for title, end in zip(bars, ends, strict=True)]
    set_alt_text(ax, "Bars", text, facts)
    layout = lay_out_rows(ax, text, bars, ends=ends)
    theme = current_theme()
    for place, title in enumerate(bars):
        color = theme.soft if place else theme.ink
        ax.barh(place, sums[title], THICKNESS, label=title, **solid(color))
    reach = _SPACE * abs(sums[bars[0]])
    ax.set_xlim(-reach, reach)
    ticks = max(2, int(layout.inside().width / 60))
    ax.xaxis.set_major_locator(MaxNLocator(min(7, ticks), symmetric=True))
    ax.xaxis.set_major_formatter(tick_of(whole))
    ax.spines["left"].set_position(("data", 0))
    finish_rows(ax, bars, ends=ends)
    return layout
