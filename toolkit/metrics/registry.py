"""All metrics by name, and `measure`, which computes any of them from logs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar, Unpack, cast

from toolkit.errors import OptionError, check_word
from toolkit.expressions.choices import as_frame
from toolkit.formatting.parameters import share_parameters
from toolkit.metrics.docstrings import docstring_of
from toolkit.metrics.options import PARAMETERS, Choices, MeasureOptions, split_options
from toolkit.reading.options import READ_PARAMETERS
from toolkit.reading.scan import scan
from toolkit.reading.sources import choices_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl

    from toolkit.metrics.spec import MetricSpec
    from toolkit.pricing.price_file import Prices
    from toolkit.reading.discovery import Sources

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
        if spec.options is None:
            return function
        by = spec.series[0] if len(spec.series) == 1 else spec.series
        return share_parameters(spec.options, PARAMETERS, by=by)(function)

    return register


@share_parameters(MeasureOptions, {**PARAMETERS, **READ_PARAMETERS})
def measure(
    name: str,
    sources: Sources | Choices,
    *,
    prices: Prices = None,
    **options: Unpack[MeasureOptions],
) -> pl.DataFrame:
    """Compute the table of any metric from logs, from exports, or from choices.

    Parameters
    ----------
    name
        Name of the metric; `METRICS` has them all.
    sources
        Logs or exports as in `toolkit.scan`; or a frame of choices, a `Loaded`.
    prices
        The user's own price file, as in `toolkit.pricing.add_cost`; for metrics with
        money in them.
    **options
        Those of the metric, then those of reading logs.

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
    own, read = split_options(options)
    query = spec.query(own)
    if prices is not None and not spec.costs:
        expected = f"None: {name} does not use prices"
        raise OptionError("prices", str(prices), expected=expected)
    if spec.options is None:
        return compute(sources, **read)
    choices = choices_of(sources)
    if choices is None:
        since, until = query.scan_range
        choices = scan(cast("Sources", sources), since=since, until=until, **read)
    else:
        for option, value in read.items():
            if value != READ_PARAMETERS[option].default:
                expected = "the default, because choices were given, not logs"
                raise OptionError(option, value, expected=expected)
    if prices is not None:
        # Imported here: only costs need prices.
        from toolkit.pricing.costs import add_cost, add_list_prices

        add_prices = add_list_prices if spec.costs == "list_price" else add_cost
        choices = add_prices(as_frame(choices), prices, provider=query.provider)
    return compute(choices, **own)
