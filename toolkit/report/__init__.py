"""The report that arrives on Monday: page, Markdown, JSON and picture, from one run.

Built as a tuple of sections, each a title, a metric, a chart and words; one loop makes
them all.
"""

from __future__ import annotations

from toolkit.report.report import Report, write_report

__all__ = ["Report", "write_report"]
