"""What may be typed behind a command, and what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from toolkit.errors import OptionError

NONE = "none"
_SECONDS = {"s": 1, "m": 60, "h": 3600}

Logs = Annotated[list[str], typer.Argument(metavar="LOG...", show_default=False)]
LogsOrExport = Annotated[
    list[str], typer.Argument(metavar="LOG...|DIR", show_default=False)
]
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
Since = Annotated[
    str | None, typer.Option(help="from this date or time on; 7d: from 7 days ago")
]
Until = Annotated[
    str | None, typer.Option(help="up to this date, time or 7d, exclusive")
]
Last = Annotated[
    str | None,
    typer.Option(help="the last complete day, week, month or quarter of the zone"),
]
Now = Annotated[
    str | None, typer.Option(help="the time that --last and 7d count from  [clock]")
]
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
PricesOption = Annotated[
    Path | None, typer.Option(help="TOML file of your own prices, before all others")
]
Wait = Annotated[str, typer.Option(help="how long to wait for another run: 30s, 10m")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
AsCsv = Annotated[bool, typer.Option("--csv", help="print CSV")]


def series_of(by: list[str] | None) -> tuple[str, ...] | None:
    """Return the columns that were typed behind --by; none: all together."""
    return None if by is None else () if by == [NONE] else tuple(by)


def use_configuration(ctx: typer.Context, file: str | None) -> None:
    """Take what the configuration says for what the command is not told."""
    # Imported here: none of it is needed for --help.
    from toolkit.cli.config import read_configuration

    values = read_configuration(file).values
    budgets = values.get("budgets", {})
    models = [f"{name}={usd}" for name, usd in budgets.get("models", {}).items()]
    total = [budgets["total"]] if "total" in budgets else []
    limit = values.get("max_rejects")
    ctx.default_map = {
        **values,
        "logs": values.get("sources"),
        "section": values.get("sections"),
        "tag": [f"{name}={path}" for name, path in values.get("tags", {}).items()],
        "budget": [*total, *models],
        "max_rejects": None if limit is None else str(limit),
        # Of a report; a table of a metric names every series.
        "top": values.get("top") if ctx.info_name == "report" else None,
    }


Config = Annotated[
    str | None,
    typer.Option(
        help="settings  [toolkit.toml, or pyproject.toml]",
        is_eager=True,
        callback=use_configuration,
    ),
]


def log_options(
    ctx: typer.Context, tag: list[str] | None, response_path: str | None, unit: str
) -> dict[str, Any]:
    """Gather what was said of the logs; the library checks the words.

    An export keeps the options that it was made with: what the configuration says of
    logs is not said of it.
    """
    # Imported here: it is not needed for --help.
    from toolkit.reading.discovery import is_export

    given = {"tag": tag, "response_path": response_path, "created_unit": unit}
    configured = {
        name
        for name in given
        if value_source(ctx, name) == "DEFAULT_MAP" and given[name]
    }
    if configured and any(is_export(log) for log in ctx.params.get("logs") or ()):
        given |= dict.fromkeys(configured)
    return {
        "tags": _parse_tags(cast("Any", given["tag"]) or []),
        "response_path": given["response_path"],
        "created_unit": given["created_unit"] or "s",
    }


def value_source(ctx: typer.Context, name: str) -> str:
    """Say where the value of a parameter came from."""
    source = ctx.get_parameter_source(name)
    return "" if source is None else source.name


def within(
    since: str | None,
    until: str | None,
    tz: str,
    *,
    last: str | None = None,
    now: str | None = None,
) -> dict[str, Any]:
    """Read a range of time in its zone, so that only the days in it are opened."""
    # Imported here: polars is not needed for --help.
    from toolkit.expressions.time_ranges import chosen

    start, end = chosen(cast("Any", last), since, until, tz, now=now)
    return {"since": start, "until": end}


def _parse_tags(tags: list[str]) -> dict[str, str]:
    """Read NAME=PATH."""
    pairs = [tag.partition("=") for tag in tags]
    for name, equals, path in pairs:
        if not (name and equals and path):
            raise OptionError("tag", f"{name}{equals}{path}", expected="NAME=PATH")
    return {name: path for name, _, path in pairs}


def parse_duration(text: str) -> float:
    """Read a length of time in seconds: 30s, 10m, 2h."""
    number = text[:-1]
    if not (number.isascii() and number.isdigit() and text[-1] in _SECONDS):
        raise OptionError("wait", text, expected="a length of time: 30s, 10m, 2h")
    return int(number) * _SECONDS[text[-1]]
