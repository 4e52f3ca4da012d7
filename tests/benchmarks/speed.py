"""The table of speeds: this package beside DuckDB and polars, as Markdown.

    make bench                                       # 5 GB of disk
    python -m tests.benchmarks.speed --quick         # small logs, some minutes
    python -m tests.benchmarks.speed start load      # some of the works

Each run is a process of its own. The engines of a work take turns, for several rounds;
medians and ratios are of one run. One more run of each, which does not count, comes
first: so the log is in the cache, and all modules are compiled. A result that is not
right is printed as WRONG, and does not count. Logs are made once, in out/benchmarks.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from math import inf
from pathlib import Path
from statistics import median

from tests.benchmarks.logs import CORPUS, ROOT, Right

OUT = ROOT / "out" / "benchmarks"
QUOTE = "'"
HERE = Path(__file__).parent
TOOLKIT = str(Path(sys.executable).with_name("toolkit"))
RESPONSES = 10_000_000  # of the large export

# What a run takes.


@dataclass(frozen=True)
class Figures:
    """Seconds and megabytes of one run, or the medians of several."""

    wall: float
    cpu: float
    peak: float
    right: bool = True


def run(command: list[str], is_right: Callable[[str], bool]) -> Figures:
    """Run a program. If it has measured itself, its figures of time are taken."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=errors, cwd=ROOT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)}\n{errors.read()}")
        printed = out.read()
    cpu, peak = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    if printed.startswith('{"wall"'):
        own = json.loads(printed)
        wall, cpu = own["wall"], own["cpu"]
    return Figures(wall, cpu, peak, is_right(printed))


def medians(runs: list[Figures]) -> Figures:
    """Return the medians of several runs; right only if each was."""
    return Figures(
        median(one.wall for one in runs),
        median(one.cpu for one in runs),
        median(one.peak for one in runs),
        all(one.right for one in runs),
    )


# The inputs.


@dataclass(frozen=True)
class Log:
    """A log, and what it holds."""

    kind: str
    path: Path
    right: Right
    gigabytes: float  # before it is compressed

    def has_groups(self, printed: str) -> bool:
        """Return whether CSV has the right counts for each model and day.

        Our command writes a ' before a model that a spreadsheet takes for a formula.
        """
        rows = csv.DictReader(printed.strip().splitlines())
        found = {
            f"{row['period'][:10]} {row['model'].removeprefix(QUOTE)}": [
                int(row["responses"]),
                int(row["total_tokens"] or 0),
            ]
            for row in rows
        }
        return found == self.right.groups

    def has_sums(self, printed: str) -> bool:
        """Return whether the number of rows and the sum of the tokens are right.

        DuckDB repeats the tokens of a response for each of its choices.
        """
        found = json.loads(printed)
        sums = (self.right.tokens, self.right.choices_tokens)
        return found["rows"] == self.right.choices and found["tokens"] in sums


def make_log(kind: str, megabytes: int, suffix: str = ".jsonl") -> Log:
    """Return a log; make it if it is not there."""
    OUT.mkdir(parents=True, exist_ok=True)
    plain = OUT / f"{kind}-{megabytes}.jsonl"
    right, path = plain.with_suffix(".json"), plain.with_suffix(suffix)
    if not right.exists():
        module = [sys.executable, "-m", "tests.benchmarks.logs"]
        command = [*module, kind, str(plain), str(megabytes)]
        right.write_bytes(subprocess.check_output(command, cwd=ROOT))
    if not path.exists():
        with plain.open("rb") as file, gzip.open(path, "wb", 6) as to:
            shutil.copyfileobj(file, to, 1 << 20)
    size = plain.stat().st_size / 1e9
    return Log(kind, path, Right(**json.loads(right.read_text())), size)


