"""Logs in an object store: they are found and read like local files."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event, main_thread
from typing import Any

import pytest

import toolkit
from tests.support.store import (
    ALL,
    FORMS,
    LOG,
    NOTHING,
    Bucket,
    make_bucket,
    response,
    run,
    run_server,
)
from toolkit import errors
from toolkit.reading import object_store
from toolkit.reading.discovery import find_logs

server = pytest.fixture(scope="module")(run_server)
bucket = pytest.fixture(make_bucket)


@pytest.mark.parametrize("name", FORMS)
def test_a_log_in_a_store_gives_the_same_tables_as_the_file(
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
def test_a_prefix_is_searched_like_a_directory(bucket: Bucket, name: str) -> None:
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
def test_a_pattern_matches_the_same_names_in_a_store_as_on_disk(
    bucket: Bucket, pattern: str
) -> None:
    bucket.put_both(*TREE)
    for folder in ("logs/", "logs/sub/", "logs/s/"):
        bucket.put(folder, b"")  # what a console makes of a new folder
    bucket.put_both("logs/empty.jsonl", data=b"")
    bucket.patch.chdir(bucket.folder)

    near, far = find_logs(pattern), find_logs(bucket.uri(pattern))

    names = sorted(log.name for log in far.logs)
    assert names == sorted(bucket.uri(log.name) for log in near.logs)


def test_rotations_are_read_oldest_first(bucket: Bucket) -> None:
    names = ["a.jsonl-20261122", "a.jsonl.10", "a.jsonl.9.gz", "a.jsonl", "b.jsonl"]
    uris = [bucket.put(f"logs/{name}") for name in names]

    for source in ("logs", "logs/*"):
        assert [log.name for log in find_logs(bucket.uri(source)).logs] == uris
    assert [log.name for log in find_logs([uris[3], uris[0]]).logs] == [
        uris[0],
        uris[3],
    ]


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
def test_special_characters_of_a_key_are_taken_literally(
    bucket: Bucket, key: str
) -> None:
    uri = bucket.put(f"in/{key}")
    bucket.out = bucket.uri(f"out/{key}")

    for source in (uri, bucket.uri("in")):
        assert toolkit.load(source).frame["source"].unique().to_list() == [uri]
    toolkit.export(uri, to=bucket.out)
    assert bucket.shown() == ALL
    assert f"out/{key}/state.json" in bucket.names()


@pytest.mark.parametrize(
    "key", ["a//b.jsonl", "/b.jsonl", "b.jsonl/", "./b.jsonl", "a/../b.jsonl", "\tb"]
)
def test_a_key_that_cannot_be_read_raises_and_no_other_object_is_read(
    bucket: Bucket, key: str
) -> None:
    bucket.put("b.jsonl")
    uri = bucket.put(key, LOG + LOG)

    for source in (bucket.uri(""), bucket.uri("*"), uri):
        with pytest.raises(errors.SourceError) as caught:
            toolkit.load(source)
        assert str(caught.value).startswith(errors.clean(source.rstrip("/")))
    assert len(toolkit.load(bucket.uri("b.jsonl"))) == 6


@pytest.mark.parametrize(
    "name", ["none.jsonl", "none/", "none*", "empty", "/nobucket/a.jsonl", "/nobucket"]
)
def test_a_missing_object_raises_one_line_that_starts_with_its_address(
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
def test_a_denied_request_raises_one_line_that_starts_with_the_address(
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
        {"AWS_ACCESS_KEY_ID": ""},
        {"AWS_ACCESS_KEY_ID": "s3cret\n"},
        {"AWS_SESSION_TOKEN": "s3cret token"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
        {"AWS_ENDPOINT_URL": "nonsense"},
        {"AWS_ENDPOINT_URL": ""},
        {"AWS_ENDPOINT_URL": "http://[::1"},
        {"AWS_ENDPOINT_URL_S3": "ftp://127.0.0.1"},
        {"AWS_DEFAULT_REGION": "no region"},
        {"AWS_REGION": ""},
    ],
    ids=str,
)
def test_wrong_credentials_or_endpoints_raise_a_toolkit_error(
    bucket: Bucket, environment: dict[str, str]
) -> None:
    object_store._store.cache_clear()
    for name, value in environment.items():
        bucket.patch.setenv(name, value)

    export = partial(toolkit.export, bucket.log)
    for use in (toolkit.load, toolkit.scan, export):
        with pytest.raises(errors.ToolkitError) as caught:
            use(bucket.uri("a.jsonl"))
        assert "\n" not in str(caught.value)
        assert "s3cret" not in str(caught.value)


def test_a_truncated_log_raises_an_error_with_its_address(bucket: Bucket) -> None:
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


def test_an_object_that_is_deleted_before_it_is_read_raises(bucket: Bucket) -> None:
    uris = [bucket.put("a.jsonl"), bucket.put("b.jsonl", response("b"))]
    bucket.server.before = lambda request: (
        bucket.server.content.delete_object(bucket.name, "a.jsonl")
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


def test_a_bucket_in_another_region_raises_an_error_that_names_the_region(
    bucket: Bucket,
) -> None:
    bucket.put("logs/a.jsonl")
    bucket.server.refuses, bucket.server.status = "", "301 Moved Permanently"

    for name in ("logs", "logs/a.jsonl"):
        with pytest.raises(errors.UnreadableSourceError, match=r"configured region\Z"):
            toolkit.load(bucket.uri(name))


@pytest.mark.parametrize("request_", ["HEAD", r"GET .*a\.jsonl", "prefix="])
def test_a_busy_store_is_asked_again(bucket: Bucket, request_: str) -> None:
    bucket.put("logs/a.jsonl")
    bucket.server.refuses, bucket.server.status = request_, "503 Slow Down"

    def relent(request: str) -> None:
        if re.search(request_, request) and bucket.server.asked.count(request) == 2:
            bucket.server.refuses = NOTHING

    bucket.server.before = relent
    name = "logs" if request_ == "prefix=" else "logs/a.jsonl"
    assert len(toolkit.load(bucket.uri(name))) == 6


def test_a_store_that_does_not_answer_is_an_error_in_the_end(bucket: Bucket) -> None:
    uri, caught = bucket.put("a.jsonl"), Event()
    bucket.patch.setitem(object_store._CLIENT, "read_timeout", "50ms")
    bucket.patch.setitem(object_store._RETRIES, "max_retries", 0)
    bucket.server.before = lambda _: caught.wait(60)

    with pytest.raises(errors.UnreadableSourceError, match=r"a\.jsonl: TimedOut\Z"):
        toolkit.load(uri)
    caught.set()


@pytest.mark.skipif(os.name == "nt", reason="there is no pthread_kill")
@pytest.mark.parametrize("held", ["HEAD", r"GET .*a\.jsonl", "prefix="])
def test_an_interrupt_ends_the_wait_for_a_store(bucket: Bucket, held: str) -> None:
    bucket.put("logs/a.jsonl")
    caught, was_caught = Event(), []

    def hold(request: str) -> None:
        if re.search(held, request):
            signal.pthread_kill(main_thread().ident, signal.SIGINT)
            was_caught.append(caught.wait(60))

    bucket.server.before = hold
    name = "logs" if held == "prefix=" else "logs/a.jsonl"
    with pytest.raises(KeyboardInterrupt):
        toolkit.load(bucket.uri(name))
    caught.set()
    while not was_caught:
        time.sleep(0.01)
    assert was_caught == [True]


@pytest.mark.parametrize("use", ["load", "export"])
@pytest.mark.parametrize("name", FORMS)
def test_a_broken_connection_is_not_taken_for_the_end_of_a_log(
    bucket: Bucket, name: str, use: str
) -> None:
    uri = bucket.put(name, FORMS[name])
    bucket.server.cuts = rf"GET .*/{name}"
    uses: dict[str, Callable[[str], object]] = {
        "load": toolkit.load,
        "export": partial(toolkit.export, to=bucket.out),
    }

    with pytest.raises(errors.UnreadableSourceError) as caught:
        uses[use](uri)

    assert str(caught.value).startswith(uri)
    assert bucket.names("parquet") == []


@pytest.mark.parametrize("name", FORMS)
def test_an_interrupted_transfer_is_resumed_where_it_ended(
    bucket: Bucket, name: str
) -> None:
    uri = bucket.put(name, FORMS[name])
    bucket.server.cuts = rf"GET .*/{name}\Z"  # without a range

    log = toolkit.load(uri)

    assert log.frame["response_id"].to_list() == ALL
    half = len(FORMS[name]) // 2
    reads = [request for request in bucket.server.asked if name in request]
    assert f"bytes={half}-" in reads[-1]


def test_a_transfer_is_not_resumed_from_another_object(bucket: Bucket) -> None:
    uri = bucket.put("a.jsonl")
    bucket.server.cuts = r"GET .*/a.jsonl\Z"
    bucket.server.before = lambda request: (
        bucket.put("a.jsonl", LOG.replace(b"gpt", b"GPT"))
        if "bytes=" in request
        else None
    )

    with pytest.raises(errors.UnreadableSourceError, match=re.escape(uri)):
        toolkit.load(uri)


def test_a_foreign_state_json_does_not_make_an_export(bucket: Bucket) -> None:
    bucket.put_both("logs/a.jsonl")
    bucket.put_both("logs/state.json", data=b"{}")

    assert len(toolkit.load(bucket.folder / "logs")) == 6
    assert len(toolkit.load(bucket.uri("logs"))) == 6


# What is asked of the store, and as whom.

OTHER = "s3://other/secret.jsonl"


def test_only_addresses_given_by_the_user_are_opened(bucket: Bucket) -> None:
    poison = response(OTHER, model=OTHER, system_fingerprint=OTHER, team=OTHER)
    folder = bucket.folder / "logs"
    key = f"logs/{OTHER.replace('//', '/')}"
    bucket.put_both(key, data=poison + f'"{OTHER}"\n'.encode())
    bucket.server.asked.clear()

    loaded = toolkit.load(bucket.uri("logs"), tags={"team": "team"})
    toolkit.check(bucket.uri("logs"))

    assert loaded.frame["tag_team"].to_list() == [OTHER]
    assert bucket.server.asked
    for request in bucket.server.asked:
        assert re.search(rf"/{bucket.name}(/logs|\?.*prefix=logs/)", request)

    object_store._store.cache_clear()
    bucket.server.asked.clear()
    toolkit.export(folder, to=folder / "out", tags={"team": "team"})
    assert toolkit.scan(folder / "out").collect()["model"].to_list() == [OTHER]
    assert toolkit.check(folder / "out").failures == []
    assert toolkit.rejects(folder / "s3:").height == 1
    assert object_store._store.cache_info().currsize == 0
    assert bucket.server.asked == []


def test_a_path_that_looks_like_an_address_is_a_path(bucket: Bucket) -> None:
    object_store._store.cache_clear()
    path = bucket.folder / "s3:" / "bucket" / "a+%20 b.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(LOG)
    bucket.patch.chdir(bucket.folder)

    for name in (path, "s3:/bucket/a+%20 b.jsonl", "./s3://bucket"):
        assert len(toolkit.load(name)) == 6
    assert object_store._store.cache_info().currsize == 0


def test_a_profile_raises_an_error_with_the_command_that_exports_it(
    bucket: Bucket,
) -> None:
    bucket.patch.setenv("AWS_PROFILE", "work")
    assert len(toolkit.load(bucket.put("a.jsonl"))) == 6  # the keys take precedence
    object_store._store.cache_clear()
    bucket.patch.delenv("AWS_ACCESS_KEY_ID")
    bucket.server.asked.clear()

    with pytest.raises(errors.OptionError, match="aws configure export-credentials"):
        toolkit.load(bucket.uri("a.jsonl"))
    assert bucket.server.asked == []


def test_without_credentials_an_error_names_what_to_set(bucket: Bucket) -> None:
    bucket.patch.delenv("AWS_ACCESS_KEY_ID")
    bucket.patch.delenv("AWS_SECRET_ACCESS_KEY")
    # The service that gives a machine in the cloud its credentials.
    bucket.patch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")

    with pytest.raises(errors.UnreadableSourceError, match="no credentials: set AWS_"):
        toolkit.load(bucket.uri("a.jsonl"))


def test_a_session_token_is_sent_with_every_request(bucket: Bucket) -> None:
    toolkit.export(bucket.log, to=bucket.out)
    bucket.patch.setenv("AWS_SESSION_TOKEN", "today")
    object_store._store.cache_clear()
    bucket.server.forget()

    assert bucket.shown() == ALL
    assert bucket.server.tokens == {"today"}


def test_a_public_bucket_is_read_without_credentials(bucket: Bucket) -> None:
    toolkit.export(bucket.put("logs/a.jsonl"), to=bucket.out)
    bucket.publish()
    bucket.patch.delenv("AWS_ACCESS_KEY_ID")
    bucket.patch.delenv("AWS_SECRET_ACCESS_KEY")
    bucket.patch.setenv("AWS_SKIP_SIGNATURE", "true")
    object_store._store.cache_clear()
    bucket.server.forget()

    assert len(toolkit.load(bucket.uri("logs"))) == 6
    assert bucket.shown() == ALL
    assert bucket.server.signed_by == set()


def test_more_than_a_thousand_objects_are_listed_and_deleted(bucket: Bucket) -> None:
    names = [f"logs/{number:04}.jsonl" for number in range(1_005)]
    uris = [bucket.put(name, b"") for name in names]

    found = find_logs(bucket.uri("logs")).logs
    assert [log.path for log in found] == uris
    bucket.server.forget()
    object_store.delete_objects(uris)
    assert bucket.names() == []
    assert len(bucket.server.asked) == 2  # a thousand at once


def test_polars_gets_a_region_if_none_is_set(bucket: Bucket) -> None:
    bucket.patch.delenv("AWS_DEFAULT_REGION")
    bucket.patch.delenv("AWS_ENDPOINT_URL")

    options = object_store.polars_options(bucket.out)

    assert options == {"aws_region": "us-east-1", "allow_http": "true"}


def test_without_obstore_an_address_raises_with_what_to_install(bucket: Bucket) -> None:
    bucket.patch.setitem(sys.modules, "obstore.store", None)
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    (needed,) = project["project"]["optional-dependencies"]["cloud"]

    export = partial(toolkit.export, bucket.log)
    uses: list[Any] = [toolkit.load, toolkit.scan, toolkit.check, toolkit.ledger]
    for use in (*uses, export):
        with pytest.raises(errors.MissingPackageError, match=f"pip install '{needed}'"):
            use("s3://bucket/a.jsonl")
    assert len(toolkit.load(bucket.log)) == 6


def test_a_command_whose_request_is_denied_ends_with_one_line(bucket: Bucket) -> None:
    uri = bucket.put("a.jsonl")
    bucket.server.refuses = "GET"

    done = run("-m", "toolkit", "tokens", uri)

    assert done.returncode == 1
    assert done.stderr == f"toolkit: {uri}: Access Denied\n"
