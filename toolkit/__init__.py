"""Logs of LLM responses as dataframes: right to the token, nothing lost.

``load`` reads logs into Arrow tables, ``export`` keeps them as Parquet, ``metrics`` and
``charts`` show what was used, by whom and when.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit import charts, errors, expressions, metrics, pricing, schema, testing
    from toolkit.charts.plot import overview, plot
    from toolkit.exports.compact import compact
    from toolkit.exports.export import export
    from toolkit.exports.verify import verify
    from toolkit.expressions import responses
    from toolkit.expressions import time_ranges as ranges
    from toolkit.formatting.table_files import write_table
    from toolkit.metrics.explain import explain, spending
    from toolkit.reading.check import check
    from toolkit.reading.load import Loaded, batches, load
    from toolkit.reading.rejects import rejects, write_rejects
    from toolkit.reading.scan import ledger, scan
    from toolkit.report import write_report
    from toolkit.schema.validation import validate

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
    "write_table",
]

# Where each public name lives; a module is imported when its name is first used.
_HOMES = {
    "Loaded": "reading.load",
    "batches": "reading.load",
    "check": "reading.check",
    "compact": "exports.compact",
    "explain": "metrics.explain",
    "export": "exports.export",
    "ledger": "reading.scan",
    "load": "reading.load",
    "overview": "charts.plot",
    "plot": "charts.plot",
    "rejects": "reading.rejects",
    "responses": "expressions",
    "scan": "reading.scan",
    "spending": "metrics.explain",
    "validate": "schema.validation",
    "verify": "exports.verify",
    "write_rejects": "reading.rejects",
    "write_report": "report",
    "write_table": "formatting.table_files",
}
_MODULES = {"ranges": "expressions.time_ranges"}


def __getattr__(name: str) -> object:
    """Import what is asked for on its first use, to keep the start quick."""
    if name == "__version__":
        # Imported here: it takes a while, and few need it.
        from importlib.metadata import version

        return version("completion-toolkit")
    if name not in __all__:
        message = f"module 'toolkit' has no attribute {name!r}"
        raise AttributeError(message)
    if name in _HOMES:
        value = getattr(import_module(f"toolkit.{_HOMES[name]}"), name)
    else:
        value = import_module(f"toolkit.{_MODULES.get(name, name)}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, "__version__"])
