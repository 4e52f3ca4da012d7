"""Money in words: amounts, and sums that are known to be too small."""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

CENT = Decimal("0.01")
SMALLEST_SHARE = 0.001


def dollars(amount: Decimal, *, down: bool = False) -> str:
    """Write an amount of USD for a reader: cents, or two digits below a dollar.

    Parameters
    ----------
    amount
        USD.
    down
        Round down, as a lower bound must be; else to the nearest.

    Examples
    --------
    >>> dollars(Decimal("4812.0679")), dollars(Decimal("4812.0679"), down=True)
    ('$4,812.07', '$4,812.06')
    >>> dollars(Decimal("0.0035521")), dollars(Decimal("-3.5")), dollars(Decimal(0))
    ('$0.0036', '-$3.50', '$0')
    """
    rounding = ROUND_FLOOR if down else ROUND_HALF_EVEN
    sign = "-" if amount < 0 else ""
    if amount == 0:
        return "$0"
    if abs(amount) >= 1:
        return f"{sign}${abs(amount.quantize(CENT, rounding)):,}"
    rounded = amount.quantize(Decimal(1).scaleb(amount.adjusted() - 1), rounding)
    if abs(rounded) >= 1:
        return dollars(rounded)
    # The trailing zeros go, but for those of whole cents: $0.50, $0.0035.
    digits = rounded.normalize()
    return f"{sign}${abs(digits if digits.adjusted() < -2 else rounded):f}"


def per_cent(share: float) -> str:
    """Write a share; one that is not 0 or 1 is never written as if it were.

    Examples
    --------
    >>> per_cent(0.0312), per_cent(0.00001), per_cent(0.99999), per_cent(1.0)
    ('3.1 %', 'under 0.1 %', 'over 99.9 %', '100 %')
    """
    if share in {0, 1}:
        return f"{share:.0%}".replace("%", " %")
    if share < SMALLEST_SHARE:
        return "under 0.1 %"
    return "over 99.9 %" if share > 1 - SMALLEST_SHARE else f"{share * 100:.1f} %"


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
    if not cost and responses_unpriced == responses:
        return f"cost unknown; {left_out}"
    return f"at least {dollars(cost, down=True)}; {left_out}"
