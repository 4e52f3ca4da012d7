"""The commands that show a metric: `metric` and `tokens` print it, `plot` draws it."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - typer reads the annotation
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.options import (
    RANGE,
    READ,
    LogsOrExport,
    is_configured,
    shared,
)
from toolkit.cli.output import (
    print_csv,
    print_message,
    print_result,
    print_table,
    show_progress,
    to_json,
)
from toolkit.cli.values import check_folder
from toolkit.errors import OptionError, UnknownOptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TABLE = ("every", "by", *RANGE, "top", "fill", "compare")


@shared(*_TABLE, "prices", "as_json", "as_csv", *READ)
def metric(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="token_usage, cost, model_mix, ...")
    ],
    logs: LogsOrExport,
    **options: Any,  # noqa: ANN401 - of the metric
) -> None:
    """Print the table of any metric by period and model."""
    _print_metric(ctx, name, logs, options)


@shared(*_TABLE, "as_json", "as_csv", *READ)
def tokens(ctx: typer.Context, logs: LogsOrExport, **options: Any) -> None:  # noqa: ANN401
    """Print the token counts by period and model."""
    _print_metric(ctx, "token_usage", logs, options)


def _print_metric(
    ctx: typer.Context, name: str, logs: list[str], options: dict[str, Any]
) -> None:
    """Print the table of a metric in the form that was asked for."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.registry import SPECS, measure

    as_json, as_csv = options.pop("as_json", False), options.pop("as_csv", False)
    _drop_settings(ctx, name, options)
    with show_progress("reading") as progress:
        table = measure(name, logs, progress=progress, **options)
    if as_json:
        print_result(to_json(table.to_dicts()))
    elif as_csv:
        print_csv(table)
    else:
        print_table(table, SPECS[name], options.get("by"))


def _drop_settings(ctx: typer.Context, metric: str, options: dict[str, Any]) -> None:
    """Drop the options from the settings file that a metric does not take."""
    for option in ("every", "by", "tz", "prices"):
        if is_configured(ctx, option) and not _takes(metric, option):
            options.pop(option, None)


def _takes(metric: str, option: str) -> bool:
    """Return whether a metric takes an option."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.registry import SPECS

    if metric not in SPECS:
        return False
    spec = SPECS[metric]
    return spec.has_money if option == "prices" else option in spec.option_names


@shared("theme", "every", "by", *RANGE, "top", "prices", *READ)
def plot(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="METRIC", help="token_usage, cost, ...; or overview: one page"
        ),
    ],
    logs: LogsOrExport,
    to: Annotated[
        Path, typer.Option(help="file to write: .png, .svg or .pdf", metavar="FILE")
    ],
    **options: Any,  # noqa: ANN401 - of the chart
) -> None:
    """Save the chart of a metric, or an overview on one page."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.charts.plot import overview
    from toolkit.charts.plot import plot as plot_metric

    if to.suffix.lower() not in {".png", ".svg", ".pdf"}:
        expected = "a file that ends in .png, .svg or .pdf"
        raise OptionError("to", str(to), expected=expected)
    check_folder(to)
    # A script has no screen: matplotlib must not look for one.
    os.environ.setdefault("MPLBACKEND", "agg")
    if name == "overview":
        if "every" in options and options["every"] is None:
            raise OptionError("every", "none", expected="a length of a period")
    else:
        _drop_settings(ctx, name, options)
        _check_options(name, options)
    with show_progress("reading") as progress:
        if name == "overview":
            drawn: Any = overview(logs, progress=progress, **options)
        else:
            drawn = plot_metric(name, logs, progress=progress, **options).figure
    drawn.savefig(to, dpi=150)
    print_message(f"{to} written")


def _check_options(metric: str, options: Mapping[str, object]) -> None:
    """Check that a metric takes the options that it was given."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.registry import SPECS

    for option in ("every", "by", "top"):
        if metric in SPECS and option in options and not _takes(metric, option):
            known = SPECS[metric].option_names
            raise UnknownOptionError(option, owner=metric, known=known)
