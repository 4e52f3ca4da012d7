"""What is not known is shown as such in every output, for any log.

What must be shown is worked out from the generated lines, not from the metrics.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt

import toolkit
from tests.support.command import run
from toolkit.charts import describe
from toolkit.cli.tables import lay_out
from toolkit.metrics.bounds import with_bounds
from toolkit.metrics.registry import METRICS, SPECS
from toolkit.report import write_report
from toolkit.testing import make_response


def examples(count: int) -> settings:
    """Return settings for so many logs."""
    return settings(
        max_examples=count, deadline=None, suppress_health_check=list(HealthCheck)
    )


# Logs.

Call = dict[str, Any]
PRICED, UNPRICED = "gpt-4o", "own"


@st.composite
def calls(draw: st.DrawFn) -> Call:
    """Return the facts of a call: what it reports, None for what it does not."""
    prompt, completion = draw(st.integers(1, 5000)), draw(st.integers(1, 500))
    parts = draw(st.sampled_from(["all", "all", "no total", "prompt", "none"]))
    day = draw(st.sampled_from([1, 2, 3, None]))
    has_details = parts in {"all", "no total"}
    return {
        "day": day,
        # Only a date makes a price sure.
        "model": draw(st.sampled_from([PRICED, UNPRICED])) if day else UNPRICED,
        "prompt": None if parts == "none" else prompt,
        "completion": completion if has_details else None,
        "total": prompt + completion if parts == "all" else None,
        "cached": draw(st.sampled_from([None, prompt // 2])) if has_details else None,
        "reported": draw(st.sampled_from([None, None, Decimal("0.25")])),
        "reason": draw(st.sampled_from(["stop", "length", "content_filter", None])),
    }


logs = st.lists(calls(), min_size=1, max_size=8)


def write_line(number: int, call: Call) -> str:
    """Write a call as a line of a log."""
    day = call["day"]
    usage = {f"{name}_tokens": call[name] for name in ("prompt", "completion", "total")}
    usage["prompt_tokens_details"] = {"cached_tokens": call["cached"]}
    cost = None if call["reported"] is None else float(call["reported"])
    response = make_response(
        id=f"call-{number}",
        model=call["model"],
        created=int(datetime(2026, 11, day, 12, tzinfo=UTC).timestamp()) if day else 0,
        usage=None
        if call["prompt"] is None and cost is None
        else {**usage, "cost": cost},
    )
    response["choices"][0]["finish_reason"] = call["reason"]
    return json.dumps(response)


@contextmanager
def log_of(many: Sequence[Call]) -> Iterator[Path]:
    """Write a log of calls."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.jsonl"
        lines = (write_line(number, call) for number, call in enumerate(many))
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        yield path


# What must be shown.


class Due(NamedTuple):
    """A figure and its bound."""

    value: Any
    bound: str


UNKNOWN = Due(None, "unknown")


def summed(values: Sequence[Any], missing: int) -> Due:
    """Sum what is known; `missing` counts the calls of which something is not."""
    if not missing:
        return Due(sum(values), "exact")
    return Due(sum(values), "lower") if values else UNKNOWN


def ratio(part: Due, whole: Due, *, is_sure: bool) -> Due:
    """Divide sums of the same calls."""
    if part.value is None or not whole.value:
        return UNKNOWN
    share = float(part.value) / float(whole.value)
    return Due(share, "exact" if is_sure else "approximate")


def tokens_of(call: Call) -> int | None:
    """Return the total, or prompt and completion."""
    if call["total"] is not None or call["completion"] is None:
        return call["total"]  # type: ignore[no-any-return]
    return int(call["prompt"] + call["completion"])


def cost_of(call: Call) -> Decimal | None:
    """Return USD: reported, or 2.50, 1.25 cached, and 10 a million tokens."""
    if call["reported"] is not None:
        return Decimal(call["reported"])
    if call["model"] == UNPRICED or call["completion"] is None:
        return None
    cached = call["cached"] or 0
    usd = Decimal("2.5") * (call["prompt"] - cached) + Decimal("1.25") * cached
    return (usd + 10 * call["completion"]) / 10**6


def known(values: Sequence[Any]) -> list[Any]:
    """Leave out what is not known."""
    return [value for value in values if value is not None]


def column(many: Sequence[Call], name: str) -> Due:
    """Sum a count that calls report."""
    values = known([call[name] for call in many])
    return summed(values, len(many) - len(values))


def tokens(many: Sequence[Call]) -> Due:
    """Sum tokens: exact only if each call reports its total."""
    return summed(
        known([tokens_of(call) for call in many]),
        sum(call["total"] is None for call in many),
    )


def cost(many: Sequence[Call]) -> Due:
    """Sum costs."""
    values = known([cost_of(call) for call in many])
    return summed(values, len(many) - len(values))


def cached(many: Sequence[Call]) -> dict[str, Due]:
    """Return the share of cached tokens, of the calls that report both counts."""
    full = [call for call in many if call["cached"] is not None]
    missing = len(many) - len(full)
    part, whole = (
        summed([call[name] for call in full], missing) for name in ("cached", "prompt")
    )
    share = ratio(part, whole, is_sure=not missing)
    return {"cached_tokens": part, "prompt_tokens": whole, "cache_share": share}


