"""The report as one HTML page, without scripts or external resources.

All text from logs is escaped, by Jinja2 and in the SVG of the charts. The
Content-Security-Policy allows one style sheet, given by its hash, and nothing else.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from markupsafe import Markup

from toolkit import charts
from toolkit.charts.by_metric import find_chart
from toolkit.charts.colors import assign_colors
from toolkit.report.svg import NARROW, WIDE, Styles, draw, page_settings, sparkline
from toolkit.report.templates import environment, text_of

if TYPE_CHECKING:
    from toolkit.report.content import ReportContent, SectionResult


def to_html(content: ReportContent) -> str:
    """Return a report as an HTML page."""
    styles = Styles()
    charts.set_colors(assign_colors(content.names))
    with page_settings():
        pictures = {
            result.section.name: _draw(result, styles) for result in content.sections
        }
    style = _style_sheet(styles)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return (
        environment()
        .get_template("page.html")
        .render(
            content=content,
            pictures=pictures,
            style=Markup(style),  # noqa: S704 - our own rules, and numbers of matplotlib
            style_hash=f"sha256-{digest}",
            sparkline=sparkline,
        )
    )


def _style_sheet(styles: Styles) -> str:
    """Return the style sheet of the page and its charts, in both themes."""
    light, dark = styles.rules()
    sheet = " ".join(text_of("page.css").split())
    return f"{sheet}{light}@media screen and (prefers-color-scheme:dark){{{dark}}}"


def _draw(result: SectionResult, styles: Styles) -> list[Markup]:
    """Draw a section, for wide and for narrow screens."""
    name = result.section.name
    chart = find_chart(name)
    # Their text is escaped when it is written.
    return [
        Markup(draw(chart, result.frame, styles, f"{name}-{size}", inches))  # noqa: S704
        for size, inches in (("w", WIDE), ("n", NARROW))
    ]
