"""What an export is after every fault: ``python -m tests.support.crashes``.

Two tests in one command, on Linux with strace:

- *enumerated*: in an export of each kind (the first, the next one, one made anew, one
  that is compacted) the k-th call of each kind fails, with ENOSPC and with EIO, or the
  process is killed in it, for every k;
- *random*: an export is killed again and again while logs are written in torn
  fragments, rotated, copied and cut, and compressed.

After each fault what lies there can be read and shows no row twice, and the same
command run again holds each response once, and nothing else. `--short` takes a part of
both.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

# Loaded before any process is forked, so that none of them has to. `toolkit` itself
# starts the threads of polars, which no process outlives a fork with.
import pandera.polars  # noqa: F401
import polars as pl
import pyarrow.parquet as pq
import rich.progress  # noqa: F401
import typer  # noqa: F401

CALLS = (
    "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2",
    "close", "ftruncate", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir",
)  # fmt: skip
ERRORS = {"ENOSPC": "No space left on device", "EIO": "Input/output error"}
# A call by which threads wake each other, or Python reads a module: neither is of the
# export.
NO_FILE = re.compile(r"<(anon_inode|pipe|socket):|\.pyc?>")
DAY = 86_400
MOST_SECONDS = 60
FIRST_DAY = 1_760_000_000
SETTINGS = "toolkit.toml"


def line(number: int) -> bytes:
    response = {
        "id": f"r{number}",
        "created": FIRST_DAY + number % 3 * DAY,
        "model": "gpt-a",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "x" * 99}}
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    return json.dumps(response).encode() + b"\n"


class Failed(Exception):  # noqa: N818 - a law that does not hold
    """What an export is and must not be."""

    def __init__(self, *words: object) -> None:
        super().__init__(" ".join(map(str, words)))


# Processes: forked from this one, which never starts a thread.


def forked(work: Callable[[], object], said: Path | None = None) -> int:
    """Start a process that does some work; its exit code is the command's."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    signal.alarm(MOST_SECONDS)
    if said is not None:
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
    code: object = 1
    try:
        work()
        code = 0
    except SystemExit as done:
        code = done.code or 0
    except BaseException as error:
        os.write(2, f"traceback: {type(error).__name__}: {error}".encode())
    os._exit(code if isinstance(code, int) else 1)


