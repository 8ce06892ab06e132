"""Results as flat rows, and the files that hold such tables: CSV, Parquet, JSONL."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from qcutsim.analysis import Interval
from qcutsim.errors import InputError
from qcutsim.extras import require
from qcutsim.files import writing_whole
from qcutsim.simulatedcell import CellStatistics

Row = dict[str, Any]
"""Text, numbers and ``None`` by the name of their column."""

_SHARES = {"stage_shares": "share", "critical_path": "path"}
"""What is by name, and how its columns begin."""


def cell_row(statistics: CellStatistics) -> Row:
    """A simulated cell as a row: its configuration, then its statistics."""
    others = msgspec.structs.asdict(statistics)
    configuration = others.pop("configuration")
    del others["discrepancies"]
    return flat({**configuration, **others})


def flat(fields: dict[str, Any]) -> Row:
    """Intervals become three columns, named shares a column each, other nesting JSON."""
    row: Row = {}
    for name, value in fields.items():
        if isinstance(value, Interval):
            row |= {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}
        elif name in _SHARES:
            row |= flat({f"{_SHARES[name]}_{part}": share for part, share in value.items()})
        elif value is None or isinstance(value, (str, bool, int, float)):
            row[name] = value
        else:
            row[name] = msgspec.json.encode(value).decode()
    return row


def export_rows(rows: Iterable[Row], path: Path) -> int:
    """Write rows as CSV, Parquet or JSONL, as the name ends; whole or not at all.

    Returns:
        How many.

    Raises:
        InputError: the name ends otherwise, there are no rows, or it cannot be written.
        MissingExtraError: Parquet needs pyarrow.
    """
    writers = {".csv": _write_csv, ".parquet": _write_parquet, ".jsonl": _write_jsonl}
    write = writers.get(path.suffix)
    if write is None:
        raise InputError(f"{path}: name it .csv, .parquet or .jsonl: that says what is written")
    if path.suffix == ".parquet":
        require("pyarrow")
    found = list(rows)
    if not found:
        raise InputError(f"{path}: there are no rows to write: none of that kind is there yet")
    columns = list(dict.fromkeys(name for row in found for name in row))
    try:
        with writing_whole(path) as part:
            write(part, columns, found)
    except (OverflowError, ValueError) as error:  # as pyarrow says it
        raise InputError(f"{path}: cannot be written as {path.suffix} ({error})") from error
    return len(found)


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_jsonl(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    path.write_bytes(msgspec.json.Encoder().encode_lines(list(rows)))


def _write_parquet(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: [row.get(name) for row in rows] for name in columns})
    pq.write_table(table, path, compression="zstd")
