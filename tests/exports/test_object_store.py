"""Exports in an object store: like local ones, also if runs overlap or are killed."""

from __future__ import annotations

import gzip
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier, Lock

import pytest

import toolkit
from tests.support.store import (
    ALL,
    KEY,
    LOG,
    NOTHING,
    PARTS,
    Bucket,
    make_bucket,
    response,
    run,
    run_server,
)
from toolkit import errors
from toolkit.reading import object_store
from toolkit.schema import CHOICES

server = pytest.fixture(scope="module")(run_server)
bucket = pytest.fixture(make_bucket)


def test_an_export_in_a_store_equals_the_one_on_disk(bucket: Bucket) -> None:
    to = bucket.folder / "out"
    near = toolkit.export(bucket.log, to=to)
    far = toolkit.export(bucket.log, to=bucket.out)

    assert far.ledger.equals(near.ledger)
    assert bucket.shown() == ALL
    assert (
        toolkit.scan(bucket.out)
        .sort(KEY)
        .collect()
        .equals(toolkit.scan(to).sort(KEY).collect())
    )
    for read in (toolkit.ledger, toolkit.rejects):
        assert read(bucket.out).equals(read(to))
    assert toolkit.check(bucket.out)[1:] == toolkit.check(to)[1:]
    names = [re.sub("-[0-9a-f]{8}", "", key) for key in bucket.names()]
    assert names == sorted(
        str(path.relative_to(bucket.folder))
        for path in to.rglob("[!.]*")
        if path.is_file()
    )
    with pytest.raises(errors.ExportGivenError, match=r"toolkit\.scan\('s3://"):
        toolkit.load(bucket.out)


def test_parts_of_other_days_are_not_read(bucket: Bucket) -> None:
    toolkit.export(bucket.log, to=bucket.out)

    frame = toolkit.scan(bucket.out, since="2026-11-02", until="2026-11-03")

    bucket.server.asked.clear()
    assert sorted(frame.collect()["response_id"]) == ["r1", "r4"]
    days = {re.findall("date=([0-9-]*)/", name)[0] for name in bucket.server.asked}
    assert days == {"2026-11-02"}
    nothing = toolkit.scan(bucket.out, since="2027-01-01").collect()
    assert (nothing.height, nothing.schema) == (0, CHOICES.polars)


def test_local_and_remote_exports_are_read_together(bucket: Bucket) -> None:
    other, near = bucket.folder / "other.jsonl", str(bucket.folder / "out")
    other.write_bytes(response("r0") + response("new"))
    toolkit.export(bucket.log, to=bucket.out)
    toolkit.export(other, to=near)

    rows = toolkit.scan([bucket.out, near]).collect()

    assert sorted(rows["response_id"]) == ["new", *ALL]
    assert rows.filter(response_id="new")["log_id"].to_list() == [1]
    assert toolkit.ledger([bucket.out, near])["log_id"].to_list() == [0, 1]
    assert toolkit.check([bucket.out, near]).failures == []


def test_exports_in_a_store_are_found_by_a_pattern(bucket: Bucket) -> None:
    for name in ("out-1", "out-2"):
        toolkit.export(bucket.log, to=bucket.uri(name))

    bucket.out = bucket.uri("out-*")
    assert bucket.shown() == ALL


def test_a_second_run_reads_and_adds_only_what_is_new(bucket: Bucket) -> None:
    grown, other = bucket.put("logs/a.jsonl"), bucket.put("logs/b.jsonl", response("b"))
    toolkit.export(bucket.uri("logs"), to=bucket.out)
    bucket.put("logs/a.jsonl", LOG + response("new", 2) + response("r1", 2))
    bucket.server.forget()

    done = toolkit.export(bucket.uri("logs"), to=f"{bucket.out}/")
    read = [request for request in bucket.server.asked if "GET" in request]

    assert bucket.shown() == sorted([*ALL, "b", "new"])
    assert done.added.select("lines", "responses", "duplicates").row(0) == (2, 1, 1)
    assert any(grown.removeprefix("s3://") in request for request in read)
    assert not any(other.removeprefix("s3://") in request for request in read)
    # Of what is committed only the keys of the day that is written to.
    parts = [request for request in read if "/choices/" in request and "-0-" in request]
    assert not [request for request in parts if "date=2026-11-02" not in request]
    assert toolkit.verify(bucket.out).faults == []


