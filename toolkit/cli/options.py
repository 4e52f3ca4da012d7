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

from toolkit import errors
from toolkit.cli.values import RejectLimit, parse_duration, parse_number, parse_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NONE = "none"
_FILE = "settings_file"
# Errors about one option, and its name.
_AT_FAULT: dict[type[errors.ToolkitError], str] = {
    errors.SourceError: "sources",
    errors.MissingColumnsError: "by",
    errors.UnsuitableColumnError: "by",
    errors.PriceFileError: "prices",
    errors.WriteError: "to",
}
# Parameters of commands whose settings have other names.
_PARAMETERS = {
    "sources": "logs",
    "tags": "tag",
    "sections": "section",
    "budgets": "budget",
    "columns": "column",
}

LogsOrExport = Annotated[
    list[str],
    typer.Argument(
        metavar="LOG|DIR", help="file, directory, glob, - or s3://bucket/key; an export"
    ),
]

# What an export keeps, by the option that sets it for a log.
_FIXED = {
    "tag": "tags",
    "response_path": "response path",
    "created_unit": "unit of `created`",
}

# Groups of options, to be unpacked: @shared(*RANGE).
LOG_FORMAT = tuple(_FIXED)
READ = (*LOG_FORMAT, "on_damage", "config")
RANGE = ("tz", "since", "until", "last", "now")

# The value of an option that is not given, by its type; a `str` has to be given.
_UNSET = {bool: False, str: Parameter.empty}


def _option(
    metavar: str | None,
    text: str,
    default: str = "",
    kind: Any = str | None,
    flag: str = "",
    **more: Any,
) -> Callable[[str, str], Parameter]:
    """Return a function from a name and its default, for the help, to a parameter."""

    def parameter(name: str, own_default: str) -> Parameter:
        shown = own_default or default
        described = f"{text}  [default: {shown}]" if shown else text
        own = flag or (f"--{name.removeprefix('as_')}" if kind is bool else "")
        names = [own] if own else []
        option = typer.Option(*names, help=described, metavar=metavar, **more)
        annotation = Annotated[kind, option]
        unset = _UNSET.get(kind)
        return Parameter(
            name, Parameter.KEYWORD_ONLY, default=unset, annotation=annotation
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
        "PERIOD", "1h, 1d, 1w, 1mo, 1q, 1y; 7d from --since; none: all in one", "1d"
    ),
    "by": _option(
        "COLUMN", "a series per value; may be repeated; none: one", "model", _Texts
    ),
    "tz": _option("ZONE", "time zone in which days begin", "UTC"),
    "since": _option("TIME", "start: a date, a time, or 7d for 7 days ago"),
    "until": _option("TIME", "end, exclusive: a date, a time, or 7d"),
    "last": _option("UNIT", "last complete day, week, month or quarter (in --tz)"),
    "now": _option("TIME", "time to use as now, in --last and 7d", "the clock"),
    "top": _option("N", "show the N largest series, group the rest as 'other'"),
    "fill": _option(None, "include empty periods", kind=bool),
    "compare": _option("PERIOD", "previous: add the values of the period before"),
    "provider": _option("NAME", "who served the lines that name no provider: azure"),
    "prices": _option("FILE", "TOML file with your own prices, used before all others"),
    "tag": _option(
        "NAME=PATH", "add tag_NAME from a path in the line; repeatable", kind=_Texts
    ),
    "response_path": _option("PATH", "path of the response in a line"),
    "created_unit": _option("UNIT", "unit of `created` in the log: s, ms, us, ns", "s"),
    "on_damage": _option(
        "ACTION", "if a log is damaged: raise, or collect (then exit 1)", "raise"
    ),
    "max_rejects": _option("LIMIT", "exit 4 if more lines are rejected: 10 or 0.1%"),
    "wait": _option("TIME", "wait for another run to finish: 30s, 10m, 2h", "0s"),
    "quiet": _option(None, "print errors only", kind=bool),
    "as_json": _option(None, "print JSON", kind=bool),
    "as_csv": _option(None, "print CSV", kind=bool),
    # Of one command each.
    "as_model": _option("MODEL", "what the same tokens cost at MODEL", flag="--as"),
    "as_lines": _option(None, "print each line with its cost, as CSV", kind=bool),
    "model": _option("MODEL", "name of the model, as in the log", kind=str),
    "date": _option("DAY", "a day (2026-11-22), or undated", kind=str),
    "tolerance": _option(
        "AMOUNT", "how much costs may differ, 0.05 or 1%; exit 3 if more", "0.01"
    ),
    "match": _option(
        "BY", "family: gpt-4o-2024-08-06 counts as gpt-4o; name: it does not", "family"
    ),
    "vendor": _option("NAME", "only responses of this vendor"),
    "column": _option(
        "NAME=COLUMN",
        "column of the bill for day, model, responses, prompt_tokens, cached_tokens, "
        "completion_tokens, cost (USD) or cents; repeatable",
        kind=_Texts,
    ),
    "code": _option("CODE", "only rejects with this code"),
    "content": _option("ACTION", "text of messages: keep or drop", "keep"),
    "duplicates": _option("ACTION", "repeated responses: drop or keep", "drop"),
    "rewrite": _option(None, "export everything again", kind=bool),
    "theme": _option("THEME", "light or dark", "light"),
    "section": _option("METRIC", "metric to show; may be repeated", "all", _Texts),
    "title": _option("TEXT", "title of the report", "LLM usage"),
    "against": _option("FILE", "an earlier report (.json): list what changed since"),
    "budget": _option(
        "AMOUNT",
        "exit 3 if cost exceeds 500USD (or MODEL=100USD, tag_NAME:VALUE=50USD), or may "
        "exceed it because prices are missing; may be repeated",
        kind=_Texts,
    ),
    "lines": _option("N", "number of lines", "1000"),
    "seed": _option("N", "same seed, same log", "0"),
    "torn": _option(None, "cut the last line in half", kind=bool),
    "config": _option(
        "FILE",
        "settings file",
        "toolkit.toml or pyproject.toml",
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
            if name not in {*_OPTIONS, "ctx", "form", "options"}
        ]

        @wraps(command)
        def run(ctx: typer.Context, **values: Any) -> None:
            arguments = {one.name: values.pop(one.name) for one in own}
            if "ctx" in parameters:
                arguments["ctx"] = ctx
            try:
                command(**arguments, **_library_options(ctx, values))
            except errors.ToolkitError as error:
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
    forms = [name for name in ("json", "csv") if options.pop(f"as_{name}", False)]
    if len(forms) > 1:
        ctx.fail("choose either --json or --csv")
    if forms:
        options["form"] = forms[0]
    _drop_fixed(ctx, options)
    if "tag" in options:
        options["tags"] = dict(parse_pairs("tag", options.pop("tag")))
    if "by" in options:
        options["by"] = () if options["by"] == [_NONE] else tuple(options["by"])
    if options.get("every") == _NONE:
        options["every"] = None
    for name, least in (("top", 1), ("lines", 1), ("seed", None)):
        if name in options:
            options[name] = parse_number(name, options[name], least)
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
        # Imported here: polars is not needed for --help.
        from toolkit.expressions.time_ranges import chosen

        since, until, last = map(bounds.get, ("since", "until", "last"))
        start, end = chosen(
            last, since, until, options.get("tz", "UTC"), now=bounds.get("now")
        )
        # In the zone, so that only the days in the range are opened.
        options |= {"since": start, "until": end}
    if "now" in bounds and ctx.info_name == "report":
        options["now"] = bounds["now"]  # periods that have ended by then are complete
    compares_all = "compare" in options and options.get("every", "") is None
    has_range = options.get("since") and options.get("until")
    if compares_all and not has_range and ctx.info_name != "report":
        ctx.fail("--every none --compare needs --since and --until, or --last")
    return options


