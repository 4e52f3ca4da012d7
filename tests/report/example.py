"""Reports made by hand: a week of the sample, and what a page must also survive."""

# ruff: noqa: E501, RUF001 - texts and data as a report has them

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.report.content import _what_to_do
from toolkit.report.model import (
    Analysis,
    Answer,
    Bar,
    Bars,
    Budget,
    Cause,
    Causes,
    Course,
    Dot,
    Dots,
    Gap,
    Head,
    Heat,
    KeyFigure,
    LineCount,
    Loss,
    Made,
    Matrix,
    ModelRow,
    Models,
    Part,
    Range,
    ReportContent,
    Restated,
    RestatedRow,
    Series,
    Tag,
    TagRow,
    Tile,
    Trust,
    Waste,
)

COLORS = {
    "gpt-4o": "a1",
    "claude-3.7-sonnet": "b1",
    "mistral-large": "c1",
    "gpt-5-mini": "a3",
    "sonar-pro": "d1",
    "gpt-4o-mini": "a2",
    "deepseek-r1": "e1",
}


def exact(value: float | str) -> Figure:
    """Return an exact figure."""
    return Figure(Decimal(str(value)))


def least(value: float | str) -> Figure:
    """Return a lower bound."""
    return Figure(Decimal(str(value)), "lower")


def about(value: float | str) -> Figure:
    """Return an estimate."""
    return Figure(Decimal(str(value)), "approximate")


def most(value: float | str) -> Figure:
    """Return an upper bound."""
    return Figure(Decimal(str(value)), "upper")


def exacts(text: str) -> list[Figure]:
    """Return exact figures; a dash is unknown."""
    return [UNKNOWN if word == "-" else exact(word) for word in text.split()]


def key_figures() -> list[KeyFigure]:
    """Return the six key figures."""
    return [
        KeyFigure("cost", "Known cost", "usd", least("0.85131"), least("0.94"),
                  "~ -$0.09 (-9.5%)", exacts("1.01 .928 .855 .94 .851")),
        KeyFigure("calls", "Calls", "count", exact(443), exact(451),
                  "-8 (451 before)", exacts("449 448 452 451 443")),
        KeyFigure("tokens", "Tokens", "count", exact(522_241), exact(551_526),
                  "-29,285 (-5.3%)", exacts("504000 511000 540000 552000 522241")),
        KeyFigure("cost_per_1000", "Cost per 1,000 calls", "usd", exact("2.194"),
                  exact("2.44"), "-$0.25 (388 calls)",
                  exacts("2.63 2.41 2.21 2.44 2.19")),
        KeyFigure("cache", "Prompt from cache", "share", exact("0.307"),
                  exact("0.345"), "-3.8 points (285 calls)",
                  exacts(".341 .345 .327 .345 .307")),
        KeyFigure("cut_off", "Answers cut off", "count", exact(17), exact(14),
                  "14 of 451 before", exacts("12 20 11 14 17"), of=443),
    ]  # fmt: skip


def budget() -> Budget:
    """Return the budget of November."""
    return Budget(
        head=Head("Budget for November", "On known prices November stays within its "
                  "$4.00 limit; calls without a price could take it over",
                  "US dollars, at least. Forecast: what was spent, and for the 22 days "
                  "left the average of the same weekday in the last four weeks; likely "
                  "= 4 cases in 5. October cost at least $4.04."),
        limit=exact(4), spent=least("0.888"), days=8, forecast=least("3.71"),
        low=exact("3.50"), high=exact("3.94"), with_unpriced=about("4.19"),
        before=least("4.04"), month=date(2026, 11, 1),
    )  # fmt: skip


def course() -> Course:
    """Return eight weeks."""
    totals = [
        UNKNOWN,
        UNKNOWN,
        *map(least, (".344", "1.01", ".925", ".851", ".942", ".851")),
    ]
    rows = {
        "7 others": ("z", "- - .017 .047 .04 .034 .043 .036"),
        "sonar-pro": ("d1", "- - .033 .173 .08 .112 .12 .071"),
        "mistral-large": ("c1", "- - .046 .092 .081 .067 .062 .091"),
        "claude-3.7-sonnet": ("b1", "- - .09 .327 .27 .182 .279 .283"),
        "gpt-5-mini": ("a3", "- - 0 0 .031 .097 .071 .086"),
        "gpt-4o": ("a1", "- - .158 .371 .423 .359 .367 .284"),
    }
    series = [
        Series(name, color, exacts(values)) for name, (color, values) in rows.items()
    ]
    series[0].values[-1] = least(".036")
    series[3].values[-1] = least(".283")
    return Course(
        head=Head("Cost by week",
                  "Between $0.85 and $1.01 in every whole week since October began",
                  "US dollars, at least, by model; weeks begin on Monday (UTC)"),
        starts=[date(2026, 9, 14) + timedelta(days=7 * week) for week in range(8)],
        labels=["14 Sep", "21", "28", "5 Oct", "12", "19", "26", "2 Nov"],
        is_whole=[False, False, False, *[True] * 5],
        totals=totals,
        unpriced=exacts("- - .12 .11 .13 .14 .107 .116"),
        series=series,
        empty="no log before 1 Oct",
        note="Dotted: calls without a known price (11–14% of a week’s tokens), not to "
             "scale. Hatched: not a whole week.",
    )  # fmt: skip


