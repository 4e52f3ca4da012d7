"""A small valid response: `make_response`."""

from __future__ import annotations


def make_response(*, n: int = 1, **fields: object) -> dict[str, object]:
    """Return a small valid chat completion response.

    Parameters
    ----------
    n
        Number of choices.
    **fields
        Top-level fields, added to the defaults or replacing them.

    Examples
    --------
    >>> response = make_response(model="gpt-b")
    >>> response["model"], response["created"]
    ('gpt-b', 1767225600)
    >>> response["usage"]
    {'prompt_tokens': 10, 'completion_tokens': 5, 'total_tokens': 15}
    """
    message = {"role": "assistant", "content": "Hello."}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_767_225_600,  # 2026-01-01T00:00:00Z
        "model": "gpt-a",
        "choices": [
            {"index": index, "message": {**message}, "finish_reason": "stop"}
            for index in range(n)
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        **fields,
    }
