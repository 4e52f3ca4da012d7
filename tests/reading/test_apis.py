"""Every API: what a response of it becomes, by values worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bodies import CASES, Case
from tests.support.decoding import rows
from toolkit.schema import CHOICES
from toolkit.schema.apis import APIS

pytestmark = pytest.mark.both_decoders

# Of each row, whatever the response.
PLACE = ("log_id", "source", "line", "choice_position", "choice_count", "response_hash")


def cells(row: dict[str, Any]) -> dict[str, Any]:
    """Return the cells of a row that are not null, without its place."""
    found = {name: cell for name, cell in row.items() if cell is not None}
    return {name: cell for name, cell in found.items() if name not in PLACE}


@pytest.mark.parametrize(
    ("api", "case"),
    [
        pytest.param(api, case, id=f"{api}: {case.title}")
        for api, cases in CASES.items()
        for case in cases
    ],
)
def test_a_response_fills_its_cells_and_no_other(api: str, case: Case) -> None:
    expected = []
    for place, choice in enumerate(case.choices or [{}]):
        facts = {
            name: cell
            for name, cell in case.facts.items()
            if place == 0 or CHOICES[name].grain == "R"
        }
        chars = {"content_chars": len(choice["content"])} if "content" in choice else {}
        expected.append({"api": api, **facts, **choice, **chars})

    found = rows(case.body)

    assert [cells(row) for row in found] == expected
    assert [row["choice_position"] for row in found] == list(range(len(expected)))
    assert {row["choice_count"] for row in found} == {len(case.choices)}


def test_each_api_has_cases() -> None:
    assert CASES.keys() == {api.name for api in APIS}
