"""Who bills for a response: the vendor, from its provider or the name of its model.

`vendor` and the prices use the same functions, so that a response is never priced by
the rates of somebody else than its vendor.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import polars as pl

from toolkit.errors import OptionError, near_miss
from toolkit.expressions.choices import with_models

_MOST_PARTS = 8  # of a name
# Open weights and local files, whose price depends on the provider.
_ANYONES = re.compile(
    r"gpt-oss|gemma|distill|r1-1776|\.gguf$|^(?!ft:).*:"
    r"|(?<![a-z0-9])(?:local|self-?hosted|lora|abliterated|uncensored"
    r"|awq|gptq|gguf|ggml|exl2|mlx|nf4|fp8|int[48]|q[2-8]_\w+)(?![a-z0-9])"
)


@cache
def read_names() -> dict[str, Any]:
    """Return the tables of names.toml."""
    text = files("toolkit.expressions").joinpath("names.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def patterns_of(table: str) -> list[tuple[str, re.Pattern[str]]]:
    """Return the names in a table of names.toml, each with one of its patterns."""
    return [
        (name, re.compile(pattern, re.DOTALL))
        for name, patterns in read_names()[table].items()
        for pattern in patterns
    ]


@cache
def _vendors_by_name() -> dict[str, str | None]:
    """Return the vendor of each squeezed spelling; None of a local program."""
    names = read_names()
    found: dict[str, str | None] = {_squeeze(name): None for name in names["local"]}
    for vendor_name, spellings in names["vendors"].items():
        for spelling in (vendor_name, *spellings):
            found[_squeeze(spelling)] = vendor_name
    return found


def _squeeze(name: str) -> str:
    """Return a name without letter case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", name.casefold())


def check_provider(provider: str | None) -> str | None:
    """Return the name of a provider, or raise `OptionError` if none is known by it."""
    if provider is None:
        return None
    if not isinstance(provider, str) or _squeeze(provider) not in _vendors_by_name():
        hint = near_miss(str(provider), read_names()["vendors"])
        expected = "the name of a provider, such as openai or azure"
        raise OptionError("provider", provider, expected=expected, hint=hint)
    return provider


def seller_named(provider: str) -> str | None:
    """Return the vendor that a provider in a log names; None for a local program."""
    plain = provider.strip().casefold()
    return _vendors_by_name().get(_squeeze(plain), plain or None)


def find_seller(provider: str | None, model: str) -> tuple[str | None, list[str]]:
    """Return the vendor of a model, and under which names it may sell it.

    Examples
    --------
    >>> find_seller(None, "groq/openai/gpt-oss-120b")[0]
    'groq'
    >>> find_seller("Azure OpenAI", "gpt-4o")
    ('azure', ['gpt-4o'])
    """
    parts = model.strip().split("/", _MOST_PARTS)
    names = ["/".join(parts[place:]) for place in range(len(parts))]
    # As Azure spells it.
    names += [f"gpt-3.5-{name[7:]}" for name in names if name[:7] == "gpt-35-"]
    return (seller_named(provider) if provider else _seller_of(names)), names


def _seller_of(names: list[str]) -> str | None:
    """Return the only vendor that sells a model by its name, or None."""
    name = names[0].casefold()
    for seller, pattern in patterns_of("hosted"):
        if pattern.fullmatch(name):
            return seller
    prefix, _, rest = name.partition("/")
    if _ANYONES.search(rest or name):
        return None
    if "/" in name:
        return read_names()["prefixes"].get(prefix) if rest else None
    bare = name.removeprefix("ft:")
    for seller, pattern in patterns_of("own_names"):
        if pattern.fullmatch(bare):
            return seller
    return None


def providers_of(frame: pl.DataFrame, provider: str | None) -> pl.Series:
    """Return who served each response: as its line or its API says, or else `provider`.

    Without these it is whose extensions the response has.
    """
    found = [pl.col("provider").cast(pl.String)]
    if "api" in frame.columns:
        sellers = read_names()["apis"]
        found.append(
            pl.col("api").cast(pl.String).replace_strict(sellers, default=None)
        )
    found.append(pl.lit(provider, pl.String))
    if "served_by" in frame.columns:
        # Other hosts of its models have the extension of DeepSeek, too.
        extended = pl.col("served_by").cast(pl.String)
        own = pl.col("model").cast(pl.String).str.contains("^deepseek-[^/]*$")
        found.append(pl.when((extended != "deepseek") | own).then(extended))
    return frame.select(pl.coalesce(found).alias("provider")).to_series()


def vendor(provider: str | None = None) -> pl.Expr:
    """Return who bills for a response: ``openai``, ``azure``, ``openrouter``, ...

    That is the first of these that is known: whom the column `provider` names; who
    alone has the API (`api`); the argument `provider`; whose extensions the response
    has (`served_by`); who alone sells a model of that name. Prices are looked up at
    the same vendor. Where a response names no model, its `requested_model` counts.

    Parameters
    ----------
    provider
        Who served the responses whose line names no provider.

    Returns
    -------
    pl.Expr
        A string, null where the vendor is unknown: many may serve open weights.

    Raises
    ------
    OptionError
        If no provider has such a name.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"model": "gpt-4o"},
    ...     {"model": "openai/gpt-4o", "provider": "Azure"},
    ...     {"model": "llama-3.3-70b"},
    ... )
    >>> choices.select(vendor()).to_series().to_list()
    ['openai', 'azure', None]
    >>> choices.select(vendor("together")).to_series().to_list()
    ['together', 'azure', 'together']
    """
    default = check_provider(provider)
    names = pl.col("provider", "model"), pl.col("^(?:api|requested_model|served_by)$")
    return (
        pl.struct(name.cast(pl.String) for name in names)
        .map_batches(
            lambda rows: _vendors(rows.struct.unnest(), default),
            return_dtype=pl.String,
            is_elementwise=True,
        )
        .alias("vendor")
    )


def _vendors(frame: pl.DataFrame, provider: str | None) -> pl.Series:
    """Return the vendor of each row; equal rows are looked up once."""
    known = frame.unique()
    named = with_models(known)
    pairs = zip(providers_of(named, provider), named["model"], strict=True)
    found = [find_seller(served_by, model or "")[0] for served_by, model in pairs]
    return frame.join(
        known.with_columns(pl.Series("vendor", found, pl.String)),
        on=frame.columns,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )["vendor"]
