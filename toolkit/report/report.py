"""`write_report`: a report on logs or an export as HTML, Markdown, JSON and PNG."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

import polars as pl

from toolkit import system
from toolkit.charts.colors import check_colors
from toolkit.errors import OptionError, check_word
from toolkit.expressions.choices import check_columns
from toolkit.expressions.time_ranges import Moment, Period, Span, chosen, moment
from toolkit.formatting.parameters import (
    check_ending,
    check_path,
    check_type,
    share_parameters,
)
from toolkit.metrics.options import Choices, check_options
from toolkit.metrics.spending import cost
from toolkit.pricing.budgets import Budget as MonthBudget
from toolkit.pricing.budgets import parse_budgets
from toolkit.pricing.price_file import PriceFile, read_prices
from toolkit.reading.options import READ_PARAMETERS, ReadOptions, complete
from toolkit.report.content import build_content
from toolkit.report.inputs import Plan, ReportInputs, collect_inputs, price
from toolkit.report.model import TILES
from toolkit.report.provenance import read_report
from toolkit.report.tables import MetricTables

if TYPE_CHECKING:
    from toolkit.reading.discovery import Sources
    from toolkit.report.model import Budget, ReportContent
    from toolkit.report.provenance import Options

_TITLE, _TOP = "LLM usage", 12
_LAST_YEAR = 9999
# Length of a period in a range of at most so many days.
_LENGTHS = ((2, "1h"), (62, "1d"), (400, "1w"))


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """A report: its formats, and the figures that budgets are compared with.

    Attributes
    ----------
    content
        All figures and texts: see `toolkit.report.model`.
    """

    content: ReportContent
    inputs: ReportInputs
    plan: Plan
    prices: PriceFile

    def __repr__(self) -> str:
        """Return range and headline."""
        return f"{self.content.range.words} ({self.plan.tz}): {self.headline}"

    @property
    def headline(self) -> str:
        """The summary, in one sentence."""
        return self.content.answer.headline

    @property
    def ledger(self) -> pl.DataFrame | None:
        """One row per log, whatever the range; None for a report on a frame."""
        return self.inputs.ledger

    @property
    def budgets(self) -> Sequence[Budget]:
        """The budgets of the month, with what is spent and the forecast."""
        return self.content.budgets

    def html(self) -> str:
        """Return the report as an HTML page."""
        # Imported here: JSON and PNG do not need jinja2.
        from toolkit.report.formats import to_html

        return to_html(self.content)

    def _repr_html_(self) -> str:
        """Return the page for a notebook, in a frame of its own."""
        from html import escape

        return (
            f'<iframe srcdoc="{escape(self.html())}" sandbox="" title="report" '
            'style="width:100%;height:80vh;border:0"></iframe>'
        )

    def markdown(self) -> str:
        """Return the report as Markdown."""
        # Imported here: JSON and PNG do not need jinja2.
        from toolkit.report.formats import to_markdown

        return to_markdown(self.content)

    def json(self) -> str:
        """Return the report as JSON: see ``docs/report.schema.json``."""
        return self.content.json()

    def data(self) -> dict[str, Any]:
        """Return the data of the JSON."""
        return self.content.data()

    def png(self) -> bytes:
        """Return the overview of the range as PNG."""
        # Imported here: the other formats do not need matplotlib.
        from toolkit.report.png import overview_png

        return overview_png(self.content, MetricTables(self.inputs, self.plan))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file in the format of its suffix: .html, .md, .json or .png."""
        data = _FORMATS[check_ending("to", path, _FORMATS)](self)
        system.write_whole(Path(path), data.encode() if isinstance(data, str) else data)

    def costs(self, column: str) -> pl.DataFrame:
        """Return the costs of each value of a column over the range."""
        inputs = price(self.inputs, self.prices, [column])
        costs = cost(inputs.choices, every=None, by=column, **self.plan.range)
        return costs.with_columns(pl.col(column).cast(pl.String))

    def values(self, column: str) -> list[str]:
        """Return the values of a column in the whole log, whatever the range."""
        check_columns(self.inputs.choices, [column])
        values = self.inputs.choices.select(pl.col(column).cast(pl.String).unique())
        return values.collect(engine="streaming")[column].drop_nulls().sort().to_list()


_FORMATS: dict[str, Callable[[Report], str | bytes]] = {
    ".html": Report.html,
    ".md": Report.markdown,
    ".json": Report.json,
    ".png": Report.png,
}


