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
from toolkit.metrics.registry import SPECS
from toolkit.report.model import Cause, Causes, Head
from toolkit.report.tables import ALL_CALLS, cost_of, priced_calls
from toolkit.report.wording import calls, fraction, percent, usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.report.tables import MetricTables, Names, Row

# The effects of `cost_change`, and the words for what raises and lowers the cost.
# That more of the cost is known is no reason to spend more: it has no words.
_EFFECTS = {
    "prompt_length": ("longer prompts", "shorter prompts"),
    "completion_length": ("longer answers", "shorter answers"),
    "mix": ("more expensive models", "cheaper models"),
    "volume": ("more calls", "fewer calls"),
    "cache": ("fewer cache hits", "more cache hits"),
    "price": ("higher prices", "lower prices"),
    "fees": ("higher fees", "lower fees"),
    "coverage": ("", ""),
    "unsplit": ("higher charges", "lower charges"),
}
_CALLS = ("volume", "coverage", "mix")  # of a series: how many calls it had
_LENGTHS = {
    "prompt_length": ("Prompts to", "prompt_tokens_per_response"),
    "completion_length": ("Answers of", "completion_tokens_per_response"),
}
_NO_REASONS = ("coverage", "unsplit")
_ENDS = ("_before", "")
_NOTABLE = 0.002  # of the known cost: a smaller change of a series has no reason
_MAIN_SHARE = 1 / 3  # of the change that the main cause explains


class _Effect(NamedTuple):
    """An effect on the cost of all calls.

    `push` is positive if it moved the cost the way the cost moved; `leader` is the
    series with most of it.
    """

    name: str
    words: str
    amount: Decimal
    push: Decimal
    leader: Row | None


class Change(NamedTuple):
    """The split of the change: of all calls, of each series, and its effects.

    `main` is the effect that explains most of it.
    """

    total: dict[str, Any]
    series: list[dict[str, Any]]
    unit: str
    effects: list[_Effect]
    main: _Effect | None

    @property
    def is_small(self) -> bool:
        """Whether the known cost changed by a hundredth or less."""
        return bool(abs(self.total["cost_change"]) * 100 <= self.total["cost_before"])


def read_change(tables: MetricTables, names: Names) -> Change | None:
    """Return the split of the change; None if the cost before or now is not known."""
    plan = tables.plan
    if not plan.compares:
        return None
    table = tables.table("cost_change", by=plan.by)
    table = table.rename(lambda name: name.removesuffix("_effect"))
    table = table.with_columns(pl.col(_EFFECTS).fill_null(0))
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
    moved, effects = total["cost_change"], []
    for name, (more, less) in _EFFECTS.items():
        amount = total[name]
        words, push = more if amount > 0 else less, amount * _sign(moved)
        leader = _leader(name, amount, series)
        effects.append(_Effect(name, words, amount, push, leader))
    most = max((one for one in effects if one.words), key=lambda one: one.push)
    is_main = moved and float(most.push) >= abs(float(moved)) * _MAIN_SHARE
    return Change(total, series, plan.unit, effects, most if is_main else None)


def _sign(number: Decimal) -> int:
    """Return 1, -1 or 0: whether a number is above 0, below it, or 0."""
    return int(number > 0) - int(number < 0)


def _leader(name: str, amount: Decimal, series: Sequence[Row]) -> Row | None:
    """Return the series with most of an effect; none with few calls, or unknown."""
    first = max(series, key=lambda one: one[name] * _sign(amount))
    if 2 * first[name] * _sign(amount) < abs(amount) or not amount:
        return None
    is_mean = name in _LENGTHS or name == "cache"
    is_few = is_mean and min(first["priced"], first["priced_before"]) < ENOUGH_CALLS
    return None if is_few or first["series"] in {UNKNOWN_TEXT, ALL_CALLS} else first


def build_causes(change: Change) -> Causes:
    """Build the part on what changed, and why."""
    rows, (before, now) = [], (cost_of(change.total, end) for end in _ENDS)
    # The largest first; what is no reason to spend more or less comes last.
    for effect in sorted(
        change.effects, key=lambda one: (one.name in _NO_REASONS, -abs(one.amount))
    ):
        name, amount = effect.name, effect.amount
        # The chart of the metric calls it the same.
        label = capitalize(SPECS["cost_change"][f"{name}_effect"].title)
        if amount or name in {"price", "volume"}:
            words, is_main = _words(effect, change), effect is change.main
            rows.append(Cause(name, label, Figure(amount), words, is_main))
    moved = now - before
    text = usd(Figure(moved.value), words=False, signed=True)
    note = f"The change in known cost, {text}, split into its causes: they add up."
    head = Head("What changed, and why", _title(change), note)
    return Causes(head, rows, moved, f"{usd(before)} before, {usd(now)} now.")


