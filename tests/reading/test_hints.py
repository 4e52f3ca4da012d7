"""A file that is not a log gives rejects and one sentence that says what it is."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
import sqlite3
import tarfile
import zipfile
from bz2 import compress as bzip2
from concurrent.futures import ThreadPoolExecutor
from lzma import compress as xz
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl
import pytest

import toolkit
from toolkit.errors import RejectsWarning
from toolkit.reading.hints import Looks, line_looks_like, looks_like
from toolkit.testing import make_response

pytestmark = pytest.mark.both_decoders

RESPONSE = make_response()
LINE = json.dumps(RESPONSE)


def picture() -> bytes:
    """Return a PNG."""
    file = io.BytesIO()
    figure = plt.figure(figsize=(1, 1))
    figure.savefig(file, format="png")
    plt.close(figure)
    return file.getvalue()


def frame_file(kind: str) -> bytes:
    """Return a small frame as a file of the kind."""
    file = io.BytesIO()
    frame = pl.DataFrame({"a": [1, 2, 3]})
    frame.write_parquet(file) if kind == "parquet" else frame.write_ipc(file)
    return file.getvalue()


def archive(kind: str) -> bytes:
    """Return a log in an archive."""
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as zipped:
            zipped.writestr("a.jsonl", LINE)
    else:
        with tarfile.open(fileobj=file, mode="w") as tar:
            member = tarfile.TarInfo("a.jsonl")
            member.size = len(LINE)
            tar.addfile(member, io.BytesIO(LINE.encode()))
    return file.getvalue()


def database() -> bytes:
    """Return an SQLite database."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("create table log (line text)")
        return connection.serialize()


FILES = {
    "one JSON array": json.dumps([RESPONSE, RESPONSE]),
    "one JSON array: ": json.dumps([RESPONSE], indent=2),
    "JSON over many lines": json.dumps(RESPONSE, indent=2),
    "server-sent events": 'data: {"id":\ndata: "a"}\n\n',
    "UTF-16": f"{LINE}\n".encode("utf-16"),
    "UTF-16: ": f"{LINE}\n".encode("utf-16-le"),
    "UTF-16: convert": f"{LINE}\n".encode("utf-16-be"),
    "an HTML page": "\n<!DOCTYPE html>\n<html><body>502 Bad Gateway</body></html>\n",
    "XML": '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>\n',
    "a picture": picture(),
    "Parquet": frame_file("parquet"),
    "an Arrow file": frame_file("ipc"),
    "an SQLite database": database(),
    "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    "a zip archive": archive("zip"),
    "a tar archive": archive("tar"),
    "bzip2": bzip2(LINE.encode()),
    "xz": xz(LINE.encode()),
    "compressed twice": gzip.compress(gzip.compress(LINE.encode())),
    "Python's repr": f"{RESPONSE!r}\n",
    "JSON text sequences": f"\x1e{LINE}\n\x1e{LINE}\n",
    "lines that end in CR": f"{LINE}\r{LINE}\r",
    "requests": '{"model": "m", "messages": [{"role": "user", "content": "hi"}]}\n',
    "JSON after other text": f"2026-11-22 10:00:00 INFO {LINE}\n",
    "CSV with counts of tokens": "day,model,tokens_prompt,cost\n2026-11-22,m,5,0.1\n",
}


@pytest.mark.parametrize("looks", FILES)
def test_a_file_that_is_no_log_is_rejects_and_one_hint(
    tmp_path: Path, looks: str
) -> None:
    path = tmp_path / "a.jsonl"
    made = FILES[looks]
    path.write_bytes(made if isinstance(made, bytes) else made.encode())

    with pytest.warns(RejectsWarning, match=r"looks like") as warned:
        log = toolkit.load(path)

    hint = log.ledger["hint"].item()
    assert hint.startswith(f"looks like {looks.rstrip(': ')}")
    assert ": " in hint  # and what to do
    assert len(log) == 0
    assert log.rejects.height == log.ledger["lines"].item() - log.ledger["blank"].item()
    assert len(warned) == 1
    assert f"{path} {hint}" in str(warned[0].message)
    assert repr(log).splitlines()[-1].split(None, 1) == ["hint", f"{path} {hint}"]


def test_there_is_one_hint_for_each_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps([RESPONSE]))
    (tmp_path / "b.jsonl").write_text(LINE + "\n")
    (tmp_path / "c.jsonl").write_text(json.dumps(RESPONSE, indent=1))

    with pytest.warns(RejectsWarning, match=r"and 1 more log"):
        log = toolkit.load(tmp_path)

    assert log.ledger["hint"].is_null().to_list() == [False, True, False]


