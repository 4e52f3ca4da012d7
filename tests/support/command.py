"""The command `toolkit`, run in this process: quicker than a process of its own."""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from toolkit.cli.app import main

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


class Done(NamedTuple):
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def environment(**variables: str) -> AbstractContextManager[object]:
    """Set variables in `os.environ`, but not in the environment of the process.

    `mock.patch.dict(os.environ)` deletes all variables and sets them again, which moves
    the environment of the process: a thread of polars that reads it meanwhile crashes.
    """
    inner: Any = os.environ
    encoded = {
        inner.encodekey(name): inner.encodevalue(value)
        for name, value in variables.items()
    }
    return mock.patch.dict(inner._data, encoded)


def run(
    *arguments: object, stdin: bytes = b"", columns: int = 80, **variables: str
) -> Done:
    """Run the command as without a terminal; only warnings of its own are shown.

    What depends on a process (signals, pipes, file descriptors, the time of imports)
    needs one of its own and is not for this function.
    """
    streams = {
        name: io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="\n")
        for name, content in {"stdin": stdin, "stdout": b"", "stderr": b""}.items()
    }
    with (
        mock.patch.multiple(sys, argv=["toolkit", *map(str, arguments)], **streams),
        environment(COLUMNS=str(columns), **variables),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", UserWarning)
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
    assert isinstance(code, int)
    written = []
    for name in ("stdout", "stderr"):
        streams[name].flush()
        written.append(streams[name].buffer.getvalue().decode())
    return Done(code, *written)
