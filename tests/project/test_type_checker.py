"""What a type checker reports of code that uses the package."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

# Skipped: nothing of them matters here, and they take long.
SKIPPED = (
    *("pyarrow", "matplotlib", "numpy", "pandas", "rich", "genai_prices"),
    *("obstore", "msgspec"),
)
SUBCLASS = """
from __future__ import annotations

import pandera.polars as pa
import polars as pl
from pandera.typing import FieldType
from pandera.typing.polars import DataFrame

from toolkit.schema import Choices


class Priced(Choices):
    dollars: FieldType[pl.Float64] = pa.Field(ge=0)


@pa.check_types
def total(frame: DataFrame[Priced]) -> float:
    return float(frame.filter(pl.col(Priced.model) == "gpt-a")[Priced.dollars].sum())


checked: DataFrame[Choices] = Choices.validate(pl.DataFrame(), lazy=True)
"""
OPTIONS = """
import toolkit
from toolkit.testing import make_choices

toolkit.load("a", tags={"a": "b"}, max_lines=3)
toolkit.metrics.cache_share(make_choices({}), every="1w", by=None, top=3)
toolkit.metrics.drift(make_choices({}), tz="Europe/Berlin")
toolkit.metrics.measure("cost", "logs/", by=["provider"], on_damage="collect")
toolkit.spending("logs/", every=None)
"""
MISSPELT = (
    'toolkit.load("a", tag={"a": "b"})',
    'toolkit.scan("a", contents="drop")',
    'toolkit.check("a", on_damage="colect")',
    'toolkit.metrics.cache_share(make_choices({}), evry="1w")',
    'toolkit.metrics.drift(make_choices({}), by="model")',
    'toolkit.metrics.measure("cost", "logs/", on_damge="collect")',
    'toolkit.spending("logs/", top=3)',
)
FILES = {
    "subclass.py": SUBCLASS,
    "attribute.py": "from toolkit.schema import Choices\n\nChoices.modle\n",
    "options.py": OPTIONS + "\n".join(MISSPELT),
}


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the errors in all files, from one run of mypy."""
    folder = tmp_path_factory.mktemp("typed")
    for name, text in FILES.items():
        (folder / name).write_text(text, "utf-8")
    sections = [
        f"[mypy-{name}.*]\nfollow_imports = skip\nfollow_imports_for_stubs = True\n"
        "ignore_missing_imports = True\n"
        for name in SKIPPED
    ]
    config = folder / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\n" + "".join(sections), "utf-8")
    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--config-file", config,
            "--cache-dir", folder, "--follow-imports", "silent",
            *[folder / name for name in FILES],
        ],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"(checked {len(FILES)} source files)" in done.stdout
    return [
        line.removeprefix(f"{folder}/")
        for line in done.stdout.splitlines()
        if ": error: " in line
    ]


def test_a_subclass_of_a_model_is_accepted(errors: list[str]) -> None:
    assert not [error for error in errors if error.startswith("subclass.py")]


def test_a_misspelt_column_of_a_model_is_reported(errors: list[str]) -> None:
    (error,) = [error for error in errors if error.startswith("attribute.py")]

    assert '"type[Choices]" has no attribute "modle"' in error


def test_each_misspelt_option_is_reported_and_no_right_one(errors: list[str]) -> None:
    reported = [error for error in errors if error.startswith("options.py")]

    first = len(OPTIONS.splitlines()) + 1
    lines = [int(error.split(":")[1]) for error in reported]
    assert lines == [*range(first, first + len(MISSPELT))]
