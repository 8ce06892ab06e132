"""A policy that breaks a rule is caught, and named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pytest
from scenes import ONE_FAILS, THREE_TASKS, TWO_DONE, TWO_WORKERS, dispatcher_of, feed_all

from qcutsim.dispatch import (
    MOST_IDLE_WAKES,
    Event,
    IdleWorkers,
    KindOf,
    Merge,
    Policy,
    QuerySubmitted,
    TaskFailed,
    TaskFinished,
    TaskId,
    TimerFired,
    WorkerJoined,
    WorkerLost,
)
from qcutsim.errors import PolicyError

Assignments = Iterator[tuple[TaskId, int]]

MERGING: list[Event] = [QuerySubmitted(0.0, 0, 0, merges=(Merge(()),)), *TWO_WORKERS]


class FirstComeFirstServed(Policy):
    """A sound policy, for others to break."""

    kind = "sound"

    def __init__(self) -> None:
        self.waiting: list[TaskId] = []

    def enqueue(self, tasks: Sequence[TaskId], kind_of: KindOf, now_s: float) -> None:
        self.waiting.extend(tasks)

    def requeue(self, task: TaskId, now_s: float) -> None:
        self.waiting.insert(0, task)

    def drop(self, query: int, now_s: float) -> None:
        self.waiting = [task for task in self.waiting if task.query != query]

    def assign(self, idle: IdleWorkers, now_s: float) -> Assignments:
        while self.waiting and idle:
            yield self.waiting.pop(0), idle.lowest()

    def queued(self) -> Iterable[TaskId]:
        return self.waiting


class ReleasesTwice(FirstComeFirstServed):
    kind = "stutters"

    def assign(self, idle: IdleWorkers, now_s: float) -> Assignments:
        for task, worker in super().assign(idle, now_s):
            yield task, worker
            yield task, idle.lowest()


class KeepsWhatItReleased(FirstComeFirstServed):
    kind = "hoards"

    def assign(self, idle: IdleWorkers, now_s: float) -> Assignments:
        if self.waiting and idle:
            yield self.waiting[0], idle.lowest()


class ReleasesWhatIsDone(FirstComeFirstServed):
    kind = "repeats"

    def finished(self, task: TaskId, worker: int, now_s: float) -> None:
        self.waiting.append(task)


class MakesTasksUp(FirstComeFirstServed):
    kind = "invents"

    def assign(self, idle: IdleWorkers, now_s: float) -> Assignments:
        if self.waiting:
            yield TaskId(0, 3), idle.lowest()


class MakesQueriesUp(FirstComeFirstServed):
    kind = "imagines"

    def assign(self, idle: IdleWorkers, now_s: float) -> Assignments:
        if self.waiting:
            yield TaskId(1, 0), idle.lowest()


class RunsTheCoordinatorsMerge(FirstComeFirstServed):
    kind = "meddles"

    def assign(self, idle: IdleWorkers, now_s: float) -> Assignments:
        if len(idle) == 2:
            yield TaskId(0, 0), idle.lowest()


class LosesTheFirst(FirstComeFirstServed):
    kind = "forgets"

    def enqueue(self, tasks: Sequence[TaskId], kind_of: KindOf, now_s: float) -> None:
        super().enqueue(tasks[1:], kind_of, now_s)


class LosesWhatFailed(FirstComeFirstServed):
    kind = "gives up"

    def requeue(self, task: TaskId, now_s: float) -> None:
        pass


class KeepsFailedQueries(FirstComeFirstServed):
    kind = "clings"

    def drop(self, query: int, now_s: float) -> None:
        pass


class PicksABusyWorker(FirstComeFirstServed):
    kind = "overloads"

    def assign(self, idle: IdleWorkers, now_s: float) -> Assignments:
        while self.waiting and idle:
            yield self.waiting.pop(0), 0


class LeavesAWorkerIdle(FirstComeFirstServed):
    kind = "dawdles"

    def assign(self, idle: IdleWorkers, now_s: float) -> Assignments:
        if self.waiting and len(idle) == 2:
            yield self.waiting.pop(0), idle.lowest()


class CopiesOnceTooOften(FirstComeFirstServed):
    kind = "multiplies"
    most_copies = 2

    def assign(self, idle: IdleWorkers, now_s: float) -> Assignments:
        for task, worker in super().assign(idle, now_s):
            yield task, worker
            while idle:
                yield task, idle.lowest()


@pytest.mark.parametrize(
    ("policy", "events", "message"),
    [
        (ReleasesTwice, THREE_TASKS, r"released TaskId\(query=0, task=0\) twice"),
        (KeepsWhatItReleased, THREE_TASKS, "task 0 of query 0 is open and has 2 copies"),
        (ReleasesWhatIsDone, TWO_DONE, "to worker 0: .* ready and not yet done"),
        (MakesTasksUp, THREE_TASKS, "to worker 0: .* the task ready"),
        (MakesQueriesUp, THREE_TASKS, "to worker 0: .* the task ready"),
        (RunsTheCoordinatorsMerge, MERGING, "to worker 0: .* the task ready"),
        (LosesTheFirst, THREE_TASKS, "task 0 of query 0 is open and has 0 copies"),
        (LosesWhatFailed, ONE_FAILS, "task 0 of query 0 is open and has 0 copies"),
        (PicksABusyWorker, THREE_TASKS, "to worker 0: the worker must be idle"),
        (LeavesAWorkerIdle, THREE_TASKS, "a worker is idle while a task is ready"),
        (
            CopiesOnceTooOften,
            [WorkerJoined(0.0, 2), *TWO_WORKERS, QuerySubmitted(0.0, 0, 1)],
            r"released TaskId\(query=0, task=0\)",
        ),
    ],
)
def test_a_policy_that_breaks_a_rule_is_caught_and_named(
    policy: type[FirstComeFirstServed], events: list[Event], message: str
):
    feed_all(dispatcher_of(FirstComeFirstServed()), events)
    with pytest.raises(PolicyError, match=f"policy '{policy.kind}'.* {message}"):
        feed_all(dispatcher_of(policy()), events)


def test_a_policy_that_keeps_the_tasks_of_a_failed_query_is_caught_and_named():
    events = [WorkerJoined(0.0, 0), QuerySubmitted(0.0, 0, 3), WorkerLost(1.0, 0)]
    feed_all(dispatcher_of(FirstComeFirstServed(), max_attempts=1), events)
    with pytest.raises(PolicyError, match="'clings': task 1 of the ended query 0 is still queued"):
        feed_all(dispatcher_of(KeepsFailedQueries(), max_attempts=1), events)


def test_a_policy_may_run_as_many_copies_as_it_says():
    dispatcher = dispatcher_of(CopiesOnceTooOften(), workers=2)
    feed_all(dispatcher, [QuerySubmitted(0.0, 0, 1)])
    assert [copy.attempt for copy in dispatcher.busy.values()] == [0, 1]


class NeverReleases(FirstComeFirstServed):
    kind = "never"
    is_work_conserving = False

    def assign(self, idle: IdleWorkers, now_s: float) -> Assignments:
        yield from ()


class HoldsTheLastBack(NeverReleases):
    kind = "stingy"

    def assign(self, idle: IdleWorkers, now_s: float) -> Assignments:
        while len(self.waiting) > 1 and idle:
            yield self.waiting.pop(0), idle.lowest()


class WakesInThePast(NeverReleases):
    kind = "late"

    def wake_s(self, idle: IdleWorkers, now_s: float) -> float | None:
        return now_s


class WakesInTime(NeverReleases):
    kind = "patient"

    def wake_s(self, idle: IdleWorkers, now_s: float) -> float | None:
        return 1.0


@pytest.mark.parametrize("policy", [NeverReleases, WakesInThePast])
def test_the_dispatcher_itself_refuses_a_policy_that_never_releases(policy: type[NeverReleases]):
    dispatcher = dispatcher_of(policy(), workers=2)
    message = f"policy '{policy.kind}' never releases 3 tasks of query 4"
    with pytest.raises(PolicyError, match=message):
        dispatcher.handle(QuerySubmitted(0.0, 4, 3))


def test_a_policy_that_never_releases_is_refused_once_there_is_a_worker():
    dispatcher = dispatcher_of(NeverReleases())
    dispatcher.handle(QuerySubmitted(0.0, 0, 1))
    with pytest.raises(PolicyError, match="policy 'never' never releases 1 tasks of query 0"):
        dispatcher.handle(WorkerJoined(1.0, 0))


def test_a_policy_may_wait_while_something_runs_and_no_longer():
    dispatcher = dispatcher_of(HoldsTheLastBack(), workers=2)
    feed_all(dispatcher, [QuerySubmitted(0.0, 0, 2)])
    with pytest.raises(PolicyError, match="policy 'stingy' never releases 1 tasks of query 0"):
        dispatcher.handle(TaskFinished(1.0, 0, 0, 0, 0))


def test_a_policy_may_wait_for_a_time_that_will_come():
    dispatcher = dispatcher_of(WakesInTime(), workers=2)
    feed_all(dispatcher, [QuerySubmitted(0.0, 0, 1)])
    with pytest.raises(PolicyError, match="policy 'patient' never releases 1 tasks of query 0"):
        dispatcher.handle(TimerFired(1.0, 1.0))


class AlwaysWakesAgain(NeverReleases):
    kind = "restless"

    def wake_s(self, idle: IdleWorkers, now_s: float) -> float | None:
        return now_s + 1.0


def test_a_policy_may_not_be_woken_for_ever_without_a_release():
    dispatcher = dispatcher_of(AlwaysWakesAgain(), workers=1)
    dispatcher.handle(QuerySubmitted(0.0, 0, 2))
    wakes = [TimerFired(float(s), float(s)) for s in range(1, 2 * MOST_IDLE_WAKES)]
    with pytest.raises(PolicyError, match="policy 'restless' never releases 2 tasks of query 0"):
        feed_all(dispatcher, wakes)


class BreaksDown(FirstComeFirstServed):
    """Raises in one of its methods, as plugins do."""

    kind = "brittle"

    def __init__(self, method: str) -> None:
        super().__init__()

        def broken(*given: object) -> None:
            raise ValueError("broke down")

        broken.__name__ = method
        setattr(self, method, broken)


FAILS_FOR_GOOD: list[Event] = [
    *THREE_TASKS,
    TaskFailed(1.0, 0, 0, 0, 0, "broken"),
    WorkerLost(2.0, 0),
    TaskFinished(3.0, 0, 1, 0, 1),
]


@pytest.mark.parametrize(
    ("method", "max_attempts"),
    [
        *((name, 3) for name in ("enqueue", "assign", "wake_s", "finished", "ended", "requeue")),
        *((name, 3) for name in ("worker_joined", "worker_lost")),
        ("drop", 1),
    ],
)
def test_what_a_policy_raises_names_it_and_the_method(method: str, max_attempts: int):
    policy = BreaksDown(method)
    with pytest.raises(PolicyError) as raised:
        feed_all(dispatcher_of(policy, max_attempts=max_attempts), FAILS_FOR_GOOD)
    message = str(raised.value)
    assert message.startswith(f"policy 'brittle' failed in {method} ({__file__}, line ")
    assert message.endswith("): ValueError: broke down")
    assert type(raised.value.__cause__) is ValueError


class TakesTooLittle(FirstComeFirstServed):
    kind = "curt"

    def enqueue(self, tasks: Sequence[TaskId]) -> None:
        """Without what the dispatcher tells it, too."""


class AssignsNonsense(FirstComeFirstServed):
    kind = "babbles"

    def assign(self, idle: IdleWorkers, now_s: float) -> Assignments:
        yield 7


class WakesAtNoTime(FirstComeFirstServed):
    kind = "vague"

    def wake_s(self, idle: IdleWorkers, now_s: float) -> float | None:
        return "soon"


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (TakesTooLittle, "policy 'curt' failed in enqueue: TypeError: .* positional argument"),
        (AssignsNonsense, "policy 'babbles' failed in assign: TypeError: .* int"),
        (WakesAtNoTime, "policy 'vague' failed in wake_s: TypeError: '>' not supported"),
    ],
)
def test_a_policy_with_methods_of_another_form_is_named(policy, message):
    with pytest.raises(PolicyError, match=message):
        feed_all(dispatcher_of(policy()), THREE_TASKS)
