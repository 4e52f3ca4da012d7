"""Costs of responses in USD, at the price of their day, exact to 10^-12.

The prices are those of genai-prices and of the user's own price file; nothing is
downloaded. Unknown is never zero.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.pricing import budgets
    from toolkit.pricing.alternatives import what_if
    from toolkit.pricing.costs import add_cost, price_responses
    from toolkit.pricing.focus_export import focus
    from toolkit.pricing.price_file import PriceFile, read_prices
    from toolkit.pricing.rates import MEANINGS, Reason
    from toolkit.pricing.reconciliation import reconcile
    from toolkit.pricing.unpriced import missing_prices

__all__ = [
    "MEANINGS",
    "PriceFile",
    "Reason",
    "add_cost",
    "budgets",
    "focus",
    "missing_prices",
    "price_responses",
    "read_prices",
    "reconcile",
    "what_if",
]


# Where each name is; `budgets` is a module. One is imported when a name is first used.
_HOMES = {
    "MEANINGS": "rates",
    "PriceFile": "price_file",
    "Reason": "rates",
    "add_cost": "costs",
    "focus": "focus_export",
    "missing_prices": "unpriced",
    "price_responses": "costs",
    "read_prices": "price_file",
    "reconcile": "reconciliation",
    "what_if": "alternatives",
}


def __getattr__(name: str) -> object:
    """Import a name on its first use."""
    if name not in __all__:
        message = f"module 'toolkit.pricing' has no attribute {name!r}"
        raise AttributeError(message)
    module = import_module(f"toolkit.pricing.{_HOMES.get(name, name)}")
    return getattr(module, name) if name in _HOMES else module


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
