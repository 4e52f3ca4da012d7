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
from toolkit.reading.hints import looks_like
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
    assert repr(log).splitlines()[-1].split(None, 1) == ["hint", f"{path} {hint}"]


def test_there_is_one_hint_for_each_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps([RESPONSE]))
    (tmp_path / "b.jsonl").write_text(LINE + "\n")
    (tmp_path / "c.jsonl").write_text(json.dumps(RESPONSE, indent=1))

    with pytest.warns(RejectsWarning, match=r"and 1 more log"):
        log = toolkit.load(tmp_path)

    assert log.ledger["hint"].is_null().to_list() == [False, True, False]


def test_a_log_with_responses_has_a_hint_only_for_rejected_lines(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.jsonl").write_text(f"<!doctype html>\n<html></html>\n{LINE}\n")
    (tmp_path / "b.jsonl").write_text(f"{LINE}\n")

    log = toolkit.load(tmp_path)

    first, second = log.ledger["hint"]
    assert first.startswith("has lines that look like an HTML page")
    assert second is None
    assert log.rejects.height == 2


# Rejected lines beside a response, and what they look like.
LINES = {
    "an array, an item a line": ("[\n", "one JSON array"),
    "an array": (json.dumps([RESPONSE, RESPONSE]), "one JSON array"),
    "its items": (LINE + ",", "one JSON array without brackets"),
    "pretty": (json.dumps(RESPONSE, indent=1), "JSON over many lines"),
    "two on a line": (LINE + LINE, "several responses on a line"),
    "in a string": (json.dumps(LINE), "JSON in a string"),
    "text before": (f"2026-10-05T10:00Z stdout F {LINE}", "JSON after other text"),
    "level before": (f"[INFO] 10:00 {LINE}", "JSON after other text"),
    "csv": ('1,"{""id"": ""a"", ""choices"": []}"', "CSV"),
    "stream": (f"data: {LINE}", "server-sent events"),
    "mark": ("\ufeff" + LINE, "a byte-order mark within the log"),
    "repr": (f"{RESPONSE!r}", "Python's repr"),
    "model": ("ChatCompletion(id='a', choices=[])", "Python's repr"),
    "nan": (LINE.replace('"choices"', '"x": NaN, "choices"'), "JSON with NaN"),
    "surrogate": (LINE.replace("{", '{"x": "\\ud83d", ', 1), "JSON with a lone"),
    "control": (LINE.replace("{", '{"x": "a\tb", ', 1), "JSON with control characters"),
    "har": (json.dumps({"log": {"entries": [{}]}}), "a HAR file"),
    "request": ('{"model": "m", "messages": []}', "requests"),
    "batch": (
        '{"custom_id": "a", "url": "/v1", "body": {"messages": []}}',
        "the input",
    ),
    "Responses": ('{"object": "response", "output": []}', "OpenAI's Responses API"),
    "wrapped": ('{"response": {"body": {"object": "response"}}}', "OpenAI's Responses"),
    "Anthropic": ('{"type": "message", "content": []}', "Anthropic's Messages API"),
    "session": (
        '{"type": "assistant", "message": {"type": "message", "content": [{}]}}',
        "Anthropic's Messages API",
    ),
    "beside its request": (
        '{"request": {"messages": []}, "response": {"type": "message", "content": []}}',
        "Anthropic's Messages API",
    ),
    "Gemini": ('{"candidates": [], "usageMetadata": {}}', "Gemini's generateContent"),
    "Ollama": ('{"model": "m", "message": {}, "done": true}', "Ollama's own API"),
    "Converse": (
        '{"output": {"message": {}}, "stopReason": "a"}',
        "Bedrock's Converse",
    ),
    "embeddings": ('{"object": "list", "data": []}', "embeddings"),
    "spans": ('{"attributes": {"gen_ai.request.model": "m"}}', "spans of OpenTel"),
    "milliseconds": (
        json.dumps({**RESPONSE, "created": 1793577600000}),
        "created in ms",
    ),
    "as text": (
        json.dumps({**RESPONSE, "created": "1793577600000.5"}),
        "created in ms",
    ),
    "nanoseconds": (json.dumps({**RESPONSE, "created": 1793577600 * 10**9}), "in ns"),
    "wrapped date": (
        json.dumps(
            {"response": json.dumps({**RESPONSE, "created": 1793577600 * 10**6})}
        ),
        "created in us",
    ),
    "ISO": (json.dumps({**RESPONSE, "created": "2026-11-02T00:00:00Z"}), "as ISO text"),
}


@pytest.mark.parametrize("name", LINES)
def test_rejected_lines_beside_others_say_what_they_look_like(
    tmp_path: Path, name: str
) -> None:
    line, looks = LINES[name]
    (tmp_path / "a.jsonl").write_text(f"{LINE}\n\n{line}\n{line}\n", "utf-8")

    with pytest.warns(RejectsWarning, match=r"first: \S+a\.jsonl:3 \(\w+\)") as warned:
        hint = toolkit.load(tmp_path).ledger["hint"].item()

    assert hint.startswith("has lines that look like ")
    assert looks in hint
    assert ": " in hint  # and what to do
    assert hint in str(warned[0].message)


def test_text_that_is_not_utf8_says_so(tmp_path: Path) -> None:
    text = json.dumps(make_response(model="ö"), ensure_ascii=False)
    (tmp_path / "a.jsonl").write_bytes(f"{LINE}\n{text}\n".encode("cp1252"))

    hint = toolkit.load(tmp_path).ledger["hint"].item()

    assert hint.startswith("has lines that look like text of another encoding: ")


def test_faults_of_single_lines_are_no_hint_for_a_log(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    nan, wrapped = (
        LINE.replace('"choices"', '"x": NaN, "choices"'),
        f'{{"log": {LINE}}}',
    )
    path.write_text(f"{LINE}\n" * 20 + nan)
    single = toolkit.load(path, duplicates="keep").ledger["hint"].item()
    path.write_text(f"{LINE}\n" * 20 + f"{nan}\n" * 3)
    many = toolkit.load(path, duplicates="keep").ledger["hint"].item()
    path.write_text(f"{LINE}\n" * 20 + f"{nan}\n{wrapped}\n")
    other = toolkit.load(path, duplicates="keep").ledger["hint"].item()

    assert single is None
    assert "NaN" in many
    assert "--response-path log" in other


WRAPPERS = {
    "log": {"log": LINE + "\n", "stream": "stdout"},
    "message": {"timestamp": 1, "message": LINE},
    "'[\"@message\"]'": {"@message": LINE},
    "jsonPayload": {"jsonPayload": RESPONSE, "severity": "INFO"},
    "event.response": {"event": {"response": RESPONSE}},
    "log.response.body": {"log": json.dumps({"response": {"body": LINE}})},
    "jsonPayload.message": {"jsonPayload": {"message": LINE}},
    "message.log": {"message": json.dumps({"log": LINE})},
}


@pytest.mark.parametrize("path", WRAPPERS)
def test_the_response_path_of_a_hint_reads_the_lines(tmp_path: Path, path: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(WRAPPERS[path])}\n{LINE}\n")

    hint = toolkit.load(tmp_path).ledger["hint"].item()

    words, _, given = hint.partition(" --response-path ")
    assert words.startswith("has lines that look like responses in the field")
    assert given == path
    log = toolkit.load(tmp_path, response_path=path.strip("'"), duplicates="keep")
    assert log.ledger["responses"].item() == 2
    assert log.ledger["hint"].item() is None


def test_a_hint_names_no_field_that_is_not_well_known(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"my_secret": RESPONSE}) + "\n")

    hint = toolkit.load(tmp_path).ledger["hint"].item()

    assert hint == "looks like responses in a field of the line: give --response-path"


