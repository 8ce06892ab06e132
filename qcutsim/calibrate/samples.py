"""What a calibration keeps of a log: queries as arrays, as many as memory allows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from qcutsim.logreader import QueryLog
from qcutsim.records import MERGE_PARTITION, QueryRecord, RunRecord, TaskRecord

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]

MOST_TASKS = 500_000
"""So many task records are kept at most; of a longer log every second query, fourth, ..."""

Features = tuple[int, int, int, int]
"""(mid-circuit measurements, width, depth, subexperiments) of a class of tasks."""


@dataclass(frozen=True, slots=True)
class QuerySample:
    """One successful query. Arrays have one entry a successful task; times are in seconds.

    ``cpu_s`` is NaN where it is not known. ``is_whole``: every copy that was started is among
    them, so that what happened between two tasks is known.
    """

    query: QueryRecord
    run: int
    features: IntArray
    worker: IntArray
    dispatched_s: FloatArray
    started_s: FloatArray
    ended_s: FloatArray
    collected_s: FloatArray
    cpu_s: FloatArray
    delay_s: FloatArray
    payload_bytes: FloatArray
    result_bytes: FloatArray
    is_whole: bool

    @property
    def tasks(self) -> int:
        """Number of task records."""
        return len(self.started_s)

    @property
    def service_s(self) -> FloatArray:
        """Wall time of each task without its injected delay."""
        return self.ended_s - self.started_s - self.delay_s

    @property
    def configuration(self) -> tuple[str, str, int, str]:
        """What queries have in common that are resampled among each other."""
        query = self.query
        return (query.partition_labels, query.pool, query.workers, query.cell)

    @classmethod
    def of(cls, log: QueryLog, run: int) -> QuerySample:
        """The arrays of one query; merges and copies without a result are left out."""
        own = [task for task in log.tasks if task.partition != MERGE_PARTITION]
        tasks = [task for task in own if task.outcome == "ok"]
        return cls(
            query=log.query,
            run=run,
            features=np.array([_features(task) for task in tasks], np.int64).reshape(-1, 4),
            worker=np.array([task.worker for task in tasks], np.int64),
            dispatched_s=_column(tasks, "dispatched_s"),
            started_s=_column(tasks, "started_s"),
            ended_s=_column(tasks, "ended_s"),
            collected_s=_column(tasks, "collected_s"),
            cpu_s=np.array([np.nan if t.cpu_s is None else t.cpu_s for t in tasks]),
            delay_s=_column(tasks, "injected_delay_s"),
            payload_bytes=_column(tasks, "payload_bytes"),
            result_bytes=_column(tasks, "result_bytes"),
            is_whole=len(tasks) == len(log.tasks) == log.query.executed,
        )


def _features(task: TaskRecord) -> Features:
    return (task.mid_circuit_measurements, task.width, task.depth, task.subexperiments)


def _column(tasks: Sequence[TaskRecord], name: str) -> FloatArray:
    return np.array([getattr(task, name) for task in tasks], np.float64)


@dataclass(slots=True)
class Samples:
    """Queries of logs, thinned where they are too many; equal logs give equal samples.

    Where ``most_tasks`` is exceeded the configuration that holds most of them gives up every
    second of its queries, and keeps to that stride from then on.
    """

    most_tasks: int = MOST_TASKS
    runs: list[RunRecord] = field(default_factory=list)
    queries: int = 0
    warm: dict[tuple[str, ...], list[QuerySample]] = field(
        default_factory=lambda: defaultdict(list)
    )
    cold: list[QuerySample] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict)
    _seen: dict[tuple[str, ...], int] = field(default_factory=lambda: defaultdict(int))
    _stride: dict[tuple[str, ...], int] = field(default_factory=lambda: defaultdict(lambda: 1))
    _size: dict[tuple[str, ...], int] = field(default_factory=lambda: defaultdict(int))
    _kept: int = 0

    def add(self, log: QueryLog) -> None:
        """Take in one successful query."""
        number = self._numbers.setdefault(id(log.run), len(self.runs))
        if number == len(self.runs):
            self.runs.append(log.run)
        if log.query.is_cold:
            if len(self.cold) < 1000:
                self.cold.append(QuerySample.of(log, number))
            return
        self.queries += 1
        query = log.query
        key = (query.partition_labels, query.pool, str(query.workers), query.cell)
        place, self._seen[key] = self._seen[key], self._seen[key] + 1
        if place % self._stride[key]:
            return
        sample = QuerySample.of(log, number)
        self.warm[key].append(sample)
        self._size[key] += sample.tasks + 1
        self._kept += sample.tasks + 1
        while self._kept > self.most_tasks and self._thin():
            pass

    def _thin(self) -> bool:
        """Whether anything could be given up."""
        key = max(self._size, key=lambda one: (self._size[one], one))
        if len(self.warm[key]) < 2:
            return False
        self.warm[key] = self.warm[key][::2]
        self._stride[key] *= 2
        size = sum(sample.tasks + 1 for sample in self.warm[key])
        self._kept += size - self._size[key]
        self._size[key] = size
        return True

    @property
    def all_warm(self) -> list[QuerySample]:
        """Warm queries, by configuration."""
        return [sample for key in sorted(self.warm) for sample in self.warm[key]]


def thinned_note(samples: Samples) -> str | None:
    """Says so where not all queries of the logs were used."""
    used = sum(map(len, samples.warm.values()))
    if used == samples.queries:
        return None
    return f"{used} of {samples.queries} queries were used, to keep memory bounded"


def classes_of(samples: Iterable[QuerySample]) -> list[Features]:
    """The classes of tasks in these queries, sorted."""
    found: set[Features] = set()
    for sample in samples:
        found.update((a, b, c, d) for a, b, c, d in sample.features.tolist())
    return sorted(found)


def manifests_of(runs: Sequence[RunRecord]) -> tuple[Any, ...]:
    """The different manifests of runs, in order."""
    return tuple({msgspec.json.encode(run.manifest): run.manifest for run in runs}.values())
