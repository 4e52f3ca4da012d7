"""Logs of LLM chat completions as dataframes: right to the token, nothing lost.

``load`` reads logs into Arrow tables, ``export`` keeps them as Parquet, ``metrics`` and
``charts`` answer what was used by whom and when.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit import (
        charts,
        errors,
        expressions,
        metrics,
        pricing,
        ranges,
        schema,
        testing,
    )
    from toolkit.checking import check
    from toolkit.compacting import compact
    from toolkit.explaining import explain, spending
    from toolkit.exporting import export
    from toolkit.expressions import responses
    from toolkit.loaded import Loaded
    from toolkit.loading import batches, load
    from toolkit.replay import rejects, write_rejects
    from toolkit.report import overview, plot
    from toolkit.reporting import write_report
    from toolkit.scanning import ledger, scan
    from toolkit.validation import validate
    from toolkit.verifying import verify

__version__ = "0.1.0"

__all__ = [
    "Loaded",
    "batches",
    "charts",
    "check",
    "compact",
    "errors",
    "explain",
    "export",
    "expressions",
    "ledger",
    "load",
    "metrics",
    "overview",
    "plot",
    "pricing",
    "ranges",
    "rejects",
    "responses",
    "scan",
    "schema",
    "spending",
    "testing",
    "validate",
    "verify",
    "write_rejects",
    "write_report",
]

# Where each public name lives; a module is imported when its name is first touched.
_HOMES = {
    "Loaded": "loaded",
    "batches": "loading",
    "check": "checking",
    "compact": "compacting",
    "explain": "explaining",
    "export": "exporting",
    "ledger": "scanning",
    "load": "loading",
    "overview": "report",
    "plot": "report",
    "rejects": "replay",
    "responses": "expressions",
    "scan": "scanning",
    "spending": "explaining",
    "validate": "validation",
    "verify": "verifying",
    "write_rejects": "replay",
    "write_report": "reporting",
}


def __getattr__(name: str) -> object:
    """Import what is asked for on its first use, to keep the start quick."""
    if name not in __all__:
        message = f"module 'toolkit' has no attribute {name!r}"
        raise AttributeError(message)
    home = import_module(f"toolkit.{_HOMES.get(name, name)}")
    value = getattr(home, name) if name in _HOMES else home
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, "__version__"])
