"""The docs are true: examples print what they show, pages are fresh, links lead on."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest

import toolkit
from tests.conftest import skip_without
from tests.support import reference
from tests.support.command import run
from toolkit.errors import RejectsWarning
from toolkit.reading.native import DECODER
from toolkit.testing import write_sample

pytestmark = pytest.mark.both_decoders

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
SITE = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [
    README,
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("examples/**/*.md")),
    *SITE,
]


def squeezed(text: str) -> list[str]:
    """Return the lines that are not blank, without the space around them."""
    # The last line of an export ends with the time that it took.
    text = re.sub(r"[\d.]+ s(?=\)?$)", "N s", text, flags=re.MULTILINE)
    text = text.replace(f"decoder {DECODER}", "decoder kernel")
    return [line.strip() for line in text.splitlines() if line.strip()]


def blocks(page: Path) -> list[tuple[str, str, str | None]]:
    """Return language, code and shown output of each example of a page, in order."""
    pattern = r"^```(python|bash)\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?"
    found = re.findall(pattern, page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [(language, code, shown or None) for language, code, shown in found]


def run_python(code: str, names: dict[str, object]) -> list[str]:
    """Run an example and return what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore", RejectsWarning)
        exec(compile(code, "example", "exec", dont_inherit=True), names)
    return squeezed(printed.getvalue())


# A command, and what a shell does with what it prints.
TOOLKIT = f"toolkit() {{ '{sys.executable}' -m toolkit \"$@\"; }}"
COMMAND = re.compile(r"toolkit ([^|<>$;&*`]*)(?:(&&|[|>]) *(.*))?")


def run_bash(code: str, where: Path) -> list[str]:
    """Run an example and return what it printed, in any order: on two streams."""
    lines = code.replace("\\\n", "").splitlines()
    return sorted(squeezed("".join(run_line(line, where) for line in lines)))


def run_line(line: str, where: Path) -> str:
    """Run a line and return what it printed; the command runs in this process."""
    if line.startswith("pip install"):
        return ""  # .ci/run does
    found = COMMAND.fullmatch(line.partition("  #")[0].rstrip())
    if not found:
        return run_shell(line, where)
    words, mark, rest = found.groups()
    done = run(*shlex.split(words, comments=True))
    assert done.returncode == 0, done
    if mark == ">":
        (where / rest).write_text(done.stdout, encoding="utf-8")
        return done.stderr
    if mark == "|":
        return done.stderr + run_shell(rest, where, done.stdout)
    return done.stdout + done.stderr + (run_line(rest, where) if rest else "")


def run_shell(line: str, where: Path, stdin: str = "") -> str:
    """Run a line in a shell and return what it printed."""
    skip_without("posix")
    done = subprocess.run(
        ["bash", "-euc", f"{TOOLKIT}\n{line}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"},
        input=stdin,
    )
    return done.stdout + done.stderr


@pytest.mark.needs("symlinks")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run_in_order_and_print_what_it_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "import CommitProperties" in page.read_text("utf-8"):
        pytest.importorskip("deltalake")
    # Every page finds the sample, and the logs of the reader's own under logs/.
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "logs").symlink_to(ROOT / "data" / "sample")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for language, code, shown in blocks(page):
        if code.startswith(("make ", ".venv/")) or "__main__" in code:
            continue  # .ci/run does these; scripts have a test of their own
        if language == "python":
            printed = run_python(code, names)
            expected = squeezed(shown or "")
        else:
            printed = run_bash(code, tmp_path)
            expected = sorted(squeezed(shown or ""))
        if shown is not None:
            assert printed == expected


SCALING = (ROOT / "docs" / "howto" / "many-machines.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```python\n(.*?)```", SCALING, re.DOTALL)


@pytest.mark.needs("symlinks")
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
    shown = [block for page in PAGES for block in blocks(page) if block[2]]

    assert {language for language, *_ in shown} == {"python", "bash"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text("utf-8").partition("nav:")[2]
    named = set(re.findall(r"[\w/.-]+\.md", menu))

    assert named == {str(page.relative_to(ROOT / "docs")) for page in SITE}


@pytest.mark.parametrize("name", reference.GENERATED)
def test_a_generated_page_is_fresh(name: str) -> None:
    written = (ROOT / "docs" / name).read_text("utf-8")

    advice = f"docs/{name} is out of date: run `{reference.REGENERATE}` and commit it"
    assert written == reference.GENERATED[name](), advice


def test_every_public_name_has_its_place_in_the_reference() -> None:
    documented = {name for page in reference.PAGES.values() for name in page.names}
    for name in toolkit.__all__:
        value = getattr(toolkit, name)
        public = getattr(value, "__all__", [])
        expected = {f"toolkit.{name}.{each}" for each in public}
        if not isinstance(value, ModuleType):
            expected = {f"toolkit.{name}"}

        assert expected <= documented


def test_the_sample_is_what_its_readme_says(tmp_path: Path) -> None:
    write_sample(tmp_path / "chat.jsonl", 2000, seed=7)
    write_sample(tmp_path / "batch.jsonl", 1000, seed=8)
    sample = ROOT / "data" / "sample"
    chat = (sample / "chat.jsonl").read_bytes()
    batch = gzip.decompress((sample / "batch.jsonl.gz").read_bytes())
    assert chat == (tmp_path / "chat.jsonl").read_bytes()
    assert batch == (tmp_path / "batch.jsonl").read_bytes()


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=False, cwd=ROOT
    ).stdout.split()
    # Written apart, so that this file does not hold them. Before the first release the
    # name of the package on an index is anyone's: no recipe may install it from there.
    forbidden = [
        "pip install comp" + "letion-toolkit",
        "pip install 'comp" + "letion-toolkit",
        "py" + "thonhosted",
        "py" + "pi.org",
        "/ro" + "ot/",
        "index" + "-url",
        "/wo" + "rk/",
    ]
    for name in listed:
        raw = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        assert not [word for word in forbidden if word.encode() in raw], name
