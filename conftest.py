"""What every test shares, the examples in docstrings too."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

os.environ["MPLBACKEND"] = "agg"


@pytest.fixture(autouse=True)
def _colours_are_new_and_no_figure_stays_open() -> Iterator[None]:
    """Forget colours, and close figures: matplotlib warns of more than twenty."""
    if "toolkit.charts" in sys.modules:
        sys.modules["toolkit.charts"].set_colors()
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
