"""Figures: whatever the true values are, the bound of a result holds."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from operator import add, sub
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from toolkit.formatting.figures import (
    UNKNOWN,
    Bound,
    Figure,
    as_figure,
    sum_figures,
    sum_with_gaps,
)

if TYPE_CHECKING:
    from collections.abc import Callable

AMOUNTS = st.decimals(-(10**6), 10**6, places=6) | st.integers(-(10**9), 10**9)
KNOWN: tuple[Bound, ...] = ("exact", "lower", "upper", "approximate")


@st.composite
def figures_with_truth(draw: st.DrawFn) -> tuple[Figure, Fraction]:
    """Draw a figure, and a true value that it allows."""
    value = draw(AMOUNTS)
    bound = draw(st.sampled_from(KNOWN))
    off = abs(Fraction(draw(AMOUNTS)))
    way = {"exact": 0, "lower": 1, "upper": -1}
    side = way.get(bound, draw(st.sampled_from([-1, 1])))
    return Figure(value, bound), Fraction(value) + side * off


def allows(figure: Figure, truth: Fraction) -> bool:
    """Return whether a figure agrees with a true value."""
    if figure.bound == "exact":
        return Fraction(figure.number) == truth
    if figure.bound == "lower":
        return Fraction(figure.number) <= truth
    return figure.bound != "upper" or Fraction(figure.number) >= truth


@given(figures_with_truth(), figures_with_truth(), st.sampled_from([add, sub]))
def test_sums_and_differences_hold_for_every_truth(
    one: tuple[Figure, Fraction],
    other: tuple[Figure, Fraction],
    operation: Callable[..., Figure],
) -> None:
    result = operation(one[0], other[0])
    assert allows(result, operation(one[1], other[1]))
    assert Fraction(result.number) == operation(
        Fraction(one[0].number), Fraction(other[0].number)
    )


@given(figures_with_truth(), figures_with_truth())
def test_ratios_hold_for_every_truth_with_a_positive_whole(
    part: tuple[Figure, Fraction], whole: tuple[Figure, Fraction]
) -> None:
    assume(whole[1] > 0)
    result = part[0] / whole[0]
    if result.bound == "exact":  # a quotient has 50 digits
        assert abs(Fraction(result.number) - part[1] / whole[1]) < Fraction(1, 10**30)
    else:
        assert allows(result, part[1] / whole[1])


@given(figures_with_truth(), figures_with_truth())
def test_a_comparison_is_never_wrong(
    one: tuple[Figure, Fraction], other: tuple[Figure, Fraction]
) -> None:
    answer = one[0].exceeds(other[0])
    assert answer in {None, one[1] > other[1]}
    if one[0].bound == other[0].bound == "exact":
        assert answer is not None


@given(figures_with_truth(), st.integers(-3, 8))
def test_rounding_keeps_a_bound_a_bound(
    one: tuple[Figure, Fraction], places: int
) -> None:
    figure, truth = one
    rounded = figure.rounded(places)
    assert rounded.bound == figure.bound
    if figure.bound != "exact":
        assert allows(rounded, truth)
    half = Fraction(1, 2) if figure.bound in {"exact", "approximate"} else 1
    unit = Fraction(10) ** -places
    assert abs(Fraction(rounded.number) - Fraction(figure.number)) <= half * unit


@given(st.lists(st.tuples(st.decimals(0, 10**6, places=4), st.booleans()), max_size=6))
def test_a_sum_with_unknown_parts_is_at_most_the_true_sum(
    parts: list[tuple[Decimal, bool]],
) -> None:
    figures = [Figure(value) if is_known else UNKNOWN for value, is_known in parts]
    result = sum_figures(figures)
    if parts and not any(is_known for _, is_known in parts):
        assert result == UNKNOWN
    else:
        assert allows(result, Fraction(sum(value for value, _ in parts)))
        assert (result.bound == "exact") == all(is_known for _, is_known in parts)


@pytest.mark.parametrize(
    ("one", "other", "total", "difference"),
    [
        ("exact", "exact", "exact", "exact"),
        ("exact", "lower", "lower", "upper"),
        ("exact", "upper", "upper", "lower"),
        ("lower", "exact", "lower", "lower"),
        ("lower", "lower", "lower", "approximate"),
        ("lower", "upper", "approximate", "lower"),
        ("upper", "exact", "upper", "upper"),
        ("upper", "upper", "upper", "approximate"),
        ("approximate", "exact", "approximate", "approximate"),
        ("approximate", "lower", "approximate", "approximate"),
        ("unknown", "exact", "unknown", "unknown"),
        ("lower", "unknown", "unknown", "unknown"),
    ],
)
def test_bounds_by_hand(
    one: Bound, other: Bound, total: Bound, difference: Bound
) -> None:
    assert (Figure(5, one) + Figure(2, other)).bound == total
    assert (Figure(5, one) - Figure(2, other)).bound == difference


@pytest.mark.parametrize(
    ("part", "whole", "share"),
    [
        (Figure(3), Figure(4), Figure(Decimal("0.75"))),
        (Figure(3, "lower"), Figure(4), Figure(Decimal("0.75"), "lower")),
        (Figure(3), Figure(4, "lower"), Figure(Decimal("0.75"), "upper")),
        (Figure(3), Figure(4, "upper"), Figure(Decimal("0.75"), "lower")),
        (
            Figure(3, "lower"),
            Figure(4, "lower"),
            Figure(Decimal("0.75"), "approximate"),
        ),
        (Figure(0), Figure(4, "lower"), Figure(0)),
        (Figure(3), Figure(0), UNKNOWN),
        (Figure(3), UNKNOWN, UNKNOWN),
    ],
)
def test_ratios_by_hand(part: Figure, whole: Figure, share: Figure) -> None:
    assert part / whole == share


def test_numbers_count_as_exact_figures() -> None:
    assert Figure(5) + 2 == 2 + Figure(5) == Figure(7)
    assert Figure(5) - 2 == Figure(3)
    assert 2 - Figure(5, "lower") == Figure(-3, "upper")
    assert sum([Figure(1), Figure(2, "lower")]) == Figure(3, "lower")
    assert as_figure(None) == as_figure(UNKNOWN) == UNKNOWN
    assert as_figure(3) == Figure(3)


def test_a_float_is_the_number_that_it_was_written_as() -> None:
    assert Figure(0.1) + Figure(0.2) == Figure(Decimal("0.3"))
    assert Figure(0.3, "lower").rounded(2).number == Decimal("0.30")


def test_what_is_no_number_is_unknown() -> None:
    assert Figure(float("nan")) == Figure(float("inf")) == UNKNOWN
    assert Figure(5, "unknown") == UNKNOWN
    assert not UNKNOWN.is_known
    assert UNKNOWN.rounded(2) == -UNKNOWN == UNKNOWN
    with pytest.raises(ValueError, match="unknown figure"):
        _ = UNKNOWN.number


def test_no_digit_of_a_large_sum_is_lost() -> None:
    large = Decimal("99999999999999999999999999.999999999999")
    assert (Figure(large) + Figure(large)).value == Decimal(
        "199999999999999999999999999.999999999998"
    )
    assert (-Figure(large)).value == large.copy_negate()


@pytest.mark.parametrize(
    ("value", "bound", "rounded"),
    [
        ("5.955", "exact", "5.96"),  # half to even
        ("5.945", "exact", "5.94"),
        ("5.959", "lower", "5.95"),
        ("5.951", "upper", "5.96"),
        ("-3.456", "lower", "-3.46"),
        ("-3.456", "upper", "-3.45"),
        ("5.956", "approximate", "5.96"),
    ],
)
def test_rounding_by_hand(value: str, bound: Bound, rounded: str) -> None:
    result = Figure(Decimal(value), bound).rounded(2)
    assert result == Figure(Decimal(rounded), bound)


def test_a_cost_is_a_lower_bound_as_long_as_a_price_is_missing() -> None:
    assert sum_with_gaps(Decimal(5), missing=0, of=3) == Figure(5)
    assert sum_with_gaps(Decimal(5), missing=2, of=3) == Figure(5, "lower")
    # Something was known of the others, even if all are counted as missing.
    assert sum_with_gaps(Decimal(5), missing=3, of=3) == Figure(5, "lower")
    # What is known may be 0: a free model beside one without a price.
    assert sum_with_gaps(Decimal(0), missing=1, of=3) == Figure(0, "lower")
    assert sum_with_gaps(Decimal(0), missing=3, of=3) == UNKNOWN
    assert sum_with_gaps(None, missing=0, of=0) == UNKNOWN


def test_sums_of_figures_that_cannot_be_negative() -> None:
    assert sum_figures([]) == Figure(0)
    assert sum_figures([Figure(1), Figure(2)]) == Figure(3)
    assert sum_figures([Figure(1), UNKNOWN]) == Figure(1, "lower")
    assert sum_figures([UNKNOWN, UNKNOWN]) == UNKNOWN
    assert sum_figures([Figure(1, "upper"), UNKNOWN]) == Figure(1, "approximate")
