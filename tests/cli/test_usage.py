"""Wrong usage of the command: one sentence and exit code 2."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.command import run


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "tokens",
            "expected LOG|DIR (file, directory, glob, - or s3://bucket/key; an "
            "export), got none",
        ),
        (
            "explain data/sample",
            "expected --model (name of the model, as in the log), got none",
        ),
        ("tokens data/sample --topp 3", "no option '--topp' (did you mean '--top'?)"),
        ("-x", "no option '-x'"),
        ("tokens data/sample --top", "--top: expected a value, got none"),
        ("tokens data/sample --fill=3", "--fill: expected no value"),
        ("verify a b", "expected no more arguments, got 'b'"),
        (
            "tokens data/sample --top x",
            "--top: expected a whole number of at least 1, got 'x'",
        ),
        (
            "tokens data/sample --top 0",
            "--top: expected a whole number of at least 1, got '0'",
        ),
        (
            "sample --lines x",
            "--lines: expected a whole number of at least 1, got 'x'",
        ),
        ("sample --seed x", "--seed: expected a whole number, got 'x'"),
        ("tokens data/sample --json --csv", "choose either --json or --csv"),
        (
            "tokens data/sample --tag team=a --tag team=b",
            "--tag: expected each name once, got 'team' twice",
        ),
        (
            "check data/sample --max-rejects 101%",
            "--max-rejects: expected a count or a share: 10 or 0.1%, got '101%'",
        ),
    ],
)
def test_wrong_usage_is_one_sentence(arguments: str, sentence: str) -> None:
    done = run(*arguments.split())

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"toolkit: {sentence}\n"


def test_a_misspelt_command_gets_a_suggestion() -> None:
    done = run("tokns", "data/sample")

    assert done.returncode == 2
    assert done.stderr.startswith("toolkit: command: expected 'tokens', 'metric', ")
    assert done.stderr.endswith("got 'tokns' (did you mean 'tokens'?)\n")


@pytest.mark.parametrize("command", ["schema", "sample --lines 2", "tokens - --csv"])
def test_closed_stdout_is_one_sentence(command: str) -> None:
    # Closed descriptors need a process of its own.
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m toolkit {command} >&-', sys.executable],
        input=b"",
        stderr=subprocess.PIPE,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1:] == [
        "toolkit: output: Bad file descriptor"
    ]
    assert b"Traceback" not in done.stderr


def test_closed_stderr_drops_messages_and_keeps_the_exit_code() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -m toolkit tokens none 2>&-', sys.executable],
        stdout=subprocess.PIPE,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, b"")
