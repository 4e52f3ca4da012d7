"""Levels, imports, names, the start, and no second definition of a column."""

from __future__ import annotations

import ast
import graphlib
import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.conftest import ROOT
from toolkit.schema import CHOICES

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = ROOT / "toolkit"
PAGE = ROOT / "docs" / "development" / "design.md"
LEVELS = {
    name: int(level)
    for level, names in re.findall(
        r"^ (\d)  (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    for name in names.split()
}
# A library, and the only modules or packages that may import it.
ENTRANCES = {
    "pandera": {"schema"},
    "matplotlib": {"charts", "report"},
    "jinja2": {"report"},
    "markupsafe": {"report"},
    "msgspec": {"reading.json_values"},
    "genai_prices": {"pricing.catalogue"},
    "isal": {"reading.decompression"},
    "backports": {"reading.decompression", "testing.sample_logs"},
    "obstore": {"reading.object_store"},
    "xlsxwriter": {"formatting.table_files"},
    "pydantic": {"cli.settings"},
    "rich": {"cli.output", "cli.screen", "cli.tables"},
    "pandas": set(),
    "orjson": set(),
    "pickle": set(),
}
PATHS = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Return the dotted name of a module below toolkit."""
    dotted = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return dotted.removesuffix(".__init__")


MODULES = {name_of(path): path for path in PATHS}
INNER = [name for name in MODULES if name != "__init__"]
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in MODULES.items()}


def package_of(name: str) -> str:
    """Return the package, or the module at the top, that a module belongs to."""
    return name.split(".")[0]


def imports(name: str) -> Iterator[tuple[str, str]]:
    """Yield what a module imports: each module, and the name taken from it."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def inner_imports(name: str) -> Iterator[tuple[str, str]]:
    """Yield the modules of this package that a module imports, and the names."""
    for module, imported in imports(name):
        if package_of(module) != "toolkit":
            continue
        inner = module.removeprefix("toolkit").removeprefix(".")
        submodule = f"{inner}.{imported}".removeprefix(".")
        if submodule in MODULES or submodule == "_kernel":
            yield submodule, ""
        else:
            yield inner or "__init__", imported


def test_every_package_has_a_level() -> None:
    assert {package_of(name) for name in MODULES} == LEVELS.keys() - {"_kernel"}


def test_there_are_few_entries_at_the_top() -> None:
    entries = {path.name for path in PACKAGE.iterdir() if path.is_dir()}

    files = {path.stem for path in PACKAGE.glob("*.py")}
    assert files == {"__init__", "__main__", "errors", "system"}
    assert len(entries - {"__pycache__"}) <= 13


def test_a_module_imports_only_from_lower_levels() -> None:
    for name in INNER:
        here = package_of(name)

        imported = {package_of(module) for module, _ in inner_imports(name)} - {here}

        assert not {one for one in imported if LEVELS[one] >= LEVELS[here]}, name


def test_modules_import_each_other_in_no_cycle() -> None:
    graph = {
        name: {module for module, _ in inner_imports(name)} - {name} for name in INNER
    }

    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_across_packages_only_public_names_are_imported() -> None:
    crossing = [
        (module, imported)
        for name in MODULES
        for module, imported in inner_imports(name)
        if package_of(module) != package_of(name)
    ]

    private = [one for one in crossing if re.search(r"(^|\.)_[a-z]", ".".join(one))]
    assert [one for one in private if one[0] != "_kernel"] == []


# Names that modules use without importing them: the command calls what is registered.
REGISTERS = {"command"}
# Their whole content is for users, who import from them.
FOR_USERS = {"__main__", "errors"}


def definitions(name: str) -> dict[str, ast.stmt]:
    """Return what a module defines at its top, by name."""
    found: dict[str, ast.stmt] = {}
    for node in TREES[name].body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                named = [one for one in ast.walk(target) if isinstance(one, ast.Name)]
                found |= {one.id: node for one in named}
    return found


def signature_names(node: ast.stmt) -> set[str]:
    """Return the names in the annotations, bases and type aliases of a definition."""
    annotations: list[ast.AST | None] = []
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef):
            annotations.append(part.returns)
        elif isinstance(part, ast.arg | ast.AnnAssign):
            annotations.append(part.annotation)
        elif isinstance(part, ast.ClassDef):
            annotations += part.bases
    if isinstance(node, ast.Assign | ast.AnnAssign):
        annotations.append(node.value)
    text = " ".join(ast.unparse(one) for one in annotations if one is not None)
    return set(re.findall(r"\w+", text))


