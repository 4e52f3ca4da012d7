"""The notebooks run from top to bottom, and their stored outputs are those of today."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.support.notebooks import (
    NOTEBOOKS,
    code_cells,
    execute,
    find_stale,
    pictures,
)

_MAX_BYTES = 150_000
# A path of a machine, a time of the clock, an escape of a terminal.
_PRIVATE = re.compile(r"(?<![\w.<:])/(?:home|root|tmp|Users|work)/|ipykernel_|\x1b\[")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")  # of the notebook machinery, not of ours
def test_a_notebook_runs_and_its_stored_outputs_are_fresh(path: Path) -> None:
    fresh = execute(path)

    assert pictures(fresh)
    assert find_stale(nbformat.read(path, as_version=4), fresh) is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stored_notebook_is_small_and_private_and_defines_nothing(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)

    assert path.stat().st_size < _MAX_BYTES
    assert not any("execution" in cell.metadata for cell in notebook.cells)
    for cell in code_cells(notebook):
        assert "def " not in cell.source
        for output in cell.outputs:
            assert output.output_type != "error"
            texts = [output.get("text", ""), output.get("data", {}).get("text/plain")]
            assert not _PRIVATE.search(" ".join(filter(None, texts)))


@pytest.mark.parametrize(
    ("old", "new", "is_stale"),
    [
        ({"text/plain": "1"}, {"text/plain": "1"}, False),
        ({"text/plain": "1"}, {"text/plain": "2"}, True),
        ({"image/png": "AA=="}, {"image/png": "BB=="}, False),  # pixels may differ
        ({"image/png": "AA=="}, {"text/plain": "1"}, True),
        ({"text/plain": "1"}, {}, True),
        # The text of an HTML table is compared, not its markup.
        (
            {"text/plain": "1", "text/html": "<b>1</b>"},
            {"text/plain": "1", "text/html": "<i>1</i>"},
            False,
        ),
    ],
)
def test_a_changed_output_is_stale(
    old: dict[str, str], new: dict[str, str], is_stale: bool
) -> None:
    stored, fresh = (_notebook(data) for data in (old, new))

    message = find_stale(stored, fresh)

    assert (message is not None) is is_stale
    assert not is_stale or "make outputs" in str(message)


def test_warnings_are_not_compared_and_a_cell_that_never_ran_is_stale() -> None:
    stored, fresh = _notebook({}), _notebook({})
    fresh.cells[0].outputs.append(new_output("stream", name="stderr", text="old"))
    assert find_stale(stored, fresh) is None

    stored.cells[0].execution_count = None
    assert "not stored as executed" in str(find_stale(stored, fresh))


def _notebook(data: dict[str, str]) -> nbformat.NotebookNode:
    """Return a notebook of one cell, with one output."""
    output = new_output("display_data", data) if data else None
    outputs = [output] if output else []
    return new_notebook(cells=[new_code_cell("1", execution_count=1, outputs=outputs)])


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.filterwarnings("ignore")  # of papermill, not of ours
def test_the_weekly_report_takes_parameters() -> None:
    # Imported here: papermill takes long to start.
    from papermill import inspect_notebook

    path = next(path for path in NOTEBOOKS if path.stem == "05_weekly_report")

    assert list(inspect_notebook(path)) == ["source", "last", "now", "tz", "budget"]
