"""The logs of a rotation set are known by their names, and read oldest first."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise, permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import toolkit
from toolkit.reading.blocks import Source
from toolkit.reading.discovery import find_logs
from toolkit.reading.rotations import rotation_set, sort_rotations
from toolkit.testing import make_response


def in_order(*names: str) -> list[str]:
    """Return names in the order in which their logs are read."""
    return [log.path for log in sort_rotations(Source(name, 1) for name in names)]


@pytest.mark.parametrize(
    "name",
    [
        "app.jsonl", "app.jsonl.gz", "app.jsonl.zst", "app.jsonl.1", "app.jsonl-3",
        "app.jsonl.10.gz", "app.jsonl.gz.1", "app.jsonl.zst-20261122", "app.jsonl.1.GZ",
        "app.jsonl-20261122", "app.jsonl-20261122.zst", "app.jsonl.2026-11-22",
        "app.jsonl.2026-11-22_10-30.gz", "app.jsonl.2026-11-22T10:30:00+01:00",
        "app.jsonl-20261122-1795305600", "app.jsonl-1795305600.gz",
    ],
)  # fmt: skip
@pytest.mark.parametrize("folder", ["", "logs/", "/var/log.d/v1.2/", "s3://b//x y/"])
def test_rotations_of_a_log_are_one_set(folder: str, name: str) -> None:
    assert rotation_set(folder + name) == f"{folder}app.jsonl"


@pytest.mark.parametrize(
    "name",
    [
        "v1.jsonl", "gpt-4.1.jsonl", "app-20261122.jsonl", "app.1.jsonl", "app.jsonl~",
        "app.jsonl.bak", "app.jsonl.", "app.jsonl.1.bak", "a.ndjson", "a.b.jsonl",
        "gpt-4.1", "2026-11-22", "app", "-", "notes.mp3.1", "caf\n.jsonl",
        "logs.1/app", "a.jsonl.1/b.jsonl",
    ],
)  # fmt: skip
def test_a_name_that_only_looks_rotated_is_a_set_of_its_own(name: str) -> None:
    assert rotation_set(name) == name


def test_the_name_of_a_set_is_text_also_if_that_of_the_log_is_not() -> None:
    # The byte E9 alone is no UTF-8.
    assert rotation_set("logs/caf\udce9\n.jsonl.1") == "logs/caf\\xe9\n.jsonl"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("app.ndjson.gz", "app.ndjson"),
        ("APP.JSONL.1", "APP.JSONL"),
        ("app.log.1", "app.log"),
        ("app.log.2.gz", "app.log"),
        ("batch.json-20261122", "batch.json"),
        ("responses.gz", "responses"),
        ("app.1.jsonl.2.gz", "app.1.jsonl"),
        ("./app.jsonl", "app.jsonl"),
        ("logs//app.jsonl.1", "logs/app.jsonl"),
        ("s3://bucket/a//app.jsonl.1", "s3://bucket/a//app.jsonl"),
    ],
)
def test_the_set_of_other_names(name: str, expected: str) -> None:
    assert rotation_set(name) == expected


@pytest.mark.parametrize(
    "suffixes",
    [
        # Numbers: the log with the highest was rotated first.
        [".10", ".9.gz", ".2.zst", ".1", ""],
        ["-100", "-99", ".gz", ""],
        # Dates: the lowest is the oldest. 1795305600 is 2026-11-22 00:00 UTC: 20,779
        # days of 86,400 seconds.
        ["-20251231", "-20260101.gz", ".2026-02-01", "-20261122.zst", ""],
        [".2026-11-21", "-1795305600", "-1795305601.gz", ".2026-11-23", ""],
        ["-20261122", "-20261122-1795305600", "-20261122-1795305601", ""],
        ["-1795305599999", "-1795305600000", "-1795305600001", ""],
        # 01:30 in two zones: summer time ends between them.
        [".2026-10-25T01:30:00+02:00", ".2026-10-25T01:30:00+01:00", ""],
        # 10:00 at +01:00 is 09:00 UTC, and before 09:30 UTC.
        [".2026-11-22T10:00:00+01:00", ".2026-11-22T09:30:00Z", ""],
        [".2026-11-22T09-59", ".2026-11-22T10-00", ".2026-11-22_10-00-01", ""],
        ["-2026112209", "-2026112210", "-2026112300", ""],
        ["-202610", "-202611", "-202701", ""],
        [".2026-10", ".2026-11.gz", ".2027-01", ""],
        # A counter behind a date goes up, as in the names of most loggers.
        [".2026-11-22", ".2026-11-22.1", ".2026-11-22.2.gz", ".2026-11-22.10", ""],
        ["-20261121.9", "-20261122.999", "-20261122.1000", "-20261123.1", ""],
        # Numbers are younger than dates; 999999 is none.
        ["-20261122", ".999999", ".2", ".1", ".gz", ""],
        # No date has a month 13 and an offset; it is sorted all the same.
        [".2026-13-45T99:99+01:00", ".1", ""],
        ["." + "9" * 200, ".1", ""],
    ],
)  # fmt: skip
def test_the_oldest_log_of_a_set_is_first(suffixes: list[str]) -> None:
    names = [f"logs/app.jsonl{suffix}" for suffix in suffixes]

    orders = permutations(names) if len(names) < 5 else [names[::-1], sorted(names)]

    for order in orders:
        assert in_order(*order) == names


def test_sets_are_together_in_the_place_of_their_first_log() -> None:
    names = ["b.jsonl", "a.jsonl", "-", "c/a.jsonl.1", "b.jsonl.1", "a.jsonl.2"]

    assert in_order(*names) == [
        "b.jsonl.1", "b.jsonl", "a.jsonl.2", "a.jsonl", "-", "c/a.jsonl.1",
    ]  # fmt: skip


FORMS = ["-%Y%m%d%H%M%S", "-%Y%m%dT%H%M%SZ", ".%Y-%m-%dT%H:%M:%S", "-%Y%m%d-%H%M%S",
         ".%Y-%m-%d_%H-%M-%S", "-%s", ".%s000", "offset"]  # fmt: skip
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2033, 1, 1)).map(  # noqa: DTZ001
    lambda time: time.replace(microsecond=0, tzinfo=UTC)
)


def write_suffix(time: datetime, form: str, hours: int) -> str:
    """Write a time as a rotation suffix."""
    if form == "offset":
        return f".{time.astimezone(timezone(timedelta(hours=hours))).isoformat()}"
    return time.strftime(form.replace("%s", f"{time.timestamp():.0f}"))


@given(
    st.lists(
        st.tuples(TIMES, st.sampled_from(FORMS), st.integers(-12, 14)),
        unique_by=lambda one: one[0],
        max_size=6,
    )
)
def test_times_are_in_order_however_they_are_written(
    times: list[tuple[datetime, str, int]],
) -> None:
    names = [f"a.jsonl{write_suffix(*one)}" for one in sorted(times)]

    assert in_order(*sorted(names)) == names


SUFFIXES = st.from_regex(r"([.-][0-9][0-9TZ_:.+-]{0,12})?(\.gz)?", fullmatch=True)


@given(st.lists(SUFFIXES, unique=True, max_size=8), st.randoms(use_true_random=False))
def test_any_logs_of_a_set_have_one_order(suffixes: list[str], dice: Random) -> None:
    names = [f"x/app.ndjson{suffix}" for suffix in suffixes]
    expected = in_order(*names)
    shuffled = list(names)
    dice.shuffle(shuffled)

    assert sorted(expected) == sorted(names)
    assert in_order(*shuffled) == expected
    # The order of two does not depend on the others.
    for first, second in pairwise(expected):
        assert in_order(second, first) == [first, second]
    assert {rotation_set(name) for name in names} <= {"x/app.ndjson"}


# What is read.

OLDEST_FIRST = ["app.jsonl-20261121.gz", "app.jsonl-20261122", "app.jsonl.10",
                "app.jsonl.9", "app.jsonl", "b.jsonl"]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a log for each name; the id of its response is the name."""
    for name in OLDEST_FIRST:
        line = json.dumps(make_response(id=name))
        (tmp_path / name).write_text(f"{line}\n")
    return tmp_path


