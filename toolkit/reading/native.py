"""The compiled kernel, if it was built.

``TOOLKIT_DECODER=reference`` disables it; both decoders give the same result.
"""

from __future__ import annotations

import os
from typing import Any

try:
    import toolkit._kernel as built
except ImportError:
    built = None  # type: ignore[assignment]

_WANTS_REFERENCE = os.environ.get("TOOLKIT_DECODER") == "reference"
KERNEL: Any = None if _WANTS_REFERENCE else built
DECODER = "reference" if KERNEL is None else "kernel"


def count_lines(data: bytes, start: int, end: int) -> int:
    """Count the line feeds in a part of some bytes."""
    if KERNEL is None:
        return data.count(b"\n", start, end)
    return int(KERNEL.count_lines(data, start, end))
