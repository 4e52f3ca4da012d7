"""Provenance of a report: everything needed to make the same bytes again."""

from __future__ import annotations

import os
import shlex
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeAlias

from toolkit.errors import OptionError, clean, plural
from toolkit.formatting.dates import format_moment
from toolkit.reading.native import DECODER
from toolkit.report.inputs import iso
from toolkit.report.model import Made

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.report.inputs import Plan, ReportInputs
    from toolkit.report.metric_tables import MetricTables

    Options: TypeAlias = Mapping[str, str | Sequence[str] | None]

_EPOCH = "SOURCE_DATE_EPOCH"
# Libraries that may change a figure or a chart.
_LIBRARIES = ("completion-toolkit", "polars", "pyarrow", "matplotlib", "genai-prices")


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and the libraries."""
    known = {name: version(name) for name in _LIBRARIES}
    return {**known, "Python": ".".join(map(str, sys.version_info[:3]))}


def build_made(
    tables: MetricTables, inputs: ReportInputs, given: Options, *, uses_clock: bool
) -> Made:
    """Build how the report was made; `uses_clock` is whether it depends on the time.

    `given` are options of the command that the plan lacks, such as ``prices`` and
    ``tag``.
    """
    decoder = DECODER
    if inputs.ledger is not None and len(inputs.ledger):
        decoder = ", ".join(inputs.ledger["decoder"].unique().sort())
    reported = tables.row("cost")["responses_reported"] or 0
    prices = f"own prices of {given['prices']}, then " if given.get("prices") else ""
    prices += f"genai-prices {versions()['genai-prices']}, on the day of each call"
    if reported:
        prices += (
            f"; {plural(reported, 'call')} at the price that the provider reported"
        )
    return Made(
        list(inputs.names),
        clean(prices),
        _command_of(tables.plan, inputs.names, given, uses_clock=uses_clock),
        versions(),
        decoder,
        _generated_at(),
    )


def _generated_at() -> str | None:
    """Return the time in SOURCE_DATE_EPOCH; the clock is not read."""
    text = os.environ.get(_EPOCH)
    if not text:
        return None
    try:
        moment = datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        raise OptionError(_EPOCH, text, expected="seconds since 1970") from None
    return f"{format_moment(moment)} UTC"


def _command_of(
    plan: Plan, names: Sequence[str], given: Options, *, uses_clock: bool
) -> str:
    """Return the command that makes the same report again."""
    options: Options = {
        "since": plan.since,
        "until": plan.until,
        "now": iso(plan.now) if uses_clock else None,
        "compare": "previous" if plan.compares else None,
        "tz": plan.tz,
        "every": plan.every,
        "top": str(plan.top),
        "by": plan.by,
        "provider": plan.provider,
        **given,
        "to": "report.html",
    }
    words = ["toolkit", "report", *(names or ["LOG"])]
    for name, value in options.items():
        for one in [value] if isinstance(value, str) else value or ():
            words += [f"--{name.replace('_', '-')}", clean(one)]
    return shlex.join(words)
