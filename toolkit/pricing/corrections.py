"""Corrections of the price data: dated rows with their sources, part of the package."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from toolkit.pricing.price_file import parse_prices

if TYPE_CHECKING:
    from toolkit.pricing.price_file import PriceFile

_NAME = "corrections.toml"


@cache
def read_corrections() -> PriceFile:
    """Read the corrections; their providers are those of genai-prices."""
    text = files("toolkit.pricing").joinpath(_NAME).read_text("utf-8")
    return parse_prices(
        "corrections", tomllib.loads(text, parse_float=Decimal), own=False
    )
