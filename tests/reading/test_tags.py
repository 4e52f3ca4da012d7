"""A tag that is null in every line is named, with the keys that are there."""

from __future__ import annotations

import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import toolkit
from toolkit.errors import ToolkitWarning
from toolkit.testing import make_response

pytestmark = pytest.mark.both_decoders

METADATA = {"team": "search", "user_id": 1, "bad key!": 1, "a" * 41: 1}


def write_log(path: Path, count: int = 3, **fields: Any) -> Path:
    """Write responses in envelopes with fields beside them."""
    lines = [
        {
            "metadata": METADATA,
            "response": make_response(id=f"{path.name}-{n}"),
            **fields,
        }
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def messages(read: Any, *args: Any, **options: Any) -> list[str]:
    """Return the warnings of a call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read(*args, **options)
    assert all(issubclass(one.category, ToolkitWarning) for one in caught)
    return [str(one.message) for one in caught]


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("metadata.tem", "metadata are team, user_id, ... (did you mean 'team'?)"),
        ("metadata.x.y", "metadata are team, user_id, ..."),
        ("meta.team", "the line are metadata, response (did you mean 'metadata'?)"),
    ],
)
def test_a_tag_that_is_null_in_every_line_warns_once(
    tmp_path: Path, path: str, keys: str
) -> None:
    log = write_log(tmp_path / "a.jsonl")
    tags = {"team": path, "right": "metadata.team"}
    expected = [f"tag_team is null in every line: the keys of {keys}"]

    assert messages(toolkit.load, log, tags=tags) == expected
    assert messages(toolkit.check, log, tags=tags) == expected
    assert messages(toolkit.scan(log, tags=tags).collect) == expected
    assert messages(toolkit.export, log, to=tmp_path / "out", tags=tags) == expected
    file = tmp_path / "out.parquet"
    assert messages(toolkit.export, log, to=file, tags=tags) == expected


def test_a_key_that_is_there_but_null_is_not_suggested(tmp_path: Path) -> None:
    log = write_log(tmp_path / "a.jsonl", env=None)

    keys = "the keys of the line are metadata, response, env"
    expected = [f"tag_env is null in every line: {keys}"]
    assert messages(toolkit.load, log, tags={"env": "env"}) == expected


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("metadata", "metadata is an object, its keys are team, user_id, ..."),
        (
            "labels",
            "the keys of the line are metadata, response, labels; labels is a list",
        ),
        (
            "labels.x",
            "the keys of the line are metadata, response, labels; labels is a list",
        ),
    ],
)
def test_a_tag_that_is_an_object_or_a_list_is_null_and_warns(
    tmp_path: Path, path: str, where: str
) -> None:
    log = write_log(tmp_path / "a.jsonl", labels=["a", "b"])
    tags = {"t": path}

    assert messages(toolkit.load, log, tags=tags) == [
        f"tag_t is null in every line: {where}"
    ]


@pytest.mark.filterwarnings("ignore::toolkit.errors.ToolkitWarning")
@pytest.mark.parametrize("odd", [["a", "b"], [], {"a": 1}, {}])
@pytest.mark.parametrize("path", ["label", "label.x"])
def test_a_label_of_any_shape_does_not_change_the_bill(
    tmp_path: Path, odd: Any, path: str
) -> None:
    write_log(tmp_path / "a.jsonl", count=9, label="a")
    write_log(tmp_path / "b.jsonl", count=1, label=odd)

    tagged = toolkit.load(tmp_path, tags={"t": path})
    plain = toolkit.load(tmp_path)

    assert len(tagged.choices) == len(plain.choices) == 10
    assert len(tagged.rejects) == 0
    assert tagged.choices.drop_columns("tag_t").equals(plain.choices)
    labels = ["a"] * 9 if path == "label" else [None] * 9
    assert tagged.choices["tag_t"].to_pylist() == [*labels, None]


def test_a_tag_that_a_line_has_does_not_warn(tmp_path: Path) -> None:
    write_log(tmp_path / "a.jsonl", count=40)
    write_log(tmp_path / "b.jsonl", count=1, team="search")

    assert messages(toolkit.load, tmp_path, tags={"team": "team"}) == []


def test_logs_without_rows_do_not_warn(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n")

    assert messages(toolkit.load, tmp_path, tags={"team": "team"}) == []


def test_workers_warn_only_of_what_none_of_them_has_read(tmp_path: Path) -> None:
    write_log(tmp_path / "a.jsonl")
    write_log(tmp_path / "b.jsonl", count=1, team="search")
    tags = {"team": "team", "app": "metadata.app"}

    with ThreadPoolExecutor(2) as executor:
        found = messages(
            toolkit.export, tmp_path, to=tmp_path / "out", tags=tags, executor=executor
        )

    (message,) = found
    assert message.startswith("tag_app is null in every line: the keys of metadata are")
