"""What was spent on answers of no use, and what a cache would save.

The labels, and what to do, are in ``words.toml``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.errors import plural
from toolkit.formatting.figures import UNKNOWN, Figure, sum_figures
from toolkit.formatting.text import capitalize, format_count, format_name, format_share
from toolkit.metrics.rates import ENOUGH_CALLS
from toolkit.metrics.waste import GROUPS
from toolkit.report.model import Head, Loss, Waste
from toolkit.report.tables import figure_of, short_names
from toolkit.report.wording import WORDS, calls, usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.report.tables import MetricTables, Row

_NOTHING = "Nothing to do."


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
    title = _title(losses, row)
    if saving := _saving(tables, models):
        title = f"{title}; {saving[0]}"
        losses.append(saving[1])
    return Waste(Head("What was wasted", title, _cache_note(row)), losses)


def _figure(row: Row, measure: str, end: str = "") -> Figure:
    """Return a measure in a row, with its bound."""
    return figure_of("waste", measure, row, end)


def _loss(name: str, row: Row, models: Sequence[Row]) -> Loss:
    """Return what a group of calls cost, of how many calls, and what to do."""
    label, *todos, gap, lacks, keep = WORDS["waste"][name]
    count, before = (_figure(row, f"responses_{name}", end) for end in ("", "_before"))
    cost, has_tools = _figure(row, f"cost_{name}"), name == "unreadable"
    of = row["responses_with_tools" if has_tools else "responses"]
    base, todo = calls(of) + " with tools" * has_tools, _NOTHING
    is_counted = before.is_known and (before.value or before.bound == "exact")
    earlier = f" ({format_count(before)} before)" if is_counted else ""
    if not of:
        words = "No call used a tool."
    elif count.value:
        number = int(count.number)
        model, part = _main_model(name, number, cost, models)
        words = f"{format_count(count)} of {base}{earlier}{part}."
        of_model = f" for {model}" if model else ""
        todo = todos[number > 1].format(of_model=of_model, count=number)
    elif count.bound != "exact":
        found = "None found, but" if count.is_known else "Not known:"
        words, todo = f"{found} {row[gap]:,} of {base} came without {lacks}.", keep
    elif name == "repeated":
        words = (
            "None found: no two calls within 10 minutes share model, prompt length "
            f"and answer{earlier if before.value else ''}."
        )
    else:
        words = f"None of {base}{earlier}."
    return Loss(name, label, cost, words, todo)


def _main_model(
    name: str, count: int, cost: Figure, models: Sequence[Row]
) -> tuple[str, str]:
    """Return the model that has most of the cost of a group, and that in words."""

    def spent(model: Row) -> tuple[Any, int]:
        return model[f"cost_{name}"] or 0, model[f"responses_{name}"] or 0

    main = max(models, key=spent)
    (amount, number), model = spent(main), main["name"]
    if number == count:
        return model, f", {'all ' if count > 1 else ''}{model}"
    if not cost.is_known or 2 * amount <= cost.number:
        return "", ""
    text = usd(_figure(main, f"cost_{name}"), words=False)
    return model, f"; {text} of it in {plural(number, f'{model} call')}"


def _saving(tables: MetricTables, models: Sequence[Row]) -> tuple[str, Loss] | None:
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
    known = sum_figures(_figure(model, "cache_possible") for model in unused)
    most = Figure(known.value, "upper" if known.bound == "exact" else "approximate")
    count = f"{sum(model['responses'] for model in unused):,}"
    which = unused[0]["name"] if len(unused) == 1 else f"{len(unused)} models"
    of = f"{which} calls" if len(unused) == 1 else f"calls to {which}"
    words = f"None of the {count} {of} reports cached tokens."
    limit = f"{usd(most)}, less the charge for writing to the cache."
    cost, amount = UNKNOWN, usd(most)
    if share := _best_share(tables, models):
        cost = Figure(most.number * share[1].number, "approximate")
        amount, at = usd(cost), f"{share[0]} ({format_share(share[1])})"
        words += f" {capitalize(amount)} at the cache share of {at}, {limit}"
    else:
        words += f" A cache saves {limit}"
    todo = "Mark the fixed part of the prompt as cacheable."
    loss = Loss("cache", "Cache not used", cost, words, todo, most, is_saving=True)
    return f"caching {which} could save {amount}", loss


def _best_share(
    tables: MetricTables, models: Sequence[Row]
) -> tuple[str, Figure] | None:
    """Return the model with the largest cache share, of those with enough calls.

    Models without a list price are left out: how they are cached is not comparable.
    """
    names = {m["model"]: m["name"] for m in models if m["cache_saved"]}
    found = [
        (row["cache_share"], names[row["model"]])
        for row in tables.table("cache_share", every=None, by=("model",)).to_dicts()
        if row["model"] in names
        and row["responses"] - row["cached_unseen"] >= ENOUGH_CALLS
        and 0 < (row["cache_share"] or 0) <= 1
    ]
    share, name = max(found, default=(None, ""))
    return None if share is None else (name, Figure(share))


def _title(losses: Sequence[Loss], row: Row) -> str:
    """Return how much went into how many wasted answers."""
    count = sum_figures(_figure(row, f"responses_{loss.name}") for loss in losses)
    cost = sum_figures(loss.cost for loss in losses)
    if not count.value:
        return "No wasted answer was found"
    more = " or more" if count.bound == "lower" else ""
    answers = f"{plural(int(count.number), 'wasted answer')}{more}"
    if not cost.value and cost.bound != "exact":
        it = "it" if count.value == 1 else "they"
        return f"{answers}; what {it} cost is not known"
    return f"{capitalize(usd(cost))} went into {answers}"


def _cache_note(row: Row) -> str:
    """Return what the cache saved, now and in the range before."""
    if not row["cached_tokens"]:
        return "No call reports tokens from a cache."
    saved, before = (_figure(row, "cache_saved", end) for end in ("", "_before"))
    earlier = f" ({usd(before)} before)" if before.is_known else ""
    if not saved.is_known:
        return "What cache hits saved is not known: no list price."
    return f"Cache hits saved {usd(saved)}{earlier}."