@pytest.mark.parametrize(
    "line",
    [
        "x",
        '"x"',
        "1",
        "[1]",
        "[]",
        "{}",
        '{"a": {"b": "{"}}',
        '{"a": "{\\"choices\\": 1}"}',
        '{"log": {"choices": [1]}}',
        '{"message": {"role": "user", "content": "{}"}}',
        LINE[:-9],
        '{"error": "data: "}',
        json.dumps({**RESPONSE, "created": -5}),
        json.dumps({**RESPONSE, "model": 5}),
        '{"a":' * 500 + "1" + "}" * 500,
        '{"a":' * 600 + "1" + "}" * 600,
        json.dumps({"log": '{"a":' * 5000 + "}" * 5000}),
    ],
)
def test_a_line_like_nothing_known_has_no_hint(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"{LINE}\n{line}\n")

    assert toolkit.load(tmp_path).ledger["hint"].item() is None


def test_only_the_first_rejected_lines_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    wrapped = json.dumps({"log": LINE})
    path.write_text(LINE + "\n" + "{}\n" * 15 + wrapped)
    near = toolkit.load(path).ledger["hint"].item()
    path.write_text(LINE + "\n" + '{"error": 1}\n' * 99 + "{}\n" * 16 + wrapped)
    far = toolkit.load(path).ledger["hint"].item()

    assert near is not None
    assert far is None


def test_an_export_keeps_its_hints_and_a_check_shows_them(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps([RESPONSE]))

    toolkit.export(tmp_path / "a.jsonl", to=tmp_path / "out")

    for account in (toolkit.ledger(tmp_path / "out"), toolkit.check(tmp_path).ledger):
        assert account["hint"].item().startswith("looks like one JSON array")


def test_a_head_made_to_be_slow_is_looked_at_at_once() -> None:
    # Each would take minutes if a pattern went back over what it had read.
    for head in (b"{" * 65_536, b'{""' * 21_000, b"}\r" * 32_768, b"\t" * 65_536):
        for before in (b"", b"x", b"[x", b"{", b"A" * 65_536):
            assert isinstance(looks_like(before + head), str | None)
