"""A store on this machine for tests: moto's; it can deny requests and cut answers."""

from __future__ import annotations

import gzip
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote
from xml.sax.saxutils import escape

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.s3.models import S3Backend, get_canned_acl, s3_backends
from moto.server import ThreadedMotoServer

import toolkit
from tests.support.zstd_frames import zstd_frame
from toolkit.reading import object_store
from toolkit.schema import CHOICES
from toolkit.testing import make_response

KEY = list(CHOICES.key)
NUMBERS = count()
NOTHING = r"\Z."
SIGNER = r"(?:Credential=|SharedKey |Bearer )(\w+)"
REAL_ANSWER = DomainDispatcherApplication.__call__
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class Server:
    """The store: it records requests, denies those that match `refuses`, cuts others.

    Of an answer to a request that matches `cuts` only half is sent.
    """

    def __init__(self) -> None:
        self.moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self.forget()

    @property
    def content(self) -> S3Backend:
        """What is stored: changed without a request."""
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"]

    def forget(self) -> None:
        self.asked: list[str] = []
        self.signed_by: set[str] = set()
        self.tokens: set[str] = set()
        self.refuses = self.cuts = NOTHING
        self.status = "403 Forbidden"  # of what it refuses
        self.before: Callable[[str], object] = str

    def answer(self, app: Any, environ: dict[str, Any], start: Any) -> Any:
        request = f"{environ['REQUEST_METHOD']} {unquote(environ['REQUEST_URI'])}"
        request = f"{request} {environ.get('HTTP_RANGE', '')}".rstrip()
        signature = environ.get("HTTP_AUTHORIZATION", "")
        if not signature.startswith("AWS4"):  # moto knows no other
            environ.pop("HTTP_AUTHORIZATION", None)
            for name in ("REQUEST_URI", "RAW_URI"):
                path, mark, query = environ[name].partition("?")
                environ[name] = quote(unquote(path)) + mark + query
        self.asked.append(request)
        self.signed_by |= set(re.findall(SIGNER, signature))
        self.tokens.add(environ.get("HTTP_X_AMZ_SECURITY_TOKEN", ""))
        self.before(request)
        if re.search(self.refuses, request):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(self.status, [("Content-Type", "application/xml")])
            return [DENIED]
        if "comp=list" in request:
            return self.list_blobs(environ, start)
        body = b"".join(REAL_ANSWER(app, environ, start))
        return [body[: len(body) // 2] if re.search(self.cuts, request) else body]

    def list_blobs(self, environ: dict[str, Any], start: Any) -> Any:
        """List as Azure does, two blobs at once; moto has no such answer."""
        bucket = self.content.buckets[environ["PATH_INFO"].strip("/")]
        query = parse_qs(environ["QUERY_STRING"])
        (prefix,), (marker,) = (query.get(name, [""]) for name in ("prefix", "marker"))
        names = [name for name in sorted(bucket.keys) if name.startswith(prefix)]
        rest = [name for name in names if name >= marker]
        blobs = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties>"
            f"<Last-Modified>{blob.last_modified_RFC1123}</Last-Modified>"
            f"<Content-Length>{blob.size}</Content-Length>"
            "<Content-Type>text/plain</Content-Type>"
            f"<Etag>{blob.etag[1:-1]}</Etag></Properties></Blob>"
            for name in rest[:2]
            if (blob := bucket.keys[name])
        )
        more = f"<NextMarker>{escape(''.join(rest[2:3]))}</NextMarker>"
        start("200 OK", [("Content-Type", "application/xml")])
        listed = (
            f"<EnumerationResults><Blobs>{blobs}</Blobs>{more}</EnumerationResults>"
        )
        return [listed.encode()]


def run_server() -> Iterator[Server]:
    """Run a store."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = Server()

    def answer(*arguments: Any) -> Any:
        return server.answer(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DomainDispatcherApplication, "__call__", answer)
        server.moto.start()
        yield server
        object_store._store.cache_clear()
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
    "c.jsonl.zst": zstd_frame(LOG),
}


class Bucket:
    """A new bucket, and a new folder with a log."""

    def __init__(self, server: Server, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.name = f"bucket-{next(NUMBERS)}"
        self.server, self.folder, self.patch = server, folder, patch
        self.out = self.uri("out")
        self.log = folder / "log.jsonl"
        self.log.write_bytes(LOG)

    def uri(self, key: str, root: str = "s3://{}/") -> str:
        return root.format(self.name) + key

    def put(self, key: str, data: bytes = LOG) -> str:
        self.server.content.put_object(self.name, key, data)
        return self.uri(key)

    def publish(self) -> None:
        """Let everybody read the objects."""
        for key in self.names():
            self.server.content.put_object_acl(
                self.name, key, get_canned_acl("public-read")
            )
        self.server.content.put_bucket_acl(self.name, get_canned_acl("public-read"))

    def put_both(self, *keys: str, data: bytes = LOG) -> None:
        """Put objects, and write the same files into the folder."""
        for key in keys:
            (self.folder / key).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / key).write_bytes(data)
            self.put(key, data)

    def names(self, ending: str = "") -> list[str]:
        keys = self.server.content.buckets[self.name].keys
        return sorted(key for key in keys if key.endswith(ending))

    def shown(self) -> list[str]:
        """Return the ids of the responses that the export shows."""
        return sorted(toolkit.scan(self.out).collect()["response_id"])


def make_bucket(
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
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    object_store._store.cache_clear()
    monkeypatch.setitem(object_store._RETRIES, "max_retries", 1)
    bucket = Bucket(server, tmp_path, monkeypatch)
    server.content.create_bucket(bucket.name, "us-east-1")
    server.forget()
    yield bucket
    server.forget()


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python in this environment."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, text=True)