def team() -> Tag:
    """Return the cost by team."""
    rows = [("support", ".063", 25), ("search", ".053", 22), ("billing", ".020", 7),
            ("docs", ".009", 8), (None, ".703", 381)]  # fmt: skip
    return Tag(
        Head("Cost by team", "83% of the known cost names no team",
             "US dollars, at least, this week"),
        "tag_team",
        [TagRow(value, least(cost), calls) for value, cost, calls in rows],
        "62 of 443 calls carry the tag metadata.team. Ask the services behind the other "
        "381 to send it.",
    )  # fmt: skip


# name, calls, before, tokens, cost, change, reason, calls without a price
MODELS: list[tuple[str, int, int, int, Figure, Figure, str, int]] = [
    ("gpt-4o", 88, 81, 102_142, exact(".284"), exact("-.081"),
     "shorter prompts: 1,603 → 1,060 tokens", 0),
    ("claude-3.7-sonnet", 34, 32, 79_212, least(".2834"), about(".005"),
     "more priced calls: 31 → 33", 1),
    ("mistral-large", 35, 28, 36_220, exact(".091"), most(".0286"),
     "more priced calls: 26 → 35", 0),
    ("gpt-5-mini", 64, 52, 102_593, exact(".086"), exact(".014"),
     "more calls: 52 → 64", 0),
    ("sonar-pro", 8, 14, 2_257, exact(".071"), exact("-.049"),
     "fewer calls: 14 → 8", 0),
    ("gpt-4o-mini", 108, 139, 97_194, exact(".018"), most("-.0045"),
     "fewer priced calls: 135 → 108", 0),
    ("llama-3.3-70b", 25, 20, 18_663, exact(".012"), exact("-.003"),
     "shorter prompts: 1,094 → 611 tokens", 0),
    ("grok-3-mini", 11, 9, 8_855, least(".0031"), about(".001"),
     "no notable change", 1),
    ("gemini-2.0-flash", 17, 19, 15_316, exact(".002"), most("-.0002"),
     "no notable change", 0),
    ("deepseek-r1", 25, 28, 43_433, UNKNOWN, UNKNOWN, "", 25),
    ("llama3.2:3b", 15, 13, 8_710, UNKNOWN, UNKNOWN, "", 15),
    ("qwen2.5-7b", 13, 16, 7_646, UNKNOWN, UNKNOWN, "", 13),
]  # fmt: skip


def models() -> Models:
    """Return where the money went."""
    rows = [
        ModelRow(name, name, COLORS.get(name, "z"), calls, before, exact(tokens), cost,
                 change, reason, unpriced)
        for name, calls, before, tokens, cost, change, reason, unpriced in MODELS
    ]  # fmt: skip
    total = ModelRow("All models", "All models", "z", 443, 451, exact(522_241),
                     least(".8513"), about("-.089"), "see below", 55)  # fmt: skip
    head = Head("Where the money went",
                "gpt-4o and claude-3.7-sonnet are two thirds of the known cost",
                "This week; in brackets and as change: the week before. Bars share one "
                "scale per column.")  # fmt: skip
    return Models(head, rows, total)


