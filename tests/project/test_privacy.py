"""No text of a prompt or an answer is shown where it was not asked for.

A secret word is put wherever a log may have text. No message and no output of the
library may show it, except where the text itself is asked for.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import stat
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import polars as pl
import pyarrow.parquet as pq
import pytest
from matplotlib.text import Text

import toolkit
from tests.support.zstd_frames import zstd_frame
from toolkit.cli.app import main
from toolkit.errors import (
    DamagedLogError,
    RejectedLineError,
    ToolkitError,
    ValidationError,
)
from toolkit.schema import CHOICES, LEDGER, REJECTS, Table
from toolkit.testing import make_choices, make_response

SECRET = "Xq7SECRETq7X"
PART = re.compile(SECRET[:7], re.IGNORECASE)


def assert_private(text: object, where: object = "") -> None:
    """Assert that a text, or the bytes of a file, do not contain the word."""
    shown = text.decode("latin-1") if isinstance(text, bytes) else str(text)
    # A table may have folded the word.
    assert not PART.search("".join(shown.split())), where


def assert_private_error(error: BaseException | None) -> None:
    """Assert that an error and its causes do not contain the word."""
    while error is not None:
        assert_private(error)
        assert_private(repr(error))
        assert_private(error.args)
        public = {k: v for k, v in vars(error).items() if k != "failure_cases"}
        assert_private(public)
        assert_private("".join(traceback.format_exception_only(error)))
        error = error.__cause__ or error.__context__


def assert_private_frame(frame: pl.DataFrame, *, but: tuple[str, ...] = ()) -> None:
    """Assert that no cell of a frame contains the word."""
    for name in frame.columns:
        if name not in but:
            assert_private(frame[name].to_list(), name)


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """Collect the text of every warning of any category."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield messages
    messages += [f"{one.message!r} {one.message}" for one in caught]


# --- Lines that contain the word -----------------------------------------------------


def message(**fields: object) -> dict[str, object]:
    """Write a response whose message has these fields."""
    return make_response(choices=[{"index": 0, "message": fields}])


CALL = {"id": "call", "type": "function"}
# A response, with the word wherever a message may have text.
GOOD: dict[str, dict[str, object]] = {
    "content": message(role="assistant", content=SECRET),
    "long content": message(content=f"{SECRET} " * 10_000),
    "parts": message(content=[{"type": "text", "text": SECRET}]),
    "other parts": message(content=[{"type": SECRET, "data": SECRET}]),
    "object": message(content={SECRET: SECRET}),
    "thinking": message(
        content=[{"type": "thinking", "thinking": [{"type": "text", "text": SECRET}]}]
    ),
    "reasoning": message(reasoning=SECRET),
    "reasoning_content": message(reasoning_content=SECRET),
    "refusal": message(refusal=SECRET),
    "arguments": message(
        tool_calls=[{**CALL, "function": {"name": "f", "arguments": SECRET}}]
    ),
    "object as arguments": message(
        tool_calls=[{**CALL, "function": {"name": "f", "arguments": {SECRET: SECRET}}}]
    ),
    "input": message(
        tool_calls=[{"type": "custom", "custom": {"name": "f", "input": SECRET}}]
    ),
    "function call": message(function_call={"name": "f", "arguments": SECRET}),
    "unknown field": make_response(metadata={"deep": [{"x": SECRET}]}, prompt=SECRET),
    "unknown key": make_response() | {SECRET: {SECRET: 1}},
    "key of usage": make_response(usage={"total_tokens": 15, SECRET: 1}),
    "field of a message": message(content="a", audio={"transcript": SECRET}),
    "key of a message": message(**{"content": "a", SECRET: SECRET}),
    "logprobs": make_response(
        choices=[
            {
                "message": {"content": "a"},
                "logprobs": {"content": [{"token": SECRET, "logprob": -1.0}]},
            }
        ]
    ),
    "odd": make_response(usage=None, created=0, model=None, x=SECRET),
    "request": {
        "request": {"messages": [{"content": SECRET}]},
        "response": make_response(),
    },
}
# Lines that are rejected, with the word in what is wrong or beside it.
BAD: dict[str, object] = {
    "count": make_response(usage={"prompt_tokens": SECRET}),
    "usage": make_response(usage=SECRET),
    "model": make_response(model=[SECRET]),
    "id": make_response(id={SECRET: SECRET}),
    "created": make_response(created=SECRET),
    "date": make_response(created={SECRET: 1}),
    "custom_id": {"custom_id": {SECRET: 1}, "response": make_response()},
    "tag": make_response(metadata={"team": {SECRET: SECRET}}),
    "container of a tag": make_response(metadata=SECRET),
    "index": make_response(choices=[{"index": SECRET}]),
    "role": message(role=[SECRET]),
    "message": make_response(choices=[{"message": SECRET}]),
    "part": message(content=[SECRET]),
    "text of a part": message(content=[{"type": "text", "text": {SECRET: 1}}]),
    "call": message(tool_calls=[SECRET]),
    "calls": message(tool_calls={SECRET: 1}),
    "choices": {"choices": [SECRET]},
    "no response": {SECRET: SECRET},
    "error": {"error": {"message": SECRET, SECRET: 1}},
    "chunk": {"object": "chat.completion.chunk", "choices": [{"delta": SECRET}]},
    "string": SECRET,
    "list": [SECRET],
    "cut": b'{"choices": [{"message": {"content": "' + SECRET.encode(),
    "no JSON": SECRET.encode() + b' {"x": 1}',
    "no number": b'{"x": 1' + SECRET.encode() + b"}",
    "escape": b'{"' + SECRET.encode() + b'": "\\x"}',
    "surrogate": b'{"' + SECRET.encode() + b'": "\\ud800"}',
    "no UTF-8": b'{"' + SECRET.encode() + b'": "\xff"}',
    "too deep": b'{"' + SECRET.encode() + b'": ' + b"[" * 600 + b"]" * 600 + b"}",
    "too large": make_response(usage={"total_tokens": 10**15}, x=SECRET),
    "Python": repr({"choices": SECRET}).encode(),
}


