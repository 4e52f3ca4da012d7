"""What is imported: nothing that a command does not use, as people wait for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import toolkit
from toolkit.reading.native import DECODER
from toolkit.testing.sample_logs import write_sample

# Runs a command, or code, and prints the modules that are loaded at the end.
PROGRAM = """
import json, sys
code, arguments = sys.argv[1], sys.argv[2:]
sys.argv[1:] = arguments
try:
    exec(code)
except SystemExit as done:
    assert not done.code, done.code
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
MAIN = "from toolkit.__main__ import main; main()"

DATA = {"polars", "pyarrow", "numpy"}
MONEY = {"genai_prices", "toolkit.pricing"}
CHARTS = {"matplotlib", "toolkit.charts"}
# For some results only, or not on a path that every command takes.
ELSEWHERE = {
    *("pandera", "pandas", "hypothesis", "jinja2", "obstore", "rich.progress"),
    *("pyarrow.compute", "pyarrow.dataset"),
}
SLOW = {"pydantic", "ssl", "http.client"}  # what genai-prices imports too
ALL = {*DATA, *MONEY, *CHARTS, *ELSEWHERE, *SLOW, "rich"}

# What a command may not import.
COMMANDS = {
    "--version": ALL,
    "--help": {*ALL, "importlib.metadata"},
    "tokens LOG": {*MONEY, *CHARTS, *ELSEWHERE, *SLOW},
    "tokens EXPORT": {*MONEY, *CHARTS, *ELSEWHERE, *SLOW},
    "tokens EXPORT --csv": {*MONEY, *CHARTS, *ELSEWHERE, *SLOW, "rich"},
    "cost EXPORT": {*CHARTS, *ELSEWHERE},
    "focus EXPORT --month 2026-10 --to OUT.csv": {*CHARTS, *ELSEWHERE, "rich"},
    "plot token_usage EXPORT --to OUT.png": {*MONEY, *ELSEWHERE, *SLOW, "rich"},
    "plot cost EXPORT --to OUT.png": {*ELSEWHERE, "rich"},
    "export LOG --to OUT": {*MONEY, *CHARTS, "pandera", "pandas", "pydantic", "rich"},
    "check LOG": {*CHARTS, "pandera", "pandas", "jinja2", "obstore", "rich.progress"},
    "report EXPORT --to OUT.json": {"pandera", "pandas", "obstore", "rich"},
}
# What finds duplicates without the kernel.
REFERENCE = {"pyarrow.compute", "pandas"} if DECODER == "reference" else set()
SETTINGS = """
from toolkit.cli.config import read_configuration
read_configuration(sys.argv[1] + ".toml")
"""
# What code may not import.
PYTHON = {
    "import toolkit": {*ALL, "importlib.metadata"},
    "import toolkit.schema; dir(toolkit.schema)": {"pandera", "polars"},
    "from toolkit.schema import choices_table; choices_table({'a': 'b'})": {"pandera"},
    # Decoding begins while polars is imported.
    "import toolkit.reading.log_reader": ALL - DATA | {"polars"},
    SETTINGS: {*CHARTS, "genai_prices", "pandera"},
    "import toolkit; toolkit.scan(sys.argv[1]).collect()": ALL - DATA,
    "import toolkit; toolkit.load(sys.argv[1]).frame": ALL - DATA,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the places of a log, an export of it, and what is written."""
    folder = tmp_path_factory.mktemp("imports")
    log, exported = folder / "log.jsonl", folder / "exported"
    write_sample(log, 60)
    (folder / "log.jsonl.toml").write_text('sections = ["cost"]', encoding="utf-8")
    toolkit.export(log, to=exported)
    return {"LOG": str(log), "EXPORT": str(exported), "OUT": str(folder / "out")}


def loaded(code: str, arguments: list[str]) -> set[str]:
    """Return the modules that are loaded when code has run."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, code, *arguments],
        capture_output=True,
        check=True,
        encoding="utf-8",
        cwd=Path(arguments[0]).parent if arguments else None,
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_only_what_it_uses(
    command: str, files: dict[str, str]
) -> None:
    words = command.split()
    for name, path in files.items():
        words = [word.replace(name, path) for word in words]

    assert not loaded(MAIN, words) & COMMANDS[command] - REFERENCE


@pytest.mark.parametrize("code", PYTHON)
def test_a_use_of_the_library_imports_only_what_it_needs(
    code: str, files: dict[str, str]
) -> None:
    assert not loaded(code, [files["LOG"]]) & PYTHON[code] - REFERENCE
