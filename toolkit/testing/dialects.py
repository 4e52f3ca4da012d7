"""The models of a sample log, and the fields that their providers add: dialects.

`Dice` is the source of chance, and the state of the line that is being made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from random import Random
from typing import Any, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")
Json: TypeAlias = dict[str, Any]
_FINGERPRINTS = ("fp_5a1c07e2b9", "fp_90d3be4417", "fp_e27714ac05", "fp_1f66c8d0aa")
TOOLS: tuple[tuple[str, Json], ...] = (
    ("get_weather", {"city": "Besançon", "unit": "celsius"}),
    ("find_documents", {"query": "opening hours", "limit": 5}),
    ("create_ticket", {"title": "Lamp in room 12 flickers", "priority": "low"}),
)
FOREIGN = "Le café est fermé; 日本語 works too, and so does 🌻."
SENTENCES = (
    "The parcel left the warehouse this morning and should arrive on Thursday.",
    "The first table lists the orders by month, the second one by region.",
    "Water the tomatoes early in the day, and keep the leaves dry.",
    "If the soil still feels damp after two days, wait a little longer.",
    "The museum opens at ten and closes at six, except on Mondays.",
    "Preheat the oven to 180 degrees and line the tray with paper.",
    "In short: yes, both plans include the calendar and the shared folders.",
    "The median is less sensitive to a few very large values than the mean.",
    '1. Open the settings.\n2. Choose "Language".\n3. Restart the application.',
    '```python\ntotal = sum(row["amount"] for row in rows)\nprint(total)\n```',
    "| month | visits |\n|---|---|\n| May | 1,204 |\n| June | 1,377 |",
    "Please keep the receipt; the guarantee runs for two years.",
    "The library lends board games too, for up to three weeks.",
    "I could not find an invoice with this number in the folder.",
    "The formula in cell C7 refers to a sheet that was renamed.",
    "Seven of the nine sensors reported within the last hour.",
    "Das Büro schließt heute früher, die Schlüssel liegen am Empfang.",
    FOREIGN,
)
# Log-normal factors of median 1. `math.exp` may differ by a bit between machines, and
# `sum` between versions of Python; these do not.
_UNIFORM = Random(1024).random  # noqa: S311  (a sample, no secret)
_NORMAL = [math.fsum(_UNIFORM() for _ in range(12)) - 6 for _ in range(1024)]
_SPREAD = [float(Decimal(0.8 * z).exp(Context(prec=17))) for z in _NORMAL]


class Dice:
    """A source of chance, and the state of the line that is being made."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed).random  # noqa: S311  (a sample, no secret)
        self.now = 0  # seconds since 1970
        self.day = 0  # days since the start of the sample
        self.model = MODELS[0]
        self.earlier_line: bytes = b""  # an earlier ordinary line

    def pick(self, among: Sequence[T]) -> T:
        """Return one of `among`."""
        return among[int(self.random() * len(among))]

    def size(self, median: int) -> int:
        """Return a log-normal count, 1 or more."""
        return 1 + int(median * self.pick(_SPREAD))

    def text(self, sentences: int) -> str:
        """Return a text of about `sentences` sentences."""
        return " ".join([self.pick(SENTENCES) for _ in range(self.size(sentences))])

    def code(self) -> str:
        """Return 24 hexadecimal digits."""
        return f"{int(self.random() * 2**48):012x}{int(self.random() * 2**48):012x}"


# A change modifies the response in place; the return value is not used.
Change: TypeAlias = Callable[[Json, Dice], object]


