"""How long a log of one line takes, in directories of many: the same in each.

    python tests/benchmarks/tiny_files.py                  # 1,000, 10,000, 100,000
    python tests/benchmarks/tiny_files.py 500 5000

Writes the logs into a temporary directory (TMPDIR says where), a thousand to a folder,
and prints seconds for each file, of finding them and of loading them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import toolkit
from toolkit.reading.discovery import find_logs
from toolkit.testing import make_response


def write_logs(folder: Path, count: int) -> None:
    """Write logs of one line."""
    for number in range(count):
        path = folder / f"{number // 1000:04d}" / f"{number:06d}.jsonl"
        path.parent.mkdir(exist_ok=True)
        line = json.dumps(make_response(id=f"id-{number}"))
        path.write_text(line + "\n", encoding="utf-8")


def main(counts: list[int]) -> None:
    """Measure every count."""
    print("  files  find, us/file  load, us/file  chunks")
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_logs(folder, count)
            started = time.perf_counter()
            find_logs(folder)
            found = time.perf_counter()
            log = toolkit.load(folder)
            loaded = time.perf_counter()
        if log.choices.num_rows != count:
            sys.exit(f"{log.choices.num_rows} rows of {count} files")
        print(
            f"{count:>7,}  {(found - started) / count * 1e6:>13.1f}"
            f"  {(loaded - found) / count * 1e6:>13.1f}"
            f"  {log.choices.column(0).num_chunks:>6}"
        )


if __name__ == "__main__":
    toolkit.load("/dev/null")  # what is imported late
    main([int(count) for count in sys.argv[1:]] or [1000, 10_000, 100_000])
