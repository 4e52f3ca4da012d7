"""An argument of the wrong type is one sentence of the package, in every function."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import toolkit
from toolkit import charts, expressions, metrics, pricing
from toolkit.errors import OptionTypeError
from toolkit.testing import make_choices

LOG = "data/sample/chat.jsonl"
CHOICES = make_choices({"total_tokens": 5})
USAGE = metrics.token_usage(CHOICES)
TOOLS = metrics.tool_calls(CHOICES)
TAGS = 'tags: expected a mapping of name to path, such as {"team": "metadata.team"}, '
PRICES = "prices: expected a price file (its path), or None, got "
REPORT = "to: expected a path, or a list of them, got "
AXES = "ax: expected an Axes of matplotlib, got int"
CONDITION = (
    "condition: expected a polars expression such as "
    "pl.col('finish_reason') == 'stop', got "
)
NO_FRAME = "choices: expected a frame of choices, got {}: toolkit.load() reads a log"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: toolkit.load(LOG, tags={"team": 3}), f"{TAGS}got int"),
        (lambda: toolkit.load(LOG, tags={1: "a"}), f"{TAGS}got int"),
        (
            lambda: toolkit.load(LOG, response_path=3),
            "response_path: expected a path such as log.answer, or None, got int",
        ),
        (
            lambda: toolkit.load(LOG, max_line_bytes="1MB"),
            "max_line_bytes: expected a number of bytes, got str",
        ),
        (
            lambda: toolkit.load(LOG, progress=3),
            "progress: expected a function of the number of bytes that were read, "
            "or None, got int",
        ),
        (
            lambda: toolkit.explain(CHOICES, model=None, date=None),
            "model: expected the name of a model, got NoneType",
        ),
        (
            lambda: toolkit.explain(CHOICES, model="gpt-a", date=3),
            "date: expected a day such as 2026-01-31, or None, got int",
        ),
        (lambda: toolkit.export(LOG, to=3), "to: expected a path, got int"),
        (lambda: toolkit.verify(3), "directory: expected a path, got int"),
        (lambda: toolkit.compact(3), "directory: expected a path, got int"),
        (
            lambda: toolkit.compact("out", today="x"),
            "today: expected a date, got str",
        ),
        (
            lambda: toolkit.compact("out", wait="x"),
            "wait: expected a number of seconds, got str",
        ),
        (
            lambda: toolkit.write_rejects(LOG, 3),
            "to: expected a path or an open file, got int",
        ),
        (lambda: toolkit.write_report(CHOICES, to=3), f"{REPORT}int"),
        (lambda: toolkit.write_report(CHOICES, to=[3]), f"{REPORT}int"),
        (lambda: pricing.add_cost(CHOICES, prices=3), f"{PRICES}int"),
        (lambda: pricing.add_cost(CHOICES, prices={}), f"{PRICES}dict"),
        (
            lambda: pricing.what_if(CHOICES, model=3),
            "model: expected the name of a model, got int",
        ),
        (lambda: toolkit.plot("token_usage", CHOICES, ax=3), AXES),
        (lambda: charts.plot_token_usage(USAGE, ax=3), AXES),
        (lambda: charts.plot_tool_calls(TOOLS, ax=3), AXES),
        (
            lambda: charts.describe(3),
            "ax: expected an Axes drawn by toolkit.charts, got int",
        ),
        (lambda: expressions.any_choice("finish_reason"), f"{CONDITION}str"),
        (lambda: expressions.any_choice(True), f"{CONDITION}bool"),
        (lambda: toolkit.responses("data/sample"), NO_FRAME.format("str")),
        (lambda: toolkit.responses(None), NO_FRAME.format("NoneType")),
        (lambda: pricing.add_cost("data/sample"), NO_FRAME.format("str")),
        (lambda: pricing.missing_prices("data/sample"), NO_FRAME.format("str")),
        (lambda: metrics.token_usage("data/sample"), NO_FRAME.format("str")),
    ],
)
def test_an_argument_of_the_wrong_type_is_one_sentence(
    function: Callable[[], object], message: str
) -> None:
    with pytest.raises(OptionTypeError, match=f"^{re.escape(message)}$"):
        function()


def test_an_open_file_is_no_path() -> None:
    with open(LOG) as file:  # noqa: PTH123 - an open file is meant
        for function in (toolkit.verify, pricing.read_prices):
            with pytest.raises(OptionTypeError, match=r"not the open file$"):
                function(file)
        with pytest.raises(OptionTypeError, match=r"^to: .* not the open file$"):
            toolkit.export(LOG, to=file)  # type: ignore[arg-type]
        with pytest.raises(OptionTypeError, match=r"^to: .* got TextIOWrapper$"):
            toolkit.write_report(CHOICES, to=file)  # type: ignore[arg-type]