def found(sources: object) -> list[str]:
    """Return the names of the logs, in their order."""
    return [Path(log.name).name for log in find_logs(sources).logs]  # type: ignore[arg-type]


def test_a_directory_a_pattern_and_a_list_are_read_oldest_first(folder: Path) -> None:
    assert found(folder) == OLDEST_FIRST
    assert found(str(folder / "*jsonl*")) == OLDEST_FIRST
    assert found([folder / name for name in OLDEST_FIRST[::-1]]) == [
        "b.jsonl",
        *OLDEST_FIRST[:-1],
    ]
    frame = toolkit.load(folder).frame
    assert frame["response_id"].to_list() == OLDEST_FIRST
    assert frame["log_id"].to_list() == [0, 1, 2, 3, 4, 5]


def test_a_file_that_is_found_twice_is_read_once(folder: Path) -> None:
    os.link(folder / "app.jsonl", folder / "app.jsonl.8")

    assert found([folder, folder / "app.jsonl", folder]) == OLDEST_FIRST
    assert found([folder / "app.jsonl.8", folder]) == [
        "app.jsonl-20261121.gz", "app.jsonl-20261122", "app.jsonl.10", "app.jsonl.9",
        "app.jsonl.8", "b.jsonl",
    ]  # fmt: skip


def test_of_duplicates_the_oldest_is_kept(folder: Path) -> None:
    for name in ("app.jsonl", "app.jsonl.9", "app.jsonl.10"):
        (folder / name).write_text(json.dumps(make_response(id="same")) + "\n")

    log = toolkit.load([folder / "app.jsonl", folder / "app.jsonl.9", folder])

    kept = log.frame.filter(response_id="same")["source"].to_list()
    assert kept == [(folder / "app.jsonl.10").as_posix()]
    assert log.ledger["duplicates"].to_list() == [0, 0, 0, 1, 1, 0]
