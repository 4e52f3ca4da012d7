"""Runs of lines that are alike: the kernel learns them, and gives the same result.

Each test has a kernel of its own: one that has met many odd lines tries no shapes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.kernel.test_kernel import pytestmark as needs_kernel
from tests.support.differential import (
    DELTA,
    PLANS,
    SAID,
    alone,
    block_of,
    difference,
    joined,
    runs,
)
from toolkit.reading.decoder import _Kernel
from toolkit.reading.reference_decoder import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.reading.blocks import Decoded, Plan

pytestmark = needs_kernel


def agreed_afresh(lines: Sequence[bytes], plan: Plan) -> Decoded:
    """Return what the reference and a new kernel say of some lines."""
    block = block_of(joined(lines))
    expected, found = Reference(plan).decode(block), _Kernel(plan).decode(block)
    assert difference(expected, found) is None
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

    assert decoded.rejects.num_rows == 0
    assert decoded.chunk_rows is not None
    assert decoded.chunk_rows.column("line").to_pylist() == [5]


def test_a_single_line_is_compared_with_both_decoders() -> None:
    line = json.dumps(SAID).encode()

    for end in (b"\n", b""):
        assert alone(line + end, block_of(line), PLANS["default"]) is None
