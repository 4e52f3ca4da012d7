"""Who made a model, from its name."""

from __future__ import annotations

import re

import polars as pl

from toolkit.expressions.vendors import patterns_of

# ft:gpt-4o:acme; everything up to the last slash; us.anthropic.claude-...
_PREFIXES = re.compile(
    r"(?:.*[/\\](?=.))?(?:ft:)?(?:(?:[a-z-]+\.)?(?:ai21|amazon|anthropic|cohere"
    r"|deepseek|google|meta|mistral|nvidia|openai|qwen|writer)\.)?"
)


def maker_of(model: str) -> str | None:
    """Return who made a model.

    Examples
    --------
    >>> maker_of("us.anthropic.claude-opus-4-5-20251101-v1:0")
    'anthropic'
    >>> maker_of("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B")  # who distilled it
    'deepseek'
    """
    whole = model.strip().casefold()
    # openai:gpt-4o, but qwen3:latest
    for name in (whole, whole.rpartition(":")[2]):
        bare = _PREFIXES.sub("", name, count=1)
        for maker, known in patterns_of("makers"):
            if known.match(bare):
                return maker
    return None


def maker(column: str | pl.Expr = "model") -> pl.Expr:
    """Return who made a model, at every vendor: ``openai``, ``meta``, ``alibaba``.

    Parameters
    ----------
    column
        The column with the names of models.

    Returns
    -------
    pl.Expr
        A string, null where the name does not show it.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> names = ("azure/gpt-4o", "meta-llama/Llama-3.3-70B-Instruct", "prod-chat")
    >>> choices = make_choices(*[{"model": name} for name in names])
    >>> choices.select(maker()).to_series().to_list()
    ['openai', 'meta', None]
    """
    names = pl.col(column) if isinstance(column, str) else column
    return names.map_batches(
        _makers, return_dtype=pl.String, is_elementwise=True
    ).alias("maker")


def _makers(names: pl.Series) -> pl.Series:
    """Return the maker of each model; equal names are looked up once."""
    names = names.cast(pl.String)
    known = names.unique().drop_nulls()
    found = pl.Series(map(maker_of, known), dtype=pl.String)
    return names.replace_strict(known, found, default=None, return_dtype=pl.String)
