"""A run that workers share is the run of one process, row for row."""

from __future__ import annotations

import gzip
import json
import logging
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import dask
import distributed
import polars as pl
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

import toolkit
from tests.conftest import skip_without
from tests.support.zstd_frames import zstd_frame
from toolkit import errors
from toolkit.errors import DamagedLogError, LogChangedError, OptionError
from toolkit.exports import distributed as sharing
from toolkit.exports import parts, repeats, worker
from toolkit.reading import object_store
from toolkit.reading.manifest import list_part_files
from toolkit.testing import make_response, write_sample

KEY = ["log_id", "line", "choice_position"]
SHARE = 256 * 1024


@pytest.fixture(autouse=True)
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut logs of a megabyte as others are cut of a gigabyte."""
    monkeypatch.setattr(sharing, "_SHARE_BYTES", SHARE)


def line(name: str, day: int = 1, **fields: Any) -> bytes:
    created = int(datetime(2026, 11, day, 12, tzinfo=UTC).timestamp())
    made = make_response(id=name, created=created, **fields)
    return json.dumps(made).encode() + b"\n"


def sample(folder: Path, lines: int, seed: int) -> bytes:
    path = folder / f"{seed}.tmp"
    write_sample(path, lines, seed=seed, days=6)
    data = path.read_bytes()
    path.unlink()
    return data


def half(folder: Path, lines: int, seed: int) -> bytes:
    """Return half as many lines as asked for: they are long."""
    return sample(folder, lines // 2, seed)


def lean(_folder: Path, count: int, seed: int) -> bytes:
    """Return lines of three days: each more is a part more of each share."""
    fault = b'{"error": {"message": "overloaded"}}\nno JSON\n'
    return b"".join(
        line(f"{seed}-{n}", n % 3 + 1, padding="x" * 700, metadata={"team": n % 4})
        + fault * (n % 50 == 0)
        for n in range(count)
    )


Lines = Callable[[Path, int, int], bytes]


def write_logs(folder: Path, sample: Lines = sample) -> Path:
    """Write logs of every form, with repeats near and far and faults of every kind."""
    folder.mkdir()
    logs = folder / "logs"
    logs.mkdir()
    big = sample(folder, 1500, 1)
    middle = big[: big.index(b"\n", 20_000) + 1]
    (logs / "a-big.jsonl").write_bytes(b"\xef\xbb\xbf" + big + middle + b'{"id": "to')
    (logs / "b-copy.jsonl").write_bytes(middle * 2 + b'{"no": 1}\r\n\n')
    packed = sample(folder, 300, 2)
    (logs / "c.jsonl.gz").write_bytes(gzip.compress(packed) + gzip.compress(middle))
    (logs / "d.jsonl.zst").write_bytes(zstd_frame(packed + b'{"id": "torn'))
    for number in range(20):
        (logs / f"e{number:02}.jsonl").write_bytes(
            line(f"small {number}", number // 5 + 1)
        )
    (logs / "f-empty.jsonl").write_bytes(b"")
    (logs / "g-array.jsonl").write_bytes(b'[{"a": 1}]\n')
    for path in logs.iterdir():  # nothing of it was written a moment ago
        os.utime(path, (1_800_000_000, 1_800_000_000))
    return logs


def grow(logs: Path, sample: Lines = sample) -> None:
    """Go on with some of the logs."""
    with (logs / "a-big.jsonl").open("ab") as file:
        file.write(b'rn", "choices": []}\n' + line("new", 3) + sample(logs, 1200, 3))
    with (logs / "e03.jsonl").open("ab") as file:
        file.write(line("small 7", 2) + line("more", 9))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return write_logs(tmp_path / "source", lean)


@pytest.fixture
def quirks(tmp_path: Path) -> Path:
    """Write logs with every quirk of real ones."""
    return write_logs(tmp_path / "source", half)


def state_of(out: Path | str) -> dict[str, Any]:
    """Return what an export knows; whether a file had rested depends on the clock."""
    name = f"{out}/state.json"
    data = (
        object_store.read_object(name)[0]
        if object_store.is_uri(name)
        else Path(name).read_bytes()
    )
    state = json.loads(data)
    for log in state["logs"]:
        log["rested"] = None
    state["run"] = None
    state["open"] = bool(state["open"])  # its name has that of the run
    return dict(state)


def assert_same(shared: Path | str, alone: Path | str) -> None:
    """Compare two exports: rows, rejects, ledger, dates, marks."""
    rows = [toolkit.scan(out).sort(KEY).collect() for out in (shared, alone)]
    assert rows[0].equals(rows[1], null_equal=True)
    kinds = ["log_id", "line", "code"]
    rejects = [
        pl.DataFrame(toolkit.rejects(out)).sort(kinds) for out in (shared, alone)
    ]
    assert rejects[0].equals(rejects[1], null_equal=True)
    assert state_of(shared) == state_of(alone)
    days = [
        {path.split("/")[-2] for path in list_part_files(str(out), "choices")}
        for out in (shared, alone)
    ]
    assert days[0] == days[1]
    assert toolkit.verify(shared).faults == []
    if not object_store.is_uri(str(shared)):
        assert not (Path(shared) / ".staging").exists()


# One process, many threads or processes.


def test_a_run_with_threads_writes_the_same_as_one_without(
    quirks: Path, tmp_path: Path
) -> None:
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    read: list[int] = []

    with ThreadPoolExecutor(3) as executor:
        one = toolkit.export(quirks, to=alone)
        many = toolkit.export(
            quirks, to=shared, executor=executor, progress=read.append
        )
        assert_same(shared, alone)
        assert many.ledger.equals(one.ledger)
        assert many.added.equals(one.added)
        assert many.rejects == one.rejects
        assert sum(read) == sum(path.stat().st_size for path in quirks.iterdir())
        # A later run may be of either kind.
        grow(quirks, half)
        toolkit.export(quirks, to=alone)
        toolkit.export(quirks, to=shared, executor=executor)
        assert_same(shared, alone)

    grow(quirks, half)
    toolkit.export(quirks, to=alone)
    toolkit.export(quirks, to=shared)
    assert_same(shared, alone)


@pytest.mark.parametrize(
    "options",
    [
        {"duplicates": "keep"},
        {"content": "drop", "tags": {"team": "metadata.team"}},
        {"since": "2026-11-03", "until": "2026-11-09"},
        {"max_line_bytes": 700},
        {"on_damage": "collect"},
    ],
    ids=str,
)
def test_workers_apply_the_options_of_the_run(
    logs: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    shared, alone = tmp_path / "shared", tmp_path / "alone"

    with ThreadPoolExecutor(2) as executor:
        toolkit.export(logs, to=shared, executor=executor, **options)
    toolkit.export(logs, to=alone, **options)

    assert_same(shared, alone)


def test_large_logs_are_cut_and_small_ones_are_grouped(logs: Path) -> None:
    seen: list[tuple[Callable[..., Any], Any]] = []

    class Noting(ThreadPoolExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            seen.append((fn, args))
            return super().submit(fn, *args, **kwargs)

    with Noting(2) as executor:
        toolkit.export(logs, to=logs.parent / "out", executor=executor)

    shares = [
        [(Path(s.source.path).name, s.offset, s.end) for s in args[1]]
        for fn, args in seen
        if fn is worker.write_ranges
    ]
    big = [place for share in shares for place in share if place[0] == "a-big.jsonl"]
    assert len(big) >= 4
    assert [end for _, _, end in big[:-1]] == [start for _, start, _ in big[1:]]
    assert big[-1][2] is None
    assert max(map(len, shares)) > 20
    dropped = [args for fn, args in seen if fn is repeats.drop_repeats]
    assert dropped  # what repeats was in another share


def test_workers_rewrite_an_export(logs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with ThreadPoolExecutor(2) as executor:
        toolkit.export(logs, to=out, content="drop", executor=executor)
        toolkit.export(logs, to=out, rewrite=True, executor=executor)
    toolkit.export(logs, to=tmp_path / "alone")

    assert (
        toolkit.scan(out)
        .sort(KEY)
        .collect()
        .equals(toolkit.scan(tmp_path / "alone").sort(KEY).collect())
    )


@pytest.mark.needs("os.mkfifo")
def test_a_pipe_is_read_by_the_run_itself(logs: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    data = line("piped") + line("small 3", 1)
    shared = tmp_path / "shared"

    with ThreadPoolExecutor(2) as executor, ThreadPoolExecutor(1) as writer:
        written = writer.submit(pipe.write_bytes, data)
        done = toolkit.export([logs, pipe], to=shared, executor=executor)
        written.result()

    # The second of its lines is that of a log before it.
    assert done.ledger.row(-1, named=True)["responses"] == 1
    assert done.ledger.row(-1, named=True)["duplicates"] == 1


def test_processes_write_the_same_as_one_process(logs: Path, tmp_path: Path) -> None:
    shared, alone = tmp_path / "shared", tmp_path / "alone"

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        toolkit.export(logs, to=shared, executor=executor)
        toolkit.export(logs, to=alone)
        assert_same(shared, alone)
        # An error of a worker is the error of a run, with all its facts.
        packed = gzip.compress(sample(tmp_path, 50, 9))
        (logs / "h.jsonl.gz").write_bytes(packed[:-9])
        with pytest.raises(DamagedLogError) as failed:
            toolkit.export(logs, to=shared, executor=executor)
    with pytest.raises(DamagedLogError) as expected:
        toolkit.export(logs, to=alone)
    assert str(failed.value) == str(expected.value)
    assert vars(failed.value) == vars(expected.value)
    assert_same(shared, alone)


def test_one_file_is_not_written_by_workers(logs: Path, tmp_path: Path) -> None:
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(OptionError, match="executor"),
    ):
        toolkit.export(logs, to=tmp_path / "one.parquet", executor=executor)


def test_every_error_is_the_same_after_pickling() -> None:
    cause = OSError(28, "No space left on device")
    made = [
        errors.DamagedLogError("a.gz", byte=1, verified=2, lines=3, fault="is cut"),
        errors.UnreadableSourceError("a.jsonl", cause=cause),
        errors.WriteError("out", cause=cause),
        errors.SourceNotFoundError("a.jsonl"),
        errors.LogChangedError("a.jsonl"),
        errors.OptionError("since", "x", expected="a date"),
    ]
    for error in made:
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)
        assert getattr(again, "errno", None) == getattr(error, "errno", None)


# Logs that change between their cutting and their reading.


class Meddling(ThreadPoolExecutor):
    """Does something before the first share is written."""

    def __init__(self, deed: Callable[[], object]) -> None:
        super().__init__(1)
        self.deed: Callable[[], object] | None = deed

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn is worker.write_ranges and self.deed is not None:
            self.deed()
            self.deed = None
        return super().submit(fn, *args, **kwargs)


def rewritten(data: bytes) -> bytes:
    """Return other lines of the same length in all."""
    return data.replace(b"\n", b" ", 5)


@pytest.mark.parametrize("deed", ["cut", "rewritten", "rotated"])
def test_a_log_that_changes_between_cutting_and_reading_commits_nothing(
    logs: Path, tmp_path: Path, deed: str
) -> None:
    big, out = logs / "a-big.jsonl", tmp_path / "out"
    data = big.read_bytes()
    deeds: dict[str, Callable[[], object]] = {
        "cut": lambda: os.truncate(big, SHARE),
        "rewritten": lambda: big.write_bytes(rewritten(data)),
        "rotated": lambda: big.rename(logs / "a-big.jsonl.1") and big.write_bytes(data),
    }

    with (
        Meddling(deeds[deed]) as executor,
        pytest.raises(LogChangedError, match="a-big"),
    ):
        toolkit.export(logs, to=out, executor=executor)

    assert not (out / "state.json").exists()
    assert not (out / ".staging").exists()
    toolkit.export(logs, to=out)
    toolkit.export(logs, to=tmp_path / "alone")
    assert toolkit.scan(out).collect().height == (
        toolkit.scan(tmp_path / "alone").collect().height
    )


def test_a_log_that_grows_while_it_is_cut_loses_nothing(
    logs: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"

    with Meddling(lambda: grow(logs)) as executor:
        toolkit.export(logs, to=shared, executor=executor)
        toolkit.export(logs, to=shared, executor=executor)
    toolkit.export(logs, to=tmp_path / "alone")

    ours, theirs = (
        toolkit.scan(out).sort("source", "line", "choice_position").collect()
        for out in (shared, tmp_path / "alone")
    )
    assert ours["response_id"].equals(theirs["response_id"])
    assert ours.drop("log_id").equals(theirs.drop("log_id"), null_equal=True)


def test_a_log_that_was_read_without_its_last_line_end_is_not_cut(
    tmp_path: Path,
) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(line("first").rstrip(b"\n"))
    toolkit.export(log, to=tmp_path / "shared")
    toolkit.export(log, to=tmp_path / "alone")
    with log.open("ab") as file:
        file.write(b" \n" + sample(tmp_path, 1500, 4))

    with ThreadPoolExecutor(2) as executor:
        toolkit.export(log, to=tmp_path / "shared", executor=executor)
    toolkit.export(log, to=tmp_path / "alone")

    assert_same(tmp_path / "shared", tmp_path / "alone")


@pytest.mark.parametrize(
    ("long", "last"),
    [
        pytest.param(b"", b'{"id": "' + b"y" * 3 * SHARE, id="unfinished"),
        pytest.param(line("long", padding="x" * 3 * SHARE), b"", id="in the middle"),
        pytest.param(b"", line("long", padding="x" * 3 * SHARE), id="at the end"),
    ],
)
def test_a_log_with_a_line_longer_than_a_share_is_cut_only_at_line_ends(
    tmp_path: Path, long: bytes, last: bytes
) -> None:
    log = tmp_path / "a.jsonl"
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    log.write_bytes(lean(tmp_path, 500, 1) + long + lean(tmp_path, 500, 2) + last)

    with ThreadPoolExecutor(2) as executor:
        toolkit.export(log, to=shared, executor=executor)
        toolkit.export(log, to=alone)
        assert_same(shared, alone)
        with log.open("ab") as file:
            file.write(b'"}\n' + line("new"))
        toolkit.export(log, to=shared, executor=executor)
    toolkit.export(log, to=alone)
    assert_same(shared, alone)


def test_a_log_with_a_line_longer_than_a_read_is_cut_only_at_line_ends(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "READ_BYTES", 100)
    with ThreadPoolExecutor(2) as executor:
        toolkit.export(logs, to=tmp_path / "shared", executor=executor)
    toolkit.export(logs, to=tmp_path / "alone")

    assert_same(tmp_path / "shared", tmp_path / "alone")


# A cluster, and a store.


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadedMotoServer]:
    """Run a store, to which the environment leads."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "tester")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        object_store._store.cache_clear()
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].create_bucket("logs", "us-east-1")
        yield server
        object_store._store.cache_clear()
    server.stop()
    server._server.server_close()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def cluster(server: ThreadedMotoServer) -> Iterator[distributed.Client]:
    """Run two workers, each a process of its own with one thread."""
    assert server is not None
    # On a busy machine a worker that starts again takes longer than the default.
    patience = {"distributed.comm.timeouts.connect": "10 minutes"}
    with (
        dask.config.set(patience),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as workers,
        distributed.Client(workers) as client,
    ):
        yield client


