"""A file that is not a log gives rejects and one sentence that says what it is."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import tarfile
import zipfile
from bz2 import compress as bzip2
from lzma import compress as xz
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl
import pytest

import toolkit
from toolkit.errors import RejectsWarning
from toolkit.reading.file_types import looks_like
from toolkit.testing import make_response

pytestmark = pytest.mark.both_decoders

RESPONSE = make_response()
LINE = json.dumps(RESPONSE)


def picture() -> bytes:
    """Return a PNG."""
    file = io.BytesIO()
    figure = plt.figure(figsize=(1, 1))
    figure.savefig(file, format="png")
    plt.close(figure)
    return file.getvalue()


def frame_file(kind: str) -> bytes:
    """Return a small frame as a file of the kind."""
    file = io.BytesIO()
    frame = pl.DataFrame({"a": [1, 2, 3]})
    frame.write_parquet(file) if kind == "parquet" else frame.write_ipc(file)
    return file.getvalue()


def archive(kind: str) -> bytes:
    """Return a log in an archive."""
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as zipped:
            zipped.writestr("a.jsonl", LINE)
    else:
        with tarfile.open(fileobj=file, mode="w") as tar:
            member = tarfile.TarInfo("a.jsonl")
            member.size = len(LINE)
            tar.addfile(member, io.BytesIO(LINE.encode()))
    return file.getvalue()


def database() -> bytes:
    """Return an SQLite database."""
    connection = sqlite3.connect(":memory:")
    connection.execute("create table log (line text)")
    return connection.serialize()


FILES = {
    "one JSON array": json.dumps([RESPONSE, RESPONSE]),
    "one JSON array: ": json.dumps([RESPONSE], indent=2),
    "JSON over many lines": json.dumps(RESPONSE, indent=2),
    "server-sent events": f"data: {LINE}\n\ndata: [DONE]\n",
    "server-sent events: ": f"event: message\ndata: {LINE}\n",
    "UTF-16": f"{LINE}\n".encode("utf-16"),
    "UTF-16: ": f"{LINE}\n".encode("utf-16-le"),
    "UTF-16: convert": f"{LINE}\n".encode("utf-16-be"),
    "an HTML page": "\n<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n",
    "XML": '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>\n',
    "a picture": picture(),
    "Parquet": frame_file("parquet"),
    "an Arrow file": frame_file("ipc"),
    "an SQLite database": database(),
    "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    "a zip archive": archive("zip"),
    "a tar archive": archive("tar"),
    "bzip2": bzip2(LINE.encode()),
    "xz": xz(LINE.encode()),
    "compressed twice": gzip.compress(gzip.compress(LINE.encode())),
    "Python's repr": f"{RESPONSE!r}\n",
    "JSON text sequences": f"\x1e{LINE}\n\x1e{LINE}\n",
    "lines that end in CR": f"{LINE}\r{LINE}\r",
    "requests": '{"model": "m", "messages": [{"role": "user", "content": "hi"}]}\n',
    "JSON after other text": f"2026-11-22 10:00:00 INFO {LINE}\n",
}


@pytest.mark.parametrize("looks", FILES)
def test_a_file_that_is_no_log_is_rejects_and_one_hint(
    tmp_path: Path, looks: str
) -> None:
    path = tmp_path / "a.jsonl"
    made = FILES[looks]
    path.write_bytes(made if isinstance(made, bytes) else made.encode())

    with pytest.warns(RejectsWarning, match=r"looks like") as warned:
        log = toolkit.load(path)

    hint = log.ledger["hint"].item()
    assert hint.startswith(f"looks like {looks.rstrip(': ')}")
    assert ": " in hint  # and what to do
    assert len(log) == 0
    assert log.rejects.height == log.ledger["lines"].item() - log.ledger["blank"].item()
    assert len(warned) == 1
    assert f"{path} {hint}" in str(warned[0].message)
    assert repr(log).splitlines()[-1].split(None, 2)[-1] == f"{path} {hint}"


def test_there_is_one_hint_for_each_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps([RESPONSE]))
    (tmp_path / "b.jsonl").write_text(LINE + "\n")
    (tmp_path / "c.jsonl").write_text(json.dumps(RESPONSE, indent=1))

    with pytest.warns(RejectsWarning, match=r"and 1 more log"):
        log = toolkit.load(tmp_path)

    assert log.ledger["hint"].is_null().to_list() == [False, True, False]


def test_a_log_with_one_response_is_a_log_whatever_it_begins_with(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"<!doctype html>\n<html></html>\n{LINE}\n")

    log = toolkit.load(path)

    assert log.ledger["hint"].item() is None
    assert log.rejects.height == 2


def test_an_export_keeps_its_hints_and_a_check_shows_them(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps([RESPONSE]))

    toolkit.export(tmp_path / "a.jsonl", to=tmp_path / "out")

    for account in (toolkit.ledger(tmp_path / "out"), toolkit.check(tmp_path).ledger):
        assert account["hint"].item().startswith("looks like one JSON array")


def test_a_head_made_to_be_slow_is_looked_at_at_once() -> None:
    # Each would take minutes if a pattern went back over what it had read.
    for head in (b"{" * 65_536, b'"messages"' * 6_553, b"}\r" * 32_768, b"\t" * 65_536):
        assert isinstance(looks_like(head), str | None)
