"""Logs and exports in an object store: the laws of local ones, and those of a race.

The store is moto's, on this machine; `Server` sees every request that comes to it, also
those that polars and other processes make.
"""

from __future__ import annotations

import gzip
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from threading import Barrier, Lock
from typing import Any
from urllib.parse import unquote

import pytest
import zstandard
from botocore import exceptions
from botocore.response import StreamingBody
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import ThreadedMotoServer

import toolkit
from toolkit import errors
from toolkit.reading import object_store
from toolkit.reading.discovery import find_logs
from toolkit.schema import CHOICES
from toolkit.testing import make_response

KEY = list(CHOICES.key)
NUMBERS = count()
NOTHING = r"\Z."
REAL_ANSWER = DomainDispatcherApplication.__call__
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class Server:
    """The store; says what was asked of it, and refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self.forget()

    def forget(self) -> None:
        self.asked: list[str] = []
        self.signed_by: set[str] = set()
        self.refuses = NOTHING
        self.before: Callable[[str], object] = str

    def answer(self, app: Any, environ: dict[str, Any], start: Any) -> Any:
        request = f"{environ['REQUEST_METHOD']} {unquote(environ['REQUEST_URI'])}"
        signature = environ.get("HTTP_AUTHORIZATION", "")
        self.asked.append(request)
        self.signed_by |= set(re.findall(r"Credential=(\w+)/", signature))
        self.before(request)
        if re.search(self.refuses, request):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("403 Forbidden", [("Content-Type", "application/xml")])
            return [DENIED]
        return REAL_ANSWER(app, environ, start)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run a store."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = Server()

    def answer(*arguments: Any) -> Any:
        return server.answer(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DomainDispatcherApplication, "__call__", answer)
        server.moto.start()
        yield server
        server.moto.stop()
        server.moto._server.server_close()  # type: ignore[union-attr]


def response(name: str, day: int = 1, **fields: Any) -> bytes:
    created = int(datetime(2026, 11, day, 12, tzinfo=UTC).timestamp())
    made = make_response(id=name, created=created, **fields)
    return json.dumps(made).encode() + b"\n"


# Six responses on three days, and a line that is none: four parts of an export.
LOG = b"".join(response(f"r{n}", n % 3 + 1) for n in range(6)) + b'{"a": 1}\n'
ALL = [f"r{n}" for n in range(6)]
PARTS = 4
FORMS = {
    "a.jsonl": LOG,
    "b.jsonl.gz": gzip.compress(LOG[:500]) + gzip.compress(LOG[500:]),
    "c.jsonl.zst": zstandard.compress(LOG),
}


class Bucket:
    """A new bucket, and a new folder with a log."""

    def __init__(self, server: Server, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.name = f"bucket-{next(NUMBERS)}"
        self.server, self.folder, self.patch = server, folder, patch
        self.out = self.uri("out")
        self.log = folder / "log.jsonl"
        self.log.write_bytes(LOG)

    def uri(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    def put(self, key: str, data: bytes = LOG) -> str:
        object_store._client().put_object(Bucket=self.name, Key=key, Body=data)
        return self.uri(key)

    def put_both(self, *keys: str, data: bytes = LOG) -> None:
        """Put objects, and write the same files into the folder."""
        for key in keys:
            (self.folder / key).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / key).write_bytes(data)
            self.put(key, data)

    def names(self, ending: str = "") -> list[str]:
        found = (
            object_store._client().list_objects_v2(Bucket=self.name).get("Contents", ())
        )
        return [entry["Key"] for entry in found if entry["Key"].endswith(ending)]

    def shown(self) -> list[str]:
        """Return the ids of the responses that the export shows."""
        return sorted(toolkit.scan(self.out).collect()["response_id"])


def forget_client() -> None:
    if object_store._client.cache_info().currsize:
        object_store._client().close()
    object_store._client.cache_clear()


@pytest.fixture
def bucket(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bucket]:
    """Make a bucket, and have the environment lead to its store."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    host, port = server.moto.get_host_and_port()
    environment = {
        "ENDPOINT_URL": f"http://{host}:{port}",
        "ACCESS_KEY_ID": "tester",
        "SECRET_ACCESS_KEY": "secret",
        "DEFAULT_REGION": "us-east-1",
        "EC2_METADATA_DISABLED": "true",
        "MAX_ATTEMPTS": "1",
        "CONFIG_FILE": os.devnull,
        "SHARED_CREDENTIALS_FILE": os.devnull,
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    forget_client()
    bucket = Bucket(server, tmp_path, monkeypatch)
    object_store._client().create_bucket(Bucket=bucket.name)
    server.forget()
    yield bucket
    server.forget()
    forget_client()


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python in this environment."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, text=True)


# Logs.


@pytest.mark.parametrize("name", FORMS)
def test_a_log_in_a_store_gives_the_tables_of_the_same_file(
    bucket: Bucket, name: str
) -> None:
    bucket.put_both(name, data=FORMS[name])

    near = toolkit.load(bucket.folder / name, duplicates="keep")
    far = toolkit.load(bucket.uri(name), duplicates="keep")

    assert set(far.frame["source"]) == {bucket.uri(name)}
    assert far.frame["response_id"].to_list() == ALL
    assert far.frame.drop("source").equals(near.frame.drop("source"))
    assert far.rejects.drop(["source"]).equals(near.rejects.drop(["source"]))
    assert far.rejects["offset"].to_list() == [len(LOG) - 9]
    assert far.ledger.drop("source").equals(near.ledger.drop("source"))
    lazy = toolkit.scan(bucket.uri(name), duplicates="keep")
    assert lazy.collect().equals(far.frame)


TREE = (
    "logs/a.jsonl", "logs/b.ndjson", "logs/c.jsonl.gz", "logs/e.jsonl.1",
    "logs/f.jsonl-20261122.gz", "logs/sub/a.jsonl", "logs/sub/deep/g.jsonl",
    "logs/.hidden.jsonl", "logs/.dir/h.jsonl", "logs/i.json", "logs/j.json",
    "logs/k.txt", "logs2/a.jsonl",
)  # fmt: skip


@pytest.mark.parametrize("name", ["logs", "logs/", "logs/sub"])
def test_a_prefix_is_walked_like_a_directory(bucket: Bucket, name: str) -> None:
    bucket.put_both(*TREE)
    bucket.patch.chdir(bucket.folder)

    near, far = find_logs(name), find_logs(bucket.uri(name))

    assert [log.name for log in far.logs] == [bucket.uri(log.name) for log in near.logs]
    assert far.passed_over == near.passed_over
    if name == "logs":
        assert (len(far.logs), far.passed_over) == (7, {"*.json": 2, "*.txt": 1})


@pytest.mark.parametrize(
    "pattern",
    ["logs/*.jsonl", "logs/?.jsonl", "logs/[ab].*", "logs/*.jsonl.gz", "*/a.jsonl",
     "logs/**/*.jsonl", "**/a.jsonl", "logs*/a.jsonl", "logs/*", "logs/s*", "logs/**"],
)  # fmt: skip
def test_a_pattern_finds_in_a_store_what_it_finds_on_a_disk(
    bucket: Bucket, pattern: str
) -> None:
    bucket.put_both(*TREE)
    bucket.put("logs/", b"")  # what a console makes of a new folder
    bucket.patch.chdir(bucket.folder)

    near, far = find_logs(pattern), find_logs(bucket.uri(pattern))

    names = sorted(log.name for log in far.logs)
    assert names == sorted(bucket.uri(log.name) for log in near.logs)


def test_an_object_that_is_named_twice_is_read_once(bucket: Bucket) -> None:
    uri = bucket.put("logs/a.jsonl")
    whole = bucket.uri("").rstrip("/")

    for name in (uri, bucket.uri("logs"), bucket.uri("logs/*"), bucket.uri(""), whole):
        assert [log.name for log in find_logs([uri, name]).logs] == [uri]


@pytest.mark.parametrize(
    "key",
    ["a b.jsonl", "café/日本.jsonl", "a+b.jsonl", "100%25.jsonl", "a[1]*.jsonl",
     "a?versionId=x.jsonl", "a#b.jsonl", "a&b='c'\".jsonl"],
)  # fmt: skip
def test_a_key_is_taken_by_the_letter(bucket: Bucket, key: str) -> None:
    uri = bucket.put(f"in/{key}")
    bucket.out = bucket.uri(f"out/{key}")

    for source in (uri, bucket.uri("in")):
        assert toolkit.load(source).frame["source"].unique().to_list() == [uri]
    toolkit.export(uri, to=bucket.out)
    assert bucket.shown() == ALL
    assert f"out/{key}/state.json" in bucket.names()


def test_a_prefix_that_cannot_be_read_back_is_refused_at_once(bucket: Bucket) -> None:
    bucket.out = bucket.uri("out//b")

    with suppress(errors.ToolkitError):
        toolkit.export(bucket.log, to=bucket.out)

    assert bucket.names() == [] or bucket.shown() == ALL


@pytest.mark.parametrize(
    "name", ["none.jsonl", "none/", "none*", "empty", "/nobucket/a.jsonl", "/nobucket"]
)
def test_what_is_not_in_a_store_is_said_in_a_line_that_names_the_address(
    bucket: Bucket, name: str
) -> None:
    bucket.put("empty/a.txt", b"x")
    uri = f"s3:/{name}" if name.startswith("/") else bucket.uri(name)

    for read in (toolkit.load, toolkit.scan, toolkit.check):
        with pytest.raises(errors.SourceError) as caught:
            read(uri)
        assert str(caught.value).startswith(uri.rstrip("/"))
        assert not re.search("\n|Parameter validation", str(caught.value))
        if name == "none.jsonl":  # no directory was meant
            assert isinstance(caught.value, errors.SourceNotFoundError)


@pytest.mark.parametrize(
    ("name", "refused"),
    [("logs/a.jsonl", "HEAD"), ("logs/a.jsonl", r"GET .*jsonl"), ("logs", "prefix=")],
)
def test_a_refusal_of_the_store_is_said_in_a_line_that_names_the_address(
    bucket: Bucket, name: str, refused: str
) -> None:
    bucket.put("logs/a.jsonl")
    bucket.server.refuses = refused

    with pytest.raises(
        errors.UnreadableSourceError, match=r"(Forbidden|Denied)\Z"
    ) as caught:
        toolkit.load(bucket.uri(name))

    assert str(caught.value).startswith(bucket.uri(name))


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_PROFILE": "nobody"},
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        {"AWS_ENDPOINT_URL": "nonsense"},
        {"AWS_DEFAULT_REGION": "no region"},
    ],
    ids=str,
)
def test_an_account_that_leads_nowhere_is_no_traceback(
    bucket: Bucket, environment: dict[str, str]
) -> None:
    forget_client()
    for name, value in environment.items():
        bucket.patch.setenv(name, value)

    export = partial(toolkit.export, bucket.log)
    for use in (toolkit.load, toolkit.scan, export):
        with pytest.raises(errors.ToolkitError) as caught:
            use(bucket.uri("a.jsonl"))
        assert "\n" not in str(caught.value)


