"""`write_table`: a table as CSV, Excel, Parquet, JSON or Markdown.

A log is not trusted: no cell is a formula to a spreadsheet, or active in Markdown.
"""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit import system
from toolkit.errors import OptionError, OptionTypeError
from toolkit.formatting.markdown import table_cell
from toolkit.formatting.parameters import TABLE_ENDINGS, check_ending
from toolkit.formatting.text import format_json, plain_text

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

# Characters that control a screen or the direction of text, or that XML refuses. A file
# keeps tabs, ends of lines, and what joins emoji and letters.
_CONTROLS = r"\p{Cc}\p{Cf}\p{Zl}\p{Zp}\x{FFFE}\x{FFFF}"
_ON_SCREEN = f"[{_CONTROLS}]"
_IN_FILES = rf"[{_CONTROLS}&&[^\t\n\r\x{{200C}}\x{{200D}}]]"
_REPLACED = "\N{REPLACEMENT CHARACTER}"
# How a formula begins; some spreadsheets take full-width signs for one too.
_FORMULA = r"^(\s*[=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]|[\t\r\n])"
_LOCAL, _MILLISECONDS = "%Y-%m-%dT%H:%M:%S%.f", r"(\.\d{3})\b"
_EXACT_DIGITS = 15  # of a number in Excel
_MOST_ROWS, _MOST_COLUMNS, _MOST_CHARACTERS = 1_048_575, 16_384, 32_767
_FIRST_YEAR = 1900  # of Excel
_EXCEL_FORMATS = (
    (pl.Date, "yyyy-mm-dd"),
    (pl.Datetime, "yyyy-mm-dd hh:mm:ss"),
    (pl.Time, "hh:mm:ss"),
    (pl.Decimal, "#,##0.00##########"),
)


def write_table(table: object, to: str | os.PathLike[str]) -> None:
    """Write a table to a file, in the format of its suffix.

    The file appears, or replaces an older one, when it is complete. A symbolic link
    stays, and the file that it leads to is written.

    Parameters
    ----------
    table
        A polars frame (a lazy one is collected), or anything with
        ``__arrow_c_stream__``: an Arrow table, a pandas frame, a `Loaded`.
    to
        A file that ends in .csv, .xlsx, .parquet, .json or .md.

    Raises
    ------
    OptionError
        If the name has another suffix, or the table is too large for Excel.
    WriteError
        If the file cannot be written.

    Notes
    -----
    - Null is an empty cell, in JSON ``null``. Amounts have all their digits, times
      their offset from UTC. Lists and structs are written as JSON.
    - CSV is UTF-8 with a byte-order mark, so that Excel reads it as such. A text that
      begins like a formula (``=``, ``+``, ``-``, ``@``, a tab) gets an apostrophe.
    - In Excel no text is a formula or a link. Times are local, with the zone in the
      heading. Numbers of more than 15 digits, which Excel would round, are text.
    - In CSV, Excel and Markdown, control characters are replaced by U+FFFD. Parquet and
      JSON have each text as it is.

    Examples
    --------
    >>> import pathlib, tempfile, toolkit
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "tokens.md"
    >>> log = toolkit.scan("data/sample")
    >>> usage = toolkit.metrics.token_usage(log, every=None, by="api", top=1)
    >>> toolkit.write_table(usage.select("api", "responses", "total_tokens"), path)
    >>> print(path.read_text(), end="")
    | api | responses | total_tokens |
    | --- | ---: | ---: |
    | chat | 2906 | 3361387 |
    """
    write = _FORMATS[check_ending("to", to, TABLE_ENDINGS)]
    system.write_whole(Path(to), write(_as_frame(table)))


def _as_frame(table: object) -> pl.DataFrame:
    """Return a table as a polars frame."""
    if isinstance(table, pl.LazyFrame):
        return table.collect(engine="streaming")
    if not hasattr(table, "__arrow_c_stream__"):
        hint = ": toolkit.load() reads a log"
        raise OptionTypeError("table", table, expected="a frame", hint=hint)
    return table if isinstance(table, pl.DataFrame) else pl.DataFrame(table)


