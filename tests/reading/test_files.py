"""Files that are not plain files, change while they are read, or have odd names."""

from __future__ import annotations

import builtins
import errno
import gzip
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import polars as pl
import pytest

import toolkit
from tests.conftest import skip_without
from tests.support.zstd_frames import zstd_frame
from toolkit.cli.app import main
from toolkit.errors import (
    DamagedLogError,
    DamageWarning,
    NoLogsError,
    OptionError,
    PassedOverWarning,
    SourceNotFoundError,
    ToolkitError,
    UnreadableSourceError,
)
from toolkit.reading.discovery import find_logs
from toolkit.testing import make_response

ROOT = Path(__file__).parents[2]
NOBODY = 65534
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def good(number: int, *, padding: int = 0) -> bytes:
    """Write a line that no other number has: 10 + 5 = 15 tokens, one choice."""
    response = make_response(id=f"id-{number}", padding="x" * padding)
    return json.dumps(response).encode() + b"\n"


def write(path: Path, *numbers: int) -> Path:
    """Write a log with a line for each number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(good, numbers)))
    return path


def ids(choices: Any) -> list[str]:
    """Return the ids of choices: who was read, in which order."""
    return list(pl.DataFrame(choices)["response_id"])


def check_sums(
    ledger: pl.DataFrame, choices: pl.DataFrame, rejects: pl.DataFrame
) -> None:
    """Check the sums of the ledger for every log."""
    for log in ledger.rows(named=True):
        rows = choices.filter(pl.col("log_id") == log["log_id"])
        refused = rejects.filter(pl.col("log_id") == log["log_id"])
        kinds = ("blank", "responses", "chunks", "duplicates", "errors", "rejected")
        assert log["lines"] == sum(log[kind] for kind in kinds)
        assert log["choices"] == rows.height
        assert log["errors"] + log["rejected"] == refused.height
        for name in COUNTS:
            assert log[name] == rows[name].sum()


class Result(NamedTuple):
    """What one way into the library says of logs."""

    ids: list[str]
    rejects: list[dict[str, Any]]
    ledger: list[dict[str, Any]]
    warned: list[str]

    @property
    def errors(self) -> list[str | None]:
        """What ended each log before its end."""
        return [log["error"] for log in self.ledger]


ReadLogs = Callable[..., Result]


def load(source: Any, **options: Any) -> Result:
    """Load logs."""
    with caught(DamageWarning) as warned:
        log = toolkit.load(source, **options)
    choices, rejects = pl.DataFrame(log.choices), pl.DataFrame(log.rejects)
    check_sums(log.ledger, choices, rejects)
    return Result(ids(choices), rejects.to_dicts(), log.ledger.to_dicts(), warned)


def export(source: Any, **options: Any) -> Result:
    """Export logs and read the export."""
    with tempfile.TemporaryDirectory() as to:
        with caught(DamageWarning) as warned:
            done = toolkit.export(source, to=to, **options)
        choices = toolkit.scan(to).sort("log_id", "line").collect()
        rejects = toolkit.rejects(to)
    check_sums(done.ledger, choices, rejects)
    return Result(ids(choices), rejects.to_dicts(), done.ledger.to_dicts(), warned)


@pytest.fixture(params=[load, export])
def read_logs(request: pytest.FixtureRequest) -> ReadLogs:
    """Return each way to read logs, one by one."""
    return cast("ReadLogs", request.param)


@contextmanager
def caught(category: type[Warning]) -> Iterator[list[str]]:
    """Gather the sentences of the warnings of a kind."""
    sentences: list[str] = []
    with warnings.catch_warnings(record=True) as every:
        warnings.simplefilter("always")
        yield sentences
    sentences += [
        str(one.message) for one in every if issubclass(one.category, category)
    ]


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    def one_line(self) -> str:
        """Return the only line that a failed command has printed."""
        assert (self.code, self.out) == (1, "")
        (line,) = self.err.splitlines()
        assert line.startswith("toolkit: ")
        return line.removeprefix("toolkit: ")


Command = Callable[..., Done]


@pytest.fixture
def command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Return what runs the command in this process."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> Done:
        monkeypatch.setattr("sys.argv", ["toolkit", *map(str, arguments)])
        with warnings.catch_warnings():
            # What Python finds when it collects garbage is not the command's.
            warnings.simplefilter("ignore")
            warnings.simplefilter("default", UserWarning)
            with pytest.raises(SystemExit) as ended:
                main()
        return Done(cast("int", ended.value.code or 0), *capsys.readouterr())

    return run


def shell(
    script: str,
    *arguments: object,
    stdin: bytes | None = None,
    program: Sequence[str] = ("-m", "toolkit"),
) -> Done:
    """Run a line of bash, in which "$@" is the command with its arguments."""
    skip_without("posix")
    command = [sys.executable, *program, *map(str, arguments)]
    done = subprocess.run(
        ["bash", "-c", script, "bash", *command],
        input=stdin,
        capture_output=True,
        check=False,
        cwd=ROOT,
        timeout=120,
        env={**os.environ, "COLUMNS": "80"},
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


# --- Links ---------------------------------------------------------------------------


def test_an_empty_directory_named_like_a_log_is_no_log(
    tmp_path: Path, command: Command
) -> None:
    folder = tmp_path / "x.jsonl"
    folder.mkdir()

    with pytest.raises(NoLogsError, match=r"x\.jsonl: expected \*\.jsonl"):
        toolkit.load(folder)
    assert (
        command("tokens", folder).one_line().startswith(f"{folder}: expected *.jsonl")
    )

    write(tmp_path / "y.jsonl", 1)
    log = toolkit.load(tmp_path)
    assert ids(log.choices) == ["id-1"]
    assert log.passed_over == {}


@pytest.mark.needs("symlinks")
@pytest.mark.parametrize("on_damage", ["raise", "collect"])
def test_a_broken_link_that_is_named_is_missing(
    tmp_path: Path, command: Command, on_damage: str
) -> None:
    link = tmp_path / "a.jsonl"
    link.symlink_to("nowhere.jsonl")

    with pytest.raises(SourceNotFoundError, match="a broken link"):
        toolkit.load(link, on_damage=cast("Any", on_damage))
    done = command("tokens", link, "--on-damage", on_damage)

    assert done.one_line().startswith(f"{link}: no such file")
    assert "a broken link" in done.err


@pytest.mark.needs("symlinks")
def test_a_broken_link_in_a_walk_is_passed_over_and_reported(
    tmp_path: Path, command: Command
) -> None:
    write(tmp_path / "b.jsonl", 1)
    (tmp_path / "a.jsonl").symlink_to("nowhere.jsonl")

    log = toolkit.load(tmp_path)
    done = command("check", tmp_path)

    assert ids(log.choices) == ["id-1"]
    assert sum(log.passed_over.values()) == 1
    assert "broken link" in repr(log)
    assert "broken link" in done.err
    assert done.code == 0


@pytest.mark.needs("symlinks")
def test_broken_links_in_a_walk_are_counted_and_not_listed(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", 1)
    for number in range(300):
        (tmp_path / f"{number}.jsonl").symlink_to("nowhere.jsonl")

    assert list(toolkit.load(tmp_path).passed_over.values()) == [300]


@pytest.mark.needs("symlinks")
def test_links_to_each_other_are_unreadable_where_they_are_named(
    tmp_path: Path, command: Command
) -> None:
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    a.symlink_to(b)
    b.symlink_to(a)

    with pytest.raises(UnreadableSourceError) as error:
        toolkit.load(a)
    assert error.value.errno == errno.ELOOP
    assert command("tokens", a).one_line() == f"{a}: {os.strerror(errno.ELOOP)}"


@pytest.mark.needs("symlinks")
def test_links_to_each_other_in_a_walk_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "c.jsonl", 1)
    (tmp_path / "a.jsonl").symlink_to(tmp_path / "b.jsonl")
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "a.jsonl")

    log = toolkit.load(tmp_path)

    assert ids(log.choices) == ["id-1"]
    assert sum(log.passed_over.values()) == 2


@pytest.mark.needs("symlinks")
def test_directories_that_hold_each_other_are_walked_once(tmp_path: Path) -> None:
    write(tmp_path / "one" / "a.jsonl", 1)
    write(tmp_path / "two" / "b.jsonl", 2)
    (tmp_path / "one" / "other").symlink_to(tmp_path / "two")
    (tmp_path / "two" / "other").symlink_to(tmp_path / "one")
    (tmp_path / "self").symlink_to(".")

    for source in (tmp_path, [tmp_path / "two", tmp_path / "one", tmp_path]):
        assert sorted(ids(toolkit.load(source).choices)) == ["id-1", "id-2"]


@pytest.mark.needs("symlinks")
def test_a_link_that_leads_out_of_a_walk_is_followed_under_its_own_name(
    tmp_path: Path,
) -> None:
    write(tmp_path / "elsewhere" / "a.txt", 1)
    write(tmp_path / "farther" / "b.jsonl", 2)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.jsonl").symlink_to(tmp_path / "elsewhere" / "a.txt")
    (logs / "sub").symlink_to(tmp_path / "farther")

    log = toolkit.load(logs)

    assert log.ledger["source"].to_list() == [
        f"{logs}/a.jsonl",
        f"{logs}/sub/b.jsonl",
    ]


@pytest.mark.needs("symlinks")
def test_one_file_under_many_names_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "sub" / "a.jsonl", 1)
    (tmp_path / "hard.jsonl").hardlink_to(path)
    (tmp_path / "soft.jsonl").symlink_to("sub/a.jsonl")
    (tmp_path / "folder").symlink_to("sub")
    monkeypatch.chdir(tmp_path)
    names = [
        "sub/a.jsonl", "./sub/a.jsonl", "sub//a.jsonl", "sub/../sub/a.jsonl",
        f"{path}", "hard.jsonl", "soft.jsonl", "folder/a.jsonl", "sub", "folder/", ".",
        "*.jsonl", "**/*.jsonl",
    ]  # fmt: skip

    for name in names:
        log = toolkit.load([name, *names], duplicates="keep")
        assert len(log.ledger) == log.choices.num_rows == 1
        if os.path.basename(name) == "a.jsonl":  # noqa: PTH119 - the name is kept
            assert log.ledger["source"].item() == name


# --- Rights --------------------------------------------------------------------------


@contextmanager
def nobody() -> Iterator[None]:
    """Give up the rights of the superuser, who may read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_path(command: Command) -> Iterator[Path]:
    """Return a directory that everyone may read and write.

    What is imported late was imported before: nobody may not read the interpreter.
    """
    skip_without("os.geteuid")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "logs"
        folder.mkdir()
        Path(made).chmod(0o777)
        folder.chmod(0o777)
        first = write(Path(made) / "first.jsonl", 0)
        toolkit.export(first, to=Path(made) / "out")
        repr(toolkit.load(first))
        assert command("check", first).code == 0
        assert command("tokens", first).code == 0
        yield folder
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o700)


