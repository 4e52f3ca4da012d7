"""Compare a log with an invoice: `reconcile`."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import polars as pl

from toolkit.errors import OptionError, check_word, plural
from toolkit.expressions.choices import MONEY, reported_usage
from toolkit.expressions.time_ranges import Moment, span
from toolkit.formatting.figures import UNKNOWN, Figure, sum_with_gaps
from toolkit.formatting.text import format_share, format_usd
from toolkit.pricing.costs import Choices, first_choices, price_responses
from toolkit.pricing.invoices import COUNTED, family_names, plain_names, read_invoice
from toolkit.pricing.pricer import MOMENT, priced_by
from toolkit.pricing.unpriced import cast_sums, sum_known

if TYPE_CHECKING:
    from toolkit.pricing.invoices import Columns, Invoice
    from toolkit.pricing.price_file import Prices

_SUMS = (*COUNTED[1:], "cost")
_UNSEEN = "~"  # prefix: how many responses a sum lacks
_COUNT, _TEXT = pl.Int64(), pl.String()
_ENDS = {"": _COUNT, "_bound": _TEXT, "_invoiced": _COUNT}
_RECONCILED = pl.Schema(
    {"day": pl.Date(), "model": _TEXT, "is_total": pl.Boolean()}
    | dict.fromkeys(("responses", "responses_invoiced"), _COUNT)
    | {name + end: dtype for name in _SUMS for end, dtype in _ENDS.items()}
    | dict.fromkeys(("cost", "cost_invoiced", "difference"), MONEY)
    | {"difference_bound": _TEXT, "responses_unpriced": _COUNT}
    | {"responses_without_usage": _COUNT, "explanation": _TEXT}
)
_CENT = Decimal("0.01")
_WORDS = {"upper": "at most ", "approximate": "about "}
AGREES = "agrees"


def reconcile(
    choices: Choices,
    invoice: Invoice,
    *,
    match: Literal["family", "name"] = "family",
    columns: Columns = None,
    tolerance: Decimal | str = _CENT,
    since: Moment = None,
    until: Moment = None,
    prices: Prices = None,
) -> pl.DataFrame:
    """Compare a log with a provider's invoice, by UTC day and model.

    Parameters
    ----------
    choices
        One row per choice; see `toolkit.schema.CHOICES`. Pass only responses of this
        provider.
    invoice
        Path of a CSV or of JSON, or a frame: usage or costs as the dashboards and the
        APIs of OpenAI and Anthropic export them, or any with `columns`. Without models
        each day is compared as a whole.
    match
        ``"family"``: ``gpt-4o-2024-08-06`` and ``gpt-4o`` are one model, by the rules
        of `toolkit.expressions.model_family`; ``"name"``: they are two. Letter case
        and the prefixes of routers never matter.
    columns
        Which columns of the invoice hold ``day``, ``model``, ``responses``,
        ``prompt_tokens``, ``cached_tokens``, ``completion_tokens``, ``cost`` (USD) or
        ``cents`` (the cost in US cents); several for one are added up. Others are
        found by their names.
    tolerance
        Costs agree if they differ by at most this many USD: providers round. ``"1%"``
        is a share of what is invoiced, for costs (but at least a cent), responses and
        tokens.
    since, until
        Days of both sides to compare; each is the start of a day in UTC.
    prices
        As in `add_cost`.

    Returns
    -------
    pl.DataFrame
        One row for each UTC day and model that either side has, sorted, nulls last;
        then the sum of all rows.

        =========================== ============== =================================
        column                      dtype          meaning
        =========================== ============== =================================
        day                         Date           UTC; null for undated responses
        model                       String         plain name or family; null if the
                                                   invoice names no model
        is_total                    Boolean        true in the last row only
        responses                   Int64          of the log; null if it has none
                                                   of that day and model
        prompt_tokens,              Int64          of the log
        cached_tokens,
        completion_tokens
        cost                        Decimal(38,12) USD of the log
        ..._invoiced                as of the log  after each of them; null if not in
                                                   the invoice
        ..._bound                   String         of tokens and cost: ``exact``;
                                                   ``lower``, if responses do not
                                                   report it or have no price;
                                                   ``unknown``, if none does (null)
        difference                  Decimal(38,12) USD invoiced minus USD of the log;
                                                   what one side lacks is 0
        difference_bound            String         ``upper``, if the cost is a lower
                                                   bound; ``unknown``, if it or the
                                                   difference is (null)
        responses_unpriced,         Int64          not included in the log's sums
        responses_without_usage
        explanation                 String         ``agrees``, or what differs
        =========================== ============== =================================

    Raises
    ------
    InvoiceError
        If the invoice cannot be read, lacks a column, or has an amount that is not
        certainly in USD.

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
    usd, share = _parse_tolerance(tolerance)
    within = span(since, until)
    for name, bound in zip(("since", "until"), within, strict=True):
        if bound is not None and bound.time() != time():
            raise OptionError(name, str(bound), expected="the start of a day in UTC")
    logged = _log_by_day(first_choices(choices).filter(*within.conditions()), prices)
    billed = read_invoice(invoice, columns)
    inside = pl.Series(map(within.touches, billed["day"]), dtype=pl.Boolean)
    billed = billed.filter(inside)
    if billed.height and billed["model"].is_null().all():
        logged = logged.with_columns(pl.lit(None, pl.String).alias("model"))
    on, rename = ["day", "model"], family_names if match == "family" else plain_names
    here, there = (
        frame.with_columns(
            rename(frame["model"]).alias("model"), pl.col(pl.Int64).cast(pl.Int128)
        )
        .group_by(on)
        .agg(map(sum_known, frame.drop(on).columns))
        for frame in (logged, billed)
    )
    rows = here.join(
        there, on=on, how="full", nulls_equal=True, coalesce=True, suffix="_invoiced"
    ).sort(on, nulls_last=True)
    if rows.height:
        total = rows.select(map(sum_known, rows.drop(on).columns))
        rows = pl.concat([rows, total], how="diagonal")
    costs = there["cost"].is_not_null()
    both = _Comparison(set(logged["day"]), usd, share, costs.any(), costs.all())
    compared = [
        both.compare(row, is_total=number == rows.height)
        for number, row in enumerate(cast_sums(rows).to_dicts(), 1)
    ]
    return pl.DataFrame(compared, _RECONCILED)


