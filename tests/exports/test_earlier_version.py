"""An export of an earlier version is read, and nothing is added to it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

import toolkit
from toolkit.errors import ExportError, OptionError
from toolkit.schema import CHOICES
from toolkit.testing import write_sample

ADDED = ["api", "chunk_count", "created_problem", "usage_problem"]
NAMES = [name for name in CHOICES.names if name not in ADDED]


def as_before(part: Path) -> None:
    """Write a part as version 1 did: hashes without a sign, and fewer columns."""
    rows = pl.read_parquet(part, hive_partitioning=False)
    hashes = pl.col("response_hash").reinterpret(signed=False)
    rows.select(NAMES).with_columns(hashes).write_parquet(part)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a sample log of a few days."""
    path = tmp_path_factory.mktemp("sample") / "log.jsonl"
    write_sample(path, 1000, seed=7, days=6)
    return path


@pytest.fixture
def old(log: Path, tmp_path: Path) -> Path:
    """Return an export of version 1."""
    to = tmp_path / "old"
    toolkit.export(log, to=to)
    for part in (to / "choices").rglob("*.parquet"):
        as_before(part)
    state = json.loads((to / "state.json").read_text("utf-8"))
    del state["options"]["created_path"]
    state["schema"] = 1
    (to / "state.json").write_text(json.dumps(state), "utf-8")
    return to


@pytest.fixture
def new(log: Path, tmp_path: Path) -> Path:
    """Return an export of the same log of this version."""
    toolkit.export(log, to=tmp_path / "new")
    return tmp_path / "new"


def test_its_rows_are_those_of_now_without_the_added_columns(
    old: Path, new: Path
) -> None:
    rows = toolkit.scan(old).collect()

    assert toolkit.validate(rows).schema == CHOICES.polars
    assert (rows["response_hash"] < 0).any()
    assert rows.select(NAMES).equals(toolkit.scan(new).select(NAMES).collect())
    assert rows.select(pl.col(ADDED).count()).row(0) == (0, 0, 0, 0)
    checked = toolkit.check(old)
    assert checked.failures == []
    of_streams = {"unfinished", "streamed_without_usage"}  # it had no streams
    findings = toolkit.check(new).findings
    assert of_streams < {finding.code for finding in findings}
    assert checked.findings == [one for one in findings if one.code not in of_streams]
    assert toolkit.rejects(old).equals(toolkit.rejects(new))


def test_its_responses_are_recognized_in_an_export_of_now(old: Path, new: Path) -> None:
    with_id = pl.col("response_id").is_not_null()
    expected = toolkit.scan(new).filter(with_id).collect().height

    for pair in ([old, new], [new, old]):
        assert toolkit.scan(pair).filter(with_id).collect().height == expected


def test_a_file_of_it_is_read_as_well(log: Path, tmp_path: Path) -> None:
    to, tags = tmp_path / "old.parquet", {"team": "metadata.team"}
    toolkit.export(log, to=to)
    expected = toolkit.scan(to).select(NAMES).collect()
    as_before(to)

    rows = toolkit.scan(to).collect()

    assert toolkit.validate(rows).schema == CHOICES.polars
    assert rows.select(NAMES).equals(expected)
    toolkit.export(log, to=to, tags=tags)
    expected = toolkit.scan(to).select("line", "tag_team").collect()
    table = pq.read_table(to)
    place = table.schema.get_field_index("response_hash")
    hashes = pl.Series(table["response_hash"]).reinterpret(signed=False)
    pq.write_table(table.set_column(place, "response_hash", hashes.to_arrow()), to)
    assert toolkit.scan(to).select("line", "tag_team").collect().equals(expected)


def test_it_is_neither_added_to_nor_merged_nor_verified(log: Path, old: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in old.rglob("*.parquet")}
    message = "made by an earlier version, and can only be read: export its logs again"

    with pytest.raises(ExportError, match=message):
        toolkit.export(log, to=old)
    with pytest.raises(ExportError, match=message):
        toolkit.compact(old)
    with pytest.raises(ExportError, match=message):
        toolkit.verify(old)

    assert before == {path: path.stat().st_mtime_ns for path in old.rglob("*.parquet")}


def test_it_can_be_rewritten(log: Path, old: Path, new: Path) -> None:
    toolkit.export(log, to=old, rewrite=True)

    assert toolkit.verify(old).faults == []
    assert toolkit.scan(old).collect().equals(toolkit.scan(new).collect())


def test_a_file_that_lacks_a_column_of_now_is_no_file_of_choices(new: Path) -> None:
    part = next((new / "choices").rglob("*.parquet"))
    file = shutil.copy(part, new.with_name("a.parquet"))
    pl.read_parquet(file).drop("api").write_parquet(file)

    with pytest.raises(OptionError, match="it has no column 'api' of type String"):
        toolkit.scan(file)
