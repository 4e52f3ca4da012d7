"""What changed, and why: the change in known cost, split into its causes.

The split is that of the metric `cost_change`; here it is put into words. A cause is
named only if it moves the cost the way the cost moved.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from toolkit.formatting.figures import Figure
from toolkit.formatting.text import UNKNOWN_TEXT, format_count, format_share
from toolkit.report.course import ALL_CALLS, series_name
from toolkit.report.figures import ENOUGH_CALLS, priced_calls
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import Cause, Causes, Head
from toolkit.report.wording import calls, capitalized, fraction, join, usd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.formatting.figures import Number
    from toolkit.report.metric_tables import MetricTables

_Row = dict[str, Any]


class _Effect(NamedTuple):
    """An effect of `cost_change`: its label, and the words for what raises the cost."""

    name: str
    label: str
    more: str
    less: str

    @property
    def column(self) -> str:
        """Its column."""
        return f"{self.name}_effect"


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
_BY_NAME = {effect.name: effect for effect in _EFFECTS}
_CALLS = ("volume", "coverage", "mix")  # of a series: how many calls it had
_LENGTHS = {
    "prompt_length": ("Prompts to", "prompt_tokens_per_response"),
    "completion_length": ("Answers of", "completion_tokens_per_response"),
}
_NO_REASONS = ("coverage", "unsplit")
_ENDS = ("_before", "")
_SUMS = (
    *("cost_before", "cost", "cost_change", "responses_before", "responses"),
    *("responses_unpriced_before", "responses_unpriced"),
)
_NOTABLE = 0.002  # of the known cost: a smaller change of a series has no reason
_MAIN_SHARE = 1 / 3  # of the change that the main cause explains


class Change(NamedTuple):
    """The split of the change: of all calls, and of each series."""

    total: _Row
    series: list[_Row]
    unit: str


def read_change(tables: MetricTables, names: Mapping[str, str]) -> Change | None:
    """Return the split of the change; None if the cost before or now is not known."""
    plan = tables.plan
    if not plan.compares:
        return None
    table = tables.table("cost_change", by=plan.by)
    # All of these add up over the series.
    names_of_sums = (*_SUMS, *(effect.column for effect in _EFFECTS))
    total = table.select(pl.col(names_of_sums).sum()).row(0, named=True)
    if not total["cost"] or not total["cost_before"]:
        return None
    series = table.to_dicts()
    for row in series:
        name = series_name(row, plan.by)
        row["series"], row["name"] = name, names.get(name, name)
        for effect in _EFFECTS:
            row[effect.column] = row[effect.column] or Decimal(0)
        for end in _ENDS:
            row[f"priced{end}"] = priced_calls(row, end)
    return Change(total, series, plan.unit)


def build_causes(change: Change) -> Causes:
    """Build the part on what changed, and why."""
    row, main = change.total, _main(change)
    found = []
    # The largest first; what is no reason to spend more or less comes last.
    for effect in sorted(
        _EFFECTS,
        key=lambda one: (one.name in _NO_REASONS, -abs(row[one.column])),
    ):
        amount, label = row[effect.column], effect.label
        if not amount and effect.name not in {"price", "volume"}:
            continue
        if effect.name == "coverage" and amount < 0:
            label = "Less of the cost is known"
        words = _words(effect, change)
        amount, is_main = Figure(amount), effect is main
        found.append(Cause(effect.name, label, amount, words, is_main))
    before, now = (figure_of("cost_change", f"cost{end}", row) for end in _ENDS)
    moved = now - before
    amount = usd(Figure(moved.value), words=False, signed=True)
    note = f"The change in known cost, {amount}, split into its causes: they add up."
    ends = f"{usd(before)} before, {usd(now)} now."
    return Causes(
        Head("What changed, and why", _title(change), note), found, moved, ends
    )


def clause(change: Change) -> str:
    """Return the main cause as a clause: ``because prompts to gpt-4o were shorter``."""
    main = _main(change)
    if main is None or _is_small(change):
        return ""
    row, leader = change.total, _leader(main, change)
    if main.name == "volume":
        moved = _moved(row["responses_before"], row["responses"], "more", "fewer")
        return f"because there were {moved} calls"
    if main.name == "mix":
        more = "more expensive" if row[main.column] > 0 else "cheaper"
        return f"because more of the work went to {more} models"
    if leader is not None and main.name in _LENGTHS:
        begin, column = _LENGTHS[main.name]
        moved = _moved(leader[f"{column}_before"], leader[column], "longer", "shorter")
        return f"because {begin.lower()} {leader['name']} were {moved}"
    return f"because of {_phrase(main, change)}"


def main_reason(row: _Row, total: float) -> str:
    """Return why the cost of a series changed, in a few words.

    `total` is the known cost of all series: a change that is small beside it has no
    reason, nor has one a mean of few calls.
    """
    change = row["cost_change"]
    if not row["responses_before"]:
        return "new"
    if not row["priced"] and not row["priced_before"]:
        return ""
    if change is None or abs(float(change)) < _NOTABLE * total:
        return "no notable change"
    effects = {"calls": sum(row[_BY_NAME[name].column] for name in _CALLS)}
    if min(row["priced"], row["priced_before"]) >= ENOUGH_CALLS:
        effects |= {
            effect.name: row[effect.column]
            for effect in _EFFECTS
            if effect.name not in _CALLS
        }
    same = {name: one for name, one in effects.items() if _sign(one) == _sign(change)}
    if not same:
        return "several reasons" if len(effects) > 1 else "too few calls to say"
    main = max(same, key=lambda name: abs(same[name]))
    if main == "calls":
        before, now = row["priced_before"], row["priced"]
        is_all = [before, now] == [row["responses_before"], row["responses"]]
        word = "more" if now > before else "fewer"
        return f"{word} {'' if is_all else 'priced '}calls: {before:,} → {now:,}"
    effect = _BY_NAME[main]
    words = effect.more if row[effect.column] > 0 else effect.less
    if main in _LENGTHS:
        return f"{words}: {_lengths(row, _LENGTHS[main][1])}"
    return f"{words}: {_cached(row)}" if main == "cache" else words


def _sign(number: Number) -> int:
    """Return 1, -1 or 0: whether a number is above 0, below it, or 0."""
    return int(number > 0) - int(number < 0)


def _main(change: Change) -> _Effect | None:
    """Return the effect that moved the cost most, the way it moved."""
    row = change.total
    moved = row["cost_change"]
    same = [
        effect
        for effect in _EFFECTS
        if effect.more and _sign(row[effect.column]) == _sign(moved) != 0
    ]
    main = max(same, key=lambda effect: abs(row[effect.column]), default=None)
    is_large = main and abs(row[main.column]) >= abs(float(moved)) * _MAIN_SHARE
    return main if is_large else None


def _leader(effect: _Effect, change: Change) -> _Row | None:
    """Return the series with most of an effect; none with few calls, or unknown."""
    amount, column = change.total[effect.column], effect.column
    same = [one for one in change.series if _sign(one[column]) == _sign(amount) != 0]
    first = max(same, key=lambda one: abs(one[column]), default=None)
    if first is None or 2 * abs(first[column]) < abs(amount):
        return None
    if first["series"] in {UNKNOWN_TEXT, ALL_CALLS}:
        return None
    is_mean = effect.name in _LENGTHS or effect.name == "cache"
    is_few = min(first["priced"], first["priced_before"]) < ENOUGH_CALLS
    return None if is_mean and is_few else first


def _words(effect: _Effect, change: Change) -> str:
    """Return an effect in a sentence: what moved, from what to what."""
    row, name, leader = change.total, effect.name, _leader(effect, change)
    if name == "volume":
        return f"{row['responses_before']:,} → {calls(row['responses'])}."
    if name == "coverage":
        before, now = (
            f"{priced_calls(row, end):,} of {row[f'responses{end}']:,}" for end in _ENDS
        )
        priced = f"Calls with a known price: {before} → {now}"
        return f"{priced}. This part is no change in spending."
    if name == "price" and not row[effect.column]:
        return f"No list price changed between the two {change.unit}s."
    if name == "mix":
        return _mix_words(change)
    if leader is None:
        return "Spread over several models."
    who = leader["name"]
    if name in _LENGTHS:
        begin, column = _LENGTHS[name]
        moved = _moved(leader[f"{column}_before"], leader[column], "longer", "shorter")
        text = f"{begin} {who} were {moved}: {_lengths(leader, column)} a call"
        alone = f"That alone is {_money(leader[effect.column])}."
        return f"{text} ({calls(leader['priced'])}). {alone}"
    if name == "cache":
        return f"{who} took {_cached(leader)} of its prompt tokens from cache."
    if name == "unsplit":
        charged = calls(leader["priced"])
        return f"{who} reports what it charged, without a list price ({charged})."
    return f"Most of it at {who}: {_money(leader[effect.column])}."


def _mix_words(change: Change) -> str:
    """Return which series took more or less of the work, and what that moved.

    A series that costs more than the mean raises the cost when it takes more calls.
    """
    priced, costs = (
        [sum(float(row[f"{name}{end}"] or 0) for row in change.series) for end in _ENDS]
        for name in ("priced", "cost")
    )
    mean = sum(_divide(*pair) for pair in zip(costs, priced, strict=True)) / 2
    moved = []
    for row in change.series:
        pairs = [(float(row[f"cost{e}"] or 0), row[f"priced{e}"]) for e in _ENDS]
        shares = [_divide(n, of) for (_, n), of in zip(pairs, priced, strict=True)]
        own = [cost / count for cost, count in pairs if count]
        apart = sum(own) / len(own) - mean if own else 0.0
        effect = sum(priced) / 2 * (shares[1] - shares[0]) * apart
        moved.append((effect, row["name"], shares))
    moved.sort(key=lambda one: -abs(one[0]))
    parts = []
    for effect, name, shares in moved[:2]:
        before, now = map(_percent, shares)
        if before != now:
            parts.append(f"{name} took {before} → {now} ({_money(Decimal(effect))})")
    return (
        f"Of the priced calls {join(parts)}." if parts else "Little of it at any one."
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


def _lengths(row: _Row, column: str) -> str:
    """Return how a mean length changed."""
    before, now = (format_count(round(row[f"{column}{end}"])) for end in _ENDS)
    return f"{before} → {now} tokens"


def _cached(row: _Row) -> str:
    """Return how the share of the prompt from a cache changed."""
    return " → ".join(_percent(row[f"cached_share{end}"]) for end in _ENDS)


def _percent(share: float | None) -> str:
    """Write a share in whole percent, in tenths below ten."""
    if share is None:
        return "unknown"
    return format_share(round(share, 2 if share >= 0.095 else 3))


def _money(amount: Decimal) -> str:
    """Write an effect with its sign, below a dollar to a tenth of a cent."""
    figure = Figure(amount)
    return usd(
        figure.rounded(3) if abs(amount) < 1 else figure, words=False, signed=True
    )


def _title(change: Change) -> str:
    """Return the answer: the main cause, and what worked against it."""
    row, main = change.total, _main(change)
    moved = float(row["cost_change"])
    if _is_small(change):
        return "The known cost hardly changed"
    cheaper = "cheaper" if moved < 0 else "more expensive"
    if main is None:
        return f"Several causes made the {change.unit} {cheaper}"
    against = [
        effect
        for effect in _EFFECTS
        if effect.more
        and _sign(row[effect.column]) == -_sign(moved)
        and abs(row[effect.column]) >= abs(moved) / 10
    ]
    against.sort(key=lambda effect: -abs(row[effect.column]))
    phrase = _phrase(main, change)
    title = f"{capitalized(phrase)} made the {change.unit} {cheaper}"
    if against:
        words = join([_phrase(effect, change, of=False) for effect in against[:2]])
        verb = "took some of it back" if moved < 0 else "saved some of it"
        title += f"; {words} {verb}"
    return title


def _is_small(change: Change) -> bool:
    """Return whether the known cost changed by a hundredth or less."""
    moved, before = change.total["cost_change"], change.total["cost_before"]
    return abs(float(moved)) <= 0.01 * float(before)


def _phrase(effect: _Effect, change: Change, *, of: bool = True) -> str:
    """Return an effect as a noun, with the series that has most of it."""
    words = effect.more if change.total[effect.column] > 0 else effect.less
    leader = _leader(effect, change) if of else None
    if leader is None or effect.name in _CALLS:
        return words
    return (
        f"{words} {'to' if effect.name == 'prompt_length' else 'of'} {leader['name']}"
    )
