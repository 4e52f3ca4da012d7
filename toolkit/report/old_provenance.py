"""Provenance of a report: everything needed to make the same bytes again."""

from __future__ import annotations

import os
import shlex
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import OptionError, clean
from toolkit.formatting.dates import format_moment
from toolkit.pricing.catalogue import catalogue_age
from toolkit.reading.native import DECODER
from toolkit.report.inputs import Plan, ReportInputs, iso

if TYPE_CHECKING:
    from collections.abc import Sequence


_EPOCH = "SOURCE_DATE_EPOCH"
# Libraries that may change a figure or a chart.
_LIBRARIES = ("completion-toolkit", "polars", "pyarrow", "matplotlib", "genai-prices")


class Provenance(NamedTuple):
    """How a report was made."""

    inputs: list[str]
    command: str
    versions: dict[str, str]
    prices: str
    decoder: str
    generated: str | None

    def footer(self, plan: Plan) -> list[tuple[str, str]]:
        """Return the entries of the footer."""
        libraries = [f"{name} {number}" for name, number in self.versions.items()]
        return [
            ("Read from", ", ".join(self.inputs) or "a frame"),
            ("Range", f"{plan.since or '…'} ≤ created < {plan.until or '…'}"),
            ("Zone", plan.tz),
            ("Prices", self.prices),
            ("Decoder", self.decoder),
            ("Versions", ", ".join(libraries)),
            *([("Made", self.generated)] if self.generated else []),
            ("Again", self.command),
        ]


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and the libraries."""
    known = {name: version(name) for name in _LIBRARIES}
    return {**known, "Python": ".".join(map(str, sys.version_info[:3]))}


def build_provenance(
    plan: Plan,
    inputs: ReportInputs,
    prices: str | None,
    uses_clock: bool,
) -> Provenance:
    """Build the provenance of a report; `uses_clock`: it depends on the time."""
    prices = clean(prices) if prices else None
    own = f"own prices of {prices}, then " if prices else ""
    number, latest = catalogue_age(
        (plan.within.end or plan.last_call or plan.now).date()
    )
    decoder = DECODER
    if inputs.ledger is not None and len(inputs.ledger):
        decoder = ", ".join(inputs.ledger["decoder"].unique().sort())
    return Provenance(
        inputs=list(inputs.names),
        command=_command_of(plan, inputs.names, prices, uses_clock),
        versions=versions(),
        prices=f"{own}genai-prices {number}, at the day of each call; latest price "
        f"change {latest}",
        decoder=decoder,
        generated=_generated_at(),
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
    plan: Plan, names: Sequence[str], prices: str | None, uses_clock: bool
) -> str:
    """Return the command that makes the same report again."""
    options = [
        ("since", plan.since),
        ("until", plan.until),
        ("now", iso(plan.now) if uses_clock else None),
        ("compare", "previous" if plan.compares else None),
        ("tz", plan.tz),
        ("every", plan.every),
        ("top", str(plan.top)),
        *(("by", clean(name)) for name in plan.by),
        ("provider", plan.provider),
        ("prices", prices),
        ("to", "report.html"),
    ]
    words = [word for name, value in options if value for word in (f"--{name}", value)]
    return shlex.join(["toolkit", "report", *(names or ["LOG"]), *words])
