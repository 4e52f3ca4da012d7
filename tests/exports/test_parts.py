"""Rows are split by date, and do not keep the rows of other dates in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.exports import parts
from toolkit.schema import CHOICES
from toolkit.testing import make_choices

MIDNIGHT = datetime(2026, 1, 2, tzinfo=UTC)
TEXT = "x" * 10_000
# Hours around midnight; None for a response without a date.
HOURS = st.none() | st.integers(-30, 30)


def make_rows(hours: list[int | None], cuts: int = 1) -> pa.Table:
    """Return rows created so many hours after midnight, in some chunks."""
    times = [None if hour is None else timedelta(hours=hour) for hour in hours]
    created = [None if time is None else MIDNIGHT + time for time in times]
    frame = make_choices(*({"created": time, "content": TEXT} for time in created))
    step = max(1, len(frame) // cuts)
    chunks = [frame[at : at + step].to_arrow() for at in range(0, len(frame), step)]
    return pa.concat_tables(chunks).cast(CHOICES.arrow)


@given(st.lists(HOURS, min_size=1, max_size=30), st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_every_row_is_in_the_part_of_its_date(
    hours: list[int | None], cuts: int
) -> None:
    rows = make_rows(hours, cuts)

    split = list(parts._split_by_date(rows))

    assert len({day for day, _ in split}) == len(split)
    lines = []
    for day, part in split:
        created = pl.DataFrame(part)["created"].drop_nulls()
        undated = ["1970-01-01"] * (len(part) > len(created))
        assert {day} == {*created.dt.strftime("%Y-%m-%d"), *undated}
        lines += part.column("line").to_pylist()
    assert sorted(lines) == list(range(1, len(hours) + 1))


@pytest.mark.parametrize(
    "hours",
    [
        [*[-1] * 3, *[1] * 97],  # in order
        [*[1] * 50, None, *[1] * 47, None, None],  # in no order
    ],
)
def test_few_rows_of_a_date_do_not_keep_the_others_in_memory(
    hours: list[int | None],
) -> None:
    rows = make_rows(hours)

    few, many = sorted(parts._split_by_date(rows), key=lambda pair: len(pair[1]))

    assert (len(few[1]), len(many[1])) == (3, 97)
    # Three texts of 10,000 bytes, and less than that for all other columns.
    assert few[1].get_total_buffer_size() < 2 * 3 * len(TEXT)