@pytest.mark.needs("os.geteuid")
def test_an_unreadable_file_is_one_line_with_path_and_reason(
    open_path: Path, command: Command
) -> None:
    bad, _ = write(open_path / "a.jsonl", 1), write(open_path / "b.jsonl", 2)
    bad.chmod(0)

    with nobody():
        with pytest.raises(UnreadableSourceError) as error:
            toolkit.load(open_path)
        tokens = command("tokens", open_path)
        exported = command("export", open_path, "--to", open_path.parent / "to")

    sentence = f"{bad}: {os.strerror(errno.EACCES)}"
    assert str(error.value) == sentence
    assert isinstance(error.value, OSError)
    assert tokens.one_line() == exported.one_line() == sentence


@pytest.mark.needs("os.geteuid")
def test_an_unreadable_file_stops_no_other_if_damage_is_collected(
    open_path: Path, command: Command
) -> None:
    bad, _ = write(open_path / "a.jsonl", 1), write(open_path / "b.jsonl", 2)
    bad.chmod(0)
    sentence = f"{bad}: {os.strerror(errno.EACCES)}"

    with nobody():
        result = load(open_path, on_damage="collect")
        done = command("tokens", open_path, "--on-damage", "collect", "--json")
        checked = command("check", open_path, "--json")
        with caught(DamageWarning) as warned:
            to = open_path.parent / "to"
            exported = toolkit.export(open_path, to=to, on_damage="collect")

    assert (result.ids, result.errors, result.warned) == (
        ["id-2"],
        [sentence, None],
        [sentence],
    )
    assert exported.ledger["error"].to_list() == [sentence, None]
    assert warned == [sentence]
    assert [row["total_tokens"] for row in json.loads(done.out)] == [15]
    assert (done.code, checked.code) == (1, 1)
    assert [log["error"] for log in json.loads(checked.out)["ledger"]] == [
        sentence,
        None,
    ]