def test_a_cut_off_log_is_damaged_and_named(bucket: Bucket) -> None:
    uri = bucket.put("a.jsonl.gz", FORMS["b.jsonl.gz"][:-20])
    whole = bucket.put("b.jsonl", response("whole"))

    with pytest.raises(errors.DamagedLogError, match=re.escape(uri)):
        toolkit.load(uri)
    with pytest.warns(errors.DamageWarning, match=re.escape(uri)):
        log = toolkit.load([uri, whole], on_damage="collect")
    # The first member holds 500 bytes.
    assert log.ledger["bytes"].to_list() == [500, len(response("whole"))]
    assert "is cut off" in log.ledger["error"][0]
    assert log.ledger["error"][1] is None


def test_an_object_that_vanishes_before_it_is_read_is_said(bucket: Bucket) -> None:
    uris = [bucket.put("a.jsonl"), bucket.put("b.jsonl", response("b"))]
    bucket.server.before = lambda request: (
        object_store._client().delete_object(Bucket=bucket.name, Key="a.jsonl")
        if re.fullmatch("GET .*/a.jsonl", request)
        else None
    )

    with pytest.raises(errors.UnreadableSourceError, match="does not exist") as caught:
        toolkit.load(uris)
    assert str(caught.value).startswith(uris[0])
    bucket.put("a.jsonl")
    with pytest.warns(errors.DamageWarning):
        log = toolkit.load(uris, on_damage="collect")
    assert log.frame["response_id"].to_list() == ["b"]


