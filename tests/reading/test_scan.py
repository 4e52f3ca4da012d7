"""The lazy form of load: the same rows, and only those that are needed."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import warnings
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import toolkit
from toolkit.errors import (
    DamagedExportError,
    DamagedLogError,
    NotAnExportError,
    OptionError,
    PassedOverWarning,
    RejectsWarning,
    StreamReadTwiceError,
)
from toolkit.reading import log_reader, scan
from toolkit.reading.blocks import Plan
from toolkit.reading.native import DECODER
from toolkit.schema import CHOICES
from toolkit.schema.columns import SCHEMA_VERSION
from toolkit.testing import make_response, write_sample

pytestmark = pytest.mark.both_decoders


def write(path: Path, *responses: dict[str, Any]) -> Path:
    """Write responses as a log."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(response) + "\n" for response in responses))
    return path


def dated(day: str, **facts: Any) -> dict[str, Any]:
    """Return a response of noon of a day."""
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=UTC)
    return make_response(id=day, created=int(noon.timestamp()), **facts)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "a.jsonl"
    path.parent.mkdir()
    write_sample(path, 600, seed=5)
    return path


# --- Logs -----------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_a_scan_of_logs_gives_the_rows_of_load(log: Path, engine: Any) -> None:
    write_sample(log.with_name("b.jsonl.gz"), 300, seed=6)

    scanned = toolkit.scan(log.parent).collect(engine=engine)

    assert scanned.equals(toolkit.load(log.parent).frame)
    assert scanned.schema == CHOICES.polars


