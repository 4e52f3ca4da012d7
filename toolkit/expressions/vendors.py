"""Who bills for a response: the vendor, from its provider or the name of its model.

`vendor` and the prices use the same functions, so that a response is never priced by
the rates of somebody else than its vendor.
"""

from __future__ import annotations

import re

import polars as pl

from toolkit.errors import OptionError, near_miss

# The names of vendors, as in the price data, and how else logs spell them; letter
# case, spaces and punctuation do not matter.
_SPELLINGS = """
aws: amazon, amazon bedrock, aws bedrock, bedrock, bedrock converse
azure: azure ai, azure openai, azure text, azure ai inference, azure ai openai
azure: az.ai.inference, az.ai.openai, microsoft azure
google: gcp.gemini, gcp.gen_ai, gcp.vertex_ai, gemini, google ai, google ai studio
google: google gla, google vertex, google vertex ai, vertex, vertex ai, vertex ai beta
cloudflare: cloudflare workers ai; github-copilot: copilot; moonshotai: moonshot
cohere: cohere chat; openai: text completion openai; ovhcloud: ovhcloud ai endpoints
fireworks: fireworks ai; mistral: mistral ai; novita: novita ai; together: together ai
voyageai: voyage; zhipuai: bigmodel, zhipu
"""
# Those with one spelling, and those whose prices are not in the price data.
_OTHERS = """
anthropic arcee avian baseten cerebras cursor databricks deepseek doubleword elevenlabs
groq meta minimax modal openai-decisions openrouter perplexity quicksilverpro typesafe
x-ai zai ai21 alibaba chutes crusoe deepinfra friendli huggingface hyperbolic lambda
nebius nscale nvidia parasail replicate sambanova siliconflow snowflake venice vercel
volcengine watsonx writer
"""
_BEHIND_HUGGINGFACE = "cerebras fireworks-ai groq hyperbolic nebius novita nscale \
ovhcloud publicai sambanova together"
# What runs on the user's own machines: nobody bills for it.
_LOCAL = "ollama, ollama chat, vllm, hosted vllm, lm studio, llama.cpp, llamafile, \
local, localhost, localai, mlx, sglang, tgi, gpt4all"


