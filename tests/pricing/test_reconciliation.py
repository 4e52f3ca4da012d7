"""A log compared with its invoice, and the same tokens at another model."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from toolkit.errors import (
    InvoiceError,
    MissingColumnsError,
    OptionError,
    TotalOverflowError,
)
from toolkit.pricing import reconcile, what_if
from toolkit.pricing.invoices import family_names, plain_names, read_invoice
from toolkit.testing import make_choices

FIRST = datetime(2026, 9, 1, 23, 59, 59, tzinfo=UTC)
SECOND = datetime(2026, 9, 2, tzinfo=UTC)
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
LOG = make_choices(
    {"model": "gpt-4o-2024-08-06", **USAGE, "cached_tokens": 200, "created": FIRST},
    {"model": "gpt-4o-2024-11-20", **USAGE, "created": FIRST, "choice_count": 2},
    {"choice_position": 1, "choice_count": 2, "created": FIRST},
    {"model": "gpt-4o-mini", **USAGE, "created": SECOND},
    {"model": "gpt-4o-mini", "created": SECOND},
    {"model": "gpt-4o-2024-08-06", **USAGE, "created": None},
)
# 800 x 2.50 + 200 x 1.25 + 100 x 10 = 3,250 millionths; 1,000 x 2.50 + 1,000 = 3,500
GPT_4O = Decimal("0.00675")


def write(tmp_path: Path, text: str) -> Path:
    """Write an invoice."""
    path = tmp_path / "invoice.csv"
    path.write_text(text, encoding="utf-8")
    return path


def explained(rows: pl.DataFrame) -> dict[tuple[str, str | None], str]:
    """Return the explanation for each day and model."""
    said = (
        rows.filter(~pl.col("is_total"))
        .select("day", "model", "explanation")
        .iter_rows()
    )
    return {(str(day), model): words for day, model, words in said}


def test_usage_of_zeros_in_the_log_is_unknown() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    log = make_choices({"model": "gpt-4o", **zeros, "created": FIRST})
    cells = {"day": [FIRST.date()], "model": ["gpt-4o"], "prompt_tokens": [1000]}

    for row in reconcile(log, pl.DataFrame(cells)).iter_rows(named=True):
        for name in ("prompt_tokens", "completion_tokens"):
            assert (row[name], row[f"{name}_bound"]) == (None, "unknown")


def test_a_usage_export_of_openai_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "\ufeffstart_time,end_time,start_time_iso,end_time_iso,num_model_requests,"
        "project_id,user_id,api_key_id,model,batch,service_tier,input_tokens,"
        "output_tokens,input_cached_tokens,input_audio_tokens,output_audio_tokens\n"
        # 1 September 2026 in seconds
        "1788220800,1788307200,2026-09-01T00:00:00+00:00,,1,,,,gpt-4o-2024-08-06,"
        "false,default,1000,100,200,0,0\n"
        "1788220800,1788307200,2026-09-01T00:00:00+00:00,,1,,,,gpt-4o-2024-11-20,"
        "false,default,1000,100,0,0,0\n"
        "1788307200,1788393600,2026-09-02T00:00:00+00:00,,3,,,,gpt-4o-mini,"
        "false,default,2500,220,0,0,0\n"
        "1788393600,1788480000,2026-09-03T00:00:00+00:00,,,,,,,,,,,,,\n",
    )

    rows = reconcile(LOG, path)

    counted = ("responses", "prompt_tokens", "cached_tokens", "completion_tokens")
    sides = [name + side for name in counted for side in ("", "_invoiced")]
    assert rows.select("day", "model", *sides, "cost", "cost_bound").rows() == [
        (
            *(date(2026, 9, 1), "gpt-4o", 2, 2, 2000, 2000, 200, 200, 200, 200),
            *(GPT_4O, "exact"),
        ),
        # 1,000 x 0.15 + 100 x 0.60 = 210 millionths, of one that reports its usage;
        # none reports its cached tokens.
        (
            *(date(2026, 9, 2), "gpt-4o-mini", 2, 3, 1000, 2500, None, 0, 100, 220),
            *(Decimal("0.00021"), "lower"),
        ),
        (
            *(None, "gpt-4o", 1, None, 1000, None, None, None, 100, None),
            *(Decimal("0.0035"), "exact"),
        ),
        # 0.00675 + 0.00021 + 0.0035
        (
            *(None, None, 5, 5, 4000, 4500, 200, 200, 400, 420),
            *(Decimal("0.01046"), "lower"),
        ),
    ]
    bounds = rows.select("prompt_tokens_bound", "cached_tokens_bound").rows()
    assert bounds == [
        ("exact", "lower"),
        ("lower", "unknown"),
        ("exact", "unknown"),
        ("lower", "lower"),
    ]
    # An invoice of usage has no costs.
    assert rows["difference"].is_null().all()
    assert set(rows["difference_bound"]) == {"unknown"}
    assert explained(rows) == {
        ("2026-09-01", "gpt-4o"): "agrees",
        ("2026-09-02", "gpt-4o-mini"): "1 response missing in the log; at most +1,500 "
        "prompt tokens invoiced; at most +120 completion tokens invoiced; "
        "1 response without usage; 1 response unpriced",
        ("None", "gpt-4o"): "undated responses: not compared",
    }


def test_a_cost_export_of_openai_is_summed(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "start_time,end_time,start_time_iso,end_time_iso,amount_value,"
        "amount_currency,quantity,line_item\n"
        "1788220800,,2026-09-01T00:00:00,,0.004500000000000000000000000000,usd,,"
        '"gpt-4o-2024-08-06, input"\n'
        '1788220800,,2026-09-01T00:00:00,,0.00225,usd,,"gpt-4o-2024-08-06, output"\n'
        '1788307200,,2026-09-02T00:00:00,,0.5,usd,,"o3, input"\n'
        '1788393600,,2026-09-03T00:00:00,,0.25,usd,,"o3, input"\n'
        "1788480000,,2026-09-04T00:00:00,,,,,\n",
    )

    rows = reconcile(LOG, path)

    first = rows.filter(day=date(2026, 9, 1))
    assert first["cost_invoiced"].item() == first["cost"].item() == GPT_4O
    assert first["difference"].item() == 0
    assert rows.filter(model="o3")["difference"].to_list() == [
        Decimal("0.5"),
        Decimal("0.25"),
    ]
    assert explained(rows) == {
        ("2026-09-01", "gpt-4o"): "agrees",
        ("2026-09-02", "gpt-4o-mini"): "not invoiced",
        ("2026-09-02", "o3"): "no responses in the log for this model on this day",
        ("2026-09-03", "o3"): "no responses in the log for this day",
        ("None", "gpt-4o"): "undated responses: not compared",
    }


def test_exports_of_anthropic_are_read(tmp_path: Path) -> None:
    log = make_choices(
        {
            "model": "anthropic/claude-haiku-4.5",
            "prompt_tokens": 1000,
            "cached_tokens": 600,
            "cache_write_tokens": 300,
            "completion_tokens": 50,
            "created": FIRST,
        }
    )
    usage = write(
        tmp_path,
        "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,"
        "usage_input_tokens_no_cache,usage_input_tokens_cache_write_5m,"
        "usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
        "usage_output_tokens,web_search_count,inference_geo,speed\n"
        "2026-09-01,claude-haiku-4-5-20251001,a,Default,standard,≤ 200k,"
        "100,300,0,600,50,0,global,\n",
    )
    by_usage = reconcile(log, usage)
    costs = write(
        tmp_path,
        "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,"
        "cost_usd,list_price_usd\n"
        "2026-09-01,Claude Haiku 4.5,Default,a,message,≤ 200k,input_no_cache,0.0010,0\n"
        "2026-09-01,Claude Haiku 4.5,Default,a,message,≤ 200k,output,0.0002,0\n",
    )

    by_cost = reconcile(log, costs, tolerance=Decimal(0))

    assert by_usage["explanation"].to_list() == ["agrees"] * 2
    assert by_usage["prompt_tokens_invoiced"].to_list() == [1000] * 2
    assert by_usage["cached_tokens_invoiced"].to_list() == [600] * 2
    # 100 x 1 + 600 x 0.10 + 300 x 1.25 + 50 x 5 = 100 + 60 + 375 + 250 = 785
    # millionths; 1,200 are 415 more, 52.9% of it.
    assert by_cost["cost"].to_list() == [Decimal("0.000785")] * 2
    assert (
        by_cost["explanation"].to_list()
        == ["different price: $0.00042 (52.9%) more"] * 2
    )


def test_the_caller_can_name_the_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path, "Tag,Modell,Fresh,Hit,USD\n2026-09-01,GPT-4o,1800,200,$0.00675\n"
    )
    columns = {
        "day": "Tag",
        "model": "Modell",
        "prompt_tokens": ["Fresh", "Hit"],
        "cost": "USD",
    }

    rows = reconcile(LOG.lazy(), path, columns=columns)

    assert explained(rows)["2026-09-01", "gpt-4o"] == "agrees"
    assert reconcile(LOG, path, columns=columns).equals(rows)


def test_snapshots_are_separate_if_matched_by_name() -> None:
    invoice = pl.DataFrame(
        {"day": [date(2026, 9, 1)], "model": ["gpt-4o-2024-08-06"], "requests": [1]}
    )

    rows = reconcile(LOG, invoice, match="name")

    said = explained(rows)
    assert said["2026-09-01", "gpt-4o-2024-08-06"] == "agrees"
    assert said["2026-09-01", "gpt-4o-2024-11-20"] == "not invoiced"


def test_an_empty_log_or_invoice_keeps_the_columns() -> None:
    invoice = pl.DataFrame(
        schema={"day": pl.Date, "model": pl.String, "cost": pl.Float64}
    )
    full = reconcile(LOG, invoice)

    assert reconcile(LOG[:0], invoice).is_empty()
    assert reconcile(LOG[:0], invoice).schema == full.schema
    assert set(full["explanation"]) == {
        "not invoiced",
        "undated responses: not compared",
    }


@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        ("model,cost\n", None, "no column for the day among 'model', 'cost'"),
        ("day,model\n", None, "no column for counts or costs among 'day', 'model'"),
        (
            "day,model,cost\nsoon,m,1\n",
            None,
            "line 2: day: expected a day such as 2026-01-31",
        ),
        (
            "day,model,requests\n2026-09-01,m,1.5\n",
            None,
            "requests: expected a whole number",
        ),
        (
            "day,model,cost\n2026-09-01,m,free\n",
            None,
            "line 2: cost: expected an amount such as 1234.50",
        ),
        (
            "day,model,cost,currency\n2026-09-01,m,1,eur\n",
            None,
            "column 'currency': expected USD, got 'eur'",
        ),
        (
            "day,model,cost, Currency\n2026-09-01,m,1,EUR \n",
            None,
            "column ' Currency': expected USD, got 'EUR'",
        ),
        (
            'day,model,cost\n2026-09-01,m,"12,50"\n',
            None,
            "line 2: cost: expected an amount such as 1234.50",
        ),
        ('day,model,cost\n2026-09-01,m,"0,0035"\n', None, "cost: expected an amount"),
        ('day,model,cost\n2026-09-01,m,"0,003"\n', None, "cost: expected an amount"),
        ('day,model,cost\n2026-09-01,m,"1,234"\n', None, "cost: expected an amount"),
        ('day,model,cost\n2026-09-01,m,"1.234,50"\n', None, "cost: expected an amount"),
        ("day,model,cost\n2026-09-01,m,1_000\n", None, "cost: expected an amount"),
        (
            'day,model,requests\n2026-09-01,m,"12,50"\n',
            None,
            "requests: expected a whole number",
        ),
        (
            "day,model,cost\n20261301,m,1\n",
            None,
            "line 2: day: expected a day such as 2026-01-31",
        ),
        (
            "day,model,cost\n123456,m,1\n",
            None,
            "line 2: day: expected a day such as 2026-01-31",
        ),
        (
            "day,model,cost\n1767225600000,m,1\n",
            None,
            "line 2: day: expected a day such as 2026-01-31",
        ),
        (
            "day,model,cost\n",
            {"costs": "cost"},
            r"no field 'costs' \(did you mean 'cost'\?",
        ),
        ("day,model,cost\n", {"x": "y"}, "no field 'x': use day, model, responses"),
        ("day,model,cost\n", {"cost": "x"}, "no column 'x': it has 'day', 'model'"),
        ("day,model,cost\n", {"cost": "coast"}, r"'coast' \(did you mean 'cost'\?"),
    ],
)
def test_a_wrong_invoice_raises_with_what_was_expected(
    tmp_path: Path, text: str, columns: dict[str, str] | None, words: str
) -> None:
    path = write(tmp_path, text)

    with pytest.raises(InvoiceError, match=words):
        reconcile(LOG, path, columns=columns)


def test_days_and_amounts_are_read_in_many_formats(tmp_path: Path) -> None:
    text = (
        "Day,Model,Cost,Requests,CURRENCY\n"
        'day,m,"$1,234.50","1,234",usd\n'
        'day,m,"1,000,000",1,USD\n'
        "day,m,-0.5,,\n"
    )
    # 1,767,225,600 seconds after 1970 began 2026.
    for day in ("20260101", "1767225600", "2026-01-01", "2026-01-01T02:00:00Z"):
        read = read_invoice(write(tmp_path, text.replace("day", day)))

        # 1,234.50 + 1,000,000 - 0.50, and 1,234 + 1
        assert read.select("day", pl.col("cost", "responses").sum()).row(0) == (
            date(2026, 1, 1), Decimal(1_001_234), 1235,
        )  # fmt: skip
    frame = pl.DataFrame({"day": [20260101], "model": "m", "cost": 1.5})
    assert read_invoice(frame)["day"].item() == date(2026, 1, 1)


def test_a_difference_above_100_percent_is_written() -> None:
    usage = {"prompt_tokens": 10**6, "completion_tokens": 0, "total_tokens": 10**6}
    log = make_choices({"model": "gpt-4o", **usage})
    invoice = pl.DataFrame(
        {"day": date(2026, 1, 1), "model": "gpt-4o", "requests": 1, "cost": "10.00"}
    )

    # A million at 2.50; 7.50 more is three times as much.
    assert (
        reconcile(log, invoice)["explanation"].to_list()
        == ["different price: $7.50 (300%) more"] * 2
    )


def test_a_file_that_is_not_an_invoice_raises(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")

    with pytest.raises(
        InvoiceError, match="expected a CSV file in UTF-8 with a header"
    ):
        read_invoice(tmp_path / "empty.csv")
    with pytest.raises(InvoiceError, match="No such file"):
        read_invoice(tmp_path / "none.csv")
    with pytest.raises(MissingColumnsError):
        reconcile(LOG.drop("model"), pl.DataFrame({"day": [], "model": [], "cost": []}))
    with pytest.raises(OptionError, match="match"):
        reconcile(LOG, tmp_path / "none.csv", match="famly")  # type: ignore[arg-type]


def test_a_model_has_a_plain_name_and_a_family() -> None:
    names = pl.Series(
        [
            "gpt-4o-2024-08-06",
            "openai/gpt-5.2-20251211",
            "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
            "Claude Sonnet 4.5",
            "claude-sonnet-4-5-20250929",
            "ft:gpt-4o-2024-08-06:acme::abc",
            "ft-gpt-4o-2024-08-06",
            None,
        ]
    )

    assert plain_names(names).to_list() == [
        "gpt-4o-2024-08-06",
        "gpt-5.2-20251211",
        "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
        "claude-sonnet-4.5",
        "claude-sonnet-4-5-20250929",
        "ft:gpt-4o-2024-08-06:acme::abc",
        "ft-gpt-4o-2024-08-06",
        None,
    ]
    assert family_names(names).to_list() == [
        "gpt-4o",
        "gpt-5.2",
        "claude-3.7-sonnet",
        "claude-sonnet-4.5",
        "claude-sonnet-4.5",
        "gpt-4o",
        "gpt-4o",
        None,
    ]


def test_what_if_prices_the_same_tokens_at_another_model() -> None:
    choices = make_choices(
        {"model": "gpt-4o", **USAGE},
        {"model": "gpt-4o", **USAGE, "reported_cost": 0.01},
        {"model": "own", **USAGE, "choice_count": 2},
        {"model": "own", "choice_position": 1, "choice_count": 2},
        {"model": "own"},
    )

    there = what_if(choices, model="gpt-4o-mini")

    # There 1,000 x 0.15 + 100 x 0.60 = 210 millionths each.
    # Now 3,500 millionths and what was reported, 10,000; less 420 there.
    assert there.rows() == [
        (
            *("gpt-4o", 2, 0, 2200, Decimal("0.0135"), "exact", 0),
            *(Decimal("0.00042"), "exact", 0, 2, Decimal("-0.01308"), "exact"),
        ),
        # What has no price is not free.
        (
            *("own", 2, 1, 1100, None, "unknown", 2),
            *(Decimal("0.00021"), "lower", 1, 0, None, "unknown"),
        ),
    ]
    assert what_if(choices.lazy(), model="gpt-4o-mini").equals(there)
    assert what_if(choices[:0], model="gpt-4o-mini").schema == there.schema


def test_what_if_compares_only_what_has_both_prices() -> None:
    choices = make_choices(
        {"model": "own", **USAGE},
        {"model": "own", **USAGE, "reported_cost": 0.01},
        {"model": "silent"},
    )

    there = what_if(choices, model="gpt-4o-mini")

    # 210 millionths each there, 10,000 now for one of them
    names = ("cost", "cost_elsewhere", "difference")
    assert there.select("total_tokens", *names).rows() == [
        (2200, Decimal("0.01"), Decimal("0.00042"), Decimal("-0.00979")),
        (None, None, None, None),
    ]
    assert there.select(f"{name}_bound" for name in names).rows() == [
        ("lower", "exact", "approximate"),
        ("unknown", "unknown", "unknown"),
    ]


def test_what_if_accepts_a_provider_and_a_tier() -> None:
    choices = make_choices(
        {"model": "gpt-4.1", **USAGE, "created": datetime(2026, 11, 1, tzinfo=UTC)}
    )

    batch = what_if(choices, model="gpt-4.1", service_tier="batch")
    groq = what_if(choices, model="openai/gpt-oss-120b", provider="Groq")

    # 1,000 x 1 + 100 x 4; 1,000 x 0.15 + 100 x 0.60
    assert batch["cost_elsewhere"].to_list() == [Decimal("0.0014")]
    assert groq["cost_elsewhere"].to_list() == [Decimal("0.00021")]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"model": "gpt-4o-mimi"}, r"did you mean 'gpt-4o-mini'\?"),
        (
            {"model": "gpt-4o", "provider": "DeepInfra"},
            "provider not in the price data",
        ),
        ({"model": "gpt-4o", "provider": "opnai"}, r"did you mean 'openai'\?"),
        ({"model": "gpt-4o", "service_tier": "bach"}, r"did you mean 'batch'\?"),
        ({"model": "gpt-4o", "service_tier": "scale"}, "service_tier"),
        ({"model": "gpt-4o", "service_tier": "flex"}, "no price for this service tier"),
    ],
)
def test_what_if_raises_for_a_model_without_a_price(
    asked: dict[str, str], words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        what_if(make_choices(), **asked)


def test_sums_of_tokens_never_wrap() -> None:
    huge = make_choices(*[{"model": "own", "total_tokens": 2**62}] * 3)
    invoice = pl.DataFrame({"day": ["2026-01-01"], "model": ["own"], "cost": ["1"]})
    counted = huge.with_columns(pl.col("total_tokens").alias("prompt_tokens"))

    with pytest.raises(TotalOverflowError, match="total_tokens"):
        what_if(huge, model="gpt-4o")
    with pytest.raises(TotalOverflowError, match="prompt_tokens"):
        reconcile(counted, invoice)
