"""What a report contains: data classes, from which all formats are written.

Figures are `Figure`: they know whether they are exact, a bound, or unknown. Texts are
plain text; names of series and values from logs are not escaped.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias, dataclass_transform

from toolkit.formatting.figures import UNKNOWN, Figure

SCHEMA_VERSION = 2
Kind: TypeAlias = Literal["usd", "count", "share"]  # how a figure is written
# A colour: the slot of a series (see `toolkit.charts.colors`), or a mark of its own.
Color: TypeAlias = str
Mark: TypeAlias = Literal["solid", "hatched", "dotted"]  # how a bar is filled


@dataclass_transform(frozen_default=True)
class _Data:
    """A frozen data class, as all classes here."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)


class Head(_Data):
    """The head of a section: its fixed name, its answer, and what is measured."""

    name: str
    title: str
    note: str = ""


class Answer(_Data):
    """The report in one sentence, and how sure it is."""

    headline: str
    certainty: str


class KeyFigure(_Data):
    """A key figure: now, and over the last five periods, the range being the last.

    `words` is the line below it: the change and its base. `of` is what a count is a
    part of. `points` has a value for each period; unknown ones are not drawn.
    """

    name: str
    label: str
    kind: Kind
    value: Figure
    before: Figure
    words: str
    points: list[Figure]
    of: int | None = None


class Budget(_Data):
    """A limit of a month, and how much of it is spent and will be.

    `value` is that of the tag whose budget it is. `forecast` is for the end of the
    month, `low` and `high` its likely range (4 cases in 5). `with_unpriced` estimates
    the forecast with the calls that have no known price.
    """

    head: Head
    limit: Figure
    spent: Figure
    days: int
    forecast: Figure
    low: Figure
    high: Figure
    with_unpriced: Figure
    before: Figure
    month: date
    tag: str | None = None
    value: str | None = None


class Series(_Data):
    """A series in a chart over time: a value for each period."""

    name: str
    color: Color
    values: list[Figure]


class Course(_Data):
    """Known cost over eight periods by series, the smallest first (at the top).

    `is_whole` is False for periods that are not over or in which the log begins.
    `unpriced` is the share of the tokens of each period that have no known price.
    """

    head: Head
    starts: list[date]
    labels: list[str]
    is_whole: list[bool]
    totals: list[Figure]
    unpriced: list[Figure]
    series: list[Series]
    empty: str = ""  # why there is nothing in the first periods
    note: str = ""


class TagRow(_Data):
    """What a value of a tag cost; None: calls without the tag."""

    value: str | None
    cost: Figure
    calls: int


class Tag(_Data):
    """Cost by the values of a tag."""

    head: Head
    column: str
    rows: list[TagRow]
    note: str = ""


class ModelRow(_Data):
    """A series: what it cost, how that changed, and the main reason."""

    name: str
    short: str
    color: Color
    calls: int
    calls_before: int | None
    tokens: Figure
    cost: Figure
    change: Figure
    reason: str
    unpriced: int


class Models(_Data):
    """Where the money went."""

    head: Head
    rows: list[ModelRow]
    total: ModelRow


class Cause(_Data):
    """A part of the change in known cost. The parts add up to the change exactly."""

    name: str
    label: str
    amount: Figure
    words: str
    is_main: bool = False


class Causes(_Data):
    """What changed, and why."""

    head: Head
    rows: list[Cause]
    change: Figure
    words: str


class Loss(_Data):
    """Money that brought nothing, or that could be saved: and what to do.

    `at_most` is an upper bound, where `cost` is an estimate.
    """

    name: str
    label: str
    cost: Figure
    words: str
    todo: str
    at_most: Figure = UNKNOWN
    is_saving: bool = False


class Waste(_Data):
    """What was wasted, and what could be saved."""

    head: Head
    rows: list[Loss]


class LineCount(_Data):
    """Lines of the logs of one kind. The counts add up to all lines of the range."""

    name: str
    count: int
    label: str
    mark: Literal["ink", "warn", "soft", "soft2", "warn2", "pale"]


class Gap(_Data):
    """Something that the figures leave out: what it could add, and what to do."""

    name: str
    label: str
    could_add: Figure
    words: str
    todo: str


class Trust(_Data):
    """What the figures cover, and what they leave out.

    `is_of_range` is whether the lines are those of the range, not of the whole logs.
    """

    head: Head
    lines: list[LineCount]
    rows: list[Gap]
    total: Gap | None
    is_of_range: bool = False


# --- The analyst's charts ------------------------------------------------------------

# By the name of a chart: what it shows.
TILES = {
    "token_usage": "tokens over time",
    "calls": "calls over time",
    "response_volume": "hours of the week",
    "token_kinds": "tokens by kind",
    "tokens_per_response": "tokens of a call",
    "cost": "cost of a call",
    "truncation_rate": "answers cut off",
    "cache_share": "prompts from the cache",
    "finish_reasons": "how answers ended",
    "tool_calls": "tool calls",
    "usage_coverage": "what calls report",
    "drift": "versions of models",
}


