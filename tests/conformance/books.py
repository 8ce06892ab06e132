"""Books kept beside a dispatcher, of events and actions alone; they object to what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from qcutsim.dispatch import (
    Abandon,
    Action,
    BeginMerge,
    BeginReconstruction,
    Cancel,
    CompleteQuery,
    Event,
    FailQuery,
    Merge,
    MergeFinished,
    QuerySubmitted,
    ReconstructionFinished,
    SetTimer,
    Start,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TimerFired,
    WorkerJoined,
    WorkerLost,
)


@dataclass
class QueryBook:
    """One query: ``open`` holds the tasks and merges that are not done."""

    tasks: int
    merges: tuple[Merge, ...]
    open: set[int]
    started: Counter[int] = field(default_factory=Counter)
    failures: Counter[int] = field(default_factory=Counter)
    begun: set[int] = field(default_factory=set)
    is_reconstructing: bool = False
    is_reconstructed: bool = False
    outcome: str | None = None

    def is_ready(self, node: int) -> bool:
        """Whether it is open and needs nothing that is open too."""
        if node < self.tasks:
            return node in self.open
        needs = self.merges[node - self.tasks].needs
        return node in self.open and self.open.isdisjoint(
            needed for start, stop in needs for needed in range(start, stop)
        )

    def runs_on_workers(self, node: int) -> bool:
        return node < self.tasks or self.merges[node - self.tasks].on_worker

    def ready(self, *, on_workers: bool) -> Iterator[int]:
        return (n for n in self.open if self.is_ready(n) and self.runs_on_workers(n) == on_workers)


class Books:
    """What is going on, as whoever sees every event and action knows it."""

    def __init__(
        self,
        *,
        most_copies: int,
        max_attempts: int,
        timeout_s: float | None,
        is_work_conserving: bool,
    ) -> None:
        self.most_copies = most_copies
        self.max_attempts = max_attempts
        self.timeout_s = timeout_s
        self.is_work_conserving = is_work_conserving
        self.now_s = 0.0
        self.idle: set[int] = set()
        self.running: dict[int, Start] = {}
        self.started_s: dict[int, float] = {}
        self.cancelled: set[int] = set()
        self.abandoned: set[int] = set()
        self.timers: set[float] = set()
        self.queries: dict[int, QueryBook] = {}
        self.last_error = ""

    def live(self) -> dict[int, QueryBook]:
        return {number: q for number, q in self.queries.items() if q.outcome is None}

    def begun_merges(self) -> list[tuple[int, int]]:
        """Merges under way on the coordinator, whether or not their query has ended."""
        return [(number, n) for number, q in self.queries.items() for n in sorted(q.begun & q.open)]

    def record(self, event: Event, actions: Sequence[Action]) -> None:
        self._take_in(event)
        failing = {action.query for action in actions if isinstance(action, FailQuery)}
        for action in actions:
            self._book(action, failing)
        self._miss_nothing(event)

    def _take_in(self, event: Event) -> None:
        self.now_s = event.at_s
        match event:
            case WorkerJoined(worker=worker):
                self.idle.add(worker)
            case WorkerLost(worker=worker):
                if worker in self.running:
                    is_late = worker in self.abandoned
                    why = f"timeout of {self.timeout_s} s" if is_late else f"worker {worker} died"
                    self._failed(self._ended(worker), why)
                self.idle.remove(worker)
            case QuerySubmitted(query=query, tasks=tasks, merges=merges):
                self.queries[query] = QueryBook(tasks, merges, set(range(tasks + len(merges))))
            case TaskFinished(worker=worker):
                copy = self._ended(worker)
                self.queries[copy.query].open.discard(copy.task)
            case TaskFailed(worker=worker, error=error):
                self._failed(self._ended(worker), error)
            case TaskCancelled(worker=worker):
                self._failed(self._ended(worker), "cancelled")
            case MergeFinished(query=query, task=node):
                self.queries[query].open.remove(node)
            case ReconstructionFinished(query=query):
                self.queries[query].is_reconstructed = True
            case TimerFired(due_s=due_s):
                self.timers.remove(due_s)

    def _ended(self, worker: int) -> Start:
        self.cancelled.discard(worker)
        self.abandoned.discard(worker)
        self.idle.add(worker)
        return self.running.pop(worker)

    def _failed(self, copy: Start, error: str) -> None:
        query = self.queries[copy.query]
        if copy.task in query.open:
            query.failures[copy.task] += 1
            self.last_error = error

    def _book(self, action: Action, failing: set[int]) -> None:
        match action:
            case Start():
                self._start(action)
            case Cancel(number, node, attempt, worker):
                assert self.running[worker] == Start(number, node, attempt, worker)
                assert number in failing or node not in self.queries[number].open
                self.cancelled.add(worker)
            case Abandon(number, node, attempt, worker):
                assert self.running[worker] == Start(number, node, attempt, worker)
                assert worker not in self.abandoned, "a copy is abandoned once"
                assert self.now_s >= self._deadline_s(worker)
                self.abandoned.add(worker)
            case BeginMerge(number, node):
                query = self.queries[number]
                assert query.outcome is None
                assert node in query.ready(on_workers=False)
                assert node not in query.begun, "a merge begins once"
                query.begun.add(node)
            case BeginReconstruction(number):
                query = self.queries[number]
                assert query.outcome is None
                assert not query.open, "the barrier opened before all was done"
                assert not query.is_reconstructing, "the barrier opened twice"
                query.is_reconstructing = True
            case CompleteQuery(number):
                query = self.queries[number]
                assert query.is_reconstructed
                assert query.outcome is None, "a query ends once"
                query.outcome = "completed"
            case FailQuery(number, error):
                query = self.queries[number]
                [node] = [n for n in query.open if query.failures[n] == self.max_attempts]
                assert f"task {node} failed {self.max_attempts} times" in error
                assert self.last_error in error
                assert query.outcome is None, "a query ends once"
                query.outcome = "failed"
            case SetTimer(due_s):
                assert due_s > self.now_s
                self.timers.add(due_s)

    def _start(self, copy: Start) -> None:
        query = self.queries[copy.query]
        assert query.outcome is None
        assert copy.task in query.ready(on_workers=True)
        assert copy.attempt == query.started[copy.task]
        assert self._copies(copy.query, copy.task) < self.most_copies
        query.started[copy.task] += 1
        self.idle.remove(copy.worker)
        self.running[copy.worker] = copy
        self.started_s[copy.worker] = self.now_s

    def _copies(self, query: int, node: int) -> int:
        return sum((copy.query, copy.task) == (query, node) for copy in self.running.values())

    def _deadline_s(self, worker: int) -> float:
        assert self.timeout_s is not None
        return self.started_s[worker] + self.timeout_s

    def _miss_nothing(self, event: Event) -> None:
        """Whatever had to be done about the event was among the actions."""
        for number, query in self.live().items():
            assert query.is_reconstructing == (not query.open)
            assert not query.is_reconstructed
            assert max(query.failures.values(), default=0) < self.max_attempts
            assert query.begun.issuperset(query.ready(on_workers=False))
            if self.is_work_conserving and self.idle:
                waiting = query.ready(on_workers=True)
                assert all(self._copies(number, node) for node in waiting)
        for worker, copy in self.running.items():
            query = self.queries[copy.query]
            is_needed = query.outcome is None and copy.task in query.open
            assert is_needed == (worker not in self.cancelled)
        if self.timeout_s is not None:
            in_time = self.running.keys() - self.abandoned
            deadlines_s = [self._deadline_s(worker) for worker in in_time]
            if isinstance(event, TimerFired):
                assert all(self.now_s < deadline_s for deadline_s in deadlines_s)
            if deadlines_s:
                assert min(self.timers) <= min(deadlines_s), "nothing will tell of a timeout"
