"""The lines of `tests.support.lines`, as both decoders read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import toolkit
from tests.support.lines import LINES
from toolkit.testing import make_choices

pytestmark = pytest.mark.both_decoders

EXPECTED: dict[str, dict[str, Any]] = {
    "batch": {"processing": "batch", "custom_id": "task-1", "is_byok": None},
    "own_key": {"is_byok": True, "reported_cost": 0.0, "upstream_cost": 0.5},
    "own_key_unknown": {"is_byok": True, "reported_cost": 0.0, "upstream_cost": None},
    "one_hour_write": {"cache_write_tokens": 8, "cache_write_1h_tokens": 8},
    "searches": {"web_searches": 2, "search_context_size": "low"},
    "ticks": {"reported_cost": 0.0037756},
    "proxy": {"cache_hit": False, "reported_cost": 0.25, "processing": None},
    "proxy_cache_hit": {"cache_hit": True, "reported_cost": None},
    "text_completion": {"content": "Hello.", "content_chars": 6, "total_tokens": 15},
    # Of its message and delta the delta is read, and only once.
    "chunk_with_message": {"content": "Hel", "chunk_count": 1, "total_tokens": 15},
}


def test_each_shape_is_read_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES.values()))

    log = toolkit.load(path, duplicates="keep")

    assert log.rejects.is_empty()
    assert len(log.frame) == len(LINES)
    found = dict(zip(LINES, log.frame.to_dicts(), strict=True))
    for name, cells in EXPECTED.items():
        assert {column: found[name][column] for column in cells} == cells, name


def test_small_frames_know_the_columns() -> None:
    cells = {"processing": "batch", "is_byok": True, "served_by": "groq"}
    (row,) = make_choices(cells).to_dicts()

    assert {name: row[name] for name in cells} == cells
    assert toolkit.validate(make_choices(cells)).height == 1
