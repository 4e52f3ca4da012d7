"""The command: what it prints, where, and its exit codes."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import toolkit
from tests.support.command import run
from toolkit.cli import app
from toolkit.testing import make_response, write_sample

ROOT = Path(__file__).parents[2]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log with two good lines and a bad one."""
    path = tmp_path / "a.jsonl"
    lines = [make_response(), make_response(id="b", model="=1+1"), {}]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_help_fits_one_screen(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)

    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    headings = [line for line in lines if line.isalpha()]
    assert headings == ["Analyse", "Export", "Report", "Help"]
    assert any(line.startswith("Example: toolkit ") for line in lines)


def test_every_command_of_the_help_exists_and_has_its_own() -> None:
    commands = list(app._COMMANDS)
    assert len(commands) <= 16
    for command in commands:
        done = run(command, "--help")
        assert done.returncode == 0
        assert f"usage: toolkit {command}" in done.stdout
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert command in run().stdout


def test_an_option_means_the_same_in_all_commands() -> None:
    meanings: dict[str, set[str]] = {}
    for command in app._COMMANDS.values():
        for option in command.options.values():
            if option.flag:
                meaning = option.help.partition("  [default")[0]
                meanings.setdefault(option.flag, set()).add(meaning)

    # What is written, of a form of its own; how many lines, or each; chart or report.
    several = {name for name, texts in meanings.items() if len(texts) > 1}
    assert several == {"--to", "--lines", "--title"}


def test_version_says_which_decoder_runs() -> None:
    assert (
        f"completion-toolkit {toolkit.__version__} (decoder" in run("--version").stdout
    )


def test_tokens_prints_a_table_with_its_sum(log: Path) -> None:
    done = run("tokens", log)

    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines() if "gpt-a" in line] == [
        ["2026-01-01\N{HORIZONTAL ELLIPSIS}", "gpt-a", "1", "10", "5", "15"]
    ]
    (footer,) = [line for line in done.stdout.splitlines() if " all" in line]
    assert footer.split() == ["all", "2", "20", "10", "30"]
    assert "skipped: 1 not_a_response" in done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_tokens_as_json_and_csv_are_the_same_numbers(log: Path) -> None:
    as_json = json.loads(run("tokens", log, "--json").stdout)
    as_csv = list(csv.DictReader(io.StringIO(run("tokens", log, "--csv").stdout)))

    assert [row["total_tokens"] for row in as_json] == [15, 15]
    assert [row["total_tokens"] for row in as_csv] == ["15", "15"]
    # A spreadsheet would take the name for a formula.
    assert {row["model"] for row in as_csv} == {"gpt-a", "'=1+1"}
    assert as_json[0]["period"] == as_csv[0]["period"] == "2026-01-01T00:00:00+00:00"


def test_an_empty_range_prints_a_note(log: Path) -> None:
    done = run("tokens", log, "--since", "2027-01-01")

    assert done.returncode == 0
    assert "none in this range" in done.stderr


def test_a_log_may_come_through_a_pipe(log: Path) -> None:
    done = run("tokens", "-", "--json", stdin=gzip.compress(log.read_bytes()))

    assert len(json.loads(done.stdout)) == 2


def test_export_closes_with_one_line_on_stderr(log: Path, tmp_path: Path) -> None:
    done = run("export", log, "--to", tmp_path / "out")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("2 new responses from 1 log; 1 line rejected (")
    assert len(done.stderr.splitlines()) == 1
    again = run("export", log, "--to", tmp_path / "out")
    assert again.stderr.startswith("nothing new in 1 log (")
    quiet = run("export", log, "--to", tmp_path / "out", "--quiet")
    assert (quiet.returncode, quiet.stderr) == (0, "")


