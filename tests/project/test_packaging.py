"""The package with its kernel and without: it runs, and says which decoder ran."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import toolkit
from tests.support import crates
from toolkit.reading.native import DECODER

ROOT = Path(__file__).parents[2]
KERNEL = ROOT / "toolkit/kernel"
SYSTEMS = {
    "manylinux_x86_64": "x86_64-unknown-linux-gnu",
    "manylinux_aarch64": "aarch64-unknown-linux-gnu",
    "musllinux_x86_64": "x86_64-unknown-linux-musl",
    "musllinux_aarch64": "aarch64-unknown-linux-musl",
    "macosx_x86_64": "x86_64-apple-darwin",
    "macosx_arm64": "aarch64-apple-darwin",
    "win_amd64": "x86_64-pc-windows-msvc",
}
# A module that is None in sys.modules cannot be imported, as if it did not exist.
WITHOUT_KERNEL = "import sys; sys.modules['toolkit._kernel'] = None\n"
LOAD_SAMPLE = """
import json, toolkit
from toolkit.reading.native import DECODER
log = toolkit.load("data/sample")
rows = log.ledger.to_dicts()
totals = [log.choices.num_rows, log.rejects.height]
totals += [[row["responses"], row["total_tokens"]] for row in rows]
print(json.dumps([DECODER, *{row["decoder"] for row in rows}, *totals]))
"""


def load_sample(code: str = LOAD_SAMPLE, **variables: str) -> list[object]:
    """Load the sample in a new interpreter; return the decoders and the totals."""
    kept = {name: at for name, at in os.environ.items() if name != "TOOLKIT_DECODER"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**kept, **variables},
    )
    return json.loads(done.stdout)


def test_the_version_names_the_decoder_that_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )

    expected = f"completion-toolkit {toolkit.__version__} (decoder {DECODER},"
    assert done.stdout.startswith(expected)


def test_without_the_kernel_the_reference_gives_the_same_totals() -> None:
    installed = load_sample()

    missing = load_sample(WITHOUT_KERNEL + LOAD_SAMPLE)

    assert missing[:2] == ["reference", "reference"]
    assert missing[2:] == installed[2:]


def test_the_reference_can_be_asked_for() -> None:
    assert load_sample(TOOLKIT_DECODER="reference")[:2] == ["reference", "reference"]


def test_the_kernel_is_built_where_it_can_be_and_never_needed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (kernel,) = settings["tool"]["setuptools-rust"]["ext-modules"]

    assert kernel["optional"]
    assert not kernel["debug"]
    assert (ROOT / kernel["path"]).is_file()
    assert settings["tool"]["distutils"]["bdist_wheel"]["py-limited-api"] == "cp311"


def test_every_crate_that_is_compiled_has_an_exact_version(tmp_path: Path) -> None:
    cargo = shutil.which("cargo")
    if cargo is None:
        pytest.skip("needs cargo")
    # cargo writes Cargo.lock beside the manifest.
    shutil.copy(KERNEL / "Cargo.toml", tmp_path)
    shutil.copytree(KERNEL / "src", tmp_path / "src")
    command = [cargo, "tree", "--offline", "--edges=normal,build", "--prefix=none"]
    compiled: set[str] = set()
    for system in SYSTEMS.values():
        done = subprocess.run(
            [*command, f"--target={system}"],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        if done.returncode:
            pytest.skip("needs every crate: run cargo fetch in toolkit/kernel")
        compiled |= set(re.findall(r"^(\S+) v(\S+)", done.stdout, re.MULTILINE))
    own = tomllib.loads((KERNEL / "Cargo.toml").read_text("utf-8"))["package"]

    assert crates.pins() == compiled - {(own["name"], own["version"])}


def test_the_licences_of_the_crates_are_those_of_their_sources() -> None:
    written = crates.LICENCES.read_text("utf-8")

    for name, version in crates.pins():
        assert f"{name}-{version} (" in written
    fresh = crates.licences()
    if fresh is None:
        pytest.skip("needs every crate: run cargo fetch in toolkit/kernel")
    assert written == fresh


def test_a_release_has_a_wheel_for_each_system_and_needs_no_secret() -> None:
    text = (ROOT / ".github/workflows/release.yml").read_text("utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    wheels = jobs["wheels"]["strategy"]["matrix"]["include"]
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    steps = [step for job in jobs.values() for step in job["steps"]]

    assert {entry["wheels"]: entry["rust"] for entry in wheels} == SYSTEMS
    for minor in re.findall(r"Python :: 3\.(\d+)", project):
        assert f"cp3{minor}-" in jobs["wheels"]["env"]["CIBW_BUILD"]
    assert "secrets." not in text
    assert {name: job["permissions"] for name, job in jobs.items()} == {
        "sdist": {"contents": "read"},
        "wheels": {},
        "publish": {"id-token": "write"},
    }
    assert set(jobs["publish"]["needs"]) == {"sdist", "wheels"}
    for uses in (step["uses"] for step in steps if "uses" in step):
        assert re.fullmatch(r"[\w./-]+@(release/)?v\d+", uses)
