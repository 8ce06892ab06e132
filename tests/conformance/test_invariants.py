"""Under every policy, whatever happens, no task is lost or doubled and each barrier opens once."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from books import Books
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from scenes import THREE_TASKS, dispatcher_of, feed_all

import qcutsim.dispatch
from qcutsim.dispatch import (
    Dispatcher,
    Event,
    IdleWorkers,
    Merge,
    MergeFinished,
    QuerySubmitted,
    ReconstructionFinished,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskKind,
    TimerFired,
    WorkerJoined,
    WorkerLost,
    check_invariants,
    policy_kinds,
)
from qcutsim.errors import PolicyError

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "batched": [
        {},
        {"size": 1, "delay_s": 0.5, "loop": "closed"},
        {"size": 3, "delay_s": 0.0, "loop": "closed"},
        {"size": 2, "delay_s": 0.5, "loop": "open"},
    ],
    "staggered": [
        {},
        {"by": "partition", "spacing_s": 0.5},
        {"by": "structure", "spacing_s": 0.25},
        {"by": "structure", "spacing_s": 0.0},
    ],
    "work_stealing": [{"deal": "blocks"}, {"deal": "round_robin"}],
    "speculative": [
        {},
        {"quantile": 0.5, "slowdown": 1.0, "copies": 3, "cap": 1.0, "samples": 1},
        {"quantile": 0.1, "slowdown": 2.0, "copies": 4, "cap": 1.0, "samples": 2},
        {"quantile": 0.3, "slowdown": 1.5, "copies": 2, "cap": 0.5, "samples": 5},
    ],
}
KINDS = (
    TaskKind("A", "short", 0.25),
    TaskKind("A", "long", 1.0),
    TaskKind("B", "long", 1.5),
    TaskKind("B", "unknown"),
)
MOST_LIVE_QUERIES = 4
MOST_WORKERS = 4

any_of = st.integers(0, 1000)


@st.composite
def queries(draw: st.DrawFn) -> tuple[Any, ...]:
    """Tasks, their kinds, which is of which, merges, and weights."""
    tasks = draw(st.integers(0, 6))
    kinds = draw(st.sampled_from([(), KINDS[:1], KINDS]))
    kind_of = st.integers(0, len(kinds) - 1)
    per_task = tuple(draw(kind_of) for _ in range(tasks)) if kinds else ()
    merges = []
    for number in range(tasks, tasks + draw(st.integers(0, 3))):
        bounds = st.tuples(st.integers(0, number), st.integers(0, number))
        needs = draw(st.lists(bounds, max_size=2))
        needs_sorted = tuple((min(pair), max(pair)) for pair in needs)
        merges.append(Merge(needs_sorted, on_worker=draw(st.booleans())))
    weights = draw(st.lists(st.sampled_from([0.0, 0.5, 2.0]), min_size=tasks, max_size=tasks))
    return tasks, kinds, per_task, tuple(merges), tuple(weights) if draw(st.booleans()) else ()


class DispatcherMachine(RuleBasedStateMachine):
    """Feeds legal events in any order; the books judge what is made of them."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.now_s = 0.0
        self.workers = 0

    @initialize(
        place=any_of,
        max_attempts=st.sampled_from([3, 3, 2, 1]),
        timeout_s=st.sampled_from([None, 1.0]),
        workers=st.integers(0, MOST_WORKERS),
        query=queries(),
    )
    def begin(
        self,
        place: int,
        max_attempts: int,
        timeout_s: float | None,
        workers: int,
        query: tuple[Any, ...],
    ) -> None:
        choices = PARAMETERS.get(self.kind, [{}])
        parameters = choices[place % len(choices)]
        self.dispatcher = dispatcher_of(
            {"kind": self.kind, **parameters}, max_attempts=max_attempts, timeout_s=timeout_s
        )
        self.books = Books(
            most_copies=parameters.get("copies", 2) if self.kind == "speculative" else 1,
            max_attempts=max_attempts,
            timeout_s=timeout_s,
            is_work_conserving=self.dispatcher.policy.is_work_conserving,
        )
        for _ in range(workers):
            self.worker_joins()
        self.query_arrives(query)

    def feed(self, event: Event) -> None:
        self.now_s = event.at_s
        self.books.record(event, self.dispatcher.handle(event))

    @rule(later_s=st.sampled_from([0.25, 0.5, 2.0]))
    def time_passes(self, later_s: float) -> None:
        self.now_s += later_s

    @precondition(lambda self: len(self.books.running) + len(self.books.idle) < MOST_WORKERS)
    @rule()
    def worker_joins(self) -> None:
        self.workers += 1
        self.feed(WorkerJoined(self.now_s, self.workers - 1))

    @precondition(lambda self: len(self.books.live()) < MOST_LIVE_QUERIES)
    @rule(query=queries())
    def query_arrives(self, query: tuple[Any, ...]) -> None:
        number = len(self.books.queries)
        self.feed(QuerySubmitted(self.now_s, number, *query))

    @precondition(lambda self: self.books.running)
    @rule(place=any_of, later_s=st.sampled_from([0.0, 0.5, 1.0]))
    def task_finishes(self, place: int, later_s: float) -> None:
        self.now_s += later_s
        self.finish(pick(self.books.running, place))

    def finish(self, worker: int) -> None:
        query, task, attempt, _ = self.copy_on(worker)
        self.feed(TaskFinished(self.now_s, query, task, attempt, worker))

    def copy_on(self, worker: int) -> tuple[int, int, int, int]:
        copy = self.books.running[worker]
        return copy.query, copy.task, copy.attempt, worker

    @precondition(lambda self: self.books.running)
    @rule(place=any_of)
    def task_fails(self, place: int) -> None:
        worker = pick(self.books.running, place)
        self.feed(TaskFailed(self.now_s, *self.copy_on(worker), f"worker {worker} is sick"))

    @precondition(lambda self: self.books.cancelled)
    @rule(place=any_of)
    def cancelled_task_is_given_up(self, place: int) -> None:
        worker = pick(self.books.cancelled, place)
        self.feed(TaskCancelled(self.now_s, *self.copy_on(worker)))

    @precondition(lambda self: self.books.running or self.books.idle)
    @rule(place=any_of)
    def worker_is_lost(self, place: int) -> None:
        worker = pick(self.books.running.keys() | self.books.idle, place)
        self.feed(WorkerLost(self.now_s, worker))

    @precondition(lambda self: self.books.abandoned)
    @rule(place=any_of)
    def abandoned_worker_is_replaced(self, place: int) -> None:
        self.feed(WorkerLost(self.now_s, pick(self.books.abandoned, place)))
        self.worker_joins()

    @precondition(lambda self: self.books.begun_merges())
    @rule(place=any_of)
    def merge_finishes(self, place: int) -> None:
        self.feed(MergeFinished(self.now_s, *pick(self.books.begun_merges(), place)))

    def reconstructing(self) -> list[int]:
        return [number for number, q in self.books.live().items() if q.is_reconstructing]

    @precondition(lambda self: self.reconstructing())
    @rule(place=any_of)
    def reconstruction_finishes(self, place: int) -> None:
        self.feed(ReconstructionFinished(self.now_s, pick(self.reconstructing(), place)))

    @precondition(lambda self: self.books.timers)
    @rule(place=any_of)
    def timer_fires(self, place: int) -> None:
        due_s = pick(self.books.timers, place)
        self.feed(TimerFired(max(self.now_s, due_s), due_s))

    @precondition(lambda self: self.books.timers)
    @rule(place=any_of, late_s=st.sampled_from([0.25, 1.0]))
    def timer_fires_late(self, place: int, late_s: float) -> None:
        due_s = pick(self.books.timers, place)
        self.feed(TimerFired(max(self.now_s, due_s) + late_s, due_s))

    @precondition(lambda self: any(due_s > self.now_s for due_s in self.books.timers))
    @rule(place=any_of)
    def timer_fires_early(self, place: int) -> None:
        due_s = pick([due_s for due_s in self.books.timers if due_s > self.now_s], place)
        self.feed(TimerFired(self.now_s, due_s))

    @invariant()
    def holds(self) -> None:
        check_invariants(self.dispatcher)

    def teardown(self) -> None:
        """Let everything run to its end: each query is completed or failed, once."""
        self.worker_joins()
        steps = 0
        while self.come_closer_to_the_end():
            check_invariants(self.dispatcher)
            steps += 1
            assert steps < 1000
        assert {q.outcome for q in self.books.queries.values()} <= {"completed", "failed"}
        assert not self.dispatcher.queries
        assert not self.dispatcher.busy
        assert not list(self.dispatcher.policy.queued())
        assert sorted(self.books.idle) == list(self.dispatcher.idle)

    def come_closer_to_the_end(self) -> bool:
        """Something that is under way ends, a timer if there is nothing else."""
        if self.books.running:
            self.finish(min(self.books.running))
        elif self.books.begun_merges():
            self.merge_finishes(0)
        elif self.reconstructing():
            self.reconstruction_finishes(0)
        elif self.books.timers:
            self.timer_fires(0)
        else:
            return False
        return True


