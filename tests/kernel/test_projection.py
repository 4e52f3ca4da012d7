"""A plan of some columns: the same rows and rejects, without the other columns."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.kernel.test_chunks import with_bounds
from tests.kernel.test_kernel import pytestmark as needs_kernel
from tests.support.differential import (
    EVERY_SEED,
    PLAIN,
    PLANS,
    attacked_lines,
    block_of,
    difference,
    joined,
    runs,
)
from tests.support.streamed_lines import streamed_lines
from toolkit.reading.blocks import Plan, make_plan
from toolkit.reading.decoder import _Kernel
from toolkit.reading.dedup import Deduplicator
from toolkit.reading.reference_decoder import Reference
from toolkit.schema import CHOICES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from toolkit.reading.blocks import Decoded

pytestmark = needs_kernel

LINES = [
    *(*EVERY_SEED, *attacked_lines(5, 600), *streamed_lines(5, 200)),
    *runs(5, 300),
]
KEYS = ("choice_position", "response_hash", "response_id")


def with_columns(plan: Plan, names: Iterable[str]) -> Plan:
    """Return a plan of the number of the line and some columns."""
    return replace(plan, projection=frozenset(["line", *names]))


def projected(decoded: Decoded, plan: Plan) -> Decoded:
    """Return what is left of a block by a plan of some columns."""
    choices = decoded.choices.select(plan.schema.names)
    choices = choices.replace_schema_metadata(plan.schema.metadata)
    return decoded._replace(choices=choices)


def check(lines: Sequence[bytes], plan: Plan, subsets: Iterable[Iterable[str]]) -> None:
    """Compare the rows of some columns with those columns of all rows."""
    block = block_of(joined(lines))
    whole = Reference(plan).decode(block)
    for names in subsets:
        some = with_columns(plan, names)
        found = _Kernel(some).decode(block)
        assert found.choices.schema.names == some.schema.names
        assert difference(projected(whole, some), found) is None


def test_each_column_alone_is_that_of_all_columns() -> None:
    check(LINES, PLANS["default"], ([name] for name in CHOICES.names))


@pytest.mark.parametrize("name", PLANS)
def test_any_columns_are_those_of_all_columns(name: str) -> None:
    random = Random(name)
    names = PLANS[name].table.names
    subsets = [random.sample(names, random.randint(0, len(names))) for _ in range(8)]

    check(LINES, PLANS[name], subsets)


def test_the_reference_leaves_out_the_same_columns() -> None:
    plan = with_columns(PLANS["default"], KEYS)
    block = block_of(joined(LINES))

    assert (
        difference(Reference(plan).decode(block), _Kernel(plan).decode(block)) is None
    )


def test_columns_are_in_the_order_of_the_table() -> None:
    plan = replace(make_plan(), projection=frozenset(["total_tokens", "line", "model"]))
    decoded = _Kernel(plan).decode(block_of(joined([json.dumps(PLAIN).encode()])))

    assert decoded.choices.schema.names == ["line", "model", "total_tokens"]
    assert decoded.choices.to_pydict() == {
        "line": [1, 1],
        "model": [PLAIN["model"]] * 2,
        "total_tokens": [15, None],
    }


def test_text_that_nobody_asked_for_is_repeated_no_longer_than_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_bounds(monkeypatch, REPEATED_BYTES=1000)
    # Twice 400 to 520 characters; as JSON they take up to 12 bytes each.
    lines = [
        json.dumps({**PLAIN, "model": letter * size}).encode()
        for letter in ("m", "\u00e9", "\U0001f600", "\n")
        for size in range(400, 521, 10)
    ]
    plan = make_plan()

    check(lines, plan, [(), ["model"], ["content"]])


def test_repeated_responses_are_left_out_of_some_columns() -> None:
    lines = [
        json.dumps({**PLAIN, "id": name}).encode() for name in ("a", "b", "a", "b")
    ]
    plan = with_columns(make_plan(), KEYS)
    decoded = _Kernel(plan).decode(block_of(joined(lines)))

    kept = Deduplicator().drop_duplicates(decoded)

    assert kept.duplicates == 2
    assert kept.choices.column("line").to_pylist() == [1, 1, 2, 2]
    assert kept.choices.schema.equals(plan.schema)