def causes() -> Causes:
    """Return the change and its causes."""
    rows = [
        ("prompt", "Prompt length", "-.101", "Prompts to gpt-4o were a third shorter: "
         "1,603 → 1,060 tokens a call (88 calls). That alone is -$0.094."),
        ("answer", "Answer length", "-.026", "gpt-4o wrote 132 → 101 tokens a call."),
        ("mix", "Choice of models", ".022", "More of the work went to dearer models: "
         "gpt-4o-mini took 35% → 28% of priced calls (+$0.060), sonar-pro 3.6% → 2.1% "
         "(-$0.039)."),
        ("calls", "Number of calls", "-.016", "451 → 443 calls."),
        ("cache", "Cache", ".012",
         "gpt-4o took 41% → 32% of its prompt tokens from cache."),
        ("price", "Prices", "0", "No list price changed between the two weeks."),
        ("known", "Calls with a known price", ".023", "385 of 451 → 388 of 443 calls "
         "have a price. This is not more spending."),
        ("other", "Cannot be split", "-.003",
         "sonar-pro reports what it charged, without a list price (8 calls)."),
    ]  # fmt: skip
    return Causes(
        Head("What changed, and why",
             "Shorter prompts to gpt-4o made the week cheaper; dearer models and fewer "
             "cache hits took some of it back",
             "The change in known cost, -$0.089, split into its causes. They add up "
             "exactly."),
        [Cause(name, label, exact(amount), words, is_main=name == "prompt")
         for name, label, amount, words in rows],
        exact("-.089"), "$0.940 → $0.851, both at least.",
    )  # fmt: skip


def waste() -> Waste:
    """Return what was wasted."""
    rows = [
        Loss("cut_off", "Answers cut off at the token limit", least(".0452"),
             "17 of 443 calls (14 before); $0.029 of it in 3 claude-3.7-sonnet calls. "
             "The whole call is counted.",
             "Raise max_tokens for claude-3.7-sonnet, or ask for shorter answers."),
        Loss("refused", "Answers the model refused", exact(".011"),
             "3 of 443 calls, all gpt-4o (2 before).",
             "Look at the three answers and their prompts."),
        Loss("tools", "Tool calls that cannot be read", exact(".007"),
             "2 of 43 tool calls (6 of 36 before).", "Ask for strict JSON schemas."),
        Loss("repeated", "Repeated calls", exact(0),
             "None found: no two calls within 10 minutes share model, prompt length and "
             "answer. 4 log lines were copies and count once.", "Nothing to do."),
        Loss("cache", "Cache not used", about(".066"),
             "None of the 34 claude-3.7-sonnet calls reports cached tokens. Saved at the "
             "cache share of gpt-4o (32%); at most $0.204 (dotted), less the charge for "
             "writing to the cache.",
             "Mark the fixed part of the prompt as cacheable.", most(".204"),
             is_saving=True),
    ]  # fmt: skip
    return Waste(
        Head("What was wasted",
             "At least $0.06 went into 22 wasted answers; caching claude-3.7-sonnet "
             "could save about $0.07", "Cache hits saved $0.04 this week ($0.07 before)."),
        rows,
    )  # fmt: skip


def trust() -> Trust:
    """Return what to trust."""
    lines = [
        LineCount("calls", 443, "calls in this report", "ink"),
        LineCount("rejects", 14, "cannot be read", "warn"),
        LineCount("copies", 4, "copies, counted once", "soft"),
        LineCount("errors", 3, "errors sent by a provider", "soft2"),
        LineCount("undated", 3, "without a date", "warn2"),
        LineCount("blank", 1, "blank", "pale"),
    ]
    rows = [
        Gap("price", "No known price", about(".1117"), "55 of 443 calls, 11.6% of tokens "
            "(10.7% before): deepseek-r1 25 calls, llama3.2 15, qwen2.5 13, 2 others.",
            "Write their price into prices.toml; 0 if you run them yourself."),
        Gap("rejects", "Lines that cannot be read", about(".0307"), "14 of 468 log lines: "
            "broken JSON, wrong types, pieces of streams. Their place in the log puts "
            "them in this week.",
            "toolkit rejects writes them to a file; fix and load it."),
        Gap("undated", "Calls without a date", about(".0085"),
            "3 by their place in the log (27 in the whole log), 4,812 tokens.",
            "Log the field created."),
        Gap("late", "Late data", exact(0), "None: the logs are in order of time and go "
            "on after Sunday. Every figure of the last report (26 Oct – 1 Nov) still "
            "holds.", "Nothing to do."),
    ]  # fmt: skip
    return Trust(
        Head("What to trust", "All 468 log lines of the week are accounted for; about "
             "$0.15 may be missing from the total", "What the missing part would add if "
             "it cost what the rest costs. An estimate, and in no other figure here."),
        lines, rows,
        Gap("all", "Together", about(".151"), "on top of at least $0.85", ""),
    )  # fmt: skip


