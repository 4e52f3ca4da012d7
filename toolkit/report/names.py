"""Short names of models, for readers who do not know their versions and paths."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from toolkit.expressions.model_families import FAMILY_RULES, families
from toolkit.formatting.text import format_name

if TYPE_CHECKING:
    from collections.abc import Iterable


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return the name of each model without its date and path.

    Models that would have the same name keep their own.

    Examples
    --------
    >>> short_names(["gpt-4o-2024-08-06", "anthropic/claude-3.7-sonnet"])
    {'gpt-4o-2024-08-06': 'gpt-4o', 'anthropic/claude-3.7-sonnet': 'claude-3.7-sonnet'}
    >>> short_names(["gpt-4o-2024-08-06", "gpt-4o-2024-11-20"])["gpt-4o-2024-08-06"]
    'gpt-4o-2024-08-06'
    """
    own = list(dict.fromkeys(names))
    found = families(pl.Series(own, dtype=pl.String), FAMILY_RULES).to_list()
    short = {name: family or name for name, family in zip(own, found, strict=True)}
    counts = Counter(short.values())
    return {
        name: format_name(family if counts[family] == 1 else name)
        for name, family in short.items()
    }