def unpriced(many: Sequence[Call]) -> dict[str, Due]:
    """Return the tokens without a price, and their share."""
    lost, whole = tokens([call for call in many if cost_of(call) is None]), tokens(many)
    is_sure = whole.bound == "exact"
    return {
        "cost": cost(many),
        "tokens_unpriced": lost,
        "unpriced_share": ratio(lost, whole, is_sure=is_sure),
    }


def endings(many: Sequence[Call]) -> dict[str, Due]:
    """Return how many were cut off, and what those took."""
    silent = sum(call["reason"] is None for call in many)
    cut = [call for call in many if call["reason"] == "length"]
    flags = known([call["reason"] and call["reason"] == "length" for call in many])
    count = summed([int(flag) for flag in flags], silent)
    whole = Due(len(flags), "exact")
    return {
        "responses_truncated": count,
        "response_rate": ratio(count, whole, is_sure=not silent),
        "total_tokens": tokens(many),
        "tokens_truncated": unsure(tokens(cut), silent),
        "cost_truncated": unsure(cost(cut), silent),
    }


def unsure(due: Due, silent: int) -> Due:
    """Return a sum to which calls without a finish reason may belong."""
    if not silent or due.bound == "unknown":
        return due
    return Due(due.value, "lower") if due.value else UNKNOWN


def filtered(many: Sequence[Call]) -> dict[str, Due]:
    """Return how many were filtered."""
    flags = [
        int(reason == "content_filter")
        for reason in known([call["reason"] for call in many])
    ]
    return {"responses_filtered": summed(flags, len(many) - len(flags))}


DUE: dict[str, Callable[[Sequence[Call]], dict[str, Due]]] = {
    "token_usage": lambda many: {
        "total_tokens": tokens(many),
        **{
            f"{name}_tokens": column(many, name)
            for name in ("prompt", "completion", "cached")
        },
    },
    "cost": unpriced,
    "cache_share": cached,
    "truncation_rate": endings,
    "refusal_and_filter_rate": filtered,
    "model_mix": lambda many: {"total_tokens": tokens(many)},
    "response_volume": lambda many: {"total_tokens": tokens(many)},
}
TOGETHER = {"every": None, "by": ()}


def groups(many: Sequence[Call], key: str) -> dict[Any, list[Call]]:
    """Group calls by a fact."""
    return {
        one: [call for call in many if call[key] == one]
        for one in {call[key] for call in many}
    }


def shown(row: dict[str, Any], name: str) -> Due:
    """Return what a row of data says of a measure."""
    value = row[name]
    if isinstance(value, str):  # of CSV, and money of JSON
        value = Decimal(value) if value else None
    value = round(value, 9) if value is not None else None
    return Due(value, row[f"{name}_bound"])


def assert_due(row: dict[str, Any], dues: dict[str, Due], where: str) -> None:
    """Compare a row of data with what is due."""
    for name, due in dues.items():
        value, bound = shown(row, name)
        assert bound == due.bound, (where, name, row)
        if due.value is None:
            assert value is None, (where, name, row)
        else:
            assert float(value) == pytest.approx(float(due.value)), (where, name, row)


# Tables.


@examples(10)
@given(logs)
def test_no_table_of_a_metric_is_surer_than_its_lines(many: list[Call]) -> None:
    with log_of(many) as path:
        frame = toolkit.load(path).frame

    for name, due in DUE.items():
        spec, metric = SPECS[name], METRICS[name]
        if name != "response_volume":  # has a row for each hour
            (row,) = with_bounds(metric(frame, **TOGETHER), spec).to_dicts()
            assert_due(row, due(many), name)
            table = with_bounds(metric(frame, every=None), spec)
            for row in table.to_dicts():
                own = groups(many, "model")[row["model"]]
                assert_due(row, due(own), name)
            table = with_bounds(metric(frame, by=(), fill=True), spec)
            for row in table.to_dicts():
                day = row["period"] and row["period"].day
                # A day that was filled has no call: 0 for sure.
                own = groups(many, "day").get(day, [])
                dues = {
                    key: one for key, one in due(own).items() if "r" not in key[-4:]
                }
                assert_due(row, dues if own else {}, name)
                sums = [key for key in dues if SPECS[name][key].additive]
                assert own or all(shown(row, key) == Due(0, "exact") for key in sums)