def tiles() -> list[Tile]:
    """Return small charts of every kind."""
    days = {
        "gpt-4o": ("a1", "13023 31174 22200 21053 12618 472 1552"),
        "gpt-4o-mini": ("a2", "14980 11876 17881 25911 15587 5803 5128"),
        "gpt-5-mini": ("a3", "14710 14912 21795 25236 21323 675 3914"),
        "claude-3.7-sonnet": ("b1", "15587 12686 9919 14507 14170 9042 3374"),
        "mistral-large": ("c1", "4588 8570 4791 5870 8907 2632 810"),
        "deepseek-r1": ("e1", "11336 9784 9852 6410 1012 5061 0"),
        "6 others": ("z", "12483 10999 12753 9649 11404 742 3441"),
    }
    columns = [
        Bar(
            day, [Part(exacts(values)[place], color) for color, values in days.values()]
        )
        for place, day in enumerate("MTWTFSS")
    ]
    volumes = zip(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], (81, 81, 88, 83, 76, 20, 14),
                  (82, 87, 87, 87, 74, 19, 15), strict=True)  # fmt: skip
    hours = ["000000144797578875221211", "010000327757758885213110",
             "000011335798688964332101", "101000137687776875321210",
             "100002136666677763321111", "000001011212122221011000",
             "000001020022111021001000"]  # fmt: skip
    kinds = [("gpt-5-mini", 37, 15, 5.2, 24), ("gpt-4o", 50, 23.8, 7, 0),
             ("gpt-4o-mini", 51, 16.7, 9.3, 0), ("claude-3.7-sonnet", 60, 0, 3, 0),
             ("deepseek-r1", 10, 10, 2, 12.2), ("mistral-large", 25, 0, 3.6, 0),
             ("llama-3.3-70b", 12, 0, 2.7, 0)]  # fmt: skip
    marks = [
        ("ink", "solid"),
        ("ink", "hatched"),
        ("soft2", "solid"),
        ("soft", "solid"),
    ]
    spans = [("gpt-4o-mini", 191, 615, 1602, 33, 76, 251),
             ("gpt-4o", 343, 836, 2206, 33, 79, 199),
             ("gpt-5-mini", 256, 675, 2130, 237, 465, 1010),
             ("claude-3.7-sonnet", 634, 1808, 4490, 34, 82, 265),
             ("deepseek-r1", 430, 607, 2020, 247, 668, 1275)]  # fmt: skip
    cut = [("gpt-4o-mini", 3, 108, .0095, .0785), ("gpt-4o", 5, 88, .0245, .126),
           ("gpt-5-mini", 3, 64, .016, .129), ("mistral-large", 0, 35, 0, .099),
           ("claude-3.7-sonnet", 3, 34, .03, .23), ("llama-3.3-70b", 1, 25, .007, .195),
           ("deepseek-r1", 1, 25, .007, .195)]  # fmt: skip
    cache = [("gpt-4o-mini", ".236", ".247"), ("gpt-4o", ".407", ".323"),
             ("gpt-5-mini", ".32", ".288"), ("deepseek-r1", ".5", ".5")]  # fmt: skip
    costs = [("claude-3.7-sonnet", "8.60"), ("gpt-4o", "3.23"), ("mistral-large", "2.59"),
             ("gpt-5-mini", "1.34"), ("llama-3.3-70b", "0.47"),
             ("gpt-4o-mini", "0.17")]  # fmt: skip
    versions = [("gpt-4o", ["90d3", "e277", "1f66", "5a1c"], 0),
                ("gpt-4o-mini", ["e277", "1f66", "5a1c", "90d3"], 0),
                ("gpt-5-mini", ["e277", "1f66", "5a1c"], 14)]  # fmt: skip
    return [
        Tile("tokens", "A weekend day has 22% of a weekday’s tokens",
             "Tokens per day by model; 522,241 in the week",
             Bars(columns, "count", upright=True,
                  legend=[(name, color, "solid") for name, (color, _) in days.items()][::-1]),
             "Tokens per day by model"),
        Tile("volume", "443 calls, 8 fewer than the week before",
             "Calls per day; line: the week before",
             Bars([Bar(day, [Part(exact(now), "soft")], f"{now}", exact(before))
                   for day, now, before in volumes], "count", upright=True),
             "Calls per day, this week and the week before"),
        Tile("rhythm", "88% of calls fall between 07:00 and 19:00",
             "Calls by weekday and hour (UTC); darkest: 9 calls",
             Heat(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
                  [f"{hour:02}" for hour in range(24)],
                  [list(map(int, row)) for row in hours]), "Calls by weekday and hour"),
        Tile("kinds", "81% of all tokens are prompt",
             "Tokens by kind; models with 20 calls or more",
             Bars([Bar(name, [Part(exact(size), color, mark) for size, (color, mark)  # type: ignore[arg-type]
                              in zip(sizes, marks, strict=True)], f"{sum(sizes):.0f}k")
                   for name, *sizes in kinds], "count",
                  legend=[(name, *mark) for name, mark in zip(
                      ("prompt", "from cache", "answer", "reasoning"), marks,
                      strict=True)]),
             "Tokens by kind and model"),
        Tile("lengths", "claude-3.7-sonnet gets the longest prompts: half are above 1,808",
             "Tokens per call, middle 80% of calls (log scale)",
             Dots([[Dot(name, "ink", exact(b), exact(a), exact(c)),
                    Dot(name, "soft", exact(e), exact(d), exact(f), is_hollow=True)]
                   for name, a, b, c, d, e, f in spans], "count", log=True,
                  legend=[("prompt", "ink", "dot"),
                          ("answer; dot: median", "soft", "hollow")]),
             "Tokens per call by model: prompt and answer, 10th to 90th percentile"),
        Tile("unit_cost", "A claude-3.7-sonnet call costs 51 times one to gpt-4o-mini",
             "US dollars for 1,000 priced calls",
             Bars([Bar(name, [Part(exact(cost), COLORS.get(name, "z"))], f"${cost}")
                   for name, cost in costs], "usd"),
             "Cost of 1,000 calls by model", "deepseek-r1: no known price."),
        Tile("cut_off", "17 of 443 calls were cut off; no model stands out",
             "Share of calls with 95% range; 14 of 451 before",
             Dots([[Dot(name, COLORS.get(name, "z"), exact(Decimal(k) / n), exact(low),
                        exact(high), f"{k} of {n}")] for name, k, n, low, high in cut],
                  "share"), "Share of calls cut off by model with 95% interval"),
        Tile("cache", "gpt-4o found less of its prompts in the cache",
             "Share of prompt tokens; hollow: the week before",
             Dots([[Dot(name, COLORS[name], exact(a), is_hollow=True),
                    Dot(name, COLORS[name], exact(b),
                        text=f"{float(a):.0%} → {float(b):.0%}")]
                   for name, a, b in cache], "share"),
             "Share of prompt tokens from cache by model, now and before",
             "285 of 443 calls report it. One grok-3-mini call claims 10,000 cached of "
             "394 prompt tokens and is left out."),
        Tile("endings", "88% of 459 answers finished by themselves",
             "Answers by how they ended",
             Bars([Bar("finished", [Part(exact(402), "soft")], "402 (87.6%)"),
                   Bar("called a tool", [Part(exact(39), "soft")], "39 (8.5%)"),
                   Bar("cut off", [Part(exact(17), "ink")], "17 (3.7%)"),
                   Bar("no reason given", [Part(exact(1), "soft")], "1 (0.2%)")],
                  "count"), "How answers ended"),
        Tile("tools", "2 of 43 tool calls have arguments that cannot be read",
             "Tool calls by tool",
             Bars([Bar("get_weather", [Part(exact(18), "soft")], "18"),
                   Bar("create_ticket", [Part(exact(14), "soft"), Part(exact(1), "warn")],
                       "15, 1 unreadable"),
                   Bar("find_documents", [Part(exact(9), "soft")], "9"),
                   Bar("sql", [Part(exact(1), "warn")], "1, 1 unreadable")], "count"),
             "Tool calls by tool, and how many cannot be read"),
        Tile("coverage", "Two thirds of calls report their cached tokens",
             "Calls that report a field, of 443",
             Bars([Bar(name, [Part(exact(count), "soft")], f"{count}" if count else "none")
                   for name, count in [("token counts", 441), ("reasoning tokens", 296),
                                       ("cached tokens", 286), ("audio tokens", 260),
                                       ("own cost", 41), ("cache writes", 0)]], "count"),
             "How many of 443 calls report a field",
             "Not reported is never counted as 0."),
        Tile("drift", "All three OpenAI models changed version on 6 Nov",
             "First four characters of system_fingerprint",
             Bars([Bar(name, [Part(exact((38 - start) / len(labels)), "pale", label=label)
                              for label in labels],
                       words=", ".join(labels), start=start)
                   for name, labels, start in versions], "count"),
             "Versions of the three OpenAI models since 1 October",
             "36 calls name both the model asked for and the one that answered: the same "
             "in all, a dated version counted as the same."),
    ]  # fmt: skip