def test_a_run_without_new_lines_uploads_nothing(bucket: Bucket) -> None:
    bucket.put("logs/a.jsonl")
    toolkit.export(bucket.uri("logs"), to=bucket.out)
    bucket.server.forget()

    done = toolkit.export(bucket.uri("logs"), to=bucket.out)

    assert (len(done.added), done.found) == (0, 1)
    assert not [request for request in bucket.server.asked if "PUT" in request]


def test_a_log_is_recognized_after_it_was_compressed_in_the_store(
    bucket: Bucket,
) -> None:
    bucket.put("logs/a.jsonl")
    toolkit.export(bucket.uri("logs"), to=bucket.out)
    object_store.delete_objects([bucket.uri("logs/a.jsonl")])
    bucket.put("logs/a.jsonl.1.gz", gzip.compress(LOG + response("new")))

    done = toolkit.export(bucket.uri("logs"), to=bucket.out)

    assert bucket.shown() == sorted([*ALL, "new"])
    assert done.ledger["duplicates"].to_list() == [0]


def test_an_export_in_a_store_is_rewritten(bucket: Bucket) -> None:
    toolkit.export(bucket.log, to=bucket.out)

    with pytest.raises(errors.OptionError, match="--rewrite"):
        toolkit.export(bucket.log, to=bucket.out, content="drop")
    toolkit.export(bucket.log, to=bucket.out, content="drop", rewrite=True)

    assert bucket.shown() == ALL
    assert toolkit.scan(bucket.out).collect()["content"].null_count() == 6
    assert len(bucket.names("parquet")) == PARTS
    assert toolkit.verify(bucket.out).faults == []


def test_of_two_runs_that_append_at_once_one_commits_and_no_row_is_doubled(
    bucket: Bucket,
) -> None:
    toolkit.export(bucket.log, to=bucket.out)
    faster = bucket.folder / "faster.jsonl"
    faster.write_bytes(response("faster"))
    bucket.log.write_bytes(LOG + response("slow"))

    def overtake(request: str) -> None:
        if re.fullmatch(r"PUT .*/state\.json", request):
            bucket.server.before = str
            toolkit.export(faster, to=bucket.out)

    bucket.server.before = overtake
    with pytest.raises(errors.BusyError):
        toolkit.export(bucket.log, to=bucket.out)

    assert bucket.shown() == sorted([*ALL, "faster"])
    toolkit.export([bucket.log, faster], to=bucket.out)
    assert bucket.shown() == sorted([*ALL, "faster", "slow"])
    assert toolkit.verify(bucket.out).faults == []


def test_parts_of_an_interrupted_run_are_deleted_before_they_could_count(
    bucket: Bucket,
) -> None:
    toolkit.export(bucket.log, to=bucket.out)
    key = bucket.names("parquet")[0]
    data, _ = object_store.read_object(bucket.uri(key))
    stray = re.sub("-[0-9a-f]{8}", "-0123abcd", key)
    bucket.put(stray, data)
    bucket.log.write_bytes(LOG + response("new"))

    toolkit.export(bucket.log, to=bucket.out)

    assert stray not in bucket.names()
    assert bucket.shown() == sorted([*ALL, "new"])
    assert toolkit.verify(bucket.out).faults == []


def runs_of(bucket: Bucket) -> list[str]:
    """Export in three runs and return the names of the responses."""
    for name in ("x", "y"):
        toolkit.export(bucket.log, to=bucket.out)
        bucket.log.write_bytes(bucket.log.read_bytes() + response(name) + b"{}\n")
    toolkit.export(bucket.log, to=bucket.out)
    return sorted([*ALL, "x", "y"])


def parts_in(bucket: Bucket) -> list[str]:
    return [name for name in bucket.names() if name.endswith(".parquet")]


def test_a_compaction_in_a_store_leaves_one_part_per_day_and_the_same_rows(
    bucket: Bucket,
) -> None:
    names = runs_of(bucket)
    before, days = toolkit.scan(bucket.out).sort(KEY).collect(), set()
    for name in parts_in(bucket):
        days.add(name.rpartition("/")[0])

    done = toolkit.compact(bucket.out)

    assert done.before > done.after
    assert len(parts_in(bucket)) == len(days)
    assert toolkit.scan(bucket.out).sort(KEY).collect().equals(before)
    assert bucket.shown() == names
    assert toolkit.verify(bucket.out).faults == []
    assert toolkit.compact(bucket.out).directories == 0