def pick(among: Any, place: int) -> Any:
    return sorted(among)[place % len(among)]


@pytest.mark.parametrize("kind", policy_kinds())
def test_whatever_happens_every_query_ends_once(kind: str):
    run_state_machine_as_test(
        partial(DispatcherMachine, kind),
        settings=settings(
            max_examples=700, stateful_step_count=50, derandomize=True, deadline=None
        ),
    )


def _miscount(dispatcher: Dispatcher) -> None:
    dispatcher.queries[0].remaining -= 1


def _miscount_queued(dispatcher: Dispatcher) -> None:
    dispatcher.queries[0].queued += 1


def _open_early(dispatcher: Dispatcher) -> None:
    dispatcher.queries[0].is_reconstructing = True


def _overbook(dispatcher: Dispatcher) -> None:
    dispatcher.idle.add(0)


def _double(dispatcher: Dispatcher) -> None:
    dispatcher.busy[7] = dispatcher.busy[0]


def _forget_a_copy(dispatcher: Dispatcher) -> None:
    del dispatcher.busy[0]


def _block_a_running_task(dispatcher: Dispatcher) -> None:
    dispatcher.queries[0].blocked[0] = 1


@pytest.mark.parametrize(
    ("corrupt", "message"),
    [
        (_miscount, "query 0 counts 2 tasks left"),
        (_miscount_queued, "query 0 counts 2 tasks queued"),
        (_open_early, "the barrier of query 0 does not follow its tasks"),
        (_overbook, "worker 0 is both busy and idle"),
        (_double, "task 0 of query 0 counts 1 running copies, workers run 2"),
        (_forget_a_copy, "task 0 of query 0 counts 1 running copies, workers run 0"),
        (_block_a_running_task, "task 0 of query 0 is open and has 1 copies queued or running"),
    ],
)
def test_a_corrupt_state_is_caught(corrupt: Callable[[Dispatcher], None], message: str):
    dispatcher = dispatcher_of("eager")
    feed_all(dispatcher, THREE_TASKS)
    corrupt(dispatcher)
    with pytest.raises(PolicyError, match=message):
        check_invariants(dispatcher)


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


IMPURE = {
    *("asyncio", "datetime", "multiprocessing", "numpy", "random", "scipy", "secrets", "simpy"),
    *("qcutsim.runtime", "qcutsim.simulation", "threading", "time"),
}


def test_the_dispatcher_imports_no_clock_no_loop_no_randomness_and_neither_driver():
    sources = list(Path(qcutsim.dispatch.__file__).parent.rglob("*.py"))
    assert len(sources) > 5
    for path in sources:
        assert IMPURE.isdisjoint(imported(path)), path


def imported(path: Path) -> Iterator[str]:
    """Names of the modules that a source file imports, and of the packages that hold them."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, path
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))
