"""Names, tags, ids and files that mean harm: nothing in any output runs or breaks.

`tests/report/test_hostile_names.py` looks closer at the report.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import unicodedata
import warnings
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import openpyxl
import polars as pl
import pytest
from markdown_it import MarkdownIt

import toolkit
from tests.support.command import run
from toolkit.metrics.registry import SPECS
from toolkit.testing import make_response

NAMES = [
    '=HYPERLINK("http://evil.example","y")',
    " +1+cmd|' /C calc'!A0",
    "@SUM(1)",
    "\t=1+1",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</text></svg><svg onload=alert(1)>",
    '<r><t>x</t></r></is></c><c r="Z9"><f>1+1</f></c><c><is><r></r>',
    "]]><!--",
    "&lt;b&gt; &#60;",
    "a|b\\|c",
    "`tick` ``two``",
    "[x](javascript:alert(1)) ![y](http://evil.example/y.png)",
    "$x^2$ \\frac{1}{0} $",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m",
    "\u202egnp.exe\u2066",
    "line\u2028separator\u2029",
    "nul\x00",
    "new\nline\r\n| --- |\n# heading",
    "x" * 200,
    "模型" * 100,
    "__proto__",
    "{{7*7}}{% raw %}",
    "%s{0}%n",
    "url(javascript:alert(1));*{display:none}",
    "\\",
    "'; drop table",
    " ",
]
PARSER = MarkdownIt("gfm-like", {"linkify": False}).enable("table")
FORMULA = re.compile(r"^(\s*[=+\-@]|[\t\r\n])")


def is_harmless(text: str) -> bool:
    """Return whether a text has only lines of visible characters."""
    categories = {unicodedata.category(sign) for sign in set(text) - {"\n"}}
    return not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a log with each name as model, id, tag and tool; its own is bad too."""
    refused = "" if sys.platform == "win32" else "\x1b[2J<b>"
    path = tmp_path_factory.mktemp("hostile") / f"=1+1 {refused}`$x$.jsonl"
    lines = []
    for day in range(2):
        for number, name in enumerate(NAMES):
            usage = {"prompt_tokens": number + 1, "completion_tokens": 1}
            usage["total_tokens"] = number + 2
            call = {"id": name, "type": "function"}
            call["function"] = {"name": name, "arguments": "{}"}
            message = {"role": "assistant", "content": name, "tool_calls": [call]}
            choice = {"index": 0, "message": message, "finish_reason": name}
            response = make_response(
                id=f"{name}{day}", model=name, usage=usage, choices=[choice],
                created=1_793_000_000 + 86_400 * day + number, provider=name,
                system_fingerprint=name, service_tier=name,
            )  # fmt: skip
            lines.append(json.dumps({"team": name, "response": response}))
    lines += [json.dumps(name) for name in NAMES]  # rejects
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


TAG = ("--tag", "team=team", "--response-path", "response")


