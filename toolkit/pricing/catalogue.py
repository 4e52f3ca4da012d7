"""Look up the prices of genai-prices, whose data is in the package; no network.

A price is looked up only if the log has a provider, or a name of a model that only its
maker serves. A name that anyone may serve (open weights, a file, a tag of Ollama) has
no price without a provider.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from itertools import product
from typing import TYPE_CHECKING, Any

from toolkit.pricing.rates import DAY, WEEK, Offer, Rates, Reason

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider, TieredPrices

# Values of `service_tier`, and what selects their price; the default is standard. Any
# other tier has no known price per token: "scale" and "provisioned" are paid for in
# advance, "auto" does not name the tier that was used, "performance" is by contract.
STANDARD_TIERS = ("default", "standard", "on_demand")
TIERS: dict[str, dict[str, str]] = {
    **{name: {} for name in STANDARD_TIERS},
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast"},
}
# Names of providers in logs, besides the ids and names of genai-prices.
_PROVIDERS = {
    name: provider
    for provider, names in {
        "aws": ("amazon", "amazon bedrock", "aws bedrock", "bedrock"),
        "azure": ("azure ai", "azure openai"),
        "fireworks": ("fireworks ai",),
        "google": (
            *("gemini", "google ai", "google ai studio"),
            *("google vertex", "google vertex ai", "vertex ai"),
        ),
        "mistral": ("mistral ai", "mistralai"),
        "moonshotai": ("moonshot", "moonshot ai"),
        "together": ("together",),
        "x-ai": ("x.ai", "xai"),
        "zai": ("z.ai",),
    }.items()
    for name in names
}
# Prefixes of the name of a model that identify the provider: hosts in the spelling of
# proxies, and makers whose models, except open weights, only they serve.
_HOSTS = {
    "azure": "azure",
    "bedrock": "aws",
    "fireworks_ai": "fireworks",
    "groq": "groq",
    "openrouter": "openrouter",
    "together_ai": "together",
    "vertex_ai": "google",
}
_MAKERS = {
    "anthropic": "anthropic",
    "cohere": "cohere",
    "gemini": "google",
    "google": "google",
    "openai": "openai",
    "perplexity": "perplexity",
    "x-ai": "x-ai",
    "xai": "x-ai",
}
# Names of Amazon Bedrock: us.anthropic.claude-3-7-sonnet-20250219-v1:0.
_BEDROCK = re.compile(
    r"(?:(?:us|us-gov|eu|apac|au|jp|ca|global)\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral|openai|qwen|writer)\."
)
# Names of open weights that only Groq uses: llama-3.3-70b-versatile, llama3-8b-8192.
_GROQ = re.compile(r"(?:llama|mixtral|gemma)[^/:]*-(?:versatile|instant|8192|32768)")
# Open weights and local files, whose price depends on the provider.
_ANYONES = re.compile(
    r"gpt-oss|gemma|distill|r1-1776|\.gguf$|^(?!ft:).*:"
    r"|(?<![a-z0-9])(?:local|self-?hosted|lora|abliterated|uncensored"
    r"|awq|gptq|gguf|ggml|exl2|mlx|nf4|fp8|int[48]|q[2-8]_\w+)(?![a-z0-9])"
)
# Makers of open weights: names that only their own service uses.
_OWN_NAMES = {
    "deepseek": r"deepseek-(?:chat|reasoner|flash)",
    "minimax": r"m2-her|minimax-.*-highspeed",
    "mistral": r"open-mi.*"
    r"|(?!mixtral|.*(?:instruct|base|small.*-\d+b)).*-(?:latest|\d{4})"
    r"|mistral-(?:large|medium|tiny|saba|embed|ocr)(?:-\d[\d-]*)?"
    r"|codestral|magistral-medium|pixtral-large",
    "moonshotai": r"moonshot-.*|kimi-(?:latest|.*-(?:preview|turbo|highspeed))",
    "zhipuai": r"glm-4-(?:plus|air|airx|long|assistant|flash|flashx)(?:-\d+)?"
    r"|glm-.*-(?:x|airx|flashx|turbo)",
    # The catalogue matches any name that contains the word.
    "anthropic": r"claude.*",
    "google": r"gemini.*",
    "x-ai": r"grok.*",
}
_MAX_NAME = 256
_EPOCH = date(1970, 1, 1)
# Prices of the catalogue that a log can distinguish, and their fields of `Rates`.
_KINDS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "cache_audio_read_mtok": "cached_audio",
    "input_image_mtok": "input_image",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
    "output_citation_mtok": "citation",
}
# Prices of a thousand.
_FEES = {"requests_kcount": "request", "web_searches_kcount": "web_search"}


def find_offer(provider: str | None, model: str | None, tier: str | None) -> Offer:
    """Return the offer for a model; it has a reason where there is no price."""
    if model is None:
        return Offer.constant(Reason.NO_MODEL)
    if len(model) > _MAX_NAME or len(provider or "") > _MAX_NAME:
        return Offer.constant(Reason.UNKNOWN_MODEL)
    context = {} if tier is None else TIERS.get(tier.casefold())
    if context is None:
        return Offer.constant(Reason.UNKNOWN_TIER)
    vendor, names = find_seller(provider, model)
    seller = None if vendor is None else _find_provider(vendor)
    if seller is None:
        unknown = Reason.UNKNOWN_PROVIDER if provider else Reason.UNKNOWN_MODEL
        return Offer.constant(unknown)
    for name in names:
        # Among the models of a provider, or those that it resells.
        info = seller.find_model(name, all_providers=list(_providers()))
        if info is not None:
            return _build_offer(seller, info, context)
    return Offer.constant(Reason.UNKNOWN_MODEL)


def find_seller(provider: str | None, model: str) -> tuple[str | None, list[str]]:
    """Return the id of who sells a model, and the names that it may have there."""
    if provider is None:
        seller, names = _infer_provider(model)
    else:
        seller = _find_provider(provider)
        names = [model, *([model.partition("/")[2]] if "/" in model else [])]
    return None if seller is None else seller.id, names


@cache
def _providers() -> tuple[Provider, ...]:
    """Return the catalogue that is part of the package genai-prices."""
    # Imported here: the prices are a megabyte and a half of Python.
    from genai_prices.data import providers as bundled

    return tuple(bundled)


def _find_provider(name: str) -> Provider | None:
    """Find a provider by its name in a log."""
    plain = name.strip().casefold()
    plain = _PROVIDERS.get(plain.replace("_", " ").replace("-", " "), plain)
    plain = _PROVIDERS.get(plain, plain)
    return next((p for p in _providers() if plain in {p.id, p.name.casefold()}), None)


def _infer_provider(model: str) -> tuple[Provider | None, list[str]]:
    """Infer the provider of a model, and its name there, from the name alone."""
    name = model.casefold()
    if _BEDROCK.match(name):
        return _find_provider("aws"), [model]
    if _GROQ.fullmatch(name):
        return _find_provider("groq"), [model]
    prefix, _, rest = name.partition("/")
    if prefix in _HOSTS and rest:
        return _find_provider(_HOSTS[prefix]), [rest]
    if prefix in _MAKERS and rest and not _ANYONES.search(rest):
        return _find_provider(_MAKERS[prefix]), [rest]
    if name.startswith(("@cf/", "accounts/fireworks/")):
        return _find_provider("cloudflare" if name[0] == "@" else "fireworks"), [name]
    if "/" in name or _ANYONES.search(name):
        return None, []
    bare = name.removeprefix("ft:")
    found = (p for p in _providers() if p.model_match and p.model_match.is_match(bare))
    seller = next(found, None)
    if seller and not re.fullmatch(_OWN_NAMES.get(seller.id, ".*"), bare, re.DOTALL):
        seller = None
    return seller, [name]


# By seller, model and tier; the catalogue does not change.
_OFFERS: dict[tuple[str, int, tuple[tuple[str, str], ...]], Offer] = {}


def _build_offer(seller: Provider, info: ModelInfo, context: dict[str, str]) -> Offer:
    """Return the prices of a model for all time."""
    key = (seller.id, id(info), tuple(context.items()))
    if key not in _OFFERS:
        axes = _price_changes(info)
        ends = (
            _rates_at(seller, info, context, time + second % DAY, length)
            for time, second, length in product(*axes)
        )
        _OFFERS[key] = Offer(axes, tuple(ends))
    return _OFFERS[key]


def _price_changes(info: ModelInfo) -> tuple[tuple[int, ...], ...]:
    """Return from when and for which lengths of the prompt a price may change."""
    # Imported here, as all of genai-prices.
    from genai_prices.types import StartDateConstraint

    listed = info.prices if isinstance(info.prices, list) else []
    dated = (*listed, *(info.price_variants or ()))
    days, seconds, lengths = {0}, {0}, {0}
    for one in dated:
        constraint = one.constraint
        if isinstance(constraint, StartDateConstraint):
            days.add(max((constraint.start_date - _EPOCH).days, 0) * DAY)
        elif constraint is not None:
            ends = (constraint.start_time, constraint.end_time)
            edges = {_second_of(end) for end in ends} | {0}
            seconds |= {day + edge for day in range(0, WEEK, DAY) for edge in edges}
    for prices in (info.prices, *(one.prices for one in dated)):
        for price in () if isinstance(prices, list) else vars(prices).values():
            # genai-prices applies a step above so many prompt tokens.
            lengths |= {step.start + 1 for step in getattr(price, "tiers", ())}
    return tuple(tuple(sorted(axis)) for axis in (days, seconds, lengths))


def _second_of(moment: time) -> int:
    """Return the second of the UTC day; genai-prices reads a naive time as UTC."""
    shift = moment.utcoffset() or timedelta(0)
    local = timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
    return int((local - shift).total_seconds()) % DAY


def _rates_at(
    seller: Provider,
    info: ModelInfo,
    context: dict[str, str],
    second: int,
    length: int,
) -> Rates | Reason:
    """Return the rates at a second since 1970, for a length of the prompt."""
    moment = datetime.fromtimestamp(second, UTC)
    if context and not _knows_tier(seller, info, context, moment):
        return Reason.NO_TIER_RATE
    prices = {
        kind: _rate_at(price, length)
        for kind, price in vars(info.get_prices(moment, context)).items()
        if price is not None
    }
    source = f"genai-prices {_version()}, {seller.id}, {info.id}"
    if not prices and info.id.endswith(":free"):
        # An empty price means free or unknown, depending on the name.
        return Rates(Decimal(0), Decimal(0), source=source)
    if "input_mtok" not in prices:
        return Reason.NO_RATE
    amounts: dict[str, Any] = {"output": None}
    amounts |= {field: prices[kind] for kind, field in _KINDS.items() if kind in prices}
    amounts |= {
        field: prices[fee] / 1000 for fee, field in _FEES.items() if fee in prices
    }
    return Rates(**amounts, source=source)


@cache
def _version() -> str:
    """Return the version of the catalogue."""
    return version("genai-prices")


def _knows_tier(
    seller: Provider, info: ModelInfo, context: dict[str, str], moment: datetime
) -> bool:
    """Return whether a tier has a price; get_prices would return the standard one."""
    return any(model is info for model in seller.models) and any(
        variant.when == context
        and (variant.constraint is None or variant.constraint.active(moment))
        for variant in info.price_variants or ()
    )


def _rate_at(price: Decimal | TieredPrices, length: int) -> Decimal:
    """Return the rate for a prompt of a length."""
    if isinstance(price, Decimal):
        return price
    above = [step.price for step in price.tiers if step.start < length]
    return above[-1] if above else price.base


def model_names(provider: str | None) -> set[str]:
    """Return the names of the models of a provider, or of all."""
    seller = None if provider is None else _find_provider(provider)
    sellers = _providers() if seller is None else (seller,)
    return {info.id.casefold() for one in sellers for info in one.models}


def provider_names() -> set[str]:
    """Return the names of all providers."""
    names = {name for one in _providers() for name in (one.id, one.name.casefold())}
    return names | _PROVIDERS.keys()
