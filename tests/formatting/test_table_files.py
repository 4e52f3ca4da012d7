"""Tables as files: each value as it is, in each format, read back by other tools."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit
from toolkit import system
from toolkit.errors import OptionError, OptionTypeError, WriteError
from toolkit.formatting import table_files
from toolkit.formatting.table_files import to_csv


def local(month: int, day: int, *clock: int) -> datetime:
    """Return a time of 2026 without a zone."""
    return datetime(2026, month, day, *clock)  # noqa: DTZ001 - as Excel has it


# The night in which summer time ends: 00:30 UTC is 02:30 +02:00, 01:30 is 02:30 +01:00.
TABLE = pl.DataFrame(
    {
        "period": [
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            datetime(2026, 10, 25, 1, 30, 0, 500_000, tzinfo=UTC),
        ],
        "local": [local(1, 2, 3, 4, 5), None],
        "day": [date(2026, 10, 25), None],
        "model": ["a|b", None],
        "responses": [12, None],
        "cost": [Decimal("0.003500000000"), None],
        "share": [0.25, None],
        "partial": [True, None],
        "calls": [[{"name": "f", "usd": Decimal("1.10")}], None],
        "raw": [b"a\xff", None],
        "took": [timedelta(hours=1, seconds=2), None],
    },
    schema_overrides={"cost": pl.Decimal(38, 12), "partial": pl.Boolean},
).with_columns(pl.col("period").dt.convert_time_zone("Europe/Berlin"))


def written(table: object, path: Path) -> bytes:
    """Write a table and return the bytes of the file."""
    toolkit.write_table(table, path)
    return path.read_bytes()


def sheet_of(table: object, folder: Path) -> list[list[Any]]:
    """Write a table for Excel and return the cells of its sheet."""
    toolkit.write_table(table, folder / "a.xlsx")
    (sheet,) = openpyxl.load_workbook(folder / "a.xlsx").worksheets
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


# --- Each format ---------------------------------------------------------------------


def test_csv_has_exact_amounts_times_with_their_zone_and_empty_nulls(
    tmp_path: Path,
) -> None:
    assert written(TABLE, tmp_path / "a.csv").decode() == (
        "\ufeffperiod,local,day,model,responses,cost,share,partial,calls,raw,took\n"
        "2026-10-25T02:30:00+02:00,2026-01-02T03:04:05,2026-10-25,a|b,12,"
        '0.003500000000,0.25,True,"[{""name"": ""f"", ""usd"": ""1.10""}]",a\\xff,'
        "PT1H2S\n"
        "2026-10-25T02:30:00.500000+01:00,,,,,,,,,,\n"
    )


def test_excel_has_numbers_local_times_and_the_zone_in_the_heading(
    tmp_path: Path,
) -> None:
    heading, first, second = sheet_of(TABLE, tmp_path)

    assert heading == ["period (Europe/Berlin)", *TABLE.columns[1:]]
    assert first == [
        *(local(10, 25, 2, 30), local(1, 2, 3, 4, 5), local(10, 25)),
        *("a|b", 12, 0.0035, 0.25, True),
        *('[{"name": "f", "usd": "1.10"}]', "a\\xff", "PT1H2S"),
    ]
    assert second == [local(10, 25, 2, 30, 0, 500_000), *[None] * 10]


def test_markdown_is_a_table_with_numbers_at_the_right(tmp_path: Path) -> None:
    table = TABLE.select("period", "model", "responses", "cost")

    assert written(table, tmp_path / "a.md").decode() == (
        "| period | model | responses | cost |\n"
        "| --- | --- | ---: | ---: |\n"
        "| 2026-10-25T02:30:00+02:00 | `a\\|b` | 12 | 0.003500000000 |\n"
        "| 2026-10-25T02:30:00.500000+01:00 |  |  |  |\n"
    )


def test_json_has_a_list_of_rows(tmp_path: Path) -> None:
    first, second = json.loads(written(TABLE, tmp_path / "a.json"))

    assert first == {
        "period": "2026-10-25T02:30:00+02:00",
        "local": "2026-01-02T03:04:05",
        "day": "2026-10-25",
        "model": "a|b",
        "responses": 12,
        "cost": "0.003500000000",
        "share": 0.25,
        "partial": True,
        "calls": [{"name": "f", "usd": "1.10"}],
        "raw": "a\\xff",
        "took": "1:00:02",
    }
    assert set(second.values()) == {"2026-10-25T02:30:00.500000+01:00", None}


def test_parquet_is_the_same_frame(tmp_path: Path) -> None:
    toolkit.write_table(TABLE, tmp_path / "a.parquet")

    assert pl.read_parquet(tmp_path / "a.parquet").equals(TABLE)


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet", "json", "md"])
def test_a_table_without_rows_or_columns_is_written(
    tmp_path: Path, ending: str
) -> None:
    for table in (TABLE.clear(), pl.DataFrame()):
        assert written(table, tmp_path / f"a.{ending}")

    assert sheet_of(TABLE.clear(), tmp_path)[1:] == []


def test_lazy_frames_arrow_tables_pandas_frames_and_logs_are_tables(
    tmp_path: Path,
) -> None:
    plain = TABLE.select("model", "responses", "share")
    expected = written(plain, tmp_path / "a.csv")
    log = toolkit.load("data/sample", max_lines=5)

    assert written(plain.lazy(), tmp_path / "b.csv") == expected
    assert written(plain.to_arrow(), tmp_path / "c.csv") == expected
    assert b"12" in written(plain.to_pandas(), tmp_path / "d.csv")
    assert written(log, tmp_path / "e.csv").count(b"\n") >= len(log.choices)
    with pytest.raises(OptionTypeError, match="table: expected a frame, got dict"):
        toolkit.write_table({"a": 1}, tmp_path / "f.csv")


# --- Numbers and times that a format cannot hold -------------------------------------


@pytest.mark.parametrize(
    ("number", "cell"),
    [
        (123_456_789_012_345, 123_456_789_012_345),  # 15 digits
        (1_234_567_890_123_456, "1234567890123456"),  # 16
        (-(10**18), -(10**18)),  # one digit, and zeros
        (10**17 + 1, "100000000000000001"),
        (Decimal("-0.000000000001"), -1e-12),
        (Decimal("12345678901234.5"), 12345678901234.5),
        (Decimal("12345678901234.56"), "12345678901234.560000000000"),
        (Decimal(0), 0),
    ],
)
def test_a_number_that_excel_would_round_is_text(
    tmp_path: Path, number: int | Decimal, cell: float | str
) -> None:
    kind = pl.Int64 if isinstance(number, int) else pl.Decimal(38, 12)
    table = pl.DataFrame({"n": [number]}, schema={"n": kind})

    assert sheet_of(table, tmp_path) == [["n"], [cell]]


def test_nan_infinity_and_years_before_excel_are_text_and_no_number_in_json(
    tmp_path: Path,
) -> None:
    table = pl.DataFrame(
        {"x": [float("nan"), float("inf")], "day": [date(1899, 12, 31)] * 2}
    )

    assert sheet_of(table, tmp_path)[1:] == [
        ["nan", "1899-12-31"], ["inf", "1899-12-31"],
    ]  # fmt: skip
    rows = json.loads(written(table, tmp_path / "a.json"))
    assert [row["x"] for row in rows] == [None, None]


def test_nan_within_lists_and_structs_is_null(tmp_path: Path) -> None:
    table = pl.DataFrame({"x": [[{"a": float("nan"), "b": [float("inf"), 1.0]}]]})

    cell = '[{"a": null, "b": [null, 1.0]}]'
    quoted = cell.replace('"', '""')
    assert written(table, tmp_path / "a.csv").decode("utf-8-sig") == f'x\n"{quoted}"\n'
    assert sheet_of(table, tmp_path) == [["x"], [cell]]
    rows = json.loads(written(table, tmp_path / "a.json"))
    assert rows == [{"x": [{"a": None, "b": [None, 1.0]}]}]


def test_a_time_of_day_keeps_its_fractions(tmp_path: Path) -> None:
    table = pl.DataFrame({"t": [time(23, 59, 59, 999_999), time(1)]})

    lines = written(table, tmp_path / "a.csv").decode("utf-8-sig").splitlines()
    assert list(map(time.fromisoformat, lines[1:])) == table["t"].to_list()


def test_a_table_too_large_for_excel_names_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.xlsx"
    # An emoji counts twice: 16,383 of them have 32,766 characters for Excel.
    for fits in ("x" * 32_767, "\N{SUNFLOWER}" * 16_383):
        assert sheet_of(pl.DataFrame({"a": [fits]}), tmp_path)[1] == [fits]
    for text, size in (("x" * 32_768, 32_768), ("\N{SUNFLOWER}" * 16_384, 32_768)):
        words = (
            f"to: expected at most 32,767 characters in a cell for Excel, got {size}"
        )
        with pytest.raises(OptionError, match=f"{words}: write .csv or .parquet"):
            toolkit.write_table(pl.DataFrame({"a": [text]}), path)
    assert table_files._MOST_ROWS == 2**20 - 1  # the heading is a row too
    monkeypatch.setattr(table_files, "_MOST_ROWS", 2)
    assert len(sheet_of(pl.DataFrame({"a": [1, 2]}), tmp_path)) == 3
    with pytest.raises(OptionError, match="at most 2 rows for Excel, got 3"):
        toolkit.write_table(pl.DataFrame({"a": [1, 2, 3]}), path)


# --- Text ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["=1+1", " =1", "+1", "-1", "@A1", "\t1", "\r1", "\n1", "\uff1d1"]
)
def test_a_text_like_a_formula_gets_an_apostrophe_in_csv_and_none_in_excel(
    tmp_path: Path, text: str
) -> None:
    table = pl.DataFrame({text: [text], "n": [-1]})
    (sheet,) = openpyxl.load_workbook(
        io.BytesIO(written(table, tmp_path / "a.xlsx"))
    ).worksheets

    rows = csv.reader(io.StringIO(to_csv(table, in_file=True), newline=""))
    assert list(rows) == [[f"'{text}", "n"], [f"'{text}", "-1"]]
    assert {cell.data_type for cell in sheet["A"]} == {"s"}
    assert sheet["A2"].number_format == "@"


def test_a_file_keeps_lines_and_emoji_and_the_screen_gets_no_control_character() -> (
    None
):
    table = pl.DataFrame({"a": ["x\n\ty\x1b[2J\u202e \N{MAN}\u200d\N{ROCKET}"]})

    assert to_csv(table, in_file=True) == (
        'a\n"x\n\ty\ufffd[2J\ufffd \N{MAN}\u200d\N{ROCKET}"\n'
    )
    assert to_csv(table) == "a\nx\ufffd\ufffdy\ufffd[2J\ufffd \N{MAN}\ufffd\N{ROCKET}\n"


texts = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Cn"]))
amounts = st.decimals(-(10**20), 10**20, places=12, allow_nan=False)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.none() | texts, st.none() | amounts), min_size=1))
def test_csv_reads_back_as_it_was(
    rows: list[tuple[str | None, Decimal | None]],
) -> None:
    schema = {"text": pl.String, "usd": pl.Decimal(38, 12)}
    table = pl.DataFrame(rows, schema=schema, orient="row")

    _, *again = csv.reader(io.StringIO(to_csv(table), newline=""))

    for (text, usd), (own, amount) in zip(rows, again, strict=True):
        assert own in {text or "", f"'{text}"}
        assert not own.lstrip().startswith(("=", "+", "-", "@"))
        assert (Decimal(amount) if amount else None) == usd


# --- Files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hint"),
    [("a.xls", "'.xlsx'"), ("a.parq", "'.parquet'"), ("a.jsn", "'.json'"), ("a", "")],
)
def test_another_ending_names_the_endings(tmp_path: Path, name: str, hint: str) -> None:
    endings = r"\.csv, \.xlsx, \.parquet, \.json, \.md"
    with pytest.raises(OptionError, match=f"ends in {endings}, got ") as caught:
        toolkit.write_table(TABLE, tmp_path / name)

    assert (f"(did you mean {hint}?)" in str(caught.value)) == bool(hint)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "A.CSV"
    toolkit.write_table(pl.DataFrame({"a": [1]}), path)
    toolkit.write_table(pl.DataFrame({"b": [2]}), path)
    assert path.read_text("utf-8-sig") == "b\n2\n"

    def fail(problem: BaseException, *_paths: Path) -> None:
        raise problem

    full = OSError(28, "No space left on device")
    monkeypatch.setattr(system, "replace", partial(fail, full))
    with pytest.raises(WriteError, match="No space left on device"):
        toolkit.write_table(TABLE, path)
    monkeypatch.setattr(system, "replace", partial(fail, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        toolkit.write_table(TABLE, path)

    assert path.read_text("utf-8-sig") == "b\n2\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_has_any_name_that_the_system_allows(tmp_path: Path) -> None:
    longest = tmp_path / ("\u00e4" * 125 + ".csv")  # 2 x 125 + 4 = 254 bytes of 255

    toolkit.write_table(pl.DataFrame({"a": [1]}), longest)

    assert longest.read_text("utf-8-sig") == "a\n1\n"
    assert list(tmp_path.iterdir()) == [longest]


@pytest.mark.needs("posix")
@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced(
    tmp_path: Path, *, is_there: bool
) -> None:
    file, link = tmp_path / "far" / "week.csv", tmp_path / "latest.csv"
    file.parent.mkdir()
    if is_there:
        file.write_text("old")
    link.symlink_to(file)

    toolkit.write_table(pl.DataFrame({"a": [1]}), link)

    assert link.is_symlink()
    assert file.read_text("utf-8-sig") == "a\n1\n"
    assert list(file.parent.iterdir()) == [file]


def test_a_directory_is_no_file_and_a_missing_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()

    with pytest.raises(WriteError, match=r"a\.csv: cannot write: "):
        toolkit.write_table(TABLE, tmp_path / "a.csv")
    with pytest.raises(WriteError, match=r"the directory .*none does not exist"):
        toolkit.write_table(TABLE, tmp_path / "none" / "a.csv")

    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
