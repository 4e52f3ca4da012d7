"""Options of the commands, each declared once in ``options.toml``.

A command lists them: `@command("logs", "every", "by")`. It gets those that are set, on
the command line or in the settings file, as keywords of the library.
"""

from __future__ import annotations

import os
import re
import tomllib
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import errors
from toolkit.cli.command_line import Command, Context, Option, fail
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
from toolkit.reading.object_store import is_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NONE = "none"
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

# What an export keeps, by the option that sets it for a log.
_FIXED = {
    "tag": "tags",
    "response_path": "response path",
    "created_unit": "unit of `created`",
    "created_path": "path of `created`",
}

# Groups of options, to be unpacked: @command(*RANGE).
LOG_FORMAT = tuple(_FIXED)
READ = (*LOG_FORMAT, "on_damage", "config")
RANGE = ("tz", "since", "until", "last", "now")
FORM = ("to_table", "as_json", "as_csv")

_TEXT = Path(__file__).with_name("options.toml").read_text("utf-8")
_OPTIONS: dict[str, dict[str, str]] = tomllib.loads(_TEXT)


def _option_of(name: str, default: str | None) -> Option:
    """Return an option as it is declared; `default` replaces the one in its help."""
    facts = _OPTIONS[name]
    parameter = facts.get("parameter", name)
    shown = default or facts.get("default")
    kind = facts.get("type", "text")
    return Option(
        parameter,
        facts.get("flag", f"--{parameter.replace('_', '-')}"),
        facts.get("metavar", ""),
        facts["help"] + (f"  [default: {shown}]" if shown else ""),
        kind.removeprefix("required "),
        is_required=kind.startswith("required "),
    )


def command(*names: str, **defaults: str) -> Callable[[Callable[..., None]], Command]:
    """Make a function a command.

    Parameters
    ----------
    names
        Names of its arguments and options; the function gets those that are set as
        keywords, as the library takes them, and a `Context` if it has the parameter
        ``ctx``.
    defaults
        What the help of this command shows as the default of an option.
    """

    def decorate(function: Callable[..., None]) -> Command:
        takes_context = "ctx" in signature(function).parameters

        def run(ctx: Context) -> None:
            own = {"ctx": ctx} if takes_context else {}
            try:
                _use_settings(ctx)
                _check_targets(ctx)
                function(**own, **_library_options(ctx))
            except errors.ToolkitError as error:
                _explain_error(ctx, error)
                raise

        options = [_option_of(name, defaults.get(name)) for name in names]
        by_name = {one.parameter: one for one in options}
        text = str(function.__doc__)
        return Command(function.__name__, text, by_name, run)

    return decorate


def _use_settings(ctx: Context) -> None:
    """Let the settings file fill in the options that the command line leaves out."""
    settings: dict[str, Any] = {}
    if "config" in ctx.options:
        # Imported here: none of it is needed for --help.
        from toolkit.cli.config import read_configuration

        named = ctx.params.pop("config", None)
        found = read_configuration(named)
        is_named = named or os.environ.get("TOOLKIT_CONFIG")
        ctx.file = found.file
        ctx.is_above = not is_named and Path(found.file or "").is_absolute()
        settings = found.options_of(ctx.command)
    ctx.fill_in(settings)


def _check_targets(ctx: Context) -> None:
    """Fail if a file to write is one that is read: it would be lost."""
    given = {name: ctx.params.get(name) or [] for name in ("logs", "bill", "to")}
    read, bill, to = (x if isinstance(x, list) else [x] for x in given.values())
    if ctx.command == "rejects":  # it writes only a new file
        return
    for target in [*to, *ctx.params.get("to_table", ())]:
        name = os.fspath(target)
        is_file = not is_uri(name) and Path(name).is_file()
        if is_file and any(_is_read(name, one) for one in [*read, *bill]):
            fail(f"--to: expected another file than those that are read, got {name!r}")


def _is_read(file: str, source: str) -> bool:
    """Return whether a file that exists is one of those that a source names."""
    # Imported here: it is not needed for --help.
    from toolkit.reading.discovery import find_logs

    try:
        logs = [] if is_uri(source) else find_logs(source, on_damage="collect").logs
        return any(log.identity and Path(file).samefile(log.path) for log in logs)
    except (errors.ToolkitError, OSError):  # reading raises it, or it is an export
        return False


def _library_options(ctx: Context) -> dict[str, Any]:
    """Return the options that are set, as the library takes them."""
    options = {name: value for name, value in ctx.params.items() if value is not False}
    forms = [name for name in ("json", "csv") if options.pop(f"as_{name}", False)]
    if len(forms) > 1:
        fail("choose either --json or --csv")
    files = options.pop("to_table", ())
    for file in files:
        check_ending("--to", file, TABLE_ENDINGS)
        check_folder(file)
    if forms or files:
        options["form"] = Form("".join(forms) or None, files)
    _drop_fixed(ctx, options)
    if "last" in options and options.keys() & {"since", "until"}:
        if "last" not in ctx.configured:
            fail("--last cannot be combined with --since or --until")
        del options["last"]
    if ctx.is_above:
        _name_settings(ctx, options)
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
    if "now" in bounds and ctx.command == "report":
        options["now"] = bounds["now"]  # periods that have ended by then are complete
    compares_all = "compare" in options and options.get("every", "") is None
    has_range = options.get("since") and options.get("until")
    if compares_all and not has_range and ctx.command != "report":
        fail("--every none --compare needs --since and --until, or --last")
    return options


def _name_settings(ctx: Context, options: Mapping[str, Any]) -> None:
    """Print which settings a command takes from a file that may be unexpected."""
    names = {parameter: name for name, parameter in _PARAMETERS.items()}
    used = sorted(names.get(one, one) for one in ctx.configured & options.keys())
    if used:
        print_message(f"settings of {ctx.file}: {', '.join(used)}")


def _drop_fixed(ctx: Context, options: dict[str, Any]) -> None:
    """Drop the settings that an export does not take; fail if such an option is given.

    An export keeps the options that it was made with.
    """
    # Imported here: it is not needed for --help.
    from toolkit.reading.discovery import is_export, list_names

    given = [name for name in LOG_FORMAT if name in options]
    names = list_names(ctx.params.get("logs") or []) if given else []
    if not any(map(is_export, names)):
        return
    for name in given:
        if name in ctx.configured:
            del options[name]
        elif ctx.command != "export":
            fail(
                f"an export keeps the {_FIXED[name]} it was made with: leave out "
                f"--{name.replace('_', '-')}, or export again with --rewrite"
            )


def _explain_error(ctx: Context, error: errors.ToolkitError) -> None:
    """Name an option as it is typed, and the settings file if the file sets it."""
    name = getattr(error, "name", None) or next(
        (name for kind, name in _AT_FAULT.items() if isinstance(error, kind)), ""
    )
    parameter = _PARAMETERS.get(name, name)
    if isinstance(error, errors.ExportGivenError):  # the rest is for Python
        error.args = (str(error).partition(", or read it with")[0],)
    if isinstance(error, errors.MissingColumnsError) and "tag" in ctx.options:
        column = error.missing[0]
        if not errors.near_miss(column, error.available):
            tag = column.removeprefix("tag_")
            error.args = (f"{error}: --tag {tag}=PATH adds the column 'tag_{tag}'",)
    if parameter in ctx.configured:
        error.add_note(f"`{name}` is set in {ctx.file}")
    elif parameter in ctx.options:
        typed = f"--{parameter.replace('_', '-')}:"
        error.args = (re.sub(f"^{name}:", typed, str(error)),)
