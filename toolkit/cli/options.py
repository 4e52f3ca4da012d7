"""Options of the commands, each declared once, and how the library gets them.

A command lists its options: `@shared("every", "by")`. It gets those that are set, on
the command line or in the settings file, as keywords of the library.
"""

from __future__ import annotations

import re
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from toolkit.cli.values import RejectLimit, parse_duration, parse_pairs
from toolkit.errors import (
    MissingColumnsError,
    PriceFileError,
    SourceError,
    ToolkitError,
    UnsuitableColumnError,
    WriteError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NONE = "none"
_FILE = "settings_file"
# Errors about one option, and its name.
_AT_FAULT: dict[type[ToolkitError], str] = {
    SourceError: "sources",
    MissingColumnsError: "by",
    UnsuitableColumnError: "by",
    PriceFileError: "prices",
    WriteError: "to",
}
# Parameters of commands whose settings have other names.
_PARAMETERS = {
    "sources": "logs",
    "tags": "tag",
    "sections": "section",
    "budgets": "budget",
    "columns": "column",
}

Logs = Annotated[
    list[str],
    typer.Argument(metavar="LOG", help="file, directory, glob, - or s3://bucket/key"),
]
LogsOrExport = Annotated[
    list[str],
    typer.Argument(
        metavar="LOG|DIR", help="file, directory, glob, - or s3://bucket/key; an export"
    ),
]
Export = Annotated[str, typer.Argument(metavar="DIR", help="directory of an export")]

# Groups of options, to be unpacked: @shared(*RANGE).
LOG_FORMAT = ("tag", "response_path", "created_unit")
READ = (*LOG_FORMAT, "on_damage", "config")
RANGE = ("tz", "since", "until", "last", "now")


def _option(
    text: str,
    *names: str,
    kind: Any = str | None,  # noqa: ANN401 - a type or a union of types
    default: str = "",
    is_required: bool = False,
    **more: Any,  # noqa: ANN401 - whatever typer takes
) -> Callable[[str, str], Parameter]:
    """Return a function from a name and its default, for the help, to a parameter."""

    def parameter(name: str, own_default: str) -> Parameter:
        shown = own_default or default
        described = f"{text}  [default: {shown}]" if shown else text
        unset = False if kind is bool else None
        return Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if is_required else unset,
            annotation=Annotated[kind, typer.Option(*names, help=described, **more)],
        )

    return parameter


def _use_settings(ctx: typer.Context, file: str | None) -> None:
    """Let the settings file fill in the options that the command line leaves out."""
    # Imported here: none of it is needed for --help.
    from toolkit.cli.config import read_configuration

    found = read_configuration(file)
    ctx.meta[_FILE] = found.file
    ctx.default_map = found.options_of(ctx.info_name or "")


_Texts: TypeAlias = list[str] | None
_OPTIONS = {
    "every": _option(
        "length of a period: 1h, 1d, 1w, 1mo, 1q, 1y; none: all periods in one",
        default="1d",
        metavar="PERIOD",
    ),
    "by": _option(
        "column whose values are the series; repeat for more; none: all in one",
        kind=_Texts,
        default="model",
        metavar="COLUMN",
    ),
    "tz": _option("time zone in which days begin", default="UTC", metavar="ZONE"),
    "since": _option("start: a date, a time, or 7d for 7 days ago", metavar="TIME"),
    "until": _option("end, exclusive: a date, a time, or 7d", metavar="TIME"),
    "last": _option(
        "last complete day, week, month or quarter (in --tz)", metavar="UNIT"
    ),
    "now": _option(
        "time to use as now, in --last and 7d",
        default="the clock",
        metavar="TIME",
    ),
    "top": _option(
        "show the N largest series, group the rest as 'other'",
        kind=int | None,
        metavar="N",
        min=1,
    ),
    "fill": _option("include empty periods", "--fill", kind=bool),
    "compare": _option(
        "previous: add the values of the period before", metavar="PERIOD"
    ),
    "prices": _option(
        "TOML file with your own prices, used before all others", metavar="FILE"
    ),
    "tag": _option(
        "add a column tag_NAME from a path in the line; may be repeated",
        kind=_Texts,
        metavar="NAME=PATH",
    ),
    "response_path": _option("path of the response in a line", metavar="PATH"),
    "created_unit": _option(
        "unit of `created` in the log: s, ms, us, ns", default="s", metavar="UNIT"
    ),
    "on_damage": _option(
        "if a log is damaged: raise, or collect (go on, exit 1 at the end)",
        default="raise",
        metavar="ACTION",
    ),
    "max_rejects": _option(
        "exit 4 if more lines are rejected: 10 or 0.1%", metavar="LIMIT"
    ),
    "wait": _option(
        "wait for another run to finish: 30s, 10m, 2h", default="0s", metavar="TIME"
    ),
    "quiet": _option("print errors only", "--quiet", kind=bool),
    "as_json": _option("print JSON", "--json", kind=bool),
    "as_csv": _option("print CSV", "--csv", kind=bool),
    # Of one command each.
    "model": _option(
        "name of the model, as in the log", kind=str, metavar="MODEL", is_required=True
    ),
    "date": _option(
        "a day (2026-11-22), or undated", kind=str, metavar="DAY", is_required=True
    ),
    "invoice": _option(
        "CSV file of the provider, of usage or costs",
        kind=str,
        metavar="FILE",
        is_required=True,
    ),
    "match": _option(
        "family: gpt-4o-2024-08-06 counts as gpt-4o; name: it does not",
        default="family",
        metavar="BY",
    ),
    "provider": _option("only responses of this provider", metavar="NAME"),
    "column": _option(
        "column of the invoice for day, model, responses, prompt_tokens, "
        "cached_tokens, completion_tokens or cost; may be repeated",
        kind=_Texts,
        metavar="NAME=COLUMN",
    ),
    "code": _option("only rejects with this code", metavar="CODE"),
    "content": _option(
        "text of messages: keep or drop", default="keep", metavar="ACTION"
    ),
    "duplicates": _option(
        "repeated responses: drop or keep", default="drop", metavar="ACTION"
    ),
    "rewrite": _option("export everything again", "--rewrite", kind=bool),
    "theme": _option("light or dark", default="light", metavar="THEME"),
    "section": _option(
        "metric to show; may be repeated", kind=_Texts, default="all", metavar="METRIC"
    ),
    "title": _option("title of the report", default="LLM usage", metavar="TEXT"),
    "against": _option(
        "an earlier report (.json): list what changed since", metavar="FILE"
    ),
    "budget": _option(
        "exit 3 if cost exceeds 500USD (or MODEL=100USD), or may exceed it because "
        "prices are missing; may be repeated",
        kind=_Texts,
        metavar="AMOUNT",
    ),
    "lines": _option(
        "number of lines", kind=int | None, default="1000", metavar="N", min=1
    ),
    "seed": _option("same seed, same log", kind=int | None, default="0", metavar="N"),
    "torn": _option("cut the last line in half", "--torn", kind=bool),
    "config": _option(
        "settings file",
        default="toolkit.toml or pyproject.toml",
        metavar="FILE",
        is_eager=True,
        callback=_use_settings,
    ),
}


