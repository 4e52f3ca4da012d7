"""Wrong usage of the command: one sentence and exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import toolkit
from tests.support.command import run
from toolkit.metrics import METRICS
from toolkit.testing import make_response

*FIRST_METRICS, LAST_METRIC = map(repr, METRICS)
METRIC_NAMES = f"{', '.join(FIRST_METRICS)} or {LAST_METRIC}"
CHART_NAMES = f"{', '.join(map(repr, METRICS))} or 'overview'"


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
        ("tokens data/sample --top", "--top: expected one argument"),
        ("metric", f"metric: expected {METRIC_NAMES}, got none"),
        ("metric nope", f"metric: expected {METRIC_NAMES}, got 'nope'"),
        (
            "metric token_usge",
            f"metric: expected {METRIC_NAMES}, got 'token_usge' "
            "(did you mean 'token_usage'?)",
        ),
        ("plot", f"metric: expected {CHART_NAMES}, got none"),
        (
            "plot overveiw",
            f"metric: expected {CHART_NAMES}, got 'overveiw' "
            "(did you mean 'overview'?)",
        ),
        (
            "metric cost",
            "expected LOG|DIR (file, directory, glob, - or s3://bucket/key; an "
            "export), got none",
        ),
        ("verify", "expected DIR (directory of an export), got none"),
        (
            "metric cost_change data/sample --until 2026-11-09",
            "--since: expected a date: the range is compared with the one before, "
            "got none",
        ),
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


def test_words_are_options_with_their_values_or_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-a.jsonl", "b.jsonl"):
        line = make_response(id=name, model="gpt-4o", created=1793620800)
        Path(name).write_text(json.dumps(line), encoding="utf-8")
    Path("bill.csv").write_text(
        "date,model,num_requests\n2026-11-02,gpt-4o,2\n", encoding="utf-8"
    )

    def rows(*words: str) -> list[dict[str, object]]:
        done = run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        found: list[dict[str, object]] = json.loads(done.stdout)
        return found

    # A value may be behind a sign of equality, and may be negative; options may be
    # anywhere, and behind -- there are none.
    [row] = rows("tokens", "./-a.jsonl", "--json", "--every=none", "--", "b.jsonl")
    assert row["responses"] == 2
    assert run("sample", "--lines=1", "--seed", "-1").stdout.count("\n") == 1
    # The last word is the bill, the ones before it are logs.
    named = ("./-a.jsonl", "b.jsonl", "--json", "bill.csv")
    assert {row["explanation"] for row in rows("reconcile", *named)} == {"agrees"}
    assert run("reconcile", "bill.csv").stderr == (
        "toolkit: expected LOG|DIR (file, directory, glob, - or s3://bucket/key; an "
        "export), got none\n"
    )


def test_the_help_is_as_wide_as_the_terminal() -> None:
    for columns in (40, 60, 200):
        lines = run("report", "--help", columns=columns).stdout.splitlines()
        assert max(map(len, lines)) <= max(60, min(columns, 80))
        assert "--top N" in "".join(lines)


def test_a_misspelt_command_gets_a_suggestion() -> None:
    done = run("tokns", "data/sample")

    assert done.returncode == 2
    assert done.stderr.startswith("toolkit: command: expected 'tokens', 'metric', ")
    assert done.stderr.endswith("got 'tokns' (did you mean 'tokens'?)\n")


@pytest.mark.needs("posix")
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


@pytest.mark.needs("posix")
def test_closed_stderr_drops_messages_and_keeps_the_exit_code() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -m toolkit tokens none 2>&-', sys.executable],
        stdout=subprocess.PIPE,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, b"")


@pytest.mark.parametrize("name", ["out.csv", "out.json", "OUT.PARQUET", "a.jsonl.gz"])
def test_an_export_is_not_named_like_another_file(tmp_path: Path, name: str) -> None:
    to = tmp_path / name

    done = run("export", "data/sample", "--to", to)

    expected = "a directory or a file that ends in .parquet"
    assert done.returncode == 2
    hint = f": `toolkit cost LOG --lines --to {to}` writes a row for each response"
    assert done.stderr.startswith(f"toolkit: --to: expected {expected}, got '{to}'")
    assert (hint in done.stderr) == name.endswith((".csv", ".json"))
    assert not to.exists()
    with pytest.raises(toolkit.errors.OptionError, match="expected a directory"):
        toolkit.export("data/sample", to=to)


def test_a_sample_and_rejects_overwrite_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{}\n", encoding="utf-8")

    for command in (("sample",), ("rejects", "data/sample")):
        done = run(*command, "--to", path)
        assert done.returncode == 1
        assert done.stderr == (
            f"toolkit: {path}: cannot write: it exists already: name a new file, or "
            "remove this one first\n"
        )
    with pytest.raises(toolkit.errors.WriteError, match="exists already"):
        toolkit.testing.write_sample(path, 3)
    assert path.read_text(encoding="utf-8") == "{}\n"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an export of the sample."""
    out = tmp_path_factory.mktemp("usage") / "out"
    toolkit.export("data/sample/chat.jsonl", to=out)
    return out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "tokens EXPORT --tag team=metadata.team",
            "an export keeps the tags it was made with: leave out --tag, or export "
            "again with --rewrite",
        ),
        (
            "check EXPORT --created-unit ms",
            "an export keeps the unit of `created` it was made with: leave out "
            "--created-unit, or export again with --rewrite",
        ),
        (
            "check EXPORT --created-path ts",
            "an export keeps the path of `created` it was made with: leave out "
            "--created-path, or export again with --rewrite",
        ),
        (
            "tokens data/sample --created-path a.[b",
            "--created-path: expected a path such as metadata.team or "
            """metadata["cost center"], got 'a.[b'""",
        ),
        (
            "tokens data/sample --every none --compare previous",
            "--every none --compare needs --since and --until, or --last",
        ),
        (
            "metric overview data/sample",
            "metric: expected the name of a metric, got 'overview': "
            "`toolkit plot overview` draws it",
        ),
        (
            "tokens data/sample --compare prev",
            "--compare: expected \"previous\" or None, got 'prev' "
            "(did you mean 'previous'?)",
        ),
    ],
)
def test_wrong_usage_is_explained_in_words_of_the_command(
    exported: Path, arguments: str, sentence: str
) -> None:
    done = run(*arguments.replace("EXPORT", str(exported)).split())

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"toolkit: {sentence}\n"


