"""Options of the commands, each declared once in ``options.toml``.

A command lists its options: `@shared("every", "by")`. It gets those that are set, on
the command line or in the settings file, as keywords of the library.
"""

from __future__ import annotations

import os
import re
import tomllib
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit import errors
from toolkit.cli.output import print_message
from toolkit.cli.values import (
    Form,
    RejectLimit,
    check_folder,
    parse_duration,
    parse_number,
    parse_pairs,
)
from toolkit.formatting.parameters import TABLE_ENDINGS, check_ending

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NONE = "none"
_FILE, _IS_ABOVE = "settings_file", "settings_file_is_above"
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
    "budgets": "month_budget",
    "colors": "color",
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
    "created_path": "path of `created`",
}

# Groups of options, to be unpacked: @shared(*RANGE).
LOG_FORMAT = tuple(_FIXED)
READ = (*LOG_FORMAT, "on_damage", "config")
RANGE = ("tz", "since", "until", "last", "now")
FORM = ("to_table", "as_json", "as_csv")

_TEXT = Path(__file__).with_name("options.toml").read_text("utf-8")
_OPTIONS: dict[str, dict[str, str]] = tomllib.loads(_TEXT)
# The types in options.toml, and the value of an option that is not given.
_TYPES: dict[str, tuple[Any, Any]] = {
    "text": (str | None, None),
    "required text": (str, Parameter.empty),
    "texts": (list[str] | None, None),
    "file": (Path | None, None),
    "required file": (Path, Parameter.empty),
    "switch": (bool, False),
}


def _use_settings(ctx: typer.Context, file: str | None) -> None:
    """Let the settings file fill in the options that the command line leaves out."""
    # Imported here: none of it is needed for --help.
    from toolkit.cli.config import read_configuration

    found = read_configuration(file)
    ctx.meta[_FILE] = found.file
    is_named = file or os.environ.get("TOOLKIT_CONFIG")
    ctx.meta[_IS_ABOVE] = not is_named and Path(found.file or "").is_absolute()
    ctx.default_map = found.options_of(ctx.info_name or "")


def _parameter(name: str, default: str | None) -> Parameter:
    """Return the parameter of an option; `default` replaces the one in its help."""
    facts = _OPTIONS[name]
    parameter = facts.get("parameter", name)
    shown = default or facts.get("default")
    option = typer.Option(
        facts.get("flag", f"--{parameter.replace('_', '-')}"),
        help=facts["help"] + (f"  [default: {shown}]" if shown else ""),
        metavar=facts.get("metavar"),
        is_eager=name == "config",  # it fills in the others
        callback=_use_settings if name == "config" else None,
    )
    kind, unset = _TYPES[facts.get("type", "text")]
    return Parameter(
        parameter,
        Parameter.KEYWORD_ONLY,
        default=unset,
        annotation=Annotated[kind, option],
    )


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
        added = [_parameter(name, defaults.get(name)) for name in names]
        apart = {*(one.name for one in added), "ctx", "form", "options"}
        parameters = signature(command, eval_str=True).parameters
        own = [
            parameter.replace(kind=Parameter.KEYWORD_ONLY)
            for name, parameter in parameters.items()
            if name not in apart
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
    files = options.pop("to_table", ())
    for file in files:
        check_ending("--to", file, TABLE_ENDINGS)
        check_folder(file)
    if forms or files:
        options["form"] = Form("".join(forms) or None, files)
    _drop_fixed(ctx, options)
    if "last" in options and options.keys() & {"since", "until"}:
        if not is_configured(ctx, "last"):
            ctx.fail("--last cannot be combined with --since or --until")
        del options["last"]
    if ctx.meta.get(_IS_ABOVE):
        _name_settings(ctx, [name for name in values if name not in options])
    if "tag" in options:
        options["tags"] = dict(parse_pairs("tag", options.pop("tag")))
    if "color" in options:
        options["colors"] = dict(parse_pairs("color", options.pop("color")))
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


def _name_settings(ctx: typer.Context, unused: list[str]) -> None:
    """Print which settings a command takes from a file that may be unexpected."""
    names = [one for one in ctx.params if one not in unused and is_configured(ctx, one)]
    if names:
        settings = {parameter: name for name, parameter in _PARAMETERS.items()}
        used = sorted({settings.get(name, name) for name in names})
        print_message(f"settings of {ctx.meta[_FILE]}: {', '.join(used)}")


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
