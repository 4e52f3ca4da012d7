"""Text of figures, by hand: nothing is rounded away that a reader must know."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.formatting.figures import UNKNOWN, Bound, Figure
from toolkit.formatting.text import (
    format_change,
    format_count,
    format_name,
    format_share,
    format_share_change,
    format_usd,
)


@pytest.mark.parametrize(
    ("count", "exact", "sentence", "short"),
    [
        (0, "0", "0", "0"),
        (999, "999", "999", "999"),
        (1_000, "1,000", "1,000", "1k"),
        (1_234, "1,234", "1,234", "1.23k"),
        (207_812, "207,812", "207,812", "208k"),
        (999_999, "999,999", "999,999", "1M"),
        (1_234_567, "1,234,567", "1.23M", "1.23M"),
        (50_000_000, "50,000,000", "50M", "50M"),
        (999_999_999, "999,999,999", "1B", "1B"),
        (1_934_000_000, "1,934,000,000", "1.93B", "1.93B"),
        (2 * 10**12, "2,000,000,000,000", "2T", "2T"),
        (-1_500, "-1,500", "-1,500", "-1.5k"),
    ],
)
def test_counts(count: int, exact: str, sentence: str, short: str) -> None:
    assert format_count(count) == exact
    assert format_count(count, "sentence") == sentence
    assert format_count(count, "short") == short


def test_counts_that_are_bounds() -> None:
    lower, upper = Figure(1_239_999, "lower"), Figure(1_230_001, "upper")
    assert format_count(lower, "short") == "≥ 1.23M"
    assert format_count(upper, "short") == "≤ 1.24M"
    assert format_count(lower, words=True) == "at least 1,239,999"
    assert format_count(upper, words=True) == "at most 1,230,001"
    assert format_count(Figure(5, "approximate")) == "~ 5"
    assert format_count(UNKNOWN) == format_count(None) == "–"
    assert format_count(None, words=True) == "unknown"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.2345, "1.23"),
        (0.031, "0.031"),
        (0.00012345, "0.000123"),
        (12_345.6, "12,346"),
        (3.0, "3"),
        (0.0, "0"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_numbers(number: float | None, text: str) -> None:
    assert format_count(number) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0%"),
        (0.0, "0%"),
        (1e-9, "<0.1%"),
        (0.000999, "<0.1%"),
        (0.001, "0.1%"),
        (0.031, "3.1%"),
        (0.0996, "10%"),
        (0.25, "25%"),
        (0.999, "99.9%"),
        (0.9991, ">99.9%"),
        (1 - 1e-9, ">99.9%"),
        (1, "100%"),
        (1.0001, ">100%"),
        (1.515, "151.5%"),
        (12.345, "1,234.5%"),
        (Decimal("0.031"), "3.1%"),
        (-1e-9, "0%"),
        (None, "–"),
    ],
)
def test_shares(share: float | None, text: str) -> None:
    assert format_share(share) == text


@pytest.mark.parametrize(
    ("share", "bound", "text"),
    [
        (0.6789, "lower", "≥ 67.8%"),
        (0.6781, "upper", "≤ 67.9%"),
        (0.0003, "lower", "≥ >0%"),
        (0.0003, "upper", "≤ 0.1%"),
        (0.9999, "lower", "≥ 99.9%"),
        (0.0, "lower", "≥ 0%"),
        (0.5, "approximate", "~ 50%"),
    ],
)
def test_shares_that_are_bounds(share: float, bound: Bound, text: str) -> None:
    assert format_share(Figure(share, bound)) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (0.025, "2.5%"),
        (0.0005, "0.05%"),
        (0.1 + 0.2, "30%"),
        (1.0, "100%"),
    ],
)
def test_shares_on_an_axis(share: float, text: str) -> None:
    assert format_share(share, "exact") == text


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_part_is_neither_nothing_nor_all(share: float) -> None:
    assert format_share(share) not in {"0%", "100%"}


@given(st.decimals(0, 2, places=40))
def test_a_bound_of_a_share_is_rounded_to_its_own_side(share: Decimal) -> None:
    lower = format_share(Figure(share, "lower")).strip("≥ >%")
    upper = format_share(Figure(share, "upper")).strip("≤ >%")
    assert Decimal(lower) <= share * 100 <= Decimal(upper)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (-0.004, "-0.4 points"),
        (0.046 - 0.05, "-0.4 points"),
        (0.06, "+6 points"),
        (0.01, "+1 point"),
        (0.0, "±0 points"),
        (0.0001, "+<0.1 points"),
        (-0.0001, "-<0.1 points"),
        (None, "–"),
        (Figure(-0.0123, "upper"), "≤ -1.2 points"),
    ],
)
def test_changes_of_shares(change: float | Figure | None, text: str) -> None:
    assert format_share_change(change) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [
        (112, 100, "+12%"),
        (100, 100, "±0%"),
        (0, 0, "±0%"),
        (5, 0, "new"),
        (0, 5, "-100%"),
        (1, 10_000, "-99.9%"),
        (4, 1_000, "-99.6%"),
        (1_095, 1_000, "+9.5%"),
        (996, 1_000, "-0.4%"),
        (1_000_001, 1_000_000, "+<0.1%"),
        (2_500, 100, "+2,400%"),
        (10**6, 1, "+>9,999%"),
        (5, None, "–"),
        (None, 5, "–"),
        (Decimal("1.5"), Decimal(1), "+50%"),
        (Figure(3, "lower"), 2, "≥ +50%"),
        (3, Figure(2, "lower"), "≤ +50%"),
        (Figure(3, "lower"), Figure(2, "lower"), "~ +50%"),
        (Figure(3, "lower"), 0, "new"),
        (Figure(0, "lower"), 0, "–"),
        (3, Figure(0, "lower"), "–"),
    ],
)
def test_relative_changes(now: Decimal, before: Decimal, text: str) -> None:
    assert format_change(now, before) == text


@pytest.mark.parametrize(
    ("usd", "cents", "exact", "short"),
    [
        ("0", "$0", "$0", "$0"),
        ("0.00044", "$0.00044", "$0.00044", "$0.00044"),
        ("0.0035521", "$0.0036", "$0.0035521", "$0.00355"),
        ("0.05", "$0.05", "$0.05", "$0.05"),
        ("0.0996", "$0.10", "$0.0996", "$0.0996"),
        ("0.456", "$0.46", "$0.456", "$0.456"),
        ("0.5", "$0.50", "$0.50", "$0.50"),
        ("0.996", "$1.00", "$0.996", "$0.996"),
        ("12.34", "$12.34", "$12.34", "$12.34"),
        ("12.5", "$12.50", "$12.50", "$12.50"),
        ("152", "$152.00", "$152.00", "$152"),
        ("999.999", "$1,000.00", "$999.999", "$1,000"),
        ("1500", "$1,500.00", "$1,500.00", "$1.5k"),
        ("4812.0679", "$4,812.07", "$4,812.0679", "$4.81k"),
        ("2000000", "$2,000,000.00", "$2,000,000.00", "$2M"),
        ("-3.5", "-$3.50", "-$3.50", "-$3.50"),
        ("-1500", "-$1,500.00", "-$1,500.00", "-$1.5k"),
    ],
)
def test_dollars(usd: str, cents: str, exact: str, short: str) -> None:
    amount = Decimal(usd)
    assert format_usd(amount) == cents
    assert format_usd(amount, "exact") == exact
    assert format_usd(amount, "short") == short


@pytest.mark.parametrize(
    ("usd", "bound", "text", "words"),
    [
        ("4812.0679", "lower", "≥ $4,812.06", "at least $4,812.06"),
        ("4812.061", "upper", "≤ $4,812.07", "at most $4,812.07"),
        ("0.0035521", "lower", "≥ $0.0035", "at least $0.0035"),
        ("-3.456", "lower", "≥ -$3.46", "at least -$3.46"),
        ("-3.456", "upper", "≤ -$3.45", "at most -$3.45"),
        ("0", "lower", "≥ $0", "at least $0"),
        ("0", "approximate", "~ $0", "about $0"),
        ("5", "unknown", "–", "unknown"),
    ],
)
def test_dollars_that_are_bounds(usd: str, bound: Bound, text: str, words: str) -> None:
    figure = Figure(Decimal(usd), bound)
    assert format_usd(figure) == text
    assert format_usd(figure, words=True) == words


def _amount(text: str) -> Decimal:
    """Read an amount that was formatted."""
    return Decimal(text.strip("≥≤ ").replace("$", "").replace(",", ""))


@given(st.decimals(0, 10**7, places=9))
def test_dollars_are_off_by_half_a_cent_at_most_and_a_bound_to_its_own_side(
    usd: Decimal,
) -> None:
    assert abs(_amount(format_usd(usd)) - usd) <= Decimal("0.005")
    assert _amount(format_usd(usd, "exact")) == usd
    assert _amount(format_usd(Figure(usd, "lower"))) <= usd
    assert _amount(format_usd(Figure(usd, "upper"))) >= usd


def test_a_name_is_one_harmless_line() -> None:
    assert format_name("gpt-4o") == "gpt-4o"
    assert format_name("a\x1b[31m\nb") == "a�[31m�b"
    assert format_name("a\u2028b\u2029c\u202ed") == "a�b�c�d"
    assert format_name("  a   b ") == "a b"
    assert format_name("") == "''"
    assert format_name(None) == "unknown"
    long = format_name("a" * 50 + "b" * 50)
    assert long == "a" * 40 + "…" + "b" * 23
