"""The user's own prices: what a file may contain, and the errors of others."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from toolkit.errors import PriceFileError
from toolkit.pricing import add_cost, read_prices
from toolkit.pricing.rates import FOREVER
from toolkit.testing import make_choices

DOCS = Path(__file__).parents[2] / "docs" / "explanation" / "prices.md"
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100}


def price_with(path: Path, **cells: object) -> tuple[Decimal | None, str]:
    """Price one response of 1,000 and 100 tokens by a file."""
    choices = make_choices({**USAGE, **cells})
    cost, source = add_cost(choices, path).select("cost", "cost_source").row(0)
    return cost, source


def write(tmp_path: Path, text: str) -> Path:
    """Write a price file."""
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def documented(tmp_path: Path) -> Path:
    """Return the example of the docs as a file."""
    examples = re.findall(r"```toml\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    read_prices(write(tmp_path, examples[1]))
    return write(tmp_path, examples[0])


def test_the_documented_price_file_is_applied_by_date(documented: Path) -> None:
    change = datetime(2026, 7, 1, tzinfo=UTC)
    before = change - timedelta(microseconds=1)
    cached = {"model": "GPT-4o", "cached_tokens": 400}

    # 600 x 2 + 400 x 1 + 100 x 8 = 2,400; 600 x 1.8 + 400 x 0.9 + 100 x 7.2 = 2,160
    assert price_with(documented, **cached, created=before)[0] == Decimal("0.0024")
    assert price_with(documented, **cached, created=change)[0] == Decimal("0.00216")
    # Before its first row the catalogue speaks: 600 x 2.5 + 400 x 1.25 + 100 x 10
    year_before = datetime(2025, 1, 1, tzinfo=UTC)
    assert price_with(documented, **cached, created=year_before)[0] == Decimal("0.003")
    assert price_with(documented, **cached, created=None) == (None, "unpriced")


def test_the_documented_free_models_cost_nothing_and_are_priced(
    documented: Path,
) -> None:
    assert price_with(documented, model="gemma3:4b") == (Decimal(0), "priced")
    assert price_with(documented, model="gemma3:4b", created=None)[1] == "priced"
    # A count that cannot be is still no price.
    wrong = price_with(documented, model="gemma3:4b", cached_tokens=1001)
    assert wrong == (None, "unpriced")


def test_a_price_for_a_provider_and_a_tier_is_used_for_no_other(
    documented: Path,
) -> None:
    nemo = {"model": "mistralai/mistral-nemo"}

    # 1,000 x 0.01 + 100 x 0.02 = 12 millionths
    batch = price_with(documented, **nemo, provider="deepinfra", service_tier="batch")
    assert batch == (Decimal("0.000012"), "priced")
    assert price_with(documented, **nemo, provider="DeepInfra")[1] == "unpriced"
    assert price_with(documented, **nemo, service_tier="batch")[1] == "unpriced"
    assert price_with(documented, model="gpt-4o", service_tier="scale")[1] == "unpriced"


def test_a_price_for_the_provider_takes_precedence(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [[price]]
        model = "own"
        input = 1
        output = 1
        [[price]]
        model = "own"
        provider = "Azure"
        input = 2
        output = 2
        request = "0.5"
        """,
    )

    # 1,100 x 1; 1,100 x 2 and half a dollar for the request
    assert price_with(path, model="own")[0] == Decimal("0.0011")
    assert price_with(path, model="own", provider="OpenAI")[0] == Decimal("0.0011")
    assert price_with(path, model="own", provider="azure")[0] == Decimal("0.5022")


def test_every_kind_of_token_has_its_own_rate(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [[price]]
        model = "own"
        input = 1
        cached = 0.1
        cache_write = 1.25
        output = 4
        reasoning = 5
        """,
    )

    cost, _ = price_with(
        path,
        model="own",
        cached_tokens=500,
        cache_write_tokens=300,
        reasoning_tokens=60,
    )

    # 200 x 1 + 500 x 0.1 + 300 x 1.25 + 40 x 4 + 60 x 5 = 200 + 50 + 375 + 160 + 300
    assert cost == Decimal("0.001085")


def test_the_price_file_can_price_unknown_models_and_tiers(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [[price]]
        model = ["gpt-4o", "own"]
        service_tier = "Scale"
        input = 1
        output = 0
        """,
    )

    # 1,000 x 1; without the tier nothing is known of the second.
    scale = price_with(path, model="gpt-4o", service_tier="scale")
    assert scale == (Decimal("0.001"), "priced")
    assert price_with(path, model="own", service_tier="scale")[1] == "priced"
    assert price_with(path, model="own") == (None, "unpriced")
    assert price_with(path, model=None, service_tier="scale") == (None, "unpriced")