BREAKS = (
    exceptions.ReadTimeoutError(endpoint_url="http://x", error="slow"),
    exceptions.ResponseStreamingError(error="reset by peer"),
    exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2),
    exceptions.ConnectionClosedError(endpoint_url="http://x"),
)


@pytest.mark.parametrize("use", ["load", "export"])
@pytest.mark.parametrize("error", BREAKS, ids=lambda error: type(error).__name__)
def test_a_connection_that_breaks_is_no_end_of_a_log(
    bucket: Bucket, error: Exception, use: str
) -> None:
    real = StreamingBody.read
    uses: dict[str, Callable[[str], object]] = {
        "load": toolkit.load,
        "export": partial(toolkit.export, to=bucket.out),
    }

    def read(body: StreamingBody, amt: int | None = None) -> bytes:
        data = bytes(real(body, amt))
        if not data:
            raise error
        return data

    for name, data in FORMS.items():
        uri = bucket.put(name, data)
        with bucket.patch.context() as patch:
            patch.setattr(StreamingBody, "read", read)
            with pytest.raises(errors.UnreadableSourceError) as caught:
                uses[use](uri)
        assert str(caught.value).startswith(uri)
    assert bucket.names("parquet") == []


def test_a_state_json_of_somebody_else_makes_no_export(bucket: Bucket) -> None:
    bucket.put_both("logs/a.jsonl")
    bucket.put_both("logs/state.json", data=b"{}")

    assert len(toolkit.load(bucket.folder / "logs")) == 6
    assert len(toolkit.load(bucket.uri("logs"))) == 6