HEADS = ["Model", "Calls (before)", "Tokens", "Prompt median", "Answer median",
         "From cache", "Reasoning", "Cut off", "Refused", "Tool calls",
         "Answers a call", "Cost", "Per 1,000 calls"]  # fmt: skip


def analysis() -> Analysis:
    """Return the part for analysts."""
    rows = [
        [name, f"{calls} ({before})", f"{tokens:,}", "675", "465", "29%", "–", "3", "0",
         "6", "1", "≥ $0.283" if unpriced else "$0.086", "$1.34"]
        for name, calls, before, tokens, *_, unpriced in MODELS
    ]  # fmt: skip
    rows[-1][0] = "/models/qwen2.5-7b-instruct-q4_k_m.gguf"
    return Analysis(
        Head("For analysts", "The same week in 12 small charts", "Models with fewer "
             "than 20 calls (5 models, 64 calls) are in the table only. Colours as "
             "above."),
        tiles(), Matrix(HEADS, rows, [{} for _ in rows]),
        Head("By model", "All numbers by model", "n = calls of this week; in brackets "
             "the week before. – not reported by any call. Median: half of the calls are "
             "smaller."),
        ["how sure the models were (5 of 459 answers carry token probabilities)"],
    )  # fmt: skip


def example() -> ReportContent:
    """Return the report on a week of the sample."""
    return ReportContent(
        title="LLM usage",
        range=Range("week of 2–8 Nov 2026", "week", datetime(2026, 11, 2, tzinfo=UTC),
                    datetime(2026, 11, 9, tzinfo=UTC), "UTC", "1d", ["model"],
                    "26 Oct – 1 Nov", None),
        answer=Answer(
            "The week cost at least $0.85, about $0.09 less than the week before, because "
            "prompts to gpt-4o were a third shorter; calls without a known price could "
            "add about $0.11.",
            "388 of the 443 calls are priced exactly. The other 55 are in no cost; such "
            "calls used 59k tokens in the week before and 61k in this one: too little to "
            "explain the fall. The week before ($0.94) is within what chance alone "
            "explains (from $0.76 to $0.95 in 4 of 5 such weeks)."),
        figures=key_figures(), budgets=[budget()], course=course(), tags=[team()],
        models=models(), causes=causes(), waste=waste(), trust=trust(),
        todo=_what_to_do(waste(), trust()), restated=None, analysis=analysis(), left_out=[], colors=COLORS, periods=[], ledger={},
        made=Made(["data/sample"], "genai-prices 0.2.3, on the day of each call; 41 calls "
                  "at the price the provider reported",
                  "toolkit report data/sample --last week --compare previous --tag "
                  "team=metadata.team --to week.html",
                  {"completion-toolkit": "0.1.0"}, "native", None),
    )  # fmt: skip


