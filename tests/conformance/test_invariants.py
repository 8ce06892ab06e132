"""Whatever happens, no task is lost or doubled and each barrier opens once; broken rules show."""

from __future__ import annotations

import ast
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import qcutsim.dispatch
from qcutsim.dispatch import (
    MAX_ATTEMPTS,
    Action,
    BeginReconstruction,
    CompleteQuery,
    Copy,
    Dispatcher,
    Event,
    FailQuery,
    IdleWorkers,
    Policy,
    QuerySubmitted,
    ReconstructionFinished,
    Start,
    TaskFailed,
    TaskFinished,
    WorkerJoined,
    WorkerLost,
    check_invariants,
    make_policy,
)
from qcutsim.errors import PolicyError


class DispatcherMachine(RuleBasedStateMachine):
    """Feeds legal events in any order and keeps books of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.dispatcher = Dispatcher(make_policy("eager"))
        self.now_s = 0.0
        self.workers = 0
        self.idle: set[int] = set()
        self.running: dict[int, Start] = {}
        self.open_tasks: dict[int, set[int]] = {}
        self.reconstructing: set[int] = set()
        self.ended: dict[int, str] = {}
        self.failures: Counter[tuple[int, int]] = Counter()
        self.queries = 0

    def feed(self, event: Event) -> None:
        for action in self.dispatcher.handle(event):
            self.book(action)

    def book(self, action: Action) -> None:
        match action:
            case Start(query, task, attempt, worker):
                assert query not in self.ended
                assert task in self.open_tasks[query]
                assert attempt == self.failures[query, task]
                assert worker in self.idle
                self.idle.discard(worker)
                self.running[worker] = action
            case BeginReconstruction(query):
                assert not self.open_tasks[query], "the barrier opened before its tasks were done"
                assert query not in self.reconstructing, "the barrier opened twice"
                self.reconstructing.add(query)
            case CompleteQuery(query):
                assert query in self.reconstructing - self.ended.keys()
                self.ended[query] = "completed"
            case FailQuery(query, _):
                assert query not in self.reconstructing | self.ended.keys()
                assert MAX_ATTEMPTS in {self.failures[query, t] for t in self.open_tasks[query]}
                self.ended[query] = "failed"

    @rule(later_s=st.sampled_from([0.0, 0.5]))
    def time_passes(self, later_s: float) -> None:
        self.now_s += later_s

    @rule()
    def worker_joins(self) -> None:
        self.idle.add(self.workers)
        self.workers += 1
        self.feed(WorkerJoined(self.now_s, self.workers - 1))

    @rule(tasks=st.integers(0, 5))
    def query_arrives(self, tasks: int) -> None:
        self.open_tasks[self.queries] = set(range(tasks))
        self.queries += 1
        self.feed(QuerySubmitted(self.now_s, self.queries - 1, tasks))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def task_finishes(self, data: st.DataObject) -> None:
        self.finish(data.draw(st.sampled_from(sorted(self.running))))

    def finish(self, worker: int) -> None:
        done = self.running.pop(worker)
        self.idle.add(worker)
        self.open_tasks[done.query].discard(done.task)
        self.feed(TaskFinished(self.now_s, done.query, done.task, done.attempt, worker))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def task_fails(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.running)))
        done = self.running.pop(worker)
        self.idle.add(worker)
        self.failures[done.query, done.task] += 1
        self.feed(TaskFailed(self.now_s, done.query, done.task, done.attempt, worker, "broken"))

    @precondition(lambda self: self.running or self.idle)
    @rule(data=st.data())
    def worker_is_lost(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.running.keys() | self.idle)))
        if worker in self.running:
            lost = self.running.pop(worker)
            self.failures[lost.query, lost.task] += 1
        self.idle.discard(worker)
        self.feed(WorkerLost(self.now_s, worker))

    @precondition(lambda self: self.reconstructing - self.ended.keys())
    @rule(data=st.data())
    def reconstruction_finishes(self, data: st.DataObject) -> None:
        waiting = sorted(self.reconstructing - self.ended.keys())
        self.feed(ReconstructionFinished(self.now_s, data.draw(st.sampled_from(waiting))))

    @invariant()
    def holds(self) -> None:
        check_invariants(self.dispatcher)

    def teardown(self) -> None:
        """Let everything run to its end: each query is completed or failed, once."""
        self.worker_joins()
        while self.running or self.reconstructing - self.ended.keys():
            if self.running:
                self.finish(min(self.running))
            for query in sorted(self.reconstructing - self.ended.keys()):
                self.feed(ReconstructionFinished(self.now_s, query))
        assert self.ended.keys() == self.open_tasks.keys()
        assert len(self.idle) == len(self.dispatcher.idle)
        check_invariants(self.dispatcher)


TestDispatcher = DispatcherMachine.TestCase
TestDispatcher.settings = settings(
    max_examples=400, stateful_step_count=60, derandomize=True, deadline=None
)


def feed_all(dispatcher: Dispatcher, events: Iterable[Event]) -> None:
    for event in events:
        dispatcher.handle(event)
        check_invariants(dispatcher)


class FirstComeFirstServed(Policy):
    """A sound policy, for others to break."""

    kind = "eager"

    def __init__(self) -> None:
        self.waiting: list[Copy] = []

    def enqueue(self, copies: Iterable[Copy]) -> None:
        self.waiting.extend(copies)

    def requeue(self, copy: Copy) -> None:
        self.waiting.insert(0, copy)

    def drop(self, query: int) -> None:
        self.waiting = [copy for copy in self.waiting if copy.query != query]

    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[Copy, int]]:
        while self.waiting and idle:
            yield self.waiting.pop(0), idle.lowest()

    def queued(self) -> Iterable[Copy]:
        return self.waiting


class ReleasesTwice(FirstComeFirstServed):
    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[Copy, int]]:
        for copy, worker in super().assign(idle, now_s):
            yield copy, worker
            yield copy, idle.lowest()


class KeepsWhatItReleased(FirstComeFirstServed):
    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[Copy, int]]:
        if self.waiting and idle:
            yield self.waiting[0], idle.lowest()


class ReleasesWhatIsDone(FirstComeFirstServed):
    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[Copy, int]]:
        yield from super().assign(idle, now_s)
        if len(idle) == 2:
            yield Copy(0, 0, 1), 0


class NeverReleases(FirstComeFirstServed):
    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[Copy, int]]:
        yield from ()


class LosesTheFirst(FirstComeFirstServed):
    def enqueue(self, copies: Iterable[Copy]) -> None:
        super().enqueue(list(copies)[1:])


class LosesWhatFailed(FirstComeFirstServed):
    def requeue(self, copy: Copy) -> None:
        pass


class KeepsFailedQueries(FirstComeFirstServed):
    def drop(self, query: int) -> None:
        pass


class PicksABusyWorker(FirstComeFirstServed):
    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[Copy, int]]:
        while self.waiting and idle:
            yield self.waiting.pop(0), 0


TWO_WORKERS = [WorkerJoined(0.0, 0), WorkerJoined(0.0, 1)]
THREE_TASKS = [*TWO_WORKERS, QuerySubmitted(0.0, 0, 3)]
ONE_FAILS = [*THREE_TASKS, TaskFailed(1.0, 0, 0, 0, 0, "broken")]
TWO_DONE = [
    *TWO_WORKERS,
    QuerySubmitted(0.0, 0, 2),
    TaskFinished(1.0, 0, 0, 0, 0),
    TaskFinished(1.0, 0, 1, 0, 1),
]


@pytest.mark.parametrize(
    ("policy", "events", "message"),
    [
        (ReleasesTwice, THREE_TASKS, "released .* twice"),
        (KeepsWhatItReleased, THREE_TASKS, "task 0 of query 0 is open and has 2 copies"),
        (ReleasesWhatIsDone, TWO_DONE, "the task not yet done"),
        (NeverReleases, THREE_TASKS, "a worker is idle while a task is ready"),
        (LosesTheFirst, THREE_TASKS, "task 0 of query 0 is open and has 0 copies"),
        (LosesWhatFailed, ONE_FAILS, "task 0 of query 0 is open and has 0 copies"),
        (PicksABusyWorker, THREE_TASKS, "the worker must be idle"),
    ],
)
def test_a_policy_that_breaks_the_rules_is_caught(policy, events, message):
    feed_all(Dispatcher(FirstComeFirstServed()), events)
    with pytest.raises(PolicyError, match=message):
        feed_all(Dispatcher(policy()), events)


def test_a_policy_that_keeps_the_tasks_of_a_failed_query_is_caught():
    events = [
        WorkerJoined(0.0, 0),
        QuerySubmitted(0.0, 0, 3),
        WorkerLost(1.0, 0),
    ]
    feed_all(Dispatcher(FirstComeFirstServed(), max_attempts=1), events)
    with pytest.raises(PolicyError, match="the ended query 0 is still queued"):
        feed_all(Dispatcher(KeepsFailedQueries(), max_attempts=1), events)


def _miscount(dispatcher: Dispatcher) -> None:
    dispatcher.queries[0].remaining -= 1


def _open_early(dispatcher: Dispatcher) -> None:
    dispatcher.queries[0].is_reconstructing = True


def _overbook(dispatcher: Dispatcher) -> None:
    dispatcher.idle.add(0)


def _double(dispatcher: Dispatcher) -> None:
    dispatcher.busy[7] = dispatcher.busy[0]


@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        (_miscount, "query 0 counts 2 tasks left"),
        (_open_early, "the barrier of query 0 does not follow its tasks"),
        (_overbook, "worker 0 is both busy and idle"),
        (_double, "task 0 of query 0 is open and has 2 copies"),
    ],
)
def test_a_corrupt_state_is_caught(corrupt: Callable[[Dispatcher], None], message: str):
    dispatcher = Dispatcher(make_policy("eager"))
    feed_all(dispatcher, THREE_TASKS)
    corrupt(dispatcher)
    with pytest.raises(PolicyError, match=message):
        check_invariants(dispatcher)


@pytest.mark.parametrize(
    ("before", "event", "message"),
    [
        (TWO_WORKERS, WorkerJoined(0.0, 1), "joined twice"),
        (THREE_TASKS, WorkerJoined(0.0, 1), "joined twice"),
        (TWO_WORKERS, WorkerLost(0.0, 3), "worker 3 was lost but never joined"),
        (THREE_TASKS, QuerySubmitted(0.0, 0, 1), "submitted twice"),
        (TWO_WORKERS, TaskFinished(0.0, 0, 0, 0, 0), "worker 0 runs None"),
        (THREE_TASKS, TaskFinished(0.0, 0, 0, 0, 1), "worker 1 runs Copy.*task=1"),
        (THREE_TASKS, TaskFinished(0.0, 0, 0, 1, 0), "worker 0 runs Copy.*attempt=0"),
        (ONE_FAILS, TaskFailed(1.0, 0, 0, 0, 0, "again"), "worker 0 runs Copy.*attempt=1"),
        (TWO_DONE, TaskFinished(1.0, 0, 0, 0, 0), "worker 0 runs None"),
        (THREE_TASKS, ReconstructionFinished(0.0, 0), "barrier is not open"),
        (TWO_WORKERS, ReconstructionFinished(0.0, 0), "barrier is not open"),
        (ONE_FAILS, QuerySubmitted(0.9, 1, 1), "time ran backwards"),
    ],
)
def test_an_impossible_event_is_refused(before: list[Event], event: Event, message: str):
    dispatcher = Dispatcher(make_policy("eager"))
    feed_all(dispatcher, before)
    with pytest.raises(PolicyError, match=message):
        dispatcher.handle(event)


def test_a_query_is_complete_once():
    dispatcher = Dispatcher(make_policy("eager"))
    feed_all(dispatcher, [*TWO_DONE, ReconstructionFinished(2.0, 0)])
    with pytest.raises(PolicyError, match="barrier is not open"):
        dispatcher.handle(ReconstructionFinished(2.0, 0))


@pytest.mark.parametrize("surprise", [Start(0, 0, 0, 0), "QuerySubmitted", None])
def test_an_unknown_event_is_a_type_error(surprise: object):
    with pytest.raises(TypeError, match="not an event"):
        Dispatcher(make_policy("eager")).handle(surprise)  # type: ignore[arg-type]


def test_idle_workers_take_no_more_room_the_longer_a_run_is():
    idle = IdleWorkers()
    idle.add(0)
    idle.add(1)
    before = len(pickle.dumps(idle))
    for _ in range(1000):
        for worker in (0, 1):
            idle.remove(worker)
            idle.add(worker)
    assert idle.lowest() == 0
    assert len(pickle.dumps(idle)) == before


def test_the_dispatcher_imports_no_clock_no_loop_and_no_randomness():
    impure = {"asyncio", "simpy", "time", "threading", "random", "datetime", "numpy"}
    sources = list(Path(qcutsim.dispatch.__file__).parent.rglob("*.py"))
    assert len(sources) > 5
    for path in sources:
        assert not impure & set(imported(path)), path


def imported(path: Path) -> Iterator[str]:
    """Top-level names of the modules that a source file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
