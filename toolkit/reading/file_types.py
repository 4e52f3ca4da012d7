"""Guess the type of a file that is not a log, and say what to do with it.

This is for a log in which no response was found: the rejects name each line, and one
sentence names the type of the file.
"""

from __future__ import annotations

import re

_UNPACK = "unpack it first"

# Patterns for the first 64 KiB, in the order in which they are tried, and the sentence.
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
    (r"\s*\[\s*[\[{\]]", "one JSON array: write a line for each item (jq -c '.[]')"),
    (r"\s*[\[{]\s*\n", "JSON over many lines: write each on one line (jq -c .)"),
    (r"\s*\{\s*'", "Python's repr: write lines with json.dumps"),
    (r"\x1e\s*\{", "JSON text sequences: remove the separators (tr -d '\\036')"),
    (
        r"[^\n]*?[}\]]\r[ \t\r]*[\[{]",
        "lines that end in CR: convert them (tr '\\r' '\\n')",
    ),
    (
        r'(?![^\n]*"choices"\s*:)\s*\{[^\n]*"messages"\s*:\s*\[',
        "requests: give the log of the responses",
    ),
    (
        r'[^\n{"\[]{1,200}\{\s*"',
        "JSON after other text: remove the text (sed 's/^[^{]*//')",
    ),
)
_PATTERNS = tuple(
    (re.compile(pattern.encode("latin-1"), re.DOTALL | re.IGNORECASE), words)
    for pattern, words in _LOOKS
)


def looks_like(head: bytes) -> str | None:
    r"""Return what the beginning of a file looks like, and what to do; None if unknown.

    Examples
    --------
    >>> looks_like(b'[\n  {"id": "a"}')
    "looks like one JSON array: write a line for each item (jq -c '.[]')"
    >>> looks_like(b"what is this?") is None
    True
    """
    for pattern, words in _PATTERNS:
        if pattern.match(head):
            return f"looks like {words}"
    return None