def clause(change: Change) -> str:
    """Return the main cause as a clause: ``because prompts to gpt-4o were shorter``."""
    main, row = change.main, change.total
    if main is None or change.is_small:
        return ""
    if main.name == "volume":
        moved = _moved(row["responses_before"], row["responses"], "more", "fewer")
        return f"because there were {moved} calls"
    if main.name == "mix":
        return f"because more of the work went to {main.words}"
    if main.leader is not None and main.name in _LENGTHS:
        words = _length_words(main.name, main.leader)
        return f"because {words[0].lower()}{words[1:]}"
    return f"because of {_phrase(main)}"


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
    sizes = {"calls": sum(row[name] for name in _CALLS)}
    if min(now, before) >= ENOUGH_CALLS:
        sizes |= {name: row[name] for name in _EFFECTS if name not in _CALLS}
    main = max(sizes, key=lambda name: sizes[name] * _sign(change))
    if sizes[main] * _sign(change) <= 0:
        return "several reasons" if len(sizes) > 1 else "too few calls to say"
    if main == "calls":
        is_all = [before, now] == [row["responses_before"], row["responses"]]
        word = "more" if now > before else "fewer"
        return f"{word} {'' if is_all else 'priced '}calls: {before:,} → {now:,}"
    words = _EFFECTS[main][0 if row[main] > 0 else 1]
    if main in _LENGTHS:
        return f"{words}: {_lengths(row, _LENGTHS[main][1])}"
    return f"{words}: {_cached(row)}" if main == "cache" else words


def _words(effect: _Effect, change: Change) -> str:
    """Return an effect in a sentence: what moved, from what to what."""
    row, name, leader = change.total, effect.name, effect.leader
    if name == "volume":
        return f"{row['responses_before']:,} → {calls(row['responses'])}."
    if name == "coverage":
        ends = (
            f"{row[f'priced{end}']:,} of {row[f'responses{end}']:,}" for end in _ENDS
        )
        priced = f"Calls with a known price: {' → '.join(ends)}"
        return f"{priced}. This part is no change in spending."
    if name == "price" and not effect.amount:
        return f"No list price changed between the two {change.unit}s."
    if name == "mix":
        return _mix_words(change.series)
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


def _mix_words(series: Sequence[Row]) -> str:
    """Return which series took more or less of the work, and what that moved.

    A series that costs more than the mean raises the cost when it takes more calls.
    """
    before, now = (sum(row[f"priced{end}"] for row in series) for end in _ENDS)
    costs = [sum(float(row[f"cost{end}"] or 0) for row in series) for end in _ENDS]
    mean = (_divide(costs[0], before) + _divide(costs[1], now)) / 2
    moved = []
    for row in series:
        shares = _divide(row["priced_before"], before), _divide(row["priced"], now)
        own = [float(row[f"cost{end}"] or 0) / row[f"priced{end}"]
               for end in _ENDS if row[f"priced{end}"]]  # fmt: skip
        apart = sum(own) / len(own) - mean if own else 0.0
        effect = (before + now) / 2 * (shares[1] - shares[0]) * apart
        moved.append((effect, row["name"], *map(percent, shares)))
    moved.sort(key=lambda one: -abs(one[0]))
    parts = [
        f"{name} took {was} → {share} ({_money(Decimal(effect))})"
        for effect, name, was, share in moved[:2]
        if was != share
    ]
    words = f"Of the priced calls {join_words(parts)}."
    return words if parts else "Little of it at any one."


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
    moved = change.total["cost_change"]
    cheaper = "cheaper" if moved < 0 else "more expensive"
    if change.is_small:
        return "The known cost hardly changed"
    if change.main is None:
        return f"Several causes made the {change.unit} {cheaper}"
    title = f"{capitalize(_phrase(change.main))} made the {change.unit} {cheaper}"
    against = sorted(
        (effect for effect in change.effects if effect.words), key=lambda one: one.push
    )
    words = [one.words for one in against[:2] if -10 * one.push >= abs(moved)]
    verb = "took some of it back" if moved < 0 else "saved some of it"
    return f"{title}; {join_words(words)} {verb}" if words else title


def _phrase(effect: _Effect) -> str:
    """Return an effect as a noun, with the series that has most of it."""
    if effect.leader is None or effect.name in _CALLS:
        return effect.words
    to = "to" if effect.name == "prompt_length" else "of"
    return f"{effect.words} {to} {effect.leader['name']}"
