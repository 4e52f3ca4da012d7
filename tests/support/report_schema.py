"""The JSON Schema of a report, from its data classes: ``docs/report.schema.json``."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from toolkit.report.model import SCHEMA_VERSION, ReportContent

_ABOUT = f"""\
Money is text of US dollars, exact; times are ISO 8601. A figure is a value and what it
says about the true one: exact, a lower or an upper bound, approximate, or unknown
(null).
From the first release on, keys may be added, but none is removed or changes its meaning
while schema_version is {SCHEMA_VERSION}."""


def report_schema() -> dict[str, Any]:
    """Return the schema."""
    schema = TypeAdapter(ReportContent).json_schema(mode="serialization")
    for one in (schema, *schema["$defs"].values()):
        one["description"] = _first(one["description"])
        one["required"] = list(one["properties"])  # what has a default is written too
        for value in one["properties"].values():
            value.pop("title", None)
            value.pop("default", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": f"A report of completion-toolkit, version {SCHEMA_VERSION}",
        "description": " ".join(_ABOUT.split()),
        "properties": {
            "schema_version": {"const": SCHEMA_VERSION},
            **schema["properties"],
        },
        "required": ["schema_version", *schema["required"]],
    }


def _first(text: str) -> str:
    """Return a docstring without its sections, in one line."""
    before, is_cut, _ = text.partition("\n----")
    return " ".join((before.rpartition("\n\n")[0] if is_cut else text).split())
