"""Write the declarations of the APIs as Markdown: tests, paths, words, envelopes."""

from __future__ import annotations

import html
import importlib
import inspect
import re
from typing import TYPE_CHECKING

from toolkit.schema.apis import APIS, CHUNK_APIS, ENVELOPES
from toolkit.schema.apis.chat import CHAT_CHUNK
from toolkit.schema.paths import write_path
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from toolkit.schema.api import Api, Condition, Test
    from toolkit.schema.paths import Steps

TYPES = {
    "object": "an object",
    "objects": "a list of objects",
    "list": "a list",
    "empty": "an empty list",
    "string": "a string",
    "boolean": "a boolean",
    "filled": 'not `""`',
}
# By name: of several declarations the last, whose paths `Column.paths_by_api` has.
BY_NAME = {api.name: api for api in APIS}


def in_cell(text: str) -> str:
    """Write text for a cell of a table: a bar would end it, also in code."""
    return re.sub(
        r"`([^`]*[|][^`]*)`",
        lambda found: f"<code>{html.escape(found[1]).replace('|', '&#124;')}</code>",
        text,
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a table of Markdown."""
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(map(in_cell, line))} |" for line in lines)


def _words_of_path(steps: Steps) -> str:
    """Write a path, also through the items of a list."""
    path = write_path(steps.keys)
    if steps.items is None:
        return path
    return f"{path}[].{'|'.join(map(_words_of_path, steps.items.then))}"


def _words_of_test(test: Test) -> str:
    """Write a test as a condition."""
    root, path = test.path.root, _words_of_path(test.path.steps)
    words = [f"`{word}`" for word in test.words] or [TYPES.get(test.type, "")]
    kind = " or ".join(filter(None, words))
    if root == "choice":
        which = "a choice has" if test.expected else "no choice has"
        return f"{which} `{path}`" + (f" that is {kind}" if kind else "")
    if root == "at":
        has = "has" if test.expected else "has no"
        place = write_path(test.path.at)
        return f"the response is at `{place}` of a line that {has} `{path}`"
    if test.type == "filled":
        return (
            f"`{path}` is present"
            if test.expected
            else f'`{path}` is missing, null or `""`'
        )
    if test.expected:
        return f"`{path}` is {kind or 'present'}"
    return f"`{path}` is {f'not {kind}' if kind else 'missing or null'}"


def _alternatives(condition: Condition) -> list[str]:
    """Write the alternatives of a condition."""
    return [" and ".join(map(_words_of_test, tests)) for tests in condition]


def _paragraphs(api: Api) -> list[str]:
    """Return the docstring of an API's module, a line for each paragraph."""
    module = importlib.import_module(f"toolkit.schema.apis.{api.name}")
    parts = (inspect.getdoc(module) or "").split("\n\n")
    return [part.replace("\n", " ") for part in parts]


def api_table() -> str:
    """Return the table of the APIs: how each is recognized, and what it counts."""
    rows = [
        (
            f"[{api.title}](reference/apis.md#{api.name})",
            f"`{api.name}`",
            "; or ".join(_alternatives(api.tests)),
            " ".join(_paragraphs(api)),
        )
        for api in BY_NAME.values()
    ]
    return table(("API", "column `api`", "a response is an object where", "what"), rows)


def envelope_table() -> str:
    """Return the table of the envelopes, in the order in which they are tried."""
    rows = [(f"`{path}`", logs) for path, logs in ENVELOPES.items()]
    return table(("the response is at", "in"), rows)


def column_table() -> str:
    """Return the table of the columns that each API fills."""
    rows = []
    for column in CHOICES.columns:
        paths = column.paths_by_api
        other = "sum" if column.adds else "line" if column.paths else ""
        own = {
            name
            for name, written in paths.items()
            if not all(path.startswith("(") for path in written)  # of the line
        }
        cells = ["yes" if name in own else other for name in BY_NAME]
        if "yes" in cells:
            rows.append((f"`{column.name}`", *cells))
    return table(("column", *(f"`{name}`" for name in BY_NAME)), rows)


def _path_rows(api: Api) -> dict[str, str]:
    """Return where the columns of an API are read, by their names."""
    found: dict[str, list[str]] = {}
    for column in CHOICES.columns:
        paths = column.paths_by_api.get(api.name, [])
        words = ", else ".join(f"`{path}`" for path in paths)
        if not paths and column.adds:
            words = " + ".join(f"`{name}`" for name in column.adds)
        if words and column.kind != "tool_calls":
            found.setdefault(words, []).append(f"`{column.name}`")
    return {", ".join(names): words for words, names in found.items()}


def _path_table(api: Api) -> Iterator[str]:
    """Yield the paths of an API, or how they differ from those of one before it."""
    rows = _path_rows(api)
    names = list(BY_NAME)
    for other in names[: names.index(api.name)]:
        others = _path_rows(BY_NAME[other])
        if len(rows.items() & others.items()) > len(rows) / 2:
            lacking = ", ".join(name for name in others if name not in rows)
            same = rows.items() & others.items()
            rows = {name: rows[name] for name in rows if (name, rows[name]) not in same}
            yield f"The columns are read as for [`{other}`](#{other}), except these:"
            rows[lacking] = "null"
    yield table(("column", "where it is read"), rows.items())


def _call_table(api: Api) -> str:
    """Return where the tool calls are, and the fields of a call."""
    names = ("id", "type", "name", "arguments")
    places = CHOICES["tool_calls"].paths_by_api[api.name]
    rows = [[f"`{place}`"] for place in places]
    for row, calls in zip(rows, api.tool_calls, strict=True):
        for name in names:
            paths = getattr(calls, name).split("|")
            row.append(", else ".join(f"`{path}`" for path in paths if path))
    return table(("`tool_calls`", *(f"`{name}`" for name in names)), rows)


def _word_table(api: Api) -> str:
    """Return the words of `finish_reason`, and which of the API's own they are for."""
    words: dict[str, list[str]] = {}
    for native, word in api.finish_reasons.items():
        words.setdefault(word, []).append(f"`{native}`")
    rows = [(f"`{word}`", ", ".join(native)) for word, native in words.items()]
    return table(("`finish_reason`", "for"), rows)


def _tests_of_chunks(form: Api) -> list[str]:
    """Write the tests of chunks, in short where chunks of chat have them too."""
    chat = [frozenset(tests) for tests in CHAT_CHUNK.tests]
    others = [
        tuple(test for test in tests if test not in chat[0])
        for tests in form.tests
        if chat[0] < set(tests)
    ]
    as_chat = {tests.union(other) for other in others for tests in chat}
    own = tuple(tests for tests in form.tests if frozenset(tests) not in as_chat)
    words = _alternatives(tuple(others))
    return [f"{text} and it is like a chunk of `chat`" for text in words] + (
        _alternatives(own)
    )


def _chunk_table(api: Api) -> str:
    """Return how chunks are recognized, and where they have other paths."""
    known = [form.paths for form in APIS if form.name == api.name]
    rows = []
    for form in CHUNK_APIS:
        if form.name != api.name:
            continue
        only = " (in a line with a whole stream)" * (form.stream == "carriers")
        words = _tests_of_chunks(form)
        rows += zip([form.title + only, *["or"] * (len(words) - 1)], words, strict=True)
        start = f"{api.choices}[]." if api.choices else ""
        for name in ("content", "prompt_tokens", "completion_tokens"):
            at = start if CHOICES[name].grain == "C" else ""
            if all(paths[name] != form.paths[name] for paths in known):
                paths = ", else ".join(f"`{at}{path}`" for path in form.paths[name])
                rows.append((f"its `{name}`", paths))
    return table(("a chunk", "where"), rows) if rows else ""


def _section(api: Api) -> Iterator[str]:
    """Yield the declaration of an API."""
    yield f"## `{api.name}`"
    yield from _paragraphs(api)
    forms = [each for each in APIS if each.name == api.name]
    chunk_tests = {
        tests for form in CHUNK_APIS if form.name == api.name for tests in form.tests
    }
    unless = [tests for form in forms for tests in form.unless]
    facts = {
        "a response": [form.tests for form in forms],
        "but not": [tuple(tests for tests in unless if tests not in chunk_tests)],
        "`stream_chunk`": [form.chunks for form in forms],
        "`error_response`": [form.errors for form in forms],
    }
    rows = [
        (title if place == 0 else "or", words)
        for title, conditions in facts.items()
        for place, words in enumerate(_alternatives(sum(conditions, ())))
    ]
    choices = (
        f"`{api.choices}`, a list of objects" if api.choices else "the response itself"
    )
    yield table(("an object is", "where"), [*rows, ("its choices", choices)])
    yield from _path_table(api)
    yield _call_table(api) if api.tool_calls else ""
    yield _word_table(api) if api.finish_reasons else ""
    yield _chunk_table(api)


def api_sections() -> Iterator[str]:
    """Yield the declarations of all APIs."""
    for api in BY_NAME.values():
        yield from _section(api)
