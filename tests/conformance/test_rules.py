"""The rules that both worlds share, said outright: the order of events and what eager does."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from qcutsim.dispatch import (
    BeginReconstruction,
    CompleteQuery,
    Dispatcher,
    Event,
    FailQuery,
    QuerySubmitted,
    ReconstructionFinished,
    Start,
    TaskFailed,
    TaskFinished,
    WorkerJoined,
    WorkerLost,
    make_policy,
    order_key,
)

IN_ORDER: list[Event] = [
    QuerySubmitted(0.5, 9, 9),
    TaskFinished(1.0, 0, 0, 1, 7),
    TaskFailed(1.0, 0, 1, 0, 6, "broken"),
    TaskFinished(1.0, 0, 1, 1, 5),
    TaskFinished(1.0, 0, 2, 0, 4),
    TaskFailed(1.0, 1, 0, 0, 3, "broken"),
    WorkerLost(1.0, 1),
    WorkerLost(1.0, 2),
    WorkerJoined(1.0, 0),
    WorkerJoined(1.0, 8),
    ReconstructionFinished(1.0, 0),
    ReconstructionFinished(1.0, 1),
    QuerySubmitted(1.0, 0, 1),
    QuerySubmitted(1.0, 1, 1),
    TaskFinished(1.5, 0, 0, 0, 0),
]


@settings(max_examples=50, derandomize=True)
@given(st.permutations(IN_ORDER))
def test_events_are_ordered_by_time_kind_query_task_attempt(events: list[Event]):
    assert sorted(events, key=order_key) == IN_ORDER


def test_the_longest_waiting_task_goes_to_the_idle_worker_with_the_lowest_number():
    dispatcher = Dispatcher(make_policy("eager"))
    for worker in (2, 0, 1):
        dispatcher.handle(WorkerJoined(0.0, worker))
    assert dispatcher.handle(QuerySubmitted(0.0, 5, 2)) == [Start(5, 0, 0, 0), Start(5, 1, 0, 1)]
    assert dispatcher.handle(QuerySubmitted(1.0, 4, 3)) == [Start(4, 0, 0, 2)]
    assert dispatcher.handle(TaskFinished(2.0, 5, 1, 0, 1)) == [Start(4, 1, 0, 1)]
    assert dispatcher.handle(TaskFinished(3.0, 5, 0, 0, 0)) == [
        BeginReconstruction(5),
        Start(4, 2, 0, 0),
    ]
    assert dispatcher.handle(ReconstructionFinished(4.0, 5)) == [CompleteQuery(5)]


def test_a_failed_task_is_tried_again_before_those_that_wait():
    dispatcher = Dispatcher(make_policy("eager"))
    dispatcher.handle(WorkerJoined(0.0, 0))
    dispatcher.handle(QuerySubmitted(0.0, 0, 2))
    assert dispatcher.handle(TaskFailed(1.0, 0, 0, 0, 0, "broken")) == [Start(0, 0, 1, 0)]
    assert dispatcher.handle(WorkerLost(2.0, 0)) == []
    assert dispatcher.handle(WorkerJoined(3.0, 1)) == [Start(0, 0, 2, 1)]
    assert dispatcher.handle(TaskFailed(4.0, 0, 0, 2, 1, "still broken")) == [
        FailQuery(0, "task 0 failed 3 times; the last time: still broken")
    ]