def _parse_tolerance(tolerance: object) -> tuple[Decimal, Decimal]:
    """Parse an amount of USD, or a share of what is invoiced, such as ``1%``."""
    text = str(tolerance)
    try:
        number = Decimal(text.removesuffix("%"))
    except InvalidOperation:
        number = Decimal(-1)
    if not number.is_finite() or number < 0:
        expected = 'an amount of USD such as 0.05, or a share such as "1%"'
        raise OptionError("tolerance", tolerance, expected=expected)
    return (_CENT, number / 100) if text.endswith("%") else (number, Decimal(0))


def _log_by_day(first: pl.LazyFrame, prices: Prices) -> pl.DataFrame:
    """Sum the log by UTC day and model as served, and count what a sum lacks."""
    unseen = pl.any_horizontal(pl.col("prompt_tokens", "completion_tokens").is_null())
    day = pl.col("created").cast(MOMENT).dt.date().alias("day")
    return (
        price_responses(first.select(priced_by(first)), prices)
        .lazy()
        .with_columns(reported_usage())
        .group_by(day, "model")
        .agg(
            pl.len().cast(pl.Int64).alias("responses"),
            *[sum_known(pl.col(name).cast(pl.Int128)) for name in COUNTED[1:]],
            sum_known("cost"),
            pl.col(_SUMS).is_null().sum().cast(pl.Int64).name.prefix(_UNSEEN),
            unseen.sum().cast(pl.Int64).alias("responses_without_usage"),
        )
        .collect()
    )


