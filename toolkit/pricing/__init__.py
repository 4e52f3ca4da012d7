"""Costs of responses in USD, at the price of their day, exact to 10^-12.

The prices are those of genai-prices and of the user's own price file; nothing is
downloaded. Unknown is never zero.
"""

from __future__ import annotations

from toolkit.pricing import budgets
from toolkit.pricing.alternatives import what_if
from toolkit.pricing.costs import add_cost, price_responses
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
    "missing_prices",
    "price_responses",
    "read_prices",
    "reconcile",
    "what_if",
]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
