"""The package with its kernel and without: it runs, and says which decoder ran."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import toolkit
from toolkit.reading.native import DECODER

ROOT = Path(__file__).parents[2]
# Python refuses to import what stands in sys.modules as None, as if it were not there.
WITHOUT_KERNEL = "import sys; sys.modules['toolkit._kernel'] = None\n"
TELL = """
import json, toolkit
from toolkit.reading.native import DECODER
log = toolkit.load("data/sample")
rows = log.ledger.to_dicts()
totals = [log.choices.num_rows, log.rejects.height]
totals += [[row["responses"], row["total_tokens"]] for row in rows]
print(json.dumps([DECODER, *{row["decoder"] for row in rows}, *totals]))
"""


def tell(code: str = TELL, **variables: str) -> list[object]:
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

    said = f"completion-toolkit {toolkit.__version__} (decoder {DECODER},"
    assert done.stdout.startswith(said)


def test_without_the_kernel_the_reference_gives_the_same_totals() -> None:
    installed = tell()

    missing = tell(WITHOUT_KERNEL + TELL)

    assert missing[:2] == ["reference", "reference"]
    assert missing[2:] == installed[2:]


def test_the_reference_can_be_asked_for() -> None:
    assert tell(TOOLKIT_DECODER="reference")[:2] == ["reference", "reference"]


def test_the_kernel_is_built_where_it_can_be_and_never_needed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (kernel,) = settings["tool"]["setuptools-rust"]["ext-modules"]

    assert kernel["optional"]
    assert not kernel["debug"]
    assert (ROOT / kernel["path"]).is_file()
    assert settings["tool"]["distutils"]["bdist_wheel"]["py-limited-api"] == "cp311"
