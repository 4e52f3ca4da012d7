"""Options of the commands, each declared once in ``options.toml``.

A command lists them: `@command("sources", "every", "by")`. It gets those that are set,
on the command line or in the settings file, as keywords of the library.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit import errors
from toolkit.cli.command_line import (
    Option,
    RejectLimit,
    check_folder,
    fail,
    parse_duration,
    parse_number,
    parse_pairs,
    parse_words,
)
from toolkit.cli.output import Form, print_message
from toolkit.formatting.parameters import TABLE_ENDINGS, check_ending
from toolkit.reading.object_store import is_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_NONE = "none"


def _parse_every(every: str) -> str | None:
    """Return a period, or None for no periods."""
    if every == _NONE:
        return None
    # Imported here, as all that needs polars.
    from toolkit.expressions.periods import check_period

    return check_period(every, none=f'"{_NONE}"')


# How the library takes what is typed or set, if not as it is.
_VALUES: Mapping[str, Callable[[Any], object]] = {
    "every": _parse_every,
    "by": lambda names: () if names == [_NONE] else tuple(names),
    **{name: partial(parse_pairs, name) for name in ("tags", "colors", "columns")},
    **{name: partial(parse_number, name, least=1) for name in ("top", "lines")},
    "seed": partial(parse_number, "seed"),
    "max_rejects": lambda limit: RejectLimit(str(limit)),
    "wait": parse_duration,
}
# Errors about one option, and its name.
_AT_FAULT: dict[type[errors.ToolkitError], str] = {
    errors.SourceError: "sources",
    errors.MissingColumnsError: "by",
    errors.UnsuitableColumnError: "by",
    errors.PriceFileError: "prices",
    errors.WriteError: "to",
}
# What an export keeps, by the option that sets it for a log.
_FIXED = {
    "tags": "tags",
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


@dataclass
class _Context:
    """What a command was called with."""

    command: str
    options: dict[str, Option]  # by parameter
    params: dict[str, Any]
    configured: set[str] = field(default_factory=set)  # by the settings file
    file: str | None = None  # with the settings
    is_above: bool = False  # whether that was found above this directory


class Command(NamedTuple):
    """A function as a command, with its options and arguments by parameter."""

    function: Callable[..., None]
    options: dict[str, Option]

    @property
    def name(self) -> str:
        """What is typed to run it."""
        return self.function.__name__

    def __call__(self, words: Sequence[str]) -> None:
        """Run the command with the words behind its name."""
        text, options = str(self.function.__doc__), self.options
        params = parse_words(self.name, text, options.values(), words)
        ctx = _Context(self.name, options, params)
        try:
            _use_settings(ctx)
            _check_targets(ctx.params)
            values = _library_options(ctx)
            if "configured" in signature(self.function).parameters:
                values["configured"] = ctx.configured
            self.function(**values)
        except errors.ToolkitError as error:
            _explain_error(ctx, error)
            raise


def command(*names: str, **defaults: str) -> Callable[[Callable[..., None]], Command]:
    """Make a function a command.

    Parameters
    ----------
    names
        Names of its arguments and options; the function gets those that are set as
        keywords, as the library takes them, and in ``configured``, if it has such a
        parameter, the names of those that the settings file sets.
    defaults
        What the help of this command shows as the default of an option.
    """
    options = [_option_of(name, defaults.get(name)) for name in names]
    by_name = {one.parameter: one for one in options}
    return lambda function: Command(function, by_name)


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


def _use_settings(ctx: _Context) -> None:
    """Let the settings file fill in the options that the command line leaves out."""
    settings: dict[str, Any] = {}
    if "config" in ctx.options:
        # Imported here: none of it is needed for --help.
        from toolkit.cli.config import read_configuration

        given = ctx.params.pop("config", None)
        found = read_configuration(given)
        ctx.file, settings = found.file, found.options_of(ctx.command)
        is_given = given or os.environ.get("TOOLKIT_CONFIG")
        ctx.is_above = not is_given and Path(found.file or "").is_absolute()
    for name, one in ctx.options.items():
        if name in ctx.params:
            continue
        if settings.get(name) is not None:
            ctx.params[name] = settings[name]
            ctx.configured.add(name)
        elif one.is_required:
            if "name" in ctx.options:  # of the metric: a wrong one comes first
                check_metric(ctx.params.get("name"), ctx.command)
            fail(f"expected {one.typed} ({one.help}), got none")


def check_metric(name: str | None, command: str) -> None:
    """Raise `OptionError`, with all names, unless a metric has this name."""
    # Imported here: polars is not needed for --help.
    from toolkit.metrics.registry import METRICS

    overview = ["overview"]
    if name not in overview:  # `metric` says what draws it
        drawn = overview if command == "plot" else []
        errors.check_word("metric", name, [*METRICS, *drawn])


def _check_targets(params: Mapping[str, Any]) -> None:
    """Fail if a file to write is one that is read: it would be lost."""
    read = [*params.get("sources", ()), *filter(None, [params.get("bill")])]
    to = params.get("to") or []
    targets = [*(to if isinstance(to, list) else [to]), *params.get("to_table", ())]
    for target in map(os.fspath, targets):
        is_file = not is_uri(target) and Path(target).is_file()
        if is_file and any(_is_read(target, one) for one in read):
            fail(
                f"--to: expected another file than those that are read, got {target!r}"
            )


def _is_read(file: str, source: str) -> bool:
    """Return whether a file that exists is one of those that a source names."""
    # Imported here: it is not needed for --help.
    from toolkit.reading.discovery import find_logs

    try:
        logs = [] if is_uri(source) else find_logs(source, on_damage="collect").logs
        return any(log.identity and Path(file).samefile(log.path) for log in logs)
    except (errors.ToolkitError, OSError):  # reading raises it, or it is an export
        return False


def _library_options(ctx: _Context) -> dict[str, Any]:
    """Return the options that are set, as the library takes them."""
    options = {name: value for name, value in ctx.params.items() if value is not False}
    form = _form_of(options)
    _drop_settings(ctx, options)
    if ctx.is_above and (used := sorted(ctx.configured & options.keys())):
        print_message(f"settings of {ctx.file}: {', '.join(used)}")
    options |= {
        name: of(options[name]) for name, of in _VALUES.items() if name in options
    }
    if form is not None:
        options["form"] = form
    _choose_range(ctx, options)
    return options


def _form_of(options: dict[str, Any]) -> Form | None:
    """Take the options for the form of a table out of all; None if none is set."""
    forms = [name for name in ("json", "csv") if options.pop(f"as_{name}", False)]
    if len(forms) > 1:
        fail("choose either --json or --csv")
    files = options.pop("to_table", ())
    for file in files:
        check_ending("--to", file, TABLE_ENDINGS)
        check_folder(file)
    return Form("".join(forms) or None, files) if forms or files else None


def _drop_settings(ctx: _Context, options: dict[str, Any]) -> None:
    """Drop settings that do not fit; fail if such an option is given.

    An export keeps the options that it was made with; `since` replaces `last`.
    """
    unfit = ["last"] if options.keys() & {"since", "until"} else []
    if options.keys() & _FIXED:
        # Imported here: it is not needed for --help.
        from toolkit.reading.discovery import is_export, list_names

        names = list_names(options["sources"])
        unfit += _FIXED if any(map(is_export, names)) else ()
    for name in unfit:
        if name not in options:
            continue
        if name in ctx.configured:
            del options[name]
        elif name == "last":
            fail("--last cannot be combined with --since or --until")
        elif ctx.command != "export":
            fail(
                f"an export keeps the {_FIXED[name]} it was made with: leave out "
                f"{ctx.options[name].flag}, or export again with --rewrite"
            )


def _choose_range(ctx: _Context, options: dict[str, Any]) -> None:
    """Replace the options of the range by its start and end."""
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
    if ctx.command == "report":
        if "now" in bounds:  # periods that have ended by then are complete
            options["now"] = bounds["now"]
        return
    compares_all = "compare" in options and options.get("every", "") is None
    if compares_all and not (options.get("since") and options.get("until")):
        fail("--every none --compare needs --since and --until, or --last")


def _explain_error(ctx: _Context, error: errors.ToolkitError) -> None:
    """Name an option as it is typed, and the settings file if the file sets it."""
    name = getattr(error, "name", None) or next(
        (name for kind, name in _AT_FAULT.items() if isinstance(error, kind)), ""
    )
    if isinstance(error, errors.ExportGivenError):  # the rest is for Python
        error.args = (str(error).partition(", or read it with")[0],)
    if isinstance(error, errors.MissingColumnsError) and "tags" in ctx.options:
        column = error.missing[0]
        if not errors.near_miss(column, error.available):
            tag = column.removeprefix("tag_")
            error.args = (f"{error}: --tag {tag}=PATH adds the column 'tag_{tag}'",)
    if name in ctx.configured:
        error.add_note(f"`{name}` is set in {ctx.file}")
    elif name in ctx.options:
        typed = ctx.options[name].typed
        error.args = (re.sub(f"^{name}:", f"{typed}:", str(error)),)
    if isinstance(error, errors.OptionError):
        error.args = (_without_python(str(error), error.value),)


def _without_python(text: str, value: object) -> str:
    """Return the text of an error with the value, and what to do, as they are typed."""
    if value is None or isinstance(value, dict):
        pairs = (value or {}).items()
        typed = ", ".join(f"{name}={of}" for name, of in pairs) or "none"
        text = text.replace(f", got {value!r}", f", got {typed}")
    return text.replace("(rewrite=True, --rewrite)", "(--rewrite)")