def _is_text(kind: pl.DataType) -> bool:
    """Return whether the cells of a type are written as text from the log."""
    texts = (pl.String, pl.Categorical, pl.Enum, pl.Binary)
    return isinstance(kind, texts) or kind.is_nested()


def _with_texts(frame: pl.DataFrame, controls: str) -> pl.DataFrame:
    """Return a frame with lists, structs and bytes as text, without controls."""
    as_text = (
        pl.Series(column.name, map(_to_text, column.to_list()), pl.String)
        for column in frame
        if column.dtype.is_nested() or column.dtype == pl.Binary
    )
    texts = pl.selectors.by_dtype(pl.String, pl.Categorical, pl.Enum)
    return frame.with_columns(as_text).with_columns(
        pl.selectors.duration().dt.to_string("iso"),
        texts.cast(pl.String).str.replace_all(controls, _REPLACED),
    )


def _to_text(cell: object) -> str | None:
    """Return bytes as text, a list or struct as JSON."""
    if cell is None:
        return None
    is_bytes = isinstance(cell, bytes)
    return plain_text(cell) if is_bytes else format_json(_with_finite(cell), None)


def _with_finite(cell: Any) -> Any:  # noqa: ANN401 - of any column
    """Return a cell for JSON, with null for NaN and infinity."""
    if isinstance(cell, dict):
        return {name: _with_finite(part) for name, part in cell.items()}
    if isinstance(cell, list):
        return [_with_finite(part) for part in cell]
    return None if isinstance(cell, float) and not isfinite(cell) else cell


def _all_texts(frame: pl.DataFrame, controls: str) -> pl.DataFrame:
    """Return a frame of text: exact numbers, times in ISO 8601."""
    local = pl.selectors.datetime(time_zone=None).dt.to_string(_LOCAL)
    moments = pl.selectors.datetime(time_zone="*").dt.to_string(f"{_LOCAL}%:z")
    texts = _with_texts(frame, controls).with_columns(
        *(time.str.replace(_MILLISECONDS, "${1}000") for time in (local, moments)),
        pl.selectors.boolean().cast(pl.String).str.to_titlecase(),
        pl.selectors.time().dt.to_string("%H:%M:%S%.f"),
    )
    return texts.cast(pl.String)


def _headings(frame: pl.DataFrame, controls: str) -> pl.Series:
    """Return the names of columns without control characters."""
    names = pl.Series(frame.columns, dtype=pl.String)
    return names.str.replace_all(controls, _REPLACED)


def to_csv(
    frame: pl.DataFrame, *, has_heading: bool = True, in_file: bool = False
) -> str:
    """Format CSV in which no cell is a formula, for a screen or a file."""
    controls = _IN_FILES if in_file else _ON_SCREEN
    texts = [name for name, kind in frame.schema.items() if _is_text(kind)]
    cells = _all_texts(frame, controls)
    cells = cells.with_columns(pl.col(texts).str.replace(_FORMULA, "'$1"))
    written = cells.write_csv(include_header=False)
    if not has_heading or not frame.width:
        return written
    headings = _headings(frame, controls).str.replace(_FORMULA, "'$1").to_frame()
    return headings.transpose().write_csv(include_header=False) + written


def _to_json(frame: pl.DataFrame) -> bytes:
    """Return the rows as JSON, which has no NaN and no infinity."""
    rows = map(_with_finite, frame.iter_rows(named=True))
    return f"[{','.join(map(format_json, rows))}]\n".encode()


def _to_markdown(frame: pl.DataFrame) -> bytes:
    """Return a table of Markdown, with numbers at the right."""
    rules = ["---:" if kind.is_numeric() else "---" for kind in frame.dtypes]
    cells = _all_texts(frame, _IN_FILES).fill_null("").iter_rows()
    headings = _headings(frame, _IN_FILES)
    rows = [map(table_cell, headings), rules, *(map(table_cell, row) for row in cells)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows).encode()


