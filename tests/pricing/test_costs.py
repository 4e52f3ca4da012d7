"""Costs, compared with invoices worked by hand and against genai-prices itself."""

from __future__ import annotations

import random
import socket
import warnings
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit
from toolkit.errors import MissingColumnsError, TotalOverflowError
from toolkit.pricing import (
    MEANINGS,
    PriceFile,
    Reason,
    add_cost,
    missing_prices,
    price_responses,
    pricer,
)
from toolkit.pricing.offers import COUNTS
from toolkit.pricing.pricer import NEEDED, Pricer, priced_by
from toolkit.pricing.rates import WEEK, Offer, Rates
from toolkit.testing import make_choices

MAY = datetime(2026, 5, 1, 12, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every test of prices fail that opens a connection."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("prices were fetched")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


def cost_of(**cells: object) -> tuple[Decimal | None, str, date | None]:
    """Price one response."""
    choices = make_choices({"created": MAY, **cells})
    return add_cost(choices).select("cost", "cost_source", "price_date").row(0)


def reason_of(**cells: object) -> str | None:
    """Say why one response is unpriced."""
    choices = make_choices({"created": MAY, **cells})
    reason: str | None = (
        Pricer(PriceFile()).price(choices.select(NEEDED))["reason"].item()
    )
    return reason


# An invoice each, worked by hand; rates are USD per million tokens.
INVOICES = {
    "prompt and completion": (
        # 1,000 x 2.50 + 100 x 10 = 3,500 millionths
        {"model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 100},
        "0.0035",
    ),
    "cached": (
        # 400 x 2.50 + 600 cached x 1.25 + 100 x 10 = 1,000 + 750 + 1,000
        {
            "model": "gpt-4o",
            "prompt_tokens": 1000,
            "cached_tokens": 600,
            "completion_tokens": 100,
        },
        "0.00275",
    ),
    "cache write": (
        # 100 x 3 + 200 read x 0.30 + 700 written x 3.75 + 10 x 15
        # = 300 + 60 + 2,625 + 150
        {
            "model": "claude-3-7-sonnet-20250219",
            "prompt_tokens": 1000,
            "cached_tokens": 200,
            "cache_write_tokens": 700,
            "completion_tokens": 10,
        },
        "0.003135",
    ),
    "reasoning inside the completion": (
        # 50 x 1.10 + 900 x 4.40, the 800 of reasoning are among the 900
        {
            "model": "o1-mini-2024-09-12",
            "prompt_tokens": 50,
            "completion_tokens": 900,
            "reasoning_tokens": 800,
            "total_tokens": 950,
        },
        "0.004015",
    ),
    "reasoning beside the completion": (
        # The total says so: 12 + 2 + 320 = 334. 12 x 0.30 + 322 x 0.50 = 3.6 + 161
        {
            "model": "grok-3-mini",
            "prompt_tokens": 12,
            "completion_tokens": 2,
            "reasoning_tokens": 320,
            "total_tokens": 334,
        },
        "0.0001646",
    ),
    "audio": (
        # 20 text x 2.50 + 80 audio x 32 + 10 text x 10 + 50 audio x 64
        # = 50 + 2,560 + 100 + 3,200
        {
            "model": "gpt-audio-2025-08-28",
            "prompt_tokens": 100,
            "prompt_audio_tokens": 80,
            "completion_tokens": 60,
            "completion_audio_tokens": 50,
        },
        "0.00591",
    ),
    "batch": (
        # 1,000 x 1 + 100 x 4, half of 2 and 8
        {
            "model": "gpt-4.1",
            "service_tier": "batch",
            "created": NOVEMBER,
            "prompt_tokens": 1000,
            "completion_tokens": 100,
        },
        "0.0014",
    ),
    "priority": (
        # 600 x 3.50 + 400 cached x 0.875 + 100 x 14 = 2,100 + 350 + 1,400
        {
            "model": "gpt-4.1",
            "service_tier": "priority",
            "created": NOVEMBER,
            "prompt_tokens": 1000,
            "cached_tokens": 400,
            "completion_tokens": 100,
        },
        "0.00385",
    ),
    "default is the standard rate": (
        # 1,000 x 2 + 100 x 8
        {
            "model": "gpt-4.1",
            "service_tier": "default",
            "prompt_tokens": 1000,
            "completion_tokens": 100,
        },
        "0.0028",
    ),
    "a short prompt": (
        # 200,000 are not above 200,000: 200,000 x 1.25 + 1,000 x 10
        {
            "model": "gemini-2.5-pro",
            "prompt_tokens": 200_000,
            "completion_tokens": 1000,
        },
        "0.26",
    ),
    "a long prompt": (
        # 200,001 are: 200,001 x 2.50 + 1,000 x 15, every token at the higher rate
        {
            "model": "gemini-2.5-pro",
            "prompt_tokens": 200_001,
            "completion_tokens": 1000,
        },
        "0.5150025",
    ),
    "a free model": (
        {
            "provider": "openrouter",
            "model": "deepseek/deepseek-r1:free",
            "prompt_tokens": 1000,
            "completion_tokens": 1000,
        },
        "0",
    ),
    "the provider and the prefix of a router": (
        # 25 x 0.15 + 13 x 0.60 = 3.75 + 7.8
        {
            "provider": "OpenAI",
            "model": "openai/gpt-4o-mini",
            "prompt_tokens": 25,
            "completion_tokens": 13,
        },
        "0.00001155",
    ),
    "undated, and the price never changed": (
        # 10 x 0.50 + 2 x 1.50
        {
            "model": "gpt-3.5-turbo-0125",
            "created": None,
            "prompt_tokens": 10,
            "completion_tokens": 2,
        },
        "0.000008",
    ),
}


@pytest.mark.parametrize("name", INVOICES)
def test_a_cost_equals_a_calculation_by_hand(name: str) -> None:
    cells, expected = INVOICES[name]

    cost, source, day = cost_of(**cells)

    created = {"created": MAY, **cells}["created"]
    assert cost == Decimal(expected)
    assert source == "priced"
    assert day == (created.date() if isinstance(created, datetime) else None)


def test_the_price_of_the_day_is_used() -> None:
    # o3: 10 and 40 USD until it became 2 and 8 on 10 June 2025 (UTC).
    counts = {"model": "o3", "prompt_tokens": 100, "completion_tokens": 10}
    last = datetime(2025, 6, 9, 23, 59, 59, 999_999, tzinfo=UTC)
    first = datetime(2025, 6, 10, tzinfo=UTC)

    # 100 x 10 + 10 x 40 = 1,400 millionths; 100 x 2 + 10 x 8 = 280
    assert cost_of(**counts, created=last)[0] == Decimal("0.0014")
    assert cost_of(**counts, created=first)[0] == Decimal("0.00028")
    assert reason_of(**counts, created=None) == Reason.UNDATED


def test_a_date_before_1970_has_the_first_price_of_its_own_model() -> None:
    # Both cost more from 200,001 prompt tokens on.
    models = ["claude-sonnet-4-5", "gemini-2.5-pro"]
    counts = {"prompt_tokens": 100, "completion_tokens": 10}
    early = datetime(1960, 1, 1, tzinfo=UTC)
    rows = [{"model": one, "created": early, **counts} for one in models]
    # 100 x 3 + 10 x 15 = 450 millionths, 100 x 1.25 + 10 x 10 = 225
    expected = [Decimal("0.00045"), Decimal("0.000225")]

    assert price_responses(make_choices(*rows))["cost"].to_list() == expected
    assert price_responses(make_choices(*rows[::-1]))["cost"].to_list() == [
        *reversed(expected)
    ]
    assert [cost_of(**row)[0] for row in rows] == expected


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gemini-2.5-pro", "gpt-5"])
def test_a_negative_count_contradicts_the_others(model: str) -> None:
    for name in ("prompt_tokens", "completion_tokens"):
        counts = {"prompt_tokens": 100, "completion_tokens": 10, name: -1}

        assert reason_of(model=model, **counts) == Reason.COUNTS


def test_an_offer_has_its_first_price_before_its_first_second() -> None:
    free, dear = (Rates(Decimal(amount)) for amount in (0, 1))
    # From second 100 on, for prompts of 10 tokens or more, it is dear.
    offer = Offer(((0, 100), (0,), (0, 10)), (free, free, free, dear))
    times = np.array([-(2**62), -1, 0, 99, 100, 2**62, 100, -1])
    lengths = np.array([10, 10, 10, 10, 10, 10, -1, -1])

    places = offer.find(times, times % WEEK, lengths)

    # Two lengths for each time: the place is 2 x time + length.
    assert places.tolist() == [1, 1, 1, 1, 3, 3, 2, 0]


def test_a_price_by_the_time_of_day_holds_in_utc() -> None:
    # deepseek-chat: 0.135 and 0.55 by night; from 00:30 to 16:30 it was 0.27 and 1.10.
    counts = {"model": "deepseek-chat", "prompt_tokens": 1000, "completion_tokens": 100}
    dear = [
        datetime(2025, 4, 1, 0, 30, tzinfo=UTC),
        datetime(2025, 4, 1, 16, 29, 59, tzinfo=UTC),
    ]
    cheap = [
        datetime(2025, 4, 1, 0, 29, 59, tzinfo=UTC),
        datetime(2025, 4, 1, 16, 30, tzinfo=UTC),
    ]

    # 270 + 110 = 380 millionths, and half of it
    assert [cost_of(**counts, created=at)[0] for at in dear] == [Decimal("0.00038")] * 2
    assert [cost_of(**counts, created=at)[0] for at in cheap] == [
        Decimal("0.00019")
    ] * 2


def test_a_reported_cost_takes_precedence_over_a_price() -> None:
    cells = {"model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 100}

    assert cost_of(**cells, reported_cost=0.1) == (Decimal("0.1"), "reported", None)
    assert cost_of(**cells, reported_cost=0.0) == (Decimal(0), "reported", None)
    assert cost_of(reported_cost=2e-7)[0] == Decimal("0.0000002")
    # A double cannot hold it to 10^-12, its shortest decimal is what was written.
    assert cost_of(reported_cost=12345.678901)[0] == Decimal("12345.678901")
    assert cost_of(**cells, reported_cost=float("inf"))[1] == "priced"


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"prompt_tokens": None}, Reason.NO_USAGE),
        ({"completion_tokens": None}, Reason.NO_USAGE),
        ({"model": None}, Reason.NO_MODEL),
        ({"model": "my-own"}, Reason.UNKNOWN_MODEL),
        ({"model": "deepseek-r1:8b"}, Reason.NO_PROVIDER),
        ({"model": "openai/gpt-oss-120b"}, Reason.NO_PROVIDER),
        ({"model": "x" * 10_000}, Reason.UNKNOWN_MODEL),
        ({"model": "gpt-4o\x1b[31m\n"}, Reason.UNKNOWN_MODEL),
        ({"provider": "DeepInfra"}, Reason.UNKNOWN_PROVIDER),
        ({"service_tier": "scale"}, Reason.UNKNOWN_TIER),
        ({"service_tier": "auto"}, Reason.UNKNOWN_TIER),
        ({"service_tier": "flex"}, Reason.NO_TIER_RATE),
        # xAI's rates of batches are known from October 2026 on.
        ({"model": "grok-4.3", "service_tier": "batch"}, Reason.NO_TIER_RATE),
        # Azure resells it, and the variant is OpenAI's own.
        (
            {
                "model": "gpt-4.1",
                "service_tier": "batch",
                "provider": "Azure",
                "created": NOVEMBER,
            },
            Reason.NO_TIER_RATE,
        ),
        ({"model": "text-embedding-3-small"}, Reason.NO_PROVIDER),
        (
            {"model": "text-embedding-3-small", "provider": "openai"},
            Reason.NO_RATE,
        ),
        ({"cached_tokens": 1001}, Reason.COUNTS),
        ({"cached_tokens": 600, "cache_write_tokens": 600}, Reason.COUNTS),
        ({"total_tokens": 1101}, Reason.COUNTS),
        ({"reasoning_tokens": 101}, Reason.COUNTS),
        ({"prompt_tokens": -1}, Reason.COUNTS),
        ({"prompt_tokens": 10**12 + 1}, Reason.COUNTS),
        ({"prompt_tokens": 2**63 - 1, "cached_tokens": 2**63 - 1}, Reason.COUNTS),
    ],
)
def test_an_unpriced_response_has_a_reason_and_no_cost(
    cells: dict[str, object], reason: Reason
) -> None:
    cells = {
        "model": "gpt-4o",
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        **cells,
    }

    assert cost_of(**cells) == (None, "unpriced", None)
    assert reason_of(**cells) == reason


