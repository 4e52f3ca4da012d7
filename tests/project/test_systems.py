"""Nothing assumes Linux: each call that a system lacks is taken away, by name."""

from __future__ import annotations

import ast
import errno
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import toolkit
from tests.conftest import ROOT
from tests.support.systems import fake_msvcrt, response, whole_path
from toolkit import system
from toolkit.errors import BusyError, WriteError

PACKAGE = ROOT / "toolkit"


def not_offered(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))


def no_proc(patch: pytest.MonkeyPatch) -> None:
    """Take away /proc, and what else gives the free memory."""
    real = Path.read_text

    def read_text(path: Path, *rest: Any, **options: Any) -> str:
        if str(path).startswith("/proc"):
            raise FileNotFoundError(errno.ENOENT, "No such file", str(path))
        return real(path, *rest, **options)

    patch.setattr(Path, "read_text", read_text)
    patch.delattr(os, "sysconf", raising=False)


def no_sync_of_directories(patch: pytest.MonkeyPatch) -> None:
    """Refuse to sync a directory, as some network drives do."""
    real = os.fsync

    def fsync(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").is_dir():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        real(handle)

    patch.setattr(os, "fsync", fsync)


def no_exchange(patch: pytest.MonkeyPatch) -> None:
    """Offer neither renameat2 nor renamex_np, as other systems do."""
    patch.setattr("ctypes.CDLL", lambda *_names, **_options: object())


MISSING: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "nothing": lambda _patch: None,
    "sched_getaffinity": lambda patch: (
        patch.delattr("os.sched_getaffinity", raising=False),
        # That of 3.13 calls the other.
        patch.setattr("os.process_cpu_count", os.cpu_count, raising=False),
    )[0],
    "/proc and sysconf": no_proc,
    "renameat2": no_exchange,
    "ctypes": lambda patch: patch.setitem(sys.modules, "ctypes", None),
    "link": lambda patch: patch.delattr("os.link"),
    "links of the file system": lambda patch: patch.setattr("os.link", not_offered),
    "sync of directories": no_sync_of_directories,
    "SIGPIPE": lambda patch: patch.delattr("signal.SIGPIPE", raising=False),
    "pread and pwrite": lambda patch: (
        patch.delattr("os.pread", raising=False),
        patch.delattr("os.pwrite", raising=False),
    )[0],
}


@pytest.mark.filterwarnings("ignore::toolkit.errors.RejectsWarning")
@pytest.mark.parametrize("missing", MISSING)
def test_the_whole_path_works_without(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MISSING[missing](monkeypatch)

    whole_path(tmp_path)


@pytest.mark.needs("Linux")
@pytest.mark.parametrize("name", ["win32", "darwin"])
def test_the_whole_path_works_on_another_system(name: str, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-X", "warn_default_encoding", "-m"),
        *("tests.support.systems", name, str(tmp_path)),
    ]

    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_without_locks_an_export_ends_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(response(1))
    monkeypatch.setattr(system, "_fcntl", None)
    monkeypatch.setattr(system, "_msvcrt", None)

    for name in ("out", "one.parquet"):
        with pytest.raises(WriteError, match="this system cannot lock files"):
            toolkit.export(log, to=tmp_path / name)

    assert toolkit.load(log).frame.height == 1
    assert {path.name for path in tmp_path.rglob("*.parquet")} == set()


# Each call by itself.


def test_cores_are_those_of_the_process_or_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0, 2}, raising=False)
    assert system.available_cpus() == 2

    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert system.available_cpus() == 3

    monkeypatch.setattr("os.cpu_count", lambda: None)  # unknown
    assert system.available_cpus() == 1


def test_free_memory_is_that_of_the_machine_or_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 10}
    no_proc(monkeypatch)
    assert system.free_memory() is None

    monkeypatch.setattr("os.sysconf", sizes.__getitem__, raising=False)
    assert system.free_memory() == 40_960


