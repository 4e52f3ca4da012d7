"""What changed most since the period before, and the model versions behind it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from toolkit.expressions.model_families import model_family
from toolkit.formatting.dates import format_day
from toolkit.formatting.text import (
    format_change,
    format_name,
    format_share,
    format_share_change,
    format_usd,
)
from toolkit.metrics.registry import SPECS
from toolkit.report.kpis import NEUTRAL, cost_of, direction_of, has_direction
from toolkit.report.wording import calls

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from toolkit.report.kpis import Row

_MOST_CHANGES = 8
# Shares that are listed: metric, measure, words, and which direction is bad.
_SHARES = (
    ("cache_share", "cache_share", "of the prompt came from cache", -1),
    ("reasoning_share", "reasoning_share", "of what it wrote is reasoning", 0),
    ("truncation_rate", "response_rate", "of calls were cut off", 1),
)
# A share of fewer calls is not reliable.
_ENOUGH_CALLS = 20
# Change of a share, in percentage points / 100, from which it is listed.
_POINT = Decimal("0.01")
_CENT = Decimal("0.01")


class Change(NamedTuple):
    """Something that changed: by how much, and of which series."""

    kind: str
    subject: str | None
    amount: str
    words: str
    direction: str


_Key = tuple[Any, ...]
_Moved = tuple[_Key, Change, Decimal]


def changes(
    whole: Mapping[str, pl.DataFrame],
    gone: pl.DataFrame,
    series: Sequence[str],
    since: datetime | None,
) -> list[Change]:
    """Return what changed most, costs first.

    `whole` are the metrics of the range, and `gone` the usage of the range before.
    """
    usage = {_key_of(row, series): row for row in _rows_of(whole["token_usage"])}
    moved = _of_shares(whole, series)
    costs = list(_of_costs(whole["cost"], usage, moved, series))[:3]
    # A share that explains a cost is not listed again.
    explained = {
        share.words
        for _, share, _ in moved
        for cost in costs
        if share.subject == cost.subject and share.words in cost.words
    }
    found = [
        *costs,
        *list(_of_models(usage, gone, whole["drift"], series))[:3],
        *[change for _, change, _ in moved if change.words not in explained][:2],
        *list(_of_versions(whole["drift"], since))[:2],
    ]
    unique: dict[tuple[str | None, str], Change] = {}
    for change in found:
        unique.setdefault((change.subject, change.words), change)
    return list(unique.values())[:_MOST_CHANGES]


def _rows_of(frame: pl.DataFrame) -> Iterable[Row]:
    """Return the rows of named series, without the folded ones."""
    if "folded" in frame.columns:
        frame = frame.filter(pl.col("folded") == 0)
    return frame.iter_rows(named=True)


def _key_of(row: Row, series: Sequence[str]) -> _Key:
    """Return the key of a series."""
    return tuple(row[name] for name in series)


def _subject_of(key: Sequence[object]) -> str:
    """Format the name of a series."""
    return ", ".join(format_name(part) for part in key)


def _is_new(usage: Row) -> bool:
    """Return whether a series has calls now and had none before."""
    return bool(usage.get("responses")) and usage.get("responses_before") == 0


def _of_shares(
    whole: Mapping[str, pl.DataFrame], series: Sequence[str]
) -> list[_Moved]:
    """Return shares that moved by a point or more, the largest changes first."""
    found: list[_Moved] = []
    for metric, measure, words, bad in _SHARES:
        share = SPECS[metric][measure]
        for row in _rows_of(whole[metric]):
            now, then = share.figure(row), share.figure(row, "_before")
            moved = now - then
            calls_of_both = min(row["responses"], row.get("responses_before") or 0)
            is_large = moved.is_known and abs(moved.number) >= _POINT
            if calls_of_both < _ENOUGH_CALLS or not is_large:
                continue
            key, amount = _key_of(row, series), format_share_change(moved)
            sentence = f"{format_share(now)} {words}, {format_share(then)} before"
            direction = direction_of(bad, now, then)
            change = Change("share", _subject_of(key), amount, sentence, direction)
            found.append((key, change, abs(moved.number)))
    return sorted(found, key=lambda one: -one[2])


def _of_costs(
    costs: pl.DataFrame,
    usage: Mapping[_Key, Row],
    moved: Sequence[_Moved],
    series: Sequence[str],
) -> Iterable[Change]:
    """Yield series whose cost moved by a cent or more, and the likely reason."""
    reasons: dict[_Key, str] = {}
    for key, change, _ in moved:
        reasons.setdefault(key, change.words)
    rows = [row for row in _rows_of(costs) if row.get("cost_change")]
    for row in sorted(rows, key=lambda row: -abs(row["cost_change"])):
        key, now, before = _key_of(row, series), cost_of(row), cost_of(row, "_before")
        count = usage.get(key, {})
        is_small = abs(row["cost_change"]) < _CENT
        if is_small or _is_new(count) or not has_direction(now, before):
            continue
        why = [f"{format_usd(before)} before"]
        if count.get("responses_before"):
            grew = format_change(count["responses"], count["responses_before"])
            why.append(f"calls {grew}")
        if key in reasons:
            why.append(reasons[key])
        amount = format_usd(now - before, signed=True)
        sentence = f"{format_usd(now)}, {', '.join(why)}"
        direction = direction_of(1, now, before)
        yield Change("cost", _subject_of(key), amount, sentence, direction)


def _of_models(
    usage: Mapping[_Key, Row],
    gone: pl.DataFrame,
    drift: pl.DataFrame,
    series: Sequence[str],
) -> Iterable[Change]:
    """Yield series that are new, and those without calls in this range."""
    first = {}
    if list(series) == ["model"]:
        seen = drift.group_by("model").agg(pl.col("first_seen").min())
        first = dict(seen.iter_rows())
    for key, row in usage.items():
        if _is_new(row):
            at = first.get(key[0])
            when = f"first seen on {format_day(at, 'short')}; " if at else ""
            words = f"{when}{calls(row['responses'])}"
            yield Change("new", _subject_of(key), "new", words, NEUTRAL)
    for row in _rows_of(gone):
        key = _key_of(row, series)
        if key not in usage:
            words = f"no calls; {calls(row['responses'])} before"
            yield Change("gone", _subject_of(key), "gone", words, NEUTRAL)


def _of_versions(drift: pl.DataFrame, since: datetime | None) -> Iterable[Change]:
    """Yield requests that another model answered, and new versions of models."""
    # A dated snapshot of the requested model is the same model.
    differs = drift.filter(
        pl.col("differs").fill_null(value=False),
        model_family("requested_model") != model_family("model"),
    )
    groups = (
        differs.group_by("requested_model", "model")
        .agg(pl.col("responses").sum())
        .sort("responses", "requested_model", "model", descending=[True, False, False])
    )
    for asked, served, count in groups.iter_rows():
        words = f"answered by {format_name(served)} in {calls(count)}"
        yield Change("served", format_name(asked), "other", words, NEUTRAL)
    if since is None:
        return
    versions = (
        drift.filter(pl.col("system_fingerprint").is_not_null())
        .group_by("model", "system_fingerprint")
        .agg(pl.col("first_seen").min(), pl.col("responses").sum())
        .sort(
            "responses", "model", "system_fingerprint", descending=[True, False, False]
        )
    )
    first_of_all = versions.group_by("model").agg(pl.col("first_seen").min())
    oldest = dict(first_of_all.iter_rows())
    for model, version, first, count in versions.iter_rows():
        # The first version of a model in the data is not new.
        if first is None or oldest[model] is None or first <= oldest[model]:
            continue
        when = format_day(first, "short")
        words = f"version {format_name(version)} since {when}; {calls(count)}"
        yield Change("version", format_name(model), "version", words, NEUTRAL)
