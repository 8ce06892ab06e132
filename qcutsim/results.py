"""The results in a folder or a log as rows, and as a data frame."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from qcutsim.errors import InputError
from qcutsim.extras import require
from qcutsim.files import exists
from qcutsim.logreader import SkipReport, read_records
from qcutsim.measure import LOG_NAME
from qcutsim.records import QueryRecord, TaskRecord
from qcutsim.rows import Row, cell_row, flat
from qcutsim.study import read_study
from qcutsim.studyfiles import SIMULATED_NAME, STATISTICS_NAME

if TYPE_CHECKING:
    from pandas import DataFrame

RowKind = Literal["cells", "queries", "tasks"]


def result_rows(
    source: str | os.PathLike[str], kind: RowKind | None = None, skipped: SkipReport | None = None
) -> Iterator[Row]:
    """The results in a folder or a log, one flat row each: text, numbers and ``None`` only.

    Args:
        source: a folder of ``qcutsim run`` or ``qcutsim simulate``, or a log.
        kind: of row; by default a simulated folder's cells, else queries.
        skipped: collects the lines of a log that could not be read.

    Raises:
        InputError: there is nothing of that kind.
    """
    path = Path(source)
    is_study = path.is_dir() and exists(path / STATISTICS_NAME)
    if kind == "cells" or (kind is None and is_study):
        if not is_study:
            raise InputError(
                f"{path}: holds no simulated study, whose cells these would be; take 'queries'"
            )
        return map(cell_row, read_study(path).cells)
    model = TaskRecord if kind == "tasks" else QueryRecord
    records = read_records(log_of(path), skipped)
    return (flat(msgspec.structs.asdict(found)) for found in records if type(found) is model)


def log_of(source: str | os.PathLike[str]) -> Path:
    """The log in a folder, or the one that is named.

    Raises:
        InputError: the folder holds none.
    """
    path = Path(source)
    if not path.is_dir():
        return path
    for name in (LOG_NAME, SIMULATED_NAME):
        if exists(path / name):
            return path / name
    raise InputError(
        f"{path}: holds neither {LOG_NAME} nor {SIMULATED_NAME}; name a folder that "
        "'qcutsim run' or 'qcutsim simulate' wrote, or a log"
    )


def read_results(source: str | os.PathLike[str], kind: RowKind | None = None) -> DataFrame:
    """The results in a folder or a log as a pandas data frame; needs the extra ``tables``.

    Args:
        source: a folder of ``qcutsim run`` or ``qcutsim simulate``, or a log.
        kind: ``"cells"``, ``"queries"`` or ``"tasks"``; by default a simulated folder's cells,
            else queries.

    Raises:
        InputError: there is nothing of that kind.
        MissingExtraError: pandas is not installed.
    """
    require("pandas")
    import pandas as pd

    return pd.DataFrame(list(result_rows(source, kind)))
