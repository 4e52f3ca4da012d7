"""What genai-prices says: the only door to it. Its data is in the package; no network.

A price is looked up only where the log says enough: who served the response, or a name
of a model that only its maker serves. A name that anyone may serve (open weights, a
file, a tag of Ollama) has no price without a provider.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from toolkit.pricing.rates import Offer, Rates, Reason

if TYPE_CHECKING:
    from genai_prices.types import (
        ModelInfo,
        ModelPrice,
        PriceVariant,
        Provider,
        Tier,
        TieredPrices,
    )

    from toolkit.pricing.rates import Step

# What `service_tier` says, and what it means for the price; nothing said is standard.
# Any other tier has no known price per token: "scale" and "provisioned" are paid for in
# advance, "auto" does not say what was chosen, "performance" is by contract.
STANDARD_TIERS = ("default", "standard", "on_demand")
_TIERS: dict[str, dict[str, str]] = {
    **{name: {} for name in STANDARD_TIERS},
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "fast": {"service_tier": "fast"},
}
# Names of providers as logs write them; ids and names of genai-prices hold as well.
_PROVIDERS = {
    "amazon": "aws",
    "amazon bedrock": "aws",
    "aws bedrock": "aws",
    "bedrock": "aws",
    "azure ai": "azure",
    "azure openai": "azure",
    "fireworks ai": "fireworks",
    "gemini": "google",
    "google ai": "google",
    "google ai studio": "google",
    "google vertex": "google",
    "google vertex ai": "google",
    "vertex ai": "google",
    "mistral ai": "mistral",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "moonshot ai": "moonshotai",
    "together": "together",
    "x.ai": "x-ai",
    "xai": "x-ai",
    "z.ai": "zai",
}
# A prefix of a model's name that says who served it: hosts as proxies write them, and
# makers that alone sell what they make, open weights apart.
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
# Names as Amazon Bedrock writes them: us.anthropic.claude-3-7-sonnet-20250219-v1:0.
_BEDROCK = re.compile(
    r"(?:(?:us|us-gov|eu|apac|au|jp|ca|global)\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral|openai|qwen|writer)\."
)
# Names that Groq alone gives to open weights: llama-3.3-70b-versatile, llama3-8b-8192.
_GROQ = re.compile(r"(?:llama|mixtral|gemma)[^/:]*-(?:versatile|instant|8192|32768)")
# Open weights and local files: whoever serves them sets the price.
_ANYONES = re.compile(
    r"gpt-oss|gemma|distill|r1-1776|\.gguf$|^(?!ft:).*:"
    r"|(?<![a-z0-9])(?:local|self-?hosted|lora|abliterated|uncensored"
    r"|awq|gptq|gguf|ggml|exl2|mlx|nf4|fp8|int[48]|q[2-8]_\w+)(?![a-z0-9])"
)
# Makers of open weights: these names are their own service's, and no one else's.
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
    # Here the catalogue takes any name that has the word somewhere in it.
    "anthropic": r"claude.*",
    "google": r"gemini.*",
    "x-ai": r"grok.*",
}
_MAX_NAME = 256
_DAY = 86_400
_EPOCH = date(1970, 1, 1)
# The kinds of price that a log can tell apart, and what `Rates` calls them.
_KINDS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "cache_write",
    "input_audio_mtok": "input_audio",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "output_audio",
}


def find_offer(provider: str | None, model: str | None, tier: str | None) -> Offer:
    """Return what the catalogue asks for a model; a reason where it has no price."""
    if model is None:
        return Offer.of(Reason.NO_MODEL)
    if len(model) > _MAX_NAME or len(provider or "") > _MAX_NAME:
        return Offer.of(Reason.UNKNOWN_MODEL)
    expected = {} if tier is None else _TIERS.get(tier.casefold())
    if expected is None:
        return Offer.of(Reason.UNKNOWN_TIER)
    if provider is not None:
        seller = _provider_called(provider)
        if seller is None:
            return Offer.of(Reason.UNKNOWN_PROVIDER)
        names = [model, *([model.partition("/")[2]] if "/" in model else [])]
    else:
        seller, names = _provider_of(model)
        if seller is None:
            return Offer.of(Reason.UNKNOWN_MODEL)
    info = next(filter(None, (_model_of(seller, name) for name in names)), None)
    if info is None:
        return Offer.of(Reason.UNKNOWN_MODEL)
    return _offer_of(seller, info, tuple(expected.items()))


@cache
def _providers() -> tuple[Provider, ...]:
    """Return the catalogue that is part of the package genai-prices."""
    # Imported here: the prices are a megabyte and a half of Python.
    from genai_prices.data import providers as bundled

    return tuple(bundled)


def _provider_called(name: str) -> Provider | None:
    """Find a provider by the name that a log has for it."""
    plain = name.strip().casefold()
    plain = _PROVIDERS.get(plain.replace("_", " ").replace("-", " "), plain)
    plain = _PROVIDERS.get(plain, plain)
    return next((p for p in _providers() if plain in {p.id, p.name.casefold()}), None)


def _provider_of(model: str) -> tuple[Provider | None, list[str]]:
    """Find who served a model, and its name there, by nothing but the name."""
    name = model.casefold()
    if _BEDROCK.match(name):
        return _provider_called("aws"), [model]
    if _GROQ.fullmatch(name):
        return _provider_called("groq"), [model]
    prefix, _, rest = name.partition("/")
    if prefix in _HOSTS and rest:
        return _provider_called(_HOSTS[prefix]), [rest]
    if prefix in _MAKERS and rest and not _ANYONES.search(rest):
        return _provider_called(_MAKERS[prefix]), [rest]
    if name.startswith(("@cf/", "accounts/fireworks/")):
        return _provider_called("cloudflare" if name[0] == "@" else "fireworks"), [name]
    if "/" in name or _ANYONES.search(name):
        return None, []
    bare = name.removeprefix("ft:")
    found = (p for p in _providers() if p.model_match and p.model_match.is_match(bare))
    seller = next(found, None)
    if seller and not re.fullmatch(_OWN_NAMES.get(seller.id, ".*"), bare, re.DOTALL):
        seller = None
    return seller, [name]


def _model_of(provider: Provider, name: str) -> ModelInfo | None:
    """Find a model in a provider's list, or in those that the provider resells."""
    return provider.find_model(name, all_providers=list(_providers()))