def _openai(response: Json, dice: Dice) -> None:
    """Add cached tokens, in steps of 128 from 1,024 prompt tokens on."""
    usage, choice = response["usage"], response["choices"][0]
    prompt = usage["prompt_tokens"]
    cached = prompt // 256 * 128 if prompt >= 1024 else 0
    details = usage.get("completion_tokens_details", {"reasoning_tokens": 0})
    usage["prompt_tokens_details"] = {"cached_tokens": cached, "audio_tokens": 0}
    usage["completion_tokens_details"] = {**details, "accepted_prediction_tokens": 0}
    choice["message"].update(refusal=None, annotations=[])
    choice["logprobs"] = None
    turn = (dice.day // 9 + len(dice.model.name)) % len(_FINGERPRINTS)
    response.update(service_tier="default", system_fingerprint=_FINGERPRINTS[turn])


def _deepseek(response: Json, dice: Dice) -> None:
    """Add the reasoning to the message, and cache hits and misses to the usage."""
    usage = response["usage"]
    hit = usage["prompt_tokens"] // 2
    missed = usage["prompt_tokens"] - hit
    usage.update(prompt_cache_hit_tokens=hit, prompt_cache_miss_tokens=missed)
    response["choices"][0]["message"]["reasoning_content"] = dice.text(3)


def _openrouter(response: Json, dice: Dice) -> None:
    """Add the provider behind the router, and the cost as a number."""
    usage = response["usage"]
    cost = usage["prompt_tokens"] * 3e-6 + usage["completion_tokens"] * 15e-6
    usage.update(cost=round(cost, 7), is_byok=False)
    response["provider"] = dice.pick(("Anthropic", "Google", "Amazon Bedrock"))
    response["choices"][0]["native_finish_reason"] = "end_turn"


def _perplexity(response: Json, _dice: Dice) -> None:
    """Add citations, and the cost as an object."""
    usage = response["usage"]
    prompt, completion = usage["prompt_tokens"] * 3, usage["completion_tokens"] * 15
    cost = {"input_tokens_cost": prompt / 1e6, "output_tokens_cost": completion / 1e6}
    total = (prompt + completion + 6000) / 1e6
    usage["cost"] = {**cost, "request_cost": 0.006, "total_cost": total}
    response["citations"] = ["https://example.com/guide", "https://example.org/faq"]


def _xai(response: Json, dice: Dice) -> None:
    """Remove the reasoning from the completion tokens, but not from the total."""
    usage = response["usage"]
    usage["completion_tokens"] -= usage["completion_tokens_details"]["reasoning_tokens"]
    response["choices"][0]["message"]["reasoning_content"] = dice.text(2)


def set_fields(**fields: object) -> Change:
    """Return a change that sets `fields` of the response; there may be none."""
    return lambda response, _dice: response.update(fields)


class Model(NamedTuple):
    """A model, and how often and with which sizes it is used."""

    name: str
    requested: str  # what the caller asks for
    id: str  # of a response, to be formatted
    dialect: Change
    share: int
    prompt: int  # median tokens
    sentences: int  # median
    reasoning: int = 0  # median tokens; 0 if not reported


_CHATCMPL, _SMALL = "chatcmpl-{code}", "chatcmpl-{small}"
_ROUTED = "gen-{now}-{code:.16}"
_GGUF = "/models/qwen2.5-7b-instruct-q4_k_m.gguf"
_SONNET = "anthropic/claude-3.7-sonnet"
_LLAMACPP = set_fields(
    system_fingerprint="b7204-4be19c02", timings={"prompt_ms": 218.75}
)
_GROQ = set_fields(system_fingerprint="fp_9c1e8f55d2", service_tier="on_demand")
_LLAMA = set_fields(system_fingerprint="fp_ollama")
MODELS = (
    Model("gpt-4o-2024-08-06", "gpt-4o", _CHATCMPL, _openai, 20, 900, 5),
    Model("gpt-4o-mini-2024-07-18", "gpt-4o-mini", _CHATCMPL, _openai, 30, 500, 4),
    Model("mistral-large-2411", "mistral-large", "{code}", set_fields(), 7, 650, 5),
    Model("deepseek-r1", "deepseek-r1", "{code}-ds", _deepseek, 7, 700, 4, 400),
    Model("grok-3-mini", "grok-3-mini", "{code}-us", _xai, 3, 400, 4, 300),
    Model("llama3.2:3b", "llama3.2", _SMALL, _LLAMA, 3, 250, 4),
    Model(_SONNET, _SONNET, _ROUTED, _openrouter, 9, 1400, 6),
    Model(_GGUF, "qwen2.5", _CHATCMPL, _LLAMACPP, 4, 300, 5),
    Model("llama-3.3-70b-versatile", "llama-3.3-70b", _CHATCMPL, _GROQ, 8, 450, 5),
    Model(
        "gemini-2.0-flash", "gemini-2.0-flash", "{code:.22}", set_fields(), 6, 800, 5
    ),
    Model("sonar-pro", "sonar-pro", "{code}-s", _perplexity, 3, 120, 6),
)
_GPT_5 = Model(
    "gpt-5-mini-2025-08-07", "gpt-5-mini", _CHATCMPL, _openai, 18, 800, 4, 350
)
FLEET = [model for model in MODELS for _ in range(model.share)]
LATER_FLEET = [*FLEET, *[_GPT_5] * _GPT_5.share]
