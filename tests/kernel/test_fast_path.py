"""The fast path of the kernel against its strict one, for every API and chunk API.

Both are in Rust, so that many more lines are compared than with the reference. A longer
run, which stops at the first disagreement::

    python -m tests.kernel.test_fast_path 1000      # rounds of 2,000 lines
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import chain
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.kernel.test_kernel import pytestmark as needs_kernel
from tests.support.bodies import BODIES
from tests.support.differential import (
    CANDIDATES,
    EVERY_SEED,
    PLANS,
    attacked_lines,
    block_of,
    difference,
    joined,
    runs,
    wrapped,
)
from tests.support.streamed_lines import STREAMS
from toolkit.reading.decoder import _Kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.reading.blocks import Plan

pytestmark = needs_kernel

OBJECTS: list[dict[str, Any]] = [
    *chain.from_iterable(BODIES.values()),
    *chain.from_iterable(STREAMS.values()),
]
PLAIN = [
    *(
        prefix + json.dumps(one).encode()
        for one in OBJECTS
        for prefix in (b"", b"data: ")
    ),
    *(wrapped(path, one) for path in CANDIDATES for one in OBJECTS[::5]),
    *EVERY_SEED,
]


def merged(random: Random) -> bytes:
    """Write a line that may be of two APIs, or a response in which another one is."""
    one, other = random.choice(OBJECTS), random.choice(OBJECTS)
    both = [*one.items(), *other.items()]
    random.shuffle(both)
    line = dict(both[: random.randint(1, len(both))])
    if random.random() < 0.3:
        line = {**line, random.choice(CANDIDATES).split(".")[0]: other}
    written = json.dumps(line).encode()
    if random.random() < 0.2:  # with keys twice
        written = written[:-1] + b"," + json.dumps(one).encode()[1:]
    return written


def lines_of(seed: int, count: int) -> list[bytes]:
    """Build lines of all APIs: plain, attacked, merged, and in runs that are alike."""
    random = Random(seed)
    seeds = random.sample(PLAIN, 20)
    kinds = [
        attacked_lines(seed, count // 4, PLAIN),
        [merged(random) for _ in range(count // 4)],
        [random.choice(seeds) for _ in range(count // 4)],
        [*runs(seed, count // 4, PLAIN)],
    ]
    if random.random() < 0.5:
        random.shuffle(kinds[0])
        mixed = [*chain(*kinds[:3])]
        random.shuffle(mixed)
        return [*kinds[3], *mixed]
    return [*chain(*kinds)]


def check(lines: Sequence[bytes], plan: Plan) -> None:
    """Decode lines by both paths, and raise if a cell differs."""
    block = block_of(joined(lines))
    strict, fast = (_Kernel(plan, is_strict=it).decode(block) for it in (True, False))
    found = difference(strict, fast)
    if found is not None and len(lines) > 1:
        for line in lines:
            check([line], plan)
    assert found is None, (lines[-1][:3000], found)


def check_round(seed: int, count: int = 2000) -> None:
    """Compare one round of lines, by one of the plans or some columns of it."""
    random = Random(seed)
    plan = [*PLANS.values()][seed % len(PLANS)]
    if seed % 3 == 0:
        names = plan.table.names
        some = random.sample(names, random.randint(0, len(names)))
        plan = replace(plan, projection=frozenset(["line", *some]))
    check(lines_of(seed, count), plan)


@pytest.mark.parametrize("seed", range(24))
def test_both_paths_read_lines_of_all_apis_the_same(seed: int) -> None:
    check_round(seed, 400)


@pytest.mark.parametrize("name", PLANS)
def test_both_paths_read_each_plain_line_the_same(name: str) -> None:
    check([*PLAIN, *PLAIN], PLANS[name])


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        check_round(number + 1000)