def test_an_export_continues_after_a_compaction(bucket: Bucket) -> None:
    names = runs_of(bucket)
    toolkit.compact(bucket.out)
    bucket.log.write_bytes(bucket.log.read_bytes() + response("z") + response("x"))

    done = toolkit.export(bucket.log, to=bucket.out)

    assert done.added["responses"].sum() == 1
    assert bucket.shown() == sorted([*names, "z"])
    assert toolkit.verify(bucket.out).faults == []


def test_no_row_is_doubled_if_a_compaction_cannot_delete_the_old_parts(
    bucket: Bucket,
) -> None:
    names = runs_of(bucket)
    many = [name for name in parts_in(bucket) if "date=2026-11-01" in name]
    bucket.server.refuses = r"POST .*delete"

    toolkit.compact(bucket.out)

    assert len(many) > 1
    assert {*many} < {*parts_in(bucket)}
    assert bucket.shown() == names
    bucket.server.forget()
    bucket.log.write_bytes(bucket.log.read_bytes() + response("z"))
    toolkit.export(bucket.log, to=bucket.out)
    assert bucket.shown() == sorted([*names, "z"])
    assert not {*many} & {*parts_in(bucket)}
    assert toolkit.verify(bucket.out).faults == []


def test_a_compaction_that_fails_before_its_commit_changes_nothing(
    bucket: Bucket,
) -> None:
    names = runs_of(bucket)
    before = bucket.names()
    bucket.server.refuses = r"PUT .*state\.json"

    with pytest.raises(OSError, match=r"state\.json"):
        toolkit.compact(bucket.out)

    bucket.server.forget()
    assert bucket.names() == before
    assert bucket.shown() == names


def test_a_part_that_the_store_does_not_return_is_not_damaged(bucket: Bucket) -> None:
    runs_of(bucket)
    bucket.server.refuses = r"GET .*choices/date.*\.parquet"

    with pytest.raises(errors.UnreadableSourceError, match=r"parquet: (?!damaged)"):
        toolkit.compact(bucket.out)
    unread = [
        fault for fault in toolkit.verify(bucket.out).faults if ".parquet: " in fault
    ]

    assert unread
    assert not any("damaged" in fault for fault in unread)
    bucket.server.forget()
    assert toolkit.verify(bucket.out).faults == []


def test_a_compaction_raises_if_an_export_commits_first(bucket: Bucket) -> None:
    names = runs_of(bucket)
    bucket.log.write_bytes(bucket.log.read_bytes() + response("z"))
    overtaken = iter([None])

    def overtake(request: str) -> None:
        if request.startswith("PUT") and "state.json" in request:
            for _ in overtaken:
                toolkit.export(bucket.log, to=bucket.out)

    bucket.server.before = overtake

    with pytest.raises(errors.BusyError):
        toolkit.compact(bucket.out)

    assert bucket.shown() == sorted([*names, "z"])
    assert toolkit.verify(bucket.out).faults == []


@pytest.mark.parametrize(
    "mine",
    ["a.jsonl", "README.txt", "choices/mine.parquet", "rejects/1-0.parquet",
     "choices/date=2026-11-01/1-0.parquet", "other/1-0-0123abcd.parquet"],
)  # fmt: skip
def test_objects_of_the_user_are_never_deleted(bucket: Bucket, mine: str) -> None:
    uri = bucket.put(f"out/{mine}", b"mine")

    with pytest.raises(errors.NotEmptyError):
        toolkit.export(bucket.log, to=bucket.out)

    assert bucket.names() == [f"out/{mine}"]
    assert object_store.read_object(uri)[0] == b"mine"


def test_a_folder_object_of_a_console_counts_as_empty(bucket: Bucket) -> None:
    bucket.put("out/", b"")
    bucket.put("out2/a.jsonl")

    toolkit.export(bucket.log, to=bucket.out)

    assert bucket.shown() == ALL


