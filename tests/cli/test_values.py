"""Values of options as they are typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.cli.command_line import (
    RejectLimit,
    check_folder,
    parse_duration,
    parse_pairs,
)
from toolkit.errors import OptionError, WriteError


@pytest.mark.parametrize(
    ("limit", "rejected", "lines", "is_allowed"),
    [
        ("10", 10, 5000, True),
        ("10", 11, 5000, False),
        ("0", 0, 0, True),
        ("0", 1, 1, False),
        # 0.1 % of 5,000 are 5.
        ("0.1%", 5, 5000, True),
        ("0.1%", 6, 5000, False),
        ("100%", 7, 7, True),
    ],
)
def test_a_limit_is_a_count_or_a_share(
    limit: str, rejected: int, lines: int, is_allowed: bool
) -> None:
    assert RejectLimit(limit).allows(rejected, of=lines) == is_allowed


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "many", "%", ""])
def test_another_text_is_not_a_limit(text: str) -> None:
    with pytest.raises(OptionError, match="a count or a share"):
        RejectLimit(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("30s", 30), ("10m", 600), ("2h", 7200)]
)
def test_a_length_of_time_has_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "10", "-1s", "1d", "1.5h", "\u0661s"])
def test_another_text_is_not_a_length_of_time(text: str) -> None:
    with pytest.raises(OptionError, match="expected a length of time"):
        parse_duration(text)


def test_a_pair_has_a_name_and_a_value() -> None:
    assert parse_pairs("tags", ["a=b.c", "d=e=f"]) == {"a": "b.c", "d": "e=f"}
    for text in ("a", "a=", "=b", ""):
        with pytest.raises(OptionError, match="tags: expected NAME=PATH, got"):
            parse_pairs("tags", [text])


def test_the_folder_of_a_new_file_must_exist(tmp_path: Path) -> None:
    check_folder(tmp_path / "a.html")
    check_folder("a.html")
    with pytest.raises(WriteError, match="none does not exist"):
        check_folder(tmp_path / "none" / "a.html")