def _drop_fixed(ctx: typer.Context, options: dict[str, Any]) -> None:
    """Drop the settings that an export does not take; fail if such an option is given.

    An export keeps the options that it was made with.
    """
    # Imported here: it is not needed for --help.
    from toolkit.reading.discovery import is_export

    given = [name for name in LOG_FORMAT if name in options]
    if not given or not any(map(is_export, ctx.params.get("logs") or ())):
        return
    for name in given:
        if is_configured(ctx, name):
            del options[name]
        elif ctx.info_name != "export":
            ctx.fail(
                f"an export keeps the {_FIXED[name]} it was made with: leave out "
                f"--{name.replace('_', '-')}, or export again with --rewrite"
            )


def is_configured(ctx: typer.Context, name: str) -> bool:
    """Return whether the value of an option comes from the settings file."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "DEFAULT_MAP"


def _explain_error(ctx: typer.Context, error: errors.ToolkitError) -> None:
    """Name an option as it is typed, and the settings file if the file sets it."""
    name = getattr(error, "name", None) or next(
        (name for kind, name in _AT_FAULT.items() if isinstance(error, kind)), ""
    )
    parameter = _PARAMETERS.get(name, name)
    if isinstance(error, errors.ExportGivenError):  # the rest is for Python
        error.args = (str(error).partition(", or read it with")[0],)
    if is_configured(ctx, parameter):
        error.add_note(f"`{name}` is set in {ctx.meta[_FILE]}")
    elif parameter in ctx.params:
        typed = f"--{parameter.replace('_', '-')}:"
        error.args = (re.sub(f"^{name}:", typed, str(error)),)
