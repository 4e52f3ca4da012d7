"""The commands that print the table of a metric: `metric`, and `tokens` for short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from toolkit.cli.options import (
    NONE,
    AsCsv,
    AsJson,
    By,
    CompareOption,
    Config,
    CreatedUnitOption,
    EveryOrNone,
    Fill,
    Last,
    LogsOrExport,
    Now,
    OnDamageOption,
    PricesOption,
    ResponsePath,
    Since,
    Tag,
    Top,
    Tz,
    Until,
    log_options,
    series_of,
    value_source,
    within,
)
from toolkit.cli.output import print_csv, print_table, progress_of, say, to_json
from toolkit.errors import OptionError, UnknownOptionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl


def metric(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="token_usage, cost, model_mix, ...")
    ],
    logs: LogsOrExport,
    every: EveryOrNone = "1d",
    by: By = None,
    tz: Tz = "UTC",
    since: Since = None,
    until: Until = None,
    last: Last = None,
    now: Now = None,
    top: Top = None,
    fill: Fill = False,
    compare: CompareOption = None,
    prices: PricesOption = None,
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
    on_damage: OnDamageOption = "raise",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = None,  # noqa: ARG001 - its callback has read it
) -> None:
    """Print the table of any metric; a response counts once."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.registry import measure

    if as_json and as_csv:
        raise OptionError("csv", as_csv, expected="either --json or --csv")
    options = {
        "every": None if every == NONE else every,
        "by": series_of(by),
        "tz": tz,
        "top": top,
        "fill": fill,
        "compare": compare,
        "prices": prices,
    }
    told: dict[str, Any] = {
        option: value for option, value in options.items() if is_told(ctx, name, option)
    }
    if (since, until, last) != (None, None, None):
        told |= within(since, until, tz, last=last, now=now)
    with progress_of("reading") as progress:
        table = measure(
            name,
            logs,
            on_damage=cast("Any", on_damage),
            progress=progress,
            **log_options(ctx, tag, response_path, created_unit),
            **told,
        )
    _show(name, table, told.get("by"), as_json=as_json, as_csv=as_csv)


def is_told(ctx: typer.Context, name: str, option: str) -> bool:
    """Return whether an option was given, by the user or by the configuration.

    A metric may have fewer options than others: those of the configuration that it does
    not have are left out.
    """
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.registry import SPECS

    source = value_source(ctx, option)
    if source != "DEFAULT_MAP":
        return source == "COMMANDLINE"
    if option == "prices":
        return name in SPECS and SPECS[name].has_money
    return name in SPECS and option in SPECS[name].option_names


def check_taken(name: str, told: Mapping[str, object]) -> None:
    """Raise an error if a metric does not have an option that was given."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.registry import SPECS

    known = (*SPECS[name].option_names, "prices") if name in SPECS else told
    for option in told:
        if option not in known:
            raise UnknownOptionError(option, owner=name, known=SPECS[name].option_names)


def _show(
    name: str,
    table: pl.DataFrame,
    by: Sequence[str] | None,
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Print a table as it was asked for."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.registry import SPECS

    if as_json:
        say(to_json(table.to_dicts()))
    elif as_csv:
        print_csv(table)
    else:
        print_table(table, SPECS[name], by)


def tokens(
    ctx: typer.Context,
    logs: LogsOrExport,
    every: EveryOrNone = "1d",
    by: By = None,
    tz: Tz = "UTC",
    since: Since = None,
    until: Until = None,
    last: Last = None,
    now: Now = None,
    top: Top = None,
    fill: Fill = False,
    compare: CompareOption = None,
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
    on_damage: OnDamageOption = "raise",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = None,
) -> None:
    """Sum the tokens of each model in each period; a response counts once."""
    metric(
        ctx,
        "token_usage",
        logs,
        every,
        by,
        tz,
        since,
        until,
        last,
        now,
        top,
        fill,
        compare,
        None,
        tag,
        response_path,
        created_unit,
        on_damage,
        as_json,
        as_csv,
        config,
    )