# --- What a page must also survive ---------------------------------------------------


def rename(content: ReportContent, names: list[str]) -> ReportContent:
    """Give the series of a report other names, in turn."""

    def other(place: int, old: str) -> str:
        return names[place % len(names)] if names else old

    assert content.models is not None
    assert content.course is not None
    assert content.analysis is not None
    rows = [
        replace(row, name=other(place, row.name), short=other(place, row.short))
        for place, row in enumerate(content.models.rows)
    ]
    series = [
        replace(one, name=other(place, one.name))
        for place, one in enumerate(content.course.series)
    ]
    tags = [
        replace(tag, rows=[
            replace(row, value=row.value and other(place, row.value))
            for place, row in enumerate(tag.rows)
        ]) for tag in content.tags
    ]  # fmt: skip
    table = content.analysis.table
    cells = [[other(place, row[0]), *row[1:]] for place, row in enumerate(table.rows)]
    changed = [replace(tile, chart=_renamed(tile.chart, other)) for tile in
               content.analysis.tiles]  # fmt: skip
    return replace(
        content,
        answer=replace(content.answer, headline=f"The week cost at least $0.85, because "
                       f"prompts to {other(0, 'gpt-4o')} were a third shorter."),
        models=replace(content.models, rows=rows),
        course=replace(content.course, series=series), tags=tags,
        analysis=replace(content.analysis, tiles=changed,
                         table=replace(table, rows=cells)),
    )  # fmt: skip