def line(value: object) -> bytes:
    """Write a line."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


TAGS = {"team": "metadata.team"}


def good_line(name: str) -> bytes:
    """Write a good line with an id of its own."""
    value = {**GOOD[name]}
    if "response" not in value:
        value["id"] = name
    return line(value)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log that holds every line of this page."""
    path = tmp_path / "logs" / "a.jsonl"
    path.parent.mkdir()
    lines = [*map(good_line, GOOD), *map(line, BAD.values())]
    # A copy is a duplicate, an unfinished line is the last.
    path.write_bytes(b"\n".join([*lines, lines[0], line(BAD["cut"])]))
    return path


def test_the_lines_of_this_module_are_rows_and_rejects_as_intended(log: Path) -> None:
    with recorded_warnings():
        loaded = toolkit.load(log, tags=TAGS)

    total = loaded.ledger.row(0, named=True)
    assert total["responses"] == len(GOOD)
    assert total["duplicates"] == 1
    assert total["errors"] + total["rejected"] == len(BAD) + 1
    assert "wrong_type" in loaded.rejects["code"].to_list()
    text = str(loaded.choices.to_pylist()) + str(loaded.rejects.to_dicts())
    assert PART.search(text)


# --- What the library says -----------------------------------------------------------


def test_no_warning_and_no_account_of_a_load_holds_content(log: Path) -> None:
    with recorded_warnings() as messages:
        loaded = toolkit.load(log, tags=TAGS)

    assert len(messages) == 2  # of the rejects, and of a tag that is null in every line
    assert_private(messages)
    assert_private(repr(loaded))
    assert_private(loaded._repr_html_())
    assert_private_frame(loaded.ledger)
    assert_private_frame(pl.DataFrame(loaded.rejects), but=("raw",))


@pytest.mark.parametrize("name", BAD)
def test_an_error_of_a_line_holds_nothing_of_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(line(BAD[name]) + b"\n")

    with recorded_warnings() as messages, pytest.raises(RejectedLineError) as error:
        toolkit.load(path, on_reject="raise", tags=TAGS)
    assert_private_error(error.value)
    with recorded_warnings() as more:
        loaded = toolkit.load(path, tags=TAGS)

    assert_private(messages + more)
    assert_private(repr(loaded))
    assert_private_frame(pl.DataFrame(loaded.rejects), but=("raw",))


