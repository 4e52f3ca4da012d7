"""From choices to responses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import toolkit
from toolkit.errors import (
    MissingColumnsError,
    PartialResponsesWarning,
    UnsuitableColumnError,
)
from toolkit.expressions import any_choice, first_choice, reports_usage
from toolkit.expressions.choices import _count_responses, iter_batches
from toolkit.testing import make_choices, make_response

TWO = make_choices(
    {"choice_position": 0, "choice_count": 2, "finish_reason": "stop",
     "total_tokens": 9, "mine": "x"},
    {"choice_position": 1, "choice_count": 2, "finish_reason": None, "mine": "x"},
    {"choice_count": 0, "finish_reason": None, "mine": "y"},
)  # fmt: skip


@pytest.mark.parametrize("shuffled", [False, True])
def test_responses_are_one_row_each_with_all_reasons_and_their_usage(
    shuffled: bool,
) -> None:
    frame = TWO.reverse() if shuffled else TWO

    rows = toolkit.responses(frame).sort("line")

    assert rows["finish_reasons"].to_list() == [["stop", None], []]
    assert rows["total_tokens"].to_list() == [9, None]
    assert rows["mine"].to_list() == ["x", "y"]
    assert "finish_reason" not in rows.columns
    assert "choice_position" not in rows.columns


def test_responses_of_a_lazy_frame_are_lazy_and_the_same() -> None:
    lazy = toolkit.responses(TWO.lazy())

    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(toolkit.responses(TWO))


def test_any_choice_picks_whole_responses_and_keeps_their_usage() -> None:
    picked = TWO.filter(any_choice(pl.col("finish_reason") == "stop"))

    assert picked["choice_position"].to_list() == [0, 1]


def test_responses_warns_of_picked_choices() -> None:
    with pytest.warns(PartialResponsesWarning, match="1 response"):
        toolkit.responses(TWO.filter(pl.col("choice_position") == 1))


def test_responses_names_the_columns_that_it_lacks() -> None:
    with pytest.raises(MissingColumnsError, match="'line'"):
        toolkit.responses(TWO.drop("line"))


def test_first_choice_and_reports_usage_are_named_conditions() -> None:
    rows = TWO.select(first_choice(), reports_usage())

    assert rows["first_choice"].to_list() == [True, False, True]
    assert rows["reports_usage"].to_list() == [True, False, False]


def test_responses_accepts_arrow_tables_and_loads() -> None:
    assert toolkit.responses(TWO.to_arrow()).equals(toolkit.responses(TWO))
    log = toolkit.load("data/sample")
    assert toolkit.responses(log).equals(log.responses)


def test_any_choice_holds_for_responses_with_and_without_sources() -> None:
    choices = make_choices(
        {"choice_count": 2, "finish_reason": "stop"},
        {"choice_count": 2, "choice_position": 1, "finish_reason": "length"},
        {"finish_reason": "stop"},
    )
    was_cut = any_choice(pl.col("finish_reason") == "length")

    assert choices.filter(was_cut).height == 2
    assert choices.drop("source").filter(was_cut).height == 2
    assert choices.drop("source").with_columns(cut=was_cut)["cut"].to_list() == [
        True,
        True,
        False,
    ]


def test_missing_and_repeated_choices_are_counted_in_any_order() -> None:
    # Line 1 lacks one of 2 choices, line 2 is there twice, line 3 is whole.
    cells = [(1, 0, 2), (2, 0, 1), (2, 0, 1), (3, 0, 2), (3, 1, 2), (4, 0, 0)]
    choices = make_choices(
        *[
            {"line": line, "choice_position": position, "choice_count": count}
            for line, position, count in cells
        ]
    )
    for given in (choices, choices.reverse(), choices.lazy(), choices.drop("source")):
        assert _count_responses(given) == (1, 1)
    assert _count_responses(choices.clear()) == (0, 0)


def two_logs_of_one_name(folder: Path) -> list[pl.DataFrame]:
    """Load two logs of the same name, with other responses on their lines."""
    frames = []
    (folder / "logs").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, reasons in (("a", ["stop", "length"]), ("b", ["stop", "stop"])):
            choices = [
                {"index": place, "message": {"content": name}, "finish_reason": reason}
                for place, reason in enumerate(reasons)
            ]
            response = make_response(id=name, choices=choices)
            (folder / "logs" / "app.jsonl").write_text(json.dumps(response) + "\n")
            frames.append(toolkit.load("logs/app.jsonl").frame)
    return frames


def test_responses_of_two_logs_of_one_name_are_not_mixed_up(tmp_path: Path) -> None:
    first, second = two_logs_of_one_name(tmp_path)
    both = pl.concat([first, second])
    was_cut = any_choice(pl.col("finish_reason") == "length")

    assert both["source"].n_unique() == both["log_id"].n_unique() == 1
    assert both.filter(was_cut)["response_id"].to_list() == ["a", "a"]
    assert both.lazy().filter(was_cut).collect()["response_id"].to_list() == ["a", "a"]
    with pytest.raises(UnsuitableColumnError, match="load the logs together"):
        toolkit.responses(both)
    lazy = toolkit.responses(both.lazy()).collect()
    assert lazy.select("response_id", "finish_reasons", "total_tokens").rows() == [
        ("a", ["stop", "length"], 15),
        ("b", ["stop", "stop"], 15),
    ]


@pytest.mark.parametrize(
    ("of_first", "of_second"), [([0], [1]), ([1], [0]), ([1], [1]), ([1], [0, 1])]
)
def test_parts_of_two_logs_of_one_name_are_not_one_response(
    tmp_path: Path, of_first: list[int], of_second: list[int]
) -> None:
    first, second = two_logs_of_one_name(tmp_path)
    rows = [
        frame.filter(pl.col("choice_position").is_in(kept))
        for frame, kept in ((first, of_first), (second, of_second))
    ]

    with pytest.raises(UnsuitableColumnError, match="load the logs together"):
        toolkit.responses(pl.concat(rows))


def test_a_log_that_was_loaded_twice_is_noticed_and_counts_once_lazily(
    tmp_path: Path,
) -> None:
    twice = pl.concat([two_logs_of_one_name(tmp_path)[0]] * 2)
    seconds = twice.filter(pl.col("choice_position") == 1)

    for frame in (twice, seconds):
        with pytest.raises(UnsuitableColumnError, match="load the logs together"):
            toolkit.responses(frame)
    assert toolkit.responses(twice.lazy()).collect()["total_tokens"].to_list() == [15]


@pytest.mark.parametrize("size", [1, 2, 5, 10])
@pytest.mark.parametrize("height", [0, 1, 5])
def test_batches_have_all_rows_in_their_order(height: int, size: int) -> None:
    rows = pl.DataFrame({"a": range(height)}, schema={"a": pl.Int64})

    assert pl.concat(iter_batches(rows.lazy(), size)).equals(rows)


def test_batches_that_end_early_are_not_taken_for_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So does polars end them at Ctrl-C, without an error.
    def end_early(rows: pl.LazyFrame, **_options: object) -> Iterator[pl.DataFrame]:
        yield rows.collect().head(1)

    monkeypatch.setattr(pl.LazyFrame, "collect_batches", end_early)
    batches = iter_batches(pl.LazyFrame({"a": [1, 2]}), 1)

    assert next(batches)["a"].to_list() == [1]
    with pytest.raises(KeyboardInterrupt):
        next(batches)