def test_a_log_with_responses_has_a_hint_only_for_rejected_lines(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.jsonl").write_text(f"<!doctype html>\n<html></html>\n{LINE}\n")
    (tmp_path / "b.jsonl").write_text(f"{LINE}\n")

    log = toolkit.load(tmp_path)

    first, second = log.ledger["hint"]
    assert first.startswith("has 2 lines that look like an HTML page")
    assert second is None
    assert log.rejects.height == 2


# Rejected lines beside a response, and what they look like.
LINES = {
    "an array, an item a line": ("[\n", "one JSON array"),
    "an array": (json.dumps([RESPONSE, RESPONSE]), "one JSON array"),
    "its items": (LINE + ",", "one JSON array without brackets"),
    "pretty": (json.dumps(RESPONSE, indent=1), "JSON over many lines"),
    "two on a line": (LINE + LINE, "several responses on a line"),
    "in a string": (json.dumps('{"a": 1}'), "JSON in a string"),
    "text before": (f"2026-10-05T10:00Z stdout F {LINE}", "JSON after other text"),
    "level before": (f"[INFO] 10:00 {LINE}", "JSON after other text"),
    "csv": ('1,"{""id"": ""a"", ""choices"": []}"', "CSV"),
    "stream": ('data: {"id":', "server-sent events"),
    "mark": ("\ufeff" + LINE, "a byte-order mark within the log"),
    "repr": (f"{RESPONSE!r}", "Python's repr"),
    "model": ("ChatCompletion(id='a', choices=[])", "Python's repr"),
    "nan": (LINE.replace('"choices"', '"x": NaN, "choices"'), "JSON with NaN"),
    "surrogate": (LINE.replace("{", '{"x": "\\ud83d", ', 1), "JSON with a lone"),
    "event": (
        json.dumps({"body": 'data: {"choices"\n\ndata: {"choices": []}\n\n'}),
        "streams with an event that is not JSON",
    ),
    "control": (LINE.replace("{", '{"x": "a\tb", ', 1), "JSON with control characters"),
    "har": (json.dumps({"log": {"entries": [{}]}}), "a HAR file"),
    "request": ('{"model": "m", "messages": []}', "requests"),
    "batch": (
        '{"custom_id": "a", "url": "/v1", "body": {"messages": []}}',
        "the input",
    ),
    "milliseconds": (
        json.dumps({**RESPONSE, "created": 1793577600000}),
        "created in ms",
    ),
    "as text": (
        json.dumps({**RESPONSE, "created": "1793577600000.5"}),
        "created in ms",
    ),
    "nanoseconds": (json.dumps({**RESPONSE, "created": 1793577600 * 10**9}), "in ns"),
    "wrapped date": (
        json.dumps(
            {"response": json.dumps({**RESPONSE, "created": 1793577600 * 10**6})}
        ),
        "created in us",
    ),
    "day": (json.dumps({**RESPONSE, "created": "2026-11-02"}), "created in another"),
    "of Ollama": (
        '{"model": "m", "created_at": "2026-11-02", "done": true, "message": {}}',
        "created in another",
    ),
    "of Responses": (
        '{"object": "response", "output": [], "created_at": 1793577600000}',
        "created in ms",
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_rejected_lines_beside_others_say_what_they_look_like(
    tmp_path: Path, name: str
) -> None:
    line, looks = LINES[name]
    (tmp_path / "a.jsonl").write_text(f"{LINE}\n\n{line}\n{line}\n", "utf-8")

    with pytest.warns(RejectsWarning, match=r"first: \S+a\.jsonl:3 \(\w+\)") as warned:
        hint = toolkit.load(tmp_path).ledger["hint"].item()

    assert re.match(r"has \d lines that look like ", hint)
    assert looks in hint
    assert ": " in hint  # and what to do
    assert hint in str(warned[0].message)


OTLP = {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "a"}]}]}]}
EMBEDDINGS = {"object": "list", "data": [{"embedding": [0.5]}], "usage": {}}
CLAUDE = {"type": "user", "sessionId": "a", "isSidechain": False, "message": {}}
CHOICES = RESPONSE["choices"]
TEXT = [{"type": "text", "text": "a"}]
REPLY = {"type": "message", "role": "assistant", "content": TEXT}

