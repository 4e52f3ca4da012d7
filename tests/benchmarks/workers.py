"""How much faster two workers of a Dask cluster export a log than one does.

    python -m tests.benchmarks.workers                     # some minutes
    python -m tests.benchmarks.workers --megabytes 2000    # a larger log

Each worker is a process with one thread. One and two take turns, in clusters that are
up and warm; medians and their ratio are of one run. A figure counts only if the rows
and the sum of the tokens are right.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

# Before polars is imported, here and in the workers: one thread each.
os.environ["POLARS_MAX_THREADS"] = "1"

from distributed import Client, LocalCluster

import toolkit
from tests.benchmarks.logs import write_log


def warm_up() -> None:
    """Import in a worker what an export needs."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        log.write_text('{"id": "a", "choices": [{"message": {}}]}\n')
        toolkit.export(log, to=Path(folder) / "out")


def export(log: Path, client: Client) -> tuple[float, int, int]:
    """Export a log by the workers of a cluster: seconds, rows, and tokens."""
    with tempfile.TemporaryDirectory(dir=log.parent) as folder:
        start = time.perf_counter()
        done = toolkit.export(log, to=folder, executor=client.get_executor())
        seconds = time.perf_counter() - start
    sums = (done.ledger[name].sum() for name in ("choices", "total_tokens"))
    return (seconds, *sums)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    took: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        right = write_log("realistic", log, given.megabytes * 10**6)
        for _ in range(given.rounds):
            for workers, seconds in took.items():
                with (
                    LocalCluster(
                        n_workers=workers, threads_per_worker=1, dashboard_address=None
                    ) as cluster,
                    Client(cluster) as client,
                ):
                    client.run(warm_up)
                    second, *sums = export(log, client)
                if sums != [right.choices, right.tokens]:
                    raise SystemExit("WRONG RESULT")
                seconds.append(second)
        size = log.stat().st_size / 1e6
    for workers, seconds in took.items():
        took_one = median(took[1]) / median(seconds)
        print(
            f"{workers} worker{'s' * (workers > 1)}: {median(seconds):.1f} s, "
            f"{size / median(seconds):.0f} MB/s, {took_one:.2f} times one"
        )


if __name__ == "__main__":
    main()
