"""What a run or a study is at: pure counts, folded from what happens, for views to show."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from qcutsim.analysis import STAGES
from qcutsim.cell import Cell
from qcutsim.dispatch import (
    Action,
    BeginReconstruction,
    CompleteQuery,
    Event,
    FailQuery,
    MergeFinished,
    QuerySubmitted,
    Start,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskKind,
    WorkerJoined,
    WorkerLost,
)
from qcutsim.records import QueryRecord
from qcutsim.scenario import Scenario
from qcutsim.workload import load_shape

if TYPE_CHECKING:
    from qcutsim.simulatedcell import CellStatistics

_MERGE = TaskKind(partition="merge")
_UNKNOWN = TaskKind()


class RunObserver(Protocol):
    """Hears what a real run does, in the run's own thread; must be quick, as the run waits."""

    def block_began(self, cell: Cell, *, is_cold: bool) -> None:
        """Queries of a cell begin under a fresh dispatcher; ``is_cold``: they only warm up."""

    def query_began(self, query: int) -> None:
        """A query is partitioned and its subexperiments are generated."""

    def handled(self, event: Event, actions: Sequence[Action]) -> None:
        """The dispatcher took in an event and decided."""

    def query_ended(self, record: QueryRecord) -> None:
        """A query has ended, as its record says."""


class RunningCopy(NamedTuple):
    """What a worker runs."""

    query: int
    task: int
    attempt: int
    kind: TaskKind


@dataclass(slots=True)
class LiveQuery:
    """How far a submitted query is. A node is a task or a merge, numbered together, tasks first.

    Attributes:
        submitted: the event that brought it.
        is_done: 1 for each node that is done.
        copies: node -> how many copies of it run.
        waiting: tasks of which no copy runs or has finished.
        is_reconstructing: whether the barrier has opened.
    """

    submitted: QuerySubmitted
    is_done: bytearray
    copies: Counter[int]
    waiting: int
    is_reconstructing: bool = False

    def kind(self, node: int) -> TaskKind:
        """The class of a task."""
        event = self.submitted
        if node >= event.tasks:
            return _MERGE
        return event.kinds[event.kind_of[node]] if event.kinds else _UNKNOWN

    def start(self, node: int) -> None:
        """A copy of it begins."""
        if self._is_waiting(node):
            self.waiting -= 1
        self.copies[node] += 1

    def end(self, node: int, *, is_finished: bool) -> None:
        """A copy of it has ended."""
        self.copies[node] -= 1
        if is_finished:
            self.is_done[node] = 1
        elif self._is_waiting(node):
            self.waiting += 1

    def _is_waiting(self, node: int) -> bool:
        return node < self.submitted.tasks and not self.is_done[node] and self.copies[node] == 0


class LiveState:
    """A pool and its queries, folded from a dispatcher's events and actions.

    Always ``len(busy) + len(idle) + lost`` are the workers that ever joined, ``queued`` is 0 or
    more, and ``done`` at most ``nodes``.

    Attributes:
        idle: workers with nothing to do.
        busy: worker -> what it runs.
        lost: how many workers are gone.
        queries: those that were submitted and have not ended.
        completed: how many queries have a value.
        failed: how many were given up.
    """

    def __init__(self) -> None:
        self.idle: set[int] = set()
        self.busy: dict[int, RunningCopy] = {}
        self.lost = 0
        self.queries: dict[int, LiveQuery] = {}
        self.completed = 0
        self.failed = 0

    @property
    def workers(self) -> int:
        """How many are there now."""
        return len(self.busy) + len(self.idle)

    @property
    def queued(self) -> int:
        """Tasks of which no copy runs or has finished."""
        return sum(query.waiting for query in self.queries.values())

    @property
    def done(self) -> int:
        """Tasks and merges that are done, of the queries that have not ended."""
        return sum(query.is_done.count(1) for query in self.queries.values())

    @property
    def nodes(self) -> int:
        """Tasks and merges of the queries that have not ended: what their barriers wait for."""
        return sum(len(query.is_done) for query in self.queries.values())

    def handle(self, event: Event, actions: Sequence[Action]) -> None:
        """Take in an event and what the dispatcher decided on it."""
        match event:
            case TaskFinished(worker=worker):
                self._free(worker, is_finished=True)
            case TaskFailed(worker=worker) | TaskCancelled(worker=worker):
                self._free(worker)
            case QuerySubmitted(query=number, tasks=tasks, merges=merges):
                done = bytearray(tasks + len(merges))
                self.queries[number] = LiveQuery(event, done, Counter(), tasks)
            case MergeFinished(query=number, task=node):
                if number in self.queries:
                    self.queries[number].is_done[node] = 1
            case WorkerJoined(worker=worker):
                self.idle.add(worker)
            case WorkerLost(worker=worker):
                if worker in self.busy:
                    self._free(worker)
                self.idle.remove(worker)
                self.lost += 1
        for action in actions:
            self._note(action)

    def _note(self, action: Action) -> None:
        match action:
            case Start(number, node, attempt, worker):
                query = self.queries[number]
                query.start(node)
                self.idle.remove(worker)
                self.busy[worker] = RunningCopy(number, node, attempt, query.kind(node))
            case BeginReconstruction(number):
                self.queries[number].is_reconstructing = True
            case CompleteQuery(number):
                del self.queries[number]
                self.completed += 1
            case FailQuery(number):
                del self.queries[number]
                self.failed += 1

    def _free(self, worker: int, *, is_finished: bool = False) -> None:
        copy = self.busy.pop(worker)
        self.idle.add(worker)
        query = self.queries.get(copy.query)
        if query is not None:
            query.end(copy.task, is_finished=is_finished)