def test_no_account_of_a_check_holds_content(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with recorded_warnings() as messages:
        checked = [toolkit.check(log, tags=TAGS)]
        toolkit.export(log, to=out, tags=TAGS)
        checked.append(toolkit.check(out))

    assert_private(messages)
    for one in checked:
        assert one.findings
        assert one.rejects
        assert_private(one)
        assert_private_frame(one.ledger)


def test_an_error_of_a_scan_holds_no_content(log: Path) -> None:
    with recorded_warnings() as messages:
        frame = toolkit.scan(log, tags=TAGS)
        assert_private(frame.explain())
        usage = toolkit.metrics.token_usage(frame)
        ax = toolkit.charts.plot_token_usage(usage)

    assert_private(messages)
    assert_private_frame(usage)
    texts = cast("list[Text]", ax.figure.findobj(Text))
    drawn = " ".join(text.get_text() for text in texts)
    assert "gpt-a" in drawn
    assert_private(drawn)


HEADS: dict[str, bytes] = {
    "html": f"<!doctype html><title>{SECRET}</title>".encode(),
    "html of lines": f"<html>\n<p>{SECRET}\n</html>\n".encode(),
    "xml": f"<?xml?><{SECRET}/>".encode(),
    "sse": f'data: {{"x": "{SECRET}"}}\n\ndata: [DONE]\n'.encode(),
    "array": f'[{{"content": "{SECRET}"}}]'.encode(),
    "pretty": f'{{\n "content": "{SECRET}"\n}}\n'.encode(),
    "repr": f"{{'content': '{SECRET}'}}\n".encode(),
    "sequence": f'\x1e{{"content": "{SECRET}"}}\n'.encode(),
    "cr": f'{{"a": "{SECRET}"}}\r{{"b": 1}}\r'.encode(),
    "requests": f'{{"messages": [{{"content": "{SECRET}"}}]}}\n'.encode(),
    "text before": f'INFO {SECRET} {{"a": 1}}\n'.encode(),
    "csv": f"a,b\n{SECRET},{SECRET}\n".encode(),
    "utf-16": f'{{"content": "{SECRET}"}}\n'.encode("utf-16"),
    "sqlite": b"SQLite format 3\0" + SECRET.encode(),
    "zip": b"PK\x03\x04" + SECRET.encode(),
    "plain": SECRET.encode() * 100,
}


@pytest.mark.parametrize("name", HEADS)
def test_the_hint_for_a_file_that_is_not_a_log_holds_nothing_of_it(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(HEADS[name])

    with recorded_warnings() as messages:
        loaded = toolkit.load(path)
        checked = toolkit.check(path)

    assert_private(messages)
    assert_private(repr(loaded))
    assert_private_frame(loaded.ledger)
    assert_private(checked)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 0),  # stored: the word is in clear text
    "gzip packed": gzip.compress,
    "zstd": partial(zstd_frame, checksum=True, compression_level=-100),
}
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[:-9],
    "flipped": lambda data: data[:-6] + bytes([data[-6] ^ 255]) + data[-5:],
    "broken": lambda data: data[:20] + b"\xff" * 8 + data[28:],
    "tail": lambda data: data + SECRET.encode(),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", PACKERS)
def test_an_error_of_a_damaged_log_holds_nothing_of_it(
    tmp_path: Path, kind: str, damage: str
) -> None:
    path = tmp_path / "a.jsonl.gz"
    text = (good_line("content") + b"\n") * 50
    path.write_bytes(DAMAGES[damage](PACKERS[kind](text)))

    with recorded_warnings() as messages:
        with pytest.raises(DamagedLogError) as error:
            toolkit.load(path)
        with pytest.raises(Exception, match="damaged") as scanned:
            toolkit.scan(path).collect()
        with pytest.raises(DamagedLogError) as exported:
            toolkit.export(path, to=tmp_path / "out")
        loaded = toolkit.load(path, on_damage="collect", duplicates="keep")

    assert_private(messages)
    for caught in (error, scanned, exported):
        assert_private_error(caught.value)
    assert_private(repr(loaded))
    assert_private(loaded.ledger["error"].item())


# --- What the command prints ---------------------------------------------------------