# Exports.


def test_an_export_in_a_store_is_the_one_on_a_disk(bucket: Bucket) -> None:
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


def test_a_day_that_is_not_asked_for_is_not_read(bucket: Bucket) -> None:
    toolkit.export(bucket.log, to=bucket.out)

    frame = toolkit.scan(bucket.out, since="2026-11-02", until="2026-11-03")

    bucket.server.asked.clear()
    assert sorted(frame.collect()["response_id"]) == ["r1", "r4"]
    days = {re.findall("date=([0-9-]*)/", name)[0] for name in bucket.server.asked}
    assert days == {"2026-11-02"}
    nothing = toolkit.scan(bucket.out, since="2027-01-01").collect()
    assert (nothing.height, nothing.schema) == (0, CHOICES.polars)


def test_exports_near_and_far_are_read_together(bucket: Bucket) -> None:
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


def test_a_second_run_adds_what_is_new_and_reads_nothing_else(bucket: Bucket) -> None:
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


def test_a_run_without_news_puts_nothing(bucket: Bucket) -> None:
    bucket.put("logs/a.jsonl")
    toolkit.export(bucket.uri("logs"), to=bucket.out)
    bucket.server.forget()

    done = toolkit.export(bucket.uri("logs"), to=bucket.out)

    assert (len(done.added), done.found) == (0, 1)
    assert not [request for request in bucket.server.asked if "PUT" in request]


def test_a_log_that_was_compressed_in_a_store_is_known_again(bucket: Bucket) -> None:
    bucket.put("logs/a.jsonl")
    toolkit.export(bucket.uri("logs"), to=bucket.out)
    object_store.delete_objects([bucket.uri("logs/a.jsonl")])
    bucket.put("logs/a.jsonl.1.gz", gzip.compress(LOG + response("new")))

    done = toolkit.export(bucket.uri("logs"), to=bucket.out)

    assert bucket.shown() == sorted([*ALL, "new"])
    assert done.ledger["duplicates"].to_list() == [0]