# Lines that hold no response which is read, by what their hint names.
OTHERS: dict[str, list[dict[str, object]]] = {
    "sessions of Claude Code": [
        CLAUDE,
        {"type": "assistant", "message": {**REPLY, "stop_reason": "end_turn"}},
        {
            "type": "assistant",
            "sessionId": "a",
            "message": {**REPLY, "stop_reason": "end_turn", "usage": {}},
        },
        {"type": "summary", "summary": "a", "leafUuid": "b"},
        {"type": "file-history-snapshot", "messageId": "a", "snapshot": {}},
        {"type": "result", "session_id": "a", "total_cost_usd": 1.5, "usage": {}},
    ],
    "sessions of Codex": [
        {"type": "session_meta", "timestamp": "t", "payload": {"id": "a"}},
        {
            "type": "event_msg",
            "payload": {"type": "token_count", "info": {"total_token_usage": {}}},
        },
        {"type": "response_item", "payload": {**REPLY, "role": "user"}},
        {"type": "turn.completed", "usage": {"input_tokens": 5}},
    ],
    "sessions of Gemini CLI": [
        {"sessionId": "a", "projectHash": "b", "startTime": "t"},
        {"$set": {"lastUpdated": "t"}},
        {"id": "a", "type": "gemini", "content": "a", "tokens": {"input": 5}},
        {"id": "a", "timestamp": "t", "type": "user", "content": TEXT},
    ],
    "OpenTelemetry data (OTLP)": [
        OTLP,
        {"resourceMetrics": []},
        {"resourceLogs": []},
        {"attributes": {"gen_ai.request.model": "m"}},
        {"context": {"trace_id": "a", "span_id": "b"}, "attributes": {}},
    ],
    "spans of Phoenix": [
        {"span_kind": "LLM", "context": {"trace_id": "a", "span_id": "b"}},
        {"context.span_id": "b", "attributes.llm.token_count.prompt": 5},
    ],
    "an export of Langfuse": [
        {"traceId": "a", "type": "GENERATION", "usageDetails": {"input": 5}},
        {"trace_id": "a", "type": "SPAN"},
    ],
    "runs of LangSmith": [
        {"run_type": "llm", "trace_id": "a", "outputs": {"generations": []}},
        {"run_type": "llm", "dotted_order": "a", "outputs": {"message": {}}},
    ],
    "activity of OpenRouter": [{"model_permaslug": "a/b", "usage": 0.5}],
    "an export of Portkey": [{"ai_org": "a", "ai_model": "m", "req_units": 5}],
    "a log of Azure API Management": [
        {"category": "GatewayLlmLogs", "properties": {"modelName": "m"}},
        {"PromptTokens": 5, "CompletionTokens": 7, "SequenceNumber": 0},
    ],
    "a log of Cloudflare's AI Gateway": [{"tokens_in": 5, "tokens_out": 7}],
    "logs of inspect_ai": [{"epoch": 1, "model_usage": {}, "output": {"model": "m"}}],
    "results of promptfoo": [
        {"promptIdx": 0, "testIdx": 0, "response": {"output": "a", "tokenUsage": {}}}
    ],
    "samples of lm-eval": [{"doc_id": 0, "resps": [["a"]], "filtered_resps": ["a"]}],
    "logs of the command llm": [{"conversation_id": "a", "datetime_utc": "t"}],
    "records of OpenAI's evals": [{"type": "sampling", "data": {"sampled": ["a"]}}],
    "events of OpenAI's Realtime API": [
        {"event_id": "a", "type": "response.done", "response": {"output": []}}
    ],
    "events of a stream of OpenAI's Responses API": [
        {"type": "response.output_text.delta", "delta": "a", "item_id": "b"},
        {"type": "response.output_item.done", "item": {**REPLY, "status": "completed"}},
    ],
    "events of a stream of Anthropic's Messages API": [
        {"type": "message_start", "message": {**REPLY, "usage": {"input_tokens": 5}}},
        {"type": "content_block_delta", "index": 0, "delta": {"text": "a"}},
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ],
    "messages of Anthropic's Messages API without usage or stop_reason": [
        {**REPLY, "type": "message", "content": [], "usage": {"input_tokens": 5}},
        {**REPLY, "type": "message", "content": "Hi.", "stop_reason": "end_turn"},
    ],
    "objects of OpenAI's Responses API without an answer": [
        {"object": "response", "output": [], "status": "in_progress"},
    ],
    "pieces of streams": [
        {"chunks": [{"object": "response", "output": [], "status": "queued"}]},
    ],
    "events of a stream of Bedrock's Converse API": [
        {"messageStop": {}},
        {"metadata": {"usage": {"inputTokens": 5}, "metrics": {"latencyMs": 7}}},
    ],
    "events of a stream of Cohere's API": [
        {"type": "content-delta", "delta": {"message": {}}},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
    ],
    "the input of a batch": [
        {"custom_id": "a", "url": "/v1", "body": {"messages": []}},
        {"custom_id": "a", "params": {"messages": []}},
        {"recordId": "a", "modelInput": {"messages": []}},
        {"request": {"contents": []}},
    ],
    "requests of a batch": [
        {"custom_id": "a", "result": {"type": "expired"}},
        {"processed_time": "t", "request": {"contents": []}, "response": {}},
    ],
    "the state of a batch": [{"object": "batch", "output_file_id": "a"}],
    "parts of a Responses output": [
        {**REPLY, "id": "a", "status": "completed"},
        {"type": "reasoning", "id": "a", "summary": []},
        {"type": "function_call", "call_id": "a", "name": "b", "arguments": "{}"},
        {"type": "web_search_call", "id": "a", "status": "completed"},
    ],
    "objects of OpenAI's Responses API": [
        {"object": "response.input_tokens", "input_tokens": 5},
        {"object": "response.compaction", "output": [], "usage": {}},
    ],
    "messages of Anthropic's Messages API": [{**REPLY, "role": "user"}],
    "Anthropic's Text Completions API": [{"completion": "a", "stop_reason": "b"}],
    "cached contents of Gemini": [{"expireTime": "t", "usageMetadata": {}}],
    "Gemini's Interactions API": [
        {"id": "a", "outputs": [{"text": "b"}], "usage": {"total_input_tokens": 5}}
    ],
    "usage of Gemini": [{"usageMetadata": {"totalTokenCount": 5}, "file": "a"}],
    "PaLM's API": [
        {"candidates": [{"content": "a"}]},
        {"candidates": [{"output": "a"}]},
    ],
    "Bedrock's log of model invocations": [
        {"schemaType": "ModelInvocationLog", "output": {"outputBodyJson": [{}]}}
    ],
    "the own APIs of Titan and Llama": [
        {"inputTextTokenCount": 5, "results": [{"tokenCount": 7}]},
        {"generation": "a", "prompt_token_count": 5, "stop_reason": "stop"},
    ],
    "one choice of a response": [
        {"index": 0, "message": {"role": "assistant"}, "finish_reason": "stop"},
        {"response": {"message": {"role": "assistant"}, "finish_reason": "stop"}},
    ],
    "Cohere's v1 API": [
        {"text": "a", "generation_id": "b", "meta": {}},
        {"generations": [{"text": "a"}]},
    ],
    "TGI's generate": [{"generated_text": "a"}],
    "embeddings": [
        EMBEDDINGS,
        {"model": "m", "embeddings": [[0.5]]},
        {"embedding": {"values": [0.5]}, "usageMetadata": {"promptTokenCount": 5}},
        {"log": json.dumps(EMBEDDINGS)},
    ],
    "moderation": [
        {"id": "modr-a", "model": "m", "results": [{"flagged": False}]},
        {"model": "m", "results": [{"flagged": False}]},
    ],
    "rerank": [{"id": "a", "results": [{"index": 0}], "meta": {}}],
    "generated images": [
        {"created": 1793577600, "data": [{"b64_json": "a" * 500_000}]},
        {"created": 1793577600, "data": [{"url": "a"}], "usage": {"input_tokens": 5}},
    ],
    "transcriptions of audio": [{"text": "a", "usage": {"type": "duration"}}],
    "objects of OpenAI's Assistants API": [
        {"object": "thread.run", "usage": {"prompt_tokens": 5}},
        {"object": "thread.message", "role": "assistant", "content": TEXT},
    ],
    "fine-tuning jobs": [{"object": "fine_tuning.job", "trained_tokens": 5}],
    "lists, files or models": [{"object": "list", "data": [{"object": "model"}]}],
    "failed calls of LiteLLM": [
        {
            "call_type": "acompletion",
            "status": "failure",
            "messages": [],
            "response": {},
        },
        {
            "call_type": "acompletion",
            "metadata": {"status": "failure"},
            "response": "{}",
        },
    ],
    "LiteLLM's logs without the response": [
        {
            **{"call_type": "acompletion", "messages": "{}", "response": "{}"},
            **{"prompt_tokens": 5, "completion_tokens": 7},
        },
    ],
    "requests": [
        {"model": "m", "input": "a"},
        {"contents": [{"parts": [{"text": "a"}]}]},
    ],
    "rows of counts": [{"user": "a", "input_tokens": 5, "output_tokens": 7}],
}