@pytest.mark.needs("os.geteuid")
def test_an_unreadable_directory_is_one_line_with_path_and_reason(
    open_path: Path, command: Command
) -> None:
    write(open_path / "a.jsonl", 1)
    locked = write(open_path / "locked" / "b.jsonl", 2).parent
    locked.chmod(0)
    sentence = f"{locked}: {os.strerror(errno.EACCES)}"

    with nobody():
        with pytest.raises(UnreadableSourceError) as error:
            toolkit.load(open_path)
        done = command("tokens", open_path)

    assert str(error.value) == sentence
    assert done.one_line() == sentence


@pytest.mark.needs("os.geteuid")
def test_an_unreadable_directory_stops_no_log_if_damage_is_collected(
    open_path: Path,
) -> None:
    write(open_path / "a.jsonl", 1)
    locked = write(open_path / "locked" / "b.jsonl", 2).parent
    locked.chmod(0)

    with nobody(), caught(DamageWarning):
        log = toolkit.load(open_path, on_damage="collect")

    assert ids(log.choices) == ["id-1"]
    assert "locked" in repr(log)
    assert os.strerror(errno.EACCES) in repr(log)


@pytest.mark.needs("os.geteuid")
@pytest.mark.parametrize("way", ["load", "scan", "check", "export", "rejects"])
def test_an_unreadable_directory_that_is_named_is_an_error_of_this_package(
    open_path: Path, way: str
) -> None:
    locked = write(open_path / "locked" / "b.jsonl", 2).parent
    locked.chmod(0)
    options = {"to": open_path / "out"} if way == "export" else {}

    with nobody(), pytest.raises(ToolkitError) as error:
        getattr(toolkit, way)(locked, **options)

    assert str(error.value) == f"{locked}: {os.strerror(errno.EACCES)}"


@pytest.mark.needs("os.geteuid")
@pytest.mark.parametrize("way", ["load", "scan", "check", "export", "rejects"])
def test_a_log_behind_a_locked_directory_is_forbidden_and_not_missing(
    open_path: Path, way: str
) -> None:
    path = write(open_path / "locked" / "b.jsonl", 2)
    path.parent.chmod(0)
    options = {"to": open_path / "out"} if way == "export" else {}

    with nobody(), pytest.raises(ToolkitError) as error:
        getattr(toolkit, way)(path, **options)

    assert str(error.value).startswith(f"{path}: {os.strerror(errno.EACCES)}")


@pytest.mark.needs("os.geteuid")
def test_what_a_walk_may_not_look_at_is_not_called_a_broken_link(
    open_path: Path,
) -> None:
    write(open_path / "a.jsonl", 1)
    half = write(open_path / "half" / "b.jsonl", 2).parent
    half.chmod(0o744)  # its names may be read, and nothing else

    with nobody():
        try:
            sentence = repr(toolkit.load(open_path))
        except UnreadableSourceError as error:
            sentence = str(error)

    assert os.strerror(errno.EACCES) in sentence
    assert "link" not in sentence


# --- Devices that fail ---------------------------------------------------------------


