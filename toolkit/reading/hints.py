"""Guess what a file that is not a log, or a rejected line, looks like.

The rejects name each line; one sentence for each log says what they look like, and what
to do. It holds names of well-known fields only, never content of the log.
"""

from __future__ import annotations

import json
import re
import shlex
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from toolkit.schema.paths import parse_path, write_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_UNPACK = "unpack it first"

# Patterns for the first 64 KiB of a file, or for a line, in the order in which they are
# tried, and the sentence.
_LOOKS: tuple[tuple[str, str], ...] = (
    (
        r"\xff\xfe|\xfe\xff|(?:[\x09-\x7e]\x00){4}|(?:\x00[\x09-\x7e]){4}",
        "UTF-16: convert it (iconv -f UTF-16 -t UTF-8)",
    ),
    (r"PAR1", "Parquet: read it with polars, or give its export to toolkit.scan"),
    (r"ARROW1\x00\x00", "an Arrow file: read it with polars.read_ipc"),
    (r"SQLite format 3\x00", "an SQLite database: export its rows as lines of JSON"),
    (r"\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP", "a picture: give the log itself"),
    (r"%PDF-", "a PDF: give the log itself"),
    (r"PK\x03\x04", f"a zip archive: {_UNPACK} (unzip)"),
    (r"BZh[1-9]", f"bzip2: {_UNPACK} (bunzip2)"),
    (r"\xfd7zXZ\x00", f"xz: {_UNPACK} (unxz)"),
    (r"\x04\x22\x4d\x18", f"lz4: {_UNPACK} (unlz4)"),
    (
        r"\x1f\x8b|\x28\xb5\x2f\xfd",
        "compressed twice: unpack it once (gzip -d, zstd -d)",
    ),
    (r".{257}ustar", f"a tar archive: {_UNPACK} (tar -x)"),
    (
        r"\s*<(?:!doctype\s+html|html)",
        "an HTML page, perhaps of an error or a login: fetch the log again",
    ),
    (r"\s*<\?xml", "XML: give the log itself"),
    (
        r"\s*(?:data|event|id|retry): ?|: ",
        "server-sent events: log each complete response, not its stream",
    ),
    (
        r"\s*\[\s*(?:[\[{\]]|\Z)",
        "one JSON array: write a line for each item (jq -c '.[]')",
    ),
    (r"\s*[\[{]\s*\n", "JSON over many lines: write each on one line (jq -c .)"),
    (r"\s*(?:\{\s*'|[A-Z]\w*\(\w+=)", "Python's repr: write lines with json.dumps"),
    (r"\x1e\s*\{", "JSON text sequences: remove the separators (tr -d '\\036')"),
    (
        r"[^\n]*?[}\]]\r[ \t\r]*[\[{]",
        "lines that end in CR: convert them (tr '\\r' '\\n')",
    ),
    (
        r"\s*\{[^\n]*[}\]]\s*,\s*\Z",
        "one JSON array without brackets: remove the commas (sed 's/,[[:space:]]*$//')",
    ),
    (
        r"\xef\xbb\xbf",
        r"a byte-order mark within the log: remove it (sed 's/^\xef\xbb\xbf//')",
    ),
    (r'[^\n]{0,400}?\{""[a-z]', "CSV: write each response as a line of JSON"),
    (
        r'(?:[^\s{\["]|\[[^\s{\["\]])[^\n]{0,400}?\{\s*"',
        "JSON after other text: remove the text (sed 's/^[^{]*//')",
    ),
)
_PATTERNS = tuple(
    (re.compile(pattern.encode("latin-1"), re.DOTALL | re.IGNORECASE), words)
    for pattern, words in _LOOKS
)


# Fields of an object, or of an object in it, and what it is; tried in this order.
_FORMS = (
    ("object=response", "OpenAI's Responses API"),
    ("type=message content", "Anthropic's Messages API"),
    ("candidates", "Gemini's generateContent"),
    ("stopReason output", "Bedrock's Converse API"),
    ("schemaType=ModelInvocationLog", "Bedrock's log of model invocations"),
    ("message finish_reason usage", "Cohere's chat API"),
    ("done model", "Ollama's own API"),
    ("object=list data", "embeddings, or another list of OpenAI's API"),
    ("embedding", "embeddings"),
    ("created data", "generated images"),
    ("gen_ai.request.model", "spans of OpenTelemetry"),
    ("resourceSpans", "spans of OpenTelemetry"),
    ("type=sampling data", "records of OpenAI's evals"),
    ("entries", "a HAR file: write a line for each response.content.text in it"),
    ("custom_id url body", "the input of a batch: give the file of its output"),
    ("messages", "requests: give the log of the responses"),
)
_NOT_READ = "not read yet, only chat completions are"
# Fields in which loggers and collectors put a line or a response. A path is named only
# if each of its fields is one of these.
_FIELDS = re.compile(
    "@message|Body|MESSAGE|_raw|answer|attributes|body|completion|content|data|detail|"
    "event|extra|fields|json|jsonPayload|json_payload|line|llm_response|log|message|"
    "modelOutput|msg|output|outputBodyJson|outputs|payload|properties|raw|raw_response|"
    "record|response|response_body|result|text|textPayload|value"
)
_DEEPEST = 4  # fields from a line to an object that is looked at
_MOST_OBJECTS = 200  # of a line that are looked at
_LONGEST = 256 * 1024  # bytes of a line that are looked at
_UNITS = (("ns", 10**17), ("us", 10**14), ("ms", 10**11))
# What is wrong with a line that is almost JSON, by what an error of Python begins with.
_FAULTS = {
    "Extra data": "several responses on a line: write each on its own (jq -c .)",
    "Invalid control": "JSON with control characters in strings: escape them",
    "NaN": "JSON with NaN or Infinity: write null",
    "surrogate": "JSON with a lone surrogate: replace its escape",
    "encoding": "text of another encoding: convert it (iconv -f WINDOWS-1252 -t UTF-8)",
}
# Beginnings of the sentences for faults of single lines, which any log may contain.
FAULTS_OF_LINES = ("JSON with ", "text of another", "responses with created")