@pytest.fixture(scope="module")
def loaded(log: Path) -> Any:
    """Return the log, read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return toolkit.load(log, tags={"team": "team"}, response_path="response")


def test_every_name_is_read_as_it_is(loaded: Any) -> None:
    assert set(loaded.frame["model"]) == set(NAMES)
    assert set(loaded.frame["tag_team"]) == set(NAMES)


# --- Terminal ------------------------------------------------------------------------

TABLES = [
    ["tokens", "LOG", "--by", "model", "--by", "tag_team"],
    ["metric", "tool_calls", "LOG", "--by", "tag_team"],
    ["metric", "finish_reasons", "LOG"],
    ["cost", "LOG", "--every", "none"],
    ["cost", "LOG", "--as", "gpt-4o"],
    ["cost", "LOG", "--as", NAMES[14]],
    ["check", "LOG"],
    ["report", "LOG"],
]
COMMANDS = [
    *TABLES,
    *(["explain", "LOG", "--model", name, "--date", "2026-10-26"] for name in NAMES),
    *(["tokens", "LOG", "--by", name] for name in NAMES),
    *(["tokens", "LOG", "--provider", name] for name in NAMES[14:19]),
    *(["metric", name, "LOG"] for name in NAMES[14:19]),
    *(["report", "LOG", "--budget", f"{name}=1USD"] for name in NAMES[14:19]),
    *([name] for name in NAMES if name.strip()),
]


@pytest.mark.parametrize(("columns", "commands"), [(80, COMMANDS), (200, TABLES)])
def test_no_command_lets_a_name_control_the_terminal(
    log: Path, columns: int, commands: list[list[str]]
) -> None:
    for command in commands:
        if any("\0" in word for word in command):
            continue  # no argument of a process can have it
        words = [log if word == "LOG" else word for word in command]
        options = TAG if "LOG" in command else ()

        done = run(*words, *options, columns=columns)

        assert is_harmless(done.stdout + done.stderr), command
        assert "Traceback" not in done.stderr, command


@pytest.mark.parametrize("name", NAMES)
def test_settings_that_are_wrong_are_named_harmlessly(
    tmp_path: Path, log: Path, name: str
) -> None:
    path = tmp_path / "toolkit.toml"
    text = json.dumps(name)
    for setting in (f"{text} = 1", f"every = {text}", f"by = [{text}]",
                    f"tags = {{ {text} = {text} }}", f"provider = {text}",
                    f"budgets = {{ models = {{ {text} = {text} }} }}"):  # fmt: skip
        path.write_text(f"{setting}\n", encoding="utf-8")

        done = run("tokens", log, "--config", path)

        assert is_harmless(done.stdout + done.stderr), setting
        assert "Traceback" not in done.stderr, setting


# --- Tables --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tables(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the lines of the costs in each format."""
    folder = tmp_path_factory.mktemp("tables")
    endings = ("csv", "xlsx", "parquet", "json", "md")
    to = (word for ending in endings for word in ("--to", folder / f"a.{ending}"))
    assert run("cost", log, *TAG, "--lines", *to).returncode == 0
    return folder


def test_csv_has_no_formula_and_no_control_character(log: Path, tables: Path) -> None:
    in_file = (tables / "a.csv").read_text("utf-8-sig")
    printed = run("cost", log, *TAG, "--lines", "--csv").stdout

    assert is_harmless(printed)
    for text in (printed, in_file):
        _, *rows = csv.reader(io.StringIO(text, newline=""))
        assert len(rows) == 2 * len(NAMES)
        assert not [cell for row in rows for cell in row if FORMULA.match(cell)]
    assert is_harmless(re.sub(r"[\t\r\n]", "", in_file))


def test_costs_for_a_finops_tool_have_no_formula(log: Path, tmp_path: Path) -> None:
    to = ("--month", "2026-10", "--to", tmp_path / "a.csv")
    assert run("focus", log, *TAG, *to).returncode == 0

    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert len(cells) > 2 * len(NAMES)
    assert not list(filter(FORMULA.match, cells))


def test_an_export_of_such_names_is_whole(log: Path, tmp_path: Path) -> None:
    exported = run("export", log, *TAG, "--to", tmp_path / "out")
    verified = run("verify", tmp_path / "out")

    assert (exported.returncode, verified.returncode) == (0, 0)
    assert is_harmless(exported.stderr + verified.stderr)
    assert is_harmless("".join(str(path) for path in (tmp_path / "out").rglob("*")))
    assert set(toolkit.scan(tmp_path / "out").collect()["model"]) == set(NAMES)


