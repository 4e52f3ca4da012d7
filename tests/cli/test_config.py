"""The settings file: read strictly, with a JSON Schema that agrees."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest

import toolkit
from tests.conftest import ROOT
from tests.support.command import run
from toolkit.cli.config import read_configuration
from toolkit.cli.settings import Settings, json_schema
from toolkit.errors import ConfigurationError, UnreadableSourceError
from toolkit.report.model import TILES as SECTIONS
from toolkit.testing import make_response

FULL = """
sources = ["logs/*.jsonl", "/var/log/llm", "s3://bucket/prefix", "-",
  "file:///srv/a%20b"]
response_path = "response.body"
created_unit = "ms"
created_path = "metadata.sent"
on_damage = "collect"
tz = "Europe/Berlin"
every = "1w"
by = ["model", "tag_team"]
top = 5
provider = "azure"
prices = "prices.toml"
max_rejects = "0.1%"
sections = ["cost", "token_usage"]
title = "Our models"

[tags]
team = "metadata.team"

[budgets]
total = "500USD"
models = { "gpt-4o" = "100.50 USD" }
month = "2000USD"
month_models = { "gpt-4o" = "400USD" }
month_tags = { team = { search = "50USD" } }
check_forecast = true

[colors]
"gpt-4o" = "a1"
"my=model" = "#0A3a70"

[export]
sources = ["raw/*.jsonl.gz"]
to = "parquet"
content = "drop"
duplicates = "keep"
wait = "10m"
on_damage = "raise"
max_rejects = 10

