"""polars expressions over choices, and the conversion of choices to responses.

Token counts are stored once per response, on its first choice: filter choices with
`any_choice`, count calls with `responses`.
"""

from __future__ import annotations

from toolkit.expressions.choices import (
    any_choice,
    first_choice,
    reports_usage,
    responses,
)
from toolkit.expressions.makers import maker
from toolkit.expressions.model_families import FAMILY_RULES, FamilyRule, model_family
from toolkit.expressions.periods import period, period_end
from toolkit.expressions.vendors import vendor

__all__ = [
    "FAMILY_RULES",
    "FamilyRule",
    "any_choice",
    "first_choice",
    "maker",
    "model_family",
    "period",
    "period_end",
    "reports_usage",
    "responses",
    "vendor",
]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
