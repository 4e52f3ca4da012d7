"""Long lines, bombs and large logs: what is kept, and how much memory is taken.

Each log is read by a program of its own, which says the most memory that it took.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.zstd_frames import zstd
from toolkit.reading.options import MAX_LINE_BYTES
from toolkit.testing import make_response

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024
GIB = 1024 * MIB
CHECKSUM = zstd.CompressionParameter.checksum_flag
LEVEL = zstd.CompressionParameter.compression_level

pytestmark = pytest.mark.needs("resource")

PRELUDE = """
import hashlib, json, re, resource, sys, tempfile, warnings
from pathlib import Path
import toolkit

warnings.simplefilter("ignore")
path = sys.argv[1]


def most_memory():
    # What getrusage says of a program begins with the memory of its parent.
    try:
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) * 1024
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def report(**facts):
    print(json.dumps({**facts, "memory": most_memory()}))

"""
LOAD = """
log = toolkit.load(path)
rejects = log.rejects.select(["line", "offset", "length", "code"]).to_dicts()
raw = [value if value is None else len(value) for value in
       log.rejects["raw"].to_list()]
report(ledger=log.ledger.to_dicts()[0], rejects=rejects, raw=raw,
     lines=log.choices.column("line").to_pylist())
"""
BATCHES = """
rows = rejects = 0
for batch in toolkit.batches(path):
    rows, rejects = rows + len(batch.choices), rejects + len(batch.rejects)
report(rows=rows, rejects=rejects)
"""
# An export collects rows up to these sizes before it writes them.
SMALL_TABLES = """
from toolkit.exports import parts
from toolkit.reading import batching

parts._BUFFER_BYTES = batching._BYTES_PER_TABLE = 4 * 1024 * 1024
parts._ROW_GROUP_BYTES = parts._LAST_BYTES = 1024 * 1024
"""
EXPORT = """
with tempfile.TemporaryDirectory(dir=Path(path).parent) as to:
    ledger = toolkit.export(path, to=to).ledger
report(rows=ledger["choices"].sum(), rejects=ledger["rejected"].sum())
"""


def run(program: str, path: Path) -> dict[str, Any]:
    """Run a program on a log; return what it tells, with the most memory it took."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program, str(path)],
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr.decode()
    result: dict[str, Any] = json.loads(done.stdout)
    return result


# --- Long lines ----------------------------------------------------------------------

SHORT = b'{"choices":[{"message":{"content":"after"}}]}'


def padded_with_spaces(size: int) -> bytes:
    """Write a response of a size that is white space for the most part."""
    head, tail = b'{"choices":[{}]', b"}"
    return head + b" " * (size - len(head + tail)) + tail


def padded_in_a_string(size: int) -> bytes:
    """Write a response of a size that is content for the most part."""
    head, tail = b'{"choices":[{"message":{"content":"', b'"}}]}'
    return head + b"x" * (size - len(head + tail)) + tail


PADDINGS = [padded_with_spaces, padded_in_a_string]


