"""`verify`: each fault of an export is found, and a correct one has none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import toolkit
from tests.support.command import run as run_command
from toolkit.errors import DamagedExportError, NotAnExportError
from toolkit.testing import make_response, write_sample


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export a log in two runs."""
    folder = tmp_path_factory.mktemp("verify")
    log, whole = folder / "log.jsonl", folder / "whole.jsonl"
    write_sample(whole, 300, seed=4, days=6)
    data = whole.read_bytes()
    for end in (len(data) // 2, len(data)):
        log.write_bytes(data[:end])
        toolkit.export(log, to=folder / "out")
    return folder / "out"


@pytest.fixture
def out(exported: Path, tmp_path: Path) -> Path:
    """Copy the export, to be damaged."""
    return Path(shutil.copytree(exported, tmp_path / "out"))


def parts(out: Path) -> list[Path]:
    return sorted((out / "choices").rglob("*.parquet"))


def change_row(out: Path, **cells: Any) -> None:
    """Change cells of the only row of the ledger."""
    path = out / "state.json"
    state = json.loads(path.read_text(encoding="utf-8"))
    row = state["logs"][0]["row"]
    for name, more in cells.items():
        row[name] += more
        state["totals"][name] += more
    path.write_text(json.dumps(state), encoding="utf-8")


def test_a_correct_export_has_no_faults(out: Path) -> None:
    verified = toolkit.verify(out)

    assert verified.faults == []
    assert verified.rows == toolkit.ledger(out)["choices"].item()
    files = list(out.rglob("*.parquet"))
    assert verified.parts == len(files)


def test_a_flipped_bit_is_found_and_never_a_panic(tmp_path: Path) -> None:
    log, out = tmp_path / "a.jsonl", tmp_path / "out"
    made = [json.dumps(make_response(id=f"r{number}")) for number in range(20)]
    log.write_text("\n".join(made), encoding="utf-8")
    toolkit.export(log, to=out)
    (part,) = parts(out)
    whole = part.read_bytes()
    missed = []
    for at in range(0, len(whole), max(1, len(whole) // 200)):
        data = bytearray(whole)
        data[at] ^= 0x10
        part.write_bytes(data)
        if not any(str(part) in fault for fault in toolkit.verify(out).faults):
            missed.append(at)
    part.write_bytes(whole)

    # Pages have a checksum; what they and the footer say of themselves has none.
    assert len(missed) < 100


@pytest.mark.parametrize("size", [0, 3, 100, -1, -9])
def test_a_truncated_part_is_reported(out: Path, size: int) -> None:
    part = parts(out)[1]
    part.write_bytes(part.read_bytes()[:size])

    faults = toolkit.verify(out).faults

    assert any(
        fault.startswith(f"{part}: damaged: it cannot be read") for fault in faults
    )


def test_a_missing_part_is_reported_with_its_rows(out: Path) -> None:
    part = parts(out)[1]
    rows = pq.ParquetFile(part).metadata.num_rows
    whole = toolkit.ledger(out)["choices"].item()
    part.unlink()

    faults = toolkit.verify(out).faults

    expected = f"choices: {whole - rows:,} in the parts, {whole:,} in the ledger"
    assert any(fault.endswith(expected) for fault in faults)


def test_missing_rejects_are_reported(out: Path) -> None:
    for part in (out / "rejects").iterdir():
        part.unlink()

    assert any(
        "rejected: 0 in the parts" in fault for fault in toolkit.verify(out).faults
    )


def test_a_copied_part_is_reported(out: Path) -> None:
    part = parts(out)[0]
    shutil.copyfile(part, part.with_name("1-99.parquet"))

    faults = toolkit.verify(out).faults

    assert any("duplicate" in fault for fault in faults)
    assert any("choices:" in fault for fault in faults)


def test_rows_under_a_wrong_date_are_reported(out: Path) -> None:
    part = parts(out)[-1]
    other = out / "choices" / "date=2031-01-01"
    other.mkdir()
    part.rename(other / part.name)

    (fault,) = toolkit.verify(out).faults

    assert "contains rows of 2026-" in fault


@pytest.mark.parametrize("name", ["lines", "total_tokens", "responses", "errors"])
def test_a_ledger_that_does_not_match_the_rows_is_reported(
    out: Path, name: str
) -> None:
    change_row(out, **{name: 1})

    assert toolkit.verify(out).faults != []


def test_totals_that_are_not_the_sums_are_reported(out: Path) -> None:
    path = out / "state.json"
    state = json.loads(path.read_text(encoding="utf-8"))
    state["totals"]["choices"] += 1
    path.write_text(json.dumps(state), encoding="utf-8")

    (fault,) = toolkit.verify(out).faults

    assert "totals" in fault


@pytest.mark.parametrize("name", ["x.parquet", "date=2026-10-01/9-0.parquet"])
def test_a_file_that_is_not_a_part_is_reported(out: Path, name: str) -> None:
    path = out / "choices" / name
    path.parent.mkdir(exist_ok=True)
    path.touch()

    (fault,) = toolkit.verify(out).faults

    assert fault == f"{path}: was not committed"


def test_an_interrupted_run_is_reported(out: Path) -> None:
    (out / ".staging").mkdir()

    (fault,) = toolkit.verify(out).faults

    assert "left by an interrupted run" in fault


def test_verifying_what_is_not_an_export_raises(out: Path) -> None:
    with pytest.raises(NotAnExportError):
        toolkit.verify(out / "choices")
    (out / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(DamagedExportError):
        toolkit.verify(out)


def test_the_command_prints_a_line_for_each_fault_and_exits_1(out: Path) -> None:
    sound = run_command("verify", str(out))
    for part in parts(out)[:2]:
        part.write_bytes(b"PAR1 nothing PAR1")
    damaged = run_command("verify", str(out))

    assert (sound.returncode, sound.stdout) == (0, "")
    assert "0 faults" in sound.stderr
    assert damaged.returncode == 1
    named = [line for line in damaged.stdout.splitlines() if "cannot be read" in line]
    assert len(named) == 2


def test_an_export_with_tags_has_no_faults(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text(json.dumps({**make_response(), "team": "x"}), encoding="utf-8")
    toolkit.export(log, to=tmp_path / "out", tags={"team": "team"})

    assert toolkit.verify(tmp_path / "out").faults == []
