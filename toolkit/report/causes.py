"""What changed, and why: the change in known cost, split into its causes.

The split is that of the metric `cost_change`; here it is put into words. A cause is
named only if it moves the cost the way the cost moved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.formatting.figures import Figure
from toolkit.formatting.text import format_count, format_share
from toolkit.report.course import series_name
from toolkit.report.figures import priced_calls
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import Cause, Causes, Head
from toolkit.report.wording import calls, fraction, join, usd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal
    from typing import Any

    from toolkit.formatting.figures import Number
    from toolkit.report.metric_tables import MetricTables

    Row = Mapping[str, Any]


class _Effect(NamedTuple):
    """An effect of `cost_change`: its column, label, and words for more and less."""

    column: str
    label: str
    more: str
    less: str


_EFFECTS = (
    _Effect(
        "prompt_length_effect", "Prompt length", "longer prompts", "shorter prompts"
    ),
    _Effect(
        "answer_length_effect", "Answer length", "longer answers", "shorter answers"
    ),
    _Effect("mix_effect", "Choice of models", "dearer models", "cheaper models"),
    _Effect("calls_effect", "Number of calls", "more calls", "fewer calls"),
    _Effect("cache_effect", "Cache", "fewer cache hits", "more cache hits"),
    _Effect("price_effect", "Prices", "higher prices", "lower prices"),
    _Effect("fees_effect", "Fees", "higher fees", "lower fees"),
    _Effect("known_effect", "More of the cost is known", "", ""),
    _Effect("unsplit_effect", "Cannot be split", "higher charges", "lower charges"),
)
_PROMPT, _ANSWER, _CACHED = (
    "prompt_tokens_mean",
    "completion_tokens_mean",
    "cache_share",
)
# From this share of the known cost on, the change of a series is worth a reason.
_NOTABLE = 0.002
_ENOUGH_CALLS = 20  # of a mean or a share that is called a reason
_MAIN_SHARE = 1 / 3  # of the change that the main cause must explain


def build_causes(tables: MetricTables, names: Mapping[str, str]) -> Causes | None:
    """Build the split of the change; None if the cost before or now is unknown."""
    plan = tables.plan
    if not plan.compares:
        return None
    total = tables.table("cost_change", every=None, by=()).to_dicts()
    if not total or not total[0]["cost"] or not total[0]["cost_before"]:
        return None
    row = total[0]
    rows = tables.table("cost_change", every=None, by=plan.by).to_dicts()
    for one in rows:
        one["name"] = _short(one, plan.by, names)
    change = figure_of("cost_change", "cost", row, "_change")
    main = _main_effect(row)
    found = [
        Cause(
            effect.column.removesuffix("_effect"),
            _label(effect, row),
            Figure(row[effect.column]),
            _words(effect, row, rows, plan.unit),
            effect is main,
        )
        for effect in _EFFECTS
        if row[effect.column] or effect.column in {"price_effect", "calls_effect"}
    ]
    amount = usd(Figure(change.value), words=False, signed=True)
    note = f"The change in known cost, {amount}, split into its causes: they add up."
    now, before = (
        figure_of("cost_change", "cost", row, end) for end in ("", "_before")
    )
    ends = f"{usd(before)} before, {usd(now)} now."
    title = _title(row, rows, plan.unit)
    return Causes(Head("What changed, and why", title, note), found, change, ends)


def _short(row: Row, by: Sequence[str], names: Mapping[str, str]) -> str:
    """Return the short name of a series."""
    name = series_name(row, by)
    return names.get(name, name)


def _sign(number: Number) -> int:
    """Return 1, -1 or 0: whether a number is above 0, below it, or 0."""
    return int(number > 0) - int(number < 0)


def _main_effect(row: Row) -> _Effect | None:
    """Return the effect that moved the cost most, the way it moved.

    That more of the cost is known is no reason to spend more.
    """
    change = row["cost_change"]
    same = [
        effect
        for effect in _EFFECTS
        if effect.more and _sign(row[effect.column]) == _sign(change) != 0
    ]
    main = max(same, key=lambda effect: abs(row[effect.column]), default=None)
    is_large = main and abs(row[main.column]) >= abs(float(change)) * _MAIN_SHARE
    return main if is_large else None


def _label(effect: _Effect, row: Row) -> str:
    """Return the label of an effect."""
    if effect.column == "known_effect" and row[effect.column] < 0:
        return "Less of the cost is known"
    return effect.label


def _leader(effect: _Effect, row: Row, rows: Sequence[Row]) -> Row | None:
    """Return the series that has most of an effect, the way the effect goes."""
    amount = row[effect.column]
    same = [one for one in rows if _sign(one[effect.column]) == _sign(amount) != 0]
    first = max(same, key=lambda one: abs(one[effect.column]), default=None)
    is_most = first and abs(first[effect.column]) * 2 >= abs(amount)
    return first if is_most else None


def _words(effect: _Effect, row: Row, rows: Sequence[Row], unit: str) -> str:
    """Return an effect in a sentence: what moved, from what to what."""
    column, leader = effect.column, _leader(effect, row, rows)
    if column == "calls_effect":
        return f"{row['responses_before']:,} → {calls(row['responses'])}."
    if column == "known_effect":
        before, now = (
            f"{priced_calls(row, end):,} of {row[f'responses{end}']:,}"
            for end in ("_before", "")
        )
        return (
            f"{before} → {now} calls have a known price. It is no change in spending."
        )
    if column == "price_effect" and not row[column]:
        return f"No list price changed between the two {unit}s."
    if column == "mix_effect":
        return _mix_words(rows)
    if leader is None:
        return "Spread over several models."
    name = leader["name"]
    if column == "prompt_length_effect":
        return _length_words(f"Prompts to {name} were", leader, _PROMPT, effect)
    if column == "answer_length_effect":
        return _length_words(f"Answers of {name} were", leader, _ANSWER, effect)
    if column == "cache_effect":
        before, now = (_percent(leader[f"{_CACHED}{end}"]) for end in ("_before", ""))
        return f"{name} took {before} → {now} of its prompt tokens from cache."
    if column == "unsplit_effect":
        charged = calls(leader["responses_priced"])
        return f"{name} reports what it charged, without a list price ({charged})."
    return f"Most of it at {name}: {_money(leader[column])}."


def _length_words(begin: str, row: Row, column: str, effect: _Effect) -> str:
    """Return how the mean length of a series changed."""
    before, now = row[f"{column}_before"], row[column]
    lengths = f"{_count(before)} → {_count(now)} tokens a call"
    alone = f"That alone is {_money(row[effect.column])}."
    moved = _moved(before, now, "longer", "shorter")
    return f"{begin} {moved}: {lengths} ({calls(row['responses_priced'])}). {alone}"


def _moved(before: float, now: float, more: str, less: str) -> str:
    """Return how much something moved: ``a third shorter``, ``12% longer``."""
    part = abs(now - before) / before if before else 0.0
    word = more if now > before else less
    if part >= 1:
        return f"{now / before:.1f} times as {'long' if word == 'longer' else 'many'}"
    much = fraction(part)
    return f"{'50%' if much == 'half' else much} {word}"


def _mix_words(rows: Sequence[Row]) -> str:
    """Return which series took more or less of the work, the largest effects first."""
    priced = [
        sum(one[f"responses_priced{end}"] for one in rows) for end in ("_before", "")
    ]
    moved = sorted(rows, key=lambda one: -abs(one["mix_against_mean"]))
    parts = []
    for one in moved[:2]:
        shares = [
            _percent(one[f"responses_priced{end}"] / of)
            for end, of in zip(("_before", ""), priced, strict=True)
        ]
        if one["mix_against_mean"] and shares[0] != shares[1]:
            amount = _money(one["mix_against_mean"])
            parts.append(f"{one['name']} took {' → '.join(shares)} ({amount})")
    return (
        f"Of the priced calls {join(parts)}."
        if parts
        else "Spread over several models."
    )


def _percent(share: float | None) -> str:
    """Write a share in whole percent, in tenths below ten."""
    if share is None:
        return "an unknown share"
    return format_share(round(share, 2 if share >= 0.095 else 3))


def _count(tokens: float) -> str:
    """Write a mean number of tokens."""
    return format_count(round(tokens))


def _money(amount: Decimal) -> str:
    """Write an effect with its sign, to a tenth of a cent."""
    figure = Figure(amount)
    return usd(
        figure.rounded(3) if abs(amount) < 1 else figure, words=False, signed=True
    )


def _title(row: Row, rows: Sequence[Row], unit: str) -> str:
    """Return the answer: the main cause, and what worked against it."""
    change, main = float(row["cost_change"]), _main_effect(row)
    if abs(change) <= 0.01 * float(row["cost_before"]):
        return "The known cost hardly changed"
    cheaper = "cheaper" if change < 0 else "dearer"
    if main is None:
        return f"Several causes made the {unit} {cheaper}"
    against = [
        effect
        for effect in _EFFECTS
        if effect.more
        and _sign(row[effect.column]) == -_sign(change)
        and abs(row[effect.column]) >= abs(change) / 10
    ]
    against.sort(key=lambda effect: -abs(row[effect.column]))
    phrase = _phrase(main, row, rows)
    title = f"{phrase[0].upper()}{phrase[1:]} made the {unit} {cheaper}"
    if against:
        words = join([_phrase(effect, row, ()) for effect in against[:2]])
        verb = "took some of it back" if change < 0 else "saved some of it"
        title += f"; {words} {verb}"
    return title


def _phrase(effect: _Effect, row: Row, rows: Sequence[Row]) -> str:
    """Return an effect as a noun, with the series that has most of it."""
    words = effect.more if row[effect.column] > 0 else effect.less
    leader = _leader(effect, row, rows) if rows else None
    if leader is None or effect.column in {"calls_effect", "mix_effect"}:
        return words
    of = {"prompt_length_effect": "to", "answer_length_effect": "of"}
    return f"{words} {of.get(effect.column, 'of')} {leader['name']}"


def clause(
    tables: MetricTables, causes: Causes | None, names: Mapping[str, str]
) -> str:
    """Return the main cause as a clause: ``because prompts to gpt-4o were shorter``."""
    if causes is None:
        return ""
    row = tables.table("cost_change", every=None, by=()).to_dicts()[0]
    main = _main_effect(row)
    if main is None:
        return ""
    rows = tables.table("cost_change", every=None, by=tables.plan.by).to_dicts()
    for one in rows:
        one["name"] = _short(one, tables.plan.by, names)
    leader, up = _leader(main, row, rows), row[main.column] > 0
    if main.column == "calls_effect":
        before, now = row["responses_before"], row["responses"]
        return f"because there were {_moved(before, now, 'more', 'fewer')} calls"
    if main.column == "mix_effect":
        return (
            f"because more of the work went to {'dearer' if up else 'cheaper'} models"
        )
    if leader is None:
        return f"because of {_phrase(main, row, ())}"
    name = leader["name"]
    if main.column == "prompt_length_effect":
        moved = _moved(
            leader[f"{_PROMPT}_before"], leader[_PROMPT], "longer", "shorter"
        )
        return f"because prompts to {name} were {moved}"
    if main.column == "answer_length_effect":
        moved = _moved(
            leader[f"{_ANSWER}_before"], leader[_ANSWER], "longer", "shorter"
        )
        return f"because answers of {name} were {moved}"
    return f"because of {_phrase(main, row, rows)}"


def main_reason(row: Row, total: float) -> str:
    """Return why the cost of a series changed, in a few words.

    `total` is the known cost of all series: a change that is small beside it, or whose
    only reason is a mean of few calls, has none.
    """
    change = row["cost_change"]
    if row["responses_before"] == 0:
        return "new"
    if not row["responses_priced"] and not row["responses_priced_before"]:
        return ""
    if change is None or abs(float(change)) < _NOTABLE * total:
        return "no notable change"
    of_calls = row["calls_effect"] + row["known_effect"] + row["mix_effect"]
    effects = {"calls": of_calls} | {
        effect.column: row[effect.column]
        for effect in _EFFECTS
        if effect.column not in {"calls_effect", "known_effect", "mix_effect"}
    }
    if min(row["responses_priced"], row["responses_priced_before"]) < _ENOUGH_CALLS:
        effects = {"calls": of_calls}
    same = {name: one for name, one in effects.items() if _sign(one) == _sign(change)}
    if not same:
        return "too few calls to say" if len(effects) == 1 else "several reasons"
    main = max(same, key=lambda name: abs(same[name]))
    return _reason_words(main, row)


def _reason_words(main: str, row: Row) -> str:
    """Return the words of the main reason of a series."""
    if main == "calls":
        counts = [row[f"responses_priced{end}"] for end in ("_before", "")]
        all_calls = [row[f"responses{end}"] for end in ("_before", "")]
        word = "more" if counts[1] > counts[0] else "fewer"
        priced = "" if counts == all_calls else "priced "
        return f"{word} {priced}calls: {counts[0]:,} → {counts[1]:,}"
    effect = next(one for one in _EFFECTS if one.column == main)
    words = effect.more if row[main] > 0 else effect.less
    columns = {"prompt_length_effect": _PROMPT, "answer_length_effect": _ANSWER}
    if column := columns.get(main):
        before, now = (_count(row[f"{column}{end}"]) for end in ("_before", ""))
        return f"{words}: {before} → {now} tokens"
    if main == "cache_effect":
        before, now = (_percent(row[f"{_CACHED}{end}"]) for end in ("_before", ""))
        return f"{words}: {before} → {now}"
    return words