def test_rates_are_read_exactly(tmp_path: Path) -> None:
    path = write(tmp_path, '[[price]]\nmodel="own"\ninput=0.1\noutput="1e-7"\n')

    # 10^12 x 0.1 / 10^6 = 100,000, and a million at 10^-13 each
    cost, _ = price_with(
        path, model="own", prompt_tokens=10**12, completion_tokens=10**6
    )
    assert cost == Decimal("100000.0000001")


ROW = '[[price]]\nmodel = "m"\ninput = 1\noutput = 2\n'


def test_a_note_may_have_any_type(tmp_path: Path) -> None:
    notes = "source = 2026\nadded = 2026-11-26\nchecked = true\n"

    rows = read_prices(write(tmp_path, ROW + notes)).rows

    (row,) = rows["m", None, None, None]
    assert row.source.endswith("price 1 (2026, added 2026-11-26, checked True)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[price]\n", "not valid TOML"),
        ("[[prices]]\n", r"unknown key 'prices' \(did you mean 'price'\?\)"),
        ("price = 3\n", r"under \[\[price\]\]"),
        (
            ROW + "caches = 1\n",
            r"price 1: unknown key 'caches' \(did you mean 'cached'",
        ),
        (ROW + "quite = 1\n", "unknown key 'quite': use model, provider"),
        ("[[price]]\nmodel = 'm'\ninput = 1\n", "price 1: output is missing"),
        (
            ROW.replace("1", "'a lot'"),
            "input: expected an amount of USD such as \"2.50\" .*, got 'a lot'",
        ),
        (
            ROW.replace("1", "'1_000'"),
            "input: expected an amount of USD such as .*, got '1_000'",
        ),
        (ROW.replace("1", "-1"), r"input: .*0 to 1,000,000.*, got -1"),
        (ROW.replace("1", "nan"), r"input: .*0 to 1,000,000.*, got NaN"),
        (ROW.replace("1", "true"), "input: expected an amount of USD"),
        (
            ROW.replace("1", "'1e-13'"),
            "input: .*at most 12 decimals.*, got '1e-13'",
        ),
        (
            ROW.replace('"m"', "[]"),
            "model: expected a name, or a list of different names",
        ),
        (ROW.replace('"m"', '["m", "M"]'), r"different names, got \['m', 'M'\]"),
        (ROW + "provider = 7\n", "provider: expected a name in quotes, got 7"),
        (
            ROW + "from = 7\n",
            "from: expected a date after 1970 such as 2026-01-31, got 7",
        ),
        (
            ROW + "from = 'soon'\n",
            "from: expected a date after 1970 such as 2026-01-31, got 'soon'",
        ),
        (
            ROW + "from = 2026-01-02\nto = 2026-01-02\n",
            r"to: expected a time after from \(2026-01-02\), got 2026-01-02",
        ),
        (
            ROW + "from = 1969-01-02\n",
            "from: expected a date after 1970 such as 2026-01-31, got 1969-01-02",
        ),
        (ROW + ROW, "two prices for 'm' at the same time: .*price 1; .*price 2"),
        (
            ROW + "to = 2026-02-02\n" + ROW + "from = 2026-02-01\n",
            "two prices for 'm' at the same time: .* to 2026-02-02; .* from 2026-02-01",
        ),
    ],
)
def test_a_wrong_price_file_raises_with_what_was_expected(
    tmp_path: Path, text: str, words: str
) -> None:
    path = write(tmp_path, text)

    with pytest.raises(PriceFileError, match=words):
        read_prices(path)


