"""One definition of each table."""

from __future__ import annotations

import json

import polars as pl
import pyarrow as pa
import pytest

import toolkit
from toolkit.errors import OptionError
from toolkit.schema import CHOICES, TABLES, Table, choices_table
from toolkit.schema.paths import parse_path, write_path


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_frames_of_arrow_and_polars_agree(table: object) -> None:
    assert isinstance(table, type(CHOICES))

    assert pl.DataFrame(table.arrow.empty_table()).schema == table.polars
    assert len(set(table.names)) == len(table.names)


def test_every_field_carries_its_declaration() -> None:
    field = CHOICES.arrow.field("cached_tokens")

    assert field.type == pa.int64()
    assert field.metadata[b"unit"] == b"tokens"
    assert field.metadata[b"grain"] == b"U"
    paths = json.loads(field.metadata[b"paths"])
    assert paths["chat"][0] == "usage.prompt_tokens_details.cached_tokens"
    assert paths["cohere"] == ["usage.cached_tokens"]
    assert paths.keys().isdisjoint({"any", "ollama"})
    calls = json.loads(CHOICES.arrow.field("tool_calls").metadata[b"paths"])
    assert calls["gemini"] == ["candidates[].content.parts[functionCall]"]
    assert all(column.description for table in TABLES for column in table.columns)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_repr_of_a_table_is_short(table: Table) -> None:
    text = repr(table)

    assert text.count("\n") < 3
    assert all(len(line) <= 88 for line in text.splitlines())
    assert f"{len(table.columns)} columns" in text
    assert all(name in text for name in table.key[:2])


def test_the_repr_of_a_column_is_one_line_without_its_defaults() -> None:
    assert repr(CHOICES["prompt_tokens"]) == (
        "<Column prompt_tokens: int64, U, tokens; "
        "prompt, with what was read from and written to a cache>"
    )
    assert all("\n" not in repr(column) for column in CHOICES.columns)


def test_the_modules_list_public_names_only() -> None:
    assert dir(toolkit.schema) == sorted(toolkit.schema.__all__)
    assert "CHOICES" in dir(toolkit.schema)
    assert "annotations" not in dir(toolkit.schema)


def test_paths_are_read_and_written_alike() -> None:
    keys = ("a", "b c", "d.e", 'f"g')

    assert parse_path(write_path(keys)) == keys
    assert write_path(("choices", 1, "message")) == "choices[1].message"


@pytest.mark.parametrize("path", ["", ".", "a.", "a..b", "a[0]", "a b", '["a"'])
def test_what_is_not_a_path_is_an_error(path: str) -> None:
    with pytest.raises(OptionError):
        parse_path(path)


def test_tags_follow_the_columns_of_the_table() -> None:
    table = choices_table({"team": "metadata.team"})

    assert table.names == [*CHOICES.names, "tag_team"]
    assert choices_table().names == CHOICES.names
