"""Test exports after faults: ``python -m tests.support.crashes``.

Two tests in one command, on Linux with strace:

- *enumerated*: in each kind of run (a first export, a second one, a rewrite, a
  compaction) the k-th call of each kind fails with ENOSPC or EIO, or the process is
  killed in it, for every k;
- *random*: an export is killed again and again while logs are written in fragments,
  rotated, copied and truncated, and compressed.

After each fault the export must be readable without a row that is there twice, and the
same command, run again, must write each response once, and nothing else. Some of the
responses are streams of chunks, of which some come after the fault. `--short` runs a
part of both.
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
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

# Imported here, so that forked processes need not. `toolkit` itself is not: it starts
# the threads of polars, which do not survive a fork.
import pandera.polars  # noqa: F401
import polars as pl
import pyarrow.parquet as pq
import rich.progress  # noqa: F401

CALLS = (
    "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2",
    "close", "ftruncate", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir",
)  # fmt: skip
ERRORS = {"ENOSPC": "No space left on device", "EIO": "Input/output error"}
# Calls by which threads wake each other, or Python reads a module; not of the export.
NO_FILE = re.compile(r"<(anon_inode|pipe|socket):|\.(pyc?|so)\b[^>]*>")
DAY = 86_400
MOST_SECONDS = 60
FIRST_DAY = 1_760_000_000
SETTINGS = "toolkit.toml"
TOP = "top = 3\n"


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


def stream(number: int) -> list[bytes]:
    """Return a streamed response as three lines."""
    facts = {
        "id": f"r{number}",
        "object": "chat.completion.chunk",
        "created": FIRST_DAY + number % 3 * DAY,
        "model": "gpt-a",
    }
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    chunks = [
        {
            "choices": [
                {"index": 0, "delta": {"role": "assistant", "content": "x" * 99}}
            ]
        },
        {"choices": [{"index": 0, "delta": {"content": "y"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": usage},
    ]
    return [json.dumps({**facts, **chunk}).encode() + b"\n" for chunk in chunks]


class Failed(Exception):  # noqa: N818 - it is no error of the toolkit
    """A requirement that is not met."""

    def __init__(self, *words: object) -> None:
        super().__init__(" ".join(map(str, words)))


# Processes are forked from this one, which never starts a thread.


def forked(work: Callable[[], object], stderr: Path | None = None) -> int:
    """Fork a process that does some work, and return its id."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    signal.alarm(MOST_SECONDS)
    if stderr is not None:
        os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
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
    """Wait for a process; return its exit code, or the negative signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def command(folder: Path, *words: object) -> Callable[[], None]:
    """Return a function that runs the command `toolkit` in a folder."""

    def run() -> None:
        # Imported here: it starts threads.
        from toolkit.cli.app import main

        os.chdir(folder)
        sys.argv = ["toolkit", *map(str, words)]
        main()

    return run


def check_export(
    out: Path, expected: set[int], *, whole: bool, still_open: set[int] | None = None
) -> None:
    """Check that an export has only expected responses, once; all of them if whole.

    Those that are still open are missing.
    """
    # Imported here: it starts threads.
    import toolkit

    ids: Counter[str] = Counter()
    sizes: set[int | None] = {None, 3}  # how many chunks a response has
    for path in (out / "choices").rglob("*.parquet"):
        with suppress(FileNotFoundError):  # it was removed
            rows = pq.ParquetFile(path).read(["response_id", "chunk_count"])
            ids.update(rows[0].to_pylist())
            sizes.update(rows[1].to_pylist())
    if len(sizes) > 2:
        raise Failed("streams that were cut apart or joined:", sizes)
    twice = [name for name, count in ids.items() if count > 1]
    if twice:
        raise Failed("rows that are there twice:", sorted(twice)[:5])
    strange = ids.keys() - {f"r{number}" for number in expected}
    if strange:
        raise Failed("rows of unknown responses:", sorted(strange)[:5])
    if not whole:
        return
    missing = {f"r{number}" for number in expected - (still_open or set())} - ids.keys()
    if missing:
        raise Failed("responses are lost:", sorted(missing)[:5])
    names = {
        str(path.relative_to(out)) for path in [*out.iterdir(), *out.glob("open/*")]
    }
    named = json.loads((out / "state.json").read_text())["open"]
    known = {"open", named} if named else set()
    if names != known | {".lock", "README.txt", "choices", "rejects", "state.json"}:
        raise Failed("left over:", sorted(names))
    ledger = toolkit.ledger(out)
    rows = toolkit.scan(out).select(pl.len(), pl.col("total_tokens").sum()).collect()
    if rows.row(0) != (ledger["choices"].sum(), ledger["total_tokens"].sum()):
        raise Failed("the rows do not match the ledger")
    days = (out / "choices").iterdir()
    if empty := [day.name for day in days if not any(day.iterdir())]:
        raise Failed("empty directories:", empty)


# Every fault, one after the other.


class Scenario(NamedTuple):
    """A command to test, and the folder that it starts from."""

    name: str
    folder: Path
    options: tuple[str, ...]
    expected: set[int]
    still_open: set[int]  # after the command, until the rest of the last one comes

    def command(self, folder: Path) -> Callable[[], None]:
        if self.name == "compact":
            return command(folder, "compact", folder / "out")
        words = ("export", folder / "logs", "--to", folder / "out", *self.options)
        return command(folder, *words)

    def finish(self, folder: Path) -> None:
        """Write the rest of the last stream, and export all."""
        with (folder / "logs" / "app.jsonl").open("ab") as file:
            file.write(b'": 1}\n' + b"".join(stream(max(self.still_open))[1:]))
        options = [option for option in self.options if option != "--rewrite"]
        words = ("export", folder / "logs", "--to", folder / "out", "--final", *options)
        command(folder, *words)()


def scenarios(folder: Path) -> Iterator[Scenario]:
    """Prepare each kind of run in its own folder."""
    old, new = range(6), range(6, 12)
    begun, later = (stream(number) for number in (20, 21))
    for name in ("first", "next", "rewrite", "compact"):
        here = folder / name
        (here / "logs").mkdir(parents=True)
        (here / SETTINGS).write_text(TOP)
        export = ("export", here / "logs", "--to", here / "out")
        log = here / "logs" / "app.jsonl"
        log.write_bytes(b"".join(map(line, old)) + b"{}\n" + begun[0])
        (here / "logs" / "old.jsonl.gz").write_bytes(gzip.compress(line(100)))
        if name != "first":
            must_run(command(here, *export), here)
        with log.open("ab") as file:
            file.write(begun[1] + later[0] + begun[2])
            file.write(b"".join(map(line, new)) + b'{"torn')
        if name == "compact":
            must_run(command(here, *export), here)
        options = ("--content", "drop", "--rewrite") if name == "rewrite" else ()
        yield Scenario(name, here, options, {*old, *new, 100, 20, 21}, {20, 21})


def must_run(work: Callable[[], None], folder: Path) -> None:
    """Run a command without a fault; raise `Failed` if it fails."""
    stderr = folder / "stderr"
    if ended(forked(work, stderr)):
        raise Failed("a run without a fault failed:", stderr.read_text())


class Fault(NamedTuple):
    """A fault in the k-th call of a kind."""

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
    """Run a command with strace; return its exit code, its stderr and the trace."""
    stderr, trace = folder / "stderr", folder / "trace"
    is_ready, ready = os.pipe()
    may_go, go = os.pipe()

    def import_first() -> None:
        # Imported here: it starts threads. The export warms up what runs once only.
        import toolkit.cli.app
        import toolkit.cli.config

        with tempfile.TemporaryDirectory() as warm:
            log = Path(warm) / "app.jsonl"
            for turn in range(2):
                lines = [*stream(9)[:1], *map(line, range(turn + 1))]
                log.write_bytes(b"".join(lines))
                toolkit.export(log, to=Path(warm) / "out")
            toolkit.compact(Path(warm) / "out")
            settings = Path(warm) / SETTINGS
            settings.write_text(TOP)
            toolkit.cli.config.read_configuration(settings)
        os.write(ready, b"x")
        os.close(go)  # else it would wait for ever once the parent is gone
        os.read(may_go, 1)
        signal.alarm(MOST_SECONDS)
        work()

    process = forked(import_first, stderr)
    os.close(ready)  # so that reading ends if the process does
    if not os.read(is_ready, 1):
        code = ended(process)
        raise Failed("exit", code, "before it was traced:", stderr.read_text())
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
    for end in (is_ready, may_go, go):
        os.close(end)
    return code, stderr.read_text(errors="replace"), trace.read_text(errors="replace")


def faults_of(scenario: Scenario, folder: Path, *, every: int) -> Iterator[Fault]:
    """Yield the faults to try, one for each call of a run without a fault."""
    shutil.copytree(scenario.folder, folder)
    work = scenario.command(folder)
    code, stderr, trace = traced(work, folder, "-e", f"trace={','.join(CALLS)}")
    shutil.rmtree(folder)
    if code:
        raise Failed("a run without a fault failed:", stderr)
    # strace counts the calls of each thread separately.
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
    """Run a command with a fault, and then again without."""
    shutil.copytree(scenario.folder, folder)
    work = scenario.command(folder)
    calls = f"trace={fault.call}"
    code, stderr, trace = traced(work, folder, "-e", calls, "-e", fault.injection())
    met = [call for call in trace.splitlines() if "(INJECTED)" in call]
    if any(map(NO_FILE.search, met)):
        # Threads made their calls in another order than when they were counted.
        shutil.rmtree(folder)
        return
    if met and fault.what in ERRORS:
        names = (str(folder), SETTINGS)
        is_reported = ERRORS[fault.what] in stderr and any(
            name in stderr for name in names
        )
        # The call that writes the message may be a k-th call of its thread too.
        is_mute = any("/stderr>" in call for call in met)
        if code == 1 and not (is_reported or is_mute):
            raise Failed("exit 1 without path and reason:", stderr)
        if code not in {0, 1} or "traceback" in stderr.lower():
            raise Failed("exit", code, stderr)

    def repair() -> None:
        out, expected, left = folder / "out", scenario.expected, scenario.still_open
        if (out / "choices").exists():
            check_export(out, expected, whole=code == 0, still_open=left)
        for step in (work, lambda: scenario.finish(folder)):
            try:
                step()
            except SystemExit as done:
                if done.code:
                    raise
            check_export(out, expected, whole=True, still_open=left)
            left = set()

    must_run(repair, folder)
    shutil.rmtree(folder)


def enumerated(folder: Path, *, every: int) -> tuple[int, list[str]]:
    """Try each fault; return how many were tried, and the failures."""
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


# A log that is being written, and an export that is killed again and again.


def write_live(logs: Path, seed: int, *, streams: bool) -> None:
    """Write lines in fragments, and rotate now and then, until SIGTERM.

    With streams, logs are only renamed: while two logs hold the same chunks, they would
    be read twice.
    """
    dice = random.Random(seed)
    waiting: list[list[bytes]] = []  # the chunks that are left of each stream
    ways = ["rename"] if streams else ["rename", "copy", "compress"]
    stopped: list[int] = []
    signal.alarm(0)
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    log, number, rotated = logs / "app.jsonl", 0, 0
    while waiting or not stopped:
        if waiting and (stopped or dice.random() < 0.6):
            left = dice.choice(waiting)
            data = left.pop(0)
            waiting = [chunks for chunks in waiting if chunks]
        elif streams and dice.random() < 0.6:
            data, *rest = stream(number)
            waiting.append(rest)
            number += 1
        else:
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
            rotate(log, rotated, dice.choice(ways))
    (logs.parent / "written").write_text(str(number))


def rotate(log: Path, number: int, how: str) -> None:
    """Rotate a log like logrotate: rename, copy and truncate, or compress."""
    to = log.with_name(f"app.jsonl-{date(2026, 1, 1) + timedelta(number):%Y%m%d}")
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


def killed_at_random(
    folder: Path, *, seconds: float, seed: int, streams: bool
) -> tuple[int, int]:
    """Kill an export of a growing log for a while; return kills and responses."""
    dice = random.Random(seed)
    logs, out, stderr = folder / "logs", folder / "out", folder / "stderr"
    logs.mkdir(parents=True)
    (logs / "app.jsonl").touch()
    work = command(folder, "export", logs, "--to", out)
    writer = forked(lambda: write_live(logs, seed, streams=streams))
    kills, end = 0, time.monotonic() + seconds
    any_number = set(range(10**6))
    while time.monotonic() < end:
        process = forked(work, stderr)
        time.sleep(dice.random() * 0.4)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        code = ended(process)
        kills += code == -signal.SIGKILL
        text = stderr.read_text()
        if code == 1 and "while it was read" not in text and "No such file" not in text:
            raise Failed("exit 1:", text)
        if "missing" in text:
            raise Failed(text)
        if (out / "choices").exists():
            must_run(lambda: check_export(out, any_number, whole=False), folder)
    os.kill(writer, signal.SIGTERM)
    ended(writer)
    must_run(command(folder, "export", logs, "--to", out, "--final"), folder)
    written = set(range(int((folder / "written").read_text())))
    must_run(lambda: check_export(out, written, whole=True), folder)

    def no_rejects() -> None:
        # Imported here: it starts threads.
        import toolkit

        if toolkit.rejects(out).height:
            raise Failed("a line was rejected")

    must_run(no_rejects, folder)
    return kills, len(written)


def run(*, short: bool, every: int, seed: int) -> int:
    """Run both tests, and print the results."""
    folder = Path(tempfile.mkdtemp(prefix="crashes-"))
    try:
        tried, failures = enumerated(folder, every=97 if short else every)
        print(f"enumerated: {tried - len(failures)} of {tried} faults were repaired")
        for streams in (False, True):
            live = folder / f"live-{streams}"
            seconds = 2 if short else 60
            kills, written = killed_at_random(
                live, seconds=seconds, seed=seed, streams=streams
            )
            print(f"random: {kills} kills, {written:,} responses, each once")
    finally:
        shutil.rmtree(folder)
    return int(bool(failures))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="test exports after faults")
    parser.add_argument("--short", action="store_true", help="a part of both tests")
    parser.add_argument("--every", type=int, default=1, help="try one fault of so many")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    asked = parser.parse_args()
    print(f"seed {asked.seed}")
    sys.exit(run(short=asked.short, every=asked.every, seed=asked.seed))
