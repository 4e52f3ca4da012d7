"""The commands that a schedule runs: `report` and `config`, and the gates they hold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from toolkit.cli.options import (
    AsJson,
    By,
    Config,
    CreatedUnitOption,
    Last,
    LogsOrExport,
    Now,
    OnDamageOption,
    ResponsePath,
    Since,
    Tag,
    Tz,
    Until,
    log_options,
)
from toolkit.cli.output import print_settings, progress_of, say, to_json, words
from toolkit.errors import WriteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.report.report import Report

_BUDGET_CROSSED, _TOO_MANY_REJECTS = 3, 4
_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def report(
    ctx: typer.Context,
    logs: LogsOrExport,
    to: Annotated[
        list[str] | None,
        typer.Option(
            help="file to write: .html, .md, .json or .png; may be repeated; without "
            "one the answer is printed"
        ),
    ] = None,
    last: Last = None,
    since: Since = None,
    until: Until = None,
    now: Now = None,
    compare: Annotated[
        str | None, typer.Option(help="previous: the range directly before")
    ] = None,
    tz: Tz = "UTC",
    every: Annotated[
        str | None, typer.Option(help="length of a period  [by the range]")
    ] = None,
    by: By = None,
    top: Annotated[
        int, typer.Option(help="series that are named; the others are folded", min=1)
    ] = 12,
    section: Annotated[
        list[str] | None,
        typer.Option(help="metric to show; may be repeated  [all]"),
    ] = None,
    title: Annotated[str, typer.Option(help="what the report is about")] = "LLM usage",
    prices: Annotated[
        str | None, typer.Option(help="file of your own prices, before all others")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="an earlier report (.json): list what changed since"),
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(help="exit 3 above 500USD, or MODEL=100USD; or if in doubt"),
    ] = None,
    max_rejects: Annotated[
        str | None, typer.Option(help="exit 4 above so many: 10 or 0.1%")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no word but faults")] = False,
    tag: Tag = None,
    response_path: ResponsePath = None,
    created_unit: CreatedUnitOption = "s",
    on_damage: OnDamageOption = "raise",
    config: Config = None,  # noqa: ARG001 - its callback has read it
) -> None:
    """Write the report on a range: what it cost, what changed, and how sure that is."""
    # Imported here: what a command does not use is not loaded.
    # Imported here: polars is not needed for --help.
    from toolkit.pricing.budgets import parse_budgets
    from toolkit.report.report import write_report

    os.environ.setdefault("MPLBACKEND", "agg")
    budgets = parse_budgets(budget or [])
    limit = limit_of(max_rejects)
    options: dict[str, Any] = {
        "last": last,
        "since": since,
        "until": until,
        "now": now,
        "compare": compare,
        "tz": tz,
        "every": every,
        "by": by or ["model"],
        "top": top,
        "title": title,
        "prices": prices,
        "against": against,
        "on_damage": on_damage,
        **({"sections": section} if section else {}),
        **log_options(ctx, tag, response_path, created_unit),
    }
    with progress_of("reading") as progress:
        made = write_report(logs, to or [], progress=progress, **options)
    _summarise(made)
    if not to:
        say(str(made))
    elif not quiet:
        words(f"{', '.join(to)} written; {made}")
    is_held = _hold_budgets(made, budgets)
    if made.ledger is not None:
        totals = made.ledger.sum().row(0, named=True)
        hold_limit(limit, totals, max_rejects, code=0 if is_held else _BUDGET_CROSSED)
    if not is_held:
        raise typer.Exit(_BUDGET_CROSSED)


def _summarise(made: Report) -> None:
    """Add the report to the summary of a job of GitHub Actions, if it runs in one."""
    path = os.environ.get(_STEP_SUMMARY)
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 - one name less
            file.write(made.markdown())
    except OSError as error:
        raise WriteError(path, cause=error) from error


def _hold_budgets(made: Report, budgets: list[Any]) -> bool:
    """Say which budgets are crossed, or may be; return whether all are held."""
    # Imported here: it is not needed for --help.
    from toolkit.pricing.budgets import breaches, unmatched_budgets

    if not budgets:
        return True
    costs = made.costs
    for sentence in unmatched_budgets(budgets, costs):
        words(sentence)
    found = breaches(budgets, costs)
    for breach in found:
        words(breach.sentence)
    return not found


def limit_of(max_rejects: str | None) -> Callable[[int], float] | None:
    """Read how many lines may be rejected."""
    # Imported here: it is not needed for --help.
    from toolkit.pricing.budgets import parse_limit

    return None if max_rejects is None else parse_limit(max_rejects)


def hold_limit(
    limit: Callable[[int], float] | None,
    totals: dict[str, int],
    said: str | None,
    *,
    code: int = 0,
) -> None:
    """Exit 4 if more lines were rejected than were allowed; errors do not count.

    `code` is that of a gate which was crossed before: it stands.
    """
    if limit is not None and totals["rejected"] > limit(totals["lines"]):
        words(f"{totals['rejected']:,} lines rejected, more than {said}")
        raise typer.Exit(code or _TOO_MANY_REJECTS)


def config(
    file: Annotated[
        str | None,
        typer.Option("--config", help="settings  [toolkit.toml, or pyproject.toml]"),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="print the JSON Schema of the file")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print every setting with its value, and where that came from."""
    # Imported here: tomllib is not needed by the other commands' help.
    from toolkit.cli.config import json_schema, read_configuration

    if schema:
        say(to_json(json_schema()))
        return
    effective = read_configuration(file).effective()
    if as_json:
        found = {name: {"value": value, "from": at} for name, value, at in effective}
        say(to_json(cast("Any", found)))
        return
    print_settings(effective)
