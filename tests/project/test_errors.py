"""Errors and warnings: their tree, their messages, and their way to other processes."""

from __future__ import annotations

import errno
import pickle
import re
from pathlib import Path

import polars as pl
import pytest

from toolkit import errors
from toolkit.errors import (
    OptionError,
    OptionTypeError,
    ToolkitError,
    WriteError,
    near_miss,
)

CLASSES = [getattr(errors, name) for name in dir(errors)]


def test_the_module_lists_errors_and_warnings_only() -> None:
    assert {"OptionError", "RejectsWarning", "ToolkitError"} <= set(dir(errors))
    assert all(issubclass(one, ToolkitError | Warning) for one in CLASSES)


def test_the_tree_shows_each_class_below_its_base() -> None:
    tree = re.findall(
        r"^    ([│├└─ ]*)(\w+)(?: |$)", errors.__doc__ or "", re.MULTILINE
    )
    above: list[str] = []
    shown = {}
    for indent, name in tree:
        above = [*above[: len(indent) // 4], name]
        shown[name] = above[-2] if len(above) > 1 else None

    assert list(shown) == [name for _, name in tree]
    assert shown.keys() == {one.__name__ for one in CLASSES}
    for one in CLASSES:
        own = [base.__name__ for base in one.__mro__[1:] if base in CLASSES]
        assert shown[one.__name__] == (own[0] if own else None)


@pytest.mark.parametrize(
    "error",
    [
        errors.SourceNotFoundError("a.jsonl"),
        errors.UnreadableSourceError("a", cause=OSError(errno.EACCES, "Denied")),
        errors.StreamReadTwiceError("-"),
        errors.DamagedLogError("a", byte=1, verified=2, lines=3, fault="is cut"),
        errors.RejectedLineError(
            source="a", line=1, code="c", reason="r", json_path=None
        ),
        errors.MissingPackageError("obstore", ">=0.12,<0.13"),
        errors.OptionError("every", "x", expected="y"),
        errors.UnknownOptionError("evry", owner="cost", known=["every"]),
        errors.NotEmptyError("out"),
        errors.BusyError("out", holder="process 1"),
        errors.WriteError("out", cause=OSError(errno.ENOSPC, "No space left")),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_an_error_is_the_same_in_another_process(
    error: ToolkitError, protocol: int
) -> None:
    copy = pickle.loads(pickle.dumps(error, protocol))

    assert type(copy) is type(error)
    assert (str(copy), copy.args, vars(copy)) == (str(error), error.args, vars(error))
    assert getattr(copy, "errno", None) == getattr(error, "errno", None)


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ("1week", "'1week'"),
        (["model", 1], "['model', 1]"),
        ({}, "{}"),
        ({"team": "metadata.team"}, "{'team': 'metadata.team'}"),
        (None, "None"),
        (Path("a"), repr(Path("a"))),
        (b"secret", "bytes"),
        ([{"content": "secret"}], "list"),
        ({"messages": [{"content": "secret"}]}, "dict"),
        (pl.DataFrame({"content": ["secret"]}), "DataFrame"),
        (pl.Series(["secret"]), "Series"),
    ],
)
def test_a_wrong_value_is_shown_only_if_it_is_plain(value: object, got: str) -> None:
    error = OptionError("every", value, expected="a period")

    assert str(error) == f"every: expected a period, got {got}"


def test_a_wrong_type_is_shown_without_the_value() -> None:
    error = OptionTypeError("tags", ["secret"], expected="a mapping", hint=": use {}")

    assert str(error) == "tags: expected a mapping, got list: use {}"
    assert isinstance(error, TypeError)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    cause = FileNotFoundError(errno.ENOENT, "No such file or directory")
    there, lost = tmp_path / "x.html", tmp_path / "lost" / "x.html"

    assert str(WriteError(str(lost), cause=cause)) == (
        f"{lost}: cannot write: the directory {lost.parent} does not exist"
    )
    assert str(WriteError(str(there), cause=cause)).endswith(
        "No such file or directory"
    )


@pytest.mark.parametrize(
    ("word", "known", "likely"),
    [
        ("TOKEN_USAGE", ["cost", "token_usage"], "token_usage"),
        ("id", ["log_id", "response_id", "provider"], "response_id"),
        ("tier", ["service_tier", "line"], "service_tier"),
        ("Team", ["tag_team", "line"], "tag_team"),
        # Not custom_id, which is less like the name of the tag.
        ("customer", ["custom_id", "tag_customer_id"], "tag_customer_id"),
    ],
)
def test_a_suggestion_ignores_case_and_missing_words(
    word: str, known: list[str], likely: str
) -> None:
    assert near_miss(word, known) == f" (did you mean {likely!r}?)"
    assert near_miss("xyz", known) == ""
