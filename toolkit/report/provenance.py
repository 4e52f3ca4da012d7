"""Provenance of a report: everything needed to make the same bytes again."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from toolkit.errors import OptionError, clean
from toolkit.formatting.dates import format_moment
from toolkit.report.inputs import decoder_of

if TYPE_CHECKING:
    from toolkit.report.content import ReportContent
    from toolkit.report.inputs import ReportInputs

_EPOCH = "SOURCE_DATE_EPOCH"
_LIBRARIES = ("polars", "pyarrow", "matplotlib", "genai-prices")


@dataclass(frozen=True)
class Provenance:
    """How a report was made."""

    inputs: list[str]
    since: str | None
    until: str | None
    tz: str
    command: str
    versions: dict[str, str]
    prices: str
    decoder: str
    generated: str | None
    against: dict[str, Any] | None = None

    def footer(self) -> list[tuple[str, str]]:
        """Return the entries of the footer."""
        start, end = self.since or "…", self.until or "…"
        libraries = [f"{name} {number}" for name, number in self.versions.items()]
        return [
            ("Read from", ", ".join(self.inputs) or "a frame"),
            ("Range", f"{start} ≤ created < {end}"),
            ("Zone", self.tz),
            ("Prices", self.prices),
            ("Decoder", self.decoder),
            ("Versions", ", ".join(libraries)),
            *([("Made", self.generated)] if self.generated else []),
            ("Again", self.command),
        ]


@cache
def _versions() -> dict[str, str]:
    """Return the versions of all libraries that may change a figure or a chart."""
    return {
        "completion-toolkit": version("completion-toolkit"),
        **{name: version(name) for name in _LIBRARIES},
        "Python": ".".join(map(str, sys.version_info[:3])),
    }


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


def build_provenance(
    content: ReportContent, inputs: ReportInputs, prices: str | None
) -> Provenance:
    """Build the provenance of a report."""
    plan = content.plan
    since, until = (
        None if at is None else at.isoformat().replace("+00:00", "Z")
        for at in plan.within
    )
    known = _versions()["genai-prices"]
    own = f"own prices of {clean(str(prices))}, then " if prices else ""
    return Provenance(
        inputs=inputs.names,
        since=since,
        until=until,
        tz=plan.tz,
        command=_command_of(content, inputs, since, until, prices),
        versions=_versions(),
        prices=f"{own}genai-prices {known}, at the day of each call",
        decoder=decoder_of(inputs),
        generated=_generated_at(),
    )


def _command_of(
    content: ReportContent,
    inputs: ReportInputs,
    since: str | None,
    until: str | None,
    prices: str | None,
) -> str:
    """Return the command that makes the same report again."""
    plan = content.plan
    words = ["toolkit", "report", *(inputs.names or ["LOG"])]
    words += ["--since", since] if since else []
    words += ["--until", until] if until else []
    words += ["--compare", "previous"] if plan.compares else []
    words += ["--tz", plan.tz, "--every", plan.every, "--top", str(plan.top)]
    for name in plan.by:
        words += ["--by", clean(name)]
    words += ["--prices", clean(str(prices))] if prices else []
    return " ".join(shlex.quote(word) for word in [*words, "--to", "report.html"])
