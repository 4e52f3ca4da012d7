"""Runs of lines that are alike: the kernel learns them, and says what is said of each.

Each test has a kernel of its own: one that has met many odd lines tries no shapes.
"""

from __future__ import annotations

import json
import re
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.differential import (
    ASKED,
    PLAIN,
    PLANS,
    RESPONSES,
    SAID,
    SOUND,
    VALUES,
    alone,
    block_of,
    difference,
    joined,
    wrapped,
)
from tests.test_kernel import pytestmark as needs_kernel
from toolkit.decoding import Kernel
from toolkit.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.blocks import Decoded, Plan

pytestmark = needs_kernel
DELTA: dict[str, Any] = {"choices": [{"delta": {}}], "object": "o", "id": "i"}
SINGLE = {**PLAIN, "choices": PLAIN["choices"][:1]}
LEARNED: tuple[bytes, ...] = (
    *(json.dumps(response).encode() for response in (*RESPONSES, SINGLE, DELTA)),
    json.dumps({**SINGLE, **ASKED}, ensure_ascii=False).encode(),
    *(wrapped(path, SINGLE) for path in ("response.body", "response", "body")),
)
SCALAR = re.compile(rb'("(?:[^"\\]|\\.)*+"|-?[0-9][0-9.eE+-]*)(?!\s*:)')


def runs(seed: int, count: int) -> Iterator[bytes]:
    """Yield lines of two kinds, with values that differ and a few that are odd."""
    random = Random(seed)
    kinds = []
    for line in random.sample(LEARNED, 2):
        pieces = SCALAR.split(line)
        varied = [at for at in range(1, len(pieces), 2) if random.random() < 0.4]
        kinds.append((pieces, varied))
    odds = random.choice([0, 0.005, 0.05])
    length = random.choice([1, 7, 30])
    for number in range(count):
        pieces, varied = kinds[number // length % 2]
        values = pieces[:]
        for at in varied:
            usual = b"%d" % random.randrange(1, 2000)
            values[at] = b'"%b"' % usual if values[at][:1] == b'"' else usual
            if random.random() < odds:
                values[at] = random.choice(random.choice([SOUND, VALUES]))
        yield b"".join(values).replace(b"\n", b" ")


def agreed_afresh(lines: Sequence[bytes], plan: Plan) -> Decoded:
    """Return what the reference and a new kernel say of some lines."""
    block = block_of(joined(lines))
    wanted, found = Reference(plan).decode(block), Kernel(plan).decode(block)
    assert difference(wanted, found) is None
    return found


@pytest.mark.parametrize("seed", range(3 * len(PLANS)))
def test_runs_of_lines_that_are_alike_are_the_same(seed: int) -> None:
    plan = [*PLANS.values()][seed % len(PLANS)]

    agreed_afresh([*runs(seed, 250)], plan)


@pytest.mark.parametrize("name", ["chat.completion.chunk", ""])
def test_a_chunk_among_lines_like_it_is_the_same(name: str) -> None:
    names = ["a", "b", "c", "d", name, "e"]
    lines = [json.dumps({**DELTA, "object": name}).encode() for name in names]

    decoded = agreed_afresh(lines, PLANS["default"])

    assert decoded.rejects.column("line").to_pylist() == [5]
    assert decoded.rejects.column("code").to_pylist() == ["stream_chunk"]


def test_a_line_alone_is_held_against_both_decoders() -> None:
    line = json.dumps(SAID).encode()

    for end in (b"\n", b""):
        assert alone(line + end, block_of(line), PLANS["default"]) is None
