"""What every test shares."""

from __future__ import annotations

import faulthandler
import gc
import importlib.util
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

os.environ["MPLBACKEND"] = "agg"

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
FAULTS = pytest.StashKey[Path]()

collect_ignore = ["benchmarks"]  # programs, without tests


# Property tests try the same examples as long as the code is the same;
# `--hypothesis-profile default` tries others.
settings.register_profile("same", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def in_the_root(request: pytest.FixtureRequest) -> None:
    """Run from the root: the examples of the docs name data/sample."""
    request.getfixturevalue("monkeypatch").chdir(ROOT)


@pytest.fixture
def corpus() -> Path:
    """Return the folder of recorded responses, which are not part of the project."""
    folder = SHARED / "corpus"
    if not folder.is_dir():
        pytest.skip("the recorded responses are not beside this checkout")
    return folder


# What only some systems have.


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test where the system lacks what the test needs."""
    for marker in item.iter_markers("needs"):
        skip_without(*marker.args)


def skip_without(*names: str) -> None:
    """Skip a test unless the system has files, modules, or names in modules.

    ``Linux`` is the system itself, ``symlinks`` the right to make them.
    """
    for name in names:
        if not _is_there(name):
            pytest.skip(f"this system has no {name}")


@cache
def _is_there(name: str) -> bool:
    """Return whether the system has something."""
    module, _, attribute = name.partition(".")
    if name == "Linux":
        return sys.platform == "linux"
    if name == "symlinks":
        with tempfile.TemporaryDirectory() as folder, suppress(OSError):
            Path(folder, "link").symlink_to("nowhere")
            return True
        return False
    if name.startswith("/"):
        return Path(name).exists()
    found = importlib.util.find_spec(module) is not None
    return found and hasattr(importlib.import_module(module), attribute or "__name__")


# Thousands of tests stay in memory: the collector of garbage passes them over.


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Collect no garbage while tests are collected."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Collect the garbage of what comes from now on."""
    gc.enable()
    gc.collect()
    gc.freeze()


# What is left of a process that dies in a run with several.


@pytest.hookimpl(trylast=True)  # after the plugin that writes them to stderr
def pytest_configure(config: pytest.Config) -> None:
    """Have a worker write the traceback of a crash to a file."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="faults-")
        config.stash[FAULTS] = Path(folder.name)
        config.add_cleanup(folder.cleanup)
    elif faulthandler.is_enabled():
        file = Path(config.workerinput["faults"]).open("wb")  # noqa: SIM115
        config.add_cleanup(file.close)
        faulthandler.enable(file)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Name the file of a worker."""
    file = node.config.stash[FAULTS] / f"{node.gateway.id}.txt"
    node.workerinput["faults"] = str(file)


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(report: Any) -> None:
    """Show how the process of a worker ended, and the traceback of its threads."""
    faults = Path(report.node.workerinput["faults"])
    try:
        code = report.node.gateway._io.popen.wait(10)
    except subprocess.TimeoutExpired:
        code = "none: the process is still there"
    found = faults.read_text("utf-8", "replace") if faults.exists() else ""
    report.longrepr += f"\nexit code {code}\n{found or 'no traceback'}"
