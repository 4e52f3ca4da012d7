"""What the docs say is what happens."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import toolkit
from toolkit.decoding import DECODER
from toolkit.schema import LEDGER, REJECTS, dictionary
from toolkit.testing import write_sample

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def examples(language: str) -> list[tuple[str, str]]:
    """Return each example of the README with the output that it shows."""
    inside = r"((?:(?!```).)*)"
    pattern = rf"```{language}\n{inside}```\n\n```text\n{inside}```"
    return re.findall(pattern, README, re.DOTALL)


def squeezed(text: str) -> list[str]:
    """Return the lines that say something, without the space around them."""
    return [line.strip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(("code", "output"), examples("python"))
def test_the_python_example_prints_what_the_readme_shows(
    code: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()

    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README", "exec"), {})

    told = printed.getvalue().replace(f"decoder {DECODER}", "decoder kernel")
    assert squeezed(told) == squeezed(output)


@pytest.mark.parametrize(("code", "output"), examples("bash"))
def test_the_command_example_prints_what_the_readme_shows(
    code: str, output: str, tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(ROOT / "data")
    command = code.replace("toolkit ", f"{sys.executable} -m toolkit ")
    done = subprocess.run(
        ["bash", "-ec", command],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
    )

    # The last line of an export tells how long it took.
    shown = re.sub(r"[\d.]+ s$", "N s", done.stdout + done.stderr, flags=re.MULTILINE)
    wanted = re.sub(r"[\d.]+ s$", "N s", output, flags=re.MULTILINE)
    assert sorted(squeezed(shown)) == sorted(squeezed(wanted))


SCALING = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```python\n(.*?)```", SCALING, re.DOTALL)


@pytest.mark.parametrize("number", range(2), ids=["processes", "dask"])
def test_the_scripts_about_scaling_export_the_sample(
    number: int, tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "script.py").write_text(SCRIPTS[number], encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "script.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    # The sample has 2,000 lines and 1,000.
    ledger = toolkit.ledger(tmp_path / "parquet")
    assert sorted(ledger["lines"]) == [1000, 2000]
    assert toolkit.verify(tmp_path / "parquet").faults == []


def test_there_are_examples() -> None:
    assert examples("python")
    assert examples("bash")
    assert len(SCRIPTS) == 2


def test_the_data_dictionary_is_the_schemas() -> None:
    assert dictionary() in README
    assert dictionary(REJECTS) in README
    assert dictionary(LEDGER) in README


def test_the_sample_is_what_its_readme_says(tmp_path: Path) -> None:
    write_sample(tmp_path / "chat.jsonl", 2000, seed=7)
    write_sample(tmp_path / "batch.jsonl", 1000, seed=8)
    sample = ROOT / "data" / "sample"
    chat = (sample / "chat.jsonl").read_bytes()
    batch = gzip.decompress((sample / "batch.jsonl.gz").read_bytes())
    assert chat == (tmp_path / "chat.jsonl").read_bytes()
    assert batch == (tmp_path / "batch.jsonl").read_bytes()


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=False, cwd=ROOT
    ).stdout.split()
    # Written apart, so that this file does not hold them.
    forbidden = ["py" + "thonhosted", "py" + "pi.org", "/ro" + "ot/", "index" + "-url"]
    for name in listed:
        raw = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        assert not [word for word in forbidden if word.encode() in raw], name
