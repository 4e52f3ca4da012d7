"""How fast streams are put together: a log of chunks beside one of whole responses.

    make bench                                             # all of it, some minutes
    python tests/benchmarks/streams.py --megabytes 50      # smaller logs

The recorded streams are repeated with fresh ids, a chunk a line, 40 streams at a time;
so are the recorded responses. Both lie beside the checkout; without them nothing is
measured. A plain loop in Python joins the chunks of an id, and does nothing else. Each
reads in a process of its own, in turn, for several rounds; medians are of one run. A
figure counts only if no response is missing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from random import Random
from statistics import median

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
AT_A_TIME = 40
# Snippets of two APIs: as lines these are two streams, of which one has no id.
NOT_AS_LINES = 28


def recorded_streams() -> list[list[str]]:
    """Return the chunks of each recorded stream."""
    lines = (CORPUS / "chunks.jsonl").read_text(encoding="utf-8").splitlines()
    places = (CORPUS / "chunks.streams.jsonl").read_text(encoding="utf-8").splitlines()
    streams = []
    for place in map(json.loads, places):
        first = place["first_line"]
        streams.append(lines[first : first + place["chunks"]])
    texts = (CORPUS / "families" / "sse.jsonl").read_text(encoding="utf-8").splitlines()
    for text in map(json.loads, texts):
        events = [line[6:] for line in text.splitlines() if line.startswith("data: {")]
        streams.append(events)
    del streams[NOT_AS_LINES]
    return streams


def recorded_responses() -> list[list[str]]:
    """Return each recorded response, as a stream of one line."""
    lines = (CORPUS / "responses.jsonl").read_text(encoding="utf-8").splitlines()
    return [[line] for line in lines]


def with_id(line: str, name: str) -> str:
    """Return a line with another id, if it may have one."""
    value = json.loads(line)
    if any(value.get(key) for key in ("id", "choices", "usage")):
        value["id"] = name
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def repeated(streams: list[list[str]]) -> Iterator[Iterator[str]]:
    """Yield the streams again and again, each with an id that no other has."""
    for number in count():
        chunks = streams[number % len(streams)]
        yield iter([with_id(chunk, f"chatcmpl-{number}") for chunk in chunks])


def make_log(path: Path, streams: list[list[str]], size: int) -> int:
    """Write a log with streams mixed up to a size; return how many they are."""
    random = Random(7)
    more = repeated(streams)
    is_open = list(islice(more, AT_A_TIME))
    begun = len(is_open)
    with path.open("w", encoding="utf-8") as file:
        while is_open:
            place = random.randrange(len(is_open))
            line = next(is_open[place], None)
            if line is not None:
                file.write(line + "\n")
            elif file.tell() < size:
                is_open[place] = next(more)
                begun += 1
            else:
                del is_open[place]
    return begun


# Each returns the number of responses; a line that cannot be read was recorded as one.


def read_toolkit(path: str) -> int:
    import toolkit

    ledger = toolkit.load(path).ledger
    return int(
        ledger.select("responses", "duplicates", "rejected").sum().sum_horizontal()[0]
    )


def join_chunks(path: str) -> int:
    texts: dict[str, list[str]] = {}
    usages: dict[str, dict[str, object]] = {}
    with Path(path).open(encoding="utf-8") as file:
        for chunk in map(json.loads, file):
            if not any(chunk.get(key) for key in ("id", "choices", "usage")):
                continue
            found = texts.setdefault(chunk["id"], [])
            for choice in chunk.get("choices") or ():
                found.append((choice.get("delta") or {}).get("content") or "")
            if chunk.get("usage"):
                usages[chunk["id"]] = chunk["usage"]
    return len({name: "".join(text) for name, text in texts.items()})


READERS: dict[str, Callable[[str], int]] = {
    "toolkit": read_toolkit,
    "loop": join_chunks,
}
WORKS = {
    "chunks": ("toolkit", recorded_streams),
    "chunks, a loop": ("loop", recorded_streams),
    "responses": ("toolkit", recorded_responses),
}


def run_reader(name: str, path: str) -> None:
    """Read a log, after a small one has loaded all modules, and print the figures."""
    import warnings

    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm.jsonl"
        make_log(warm, recorded_streams(), 100_000)
        READERS[name](str(warm))
    wall, cpu = time.perf_counter(), time.process_time()
    responses = READERS[name](path)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(json.dumps({"rows": responses, "wall": wall, "cpu": cpu, "peak": peak}))


def measure(reader: str, path: Path) -> dict[str, float]:
    """Read a log once in a process of its own."""
    command = [sys.executable, __file__, "--reader", reader, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reader", choices=READERS)
    parser.add_argument("path", nargs="?")
    given = parser.parse_args()
    if given.reader:
        run_reader(given.reader, given.path)
        return
    if not CORPUS.is_dir():
        print("the recorded streams are not beside this checkout")
        return
    print(f"{'work':16}{'MB':>6}{'MB/s':>7}{'MB/CPU s':>10}{'peak MB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        logs = {}
        for make in {make for _, make in WORKS.values()}:
            path = Path(folder) / f"{make.__name__}.jsonl"
            logs[make] = path, make_log(path, make(), given.megabytes * 10**6)
        took: dict[str, list[dict[str, float]]] = {work: [] for work in WORKS}
        for _ in range(given.rounds):
            for work, (reader, make) in WORKS.items():
                took[work].append(measure(reader, logs[make][0]))
        for work, (_, make) in WORKS.items():
            path, responses = logs[make]
            size = path.stat().st_size / 1e6
            wall, cpu, peak = (
                median(one[name] for one in took[work])
                for name in ("wall", "cpu", "peak")
            )
            right = all(one["rows"] == responses for one in took[work])
            print(
                f"{work:16}{size:6,.0f}{size / wall:7,.0f}{size / cpu:10,.0f}"
                f"{peak:9,.0f}" + ("" if right else "  WRONG RESULT")
            )


if __name__ == "__main__":
    main()
