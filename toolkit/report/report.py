"""`write_report`: from logs or an export to a page, Markdown, JSON and a picture."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from toolkit.errors import OptionError, WriteError, near_miss
from toolkit.expressions.periods import check_period
from toolkit.expressions.time_ranges import before, chosen
from toolkit.metrics.options import check_options
from toolkit.metrics.spending import cost
from toolkit.report.content import Plan, contents_of, every_for
from toolkit.report.inputs import collect_material, price
from toolkit.report.markdown import to_markdown
from toolkit.report.provenance import made_of
from toolkit.report.restated import hold_against, read_report
from toolkit.report.sections import NAMES
from toolkit.report.to_json import to_data, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from toolkit.expressions.time_ranges import Moment, Period
    from toolkit.metrics.options import Choices
    from toolkit.reading.discovery import Sources
    from toolkit.reading.options import CreatedUnit, OnDamage
    from toolkit.report.content import Contents
    from toolkit.report.inputs import Material
    from toolkit.report.provenance import Made

_TITLE, _TOP = "LLM usage", 12
_FORMS = (".html", ".md", ".json", ".png")


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """A report that was made: its forms, and the figures that a gate needs.

    Attributes
    ----------
    headline
        The answer, in one sentence.
    ledger
        One row per log, whatever the range; None if it was made of a frame.
    """

    headline: str
    ledger: pl.DataFrame | None
    contents: Contents
    made: Made
    material: Material

    def __repr__(self) -> str:
        """Say the answer."""
        return f"{self.contents.range} ({self.contents.plan.tz}): {self.headline}"

    def html(self) -> str:
        """Return the report as one page."""
        # Imported here: matplotlib is not needed for the other forms.
        from toolkit.report.html import to_html

        return to_html(self.contents, self.made)

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame of its own."""
        from html import escape

        return (
            f'<iframe srcdoc="{escape(self.html())}" sandbox="" title="report" '
            'style="width:100%;height:80vh;border:0"></iframe>'
        )

    def markdown(self) -> str:
        """Return the report as Markdown."""
        return to_markdown(self.contents, self.made)

    def json(self) -> str:
        """Return the report as JSON: see ``docs/report.schema.json``."""
        return to_json(self.contents, self.made)

    def data(self) -> dict[str, Any]:
        """Return what the JSON holds."""
        return to_data(self.contents, self.made)

    def png(self) -> bytes:
        """Return the overview of the range as a picture."""
        # Imported here: matplotlib is not needed for the other forms.
        from toolkit.report.png import overview_png

        return overview_png(self.contents, self.material)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the form that the name ends in: .html, .md, .json or .png."""
        form = _form_of(path)
        if form == ".png":
            data = self.png()
        else:
            forms = {".html": self.html, ".md": self.markdown, ".json": self.json}
            data = forms[form]().encode()
        _write_whole(Path(path), data)

    @cached_property
    def costs(self) -> pl.DataFrame:
        """One row per model over the range, none folded; see `toolkit.metrics.cost`."""
        within = self.contents.plan.range
        costs = cost(self.material.priced, every=None, by="model", **within)
        return costs.with_columns(pl.col("model").cast(pl.String))


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
    by: str | Sequence[str] = "model",
    top: int = _TOP,
    sections: Sequence[str] = NAMES,
    title: str = _TITLE,
    prices: str | os.PathLike[str] | None = None,
    against: str | os.PathLike[str] | None = None,
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    on_damage: OnDamage = "raise",
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Write the report on a range of time: what it cost, what changed, and how sure.

    Parameters
    ----------
    sources
        Logs or exports as in `toolkit.scan`, or choices that are at hand: a frame, a
        `Loaded`.
    to
        Files to write; their endings say as what: .html, .md, .json, .png.
    last
        The last complete ``"day"``, ``"week"``, ``"month"`` or ``"quarter"`` of the
        zone. Beside it neither `since` nor `until`.
    since, until
        Range of `created`, until exclusive: a date, a time, or ``"7d"``. Without any
        range everything is in the report, also what has no date.
    now
        When it is, for `last` and ``"7d"``; the clock says it unless given.
    compare
        ``"previous"`` holds the range against the one directly before.
    tz
        Time zone in which days begin.
    every
        Length of a period of the charts; unless given it is chosen by the range.
    by, top
        Columns that name the series, and how many are named; the others are folded into
        one, and the sums stay exact.
    sections
        Names of the metrics that are shown, in this order.
    title
        What the report is about.
    prices
        Your own price file, before all other prices: see `toolkit.pricing`.
    against
        The JSON of an earlier report: figures of its closed periods that have changed
        since are listed, with the reason.
    tags, response_path, created_unit, on_damage, progress
        As in `toolkit.load`; an export keeps those that it was made with.

    Returns
    -------
    Report
        The same report in all forms.

    Raises
    ------
    OptionError
        If an option means nothing, or a file has another ending.
    WriteError
        If a file cannot be written.

    Notes
    -----
    The same input gives the same bytes: no clock is asked once the range is known, but
    for the ``SOURCE_DATE_EPOCH`` of the environment, which then stands at the foot.

    Examples
    --------
    >>> import toolkit
    >>> report = toolkit.write_report("data/sample", since="2026-11-02",
    ...                               until="2026-11-09", compare="previous")
    >>> print(report)
    Week of 2 to 8 Nov 2026 (UTC): 522,241 tokens in 443 calls, at least $..., ...
    """
    files = [to] if isinstance(to, str | os.PathLike) else list(to)
    for file in files:
        _form_of(file)
    within = chosen(last, since, until, tz, now=now)
    if compare is not None and None in within:
        expected = "a range with both ends, such as last, to compare it with"
        raise OptionError("compare", compare, expected=expected)
    every = every_for(within) if every is None else check_period(every)
    check_options(
        every=every,
        by=by,
        tz=tz,
        since=within.start,
        until=within.end,
        top=top,
        compare=cast("Any", compare),
    )
    plan = Plan(
        within,
        compare is not None,
        tz,
        every,
        (by,) if isinstance(by, str) else tuple(by),
        top,
        _check_sections(sections),
        title,
    )
    told = read_report(against) if against is not None else None
    read = collect_material(
        sources,
        tags=tags,
        response_path=response_path,
        created_unit=created_unit,
        on_damage=on_damage,
        progress=progress,
    )
    first = before(within, tz).start if compare is not None else within.start
    material = price(read, prices, plan.by, first)
    contents = contents_of(material, plan)
    made = made_of(contents, material, None if prices is None else os.fspath(prices))
    if told is not None:
        made = replace(made, against=hold_against(told, read, prices, made.versions))
    report = Report(contents.headline, material.ledger, contents, made, material)
    for file in files:
        report.save(file)
    return report


def _check_sections(names: Sequence[str]) -> tuple[str, ...]:
    """Refuse a section that does not exist, or none at all."""
    for name in names:
        if name not in NAMES:
            expected = f"one of {', '.join(NAMES)}{near_miss(str(name), NAMES)}"
            raise OptionError("sections", name, expected=expected)
    if not names or isinstance(names, str):
        raise OptionError("sections", names, expected="names of sections, at least one")
    return tuple(dict.fromkeys(names))


def _form_of(path: str | os.PathLike[str]) -> str:
    """Return the ending of a file, if a report has such a form."""
    ending = Path(path).suffix.lower()
    if ending not in _FORMS:
        expected = f"a file that ends in {', '.join(_FORMS)}"
        raise OptionError("to", os.fspath(path), expected=expected)
    return ending


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place and put it there at once: never half a report."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise WriteError(os.fspath(path), cause=error) from error
