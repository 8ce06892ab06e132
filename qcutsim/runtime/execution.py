"""What a driver makes of a query: the life of each copy of its tasks, its stages, its value."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from qcutsim.dispatch import NodeTimes
from qcutsim.records import Outcome
from qcutsim.runtime.querywork import QueryWork

V = TypeVar("V")


@dataclass(slots=True)
class TaskRun:
    """What happened to one copy of a task; times as :class:`qcutsim.records.TaskRecord`."""

    query: int
    task: int
    attempt: int
    worker: int
    outcome: Outcome
    ready_s: float
    dispatched_s: float
    injected_delay_s: float
    payload_bytes: int
    started_s: float = 0.0
    ended_s: float = 0.0
    collected_s: float = 0.0
    cpu_s: float | None = None
    result_bytes: int = 0

    def close(self, now_s: float) -> None:
        """It ends now without a result; when it began is not known."""
        self.started_s = self.dispatched_s
        self.collected_s = self.ended_s = now_s


@dataclass(frozen=True, slots=True)
class Execution(Generic[V]):
    """The execute and reconstruct stages of one query, as the driver saw them.

    ``execute_s`` ends with the last task, ``reconstruct_s`` follows it: what was merged before
    is part of the former.
    """

    value: V
    runs: Sequence[TaskRun]
    execute_s: float
    reconstruct_s: float
    coordinator_cpu_s: float
    process_cpu_s: float


@dataclass(slots=True)
class RunningQuery:
    """A query in a driver; ``done`` gets its value or error when the dispatcher says so."""

    work: QueryWork[Any]
    done: asyncio.Future[object]
    times: NodeTimes
    results: list[Any]
    cpu_start_s: tuple[float, float]
    runs: list[TaskRun] = field(default_factory=list)
    reconstructed_s: float = 0.0
    cpu_s: tuple[float, float] = (0.0, 0.0)
    value: object = None
    error: Exception | None = None

    @classmethod
    def of(cls, work: QueryWork[Any]) -> RunningQuery:
        """A query of which nothing is done."""
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        times = NodeTimes(len(work.tasks), work.shown_merges)
        results = [b""] * (times.tasks + len(times.merges))
        return cls(work, done, times, results, cpu_clocks())

    def node_done(self, node: int, result: Any, now_s: float) -> None:
        """The first result of a task or merge counts."""
        if self.times.node_done(node, now_s):
            self.results[node] = result

    def payload(self, node: int) -> tuple[bytes, bytes]:
        """(payload, context) of a task or a merge that a worker does.

        Raises the error of a merge that failed before, or what the encoding raises.
        """
        if self.error is not None:
            raise self.error
        if node < self.times.tasks:
            task = self.work.tasks[node]
            return task.encode(), task.context
        return self.work.merges[node - self.times.tasks].encode(self.results), b""

    def stop_cpu_clocks(self) -> None:
        """The barrier has opened."""
        thread_s, process_s = cpu_clocks()
        self.cpu_s = (thread_s - self.cpu_start_s[0], process_s - self.cpu_start_s[1])

    def fail(self, now_s: float) -> None:
        """It ends now, without a value."""
        if self.times.executed_s == 0:
            self.times.executed_s = now_s
        self.reconstructed_s = now_s

    def execution(self) -> Execution[Any]:
        """What became of it, once ``done``."""
        executed_s = self.times.executed_s
        return Execution(
            self.value,
            self.runs,
            executed_s - self.times.submitted_s,
            self.reconstructed_s - executed_s,
            *self.cpu_s,
        )


def cpu_clocks() -> tuple[float, float]:
    """CPU seconds of this thread and of the process."""
    return time.thread_time(), time.process_time()
