"""The house: floors, doors, the cold start, and no second definition of a column."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.schema import CHOICES

PACKAGE = Path(__file__).parents[1] / "toolkit"

FLOORS = (
    {"errors", "_kernel"},
    {"schema", "stores", "compression", "sniffing", "native", "marks", "exchanging"},
    {"blocks"},
    {"values", "gathering", "finding", "sources", "duplicates", "charts", "sampling"},
    {"reference", "validation", "expressions", "state", "resuming"},
    {"decoding", "prefixes"},
    {"accounting", "targets"},
    {"loaded", "tracking"},
    {"loading"},
    {"scanning", "parts", "testing"},
    {"increment", "onefile"},
    {"replay", "export", "compacting", "metrics"},
    {"report", "checking", "verifying"},
    {"screens", "arguments"},
    {"cli"},
    {"__init__", "__main__"},
)
# A library, and the only modules that may import it.
DOORS = {
    "pandera": {"validation"},
    "matplotlib": {"charts", "report"},
    "msgspec": {"values"},
    "isal": {"compression"},
    "zstandard": {"compression", "sampling"},
    "boto3": {"stores"},
    "botocore": {"stores"},
    "typer": {"cli", "arguments"},
    "rich": {"screens"},
    "pandas": set(),
    "orjson": set(),
    "pickle": set(),
}
MODULES = sorted(PACKAGE.glob("*.py"))


def imports(path: Path) -> list[str]:
    """Return what a module imports, types apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    names = []
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            inner = module == "toolkit"
            names += [
                f"toolkit.{alias.name}" if inner else module for alias in node.names
            ]
    return names


def floor_of(module: str) -> int:
    """Return the floor on which a module stands."""
    return next(number for number, names in enumerate(FLOORS) if module in names)


def test_every_module_has_a_floor() -> None:
    placed = set().union(*FLOORS)

    assert {path.stem for path in MODULES} == placed - {"_kernel"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_imports_only_from_floors_below_its_own(path: Path) -> None:
    inner = {name.split(".")[1] for name in imports(path) if name.count("toolkit.")}

    too_high = {name for name in inner if floor_of(name) >= floor_of(path.stem)}

    assert too_high == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_library_comes_in_by_its_door_only(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}

    passed = {door for door in used & set(DOORS) if path.stem not in DOORS[door]}

    assert passed == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_only_the_command_prints(path: Path) -> None:
    calls = [
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]

    assert path.stem == "screens" or "print" not in calls
    assert not {"eval", "exec"} & set(calls)


def test_the_decoder_names_no_column_that_it_reads() -> None:
    texts = {
        node.value
        for name in ("reference", "values")
        for node in ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    read = {column.name for column in CHOICES.columns if column.kind != "given"}

    # Some kinds of values are called like the column that they were made for.
    kinds = {column.kind for column in CHOICES.columns}
    assert (texts & read) <= kinds


@pytest.mark.parametrize("heavy", ["matplotlib", "pandera", "polars", "pyarrow"])
def test_the_start_is_cold(heavy: str) -> None:
    code = f"import sys, toolkit; sys.exit({heavy!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_is_there() -> None:
    code = "import toolkit; [getattr(toolkit, name) for name in toolkit.__all__]"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
