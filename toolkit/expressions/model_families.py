"""Model families: one name for the many names under which a model is logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from toolkit.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence


class FamilyRule(NamedTuple):
    """A pattern in the lower-case name of a model, and its replacement.

    A pattern is a regular expression of Rust's regex crate, without look-around.
    """

    pattern: str
    replacement: str = ""


_MONTH, _DAY = "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
_VENDORS = "ai21|amazon|anthropic|cohere|deepseek|google|meta|mistral|openai|qwen"
_WEIGHTS = (
    "i?q[0-9](?:_[a-z0-9]+)*|b?f16|fp(?:16|8|4)|int[48]|awq|gptq|gguf|mlx|[48]bit"
)
_CLOSED = "gpt|o[0-9]|claude|gemini|grok|command|sonar"

# Applied from first to last, each once. They are made for names in recorded responses
# of some forty providers.
FAMILY_RULES: tuple[FamilyRule, ...] = (
    # openai/gpt-4o, @cf/meta/llama-3, /models/llama-3-8b.gguf, C:\\models\\x.gguf
    FamilyRule(r"^.*[/\\](.)", "${1}"),
    # ft:gpt-4o-mini-2024-07-18:acme::7p4lURel
    FamilyRule(r"^ft:([^:]+):.*$", "${1}"),
    # openai:gpt-4o, plugin:openai-codex:gpt-5.4
    FamilyRule(rf"^(?:[a-z_-]+:)+((?:{_CLOSED})[-.0-9].*)$", "${1}"),
    # us.anthropic.claude-3-7-sonnet-20250219-v1:0
    FamilyRule(rf"^(?:[a-z]+\.)?(?:{_VENDORS})\.(.)", "${1}"),
    FamilyRule(r"-v[0-9]+:[0-9]+$"),
    FamilyRule(r"\.(?:gguf|ggml|safetensors|llamafile|onnx|bin)$"),
    # qwen3:latest, deepseek-r1:free; not gemma3:4b, which is a size
    FamilyRule(r":(?:latest|free|beta|nitro|floor|online|extended|thinking)$"),
    # claude-3-5-sonnet@20240620
    FamilyRule(r"@(?:latest|default|[0-9]+)$"),
    # llama-3.3-70b-instruct-fp8-fast, qwen2.5-7b-instruct-q4_k_m
    FamilyRule(rf"(?:[-_.](?:{_WEIGHTS})(?:-fast)?)+$"),
    # Two snapshots of gpt-4-turbo have another name.
    FamilyRule(r"^gpt-4-(?:1106|0125)(?:-vision)?-preview$", "gpt-4-turbo"),
    FamilyRule(r"^gpt-35-", "gpt-3.5-"),
    # A preview is a model of its own, with prices of its own: o1-preview is not o1.
    FamilyRule(r"-(?:latest|maas)$"),
    # 2024-08-06, 20250929, 09-2025; 05-06; 0613 or 2411; 001
    FamilyRule(rf"[-_](?:20[0-9]{{2}}-?{_MONTH}-?{_DAY}|{_MONTH}-20[0-9]{{2}})$"),
    FamilyRule(rf"-{_MONTH}-{_DAY}$"),
    FamilyRule(rf"-(?:{_MONTH}{_DAY}|2[0-9]{_MONTH})$"),
    FamilyRule(r"-00[0-9]$"),
    # Routers write claude-3.5-sonnet for claude-3-5-sonnet.
    FamilyRule(r"^(claude-[0-9])-([0-9])(-|$)", "${1}.${2}${3}"),
    FamilyRule(r"^(claude-[a-z]+-[0-9])-([0-9])$", "${1}.${2}"),
)


def families(names: pl.Series, rules: Sequence[FamilyRule]) -> pl.Series:
    """Return the family of each name; equal names are computed once."""
    known = pl.DataFrame({"name": names.unique().drop_nulls().cast(pl.String)})
    family = pl.col("name").str.strip_chars().str.to_lowercase()
    for rule in rules:
        family = family.str.replace(rule.pattern, rule.replacement)
    known = known.with_columns(family.alias("family"))
    return names.cast(pl.String).replace_strict(
        known["name"], known["family"], default=None, return_dtype=pl.String
    )


def _check_rules(rules: Sequence[tuple[str, str]]) -> tuple[FamilyRule, ...]:
    """Return the rules, or raise `OptionError` if a pattern is invalid."""
    checked = tuple(FamilyRule(*rule) for rule in rules)
    for rule in checked:
        try:
            pl.Series(["x"]).str.replace(rule.pattern, rule.replacement)
        except pl.exceptions.PolarsError:
            expected = "a regular expression of Rust (no look-around)"
            raise OptionError("rules", rule.pattern, expected=expected) from None
    return checked


def model_family(
    column: str | pl.Expr = "model",
    *,
    rules: Sequence[tuple[str, str]] = FAMILY_RULES,
) -> pl.Expr:
    """Return the family of a model: snapshots, prefixes and file paths as one name.

    Parameters
    ----------
    column
        The column with the names of models, such as `requested_model`.
    rules
        Pairs of a pattern and its replacement, applied to the lower-case name in this
        order, once each. To add rules, put them before or after
        `toolkit.expressions.FAMILY_RULES`.

    Returns
    -------
    pl.Expr
        A string, null where the model is unknown.

    Raises
    ------
    OptionError
        If a pattern is not a regular expression of Rust.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> names = ("gpt-4o-2024-08-06", "openai/gpt-4o", "/models/llama-3-8b.Q4_K_M.gguf")
    >>> choices = make_choices(*[{"model": name} for name in names])
    >>> choices.select(model_family()).to_series().to_list()
    ['gpt-4o', 'gpt-4o', 'llama-3-8b']
    >>> own = (*FAMILY_RULES, ("^gpt-.*", "gpt"))
    >>> choices.select(model_family(rules=own)).to_series().to_list()
    ['gpt', 'gpt', 'llama-3-8b']
    """
    known = _check_rules(rules)
    names = pl.col(column) if isinstance(column, str) else column
    return names.map_batches(
        lambda series: families(series, known),
        return_dtype=pl.String,
        is_elementwise=True,
    ).alias("model_family")
