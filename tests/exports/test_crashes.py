"""An export after faults, and who may write: a short run of `tests.support.crashes`."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import toolkit
from toolkit import system
from toolkit.errors import BusyError, WriteError
from toolkit.testing import make_response

ROOT = Path(__file__).parents[2]
HAS_STRACE = shutil.which("strace") is not None


def lines(*names: str) -> bytes:
    made = [json.dumps(make_response(id=name)).encode() for name in names]
    return b"".join(line + b"\n" for line in made)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.jsonl"
    path.write_bytes(lines("a", "b"))
    return path


def ids(out: Path) -> list[str]:
    return sorted(toolkit.scan(out).collect()["response_id"])


@pytest.mark.skipif(
    not HAS_STRACE, reason="strace is not installed: no faults to order"
)
def test_every_response_is_there_once_after_a_fault_and_another_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.crashes", "--short"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def started(log: Path, out: Path, *options: str) -> list[subprocess.Popen[str]]:
    """Start four runs together."""
    command = [sys.executable, "-m", "toolkit", "export", str(log), "--to", str(out)]
    return [
        subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]


def test_runs_that_are_started_together_write_each_response_once(
    log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    ended = [(run.communicate()[1], run.returncode) for run in started(log, out)]

    assert {code for _, code in ended} <= {0, 5}
    assert 0 in {code for _, code in ended}
    assert all(
        "is being written by process" in message for message, code in ended if code
    )
    assert ids(out) == ["a", "b"]
    assert toolkit.ledger(out)["responses"].to_list() == [2]


def test_runs_that_wait_for_each_other_all_succeed(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    ended = [
        (run.communicate()[1], run.returncode)
        for run in started(log, out, "--wait", "2m")
    ]

    assert {code for _, code in ended} == {0}
    assert sum(message.startswith("2 new responses") for message, _ in ended) == 1
    assert ids(out) == ["a", "b"]


def test_a_run_that_waits_too_long_raises_with_the_process_that_has_the_lock(
    log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    toolkit.export(log, to=out)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from toolkit import system\n"
        f"with system.lock(Path({str(out / '.lock')!r}), 'here', 0):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(BusyError, match=f"process {holder.pid}"):
            toolkit.export(log, to=out, wait=0.2)
        holder.kill()
        holder.wait()
        # The lock died with its process.
        assert len(toolkit.export(log, to=out).added) == 0


@pytest.mark.needs("fcntl")
def test_an_error_of_locking_is_not_reported_as_another_run(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)

    with pytest.raises(WriteError, match="No locks available"):
        toolkit.export(log, to=tmp_path / "out")


# What a killed run may leave behind, made by hand: each case has a name.


def test_parts_that_were_not_committed_are_removed_and_written_again(
    log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    toolkit.export(log, to=out)
    (part,) = (out / "choices").rglob("*.parquet")
    state = (out / "state.json").read_bytes()
    with log.open("ab") as file:
        file.write(lines("c"))
    toolkit.export(log, to=out)
    (out / "state.json").write_bytes(state)  # as it was before the commit
    (out / ".staging").mkdir()
    strange = out / "choices" / "date=2030-01-01" / "2-7.parquet"
    strange.parent.mkdir()
    shutil.copyfile(part, strange)
    (out / "choices" / "mine.txt").touch()

    toolkit.export(log, to=out)

    assert ids(out) == ["a", "b", "c"]
    assert part.exists()
    assert (out / "choices" / "mine.txt").exists()
    assert not (out / "choices" / "date=2030-01-01").exists()
    assert not (out / ".staging").exists()


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("exchanges", [0, 1, 2])
def test_a_rewrite_that_fails_leaves_the_old_export_readable(
    log: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    exchanges: int,
    at_once: bool,
) -> None:
    out = tmp_path / "out"
    log.write_bytes(lines("a", "b") + b"{}\n")
    toolkit.export(log, to=out)
    left = [exchanges]

    def not_offered(*_paths: Path) -> int:
        return errno.ENOSYS

    def refuse(*_arguments: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    real = system.exchange

    def cut_off(staged: Path, placed: Path) -> None:
        refuse()
        real(staged, placed)

    real_replace = Path.replace

    def replace_all_but_state(path: Path, to: Path) -> None:
        if to == out / "state.json":
            refuse()
        real_replace(path, to)

    if not at_once:
        monkeypatch.setattr(system, "_swap", not_offered)
    with monkeypatch.context() as patch:
        patch.setattr("toolkit.system.exchange", cut_off)
        patch.setattr(Path, "replace", replace_all_but_state)
        # What the run itself would mend is left for the next one.
        patch.setattr(
            "toolkit.exports.directory.DirectoryTarget.restore", refuse_to_restore(out)
        )
        with pytest.raises(WriteError):
            toolkit.export(log, to=out, content="drop", rewrite=True)

    toolkit.export(log, to=out)
    assert ids(out) == ["a", "b"]
    assert toolkit.scan(out).collect()["content"].null_count() == 0
    assert toolkit.rejects(out).height == 1


def test_an_export_is_rewritten_where_directories_cannot_be_swapped_atomically(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_offered(*_paths: Path) -> int:
        return errno.ENOSYS

    monkeypatch.setattr(system, "_swap", not_offered)
    out = tmp_path / "out"
    toolkit.export(log, to=out)

    toolkit.export(log, to=out, content="drop", rewrite=True)

    assert ids(out) == ["a", "b"]
    assert toolkit.scan(out).collect()["content"].null_count() == 2
    assert toolkit.verify(out).faults == []


def refuse_to_restore(out: Path) -> object:
    """Return a function that replaces the cleanup of a process that is killed."""

    def restore(_directory: object) -> None:
        if (out / ".staging").exists():
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    return restore


@pytest.mark.parametrize("step", [1, 2])
def test_an_interrupted_swap_is_undone_or_completed(tmp_path: Path, step: int) -> None:
    staging, directory = tmp_path / ".staging", tmp_path
    for path, name in ((staging / "choices", "new"), (directory / "choices", "old")):
        path.mkdir(parents=True)
        (path / name).touch()
    aside = staging / f"choices{system._ASIDE}"
    (directory / "choices").rename(aside)
    if step == 2:
        (staging / "choices").rename(directory / "choices")

    system.finish_exchanges(staging, directory)

    placed = [path.name for path in (directory / "choices").iterdir()]
    staged = [path.name for path in (staging / "choices").iterdir()]
    assert (placed, staged) == ((["old"], ["new"]) if step == 1 else (["new"], ["old"]))


@pytest.mark.needs("/proc/self/fd")
def test_files_are_synced_before_they_are_renamed_and_directories_before_the_commit(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    done: list[tuple[str, str]] = []
    fsync_real, replace_real = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        done.append(("sync", str(Path(f"/proc/self/fd/{handle}").readlink())))
        fsync_real(handle)

    def move(path: Path, to: Path) -> Path:
        done.append(("move", str(path)))
        done.append(("to", str(to)))
        return replace_real(path, to)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        patch.setattr(Path, "replace", move)
        toolkit.export(log, to=out)

    moved = [path for what, path in done if what == "move"]
    assert len(moved) == 3  # a part, README.txt and state.json
    for path in moved:
        assert done.index(("sync", path)) < done.index(("move", path))
    commit = done.index(("to", str(out / "state.json")))
    (part,) = (out / "choices").rglob("*.parquet")
    placed = done.index(("to", str(part)))
    for directory in (part.parent, out / "choices"):
        assert placed < done.index(("sync", str(directory)), placed) < commit
    assert done[-1] == ("sync", str(out))
