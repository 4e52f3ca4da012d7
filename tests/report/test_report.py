"""The report: its figures by hand, the same in every form, and the same bytes again."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import toolkit
from tests.report.made import at, calls
from tests.support.command import run
from toolkit.errors import OptionError
from toolkit.report import write_report
from toolkit.report.model import TILES
from toolkit.report.report import _FORMATS
from toolkit.testing import make_choices, make_response

SCHEMA = json.loads(Path("docs/report.schema.json").read_text(encoding="utf-8"))
WEEK: dict[str, Any] = {"last": "week", "now": "2026-11-23", "compare": "previous"}
# gpt-4o on these days: 2.50 USD a million read, 10 USD written, 1.25 from cache.
READ, WRITTEN, CACHED = Decimal("2.5"), Decimal(10), Decimal("1.25")


# This week 30 calls, one of a model without a price; 3 were cut off. 25 calls before.
ROWS = [
    *calls("2026-11-10", 20),
    *calls("2026-11-11", 5, finish_reason="length"),
    *calls("2026-11-17", 20, cached_tokens=500),
    *calls("2026-11-18", 6),
    *calls("2026-11-19", 3, finish_reason="length"),
    *calls("2026-11-20", 1, model="of-our-own", provider=None),
]


@pytest.fixture(scope="module")
def report() -> toolkit.report.Report:
    """Make the report of a week, from a frame."""
    return write_report(make_choices(*ROWS), **WEEK)


def figures(report: Any) -> dict[str, Any]:
    """Return the key figures by name."""
    return {figure["name"]: figure for figure in report.data()["figures"]}


def test_key_figures_are_those_worked_by_hand(report: Any) -> None:
    found = figures(report)

    # 30 calls x 1,100; 25 x 1,100 before.
    assert found["tokens"]["value"] == {"value": 33_000, "bound": "exact"}
    assert found["tokens"]["before"]["value"] == 27_500
    assert found["calls"]["value"]["value"] == 30
    assert found["calls"]["words"] == "+5 (25 before)"
    # 29 priced calls: 100 written each is 0.001; read 1,000 is 0.0025, but for 20 calls
    # 500 + 500 from cache, 0.00125 + 0.000625 = 0.001875.
    million = Decimal(10**6)
    written = 29 * 100 * WRITTEN / million
    cached = 20 * (500 * READ + 500 * CACHED) / million
    whole = 9 * 1000 * READ / million
    cost = written + cached + whole
    assert found["cost"]["value"] == {"value": cost, "bound": "lower"}
    assert cost == Decimal("0.089")
    assert found["cost"]["before"]["value"] == 25 * Decimal("0.0035")
    # 3 of 30 were cut off, 5 of 25 before; 10,000 of 30,000 tokens read from cache.
    assert (found["cut_off"]["value"]["value"], found["cut_off"]["of"]) == (3, 30)
    assert found["cut_off"]["words"] == "5 of 25 before"
    assert found["cache"]["value"]["value"] == pytest.approx(10_000 / 30_000)
    assert found["cache"]["before"]["value"] == 0


def test_the_answer_comes_first(report: Any) -> None:
    # 0.089 - 0.0875 = 0.0015; 1,100 tokens at 0.089 for 31,900 are 0.0031.
    assert report.headline == (
        "The week cost at least $0.089, at least $0.0015 more than the week before, "
        "because there were 20% more calls; calls without a known price could add "
        "about $0.0031."
    )
    assert str(report) == f"Week of 16 to 22 Nov 2026 (UTC): {report.headline}"
    assert report.html().index("<h1>") < report.html().index("Known cost")


def test_models_have_their_change_and_its_reason(report: Any) -> None:
    rows = {row["name"]: row for row in report.data()["models"]["rows"]}

    # 25 calls before and 29 now: + 4 x 0.0035; the cache saved 20 x 500 x 1.25 / 10^6.
    assert rows["gpt-4o"]["change"]["value"] == Decimal("0.0015")
    assert rows["gpt-4o"]["reason"] == "more calls: 25 → 29"
    assert rows["of-our-own"]["calls_before"] == 0
    assert rows["of-our-own"]["cost"] == {"value": None, "bound": "unknown"}


def test_charts_come_in_the_order_of_their_names() -> None:
    names = ["finish_reasons", "token_usage"]
    made = write_report(make_choices(*ROWS), sections=names, **WEEK)

    tiles = made.data()["analysis"]["tiles"]
    assert [tile["name"] for tile in tiles] == names
    whole = write_report(make_choices(*ROWS), **WEEK).data()["analysis"]
    assert [tile["name"] for tile in whole["tiles"]] == [
        name for name in TILES if name in {tile["name"] for tile in whole["tiles"]}
    ]


def test_the_json_keeps_to_its_schema(report: Any) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    jsonschema.validate(json.loads(report.json()), SCHEMA)
    jsonschema.validate(json.loads(write_report(make_choices()).json()), SCHEMA)


def test_the_same_input_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        files = [
            tmp_path / f"{number}{form}" for form in (".html", ".md", ".json", ".png")
        ]
        # A chart drawn in between must not matter: each report assigns its own colours.
        toolkit.charts.set_colors({f"other {number}": "b2"})
        write_report("data/sample", files, last="week", now="2026-11-09")

    for form in _FORMATS:
        first = (tmp_path / f"1{form}").read_bytes()
        assert first == (tmp_path / f"2{form}").read_bytes()
        assert len(first) < 2_000_000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1764000000")
    made = write_report(make_choices(*ROWS), sections=["cost"], **WEEK)
    assert made.content.made.generated == "24 Nov 2025, 16:00 UTC"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "now")
    with pytest.raises(OptionError, match="seconds since 1970"):
        write_report(make_choices(*ROWS), sections=["cost"], **WEEK)


def test_logs_and_their_export_give_the_same_figures(tmp_path: Path) -> None:
    toolkit.export("data/sample", to=tmp_path / "out", final=True)
    options: dict[str, Any] = {"last": "month", "now": "2026-11-09"}

    logs = write_report("data/sample", **options).data()
    export = write_report(tmp_path / "out", **options).data()
    loaded = write_report(toolkit.load("data/sample"), **options).data()

    # The lines of a range are known of logs only.
    for name in ("figures", "models", "causes", "waste", "analysis", "periods"):
        assert export[name] == logs[name] == loaded[name], name
    headlines = [one["answer"]["headline"].partition(";")[0] for one in (export, logs)]
    assert headlines == ["The month cost at least $3.97"] * 2


def test_logs_behind_a_lazy_frame_are_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(make_response())}\n" * 3, encoding="utf-8")
    read: list[int] = []

    write_report(toolkit.scan(path, progress=read.append)).html()

    assert sum(read) == path.stat().st_size


def test_no_word_of_an_answer_is_in_any_form(report: Any) -> None:
    for text in (report.html(), report.markdown(), report.json()):
        assert "secret" not in text


def test_without_a_range_everything_is_reported_even_without_a_date() -> None:
    rows = [*calls("2026-11-10", 2), {**calls("2026-11-10", 1)[0], "created": None}]

    made = write_report(make_choices(*rows))

    # 2 x 0.0035; a price is not known of a call without a date.
    assert str(made) == (
        "All that there is (UTC): All calls together cost at least $0.007; calls "
        "without a known price could add about $0.0035."
    )
    assert figures(made)["calls"]["value"]["value"] == 3
    inside = write_report(make_choices(*rows), since="2026-11-01", until="2026-12-01")
    assert inside.data()["left_out"] == ["1 call without a date"]
    assert figures(inside)["tokens"]["value"]["value"] == 2_200


def test_no_calls_make_a_report_too() -> None:
    made = write_report(make_choices(), **WEEK)

    assert made.headline == "No calls."
    assert "No calls." in made.html()
    assert made.markdown().startswith("# LLM usage")
    assert made.png().startswith(b"\x89PNG")


def test_the_command_names_what_changes_the_page() -> None:
    own = {"title": "Our own", "sections": ["cost"], "colors": {"gpt-4o": "a3"}}
    command = write_report(make_choices(), **own, **WEEK).content.made.command
    for option in ("--title 'Our own'", "--section cost", "--color gpt-4o=a3"):
        assert option in command
    assert "--title" not in write_report(make_choices()).content.made.command


def test_a_range_that_is_not_over_is_compared_with_none() -> None:
    # On 19 November the week of the 16th has three more days.
    days = {"since": "2026-11-16", "until": "2026-11-23", "compare": "previous"}
    report = write_report(make_choices(*ROWS), **days, now="2026-11-20")

    assert report.headline.startswith("The week has cost at least $0.089 so far")
    assert "the week before" not in report.headline
    assert "is not over, so it is not compared" in report.content.answer.certainty
    assert report.content.causes is None
    assert figures(report)["calls"]["before"]["bound"] == "unknown"


def test_a_range_with_only_an_end_needs_no_call() -> None:
    assert write_report(make_choices(), until="2026-11-10").headline == "No calls."


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"to": "a.pdf"}, r"a file that ends in \.html"),
        ({"sections": ["costs"]}, "did you mean 'cost'"),
        ({"sections": []}, "at least one"),
        ({"compare": "previous"}, "a range with both ends"),
        ({"last": "week", "compare": "before"}, "previous"),
        ({"top": 0}, "top: .* got 0"),
        ({"against": "none.json"}, "a report that can be read"),
        ({"now": "9999-12-31", "budgets": "1USD"}, "now: .* before the year 9999"),
        ({"since": "9999-01-01", "until": "9999-12-31"}, "until: .* the year 9999"),
        ({"colors": {"gpt-4o": ["a1"]}}, "colors: expected colours such as"),
    ],
)
def test_what_means_nothing_is_refused_before_a_log_is_read(
    options: dict[str, Any], expected: str
) -> None:
    with pytest.raises(OptionError, match=expected):
        write_report("no such log", **options)


# The command.


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log of two calls of a week, one without a price, and a bad line."""
    created = int(at("2026-11-17").timestamp())
    lines = [
        make_response(id="a", created=created, model="gpt-4o"),
        make_response(id="b", created=created, model="of-our-own"),
        {},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path


SHORT = ("--last", "week", "--now", "2026-11-23", "--section", "cost")


def test_the_command_writes_every_form_from_one_run(log: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("r.html", "r.md", "r.json", "r.png")]
    to = [word for file in files for word in ("--to", file)]

    done = run("report", log, *SHORT, *to, "--compare", "previous")
    quiet = run("report", log, *SHORT, *to, "--quiet")
    printed = run("report", log, *SHORT)

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith(f"{files[0]}, ")
    # 10 read at 2.50 and 5 written at 10 USD a million: 0.000075, and as much unpriced.
    headline = "Week of 16 to 22 Nov 2026 (UTC): The week cost at least $0.000075"
    assert headline in done.stderr
    assert all(file.stat().st_size > 500 for file in files)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert printed.stdout.startswith(headline)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["a.jsonl", *[file.name for file in files]]
    )


