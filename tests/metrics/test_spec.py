"""One declaration makes a metric: its table, its help and its options."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import polars as pl
import pytest
from matplotlib import pyplot

import toolkit
from toolkit import metrics
from toolkit.cli.screen import print_table
from toolkit.errors import OptionError, UnknownOptionError
from toolkit.metrics import registry
from toolkit.metrics.engine import compute
from toolkit.metrics.measures import RESPONSES, count, ratio
from toolkit.metrics.options import PARAMETERS, Choices, MetricOptions
from toolkit.metrics.registry import METRICS, SPECS, metric
from toolkit.metrics.spec import MetricSpec
from toolkit.testing import make_choices, make_response

ROOT = Path(__file__).parents[2]
DAY = {"since": "2026-01-01", "until": "2026-01-02"}
BY_ALIAS = MetricSpec(
    "answered_by_alias",
    (
        RESPONSES,
        count(
            "responses_without_request",
            pl.col("requested_model").is_null(),
            label="calls without a requested model",
        ),
        count(
            "responses_by_alias",
            pl.col("requested_model") != pl.col("model"),
            label="answered by another name",
        ),
        ratio(
            "alias_share",
            "responses_by_alias",
            pl.col("responses") - pl.col("responses_without_request"),
            unseen="responses_without_request",
        ),
    ),
    main="responses",
    title="Answered by an alias",
    shape="ratio",
    draws=("alias_share",),
    needs=("model", "requested_model"),
)


@pytest.fixture
def added() -> Iterator[str]:
    """Register a metric, and remove it after the test."""
    # The charts, which are listed once, must not have this metric in other tests.
    importlib.import_module("toolkit.charts")

    @metric(BY_ALIAS)
    def answered_by_alias(
        choices: Choices, **options: Unpack[MetricOptions]
    ) -> pl.DataFrame:
        """Count the responses by a model of another name than was requested."""
        return compute(BY_ALIAS, choices, options)

    yield BY_ALIAS.name
    del registry._METRICS[BY_ALIAS.name], registry._SPECS[BY_ALIAS.name]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log of three responses of one model, one of them by an alias."""
    path = tmp_path / "log.jsonl"
    lines = [
        {"request": {"model": asked}, "response": make_response(id=asked, model="a-1")}
        for asked in ("a", "a-1")
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")
    return path


def test_one_declaration_adds_a_metric_with_its_table(added: str, log: Path) -> None:
    table = toolkit.metrics.measure(added, log, every=None)

    # Of two responses of a-1 one was requested as "a".
    assert table.rows() == [("a-1", 2, 0, 1, 0.5)]
    assert added in METRICS


def test_a_new_metric_is_printed_by_its_units(
    added: str, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = toolkit.metrics.measure(added, log, every=None)

    print_table(table, SPECS[added])

    words = capsys.readouterr().out.split()
    assert "50%" in words
    assert "a-1" in words


@pytest.mark.parametrize(("every", "text"), [("1d", "2 calls"), (None, "50%")])
def test_a_new_metric_is_drawn_in_the_shape_of_its_declaration(
    added: str, log: Path, every: str | None, text: str
) -> None:
    ax = toolkit.plot(added, log, every=every)

    assert "Answered by an alias" in ax.get_title(loc="left")
    assert text in " ".join(one.get_text() for one in ax.texts)
    pyplot.close("all")


def test_a_new_metric_has_a_signature_and_its_columns_in_its_help(added: str) -> None:
    function = METRICS[added]

    assert list(inspect.signature(function).parameters) == ["choices", *PARAMETERS]
    assert "alias_share" in str(function.__doc__)


def test_a_new_metric_takes_all_options(added: str) -> None:
    choices = make_choices({"requested_model": "x", "provider": "p"}, {})

    table = METRICS[added](choices, by="provider", compare="previous", top=1, fill=True)

    assert "alias_share_change" in table.columns
    # Sorted by name: "other" comes before "p".
    assert table["folded"].to_list() == [1, 0]


@pytest.mark.parametrize("name", METRICS)
def test_the_columns_of_a_metric_are_those_that_its_help_lists(name: str) -> None:
    spec = SPECS[name]
    choices = make_choices({"total_tokens": 5, "finish_reason": "stop"})
    table = METRICS[name](
        toolkit.load("data/sample") if name == "log_health" else choices,
        **(DAY if spec.fixed else {}),
    )
    text = str(METRICS[name].__doc__)

    own = [*spec.key_names, *(measure.name for measure in spec.shown)]
    assert table.columns[-len(own) :] == own
    for column, dtype in zip(own, table.schema.values(), strict=False):
        assert f" {column} " in text, dtype


@pytest.mark.parametrize("name", [name for name in METRICS if name != "log_health"])
def test_the_help_of_a_metric_explains_each_parameter_in_place(name: str) -> None:
    parameters = inspect.signature(METRICS[name]).parameters
    text = inspect.getdoc(METRICS[name]) or ""

    assert list(parameters) == ["choices", *SPECS[name].option_names]
    for option in SPECS[name].option_names:
        first_line = PARAMETERS[option].description.splitlines()[0]
        assert f"{option}\n    {first_line}" in text
        expected = SPECS[name].series if option == "by" else PARAMETERS[option].default
        assert parameters[option].default in (expected, "model")


def test_tab_completion_offers_the_metrics_and_what_runs_them() -> None:
    assert sorted(dir(metrics)) == sorted([*METRICS, "METRICS", "measure"])


def test_every_name_in_a_declaration_is_a_measure_of_it() -> None:
    for spec in SPECS.values():
        names = {measure.name for measure in spec.measures}
        mentioned = {spec.main, *spec.draws, *spec.absences}
        mentioned |= {one.of for one in spec.measures if one.unseen}
        mentioned |= {column for one in spec.measures for column in one.columns}
        assert mentioned <= names, spec.name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"evry": "1d"},
            r"token_usage has no option 'evry' \(did you mean 'every'\?\); it takes "
            "every, by, tz, since, until, top, fill, compare, provider",
        ),
        ({"every": "1week"}, r"got '1week' \(did you mean .1w.\?\)"),
    ],
)
def test_a_misspelt_option_is_an_error_with_the_likely_one(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        metrics.token_usage(make_choices({}), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "option", "takes"),
    [
        ("drift", "by", "tz, since, until"),
        (
            "response_volume",
            "every",
            "by, tz, since, until, top, fill, compare, provider",
        ),
    ],
)
def test_a_metric_with_fewer_options_lists_those_that_it_takes(
    name: str, option: str, takes: str
) -> None:
    message = f"{name} has no option '{option}'.*; it takes {takes}$"
    with pytest.raises(UnknownOptionError, match=message):
        METRICS[name](make_choices({}), **{option: "1d"})
    with pytest.raises(UnknownOptionError, match=message):
        metrics.measure(name, make_choices({}), **{option: "1d"})  # type: ignore[arg-type]


def test_a_misspelt_metric_is_an_error_with_the_likely_one() -> None:
    with pytest.raises(OptionError, match="did you mean 'cache_share'"):
        metrics.measure("cach_share", "data/sample")
    with pytest.raises(OptionError, match="did you mean 'token_usage'"):
        metrics.measure("TOKEN_USAGE", "data/sample")


def test_a_misspelt_comparison_is_an_error_with_the_right_one() -> None:
    with pytest.raises(OptionError, match=r"got 'prev' \(did you mean 'previous'"):
        metrics.token_usage(make_choices({}), compare="prev")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [n for n in METRICS if "by" in SPECS[n].option_names])
def test_by_none_puts_all_responses_together(name: str) -> None:
    choices = make_choices({"model": "a"}, {"model": "b"})
    options = DAY if SPECS[name].fixed else {}

    together = METRICS[name](choices, by=None, **options)
    assert together.equals(METRICS[name](choices, by=(), **options))


def test_options_of_reading_are_an_error_beside_choices() -> None:
    with pytest.raises(OptionError, match=r"tags: .*choices were given, not logs"):
        metrics.measure("cost", make_choices({}), tags={"team": "team"})
