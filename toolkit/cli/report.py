"""The commands that a schedule runs, `report` and `config`, and their limits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from toolkit.cli import output
from toolkit.cli.command_line import RejectLimit, check_folder
from toolkit.cli.options import RANGE, READ, command
from toolkit.errors import WriteError

if TYPE_CHECKING:
    from toolkit.pricing.budgets import Budget
    from toolkit.report.report import Report

_OVER_BUDGET, _TOO_MANY_REJECTS = 3, 4


@command(
    *("sources", "to_report", "sections", "title", "against", "budget", "budgets"),
    *("check_forecast", "colors", *RANGE, "compare"),
    *("every", "by", "top", "provider", "prices", "max_rejects", "quiet", *READ),
    every="depends on the range",
    top="12",
)
def report(
    sources: list[str],
    to: list[str] | None = None,
    budget: list[str] | None = None,
    check_forecast: bool = False,
    max_rejects: RejectLimit | None = None,
    quiet: bool = False,
    **options: Any,
) -> None:
    """Write a report on a range of time: cost, changes, and how sure they are."""
    # Imported here: polars is not needed for --help.
    from toolkit.pricing.budgets import parse_budgets
    from toolkit.report.report import write_report

    os.environ.setdefault("MPLBACKEND", "agg")
    budgets = parse_budgets(budget or [])
    for path in to or []:
        check_folder(path)
    with output.show_progress("reading") as progress:
        made = write_report(sources, to or [], progress=progress, **options)
    _add_to_step_summary(made)
    if not to:
        output.print_result(f"{made}\n{made.content.answer.certainty}".strip())
    elif not quiet:
        output.print_message(f"{', '.join(to)} written; {made}")
    is_within = _check_months(made, check_forecast=check_forecast)
    is_within &= not budgets or _check_budgets(made, budgets)
    code = 0 if is_within else _OVER_BUDGET
    if made.ledger is not None:
        totals = made.ledger.sum().row(0, named=True)
        check_rejects(max_rejects, totals, code=code)
    if code:
        raise SystemExit(code)


def _add_to_step_summary(made: Report) -> None:
    """Add the report to the summary of a job of GitHub Actions, if it runs in one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 - one name less
            file.write(made.markdown())
    except OSError as error:
        raise WriteError(path, cause=error) from error


def _check_budgets(made: Report, budgets: list[Budget]) -> bool:
    """Print the budgets that are exceeded, or may be; return whether there are none."""
    # Imported here: it is not needed for --help.
    from toolkit.pricing.budgets import breaches, check_names

    if not any(figure.value.is_known for figure in made.content.figures):
        output.print_message(f"the budget may be exceeded: {made.headline}")
        return False
    found = []
    for column in dict.fromkeys(budget.column for budget in budgets):
        own = [budget for budget in budgets if budget.column == column]
        # In a log without calls no name can be found.
        if made.values("choice_position"):
            check_names(own, made.values(column), "budget")
        found += breaches(own, made.costs(column))
    for breach in found:
        output.print_message(breach.sentence)
    return not found


def _check_months(made: Report, *, check_forecast: bool) -> bool:
    """Print the budgets of a month that are exceeded, or may be, or will be."""
    # Imported here: it is not needed for --help.
    from toolkit.report.budget import exceeds

    found = [one for one in made.budgets if exceeds(one, forecast=check_forecast)]
    for one in found:
        is_unsure = one.spent.exceeds(one.limit) is None
        why = "; but some costs are unknown, so it may be exceeded" if is_unsure else ""
        output.print_message(f"{one.head.name}: {one.head.title}{why}")
    return not found


def check_rejects(
    limit: RejectLimit | None, totals: dict[str, int], *, code: int = 0
) -> None:
    """Exit 4 if more lines were rejected than are allowed; errors do not count.

    `code` is the exit code if an earlier check has failed already.
    """
    if limit is not None and not limit.allows(totals["rejected"], of=totals["lines"]):
        output.print_message(
            f"{totals['rejected']:,} lines rejected, more than {limit}"
        )
        raise SystemExit(code or _TOO_MANY_REJECTS)


@command("config_file", "schema", "as_json")
def config(
    file: str | None = None,
    schema: bool = False,
    form: output.Form | None = None,
) -> None:
    """Print every setting with its value, and where it comes from."""
    # Imported here: it is not needed for --help.
    from toolkit.cli.config import read_configuration
    from toolkit.cli.settings import json_schema

    if schema:
        output.print_json(json_schema())
        return
    effective = read_configuration(file).effective()
    if form:
        found = {name: {"value": value, "from": at} for name, value, at in effective}
        output.print_json(found)
    else:
        output.print_settings(effective)
