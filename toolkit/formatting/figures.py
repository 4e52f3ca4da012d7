"""Figures: numbers that know whether they are exact, a bound, or unknown.

A sum of costs is a lower bound as long as one response has no known price. A `Figure`
carries that through sums, differences, ratios, comparisons and rounding, so that no
caller has to work it out again:

>>> spent = sum_with_gaps(Decimal("12.50"), missing=1, of=40)
>>> spent
Figure(value=Decimal('12.50'), bound='lower')
>>> spent - Figure(10)
Figure(value=Decimal('2.50'), bound='lower')
>>> spent.exceeds(10), spent.exceeds(20)
(True, None)

How a figure is written is up to `toolkit.formatting.text`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from math import isfinite
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

Number: TypeAlias = Decimal | int | float
Bound: TypeAlias = Literal["exact", "lower", "upper", "approximate", "unknown"]

_OPPOSITE: dict[Bound, Bound] = {"lower": "upper", "upper": "lower"}
_ROUNDING = {"lower": ROUND_FLOOR, "upper": ROUND_CEILING}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, and what it says about the true value.

    Attributes
    ----------
    value
        The number; None if nothing is known. A float that is not finite is unknown.
    bound
        ``exact``: the true value is `value`; ``lower``: it is `value` or more;
        ``upper``: it is `value` or less; ``approximate``: it may be either;
        ``unknown``: there is no value.

    Notes
    -----
    ``+``, ``-`` and ``/`` take figures and plain numbers. Whatever the true values are,
    the bound of a result holds. An unknown figure makes every result unknown; to sum
    figures that cannot be negative use `sum_figures`, which then returns a lower bound.

    Examples
    --------
    >>> Figure(3) + Figure(4, "lower")
    Figure(value=7, bound='lower')
    >>> Figure(3) - Figure(4, "lower")
    Figure(value=-1, bound='upper')
    >>> Figure(3, "lower") - Figure(4, "lower")
    Figure(value=-1, bound='approximate')
    >>> Figure(3) / Figure(4, "lower")
    Figure(value=Decimal('0.75'), bound='upper')
    >>> Figure(3) + Figure(None)
    Figure(value=None, bound='unknown')
    """

    value: Number | None
    bound: Bound = "exact"

    def __post_init__(self) -> None:
        """Make a figure without a value unknown, and the other way round."""
        is_nan = isinstance(self.value, float) and not isfinite(self.value)
        if self.value is None or is_nan or self.bound == "unknown":
            object.__setattr__(self, "value", None)
            object.__setattr__(self, "bound", "unknown")

    @property
    def is_known(self) -> bool:
        """Whether there is a value, be it a bound."""
        return self.value is not None

    @property
    def number(self) -> Decimal:
        """The value as a Decimal: a float is the number that Python prints for it.

        Examples
        --------
        >>> Figure(0.1).number
        Decimal('0.1')
        """
        if self.value is None:
            message = "an unknown figure has no number: check is_known first"
            raise ValueError(message)
        # repr() of a subclass, as that of numpy, is not the number alone.
        value = self.value
        return Decimal(float.__repr__(value) if isinstance(value, float) else value)

    def __neg__(self) -> Figure:
        """Negate: a lower bound becomes an upper one."""
        if self.value is None:
            return UNKNOWN
        # A minus sign before a Decimal would round it to the digits of the context.
        is_whole = isinstance(self.value, int)
        value = -self.value if is_whole else self.number.copy_negate()
        return Figure(value, _OPPOSITE.get(self.bound, self.bound))

    def __add__(self, other: Figure | Number) -> Figure:
        """Add a figure or a number."""
        other = as_figure(other)
        if self.value is None or other.value is None:
            return UNKNOWN
        bound = _combine(self.bound, other.bound)
        if isinstance(self.value, int) and isinstance(other.value, int):
            return Figure(self.value + other.value, bound)
        return Figure(_context(bound).add(self.number, other.number), bound)

    __radd__ = __add__

    def __sub__(self, other: Figure | Number) -> Figure:
        """Subtract a figure or a number."""
        return self + -as_figure(other)

    def __rsub__(self, other: Number) -> Figure:
        """Subtract this figure from a number."""
        return as_figure(other) - self

    def __truediv__(self, whole: Figure | Number) -> Figure:
        """Divide by a figure whose true value is positive: a count, a sum of money.

        The result is unknown if `whole` is 0 or less.
        """
        whole = as_figure(whole)
        if self.value is None or whole.value is None or whole.value <= 0:
            return UNKNOWN
        # A larger divisor makes a positive quotient smaller, and a negative one larger.
        effect = whole.bound
        if self.value == 0:
            effect = "exact"
        elif self.value > 0:
            effect = _OPPOSITE.get(effect, effect)
        bound = _combine(self.bound, effect)
        return Figure(_context(bound).divide(self.number, whole.number), bound)

    def exceeds(self, limit: Figure | Number) -> bool | None:
        """Return whether the true value is above a limit; None if it may or may not be.

        ``limit.exceeds(figure)`` is the question whether a figure is below a limit.

        Examples
        --------
        >>> Figure(9, "lower").exceeds(10), Figure(11, "lower").exceeds(10)
        (None, True)
        >>> Figure(9, "upper").exceeds(10), Figure(None).exceeds(10)
        (False, None)
        """
        gap = self - limit
        if gap.value is None:
            return None
        is_above = gap.value > 0
        if gap.bound == "exact":
            return is_above
        if gap.bound == "lower":
            return True if is_above else None
        return False if gap.bound == "upper" and not is_above else None

    def rounded(self, places: int) -> Figure:
        """Round to decimal places: a lower bound down, an upper one up.

        Examples
        --------
        >>> Figure(Decimal("5.956")).rounded(2).value
        Decimal('5.96')
        >>> Figure(Decimal("5.956"), "lower").rounded(2).value
        Decimal('5.95')
        """
        if self.value is None:
            return UNKNOWN
        unit = Decimal(1).scaleb(-places)
        return Figure(
            self.number.quantize(unit, context=_context(self.bound)), self.bound
        )


