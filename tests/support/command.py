"""The command `toolkit`, run in this process: quicker than a process of its own."""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import NamedTuple
from unittest import mock

from toolkit.cli.app import main


class Done(NamedTuple):
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def run(
    *arguments: object, stdin: bytes = b"", columns: int = 80, **environment: str
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
        mock.patch.dict(os.environ, {"COLUMNS": str(columns), **environment}),
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
