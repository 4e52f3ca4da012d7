"""Lines of the shapes that cost something else than their tokens, by name."""

from __future__ import annotations

from typing import Any

from toolkit.testing import make_response


def _used(**usage: object) -> dict[str, Any]:
    """Return a response with 10 prompt and 5 completion tokens, and more usage."""
    tokens = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return make_response(usage={**tokens, **usage})


_DELTA = {"role": "assistant", "content": "Hel"}
_PIECE = {"index": 0, "delta": _DELTA, "message": _DELTA, "finish_reason": None}
_TEXT = {"index": 0, "text": "Hello.", "finish_reason": "stop", "logprobs": None}
_ANSWER = {"status_code": 200, "request_id": "r", "body": _used()}
_UPSTREAM = {"upstream_inference_cost": 0.5}

LINES: dict[str, dict[str, Any]] = {
    "batch": {"id": "batch_req_1", "custom_id": "task-1", "response": _ANSWER},
    "own_key": _used(cost=0, is_byok=True, cost_details=_UPSTREAM),
    "own_key_unknown": _used(cost=0, is_byok=True),
    "one_hour_write": _used(
        cache_creation_input_tokens=8,
        cache_creation={"ephemeral_1h_input_tokens": 8},
    ),
    "searches": _used(num_search_queries=2, search_context_size="low"),
    "ticks": _used(cost_in_usd_ticks=37_756_000),  # 0.0037756 USD
    "proxy": {"cache_hit": False, "response_cost": 0.25, "response": _used()},
    "proxy_cache_hit": {"cache_hit": True, "response_cost": 0.0, "response": _used()},
    "text_completion": {**_used(), "object": "text_completion", "choices": [_TEXT]},
    "chunk_with_message": {
        **_used(),
        "id": "chatcmpl-2",
        "object": "chat.completion.chunk",
        "choices": [_PIECE],
    },
}