def _to_parquet(frame: pl.DataFrame) -> bytes:
    """Return a table as Parquet."""
    written = BytesIO()
    frame.write_parquet(written)
    return written.getvalue()


def _to_excel(frame: pl.DataFrame) -> bytes:
    """Return a workbook with one sheet."""
    # Imported here: the other formats do not need it.
    from xlsxwriter import Workbook

    cells = _with_texts(frame, _IN_FILES)
    _check_size(cells)
    cells = cells.with_columns(pl.selectors.datetime().dt.replace_time_zone(None))
    headings = _headings(frame, _IN_FILES).to_list()
    written = BytesIO()
    with Workbook(written, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("table")
        sheet.freeze_panes(1, 0)
        bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        columns = zip(headings, frame.dtypes, strict=True)
        for place, (heading, kind) in enumerate(columns):
            form = book.add_format({"num_format": _excel_format(kind)})
            sheet.set_column(place, place, 28 if _is_text(kind) else 19, form)
            zone = getattr(kind, "time_zone", None)
            title = f"{heading} ({zone})" if zone else heading
            _write_cell(sheet, 0, place, title, bold)
        for number, row in enumerate(cells.iter_rows(), start=1):
            for place, cell in enumerate(row):
                if cell is not None:
                    _write_cell(sheet, number, place, cell)
    return written.getvalue()


def _check_size(cells: pl.DataFrame) -> None:
    """Raise `OptionError` if a table is too large for Excel."""
    # A character beyond the first plane counts twice.
    strings = pl.selectors.string()
    length = strings.str.len_chars() + strings.str.count_matches(r"[^\x{0}-\x{FFFF}]")
    longest = [column.item() or 0 for column in cells.select(length.max())]
    for size, most, what in (
        (cells.height, _MOST_ROWS, "rows"),
        (cells.width, _MOST_COLUMNS, "columns"),
        (max(longest, default=0), _MOST_CHARACTERS, "characters in a cell"),
    ):
        if size > most:
            expected = f"at most {most:,} {what} for Excel"
            hint = ": write .csv or .parquet"
            raise OptionError("to", size, expected=expected, hint=hint)


def _excel_format(kind: pl.DataType) -> str:
    """Return the format of a column: ``@`` stays text when somebody edits the cell."""
    if kind.is_integer():
        return "#,##0"
    formats = (form for types, form in _EXCEL_FORMATS if isinstance(kind, types))
    return next(formats, "@" if _is_text(kind) else "General")


def _write_cell(
    sheet: Worksheet, row: int, place: int, cell: object, form: Format | None = None
) -> None:
    """Write a cell as what it is; a number or time that Excel cannot hold as text."""
    if isinstance(cell, bool):
        sheet.write_boolean(row, place, cell, form)
    elif _is_exact(cell):
        sheet.write_number(row, place, cell, form)
    elif isinstance(cell, date | time) and getattr(cell, "year", 9999) >= _FIRST_YEAR:
        sheet.write_datetime(row, place, cell, form)
    elif isinstance(cell, str) and cell.startswith("<r>"):
        # xlsxwriter would take it for XML of its own; in pieces it is text.
        sheet.write_rich_string(row, place, "<", "r", cell[2:], *filter(None, [form]))
    else:
        sheet.write_string(row, place, plain_text(cell), form)


def _is_exact(cell: object) -> bool:
    """Return whether Excel holds a number with all its digits."""
    if isinstance(cell, float):
        return isfinite(cell)
    if not isinstance(cell, int | Decimal):
        return False
    return len(plain_text(cell).replace(".", "").strip("-0")) <= _EXACT_DIGITS


_FORMATS: dict[str, Callable[[pl.DataFrame], bytes]] = {
    # With a byte-order mark, as Excel expects it.
    ".csv": lambda frame: to_csv(frame, in_file=True).encode("utf-8-sig"),
    ".xlsx": _to_excel,
    ".parquet": _to_parquet,
    ".json": _to_json,
    ".md": _to_markdown,
}
