"""The chart of the causes of a change in cost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

import toolkit
from tests.support import frames
from tests.support.charting import label_texts, note
from toolkit import charts, metrics
from toolkit.testing import make_choices


def test_bars_are_the_causes_by_size_and_the_largest_is_dark() -> None:
    # The effects of two models: 0.08 x (2 + 3), -0.07 x 5, ...
    ax = charts.plot_cost_change(frames.cost_change(["a", "b"]))

    bars = [one.patches[0] for one in ax.containers]
    lengths = [0.05 * n * (-1) ** n for n in range(8, 0, -1)]
    assert [float(bar.get_width()) for bar in bars] == pytest.approx(lengths)
    low, high = ax.get_xlim()
    assert low == -high
    colors = [bar.get_facecolor() for bar in bars]
    assert colors[0] not in colors[1:]
    assert len(set(colors)) == 2
    texts = [text.get_text() for text in ax.texts]
    assert texts[2:6] == ["+$0.40", "-$0.35", "+$0.30", "-$0.25"]
    assert "no effect: cannot be split" in note(ax)
    assert "10 of 200 calls have no known price" in note(ax)


def test_the_alt_text_has_both_costs_and_each_effect() -> None:
    # 3 + 6 before; the effects are 4 x 0.01 for each step of the arithmetic: 0.2.
    alt_text = charts.describe(charts.plot_cost_change(frames.cost_change(["a", "b"])))

    assert "at least $9.00 before, at least $9.20 now, about +$0.20" in alt_text
    assert "number of calls +$0.40. calls with a known price -$0.35." in alt_text


def test_a_report_calls_the_causes_as_the_chart_does() -> None:
    # A call becomes three, to two models, with longer prompts.
    lines = [("gpt-4o", 1, 100), ("gpt-4o", 2, 300), ("gpt-4o-mini", 2, 300)]
    choices = make_choices(
        *(
            {"model": model, "created": datetime(2026, 11, day, 12, tzinfo=UTC)}
            | {"prompt_tokens": prompt, "completion_tokens": 10}
            for model, day, prompt in [*lines, lines[1]]
        )
    )
    days: Any = {"since": "2026-11-02", "until": "2026-11-03"}

    causes = toolkit.write_report(
        choices, [], compare="previous", **days
    ).content.causes
    drawn = charts.plot_cost_change(metrics.cost_change(choices, **days))

    assert causes is not None
    moved = [row.label.lower() for row in causes.rows if row.amount.value]
    assert moved == [bar.get_label() for bar in drawn.containers]
    assert moved == ["number of calls", "prompt length", "choice of models"]


def test_without_a_change_there_are_no_bars() -> None:
    frame = frames.cost_change(["a"])
    effects = [name for name in frame.columns if name.endswith(("effect", "change"))]

    still = frame.with_columns(pl.col(effects) * 0)
    assert label_texts(charts.plot_cost_change(still)) == ["no change"]
    nothing = pl.lit(None, frames.MONEY)
    unknown = frame.with_columns(nothing.alias(n) for n in (*effects, "cost_before"))
    texts = label_texts(charts.plot_cost_change(unknown))
    assert texts == ["the cost before is not known"]