class Pace:
    """How much is done of how much, and how long the rest takes at the speed so far.

    Attributes:
        done: how much, with what was done before (a resumed run).
        total: all there is.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began_s = clock()
        self._started_s: float | None = None
        self._steps = 0
        self.done = 0
        self.total = 0

    def progress(self, done: int, total: int) -> None:
        """So much is done, now or before."""
        self.done, self.total = done, total

    def start(self) -> None:
        """What comes before the first call is not part of the speed."""
        if self._started_s is None:
            self._started_s = self._clock()

    def step(self) -> None:
        """One more was done now."""
        self._steps += 1

    @property
    def elapsed_s(self) -> float:
        """Seconds since this was made."""
        return self._clock() - self._began_s

    def per_s(self, steps: float | None = None) -> float | None:
        """Of the steps, or of what came with them, how many in a second; ``None``: not known."""
        if self._started_s is None or self._steps == 0:
            return None
        seconds = self._clock() - self._started_s
        return (self._steps if steps is None else steps) / seconds if seconds > 0 else None

    @property
    def left_s(self) -> float | None:
        """Seconds until all is done; ``None``: not known yet."""
        speed = self.per_s()
        return None if speed is None else (self.total - self.done) / speed


class LiveRun:
    """A real run, as :class:`RunObserver` hears it; whoever reads it elsewhere holds ``lock``.

    Attributes:
        pace: of its queries.
        pool: of the block under way.
        cell: of the block under way.
        is_cold: whether that block only warms up.
        preparing: queries that are partitioned or generated.
        stages_s: seconds of each stage, of all warm queries that have ended.
        last: the query that ended last.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.lock = threading.Lock()
        self.pace = Pace(clock)
        self.pool = LiveState()
        self.cell: Cell | None = None
        self.is_cold = False
        self.preparing: set[int] = set()
        self.stages_s = dict.fromkeys(STAGES, 0.0)
        self.last: QueryRecord | None = None

    def block_began(self, cell: Cell, *, is_cold: bool) -> None:
        """A fresh pool."""
        with self.lock:
            self.pool, self.cell, self.is_cold = LiveState(), cell, is_cold
            self.preparing.clear()
            if not is_cold:
                self.pace.start()

    def query_began(self, query: int) -> None:
        """It is prepared until it is submitted."""
        with self.lock:
            self.preparing.add(query)

    def handled(self, event: Event, actions: Sequence[Action]) -> None:
        """Fold it."""
        with self.lock:
            if isinstance(event, QuerySubmitted):
                self.preparing.discard(event.query)
            self.pool.handle(event, actions)

    def query_ended(self, record: QueryRecord) -> None:
        """Add up its stages."""
        with self.lock:
            self.preparing.discard(record.query)
            if record.is_cold:
                return
            self.pace.step()
            self.last = record
            for stage in STAGES:
                self.stages_s[stage] += getattr(record, f"{stage}_s")

    @property
    def stages(self) -> dict[str, int]:
        """How many queries are being prepared, executed and reconstructed."""
        reconstructing = sum(query.is_reconstructing for query in self.pool.queries.values())
        return {
            "prepared": len(self.preparing),
            "executed": len(self.pool.queries) - reconstructing,
            "reconstructed": reconstructing,
        }


class LiveStudy:
    """A simulated study, told cell by cell; whoever reads it elsewhere holds ``lock``.

    Attributes:
        pace: of its cells.
        engines: how many cells each engine has simulated.
        replications: of all cells.
        queries: of all replications.
        tasks: of all queries, each counted once.
        last: the cell that was done last.
    """

    def __init__(self, scenario: Scenario, clock: Callable[[], float]) -> None:
        self.lock = threading.Lock()
        self.pace = Pace(clock)
        self.pace.progress(0, len({cell.key for cell in scenario.cells}))
        self.pace.start()
        self.engines: Counter[str] = Counter()
        self.replications = 0
        self.queries = 0
        self.tasks = 0
        self.last: CellStatistics | None = None
        self._cells = {_work_of(cell): cell for cell in scenario.cells}
        self._tasks: dict[_Work, int] = {}

    def cell_ended(self, cell: CellStatistics) -> None:
        """Add it up."""
        with self.lock:
            self.pace.step()
            self.engines[cell.engine] += 1
            self.replications += cell.replications
            queries = cell.queries + cell.failed
            self.queries += queries
            self.tasks += queries * self._tasks_of(cell)
            self.last = cell

    def _tasks_of(self, ended: CellStatistics) -> int:
        work = tuple(ended.configuration[name] for name in _WORK)
        if work not in self._tasks:
            cell = self._cells[work]
            self._tasks[work] = load_shape(cell.workload, cell.pool.workers).tasks
        return self._tasks[work]


_Work = tuple[Any, ...]
_WORK = ("pipeline", "partition_labels", "observable", "chunk", "workers")
"""Fields of a configuration that the number of tasks depends on."""


def _work_of(cell: Cell) -> _Work:
    work = cell.workload
    chunk = work.chunk or 0
    return (work.pipeline, work.partition_labels, work.observable, chunk, cell.pool.workers)