def looks_like(head: bytes) -> str | None:
    r"""Return what the beginning of a file looks like, and what to do; None if unknown.

    Examples
    --------
    >>> looks_like(b'[\n  {"id": "a"}')
    "one JSON array: write a line for each item (jq -c '.[]')"
    >>> looks_like(b"what is this?") is None
    True
    """
    for pattern, words in _PATTERNS:
        if pattern.match(head):
            return words
    return None


def line_looks_like(code: str, raw: bytes | None, json_path: str | None) -> str | None:
    r"""Return what a rejected line looks like, and what to do; None if unknown.

    Examples
    --------
    >>> line_looks_like("not_a_response", b'{"log": "{\\"choices\\": []}"}', None)
    'responses in the field log: give --response-path log'
    """
    head = (raw or b"")[:_LONGEST]
    odd: list[str] = []
    try:
        value = json.loads(head.decode(errors="replace"), parse_constant=odd.append)
    except (ValueError, RecursionError) as error:
        words = (_FAULTS[start] for start in _FAULTS if str(error).startswith(start))
        return looks_like(head + b"\n") or next(words, None)
    if code == "invalid_utf8":
        return _FAULTS["encoding"]
    if code == "invalid_json":
        return _FAULTS["NaN" if odd else "surrogate"]
    if json_path is not None:
        return _odd_date(value, json_path) if json_path.endswith("created") else None
    return _form_of(value) or (looks_like(head) if value else None)


def _odd_date(value: object, json_path: str) -> str | None:
    """Return how a `created` that was rejected is written."""
    for key in parse_path(json_path):
        value = _opened(value).get(key)
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value):
        return "responses with created as ISO text: write seconds since 1970"
    number = re.fullmatch(r"(\d{11,19})(?:\.\d*)?", str(value))
    size = int(number[1]) if number else 0
    unit = next((unit for unit, least in _UNITS if size >= least), None)
    words = f"responses with created in {unit}: give --created-unit {unit} if all are"
    return unit and words


def _form_of(value: object) -> str | None:
    """Return where the response in a line is, or which API it is of."""
    if isinstance(value, str) and _opened(value):
        return "JSON in a string: decode each line once (jq -c fromjson)"
    objects = list(islice(_objects_in(value), _MOST_OBJECTS))
    for path, found in objects:
        if path and _is_response(found):
            if not all(map(_FIELDS.fullmatch, path)):
                return "responses in a field of the line: give --response-path"
            name = write_path(path)
            given = shlex.quote(name)
            return f"responses in the field {name}: give --response-path {given}"
    for fields, words in _FORMS:
        for path, found in objects:
            # A request beside a response is not what the line is.
            if all(map(_FIELDS.fullmatch, path[-1:])) and _has(found, fields):
                return words if ":" in words else f"{words}: {_NOT_READ}"
    return None


def _objects_in(value: object) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield the objects of a line with their paths, outer ones first."""
    waiting: list[tuple[tuple[str, ...], dict[str, Any]]] = [((), _opened(value))]
    for path, found in waiting:
        if found and len(path) <= _DEEPEST:
            yield path, found
            waiting += [((*path, key), _opened(found[key])) for key in found]


def _opened(value: object) -> dict[str, Any]:
    """Return an object, also one that is written in a string; empty for all else."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    return value if isinstance(value, dict) else {}


def _is_response(found: Mapping[str, Any]) -> bool:
    """Return whether an object is a whole chat completion."""
    choices = found.get("choices")
    return isinstance(choices, list) and all(
        isinstance(choice, dict) and (choice.get("message") or "delta" not in choice)
        for choice in choices
    )


def _has(found: Mapping[str, Any], fields: str) -> bool:
    """Return whether an object has all fields, with the values that are given."""
    tests = [field.partition("=") for field in fields.split()]
    return all(
        found.get(key) == value if value else found.get(key) is not None
        for key, _, value in tests
    )
