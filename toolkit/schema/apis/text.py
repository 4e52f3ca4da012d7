"""Text completions of OpenAI: chat completions with a text instead of a message."""

from __future__ import annotations

from dataclasses import replace

from toolkit.schema.api import has, lacks
from toolkit.schema.apis.chat import CHAT, NO_MESSAGE, NOT_FINISHED

_NAMED = has("object", "text_completion")
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
        (*CHAT.tests[0], NO_MESSAGE, has("(choice).text")),
        (*CHAT.tests[0], NO_MESSAGE, _NAMED),
    ),
    unless=(),
    chunks=(
        *CHAT.chunks,
        (_NAMED, lacks("choices", type="empty"), NOT_FINISHED),
        (_NAMED, lacks("usage"), lacks("(choice).text", type="filled")),
    ),
    paths={**_NOT_OF_MESSAGE, "content": ("text",)},
    tool_calls=(),
)
