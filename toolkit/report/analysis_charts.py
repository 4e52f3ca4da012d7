"""The analyst's charts of the range as a whole: what calls consist of, and rates."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from typing import TYPE_CHECKING

from toolkit.errors import plural
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import format_count, format_name, format_usd
from toolkit.report.analysis_rows import percent
from toolkit.report.analysis_time import about
from toolkit.report.course import amount_of
from toolkit.report.figures import ENOUGH_CALLS, cost_per_1000, priced_calls
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import Bar, Bars, Dot, Dots, Part
from toolkit.report.wording import calls, join

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.report.analysis_rows import Found, Row, Rows
    from toolkit.report.model import Mark

_Z = 1.959964  # of an interval of 95%
_MOVED = 0.05  # a share that moved less is the same
_MOST_BARS = 8
_KINDS: list[tuple[str, str, Mark]] = [
    ("prompt", "ink", "solid"),
    ("from cache", "ink", "hatched"),
    ("answer", "soft", "solid"),
    ("reasoning", "soft", "hatched"),
]
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
    total = rows.total("token_usage")
    prompt = figure_of("token_usage", "prompt_tokens", total)
    share = about(prompt / figure_of("token_usage", "total_tokens", total))
    bars = []
    for name in rows.shown:
        sizes = zip(_kinds_of(rows, name), _KINDS, strict=True)
        parts = [Part(size, color, mark) for size, (_, color, mark) in sizes
                 if amount_of(size) > 0]  # fmt: skip
        text = format_count(rows.usage_of(name), "short")
        bars += [Bar(rows.short(name), parts, text)] if parts else []
    if not bars or not share:
        return "no call reports its prompt and its answer"
    title = f"{share.capitalize()} of all tokens are prompt"
    note = f"Tokens by kind; {rows.noun}s with {ENOUGH_CALLS} calls or more"
    return title, note, Bars(bars, "count", legend=[*_KINDS]), ""


def _kinds_of(rows: Rows, name: str) -> list[Figure]:
    """Return the tokens of a series by kind; together they are all of its tokens.

    Reasoning is in the answer, or beside it: an answer is what the prompt leaves.
    """
    kinds = ("total", "prompt", "cached", "reasoning")
    total, prompt, cached, reasoning = (rows.usage_of(name, kind) for kind in kinds)
    found = []
    for whole, part in ((prompt, cached), (total - prompt, reasoning)):
        is_part = part.is_known and amount_of(part) <= amount_of(whole)
        found += [whole - part, part] if is_part else [whole, UNKNOWN]
    return found


def build_sizes(rows: Rows) -> Found:
    """Build the prompts and answers of the middle 80% of calls."""
    lines: dict[str, list[Dot]] = {}
    for kind, color in (("prompt_tokens", "ink"), ("completion_tokens", "soft")):
        sizes = rows.of("tokens_per_response", tokens=kind)
        for name in rows.shown:
            low, median, high = (
                figure_of("tokens_per_response", rank, sizes[name])
                for rank in ("p10", "p50", "p90")
            )
            if median.is_known:
                dot = Dot(rows.short(name), color, median, low, high,
                          is_hollow=color == "soft")  # fmt: skip
                lines.setdefault(name, []).append(dot)
    prompts = [dots[0] for dots in lines.values() if dots[0].color == "ink"]
    if not prompts:
        return "no call reports its prompt and its answer"
    longest = max(prompts, key=lambda dot: dot.value.number)
    half = format_count(longest.value, words=True)
    title = f"{longest.label} gets the longest prompts: the median is {half}"
    if len(prompts) == 1:
        title = f"The median prompt to {longest.label} has {half} tokens"
    return (
        title,
        "Tokens per call, middle 80% and median (log scale)",
        Dots(
            list(lines.values()),
            "count",
            log=True,
            legend=[("prompt", "ink", "dot"), ("answer", "soft", "hollow")],
        ),
        "",
    )


def build_costs(rows: Rows) -> Found:
    """Build what 1,000 calls cost, of the calls that have a known price."""
    each = rows.each("cost")
    costs = [
        (cost_per_1000(row).number, name)
        for name, row in each
        if priced_calls(row) >= ENOUGH_CALLS and row["cost"] is not None
    ]
    if not costs:
        return f"no {rows.noun} has {ENOUGH_CALLS} calls with a known price"
    costs.sort(reverse=True)
    (most, high), (least, low) = costs[0], costs[-1]
    title = f"1,000 calls to {rows.short(high)} cost {format_usd(most)}"
    if most > least > 0:
        times = Figure(most / least).rounded(1 if most < 10 * least else 0)
        title = (
            f"A {rows.short(high)} call costs {format_count(times)} times one to "
            f"{rows.short(low)}"
        )
    bars = [
        Bar(rows.short(name), [Part(Figure(cost), rows.color(name))], format_usd(cost))
        for cost, name in costs
    ]
    missing = [rows.short(name) for name, row in each if not priced_calls(row)]
    below = f"{join(missing)}: no known price." if missing else ""
    return title, "US dollars for 1,000 priced calls", Bars(bars, "usd"), below


def build_cut_off(rows: Rows) -> Found:
    """Build the share of calls that were cut off, with its interval."""
    total = rows.total("truncation_rate")
    cut = _cut(total)
    if not cut.is_known or not cut.number:
        none = "none is known to be" if cut.bound != "exact" else "none was"
        return f"of {calls(total['responses'])} {none} cut off"
    dots = []
    for name, row in rows.each("truncation_rate"):
        base = row["responses"] - row["responses_without_reason"]
        if base >= ENOUGH_CALLS:
            rate = figure_of("truncation_rate", "response_rate", row)
            low, high = map(Figure, _wilson(row["responses_truncated"], base))
            text = f"{format_count(_cut(row))} of {row['responses']:,}"
            dots.append(Dot(rows.short(name), rows.color(name), rate, low, high, text))
    if not dots:
        return f"no {rows.noun} has {ENOUGH_CALLS} calls that say how they ended"
    were = "was" if cut.value == 1 else "were"
    count = format_count(cut, words=True).capitalize()
    title = f"{count} of {calls(total['responses'])} {were} cut off"
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


def _wilson(count: int, of: int) -> tuple[float, float]:
    """Return the 95% interval of a share, after Wilson.

    Examples
    --------
    >>> [round(end, 3) for end in _wilson(5, 88)]
    [0.025, 0.126]
    """
    share, square = count / of, _Z * _Z
    half = _Z * sqrt(share * (1 - share) / of + square / (4 * of * of))
    middle, whole = share + square / (2 * of), 1 + square / of
    return max(0.0, (middle - half) / whole), min(1.0, (middle + half) / whole)


def build_cache(rows: Rows) -> Found:
    """Build the share of the prompts that came from a cache, now and before."""
    total, dots, moves = rows.total("cache_share"), [], []
    for name, row in rows.each("cache_share"):
        now, was = (cached_share(row, end) for end in ("", "_before"))
        if not now.is_known:
            continue
        label, color = rows.short(name), rows.color(name)
        text = f"{percent(was)} → {percent(now)}" if was.is_known else percent(now)
        old = [Dot(label, color, was, is_hollow=True)] if was.is_known else []
        dots.append([*old, Dot(label, color, now, text=text)])
        move = amount_of(now) - amount_of(was) if was.is_known else 0.0
        moves.append((move, label, now, was))
    if not dots:
        return f"no {rows.noun} has {ENOUGH_CALLS} calls that report cached tokens"
    move, label, now, was = max(moves, key=lambda one: abs(one[0]))
    if abs(move) < _MOVED:
        _, label, now, was = max(moves, key=lambda one: amount_of(one[2]))
        title = f"{percent(now)} of the prompt tokens of {label} came from the cache"
    else:
        title = (
            f"{'More' if move > 0 else 'Fewer'} of the prompt tokens of {label} came "
            f"from the cache: {percent(now)}, {percent(was)} before"
        )
    below = [f"{total['responses'] - total['cached_unseen']:,} of "
             f"{calls(total['responses'])} report it."]  # fmt: skip
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
    """Build how answers ended."""
    counts: Counter[str] = Counter()
    for reason, count in rows.together("finish_reasons", "finish_reason", "choices"):
        counts[_ENDINGS.get(reason) or format_name(reason)] += count
    total = counts.total()
    if set(counts) <= {_ENDINGS[None]}:
        return "no answer says how it ended"
    texts = {label: f"{n:,} ({percent(n / total)})" for label, n in counts.items()}
    finished = percent(counts["finished"] / total)
    return (
        f"{finished} of {plural(total, 'answer')} finished by themselves",
        "Answers by how they ended",
        _ranked(counts, texts),
        " ".join([*_refusals(rows), *_several(rows)]),
    )


def _refusals(rows: Rows) -> list[str]:
    """Return how many answers were refusals, and whose."""
    each = rows.of("refusal_and_filter_rate").items()
    counts = {name: row["choices_refused"] or 0 for name, row in each}
    total = sum(counts.values())
    whose = [
        f" by {rows.short(name)}" for name, n in counts.items() if name and n == total
    ]
    were = "answer was a refusal" if total == 1 else "answers were refusals"
    were += ", all" if whose and total > 1 else ""
    return [f"{total:,} {were}{''.join(whose[:1])}."] if total else []


def _several(rows: Rows) -> list[str]:
    """Return how many calls got several answers."""
    each = rows.of("choices_per_response").values()
    total = sum(row["responses_with_several"] or 0 for row in each)
    most = max((row["choices_max"] or 0 for row in each), default=0)
    return [f"{calls(total)} got several answers, {most:,} at most."] if total else []


def _ranked(
    counts: Mapping[str, int],
    texts: Mapping[str, str],
    warned: Mapping[str, int] | None = None,
) -> Bars:
    """Return bars of the largest counts, and of the others together."""
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    others = ranked[_MOST_BARS:]
    bars = []
    for name in ranked[:_MOST_BARS]:
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
    have = f"{'has' if bad == 1 else 'have'} arguments that cannot be read"
    title = f"{bad:,} of {plural(total, 'tool call')} {have}"
    title = f"At least {title}" if unseen else title
    if not bad:
        title = f"{plural(total, 'tool call')}, most to {counts.most_common(1)[0][0]}"
    texts = {
        name: f"{counts[name]:,}, {n:,} unreadable" for name, n in (+invalid).items()
    }
    below = f"The arguments of {unseen:,} were not kept." if unseen else ""
    return title, "Tool calls by tool", _ranked(counts, texts, invalid), below


def build_coverage(rows: Rows) -> Found:
    """Build how many calls report what."""
    known = dict(rows.together("usage_coverage", "tokens", "reported"))
    total = rows.total("token_usage")["responses"]
    counts = {label: known.get(name, 0) for name, label in _FIELDS.items()}
    cached = counts["cached tokens"]
    title = f"{percent(cached / total)} of calls report their cached tokens"
    return (
        title if cached else "No call reports its cached tokens",
        f"Calls that report a field, of {total:,}",
        _ranked(counts, {label: "none" for label, n in counts.items() if not n}),
        "Not reported is never counted as 0.",
    )
