"""Calendar periods: which lengths are accepted, and what is suggested for others."""

from __future__ import annotations

import pytest

import toolkit
from toolkit.errors import OptionError
from toolkit.expressions import period
from toolkit.testing import make_choices


@pytest.mark.parametrize("every", ["1h", "45m", "1d", "2w", "1mo", "1q", "1y", "1h30m"])
def test_a_period_of_the_duration_language_is_accepted(every: str) -> None:
    period(every)


@pytest.mark.parametrize(
    ("every", "likely"),
    [
        ("1week", "1w"),
        ("2 weeks", "2w"),
        ("weekly", "1w"),
        ("day", "1d"),
        ("daily", "1d"),
        ("1Month", "1mo"),
        ("3 months", "3mo"),
        ("1hour", "1h"),
        ("15min", "15m"),
        ("quarter", "1q"),
        ("1yaer", "1y"),
    ],
)
def test_a_period_in_words_is_an_error_with_a_hint(every: str, likely: str) -> None:
    with pytest.raises(OptionError) as caught:
        period(every)

    assert str(caught.value) == (
        'every: expected a period such as "1h", "1d", "1w" or "1mo", '
        f'got {every!r} (did you mean "{likely}"?)'
    )


def test_none_is_in_the_error_of_those_that_take_it() -> None:
    periods = 'every: expected a period such as "1h", "1d", "1w" or "1mo"'

    with pytest.raises(OptionError) as caught:
        toolkit.metrics.cost(make_choices({}), every="none")
    assert str(caught.value) == f"{periods}, or None, got 'none'"

    with pytest.raises(OptionError) as caught:
        period("none")
    assert str(caught.value) == f"{periods}, got 'none'"


@pytest.mark.parametrize("every", ["", "0d", "-1d", "1x", "1M", "9999y", "1.5h", 7])
def test_another_period_is_an_error_without_a_hint(every: str) -> None:
    with pytest.raises(OptionError, match=r"every: expected a period .*, got [^(]*$"):
        period(every)


def test_the_package_lists_public_names_only() -> None:
    assert dir(toolkit.expressions) == sorted(toolkit.expressions.__all__)