def test_a_scan_reads_with_the_options_of_load(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    inner = {**make_response(created=1767225600000), "metadata": {"team": "red"}}
    path.write_text(json.dumps({"deep": {"er": inner}, "team": "blue"}) + "\n")
    options: dict[str, Any] = {
        "tags": {"team": "team"},
        "response_path": "deep.er",
        "created_unit": "ms",
    }

    scanned = toolkit.scan(path, **options).collect()

    assert scanned.equals(toolkit.load(path, **options).frame)
    assert scanned.select("tag_team", "created").row(0) == (
        "blue",
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    dropped = toolkit.scan(path, content="drop", **options).collect()
    assert dropped["content"].item() is None
    assert dropped["content_chars"].item() > 0


QUERIES = {
    "columns": lambda rows: rows.select("line", "model", "total_tokens"),
    "a predicate": lambda rows: rows.filter(pl.col("total_tokens") > 100),
    "a predicate on another column": lambda rows: rows.filter(
        pl.col("model").is_not_null()
    ).select("line"),
    "rows": lambda rows: rows.head(7),
    "rows of columns": lambda rows: rows.select("line", "content").head(3),
    "rows behind a predicate": lambda rows: rows.filter(
        pl.col("choice_position") == 1
    ).head(2),
    "a predicate behind rows": lambda rows: rows.head(50).filter(
        pl.col("choice_position") == 1
    ),
    "no rows": lambda rows: rows.head(0),
    "rows from the middle": lambda rows: rows.slice(100, 10),
    "the last rows": lambda rows: rows.tail(3),
    "groups": lambda rows: (
        rows.group_by("model").agg(pl.col("total_tokens").sum()).sort("model")
    ),
    "text": lambda rows: rows.filter(pl.col("content").str.contains("a")).select(
        "line"
    ),
    "formatted places": lambda rows: rows.filter(pl.col("line") % 7 == 0).select(
        pl.format("{}:{}", "source", "line")
    ),
    "a count": lambda rows: rows.select(pl.len()),
}


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_a_scan_gives_what_it_gives_of_the_table(
    log: Path, query: str, engine: Any
) -> None:
    asked = QUERIES[query]

    lazy = asked(toolkit.scan(log)).collect(engine=engine)

    assert lazy.equals(asked(toolkit.load(log).frame.lazy()).collect())


@pytest.mark.parametrize("few", [0, 100_000])
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_an_export_gives_the_same_whether_it_is_read_as_one_frame(
    log: Path, tmp_path: Path, query: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolkit.export(log, to=tmp_path / "out")
    parts = sorted((tmp_path / "out" / "choices").rglob("*.parquet"))
    rows = pl.concat(
        [pl.read_parquet(part, hive_partitioning=False) for part in parts],
        rechunk=True,
    )
    monkeypatch.setattr(scan, "_FEW_ROWS", few)

    lazy = QUERIES[query](toolkit.scan(tmp_path / "out")).collect(engine="streaming")

    assert lazy.equals(QUERIES[query](rows.lazy()).collect())


def test_a_row_limit_ends_the_reading(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *[make_response()] * 60_000)
    read: list[int] = []

    rows = toolkit.scan(path, duplicates="keep", progress=read.append).head(5).collect()

    assert rows["line"].to_list() == [1, 2, 3, 4, 5]
    assert sum(read) < path.stat().st_size / 2


def test_only_columns_that_are_needed_are_read(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[Plan] = []
    make = log_reader.make_decoder
    monkeypatch.setattr(
        log_reader,
        "make_decoder",
        lambda plan: plans.append(plan) or make(plan),
    )

    toolkit.scan(log).select("model", "content_chars").collect()
    toolkit.scan(log).filter(pl.col("content") != "").select("model").collect()
    toolkit.scan(log).select("tool_calls").collect()

    assert [plan.content for plan in plans] == ["drop", "keep", "keep"]
    read = [set(plan.schema.names) & {"model", "content", "source"} for plan in plans]
    assert read == [{"model"}, {"model", "content"}, set()]


def test_rejects_are_warned_of_once_when_the_logs_were_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", make_response(), {"error": "x"}, {})
    scanned = toolkit.scan(path)

    for _ in range(2):
        with pytest.warns(RejectsWarning) as warned:
            scanned.collect()
        assert [str(warning.message) for warning in warned] == [
            "2 of 3 lines skipped: 1 error_response, 1 not_a_response; "
            f"first: {path}:2 (error_response); list them with toolkit.rejects()"
        ]


def test_a_scan_reports_what_a_walk_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", make_response())
    write(tmp_path / "b.json", make_response())

    with pytest.warns(PassedOverWarning, match=r"not read: 1 \*\.json"):
        toolkit.scan(tmp_path).collect()


def test_a_damaged_log_raises_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"{}\n" * 1000)[:-9])
    scanned = toolkit.scan(path)

    with pytest.raises(DamagedLogError, match="byte 0"):
        scanned.collect()


def test_a_missing_log_raises_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        toolkit.scan(tmp_path / "none.jsonl")


def test_standard_input_is_not_silently_empty_the_second_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stdin:
        buffer = io.BytesIO(json.dumps(make_response()).encode() + b"\n")

    monkeypatch.setattr("sys.stdin", Stdin)
    scanned = toolkit.scan("-")

    assert scanned.collect().height == 1
    with pytest.raises(StreamReadTwiceError, match="already read"):
        scanned.collect()


# --- A range of time ------------------------------------------------------------------


@pytest.fixture
def week(tmp_path: Path) -> Path:
    """Return a log of a response a day, 1 to 7 November, and an undated one."""
    days = [dated(f"2026-11-0{day}") for day in range(1, 8)]
    return write(
        tmp_path / "week.jsonl", *days, make_response(id="undated", created=None)
    )


@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize(
    ("since", "until", "ids"),
    [
        (None, None, "1 2 3 4 5 6 7 undated"),
        ("2026-11-03", None, "3 4 5 6 7"),
        (None, "2026-11-03", "1 2"),
        (date(2026, 11, 3), datetime(2026, 11, 4, 12, 0, 1, tzinfo=UTC), "3 4"),
        ("2026-11-03T12:00", "2026-11-04T12:00", "3"),
        ("2026-11-03T13:00+01:00", "2026-11-04T12:00Z", "3"),
        ("2026-11-03T12:00:01", "2026-11-04T12:00", ""),
        ("2027-01-01", None, ""),
    ],
)
def test_since_and_until_are_a_half_open_range(
    week: Path, tmp_path: Path, exported: bool, since: Any, until: Any, ids: str
) -> None:
    source = week
    if exported:
        source = tmp_path / "out"
        toolkit.export(week, to=source)

    rows = toolkit.scan(source, since=since, until=until).collect()

    short = rows["response_id"].str.strip_prefix("2026-11-0")
    assert sorted(short) == ids.split()


def test_only_the_days_of_the_range_are_opened(week: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    toolkit.export(week, to=out)

    plan = toolkit.scan(out, since="2026-11-03", until="2026-11-05").explain()

    # The fifth itself may not be needed, but midnight belongs to it.
    assert "date=2026-11-03" in plan
    for day in ("1970-01-01", "2026-11-02", "2026-11-06"):
        assert f"date={day}" not in plan


def test_a_range_that_means_nothing_is_refused(week: Path) -> None:
    with pytest.raises(OptionError, match=r"since: .* got 'soon'"):
        toolkit.scan(week, since="soon")


def test_a_range_that_ends_before_it_begins_is_refused(week: Path) -> None:
    with pytest.raises(OptionError, match=r"until: .* got '2026-11-01'"):
        toolkit.scan(week, since="2026-11-03", until="2026-11-01")

    assert (
        toolkit.scan(week, since="2026-11-03", until="2026-11-03").collect().is_empty()
    )


# --- Exports --------------------------------------------------------------------------


def test_a_scan_of_an_export_gives_the_rows_of_load_without_the_date(
    log: Path, tmp_path: Path
) -> None:
    toolkit.export(log, to=tmp_path / "out", final=True)

    scanned = toolkit.scan(tmp_path / "out").collect()

    key = list(CHOICES.key)
    assert scanned.sort(key).equals(toolkit.load(log).frame.sort(key))
    assert scanned.columns == CHOICES.names


def test_a_part_of_an_older_version_has_null_where_it_has_no_column(
    week: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    toolkit.export(week, to=out)
    part = next(out.glob("choices/date=2026-11-02/*.parquet"))
    old = pl.read_parquet(part, hive_partitioning=False)
    missing = ["provider", "tool_calls", "reasoning_tokens"]
    old.drop(missing).with_columns(gone=pl.lit(1)).write_parquet(part)

    rows = toolkit.scan(out).collect()

    assert rows.schema == CHOICES.polars
    day = rows.filter(pl.col("response_id") == "2026-11-02")
    assert day.select(missing).row(0) == (None, None, None)
    assert rows.height == 8
    assert toolkit.check(out).failures == []


@pytest.mark.parametrize("schema", [0, SCHEMA_VERSION + 1, "1", None])
def test_an_export_of_a_newer_version_is_refused(
    week: Path, tmp_path: Path, schema: Any
) -> None:
    out = tmp_path / "out"
    toolkit.export(week, to=out)
    state = json.loads((out / "state.json").read_text())
    (out / "state.json").write_text(json.dumps({**state, "schema": schema}))

    with pytest.raises(DamagedExportError):
        toolkit.scan(out)


def test_parts_that_were_not_committed_are_not_read(week: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    toolkit.export(week, to=out)
    part = next(out.glob("choices/date=2026-11-02/*.parquet"))
    part.with_name("2-0.parquet").write_bytes(part.read_bytes())

    assert toolkit.scan(out).collect().height == 8
    assert toolkit.check(out).failures == []


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Return two exports that have the response of 2 November in common."""
    first = [dated("2026-11-01"), dated("2026-11-02", n=2)]
    second = [dated("2026-11-02", n=2), dated("2026-11-03"), make_response(id="")]
    logs = (
        write(tmp_path / "1.jsonl", *first, make_response(id="")),
        write(tmp_path / "2.jsonl", *second),
    )
    for number, log in enumerate(logs):
        toolkit.export(log, to=tmp_path / f"out{number}")
    return tmp_path / "out0", tmp_path / "out1"


def test_several_exports_are_one_without_the_responses_they_share(
    two: tuple[Path, Path],
) -> None:
    rows = toolkit.scan(list(two)).collect()

    # Of those without an id nobody knows whether they are the same.
    assert sorted(rows["response_id"].fill_null("")) == [
        "", "", "2026-11-01", "2026-11-02", "2026-11-02", "2026-11-03",
    ]  # fmt: skip
    assert rows.select(CHOICES.key).is_unique().all()
    shared = rows.filter(pl.col("response_id") == "2026-11-02")
    assert shared["source"].str.ends_with("1.jsonl").all()
    assert toolkit.ledger(list(two))["log_id"].to_list() == [0, 1]


def test_a_pattern_may_name_several_exports(two: tuple[Path, Path]) -> None:
    pattern = str(two[0].parent / "out*")

    assert toolkit.scan(pattern).collect().equals(toolkit.scan(list(two)).collect())
    assert toolkit.scan([two[0], two[0]]).collect().height == 4
    assert len(toolkit.check(pattern).ledger) == 2


def test_exports_with_other_tags_are_read_together(tmp_path: Path) -> None:
    first = write(tmp_path / "1.jsonl", {**dated("2026-11-01"), "team": "red"})
    second = write(tmp_path / "2.jsonl", {**dated("2026-11-02"), "user": "u"})
    toolkit.export(first, to=tmp_path / "a", tags={"team": "team"})
    toolkit.export(second, to=tmp_path / "b", tags={"user": "user"})

    rows = toolkit.scan([tmp_path / "a", tmp_path / "b"]).collect()

    assert rows["tag_team"].to_list() == ["red", None]
    assert rows["tag_user"].to_list() == [None, "u"]
    assert rows.columns == [*CHOICES.names, "tag_team", "tag_user"]


def test_duplicates_are_found_where_two_exports_read_their_dates_in_other_units(
    tmp_path: Path,
) -> None:
    log = write(tmp_path / "a.jsonl", make_response(id="a", created=1767225600000))
    toolkit.export(log, to=tmp_path / "a", created_unit="us")
    toolkit.export(log, to=tmp_path / "b", created_unit="ms")

    rows = toolkit.scan([tmp_path / "a", tmp_path / "b"], since="2026-01-01").collect()

    # By its first reading the response is of 1970, and it was seen there.
    assert rows.height == 0


def test_logs_and_exports_are_not_mixed(two: tuple[Path, Path]) -> None:
    with pytest.raises(OptionError, match="logs or exports, not both"):
        toolkit.scan([two[0], two[0].parent / "1.jsonl"])


@pytest.mark.parametrize(
    "option",
    [{"tags": {"a": "b"}}, {"content": "drop"}, {"on_damage": "collect"}],
)
def test_an_export_keeps_the_options_it_was_made_with(
    two: tuple[Path, Path], option: dict[str, Any]
) -> None:
    with pytest.raises(OptionError, match="keeps the options"):
        toolkit.scan(two[0], **option)


def test_every_way_to_tokens_gives_the_same_sums(
    two: tuple[Path, Path], tmp_path: Path
) -> None:
    logs = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    usage = toolkit.metrics.token_usage(toolkit.load(logs))

    for choices in (toolkit.scan(logs), toolkit.scan(list(two))):
        assert toolkit.metrics.token_usage(choices).equals(usage)


def test_what_is_no_export_has_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(NotAnExportError):
        toolkit.ledger(tmp_path)


def test_a_scan_that_is_not_collected_reads_and_says_nothing(log: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        toolkit.scan(log).select("model").explain()


@pytest.mark.skipif(DECODER == "reference", reason="it builds its tables by pyarrow")
def test_tokens_of_a_log_are_counted_without_pandas_and_pandera(log: Path) -> None:
    code = """if True:
        import sys, toolkit
        toolkit.metrics.token_usage(toolkit.scan(sys.argv[1]))
        sys.exit(bool(sys.modules.keys() & {"pandas", "pandera"}))
    """
    command = [sys.executable, "-W", "ignore", "-c", code, str(log)]

    assert subprocess.run(command, check=False).returncode == 0
