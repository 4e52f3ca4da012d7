"""The overview of a report as a picture."""

from __future__ import annotations

from matplotlib import pyplot as plt

from tests.report.example import example
from tests.report.made import calls, tables_of
from toolkit.report.png import overview_png


def test_the_same_report_is_the_same_picture_and_leaves_no_figure() -> None:
    tables = tables_of(calls("2026-11-16", 25), calls("2026-11-17", 3, model="模型"))
    before = plt.get_fignums()

    picture = overview_png(example(), tables)

    assert picture.startswith(b"\x89PNG")
    assert picture == overview_png(example(), tables)
    assert plt.get_fignums() == before