@examples(12)
@given(logs)
def test_no_change_is_surer_than_both_of_its_figures(many: list[Call]) -> None:
    with log_of(many) as path:
        frame = toolkit.load(path).frame
    days = groups(many, "day")
    first = min((day for day in days if day), default=None)

    for name, measure, due in (
        ("token_usage", "total_tokens", tokens),
        ("cost", "cost", cost),
    ):
        table = METRICS[name](frame, by=(), compare="previous")
        for row in with_bounds(table, SPECS[name]).to_dicts():
            day = row["period"] and row["period"].day
            change = shown(row, f"{measure}_change")
            if not day or day == first:
                assert change == UNKNOWN
                continue
            now, before = due(days[day]), due(days.get(day - 1, []))
            bounds = {now.bound, before.bound}
            if "unknown" in bounds:
                assert change == UNKNOWN
                continue
            both = {("lower", "exact"): "lower", ("exact", "lower"): "upper"}
            both[("exact", "exact")] = "exact"
            bound = both.get((now.bound, before.bound), "approximate")
            assert change.bound == bound
            assert float(change.value) == pytest.approx(float(now.value - before.value))


@examples(4)
@given(logs)
def test_csv_and_json_have_the_bound_of_each_figure(many: list[Call]) -> None:
    with log_of(many) as path:
        for command, name in ((("tokens",), "token_usage"), (("cost",), "cost")):
            asked = (*command, path, "--every", "none")
            from_json = json.loads(run(*asked, "--json").stdout)
            from_csv = csv.DictReader(io.StringIO(run(*asked, "--csv").stdout))
            for row in (*from_json, *from_csv):
                own = groups(many, "model")[row["model"]]
                assert_due(row, DUE[name](own), name)


# Text for readers.

SIGNS = {"exact": "", "lower": "≥ ", "approximate": "~ "}


@examples(10)
@given(logs)
def test_a_table_in_the_terminal_marks_bounds_and_names_the_unknown(
    many: list[Call],
) -> None:
    with log_of(many) as path:
        frame = toolkit.load(path).frame

    for name, measure in (
        ("token_usage", "total_tokens"),
        ("cost", "cost"),
        ("cache_share", "prompt_tokens"),
        ("truncation_rate", "tokens_truncated"),
    ):
        table = METRICS[name](frame, every=None)
        layout = lay_out(table, SPECS[name], 10_000)
        columns = {one.name: one for one in layout.shown}
        if measure not in columns:  # is 0 or unknown in each row, and not the main one
            continue
        for model, cell in zip(table["model"], columns[measure].cells, strict=True):
            due = DUE[name](groups(many, "model")[model])[measure]
            assert_text(cell, due, "unknown")
        whole = DUE[name](many)[measure]
        assert_text(columns[measure].footer, whole, "unknown")


def assert_text(text: str, due: Due, unknown: str) -> None:
    """Compare a figure in words with what is due."""
    if due.value is None:
        assert text == unknown
        return
    sign, number = re.fullmatch(r"([≥≤~] )?\$?([\d.,]+)", text).groups()  # type: ignore[union-attr]
    assert (sign or "") == SIGNS[due.bound]
    value, read = Decimal(due.value), Decimal(number.replace(",", ""))
    assert abs(value - read) <= max(value / 10, Decimal("0.01"))
    assert read <= value or due.bound == "exact"


@examples(4)
@given(logs)
def test_a_chart_has_no_bar_and_no_0_for_what_is_unknown(many: list[Call]) -> None:
    with log_of(many) as path:
        frame = toolkit.load(path).frame

    for name, due, missing in (
        ("token_usage", tokens, "unknown"),
        ("cost", cost, "no known price"),
    ):
        bars, stack = toolkit.plot(name, frame, every=None), toolkit.plot(name, frame)
        whole, texts = due(many), [text.get_text() for text in bars.texts]
        if whole.value is not None:
            dues = [due(own) for own in groups(many, "model").values()]
            marked = [text for text in texts if text.startswith("≥")]
            assert len(marked) == sum(one.bound == "lower" for one in dues), texts
            assert texts.count(missing) == sum(one.value is None for one in dues)
        for words in (" ".join(texts), describe(bars), describe(stack)):
            assert "nan" not in words
            if whole.value is None:
                assert re.search(r"unknown|no call has|not reported|no dated", words)
                # The only share that is known: no token has a price.
                others = words.replace("100% of tokens have no known price", "")
                assert not re.search(r"\$\d|\b0\b|%", others), words
            elif whole.bound == "lower":
                assert "at least" in words
        plt.close("all")


# Reports.


@examples(3)
@given(logs)
def test_a_report_is_no_surer_than_the_lines(many: list[Call]) -> None:
    with log_of(many) as path:
        made = write_report(path, every="1d")
    content, whole = made.content, {"tokens": tokens(many), "cost": cost(many)}

    for figure in content.figures:
        if figure.name in whole and many:
            due = whole[figure.name]
            assert figure.value.bound == due.bound
            assert (figure.value.value is None) == (due.value is None)
    for row in content.models.rows if content.models else ():
        own = groups(many, "model")[row.name]
        for figure, due in ((row.tokens, tokens(own)), (row.cost, cost(own))):
            assert (figure.value, figure.bound) == (due.value, due.bound)
    for text in (made.headline, made.markdown()):
        for name, zero in (
            ("tokens", r"(?<![\d,.])0 tokens"),
            ("cost", r"cost \$0(?![.\d])"),
        ):
            if whole[name].bound != "exact":
                assert not re.search(zero, text), (name, text)
