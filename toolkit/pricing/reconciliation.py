"""Compare a log with an invoice: `reconcile`."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from toolkit.errors import check_word, plural
from toolkit.formatting.text import format_share, format_usd
from toolkit.pricing.costs import first_choices, price_responses
from toolkit.pricing.invoices import COUNTED, family_names, plain_names, read_invoice
from toolkit.pricing.pricer import MOMENT, MONEY, priced_by
from toolkit.pricing.unpriced import cast_sums

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from toolkit.pricing.costs import Choices
    from toolkit.pricing.invoices import Columns, Invoice
    from toolkit.pricing.price_file import Prices

_RECONCILED = pl.Schema(
    {
        "day": pl.Date(),
        "model": pl.String(),
        **{
            name + suffix: pl.Int64()
            for name in COUNTED
            for suffix in ("", "_invoiced")
        },
        "cost": MONEY,
        "cost_invoiced": MONEY,
        "difference": MONEY,
        "responses_unpriced": pl.Int64(),
        "responses_without_usage": pl.Int64(),
        "explanation": pl.String(),
    }
)
_CENT = Decimal("0.01")


def reconcile(
    choices: Choices,
    invoice: Invoice,
    *,
    match: Literal["family", "name"] = "family",
    columns: Columns = None,
    tolerance: Decimal = _CENT,
    prices: Prices = None,
) -> pl.DataFrame:
    """Compare a log with a provider's invoice, by UTC day and model.

    Parameters
    ----------
    choices
        One row per choice; see `toolkit.schema.CHOICES`. Pass only responses of this
        provider.
    invoice
        Path of a CSV, or a frame: OpenAI's export of usage or costs, Anthropic's export
        of usage or costs, or any with `columns`.
    match
        ``"family"``: ``gpt-4o-2024-08-06`` and ``gpt-4o`` are one model, by the rules
        of `toolkit.expressions.model_family`; ``"name"``: they are two. Letter case
        and the prefixes of routers never matter.
    columns
        Which columns of the invoice hold ``day``, ``model``, ``responses``,
        ``prompt_tokens``, ``cached_tokens``, ``completion_tokens``, ``cost`` (USD);
        several for one are added up. Others are found by their names.
    tolerance
        Costs agree if they differ by at most this many USD: providers round.
    prices
        As in `add_cost`.

    Returns
    -------
    pl.DataFrame
        One row for each UTC day and model that either side has, sorted, nulls last.

        =========================== ============== =================================
        column                      dtype          meaning
        =========================== ============== =================================
        day                         Date           UTC; null for undated responses
        model                       String         plain name or family
        responses, prompt_tokens,   Int64          of the log; null if it has none
        cached_tokens,                             of that day and model
        completion_tokens
        ..._invoiced                Int64          after each of them; null if not in
                                                   the invoice
        cost, cost_invoiced         Decimal(38,12) USD; the log's is a lower bound
        difference                  Decimal(38,12) USD invoiced minus USD of the log
        responses_unpriced,         Int64          not included in the log's sums
        responses_without_usage
        explanation                 String         ``agrees``, or what differs
        =========================== ============== =================================

    Raises
    ------
    InvoiceError
        If the invoice cannot be read, or lacks a column.

    Warns
    -----
    PartialResponsesWarning
        Of an eager frame, if rows of a response are missing: its usage may be too.

    Examples
    --------
    >>> from datetime import date
    >>> import polars as pl
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 100},
    ... )
    >>> invoice = pl.DataFrame(
    ...     {"day": date(2026, 1, 1), "model": "gpt-4o", "requests": 2, "cost": "0.007"}
    ... )
    >>> reconcile(choices, invoice).select("difference", "explanation").row(0)
    (Decimal('0.003500000000'), '1 response missing in the log')
    """
    check_word("match", match, ("family", "name"))
    first = first_choices(choices)
    billed = read_invoice(invoice, columns)
    logged = _log_by_day(first, prices)
    rename = family_names if match == "family" else plain_names
    joined = _sum_by_name(logged, rename).join(
        _sum_by_name(billed, rename),
        on=["day", "model"],
        how="full",
        nulls_equal=True,
        coalesce=True,
        suffix="_invoiced",
    )
    days = set(logged["day"])
    difference = pl.col("cost_invoiced") - pl.col("cost").fill_null(Decimal(0))
    rows = joined.with_columns(difference.alias("difference")).sort(
        "day", "model", nulls_last=True
    )
    explanations = [
        _explain_row(row, days, tolerance) for row in rows.iter_rows(named=True)
    ]
    column = pl.Series("explanation", explanations, pl.String)
    return cast_sums(rows.with_columns(column), _RECONCILED)


def _log_by_day(first: pl.LazyFrame, prices: Prices) -> pl.DataFrame:
    """Sum the log by UTC day and model as served."""
    unseen = pl.any_horizontal(pl.col("prompt_tokens", "completion_tokens").is_null())
    day = pl.col("created").cast(MOMENT).dt.date().alias("day")
    return (
        price_responses(first.select(priced_by(first)), prices)
        .lazy()
        .group_by(day, "model")
        .agg(
            pl.len().cast(pl.Int64).alias("responses"),
            *[pl.col(name).cast(pl.Int128).sum() for name in COUNTED[1:]],
            pl.col("cost").sum(),
            pl.col("cost").is_null().sum().cast(pl.Int64).alias("responses_unpriced"),
            unseen.sum().cast(pl.Int64).alias("responses_without_usage"),
        )
        .collect()
    )


def _sum_by_name(
    frame: pl.DataFrame, rename: Callable[[pl.Series], pl.Series]
) -> pl.DataFrame:
    """Sum the rows of models with the same new name; a sum of nulls is null."""
    measures = [name for name in frame.columns if name not in {"day", "model"}]
    return (
        frame.with_columns(rename(frame["model"]).alias("model"))
        .group_by("day", "model")
        .agg(
            pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum())
            for name in measures
        )
    )


def _explain_row(row: dict[str, Any], days: set[date], tolerance: Decimal) -> str:
    """Return in words why two sums differ, or that they agree."""
    if row["day"] is None:
        return "undated responses: not compared"
    if row["responses"] is None:
        missing = "this day" if row["day"] not in days else "this model on this day"
        return f"no responses in the log for {missing}"
    if all(row[f"{name}_invoiced"] is None for name in (*COUNTED, "cost")):
        return "not invoiced"
    differing = [*_explain_responses(row), *_explain_tokens(row)]
    left_out = [
        f"{plural(row[f'responses_{kind}'], 'response')} {kind.replace('_', ' ')}"
        for kind in ("without_usage", "unpriced")
        if row[f"responses_{kind}"]
    ]
    by_price = [] if differing or left_out else _explain_price(row, tolerance)
    return "; ".join([*differing, *left_out, *by_price]) or "agrees"


def _explain_responses(row: dict[str, Any]) -> list[str]:
    """Return how many responses are missing on one side."""
    if row["responses_invoiced"] is None:
        return []
    more = row["responses_invoiced"] - row["responses"]
    if more > 0:
        return [f"{plural(more, 'response')} missing in the log"]
    return [f"{plural(-more, 'response')} not invoiced"] if more < 0 else []


def _explain_tokens(row: dict[str, Any]) -> list[str]:
    """Return the differences of tokens, invoiced minus log."""
    return [
        f"{row[name + '_invoiced'] - row[name]:+,} {name.replace('_', ' ')} invoiced"
        for name in COUNTED[1:]
        if row[f"{name}_invoiced"] is not None and row[f"{name}_invoiced"] != row[name]
    ]


def _explain_price(row: dict[str, Any], tolerance: Decimal) -> list[str]:
    """Return the difference in price of the same tokens."""
    difference = row["difference"]
    if difference is None or abs(difference) <= tolerance:
        return []
    share = f" ({format_share(abs(difference) / row['cost'])})" if row["cost"] else ""
    kind = "more" if difference > 0 else "less"
    return [f"different price: {format_usd(abs(difference))}{share} {kind}"]
