"""A report as JSON: its schema, exact amounts, and nothing that is not ASCII."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.report import example
from toolkit.report.model import SCHEMA_VERSION

SCHEMA = json.loads(Path("docs/report.schema.json").read_text(encoding="utf-8"))
EXAMPLES = ["example", "hostile", "one_model", "many_models", "no_prices"]


def closed(schema: Any) -> Any:
    """Return a schema that allows no key beside those that it names."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    if "properties" in found and found.get("type") == "object":
        found["additionalProperties"] = False
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_report_is_valid_and_every_key_is_in_the_schema(name: str) -> None:
    text = getattr(example, name)().json()

    assert text.isascii()
    jsonschema.validate(json.loads(text), closed(SCHEMA))


def test_amounts_are_exact_and_figures_have_their_bound() -> None:
    data = json.loads(example.example().json())

    assert data["schema_version"] == SCHEMA_VERSION == 2
    cost = data["figures"][0]
    assert cost["value"] == {"value": "0.85131", "bound": "lower"}
    rows = {row["name"]: row for row in data["models"]["rows"]}
    assert rows["deepseek-r1"]["cost"] == {"value": None, "bound": "unknown"}
    assert data["range"]["since"] == "2026-11-02T00:00:00+00:00"
    assert data["course"]["starts"][0] == "2026-09-14"
    assert data["colors"]["gpt-4o"] == "a1"


def test_data_has_the_numbers_as_python_has_them() -> None:
    data = example.example().data()
    assert data["figures"][0]["value"]["value"] == Decimal("0.85131")


def test_what_is_not_in_the_schema_is_an_error() -> None:
    data = json.loads(example.example().json())
    del data["answer"]["headline"]
    with pytest.raises(jsonschema.ValidationError, match="headline"):
        jsonschema.validate(data, SCHEMA)
    with pytest.raises(jsonschema.ValidationError, match="version"):
        jsonschema.validate({**data, "schema_version": 1}, SCHEMA)
