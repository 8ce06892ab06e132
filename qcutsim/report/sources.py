"""What a report is made of: logs and statistics of the folders it is given."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from qcutsim.analysis import Configuration
from qcutsim.errors import InputError
from qcutsim.files import exists
from qcutsim.logreader import SkipReport, read_records
from qcutsim.measure import LOG_NAME
from qcutsim.records import QueryRecord, Record, RunRecord, TaskRecord
from qcutsim.simulatedcell import CellStatistics
from qcutsim.study import read_study
from qcutsim.studyfiles import SIMULATED_NAME, STATISTICS_NAME

MOST_TIMELINES = 24
MOST_TIMELINE_TASKS = 8_000
"""Of all timelines together; they are most of what a page weighs."""

T = TypeVar("T")

QueryId = tuple[Path, int, int]
"""(log, number of the run within it, number of the query)."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """One query with its tasks."""

    origin: str
    query: QueryRecord
    tasks: Sequence[TaskRecord]


@dataclass(slots=True)
class Sources:
    """All that a report tells of.

    ``measured`` and ``simulated`` are the queries, ``statistics`` what ``qcutsim simulate`` found
    of a configuration. ``timelines`` hold one query a configuration, the one of median makespan,
    of ``timed`` configurations that have task records. ``mixed`` cells were simulated under more
    than one seed or profile. ``notes`` name what could not be used.
    """

    logs: list[Path] = field(default_factory=list)
    runs: list[RunRecord] = field(default_factory=list)
    measured: list[QueryRecord] = field(default_factory=list)
    simulated: list[QueryRecord] = field(default_factory=list)
    statistics: dict[Configuration, CellStatistics] = field(default_factory=dict)
    extrapolations: set[str] = field(default_factory=set)
    substitutes: set[str] = field(default_factory=set)
    timelines: list[Timeline] = field(default_factory=list)
    timed: int = 0
    mixed: int = 0
    notes: list[str] = field(default_factory=list)


def read_sources(
    paths: Iterable[str | os.PathLike[str]], skipped: SkipReport | None = None
) -> Sources:
    """Read folders of ``qcutsim run`` and ``qcutsim simulate``, or logs.

    Args:
        paths: folders and logs; one that is named twice counts once.
        skipped: collects the lines that could not be read.

    Raises:
        InputError: a folder holds no log.
        LogError: a log cannot be read.
    """
    logs = {log.resolve(): log for path in paths for log in _logs(Path(path))}
    sources = Sources(logs=list(logs.values()))
    tasks: dict[QueryId, int] = {}
    queries: dict[QueryId, tuple[str, QueryRecord]] = {}
    cells: dict[str, set[tuple[int, str | None]]] = {}
    for log in sources.logs:
        _read_log(log, sources, tasks, queries, cells, skipped)
        if log.name == SIMULATED_NAME:
            _read_statistics(log.with_name(STATISTICS_NAME), sources)
    sources.mixed = sum(len(simulated_by) > 1 for simulated_by in cells.values())
    sources.timelines = _timelines(sources, tasks, queries)
    return sources


def _logs(path: Path) -> Iterator[Path]:
    if not exists(path) or not path.is_dir():
        yield path
        return
    names = (LOG_NAME, f"{LOG_NAME}.gz", SIMULATED_NAME, f"{SIMULATED_NAME}.gz")
    found = [path / name for name in names if exists(path / name)]
    if not found:
        raise InputError(
            f"{path}: holds neither {LOG_NAME} (of 'qcutsim run') nor {SIMULATED_NAME} (of "
            "'qcutsim simulate'); name a folder that does, or a log itself"
        )
    yield from found


def _read_log(
    log: Path,
    sources: Sources,
    tasks: dict[QueryId, int],
    queries: dict[QueryId, tuple[str, QueryRecord]],
    cells: dict[str, set[tuple[int, str | None]]],
    skipped: SkipReport | None,
) -> None:
    origin = "measured"
    simulated_by: tuple[int, str | None] = (0, None)
    for run, record in _by_run(read_records(log, skipped)):
        if isinstance(record, RunRecord):
            sources.runs.append(record)
            origin, simulated_by = record.origin, (record.seed, record.profile_key)
        elif isinstance(record, TaskRecord):
            number = (log, run, record.query)
            tasks[number] = tasks.get(number, 0) + 1
        elif isinstance(record, QueryRecord):
            (sources.measured if origin == "measured" else sources.simulated).append(record)
            queries[log, run, record.query] = (origin, record)
            if origin == "simulated":
                cells.setdefault(record.cell, set()).add(simulated_by)


def _by_run(records: Iterable[Record]) -> Iterator[tuple[int, Record]]:
    runs = 0
    for record in records:
        runs += isinstance(record, RunRecord)
        yield runs, record


def _read_statistics(path: Path, sources: Sources) -> None:
    if not exists(path):
        sources.notes.append(
            f"{path}: is missing, so that intervals of what was simulated come from its log alone"
        )
        return
    try:
        study = read_study(path.parent)
        found = {Configuration(**cell.configuration): cell for cell in study.cells}
    except (InputError, TypeError) as error:
        sources.notes.append(f"{path}: left out, it cannot be read ({error})")
        return
    if study.missing:
        sources.notes.append(f"{path}: {study.missing:,} cells are not simulated yet")
    sources.statistics |= found
    sources.extrapolations.update(study.extrapolations)
    sources.substitutes.update(study.substitutes)


def _timelines(
    sources: Sources, tasks: dict[QueryId, int], queries: dict[QueryId, tuple[str, QueryRecord]]
) -> list[Timeline]:
    """The median query of each configuration, evenly chosen where there are too many.

    The largest without stragglers of each pipeline is always among them: the answer is about it.
    """
    groups: dict[tuple[Configuration, str], list[QueryId]] = {}
    for number, (origin, query) in queries.items():
        if number in tasks and query.outcome == "ok" and not query.is_cold and query.total_s > 0:
            groups.setdefault((Configuration.of(query), origin), []).append(number)
    sources.timed = len(groups)
    kept: dict[QueryId, list[TaskRecord]] = {}
    count = 0
    largest = {
        (key.dataset, key.pipeline, origin): (key, origin)
        for key, origin in sorted(
            groups, key=lambda group: (not group[0].stragglers, group[0].cuts, group[0].workers)
        )
    }
    first = [*largest.values(), *evenly(sorted(groups), MOST_TIMELINES)]
    for key in list(dict.fromkeys(first))[:MOST_TIMELINES]:
        own = sorted(groups[key], key=lambda number: queries[number][1].total_s)
        number = own[(len(own) - 1) // 2]
        if count + tasks[number] <= MOST_TIMELINE_TASKS:
            count += tasks[number]
            kept[number] = []
    for log in dict.fromkeys(log for log, *_ in kept):
        for run, record in _by_run(read_records(log)):
            if isinstance(record, TaskRecord) and (log, run, record.query) in kept:
                kept[log, run, record.query].append(record)
    return [Timeline(*queries[number], tasks=own) for number, own in kept.items()]


def evenly(values: Sequence[T], most: int) -> list[T]:
    """At most so many of the values, evenly through them, the first and last among them."""
    if len(values) <= most:
        return list(values)
    step = (len(values) - 1) / max(most - 1, 1)
    return [values[round(number * step)] for number in range(most)]
