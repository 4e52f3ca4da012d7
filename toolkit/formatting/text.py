"""Money in words: amounts, and sums that are known to be too small."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Protocol

_CENT = Decimal("0.01")
_SMALLEST_SHARE = 0.001
_UNKNOWN = "unknown"


class Writes(Protocol):
    """Writes an amount of USD, rounded down if it is to be a lower bound."""

    def __call__(self, amount: Decimal, /, *, down: bool = False) -> str:
        """Write it."""


def dollars(amount: Decimal, *, down: bool = False, up: bool = False) -> str:
    """Write an amount of USD for a reader: cents, or two digits below a dollar.

    Parameters
    ----------
    amount
        USD.
    down
        Round down, as a lower bound must be; else to the nearest.
    up
        Round up, as an upper bound must be.

    Examples
    --------
    >>> dollars(Decimal("4812.0679")), dollars(Decimal("4812.0679"), down=True)
    ('$4,812.07', '$4,812.06')
    >>> dollars(Decimal("0.0035521")), dollars(Decimal("-3.5")), dollars(Decimal(0))
    ('$0.0036', '-$3.50', '$0')
    """
    rounding = ROUND_FLOOR if down else ROUND_CEILING if up else ROUND_HALF_EVEN
    sign = "-" if amount < 0 else ""
    if amount == 0:
        return "$0"
    if abs(amount) >= 1:
        return f"{sign}${abs(amount.quantize(_CENT, rounding)):,}"
    rounded = amount.quantize(Decimal(1).scaleb(amount.adjusted() - 1), rounding)
    if abs(rounded) >= 1:
        return dollars(rounded)
    # The trailing zeros go, but for those of whole cents: $0.50, $0.0035.
    digits = rounded.normalize()
    return f"{sign}${abs(digits if digits.adjusted() < -2 else rounded):f}"


def _is_unknown(cost: Decimal | None, unpriced: int, responses: int) -> bool:
    """Say whether a sum of costs tells nothing: no response of it has a price."""
    return unpriced > 0 and not cost and unpriced >= responses


def bounded(
    cost: Decimal,
    unpriced: int,
    responses: int,
    *,
    mark: str = ">= ",
    write: Writes = dollars,
    unknown: str = _UNKNOWN,
) -> str:
    """Write a sum of costs that may be a lower bound: the one place that decides how.

    Parameters
    ----------
    cost
        USD of the responses that have a cost.
    unpriced, responses
        Number of the responses without a cost, and of all.
    mark
        What stands before a lower bound.
    write
        Writes an amount; it is asked to round a lower bound down.
    unknown
        What stands for a sum of which nothing is known.

    Examples
    --------
    >>> bounded(Decimal("5.956"), 0, 3), bounded(Decimal("5.956"), 1, 3)
    ('$5.96', '>= $5.95')
    >>> bounded(Decimal(0), 3, 3), bounded(Decimal(0), 0, 3)
    ('unknown', '$0')
    """
    if not unpriced:
        return write(cost)
    if _is_unknown(cost, unpriced, responses):
        return unknown
    return f"{mark}{write(cost, down=True)}"


def bounded_change(
    change: Decimal, now: tuple[Decimal, int, int], before: tuple[Decimal, int, int]
) -> str:
    """Write the change between two sums, each ``(cost, unpriced, responses)``.

    From an exact sum to a lower bound it is a lower bound, the other way an upper one;
    of two lower bounds nothing is sure, and where one is unknown, so is the change.

    Examples
    --------
    >>> exact, least = (Decimal(1), 0, 2), (Decimal("3.456"), 1, 2)
    >>> bounded_change(Decimal("2.456"), least, exact)
    '>= $2.45'
    >>> bounded_change(Decimal("-2.456"), exact, least)
    '<= -$2.45'
    >>> bounded_change(Decimal("0"), least, least)
    '~ $0'
    >>> bounded_change(Decimal("-1"), (Decimal(0), 2, 2), exact)
    'unknown'
    """
    if _is_unknown(*now) or _is_unknown(*before):
        return _UNKNOWN
    if now[1] and before[1]:
        return f"~ {dollars(change)}"
    if before[1]:
        return f"<= {dollars(change, up=True)}"
    return f">= {dollars(change, down=True)}" if now[1] else dollars(change)


def per_cent(share: float) -> str:
    """Write a share; one that is not 0 or 1 is never written as if it were.

    Examples
    --------
    >>> per_cent(0.0312), per_cent(0.00001), per_cent(0.99999), per_cent(1.0)
    ('3.1 %', 'under 0.1 %', 'over 99.9 %', '100 %')
    >>> per_cent(3.0), per_cent(12.345)
    ('300 %', '1,234.5 %')
    """
    if share in {0, 1}:
        return f"{share:.0%}".replace("%", " %")
    if share > 1:
        return f"{share * 100:,.1f}".removesuffix(".0") + " %"
    if share < _SMALLEST_SHARE:
        return "under 0.1 %"
    return "over 99.9 %" if share > 1 - _SMALLEST_SHARE else f"{share * 100:.1f} %"


def at_least(
    cost: Decimal,
    *,
    tokens_unpriced: int = 0,
    total_tokens: int = 0,
    responses_unpriced: int = 0,
    responses: int = 0,
) -> str:
    """Say a sum of costs in words, and how much of the log it leaves out.

    Parameters
    ----------
    cost
        Sum of what could be priced, in USD.
    tokens_unpriced, total_tokens
        Tokens of unpriced responses, and of all.
    responses_unpriced, responses
        Number of unpriced responses, and of all.

    Examples
    --------
    >>> at_least(Decimal("4812.0712"), tokens_unpriced=31, total_tokens=1000,
    ...          responses_unpriced=2, responses=100)
    'at least $4,812.07; 3.1 % of tokens unpriced'
    >>> at_least(Decimal("4812.0712"), total_tokens=1000, responses=100)
    '$4,812.07'
    >>> at_least(Decimal(0), tokens_unpriced=9, total_tokens=9,
    ...          responses_unpriced=1, responses=1)
    'cost unknown; 100 % of tokens unpriced'

    Unpriced responses that report no tokens are counted as such:

    >>> at_least(Decimal(3), total_tokens=1000, responses_unpriced=2, responses=100)
    'at least $3.00; 2 of 100 responses unpriced'
    """
    if not responses_unpriced and not tokens_unpriced:
        return dollars(cost)
    if tokens_unpriced and total_tokens:
        left_out = f"{per_cent(tokens_unpriced / total_tokens)} of tokens unpriced"
    else:
        left_out = f"{responses_unpriced:,} of {responses:,} responses unpriced"
    said = bounded(
        cost,
        responses_unpriced or 1,
        responses,
        mark="at least ",
        unknown="cost unknown",
    )
    return f"{said}; {left_out}"