@pytest.mark.parametrize("looks", OTHERS)
def test_what_is_not_read_is_named_with_what_to_do(tmp_path: Path, looks: str) -> None:
    for number, line in enumerate(OTHERS[looks]):
        (tmp_path / f"{number}.jsonl").write_text(f"{LINE}\n{json.dumps(line)}\n")

    for hint in toolkit.load(tmp_path, duplicates="keep").ledger["hint"]:
        assert hint.startswith(f"has 1 line that looks like {looks}")
        assert ": " in hint  # and what to do


@pytest.mark.parametrize(
    ("line", "looks"),
    [
        (
            {
                "output": {"choices": CHOICES},
                "usage": {"input_tokens": 5, "output_tokens": 7},
                "request_id": "a",
            },
            "DashScope's own API: ",
        ),
        (
            {
                "response": {
                    "output": {"text": "a"},
                    "usage": {"input_tokens": 5},
                    "request_id": "a",
                }
            },
            "DashScope's own API: ",
        ),
        (
            {"outputs": {"choices": CHOICES, "usage_metadata": {"input_tokens": 5}}},
            "runs of LangSmith: ",
        ),
        (
            {"run_type": "llm", "trace_id": "a", "my_outputs": RESPONSE},
            "runs of LangSmith: ",
        ),
    ],
)
def test_a_response_with_other_usage_is_named_and_has_no_path(
    line: dict[str, object], looks: str
) -> None:
    hint = line_looks_like("not_a_response", json.dumps(line).encode(), None)

    assert hint is not None
    assert hint.startswith(looks)
    assert "--response-path" not in hint