def make_small_export() -> str:
    """Export the sample."""
    folder = str(OUT / "small")
    shutil.rmtree(folder, ignore_errors=True)
    command = [TOOLKIT, "export", "data/sample", "--to", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def make_large_export() -> str:
    """Return an export of ten million responses; make it if it is not there."""
    folder = OUT / "large"
    if not folder.exists():
        code = "from tests.benchmarks.metrics import *; write_export(Path('{}'), {})"
        code = code.format(folder, RESPONSES)
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    return str(folder)


# What is measured.


@dataclass(frozen=True)
class Work:
    """Something to do, and the programs that do it: ours first."""

    name: str
    programs: dict[str, list[str]]
    # Times an engine's speed; 0: no target.
    at_least: dict[str, float] = field(default_factory=dict)
    at_most: float = inf  # seconds
    megabytes: float = inf
    is_right: Callable[[str], bool] = lambda _: True


class Table:
    """Measure works, and print a row for each engine."""

    def __init__(self, rounds: int, *, is_quick: bool) -> None:
        self.rounds = rounds
        self.small, self.large = (20, 80) if is_quick else (377, 1_500)  # MB
        packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        print(
            f"{os.cpu_count()} cores {platform.machine()}, Python "
            f"{platform.python_version()}, {packages}; medians of {rounds} rounds\n"
        )
        print(ROW.format(*COLUMNS), ROW.format(*RULES), sep="\n")

    def measure(self, work: Work) -> dict[str, Figures]:
        """Measure a work, and print it."""
        took: dict[str, list[Figures]] = {engine: [] for engine in work.programs}
        for _ in range(self.rounds + 1):
            for engine, command in work.programs.items():
                took[engine].append(run(command, work.is_right))
        figures = {engine: medians(runs[1:]) for engine, runs in took.items()}
        self.show(work, figures)
        return figures

    def show(self, work: Work, figures: dict[str, Figures]) -> None:
        """Print a row for each engine."""
        ours = next(iter(figures.values()))
        for engine, one in figures.items():
            ratio = one.wall / ours.wall
            target, is_met = "", True
            if work.at_least.get(engine):
                target = f"{work.at_least[engine]} x {engine}"
                is_met = ratio >= work.at_least[engine]
            elif one is ours and work.at_most < inf:
                target = f"{work.at_most} s"
                is_met = one.wall <= work.at_most and one.peak <= work.megabytes
                if work.megabytes < inf:
                    target += f", {work.megabytes:,.0f} MB"
            verdict = ("yes" if is_met else "no") if target else ""
            print(
                ROW.format(
                    work.name, engine, f"{one.wall:.3f}", f"{one.cpu:.3f}",
                    f"{one.peak:,.0f}", f"{ratio:.2f}", f"{one.cpu / ours.cpu:.2f}",
                    target, verdict if one.right else "WRONG",
                ),
                flush=True,
            )  # fmt: skip


COLUMNS = (
    "work",
    "engine",
    "wall s",
    "CPU s",
    "MB",
    "ratio",
    "of CPU",
    "target",
    "met",
)
RULES = ("---",) * 2 + ("--:",) * 5 + ("---",) * 2
ROW = "| {:43} | {:9} | {:>7} | {:>7} | {:>6} | {:>5} | {:>6} | {:16} | {:5} |"
PACKAGES = ("duckdb", "polars", "pyarrow")


def query(table: Table) -> None:
    """Tokens by model and day from a raw log, as whole processes."""
    took = {}
    for kind, least in (("realistic", 1.5), ("mixed", 1.3)):
        for megabytes in (table.small, table.large):
            log = make_log(kind, megabytes)
            # polars cannot read recorded lines: times are text in some.
            engines = ("DuckDB", "polars") if kind == "realistic" else ("DuckDB",)
            is_first = kind == "realistic" and megabytes == table.small
            at_least = {"DuckDB": 1.0, "polars": 1.3} if is_first else {}
            took[megabytes] = (
                table.measure(
                    Work(
                        f"tokens of a log: {kind}, {megabytes} MB",
                        tokens(log, engines),
                        at_least=at_least,
                        is_right=log.has_groups,
                    )
                ),
                log.gigabytes,
            )
        (small, less), (large, more) = took.values()
        slope = {
            engine: Figures(
                (large[engine].wall - small[engine].wall) / (more - less),
                (large[engine].cpu - small[engine].cpu) / (more - less),
                large[engine].peak,
                small[engine].right and large[engine].right,
            )
            for engine in small
        }
        table.show(
            Work(f"tokens of a log: {kind}, each further GB", {}, {"DuckDB": least}),
            slope,
        )
    log = make_log("realistic", table.small, ".jsonl.gz")
    programs = tokens(log, ("DuckDB",))
    table.measure(
        Work(
            f"tokens of a log: gzip, {table.small} MB",
            programs,
            {"DuckDB": 1.6},
            is_right=log.has_groups,
        )
    )


def tokens(log: Log, engines: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the programs that print the tokens of a log by model and day."""
    path = str(log.path)
    command = [TOOLKIT, "tokens", path, "--every", "1d", "--csv"]
    scripts = {
        engine: [sys.executable, str(HERE / f"tokens_{engine.lower()}.py"), path]
        for engine in ("toolkit", *engines)
    }
    return {"toolkit": command, "a script": scripts.pop("toolkit"), **scripts}


def start(table: Table) -> None:
    """What a command takes however small its input is."""
    export = make_small_export()
    line = OUT / "line.jsonl"
    with make_log("realistic", table.small).path.open("rb") as file:
        line.write_bytes(file.readline())
    chart = str(OUT / "chart.png")
    for name, arguments, most in (
        ("tokens of a log of one line", ["tokens", str(line)], 0.45),
        ("tokens of a small export", ["tokens", export], 0.45),
        ("--version", ["--version"], 0.15),
        ("--help", ["--help"], 0.15),
        ("cost of a small export", ["cost", export], 0.7),
        ("plot of a small export", ["plot", "cost", export, "--to", chart], 1.0),
    ):
        table.measure(Work(name, {"toolkit": [TOOLKIT, *arguments]}, at_most=most))


def load(table: Table) -> None:
    """A log to an Arrow table."""
    for name, kind, suffix, least in (
        ("realistic", "realistic", ".jsonl", 1.25),
        ("mixed", "mixed", ".jsonl", 1.25),
        ("short", "short", ".jsonl", 1.5),
        ("gzip", "realistic", ".jsonl.gz", 1.8),
    ):
        log = make_log(kind, table.small, suffix)
        in_process(table, f"log to Arrow: {name}", "load", log, {"DuckDB": least})
    if CORPUS.is_dir():
        log = make_log("chunks", table.small // 4)
        in_process(table, "log to Arrow: chunks of streams", "load", log, {"loop": 0})


def export(table: Table) -> None:
    """A log to Parquet by date, compressed by zstd; ours is validated."""
    log = make_log("realistic", table.small, ".jsonl.gz")
    in_process(table, "gzip log to Parquet by date", "export", log, {"DuckDB": 1.3})


def in_process(
    table: Table, name: str, prefix: str, log: Log, at_least: dict[str, float]
) -> None:
    """Measure functions of engines.py on a log."""
    warm_up = str(make_log(log.kind, 1).path)
    programs = {
        engine: [*ENGINES, f"{prefix}_{engine.lower()}", str(log.path), warm_up]
        for engine in ("toolkit", *at_least)
    }
    table.measure(Work(name, programs, at_least, is_right=log.has_sums))


def report(table: Table) -> None:
    """The report on the sample."""
    to = str(OUT / "report.html")
    command = [TOOLKIT, "report", "data/sample", *LAST_MONTH, "--to", to]
    table.measure(Work("report on the sample", {"toolkit": command}, at_most=1.8))


def large(table: Table) -> None:
    """An export of 10 million responses."""
    folder, to = make_large_export(), str(OUT / "report.html")
    command = [TOOLKIT, "report", folder, *LAST_MONTH, "--to", to]
    table.measure(
        Work(
            "report on 10 million responses",
            {"toolkit": command},
            at_most=8.0,
            megabytes=1_500,
        )
    )
    programs = {
        engine: [*ENGINES, f"usage_{engine}", folder, folder]
        for engine in ("toolkit", "polars")
    }
    sums = set()

    def is_right(printed: str) -> bool:
        found = json.loads(printed)
        sums.add((found["rows"], found["tokens"]))
        return found["rows"] == RESPONSES and len(sums) == 1

    name = "token_usage of 10 million responses"
    # At most 1.1 times the time of the query by hand.
    table.measure(Work(name, programs, {"polars": 0.91}, is_right=is_right))


LAST_MONTH = ("--last", "month", "--now", "2026-11-09")
ENGINES = (sys.executable, "-m", "tests.benchmarks.engines")
GROUPS = {
    "query": query,
    "start": start,
    "load": load,
    "export": export,
    "report": report,
    "large": large,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small logs, two rounds")
    parser.add_argument("only", nargs="*", help=f"some of {', '.join(GROUPS)}")
    given = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    table = Table(2 if given.quick else given.rounds, is_quick=given.quick)
    for name in given.only or GROUPS:
        if name != "large" or not given.quick or given.only:
            GROUPS[name](table)
    print(
        "\nratio: wall time of an engine, divided by that of toolkit; of CPU: the same"
    )


if __name__ == "__main__":
    main()
