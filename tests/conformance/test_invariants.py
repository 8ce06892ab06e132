"""Whatever happens, no task is lost or doubled and each barrier opens once; broken rules show."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import qcutsim.dispatch
from qcutsim.dispatch import (
    Action,
    BeginReconstruction,
    CompleteQuery,
    Copy,
    Dispatcher,
    Event,
    FailQuery,
    IdleWorkers,
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
from qcutsim.dispatch.policies.eager import Eager
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
        self.queries = 0

    def feed(self, event: Event) -> None:
        for action in self.dispatcher.handle(event):
            self.book(action)

    def book(self, action: Action) -> None:
        match action:
            case Start(query, task, _, worker):
                assert task in self.open_tasks[query]
                assert worker in self.idle
                self.idle.discard(worker)
                self.running[worker] = action
            case BeginReconstruction(query):
                assert not self.open_tasks[query], "the barrier opened before its tasks were done"
                assert query not in self.reconstructing, "the barrier opened twice"
                self.reconstructing.add(query)
            case CompleteQuery(query) | FailQuery(query, _):
                assert query not in self.ended
                self.ended[query] = type(action).__name__

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
        self.feed(TaskFailed(self.now_s, done.query, done.task, done.attempt, worker, "broken"))

    @precondition(lambda self: self.running or self.idle)
    @rule(data=st.data())
    def worker_is_lost(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(sorted(self.running.keys() | self.idle)))
        self.running.pop(worker, None)
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
        assert all(
            query in self.reconstructing
            for query, end in self.ended.items()
            if end == "CompleteQuery"
        )
        check_invariants(self.dispatcher)


TestDispatcher = DispatcherMachine.TestCase
TestDispatcher.settings = settings(
    max_examples=400, stateful_step_count=60, derandomize=True, deadline=None
)


def feed_all(dispatcher: Dispatcher, events: Iterable[Event]) -> None:
    for event in events:
        dispatcher.handle(event)
        check_invariants(dispatcher)


class ReleasesTwice(Eager):
    kind = "twice"

    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[Copy, int]]:
        for copy, worker in super().assign(idle, now_s):
            yield copy, worker
            if idle:
                yield copy, idle.lowest()


class NeverReleases(Eager):
    kind = "eager"

    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[Copy, int]]:
        yield from ()


class Forgets(Eager):
    kind = "forgetful"

    def enqueue(self, copies: Iterable[Copy]) -> None:
        super().enqueue(list(copies)[1:])


class PicksBusyWorkers(Eager):
    kind = "busy"

    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[Copy, int]]:
        while self._queue and idle:
            yield self._queue.popleft(), 0


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (ReleasesTwice(), "policy 'twice' released .* twice"),
        (NeverReleases(), "a worker is idle while a task is ready"),
        (Forgets(), "task 0 of query 0 is open and has 0 copies"),
        (PicksBusyWorkers(), "policy 'busy' assigned .* the worker must be idle"),
    ],
)
def test_a_policy_that_breaks_the_rules_is_named(policy, message):
    dispatcher = Dispatcher(policy)
    events = [WorkerJoined(0.0, 0), WorkerJoined(0.0, 1), QuerySubmitted(0.0, 0, 3)]
    with pytest.raises(PolicyError, match=message):
        feed_all(dispatcher, events)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([WorkerJoined(0, 0), WorkerJoined(0, 0)], "joined twice"),
        ([WorkerLost(0, 3)], "worker 3 was lost but never joined"),
        ([QuerySubmitted(0, 0, 1), QuerySubmitted(0, 0, 1)], "submitted twice"),
        ([WorkerJoined(0, 0), TaskFinished(0, 0, 0, 0, 0)], "worker 0 runs None"),
        ([QuerySubmitted(0, 0, 1), ReconstructionFinished(0, 0)], "barrier is not open"),
        ([WorkerJoined(5, 0), QuerySubmitted(4.9, 0, 1)], "time ran backwards"),
    ],
)
def test_an_impossible_event_is_refused(events, message):
    dispatcher = Dispatcher(make_policy("eager"))
    with pytest.raises(PolicyError, match=message):
        feed_all(dispatcher, events)


def test_an_unknown_event_is_a_type_error():
    class Surprise:
        at_s = 0.0

    with pytest.raises(TypeError, match="not an event"):
        Dispatcher(make_policy("eager")).handle(Surprise())  # type: ignore[arg-type]


def test_the_dispatcher_imports_no_clock_no_loop_and_no_randomness():
    impure = {"asyncio", "simpy", "time", "threading", "random", "datetime", "numpy"}
    for path in Path(qcutsim.dispatch.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            assert not impure & {name.split(".")[0] for name in names}, path
