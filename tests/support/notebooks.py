"""Execute the notebooks and store their outputs: ``make outputs``.

Pictures get a small palette, and what differs from run to run is removed. A test
compares the stored outputs with those of today.
"""

from __future__ import annotations

import base64
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RENEW = "renew the outputs by `make outputs`, and look at them"
_MAX_HTML = 50_000  # a page in a frame is larger
_COLORS = 32
# Where a warning was raised, the address of an object, a temporary folder.
_VOLATILE = re.compile(
    r"\S*ipykernel_\d+/\d+\.py:\d+: | at 0x[0-9a-f]+|[^\s>('\"]*/tmp[a-z0-9_]{8}/"
)
_DECODER = re.compile(r"decoder \w+")  # the fast one is not everywhere
_SOURCE_LINE = re.compile(r"(Warning: [^\n]*\n)  \S[^\n]*\n")


def execute(path: Path) -> NotebookNode:
    """Return a notebook with its outputs of today; the file stays as it is."""
    notebook = nbformat.read(path, as_version=4)
    # A notebook draws into itself.
    env = {name: text for name, text in os.environ.items() if name != "MPLBACKEND"}
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute(env=env)
    notebook.metadata.language_info = {"name": "python"}  # without a version
    for cell in code_cells(notebook):
        for output in cell.outputs:
            _clean(output)
    return notebook


def code_cells(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """Yield the cells with code."""
    yield from (cell for cell in notebook.cells if cell.cell_type == "code")


def pictures(notebook: NotebookNode) -> list[bytes]:
    """Return the pictures in the outputs."""
    return [
        base64.b64decode(output.data["image/png"])
        for cell in code_cells(notebook)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def _clean(output: NotebookNode) -> None:
    """Remove from an output what differs from run to run, or is large."""
    if "text" in output:
        output.text = _SOURCE_LINE.sub(r"\1", _VOLATILE.sub("", output.text))
    data = output.get("data", {})
    if "image/png" in data:
        data["image/png"] = _shrink(data["image/png"])
        data.pop("text/plain", None)  # a class and a size in pixels
    for kind in data.keys() & {"text/plain", "text/html"}:
        data[kind] = _VOLATILE.sub("", data[kind])
    if len(data.get("text/html", "")) > _MAX_HTML:
        del data["text/html"]


def _shrink(encoded: str) -> str:
    """Return a PNG with few colours and no metadata."""
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        small = picture.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def shown(output: NotebookNode) -> Any:
    """Return what must not change: text, errors, and the kinds of anything else."""
    if output.output_type == "stream":
        return ("stdout", output.text) if output.name == "stdout" else None
    data = output.get("data", {})
    return [*sorted(data), _DECODER.sub("", data.get("text/plain", ""))]


def find_stale(stored: NotebookNode, fresh: NotebookNode) -> str | None:
    """Return a message about the first output that is not that of today."""
    for number, (old, new) in enumerate(
        zip(code_cells(stored), code_cells(fresh), strict=True), start=1
    ):
        if old.execution_count != number:
            return f"code cell {number} is not stored as executed: {RENEW}"
        before, now = ([*filter(None, map(shown, c.outputs))] for c in (old, new))
        if before != now:
            return f"code cell {number} shows {now}, stored is {before}: {RENEW}"
    return None


def main() -> None:
    """Store the outputs of all notebooks."""
    for path in NOTEBOOKS:
        notebook = execute(path)
        nbformat.write(notebook, path)
        count, size = len(pictures(notebook)), path.stat().st_size / 1000
        print(f"{path.relative_to(ROOT)}: {count} pictures, {size:.0f} kB")


if __name__ == "__main__":
    main()
