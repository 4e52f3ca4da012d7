"""Reports as HTML page, Markdown, JSON and PNG, from one run."""

from __future__ import annotations

from toolkit.report.report import Report, write_report

__all__ = ["Report", "write_report"]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