def test_excel_has_no_formula_and_no_link(tables: Path) -> None:
    (sheet,) = openpyxl.load_workbook(tables / "a.xlsx").worksheets
    with zipfile.ZipFile(tables / "a.xlsx") as file:
        xml = file.read("xl/worksheets/sheet1.xml")

    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= set("snd")
    assert not {tag for tag in (b"<f>", b"<f ", b"<hyperlink") if tag in xml.lower()}
    place = [cell.value for cell in sheet[1]].index("model") + 1
    models = [sheet.cell(row, place).value for row in range(2, sheet.max_row + 1)]
    plain = [name for name in NAMES if is_harmless(name) and "\n" not in name]
    assert len(models) == 2 * len(NAMES)
    assert set(plain) <= {model or " " for model in models}


def test_markdown_is_one_table_of_text(tables: Path) -> None:
    text = (tables / "a.md").read_text("utf-8")
    tokens = PARSER.parse(text)

    assert is_harmless(text)
    assert [token.type for token in tokens].count("tr_open") == 2 * len(NAMES) + 1
    children = {child.type for token in tokens for child in token.children or []}
    assert children <= {"text", "code_inline"}
    assert tokens[0].type == "table_open"
    assert tokens[-1].type == "table_close"


def test_json_is_ascii_and_parquet_has_each_name_as_it_is(tables: Path) -> None:
    text = (tables / "a.json").read_text("utf-8")

    assert is_harmless(text)
    assert text.isascii()
    assert {row["model"] for row in json.loads(text)} == set(NAMES)
    assert set(pl.read_parquet(tables / "a.parquet")["model"]) == set(NAMES)


# --- Pages and pictures --------------------------------------------------------------


class Page(HTMLParser):
    """Collects what a page could run or load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.active: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an active tag or attribute."""
        if tag in {"script", "img", "iframe", "object", "embed", "link", "base"}:
            self.active.append(tag)
        for name, value in attrs:
            is_link = name.endswith("href") and not (value or "").startswith("#")
            if name.startswith("on") or name == "src" or is_link:
                self.active.append(f"{name}={value}")


def test_the_report_runs_and_loads_nothing(log: Path, tmp_path: Path) -> None:
    html, markdown = tmp_path / "a.html", tmp_path / "a.md"

    done = run("report", log, *TAG, "--by", "tag_team", "--to", html, "--to", markdown,
               "--to", tmp_path / "a.json", "--to", tmp_path / "a.png")  # fmt: skip

    assert done.returncode == 0, done.stderr
    text = html.read_text("utf-8")
    assert Page(text).active == []
    assert is_harmless(text)
    assert is_harmless(markdown.read_text("utf-8"))
    assert "{{7*7}}" in text
    assert (tmp_path / "a.json").read_text().isascii()


def test_a_notebook_shows_a_log_and_a_report_as_text(loaded: Any) -> None:
    assert Page(loaded._repr_html_()).active == []
    report = toolkit.write_report(loaded)
    # The page is in a frame that may run nothing.
    assert re.match(r'<iframe srcdoc="[^"<>]*" sandbox="" ', report._repr_html_())
    for text in (repr(loaded), repr(report), str(report)):
        assert is_harmless(text)


@pytest.mark.parametrize("metric", sorted(SPECS))
def test_charts_are_drawn_with_harmless_texts(
    loaded: Any, metric: str, tmp_path: Path
) -> None:
    takes = SPECS[metric].option_names
    options: dict[str, Any] = {"by": "tag_team"} if "by" in takes else {}
    options |= {"top": len(NAMES)} if "top" in takes else {}
    if metric == "cost_change":
        options |= {"since": "2026-10-27", "until": "2026-10-28"}

    ax = toolkit.plot(metric, loaded, **options)

    ax.figure.savefig(tmp_path / "a.svg")
    ax.figure.savefig(tmp_path / "a.png")

    assert is_harmless(toolkit.charts.describe(ax))
    assert is_harmless((tmp_path / "a.svg").read_text("utf-8"))
    for element in ET.parse(tmp_path / "a.svg").iter():
        assert element.tag.rpartition("}")[2] not in {"script", "a", "foreignObject"}
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert not name.endswith("href") or value.startswith(("#", "data:image/"))
