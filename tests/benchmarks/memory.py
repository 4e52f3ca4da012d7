"""How much memory large logs take: the same for 10 GB as for 1 GB.

    python tests/benchmarks/memory.py            # 1 GB and 10 GB: about 15 minutes
    python tests/benchmarks/memory.py 0.5 2      # other sizes, in GB

Writes logs of 100 KB lines into a temporary directory (TMPDIR says where), one at a
time, good ones and ones of which every line is bad, and prints the most memory that
reading each has taken. The largest log and its export need disk at the same time.
"""

from __future__ import annotations

import hashlib
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import toolkit
from toolkit.testing import make_response

LINE_BYTES = 100_000
WAYS = ("batches", "export", "check", "rejects")


def write_log(path: Path, size: float, *, is_good: bool) -> None:
    """Write a log; each line differs from all others."""
    noise = b"".join(
        hashlib.sha256(b"%d" % number).digest() for number in range(LINE_BYTES // 64)
    ).hex()
    number = 0
    with path.open("wb", buffering=4 * 1024 * 1024) as file:
        while file.tell() < size:
            cut = number * 7919 % len(noise)
            response = make_response(
                id=f"id-{number}",
                created=1_767_225_600 + number,
                choices=[{"message": {"content": noise[cut:] + noise[:cut]}}],
                usage={"total_tokens": 15 if is_good else "15"},
            )
            file.write(json.dumps(response).encode() + b"\n")
            number += 1


def read(way: str, path: Path) -> int:
    """Read a log; return how many lines it had."""
    if way == "batches":
        return sum(batch.lines for batch in toolkit.batches(path))
    if way == "check":
        return int(toolkit.check(path).ledger["lines"].sum())
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        if way == "export":
            return int(toolkit.export(path, to=folder).ledger["lines"].sum())
        return toolkit.write_rejects(path, Path(folder) / "rejects.jsonl").lines


def most_memory() -> int:
    """Return the most bytes of memory that this process has taken."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    found = re.search(r"VmHWM:\s+(\d+)", status)
    return int(found[1]) * 1024 if found else 0


def measure(way: str, path: Path) -> None:
    """Read a log in this process, and print a row."""
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    lines = read(way, path)
    seconds = time.perf_counter() - started
    print(f"{lines:>11,}  {seconds:>8.1f}  {most_memory() / 1e6:>9,.0f}")


def main(sizes: list[float]) -> None:
    """Measure every way for every size, each in a process of its own."""
    print("lines       GB  read by        lines   seconds  memory MB")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        for kind in ("good", "bad"):
            for size in sizes:
                write_log(path, size * 1e9, is_good=kind == "good")
                for way in WAYS:
                    print(f"{kind:<5} {size:>8g}  {way:<7}", end="", flush=True)
                    program = [sys.executable, __file__, "--read", way, str(path)]
                    subprocess.run(program, check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        measure(sys.argv[2], Path(sys.argv[3]))
    else:
        main([float(size) for size in sys.argv[1:]] or [1, 10])