def die_while_writing(flag: str, deed: Callable[..., Any], *arguments: Any) -> Any:
    """Do a deed of a worker; the first one is killed where it closes a part."""

    def die(_writer: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        pass
    else:
        parts.PartWriter.close = die  # type: ignore[method-assign]
    return deed(*arguments)


class Killing(Executor):
    """Has the worker die that is first to do a certain deed."""

    def __init__(self, client: distributed.Client, deed: Any, flag: Path) -> None:
        skip_without("signal.SIGKILL")
        self.executor = client.get_executor()
        self.deed, self.flag = deed, flag

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if fn is self.deed:
            return self.executor.submit(die_while_writing, str(self.flag), fn, *args)
        return self.executor.submit(fn, *args, **kwargs)


@pytest.mark.parametrize("deed", [worker.write_ranges, repeats.drop_repeats])
def test_a_worker_of_a_cluster_may_be_killed(
    cluster: distributed.Client, logs: Path, tmp_path: Path, deed: Any
) -> None:
    shared, alone, flag = tmp_path / "shared", tmp_path / "alone", tmp_path / "flag"
    workers = set(cluster.run(os.getpid).values())

    toolkit.export(logs, to=shared, executor=Killing(cluster, deed, flag))

    assert flag.exists()
    cluster.wait_for_workers(2)
    assert set(cluster.run(os.getpid).values()) != workers
    toolkit.export(logs, to=alone)
    assert_same(shared, alone)
    grow(logs, lean)
    toolkit.export(logs, to=shared, executor=cluster.get_executor())
    toolkit.export(logs, to=alone)
    assert_same(shared, alone)


def test_a_cluster_reads_and_writes_a_store(
    cluster: distributed.Client, logs: Path, tmp_path: Path
) -> None:
    for path in logs.iterdir():
        object_store.put_file(f"s3://logs/in/{path.name}", path)
    shared, alone, flag = "s3://logs/shared", "s3://logs/alone", tmp_path / "flag"

    executor = Killing(cluster, worker.write_ranges, flag)
    toolkit.export("s3://logs/in", to=shared, executor=executor)

    assert flag.exists()
    toolkit.export("s3://logs/in", to=alone)
    assert_same(shared, alone)
    assert object_store.list_objects(f"{shared}/.staging") == []
    grow(logs, lean)
    for name in ("a-big.jsonl", "e03.jsonl"):
        object_store.put_file(f"s3://logs/in/{name}", logs / name)
    toolkit.export("s3://logs/in", to=shared, executor=cluster.get_executor())
    toolkit.export("s3://logs/in", to=alone)
    assert_same(shared, alone)


def test_a_run_that_fails_leaves_nothing_in_a_store(
    server: ThreadedMotoServer, logs: Path
) -> None:
    assert server is not None
    (logs / "z.jsonl.gz").write_bytes(gzip.compress(line("z") * 50)[:-9])
    out = "s3://logs/failed"

    with (
        ThreadPoolExecutor(2) as executor,
        pytest.raises(DamagedLogError, match=r"z\."),
    ):
        toolkit.export(logs, to=out, executor=executor)

    assert object_store.list_objects(out) == []


def test_parts_of_a_killed_run_in_a_store_are_deleted_by_the_next_commit(
    server: ThreadedMotoServer, logs: Path
) -> None:
    assert server is not None
    out = "s3://logs/killed"
    left = f"{out}/.staging/1-0123abcd/a/choices/date=2026-11-01/0.parquet"
    object_store.put_bytes(left, b"PAR1", replaces=None)

    with ThreadPoolExecutor(2) as executor:
        toolkit.export(logs, to=out, executor=executor)

    assert object_store.list_objects(f"{out}/.staging") == []
    assert toolkit.verify(out).faults == []
