"""Provenance of a report: everything needed to make the same bytes again."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from toolkit.errors import OptionError, clean, plural
from toolkit.formatting.dates import format_moment
from toolkit.reading.native import DECODER
from toolkit.report.inputs import iso
from toolkit.report.model import Made

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.report.inputs import Plan, ReportInputs
    from toolkit.report.metric_tables import MetricTables

_EPOCH = "SOURCE_DATE_EPOCH"
# Libraries that may change a figure or a chart.
_LIBRARIES = ("completion-toolkit", "polars", "pyarrow", "matplotlib", "genai-prices")


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and the libraries."""
    known = {name: version(name) for name in _LIBRARIES}
    return {**known, "Python": ".".join(map(str, sys.version_info[:3]))}


def build_made(
    tables: MetricTables,
    inputs: ReportInputs,
    *,
    uses_clock: bool,
    prices: str | None = None,
    given: Mapping[str, object] | None = None,
) -> Made:
    """Build how the report was made.

    `uses_clock` is whether it depends on the time, `prices` the name of a price file.
    `given` are further options by their names in the command, with a text, a list of
    texts, or a mapping that is written as NAME=VALUE.
    """
    plan = tables.plan
    prices = clean(prices) if prices else None
    decoder = DECODER
    if inputs.ledger is not None and len(inputs.ledger):
        decoder = ", ".join(inputs.ledger["decoder"].unique().sort())
    return Made(
        list(inputs.names),
        _prices_of(tables, prices),
        _command_of(
            plan, inputs.names, uses_clock, {"prices": prices, **(given or {})}
        ),
        versions(),
        decoder,
        _generated_at(),
    )


def _prices_of(tables: MetricTables, prices: str | None) -> str:
    """Return in one sentence what the costs are computed with."""
    compare = {"compare": "previous"} if tables.plan.compares else {}
    reported = tables.row("cost", **compare)["responses_reported"] or 0
    text = f"own prices of {prices}, then " if prices else ""
    text += f"genai-prices {versions()['genai-prices']}, on the day of each call"
    if reported:
        text += f"; {plural(reported, 'call')} at the price that the provider reported"
    return text


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
    plan: Plan, names: Sequence[str], uses_clock: bool, given: Mapping[str, object]
) -> str:
    """Return the command that makes the same report again."""
    options: dict[str, object] = {
        "since": plan.since,
        "until": plan.until,
        "now": iso(plan.now) if uses_clock else None,
        "compare": "previous" if plan.compares else None,
        "tz": plan.tz,
        "every": plan.every,
        "top": plan.top,
        "by": plan.by,
        "provider": plan.provider,
        **given,
        "to": "report.html",
    }
    words = []
    for name, value in options.items():
        values = [value]
        if isinstance(value, Mapping):
            values = [f"{key}={one}" for key, one in value.items()]
        elif isinstance(value, list | tuple):
            values = list(value)
        for one in values:
            words += (
                [] if one is None else [f"--{name.replace('_', '-')}", clean(f"{one}")]
            )
    return shlex.join(["toolkit", "report", *(names or ["LOG"]), *words])
