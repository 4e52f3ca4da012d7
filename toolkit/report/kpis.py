"""The answer: one sentence, five figures, and what changed most."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from toolkit.expressions.model_families import model_family
from toolkit.report.wording import (
    UNKNOWN,
    calls,
    change_words,
    day_words,
    money,
    name_words,
    points_words,
    share_words,
    short,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Row = Mapping[str, Any]

_GOOD, _BAD, _NEUTRAL = "good", "bad", "neutral"
_MOST_CHANGES = 8
# A share of fewer calls says little.
_ENOUGH_CALLS = 20
_FINGERPRINT = ("system_fingerprint",)
# Points of a hundred from which the move of a share is worth a line.
_POINT = 0.01


class Figure(NamedTuple):
    """One figure: now, before, and how it moved over the range."""

    name: str
    label: str
    value: float | int | Decimal | None
    before: float | int | Decimal | None
    text: str
    change: str
    direction: str
    points: list[float | None]
    told: str  # the small line, in words


class Change(NamedTuple):
    """Something that changed: how much, and of what."""

    kind: str
    subject: str | None
    amount: str
    words: str
    direction: str


class _Kind(NamedTuple):
    """How a figure is made of the totals, and which direction is bad."""

    name: str
    label: str
    metric: str
    measure: str
    write: Callable[[Any], str]
    change: Callable[[Any, Any], str]
    parts: tuple[str, ...]  # of which a point of the small line is made
    bad: int = 0  # 1: more is bad, -1: less is bad, 0: neither


_KINDS = (
    _Kind("tokens", "Tokens", "token_usage", "total_tokens", short, change_words,
         ("total_tokens",)),
    _Kind("calls", "Calls", "token_usage", "responses", short, change_words,
         ("responses",)),
    _Kind("cost", "Cost", "cost", "cost", money, change_words, ("cost",), 1),
    _Kind("cut_off", "Cut off at the limit", "truncation_rate", "response_rate",
         share_words, points_words,
         ("responses_truncated", "responses", "responses_without_reason"), 1),
    _Kind("cache", "Prompt from cache", "cache_share", "cache_share", share_words,
         points_words, ("cached_tokens", "prompt_tokens"), -1),
)  # fmt: skip


def figures(
    totals: Mapping[str, Row], over_time: Mapping[str, pl.DataFrame]
) -> list[Figure]:
    """Make the five figures of the totals of their metrics."""
    return [
        _figure(kind, totals[kind.metric], over_time[kind.metric]) for kind in _KINDS
    ]


def _figure(kind: _Kind, row: Row, periods: pl.DataFrame) -> Figure:
    """Make one figure."""
    value, before = row.get(kind.measure), row.get(f"{kind.measure}_before")
    label, text = kind.label, kind.write(value)
    if kind.name == "cost":
        if row.get("responses_unpriced"):
            label, text = "Cost, at least", money(value, down=True)
        if row.get("responses") and row["responses"] == row["responses_unpriced"]:
            value, before, text = None, None, "not known"
    change = kind.change(value, before) if _has_before(row) else ""
    points = _points_of(kind, periods)
    known = [point for point in points if point is not None]
    told = ""
    if len(known) > 1:
        said = [kind.write(_as_value(kind, at)) for at in (min(known), max(known))]
        told = f"{label} in {len(points)} periods: from {said[0]} to {said[1]}"
    return Figure(
        kind.name,
        label,
        value,
        before,
        text,
        "" if change == UNKNOWN else change,
        _direction_of(kind.bad, value, before),
        points,
        told,
    )


def _as_value(kind: _Kind, point: float) -> float | int | Decimal:
    """Return a point of the small line as its figure is written."""
    if kind.name == "cost":
        return Decimal(str(point))
    return point if kind.change is points_words else int(point)


def _has_before(row: Row) -> bool:
    """Say whether a row was compared with a range before."""
    return any(name.endswith("_before") for name in row)


def _direction_of(bad: int, value: Any, before: Any) -> str:  # noqa: ANN401
    """Say whether a change is good or bad; most are neither."""
    if not bad or value is None or before is None or value == before:
        return _NEUTRAL
    return _BAD if (value > before) == (bad > 0) else _GOOD


def _points_of(kind: _Kind, periods: pl.DataFrame) -> list[float | None]:
    """Return a figure for each period: the sum of all series, or a ratio of sums."""
    if "period" not in periods.columns or periods.is_empty():
        return []
    sums = (
        periods.filter(pl.col("period").is_not_null())
        .group_by("period")
        .agg(pl.col(kind.parts).sum())
        .sort("period")
    )
    if len(kind.parts) == 1:
        return [float(value) for value in sums[kind.parts[0]]]
    above, below, *less = (sums[name] for name in kind.parts)
    for part in less:
        below = below - part
    return [
        part / whole if whole else None
        for part, whole in zip(above, below, strict=True)
    ]


def headline(totals: Mapping[str, Row], word: str) -> str:
    """Write the answer in one sentence, without its range."""
    usage, cost = totals["token_usage"], totals["cost"]
    if not usage["responses"]:
        return "No calls."
    parts = [f"{short(usage['total_tokens'])} tokens in {calls(usage['responses'])}"]
    unpriced = cost["responses_unpriced"]
    is_known = unpriced < cost["responses"]
    if is_known:
        least = "at least " if unpriced else ""
        parts.append(f"{least}{money(cost['cost'], down=bool(unpriced))}")
    compared, before = (cost, "cost") if is_known else (usage, "total_tokens")
    if _has_before(compared):
        change = change_words(compared[before], compared[f"{before}_before"])
        of = "" if is_known else " of tokens"
        if change not in {UNKNOWN, "new"}:
            parts.append(f"{change}{of} on the {word} before")
    text = ", ".join(parts) + "."
    if not is_known:
        return f"{text} No call has a known price."
    if unpriced:
        share = cost["unpriced_share"]
        some = f"{share_words(share)} of tokens" if share else calls(unpriced)
        verb = "has" if some == "1 call" else "have"
        text += f" {some} {verb} no known price."
    return text


def changes(
    costs: pl.DataFrame,
    usage: pl.DataFrame,
    truncation: pl.DataFrame,
    cache: pl.DataFrame,
    reasoning: pl.DataFrame,
    gone: pl.DataFrame,
    drift: pl.DataFrame,
    *,
    series: Sequence[str],
    since: Any,  # noqa: ANN401 - a moment of the zone
) -> list[Change]:
    """Return what changed most, the money first."""
    shares = (
        (cache, "cache_share", "of the prompt came from cache", -1),
        (reasoning, "reasoning_share", "of what it wrote is reasoning", 0),
        (truncation, "response_rate", "of calls were cut off", 1),
    )
    moved = _of_shares(shares, series)
    fresh = {_key_of(row, series) for row in _rows_of(usage) if _is_new(row)}
    money_moved = list(_of_costs(costs, usage, moved, series, fresh))[:3]
    # A share that explains a cost is not told twice.
    told = {change.words for _, change, _ in moved if _is_told(change, money_moved)}
    found = [
        *money_moved,
        *list(_of_models(usage, gone, drift, series, fresh))[:3],
        *[change for _, change, _ in moved if change.words not in told][:2],
        *list(_of_versions(drift, since))[:2],
    ]
    unique: dict[tuple[str | None, str], Change] = {}
    for change in found:
        unique.setdefault((change.subject, change.words), change)
    return list(unique.values())[:_MOST_CHANGES]


def _is_told(share: Change, costs: Sequence[Change]) -> bool:
    """Say whether a share stands as the reason of a cost."""
    return any(
        share.subject == cost.subject and share.words in cost.words for cost in costs
    )


def _rows_of(frame: pl.DataFrame) -> Iterable[Row]:
    """Return the rows of named series: what was folded has no name."""
    if "folded" in frame.columns:
        frame = frame.filter(pl.col("folded") == 0)
    return frame.iter_rows(named=True)


def _key_of(row: Row, series: Sequence[str]) -> tuple[Any, ...]:
    """Return what names a series."""
    return tuple(row[name] for name in series)


def _subject_of(key: Sequence[object]) -> str:
    """Write the name of a series."""
    return ", ".join(name_words(part) for part in key)


def _is_new(row: Row) -> bool:
    """Say whether a series has calls now and had none before."""
    return bool(row["responses"]) and row.get("responses_before") == 0


_Moved = tuple[tuple[Any, ...], Change, float]


def _of_shares(
    shares: Sequence[tuple[pl.DataFrame, str, str, int]], series: Sequence[str]
) -> list[_Moved]:
    """Return shares that moved by a point or more, the most first."""
    found: list[_Moved] = []
    for frame, measure, words, bad in shares:
        for row in _rows_of(frame):
            now, then = row[measure], row.get(f"{measure}_before")
            enough = min(row["responses"], row.get("responses_before") or 0)
            if now is None or then is None or enough < _ENOUGH_CALLS:
                continue
            if abs(now - then) < _POINT:
                continue
            key = _key_of(row, series)
            sentence = f"{share_words(now)} {words}, {share_words(then)} before"
            change = Change(
                "share",
                _subject_of(key),
                points_words(now, then),
                sentence,
                _direction_of(bad, now, then),
            )
            found.append((key, change, abs(now - then)))
    return sorted(found, key=lambda one: -one[2])


def _of_costs(
    costs: pl.DataFrame,
    usage: pl.DataFrame,
    moved: Sequence[_Moved],
    series: Sequence[str],
    fresh: set[tuple[Any, ...]],
) -> Iterable[Change]:
    """Yield series whose cost moved by a cent or more, and the likeliest reason."""
    counts = {_key_of(row, series): row for row in _rows_of(usage)}
    reasons: dict[tuple[Any, ...], str] = {}
    for key, change, _ in moved:
        reasons.setdefault(key, change.words)
    rows = [row for row in _rows_of(costs) if row.get("cost_change")]
    for row in sorted(rows, key=lambda row: -abs(row["cost_change"])):
        key, size = _key_of(row, series), row["cost_change"]
        if abs(size) < Decimal("0.01") or key in fresh:
            continue
        why = [f"{money(row['cost_before'])} before"]
        count = counts.get(key)
        if count and count.get("responses_before"):
            grew = change_words(count["responses"], count["responses_before"])
            why.append(f"calls {grew}")
        if key in reasons:
            why.append(reasons[key])
        yield Change(
            "cost",
            _subject_of(key),
            ("+" if size > 0 else "") + money(size),
            f"{money(row['cost'])}, {', '.join(why)}",
            _BAD if size > 0 else _GOOD,
        )


def _of_models(
    usage: pl.DataFrame,
    gone: pl.DataFrame,
    drift: pl.DataFrame,
    series: Sequence[str],
    fresh: set[tuple[Any, ...]],
) -> Iterable[Change]:
    """Yield series that are new, and those that made no call any more."""
    first = {}
    if list(series) == ["model"]:
        seen = drift.group_by("model").agg(pl.col("first_seen").min())
        first = dict(seen.iter_rows())
    for row in _rows_of(usage):
        key = _key_of(row, series)
        if key not in fresh:
            continue
        at = first.get(key[0])
        when = f"first seen on {day_words(at.date(), year=False)}; " if at else ""
        words = f"{when}{calls(row['responses'])}"
        yield Change("new", _subject_of(key), "new", words, _NEUTRAL)
    present = {_key_of(row, series) for row in _rows_of(usage)}
    for row in _rows_of(gone):
        key = _key_of(row, series)
        if key not in present:
            words = f"no calls; {calls(row['responses'])} before"
            yield Change("gone", _subject_of(key), "gone", words, _NEUTRAL)


def _of_versions(drift: pl.DataFrame, since: Any) -> Iterable[Change]:  # noqa: ANN401
    """Yield models that another one answered for, and versions that came up."""
    # A dated snapshot of the model that was asked for is no other one.
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
        words = f"answered by {name_words(served)} in {calls(count)}"
        yield Change("served", name_words(asked), "other", words, _NEUTRAL)
    if since is None:
        return
    versions = (
        drift.filter(pl.col("system_fingerprint").is_not_null())
        .group_by("model", *_FINGERPRINT)
        .agg(pl.col("first_seen").min(), pl.col("responses").sum())
        .sort("responses", "model", *_FINGERPRINT, descending=[True, False, False])
    )
    first_of_all = versions.group_by("model").agg(pl.col("first_seen").min())
    oldest = dict(first_of_all.iter_rows())
    for model, version, first, count in versions.iter_rows():
        # The first version of a model that we see is not a new one.
        if first is None or oldest[model] is None or first <= oldest[model]:
            continue
        when = day_words(first.date(), year=False)
        words = f"version {name_words(version)} since {when}; {calls(count)}"
        yield Change("version", name_words(model), "version", words, _NEUTRAL)