def test_an_export_in_a_store_is_made_anew(bucket: Bucket) -> None:
    toolkit.export(bucket.log, to=bucket.out)

    with pytest.raises(errors.OptionError, match="--rewrite"):
        toolkit.export(bucket.log, to=bucket.out, content="drop")
    toolkit.export(bucket.log, to=bucket.out, content="drop", rewrite=True)

    assert bucket.shown() == ALL
    assert toolkit.scan(bucket.out).collect()["content"].null_count() == 6
    assert len(bucket.names("parquet")) == PARTS
    assert toolkit.verify(bucket.out).faults == []


def test_of_two_runs_that_add_at_once_one_wins_and_nothing_stands_twice(
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


def test_what_a_run_that_died_has_put_is_gone_before_it_could_count(
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


def test_a_compaction_in_a_store_leaves_one_part_a_day_and_the_same_rows(
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


def test_an_export_goes_on_from_a_compacted_one(bucket: Bucket) -> None:
    names = runs_of(bucket)
    toolkit.compact(bucket.out)
    bucket.log.write_bytes(bucket.log.read_bytes() + response("z") + response("x"))

    done = toolkit.export(bucket.log, to=bucket.out)

    assert done.added["responses"].sum() == 1
    assert bucket.shown() == sorted([*names, "z"])
    assert toolkit.verify(bucket.out).faults == []


def test_of_a_compaction_that_could_not_clear_away_no_row_is_seen_twice(
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


def test_a_compaction_that_an_export_overtakes_gives_way(bucket: Bucket) -> None:
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
def test_objects_of_the_user_are_never_removed(bucket: Bucket, mine: str) -> None:
    uri = bucket.put(f"out/{mine}", b"mine")

    with pytest.raises(errors.NotEmptyError):
        toolkit.export(bucket.log, to=bucket.out)

    assert bucket.names() == [f"out/{mine}"]
    assert object_store.read_object(uri)[0] == b"mine"


def test_a_new_folder_of_a_console_is_empty(bucket: Bucket) -> None:
    bucket.put("out/", b"")
    bucket.put("out2/a.jsonl")

    toolkit.export(bucket.log, to=bucket.out)

    assert bucket.shown() == ALL


@pytest.mark.parametrize(
    "refused", [r"HEAD .*state\.json", r"GET .*/choices/.*parquet"]
)
def test_a_refusal_is_not_taken_for_absence_or_damage(
    bucket: Bucket, refused: str
) -> None:
    toolkit.export(bucket.log, to=bucket.out)
    bucket.server.refuses = refused

    with pytest.raises(errors.ToolkitError, match=r"(?i)denied|forbidden"):
        toolkit.scan(bucket.out)


# Runs at once, and runs that die.


def test_of_two_runs_at_once_one_wins_and_the_other_leaves_nothing(
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
def test_the_command_that_loses_ends_with_5(bucket: Bucket, refused: str) -> None:
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
def test_a_run_that_fails_at_a_part_commits_nothing_and_leaves_nothing(
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
def test_a_store_that_refuses_to_be_written_is_a_write_error(
    bucket: Bucket, refused: str
) -> None:
    bucket.server.refuses = refused

    with pytest.raises(errors.WriteError, match=r"\As3://.*: cannot write: .*Denied\Z"):
        toolkit.export(bucket.log, to=bucket.out)

    assert bucket.names() == []


@pytest.mark.parametrize(
    "fault", ["README.txt", "sweep", "full disk", "answer lost", "put tried again"]
)
def test_what_fails_after_the_commit_neither_undoes_nor_denies_it(
    bucket: Bucket, fault: str
) -> None:
    real = object_store.put_bytes

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    def put_bytes(uri: str, data: bytes, *, replaces: str | None) -> None:
        real(uri, data, replaces=replaces)
        if fault == "put tried again":  # botocore does so if no answer comes
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


def test_what_a_killed_run_left_is_no_export_and_the_next_run_sweeps_it(
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


def test_what_lies_beside_a_committed_export_is_not_shown(bucket: Bucket) -> None:
    toolkit.export(bucket.log, to=bucket.out)
    for key in bucket.names("parquet"):
        data, _ = object_store.read_object(bucket.uri(key))
        bucket.put(re.sub("-[0-9a-f]{8}", "-0123abcd", key), data)

    assert len(bucket.names("parquet")) == 2 * PARTS
    assert bucket.shown() == ALL
    assert toolkit.rejects(bucket.out).height == 1
    assert toolkit.check(bucket.out).failures == []


# What is asked of the store, and as whom.

OTHER = "s3://other/secret.jsonl"


def test_only_addresses_that_the_user_typed_are_opened(bucket: Bucket) -> None:
    poison = response(OTHER, model=OTHER, system_fingerprint=OTHER, team=OTHER)
    folder = bucket.folder / "logs"
    bucket.put_both(f"logs/{OTHER}", data=poison + f'"{OTHER}"\n'.encode())
    bucket.server.asked.clear()

    loaded = toolkit.load(bucket.uri("logs"), tags={"team": "team"})
    toolkit.check(bucket.uri("logs"))

    assert loaded.frame["tag_team"].to_list() == [OTHER]
    assert bucket.server.asked
    for request in bucket.server.asked:
        assert re.search(rf"/{bucket.name}(/logs|\?.*prefix=logs/)", request)

    forget_client()
    bucket.server.asked.clear()
    toolkit.export(folder, to=folder / "out", tags={"team": "team"})
    assert toolkit.scan(folder / "out").collect()["model"].to_list() == [OTHER]
    assert toolkit.check(folder / "out").failures == []
    assert toolkit.rejects(folder / "s3:").height == 1
    assert object_store._client.cache_info().currsize == 0
    assert bucket.server.asked == []


def test_a_path_that_looks_like_an_address_is_a_path(bucket: Bucket) -> None:
    forget_client()
    path = bucket.folder / "s3:" / "bucket" / "a+%20 b.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(LOG)
    bucket.patch.chdir(bucket.folder)

    for name in (path, "s3:/bucket/a+%20 b.jsonl", "./s3://bucket"):
        assert len(toolkit.load(name)) == 6
    assert object_store._client.cache_info().currsize == 0


PROFILE = """
import sys, toolkit
log, to = sys.argv[1:]
done = toolkit.export(log, to=to)
print(len(toolkit.load(log)), toolkit.scan(to).collect().height)
"""


def test_a_profile_serves_load_and_export_and_scan(bucket: Bucket) -> None:
    uri = bucket.put("a.jsonl")
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    (bucket.folder / "config").write_text(
        f"[profile work]\nendpoint_url = {endpoint}\nregion = eu-west-1\n"
        "aws_access_key_id = atwork\naws_secret_access_key = hidden\n",
        encoding="utf-8",
    )
    for name in (
        "ENDPOINT_URL",
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "DEFAULT_REGION",
    ):
        bucket.patch.delenv(f"AWS_{name}")
    bucket.patch.setenv("AWS_PROFILE", "work")
    bucket.patch.setenv("AWS_CONFIG_FILE", str(bucket.folder / "config"))
    bucket.server.signed_by.clear()

    done = run("-c", PROFILE, uri, bucket.out)

    assert (done.stdout.split(), done.returncode) == (["6", "6"], 0), done.stderr
    assert bucket.server.signed_by == {"atwork"}


def test_without_a_region_polars_is_given_one_that_exists(bucket: Bucket) -> None:
    forget_client()
    bucket.patch.delenv("AWS_DEFAULT_REGION")
    bucket.patch.delenv("AWS_ENDPOINT_URL")

    options = object_store.polars_options(bucket.out)

    assert options is not None
    assert options["aws_region"] == "us-east-1"


def test_without_boto3_an_address_says_what_to_install(bucket: Bucket) -> None:
    forget_client()
    bucket.patch.setitem(sys.modules, "boto3", None)

    export = partial(toolkit.export, bucket.log)
    uses: list[Any] = [toolkit.load, toolkit.scan, toolkit.check, toolkit.ledger]
    for use in (*uses, export):
        with pytest.raises(
            errors.MissingPackageError, match=r"completion-toolkit\[s3\]'"
        ):
            use("s3://bucket/a.jsonl")
    assert len(toolkit.load(bucket.log)) == 6