@pytest.mark.parametrize(
    "refused",
    [
        r"HEAD .*state\.json",
        r"GET .*/choices/.*parquet",
        "prefix=.*choices",
        r"GET .*state\.json",
    ],
)
def test_a_denied_request_is_not_reported_as_missing_or_damaged(
    bucket: Bucket, refused: str
) -> None:
    toolkit.export(bucket.log, to=bucket.out)
    bucket.server.refuses = refused

    with pytest.raises(errors.ToolkitError, match=r"(?i)denied|forbidden"):
        toolkit.scan(bucket.out)


# Runs at once, and runs that die.


def test_of_two_first_runs_at_once_one_commits_and_the_other_leaves_nothing(
    bucket: Bucket,
) -> None:
    real, together, one = object_store.put_bytes, Barrier(2), Lock()

    def put_bytes(uri: str, data: bytes, *, replaces: str | None) -> None:
        together.wait(120)
        assert len(bucket.names("parquet")) == 2 * PARTS
        together.wait(120)
        with one:
            real(uri, data, replaces=replaces)

    bucket.patch.setattr(object_store, "put_bytes", put_bytes)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(toolkit.export, bucket.log, bucket.out) for _ in range(2)]
        lost = [type(run.exception()) for run in runs]

    assert sorted(lost, key=str) == [type(None), errors.BusyError]
    assert len(bucket.names("parquet")) == PARTS
    assert bucket.shown() == ALL
    assert toolkit.check(bucket.out).failures == []


@pytest.mark.parametrize("refused", [NOTHING, r"POST .*\?delete"])
def test_a_command_that_commits_second_exits_with_5(
    bucket: Bucket, refused: str
) -> None:
    faster = bucket.folder / "faster.jsonl"
    faster.write_bytes(response("faster"))

    def overtake(request: str) -> None:
        if re.fullmatch(r"PUT .*/state\.json", request):
            bucket.server.before = str
            toolkit.export(faster, to=bucket.out)
            bucket.server.refuses = refused

    bucket.server.before = overtake
    done = run("-m", "toolkit", "export", bucket.log, "--to", bucket.out)

    assert done.returncode == 5, done.stderr
    assert f"toolkit: {bucket.out} is being written by another run" in done.stderr
    assert bucket.shown() == ["faster"]
    if refused == NOTHING:
        assert len(bucket.names("parquet")) == 1


@pytest.mark.parametrize(
    ("at", "error"),
    [*((at, OSError(28, "full")) for at in range(PARTS)), (2, KeyboardInterrupt())],
)
def test_a_run_that_cannot_upload_a_part_commits_and_leaves_nothing(
    bucket: Bucket, at: int, error: BaseException
) -> None:
    puts, real = count(), object_store.put_file

    def put_file(uri: str, path: Path) -> None:
        if next(puts) == at:
            raise error
        real(uri, path)

    with bucket.patch.context() as patch:
        patch.setattr(object_store, "put_file", put_file)
        with pytest.raises((errors.WriteError, KeyboardInterrupt)):
            toolkit.export(bucket.log, to=bucket.out)

    assert bucket.names() == []
    with pytest.raises(errors.NotAnExportError):
        toolkit.ledger(bucket.out)
    toolkit.export(bucket.log, to=bucket.out)
    assert bucket.shown() == ALL


@pytest.mark.parametrize("refused", ["PUT .*parquet", r"PUT .*state\.json"])
def test_a_store_without_write_access_raises_a_write_error(
    bucket: Bucket, refused: str
) -> None:
    bucket.server.refuses = refused

    with pytest.raises(errors.WriteError, match=r"\As3://.*: cannot write: .*Denied\Z"):
        toolkit.export(bucket.log, to=bucket.out)

    assert bucket.names() == []


@pytest.mark.parametrize(
    "fault", ["README.txt", "sweep", "full disk", "answer lost", "put tried again"]
)
def test_an_error_after_the_commit_does_not_undo_it(bucket: Bucket, fault: str) -> None:
    real = object_store.put_bytes

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    def put_bytes(uri: str, data: bytes, *, replaces: str | None) -> None:
        real(uri, data, replaces=replaces)
        if fault == "put tried again":  # the client does so if no answer comes
            real(uri, data, replaces=replaces)
        raise OSError(5, "Read timeout", uri)

    refused = {"README.txt": r"PUT .*README\.txt", "sweep": "GET .*prefix=.*choices"}
    bucket.server.refuses = refused.get(fault, NOTHING)
    with bucket.patch.context() as patch:
        if fault == "full disk":
            patch.setattr(Path, "write_text", full)
        elif fault not in refused:
            patch.setattr(object_store, "put_bytes", put_bytes)
        toolkit.export(bucket.log, to=bucket.out)

    bucket.server.refuses = NOTHING
    assert bucket.shown() == ALL