Command = Callable[..., str]


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Return what runs the command in this process, and gives all that it prints."""
    monkeypatch.setenv("COLUMNS", "300")

    def run(*arguments: object) -> str:
        monkeypatch.setattr("sys.argv", ["toolkit", *map(str, arguments)])
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            with pytest.raises(SystemExit):
                main()
        return "".join(capsys.readouterr())

    return run


def test_no_command_prints_content(log: Path, tmp_path: Path, command: Command) -> None:
    (log.parent / "b.jsonl.gz").write_bytes(gzip.compress(log.read_bytes())[:-9])
    (log.parent / "c.jsonl").write_bytes(HEADS["html"])
    logs, out, tag = log.parent, tmp_path / "out", ("--tag", "team=metadata.team")
    for arguments in (
        ("check", logs, *tag),
        ("check", logs, *tag, "--json"),
        ("tokens", logs, *tag, "--on-damage", "collect"),
        ("tokens", logs, "--on-damage", "collect", "--json"),
        ("tokens", logs, "--on-damage", "collect", "--csv"),
        ("tokens", logs),
        ("export", logs, *tag, "--to", out, "--on-damage", "collect"),
        ("plot", "token_usage", log, *tag, "--to", tmp_path / "a.svg"),
        ("rejects", log, "--to", tmp_path / "rejects.jsonl"),
        ("check", out),
        ("check", out, "--json"),
        ("tokens", out, "--json"),
    ):
        printed = command(*arguments)
        assert printed
        assert_private(printed, arguments)
    assert_private((tmp_path / "a.svg").read_bytes())


# --- What is written -----------------------------------------------------------------


def files(out: Path) -> list[Path]:
    """Return every file of an export."""
    return [path for path in out.rglob("*") if path.is_file()]


@pytest.mark.parametrize("content", ["keep", "drop"])
def test_what_describes_an_export_holds_no_content(
    log: Path, tmp_path: Path, content: Any
) -> None:
    out = tmp_path / "out"
    with recorded_warnings() as messages:
        done = toolkit.export(log, to=out, tags=TAGS, content=content)

    assert_private(messages)
    assert_private(done)
    assert_private_frame(done.ledger)
    assert_private_frame(toolkit.ledger(out))
    for path in files(out):
        assert_private(path, path)
        if path.suffix != ".parquet":
            assert_private(path.read_bytes(), path)


def test_choices_without_content_hold_none_in_any_column_or_byte(
    log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with recorded_warnings():
        toolkit.export(log, to=out, tags=TAGS, content="drop")

    parts = list((out / "choices").rglob("*.parquet"))
    assert sum(pq.read_metadata(part).num_rows for part in parts) == len(GOOD)
    for part in parts:
        assert_private(part.read_bytes(), part)
        assert_private_frame(pl.read_parquet(part))
        assert_private(pq.read_metadata(part).to_dict())
        assert_private(pq.read_schema(part).metadata)


@pytest.mark.parametrize("way", ["load", "scan", "batches", "export"])
def test_without_content_no_text_is_left_in_any_column(
    log: Path, tmp_path: Path, way: str
) -> None:
    options: dict[str, Any] = {"content": "drop", "tags": TAGS}
    with recorded_warnings():
        if way == "load":
            frame = pl.DataFrame(toolkit.load(log, **options).choices)
        elif way == "scan":
            frame = toolkit.scan(log, **options).collect()
        elif way == "batches":
            made = toolkit.batches(log, **options)
            frame = pl.concat([pl.DataFrame(one.choices) for one in made])
        else:
            toolkit.export(log, to=tmp_path / "out", **options)
            frame = toolkit.scan(tmp_path / "out").collect()

    assert frame.height == len(GOOD)
    assert_private_frame(frame)
    for column in CHOICES.columns:
        if column.private and column.name != "tool_calls":
            assert frame[column.name].null_count() == frame.height
    calls = frame["tool_calls"].drop_nulls().explode()
    assert calls.struct.field("name").to_list() == ["f"] * 4
    assert calls.struct.field("arguments").null_count() == 4
    assert frame["content_chars"].sum() > len(SECRET)


def mode(path: Path) -> int:
    """Return the rights on a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def _no_umask() -> Iterator[None]:
    """Let new files be open to all, unless their maker says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.needs("os.geteuid")
@pytest.mark.usefixtures("_no_umask")
@pytest.mark.parametrize("content", ["keep", "drop"])
def test_only_the_owner_may_read_rejects_at_any_time(
    log: Path, tmp_path: Path, content: Any
) -> None:
    # A second log: the progress is reported before the export is done.
    (log.parent / "b.jsonl").write_bytes(b"{}\n" * 70_000)
    (log.parent / "c.jsonl").write_bytes(log.read_bytes())
    out = tmp_path / "out"
    seen: list[int] = []

    left = sum(path.stat().st_size for path in log.parent.iterdir())

    def look(read: int) -> None:
        nonlocal left
        left -= read
        seen.extend(map(mode, out.glob(".staging/**/rejects/*")))
        # The rejects of the second log are written by another thread.
        end = time.monotonic() + 120
        while not (left or seen) and time.monotonic() < end:
            time.sleep(0.01)
            seen.extend(map(mode, out.glob(".staging/**/rejects/*")))

    with recorded_warnings():
        toolkit.export(log.parent, to=out, content=content, progress=look)
        toolkit.write_rejects(out, tmp_path / "from export.jsonl")
        toolkit.write_rejects(log, tmp_path / "from log.jsonl")

    assert seen
    assert set(seen) == {0o600}
    assert {mode(path) for path in (out / "rejects").iterdir()} == {0o600}
    assert mode(tmp_path / "from export.jsonl") == 0o600
    assert mode(tmp_path / "from log.jsonl") == 0o600


def test_the_word_of_a_reject_lies_under_rejects_and_nowhere_else(
    tmp_path: Path,
) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "out"
    path.write_bytes(b"".join(line(value) + b"\n" for value in BAD.values()))

    with recorded_warnings():
        toolkit.export(path, to=out, content="keep", tags=TAGS)

    for file in files(out):
        if file.parent != out / "rejects":
            assert_private(file.read_bytes(), file)
            if file.suffix == ".parquet":
                assert_private_frame(pl.read_parquet(file))
    (part,) = (out / "rejects").iterdir()
    assert_private_frame(pl.read_parquet(part), but=("raw",))


# --- Frames that break the schema ----------------------------------------------------

NUMBER = 987_654_321_000_000


def assert_private_validation(frame: pl.DataFrame, **options: Any) -> ValidationError:
    """Assert that a frame fails, and that the error shows none of its cells."""
    with recorded_warnings() as messages, pytest.raises(ValidationError) as error:
        toolkit.validate(frame, **options)
    assert_private(messages)
    assert_private_error(error.value)
    assert f"{NUMBER}" not in f"{error.value}{error.value!r}{error.value.failures}"
    return error.value


COUNTS = [column.name for column in CHOICES.columns if column.name.endswith("_tokens")]


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_failed_validation_shows_no_cell(sign: int) -> None:
    row: dict[str, object] = {"content": SECRET, "model": SECRET, "source": None}
    frame = make_choices(*[{**row, name: sign * NUMBER} for name in COUNTS])

    error = assert_private_validation(frame)

    assert len(error.failures) >= 2
    # The cells are where the documentation says, for those who need them.
    assert error.failure_cases is not None


def test_a_repeated_key_is_reported_without_its_cells() -> None:
    row = {"source": SECRET, "content": SECRET, "line": NUMBER}

    assert_private_validation(make_choices(row, row))


@pytest.mark.parametrize("table", [REJECTS, LEDGER], ids=lambda table: table.name)
def test_a_failed_validation_of_any_table_shows_no_cell(table: Table) -> None:
    texts = {
        column.name: SECRET.encode() if column.name == "raw" else SECRET
        for column in table.columns
        if table.polars[column.name] in (pl.String, pl.Binary)
    }
    numbers = {name: -NUMBER for name, kind in table.polars.items() if kind == pl.Int64}
    frame = pl.DataFrame(
        [{"log_id": 0, **texts, **numbers}], schema=table.polars, orient="row"
    )

    assert_private_validation(frame, table=table)


@pytest.mark.parametrize(
    "values",
    [
        pl.Series("content", [SECRET], dtype=pl.Enum([SECRET])),
        pl.Series("content", [SECRET], dtype=pl.Categorical),
        pl.Series("content", [[SECRET]]),
        pl.Series("content", [SECRET.encode()]),
        pl.Series("prompt_tokens", [SECRET]),
    ],
    ids=lambda values: f"{values.name}-{values.dtype.base_type()}",
)
def test_a_column_of_another_type_is_reported_without_its_cells(
    values: pl.Series,
) -> None:
    assert_private_validation(make_choices({}).with_columns(values))


def test_errors_of_metrics_hold_no_cell() -> None:
    frame = make_choices({"content": SECRET, "model": "a"})
    missing = frame.drop("total_tokens")
    wrong = frame.with_columns(total_tokens=pl.lit(SECRET))

    broad = (ToolkitError, TypeError, pl.exceptions.PolarsError)
    for broken in (missing, wrong, frame.with_columns(created=pl.lit(SECRET))):
        with recorded_warnings() as messages, pytest.raises(broad) as error:
            toolkit.metrics.token_usage(broken)
        assert_private(messages)
        assert_private_error(error.value)
