"""Logs and exports in Google Cloud Storage and Azure, and ``file://`` addresses.

moto answers the requests for S3 that these stores share with it, for Azure with a list
of our own; the signatures are not checked.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest

import toolkit
from tests.support.store import (
    ALL,
    FORMS,
    LOG,
    Bucket,
    make_bucket,
    response,
    run_server,
)
from toolkit import errors
from toolkit.reading import object_store
from toolkit.reading.discovery import find_logs

server = pytest.fixture(scope="module")(run_server)
bucket = pytest.fixture(make_bucket)

AZURE = {"AZURE_STORAGE_ACCOUNT_NAME": "account", "AZURE_STORAGE_ACCOUNT_KEY": "a2V5"}
SIGNATURE = "s3cretSignature"
SAS = {
    "AZURE_STORAGE_ACCOUNT_NAME": "account",
    "AZURE_STORAGE_SAS_TOKEN": f"sv=2026&sig={SIGNATURE}%3D",
}
STORES = {
    "gs://{}/": ({"GOOGLE_BEARER_TOKEN": "bearer"}, "bearer"),
    "az://{}/": (AZURE, "account"),
    "abfs://{}/": (AZURE, "account"),
    "abfss://{}@account.dfs.core.windows.net/": (AZURE, "account"),
}


@pytest.fixture(params=STORES, ids=lambda root: root.partition("{")[0])
def root(request: pytest.FixtureRequest, bucket: Bucket) -> str:
    """Set the environment for a store, and return the address of the bucket."""
    variables, _ = STORES[request.param]
    set_environment(bucket, variables)
    return str(request.param)


def set_environment(bucket: Bucket, variables: dict[str, str]) -> None:
    for name in ("GOOGLE_BASE_URL", "AZURE_STORAGE_ENDPOINT"):
        bucket.patch.setenv(name, os.environ["AWS_ENDPOINT_URL"])
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        bucket.patch.delenv(name)
    for name, value in variables.items():
        bucket.patch.setenv(name, value)


def upload(bucket: Bucket, folder: Path, key: str) -> None:
    """Copy a directory into the bucket, and let everybody read it."""
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.put(f"{key}/{path.relative_to(folder)}", path.read_bytes())
    bucket.publish()


@pytest.mark.parametrize("name", FORMS)
def test_a_log_in_another_store_gives_the_same_tables_as_the_file(
    bucket: Bucket, root: str, name: str
) -> None:
    key = f"in/{name}"
    bucket.put_both(key, data=FORMS[name])
    bucket.publish()
    uri = bucket.uri(key, root)

    near, far = toolkit.load(bucket.folder / key), toolkit.load(uri)

    assert set(far.frame["source"]) == {uri}
    assert far.frame.drop("source").equals(near.frame.drop("source"))
    assert far.ledger.drop("source").equals(near.ledger.drop("source"))
    assert toolkit.check(uri).failures == []
    assert bucket.server.signed_by == {STORES[root][1]}


def test_prefixes_and_patterns_are_searched_in_another_store(
    bucket: Bucket, root: str
) -> None:
    names = ["a b.jsonl", "b.jsonl.gz", "c#.jsonl", "d/e.jsonl", "f.jsonl"]
    for name in (*names, "g.txt", ".h.jsonl"):
        bucket.put(f"logs/{name}")
    bucket.put("logs2/a.jsonl")
    bucket.publish()

    uris = [bucket.uri(f"logs/{name}", root) for name in names]
    for source, expected in (
        ("logs", uris),
        ("logs/", uris),
        ("logs/*.jsonl", [uris[0], uris[2], uris[4]]),
        ("logs/[bc]*", uris[1:3]),
        ("log*/a*.jsonl", [uris[0], bucket.uri("logs2/a.jsonl", root)]),
    ):
        found = find_logs(bucket.uri(source, root)).logs
        assert [log.path for log in found] == expected
    with pytest.raises(errors.SourceNotFoundError):
        toolkit.load(bucket.uri("none.jsonl", root))


def test_an_export_in_another_store_equals_the_one_on_disk(
    bucket: Bucket, root: str
) -> None:
    to, uri = bucket.folder / "out", bucket.uri("out", root)
    toolkit.export(bucket.log, to=to)
    bucket.log.write_bytes(LOG + response("new", 2))
    toolkit.export(bucket.log, to=to)
    upload(bucket, to, "out")

    assert toolkit.scan(uri).collect().equals(toolkit.scan(to).collect())
    day = {"since": "2026-11-02", "until": "2026-11-03"}
    assert set(toolkit.scan(uri, **day).collect()["response_id"]) == {"r1", "r4", "new"}
    for read in (toolkit.ledger, toolkit.rejects):
        assert read(uri).equals(read(to))
    near, far = (toolkit.metrics.token_usage(toolkit.scan(name)) for name in (to, uri))
    assert far.equals(near)
    assert toolkit.check(uri)[1:] == toolkit.check(to)[1:]
    assert toolkit.verify(uri) == toolkit.verify(to)
    bucket.server.refuses = "GET .*parquet"
    with pytest.raises(errors.ToolkitError, match=r"(?i)denied|forbidden"):
        toolkit.scan(uri).collect()


def test_logs_in_another_store_are_exported_once(bucket: Bucket, root: str) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        bucket.put(f"logs/{name}", response(name))
    bucket.publish()
    to = bucket.folder / "out"
    assert len(toolkit.export(bucket.uri("logs", root), to=to).added) == 2

    # Named one by one, they have the same tags.
    bucket.server.forget()
    uris = [bucket.uri(f"logs/{name}", root) for name in ("a.jsonl", "b.jsonl")]
    assert len(toolkit.export(uris, to=to).added) == 0
    assert not [request for request in bucket.server.asked if "GET" in request]

    bucket.put("logs/b.jsonl", response("b.jsonl") + response("new"))
    bucket.publish()
    assert toolkit.export(uris, to=to).added["lines"].to_list() == [1]
    assert toolkit.verify(to).faults == []


def test_exports_are_written_to_no_other_store(bucket: Bucket, root: str) -> None:
    to = bucket.folder / "out"
    toolkit.export(bucket.log, to=to)
    upload(bucket, to, "out")
    bucket.server.forget()

    for key in ("new", "new.parquet", "out"):
        with pytest.raises(errors.OptionError, match=r"local path or s3://bucket/key"):
            toolkit.export(bucket.log, to=bucket.uri(key, root))
    assert bucket.server.asked == []
    with pytest.raises(errors.OptionError, match=r"local path or s3://bucket/key"):
        toolkit.compact(bucket.uri("out", root))
    assert {request.split()[0] for request in bucket.server.asked} <= {"GET", "HEAD"}


@pytest.mark.parametrize("refused", ["HEAD", "GET .*jsonl", "comp=list", ""])
def test_no_error_shows_a_signed_address(bucket: Bucket, refused: str) -> None:
    bucket.put("logs/a.jsonl")
    set_environment(bucket, SAS)
    source = bucket.uri("logs" if "list" in refused else "logs/a.jsonl", "az://{}/")
    if refused:
        bucket.server.refuses = refused
    else:
        bucket.patch.setenv("AZURE_STORAGE_ENDPOINT", "http://127.0.0.1:1")

    with pytest.raises(errors.UnreadableSourceError) as caught:
        toolkit.load(source)

    assert not refused or any(SIGNATURE in request for request in bucket.server.asked)
    assert str(caught.value).startswith(source)
    assert SIGNATURE not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("refused", ["GET .*/state.json", "GET .*parquet"])
def test_no_error_of_an_export_shows_a_signed_address(
    bucket: Bucket, refused: str
) -> None:
    to = bucket.folder / "out"
    toolkit.export(bucket.log, to=to)
    upload(bucket, to, "out")
    set_environment(bucket, SAS)
    bucket.server.refuses = refused

    with pytest.raises(errors.ToolkitError, match=r"(?i)denied|forbidden") as caught:
        toolkit.scan(bucket.uri("out", "az://{}/"))

    assert any(SIGNATURE in request for request in bucket.server.asked)
    assert SIGNATURE not in "".join(traceback.format_exception(caught.value))


def test_an_account_or_credentials_that_are_missing_are_named(bucket: Bucket) -> None:
    set_environment(bucket, {})

    with pytest.raises(
        errors.UnreadableSourceError, match="AZURE_STORAGE_ACCOUNT_NAME"
    ):
        toolkit.load("az://container/a.jsonl")
    bucket.patch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    bucket.patch.setenv("AZURE_MSI_ENDPOINT", "http://127.0.0.1:1/metadata/identity")
    with pytest.raises(errors.UnreadableSourceError, match="credentials: set AZURE_"):
        toolkit.load("az://container/a.jsonl")
    bucket.patch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", '{"private_key": s3cret}')
    with pytest.raises(errors.UnreadableSourceError, match="service account") as caught:
        toolkit.load("gs://bucket/a.jsonl")
    assert "s3cret" not in str(caught.value)


# file://


@pytest.mark.parametrize("host", ["", "localhost"])
def test_a_file_address_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    folder = tmp_path / "caf\u00e9 100%"
    folder.mkdir()
    (folder / "a#1?.jsonl").write_bytes(LOG)
    at = f"file://{host}{tmp_path}/caf%C3%A9%20100%25"
    monkeypatch.setattr(object_store, "_store", None)  # no client is needed

    for source in (f"{at}/a%231%3F.jsonl", f"{at}/a#1?.jsonl", at, f"{at}/*.jsonl"):
        log = toolkit.load(source)
        assert log.frame["response_id"].to_list() == ALL
        assert set(log.frame["source"]) == {(folder / "a#1?.jsonl").as_posix()}
    toolkit.export(at, to=f"{at}/out")
    toolkit.export(at, to=f"{at}/out.parquet")
    for source in (f"{at}/out", f"{at}/out.parquet"):
        assert sorted(toolkit.scan(source).collect()["response_id"]) == ALL
    assert toolkit.verify(f"{at}/out").faults == []
    assert toolkit.compact(f"{at}/out").directories == 0
    assert {path.name for path in tmp_path.iterdir()} == {folder.name}


def test_a_file_address_may_hold_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jsonl")).write_bytes(LOG)

    assert len(toolkit.load(f"file://{tmp_path}/%FF.jsonl")) == 6


@pytest.mark.parametrize(
    "name", ["file://host/a.jsonl", "file://a.jsonl", "s3a://bucket/a", "https://a/b"]
)
def test_other_addresses_raise_with_those_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.jsonl").write_bytes(LOG)

    with pytest.raises(errors.UnsupportedSourceError, match=r"gs:// or az://"):
        toolkit.load(name)
    with pytest.raises(errors.OptionError, match=r"local path or s3://"):
        toolkit.export("log.jsonl", to=name)
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


@pytest.mark.parametrize(
    "name",
    [
        "s3://user:SECRET@bucket/a.jsonl",
        "s3://SECRET@bucket/",
        "gs://:SECRET@bucket/*.jsonl",
        "abfss://container:SECRET@account.dfs.core.windows.net/a",
        "https://user:SECRET@host/a.jsonl",
    ],
)
def test_an_address_with_a_password_is_refused_and_not_shown(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "log.jsonl").write_bytes(LOG)

    verify = () if name.startswith("https") else (toolkit.verify,)
    for read in (toolkit.load, toolkit.scan, toolkit.ledger, *verify):
        with pytest.raises(errors.OptionError, match="without user and pass") as caught:
            read(name)
        assert "SECRET" not in str(caught.value)
        assert caught.value.value == "..."
    with pytest.raises(errors.OptionError, match=r"^to: .*without user") as caught:
        toolkit.export(tmp_path, to=name)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["s3://bucket/user:x@y.jsonl", "abfss://container@account.dfs/a.jsonl"]
)
def test_an_at_sign_in_a_key_or_behind_a_container_is_no_password(name: str) -> None:
    object_store.check_address("sources", name)