def test_a_budget_fails_closed_and_says_why(log: Path) -> None:
    unsure = run("report", log, *SHORT, "--budget", "500USD")
    held = run("report", log, *SHORT, "--budget", "gpt-4o=500USD")
    crossed = run("report", log, *SHORT, "--budget", "gpt-4o=0.00001USD")

    assert (unsure.returncode, held.returncode, crossed.returncode) == (3, 0, 3)
    assert "1 of 2 calls has no known price" in unsure.stderr
    # 10 read at 2.50 and 5 written at 10 USD a million: 0.000075.
    assert "is exceeded: $0.000075 of $0.00001" in crossed.stderr


def test_too_many_rejects_exit_4_and_a_budget_takes_precedence(log: Path) -> None:
    assert run("report", log, *SHORT, "--max-rejects", "1").returncode == 0
    done = run("report", log, *SHORT, "--max-rejects", "0")
    both = run("report", log, *SHORT, "--max-rejects", "0", "--budget", "5USD")

    assert done.returncode == 4
    assert "1 lines rejected, more than 0" in done.stderr
    assert both.returncode == 3
    assert "lines rejected" in both.stderr


def test_the_summary_of_a_job_gets_the_markdown(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))

    assert run("report", log, *SHORT).returncode == 0

    assert summary.read_text().startswith("before\n# LLM usage: Week of 16")