def shared(
    *names: str, **defaults: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add options to a command.

    Parameters
    ----------
    names
        Names of options; the command gets them as keywords, if they are set.
    defaults
        What the help of this command shows as the default of an option.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters = signature(command, eval_str=True).parameters
        own = [
            parameter.replace(kind=Parameter.KEYWORD_ONLY)
            for name, parameter in parameters.items()
            if name not in {*_OPTIONS, "ctx", "options"}
        ]

        @wraps(command)
        def run(ctx: typer.Context, **values: Any) -> None:  # noqa: ANN401 - of typer
            arguments = {one.name: values.pop(one.name) for one in own}
            if "ctx" in parameters:
                arguments["ctx"] = ctx
            try:
                command(**arguments, **_library_options(ctx, values))
            except ToolkitError as error:
                _explain_error(ctx, error)
                raise

        context = Parameter("ctx", Parameter.KEYWORD_ONLY, annotation=typer.Context)
        added = [_OPTIONS[name](name, defaults.get(name, "")) for name in names]
        run.__signature__ = Signature([context, *own, *added])  # type: ignore[attr-defined] # inspect reads it
        return run

    return decorate


def _library_options(ctx: typer.Context, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are set, as the library takes them."""
    options = {
        name: value
        for name, value in values.items()
        if value is not None and value is not False and name != "config"
    }
    if "as_json" in options and "as_csv" in options:
        ctx.fail("choose either --json or --csv")
    # An export keeps the options that it was made with.
    if any(is_configured(ctx, name) for name in LOG_FORMAT) and _names_export(ctx):
        for name in LOG_FORMAT:
            if is_configured(ctx, name):
                options.pop(name, None)
    if "tag" in options:
        options["tags"] = dict(parse_pairs("tag", options.pop("tag")))
    if "by" in options:
        options["by"] = () if options["by"] == [_NONE] else tuple(options["by"])
    if options.get("every") == _NONE:
        options["every"] = None
    if "max_rejects" in options:
        options["max_rejects"] = RejectLimit(str(options["max_rejects"]))
    if "wait" in options:
        options["wait"] = parse_duration(options["wait"])
    bounds = {name: options.pop(name) for name in RANGE[1:] if name in options}
    if "last" in bounds and bounds.keys() & {"since", "until"}:
        if not is_configured(ctx, "last"):
            ctx.fail("--last cannot be combined with --since or --until")
        del bounds["last"]
    if bounds.keys() - {"now"}:
        options |= _parse_range(tz=options.get("tz", "UTC"), **bounds)
    return options


def is_configured(ctx: typer.Context, name: str) -> bool:
    """Return whether the value of an option comes from the settings file."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "DEFAULT_MAP"


def _names_export(ctx: typer.Context) -> bool:
    """Return whether an export is among the logs."""
    # Imported here: it is not needed for --help.
    from toolkit.reading.discovery import is_export

    return any(is_export(log) for log in ctx.params.get("logs") or ())


def _explain_error(ctx: typer.Context, error: ToolkitError) -> None:
    """Name an option as it is typed, and the settings file if the file sets it."""
    name = getattr(error, "name", None) or next(
        (name for kind, name in _AT_FAULT.items() if isinstance(error, kind)), ""
    )
    parameter = _PARAMETERS.get(name, name)
    if is_configured(ctx, parameter):
        error.add_note(f"`{name}` is set in {ctx.meta[_FILE]}")
    elif parameter in ctx.params:
        typed = f"--{parameter.replace('_', '-')}:"
        error.args = (re.sub(f"^{name}:", typed, str(error)),)


def _parse_range(
    *,
    tz: str,
    since: str | None = None,
    until: str | None = None,
    last: Any = None,  # noqa: ANN401 - it is checked there
    now: str | None = None,
) -> dict[str, Any]:
    """Parse a range of time in its zone, so that only the days in it are opened."""
    # Imported here: polars is not needed for --help.
    from toolkit.expressions.time_ranges import chosen

    start, end = chosen(last, since, until, tz, now=now)
    return {"since": start, "until": end}
