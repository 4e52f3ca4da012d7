"""How sure a rate is: the calls that it needs, and its interval."""

from __future__ import annotations

from math import sqrt

ENOUGH_CALLS = 20  # for a rate or a mean to be drawn, or named as a cause
_Z = 1.959964  # of an interval of 95%


def wilson_interval(count: float, of: float) -> tuple[float, float]:
    """Return the range of a share that is likely (95%), after Wilson.

    Examples
    --------
    >>> [round(end, 3) for end in wilson_interval(17, 443)]
    [0.024, 0.061]
    """
    share, square = count / of, _Z * _Z
    half = _Z * sqrt(share * (1 - share) / of + square / (4 * of * of))
    middle, whole = share + square / (2 * of), 1 + square / of
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)
