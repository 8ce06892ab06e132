"""Beginnings that tests of the dispatcher share."""

from __future__ import annotations

from collections.abc import Iterable

from qcutsim.dispatch import (
    Dispatcher,
    Event,
    Policy,
    PolicyLike,
    QuerySubmitted,
    TaskFailed,
    TaskFinished,
    WorkerJoined,
    check_invariants,
    make_policy,
)

TWO_WORKERS: list[Event] = [WorkerJoined(0.0, 0), WorkerJoined(0.0, 1)]
THREE_TASKS: list[Event] = [*TWO_WORKERS, QuerySubmitted(0.0, 0, 3)]
ONE_FAILS: list[Event] = [*THREE_TASKS, TaskFailed(1.0, 0, 0, 0, 0, "broken")]
TWO_DONE: list[Event] = [
    *TWO_WORKERS,
    QuerySubmitted(0.0, 0, 2),
    TaskFinished(1.0, 0, 0, 0, 0),
    TaskFinished(1.0, 0, 1, 0, 1),
]


def feed_all(dispatcher: Dispatcher, events: Iterable[Event]) -> None:
    for event in events:
        dispatcher.handle(event)
        check_invariants(dispatcher)


def dispatcher_of(
    policy: Policy | PolicyLike,
    workers: int = 0,
    *,
    max_attempts: int = 3,
    timeout_s: float | None = None,
) -> Dispatcher:
    """A dispatcher whose workers, numbered from 0, joined at time 0."""
    made = policy if isinstance(policy, Policy) else make_policy(policy)
    dispatcher = Dispatcher(made, max_attempts=max_attempts, timeout_s=timeout_s)
    feed_all(dispatcher, [WorkerJoined(0.0, worker) for worker in range(workers)])
    return dispatcher