def _squeeze(name: str) -> str:
    """Return a name without letter case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "", name.casefold())


def table_of(text: str) -> list[list[str]]:
    """Return the pairs of a table of names and patterns."""
    return [pair.split(": ") for pair in re.split(r"; |\n", text.strip())]


_SELLERS = [
    *table_of(_SPELLINGS),
    *([name, name] for name in _OTHERS.split()),
    *([f"huggingface_{name}"] * 2 for name in _BEHIND_HUGGINGFACE.split()),
]
_IDS: dict[str, str | None] = {
    **{_squeeze(name): None for name in _LOCAL.split(",")},
    **{
        _squeeze(name): seller
        for seller, names in _SELLERS
        for name in (seller, *names.split(","))
    },
}
# Names of models by which only one vendor sells them: of hosts, and prefixes in the
# spelling of clouds (us.anthropic.claude-3-7-sonnet-20250219-v1:0) and of proxies.
_REGION = r"(?:arn:aws.*/)?(?:(?:us|us-gov|eu|apac|au|jp|ca|global)\.)?"
_HOSTED = table_of(rf"""
aws: {_REGION}(?:ai21|amazon|anthropic|cohere|deepseek|google|meta|mistral)\..*
aws: {_REGION}(?:nvidia|openai|qwen|writer)\..*|bedrock(?:_converse)?/.+
azure: azure(?:_ai|_text)?/.+|gpt-35-.*
cloudflare: @cf/.*; fireworks: fireworks_ai/.+|accounts/fireworks/.*
google: vertex_ai(?:_beta)?/.+|(?:projects/.*/)?publishers/.+|models/gemini.*
google: claude[^/:]*@(?:\d+|default)
groq: groq/.+|(?:llama|mixtral|gemma)[^/:]*-(?:versatile|instant|8192|32768)
openrouter: openrouter/.+; together: together_ai/.+
""")
_MOST_PARTS = 8  # of a name
# Prefixes of the name of a model that its maker has, of whose models, except open
# weights, it is the only vendor.
_MAKERS = {"gemini": "google", "xai": "x-ai"} | {
    name: name
    for name in ("anthropic", "cohere", "google", "openai", "perplexity", "x-ai")
}
# Open weights and local files, whose price depends on the provider.
_ANYONES = re.compile(
    r"gpt-oss|gemma|distill|r1-1776|\.gguf$|^(?!ft:).*:"
    r"|(?<![a-z0-9])(?:local|self-?hosted|lora|abliterated|uncensored"
    r"|awq|gptq|gguf|ggml|exl2|mlx|nf4|fp8|int[48]|q[2-8]_\w+)(?![a-z0-9])"
)
# Names without a prefix that only the service of their maker uses.
_STRAL = "(?:(?:mi|code|dev|magi|mini)stral|pixtral|voxtral)"
_OWN_NAMES = table_of(rf"""
anthropic: claude.*; cohere: command-.*; cursor: composer-.*; elevenlabs: eleven_.*
databricks: (?:databricks-|system\.ai\.).*; deepseek: deepseek-(?:chat|reasoner|flash)
google: gemini.*; meta: muse-(?:spark-.*|wonder-1\.0)
minimax: m2-her|minimax-m.*-highspeed
mistral: open-mi.*|codestral|magistral-medium|pixtral-large
mistral: mistral-(?:large|medium|tiny|saba|embed|ocr)(?:-\d[\d-]*)?
mistral: (?!.*(?:instruct|base|small.*-\d+b))(?:labs-)?{_STRAL}.*-(?:latest|\d{{4}})
moonshotai: moonshot-.*|kimi-(?:latest|.*-(?:preview|turbo|highspeed))
openai: gpt-.*|chatgpt-.*|o[134].*|tts-1.*|whisper-1
typesafe: jev-.*; voyageai: voyage-.*; x-ai: grok.*
zhipuai: glm-4-(?:plus|air|airx|long|assistant|flash|flashx)(?:-\d+)?
zhipuai: glm-.*-(?:x|airx|flashx|turbo)
""")


def check_provider(provider: str | None) -> str | None:
    """Return the name of a provider, or raise `OptionError` if none is known by it."""
    if provider is None:
        return None
    if not isinstance(provider, str) or _squeeze(provider) not in _IDS:
        hint = near_miss(str(provider), (name for name, _ in _SELLERS))
        expected = "the name of a provider, such as openai or azure"
        raise OptionError("provider", provider, expected=expected, hint=hint)
    return provider


def seller_named(provider: str) -> str | None:
    """Return the vendor that a provider in a log names; None for a local program."""
    plain = provider.strip().casefold()
    return _IDS.get(_squeeze(plain), plain or None)


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
    for seller, pattern in _HOSTED:
        if re.fullmatch(pattern, name, re.DOTALL):
            return seller
    prefix, _, rest = name.partition("/")
    if _ANYONES.search(rest or name):
        return None
    if "/" in name:
        return _MAKERS.get(prefix) if rest else None
    bare = name.removeprefix("ft:")
    for seller, pattern in _OWN_NAMES:
        if re.fullmatch(pattern, bare, re.DOTALL):
            return seller
    return None


def providers_of(frame: pl.DataFrame, provider: str | None) -> pl.Series:
    """Return who served each response: as its line says, or else `provider`.

    Without both it is whose extensions the response has.
    """
    found = [pl.col("provider").cast(pl.String), pl.lit(provider, pl.String)]
    if "served_by" in frame.columns:
        # Other hosts of its models have the extension of DeepSeek, too.
        extended = pl.col("served_by").cast(pl.String)
        own = pl.col("model").cast(pl.String).str.contains("^deepseek-[^/]*$")
        found.append(pl.when((extended != "deepseek") | own).then(extended))
    return frame.select(pl.coalesce(found).alias("provider")).to_series()


def vendor(provider: str | None = None) -> pl.Expr:
    """Return who bills for a response: ``openai``, ``azure``, ``openrouter``, ...

    That is the first of these that is known: whom the column `provider` names; the
    argument `provider`; whose extensions the response has (`served_by`); who alone
    sells a model of that name. Prices are looked up at the same vendor.

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
    names = pl.col("provider", "model"), pl.col("^served_by$")
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
    pairs = zip(providers_of(known, provider), known["model"], strict=True)
    found = [find_seller(served_by, model or "")[0] for served_by, model in pairs]
    return frame.join(
        known.with_columns(pl.Series("vendor", found, pl.String)),
        on=frame.columns,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )["vendor"]
