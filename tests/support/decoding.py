"""Decode single lines, and return their rows or why they are rejected."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from toolkit.reading.blocks import Block, as_pieces, make_plan
from toolkit.reading.decoder import make_decoder

if TYPE_CHECKING:
    from toolkit.reading.blocks import Decoded, Plan
    from toolkit.reading.decoder import Decoder


def decode(*lines: object, plan: Plan | None = None, **options: Any) -> Decoded:
    """Decode one block of lines: bytes and JSON text as they are, others dumped."""
    texts = [line if isinstance(line, bytes | str) else dump(line) for line in lines]
    data = b"".join(
        (text.encode() if isinstance(text, str) else text) + b"\n" for text in texts
    )
    return decode_block(data, plan=plan, **options)


def decode_block(
    data: bytes, *, tail: bool = False, plan: Plan | None = None, **options: Any
) -> Decoded:
    """Decode the bytes of a log."""
    block = Block(0, "made.jsonl", as_pieces(data), 1, 0, len(data), len(data), tail)
    decoder = make_decoder(plan) if plan else _decoder(json.dumps(options))
    return decoder.decode(block)


@lru_cache(maxsize=16)
def _decoder(options: str) -> Decoder:
    return make_decoder(make_plan(**json.loads(options)))


def dump(value: object) -> str:
    """Write a value as JSON."""
    return json.dumps(value, ensure_ascii=False)


def rows(line: object, **options: Any) -> list[dict[str, Any]]:
    """Return the rows of a line that must be accepted."""
    decoded = decode(line, **options)
    assert decoded.rejects.to_pylist() == []
    assert (decoded.chunks, decoded.chunk_rows) == (0, None)
    return decoded.choices.to_pylist()


def chunk_rows(line: object, **options: Any) -> list[dict[str, Any]]:
    """Return the rows of a line that must be a chunk of a streamed response."""
    decoded = decode(line, **options)
    assert decoded.rejects.to_pylist() == []
    assert decoded.choices.num_rows == 0
    assert (decoded.lines, decoded.chunks) == (1, 1)
    assert decoded.chunk_rows is not None
    return decoded.chunk_rows.to_pylist()


def fault(line: object, **options: Any) -> tuple[str, str | None]:
    """Return code and path of a line that must be rejected, and give no row."""
    decoded = decode(line, **options)
    assert decoded.choices.num_rows == 0
    assert (decoded.chunks, decoded.chunk_rows) == (0, None)
    (reject,) = decoded.rejects.to_pylist()
    return reject["code"], reject["json_path"]


def code(line: object, **options: Any) -> str:
    """Return the code of a line that must be rejected."""
    return fault(line, **options)[0]


def nest(path: str, value: object) -> dict[str, Any]:
    """Return an object with a value at a path."""
    for key in reversed(path.split(".")):
        value = {key: value}
    return value  # type: ignore[return-value]
