"""All metrics by name, and the way from logs to any of them."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from toolkit.errors import OptionError, check_word
from toolkit.metrics.docstrings import docstring_of, signature_of
from toolkit.pricing.costs import add_cost
from toolkit.reading.scan import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from toolkit.metrics.options import Choices
    from toolkit.metrics.spec import MetricSpec
    from toolkit.pricing.price_file import Prices
    from toolkit.reading.discovery import Sources
    from toolkit.reading.options import CreatedUnit, OnDamage

_Function = TypeVar("_Function", bound="Callable[..., pl.DataFrame]")
_METRICS: dict[str, Callable[..., pl.DataFrame]] = {}
_SPECS: dict[str, MetricSpec] = {}
METRICS: Mapping[str, Callable[..., pl.DataFrame]] = MappingProxyType(_METRICS)
SPECS: Mapping[str, MetricSpec] = MappingProxyType(_SPECS)


def metric(spec: MetricSpec) -> Callable[[_Function], _Function]:
    """Register a function as a metric, and write its signature and documentation.

    The parameters, each explained, and the table of the result are added before the
    first section of the docstring.

    Examples
    --------
    >>> import inspect
    >>> from toolkit.metrics import cache_share
    >>> list(inspect.signature(cache_share).parameters)[:3]
    ['choices', 'every', 'by']
    """

    def register(function: _Function) -> _Function:
        _METRICS[spec.name] = function
        _SPECS[spec.name] = spec
        function.__doc__ = docstring_of(function, spec)
        if spec.options is not None:
            cast("Any", function).__signature__ = signature_of(function, spec)
        return function

    return register


def measure(
    name: str,
    sources: Sources | Choices,
    *,
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    on_damage: OnDamage = "raise",
    progress: Callable[[int], None] | None = None,
    prices: Prices = None,
    **options: object,
) -> pl.DataFrame:
    """Compute the table of any metric from logs, from exports, or from choices.

    Parameters
    ----------
    name
        Name of the metric; `METRICS` has them all.
    sources
        Logs or exports as in `toolkit.scan`; or a frame of choices, a `Loaded`.
    tags, response_path, created_unit, on_damage, progress
        As in `toolkit.scan`; of logs only.
    prices
        The user's own price file, as in `toolkit.pricing.add_cost`; for metrics with
        money in them.
    options
        Those of the metric, such as `every` and `by`.

    Returns
    -------
    pl.DataFrame
        As the metric returns it.

    Raises
    ------
    OptionError
        If there is no such metric, or it takes no such option.

    Examples
    --------
    >>> measure("model_mix", "data/sample", every=None, top=1).select("model", "folded")
    shape: (2, 2)
    ┌────────────────────────┬────────┐
    │ model                  ┆ folded │
    │ ---                    ┆ ---    │
    │ str                    ┆ i64    │
    ╞════════════════════════╪════════╡
    │ gpt-4o-mini-2024-07-18 ┆ 0      │
    │ other                  ┆ 12     │
    └────────────────────────┴────────┘
    """
    check_word("metric", name, tuple(METRICS))
    compute, spec = METRICS[name], SPECS[name]
    query = spec.query(options)
    if prices is not None and not spec.has_money:
        expected = f"None: {name} has no amounts of money"
        raise OptionError("prices", str(prices), expected=expected)
    if not isinstance(sources, str | os.PathLike | list | tuple):
        return compute(_with_prices(cast("Choices", sources), prices), **options)
    of_logs: dict[str, Any] = {
        "tags": tags,
        "response_path": response_path,
        "created_unit": created_unit,
        "progress": progress,
    }
    if spec.options is None:
        return compute(cast("Sources", sources), **of_logs)
    since, until = query.scan_range
    choices = scan(
        cast("Sources", sources),
        since=since,
        until=until,
        on_damage=on_damage,
        **of_logs,
    )
    return compute(_with_prices(choices, prices), **options)


def _with_prices(choices: Choices, prices: Prices) -> Choices:
    """Add costs by the user's own prices, if there are any."""
    return choices if prices is None else add_cost(choices, prices)
