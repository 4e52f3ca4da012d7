"""The analyst's charts of the range as a whole: what calls consist of, and rates."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from toolkit.errors import plural
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import format_count, format_name, format_usd, join_words
from toolkit.metrics.rates import ENOUGH_CALLS, wilson_interval
from toolkit.report.model import Bar, Bars, Dot, Dots, Part
from toolkit.report.tables import (
    amount_of,
    cost_per_1000,
    figure_of,
    priced_calls,
    split,
    tokens_of,
)
from toolkit.report.wording import about, calls, percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.report.model import Found, Mark
    from toolkit.report.tables import Row, Rows

_MOVED = 0.05  # a share that moved less is the same
_MOST_BARS = 8
_KINDS: list[tuple[str, str, Mark]] = [
    ("prompt", "ink", "solid"),
    ("from cache", "ink", "hatched"),
    ("answer", "soft", "solid"),
    ("reasoning", "soft", "hatched"),
]
_SIZES = (
    ("prompt", "ink", "prompt_tokens"),
    ("answer", "soft", "completion_tokens"),
)
_ENDINGS = {
    "stop": "finished",
    "tool_calls": "called a tool",
    "function_call": "called a tool",
    "length": "cut off",
    "content_filter": "filtered",
    "refusal": "refused",
    None: "no reason given",
}
_FIELDS = {
    "total_tokens": "token counts",
    "cached_tokens": "cached tokens",
    "reasoning_tokens": "reasoning tokens",
    "prompt_audio_tokens": "audio tokens",
    "reported_cost": "own cost",
    "cache_write_tokens": "cache writes",
}


def build_kinds(rows: Rows) -> Found:
    """Build the tokens of each series by kind."""
    total = rows.tables.row("token_usage")
    share = about(tokens_of(total, "prompt") / tokens_of(total))
    bars = []
    for name in rows.shown:
        row = rows.usage[name]
        kinds = zip(_kinds_of(row), _KINDS, strict=True)
        known = [(size, *kind) for size, kind in kinds if amount_of(size) > 0]
        parts = [Part(size, color, mark) for size, _, color, mark in known]
        words = ", ".join(f"{kind} {format_count(size)}" for size, kind, *_ in known)
        text = format_count(tokens_of(row), "short")
        if parts:
            bars.append(Bar(rows.short(name), parts, text, words=words))
    if not bars or not share:
        return "no call reports its prompt and its answer"
    title = f"{share.capitalize()} of all tokens are prompt"
    note = f"Tokens by kind; {rows.noun}s with {ENOUGH_CALLS} calls or more"
    return title, note, Bars(bars, "count", legend=[*_KINDS]), ""


def _kinds_of(row: Row) -> list[Figure]:
    """Return the tokens of a series by kind; together they are all of its tokens.

    Reasoning is in the answer, or beside it: an answer is what the prompt leaves.
    """
    kinds = ("total", "prompt", "cached", "reasoning")
    total, prompt, cached, reasoning = (tokens_of(row, kind) for kind in kinds)
    found = []
    for whole, part in ((prompt, cached), (total - prompt, reasoning)):
        is_part = part.is_known and amount_of(part) <= amount_of(whole)
        found += [whole - part, part] if is_part else [whole, UNKNOWN]
    return found


def build_sizes(rows: Rows) -> Found:
    """Build the prompts and answers of the middle 80% of calls."""
    found: dict[str, list[Dot]] = {name: [] for name in rows.shown}
    for noun, color, kind in _SIZES:
        for name, row in rows.each("tokens_per_response", tokens=kind):
            low, median, high = (
                figure_of("tokens_per_response", rank, row)
                for rank in ("p10", "p50", "p90")
            )
            if median.is_known:
                least, half, most = map(format_count, (low, median, high))
                words = f"{noun} {half} ({least} to {most})"
                dot = Dot(
                    *(rows.short(name), color, median, low, high),
                    is_hollow=color == "soft",
                    words=words,
                )
                found[name].append(dot)
    dots = [row for row in found.values() if row]
    prompts = [row[0] for row in dots if row[0].color == "ink"]
    if not prompts:
        return "no call reports its prompt and its answer"
    longest = max(prompts, key=lambda dot: dot.value.number)
    half = format_count(longest.value, words=True)
    title = f"{longest.label} gets the longest prompts: the median is {half}"
    if len(prompts) == 1:
        title = f"The median prompt to {longest.label} has {half} tokens"
    note = "Tokens per call, middle 80% and median (log scale)"
    legend = [("prompt", "ink", "dot"), ("answer", "soft", "hollow")]
    return title, note, Dots(dots, "count", log=True, legend=legend), ""


def build_costs(rows: Rows) -> Found:
    """Build what 1,000 calls cost, of the calls that have a known price."""
    each = rows.each("cost")
    costs = sorted(
        (
            (cost_per_1000(row).number, name)
            for name, row in each
            if priced_calls(row) >= ENOUGH_CALLS and row["cost"] is not None
        ),
        reverse=True,
    )
    if not costs:
        return f"no {rows.noun} has {ENOUGH_CALLS} calls with a known price"
    (most, high), (least, low) = costs[0], costs[-1]
    title = f"1,000 calls to {rows.short(high)} cost {format_usd(most)}"
    if most > least > 0:
        times = format_count(Figure(most / least).rounded(int(most < 10 * least)))
        who, whom = rows.short(high), rows.short(low)
        title = f"A {who} call costs {times} times one to {whom}"
    bars = [
        Bar(rows.short(name), [Part(Figure(cost), rows.color(name))], format_usd(cost))
        for cost, name in costs
    ]
    missing = [rows.short(name) for name, row in each if not priced_calls(row)]
    below = f"{join_words(missing)}: no known price." if missing else ""
    return title, "US dollars for 1,000 priced calls", Bars(bars, "usd"), below


def build_cut_off(rows: Rows) -> Found:
    """Build the share of calls that were cut off, with its interval."""
    total = rows.tables.row("truncation_rate")
    cut, of = _cut(total), calls(total["responses"])
    if not cut.is_known or not cut.number:
        none = "none is known to be" if cut.bound != "exact" else "none was"
        return f"of {of} {none} cut off"
    dots = []
    for name, row in rows.each("truncation_rate"):
        base = row["responses"] - row["responses_without_reason"]
        if base >= ENOUGH_CALLS:
            rate = figure_of("truncation_rate", "response_rate", row)
            low, high = map(Figure, wilson_interval(row["responses_truncated"], base))
            text = f"{format_count(_cut(row))} of {row['responses']:,}"
            words = f"{text} ({percent(low)} to {percent(high)})"
            label, color = rows.short(name), rows.color(name)
            dots.append(Dot(label, color, rate, low, high, text, words=words))
    if not dots:
        return f"no {rows.noun} has {ENOUGH_CALLS} calls that say how they ended"
    count, were = format_count(cut, words=True), "was" if cut.value == 1 else "were"
    title = f"{count.capitalize()} of {of} {were} cut off"
    first = max(dots, key=lambda dot: amount_of(dot.low))
    if amount_of(first.low) > total["response_rate"]:
        title += f"; most at {first.label}: {first.text}"
    elif len(dots) > 1:
        title += f"; no {rows.noun} stands out"
    note = "Share of calls with 95% range"
    if before := total.get("responses_before"):
        note += f"; {format_count(_cut(total, '_before'))} of {before:,} before"
    return title, note, Dots([[dot] for dot in dots], "share"), ""


def _cut(row: Row, end: str = "") -> Figure:
    """Return how many calls were cut off."""
    return figure_of("truncation_rate", "responses_truncated", row, end)


def build_cache(rows: Rows) -> Found:
    """Build the share of the prompts that came from a cache, now and before."""
    total, dots = rows.tables.row("cache_share"), []
    for name, row in rows.each("cache_share"):
        now, was = (cached_share(row, end) for end in ("", "_before"))
        if now.is_known:
            label, color, text = rows.short(name), rows.color(name), percent(now)
            text = f"{percent(was)} → {text}" if was.is_known else text
            old = [Dot(label, color, was, is_hollow=True)] if was.is_known else []
            dots.append([*old, Dot(label, color, now, text=text)])
    if not dots:
        return f"no {rows.noun} has {ENOUGH_CALLS} calls that report cached tokens"

    def moved(row: list[Dot]) -> float:
        return amount_of(row[-1].value) - amount_of(row[0].value)

    most = max(dots, key=lambda row: abs(moved(row)))
    before, dot = most[0], most[-1]
    title = (
        f"{'More' if moved(most) > 0 else 'Fewer'} of the prompt tokens of {dot.label} "
        f"came from the cache: {percent(dot.value)}, {percent(before.value)} before"
    )
    if abs(moved(most)) < _MOVED:
        dot = max((row[-1] for row in dots), key=lambda dot: amount_of(dot.value))
        share = percent(dot.value)
        title = f"{share} of the prompt tokens of {dot.label} came from the cache"
    reporting = total["responses"] - total["cached_unseen"]
    below = [f"{reporting:,} of {calls(total['responses'])} report it."]
    below += [
        f"{rows.short(name)} reports {row['cached_tokens']:,} cached of "
        f"{row['prompt_tokens']:,} prompt tokens: no share."
        for name, row in rows.of("cache_share").items()
        if (row["cached_tokens"] or 0) > (row["prompt_tokens"] or 0)
    ]
    hollow = f"; hollow: the {rows.plan.unit} before" if rows.plan.compares else ""
    note = f"Share of prompt tokens{hollow}"
    return title, note, Dots(dots, "share"), " ".join(below[:3])


def cached_share(row: Row, end: str = "", least: int = ENOUGH_CALLS) -> Figure:
    """Return the share from cache; unknown if few calls report it, or above 100%."""
    count, unseen = (
        row.get(f"{name}{end}") or 0 for name in ("responses", "cached_unseen")
    )
    share = figure_of("cache_share", "cache_share", row, end)
    return share if count - unseen >= least and amount_of(share) <= 1 else UNKNOWN


def build_endings(rows: Rows) -> Found:
    """Build how answers ended; below: refusals, and calls with several answers."""
    counts: Counter[str] = Counter()
    for reason, count in rows.together("finish_reasons", "finish_reason", "choices"):
        counts[_ENDINGS.get(reason) or format_name(reason)] += count
    total = counts.total()
    if set(counts) <= {_ENDINGS[None]}:
        return "no answer says how it ended"
    refused = {
        name: row["choices_refused"] or 0
        for name, row in rows.of("refusal_and_filter_rate").items()
    }
    below, number = [], sum(refused.values())
    if number:
        whose = [
            f" by {rows.short(name)}" for name, n in refused.items() if n == number
        ]
        all_ = ", all" if whose and number > 1 else ""
        were = "answer was a refusal" if number == 1 else f"answers were refusals{all_}"
        below.append(f"{number:,} {were}{''.join(whose)}.")
    answers = rows.of("choices_per_response").values()
    if several := sum(row["responses_with_several"] or 0 for row in answers):
        most = max(row["choices_max"] or 0 for row in answers)
        below.append(f"{calls(several)} got several answers, {most:,} at most.")
    texts = {label: f"{n:,} ({percent(n / total)})" for label, n in counts.items()}
    finished = percent(counts["finished"] / total)
    alone = "by itself" if total == 1 else "by themselves"
    title = f"{finished} of {plural(total, 'answer')} finished {alone}"
    return title, "Answers by how they ended", _ranked(counts, texts), " ".join(below)


def _ranked(
    counts: Mapping[str, int],
    texts: Mapping[str, str],
    warned: Mapping[str, int] | None = None,
) -> Bars:
    """Return bars of the largest counts, and of the others together."""
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    shown, others = split(ranked, _MOST_BARS)
    bars = []
    for name in shown:
        bad = (warned or {}).get(name, 0)
        parts = [Part(Figure(counts[name] - bad), "soft"), Part(Figure(bad), "warn")]
        parts = [part for part in parts if part.value.value]
        bars.append(Bar(name, parts, texts.get(name, f"{counts[name]:,}")))
    if others:
        rest = sum(counts[name] for name in others)
        part = Part(Figure(rest), "soft")
        bars.append(Bar(plural(len(others), "other"), [part], f"{rest:,}"))
    return Bars(bars, "count")


def build_tools(rows: Rows) -> Found:
    """Build the calls of each tool, and those whose arguments cannot be read."""
    columns = ("tool", "calls", "arguments_invalid", "arguments_unseen")
    counts: Counter[str] = Counter()
    invalid: Counter[str] = Counter()
    unseen = 0
    for tool, count, bad, hidden in rows.together("tool_calls", *columns):
        counts[format_name(tool)] += count
        invalid[format_name(tool)] += bad or 0
        unseen += hidden
    total, bad = counts.total(), invalid.total()
    if not total:
        return "no call used a tool"
    of = plural(total, "tool call")
    title = f"{of}, most to {counts.most_common(1)[0][0]}"
    if bad:
        have = f"{'has' if bad == 1 else 'have'} arguments that cannot be read"
        title = f"{'At least ' if unseen else ''}{bad:,} of {of} {have}"
    texts = {
        name: f"{counts[name]:,}, {n:,} unreadable" for name, n in (+invalid).items()
    }
    below = f"The arguments of {unseen:,} were not kept." if unseen else ""
    return title, "Tool calls by tool", _ranked(counts, texts, invalid), below


def build_coverage(rows: Rows) -> Found:
    """Build how many calls report what."""
    known = dict(rows.together("usage_coverage", "tokens", "reported"))
    total = rows.tables.row("token_usage")["responses"]
    counts = {label: known.get(name, 0) for name, label in _FIELDS.items()}
    title = "No call reports its cached tokens"
    if cached := counts["cached tokens"]:
        title = f"{percent(cached / total)} of calls report their cached tokens"
    note = f"Calls that report a field, of {total:,}"
    chart = _ranked(counts, {label: "none" for label, n in counts.items() if not n})
    return title, note, chart, "Not reported is never counted as 0."