[report]
sources = ["parquet"]
to = ["week.html", "/srv/week.json"]
last = "week"
compare = "previous"
every = "1d"
by = ["provider"]
top = 3
budgets = { total = "5USD" }
max_rejects = 0
on_damage = "raise"
sections = ["drift"]
title = "The week"
"""
# Settings of a wrong type or structure, and the error.
WRONG_STRUCTURE = [
    ('zone = "UTC"', "no setting 'zone' (did you mean 'tz'?)"),
    ('sorces = ["a"]', "no setting 'sorces' (did you mean 'sources'?)"),
    ('qqq = "a"', "no setting 'qqq'"),
    ('sources = "logs"', "sources: expected a list, got 'logs'"),
    ("sources = []", "sources: expected at least one, got []"),
    ('sources = ["a", "a"]', "sources: expected each once, got 'a' twice"),
    ("sources = [1]", "sources[0]: expected a string, got 1"),
    ('title = ""', "title: expected some text, got ''"),
    ("top = 0", "top: expected at least 1, got 0"),
    ("top = 1001", "top: expected at most 1000, got 1001"),
    ("top = true", "top: expected a whole number, got True"),
    ("top = 1.5", "top: expected a whole number, got 1.5"),
    (
        'created_unit = "msec"',
        "created_unit: expected 's', 'ms', 'us' or 'ns', got 'msec' "
        "(did you mean 'ms'?)",
    ),
    ("max_rejects = -1", "max_rejects: expected a count or a share: 10 or 0.1%, got"),
    ("max_rejects = [1]", "max_rejects: expected a count or a share: 10 or 0.1%, got"),
    ('sections = ["costs"]', "sections[0]: expected 'token_usage', 'calls', "),
    ('sections = ["costs"]', "(did you mean 'cost'?)"),
    ("tags = { team = 1 }", "tags.team: expected a string, got 1"),
    ("tags = 1", "tags: expected a table, got 1"),
    (
        'budgets = { totl = "5USD" }',
        "no setting 'budgets.totl' (did you mean 'total'?)",
    ),
    ("budgets = { total = 5 }", "budgets.total: expected a string, got 5"),
    ("budgets = 5", "budgets: expected a table, got 5"),
    (
        "budgets = { check_forecast = 1 }",
        "budgets.check_forecast: expected true or false, got 1",
    ),
    ("by = []", "by: expected at least one, got []"),
    ('export = { source = ["a"] }', "'export.source' (did you mean 'sources'?)"),
    ('report = { logs = ["a"] }', "'report.logs' (did you mean 'sources'?)"),
    ('report = { tz = "UTC" }', "'report.tz' (it belongs at the top of the file)"),
    ('report = { last = "weak" }', "report.last: expected 'day', 'week', 'month' or"),
    ('report = { to = "a.html" }', "report.to: expected a list, got 'a.html'"),
    ('export = { content = "dorp" }', "got 'dorp' (did you mean 'drop'?)"),
]
# Settings whose value is wrong, and the error.
WRONG_VALUE = [
    ('tz = "Europe/Berlln"', "did you mean 'Europe/Berlin'?"),
    ('every = "1 day"', "every: expected a period such as"),
    ('max_rejects = "many"', "max_rejects: expected a count or a share"),
    ('budgets = { total = "5EUR" }', "budgets.total: expected an amount"),
    ('budgets = { month = "5EUR" }', "budgets.month: expected an amount"),
    (
        'colors = { "gpt-4o" = "a4" }',
        'colors.gpt-4o: expected a colour such as "a1" (a1 to e3, z) or "#0a3a70", got '
        "'a4'",
    ),
    ('tags = { "a b" = "c" }', "tags: expected names of letters, digits and _"),
    ('export = { wait = "soon" }', "export.wait: expected a length of time"),
    ('provider = "opnai"', "got 'opnai' (did you mean 'openai'?)"),
    ("tz = ", "not valid TOML"),
]


def write(folder: Path, text: str, name: str = "toolkit.toml") -> Path:
    """Write a file of settings."""
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_every_setting_can_be_set_and_paths_are_those_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write(tmp_path, FULL)

    found = read_configuration("../toolkit.toml")

    assert found.values.keys() == Settings.model_fields.keys()
    assert found.values["sources"] == [
        "../logs/*.jsonl", "/var/log/llm", "s3://bucket/prefix", "-",
        "/srv/a b",
    ]  # fmt: skip
    assert found.values["prices"] == "../prices.toml"
    assert found.values["export"]["to"] == "../parquet"
    assert found.values["export"]["sources"] == ["../raw/*.jsonl.gz"]
    assert found.values["report"]["to"] == ["../week.html", "/srv/week.json"]
    assert found.values["tz"] == "Europe/Berlin"
    assert {at for _, _, at in found.effective()} == {"../toolkit.toml"}


def test_the_settings_of_the_docs_are_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "howto" / "report.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)

    jsonschema.validate(tomllib.loads(text), json_schema())
    assert read_configuration(write(tmp_path, text)).values["report"]["last"] == "week"


def test_the_schema_takes_what_we_take() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())

    jsonschema.validate(tomllib.loads(FULL), json_schema())


@pytest.mark.parametrize(("text", "expected"), WRONG_STRUCTURE)
def test_a_wrong_shape_is_refused_by_us_and_by_the_schema(
    tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_configuration(write(tmp_path, text))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), json_schema())

    assert expected in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path))


@pytest.mark.parametrize(("text", "expected"), WRONG_VALUE)
def test_a_setting_without_meaning_is_refused(
    tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_configuration(write(tmp_path, text))

    assert expected in str(refused.value)


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    text = """
    top = 0
    zone = "UTC"
    every = "1 day"
    budgets = { totl = "5USD", total = "5EUR", models = { "gpt-4o" = "5" } }
    report = { last = "weak", compare = 1 }
    """
    with pytest.raises(ConfigurationError) as refused:
        read_configuration(write(tmp_path, text))

    places = ["top", "'zone'", "every", "'budgets.totl'", "budgets.total"]
    places += ["budgets.models.gpt-4o", "report.last", "report.compare"]
    assert len(refused.value.faults) == len(places)
    for place in places:
        assert [fault for fault in refused.value.faults if f"{place}" in fault]


def test_a_pyproject_has_its_table(tmp_path: Path) -> None:
    path = write(tmp_path, "[tool.completion-toolkit]\ntop = 3", "pyproject.toml")
    other = tmp_path / "other"
    other.mkdir()
    silent = write(other, "[project]\nname = 'x'", "pyproject.toml")

    assert read_configuration(path).values == {"top": 3}
    with pytest.raises(ConfigurationError, match="it has no table"):
        read_configuration(silent)


def test_the_nearest_file_is_found_and_toolkit_toml_before_pyproject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    write(tmp_path, "[tool.completion-toolkit]\ntop = 3", "pyproject.toml")
    assert read_configuration().values == {"top": 3}
    write(tmp_path, "top = 4")
    assert read_configuration().values == {"top": 4}
    # One that says nothing to us is passed over.
    write(below, "[project]\nname = 'x'", "pyproject.toml")
    assert read_configuration().values == {"top": 4}
    write(below, "top = 5")
    assert read_configuration() == ("toolkit.toml", {"top": 5})
    monkeypatch.setenv("TOOLKIT_CONFIG", str(tmp_path / "toolkit.toml"))
    assert read_configuration().values == {"top": 4}
    assert read_configuration("toolkit.toml").values == {"top": 5}


def test_a_file_that_is_named_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOOLKIT_CONFIG", str(tmp_path / "none.toml"))

    with pytest.raises(ConfigurationError, match="No such file"):
        read_configuration()


@pytest.mark.needs("symlinks")
def test_a_file_that_the_system_refuses_to_read_is_a_failure_and_no_wrong_usage(
    tmp_path: Path,
) -> None:
    path = tmp_path / "toolkit.toml"
    path.symlink_to(path)

    with pytest.raises(UnreadableSourceError, match="Too many levels"):
        read_configuration(path)
    assert run("config", "--config", str(path)).returncode == 1
    assert run("config", "--config", str(path / "none.toml")).returncode == 1
    assert run("config", "--config", str(tmp_path / "none.toml")).returncode == 2


def test_nothing_configured_means_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    found = read_configuration()

    assert found == (None, {})
    assert ("tz", "UTC", "default") in found.effective()
    assert ("sections", list(SECTIONS), "default") in found.effective()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Write a log of two teams in one hour of two days, and settings for it."""
    lines = [
        # 23:30 UTC on 22 November 2026 is 23 November in Berlin.
        make_response(id="a", created=1795389000) | {"metadata": {"team": "red"}},
        make_response(id="b", created=1795389000) | {"metadata": {"team": "blue"}},
    ]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    write(
        tmp_path,
        'sources = ["log.jsonl"]\ntz = "Europe/Berlin"\nby = ["tag_team"]\n'
        'tags = { team = "metadata.team" }',
    )
    return tmp_path