def _renamed(chart: Any, other: Any) -> Any:
    """Give the rows of a small chart other names."""
    if isinstance(chart, Bars) and not chart.upright:
        bars = [
            replace(one, label=other(n, one.label)) for n, one in enumerate(chart.bars)
        ]
        return replace(chart, bars=bars)
    if isinstance(chart, Bars):
        legend = [(other(n, one[0]), *one[1:]) for n, one in enumerate(chart.legend)]
        return replace(chart, legend=legend)
    if isinstance(chart, Dots):
        rows = [[replace(dot, label=other(n, dot.label)) for dot in row]
                for n, row in enumerate(chart.rows)]  # fmt: skip
        return replace(chart, rows=rows)
    return chart


HOSTILE = [
    '<script>alert(1)</script><img src=x onerror="alert(1)">',
    "</svg></style><style>*{display:none}</style>",
    '"><svg onload=alert(1)>',
    'a & b ]]> c\' "d"',
    "\u202eevil\u2066\u200b\x1b[31m\x00",
    "{{ 7 * 7 }}{% raw %}",
    "c-a1} * {display:none",
]
ASIAN = ["通义千问-max-latest", "文心一言4.0-turbo", "モデル試験用アシスタント", "модель-большая",
         "نموذج", "🦙-llama-3.3"]  # fmt: skip
LONG = ["a-very-long-name-" * 12, "x" * 200, "W" * 200, "字" * 200]


def hostile() -> ReportContent:
    """Return a report on names that mean harm."""
    return replace(rename(example(), HOSTILE), title=HOSTILE[0])


def one_model() -> ReportContent:
    """Return a report on one model, all of whose calls have a price."""
    content = example()
    assert content.models is not None
    assert content.course is not None
    row = content.models.rows[0]
    week = replace(
        content.course, series=content.course.series[-1:], empty="",
        totals=content.course.series[-1].values, unpriced=[exact(0)] * 8,
    )  # fmt: skip
    total = replace(row, short="All models", reason="")
    return replace(content, models=replace(content.models, rows=[row], total=total),
                   course=week, tags=[], budgets=[])  # fmt: skip


def many_models() -> ReportContent:
    """Return a report on 60 models, of which the builder names eleven."""
    content = example()
    assert content.models is not None
    assert content.course is not None
    rows = [
        replace(content.models.rows[place % 9], name=f"vendor/model-{place}-2026-01-01",
                short=f"model-{place}", color=("a1", "b1", "c1", "d1", "e1", "z")[place % 6])
        for place in range(11)
    ]  # fmt: skip
    rows.append(replace(rows[0], name="49 others", short="49 others", color="z"))
    matrix = [[f"vendor/model-{n}-2026-01-01", *["123,456"] * 12] for n in range(60)]
    part = replace(analysis(), table=Matrix(HEADS, matrix, [{} for _ in matrix]))
    scaled = [
        replace(one, values=[value if value.value is None else
                             Figure(value.number * 12_345, value.bound)
                             for value in one.values]) for one in content.course.series
    ]  # fmt: skip
    totals = [one if one.value is None else Figure(one.number * 12_345, one.bound)
              for one in content.course.totals]  # fmt: skip
    grown = [replace(row, cost=Figure(row.cost.number * 12_345, row.cost.bound),
                     change=Figure(row.change.number * 12_345, row.change.bound),
                     calls=row.calls * 12_345, calls_before=100_000,
                     tokens=Figure(row.tokens.number * 12_345))
             for row in rows]  # fmt: skip
    figures = [replace(content.figures[0], value=least("10509.42"),
                       words="~ -$1,097.90 (-9.5%)"),
               replace(content.figures[2], value=exact(6_447_065_145)),
               *content.figures[1:2], *content.figures[3:]]  # fmt: skip
    total = replace(content.models.total, cost=least("10509.42"), change=about("-1097.9"),
                    calls=5_468_835, calls_before=5_567_595, unpriced=678_975,
                    tokens=exact(6_447_065_145))  # fmt: skip
    return replace(content, models=replace(content.models, rows=grown, total=total),
                   course=replace(content.course, series=scaled, totals=totals),
                   figures=figures, analysis=part,
                   budgets=[replace(budget(), limit=exact(40_000), spent=least(45_000),
                                    forecast=least(91_000), low=exact(85_000),
                                    high=exact(99_000), with_unpriced=about(104_000))],
                   )  # fmt: skip


