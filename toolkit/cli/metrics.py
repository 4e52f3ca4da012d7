"""The commands that show a metric: `metric` and `tokens` print it, `plot` draws it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from toolkit.cli.command_line import check_folder
from toolkit.cli.options import FORM, RANGE, READ, check_metric, command
from toolkit.cli.output import print_data, print_message, show_progress
from toolkit.errors import OptionError
from toolkit.formatting.parameters import check_ending

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.reading.discovery import Sources

# `tokens` begins to read a log before polars is imported: these columns, those of `by`,
# and those that are always read. A test checks that it needs no others.
_TOKEN_COLUMNS = (
    *("api", "model", "requested_model", "provider", "served_by"),
    *("usage_problem", "cached_tokens", "reasoning_tokens"),
)
_CHART = ("chart", "sources", "to_chart", "theme", "chart_title", "figsize")
_TABLE = ("every", "by", *RANGE, "top", "fill", "compare")


@command("name", "sources", *_TABLE, "provider", "prices", *FORM, *READ)
def metric(
    configured: set[str],
    name: str,
    sources: list[str],
    **options: Any,
) -> None:
    """Print the table of any metric by period and model."""
    _print_metric(configured, name, sources, options)


@command("sources", *_TABLE, "provider", *FORM, *READ)
def tokens(configured: set[str], sources: list[str], **options: Any) -> None:
    """Print the token counts by period and model."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.reading.log_reader import start_reading
    from toolkit.reading.options import DEFAULTS

    read: Any = {name: options[name] for name in DEFAULTS if name in options}
    columns = [*_TOKEN_COLUMNS, *options.get("by", ())]
    _print_metric(
        configured, "token_usage", start_reading(sources, read, columns), options
    )


def _print_metric(
    configured: set[str], name: str, sources: Sources, options: dict[str, Any]
) -> None:
    """Print the table of a metric, or write it in another form."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.registry import SPECS, measure

    if name == "overview":
        hint = ": `toolkit plot overview` draws it"
        raise OptionError("metric", name, expected="the name of a metric", hint=hint)
    form = options.pop("form", None)
    _drop_settings(configured, name, options)
    with show_progress("reading") as progress:
        table = measure(name, sources, progress=progress, **options)
    if not print_data(table, form, SPECS[name]):
        # Imported here: JSON and CSV need no tables.
        from toolkit.cli.screen import print_table

        print_table(table, SPECS[name], options.get("by"))


def _drop_settings(configured: set[str], metric: str, options: dict[str, Any]) -> None:
    """Drop settings that a metric does not take."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.metrics.options import PARAMETERS
    from toolkit.metrics.registry import SPECS

    if metric in SPECS:
        spec = SPECS[metric]
        known = {*spec.option_names, *(["prices"] if spec.costs else [])}
        for option in configured & {*PARAMETERS, "prices"} - known:
            options.pop(option, None)


@command(*_CHART, "every", "by", *RANGE, "top", "provider", "prices", *READ)
def plot(
    configured: set[str],
    name: str,
    sources: list[str],
    to: Path,
    **options: Any,
) -> None:
    """Save the chart of a metric, or an overview on one page."""
    # Imported here: what a command does not use is not loaded.
    from toolkit.charts.plot import overview
    from toolkit.charts.plot import plot as plot_metric

    check_metric(name, "plot")
    check_ending("to", to, (".png", ".svg", ".pdf"))
    check_folder(to)
    size = str(options.get("figsize", ""))
    if re.fullmatch(r"\d+(\.\d+)?,\d+(\.\d+)?", size):
        options["figsize"] = tuple(map(float, size.split(",")))
    # A script has no screen: matplotlib must not look for one.
    os.environ.setdefault("MPLBACKEND", "agg")
    if name == "overview":
        if options.get("every", "") is None:
            raise OptionError("every", "none", expected="a length of a period")
    else:
        _drop_settings(configured, name, options)
    with show_progress("reading") as progress:
        if name == "overview":
            figure: Any = overview(sources, progress=progress, **options)
        else:
            figure = plot_metric(name, sources, progress=progress, **options).figure
    figure.savefig(to, dpi=150)
    print_message(f"{to} written")