@pytest.mark.parametrize(
    "line",
    [
        {"type": "assistant", "sessionId": None},
        {"type": "note", "sessionId": "a"},
        {"type": "assistant", "message": "a"},
        {"type": "response_item"},
        {"type": "response", "id": "a"},
        {"type": "responses.created"},
        {"event_id": "a", "type": "order.created"},
        {"trace_id": "a", "span_id": "b"},
        {"resourceSpans": None},
        {"results": []},
        {"object": "lists", "data": []},
        {"object": 5},
        {"my_data": OTLP},
        {"usage": {"input_tokens": 5, "output_tokens": 7}},
    ],
)
def test_a_line_with_some_of_the_fields_has_no_hint(
    tmp_path: Path, line: dict[str, object]
) -> None:
    (tmp_path / "a.jsonl").write_text(f"{LINE}\n{json.dumps(line)}\n")

    assert toolkit.load(tmp_path).ledger["hint"].item() is None


def write_lines(path: Path, *groups: tuple[object, int]) -> Path:
    """Write each line so many times."""
    texts = [(one if isinstance(one, str) else json.dumps(one)) for one, _ in groups]
    counts = [count for _, count in groups]
    path.write_text(
        "".join(f"{text}\n" * count for text, count in zip(texts, counts, strict=True))
    )
    return path


def test_a_line_that_is_too_deep_has_no_path_that_would_read_it() -> None:
    # The response is where it is always looked for: an option would not help.
    line = json.dumps(
        {"response": {**RESPONSE, "x": json.loads("[" * 600 + "]" * 600)}}
    )

    assert line_looks_like("too_deep", line.encode(), None) is None


def test_events_that_are_not_put_together_are_named_behind_their_data(
    tmp_path: Path,
) -> None:
    events = [{"type": "content_block_delta", "delta": {"text": "a"}}] * 2
    lines = [f"event: content_block_delta\ndata: {json.dumps(one)}" for one in events]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")

    log = toolkit.load(tmp_path)

    assert log.ledger["hint"].item() == (
        "has 2 lines that look like events of a stream of Anthropic's Messages API: "
        "log them on one line, or the final message"
    )
    assert log.rejects["code"].to_list() == ["stream_chunk"] * 2


def test_a_log_of_streams_that_are_not_over_has_no_hint() -> None:
    looks = Looks(head="server-sent events: log the whole stream on one line")
    counts = {"lines": 2, "chunks": 2, "responses": 0, "rejected": 0}

    assert looks.hint(counts) is None
    assert looks.hint({**counts, "chunks": 0, "rejected": 2}) is not None