def test_a_report_takes_its_settings_from_the_configuration(
    log: Path,
) -> None:
    path = log.with_name("toolkit.toml")
    path.write_text(
        'sources = ["a.jsonl"]\nsections = ["cost"]\ntitle = "Ours"\n'
        'tz = "Europe/Berlin"\nmax_rejects = 0\n'
        '[budgets]\nmodels = { "gpt-4o" = "0.00001USD" }\n'
    )
    to = log.with_name("r.json")

    done = run("report", "--config", path, *SHORT[:4], "--to", to)

    made = json.loads(to.read_text())
    assert done.returncode == 3
    assert made["analysis"] is None or len(made["analysis"]["tiles"]) <= 1
    assert (made["title"], made["range"]["tz"]) == ("Ours", "Europe/Berlin")
    assert "rejected" in done.stderr


def test_a_page_is_put_in_its_place_at_once_or_not_at_all(
    log: Path, tmp_path: Path
) -> None:
    there = tmp_path / "there.md"
    there.mkdir()

    done = run("report", log, *SHORT, "--to", there)

    assert done.returncode == 1
    assert f"{there}: cannot write: " in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "there.md"]


@pytest.mark.parametrize("by", [(), None])
def test_a_report_without_series_has_the_totals(by: Any) -> None:
    report = write_report(make_choices({"total_tokens": 15}, {}), by=by)

    (row,) = report.data()["models"]["rows"]
    # 15 of the first call; the second does not report any.
    assert (row["calls"], row["tokens"]) == (2, {"value": 15, "bound": "lower"})


@pytest.mark.parametrize("by", ["provider", ("provider", "vendor")])
def test_series_need_not_be_models(by: str | tuple[str, ...]) -> None:
    """Costs by model are read together with those of the series, whatever they are."""
    rows = [*calls("2026-11-17", 20), *calls("2026-11-18", 5, model="gpt-4o-mini")]
    models = write_report(make_choices(*rows), **WEEK, by=by).content.models
    assert models is not None
    assert [row.calls for row in models.rows] == [25]  # 20 + 5 of one provider


def test_a_report_on_many_series_reads_each_metric_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    week = {"since": "2026-11-02", "until": "2026-11-09", "now": "2026-11-09"}
    few = toolkit.write_report("data/sample", compare="previous", **week)

    monkeypatch.setattr("toolkit.report.content._MANY", 0)
    many = toolkit.write_report("data/sample", compare="previous", **week)

    assert many.json() == few.json()
