"""The kernel against the reference: the same rows, rejects and counts, to the byte.

The reference is tested against the definition of a line elsewhere. The values, the
plans and the longer run are in `tests.support.differential`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import toolkit
from tests.conftest import ROOT
from tests.reading.test_fuzz import FULL, mutated_lines
from tests.reading.test_json_lines import FILES, LONE, PAIRED, needs_suite
from tests.reading.test_values import BAD_AND_GOOD, BARE, PATHS, line_with
from tests.support.differential import (
    ASKED,
    BODY_SEEDS,
    BROKEN,
    NUMBERS,
    PLAIN,
    PLANS,
    RESPONSES,
    SAID,
    SEEDS,
    SOUND,
    VALUES,
    agreed,
    agreed_lines,
    any_number,
    attacked_lines,
    block_of,
    difference,
    joined,
    spread,
    wrapped,
)
from tests.support.oracle import CANDIDATES
from tests.support.paths import keys_of
from toolkit.reading import decoder as decoding
from toolkit.reading import json_values, ledger
from toolkit.reading.blocks import Plan, make_plan
from toolkit.reading.decoder import _Kernel
from toolkit.reading.dedup import Deduplicator, SeenKeys
from toolkit.reading.framing import Framer
from toolkit.reading.reference_decoder import REPEATED_BYTES
from toolkit.schema import CHOICES, Column, Table
from toolkit.schema.api import Api, ToolCalls, has, lacks
from toolkit.schema.apis import APIS
from toolkit.schema.paths import parse_path


def why_not() -> str:
    """Say why the kernel cannot be imported."""
    try:
        import_module("toolkit._kernel")
    except ImportError as error:
        return f"the kernel is not built: {error}"
    return ""


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())
SEED = 20261123
WITH_MESSAGE: dict[str, Any] = {"object": "o", "choices": [{"message": {}}]}
GOOD = json.dumps(PLAIN).encode()
SMALL = json.dumps(SAID).encode()
by_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)


def codes(decoded: toolkit.reading.blocks.Decoded) -> set[str]:
    """Return the codes of the rejects."""
    return set(decoded.rejects.column("code").to_pylist())


def holding(
    path: tuple[str, str], value: bytes, response: dict[str, Any] = WITH_MESSAGE
) -> bytes:
    """Write a response that holds any bytes at a path."""
    return line_with(*path, '"@"', response).replace(b'"@"', value)


# --- What was recorded, and the sample ------------------------------------------------


@by_plan
def test_recorded_lines_are_the_same_whole_and_cut_at_each_line(
    plan: Plan, corpus: Path
) -> None:
    for path in sorted(corpus.glob("*.jsonl")):
        whole = agreed(block_of(path.read_bytes(), tail=True), plan)
        lines = path.read_bytes().splitlines(keepends=True)
        assert whole.lines == len(lines)
    offset = 0
    for number, line in enumerate(lines, start=1):
        agreed(block_of(line, line=number, offset=offset, log_id=3), plan)
        offset += len(line)


def test_the_sample_is_the_same() -> None:
    data = (ROOT / "data" / "sample" / "chat.jsonl").read_bytes()[: 4 * 1024 * 1024]

    for name in ("default", "drop", "tags"):
        assert agreed(block_of(data), PLANS[name]).choices.num_rows > 1000


def test_loaded_tables_and_ledger_are_the_same_but_for_the_decoder_s_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(5):
        lines = attacked_lines(seed, 200)
        log = joined([*lines, *lines[::3]]) + lines[0]
        (tmp_path / f"{seed}.jsonl").write_bytes(log)

    def loaded(decoder: str, **options: Any) -> toolkit.Loaded:
        with monkeypatch.context() as patch:
            patch.setattr(ledger, "DECODER", decoder)
            if decoder == "reference":
                patch.setattr(decoding, "KERNEL", None)
            return toolkit.load(tmp_path, **options)

    for options in ({}, {"duplicates": "keep", "content": "drop"}):
        one, other = loaded("reference", **options), loaded("kernel", **options)
        assert set(one.ledger["decoder"]) == {"reference"}
        assert set(other.ledger["decoder"]) == {"kernel"}
        assert one.ledger.drop("decoder").equals(other.ledger.drop("decoder"))
        assert one.choices.num_rows > 100
        for table in ("choices", "rejects"):
            batches = [
                pa.table(getattr(log, table)).combine_chunks() for log in (one, other)
            ]
            assert batches[0].equals(batches[1], check_metadata=True)


def test_repeats_are_left_out_the_same() -> None:
    random = Random(SEED)
    pool = [
        json.dumps({"id": name, "object": "o", "choices": [{}] * count, "x": more})
        for name in (None, "", "a", "b")
        for count in range(4)
        for more in range(2)
    ]
    one, other = Deduplicator(SeenKeys()), Deduplicator()
    left_out = 0
    for _ in range(300):
        lines = [random.choice(pool).encode() for _ in range(random.randint(0, 9))]
        decoded = agreed_lines(lines)
        kept = one.drop_duplicates(decoded), other.drop_duplicates(decoded)
        assert difference(*kept) is None
        left_out += kept[1].duplicates
    assert left_out > 300


# --- Framing --------------------------------------------------------------------------

ENDS = (b"\n", b"\r\n", b" \t\r\r\n", b"\n \n\t\n\r\n\n")
HALVES = (
    *(b"", b" ", b"\r", b" \t\r", b"\t\n", b"12", b"[1]", b'"a"', b"true", b"nul"),
    b"{",
    *(b"{}", b"{} ", b'{"error":1}', b"\xff", b'{"a":"\xc3', b"[" * 512, b"[" * 513),
    *(SMALL, SMALL + b" ", SMALL + b"\r", SMALL[:-1], SMALL + b"}", SMALL * 2, GOOD),
    *(b" " * 200, b'{"choices":5}', b'{"a":"\\ud800"}', b"\0", b"\xef\xbb\xbf" + SMALL),
)


@pytest.mark.parametrize("longest", [1, len(SMALL) - 1, len(SMALL), 10**6])
def test_lines_and_tails_are_cut_counted_and_left_the_same(longest: int) -> None:
    plans = [
        make_plan(max_line_bytes=longest, leave_pending=leaves)
        for leaves in (False, True)
    ]
    blocks = {*HALVES}
    for end, half in product(ENDS, HALVES):
        blocks.add(SMALL + end + b"x" + end + end + GOOD + end + half)
    # What is before the last line end is the same in many of the blocks.
    whole_lines = {block[: block.rfind(b"\n") + 1] for block in blocks}
    for plan, growing in product(plans, (False, True)):
        for block in blocks:
            agreed(block_of(block, tail=True, growing=growing, offset=3), plan)
        for block in whole_lines:
            agreed(block_of(block, growing=growing, line=7), plan)


def test_a_log_may_end_at_each_of_its_bytes() -> None:
    data = joined([SMALL, b"", b"\xc3\xa9", SMALL + b"\r", b"[1]", SMALL])
    plan = make_plan(leave_pending=True, tags={"t": "id"})

    for size, growing in product(range(len(data) + 1), (False, True)):
        agreed(block_of(data[:size], tail=True, growing=growing), plan)


@pytest.mark.parametrize("tail", [False, True])
@pytest.mark.parametrize("growing", [False, True])
@pytest.mark.parametrize("leaves", [False, True])
def test_a_line_that_was_skipped_is_the_same(
    *, tail: bool, growing: bool, leaves: bool
) -> None:
    plan = make_plan(max_line_bytes=100, leave_pending=leaves)
    skipped = {"data": b"", "line": 9, "offset": 70, "skipped": 5000}

    agreed(block_of(**skipped, tail=tail, growing=growing, log_id=5), plan)


@pytest.mark.parametrize("block_bytes", [1, 300, 10**6])
@pytest.mark.parametrize("growing", [False, True])
def test_blocks_are_the_same_however_a_log_is_read(
    block_bytes: int, *, growing: bool
) -> None:
    plan = make_plan(max_line_bytes=300, leave_pending=True)
    random = Random(SEED)
    lines = [random.choice([*HALVES, b" " * 400, GOOD]) for _ in range(70)]
    data = b"\xef\xbb\xbf" + b"".join(line + random.choice(ENDS) for line in lines)
    for step, half in product((1, 299, 10**6), (b"", SMALL, b"{", b"[" * 400, GOOD)):
        framer = Framer(2, "made.jsonl", 300, block_bytes)
        framer.growing = growing
        log = data + half
        pieces = [log[at : at + step] for at in range(0, len(log), step)]
        accounted = sum(agreed(block, plan).bytes for block in framer.frame(pieces))
        assert accounted == len(log)


def test_a_mark_a_nul_or_another_document_in_a_line_is_the_same() -> None:
    pieces = (
        b"\xef\xbb\xbf",
        b"\0",
        b"{}",
        b" {}",
        b",",
        b"1",
        b"\x0c",
        b"\xc2\xa0",
        SMALL,
    )
    lines = [
        line
        for piece, whole in product(pieces, (SMALL, GOOD))
        for line in (piece + whole, whole + piece, whole[:1] + piece + whole[1:])
    ]

    assert agreed_lines(lines).choices.num_rows == 0


# --- JSON -----------------------------------------------------------------------------


@needs_suite
def test_every_file_of_the_json_suite_is_the_same_at_any_place() -> None:
    texts = [
        path.read_bytes().replace(b"\n", space)
        for path in FILES
        for space in (b" ", b"\r")
    ]
    unread = [("response", "x"), ("choice", "x"), ("choice", "message.x")]
    read = [("response", "id"), ("response", "usage.cost"), ("choice", "index")]
    read += [("choice", "message.content"), ("choice", "logprobs.content")]
    lines = [
        *texts,
        *(holding(path, text) for path in unread + read for text in texts),
        *(SMALL[:-1] + b"," + text + b":1}" for text in texts),
        *(b'{"response":' + text + b',"body":' + SMALL + b"}" for text in texts),
        *(b'{"body":' + SMALL + b',"response":' + text + b"}" for text in texts),
    ]

    assert {"invalid_json", "invalid_utf8", "too_deep"} <= codes(agreed_lines(lines))


@pytest.mark.parametrize("line", [SMALL, b'{"id":1.5e1,"choices":[{"message":null}]}'])
@pytest.mark.parametrize("indent", [0, 40])
def test_a_line_with_any_one_byte_cut_put_or_changed_is_the_same(
    line: bytes, indent: int
) -> None:
    signs = [bytes([code]) for code in b'{}[]:,"\\ \t\r0-+.eEut/\0\x1f\xff\xc3']
    lines = []
    for at in range(len(line) + 1):
        lines += [line[:at], line[:at] + line[at + 1 :]]
        for sign in signs:
            lines += [line[:at] + sign + line[at + after :] for after in (0, 1)]

    decoded = agreed_lines([b" " * indent + line for line in lines])

    assert decoded.choices.num_rows > 50
    assert codes(decoded) >= {"invalid_json", "invalid_utf8", "not_a_response"}


@pytest.mark.parametrize(
    "response", [WITH_MESSAGE, PLAIN, FULL], ids=["small", "plain", "full"]
)
def test_a_member_written_twice_at_any_level_is_the_same(
    response: dict[str, Any],
) -> None:
    values = (b"null", b'""', b"5", b"{}", b"[]", b'"b"', b'[{"message":{}}]')
    line = json.dumps({"response": response, **ASKED}).encode()
    bare = json.dumps({**response, "metadata": ASKED["metadata"]}).encode()
    lines = []
    for text in (line, bare):
        for key in re.finditer(rb'([{,])\s*"(\w+)":', text):
            name = key[2]
            names = (name, b"\\u%04x" % name[0] + name[1:], name[:-1], name + b"x", b"")
            for other, value in product(names, values):
                member = b'"%b":%b' % (other, value)
                at = key.end(1)
                lines.append(text[:at] + member + b"," + text[at:])
                end = closing(text, at)
                lines.append(text[:end] + b"," + member + text[end:])
    Random(SEED).shuffle(lines)

    assert codes(agreed_lines(lines[:2000])) >= {"wrong_type"}
    agreed_lines(lines[-700:], PLANS["tags"])


def closing(text: bytes, at: int) -> int:
    """Return the place of the bracket that closes the object around a place."""
    depth = 0
    for sign in re.finditer(rb'"(?:[^"\\]|\\.)*+"|[{}]', text[at:]):
        depth += {b"{": 1, b"}": -1}.get(sign[0], 0)
        if depth < 0:
            return at + sign.start()
    raise ValueError(text)


def deep(levels: int, kind: str) -> bytes:
    """Write a value of so many levels."""
    opening, end = {"list": (b"[", b"]"), "object": (b'{"a":', b"}")}[kind]
    return opening * levels + (b"1" if kind == "object" else b"") + end * levels


@pytest.mark.parametrize("kind", ["list", "object"])
def test_depth_is_the_same_at_any_place(kind: str) -> None:
    places = [
        *[("response", path) for path in ("x", "id", "usage", "usage.x", "created")],
        *[("choice", path) for path in ("x", "message", "message.x", "logprobs")],
        *[("choice", "message.content"), ("choice", "message.tool_calls")],
        *[("envelope", "x"), ("envelope", "request.model"), ("line", "metadata")],
    ]
    lines = []
    for levels in (*range(505, 515), 1000, 20_000):
        value = deep(levels, kind)
        text = json.dumps(value.decode())
        lines += [holding(place, value) for place in places]
        lines += [holding(place, text.encode()) for place in places[:9]]
        inner = SMALL[:-1] + b',"x":' + value + b"}"
        lines += [
            wrapped("body", inner.decode()),
            inner,
            value,
            value[:levels],
            b"x" + value,
        ]
        lines += [b'{"data":{"a":' + inner + b',"choices":[]}}', b'"\\"' + value]

    found = codes(agreed_lines(lines))
    agreed_lines(lines, PLANS["tags in tags"])

    assert {"too_deep", "not_a_response", "invalid_json"} <= found


# --- Values ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tags", "tags in tags", "drop, tags"])
def test_a_tag_of_any_shape_leaves_the_response(name: str) -> None:
    shapes = [
        "[]",
        '["a",{"team":"b"}]',
        "{}",
        '{"team":"a"}',
        '"a"',
        '""',
        "5",
        "null",
    ]
    shapes += [f'{{"team":{shape}}}' for shape in shapes]
    before = [f'{{"metadata":{shape},"response":' for shape in shapes]
    lines = [start.encode() + GOOD + b"}" for start in before]
    lines += [
        b'{"response":' + GOOD + b',"metadata":' + shape.encode() + b"}"
        for shape in shapes
    ]

    decoded = agreed_lines(lines, PLANS[name])

    assert decoded.rejects.num_rows == 0
    assert decoded.choices.num_rows == len(lines) * len(PLAIN["choices"])


LINE_PATHS = (
    *[("line", path) for path in ("metadata", "metadata.team", "custom_id")],
    *[("envelope", path) for path in ("custom_id", "model", "response", "x")],
    *[
        ("response", path)
        for path in ("x", "usage.x", "object", "error", "choices", "")
    ],
    *[("choice", path) for path in ("x", "message.x", "delta", "logprobs.x")],
    ("choice", "logprobs.content[].logprob"),
    ("choice", "message.content[].text"),
    ("choice", "message.content[].type"),
    ("choice", "message.tool_calls[].x"),
)


@pytest.mark.parametrize(
    "plan", [PLANS["default"], PLANS["drop, tags"]], ids=["default", "drop, tags"]
)
def test_each_value_at_each_path_is_the_same(plan: Plan) -> None:
    paths = sorted({*PATHS, *LINE_PATHS})
    lines = [holding(path, value) for path in paths for value in VALUES]
    rich = [holding(path, value, PLAIN) for path in paths for value in VALUES]
    kept = lines + rich[::9] if plan is PLANS["default"] else lines[1::5] + rich[1::23]

    decoded = agreed_lines(kept, plan)

    assert decoded.choices.num_rows > len(kept) / 4
    assert codes(decoded) >= {"wrong_type", "out_of_range", "invalid_json"}


def test_the_table_of_every_value_of_every_type_is_the_same() -> None:
    agreed_lines(BAD_AND_GOOD)
    agreed_lines(BAD_AND_GOOD[::7], PLANS["ns"])
    agreed_lines(BAD_AND_GOOD[1::7], PLANS["tags"])


@pytest.mark.parametrize(
    "path", ["usage.cost", "logprobs.content[].logprob", "usage.total_tokens"]
)
def test_any_decimal_number_is_the_same_double(path: str) -> None:
    random = Random(SEED)
    root = "choice" if "logprobs" in path else "response"
    numbers = [any_number(random) for _ in range(1500)]
    numbers += [
        repr(random.random() * 10.0 ** random.randint(-300, 300)) for _ in numbers
    ]

    decoded = agreed_lines([holding((root, path), text.encode()) for text in numbers])

    assert decoded.choices.num_rows > 30


TIMES = (
    *("1767225600", "1767225600.0", "1.7672256e9", "17672256e2", "1767225600000e-3"),
    *("1767225600.0000005", "1767225600.0000015", "1767225600.00000050000000000001"),
    *("1767225600.0078125", "1767225600.0234375", "1767225600.9999995", "1767225600."),
    *("17672256000000005e-7", "17672256000000015E-7", "0.0000005", "5e-7", "15e-7"),
    *("0.00000051", "-5e-7", "-6e-7", "-0.0000005", "-0.0000001", ".5", ".", "5."),
    "1.2.3",
    *("7258118399", "7258118399.9999994", "7258118399.9999995", "7258118399.999999"),
    *("7258118400", "7258118400000", "7258118399999.9995", "7258118399999999.5"),
    *("7258118399999999", "7258118400000000", "7258118399999999499"),
    "7258118399999999500",
    *("1767225600123", "1767225600123.5", "1767225600000007", "1767225600000001500"),
    *("1767225600000000500", "1767225600000000501", "1767225600000002500", "499"),
    "500",
    *("501", "1500", "2500", "-500", "-501", "00", "007", "0" * 5000 + "5", "1e3"),
    "+1",
    *("\u0663", "\u00b2", "\uff15", " 1", "1 ", "1_0", "0x1", "2026-01-01T00:00:00Z"),
)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_created_is_the_same_in_every_unit_and_spelling(unit: Any) -> None:
    random = Random(SEED)
    times = [*TIMES, *NUMBERS, *(any_number(random) for _ in range(700))]
    scale = {"s": 0, "ms": 3, "us": 6, "ns": 9}[unit]
    for _ in range(700):
        whole = random.randrange(7258118400 * 10**scale + 2)
        part = random.choice(["5", "50", "49", "51", "500000001", ""])
        zeros = "0" * random.randint(0, 8)
        times.append(f"{whole}.{zeros}{part}" if zeros + part else f"{whole}")
    values = [text.encode() for text in times] + [
        f'"{text}"'.encode() for text in times
    ]
    plan = make_plan(created_unit=unit)

    decoded = agreed_lines([holding(("response", "created"), v) for v in values], plan)

    dated = len(values) - decoded.choices.column("created").null_count
    assert dated > 500
    assert codes(decoded) >= {"out_of_range", "wrong_type"}


# --- Strings --------------------------------------------------------------------------


def test_a_character_is_the_same_anywhere_in_a_vector() -> None:
    odd = [
        *(rb"\n", rb"\"", rb"\\", rb"\u0000", rb"\ud83d\ude00", rb"\ud800", rb"\udc00"),
        *(rb"\ud83d\u", rb"\x", rb"\u00e", "\U0001f600".encode(), "\u00e9".encode()),
        *(
            b"\0",
            b"\x1f",
            b"\x7f",
            b"\t",
            b"\xff",
            b"\xc3",
            b'"',
            b"\\",
            b"\xed\xa0\x80",
        ),
    ]
    paths = [("choice", "message.content"), ("response", "x"), ("response", "id")]
    lines = [
        holding(path, b'"' + b"a" * before + text + b"b" * after + b'"')
        for before in range(70)
        for text in odd
        for path in paths
        for after in (0, 40)
    ]
    lines += [
        SMALL[:-1] + b',"' + b"k" * before + text + b'":1}'
        for before in range(70)
        for text in odd
    ]

    decoded = agreed_lines(lines)

    assert decoded.choices.num_rows > 2000
    assert codes(decoded) == {"invalid_json", "invalid_utf8"}


def test_halves_of_surrogate_pairs_are_the_same_at_any_place() -> None:
    texts = [b'"' + text + b'"' for text in LONE + PAIRED]
    texts += [
        b'"' + one + other + b'"' for one, other in product(LONE + PAIRED, repeat=2)
    ]
    paths = sorted({*PATHS, *LINE_PATHS})
    lines = [holding(path, text) for path in paths for text in texts[:16]]
    lines += [holding(("response", "id"), text) for text in texts]
    lines += [SMALL[:-1] + b"," + text + b":1}" for text in texts]
    lines += [SMALL[:-1] + b',"x":{' + text + b":[" + text + b"]}}" for text in texts]
    lines += [
        wrapped("result", SMALL.decode()[:-1] + f',"x":{text.decode()}}}')
        for text in texts
    ]

    assert codes(agreed_lines(lines)) >= {"invalid_json"}


def test_long_strings_and_many_choices_are_the_same() -> None:
    texts = [
        "a" * 70_000,
        "\u00e9" * 40_000,
        '\\"' * 30_000,
        "\0" * 20_000,
        "\U0001f600\n" * 9_000,
    ]
    responses: list[dict[str, Any]] = [
        {**SAID, "id": text, "choices": [{"message": {"content": text}}] * 2}
        for text in texts
    ]
    responses += [
        {**PLAIN, "choices": PLAIN["choices"][:1] * count}
        for count in (0, 1, 2, 100, 1000)
    ]
    lines = [json.dumps(response).encode() for response in responses]
    lines += [
        json.dumps(response, ensure_ascii=False).encode() for response in responses
    ]

    assert codes(agreed_lines(lines * 2)) == set()


@pytest.mark.parametrize("character", ["a", "\u00e9", "\U0001f600"])
def test_facts_may_be_repeated_up_to_the_same_character(character: str) -> None:
    count = 64
    room = REPEATED_BYTES // count - len("m")
    lines = [
        json.dumps(
            {
                "id": character * (room + more - held),
                "model": "m",
                "system_fingerprint": "f" * held,
                "choices": [{"message": {}}] * count,
            },
            ensure_ascii=False,
        ).encode()
        for more in (-1, 0, 1)
        for held in (0, 5)
    ]

    decoded = agreed_lines(lines)

    assert decoded.choices.num_rows == 4 * count
    assert decoded.rejects.column("json_path").to_pylist() == ["choices"] * 2


def test_numbers_that_are_labels_count_among_the_facts_repeated() -> None:
    plan = make_plan(tags={"n": "n", "t": "t", "b": "b"})
    count, tag = 64, 12345678901234567
    room = REPEATED_BYTES // count - len(f"{tag}true")
    lines = [
        json.dumps(
            {
                **{"n": tag, "b": True, "id": "a" * (room + more - held)},
                **{"t": "b" * held, "choices": [{"message": {}}] * count},
            }
        ).encode()
        for more in (-1, 0, 1)
        for held in (0, 5)
    ]

    assert agreed_lines(lines, plan).choices.num_rows == 4 * count


def test_lists_may_have_the_same_number_of_items(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (json_values, decoding):
        monkeypatch.setattr(module, "MOST_ITEMS", 3)
    plan = make_plan(tags={"t": "t"})
    items = [
        "{}",
        "[{},{}]",
        '"],{[,"',
        '{"message":{},"x":[1,2,3,4]}',
        "1",
        '{"id":","}',
    ]
    lists = [
        items[:1] * n + [items[k]] + items[:1] * m
        for n, k, m in product(range(4), range(6), range(3))
    ]
    texts = ["[" + " , ".join(found) + "]" for found in lists]
    lines = [f'{{"object":"o","choices":{text}}}' for text in texts]
    lines += [
        f'{{"choices":[{{"message":{{"tool_calls":{text}}}}}]}}' for text in texts
    ]
    lines += [f'{{"choices":{text},"body":{SMALL.decode()}}}' for text in texts]
    lines += [
        f'{{"body":{{"choices":{text}}},"data":{SMALL.decode()}}}' for text in texts
    ]
    lines += [f'{{"choices":[{{"message":{{"content":{text}}}}}]}}' for text in texts]
    lines += [f'{{"choices":[{{"logprobs":{{"content":{text}}}}}]}}' for text in texts]

    decoded = agreed_lines([line.encode() for line in lines], plan)

    assert codes(decoded) == {"out_of_range", "wrong_type", "not_a_response"}


# --- Forms of a line ------------------------------------------------------------------

BESIDE = (
    *(b'"":""', b'"":{}', b'"":[]', b'"":0', b'"a":5', b'"a":"}"', b'"a":"\\"}"'),
    b'"a":null',
    *(b'"a":{"b":{}}', b'"a":[{"b":{}},{}]', b'"a":"{"', b'"a":"\\\\"'),
    b'"\\"":{"}":1}',
    *(b'"custom_id":7', b'"custom_id":"c"', b'"request":{"model":"r"}', b'"model":"m"'),
    *(b'"error":{}', b'"error":null', b'"choices":null', b'"choices":[]'),
    b'"choices":[1]',
    *(b'"response":null', b'"response":5', b'"response":"x"', b'"body":{"choices":[]}'),
    *(b'"response":{}', b'"data":{"choices":[{}],"object":"o"}'),
    b'"metadata":{"team":1}',
)
FIRST = (b"", b'"":"",', b'"a":{},', b'"id":"i",', b'"\\u0069d":"",', b'"x":[[],{}],')
INNER = (
    *(b'"choices":[{"message":{}}]', b'"choices":[{"message":{"content":"}"}},{}]'),
    *(b'"choic\\u0065s":[{"message":{}}]', b'"choices":[{"message":{}}],"x":{"y":{}}'),
    *(b'"choices":[{"message":{}}],"":""', b'"choices":[{"message":{}}],"z":[]'),
    *(b'"choices":[{"delta":{}}]', b'"choices":[]', b'"choices":[{}]', b'"object":"o"'),
    *(b'"error":1', b'"object":"chat.completion.chunk","choices":[{"message":{}}]'),
)


def enveloped(random: Random) -> bytes:
    """Write a response in an envelope of any kind, any white space between."""
    value = b"{" + random.choice(FIRST) + random.choice(INNER) + b"}"
    for key in reversed(random.choice(CANDIDATES).split(".")):
        if random.random() < 0.2:
            value = json.dumps(spread(random, value).decode()).encode()
        members = [b'"%b":%b' % (key.encode(), value)]
        for _ in range(random.choice([0, 0, 1, 2])):
            members.insert(random.choice([0, len(members)]), random.choice(BESIDE))
        value = b"{" + b",".join(members) + b"}"
    return spread(random, value) if random.random() < 0.7 else value


@pytest.mark.parametrize("name", ["default", "tags", "a nested response_path"])
def test_a_response_in_any_envelope_is_the_same_and_has_the_same_hash(
    name: str,
) -> None:
    random = Random(SEED)
    lines = [enveloped(random) for _ in range(3000)]

    decoded = agreed_lines(lines, PLANS[name])

    assert decoded.choices.num_rows > 100
    assert codes(decoded) >= {"not_a_response", "error_response"}
    assert decoded.chunks > 0


def test_a_quoted_response_path_is_the_same() -> None:
    key = "caf\u00e9 q"
    bodies = [SAID, json.dumps(SAID), {}, [], None, 5, {"error": 1}, {"choices": [1]}]
    lines = [
        json.dumps(
            {**ASKED, "data": {"": {}, key: body, "x": 1}}, ensure_ascii=ascii_only
        )
        for body in bodies
        for ascii_only in (False, True)
    ]

    decoded = agreed_lines(
        [line.encode() for line in lines], PLANS["a quoted response_path"]
    )

    assert decoded.choices.num_rows == 4


def test_choices_of_every_kind_are_the_same() -> None:
    kinds = [
        "{}",
        '{"message":{}}',
        '{"message":null}',
        '{"delta":{}}',
        '{"delta":null}',
    ]
    kinds += ['{"message":{},"delta":{}}', "null", "1", "[]", '"{}"', '{"message":[]}']
    objects = ["", '"object":null,', '"object":"",', '"object":"o",', '"object":5,']
    objects += [
        '"object":"chat.completion.chunk",',
        '"object":"chat.completion\\u002echunk",',
    ]
    objects += ['"object":{},', '"object":"chat.completion.chunk","object":"",']
    lines = [
        f'{{{kind}"choices":[{",".join(choices)}]}}'.encode()
        for kind in objects
        for count in (0, 1, 2)
        for choices in product(kinds, repeat=count)
    ]

    decoded = agreed_lines(lines)

    assert codes(decoded) == {"not_a_response", "wrong_type"}
    assert decoded.chunks > 100
    agreed_lines([b'{"body":' + line + b"}" for line in lines], PLANS["tags"])


CALLS = (
    *('"id":"a"', '"id":null', '"id":""', '"id":5', '"type":"function"', '"type":null'),
    *('"function":{"name":"f","arguments":"{}"}', '"function":{"name":"f"}'),
    *('"function":{}', '"function":null', '"function":"f"', '"function":{"name":5}'),
    *('"function":{"arguments":{"a" :1.0}}', '"function":{"arguments":[]}'),
    *('"function":{"name":"","arguments":""}', '"function":{"name":null}'),
    *('"function":{"name":"a","name":"b"}', '"function":{"n\\u0061me":"b"}'),
    *('"custom":{"name":"g","input":"i"}', '"custom":{"input":{}}', '"custom":null'),
    *('"custom":[]', '"custom":{"name":5}', '"x":[{}]'),
    '"f\\u0075nction":{"name":"h"}',
)
PARTS = (
    *('{"type":"text","text":"a"}', '{"type":"text","text":""}', '{"type":"text"}'),
    "5",
    *('{"type":"text","text":null}', '{"type":"text","text":5}', '{"type":5}', "{}"),
    "null",
    *('{"type":"te\\u0078t","text":"a"}', '{"text":"a","type":"image"}', "[]"),
    '"text"',
    *('{"type":"thinking","thinking":"t"}', '{"type":"thinking","thinking":[]}'),
    '{"type":"thinking","thinking":[{"type":"text","text":"u"}]}',
    '{"type":["text"]}',
    '{"type":"thinking","thinking":[{"type":"text","text":5}]}',
    '{"type":"text","text":[]}',
    *('{"type":"thinking","thinking":[{"type":"thinking","thinking":"v"}]}',),
    '{"type":"text","text":"a","text":"b","type":"text"}',
    '{"type":"thinking","thinking":[7]}',
)
PROBS = (
    *('{"logprob":-0.5}', '{"logprob":-0.0}', '{"logprob":0}', '{"logprob":1e308}'),
    "{}",
    *('{"logprob":null}', '{"logprob":"1"}', '{"logprob":true}', '{"logprob":[]}'),
    "null",
    *('{"logprob":1e400}', '{"logprob":-1e400}', '{"logprob":1,"logprob":2}', "5"),
    "[]",
    *('{"logprob":12345678901234567890}', '{"logprob":1' + "0" * 30 + "}"),
    '{"logprob":0.1}',
    *('{"logpro\\u0062":-1}', '{"logprob":-1,"top":[{"logprob":-2}],"bytes":[1,2]}'),
)


@pytest.mark.parametrize("drops", [False, True])
def test_lists_of_calls_parts_and_logprobs_are_the_same(*, drops: bool) -> None:
    calls = ["{" + ",".join(c) + "}" for n in (1, 2) for c in product(CALLS, repeat=n)]
    calls += ["{}", "null", "5", "[]", '"f"']
    lists = {
        "message.tool_calls": [*calls, *(f"{one},{{}}" for one in calls[:60])],
        "message.content": [
            ",".join(c) for n in (0, 1, 2) for c in product(PARTS, repeat=n)
        ],
        "logprobs.content": [
            ",".join(c) for n in (0, 1, 2) for c in product(PROBS, repeat=n)
        ],
    }
    lines = [
        holding(("choice", path), f"[{items}]".encode())
        for path, found in lists.items()
        for items in found
    ]
    single = [
        "{}",
        "null",
        "5",
        '"f"',
        "[]",
        *(call[12:-1] for call in calls if '"function":{' in call[:13]),
    ]
    lines += [
        holding(("choice", "message.function_call"), call.encode()) for call in single
    ]
    plan = PLANS["drop" if drops else "default"]

    assert codes(agreed_lines(lines, plan)) >= {"wrong_type"}


# --- Columns that are added -----------------------------------------------------------

TYPES = {
    "string": pa.string(),
    "label": pa.string(),
    "text": pa.large_string(),
    "content": pa.large_string(),
    "characters": pa.int64(),
    "tool_calls": CHOICES["tool_calls"].type,
    "items": pa.int32(),
    "logprob_sum": pa.float64(),
    "count": pa.int64(),
    "number": pa.float64(),
    "timestamp": CHOICES["created"].type,
    "position": pa.int32(),
    "choice_count": pa.int64(),
    "hash": pa.int64(),
    "finish_reason": pa.string(),
    "timestamp_problem": pa.string(),
    "flag": pa.bool_(),
    "marker": pa.string(),
}
NEW_PATHS = (
    ("new",),
    ("a.new", "b.c.new", "new"),
    ("new", "new.deeper"),
    ('["k.1"]["\u00e9 \\"q\\""]',),
    ("new[]", "a.new"),
    ("new[].text", "a.new[].thinking"),
    ("a.new? -> word", "b.new = ab* -> other"),
    ("(envelope).a.new?", "(at response.body).new", "(response).new?"),
    ("new[k=a|5]", "new[k].a|b.c[!l].a", "new[].b[]?"),
)


FACTS = ("position", "choice_count", "hash")  # each of one grain only
PATHLESS = (*FACTS, "tool_calls")
# A table with little but its key, which decodes in a third of the time.
LEAN = replace(
    CHOICES,
    columns=tuple(
        column
        for column in CHOICES.columns
        if column.kind == "given" or column.name in CHOICES.key
    ),
)
ROOTS = ("response", "choice", "envelope", "at body", "at response.body", "line")


def added(
    kind: Any, paths: tuple[str, ...], *, private: bool = False, to: Table = CHOICES
) -> Plan:
    """Return the plan of a table with a column more for each root and grain."""
    paths = () if kind in PATHLESS else paths
    more = [
        Column(
            f"new_{root}_{grain}",
            TYPES[kind],
            grain,
            kind,
            "a column that is added",
            paths=tuple(path if "(" in path else f"({root}).{path}" for path in paths),
            minimum=0,
            maximum=1000,
            private=private,
        )
        for root in ROOTS
        for grain in ("R", "C", "U")
    ]
    table = replace(to, columns=(*to.columns, *more))
    return Plan(table, content="drop" if private else "keep")


def filled(paths: tuple[str, ...]) -> Iterator[bytes]:
    """Write lines that hold each value at each of the paths, in places in turn."""
    responses = [WITH_MESSAGE, {"object": "o", "choices": [{"message": {}}, {}]}, BARE]
    for path, (place, value) in product(paths, enumerate(SOUND + BROKEN[:9])):
        filling = b'"@"'
        for key in reversed(parse_path(re.split(r'\[[^"]', keys_of(path))[0])):
            filling = b"{" + json.dumps(key).encode() + b":" + filling + b"}"
        member = filling.replace(b'"@"', value)[1:-1]
        response = json.dumps(responses[place % 3]).encode()
        choice = response.replace(b"[{", b"[{" + member + b",", 1).replace(b",}", b"}")
        inner = response[:-1] + b"," + member + b"}"
        yield (choice, inner, b'{"body":' + inner + b"," + member + b"}")[
            place // 3 % 3
        ]


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind not in FACTS])
def test_a_column_of_any_kind_root_and_grain_is_added_without_a_line_of_rust(
    kind: str, *, private: bool
) -> None:
    for number, paths in enumerate(NEW_PATHS):
        # Each value at half of the paths, or a third: the others take the next ones.
        step = 3 if private else 2
        lines = list(filled(paths))[number % step :: step]
        # Beside all other columns once, which takes three times as long.
        to = CHOICES if paths is NEW_PATHS[1] and not private else LEAN
        decoded = agreed_lines(lines, added(kind, paths, private=private, to=to))
        assert decoded.choices.schema.names[-1] == "new_line_U"


ODD_FIRST = (
    *("null", '""', "0", "[]", "{}", "[5]", "[{}]", '[{"logprob":"1"}]', '{"c":1}'),
    "5",
    *('[{"type":"text","text":"a"}]', '[{"type":"thinking","thinking":"t"}]', '"1"'),
    *('[{"type":"text","text":null}]', '[{"logprob":-1}]', '{"c":null}', "true", "1.5"),
)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind not in PATHLESS])
def test_of_several_paths_the_same_one_is_read(kind: str, *, private: bool) -> None:
    lines = [
        f'{{"choices":[{{"message":{{}},{members}}}],{members}}}'.encode()
        for one, other in product(ODD_FIRST, repeat=2)
        for members in (f'"a":{one},"b":{other}', f'"b":{other},"a":{one}')
    ]
    lines += [b'{"body":' + line + b"," + line[1:] for line in lines[::5]]
    for suffix, later in product(("", "[]", "[].text"), ("b", "b[]", "a.c")):
        plan = added(kind, (f"a{suffix}", later), private=private, to=LEAN)
        agreed_lines(lines[:: 7 if suffix or private else 1], plan)


@pytest.mark.parametrize(
    ("path", "root"),
    [
        *(("usage", "response"), ("choices", "response"), ("message", "choice")),
        *(("logprobs", "choice"), ("usage.prompt_tokens_details", "response")),
        *(("message.content.deeper", "choice"), ("id.deeper", "response")),
        *(
            ("request", "envelope"),
            ("model.deeper", "line"),
            ("message.tool_calls", "choice"),
        ),
    ],
)
@pytest.mark.parametrize("kind", ["items", "label", "content", "logprob_sum", "number"])
def test_a_column_may_read_what_others_read_into(
    path: str, root: Any, kind: Any
) -> None:
    column = Column("new", TYPES[kind], "C", kind, "", paths=(f"({root}).{path}",))
    plan = Plan(replace(CHOICES, columns=(*CHOICES.columns, column)))
    where = path.removesuffix(".deeper")
    lines = [
        holding((root, where), value, response)
        for value in SOUND
        for response in (WITH_MESSAGE, PLAIN)
    ]

    agreed_lines(lines, plan)


@pytest.mark.parametrize(
    "bounds", [(0, 10), (-5, 5), (None, 10), (0, None), (None, None)]
)
def test_a_count_with_other_bounds_or_none_is_the_same(
    bounds: tuple[int | None, int | None],
) -> None:
    low, high = bounds
    column = Column(
        "new", pa.int64(), "U", "count", "", paths=("new",), minimum=low, maximum=high
    )
    plan = Plan(replace(CHOICES, columns=(*CHOICES.columns, column)))
    largest = 2**63 - 1
    numbers = [
        text
        for text in NUMBERS
        if "e" in text.lower() or abs(float(text)) < largest / 2
    ]
    if high is None:
        numbers = [text for text in numbers if abs(float(text)) < 1e18]

    agreed_lines(
        [holding(("response", "new"), text.encode()) for text in numbers], plan
    )


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.float16(), pa.list_(pa.int8())])
def test_what_the_kernel_cannot_build_is_an_error_and_no_panic_is_seen(
    kind: pa.DataType, capfd: pytest.CaptureFixture[str]
) -> None:
    column = Column("new", kind, "R", "timestamp", "", paths=("created",))
    table = replace(CHOICES, columns=(*CHOICES.columns, column))

    with pytest.raises(RuntimeError):
        _Kernel(Plan(table)).decode(block_of(joined([SMALL, GOOD])))

    assert "panicked" not in capfd.readouterr().err


# --- APIs that are added --------------------------------------------------------------

NEW_API = Api(
    name="new",
    title="An API of tomorrow",
    tests=(
        (has("kind", "answer", "5"), lacks("choices"), has("(choice).say.words")),
        (has("kind", type="boolean"), has("turns[done].say", type="filled")),
    ),
    unless=((has("kind", "answer"), has("(line).test")),),
    chunks=((has("(choice).say", type="empty"),), (has("kind", "part"),)),
    errors=((has("(envelope).status", "500"), lacks("say", type="objects")),),
    choices="answers",
    paths={
        "model": ("by.model", "by"),
        "created": ("at",),
        "finish_reason": ("end",),
        "content": ("say.words", "say.parts[kind=said|5].text[].a|b"),
        "prompt_tokens": ("used.read[].n + used.again|used.old.n or 0 beside used",),
        "completion_tokens": ("used.wrote",),
        "usage_problem": ("used -> null", "kind = ans* -> answered"),
    },
    tool_calls=(ToolCalls("say.calls[tool]", "tool.id", "kind", "tool.name|name"),),
    finish_reasons={"over": "stop", "5": "length"},
)
NEW_ANSWERS: tuple[dict[str, Any], ...] = (
    {"end": "over", "say": {"words": "a", "calls": [{"tool": {"id": "i"}}]}},
    {
        "end": 5,
        "say": {"words": None, "parts": [{"kind": "said", "text": [{"a": "t"}]}]},
    },
    {"say": {"words": "b", "parts": [{"kind": 5, "text": [{"b": "u"}, {"a": ""}]}]}},
    {"say": []},
)
NEW_BODIES = [
    {"kind": kind, "answers": answers, "used": used, "by": {"model": "m"}, "at": 5}
    for kind in ("answer", 5, True, "part")
    for answers in ([NEW_ANSWERS[0]], [*NEW_ANSWERS[:3]], [*NEW_ANSWERS], [])
    for used in (
        {"read": [{"n": 1}, {"n": 2}], "again": 4, "wrote": 8},
        {"read": [], "old": {"n": 16}},
        {"wrote": 10**12},
    )
]


@pytest.mark.parametrize("is_first", [False, True])
def test_an_api_is_added_without_a_line_of_rust(*, is_first: bool) -> None:
    apis = (NEW_API, *APIS) if is_first else (*APIS, NEW_API)
    plan = replace(make_plan(), apis=apis)
    lines = [json.dumps(body).encode() for body in NEW_BODIES]
    lines += [wrapped("response", body, status=500) for body in NEW_BODIES]

    decoded = agreed_lines(lines, plan)
    agreed_lines(attacked_lines(SEED, 1000, lines), plan)

    # Of the items the first is read, 1; 4 were read again.
    first = decoded.choices.slice(0, 1).to_pylist()[0]
    assert (first["api"], first["model"], first["content"]) == ("new", "m", "a")
    assert (first["finish_reason"], first["native_finish_reason"]) == ("stop", "over")
    assert (first["prompt_tokens"], first["completion_tokens"]) == (1 + 4, 8)
    assert [call["id"] for call in first["tool_calls"]] == ["i"]
    assert codes(decoded) >= {"stream_chunk", "not_a_response"}


def test_an_api_is_read_fast_whose_choices_and_words_have_other_names() -> None:
    """An API that comes first is read by the fast path, if its paths are plain."""
    plain = replace(
        NEW_API,
        tests=((has("answers", type="list"),),),
        unless=((has("kind", "other"),),),
        chunks=((has("kind", "part"),), (has("(choice).end", "5"), lacks("at"))),
        errors=((has("(envelope).status", "500"),),),
        paths={"content": ("say.words",), "total_tokens": ("used.wrote",)},
        tool_calls=(),
        finish_reasons={},
    )
    plan = replace(make_plan(tags={"k": "kind"}), apis=(plain, *APIS))
    kinds = ("part", "other", r"p\u0061rt", "a", 5)
    lines = [
        json.dumps({**body, "kind": kind, **more}).encode().replace(rb"\\u", rb"\u")
        for kind in kinds
        for body in NEW_BODIES[:12]
        for more in ({}, {"at": None}, {"x": kind})
    ]
    lines += [
        wrapped("body", body, status=status)
        for body in NEW_BODIES[:12]
        for status in (200, 500, "500")
    ]

    for _ in range(2):
        agreed_lines(lines, plan)
        Random(SEED).shuffle(lines)
    decoded = agreed_lines(attacked_lines(SEED, 1000, lines), plan)

    assert codes(decoded) >= {"stream_chunk", "error_response"}


# --- Chance ---------------------------------------------------------------------------


@pytest.mark.parametrize("api", BODY_SEEDS)
def test_attacked_lines_of_each_api_are_the_same(api: str) -> None:
    decoded = agreed_lines(attacked_lines(SEED, 500, BODY_SEEDS[api]))

    assert api in decoded.choices.column("api").to_pylist()


@pytest.mark.parametrize("seed", range(len(PLANS)), ids=PLANS)
def test_attacked_lines_are_the_same(seed: int) -> None:
    plan = [*PLANS.values()][seed]

    decoded = agreed_lines(attacked_lines(SEED + seed, 1500), plan)

    assert decoded.choices.num_rows > 200


@by_plan
def test_mutated_lines_are_the_same(plan: Plan) -> None:
    agreed_lines(mutated_lines(SEED, 700), plan)


def test_threads_may_share_a_kernel() -> None:
    kernel = _Kernel(PLANS["tags"])
    blocks = [block_of(joined(attacked_lines(seed, 50))) for seed in range(40)]
    alone = [kernel.decode(block) for block in blocks]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(kernel.decode, blocks * 4))

    for one, other in zip(alone * 4, together, strict=True):
        assert difference(one, other) is None


quick = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck)
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
).map(lambda value: json.dumps(value).encode())
SOME = st.sampled_from(VALUES) | LEAVES
KEYS = st.sampled_from(
    [
        *("choices", "message", "usage", "content", "id", "created", "model", "index"),
        *("response", "body", "error", "delta", "object", "logprobs", "tool_calls", ""),
        *("function", "name", "type", "text", "metadata", "team", "c\\u006fntent"),
    ]
).map(str.encode)
DOCUMENTS = st.recursive(
    SOME | st.sampled_from(SEEDS),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: b"[" + b",".join(items) + b"]")
        | st.lists(st.tuples(KEYS, inner), max_size=4).map(
            lambda items: b"{" + b",".join(b'"%b":%b' % item for item in items) + b"}"
        )
    ),
    max_leaves=10,
)
PLACED = st.builds(
    holding,
    st.sampled_from(sorted({*PATHS, *LINE_PATHS})),
    DOCUMENTS,
    st.sampled_from([WITH_MESSAGE, *RESPONSES]),
)
SPREAD = st.builds(
    lambda line, seed: spread(Random(seed), line), PLACED, st.integers(0, 999)
)
LINES = st.lists(
    PLACED | SPREAD | DOCUMENTS | st.binary(max_size=40), min_size=1, max_size=8
)


@quick
@given(
    lines=LINES, name=st.sampled_from([*PLANS]), end=st.sampled_from([b"\n", b"\r\n"])
)
def test_odd_documents_at_declared_paths_are_the_same(
    lines: Sequence[bytes], name: str, end: bytes
) -> None:
    agreed(block_of(b"".join(line + end for line in lines)), PLANS[name])


@quick
@given(data=st.binary(max_size=300), growing=st.booleans())
def test_any_bytes_are_the_same(data: bytes, *, growing: bool) -> None:
    plan = make_plan(leave_pending=True, max_line_bytes=100)

    agreed(block_of(data, tail=True, growing=growing), plan)