def test_a_log_of_mixed_lines_has_the_number_of_lines_of_each_look(
    tmp_path: Path,
) -> None:
    groups = [(LINE, 4), (EMBEDDINGS, 3), ({"a": 1}, 1), (OTLP, 12), ({"error": 1}, 9)]
    mixed = write_lines(tmp_path / "a.jsonl", *groups)
    none = write_lines(tmp_path / "b.jsonl", (OTLP, 2), (EMBEDDINGS, 1))
    one = write_lines(tmp_path / "c.jsonl", (EMBEDDINGS, 5))

    hints = [toolkit.load(path).ledger["hint"].item() for path in (mixed, none, one)]

    # The 9 errors and the 3 duplicates are not rejected lines.
    assert re.fullmatch(
        r"has 12 lines that look like OpenTelemetry data \(OTLP\): [^;]+; "
        r"3 lines that look like embeddings: [^;]+; 1 other rejected line",
        hints[0],
    )
    assert re.fullmatch(
        r"has 2 lines that look like OpenTelemetry [^;]+; "
        r"1 line that looks like embeddings: [^;]+",
        hints[1],
    )
    assert re.fullmatch(r"looks like embeddings: [^;]+", hints[2])


def test_a_hint_names_the_three_most_frequent_looks(tmp_path: Path) -> None:
    groups = [(OTLP, 2), (EMBEDDINGS, 3), (CLAUDE, 5), ({"messages": []}, 4)]
    path = write_lines(tmp_path / "a.jsonl", (LINE, 1), *groups, ({"a": 1}, 6))

    hint = toolkit.load(path).ledger["hint"].item()

    found = re.findall(r"(\d+) lines? that looks? like (\w+)", hint)
    assert found == [("5", "sessions"), ("4", "requests"), ("3", "embeddings")]
    assert hint.endswith("; 8 other rejected lines")  # 2 spans and 6 of {"a": 1}


def test_what_the_beginning_looks_like_is_the_first_look(tmp_path: Path) -> None:
    items = "".join(f"{json.dumps(make_response(id=one))},\n" for one in "abc")
    (tmp_path / "a.jsonl").write_text(f"[\n{items}{LINE}\n]\n")

    hint = toolkit.load(tmp_path).ledger["hint"].item()

    assert re.fullmatch(
        r"has 1 line that looks like one JSON array: [^;]+; "
        r"3 lines that look like one JSON array without brackets: [^;]+; "
        r"1 other rejected line",
        hint,
    )


def test_the_pieces_of_json_over_many_lines_are_other_lines(tmp_path: Path) -> None:
    pretty = json.dumps({"id": "a", "choices": []}, indent=1)  # four lines
    path = write_lines(tmp_path / "a.jsonl", (LINE, 1), (pretty, 2))

    hint = toolkit.load(path).ledger["hint"].item()

    assert hint.startswith("has 2 lines that look like JSON over many lines: ")
    assert hint.endswith("; 6 other rejected lines")