def test_a_command_takes_options_that_are_not_given_from_the_configuration(
    house: Path,
) -> None:
    config = ("--config", house / "toolkit.toml", "--json")

    rows = json.loads(run("tokens", *config).stdout)
    flags = json.loads(run("tokens", "--tz", "UTC", "--by", "model", *config).stdout)

    assert {row["tag_team"] for row in rows} == {"red", "blue"}
    assert {row["period"] for row in rows} == {"2026-11-23T00:00:00+01:00"}
    assert [(row["model"], row["period"], row["responses"]) for row in flags] == [
        ("gpt-a", "2026-11-22T00:00:00+00:00", 2)
    ]


def test_an_export_keeps_its_own_tags(house: Path) -> None:
    config = ("--config", house / "toolkit.toml")
    out = house / "out"

    assert run("export", "--to", out, *config).returncode == 0
    read = run("tokens", out, *config, "--json")
    asked = run("tokens", out, *config, "--tag", "team=metadata.team")

    assert len(json.loads(read.stdout)) == 2
    assert asked.returncode == 2
    assert "an export keeps the tags it was made with" in asked.stderr


def test_one_file_serves_export_and_report(house: Path) -> None:
    write(
        house,
        """
        sources = ["parquet"]
        tz = "Europe/Berlin"
        tags = { team = "metadata.team" }
        [export]
        sources = ["log.jsonl"]
        to = "parquet"
        content = "drop"
        [report]
        by = ["tag_team"]
        to = ["all.json"]
        title = "Teams"
        """,
    )
    config = ("--config", house / "toolkit.toml")

    assert run("export", *config).returncode == 0
    tokens = json.loads(run("tokens", *config, "--json").stdout)
    reported = run("report", *config, "--quiet")
    other = run("report", *config, "--title", "Mine", "--to", house / "b.json")

    # The settings of the report are not those of the table.
    assert [row["model"] for row in tokens] == ["gpt-a"]
    assert toolkit.scan(house / "parquet").collect()["content"].null_count() == 2
    assert (reported.returncode, reported.stderr) == (0, "")
    data = json.loads((house / "all.json").read_text())
    assert (data["title"], data["range"]["by"]) == ("Teams", ["tag_team"])
    assert data["range"]["tz"] == "Europe/Berlin"
    assert other.returncode == 0
    assert json.loads((house / "b.json").read_text())["title"] == "Mine"