def test_the_closing_line_counts_errors_of_a_provider(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    error = json.dumps({"error": {"message": "overloaded"}})
    path.write_text(f"{error}\n{json.dumps(make_response())}\n{error}\n[]\n")

    done = run("export", path, "--to", tmp_path / "out")

    words = "1 new response from 1 log; 1 line rejected, 2 provider errors ("
    assert done.stderr.startswith(words)


def test_the_closing_line_counts_the_logs_that_have_something_new(
    log: Path, tmp_path: Path
) -> None:
    run("export", log, "--to", tmp_path / "out")
    (tmp_path / "b.jsonl").write_text(json.dumps(make_response(id="c")) + "\n")

    done = run("export", log, tmp_path / "b.jsonl", "--to", tmp_path / "out")

    assert done.stderr.startswith("1 new response from 1 of 2 logs (")


def test_another_option_is_wrong_usage_and_rewrite_takes_it(
    log: Path, tmp_path: Path
) -> None:
    run("export", log, "--to", tmp_path / "out")

    other = run("export", log, "--to", tmp_path / "out", "--content", "drop")
    again = run(
        "export", log, "--to", tmp_path / "out", "--content", "drop", "--rewrite"
    )

    assert (other.returncode, again.returncode) == (2, 0)
    assert "content: expected 'keep'" in other.stderr
    assert toolkit.scan(tmp_path / "out").collect()["content"].null_count() == 2


def test_bytes_that_are_missing_are_a_failure_after_the_commit(
    log: Path, tmp_path: Path
) -> None:
    data = log.read_bytes()
    log.write_bytes(data + b'{"torn')
    run("export", log, "--to", tmp_path / "out")
    log.write_bytes(data[::-1])

    done = run("export", log, "--to", tmp_path / "out")

    assert done.returncode == 1
    assert "removed before its end was read: 6 bytes missing" in done.stderr
    assert run("export", log, "--to", tmp_path / "out").returncode == 0


def test_export_takes_the_options_that_shape_rows(log: Path, tmp_path: Path) -> None:
    run(
        "export", log, "--to", tmp_path / "out", "--content", "drop", "--tag", "m=model"
    )

    frame = toolkit.scan(tmp_path / "out").collect()
    assert frame["content"].null_count() == 2
    assert frame["tag_m"].to_list() == ["gpt-a", "=1+1"]


def test_export_takes_a_range_of_time_in_utc(log: Path, tmp_path: Path) -> None:
    # Both responses of the log were made on 1 January 2026.
    later = run("export", log, "--to", tmp_path / "later", "--since", "2026-01-02")
    day = ("--last", "day", "--now", "2026-01-02T08:00")
    run("export", log, "--to", tmp_path / "day", *day)

    assert later.returncode == 0
    assert toolkit.scan(tmp_path / "later").collect().height == 0
    assert toolkit.scan(tmp_path / "day").collect().height == 2


@pytest.mark.parametrize("words", ["--help", "tokens --help"])
def test_the_help_is_shown_without_the_libraries_of_the_tables(words: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "toolkit", *words.split()]

    done = subprocess.run(command, capture_output=True, check=True, text=True)

    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "toolkit.cli.app" in loaded
    assert not loaded & {"polars", "pyarrow", "pandera", "matplotlib"}


def test_plot_draws_the_overview_and_any_metric_in_the_dark(
    log: Path, tmp_path: Path
) -> None:
    page = run("plot", "overview", log, "--to", tmp_path / "a.png", "--theme", "dark")
    cost = run(
        "plot", "cost", log, "--every", "none", "--top", "1", "--to", tmp_path / "b.svg"
    )
    options = ("--title", "What it cost", "--figsize", "6,3.5")
    own = run("plot", "cost", log, *options, "--to", tmp_path / "c.svg")

    assert (page.returncode, cost.returncode, own.returncode) == (0, 0, 0)
    assert (tmp_path / "a.png").stat().st_size > 20_000
    assert (tmp_path / "b.svg").read_text("utf-8").startswith("<?xml")
    # A point of SVG is a 72nd of an inch.
    assert 'width="432pt" height="252pt"' in (tmp_path / "c.svg").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (
            ("drift", "--every", "1w"),
            "drift has no option 'every'; it takes tz, since, until",
        ),
        (
            ("response_volume", "--every", "1d"),
            "response_volume has no option 'every'; it takes by",
        ),
        (("cost", "--theme", "sepia"), "'light' or 'dark'"),
        (("cost", "--figsize", "6x3"), "--figsize: expected width and height"),
        (("overview", "--title", "x"), "has no option 'title'"),
        (("overview", "--every", "none"), "a length of a period"),
        (("cost", "--top", "0"), "--top"),
    ],
)
def test_plot_rejects_options_that_it_would_ignore(
    log: Path, tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    metric, *rest = options

    done = run("plot", metric, log, *rest, "--to", tmp_path / "x.png")

    assert done.returncode == 2
    assert word in done.stderr
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_plot_writes_a_picture(log: Path, tmp_path: Path, ending: str) -> None:
    done = run("plot", "token_usage", log, "--to", tmp_path / f"x.{ending}")

    head = (tmp_path / f"x.{ending}").read_bytes()[:5]
    assert done.returncode == 0
    assert head == {"png": b"\x89PNG\r", "svg": b"<?xml", "pdf": b"%PDF-"}[ending]


def test_check_prints_ledger_codes_validation_and_findings(log: Path) -> None:
    done = run("check", log)

    for part in ("Ledger", "Rejects", "not_a_response", "every row passed", "Findings"):
        assert part in done.stdout
    assert f"{log}:3" in "".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 80
    data = json.loads(run("check", log, "--json").stdout)
    assert data["ledger"][0]["lines"] == 3
    assert data["rejects"] == [
        {"code": "not_a_response", "lines": 1, "first": f"{log}:3"}
    ]


@pytest.mark.parametrize(
    ("limit", "code"), [("0", 4), ("1", 0), ("33%", 4), ("34%", 0), ("many", 2)]
)
def test_max_rejects_sets_the_exit_code(log: Path, limit: str, code: int) -> None:
    # One line of three is rejected: 33.3 %.
    assert run("check", log, "--max-rejects", limit).returncode == code


def test_provider_errors_do_not_count_for_max_rejects(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"error": "busy"}\n', encoding="utf-8")

    assert run("check", path, "--max-rejects", "0").returncode == 0


def test_every_command_takes_an_export(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    toolkit.export(log, to=out)

    assert run("tokens", out, "--json").stdout == run("tokens", log, "--json").stdout
    assert run("check", out).returncode == 0
    picture = run("plot", "token_usage", out, "--to", tmp_path / "x.png")
    assert picture.returncode == 0


def test_a_log_of_another_make_is_read_with_the_options_of_export(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.jsonl"
    inner = make_response(created=1767225600000)
    line = {"my": {"answer": inner}, "metadata": {"team": "search"}}
    path.write_text(json.dumps(line), encoding="utf-8")
    options = [
        "--tag", "team=metadata.team", "--response-path", "my.answer",
        "--created-unit", "ms",
    ]  # fmt: skip

    usage = run("tokens", path, "--by", "tag_team", "--json", *options)
    checked = run("check", path, "--json", *options)
    plotted = run("plot", "token_usage", path, "--to", tmp_path / "x.png", *options)
    exported = run("export", path, "--to", tmp_path / "out", *options)
    again = run("tokens", tmp_path / "out", *options)

    assert json.loads(usage.stdout)[0]["tag_team"] == "search"
    assert json.loads(usage.stdout)[0]["period"] == "2026-01-01T00:00:00+00:00"
    assert json.loads(checked.stdout)["ledger"][0]["responses"] == 1
    assert (plotted.returncode, exported.returncode) == (0, 0)
    assert again.returncode == 2
    assert "an export keeps the tags it was made with" in again.stderr


def test_the_time_of_a_response_without_one_is_read_from_its_line(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.jsonl"
    line = {"ts": "2026-01-02T01:00:00+02:00", "response": make_response(created=None)}
    path.write_text(json.dumps(line), encoding="utf-8")
    settings = tmp_path / "toolkit.toml"
    settings.write_text('created_path = "ts"', encoding="utf-8")

    typed = run("tokens", path, "--json", "--created-path", "ts")
    configured = run("tokens", path, "--json", "--config", settings)
    exported = run("export", path, "--to", tmp_path / "out", "--created-path", "ts")
    wrong = run("check", path, "--created-path", "tss")
    undated = run("check", path, "--json")
    changed = run(
        *("export", path, "--to", tmp_path / "out"),
        *("--created-path", "ts", "--tag", "day=ts"),
    )

    (row,) = json.loads(typed.stdout)
    assert row["period"] == "2026-01-01T00:00:00+00:00"
    assert configured.stdout == typed.stdout
    assert exported.returncode == 0
    assert run("tokens", tmp_path / "out", "--json").stdout == typed.stdout
    assert run("tokens", tmp_path / "out", "--config", settings).returncode == 0
    assert "without a date (see --created-path)" in undated.stdout
    assert changed.stderr == (
        "toolkit: --tag: expected none, with which this export was made, got day=ts: "
        "use the same value, or rewrite it (--rewrite)\n"
    )
    assert "warning: created_path is null in every line" in wrong.stderr
    assert "(did you mean 'ts'?)" in wrong.stderr


def test_schema_prints_every_column() -> None:
    text = run("schema").stdout
    data = json.loads(run("schema", "--json").stdout)

    assert "reported_cost" in text
    assert [
        column["name"] for column in data["choices"]
    ] == toolkit.schema.CHOICES.names


def test_sample_writes_the_lines_that_testing_makes(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.jsonl", 20, seed=4)

    piped = run("sample", "--lines", 20, "--seed", 4).stdout
    run("sample", "--lines", 20, "--seed", 4, "--to", tmp_path / "b.jsonl")

    assert piped.encode() == (tmp_path / "a.jsonl").read_bytes()
    assert (tmp_path / "b.jsonl").read_bytes() == (tmp_path / "a.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["tokens", "data/sampel"], 1, "did you mean 'data/sample'"),
        (["tokens", "data/*.none"], 1, "matches nothing"),
        (["tokens", "data/sample", "--every", "1x"], 2, "--every: expected a period"),
        (["cost", "data/sample", "--every", "None"], 2, '"1mo", or "none", got \'None'),
        (["tokens", "data/sample", "--by", "modle"], 2, "did you mean 'model'"),
        (["tokens", "data/sample", "--tz", "Mars"], 2, "--tz: expected a time zone"),
        (["tokens"], 2, "expected LOG|DIR ("),
        (["tokens", "data/sample", "--json", "--csv"], 2, "either"),
        (["frobnicate"], 2, "command: expected"),
        (["plot", "usage", "data/sample", "--to", "x.png"], 2, "token_usage"),
        (["plot", "token_usage", "data/sample", "--to", "x.gif"], 2, ".png"),
        (
            ["plot", "token_usage", "data/sample", "--to", "none/x.png"],
            1,
            "the directory none does not exist",
        ),
        (["export", "data/sample", "--to", "x", "--tag", "a"], 2, "--tag: expected"),
        (["rejects", "data/sample", "--to", "none/x.jsonl"], 1, "directory none does"),
        (["sample", "--to", "none/x.jsonl"], 1, "the directory none does not exist"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_and_where(
    arguments: list[str], code: int, expected: str
) -> None:
    done = run(*arguments)

    assert done.returncode == code
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_damaged_log_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"{}\n" * 1000)[:-9])

    done = run("tokens", path)

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "byte 0" in done.stderr


def test_a_check_goes_on_behind_a_damaged_log_and_exits_1(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 1000)[:-9])
    (tmp_path / "b.jsonl").write_text(json.dumps(make_response()) + "\n")

    done = run("check", tmp_path)
    data = json.loads(run("check", tmp_path, "--json").stdout)

    assert done.returncode == 1
    assert "Damage" in done.stdout
    assert "byte 0" in " ".join(done.stdout.split())
    assert [log["responses"] for log in data["ledger"]] == [0, 1]
    assert "byte 0" in data["ledger"][0]["error"]


def test_a_report_over_damaged_logs_goes_on_if_asked_and_exits_1(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 1000)[:-9])
    line = json.dumps(make_response(usage={"total_tokens": 42}))
    (tmp_path / "b.jsonl").write_text(line + "\n")

    for command in (
        ("tokens", tmp_path, "--json"),
        ("export", tmp_path, "--to", tmp_path / "out"),
        ("tokens", tmp_path / "out", "--json"),
    ):
        collects = () if command[1] != tmp_path else ("--on-damage", "collect")
        done = run(*command, *collects)
        assert done.returncode == int(bool(collects)), command
        if command[0] == "tokens":
            assert json.loads(done.stdout)[0]["total_tokens"] == 42
        if collects:
            assert "a.jsonl.gz: damaged" in done.stderr


def test_no_control_character_of_a_log_reaches_the_screen(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m.jsonl"
    line = json.dumps(make_response(model="\x1b]0;owned\x07\u202e[bold]x"))
    path.write_text(f"{line}\n{{}}\n", encoding="utf-8")

    for command in ("tokens", "check"):
        done = run(command, path)
        for text in (done.stdout, done.stderr):
            assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "[bold]" in "".join(run("tokens", path).stdout.split())


@pytest.mark.needs("posix")
def test_a_reader_that_closes_the_pipe_causes_no_message() -> None:
    command = f"{sys.executable} -m toolkit sample --lines 50000 | head -n 1"

    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, check=False, cwd=ROOT
    )

    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


@pytest.mark.needs("posix")
def test_ctrl_c_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    # The log is a pipe that stays open: the command is still at work when Ctrl-C comes.
    command = [sys.executable, "-m", "toolkit", "export", "-", "--to", tmp_path / "o"]

    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        wait_for(tmp_path / "o" / ".staging")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert b"Traceback" not in stderr
    assert not (tmp_path / "o" / ".staging").exists()


# Runs the command, and has Ctrl-C come when a certain module is about to be imported.
INTERRUPTED = """
import os, signal, sys

expected = sys.argv.pop(1)

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == expected:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from toolkit.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "module",
    [
        "toolkit.cli.app",
        "toolkit.cli.command_line",
        "toolkit.cli.output",
        "polars",
        "toolkit.reading.framing",
    ],
)
def test_ctrl_c_while_the_command_starts_is_quiet(module: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED, module, "tokens", "data/sample"]

    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT)

    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, b"", b"")


# Runs a command that drops a generator whose end raises an error, and then Ctrl-C.
DROPPED = """
import builtins, sys
import toolkit.cli.app

expected = getattr(builtins, sys.argv[1])

def drop():
    try:
        yield
    finally:
        raise expected

def run():
    dropped = drop()
    next(dropped)
    del dropped
    raise KeyboardInterrupt

toolkit.cli.app.main = run
from toolkit.__main__ import main
main()
"""


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "ValueError"])
def test_ctrl_c_while_a_log_is_dropped_is_quiet(error: str) -> None:
    done = run_python(DROPPED, error)

    assert done.returncode == 130
    assert (b"Exception ignored" in done.stderr) == (error == "ValueError")


# Runs a command that is interrupted while a thread is at work.
AT_WORK = """
import threading, time
import toolkit.cli.app

def run():
    threading.Thread(target=time.sleep, args=[3600]).start()
    print("done so far")
    raise KeyboardInterrupt

toolkit.cli.app.main = run
from toolkit.__main__ import main
main()
"""


def test_ctrl_c_ends_the_command_while_threads_are_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)

    done = run_python(AT_WORK)

    assert (done.returncode, done.stdout.strip()) == (130, b"done so far")


# Runs a command in which polars panics, as it may do when Ctrl-C comes.
PANIC = """
import sys
import toolkit.cli.app

class PanicException(BaseException):
    pass

def run():
    raise PanicException(sys.argv[1])

toolkit.cli.app.main = run
from toolkit.__main__ import main
main()
"""


def test_a_panic_over_ctrl_c_ends_with_130_and_any_other_is_shown() -> None:
    over_interrupt = run_python(PANIC, "PyErr { type: <class 'KeyboardInterrupt'> }")
    other = run_python(PANIC, "assertion failed")

    assert (over_interrupt.returncode, over_interrupt.stderr) == (130, b"")
    assert other.returncode == 1
    assert b"PanicException: assertion failed" in other.stderr


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run Python in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, check=False, cwd=ROOT)


def test_the_command_is_started_where_ctrl_c_is_quiet() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["scripts"] == {"toolkit": "toolkit.__main__:main"}


@pytest.mark.needs("posix")
def test_a_command_that_was_started_with_ctrl_c_ignored_ignores_it(log: Path) -> None:
    ignoring = INTERRUPTED.replace(
        "class", "signal.signal(signal.SIGINT, signal.SIG_IGN)\nclass", 1
    )
    command = [sys.executable, "-c", ignoring, "toolkit.cli.app", "tokens", str(log)]

    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT)

    assert done.returncode == 0
    assert done.stdout


def wait_for(path: Path) -> None:
    """Wait until a path is there, a minute at most."""
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.1)
    pytest.fail(f"{path} did not appear")


def test_last_and_days_back_count_from_now_in_the_zone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    # 23:30 UTC on Sunday 22 November 2026 is Monday in Berlin.
    days = ["2026-11-15T23:30:00+00:00", "2026-11-22T23:30:00+00:00"]
    seconds = [int(datetime.fromisoformat(day).timestamp()) for day in days]
    lines = [make_response(id=str(at), created=at) for at in seconds]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    def months(*options: str) -> list[str]:
        zone = ("--tz", "Europe/Berlin", "--now", "2026-11-23", "--json")
        rows = json.loads(run("tokens", path, *options, *zone).stdout)
        return [row["period"][:10] for row in rows]

    assert months("--last", "week") == ["2026-11-16"]
    assert months("--since", "7d") == ["2026-11-16", "2026-11-23"]
    assert months("--since", "6d", "--until", "0d") == []
    assert months("--since", "0d") == ["2026-11-23"]
    both = run("tokens", path, "--last", "week", "--since", "7d")
    assert both.returncode == 2
    assert "--last cannot be combined with --since" in both.stderr
    picture = tmp_path / "a.png"
    drawn = run("plot", "token_usage", path, "--to", picture, "--last", "month")
    assert drawn.returncode == 0
    assert picture.stat().st_size > 1000


NEEDS_FULL = pytest.mark.needs("/dev/full")


def into_full(log: Path, command: str, stderr: Any = None) -> tuple[int, bytes | None]:
    """Have a command write to a full disk, its messages too if no other place is given.

    Return the exit code, and what the other place was given.
    """
    words = [sys.executable, "-m", "toolkit", *command.split(), str(log)]
    # Buffered, as it is for users.
    env = {key: os.environ[key] for key in os.environ if key != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            words, check=False, env=env, stdout=full, stderr=stderr or full
        )
    return done.returncode, done.stderr


@NEEDS_FULL
@pytest.mark.parametrize("command", ["tokens", "check", "metric token_usage", "cost"])
def test_what_cannot_be_written_is_a_failure_in_words_and_no_traceback(
    log: Path, command: str
) -> None:
    code, stderr = into_full(log, command, subprocess.PIPE)

    assert code == 1
    assert stderr is not None
    assert stderr.endswith(b"toolkit: output: No space left on device\n")
    assert b"Traceback" not in stderr


@NEEDS_FULL
def test_what_can_be_written_nowhere_is_a_failure(log: Path) -> None:
    assert into_full(log, "tokens") == (1, None)


def test_an_error_that_cannot_be_printed_is_still_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(app.output, "print_message", full)
    monkeypatch.setattr(app, "_discard", lambda _stream: None)
    monkeypatch.setattr(sys, "argv", ["toolkit", "tokens", "none.jsonl"])

    with pytest.raises(SystemExit) as ended:
        app.main()

    assert ended.value.code == 1


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_a_name_that_the_encoding_of_the_output_lacks_is_escaped(
    tmp_path: Path, form: list[str]
) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text(json.dumps(make_response(model="\N{CJK UNIFIED IDEOGRAPH-65E5}")))
    command = [sys.executable, "-m", "toolkit", "tokens", str(log), *form]

    done = subprocess.run(
        command,
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )

    assert done.returncode == 0
    assert rb"\u65e5" in done.stdout