def test_a_thousand_rejected_lines_of_a_log_are_looked_at(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", (LINE, 1), (OTLP, 990), (CLAUDE, 20))

    hint = toolkit.load(path).ledger["hint"].item()

    # 1,000 of the 1,010 rejected lines: 990 + 10.
    start = (
        "has, of 1,000 rejected lines that were looked at, 990 lines that look like "
    )
    assert hint.startswith(f"{start}OpenTelemetry")
    assert re.search(r"; 10 lines that look like sessions of Claude Code: [^;]+$", hint)


def test_fewer_lines_of_a_log_are_looked_at_once_many_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.reading.ledger._MOST_BYTES", 40 * 4000)
    write_lines(tmp_path / "a.jsonl", (LINE, 1), (OTLP, 50))
    write_lines(tmp_path / "b.jsonl", (LINE, 1), ({**OTLP, "a": "a" * 200_000}, 50))
    write_lines(tmp_path / "c.jsonl", (LINE, 1), (OTLP, 15))

    hints = toolkit.load(tmp_path, duplicates="keep").ledger["hint"]

    # A line counts as 4,000 bytes or more: after 40 of them each log has 16 at most.
    starts = [hint.partition(" that look like")[0] for hint in hints]
    assert starts == [
        "has, of 40 rejected lines that were looked at, 40 lines",
        "has, of 16 rejected lines that were looked at, 16 lines",
        "has 15 lines",
    ]


def test_chunks_take_no_place_of_other_lines(tmp_path: Path) -> None:
    chunk = {"object": "chat.completion.chunk", "choices": [{"delta": {}}]}
    path = write_lines(tmp_path / "a.jsonl", (LINE, 1), (chunk, 2000), (OTLP, 1))

    hint = toolkit.load(path).ledger["hint"].item()

    assert hint.startswith("has 1 line that looks like OpenTelemetry data")
    assert "other" not in hint


def test_a_hint_covers_all_blocks_and_all_runs_of_an_export(tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = write_lines(tmp_path / "a.jsonl", (OTLP, 2), (EMBEDDINGS, 3))
    toolkit.export(path, to=out)
    first = toolkit.ledger(out)["hint"].item()
    with path.open("a") as file:
        file.write(f"{json.dumps(OTLP)}\n" * 4 + f"{LINE}\n")
    toolkit.export(path, to=out)
    second = toolkit.ledger(out)["hint"].item()
    toolkit.compact(out)

    assert re.findall(r"(\d+) lines that look like (\w+)", first) == [
        ("3", "embeddings"),
        ("2", "OpenTelemetry"),
    ]
    assert re.findall(r"(\d+) lines that look like (\w+)", second) == [
        ("6", "OpenTelemetry"),  # 2 + 4
        ("3", "embeddings"),
    ]
    assert toolkit.ledger(out)["hint"].item() == second


def test_workers_that_share_a_log_give_the_hint_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.exports.distributed._SHARE_BYTES", 70_000)
    groups = [(OTLP, 400), (LINE, 400), (EMBEDDINGS, 300), (CLAUDE, 200)]
    path = write_lines(tmp_path / "a.jsonl", *groups)

    toolkit.export(path, to=tmp_path / "one")
    with ThreadPoolExecutor(2) as pool:
        toolkit.export(path, to=tmp_path / "two", executor=pool)

    one, two = (
        toolkit.ledger(tmp_path / name)["hint"].item() for name in ("one", "two")
    )
    assert re.findall(r"(\d+) lines that look like (\w+)", one) == [
        ("400", "OpenTelemetry"),
        ("300", "embeddings"),
        ("200", "sessions"),
    ]
    assert two == one


def test_text_that_is_not_utf8_says_so(tmp_path: Path) -> None:
    text = json.dumps(make_response(model="ö"), ensure_ascii=False)
    (tmp_path / "a.jsonl").write_bytes(f"{LINE}\n{text}\n".encode("cp1252"))

    hint = toolkit.load(tmp_path).ledger["hint"].item()

    assert hint.startswith("has 1 line that looks like text of another encoding: ")


def test_faults_of_single_lines_are_no_hint_for_a_log(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    nan, wrapped = (
        LINE.replace('"choices"', '"x": NaN, "choices"'),
        f'{{"log": {LINE}}}',
    )
    path.write_text(f"{LINE}\n" * 20 + nan)
    single = toolkit.load(path, duplicates="keep").ledger["hint"].item()
    path.write_text(f"{LINE}\n" * 20 + f"{nan}\n" * 3)
    many = toolkit.load(path, duplicates="keep").ledger["hint"].item()
    path.write_text(f"{LINE}\n" * 20 + f"{nan}\n{wrapped}\n")
    other = toolkit.load(path, duplicates="keep").ledger["hint"].item()

    assert single is None
    assert "NaN" in many
    assert "--response-path log" in other


WRAPPERS = {
    "log": {"log": LINE + "\n", "stream": "stdout"},
    "message": {"timestamp": 1, "message": LINE},
    "'[\"@message\"]'": {"@message": LINE},
    "jsonPayload": {"jsonPayload": RESPONSE, "severity": "INFO"},
    "event.response": {"event": {"response": RESPONSE}},
    "log.response.body": {"log": json.dumps({"response": {"body": LINE}})},
    "jsonPayload.message": {"jsonPayload": {"message": LINE}},
    "message.log": {"message": json.dumps({"log": LINE})},
}


@pytest.mark.parametrize("path", WRAPPERS)
def test_the_response_path_of_a_hint_reads_the_lines(tmp_path: Path, path: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(WRAPPERS[path])}\n{LINE}\n")

    hint = toolkit.load(tmp_path).ledger["hint"].item()

    words, _, given = hint.partition(" --response-path ")
    assert words.startswith("has 1 line that looks like responses in the field")
    assert given == path
    log = toolkit.load(tmp_path, response_path=path.strip("'"), duplicates="keep")
    assert log.ledger["responses"].item() == 2
    assert log.ledger["hint"].item() is None


# Whole responses of each API.
WHOLE: dict[str, dict[str, object]] = {
    "chat": RESPONSE,
    "text": {"choices": [{"text": "a", "finish_reason": "stop"}]},
    "responses": {"object": "response", "status": "completed", "output": []},
    "anthropic": {**REPLY, "stop_reason": "end_turn", "usage": {"input_tokens": 5}},
    "gemini": {"candidates": [{"content": {"parts": []}, "finishReason": "STOP"}]},
    "blocked": {"promptFeedback": {"blockReason": "SAFETY"}},
    "converse": {"output": {"message": {"content": []}}, "stopReason": "end_turn"},
    "cohere": {"message": {"role": "assistant"}, "finish_reason": "COMPLETE"}
    | {"id": "c1"},
    "ollama": {"done": True, "created_at": "2026-11-02T00:00:00Z", "model": "m"}
    | {"message": {"role": "assistant", "content": "a"}},
}


@pytest.mark.parametrize("api", WHOLE)
def test_a_response_of_any_api_is_found_in_another_field(
    tmp_path: Path, api: str
) -> None:
    path = write_lines(
        tmp_path / "a.jsonl", ({"time": 1, "payload": {"answer": WHOLE[api]}}, 2)
    )

    hint = toolkit.load(path).ledger["hint"].item()

    given = "payload.answer"
    assert (
        hint
        == f"looks like responses in the field {given}: give --response-path {given}"
    )
    log = toolkit.load(path, response_path=given, duplicates="keep")
    assert log.ledger["responses"].item() == 2


@pytest.mark.parametrize(
    "piece",
    [
        {"object": "response", "status": "in_progress", "output": []},
        {**REPLY, "usage": {"input_tokens": 5}},
    ],
)
def test_an_unfinished_response_in_another_field_is_none(
    piece: dict[str, object],
) -> None:
    line = json.dumps({"payload": {"answer": piece}}).encode()

    hint = line_looks_like("not_a_response", line, None)

    assert "--response-path" not in str(hint)


@pytest.mark.parametrize(
    "chunk",
    [
        {"candidates": [{"content": {"parts": []}}]},
        {**WHOLE["ollama"], "done": False},
        {"choices": [{"delta": {}}], "object": "chat.completion.chunk"},
    ],
)
def test_the_field_of_chunks_is_named_and_its_option_reads_them(
    tmp_path: Path, chunk: dict[str, object]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"log": json.dumps(chunk)}) + "\n")

    assert toolkit.load(path).ledger["hint"].item() == (
        "looks like responses in the field log: give --response-path log"
    )
    assert toolkit.load(path, response_path="log").ledger["rejected"].item() == 0


def test_a_hint_names_no_field_that_is_not_well_known(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"my_secret": RESPONSE}) + "\n")

    hint = toolkit.load(tmp_path).ledger["hint"].item()

    assert hint == "looks like responses in a field of the line: give --response-path"


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "5 tokens,a,b",
        "day,model,cost",
        '"x"',
        "1",
        "[1]",
        "[]",
        "{}",
        '{"a": {"b": "{"}}',
        '{"a": "{\\"choices\\": 1}"}',
        '{"log": {"choices": [1]}}',
        '{"message": {"role": "user", "content": "{}"}}',
        LINE[:-9],
        '{"error": "data: "}',
        json.dumps({**RESPONSE, "created": -5}),
        json.dumps({**RESPONSE, "model": 5}),
        '{"a":' * 500 + "1" + "}" * 500,
        '{"a":' * 600 + "1" + "}" * 600,
        json.dumps({"log": '{"a":' * 5000 + "}" * 5000}),
        # A string that is no JSON, is nested too deep, or has a number past a double.
        *(
            json.dumps({"log": LINE[:-1] + f', "x": {value}' + "}"})
            for value in (
                "NaN",
                "-Infinity",
                "1e400",
                '"\\ud800"',
                "[" * 600 + "]" * 600,
            )
        ),
    ],
)
def test_a_line_like_nothing_known_has_no_hint(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"{LINE}\n{line}\n")

    assert toolkit.load(tmp_path).ledger["hint"].item() is None


def test_an_export_keeps_its_hints_and_a_check_shows_them(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps([RESPONSE]))

    toolkit.export(tmp_path / "a.jsonl", to=tmp_path / "out")

    for account in (toolkit.ledger(tmp_path / "out"), toolkit.check(tmp_path).ledger):
        assert account["hint"].item().startswith("looks like one JSON array")


def test_a_head_made_to_be_slow_is_looked_at_at_once() -> None:
    # Each would take minutes if a pattern went back over what it had read.
    heads = (b"{", b'{""', b"}\r", b"\t", b"tokens", b"a,", b'"tokens",')
    for head in (one * (65_536 // len(one)) for one in heads):
        for before in (b"", b"x", b"[x", b"{", b"A" * 65_536):
            assert isinstance(looks_like(before + head), str | None)
