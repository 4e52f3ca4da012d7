"""The models of a sample log, and the fields that their providers add: dialects.

The models and the words of their answers are in ``sample.toml``.

`Dice` is the source of chance, and the state of the line that is being made.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from importlib.resources import files
from random import Random
from typing import Any, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")
Json: TypeAlias = dict[str, Any]
_TEXT = files("toolkit.testing").joinpath("sample.toml").read_text("utf-8")
_DATA: Json = tomllib.loads(_TEXT)
TEAMS: list[str] = _DATA["teams"]
TOOLS: list[Json] = _DATA["tools"]
SENTENCES: list[str] = _DATA["sentences"]
FOREIGN = SENTENCES[-1]
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
    fingerprints = _DATA["fingerprints"]
    turn = (dice.day // 9 + len(dice.model.name)) % len(fingerprints)
    response.update(service_tier="default", system_fingerprint=fingerprints[turn])


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


_DIALECTS: dict[str, Change] = {
    "openai": _openai,
    "deepseek": _deepseek,
    "openrouter": _openrouter,
    "perplexity": _perplexity,
    "xai": _xai,
}


class Model(NamedTuple):
    """A model, and how often and with which sizes it is used: see ``sample.toml``."""

    name: str
    requested: str
    id: str
    share: int
    prompt: int
    sentences: int
    reasoning: int = 0  # not reported
    dialect: str = ""
    fields: Json | None = None

    def add_dialect(self, response: Json, dice: Dice) -> None:
        """Add to a response what its provider adds."""
        response.update(self.fields or {})
        if self.dialect:
            _DIALECTS[self.dialect](response, dice)


MODELS = [Model(**facts) for facts in _DATA["models"]]
_LATER = [Model(**facts) for facts in _DATA["later_models"]]
FLEET = [model for model in MODELS for _ in range(model.share)]
LATER_FLEET = [model for model in [*MODELS, *_LATER] for _ in range(model.share)]