def uses() -> dict[str, set[str]]:
    """Return what is used of each module: what others import, and what users may."""
    used: dict[str, set[str]] = {name: set() for name in MODULES}
    for user, tree in TREES.items():
        aliases = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    dotted = f"{node.module}.{alias.name}".removeprefix("toolkit.")
                    aliases[alias.asname or alias.name] = dotted
        for module, imported in inner_imports(user):
            if module in used:
                used[module].add(imported)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                module = aliases.get(ast.unparse(node.value), "")
                used.get(module, set()).add(node.attr)
    for name, home in toolkit._HOMES.items():
        used[home].add(name)
    for name in MODULES:
        module = importlib.import_module(f"toolkit.{name}".removesuffix(".__init__"))
        used[name] |= set(getattr(module, "__all__", ()))
    return used


def test_what_only_its_own_module_uses_has_an_underscore() -> None:
    used = uses()
    for name in INNER:
        if name not in FOR_USERS:
            assert bare_names(name, used[name]) == set(), name


def bare_names(name: str, used: set[str]) -> set[str]:
    """Return what only a module itself uses, and has no underscore."""
    defined = definitions(name)
    public = used | {
        function.name
        for function in defined.values()
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) in REGISTERS
    }
    todo = public & defined.keys()
    while todo:  # the types of what is public are public too
        new = signature_names(defined[todo.pop()]) & defined.keys() - public
        public |= new
        todo |= new

    return {one for one in defined if not one.startswith("_")} - public


def test_a_library_is_imported_in_its_place_only() -> None:
    for name in MODULES:
        used = {package_of(module) for module, _ in imports(name)}

        for library in used & ENTRANCES.keys():
            assert {name, package_of(name)} & ENTRANCES[library], (name, library)


def test_only_the_output_of_the_command_prints() -> None:
    for name, tree in TREES.items():
        calls = {
            node.func.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }

        assert name == "cli.output" or "print" not in calls, name
        assert not {"eval", "exec"} & calls, name


def test_the_decoder_names_no_column_that_it_reads() -> None:
    texts = {
        node.value
        for name in ("reading.reference_decoder", "reading.json_values")
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    read = {column.name for column in CHOICES.columns if column.kind != "given"}

    # Some kinds of values are called like the column that they were made for.
    kinds = {column.kind for column in CHOICES.columns}
    # A chunk has no finish_reason.
    assert (texts & read) <= kinds | {"finish_reason"}


PACKAGES = sorted({package_of(name) for name in MODULES if "." in name})


@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_no_module_has_the_name_of_what_its_package_exports(
    package: str,
) -> None:
    # Importing the module, as a worker of Dask does, would replace the export.
    imported = importlib.import_module(f"toolkit.{package}".removesuffix("."))
    exported = {
        name
        for name in getattr(imported, "__all__", ())
        if not isinstance(getattr(imported, name), ModuleType)
    }

    assert not exported & {path.stem for path in (PACKAGE / package).iterdir()}


@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_tab_completion_offers_the_public_names_only(package: str) -> None:
    imported = importlib.import_module(f"toolkit.{package}".removesuffix("."))
    public = getattr(imported, "__all__", None)

    assert public is None or set(dir(imported)) - {"__version__"} == set(public)


def test_every_public_name_is_there() -> None:
    code = "import toolkit; [getattr(toolkit, name) for name in toolkit.__all__]"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_test_refills_the_environment() -> None:
    # See `tests.support.command.environment`.
    refill = "patch.dict(os." + "environ,"
    paths = [*(ROOT / "tests").rglob("*.py"), ROOT / "conftest.py"]

    assert not [path for path in paths if refill in path.read_text("utf-8")]
