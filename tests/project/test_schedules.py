"""The recipes in examples/schedules: each is checked, and its command is run."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import toolkit
from toolkit.cli.config import read_configuration

FOLDER = Path(__file__).parents[2] / "examples" / "schedules"
SYSTEMD = shutil.which("systemd-analyze")


def unit(name: str) -> configparser.ConfigParser:
    """Read a unit of systemd."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # keep the case
    parser.read(FOLDER / name, encoding="utf-8")
    return parser


def workflow() -> dict[Any, Any]:
    """Read the workflow of GitHub Actions."""
    text = (FOLDER / "toolkit-report.yml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def commands() -> dict[str, str]:
    """Return the command of each recipe."""
    cron = (FOLDER / "toolkit.cron").read_text(encoding="utf-8").splitlines()[-1]
    steps = workflow()["jobs"]["report"]["steps"]
    return {
        "cron": cron.split(None, 6)[6],
        "systemd": unit("toolkit-report.service")["Service"]["ExecStart"],
        "github": next(
            step["run"] for step in steps if "toolkit report" in step.get("run", "")
        ),
    }


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export the sample."""
    out = tmp_path_factory.mktemp("schedules") / "export"
    toolkit.export("data/sample", to=out)
    return out


@pytest.mark.needs("symlinks")
@pytest.mark.parametrize("name", ["cron", "systemd", "github"])
def test_the_command_of_a_recipe_runs_in_a_bare_environment(
    name: str, export: Path, tmp_path: Path
) -> None:
    (tmp_path / "logs").symlink_to(export)
    settings = (FOLDER / "toolkit.toml").read_text(encoding="utf-8")
    settings = settings.replace("/var/lib/toolkit/export", str(export))
    if name != "cron":  # one report with all sections is enough: each takes seconds
        settings = f'sections = ["cost"]\n{settings}'
    (tmp_path / "toolkit.toml").write_text(settings)
    words = shlex.split(commands()[name])
    assert words[0].endswith("toolkit")
    places = {"/etc/toolkit/": "", "/var/www/reports/": "", "%S/toolkit-report/": ""}
    for place, here in places.items():
        words = [word.replace(place, here) for word in words]

    # No PATH, no HOME, no TZ, no LANG: as cron, or with less.
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", *words[1:], "--now", "2026-11-09"],
        cwd=tmp_path,
        env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        check=False,
    )

    # Some calls of the sample have no price: they may be over budget.
    assert (done.returncode, b"no known price" in done.stderr) == (3, True)
    pages = sorted(path.name for path in tmp_path.glob("*.html"))
    assert pages == (["report.html"] if name == "github" else ["week.html"])
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    if SYSTEMD is None:
        pytest.skip("systemd-analyze is not installed")
    for name in ("toolkit-report.service", "toolkit-report.timer"):
        # It checks that the command exists, which may be elsewhere on this machine.
        text = (FOLDER / name).read_text(encoding="utf-8")
        there = text.replace("/usr/local/bin/toolkit", sys.executable)
        (tmp_path / name).write_text(there, encoding="utf-8")

    done = subprocess.run(
        [SYSTEMD, "verify", "--man=no", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )

    lines = [line for line in done.stderr.splitlines() if "toolkit-report" in line]
    assert (done.returncode, lines) == (0, [])


def test_the_timer_starts_the_service_every_monday() -> None:
    timer = unit("toolkit-report.timer")

    assert timer["Timer"]["OnCalendar"] == "Mon *-*-* 06:00:00"
    assert timer["Timer"]["Persistent"] == "true"
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_cron_has_five_fields_a_user_and_one_command() -> None:
    line = (FOLDER / "toolkit.cron").read_text(encoding="utf-8").splitlines()[-1]

    minute, hour, day, month, weekday, user, *_ = line.split()
    assert (minute, hour, day, month, weekday) == ("0", "6", "*", "*", "1")
    assert user == "toolkit"
    # cron ends a command at a percent sign that is not escaped.
    assert "%" not in line


def test_the_workflow_is_complete() -> None:
    found = workflow()

    # YAML 1.1 reads the key `on` as true.
    assert found[True]["schedule"] == [{"cron": "0 5 * * 1"}]
    assert found["permissions"] == {"contents": "read"}
    steps = found["jobs"]["report"]["steps"]
    assert [step.get("uses", "run") for step in steps] == [
        "actions/checkout@v4",
        "actions/setup-python@v5",
        "run",
        "run",
        "actions/upload-artifact@v4",
    ]
    assert steps[-1]["if"] == "always()"


def test_the_settings_are_valid() -> None:
    values = read_configuration(FOLDER / "toolkit.toml").values

    assert values["sources"] == ["/var/lib/toolkit/export"]
    assert values["budgets"] == {"total": "500USD"}
