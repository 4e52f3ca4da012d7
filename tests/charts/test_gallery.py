"""The pictures in docs/gallery show what the charts draw today."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.gallery import COMMITTED, SHOWN, draw_shown, fingerprint, write_large
from toolkit import metrics

if TYPE_CHECKING:
    from pathlib import Path


def test_the_gallery_is_fresh(tmp_path: Path) -> None:
    page = (COMMITTED / "README.md").read_text(encoding="utf-8")
    prints = json.loads((COMMITTED / "drawn.json").read_text(encoding="utf-8"))

    stale = [
        name
        for name, figure, alt_text in draw_shown(write_large(tmp_path))
        if fingerprint(figure) != prints.get(name) or alt_text not in page
    ]

    assert not stale, "run `make gallery`, look at these pictures, and commit them"
    assert {path.stem for path in COMMITTED.glob("*.png")} == set(SHOWN)


def test_every_chart_is_in_the_gallery() -> None:
    assert {metric for metric, *_ in SHOWN.values()} == {*metrics.METRICS, "overview"}
