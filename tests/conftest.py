"""What every test shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ["MPLBACKEND"] = "agg"

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def in_the_root(request: pytest.FixtureRequest) -> None:
    """Run from the root: the examples of the docs name data/sample."""
    request.getfixturevalue("monkeypatch").chdir(ROOT)


@pytest.fixture
def corpus() -> Path:
    """Return the folder of recorded responses, which are not part of the project."""
    folder = SHARED / "corpus"
    if not folder.is_dir():
        pytest.skip("the recorded responses are not beside this checkout")
    return folder
