"""What changed, and why: the change in known cost, split into its causes.

The split is that of the metric `cost_change`; here it is put into words. A cause is
named only if it moves the cost the way the cost moved.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from polars import selectors

from toolkit.formatting.figures import Figure
from toolkit.formatting.text import UNKNOWN_TEXT, capitalize, format_count, join_words
from toolkit.metrics.rates import ENOUGH_CALLS
from toolkit.report.model import Cause, Causes, Head
from toolkit.report.tables import ALL_CALLS, cost_of, priced_calls
from toolkit.report.wording import calls, fraction, percent, usd

if TYPE_CHECKING:
    from toolkit.report.tables import MetricTables, Names, Row


class _Effect(NamedTuple):
    """An effect of `cost_change`: its label, and the words for what raises the cost."""

    name: str
    label: str
    more: str
    less: str

    def words(self, row: Row) -> str:
        """Return what it was in a row."""
        return self.more if row[self.name] > 0 else self.less


# That more of the cost is known is no reason to spend more: it has no words.
_EFFECTS = (
    _Effect("prompt_length", "Prompt length", "longer prompts", "shorter prompts"),
    _Effect("completion_length", "Answer length", "longer answers", "shorter answers"),
    _Effect("mix", "Choice of models", "more expensive models", "cheaper models"),
    _Effect("volume", "Number of calls", "more calls", "fewer calls"),
    _Effect("cache", "Cache", "fewer cache hits", "more cache hits"),
    _Effect("price", "Prices", "higher prices", "lower prices"),
    _Effect("fees", "Fees", "higher fees", "lower fees"),
    _Effect("coverage", "More of the cost is known", "", ""),
    _Effect("unsplit", "Cannot be split", "higher charges", "lower charges"),
)
_CALLS = ("volume", "coverage", "mix")  # of a series: how many calls it had
_LENGTHS = {
    "prompt_length": ("Prompts to", "prompt_tokens_per_response"),
    "completion_length": ("Answers of", "completion_tokens_per_response"),
}
_NO_REASONS = ("coverage", "unsplit")
_ENDS = ("_before", "")
_NOTABLE = 0.002  # of the known cost: a smaller change of a series has no reason
_MAIN_SHARE = 1 / 3  # of the change that the main cause explains


class Change(NamedTuple):
    """The split of the change: of all calls, and of each series."""

    total: dict[str, Any]
    series: list[dict[str, Any]]
    unit: str


def read_change(tables: MetricTables, names: Names) -> Change | None:
    """Return the split of the change; None if the cost before or now is not known."""
    plan = tables.plan
    if not plan.compares:
        return None
    table = tables.table("cost_change", by=plan.by)
    table = table.rename(lambda name: name.removesuffix("_effect"))
    table = table.with_columns(pl.col(one.name for one in _EFFECTS).fill_null(0))
    # All numbers but means and shares add up over the series.
    numbers = selectors.integer() | selectors.decimal()
    sums = table.select(numbers - selectors.by_name(plan.by)).sum()
    total, series = sums.row(0, named=True), table.to_dicts()
    if not total["cost"] or not total["cost_before"]:
        return None
    for row in series:
        row["series"] = names.of(row)
        row["name"] = names.short(row["series"])
    for row in (total, *series):
        row |= {f"priced{end}": priced_calls(row, end) for end in _ENDS}
    return Change(total, series, plan.unit)


def build_causes(change: Change) -> Causes:
    """Build the part on what changed, and why."""
    row, main, rows = change.total, _main(change), []
    # The largest first; what is no reason to spend more or less comes last.
    for effect in sorted(
        _EFFECTS, key=lambda one: (one.name in _NO_REASONS, -abs(row[one.name]))
    ):
        name, label, amount = effect.name, effect.label, row[effect.name]
        if name == "coverage" and amount < 0:
            label = "Less of the cost is known"
        if amount or name in {"price", "volume"}:
            words = _words(effect, change)
            rows.append(Cause(name, label, Figure(amount), words, effect is main))
    before, now = (cost_of(row, end) for end in _ENDS)
    moved = now - before
    amount = usd(Figure(moved.value), words=False, signed=True)
    note = f"The change in known cost, {amount}, split into its causes: they add up."
    head = Head("What changed, and why", _title(change), note)
    return Causes(head, rows, moved, f"{usd(before)} before, {usd(now)} now.")


def clause(change: Change) -> str:
    """Return the main cause as a clause: ``because prompts to gpt-4o were shorter``."""
    main, row = _main(change), change.total
    if main is None or _is_small(change):
        return ""
    leader = _leader(main, change)
    if main.name == "volume":
        moved = _moved(row["responses_before"], row["responses"], "more", "fewer")
        return f"because there were {moved} calls"
    if main.name == "mix":
        return f"because more of the work went to {main.words(row)}"
    if leader is not None and main.name in _LENGTHS:
        words = _length_words(main.name, leader)
        return f"because {words[0].lower()}{words[1:]}"
    return f"because of {_phrase(main, change)}"


def main_reason(row: Row, total: float) -> str:
    """Return why the cost of a series changed, in a few words.

    `total` is the known cost of all series: a change that is small beside it has no
    reason, nor has one a mean of few calls.
    """
    change, before, now = row["cost_change"], row["priced_before"], row["priced"]
    if not row["responses_before"]:
        return "new"
    if not now and not before:
        return ""
    if change is None or abs(float(change)) < _NOTABLE * total:
        return "no notable change"
    effects = {"calls": sum(row[name] for name in _CALLS)}
    if min(now, before) >= ENOUGH_CALLS:
        effects |= {one.name: row[one.name] for one in _EFFECTS}
    sizes = {
        name: one * _sign(change) for name, one in effects.items() if name not in _CALLS
    }
    main = max(sizes, key=lambda name: sizes[name])
    if sizes[main] <= 0:
        return "several reasons" if len(sizes) > 1 else "too few calls to say"
    if main == "calls":
        is_all = [before, now] == [row["responses_before"], row["responses"]]
        word = "more" if now > before else "fewer"
        return f"{word} {'' if is_all else 'priced '}calls: {before:,} → {now:,}"
    words = next(one.words(row) for one in _EFFECTS if one.name == main)
    if main in _LENGTHS:
        return f"{words}: {_lengths(row, _LENGTHS[main][1])}"
    return f"{words}: {_cached(row)}" if main == "cache" else words


def _sign(number: Decimal) -> int:
    """Return 1, -1 or 0: whether a number is above 0, below it, or 0."""
    return int(number > 0) - int(number < 0)


def _main(change: Change) -> _Effect | None:
    """Return the effect that moved the cost most, the way it moved."""
    row, moved = change.total, change.total["cost_change"]
    reasons = [effect for effect in _EFFECTS if effect.more]
    main = max(reasons, key=lambda effect: row[effect.name] * _sign(moved))
    explained = float(row[main.name] * _sign(moved))
    return main if explained >= abs(float(moved)) * _MAIN_SHARE and moved else None


def _leader(effect: _Effect, change: Change) -> Row | None:
    """Return the series with most of an effect; none with few calls, or unknown."""
    amount, name = change.total[effect.name], effect.name
    first = max(change.series, key=lambda one: one[name] * _sign(amount))
    if 2 * first[name] * _sign(amount) < abs(amount) or not amount:
        return None
    is_mean = name in _LENGTHS or name == "cache"
    is_few = is_mean and min(first["priced"], first["priced_before"]) < ENOUGH_CALLS
    return None if is_few or first["series"] in {UNKNOWN_TEXT, ALL_CALLS} else first


def _words(effect: _Effect, change: Change) -> str:
    """Return an effect in a sentence: what moved, from what to what."""
    row, name, leader = change.total, effect.name, _leader(effect, change)
    if name == "volume":
        return f"{row['responses_before']:,} → {calls(row['responses'])}."
    if name == "coverage":
        ends = (
            f"{row[f'priced{end}']:,} of {row[f'responses{end}']:,}" for end in _ENDS
        )
        priced = f"Calls with a known price: {' → '.join(ends)}"
        return f"{priced}. This part is no change in spending."
    if name == "price" and not row[name]:
        return f"No list price changed between the two {change.unit}s."
    if name == "mix":
        return _mix_words(change)
    if leader is None:
        return "Spread over several models."
    who, priced, amount = leader["name"], calls(leader["priced"]), _money(leader[name])
    if name in _LENGTHS:
        lengths = _lengths(leader, _LENGTHS[name][1])
        words = f"{_length_words(name, leader)}: {lengths} a call ({priced})"
        return f"{words}. That alone is {amount}."
    if name == "cache":
        return f"{who} took {_cached(leader)} of its prompt tokens from cache."
    if name == "unsplit":
        return f"{who} reports what it charged, without a list price ({priced})."
    return f"Most of it at {who}: {amount}."


def _mix_words(change: Change) -> str:
    """Return which series took more or less of the work, and what that moved.

    A series that costs more than the mean raises the cost when it takes more calls.
    """
    priced, costs = (
        [sum(float(row[f"{name}{end}"] or 0) for row in change.series) for end in _ENDS]
        for name in ("priced", "cost")
    )
    mean = sum(map(_divide, costs, priced)) / 2
    moved = []
    for row in change.series:
        counts = [row[f"priced{end}"] for end in _ENDS]
        shares = [*map(_divide, counts, priced)]
        own = [float(row[f"cost{end}"] or 0) / row[f"priced{end}"]
               for end in _ENDS if row[f"priced{end}"]]  # fmt: skip
        apart = sum(own) / len(own) - mean if own else 0.0
        effect = sum(priced) / 2 * (shares[1] - shares[0]) * apart
        moved.append((effect, row["name"], *map(percent, shares)))
    moved.sort(key=lambda one: -abs(one[0]))
    parts = [
        f"{name} took {before} → {now} ({_money(Decimal(effect))})"
        for effect, name, before, now in moved[:2]
        if before != now
    ]
    return (
        f"Of the priced calls {join_words(parts)}."
        if parts
        else "Little of it at any one."
    )


def _divide(part: float, whole: float) -> float:
    """Divide; 0 if there is nothing to divide by."""
    return part / whole if whole else 0.0


def _moved(before: float, now: float, more: str, less: str) -> str:
    """Return how much something moved: ``a third shorter``, ``12% longer``."""
    if now >= 2 * before:
        as_much = {"longer": "as long", "more": "as many"}[more]
        times = f"{_divide(now, before):.1f}".removesuffix(".0")
        return f"{times} times {as_much}"
    part = fraction(_divide(abs(now - before), before))
    return f"{'50%' if part == 'half' else part} {more if now > before else less}"


def _length_words(name: str, row: Row) -> str:
    """Return how much longer or shorter prompts or answers of a series were."""
    begin, column = _LENGTHS[name]
    moved = _moved(row[f"{column}_before"], row[column], "longer", "shorter")
    return f"{begin} {row['name']} were {moved}"


def _lengths(row: Row, column: str) -> str:
    """Return how a mean length changed."""
    before, now = (format_count(round(row[f"{column}{end}"])) for end in _ENDS)
    return f"{before} → {now} tokens"


def _cached(row: Row) -> str:
    """Return how the share of the prompt from a cache changed."""
    return " → ".join(percent(row[f"cached_share{end}"], words=True) for end in _ENDS)


def _money(amount: Decimal) -> str:
    """Write an effect with its sign, below a dollar to a tenth of a cent."""
    figure = Figure(amount).rounded(3) if abs(amount) < 1 else Figure(amount)
    return usd(figure, words=False, signed=True)


def _title(change: Change) -> str:
    """Return the answer: the main cause, and what worked against it."""
    row, main, moved = change.total, _main(change), change.total["cost_change"]
    cheaper = "cheaper" if moved < 0 else "more expensive"
    if _is_small(change):
        return "The known cost hardly changed"
    if main is None:
        return f"Several causes made the {change.unit} {cheaper}"
    title = f"{capitalize(_phrase(main, change))} made the {change.unit} {cheaper}"
    against = sorted(
        (effect for effect in _EFFECTS if effect.more),
        key=lambda effect: row[effect.name] * _sign(moved),
    )
    words = [
        effect.words(row)
        for effect in against[:2]
        if -10 * row[effect.name] * _sign(moved) >= abs(moved)
    ]
    verb = "took some of it back" if moved < 0 else "saved some of it"
    return f"{title}; {join_words(words)} {verb}" if words else title


def _is_small(change: Change) -> bool:
    """Return whether the known cost changed by a hundredth or less."""
    row = change.total
    return bool(abs(row["cost_change"]) * 100 <= row["cost_before"])


def _phrase(effect: _Effect, change: Change) -> str:
    """Return an effect as a noun, with the series that has most of it."""
    words, leader = effect.words(change.total), _leader(effect, change)
    if leader is None or effect.name in _CALLS:
        return words
    return (
        f"{words} {'to' if effect.name == 'prompt_length' else 'of'} {leader['name']}"
    )