@pytest.mark.parametrize(
    "on_windows", [False, pytest.param(True, marks=pytest.mark.needs("fcntl"))]
)
def test_a_lock_has_one_owner_and_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_windows: bool
) -> None:
    path = tmp_path / "lock"
    if on_windows:
        monkeypatch.setattr(system, "_msvcrt", fake_msvcrt())
        monkeypatch.setattr(system, "_ON_WINDOWS", True)

    with system.lock(path, "here", 0, remove=True):
        with (
            pytest.raises(
                BusyError, match=f"^here .* process {os.getpid()}: "
            ) as caught,
            system.lock(path, "here", 0.1),
        ):
            pass
        assert caught.value.holder == f"process {os.getpid()}"
        assert path.read_bytes() == f"{os.getpid()}\n".encode()

    assert not path.exists()
    with system.lock(path, "here", 0):
        pass
    assert path.exists()
    with pytest.raises(KeyError), system.lock(path, "here", 0):  # no lock is left
        raise KeyError
    with system.lock(path, "here", 0):
        pass


def test_a_lock_file_that_was_removed_meanwhile_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real, tries = tmp_path / "lock", system._try_lock, [0]

    def remove_first(file: Any) -> bool:
        tries[0] += 1
        if tries[0] == 1:  # as the process that had the lock before
            path.unlink()
        return real(file)

    monkeypatch.setattr(system, "_try_lock", remove_first)

    with system.lock(path, "here", 0):
        assert path.read_bytes() == f"{os.getpid()}\n".encode()
    assert tries == [2]


@pytest.mark.parametrize(("times", "passes"), [(3, True), (10**9, False)])
def test_windows_may_refuse_a_rename_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, passes: bool
) -> None:
    real, left = Path.replace, [times]

    def refuse(path: Path, to: Path) -> Path:
        left[0] -= 1
        if left[0] >= 0:
            raise PermissionError(errno.EACCES, "in use", str(path))
        return real(path, to)

    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1")
    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(system, "_ON_WINDOWS", True)
    monkeypatch.setattr(system, "_RENAME_SECONDS", 60 if passes else 0.1)

    if passes:
        system.replace(one, other)
    else:
        with pytest.raises(PermissionError):
            system.replace(one, other)

    assert other.exists() == passes
    monkeypatch.setattr(system, "_ON_WINDOWS", False)
    left[0] = 1
    if not passes:  # elsewhere it is an error at once
        with pytest.raises(PermissionError):
            system.replace(one, other)
        assert left == [0]


def test_windows_syncs_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_rest: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("os.open", refuse)
    monkeypatch.setattr(system, "_ON_WINDOWS", False)
    with pytest.raises(PermissionError):
        system.sync_directory(tmp_path)

    monkeypatch.setattr(system, "_ON_WINDOWS", True)
    system.sync_directory(tmp_path)


@pytest.mark.needs("posix")
def test_an_error_of_a_sync_names_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(system, "_sync", refuse)

    with pytest.raises(OSError, match="Input/output error") as caught:
        system.sync_directory(tmp_path)
    assert caught.value.filename == str(tmp_path)


def test_paths_are_stored_with_slashes_and_addresses_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sep", "/")
    assert system.portable("a\\b/c") == "a\\b/c"

    monkeypatch.setattr("os.sep", "\\")

    assert system.portable("C:\\logs\\app.jsonl") == "C:/logs/app.jsonl"
    assert system.portable("s3://bucket/a\\b") == "s3://bucket/a\\b"


def test_a_closed_pipe_is_known_on_each_system(monkeypatch: pytest.MonkeyPatch) -> None:
    invalid = OSError(errno.EINVAL, "Invalid argument")
    monkeypatch.setattr(system, "_ON_WINDOWS", False)
    assert system.is_closed_pipe(BrokenPipeError())
    assert not system.is_closed_pipe(invalid)

    monkeypatch.setattr(system, "_ON_WINDOWS", True)

    assert system.is_closed_pipe(invalid)
    assert not system.is_closed_pipe(OSError(errno.ENOSPC, "No space left"))


# The package.