def test_reported_costs_are_exact_however_large_beside_small_ones() -> None:
    # 5 x 10^13 USD is 5 x 10^25 of 10^-12 USD, beyond 64 bits.
    costs = (0.25, 1234.56, 5e13)
    choices = make_choices(
        *({"line": n, "reported_cost": c} for n, c in enumerate(costs))
    )

    exact = [Decimal("0.25"), Decimal("1234.56"), Decimal(50_000_000_000_000)]
    assert add_cost(choices)["cost"].to_list() == exact


def test_a_response_is_charged_once_however_many_choices_it_has() -> None:
    usage = {"model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 100}
    choices = make_choices(
        {**usage, "choice_count": 2},
        {"model": "gpt-4o", "choice_position": 1, "choice_count": 2},
        {"model": "my-own"},
    )

    priced = add_cost(choices)
    turned = add_cost(choices.reverse()).reverse()

    day = date(2026, 1, 1)
    picked = add_cost(choices[1:])

    assert picked["cost_source"].to_list() == ["unpriced", "unpriced"]
    assert priced["cost"].to_list() == [Decimal("0.0035"), None, None]
    assert priced["cost_source"].to_list() == ["priced", "priced", "unpriced"]
    assert priced["price_date"].to_list() == [day, day, None]
    assert turned.equals(priced)


def test_a_lazy_frame_stays_lazy_and_gives_the_same_costs() -> None:
    choices = make_choices(
        {"model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 100},
        {"model": "gpt-4o", "choice_position": 1},
        {"reported_cost": 0.25},
    )
    eager = add_cost(choices)

    lazy = add_cost(choices.lazy())

    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect_schema() == eager.schema
    assert lazy.collect().equals(eager)
    assert lazy.collect(engine="streaming").equals(eager)
    assert lazy.select("cost").collect().equals(eager.select("cost"))
    assert add_cost(choices.to_arrow()).equals(eager)


@pytest.mark.parametrize(
    "created",
    [
        pl.col("created").dt.convert_time_zone("Europe/Berlin"),
        pl.col("created").dt.replace_time_zone(None),
        pl.col("created").dt.cast_time_unit("ns"),
    ],
    ids=["zone", "naive", "nanoseconds"],
)
def test_a_frame_may_have_other_types_of_times(
    created: pl.Expr,
) -> None:
    # The last half hour in UTC before the price of o3 changed; in Berlin it is past it.
    late = datetime(2025, 6, 9, 23, 30, tzinfo=UTC)
    choices = make_choices(
        {"model": "o3", "prompt_tokens": 100, "completion_tokens": 10, "created": late}
    )

    priced = add_cost(
        choices.with_columns(created, pl.col("model").cast(pl.Categorical))
    )

    assert priced["cost"].to_list() == [Decimal("0.0014")]
    assert priced["price_date"].to_list() == [date(2025, 6, 9)]
    assert (
        add_cost(choices.lazy().with_columns(created))
        .collect()["cost"]
        .equals(priced["cost"])
    )


def test_an_empty_frame_gets_the_columns() -> None:
    empty = make_choices()

    assert add_cost(empty).schema == {
        **empty.schema,
        "cost": pl.Decimal(38, 12),
        "cost_source": pl.String(),
        "price_date": pl.Date(),
    }
    assert add_cost(empty.lazy()).collect().schema == add_cost(empty).schema
    assert price_responses(empty).schema == add_cost(empty).schema


def test_a_missing_column_raises_before_anything_is_collected() -> None:
    choices = make_choices({}).rename({"reported_cost": "report_cost"})

    with pytest.raises(MissingColumnsError, match="reported_cost"):
        add_cost(choices.lazy())


def test_an_amount_beyond_64_bits_is_exact() -> None:
    # 10^12 tokens at 30 and 60 USD per million: 30 x 10^6 + 60 x 10^6 USD
    cells = {"prompt_tokens": 10**12, "completion_tokens": 10**12}

    assert cost_of(model="gpt-4-0613", **cells)[0] == Decimal(90_000_000)


def test_a_rate_finer_than_the_money_is_rounded_once_and_to_even(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def find(_provider: object, model: str | None, _tier: object) -> Offer:
        rates = Rates(Decimal(model or "0"), Decimal(0))
        return Offer.constant(rates)

    monkeypatch.setattr(pricer, "find_offer", find)
    # 1 token at 0.0000005 USD a million is half of 10^-12, 3 tokens are 1.5 of it.
    choices = make_choices(
        {"model": "0.0000005", "prompt_tokens": 1, "completion_tokens": 0},
        {"model": "0.0000005", "prompt_tokens": 3, "completion_tokens": 0},
        {"model": "0.0000015", "prompt_tokens": 3, "completion_tokens": 0},
        {
            "model": "0.049999999999999999",
            "prompt_tokens": 10**12,
            "completion_tokens": 0,
        },
    )

    costs = Pricer(PriceFile()).price(choices.select(NEEDED))["cost"]

    assert costs.to_list() == [
        Decimal(0),
        Decimal("0.000000000002"),
        Decimal("0.000000000004"),
        Decimal("49999.999999999999"),
    ]


def test_every_recorded_response_is_priced_or_has_a_reason(corpus: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        choices = pl.DataFrame(toolkit.load(corpus / "responses.jsonl"))
    first = choices.filter(pl.col("choice_position") == 0)

    priced = Pricer(PriceFile()).price(first.select(priced_by(first)))

    # 36 have usage.cost, 7 one in parts, 10 cost.usd, 9 ticks, 1 that of a gateway.
    counts = dict(priced["cost_source"].value_counts().iter_rows())
    assert counts["reported"] == first["reported_cost"].count() == 63
    assert priced["reason"].is_null().equals(priced["cost_source"] != "unpriced")
    assert priced["cost"].is_null().equals(priced["cost_source"] == "unpriced")
    assert set(priced["reason"].drop_nulls()) <= set(Reason)
    assert counts["priced"] > 80


def test_missing_prices_are_listed_by_model_and_reason() -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    later = MAY + timedelta(days=1)
    choices = make_choices(
        {"model": "own", **usage, "created": later, "choice_count": 2},
        {"model": "own", "choice_position": 1, "choice_count": 2},
        {"model": "own", **usage, "created": MAY},
        {
            "model": "own",
            "service_tier": "batch",
            "prompt_tokens": 1,
            "completion_tokens": 1,
        },
        {"model": "gpt-4o", **usage},
        {"model": "gpt-4o", "created": None},
    )

    missing = missing_prices(choices)

    assert missing.rows() == [
        (None, "own", None, "unknown_model", 2, 0, 60, MAY, later),
        # 1 prompt token and 1 completion token: there may be more in the total.
        (None, "own", "batch", "unknown_model", 1, 1, 2, START, START),
        (None, "gpt-4o", None, "no_usage", 1, 1, None, None, None),
    ]
    assert missing_prices(choices.lazy()).equals(missing)
    assert missing_prices(choices.to_arrow()).equals(missing)
    assert missing_prices(choices[:0]).schema == missing.schema
    assert set(MEANINGS) == set(Reason)


def test_a_line_of_a_batch_is_listed_with_the_tier_of_batches() -> None:
    # Mistral has no batch rate in the price data.
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    cells = {"model": "mistral-large-2411", "service_tier": "default", **usage}
    choices = make_choices({**cells, "processing": "batch"}, cells)

    rows = missing_prices(choices).select("service_tier", "reason", "responses").rows()

    assert rows == [("batch", "no_tier_rate", 1)]


def test_a_sum_of_missing_tokens_never_wraps() -> None:
    choices = make_choices(*[{"model": "own", "total_tokens": 2**62}] * 3)

    with pytest.raises(TotalOverflowError, match="total_tokens"):
        missing_prices(choices)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COUNT = st.none() | st.integers(-1, 5) | st.integers(0, 2 * 10**12) | st.just(2**63 - 1)
RESPONSE = st.fixed_dictionaries(
    {
        "provider": st.sampled_from([None, "OpenAI", "nobody", ""]),
        "model": st.sampled_from(["gpt-4o", "gpt-audio", "o3", "deepseek-chat", None])
        | st.text(max_size=20),
        "service_tier": st.sampled_from([None, "default", "batch", "Priority", "?"]),
        "created": st.none()
        | st.integers(-(6 * 10**9), 7 * 10**9).map(lambda s: EPOCH + timedelta(0, s)),
        "total_tokens": COUNT,
        "reported_cost": st.none() | st.floats(),
        **dict.fromkeys(COUNTS, COUNT),
    }
)


@settings(max_examples=30, deadline=None)
@given(st.lists(RESPONSE, max_size=8), st.randoms(use_true_random=False))
def test_any_response_has_a_cost_or_a_reason_independent_of_its_neighbours(
    rows: list[dict[str, object]], chance: random.Random
) -> None:
    together = Pricer(PriceFile()).price(make_choices(*rows).select(NEEDED))
    order = chance.sample(range(len(rows)), len(rows))
    shuffled = Pricer(PriceFile()).price(
        make_choices(*[rows[place] for place in order]).select(NEEDED)
    )
    alone = [
        Pricer(PriceFile()).price(make_choices(row).select(NEEDED)) for row in rows
    ]

    assert pl.concat([together.clear(), *alone]).equals(together)
    assert together[order].equals(shuffled) if rows else shuffled.is_empty()
    unpriced = together["cost_source"] == "unpriced"
    assert together["cost"].is_null().equals(unpriced)
    assert together["reason"].is_not_null().equals(unpriced)
    computed = together.filter(pl.col("cost_source") == "priced")
    assert not (computed["cost"] < 0).any()


def test_a_long_frame_is_priced_in_slices_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(7)
    choices = make_choices(
        *[
            {
                "model": chance.choice(["gpt-4o", "o3", "own"]),
                "prompt_tokens": chance.randrange(10**6),
                "completion_tokens": chance.randrange(10**6),
            }
            for _ in range(50)
        ]
    )
    whole = add_cost(choices)

    monkeypatch.setattr("toolkit.pricing.pricer._ROWS", 7)

    assert add_cost(choices).equals(whole)


def test_two_loads_that_are_concatenated_keep_their_costs_in_any_order() -> None:
    usage = {"choice_count": 2, "prompt_tokens": 1000, "completion_tokens": 100}
    one, two = (
        make_choices(
            {"source": source, "model": model, **usage},
            {"source": source, "model": model, "choice_count": 2, "choice_position": 1},
        )
        for source, model in (("a.jsonl", "gpt-4o"), ("b.jsonl", "my-own"))
    )
    mixed = pl.concat([one, two])[[3, 0, 2, 1]]

    for priced in (add_cost(mixed), add_cost(mixed.lazy()).collect()):
        sources = dict(priced.select("source", "cost_source").rows())
        assert sources == {"a.jsonl": "priced", "b.jsonl": "unpriced"}
        assert priced.group_by("source").agg("cost_source").height == 2
        assert priced.unique(["source", "cost_source"]).height == 2