class FailingDisk(io.BytesIO):
    """Bytes that end in a fault of the device."""

    def read(self, size: int | None = -1) -> bytes:
        """Return bytes, and in the end refuse."""
        data = super().read(size)
        if not data:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, int], None]:
    """Return what lets the disk fail under a file, behind so many bytes."""
    # The true one: it is about to be replaced.
    from toolkit.reading.framing import open_source

    sizes: dict[str, int] = {}

    @contextmanager
    def fails(source: Any, start: int = 0, *, same: bool = False) -> Iterator[BinaryIO]:
        with open_source(source, start, same=same) as file:
            size = sizes.get(source.path)
            yield file if size is None else FailingDisk(file.read(size - start))

    monkeypatch.setattr("toolkit.reading.framing.open_source", fails)
    return lambda path, size: sizes.update({str(path): size})


def test_a_disk_that_fails_under_a_log_is_one_line(
    tmp_path: Path,
    command: Command,
    failing: Callable[[Path, int], None],
    read_logs: ReadLogs,
) -> None:
    path = write(tmp_path / "a.jsonl", 1, 2, 3)
    failing(path, len(good(1)) + 20)
    sentence = f"{path}: {os.strerror(errno.EIO)}"

    with pytest.raises(UnreadableSourceError) as error:
        read_logs(path)

    assert str(error.value) == sentence
    assert error.value.errno == errno.EIO
    assert command("tokens", path).one_line() == sentence


def test_a_disk_that_fails_commits_no_export(
    tmp_path: Path, failing: Callable[[Path, int], None]
) -> None:
    path = write(tmp_path / "a.jsonl", 1, 2, 3)
    failing(path, len(good(1)) + 20)

    with pytest.raises(UnreadableSourceError):
        toolkit.export(path, to=tmp_path / "out")

    assert not list((tmp_path / "out").rglob("*.parquet"))
    assert not (tmp_path / "out" / "state.json").exists()


def test_a_load_keeps_the_lines_before_a_failing_disk_and_rejects_the_cut_one(
    tmp_path: Path, failing: Callable[[Path, int], None]
) -> None:
    paths = [write(tmp_path / "a.jsonl", 1, 2, 3), write(tmp_path / "b.jsonl", 4)]
    cut = good(3)[:20]
    failing(paths[0], len(good(1) + good(2) + cut))

    result = load(paths, on_damage="collect")

    assert result.ids == ["id-1", "id-2", "id-4"]
    assert [(row["line"], row["code"], row["raw"]) for row in result.rejects] == [
        (3, "truncated", cut)
    ]
    assert result.errors == [f"{paths[0]}: {os.strerror(errno.EIO)}", None]
    assert result.ledger[0]["bytes"] == len(good(1) + good(2) + cut)
    assert result.warned == result.errors[:1]


def test_an_export_leaves_the_line_pending_that_a_failing_disk_has_cut(
    tmp_path: Path, failing: Callable[[Path, int], None]
) -> None:
    paths = [write(tmp_path / "a.jsonl", 1, 2, 3), write(tmp_path / "b.jsonl", 4)]
    cut = good(3)[:20]
    failing(paths[0], len(good(1) + good(2) + cut))

    result = export(paths, on_damage="collect")

    assert result.ids == ["id-1", "id-2", "id-4"]
    assert result.rejects == []
    assert result.errors == [f"{paths[0]}: {os.strerror(errno.EIO)}", None]
    assert (result.ledger[0]["lines"], result.ledger[0]["pending_bytes"]) == (
        2,
        len(cut),
    )


def test_a_disk_that_fails_at_once_leaves_a_log_without_lines(
    tmp_path: Path, failing: Callable[[Path, int], None], read_logs: ReadLogs
) -> None:
    paths = [write(tmp_path / "a.jsonl", 1), write(tmp_path / "b.jsonl", 2)]
    failing(paths[0], 0)

    result = read_logs(paths, on_damage="collect")

    assert result.ids == ["id-2"]
    assert (result.ledger[0]["bytes"], result.ledger[0]["lines"]) == (0, 0)


@pytest.mark.usefixtures("small_blocks")
def test_batches_give_what_was_read_before_a_failing_disk_and_then_its_error(
    tmp_path: Path, failing: Callable[[Path, int], None]
) -> None:
    lines = [good(number, padding=100_000) for number in range(30)]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(lines))
    failing(path, len(lines[0]) * 25)
    read: list[str] = []

    with pytest.raises(UnreadableSourceError):
        read += [name for one in toolkit.batches(path) for name in ids(one.choices)]
    for one in toolkit.batches(path):
        read += ids(one.choices)
        if len(read) >= 10:
            break

    assert read == [f"id-{number}" for number in range(len(read))]


# --- Pipes and devices ---------------------------------------------------------------