@share_parameters(ReadOptions, READ_PARAMETERS)
def write_report(
    sources: Sources | Choices,
    to: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    *,
    last: Period | None = None,
    since: Moment = None,
    until: Moment = None,
    now: Moment = None,
    compare: str | None = None,
    tz: str = "UTC",
    every: str | None = None,
    by: str | Sequence[str] | None = "model",
    top: int = _TOP,
    sections: Sequence[str] = tuple(TILES),
    title: str = _TITLE,
    prices: str | os.PathLike[str] | None = None,
    provider: str | None = None,
    against: str | os.PathLike[str] | None = None,
    budgets: str | Sequence[str] = (),
    colors: Mapping[str, str] | None = None,
    **options: Unpack[ReadOptions],
) -> Report:
    """Write a report on a range of time: cost, changes, and how complete the data is.

    Parameters
    ----------
    sources
        Logs or exports as in `toolkit.scan`, or choices in memory: a frame, a `Loaded`.
    to
        Files to write, in the format of their suffix: .html, .md, .json, .png.
    last
        The last complete ``"day"``, ``"week"``, ``"month"`` or ``"quarter"`` in `tz`,
        instead of `since` and `until`.
    since, until
        Range of `created`, `until` exclusive: a date, a time, or ``"7d"``. Without a
        range the report covers everything, including calls without a date.
    now
        The current time, for `last` and ``"7d"`` and for which periods are over; by
        default that of the clock.
    compare
        ``"previous"`` compares the range with the one directly before.
    tz
        Time zone in which days begin.
    every
        Length of a period in the charts; by default it depends on the range.
    by, top
        Columns that define the series, and how many series are named; the others are
        summed as one.
    sections
        Names of the analyst's charts to show, in this order.
    title
        Title of the report.
    prices
        Your own price file, which overrides the bundled prices: see `toolkit.pricing`.
    provider
        Who served the responses whose line names no provider, such as ``azure``.
    against
        The JSON of an earlier report: figures of its complete periods that have changed
        since are listed, with the reason.
    budgets
        What may be spent in the month in which the range ends: ``"500USD"``, of a model
        ``"gpt-4o=100USD"``, of a value of a tag ``"tag_team:search=50USD"``. The report
        shows what is spent, and a forecast: see `toolkit.metrics.forecast`.
    colors
        Colours of series by their names: a slot such as ``"a1"`` (a1 to e3, z), or
        ``"#0a3a70"``. Other series get one that depends on the maker of the model.
    **options
        Of logs only; an export keeps the options that it was made with.

    Returns
    -------
    Report
        The same report in all formats.

    Raises
    ------
    OptionError
        If an option has an invalid value, or a file another suffix.
    WriteError
        If a file cannot be written.

    Notes
    -----
    The same input gives the same bytes: the clock is read only to find the range, and
    which periods are over. The environment variable ``SOURCE_DATE_EPOCH`` sets the time
    in the footer.

    Examples
    --------
    >>> import toolkit
    >>> report = toolkit.write_report("data/sample", since="2026-11-02",
    ...                               until="2026-11-09", compare="previous")
    >>> print(report)
    Week of 2 to 8 Nov 2026 (UTC): The week cost at least $0.84, about $0.085 less ...
    """
    complete(write_report, options)
    files = [to] if isinstance(to, str | os.PathLike) else to
    check_type("to", files, Sequence, "a path, or a list of them")
    for file in files:
        path = check_path("to", file, "a path, or a list of them")
        check_ending("to", path, _FORMATS)
    if colors is not None:
        check_type("colors", colors, Mapping, "a colour for each name, as a dict")
    within = chosen(last, since, until, tz, now=now)
    at = (moment("now", now, tz) or datetime.now(UTC)).replace(microsecond=0)
    _check_range(within, at, compare)
    check_options(
        every=every,
        by=by,
        tz=tz,
        since=within.start,
        until=within.end,
        top=top,
        compare=cast("Any", compare),
        provider=provider,
    )
    plan = Plan(
        within=within,
        compares=compare is not None and not (within.end and within.end > at),
        tz=tz,
        every=_length_for(within) if every is None else every,
        by=(by,) if isinstance(by, str) else tuple(by or ()),
        top=top,
        sections=_check_sections(sections),
        title=title,
        provider=provider,
        now=at,
        budgets=_parse_budgets(budgets),
        colors=check_colors(colors or {}),
    )
    known = read_prices(prices, provider)
    earlier = read_report(against) if against is not None else None
    read = collect_inputs(sources, options)
    inputs = price(read, known, plan.by)
    latest = read.choices.select(pl.col("created").max()).collect(engine="streaming")
    last_call = latest.item()
    # Without a call that has a date there is nothing to compare.
    compares = plan.compares and last_call is not None
    plan = plan._replace(last_call=last_call, compares=compares)
    given: Options = {
        "prices": None if prices is None else os.fspath(prices),
        "against": None if against is None else os.fspath(against),
        "title": None if title == _TITLE else title,
        "section": [] if plan.sections == tuple(TILES) else plan.sections,
        "color": [f"{name}={color}" for name, color in plan.colors.items()],
        "tag": [f"{name}={path}" for name, path in (options.get("tags") or {}).items()],
        "month_budget": [budgets] if isinstance(budgets, str) else list(budgets),
    }
    content = build_content(inputs, plan, given, earlier)
    report = Report(content, inputs, plan, known)
    for file in dict.fromkeys(files):
        report.save(file)
    return report


def _check_range(within: Span, now: datetime, compare: str | None) -> None:
    """Raise `OptionError` if a range is too late, or has none before to compare."""
    for name, at in (("until", within.end), ("now", now)):
        if at is not None and at.year >= _LAST_YEAR:
            expected = f"a time before the year {_LAST_YEAR}"
            raise OptionError(name, f"{at:%Y-%m-%d}", expected=expected)
    if compare is not None and None in within:
        expected = "a range with both ends, such as last, to compare it with"
        raise OptionError("compare", compare, expected=expected)


def _parse_budgets(texts: str | Sequence[str]) -> tuple[MonthBudget, ...]:
    """Parse the budgets of a month: one text, or several."""
    several = [texts] if isinstance(texts, str) else texts
    check_type("budgets", several, Sequence, "an amount, or a list of them")
    return tuple(parse_budgets(several, "budgets"))


def _length_for(within: Span) -> str:
    """Return a length of period that cuts a range into some dozens."""
    if within.start is None or within.end is None:
        return "1d"
    days = (within.end - within.start).total_seconds() / 86_400
    return next((length for most, length in _LENGTHS if days <= most), "1mo")


def _check_sections(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of charts, each once, or raise `OptionError`."""
    if not names or isinstance(names, str):
        raise OptionError("sections", names, expected="names of charts, at least one")
    for name in names:
        check_word("sections", name, tuple(TILES))
    return tuple(dict.fromkeys(names))