UNKNOWN = Figure(None)


def as_figure(value: Figure | Number | None) -> Figure:
    """Return a figure as it is, a number as an exact figure, and None as unknown."""
    return value if isinstance(value, Figure) else Figure(value)


def sum_figures(figures: Iterable[Figure]) -> Figure:
    """Sum figures that cannot be negative.

    An unknown one is 0 or more, so the sum is a lower bound. If all are unknown, so is
    the sum; the sum of none is 0.

    Examples
    --------
    >>> sum_figures([Figure(3), Figure(None), Figure(4)])
    Figure(value=7, bound='lower')
    >>> sum_figures([Figure(None)])
    Figure(value=None, bound='unknown')
    """
    found = list(figures)
    if found and not any(figure.is_known for figure in found):
        return UNKNOWN
    parts = [figure if figure.is_known else Figure(0, "lower") for figure in found]
    return sum(parts, Figure(0))


def sum_with_gaps(value: Number | None, *, missing: int, of: int) -> Figure:
    """Return a sum over responses of which some could not be counted.

    Parameters
    ----------
    value
        Sum over the responses that report the number, which cannot be negative.
    missing
        Number of responses that do not report it.
    of
        Number of all responses.

    Returns
    -------
    Figure
        Exact if nothing is missing, else a lower bound; unknown if all are missing and
        the sum is 0.

    Examples
    --------
    >>> sum_with_gaps(5, missing=0, of=3)
    Figure(value=5, bound='exact')
    >>> sum_with_gaps(5, missing=1, of=3)
    Figure(value=5, bound='lower')
    >>> sum_with_gaps(0, missing=3, of=3)
    Figure(value=None, bound='unknown')
    """
    if not missing:
        return Figure(value)
    return UNKNOWN if not value and missing >= of else Figure(value, "lower")


def _combine(one: Bound, other: Bound) -> Bound:
    """Return the bound of a sum of two figures that are known."""
    if "exact" in {one, other}:
        return one if other == "exact" else other
    return one if one == other else "approximate"


def _context(bound: Bound) -> Context:
    """Return how to calculate: more digits than money has, rounded on the safe side."""
    return Context(prec=50, rounding=_ROUNDING.get(bound, ROUND_HALF_EVEN))