class _Comparison(NamedTuple):
    """How rows of both sides are compared.

    Attributes
    ----------
    days
        Those of the log; None for undated responses.
    usd, share
        How much sums may differ.
    has_costs, has_all
        Whether the invoice has costs: what it does not list then costs 0; and whether
        all that it lists has one.
    """

    days: set[date | None]
    usd: Decimal
    share: Decimal
    has_costs: bool
    has_all: bool

    def compare(self, row: dict[str, Any], *, is_total: bool) -> dict[str, Any]:
        """Return a row with bounds, difference and explanation."""
        of, billed = row["responses"], row["cost_invoiced"]
        logged = {"responses": Figure(of)} if of else {}
        for name in _SUMS if of else ():
            missing = row[_UNSEEN + name]
            logged[name] = sum_with_gaps(row[name], missing=missing, of=of)
            row[f"{name}_bound"] = logged[name].bound
        if is_total and None in self.days:
            # Undated responses may be of other days than those of the invoice.
            logged = {name: one + Figure(0, "upper") for name, one in logged.items()}
        amounts = [row[f"{name}_invoiced"] for name in (*COUNTED, "cost")]
        is_billed = any(amount is not None for amount in amounts)
        if self.has_costs and not is_billed:
            billed = 0
        is_part = is_total and not self.has_all
        invoiced = Figure(billed, "lower" if is_part else "exact")
        difference = invoiced - logged.get("cost", Figure(0))
        if row["day"] is None and not is_total:
            difference, text = UNKNOWN, "undated responses: not compared"
        elif not logged:
            what = "this model on this day" if row["day"] in self.days else "this day"
            text = "no responses in the log" + ("" if is_total else f" for {what}")
        elif not is_billed:
            text = "not invoiced"
        else:
            differing = self.explain_counts(row, logged)
            silent, unpriced = row["responses_without_usage"], row[f"{_UNSEEN}cost"]
            gaps = {"without usage": silent, "unpriced": unpriced}
            left_out = [
                f"{plural(n, 'response')} {gap}" for gap, n in gaps.items() if n
            ]
            if is_total and None in self.days:
                left_out.append("undated responses included")
            by_price = [] if differing else self.explain_price(difference, row)
            text = "; ".join([*differing, *left_out, *by_price]) or AGREES
        row |= {"is_total": is_total, "responses_unpriced": row[f"{_UNSEEN}cost"]}
        row |= {"difference": difference.value, "difference_bound": difference.bound}
        return {name: row.get(name) for name in _RECONCILED} | {"explanation": text}

    def explain_counts(
        self, row: dict[str, Any], logged: dict[str, Figure]
    ) -> list[str]:
        """Return the differences of responses and tokens, invoiced minus log."""
        texts = []
        for name in COUNTED:
            invoiced = row[f"{name}_invoiced"]
            more = Figure(invoiced) - logged[name]
            if not more.is_known or abs(more.number) <= self.share * invoiced:
                continue
            if name == "responses":
                where = "missing in the log" if more.number > 0 else "not invoiced"
                texts.append(f"{plural(abs(int(more.number)), 'response')} {where}")
            else:
                sure, what = _WORDS.get(more.bound, ""), name.replace("_", " ")
                texts.append(f"{sure}{more.value:+,} {what} invoiced")
        return texts

    def explain_price(self, difference: Figure, row: dict[str, Any]) -> list[str]:
        """Return the difference in price of the same tokens, as far as it is sure."""
        limit = max(self.usd, self.share * abs(row["cost_invoiced"] or 0))
        for more, kind in ((difference, "more"), (-difference, "less")):
            if more.exceeds(limit):
                ratio = more / row["cost"] if row["cost"] else UNKNOWN
                of = f" ({format_share(ratio)})" if ratio.bound == "exact" else ""
                return [f"different price: {format_usd(more, words=True)}{of} {kind}"]
        return []