# Of each (seller, model, tier) that was met; the catalogue is a constant.
_OFFERS: dict[tuple[str, int, tuple[tuple[str, str], ...]], Offer] = {}


def _offer_of(
    seller: Provider, info: ModelInfo, tier: tuple[tuple[str, str], ...]
) -> Offer:
    """Lay out the prices of a model over all time."""
    key = (seller.id, id(info), tier)
    if key not in _OFFERS:
        days, seconds = _edges_of(info)
        pieces = tuple(
            (
                (day - _EPOCH).days * _DAY,
                tuple(
                    (second, _steps_at(seller, info, tier, day, second))
                    for second in seconds
                ),
            )
            for day in days
        )
        _OFFERS[key] = Offer(pieces).merged()
    return _OFFERS[key]


def _edges_of(info: ModelInfo) -> tuple[list[date], list[int]]:
    """Return the days, and the seconds of a day, on which a price may change."""
    # Imported here, as all of genai-prices.
    from genai_prices.types import ConditionalPrice, StartDateConstraint

    listed = [] if not isinstance(info.prices, list) else info.prices
    held: list[ConditionalPrice | PriceVariant] = [
        *listed,
        *(info.price_variants or ()),
    ]
    days, seconds = {_EPOCH}, {0}
    for constraint in (one.constraint for one in held):
        if isinstance(constraint, StartDateConstraint):
            days.add(max(constraint.start_date, _EPOCH))
        elif constraint is not None:
            seconds |= {
                _second_of(constraint.start_time),
                _second_of(constraint.end_time),
            }
    return sorted(days), sorted(seconds)


def _second_of(moment: time) -> int:
    """Return the second of the UTC day; genai-prices reads a naive time as UTC."""
    shift = moment.utcoffset() or timedelta(0)
    local = timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)
    return int((local - shift).total_seconds()) % _DAY


def _steps_at(
    seller: Provider,
    info: ModelInfo,
    tier: tuple[tuple[str, str], ...],
    day: date,
    second: int,
) -> tuple[Step, ...]:
    """Return the rates at a moment, by the length of the prompt."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(0, second)
    context = dict(tier)
    if context and not _knows_tier(seller, info, context, moment):
        return ((0, Reason.NO_TIER_RATE),)
    price = info.get_prices(moment, context)
    said = {kind: price.__dict__.get(kind) for kind in _KINDS}
    # A step begins above so many prompt tokens.
    starts = sorted(
        {0, *(step.start + 1 for x in said.values() for step in _steps_of(x))}
    )
    source = f"genai-prices {version('genai-prices')}, {seller.id}, {info.id}"
    return tuple(
        (start, _rates_of(price, said, start, info, source)) for start in starts
    )


def _knows_tier(
    seller: Provider, info: ModelInfo, context: dict[str, str], moment: datetime
) -> bool:
    """Say whether there is a price for a tier; else the standard one would be given."""
    return any(model is info for model in seller.models) and any(
        variant.when == context
        and (variant.constraint is None or variant.constraint.active(moment))
        for variant in info.price_variants or ()
    )


def _steps_of(price: Decimal | TieredPrices | None) -> list[Tier]:
    """Return the steps of a price by the length of the prompt."""
    return list(getattr(price, "tiers", ()))


def _rates_of(
    price: ModelPrice,
    said: dict[str, Decimal | TieredPrices | None],
    prompt_tokens: int,
    info: ModelInfo,
    source: str,
) -> Rates | Reason:
    """Return the rates for a prompt of so many tokens and more."""
    if not any(value is not None for value in price.__dict__.values()):
        # An empty price means free, or not known; only the name tells.
        free = info.id.endswith(":free")
        return Rates(Decimal(0), Decimal(0), source=source) if free else Reason.NO_RATE
    if said["input_mtok"] is None:
        return Reason.NO_RATE
    rates = {
        _KINDS[kind]: _rate_at(value, prompt_tokens) for kind, value in said.items()
    }
    requests = price.__dict__.get("requests_kcount") or Decimal(0)
    return Rates(
        **rates, request=_rate_at(requests, prompt_tokens) / 1000, source=source
    )


def _rate_at(price: Decimal | TieredPrices | None, prompt_tokens: int) -> Any:  # noqa: ANN401 - a Decimal, or None for None
    """Return the rate for a prompt of so many tokens."""
    if price is None or isinstance(price, Decimal):
        return price
    above = [step.price for step in price.tiers if step.start < prompt_tokens]
    return above[-1] if above else price.base


def model_names(provider: str | None) -> set[str]:
    """Return the models of a provider, or of all."""
    seller = None if provider is None else _provider_called(provider)
    sellers = _providers() if seller is None else (seller,)
    return {info.id.casefold() for one in sellers for info in one.models}
