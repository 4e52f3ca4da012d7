"""Split the change of a product into the effects of its factors, exactly.

What a segment cost (an offer: a model of a provider in a service tier) is a product::

    calls * share with a known price * share of these in the segment * cost of a call
    cost of a call = charged / list price * list price
    list price = prompt * (rate - cached share * discount) + completion * rate + fees

Each product is split half-way: d(xy) = mean(y) dx + mean(x) dy (Bennet's indicator).
So the effects add up to the change, and are its negative if time runs backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from toolkit.metrics.options import BEFORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_UNITS = 10**12  # of a USD, in which effects are counted
_RATE_UNITS = 10**24
TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens")


@dataclass(frozen=True)
class _Factor:
    """A figure before and now, and the effect of each cause on its change."""

    before: Fraction
    now: Fraction
    effects: Mapping[str, Fraction]

    @classmethod
    def of(cls, cause: str, before: Fraction, now: Fraction) -> _Factor:
        """Return a figure that changes by one cause."""
        return cls(before, now, {cause: now - before} if now != before else {})

    def __add__(self, other: _Factor) -> _Factor:
        """Return the sum of two figures."""
        effects = _merge(self.effects, other.effects)
        return _Factor(self.before + other.before, self.now + other.now, effects)

    def __mul__(self, other: _Factor) -> _Factor:
        """Return the product of two figures: each changes at the mean of the other."""
        effects = _merge(self._effects_at(other), other._effects_at(self))
        return _Factor(self.before * other.before, self.now * other.now, effects)

    def _effects_at(self, other: _Factor) -> dict[str, Fraction]:
        """Return the effects times the mean of another figure."""
        mean = (other.before + other.now) / 2
        return {cause: effect * mean for cause, effect in self.effects.items()}

    def units(self) -> dict[str, int]:
        """Return the effects as whole numbers of units, with the same sum.

        All are rounded. What the sum then lacks goes to those that lost most by it.
        """
        exact = {cause: effect * _UNITS for cause, effect in self.effects.items()}
        whole = {cause: round(effect) for cause, effect in exact.items()}
        lacking = round((self.now - self.before) * _UNITS) - sum(whole.values())
        step = 1 if lacking > 0 else -1
        lost = sorted(exact, key=lambda cause: step * (whole[cause] - exact[cause]))
        for cause in lost[: abs(lacking)]:
            whole[cause] += step
        return whole


def _merge(
    one: Mapping[str, Fraction], other: Mapping[str, Fraction]
) -> dict[str, Fraction]:
    """Add effects by their cause."""
    effects = dict(one)
    for cause, effect in other.items():
        effects[cause] = effects[cause] + effect if cause in effects else effect
    return effects


def split_segments(
    segments: Iterable[Mapping[str, Any]],
    responses: Sequence[int],
    priced: Sequence[int],
) -> Iterator[dict[str, int]]:
    """Yield the effects in each segment, in `_UNITS`.

    A segment has the sums at each of its rates, as lists, in each range. `responses`
    and `priced` are those of all segments, before and now.
    """
    calls = _Factor.of("volume", *map(Fraction, responses))
    calls *= _Factor.of("coverage", *_shares(priced, responses))
    for segment in segments:
        sides = _mean_call(segment, BEFORE), _mean_call(segment, "")
        # A segment that is new, or gone, had the same calls: none of them.
        before, now = sides[0] or sides[1], sides[1] or sides[0]
        if before and now:
            counts = [int(side["count"]) if side else 0 for side in sides]
            share = _Factor.of("mix", *_shares(counts, priced))
            call = _cost_of_call(before, now, is_listed=segment["~offer_listed"])
            yield (calls * (share * call)).units()
        else:
            yield {}


def _shares(parts: Sequence[int], wholes: Sequence[int]) -> list[Fraction]:
    """Divide in both ranges; where nothing is whole, the share is that of the other."""
    shares = [Fraction(p, w) if w else None for p, w in zip(parts, wholes, strict=True)]
    known = [share for share in shares if share is not None] or [Fraction()]
    return [known[0] if share is None else share for share in shares]


def _mean_call(segment: Mapping[str, Any], end: str) -> dict[str, Fraction] | None:
    """Return the means of the priced calls of a segment in a range, if there are any.

    Amounts are in USD, and rates for a token; where no token was used, the mean rate is
    that of the calls.
    """
    calls, unpriced = (segment[f"responses{end}"], segment[f"responses_unpriced{end}"])
    counts = [one - without for one, without in zip(calls, unpriced, strict=True)]
    count = sum(counts)
    if not count:
        return None
    call = {"count": Fraction(count)}
    for name in ("cost", "list_cost", *TOKENS):
        call[name] = sum(map(Fraction, segment[f"{name}{end}"]), Fraction()) / count
    call["tokens"] = call["prompt_tokens"] + call["completion_tokens"]
    if not segment["~offer_listed"]:
        return call
    for name in TOKENS:
        used = segment[f"{name}{end}"]
        weights, rates = used if any(used) else counts, segment[f"~{name}_rate"]
        paid = sum(rate * weight for rate, weight in zip(rates, weights, strict=True))
        call[f"{name}_rate"] = Fraction(paid, sum(weights) * _RATE_UNITS)
    prompt, cached, _ = (call[name] for name in TOKENS)
    call["cached_share"] = cached / (prompt or 1)
    call["fees"] = call["list_cost"] - sum(
        call[name] * call[f"{name}_rate"] for name in TOKENS
    )
    return call


def _cost_of_call(
    before: Mapping[str, Fraction], now: Mapping[str, Fraction], *, is_listed: bool
) -> _Factor:
    """Split the change in the cost of a call of a segment."""
    sides = (before, now)

    def factor(cause: str, name: str) -> _Factor:
        return _Factor.of(cause, *(side[name] for side in sides))

    def ratio(cause: str, of: str) -> _Factor:
        ratios = (s["cost"] / s[of] if s[of] else Fraction(1) for s in sides)
        return _Factor.of(cause, *ratios)

    prompt = factor("prompt_length", "prompt_tokens")
    completion = factor("completion_length", "completion_tokens")
    if is_listed and all(side["list_cost"] or not side["cost"] for side in sides):
        rate = factor("cache", "cached_share") * factor("price", "cached_tokens_rate")
        rate += factor("price", "prompt_tokens_rate")
        listed = prompt * rate + factor("fees", "fees")
        listed += completion * factor("price", "completion_tokens_rate")
        return ratio("price", "list_cost") * listed
    if all(side["tokens"] for side in sides):
        return (prompt + completion) * ratio("unsplit", "tokens")
    return factor("unsplit", "cost")
