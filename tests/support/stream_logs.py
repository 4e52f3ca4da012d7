"""Write chunks in each form of logging, and read logs of them as the assembler does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

import toolkit
from tests.support.assembler import COUNTS, FACTS, KINDS, TEXTS, Assembly, Response
from tests.support.stream_samples import dump
from toolkit.reading import decompression, framing

# --- Forms of logging (S2) ------------------------------------------------------------


def _list(chunks: Sequence[str]) -> str:
    return f"[{', '.join(chunks)}]"


def _text(chunks: Iterable[str], end: str = "\n") -> str:
    return "".join(f"data: {one}{end}{end}" for one in [*chunks, "[DONE]"])


def _events(chunks: Sequence[str]) -> list[str]:
    return [f"data: {one}\n\n" for one in chunks]


# A stream as lines of a log: the chunks are texts of JSON.
LINES: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "lines": list,
    "data lines": lambda chunks: [f"data: {one}" for one in chunks],
    "event lines": lambda chunks: _text(chunks).split("\n"),
    "lines in an envelope": lambda c: [f'{{"response": {{"body": {x}}}}}' for x in c],
    "lines as texts": lambda c: [f'{{"response": {dump(x)}}}' for x in c],
}
# A stream as one line.
CARRIERS: dict[str, Callable[[Sequence[str]], str]] = {
    "list": _list,
    "text": lambda chunks: dump(_text(chunks)),
    "text with CRLF": lambda chunks: dump(_text(chunks, "\r\n")),
    "text with CR": lambda chunks: dump(_text(chunks, "\r")),
    "text without blank lines": lambda chunks: dump(
        _text(chunks).replace("\n\n", "\n")
    ),
    "list of events": lambda chunks: dump(_events(chunks)),
    "raw events": lambda chunks: dump([{"raw": one} for one in _events(chunks)]),
    "chunks": lambda chunks: f'{{"chunks": {_list(chunks)}}}',
    "response_body.streamed_data": lambda chunks: (
        f'{{"response_body": {{"streamed_data": {_list(chunks)}}}}}'
    ),
    "streamed_data": lambda chunks: f'{{"a": 1, "streamed_data": {_list(chunks)}}}',
    "events": lambda chunks: f'{{"events": {dump(_events(chunks))}}}',
    "response.chunks": lambda chunks: f'{{"response": {{"chunks": {_list(chunks)}}}}}',
    "response.body": lambda chunks: f'{{"response": {{"body": {_list(chunks)}}}}}',
    "response.body, text": lambda c: dump({"response": {"body": _text(c)}}),
    "response, list as text": lambda chunks: dump({"response": _list(chunks)}),
}


# --- Logs -----------------------------------------------------------------------------


def write_set(folder: Path, *logs: Iterable[str]) -> list[Path]:
    """Write a log and its rotations, oldest first, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    ages = range(len(logs) - 1, -1, -1)
    paths = [folder / ("app.jsonl" + (f".{age}" if age else "")) for age in ages]
    for path, lines in zip(paths, logs, strict=True):
        data = "".join(f"{line}\n" for line in lines)
        path.write_text(data, encoding="utf-8", newline="\n")
    return paths


def read_small_blocks(patch: pytest.MonkeyPatch, size: int) -> None:
    """Read logs in blocks of about so many bytes, at least a line."""
    patch.setattr(decompression, "READ_BYTES", size)
    patch.setattr(framing, "BLOCK_BYTES", 1)


def read_logs(paths: Iterable[Path], **options: Any) -> Assembly:
    """Return what `toolkit.load` makes of logs, as the assembler says it."""
    return as_assembly(toolkit.load(list(paths), **options))


def as_assembly(log: toolkit.Loaded) -> Assembly:
    """Return rows and ledger as the assembler says them."""
    rows = log.choices.to_pylist()
    rows.sort(key=lambda row: (row["log_id"], row["line"], row["choice_position"]))
    return Assembly(
        [
            response_of(place, list(same))
            for place, same in groupby(rows, lambda row: (row["log_id"], row["line"]))
        ],
        [ledger_of(row) for row in log.ledger.to_dicts()],
    )


def response_of(place: tuple[int, int], rows: Sequence[dict[str, Any]]) -> Response:
    """Return the rows of one response."""
    first = rows[0]
    names = (
        *("response_id", *FACTS, "service_tier", "choice_count", "chunk_count"),
        *(*COUNTS, "reported_cost"),
    )
    created = first["created"]
    of_choice = (
        *("choice_index", "role", "finish_reason", "native_finish_reason", *TEXTS),
        *("content_chars", "logprob_tokens", "logprob_sum", "tool_calls"),
    )
    choices = [{name: row[name] for name in of_choice} for row in rows]
    for one in choices:
        # Added in another order when chunks are in other blocks.
        one["logprob_sum"] = one["logprob_sum"] and round(one["logprob_sum"], 9)
    columns = {name: first[name] for name in names}
    columns["created"] = created and round(created.timestamp() * 10**6)
    return Response(*place, columns, choices if first["choice_count"] else [])


def ledger_of(row: dict[str, Any]) -> Counter[str]:
    """Return the counts of a log that the assembler has, without zeros."""
    names = (*KINDS, "lines", "choices")
    tokens = ("prompt_tokens", "completion_tokens", "total_tokens")
    return Counter({name: row[name] for name in (*names, *tokens) if row[name]})


def differences(found: Assembly, expected: Assembly) -> list[Any]:
    """Return the first responses that differ and the ledgers, found and expected."""
    pairs = [*zip(found.responses, expected.responses, strict=False)]
    unlike = [(one, other) for one, other in pairs if one != other][:2]
    places = [[(r.log, r.line) for r in side.responses] for side in (found, expected)]
    ledgers = [[+counts for counts in side.ledgers] for side in (found, expected)]
    return [
        *unlike,
        *(places if places[0] != places[1] else []),
        *(ledgers if ledgers[0] != ledgers[1] else []),
    ]