class Part(_Data):
    """A part of a bar; `mark` is how it is filled, `label` is written in it."""

    value: Figure
    color: Color
    mark: Mark = "solid"
    label: str = ""


class Bar(_Data):
    """A bar, or a column, with its label and the text at its end.

    `start` is where the first part begins, in the unit of the parts. `words` has the
    figures for readers who cannot see the chart, if `text` does not.
    """

    label: str
    parts: list[Part]
    text: str = ""
    before: Figure = UNKNOWN
    words: str = ""
    start: float = 0.0


class Bars(_Data):
    """Bars, or columns if `upright`; `legend` names the colours, the top one first."""

    bars: list[Bar]
    kind: Kind
    upright: bool = False
    legend: list[tuple[str, Color, str]] = field(default_factory=list)


class Dot(_Data):
    """A rate with its interval, a median with its span, or a value now and before.

    `text` is written at the end of the row, that of its last dot. `words` has the
    figures of a dot for readers who cannot see the chart, if `text` does not.
    """

    label: str
    color: Color
    value: Figure
    low: Figure = UNKNOWN
    high: Figure = UNKNOWN
    text: str = ""
    is_hollow: bool = False
    words: str = ""


class Dots(_Data):
    """Rows of dots on one scale."""

    rows: list[list[Dot]]
    kind: Kind
    log: bool = False
    legend: list[tuple[str, Color, str]] = field(default_factory=list)


class Heat(_Data):
    """Counts by row and column; darker is more."""

    rows: list[str]
    columns: list[str]
    counts: list[list[int]]


Chart: TypeAlias = Bars | Dots | Heat
# Title, note, chart, and what is left out; or why there is no chart.
Found: TypeAlias = tuple[str, str, Chart, str] | str


class Tile(_Data):
    """A small chart with its answer; `summary` is the chart in a sentence."""

    name: str
    title: str
    note: str
    chart: Chart
    summary: str
    below: str = ""


class Matrix(_Data):
    """All numbers by series: heads and rows as text, and the figures behind them."""

    heads: list[str]
    rows: list[list[str]]
    data: list[dict[str, Figure | str | int | None]]


class Analysis(_Data):
    """The analyst's part; `left_out` names charts with too little data, and why."""

    head: Head
    tiles: list[Tile]
    table: Matrix
    table_head: Head
    left_out: list[str]


class Range(_Data):
    """What the report covers; `name` is ``week`` in "the week before"."""

    words: str
    name: str
    since: datetime | None
    until: datetime | None
    tz: str
    every: str
    by: list[str]
    before: str | None
    last_call: datetime | None


class Period(_Data):
    """The figures of a period, to compare with a later report."""

    start: datetime | None
    end: datetime | None
    is_partial: bool
    calls: Figure
    tokens: Figure
    cost: Figure
    calls_unpriced: Figure
    calls_cut_off: Figure


class RestatedRow(_Data):
    """A figure of a complete period that has changed since an earlier report."""

    start: datetime
    end: datetime
    name: str
    label: str
    kind: Kind
    before: Figure
    now: Figure
    why: str


class Restated(_Data):
    """Figures that have changed since an earlier report."""

    head: Head
    rows: list[RestatedRow]


class Made(_Data):
    """How the report was made: everything that is needed to make it again."""

    inputs: list[str]
    prices: str
    command: str
    versions: dict[str, str]
    decoder: str
    generated: str | None


class ReportContent(_Data):
    """Everything that a report says. Parts that do not apply are None or empty.

    `todo` has the things to do that are about most money.
    """

    title: str
    range: Range
    answer: Answer
    figures: list[KeyFigure]
    budgets: list[Budget]
    course: Course | None
    tags: list[Tag]
    models: Models | None
    causes: Causes | None
    waste: Waste | None
    trust: Trust
    todo: list[str]
    restated: Restated | None
    analysis: Analysis | None
    left_out: list[str]
    colors: dict[str, Color]
    periods: list[Period]
    ledger: dict[str, int]
    made: Made

    def data(self) -> dict[str, Any]:
        """Return the content as data, for programs and later reports.

        The schema is ``docs/report.schema.json``. From the first release on, keys may
        be added, but none is removed or changes its meaning while `SCHEMA_VERSION` is
        the same.
        """
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}

    def json(self) -> str:
        """Return the data as JSON in ASCII, safe to print."""
        return json.dumps(self.data(), indent=1, default=_plain) + "\n"


def _plain(value: object) -> object:
    """Convert what JSON cannot hold: times to ISO 8601, amounts to exact text."""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value.isoformat() if isinstance(value, date) else str(value)