def no_prices() -> ReportContent:
    """Return a report in which no call has a known price."""
    content = example()
    assert content.models is not None
    assert content.course is not None
    rows = [replace(row, cost=UNKNOWN, change=UNKNOWN, reason="", unpriced=row.calls)
            for row in content.models.rows]  # fmt: skip
    total = replace(content.models.total, cost=UNKNOWN, change=UNKNOWN, reason="",
                    unpriced=443)  # fmt: skip
    blank = [replace(one, values=[UNKNOWN] * 8) for one in content.course.series]
    figures = [replace(content.figures[0], value=UNKNOWN, before=UNKNOWN,
                       words="no call has a known price", points=[UNKNOWN] * 5),
               *content.figures[1:]]  # fmt: skip
    return replace(
        content, answer=Answer("The week made 443 calls; what they cost is unknown.", ""),
        figures=figures, budgets=[], tags=[], causes=None, waste=None,
        models=replace(content.models, rows=rows, total=total),
        course=replace(content.course, totals=[UNKNOWN] * 8, series=blank, empty="",
                       unpriced=[UNKNOWN, UNKNOWN, *[exact(1)] * 6]),
        left_out=["budget (no call has a known price)", "causes (no cost is known)"],
    )  # fmt: skip


def nothing() -> ReportContent:
    """Return a report without calls."""
    content = example()
    trusted = Trust(Head("What to trust", "There are no log lines in this week"), [], [],
                    None)  # fmt: skip
    return replace(
        content, answer=Answer("No calls.", ""), figures=[], budgets=[], course=None,
        tags=[], models=None, causes=None, waste=None, trust=trusted, analysis=None,
        left_out=["cost by week (no calls)", "where the money went (no calls)"],
        range=replace(content.range, before=None),
    )  # fmt: skip


def one_day() -> ReportContent:
    """Return a report on a day that is compared with nothing."""
    content = example()
    assert content.models is not None
    rows = [replace(row, calls_before=None, change=UNKNOWN, reason="")
            for row in content.models.rows]  # fmt: skip
    total = replace(content.models.total, calls_before=None, change=UNKNOWN, reason="")
    hours = [Bar(f"{hour:02}", [Part(exact(hour % 7 * 3), "soft")], f"{hour % 7 * 3}")
             for hour in range(24)]  # fmt: skip
    tile = Tile("volume", "60 calls", "Calls per hour",
                Bars(hours, "count", upright=True), "Calls per hour")  # fmt: skip
    return replace(
        content, range=replace(content.range, words="2 Nov 2026", name="day", before=None),
        models=replace(content.models, rows=rows, total=total), causes=None,
        analysis=replace(analysis(), tiles=[tile, *tiles()[3:5]]),
    )  # fmt: skip


def one_year() -> ReportContent:
    """Return a report on a year, with several tags and budgets, and changed figures."""
    content = example()
    assert content.course is not None
    weeks = [Bar(f"{1 + week % 4 * 7} {'Jan'}", [Part(exact(40 + week % 13), "a1"),
                                                 Part(exact(9 + week % 5), "b1")])
             for week in range(53)]  # fmt: skip
    tile = Tile("tokens", "Tokens rose", "Tokens per week",
                Bars(weeks, "count", upright=True,
                     legend=[("gpt-4o", "a1", "solid"), ("claude", "b1", "solid")]),
                "Tokens per week")  # fmt: skip
    labels = [f"{1 + place}/{'2025'}" for place in range(8)]
    row = RestatedRow(datetime(2026, 10, 26, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC),
                      "cost", "Known cost", "usd", least(".93"), least(".94"),
                      "2 calls came late")  # fmt: skip
    long = Tag(team().head, "tag_cost_center",
               [TagRow(value, least(cost), 12) for value, cost in
                [("a value of a tag as long as somebody liked to write it", ".5"),
                 ("部門の名前がとても長い場合はどうなりますか", ".3"), (None, ".1")]])  # fmt: skip
    own = replace(budget(), forecast=UNKNOWN, low=UNKNOWN, high=UNKNOWN,
                  with_unpriced=UNKNOWN, tag="tag_team", value="search")  # fmt: skip
    return replace(
        content, range=replace(content.range, words="2025", name="year"),
        course=replace(content.course, labels=labels), tags=[team(), long, team()],
        budgets=[budget(), own], restated=Restated(
            Head("What has changed since", "One figure has changed since the last report",
                 "Of complete weeks"), [row]),
        analysis=replace(analysis(), tiles=[tile, *tiles()[5:9]]),
        colors={**COLORS, "own": "#ffee00"},
    )  # fmt: skip


VARIANTS = {
    "week": example,
    "one_model": one_model,
    "many_models": many_models,
    "no_prices": no_prices,
    "nothing": nothing,
    "one_day": one_day,
    "one_year": one_year,
    "asian": lambda: rename(example(), ASIAN),
    "long": lambda: rename(example(), LONG),
    "hostile": hostile,
}
