"""Alt text: a description of a chart, built from its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import OptionTypeError, clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.titles import ChartText

_ATTRIBUTE = "toolkit_alt_text"  # of an Axes
_LONGEST = 80  # characters of a name


def describe(ax: Axes) -> str:
    """Return the alt text of a chart.

    Parameters
    ----------
    ax
        The result of a function of this package.

    Returns
    -------
    str
        Title, subtitle, time range, the largest series, total and highest period where
        there are such, and the notes. It is built from the data.

    Raises
    ------
    OptionTypeError
        If the Axes was not drawn by this package.

    Examples
    --------
    >>> from toolkit.charts import plot_token_usage
    >>> from toolkit.metrics import token_usage
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"total_tokens": 45}, {"total_tokens": 15})
    >>> describe(plot_token_usage(token_usage(choices)))
    'Tokens by model and day. Stacked bars: Total tokens of gpt-a per day (UTC). ...'
    """
    alt_text = getattr(ax, _ATTRIBUTE, None)
    if not isinstance(alt_text, str):
        hint = " with another chart" if hasattr(ax, "get_title") else ""
        expected = "an Axes drawn by toolkit.charts"
        raise OptionTypeError("ax", ax, expected=expected, hint=hint)
    return alt_text


def set_alt_text(
    ax: Axes, kind: str, text: ChartText, sentences: Sequence[str] = ()
) -> None:
    """Store the alt text of a chart with its Axes."""
    parts = [text.title, f"{kind}: {text.subtitle}", *sentences, *text.note]
    vars(ax)[_ATTRIBUTE] = clean(
        " ".join(f"{part.rstrip('.')}." for part in parts if part)
    )


def shorten(name: str) -> str:
    """Shorten a name that is too long for alt text."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