@pytest.mark.needs("os.mkfifo")
@pytest.mark.parametrize("packed", [False, True])
def test_a_named_pipe_is_read_by_the_command(tmp_path: Path, packed: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    data = good(1) + good(2)
    writer = threading.Thread(
        target=pipe.write_bytes, args=(gzip.compress(data) if packed else data,)
    )
    writer.start()

    done = shell('"$@"', "check", "--json", pipe)

    writer.join()
    (log,) = json.loads(done.out)["ledger"]
    assert (log["responses"], log["bytes"]) == (2, len(data))
    assert log["source"] == pipe.as_posix()


@pytest.mark.needs("os.mkfifo", "symlinks", "/dev/full")
def test_a_walk_never_opens_what_is_no_file(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", 1)
    os.mkfifo(tmp_path / "b.jsonl")
    os.mkfifo(tmp_path / "c.jsonl.gz")
    (tmp_path / "d.jsonl").symlink_to("b.jsonl")
    (tmp_path / "e.jsonl").symlink_to("/dev/full")

    # Opening a pipe that nobody writes to would never end.
    done = shell('"$@"', "check", "--json", tmp_path)

    data = json.loads(done.out)
    assert [log["source"] for log in data["ledger"]] == [f"{tmp_path}/a.jsonl"]
    assert sum(data["passed_over"].values()) == 4
    sentence = shell('"$@"', "check", tmp_path).err
    assert sentence.startswith("not read: ")


@pytest.mark.needs("os.mkfifo")
def test_a_walk_that_passes_over_a_pipe_called_like_a_log_says_why(
    tmp_path: Path,
) -> None:
    write(tmp_path / "a.jsonl", 1)
    os.mkfifo(tmp_path / "b.jsonl")

    (kind,) = toolkit.load(tmp_path).passed_over

    # "1 *.jsonl" alone would contradict what a walk looks for.
    assert kind not in ("*.jsonl", "b.jsonl")


@pytest.mark.needs("socket.AF_UNIX")
def test_a_socket_in_a_walk_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.jsonl", 1)
    monkeypatch.chdir(tmp_path)  # the name of a socket may have 108 bytes

    with socket.socket(socket.AF_UNIX) as server:
        server.bind("b.jsonl")
        log = toolkit.load(tmp_path)

    assert ids(log.choices) == ["id-1"]
    assert sum(log.passed_over.values()) == 1


@pytest.mark.needs("/dev/null")
def test_the_null_device_is_a_log_without_lines(read_logs: ReadLogs) -> None:
    result = read_logs("/dev/null")

    assert (result.ledger[0]["lines"], result.ledger[0]["bytes"]) == (0, 0)


# --- Standard input ------------------------------------------------------------------

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstd_frame,
}
# Starts in half the time that the command takes.
LEDGER = """
import json, sys, warnings, toolkit
warnings.simplefilter("ignore")
print(json.dumps(toolkit.load(sys.argv[1]).ledger.to_dicts()))
"""


@pytest.mark.parametrize(
    ("kind", "way", "name"),
    [
        *product(["gzip"], ["piped", "redirected"], ["-", "/dev/stdin"]),
        *product(["plain"], ["piped", "redirected"], ["-"]),
        *product(["zstd"], ["piped", "redirected"], ["/dev/stdin"]),
    ],
)
def test_standard_input_is_read_however_it_comes(
    tmp_path: Path, way: str, kind: str, name: str
) -> None:
    # The last line is whole and lacks its LF.
    data = good(1) + b"{}\n" + good(2)[:-1]
    path = tmp_path / "in"
    path.write_bytes(PACKERS[kind](data))
    script = {"piped": f'cat {path} | "$@"', "redirected": f'"$@" < {path}'}[way]

    done = shell(script, name, program=["-c", LEDGER])

    (log,) = json.loads(done.out)
    assert (log["source"], log["lines"], log["responses"]) == (name, 3, 2)
    assert (log["bytes"], log["rejected"], log["error"]) == (len(data), 1, None)
    assert done.code == 0


@pytest.mark.needs("/dev/stdin")
def test_the_command_reads_a_compressed_log_that_is_piped() -> None:
    for name in ("-", "/dev/stdin"):
        done = shell('"$@"', "tokens", "--json", name, stdin=gzip.compress(good(1)))
        assert json.loads(done.out)[0]["total_tokens"] == 15
        assert (done.code, done.err) == (0, "")


def test_standard_input_that_is_closed_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", 1)

    done = shell('"$@" <&-', "tokens", "-")
    beside = shell('"$@" <&-', "check", "--json", "-", path)
    without = shell('"$@" <&-', "tokens", "--json", path)

    assert done.one_line() == "-: standard input is closed"
    assert [log["error"] for log in json.loads(beside.out)["ledger"]] == [
        "-: standard input is closed",
        None,
    ]
    assert json.loads(without.out)[0]["total_tokens"] == 15


def test_standard_input_that_is_empty_is_a_log_without_lines() -> None:
    done = shell('"$@"', "check", "--json", "-", stdin=b"")

    assert json.loads(done.out)["ledger"][0]["lines"] == 0
    assert done.code == 0


@pytest.mark.needs("/dev/stdin")
def test_standard_input_and_the_file_that_it_comes_from_are_one_log(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.jsonl", 1)

    done = shell(f'"$@" < {path}', "check", "--json", "/dev/stdin", path)

    (log,) = json.loads(done.out)["ledger"]
    assert (log["source"], log["responses"]) == ("/dev/stdin", 1)


def test_standard_input_that_is_named_twice_is_read_once() -> None:
    done = shell('"$@"', "check", "--json", "-", "-", stdin=good(1))

    (log,) = json.loads(done.out)["ledger"]
    assert (log["responses"], log["duplicates"]) == (1, 0)


# --- Names ---------------------------------------------------------------------------

ODD_NAMES = {
    "newline": b"a\nb",
    "escape": b"a\x1b]0;x\x07\x1b[31m",
    "bidi": "a\u202eb".encode(),
    "no-utf8": b"caf\xe9",
    "c1": "a\x9b31m".encode(),
}


def odd(folder: Path, name: bytes, ending: bytes = b"") -> Path:
    """Return a path with an odd name, which only Linux allows."""
    skip_without("Linux")
    return folder / os.fsdecode(name + ending)


def check_screen(done: Done) -> None:
    """Check that nothing that was printed can control a terminal."""
    for text in (done.out, done.err):
        assert not {*"\x1b\x07\x9b\u202e\r"} & set(text)


@pytest.fixture(params=ODD_NAMES)
def odd_logs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a directory with an odd name that holds what has odd names."""
    name = ODD_NAMES[request.param]
    folder = odd(tmp_path, name)
    write(odd(folder, name, b".jsonl"), 1)
    odd(folder, name, b"2.jsonl").write_bytes(b"{}\n" + good(2))
    odd(folder, name, b".jsonl.gz").write_bytes(gzip.compress(good(3))[:-1])
    odd(folder, b"x.", name).write_bytes(b"")
    odd(folder, name, b"3.jsonl").symlink_to("nowhere")
    odd(folder, name).mkdir()
    write(odd(odd(folder, name), name, b"4.jsonl"), 4)
    return folder


def test_files_and_directories_of_any_name_are_read(
    odd_logs: Path, read_logs: ReadLogs
) -> None:
    result = read_logs(odd_logs, on_damage="collect")

    assert sorted(result.ids) == ["id-1", "id-2", "id-4"]
    assert [error is None for error in result.errors].count(False) == 1
    for log in result.ledger:
        log["source"].encode()


def test_no_name_can_control_the_terminal_in_any_command(
    odd_logs: Path, command: Command, tmp_path: Path
) -> None:
    out, logs = odd(tmp_path, b"out", os.fsencode(odd_logs.name)), str(odd_logs)
    damaged = next(odd_logs.glob("*.gz"))
    for arguments in (
        ("check", logs),
        ("check", logs, "--json"),
        ("tokens", logs, "--by", "source", "--on-damage", "collect"),
        ("tokens", logs, "--by", "source", "--on-damage", "collect", "--csv"),
        ("tokens", logs, "--by", "source", "--on-damage", "collect", "--json"),
        ("rejects", logs, "--to", f"{out}.rejects", "--on-damage", "collect"),
        ("export", logs, "--to", tmp_path / "out", "--on-damage", "collect"),
        ("check", tmp_path / "out"),
        ("export", logs, "--to", out, "--on-damage", "collect"),
        ("tokens", logs, "--by", odd_logs.name),
        ("load", logs),
    ):
        check_screen(command(*arguments))
    failing = (
        ("tokens", logs),
        ("tokens", f"{logs}x"),
        ("tokens", f"{logs}/*.none"),
        ("tokens", damaged),
        ("export", logs, "--to", tmp_path / "other"),
    )
    for fails in failing:
        done = command(*fails)
        check_screen(done)
        if "that is no path" in done.err:
            # A missing file with a line end in its name: it may be the text of a log.
            assert (done.code, "\n" in logs) == (2, True)
        else:
            done.one_line()


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=list(ODD_NAMES))
def test_an_export_into_a_directory_of_any_name_is_read_back(
    tmp_path: Path, name: bytes
) -> None:
    out = odd(tmp_path, name)
    log = write(tmp_path / "a.jsonl", 1)
    if os.fsencode(name).decode(errors="replace").encode() != name:
        # No engine that is to read it could open it.
        with pytest.raises(OptionError, match="UTF-8"):
            toolkit.export(log, to=out)
        return
    toolkit.export(log, to=out)

    assert ids(toolkit.scan(out).collect()) == ["id-1"]
    assert toolkit.check(out).failures == []
    assert toolkit.rejects(out).is_empty()


def test_the_repr_of_a_loaded_log_cannot_control_the_terminal(odd_logs: Path) -> None:
    with caught(DamageWarning):
        log = toolkit.load(odd_logs, on_damage="collect")

    for text in (repr(log), log._repr_html_()):
        assert not {*"\x1b\x07\x9b\u202e"} & set(text)
    # Five lines, and one for the damaged log.
    assert len(repr(log).splitlines()) == 6


def test_messages_about_a_name_that_is_not_utf8_are_text(tmp_path: Path) -> None:
    name = odd(tmp_path, b"caf\xe9.jsonl")
    with pytest.raises(SourceNotFoundError) as missing:
        toolkit.load(name)
    odd(tmp_path, b"x.caf\xe9").write_bytes(b"")
    with pytest.raises(NoLogsError) as none:
        toolkit.load(tmp_path)
    write(tmp_path / "a.jsonl", 1)
    log = toolkit.load(tmp_path)

    # "A path that is no UTF-8 is written with escapes."
    for text in (missing.value, none.value, repr(log), log._repr_html_()):
        assert "caf\\xe9" in str(text)
        assert str(text).encode()


# --- Files that change while they are read -------------------------------------------

# Two dozen lines of 100 KB: more than two blocks, so that there is a while to change.
LONG = [good(number, padding=100_000) for number in range(24)]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in smaller pieces, so that a log of some megabytes has several blocks."""
    monkeypatch.setattr("toolkit.reading.framing.BLOCK_BYTES", 1024 * 1024)
    monkeypatch.setattr("toolkit.reading.decompression.READ_BYTES", 256 * 1024)


@pytest.fixture
def long(tmp_path: Path, small_blocks: None) -> Path:  # noqa: ARG001 - asked for
    """Write a log of several blocks."""
    path = tmp_path / "long.jsonl"
    path.write_bytes(b"".join(LONG))
    return path


class Once:
    """Does something the first time that it is result that bytes were read."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act
        self.done = False

    def __call__(self, _read: int) -> None:
        """Act."""
        if not self.done:
            self.done = True
            self.act()


def test_a_log_that_vanishes_behind_the_walk_is_one_line(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.jsonl", 1)
    gone = write(tmp_path / "b.jsonl", 2)
    found = find_logs(tmp_path)
    gone.unlink()
    for module in ("sources", "log_reader"):
        name = f"toolkit.reading.{module}.find_logs"
        monkeypatch.setattr(name, lambda *_, **__: found)
    sentence = f"{gone}: {os.strerror(errno.ENOENT)}"

    assert command("tokens", tmp_path).one_line() == sentence
    result = load(tmp_path, on_damage="collect")
    assert (result.ids, result.errors) == (["id-1"], [None, sentence])
    done = command("tokens", tmp_path, "--on-damage", "collect", "--json")
    assert done.code == 1
    assert json.loads(done.out)[0]["total_tokens"] == 15


@pytest.mark.parametrize("on_damage", ["raise", "collect"])
def test_a_log_that_is_removed_while_it_is_read_is_read_whole(
    long: Path, read_logs: ReadLogs, on_damage: str
) -> None:
    result = read_logs(long, progress=Once(long.unlink), on_damage=on_damage, threads=1)

    assert not long.exists()
    assert result.ids == [f"id-{number}" for number in range(24)]
    assert result.errors == [None]


def test_a_log_that_is_renamed_and_created_again_is_read_as_it_was(
    long: Path, read_logs: ReadLogs
) -> None:
    def rotate() -> None:
        long.rename(f"{long}.1")
        write(long, 99)

    result = read_logs(long, progress=Once(rotate), threads=1)

    assert result.ids == [f"id-{number}" for number in range(24)]


@pytest.mark.parametrize("on_damage", ["raise", "collect"])
def test_a_log_that_is_cut_while_it_is_read_ends_where_it_ends(
    long: Path, read_logs: ReadLogs, on_damage: str
) -> None:
    size = len(b"".join(LONG[:20])) + 50
    cut = Once(lambda: os.truncate(long, size))

    result = read_logs(long, progress=cut, on_damage=on_damage, threads=1)

    (log,) = result.ledger
    assert result.ids == [f"id-{number}" for number in range(20)]
    assert log["bytes"] == size
    unfinished = [row["raw"] for row in result.rejects]
    if read_logs is load:
        assert unfinished == [LONG[20][:50]]
    else:
        assert (unfinished, log["pending_bytes"]) == ([], 50)


def test_a_log_that_is_emptied_while_it_is_read_keeps_the_lines_that_were_read(
    long: Path, read_logs: ReadLogs
) -> None:
    result = read_logs(long, progress=Once(lambda: os.truncate(long, 0)), threads=1)

    (log,) = result.ledger
    assert result.ids == [f"id-{number}" for number in range(len(result.ids))]
    assert 10 <= len(result.ids) < 24
    assert log["bytes"] < len(b"".join(LONG))


def test_a_log_that_grows_while_it_is_read_counts_as_it_is_at_the_end(
    long: Path, read_logs: ReadLogs
) -> None:
    more = b"".join(good(number) for number in range(24, 30)) + b'{"unfinished'

    def grow() -> None:
        with long.open("ab") as file:
            file.write(more)

    result = read_logs(long, progress=Once(grow), threads=1)

    (log,) = result.ledger
    assert result.ids == [f"id-{number}" for number in range(30)]
    assert log["bytes"] == len(b"".join(LONG)) + len(more)
    if read_logs is load:
        assert [row["code"] for row in result.rejects] == ["truncated"]
    else:
        assert log["pending_bytes"] == len(b'{"unfinished')


def test_a_last_line_that_gets_its_end_while_the_log_is_read_is_taken_whole(
    long: Path, read_logs: ReadLogs
) -> None:
    with long.open("ab") as file:
        file.write(good(24)[:30])

    def finish() -> None:
        with long.open("ab") as file:
            file.write(good(24)[30:])

    result = read_logs(long, progress=Once(finish), threads=1)

    assert result.ids == [f"id-{number}" for number in range(25)]
    assert (result.rejects, result.ledger[0]["pending_bytes"]) == ([], 0)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_compressed_log_that_is_cut_while_it_is_read_is_damaged(
    tmp_path: Path, kind: str
) -> None:
    # Bytes that do not pack: the cut comes behind what is read at once.
    noise = [
        json.dumps(make_response(id=f"id-{n}", x=os.urandom(50_000).hex())).encode()
        for n in range(40)
    ]
    data = PACKERS[kind](b"\n".join(noise) + b"\n")
    path = tmp_path / "a.jsonl.gz"

    def cut() -> Once:
        path.write_bytes(data)
        return Once(lambda: os.truncate(path, len(data) * 2 // 3))

    with pytest.raises(DamagedLogError, match="cut off"):
        load(path, progress=cut(), threads=1)
    result = load(path, progress=cut(), on_damage="collect", threads=1)

    assert "cut off" in str(result.errors[0])
    # Some may be kept: they were verified before the cut.
    assert result.ids == [f"id-{number}" for number in range(len(result.ids))]


# --- What a walk reads, and what it passes over --------------------------------------

ROTATED = [
    "app.jsonl.1",
    "app.jsonl.10",
    "app.jsonl.2.gz",
    "app.jsonl.3.zst",
    "app.jsonl-20261122",
    "app.jsonl-20261122.gz",
    "app.jsonl-20261122-1700000000.gz",
    "app.jsonl.2026-11-22",
    "app.jsonl.2026-11-22.zst",
    "app.jsonl.2026-11-22_10-30",
    "app.jsonl.2026-11-22T10:30:00",
    "app.jsonl.2026-11-22T10:30:00Z",
    "app.jsonl.gz.1",
    "app.jsonl.gz-20261122",
    "app.jsonl.zst.1",
    "app.1.jsonl",
    "app-20261122.jsonl.gz",
    "app.ndjson.1.gz",
    "APP.JSONL.1",
]


@pytest.mark.parametrize("name", ROTATED)
def test_a_log_that_was_rotated_is_walked(tmp_path: Path, name: str) -> None:
    write(tmp_path / "app.jsonl", 1)
    write(tmp_path / name, 2)

    log = toolkit.load(tmp_path)

    assert sorted(ids(log.choices)) == ["id-1", "id-2"]
    assert log.passed_over == {}


def test_what_only_looks_like_a_rotated_log_is_passed_over(tmp_path: Path) -> None:
    others = [
        "a.jsonl.bak", "a.jsonl~", "a.jsonl.tmp", "a.jsonl.1.bak", "a.jsonl.bz2",
        "a.jsonlx", "jsonl", "a.json", "a.gz", "a.jsonl.gz.part",
    ]  # fmt: skip
    write(tmp_path / "a.jsonl", 1)
    for name in others:
        write(tmp_path / name, 2)

    log = toolkit.load(tmp_path)

    assert ids(log.choices) == ["id-1"]
    assert sum(log.passed_over.values()) == len(others)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Write a log among two kinds of other files."""
    folder = tmp_path / "logs"
    write(folder / "a.jsonl", 1)
    for name in ("1.json.gz", "2.json.gz", "sub/3.json.gz", "notes.txt", "sub/READ"):
        write(folder / name, 2)
    return folder


PASSED_OVER = "not read: 3 *.json.gz, 1 *.txt, 1 READ"


def test_a_load_says_what_the_walk_has_passed_over(mixed: Path) -> None:
    log = toolkit.load(mixed)

    assert log.passed_over == {"*.json.gz": 3, "*.txt": 1, "READ": 1}
    assert PASSED_OVER in repr(log)
    assert PASSED_OVER in log._repr_html_()


def test_a_scan_warns_of_what_the_walk_has_passed_over(mixed: Path) -> None:
    with caught(PassedOverWarning) as sentences:
        toolkit.scan(mixed).collect()

    assert sentences == [PASSED_OVER]


def test_every_command_says_what_the_walk_has_passed_over(
    mixed: Path, command: Command, tmp_path: Path
) -> None:
    for arguments in (
        ("check", mixed),
        ("tokens", mixed, "--json"),
        ("export", mixed, "--to", tmp_path / "out"),
        ("plot", "token_usage", mixed, "--to", tmp_path / "a.svg"),
        ("rejects", mixed, "--to", tmp_path / "rejects.jsonl"),
        ("check", mixed, "--json"),
    ):
        done = command(*arguments)
        assert done.code == 0
        result = done.err + ("" if arguments[-1] != "--json" else done.out)
        assert PASSED_OVER in result or '"*.json.gz": 3' in result, arguments


def test_what_several_walks_pass_over_is_added_up(mixed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other / "b.jsonl", 3)
    write(other / "c.txt", 4)

    log = toolkit.load([mixed, other])

    assert log.passed_over == {"*.json.gz": 3, "*.txt": 2, "READ": 1}


# --- Many files ----------------------------------------------------------------------


class Calls:
    """Counts the calls that ask the system for files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        self.folder = str(folder)
        for module, name in (
            (os, "stat"), (os, "lstat"), (os, "listdir"), (os, "scandir"),
            (os, "open"), (io, "open"), (builtins, "open"),
        ):  # fmt: skip
            monkeypatch.setattr(module, name, self.counting(getattr(module, name)))

    def counting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that counts the calls that concern the folder."""

        def counted(*arguments: Any, **options: Any) -> Any:
            if arguments and str(arguments[0]).startswith(self.folder):
                self.counts[call.__name__] += 1
            return call(*arguments, **options)

        return counted


def test_many_tiny_logs_are_one_table_in_few_chunks(tmp_path: Path) -> None:
    for number in range(1000):
        write(tmp_path / f"{number % 20:02d}" / f"{number:04d}.jsonl", number)

    log = toolkit.load(tmp_path)

    order = sorted(range(1000), key=lambda number: (number % 20, number))
    assert ids(log.choices) == [f"id-{number}" for number in order]
    assert log.choices.column("log_id").to_pylist() == list(range(1000))
    assert log.choices.column(0).num_chunks <= 4
    assert log.ledger["lines"].to_list() == [1] * 1000
    assert log.ledger["total_tokens"].sum() == 1000 * 15


@pytest.mark.parametrize("count", [50, 500])
def test_the_system_is_asked_at_most_four_times_for_each_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    for number in range(count):
        write(tmp_path / f"{number:04d}.jsonl", number)
    toolkit.load(tmp_path / "0000.jsonl")

    with monkeypatch.context() as patched:
        calls = Calls(patched, tmp_path)
        log = toolkit.load(tmp_path)

    assert log.choices.num_rows == count
    assert calls.counts["open"] >= count
    assert sum(calls.counts.values()) <= 4 * count + 20


def test_a_file_that_is_named_thousands_of_times_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", 1)

    log = toolkit.load([path] * 5000)

    assert (len(log.ledger), log.choices.num_rows) == (1, 1)