@pytest.mark.parametrize("has_put", [True, False])
def test_a_run_that_is_interrupted_while_it_commits_keeps_its_parts(
    bucket: Bucket, has_put: bool
) -> None:
    real = object_store.put_bytes

    def put_bytes(uri: str, data: bytes, *, replaces: str | None) -> None:
        if has_put:
            real(uri, data, replaces=replaces)
        raise KeyboardInterrupt

    with bucket.patch.context() as patch:
        patch.setattr(object_store, "put_bytes", put_bytes)
        with pytest.raises(KeyboardInterrupt):
            toolkit.export(bucket.log, to=bucket.out)

    # The store may still be about to commit them.
    left = set(bucket.names("parquet"))
    assert len(left) == PARTS
    if has_put:
        assert bucket.shown() == ALL
    toolkit.export(bucket.log, to=bucket.out)
    assert bucket.shown() == ALL
    assert len(bucket.names("parquet")) == PARTS
    assert (left == set(bucket.names("parquet"))) == has_put


def test_a_large_file_is_uploaded_in_parts_and_an_error_leaves_none(
    bucket: Bucket,
) -> None:
    data = bytes(range(256)) * 45_000  # 11.5 MB: three parts
    bucket.log.write_bytes(data)
    bucket.server.refuses = "PUT .*partNumber=2"

    with pytest.raises(OSError, match="Access Denied"):
        object_store.put_file(bucket.uri("big"), bucket.log)
    assert bucket.names() == []
    assert not bucket.server.content.buckets[bucket.name].multiparts

    bucket.server.forget()
    object_store.put_file(bucket.uri("big"), bucket.log)
    assert len([name for name in bucket.server.asked if "partNumber" in name]) == 3
    assert object_store.read_object(bucket.uri("big"))[0] == data


KILLED = """
import itertools, os, sys, toolkit
from toolkit.reading import object_store
puts, real = itertools.count(), object_store.put_file
def put_file(uri, path):
    if next(puts) == 2:
        os._exit(9)
    real(uri, path)
object_store.put_file = put_file
toolkit.export(sys.argv[1], to=sys.argv[2])
"""


def test_parts_of_a_killed_run_are_ignored_and_deleted_by_the_next_run(
    bucket: Bucket,
) -> None:
    done = run("-c", KILLED, bucket.log, bucket.out)

    assert done.returncode == 9, done.stderr
    left = bucket.names()
    assert left == bucket.names("parquet")
    assert len(left) == 2
    for read in (toolkit.scan, toolkit.rejects, toolkit.check):
        with pytest.raises(errors.NoLogsError):
            read(bucket.out)
    with pytest.raises(errors.NotAnExportError):
        toolkit.ledger(bucket.out)
    toolkit.export(bucket.log, to=bucket.out)
    assert len(bucket.names("parquet")) == PARTS
    assert not set(left) & set(bucket.names())
    assert bucket.shown() == ALL


def test_uncommitted_parts_beside_an_export_are_not_read(bucket: Bucket) -> None:
    toolkit.export(bucket.log, to=bucket.out)
    for key in bucket.names("parquet"):
        data, _ = object_store.read_object(bucket.uri(key))
        bucket.put(re.sub("-[0-9a-f]{8}", "-0123abcd", key), data)

    assert len(bucket.names("parquet")) == 2 * PARTS
    assert bucket.shown() == ALL
    assert toolkit.rejects(bucket.out).height == 1
    assert toolkit.check(bucket.out).failures == []


def test_a_prefix_with_an_empty_name_raises_before_anything_is_written(
    bucket: Bucket,
) -> None:
    bucket.out = bucket.uri("out//b")

    with pytest.raises(errors.OptionError, match="without //"):
        toolkit.export(bucket.log, to=bucket.out)

    assert bucket.names() == []