@pytest.mark.parametrize(
    ("text", "command", "words"),
    [
        ('sources = ["none/*.jsonl"]', ["tokens"], ["matches nothing", "`sources`"]),
        ('by = ["modle"]', ["tokens", "data/sample"], ["no column 'modle'", "`by`"]),
        ('prices = "none.toml"', ["cost", "data/sample"], ["none.toml", "`prices`"]),
        (
            'report = { to = ["week.pdf"] }',
            ["report", "data/sample"],
            ["a file that ends in", "`to`"],
        ),
        (
            'report = { to = ["none/week.md"] }',
            ["report", "data/sample"],
            ["none does not exist", "`to`"],
        ),
    ],
)
def test_the_file_whose_settings_make_a_command_fail_is_named(
    tmp_path: Path, text: str, command: list[str], words: list[str]
) -> None:
    path = write(tmp_path, text)

    done = run(*command, "--config", path)

    assert done.returncode in (1, 2)
    (line,) = done.stderr.splitlines()
    assert line.endswith(f"{words.pop()} is set in {path}")
    assert words[0] in line


def test_a_range_on_the_command_line_replaces_the_last_period_of_the_file(
    tmp_path: Path,
) -> None:
    write(tmp_path, 'report = { last = "week" }')
    config = ("--config", tmp_path / "toolkit.toml")

    done = run("report", "data/sample", "--since", "2026-11-02", *config)

    assert done.returncode == 0
    assert "Since 2 Nov 2026" in done.stdout


def test_a_file_above_this_directory_is_named_if_it_is_used(
    house: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, below = house / "toolkit.toml", house / "below"
    below.mkdir()
    monkeypatch.chdir(below)

    def messages(*command: object, **variables: str) -> list[str]:
        done = run(*command, **variables)
        assert done.returncode == 0, done
        return [line for line in done.stderr.splitlines() if line.startswith("sett")]

    # The log is the one that the settings name.
    named = f"settings of {path}: by, sources, tags, tz"
    assert messages("tokens") == [named]
    assert messages("tokens", "--csv", "--by", "model", "--tz", "UTC") == [
        f"settings of {path}: sources, tags"
    ]
    assert messages("report", "--quiet", "--to", "report.json") == [named]
    # An export keeps its own tags.
    assert messages("export", house / "log.jsonl", "--to", "out", "--quiet") == [
        f"settings of {path}: tags"
    ]
    assert messages("cost", "out") == [f"settings of {path}: by, tz"]
    # A range on the command line takes the place of `last`.
    write(house, 'report = { last = "week" }')
    options = ("--since", "2026-11-22", "--until", "2026-11-24")
    now = ("--now", "2026-11-29")
    assert messages("report", "out", *options) == []
    assert messages("report", "out", *now) == [f"settings of {path}: last"]
    # Nothing is unexpected about these: a file that is named or here, or not used.
    assert messages("report", "out", *now, TOOLKIT_CONFIG=str(path)) == []
    assert messages("report", "out", *now, "--config", path) == []
    monkeypatch.chdir(house)
    assert messages("report", "below/out", *now) == []
    monkeypatch.chdir(below)
    assert messages("tokens", "out") == []


def test_the_title_of_a_report_is_not_that_of_a_chart(tmp_path: Path) -> None:
    path, to = write(tmp_path, 'title = "Ours"'), tmp_path / "a.svg"

    done = run("plot", "cost", "data/sample", "--to", to, "--config", path)

    assert done.returncode == 0
    assert "Ours" not in to.read_text("utf-8")


def test_the_file_is_not_named_for_what_it_does_not_set(tmp_path: Path) -> None:
    path = write(tmp_path, 'by = ["provider"]')

    done = run("tokens", "data/sample", "--by", "modle", "--config", path)

    assert "no column 'modle'" in done.stderr
    assert "toolkit.toml" not in done.stderr


def test_settings_that_are_wrong_are_wrong_usage(tmp_path: Path) -> None:
    path = write(tmp_path, "top = 0")

    for command in (("tokens", "data/sample"), ("config",)):
        done = run(*command, "--config", path)
        assert done.returncode == 2
        assert "top: expected at least 1, got 0" in done.stderr


def test_config_prints_each_value_and_where_it_came_from(house: Path) -> None:
    path = house / "toolkit.toml"

    text = run("config", "--config", path).stdout
    as_json = json.loads(run("config", "--config", path, "--json").stdout)
    schema = json.loads(run("config", "--schema").stdout)

    values = tomllib.loads(text)
    assert f'tz = "Europe/Berlin"  # {path}' in text.splitlines()
    assert 'every = "1d"  # default' in text.splitlines()
    assert values["tags"] == {"team": "metadata.team"}
    assert values["sources"] == [os.fspath(house / "log.jsonl")]
    assert as_json["tz"] == {"value": "Europe/Berlin", "from": str(path)}
    assert as_json["prices"] == {"value": None, "from": "default"}
    assert [*as_json, "export", "report"] == list(Settings.model_fields)
    assert schema == json_schema()
