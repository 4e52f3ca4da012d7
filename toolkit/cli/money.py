"""The commands about money: `toolkit cost` and `toolkit explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from toolkit.cli.options import (
    NONE,
    AsCsv,
    AsJson,
    By,
    Config,
    CreatedUnitOption,
    EveryOrNone,
    Last,
    LogsOrExport,
    Now,
    OnDamageOption,
    PricesOption,
    ResponsePath,
    Since,
    Tag,
    Tz,
    Until,
    log_options,
    series_of,
    within,
)
from toolkit.cli.output import (
    print_costs,
    print_csv,
    print_explained,
    progress_of,
    say,
    to_json,
    words,
)
from toolkit.errors import OptionError, plural

if TYPE_CHECKING:
    import polars as pl

_MOST_MISSING = 10
_LONGEST_NAME = 60


def cost(
    ctx: typer.Context,
    logs: LogsOrExport,
    every: EveryOrNone = "1d",
    by: By = None,
    tz: Tz = "UTC",
    since: Since = None,
    until: Until = None,
    last: Last = None,
    now: Now = None,
    prices: PricesOption = None,
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
    on_damage: OnDamageOption = "raise",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = None,  # noqa: ARG001 - its callback has read it
) -> None:
    """Sum what responses cost, in USD, and tell what could not be priced."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.explain import spending

    series = ("model",) if not by else series_of(by) or ()
    if as_json and as_csv:
        raise OptionError("csv", as_csv, expected="either --json or --csv")
    with progress_of("reading") as progress:
        spent = spending(
            logs,
            every=None if every == NONE else every,
            by=series,
            tz=tz,
            **within(since, until, tz, last=last, now=now),
            prices=prices,
            on_damage=cast("Any", on_damage),
            progress=progress,
            **log_options(ctx, tag, response_path, created_unit),
        )
    if as_json:
        say(to_json(spent.costs.to_dicts()))
    elif as_csv:
        print_csv(spent.costs)
    else:
        print_costs(spent.costs, series)
    if not spent.costs.is_empty():
        words(spent.summary)
    _say_missing(spent.missing)


def explain(
    ctx: typer.Context,
    logs: LogsOrExport,
    model: Annotated[str, typer.Option(help="name of the model, as served")],
    date: Annotated[str, typer.Option(help="a day: 2026-11-22, or undated")],
    tz: Tz = "UTC",
    prices: PricesOption = None,
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
    on_damage: OnDamageOption = "raise",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = None,  # noqa: ARG001 - its callback has read it
) -> None:
    """Go down from what a model cost on a day to its prices and its lines."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.explain import explain as explain_spending

    if as_json and as_csv:
        raise OptionError("csv", as_csv, expected="either --json or --csv")
    with progress_of("reading") as progress:
        explained = explain_spending(
            logs,
            model=model,
            date=None if date == "undated" else date,
            tz=tz,
            prices=prices,
            on_damage=cast("Any", on_damage),
            progress=progress,
            **log_options(ctx, tag, response_path, created_unit),
        )
    if as_json:
        parts = ("prices", "lines", "unseen")
        tables = {part: getattr(explained, part).to_dicts() for part in parts}
        say(to_json({"summary": explained.summary, **tables}))
    elif as_csv:
        print_csv(explained.lines)
    else:
        print_explained(explained)
    if as_json or as_csv:
        words(explained.summary)


def _say_missing(missing: pl.DataFrame) -> None:
    """List what has no price, the most tokens first, in words."""
    for row in missing.head(_MOST_MISSING).iter_rows(named=True):
        names = [row[name] for name in ("model", "provider", "service_tier")]
        called = ", ".join(name for name in names if name) or "no model"
        words(
            f"unpriced: {_shortened(called)}: {row['reason']}, "
            f"{plural(row['responses'], 'response')}, {row['total_tokens']:,} tokens"
        )
    if missing.height > _MOST_MISSING:
        words(f"unpriced: {missing.height - _MOST_MISSING:,} more")


def _shortened(name: str) -> str:
    """Cut a name that would fill the screen."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
