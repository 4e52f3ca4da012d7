"""Who made a model, from its name."""

from __future__ import annotations

import re

import polars as pl

# What the name of a model begins with, without prefixes; the first that matches.
_MAKERS = {
    "nvidia": r"nemotron|.*nemotron|nv-",
    "perplexity": r"sonar|pplx|.*-sonar-|r1-1776",
    "deepseek": r"deepseek",
    "openai": r"(?:chat)?gpt(?!-?(?:neo|j|4all))|o[134](?:-|$)|text-embedding-(?:3|ada)"
    r"|(?:text-)?(?:davinci|babbage|curie|ada)(?:-|$)|whisper|dall-e|tts-|codex-|sora"
    r"|computer-use|omni-moderation",
    "anthropic": r"claude",
    "google": r"gemini|\w*gemma|palm-|(?:text|chat|code)-bison|learnlm|imagen|veo-"
    r"|text-embedding-00",
    "meta": r"(?:meta-)?(?:code-?)?llama|muse-|opt-\d",
    "mistral": r"(?:open-|labs-)?(?:(?:mi|mini|code|dev|magi|math)stral|mixtral|pixtral"
    r"|voxtral)",
    "alibaba": r"qwen|qwq|qvq|tongyi|text-embedding-v|codeqwen",
    "x-ai": r"grok",
    "cohere": r"command(?:-|$)|c4ai|aya-|embed-|rerank",
    "moonshotai": r"kimi|moonshot",
    "zai": r"(?:zai-)?(?:chat)?glm|codegeex",
    "microsoft": r"phi-?\d|wizardlm|mai-",
    "amazon": r"(?:amazon-)?(?:nova|titan)-",
    "minimax": r"minimax|abab|m2-her",
    "ai21": r"jamba|j2-",
    "ibm": r"granite",
    "writer": r"palmyra",
    "01-ai": r"yi-",
    "baidu": r"ernie",
    "tencent": r"hunyuan",
    "bytedance": r"doubao|seed-",
    "databricks": r"dbrx",
    "cursor": r"composer-",
    "allenai": r"olmo|tulu|molmo",
    "xiaomi": r"mimo-",
    "stepfun": r"step-\d",
    "arcee": r"arcee|trinity-",
    "nousresearch": r"(?:nous-)?hermes",
    "liquid": r"lfm",
    "upstage": r"solar-",
    "inception": r"mercury",
    "voyageai": r"voyage",
}
_KNOWN = [(maker, re.compile(pattern)) for maker, pattern in _MAKERS.items()]
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
        for maker, known in _KNOWN:
            if known.match(bare):
                return maker
    return None


def maker(column: str | pl.Expr = "model") -> pl.Expr:
    """Return who made a model, whoever served it: ``openai``, ``meta``, ``alibaba``.

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
    found = pl.Series([maker_of(name) for name in known], dtype=pl.String)
    return names.replace_strict(known, found, default=None, return_dtype=pl.String)