def dotted_names(tree: ast.AST) -> set[str]:
    """Return what a module imports, and the names of the system that it uses."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found |= {f"{node.value.id}.{node.attr}"}
    return found


def test_one_module_knows_the_system() -> None:
    modules = {"ctypes", "fcntl", "grp", "msvcrt", "pwd", "resource", "termios"}
    calls = {
        *("os.fsync", "os.link", "os.name", "os.sep", "os.sysconf", "sys.platform"),
        *("os.sched_getaffinity", "os.pread", "os.pwrite", "os.rename", "os.replace"),
        *("os.symlink", "os.mkfifo", "os.getuid", "os.chmod", "os.kill", "os.fork"),
        *("platform.system", "Path.home", "signal.SIGPIPE", "signal.SIGTERM"),
    }
    for path in PACKAGE.rglob("*.py"):
        if path != PACKAGE / "system.py":
            text = path.read_text("utf-8")
            used = dotted_names(ast.parse(text)) & (modules | calls)
            assert used == set(), path
            assert '"/proc' not in text, path
            assert '"/dev' not in text, path


def command(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an environment of its own."""
    needed = {"PATH", "SYSTEMROOT"}  # the second on Windows
    environment = {name: os.environ[name] for name in needed & {*os.environ}}
    return subprocess.run(
        [sys.executable, "-m", "toolkit", *map(str, words)],
        check=False, capture_output=True, env=environment | variables,
        encoding=variables.get("PYTHONIOENCODING", "utf-8"),
    )  # fmt: skip


@pytest.mark.needs("posix")
def test_neither_home_nor_a_language_is_needed(tmp_path: Path) -> None:
    log, out = tmp_path / "log.jsonl", tmp_path / "out"
    log.write_bytes(response(1))
    plain = {"LANG": "C", "LC_ALL": "C"}

    ended = [
        command("export", log, "--to", out, "--tag", "team=metadata.team", **plain),
        command("tokens", out, "--by", "tag_team", **plain),
        command("plot", "token_usage", out, "--to", tmp_path / "a.png", **plain),
        command("report", out, "--to", tmp_path / "a.html", **plain),
    ]

    assert [done.returncode for done in ended] == [0] * 4, ended
    assert "Traceback" not in "".join(done.stderr for done in ended)
    assert "nul:<模型>" in ended[1].stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_without_the_characters_of_a_name_shows_escapes(
    tmp_path: Path, encoding: str
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(response(1))
    tag = ("--tag", "team=metadata.team", "--by", "tag_team")

    done = command("tokens", log, *tag, PYTHONIOENCODING=encoding)

    assert done.returncode == 0, done.stderr
    assert "nul:<\\u6a21\\u578b>" in done.stdout


def test_the_workflow_runs_the_tests_on_each_system_and_version() -> None:
    path = ROOT / ".github" / "workflows" / "tests.yml"
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    tests = found["jobs"]["tests"]
    matrix = tests["strategy"]["matrix"]
    systems = {name.partition("-")[0] for name in matrix["os"]}
    assert systems == {"ubuntu", "macos", "windows"}
    classified = {
        text.rpartition(" ")[2]
        for text in project["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", text)
    }
    assert set(matrix["python"]) == classified
    assert project["requires-python"] == f">={min(matrix['python'])}"
    assert tests["steps"][-1]["run"].startswith("python -m pytest")
    assert found["permissions"] == {"contents": "read"}
    for job in found["jobs"].values():
        used = [step["uses"] for step in job["steps"] if "uses" in step]
        assert [re.fullmatch(r"actions/[a-z-]+@v\d+", one) for one in used].count(
            None
        ) == 0
        assert job["steps"][0]["with"] == {"persist-credentials": False}
        assert job["timeout-minutes"] <= 60


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="this system follows links")
def test_a_lock_that_is_a_link_leaves_its_target_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"kept")
    (tmp_path / "lock").symlink_to(tmp_path / "other")

    with (
        pytest.raises(OSError, match="symbolic links"),
        system.lock(tmp_path / "lock", "here", 0),
    ):
        pass

    assert (tmp_path / "other").read_bytes() == b"kept"
