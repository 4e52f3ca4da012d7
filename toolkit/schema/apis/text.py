"""Text completions of OpenAI: chat completions with a text instead of a message."""

from __future__ import annotations

from dataclasses import replace

from toolkit.schema.api import has, lacks
from toolkit.schema.apis.chat import (
    CHAT,
    CHUNK_TESTS,
    NO_MESSAGE,
    NOT_FINISHED,
    paths_of_chunks,
)

_NAMED = (NO_MESSAGE, has("object", "text_completion"))
_TEXT = (NO_MESSAGE, has("(choice).text"))
_NOT_OF_MESSAGE = {
    name: paths
    for name, paths in CHAT.paths.items()
    if not str(paths[0]).startswith("message.")
}
_CHUNK_TESTS = (
    *((*_TEXT, *tests) for tests in CHUNK_TESTS),
    *((*_NAMED, *tests) for tests in CHUNK_TESTS),
    (*_NAMED, lacks("choices", type="empty"), NOT_FINISHED),
    (*_NAMED, lacks("usage"), lacks("(choice).text", type="filled")),
)

TEXT = replace(
    CHAT,
    name="text",
    title="Text completions",
    tests=((*CHAT.tests[0], *_TEXT), (*CHAT.tests[0], *_NAMED)),
    unless=_CHUNK_TESTS,
    paths={**_NOT_OF_MESSAGE, "content": ("text",)},
    tool_calls=(),
)
TEXT_CHUNK = replace(
    TEXT,
    title="Chunks of text completions",
    tests=_CHUNK_TESTS,
    unless=(),
    paths=paths_of_chunks(TEXT),
    stream="lines",
    ends_whole=True,
)