@pytest.mark.parametrize("pad", PADDINGS)
def test_a_line_of_64_mib_is_not_too_long(
    tmp_path: Path, pad: Callable[[int], bytes]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(SHORT + b"\n" + pad(64 * MIB) + b"\r\n" + SHORT + b"\n")

    result = run(LOAD, path)

    assert MAX_LINE_BYTES == 64 * MIB
    assert (result["lines"], result["rejects"]) == ([1, 2, 3], [])


@pytest.mark.parametrize("pad", PADDINGS)
def test_one_byte_more_is_a_reject_of_exact_length_without_bytes(
    tmp_path: Path, pad: Callable[[int], bytes]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(SHORT + b"\n" + pad(64 * MIB + 1) + b"\r\n" + SHORT + b"\n")

    result = run(LOAD, path)

    assert result["lines"] == [1, 3]
    assert result["rejects"] == [
        {
            "line": 2,
            "offset": len(SHORT) + 1,
            "length": 64 * MIB + 1,
            "code": "line_too_long",
        }
    ]
    assert result["raw"] == [None]
    assert result["ledger"]["bytes"] == path.stat().st_size
    assert result["memory"] < 512 * MIB


HASHES = {
    "load": """
log = toolkit.load(path)
texts = log.choices.column("content").to_pylist()
""",
    "batches": """
texts = [text for batch in toolkit.batches(path)
         for text in batch.choices.column("content").to_pylist()]
""",
    "export": """
with tempfile.TemporaryDirectory(dir=Path(path).parent) as to:
    toolkit.export(path, to=to)
    rows = toolkit.scan(to).sort("line").collect()
texts = rows["content"].to_list()
""",
}
TELL_HASHES = """
report(hashes=[hashlib.sha256(text.encode()).hexdigest() for text in texts])
"""


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Write a log whose second line has 40 MB of content; return its hash, too."""
    piece = 'Grüße, "日本" \\ 🌻\n\t\u2028 and \x7f; '
    content = piece * (40_000_000 // len(piece.encode()))
    path = tmp_path_factory.mktemp("long") / "a.jsonl"
    line = make_response(
        choices=[{"message": {"role": "assistant", "content": content}}]
    )
    with path.open("wb") as file:
        file.write(SHORT + b"\n")
        file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        file.write(SHORT + b"\n")
    return path, hashlib.sha256(content.encode()).hexdigest()


@pytest.mark.parametrize("way", HASHES)
def test_a_content_of_40_mb_is_kept_to_the_last_byte(
    long: tuple[Path, str], way: str
) -> None:
    path, expected = long
    after = hashlib.sha256(b"after").hexdigest()

    result = run(HASHES[way] + TELL_HASHES, path)

    assert result["hashes"] == [after, expected, after]


# --- Bombs ---------------------------------------------------------------------------


def gzip_of(piece: bytes, times: int, path: Path) -> Path:
    """Write one gzip member that holds a piece again and again."""
    packer = zlib.compressobj(1, wbits=31)
    with path.open("wb") as file:
        for _ in range(times):
            file.write(packer.compress(piece))
        file.write(packer.flush())
    return path


def zstd_of(piece: bytes, times: int, path: Path) -> Path:
    """Write one zstd frame that holds a piece again and again."""
    packer = zstd.ZstdCompressor(options={CHECKSUM: 1, LEVEL: 1})
    with path.open("wb") as file:
        for _ in range(times):
            file.write(packer.compress(piece))
        file.write(packer.flush())
    return path


@pytest.mark.parametrize(
    ("pack", "size"), [(gzip_of, GIB // 2), (zstd_of, GIB)], ids=["gzip", "zstd"]
)
def test_a_bomb_of_one_line_is_one_reject_in_little_memory(
    tmp_path: Path, pack: Callable[[bytes, int, Path], Path], size: int
) -> None:
    bomb = pack(b"x" * MIB, size // MIB, tmp_path / "a.jsonl")

    result = run(LOAD, bomb)

    assert result["rejects"] == [
        {"line": 1, "offset": 0, "length": size, "code": "line_too_long"}
    ]
    assert result["raw"] == [None]
    assert result["ledger"]["bytes"] == size
    assert result["memory"] < GIB // 4


def test_a_bomb_of_nul_bytes_is_one_blank_line_in_little_memory(
    tmp_path: Path,
) -> None:
    bomb = gzip_of(bytes(MIB), 512, tmp_path / "a.jsonl")

    result = run(LOAD, bomb)

    assert result["ledger"]["lines"] == result["ledger"]["blank"] == 1
    assert result["ledger"]["bytes"] == 512 * MIB
    assert result["memory"] < 384 * MIB


@pytest.mark.parametrize(
    ("end", "times"), [(b"\n", 128), (b"\r\n", 64), (b" \t\n", 24)]
)
def test_a_bomb_of_line_ends_is_blank_lines_in_little_memory(
    tmp_path: Path, end: bytes, times: int
) -> None:
    lines = MIB // len(end)
    bomb = gzip_of(end * lines, times, tmp_path / "a.jsonl.gz")

    result = run(LOAD, bomb)

    assert result["ledger"]["blank"] == result["ledger"]["lines"] == lines * times
    assert result["memory"] < 384 * MIB


def test_a_bomb_of_choices_is_one_reject_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"choices":[' + b"{}," * (6 * MIB // 3) + b"{}]}\n")

    result = run(BATCHES, path)

    # Each of its choices would be a row that repeats the facts of the response.
    assert (result["rows"], result["rejects"]) == (0, 1)
    assert result["memory"] < GIB


# --- Large logs ----------------------------------------------------------------------


def write_log(path: Path, size: int, *, is_good: bool) -> Path:
    """Write lines of 32 KB up to a size; each differs from all others."""
    total: object = 15 if is_good else "15"
    noise = b"".join(hashlib.sha256(b"%d" % n).digest() for n in range(500)).hex()
    response = make_response(
        id="id-NUMBER",
        created=1_767_225_600,
        choices=[{"message": {"content": "NOISE"}}],
        usage={"total_tokens": total},
    )
    begin, end = json.dumps(response).split("NOISE")
    number = 0
    with path.open("wb") as file:
        while file.tell() < size:
            cut = number * 7919 % len(noise)
            numbered = begin.replace("NUMBER", str(number))
            numbered = numbered.replace("1767225600", str(1_767_225_600 + number))
            file.write(f"{numbered}{noise[cut:]}{noise[:cut]}{end}\n".encode())
            number += 1
    return path


@pytest.mark.parametrize("is_good", [True, False], ids=["good", "bad"])
@pytest.mark.parametrize(
    ("program", "size"),
    [(BATCHES, 300_000_000), (SMALL_TABLES + EXPORT, 500_000_000)],
    ids=["batches", "export"],
)
def test_a_large_log_takes_less_memory_than_its_size(
    tmp_path: Path, program: str, size: int, is_good: bool
) -> None:
    # tests/benchmarks/memory.py compares 1 GB with 10 GB.
    path = write_log(tmp_path / "a.jsonl", size, is_good=is_good)

    result = run(program, path)

    # A line has 32,000 characters of content.
    assert result["rows" if is_good else "rejects"] > size / 33_000
    assert result["rejects" if is_good else "rows"] == 0
    # Importing alone takes 140 to 200 MB, by the version of Python.
    assert result["memory"] < size
