"""The whole path on another system: ``python -m tests.support.systems win32 FOLDER``.

Windows and macOS are simulated on Linux, as far as the calls of the system go: what
Python lacks there is removed, and what Windows refuses is refused. `whole_path` is also
run by itself, after a test has taken something away.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

# What Python has on Linux, but not on Windows.
NOT_ON_WINDOWS = {
    "os": (
        "chown", "copy_file_range", "fchown", "fdatasync", "fork", "forkpty", "getegid",
        "geteuid", "getgid", "getpgid", "getuid", "killpg", "lchown", "lockf", "mkfifo",
        "mknod", "pathconf", "posix_fadvise", "posix_fallocate", "posix_spawn", "pread",
        "preadv", "pwrite", "pwritev", "readv", "sched_getaffinity",
        "sched_setaffinity", "sendfile", "setsid", "setuid", "statvfs", "sync",
        "sysconf", "sysconf_names", "uname", "wait3", "wait4", "writev",
        "O_CLOEXEC", "O_DIRECTORY", "O_DSYNC", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK",
        "O_SYNC", "O_TMPFILE",
    ),
    "signal": ("SIGPIPE", "SIGHUP", "SIGKILL", "SIGALRM", "SIGUSR1", "alarm", "pause"),
    "time": ("tzset",),
}  # fmt: skip
MODULES_NOT_ON_WINDOWS = ("fcntl", "grp", "pwd", "resource", "termios", "syslog")
REFUSED = set('<>:"|?*\\')  # by Windows, in names
LIBRARIES = (
    "genai_prices", "isal.igzip", "jinja2", "markupsafe", "matplotlib.pyplot",
    "msgspec", "numpy", "pandera.polars", "polars", "pyarrow.compute",
    "pyarrow.parquet", "pydantic", "rich.console", "rich.progress", "rich.table",
    "subprocess", "xxhash", "backports.zstd", "unittest.mock",
)  # fmt: skip


def response(number: int, day: int = 1) -> bytes:
    """Return a response of 10 + number tokens, with names that Windows would refuse."""
    made = {
        "id": f"con:{number}",
        "created": 1_793_448_000 + day * 86_400,  # noon of a day of November 2026
        "model": "gpt:*?/con. ",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}}],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": number,
            "total_tokens": 10 + number,
        },
        "metadata": {"team": "nul:<模型>"},
    }
    return json.dumps(made).encode() + b"\n"


def whole_path(folder: Path) -> None:
    """Load, scan, export twice, compact, verify, rewrite, report and plot a log."""
    import toolkit
    from tests.support.command import run

    def total(name: Path) -> int:
        return int(toolkit.scan(name).collect()["total_tokens"].sum())

    logs, out, one = folder / "logs", folder / "out", folder / "one.parquet"
    tags = {"team": "metadata.team"}
    logs.mkdir()
    log = logs / "log.jsonl"
    log.write_bytes(b"".join(map(response, (1, 2, 3, 4))) + b'{"a": 1}\n')
    # 4 * 10 + 1 + 2 + 3 + 4
    assert toolkit.load(log).frame["total_tokens"].sum() == total(log) == 50
    toolkit.export(f"{logs}/*.jsonl", to=out, tags=tags)
    with log.open("ab") as file:
        file.write(response(5) + response(6, day=2))
    assert len(toolkit.export(logs, to=out, tags=tags).added) == 1
    assert total(out) == 50 + 15 + 16
    done = toolkit.compact(out, today=date(2026, 12, 1))
    assert (done.directories, done.before, done.after) == (1, 2, 1)
    assert toolkit.verify(out).faults == []
    toolkit.export(logs, to=out, tags=tags, content="drop", rewrite=True)
    toolkit.export(log, to=one)
    toolkit.export(log, to=one)
    assert total(out) == total(one) == 81
    assert toolkit.rejects(out).height == 1
    toolkit.write_report(out, to=[folder / "report.html", folder / "report.md"])
    toolkit.write_report(out, to=folder / "report.html")
    toolkit.plot("token_usage", out).figure.savefig(folder / "plot.png")

    ended = run("tokens", out, "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    # Day 1 has 5 * 10 + 1 + 2 + 3 + 4 + 5, day 2 has 10 + 6.
    rows = json.loads(ended.stdout)
    assert sorted(row["total_tokens"] for row in rows) == [16, 65]
    ended = run("rejects", log, "--to", folder / "rejects.jsonl")
    assert (ended.returncode, ended.stderr) == (0, "1 line\n")
    assert run("verify", out).returncode == 0
    assert run("compact", out).returncode == 0
    left = {path.name for path in folder.iterdir()}
    assert left == {
        *("logs", "out", "one.parquet", "plot.png"),
        *("rejects.jsonl", "report.html", "report.md"),
    }
    state = json.loads((out / "state.json").read_bytes())
    assert state["logs"][0]["path"] == log.as_posix()
    for path in folder.rglob("*"):
        assert not REFUSED & set(path.name), path
        assert path.name == path.name.rstrip(". "), path


def fake_msvcrt() -> ModuleType:
    """Return the module `msvcrt`; a lock belongs to an open file, as on Windows."""
    import fcntl

    fake: Any = ModuleType("msvcrt")
    fake.LK_UNLCK, fake.LK_LOCK, fake.LK_NBLCK = 0, 1, 2
    fake.calls = []

    def lock(handle: int, mode: int, size: int) -> None:
        fake.calls.append((mode, os.lseek(handle, 0, os.SEEK_CUR), size))
        flags = {0: fcntl.LOCK_UN, 2: fcntl.LOCK_EX | fcntl.LOCK_NB}[mode]
        try:
            fcntl.flock(handle, flags)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    fake.locking = lock
    return fake


def open_files() -> set[str]:
    """Return the paths of the files that this process has open or in memory."""
    found = set()
    for handle in Path("/proc/self/fd").iterdir():
        if handle.is_symlink():
            found.add(str(handle.readlink()))
    maps = Path("/proc/self/maps").read_text("utf-8", "replace").splitlines()
    return found | {line[73:] for line in maps if "/" in line}


def simulate_windows() -> ModuleType:
    """Take away what Windows lacks, and refuse what it refuses."""
    import ctypes
    import importlib
    import shutil

    msvcrt = fake_msvcrt()
    shutil._use_fd_functions = shutil._USE_CP_SENDFILE = False
    vars(shutil)["_rmtree_impl"] = vars(shutil)["_rmtree_unsafe"]  # of 3.14
    real: dict[str, Callable[..., Any]] = {
        name: getattr(os, name)
        for name in ("open", "lstat", "replace", "rename", "unlink", "remove", "rmdir")
    }

    def refuse_if_open(name: str) -> Callable[..., Any]:
        def call(path: Any, *rest: Any, **options: Any) -> Any:
            for used in map(os.path.realpath, (path, *rest)):
                for file in open_files():
                    if file == used or file.startswith(f"{used}/"):
                        raise PermissionError(errno.EACCES, "in use", path)
            if name == "rename" and os.path.lexists(rest[0]):
                raise FileExistsError(errno.EEXIST, "exists", path)
            return real[name](path, *rest, **options)

        return call

    def no_directory(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return int(real["open"](path, flags, *rest, **options))

    def no_patterns(path: Any, **options: Any) -> os.stat_result:
        if set(os.fsdecode(path)) & (REFUSED - {"\\", ":"}):
            raise OSError(errno.EINVAL, "Invalid argument", path)
        return real["lstat"](path, **options)  # type: ignore[no-any-return]

    def no_library(name: str | None, **_options: Any) -> None:
        raise TypeError("a name is expected", name)

    for name in ("replace", "rename", "unlink", "remove", "rmdir"):
        setattr(os, name, refuse_if_open(name))
    os.open, os.lstat = no_directory, no_patterns
    ctypes.CDLL = no_library  # type: ignore[misc, assignment]
    for module, names in NOT_ON_WINDOWS.items():
        for name in names:
            vars(importlib.import_module(module)).pop(name, None)
    vars(os)["process_cpu_count"] = os.cpu_count  # of 3.13, which calls one of these
    for name in MODULES_NOT_ON_WINDOWS:
        sys.modules[name] = None  # type: ignore[assignment]
    sys.modules["msvcrt"] = msvcrt
    sys.platform = "win32"
    return msvcrt


def simulate_macos() -> list[str]:
    """Take away what macOS lacks, and offer what it has; return its calls."""
    import ctypes
    import fcntl

    calls = []
    library = ctypes.CDLL(None, use_errno=True)

    class Library:
        def renamex_np(self, one: bytes, other: bytes, flags: int) -> int:
            calls.append(f"renamex_np {flags}")
            return int(library.renameat2(-100, one, -100, other, flags))

    def control(handle: int, command: int) -> None:
        assert command == 51
        calls.append("F_FULLFSYNC")
        os.fsync(handle)

    real = Path.read_text

    def no_proc(path: Path, *rest: Any, **options: Any) -> str:
        if str(path).startswith("/proc"):
            raise FileNotFoundError(errno.ENOENT, "No such file", str(path))
        return real(path, *rest, **options)

    fcntl.F_FULLFSYNC, fcntl.fcntl = 51, control  # type: ignore[misc, assignment]
    ctypes.CDLL = lambda *_names, **_options: Library()  # type: ignore[misc, assignment]
    Path.read_text = no_proc  # type: ignore[method-assign, assignment]
    vars(os).pop("sched_getaffinity")
    vars(os)["process_cpu_count"] = os.cpu_count
    vars(os).pop("O_TMPFILE")
    sys.platform = "darwin"
    return calls


def main(system: str, folder: str) -> None:
    """Simulate a system before the package is imported, and run the whole path."""
    import importlib

    for name in LIBRARIES:
        with suppress(ModuleNotFoundError):  # not with each version of Python
            importlib.import_module(name)
    # There, text is not UTF-8 unless the code says so.
    warnings.filterwarnings("error", category=EncodingWarning, module="toolkit")
    if system == "win32":
        msvcrt: Any = simulate_windows()
        whole_path(Path(folder))
        # One byte behind the content is locked, and each lock is released.
        modes = [mode for mode, _place, _size in msvcrt.calls]
        assert {(place, size) for _mode, place, size in msvcrt.calls} == {(2**30, 1)}
        assert modes == [msvcrt.LK_NBLCK, msvcrt.LK_UNLCK] * (len(modes) // 2)
    else:
        calls = simulate_macos()
        whole_path(Path(folder))
        assert set(calls) == {"renamex_np 2", "F_FULLFSYNC"}


if __name__ == "__main__":
    main(*sys.argv[1:])