def test_a_missing_price_file_raises(tmp_path: Path) -> None:
    with pytest.raises(PriceFileError, match=r"none.toml: No such file"):
        add_cost(make_choices(), tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(PriceFileError, match="not UTF-8 text"):
        read_prices(tmp_path / "latin.toml")


def test_prices_that_follow_each_other_do_not_overlap(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        ROW
        + "from = 2026-02-01T12:00:00+02:00\n"
        + ROW
        + "to = 2026-02-01T10:00:00Z\n",
    )

    prices = read_prices(path)

    noon = int(datetime(2026, 2, 1, 10, tzinfo=UTC).timestamp())
    (rows,) = prices.rows.values()
    assert [(row.start, row.end) for row in rows] == [(0, noon), (noon, FOREVER)]
    assert read_prices(prices) is prices


def test_steps_hours_and_days_have_rates_of_their_own(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [[price]]
        model = "own"
        input = 1
        cached = "0.5"
        output = 2
        [[price.step]]
        above = 2000
        input = 4
        [[price.step]]
        above = 1000
        input = 3
        output = 5

        [[price]]
        model = "own"
        hours = "16:30-00:30, 03:00-04:00"
        days = ["mon"]
        input = 0
        output = 1
        """,
    )

    def cost_of(prompt: int, created: datetime) -> Decimal | None:
        counts = {"prompt_tokens": prompt, "cached_tokens": 100}
        return price_with(path, model="own", created=created, **counts)[0]

    tuesday = datetime(2026, 11, 3, 0, 30, tzinfo=UTC)
    # 900 x 1 + 100 x 0.5 + 100 x 2 = 1,150; 901 x 3 + 50 + 500 = 3,253;
    # 1,901 x 4 + 50 + 500 = 8,154
    assert cost_of(1000, tuesday) == Decimal("0.00115")
    assert cost_of(1001, tuesday) == Decimal("0.003253")
    assert cost_of(2001, tuesday) == Decimal("0.008154")
    # 100 x 1: the hours of Monday, past midnight too; not those of other days
    for shift, cost in (
        (timedelta(seconds=-1), "0.0001"),
        (timedelta(hours=-8), "0.0001"),
        (timedelta(hours=-8, seconds=-1), "0.00115"),
        (timedelta(hours=-21), "0.0001"),
        (timedelta(hours=16), "0.00115"),
    ):
        assert cost_of(1000, tuesday + shift) == Decimal(cost), shift


def test_an_exact_name_wins_over_wildcards_and_a_longer_one_over_a_shorter(
    tmp_path: Path,
) -> None:
    row = '[[price]]\nmodel = "{}"\ninput = {}\noutput = 0\n'
    rates = [("*", 1), ("ft:gpt-4o*", 2), ("ft:gpt-4o-mini*", 3), ("ft:gpt-4o-x", 4)]
    path = write(tmp_path, "".join(row.format(*one) for one in reversed(rates)))

    # 1,000 tokens each
    for name, rate in (
        ("anything", 1),
        ("FT:GPT-4o-2024", 2),
        ("ft:gpt-4o-mini-2024", 3),
        ("ft:gpt-4o-x", 4),
        ("my-ft:gpt-4o", 1),
        ("two\nlines", 1),
    ):
        assert price_with(path, model=name)[0] == Decimal(rate) / 1000, name


def test_a_row_without_rates_changes_those_of_the_catalogue(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [[price]]
        model = "*"
        discount = "0.15"
        [[price]]
        model = "gpt-4o-2024-08-06"
        cached = 1
        input_audio = 40
        [[price]]
        model = "own"
        input = 2
        output = 4
        discount = "0.5"
        """,
    )
    cells = {"created": datetime(2026, 11, 1, tzinfo=UTC)}

    # (1,000 x 0.15 + 100 x 0.60) less 15% = 210 - 31.5 millionths
    assert price_with(path, model="gpt-4o-mini", **cells)[0] == Decimal("0.0001785")
    # 600 x 2.50 x 0.85 + 400 x 1 + 100 x 10 x 0.85 = 1,275 + 400 + 850
    own = {"model": "gpt-4o-2024-08-06", "cached_tokens": 400, **cells}
    assert price_with(path, **own)[0] == Decimal("0.002525")
    audio = {**cells, "model": "gpt-4o-2024-08-06", "prompt_audio_tokens": 100}
    # 900 x 2.50 x 0.85 + 100 x 40 + 850 = 1,912.5 + 4,000 + 850
    assert price_with(path, **audio)[0] == Decimal("0.0067625")
    # (1,000 x 2 + 100 x 4) / 2
    assert price_with(path, model="own")[0] == Decimal("0.0012")
    # What has no price has none less 15%.
    assert price_with(path, model="other") == (None, "unpriced")


def test_a_price_may_be_unknown_whole_or_in_part(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [[price]]
        model = "gpt-4o-mini"
        from = 2026-01-01
        unknown = true
        [[price]]
        model = "o3"
        cached = "unknown"
        """,
    )
    new, old = datetime(2026, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)

    assert price_with(path, model="gpt-4o-mini", created=new) == (None, "unpriced")
    # 1,000 x 0.15 + 100 x 0.60; 1,000 x 2 + 100 x 8
    assert price_with(path, model="gpt-4o-mini", created=old)[0] == Decimal("0.00021")
    assert price_with(path, model="o3", created=new)[0] == Decimal("0.0028")
    assert price_with(path, model="o3", created=new, cached_tokens=1)[0] is None


def test_an_alias_is_priced_as_what_it_stands_for(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [aliases]
        "My-Deployment" = "gemini-2.5-flash"
        "tuned" = "gpt-4o-mini"

        [[price]]
        model = "tuned"
        input = 1
        output = 1
        """,
    )
    prices = read_prices(path)

    assert prices.alias("my-deployment") == "gemini-2.5-flash"
    assert prices.alias("other") == "other"
    assert prices.alias(None) is None
    # 1,000 x 0.30 + (100 and 50 of thinking) x 2.50
    thinking = price_with(path, model="MY-DEPLOYMENT", total_tokens=1150)
    assert thinking[0] == Decimal("0.000675")
    # A row for the alias itself wins: 1,100 x 1
    assert price_with(path, model="tuned")[0] == Decimal("0.0011")


def test_fees_by_request_and_search_context_size(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [[price]]
        model = "own"
        input = 1
        output = 1
        web_search = "0.01"
        [[price]]
        model = "own"
        search_context_size = "high"
        request = "0.5"
        """,
    )
    choices = make_choices({**USAGE, "model": "own"})
    searched = choices.with_columns(
        web_searches=pl.lit(3), search_context_size=pl.lit("High")
    )

    # 1,100 x 1; three searches at a cent, and half a dollar
    assert add_cost(choices, path)["cost"].item() == Decimal("0.0011")
    assert add_cost(searched, path)["cost"].item() == Decimal("0.5311")


def test_all_faults_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        before_reported = "yes"
        [aliases]
        a = ""
        [[price]]
        model = "m"
        inptu = 1
        output = "much"
        hours = "25:00-26:00"
        [[price]]
        model = ["n", "n"]
        discount = 2
        days = ["monday"]
        [[price.step]]
        above = 0
        input = 1
        [[price.step]]
        output = 1
        """,
    )

    with pytest.raises(PriceFileError) as caught:
        read_prices(path)

    for words in (
        "before_reported: expected true or false, got 'yes'",
        "aliases: expected a table of names",
        "price 1: input is missing",
        "price 1: unknown key 'inptu' (did you mean 'input'?)",
        "price 1: output: expected an amount of USD",
        'price 1: hours: expected hours of UTC such as "16:30-00:30", got \'25:00-26',
        "price 2: model: expected a name, or a list of different names",
        "price 2: discount: expected a share",
        "price 2: days: expected a list of days",
        "above: expected a number of tokens, got 0",
    ):
        assert words in str(caught.value), words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ROW + 'days = ["mon"]\n' + ROW + 'hours = "01:00-02:00"\n', "two prices"),
        (ROW + 'hours = "16:30-00:30"\n' + ROW + 'hours = "00:00-01:00"\n', "two"),
        (ROW + 'hours = "01:00-01:00"\n', "hours: expected"),
        (ROW + 'hours = "1-2"\n', "hours: expected"),
        (ROW + "discount = '0.1234567'\n", "discount: expected a share"),
        (ROW.replace("1", "'unknown'"), "input: expected an amount"),
        (ROW + "[[price.step]]\nabove = 1\n" * 2, "step: expected tables"),
        ("[[price]]\nmodel = 'm'\n", "input is missing; .*output is missing"),
        ("aliases = 3\n", "aliases: expected a table"),
    ],
)
def test_a_wrong_condition_raises_with_what_was_expected(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(PriceFileError, match=words):
        read_prices(write(tmp_path, text))


def test_rows_for_other_hours_do_not_meet(tmp_path: Path) -> None:
    one, two = 'hours = "01:00-02:00"\n', 'hours = "02:00-03:00"\n'

    prices = read_prices(write(tmp_path, ROW + ROW + one + ROW + two))

    (rows,) = prices.rows.values()
    assert [bool(row.windows) for row in rows] == [False, True, True]


def test_a_step_without_rates_of_the_row_changes_those_of_the_catalogue(
    tmp_path: Path,
) -> None:
    step = '[[price]]\nmodel = "gpt-4o-mini"\n[[price.step]]\nabove = 999\ninput = 1\n'
    path = write(tmp_path, step)
    cells = {"model": "gpt-4o-mini", "cached_tokens": 100}

    # 900 x 1 + 100 x 0.075 + 100 x 0.60; 899 x 0.15 + 7.5 + 60
    assert price_with(path, **cells)[0] == Decimal("0.0009675")
    assert price_with(path, **cells, prompt_tokens=999)[0] == Decimal("0.00020235")


def test_a_provider_is_known_in_all_its_spellings(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    rows = "".join(
        f'[[price]]\nmodel = "m"\nprovider = "{name}"\ninput = {rate}\noutput = 0\n'
        for name, rate in (("Azure OpenAI", 1), ("My Cloud", 2), ("Ollama", 4))
    )
    path.write_text(rows, encoding="utf-8")
    usage = {"model": "m", "prompt_tokens": 1_000_000, "completion_tokens": 0}
    names = ("azure", "azure_ai", "my cloud", "ollama", "openai", None)
    choices = make_choices(*[{"provider": name, **usage} for name in names])

    assert add_cost(choices, path)["cost"].to_list() == [1, 1, 2, 4, None, None]
    assert add_cost(choices, path, provider="Azure")["cost"].to_list()[-1] == 1
