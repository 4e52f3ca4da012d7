"""Reports as HTML page, Markdown, JSON and PNG, from one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.report.report import Report, write_report

__all__ = ["Report", "write_report"]


def __getattr__(name: str) -> object:
    """Import the report when it is first used: the settings need only its sections."""
    if name not in __all__:
        message = f"module 'toolkit.report' has no attribute {name!r}"
        raise AttributeError(message)
    from toolkit.report import report

    return getattr(report, name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
