"""What SECURITY.md promises: each test that it names is there, and two of them here."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

from toolkit.testing import write_sample

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "toolkit"
# Code from text or bytes, other programs, connections. Only addresses of stores are
# opened, by obstore.
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
FORBIDDEN_MODULES = re.compile(
    r"(pickle|marshal|shelve|dill|joblib|yaml|subprocess|pty|socket|ssl|ftplib|smtplib"
    r"|http|urllib\.request|urllib3|requests|httpx|aiohttp)(\..*)?"
)
STARTS = re.compile(r"os\.(system|popen|exec|spawn|posix_spawn|fork)")
# What a user does with a log. A connection that Python opens ends the program.
USE = """
import sys

def refuse(event, _arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise SystemExit(f"refused: {event}")

sys.addaudithook(refuse)
import toolkit
log = toolkit.load("log.jsonl")
toolkit.export("log.jsonl", to="out")
toolkit.metrics.cost(toolkit.scan("out"), every="1w", by=["model"])
toolkit.plot("cost", log, every="1w").figure.savefig("cost.png")
toolkit.write_report(log, "week.html", last="week", now="2026-11-09")
print("done")
"""


def test_each_test_that_the_page_names_exists() -> None:
    page = (ROOT / "SECURITY.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)`\s+`(test_\w+)`", page)

    assert len(named) > 10
    assert page.count("`test_") == len(named)
    for path, test in named:
        assert f"def {test}(" in (ROOT / path).read_text("utf-8"), test


def test_the_package_runs_no_text_and_imports_nothing_that_opens_a_connection() -> None:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = {node.func.id} & FORBIDDEN_CALLS
            elif isinstance(node, ast.Attribute):
                names = (
                    {ast.unparse(node)} if STARTS.match(ast.unparse(node)) else set()
                )
            elif isinstance(node, ast.Import | ast.ImportFrom):
                modules = [getattr(node, "module", None) or ""]
                modules += [alias.name for alias in node.names]
                names = {name for name in modules if FORBIDDEN_MODULES.fullmatch(name)}
            else:
                continue
            found += [(path.name, node.lineno, name) for name in names]

    assert not found


def test_reading_pricing_and_reporting_open_no_connection(tmp_path: Path) -> None:
    write_sample(tmp_path / "log.jsonl", lines=500)
    command = [sys.executable, "-W", "ignore", "-c", USE]
    trace = tmp_path / "trace"
    if strace := shutil.which("strace"):  # sees what Rust and C do too
        calls = "trace=connect,sendto,sendmsg"
        command = [strace, "-f", "-qq", "-e", calls, "-o", str(trace), *command]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert done.stdout == "done\n", done.stderr
    assert not trace.exists() or "AF_INET" not in trace.read_text("utf-8")


def test_each_unsafe_block_of_the_kernel_has_its_reason() -> None:
    blocks = {}
    for path in sorted((PACKAGE / "kernel/src").glob("*.rs")):
        lines = path.read_text("utf-8").splitlines()
        for number, line in enumerate(lines):
            if re.search(r"\bunsafe\b", line.partition("//")[0]):
                above = number
                while lines[above - 1].lstrip().startswith("//"):
                    above -= 1
                assert lines[above].lstrip().startswith("// SAFETY: "), (path, number)
                blocks[path.name] = blocks.get(path.name, 0) + 1

    # A new one needs a measurement: strings are not checked twice (a tenth of the
    # time); the other two read what Python passes by Arrow's protocol.
    assert blocks == {"columns.rs": 1, "lib.rs": 1, "seen.rs": 1}