def test_an_export_as_a_log_names_no_function_of_python(exported: Path) -> None:
    done = run("export", exported, "--to", exported.with_name("second"))

    assert done.returncode == 1
    assert done.stderr == (
        f"toolkit: {exported}: expected a log, got an export: name the log files "
        "instead\n"
    )


@pytest.mark.parametrize("option", ["--config", "--prices"])
def test_a_file_that_is_not_utf8_is_called_so(tmp_path: Path, option: str) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b'title = "\xff"\n')

    done = run("cost", "data/sample", option, path)

    assert done.returncode == 2
    assert done.stderr == f"toolkit: {path}: not UTF-8 text\n"


def test_no_responses_print_no_table() -> None:
    done = run("tokens", "data/sample/chat.jsonl", "--since", "2030-01-01")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1] == "no responses, or none in this range"
    assert "column" not in done.stderr
    calls = ("metric", "tool_calls", "data/sample/chat.jsonl", "--since", "2030-01-01")
    assert run(*calls).stderr.endswith("no tool calls, or none in this range\n")


def test_top_of_the_settings_file_applies_to_tables(tmp_path: Path) -> None:
    path = tmp_path / "toolkit.toml"
    path.write_text("top = 1\n", encoding="utf-8")

    def series(*options: str) -> int:
        table = ("tokens", "data/sample", "--every", "none", "--json")
        done = run(*table, "--config", path, *options)
        return len(json.loads(done.stdout))

    # One model, and the others as one; the option takes precedence.
    assert series() == 2
    assert series("--top", "2") == 3
    # A metric without series takes no such setting.
    assert run("metric", "drift", "data/sample", "--config", path).returncode == 0
