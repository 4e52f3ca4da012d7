"""What may be typed behind a command, and what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = {"s": 1, "m": 60, "h": 3600}

Logs = Annotated[list[str], typer.Argument(metavar="LOG...", show_default=False)]
LogsOrExport = Annotated[
    list[str], typer.Argument(metavar="LOG...|DIR", show_default=False)
]
Every = Annotated[str, typer.Option(help="length of a period: 1h, 1d, 1w, 1mo")]
EveryOrNone = Annotated[
    str, typer.Option(help="length of a period: 1h, 1d, 1w, 1mo; none: no periods")
]
Top = Annotated[
    int | None, typer.Option(help="name so many series, and fold the others into one")
]
Fill = Annotated[bool, typer.Option("--fill", help="also periods without a response")]
CompareOption = Annotated[
    str | None, typer.Option("--compare", help="previous: the period before beside it")
]
By = Annotated[
    list[str] | None,
    typer.Option(help="column that names the series; may be repeated; none  [model]"),
]
Tz = Annotated[str, typer.Option(help="time zone in which days begin")]
Since = Annotated[str | None, typer.Option(help="from this date or time on")]
Until = Annotated[str | None, typer.Option(help="up to this date or time, exclusive")]
Tag = Annotated[
    list[str] | None,
    typer.Option(help="column tag_NAME from a path of the line: NAME=PATH"),
]
ResponsePath = Annotated[
    str | None, typer.Option(help="where the response stands in a line")
]
CreatedUnitOption = Annotated[
    str, typer.Option(help="unit of created in the log: s, ms, us, ns")
]
OnDamageOption = Annotated[
    str, typer.Option(help="raise, or collect: go on, and exit 1 at the end")
]
Wait = Annotated[str, typer.Option(help="how long to wait for another run: 30s, 10m")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
AsCsv = Annotated[bool, typer.Option("--csv", help="print CSV")]


def log_options(
    tag: list[str] | None, response_path: str | None, created_unit: str
) -> dict[str, Any]:
    """Gather what was said of the logs; the library checks the words."""
    return {
        "tags": parse_tags(tag or []),
        "response_path": response_path,
        "created_unit": created_unit,
    }


def within(since: str | None, until: str | None, tz: str) -> dict[str, Any]:
    """Read a range of time in its zone, so that only the days in it are opened."""
    # Imported here: polars is not needed for --help.
    from toolkit.expressions import span

    start, end = span(since, until, tz)
    return {"since": start, "until": end}


def parse_tags(tags: list[str]) -> dict[str, str]:
    """Read NAME=PATH."""
    pairs = [tag.partition("=") for tag in tags]
    for name, equals, path in pairs:
        if not (name and equals and path):
            raise OptionError("tag", f"{name}{equals}{path}", wanted="NAME=PATH")
    return {name: path for name, _, path in pairs}


def parse_limit(text: str) -> Callable[[int], float]:
    """Read a number of lines, or a share of them in percent."""
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise OptionError("max_rejects", text, wanted="a count or a share: 10 or 0.1%")
    if text.endswith("%"):
        return lambda lines: lines * number / 100
    return lambda _lines: number


def parse_duration(text: str) -> float:
    """Read a length of time in seconds: 30s, 10m, 2h."""
    number = text[:-1]
    if not (number.isascii() and number.isdigit() and text[-1] in SECONDS):
        raise OptionError("wait", text, wanted="a length of time: 30s, 10m, 2h")
    return int(number) * SECONDS[text[-1]]
