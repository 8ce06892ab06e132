"""The results in a folder or a log as rows, and as a data frame."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from qcutsim.errors import InputError
from qcutsim.extras import require
from qcutsim.files import exists
from qcutsim.logreader import QueryLog, SkipReport, read_queries
from qcutsim.measure import LOG_NAME
from qcutsim.records import QueryRecord, RunRecord, TaskRecord
from qcutsim.rows import Row, cell_row, flat
from qcutsim.study import read_study
from qcutsim.studyfiles import SIMULATED_NAME, STATISTICS_NAME

if TYPE_CHECKING:
    from pandas import DataFrame

RowKind = Literal["cells", "queries", "tasks"]
Origin = Literal["measured", "simulated"]


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
    if kind is None and is_study and exists(path / LOG_NAME):
        log_of(path)  # says that there are both
    if kind == "cells" or (kind is None and is_study):
        if not is_study:
            raise InputError(
                f"{path}: holds no simulated study, whose cells these would be; take 'queries'"
            )
        return map(cell_row, read_study(path).cells)
    logs = read_queries(log_of(path), skipped)
    return _task_rows(logs) if kind == "tasks" else (_row(log.run, log.query) for log in logs)


def _task_rows(logs: Iterable[QueryLog]) -> Iterator[Row]:
    """Of queries that were completed; numbers of queries begin anew in each run."""
    for log in logs:
        for task in log.tasks:
            yield _row(log.run, task) | {"is_cold": log.query.is_cold}


def _row(run: RunRecord, record: QueryRecord | TaskRecord) -> Row:
    return {"run": run.run, **flat(msgspec.structs.asdict(record))}


def log_of(source: str | os.PathLike[str], origin: Origin | None = None) -> Path:
    """The log in a folder, or the one that is named.

    Args:
        source: a folder, or a log.
        origin: which, where the folder holds both a measured and a simulated one.

    Raises:
        InputError: the folder holds none, or it is not told which.
    """
    path = Path(source)
    if not path.is_dir():
        return path
    names = {"measured": LOG_NAME, "simulated": SIMULATED_NAME}
    found = [kind for kind, name in names.items() if exists(path / name)]
    if origin is not None and origin in found:
        found = [origin]
    if len(found) > 1:
        raise InputError(
            f"{path}: holds both {LOG_NAME} and {SIMULATED_NAME}; name the one that is meant"
        )
    if found:
        return path / names[found[0]]
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
