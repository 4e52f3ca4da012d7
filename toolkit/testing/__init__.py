"""Small valid data for tests and examples: responses, choices and sample logs."""

from __future__ import annotations

from toolkit.testing.frames import make_choices
from toolkit.testing.responses import make_response
from toolkit.testing.sample_logs import sample_lines, write_sample

__all__ = ["make_choices", "make_response", "sample_lines", "write_sample"]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