def ended(process: int) -> int:
    """Wait for a process, and return its exit code, or minus the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def command(folder: Path, *words: object) -> Callable[[], None]:
    """Return what runs the command `toolkit` in a folder, in a process of its own."""

    def run() -> None:
        # Imported here: it starts threads.
        from toolkit.cli.app import main

        os.chdir(folder)
        sys.argv = ["toolkit", *map(str, words)]
        main()

    return run


# Laws.


def hold(out: Path, expected: set[int], *, whole: bool) -> None:
    """Hold an export against the responses that may be in it, or must be."""
    # Imported here: it starts threads.
    import toolkit

    ids: Counter[str] = Counter()
    for path in (out / "choices").rglob("*.parquet"):
        with suppress(FileNotFoundError):  # it was cleared away
            ids.update(pq.ParquetFile(path).read(["response_id"])[0].to_pylist())
    twice = [name for name, count in ids.items() if count > 1]
    if twice:
        raise Failed("rows that stand twice:", sorted(twice)[:5])
    strange = ids.keys() - {f"r{number}" for number in expected}
    if strange:
        raise Failed("rows that nobody wrote:", sorted(strange)[:5])
    if not whole:
        return
    if len(ids) < len(expected):
        raise Failed(len(expected) - len(ids), "responses are lost")
    names = {path.name for path in out.iterdir()}
    if names != {".lock", "README.txt", "choices", "rejects", "state.json"}:
        raise Failed("left over:", sorted(names))
    ledger = toolkit.ledger(out)
    rows = toolkit.scan(out).select(pl.len(), pl.col("total_tokens").sum()).collect()
    if rows.row(0) != (ledger["choices"].sum(), ledger["total_tokens"].sum()):
        raise Failed("the rows are not those of the ledger")
    days = (out / "choices").iterdir()
    if empty := [day.name for day in days if not any(day.iterdir())]:
        raise Failed("empty directories:", empty)


# Every fault, one after the other.


class Scenario(NamedTuple):
    """An export that a fault meets: what lies there before, and what is run."""

    name: str
    folder: Path
    options: tuple[str, ...]
    expected: set[int]

    def command(self, folder: Path) -> Callable[[], None]:
        if self.name == "compact":
            return command(folder, "compact", folder / "out")
        words = ("export", folder / "logs", "--to", folder / "out", *self.options)
        return command(folder, *words)


def scenarios(folder: Path) -> Iterator[Scenario]:
    """Prepare each kind of an export in a folder of its own."""
    old, new = range(6), range(6, 12)
    for name in ("first", "next", "anew", "compact"):
        here = folder / name
        (here / "logs").mkdir(parents=True)
        (here / SETTINGS).write_text("top = 3\n")
        export = ("export", here / "logs", "--to", here / "out")
        log = here / "logs" / "app.jsonl"
        log.write_bytes(b"".join(map(line, old)) + b"{}\n")
        (here / "logs" / "old.jsonl.gz").write_bytes(gzip.compress(line(100)))
        if name != "first":
            must_run(command(here, *export), here)
        with log.open("ab") as file:
            file.write(b"".join(map(line, new)) + b'{"torn')
        if name == "compact":
            must_run(command(here, *export), here)
        options = ("--content", "drop", "--rewrite") if name == "anew" else ()
        yield Scenario(name, here, options, {*old, *new, 100})


def must_run(work: Callable[[], None], folder: Path) -> None:
    """Run a command that nothing stands in the way of."""
    said = folder / "said"
    if ended(forked(work, said)):
        raise Failed("a run without a fault failed:", said.read_text())


class Fault(NamedTuple):
    """What is done to the k-th call of a kind."""

    call: str
    number: int
    what: str

    def injection(self) -> str:
        if self.what == "KILL":
            return f"inject={self.call}:signal=KILL:when={self.number}"
        return f"inject={self.call}:error={self.what}:when={self.number}"


def traced(
    work: Callable[[], None], folder: Path, *options: str
) -> tuple[int, str, str]:
    """Run a command below strace: its exit code, what it said, what was traced."""
    said, trace = folder / "said", folder / "trace"
    is_ready, ready = os.pipe()
    may_go, go = os.pipe()

    def import_first() -> None:
        # Imported here: it starts threads. What is done once in a process is done.
        import toolkit.cli.app

        with tempfile.TemporaryDirectory() as warm:
            log = Path(warm) / "app.jsonl"
            for turn in range(2):
                log.write_bytes(b"".join(map(line, range(turn + 1))))
                toolkit.export(log, to=Path(warm) / "out")
            toolkit.compact(Path(warm) / "out")
        os.write(ready, b"x")
        os.read(may_go, 1)
        work()

    process = forked(import_first, said)
    os.read(is_ready, 1)
    strace = ["strace", "-f", "-y", "-q", "-o", str(trace), "-p", str(process)]
    with subprocess.Popen([*strace, *options], stderr=subprocess.PIPE) as tracer:
        status = Path(f"/proc/{process}/status")
        while "TracerPid:\t0\n" in status.read_text():
            if tracer.poll() is not None:
                os.kill(process, signal.SIGKILL)
                ended(process)
                assert tracer.stderr is not None
                raise Failed("strace:", tracer.stderr.read().decode().strip())
            time.sleep(0.001)
        os.write(go, b"x")
        code = ended(process)
        tracer.wait()
    for end in (is_ready, ready, may_go, go):
        os.close(end)
    return code, said.read_text(errors="replace"), trace.read_text(errors="replace")


def faults_of(scenario: Scenario, folder: Path, *, every: int) -> Iterator[Fault]:
    """Count the calls of a run that nothing stands in the way of."""
    shutil.copytree(scenario.folder, folder)
    work = scenario.command(folder)
    code, said, trace = traced(work, folder, "-e", f"trace={','.join(CALLS)}")
    shutil.rmtree(folder)
    if code:
        raise Failed("a run without a fault failed:", said)
    # strace counts the calls of each thread for itself.
    counts: Counter[tuple[str, str]] = Counter()
    of_files = set()
    for thread, call, rest in re.findall(r"^(\d+) +(\w+)\((.*)", trace, re.MULTILINE):
        counts[thread, call] += 1
        if not NO_FILE.search(rest):
            of_files.add((call, counts[thread, call]))
    turn = 0
    for call, number in sorted(of_files):
        for what in (*ERRORS, "KILL"):
            turn += 1
            if turn % every == 0:
                yield Fault(call, number, what)


def try_fault(scenario: Scenario, fault: Fault, folder: Path) -> None:
    """Let a fault meet an export, and then run the same command again."""
    shutil.copytree(scenario.folder, folder)
    work = scenario.command(folder)
    calls = f"trace={fault.call}"
    code, said, trace = traced(work, folder, "-e", calls, "-e", fault.injection())
    met = [call for call in trace.splitlines() if "(INJECTED)" in call]
    if any(map(NO_FILE.search, met)):
        # It came at another time than when it was counted: threads take turns.
        shutil.rmtree(folder)
        return
    if met and fault.what in ERRORS:
        names = (str(folder), SETTINGS)
        is_said = ERRORS[fault.what] in said and any(name in said for name in names)
        # Threads count their calls apart: the k-th one that tells of it may fail too.
        is_mute = any("/said>" in call for call in met)
        if code == 1 and not (is_said or is_mute):
            raise Failed("exit 1 without path and reason:", said)
        if code not in {0, 1} or "traceback" in said.lower():
            raise Failed("exit", code, said)

    def repair() -> None:
        if (folder / "out" / "choices").exists():
            hold(folder / "out", scenario.expected, whole=code == 0)
        try:
            work()
        except SystemExit as done:
            if done.code:
                raise
        hold(folder / "out", scenario.expected, whole=True)

    must_run(repair, folder)
    shutil.rmtree(folder)


def enumerated(folder: Path, *, every: int) -> tuple[int, list[str]]:
    """Try each fault; return how many were tried, and what does not hold."""
    tried, failures = 0, []
    for scenario in scenarios(folder / "kinds"):
        faults = list(faults_of(scenario, folder / "count", every=every))
        for number, fault in enumerate(faults):
            tried += 1
            try:
                try_fault(scenario, fault, folder / f"{scenario.name}-{number}")
            except Failed as error:
                words = " ".join(map(str, fault))
                failures.append(f"{scenario.name}: {words}: {error}")
                print(failures[-1], flush=True)
        counts = f"{len(faults)} faults, {len(failures)} failures so far"
        print(f"{scenario.name}: {counts}", flush=True)
    return tried, failures


# A live log, and an export that is killed again and again.


def write_live(logs: Path, seed: int) -> None:
    """Write lines in torn fragments, and rotate now and then, until told to stop."""
    dice = random.Random(seed)
    stopped: list[int] = []
    signal.alarm(0)
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    log, number, rotated = logs / "app.jsonl", 0, 0
    while not stopped:
        data = line(number)
        number += 1
        with log.open("ab", buffering=0) as file:
            for piece in re.findall(
                rb".{1,%d}" % dice.randint(40, 400), data, re.DOTALL
            ):
                file.write(piece)
                time.sleep(dice.random() / 500)
        if dice.random() < 0.02:
            rotated += 1
            rotate(log, rotated, dice.choice(["rename", "copy", "compress"]))
    (logs.parent / "written").write_text(str(number))


def rotate(log: Path, number: int, how: str) -> None:
    """Rotate a log as logrotate does: by name, by copy, compressed later on."""
    to = log.with_name(f"app.jsonl.{number}")
    if how == "copy":
        shutil.copyfile(log, log.with_name(f".{to.name}"))
        log.with_name(f".{to.name}").rename(to)
        os.truncate(log, 0)
        return
    log.rename(to)
    if how == "compress":
        hidden = to.with_name(f".{to.name}.gz")
        hidden.write_bytes(gzip.compress(to.read_bytes()))
        hidden.rename(to.with_name(f"{to.name}.gz"))
        to.unlink()


def killed_at_random(folder: Path, *, seconds: float, seed: int) -> tuple[int, int]:
    """Kill an export of a live log for a while; return kills and responses."""
    dice = random.Random(seed)
    logs, out, said = folder / "logs", folder / "out", folder / "said"
    logs.mkdir(parents=True)
    (logs / "app.jsonl").touch()
    work = command(folder, "export", logs, "--to", out)
    writer = forked(lambda: write_live(logs, seed))
    kills, end = 0, time.monotonic() + seconds
    any_number = set(range(10**6))
    while time.monotonic() < end:
        process = forked(work, said)
        time.sleep(dice.random() * 0.4)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        code = ended(process)
        kills += code == -signal.SIGKILL
        told = said.read_text()
        if code == 1 and "while it was read" not in told and "No such file" not in told:
            raise Failed("exit 1:", told)
        if "missing" in told:
            raise Failed(told)
        if (out / "choices").exists():
            must_run(lambda: hold(out, any_number, whole=False), folder)
    os.kill(writer, signal.SIGTERM)
    ended(writer)
    must_run(work, folder)
    written = set(range(int((folder / "written").read_text())))
    must_run(lambda: hold(out, written, whole=True), folder)

    def no_rejects() -> None:
        # Imported here: it starts threads.
        import toolkit

        if toolkit.rejects(out).height:
            raise Failed("a line was rejected")

    must_run(no_rejects, folder)
    return kills, len(written)


def run(*, short: bool, every: int, seed: int) -> int:
    """Run both tests, and say what came of them."""
    folder = Path(tempfile.mkdtemp(prefix="crashes-"))
    try:
        tried, failures = enumerated(folder, every=61 if short else every)
        print(f"enumerated: {tried - len(failures)} of {tried} faults were repaired")
        seconds = 5 if short else 120
        kills, written = killed_at_random(folder / "live", seconds=seconds, seed=seed)
        print(f"random: {kills} kills, {written:,} responses, each once")
    finally:
        shutil.rmtree(folder)
    return int(bool(failures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="what an export is after every fault")
    parser.add_argument("--short", action="store_true", help="a part of both tests")
    parser.add_argument("--every", type=int, default=1, help="try one fault of so many")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = parser.parse_args()
    print(f"seed {asked.seed}")
    sys.exit(run(short=asked.short, every=asked.every, seed=asked.seed))
