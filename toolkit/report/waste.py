"""Money that brought nothing, and money that a cache would save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.errors import plural
from toolkit.formatting.figures import UNKNOWN, Figure, sum_figures
from toolkit.formatting.text import format_count, format_name, format_share
from toolkit.metrics.waste import GROUPS
from toolkit.report.figures import ENOUGH_CALLS
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import Head, Loss, Waste
from toolkit.report.names import short_names
from toolkit.report.wording import capitalized, usd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.report.metric_tables import MetricTables

    _Row = Mapping[str, Any]

_LABELS = {
    "cut_off": "Answers cut off at the token limit",
    "refused": "Answers refused or filtered",
    "unreadable": "Tool calls that cannot be read",
    "repeated": "Repeated calls",
}
_NOTHING, _KEEP = "Nothing to do.", "Keep the texts when you export."
# Why there may be more: how many calls, what they lack, and what to do.
_GAPS = {
    "cut_off": ("without_reason", "a finish reason", _NOTHING),
    "refused": ("without_text", "their texts", _KEEP),
    "unreadable": ("without_arguments", "their arguments", _KEEP),
    "repeated": ("without_text", "their texts", _KEEP),
}


def build_waste(tables: MetricTables) -> Waste | None:
    """Build what was wasted and what could be saved; None if there is no call."""
    by_model = {**tables.by_series, "by": ("model",)}
    row = tables.row("waste")
    if not row["responses"]:
        return None
    models = tables.table("waste", **by_model).to_dicts()
    short = short_names(one["model"] for one in models if one["model"] is not None)
    for one in models:
        one["name"] = short.get(one["model"], format_name(one["model"]))
    losses = [_loss(name, row, models) for name in GROUPS]
    saving = _saving(tables, models)
    title = _title(losses, row) + (f"; {saving[0]}" if saving else "")
    head = Head("What was wasted", title, _cache_note(row))
    return Waste(head, [*losses, *([saving[1]] if saving else [])])


def _figure(row: _Row, measure: str, end: str = "") -> Figure:
    """Return a measure in a row, with its bound."""
    return figure_of("waste", measure, row, end)


def _loss(name: str, row: _Row, models: Sequence[_Row]) -> Loss:
    """Return what a group of calls cost, of how many calls, and what to do."""
    count, cost = _figure(row, f"responses_{name}"), _figure(row, f"cost_{name}")
    of = row["responses_with_tools" if name == "unreadable" else "responses"]
    base = plural(of, "call") + (" with tools" if name == "unreadable" else "")
    label = _LABELS[name]
    if not of:
        return Loss(name, label, cost, "No call used a tool.", _NOTHING)
    if not count.value and count.bound != "exact":
        gap, what, todo = _GAPS[name]
        found = "None found, but" if count.is_known else "Not known:"
        words = f"{found} {row[gap]:,} of {base} came without {what}."
        return Loss(name, label, cost, words, todo)
    before = _figure(row, f"responses_{name}", "_before")
    is_counted = before.is_known and (before.value or before.bound == "exact")
    earlier = f" ({format_count(before)} before)" if is_counted else ""
    if not count.value:
        words = f"None of {base}{earlier}."
        if name == "repeated":
            words = (
                "None found: no two calls within 10 minutes share model, prompt length "
                f"and answer{earlier if before.value else ''}."
            )
        return Loss(name, label, cost, words, _NOTHING)
    main = _main_model(name, int(count.number), cost, models)
    words = f"{format_count(count)} of {base}{earlier}{main[1]}."
    return Loss(name, label, cost, words, _todo(name, int(count.number), main[0]))


def _main_model(
    name: str, count: int, cost: Figure, models: Sequence[_Row]
) -> tuple[str | None, str]:
    """Return the model that has most of the cost of a group, and that in words."""

    def spent(model: _Row) -> tuple[Any, int]:
        return model[f"cost_{name}"] or 0, model[f"responses_{name}"]

    model = max(models, key=spent)
    amount, calls = spent(model)
    if calls == count:
        return model["name"], f", {'all ' if count > 1 else ''}{model['name']}"
    if not cost.is_known or 2 * amount <= cost.number:
        return None, ""
    text = usd(_figure(model, f"cost_{name}"), words=False)
    return model["name"], f"; {text} of it in {plural(calls, model['name'] + ' call')}"


def _todo(name: str, count: int, model: str | None) -> str:
    """Return what to do about a group of calls, as a sentence."""
    if name == "cut_off":
        of = f" for {model}" if model else ""
        return f"Raise max_tokens{of}, or ask for shorter answers."
    if name == "refused":
        these = f"these {count:,} answers and their prompts"
        return f"Look at {these if count > 1 else 'this answer and its prompt'}."
    if name == "unreadable":
        return "Ask for strict JSON schemas."
    return "Look for retries, and keep the first answer."


def _saving(tables: MetricTables, models: Sequence[_Row]) -> tuple[str, Loss] | None:
    """Return what a cache would save of models that support one but report no hits.

    It is estimated at the largest cache share of another model, and at most all of the
    prompt. The first text is the part of the title.
    """
    unused = [
        model
        for model in models
        if model["responses"] >= ENOUGH_CALLS
        and not model["cached_tokens"]
        and (model["cache_possible"] or 0) > 0
    ]
    if not unused:
        return None
    unused.sort(key=lambda model: model["cache_possible"], reverse=True)
    known = sum_figures(_figure(model, "cache_possible") for model in unused)
    most = Figure(known.value, "upper" if known.bound == "exact" else "approximate")
    calls = sum(model["responses"] for model in unused)
    which = unused[0]["name"] if len(unused) == 1 else f"{len(unused)} models"
    of = (
        f"{calls:,} {which} calls"
        if len(unused) == 1
        else f"{calls:,} calls to {which}"
    )
    words = f"None of the {of} reports cached tokens."
    limit = f"{usd(most)}, less the charge for writing to the cache."
    cost, amount = UNKNOWN, usd(most)
    if share := _best_share(tables, models):
        cost = Figure(most.number * share[1].number, "approximate")
        amount = usd(cost)
        words += f" {capitalized(amount)} at the cache share of {share[0]}"
        words += f" ({format_share(share[1])}), {limit}"
    else:
        words += f" A cache saves {limit}"
    todo = "Mark the fixed part of the prompt as cacheable."
    loss = Loss("cache", "Cache not used", cost, words, todo, most, is_saving=True)
    return f"caching {which} could save {amount}", loss


def _best_share(
    tables: MetricTables, models: Sequence[_Row]
) -> tuple[str, Figure] | None:
    """Return the model with the largest cache share, of those with enough calls.

    Models without a list price are left out: how they are cached is not comparable.
    """
    names = {m["model"]: m["name"] for m in models if m["cache_saved"]}
    shares = tables.table("cache_share", every=None, by=("model",))
    found = [
        (row["cache_share"], names[row["model"]])
        for row in shares.iter_rows(named=True)
        if row["model"] in names
        and row["responses"] - row["cached_unseen"] >= ENOUGH_CALLS
        and 0 < (row["cache_share"] or 0) <= 1
    ]
    share, name = max(found, default=(None, ""))
    return None if share is None else (name, Figure(share))


def _title(losses: Sequence[Loss], row: _Row) -> str:
    """Return how much went into how many answers of no use."""
    counts = [_figure(row, f"responses_{loss.name}") for loss in losses]
    count, cost = sum_figures(counts), sum_figures(loss.cost for loss in losses)
    if not count.value:
        return "No answer of no use was found"
    number = int(count.number)
    more = " or more" if count.bound == "lower" else ""
    answers = f"{plural(number, 'answer')}{more} of no use"
    if not cost.value and cost.bound != "exact":
        it = "it" if number == 1 else "they"
        return f"{answers}; what {it} cost is not known"
    return f"{capitalized(usd(cost))} went into {answers}"


def _cache_note(row: _Row) -> str:
    """Return what the cache saved, now and in the range before."""
    if not row["cached_tokens"]:
        return "No call reports tokens from a cache."
    saved, before = (_figure(row, "cache_saved", end) for end in ("", "_before"))
    earlier = f" ({usd(before)} before)" if before.is_known else ""
    if not saved.is_known:
        return "What cache hits saved is not known: no list price."
    return f"Cache hits saved {usd(saved)}{earlier}."
