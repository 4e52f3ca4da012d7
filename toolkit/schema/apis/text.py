"""Text completions of OpenAI: chat completions with a text instead of a message."""

from __future__ import annotations

from dataclasses import replace

from toolkit.schema.api import has, lacks
from toolkit.schema.apis.chat import CHAT

_NAMED = has("object", "text_completion")
_NO_MESSAGE = lacks("(choice).message")
_NOT_OF_MESSAGE = {
    name: paths
    for name, paths in CHAT.paths.items()
    if not str(paths[0]).startswith("message.")
}

TEXT = replace(
    CHAT,
    name="text",
    title="Text completions",
    tests=(
        (has("choices", type="list"), _NO_MESSAGE, has("(choice).text")),
        (has("choices", type="list"), _NO_MESSAGE, _NAMED),
    ),
    unless=(),
    chunks=(
        *CHAT.chunks,
        (
            _NAMED,
            lacks("choices", type="empty"),
            lacks("(choice).finish_reason", type="filled"),
        ),
        (_NAMED, lacks("usage"), lacks("(choice).text", type="filled")),
    ),
    paths={**_NOT_OF_MESSAGE, "content": ("text",)},
    tool_calls=(),
)
