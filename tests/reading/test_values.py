"""Every path of every column, with every type of value, through whole logs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

import toolkit
from tests.reading.test_fuzz import FULL, SHORT, agreed_log, codes, write_log
from tests.support.oracle import COLUMNS
from tests.support.paths import READ, envelope_of, place_of
from toolkit.schema import CHOICES, REJECTS, Column

pytestmark = pytest.mark.both_decoders

MISSING = "missing"
LARGE, HUGE = "10000000000000", "9" * 5000
VALUES = (
    *("null", MISSING, '""', "0", "-1", "1.5", "true", '"string"'),
    *("[]", "[1]", "[{}]", "{}", '{"a":1}', LARGE, HUGE),
)
# Not columns by themselves, but read: what a call of a tool is made of.
CALL = [
    (CHOICES["tool_calls"], f"message.{path}")
    for path in (
        *("tool_calls[].id", "tool_calls[].type", "tool_calls[].function"),
        *("tool_calls[].function.name", "tool_calls[].function.arguments"),
        *(
            "tool_calls[].custom",
            "tool_calls[].custom.name",
            "tool_calls[].custom.input",
        ),
        *("function_call.name", "function_call.arguments"),
    )
]
PATHS = sorted(
    {
        (root, ".".join(path.split(".")[:keys]))
        for root, path in (place_of(*read) for read in READ + CALL)
        for keys in range(1, path.count(".") + 2)
    }
)
BARE = {"object": "chat.completion", "choices": [{}]}


def line_with(root: str, path: str, text: str, response: Any = BARE) -> bytes:
    """Put a value at a path of a response, in an envelope if the path needs one."""
    line = line_around(root, path, json.dumps(response), is_there=text != MISSING)
    return line.replace('"@"', text).encode()


@cache
def line_around(root: str, path: str, response: str, *, is_there: bool) -> str:
    """Return the line with "@" for the value, or without the last key of the path."""
    line = json.loads(response)
    holder = line
    for key in reversed(envelope_of(root)):
        line = holder = {key: line}
    if root == "choice":
        holder = line["choices"][0]
    *above, last = path.split(".")
    for key in above:
        holder = below(holder, key)
    if is_there:
        holder[last.removesuffix("[]")] = "@"
    else:
        holder.pop(last.removesuffix("[]"), None)
    return json.dumps(line)


def below(holder: Any, key: str) -> Any:
    """Return the object under a key, made if there is none; of a list a first item."""
    name = key.removesuffix("[]")
    expected: type = list if key.endswith("[]") else dict
    if not isinstance(holder.get(name), expected):
        holder[name] = expected()
    if expected is dict:
        return holder[name]
    holder[name].insert(0, {"type": "thinking"})
    return holder[name][0]


BAD_AND_GOOD = [
    line_with(root, path, text, response)
    for response in (BARE, FULL)
    for root, path in PATHS
    for text in VALUES
]
CLEAN = [json.dumps(value).encode() for value in (FULL, SHORT, BARE)] * 20


def in_order(name: str) -> list[bytes]:
    """Return the lines, the bad ones first, last, mixed or alone."""
    mixed = BAD_AND_GOOD + CLEAN
    Random(0).shuffle(mixed)
    some = BAD_AND_GOOD[::4]
    orders = {
        "bad first": some + CLEAN,
        "bad last": CLEAN + some,
        "mixed": mixed,
        "bad alone": BAD_AND_GOOD,
    }
    return orders[name]


@pytest.mark.parametrize("order", ["bad first", "bad last", "mixed", "bad alone"])
def test_each_value_at_each_path_is_what_the_oracle_says_in_the_same_schema(
    order: str, tmp_path: Path
) -> None:
    log = agreed_log(tmp_path / "log.jsonl", in_order(order))
    clean = toolkit.load(write_log(tmp_path / "clean.jsonl", CLEAN))

    assert codes(clean) == {}
    assert codes(log).keys() == {"wrong_type", "out_of_range"}
    assert log.ledger["responses"].item() > len(PATHS)
    assert log.choices.schema.equals(clean.choices.schema, check_metadata=True)
    assert log.choices.schema.equals(CHOICES.arrow, check_metadata=True)
    assert log.rejects.schema == REJECTS.polars
    assert log.frame.schema == clean.frame.schema == CHOICES.polars


def test_the_oracle_has_the_columns_of_the_schema_in_their_order() -> None:
    given = [column.name for column in CHOICES.columns if column.kind == "given"]

    names = [*given[:3], "choice_position", *COLUMNS]

    assert names == CHOICES.names
    grains = {column.name: column.grain for column in CHOICES.columns[4:]}
    # Belong to the response, but start at the line or at both.
    outer = {**dict.fromkeys("WP", "R"), "V": "U"}
    found = {name: outer.get(grain, grain) for name, (grain, _) in COLUMNS.items()}
    assert found == grains


# Worked by hand. What is not here is of the wrong type, null and missing are null.
FAULTS = {
    "count": {"-1": "out_of_range", LARGE: "out_of_range", HUGE: "out_of_range"},
    "number": {HUGE: "out_of_range"},
    "timestamp": {"-1": "out_of_range", LARGE: "out_of_range", HUGE: "out_of_range"},
}
FAULTS["timestamp_problem"] = FAULTS["timestamp"]
STRINGS = {'""', '"string"'}
TAKEN = {
    "string": STRINGS,
    "text": STRINGS,
    "label": {*STRINGS, "0", "-1", "1.5", "true", LARGE, HUGE},
    "content": {*STRINGS, "[]", "[{}]", "{}", '{"a":1}'},
    "characters": {*STRINGS, "[]", "[{}]", "{}", '{"a":1}'},
    "tool_calls": {"[]", "[{}]", "{}"},
    "items": set(VALUES),
    "logprob_sum": set(VALUES),
    "count": {"0"},
    "number": {"0", "-1", "1.5", LARGE},
    "timestamp": {'""', "0", "1.5"},
    "flag": set(VALUES),
    "marker": set(VALUES),
    # Paths that are not as their kind.
    "usage.cost": {"0", "-1", "1.5", LARGE, "{}", '{"a":1}'},
    "message.function_call": {"{}", '{"a":1}'},
}
TAKEN["finish_reason"] = TAKEN["label"]
TAKEN["timestamp_problem"] = TAKEN["timestamp"]
# Of a list at these it is an item that is of the wrong type.
WITH_ITEMS = ("message.content", "message.tool_calls[]", "message.content[].thinking")


@pytest.mark.parametrize(
    ("column", "path"),
    [
        pytest.param(column, path, id=f"{column.name}-{path}")
        for column, path in READ
        if column.kind != "marker"  # where other columns are read
    ],
)
def test_a_reject_names_the_field_and_its_code(
    column: Column, path: str, tmp_path: Path
) -> None:
    root, place = place_of(column, path)
    taken = TAKEN.get(place, TAKEN[column.kind]) | {"null", MISSING}
    taken = set(VALUES) if "?" in path else taken
    lines = [line_with(root, place, text) for text in VALUES]
    field = place.replace("content[]", "content[0]").removesuffix("[]")
    where = f"choices[0].{field}" if root == "choice" else field
    item = "[0]" if place in WITH_ITEMS else ""
    expected = [
        (
            line,
            FAULTS.get(column.kind, {}).get(text, "wrong_type"),
            where + (item if text == "[1]" else ""),
        )
        for line, text in enumerate(VALUES, start=2)
        if text not in taken
    ]

    log = toolkit.load(write_log(tmp_path / "log.jsonl", lines))

    found = log.rejects.select(["line", "code", "json_path"]).to_dicts()
    assert [tuple(reject.values()) for reject in found] == expected


@pytest.mark.parametrize("custom", ["null", "5", '""', '{"name":5,"input":5}'])
def test_of_a_whole_call_of_a_function_what_else_it_holds_is_unread(
    custom: str, tmp_path: Path
) -> None:
    call = '{"function":{"name":"f","arguments":"{}"},"custom":' + custom + "}"
    line = line_with("choice", "message.tool_calls", f"[{call}]")

    log = agreed_log(tmp_path / "log.jsonl", [line])

    (calls,) = log.choices["tool_calls"].to_pylist()
    assert calls == [{"id": None, "type": None, "name": "f", "arguments": "{}"}]


@pytest.mark.parametrize("thinking", ["[]", "[{}]", '[{"type":"image","text":"a"}]'])
def test_a_thinking_part_without_text_is_null_as_content_without_text_is(
    thinking: str, tmp_path: Path
) -> None:
    line = line_with("choice", "message.content[].thinking", thinking)

    log = agreed_log(tmp_path / "log.jsonl", [line])

    assert log.choices["reasoning_content"].to_pylist() == [None]
