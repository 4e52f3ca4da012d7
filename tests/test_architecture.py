"""The house: floors, doors, the cold start, and no second definition of a column."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import toolkit
from toolkit.schema import CHOICES

PACKAGE = Path(__file__).parents[1] / "toolkit"

DESIGN = (PACKAGE.parent / "docs" / "design.md").read_text(encoding="utf-8")
# From the ground up: the page shows the roof first.
FLOORS = [
    set(names.split())
    for names in reversed(re.findall(r"^ {1,2}\d+  (.*)$", DESIGN, re.MULTILINE))
]
# A library, and the only modules that may import it.
DOORS = {
    "pandera": {"validation"},
    "matplotlib": {"charts", "report", "reporting"},
    "jinja2": {"reporting"},
    "markupsafe": {"reporting"},
    "msgspec": {"values"},
    "genai_prices": {"pricing"},
    "isal": {"compression"},
    "zstandard": {"compression", "sampling"},
    "boto3": {"stores"},
    "botocore": {"stores"},
    "typer": {"cli", "arguments", "scheduled", "measuring", "costing"},
    "rich": {"screens"},
    "pandas": set(),
    "orjson": set(),
    "pickle": set(),
}
# A package of the house is one module that outgrew its file; the crate is none.
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if "kernel" not in path.parts[-2:]
)


def module_of(path: Path) -> str:
    """Return the module or the package of the house that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    """Return the dotted name of a file below toolkit."""
    dotted = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return dotted.removesuffix(".__init__") if "." in dotted else dotted


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
            # Of `from toolkit.metrics import shares` the second may be a module too.
            inner = module.split(".")[0] == "toolkit"
            names += [
                f"{module}.{alias.name}" if inner else module for alias in node.names
            ]
    return names


def floor_of(module: str) -> int:
    """Return the floor on which a module stands."""
    return next(number for number, names in enumerate(FLOORS) if module in names)


def test_every_module_has_a_floor() -> None:
    placed = set().union(*FLOORS)

    assert {module_of(path) for path in MODULES} == placed - {"_kernel"}
    assert sum(map(len, FLOORS)) == len(placed)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_floors_below_its_own(path: Path) -> None:
    here = module_of(path)
    inner = {name.split(".")[1] for name in imports(path) if name.count("toolkit.")}

    too_high = {name for name in inner - {here} if floor_of(name) >= floor_of(here)}

    assert too_high == set()


def test_the_files_of_a_package_import_each_other_in_no_circle() -> None:
    names = {name_of(path) for path in MODULES}
    inner = {
        name_of(path): {
            known
            for found in imports(path)
            for known in (found[8:], found[8:].rpartition(".")[0])
            if found.startswith("toolkit.") and known in names - {name_of(path)}
        }
        for path in MODULES
    }

    graphlib.TopologicalSorter(inner).prepare()  # raises CycleError


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_library_comes_in_by_its_door_only(path: Path) -> None:
    used = {name.split(".")[0] for name in imports(path)}

    passed = {door for door in used & set(DOORS) if module_of(path) not in DOORS[door]}

    assert passed == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_command_prints(path: Path) -> None:
    calls = [
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]

    assert module_of(path) == "screens" or "print" not in calls
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


def test_no_public_function_has_the_name_of_a_module() -> None:
    # Who imports the module, as a worker of Dask does, would get it for the function.
    modules = {path.stem for path in PACKAGE.iterdir()}

    assert not modules & toolkit._HOMES.keys()


def test_every_public_name_is_there() -> None:
    code = "import toolkit; [getattr(toolkit, name) for name in toolkit.__all__]"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
