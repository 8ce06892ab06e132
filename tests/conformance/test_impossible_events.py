"""An event that cannot have happened is refused, and said to be."""

from __future__ import annotations

import pytest
from scenes import ONE_FAILS, THREE_TASKS, TWO_DONE, TWO_WORKERS, dispatcher_of, feed_all

from qcutsim.dispatch import (
    Event,
    Merge,
    MergeFinished,
    QuerySubmitted,
    ReconstructionFinished,
    Start,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskKind,
    TimerFired,
    WorkerJoined,
    WorkerLost,
)
from qcutsim.errors import PolicyError

MERGES = (Merge(((0, 1),)), Merge(((0, 1),), on_worker=True), Merge(((0, 3),)))
MERGING: list[Event] = [*TWO_WORKERS, QuerySubmitted(0.0, 0, 1, merges=MERGES)]
MERGE_BEGUN: list[Event] = [*MERGING, TaskFinished(1.0, 0, 0, 0, 0)]
MERGE_DONE: list[Event] = [*MERGE_BEGUN, MergeFinished(1.0, 0, 1)]
KIND = (TaskKind("A"),)


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
        (TWO_DONE, TaskCancelled(1.0, 0, 0, 0, 0), "worker 0 runs None"),
        (THREE_TASKS, TaskCancelled(0.0, 0, 2, 0, 1), "worker 1 runs Copy.*task=1"),
        (THREE_TASKS, ReconstructionFinished(0.0, 0), "barrier is not open"),
        (TWO_WORKERS, ReconstructionFinished(0.0, 0), "barrier is not open"),
        (MERGE_DONE, ReconstructionFinished(1.0, 0), "barrier is not open"),
        (MERGING, MergeFinished(0.0, 0, 1), "that merge was not begun"),
        (MERGE_BEGUN, MergeFinished(1.0, 0, 3), "that merge was not begun"),
        (MERGE_BEGUN, MergeFinished(1.0, 0, 4), "that merge was not begun"),
        (MERGE_BEGUN, MergeFinished(1.0, 0, 0), "that merge was not begun"),
        (MERGE_BEGUN, MergeFinished(1.0, 0, 2), "that merge was not begun"),
        (MERGE_DONE, MergeFinished(1.0, 0, 1), "that merge was not begun"),
        (ONE_FAILS, QuerySubmitted(0.9, 1, 1), "time ran backwards"),
        (ONE_FAILS, TimerFired(0.9, 0.9), "time ran backwards"),
        ([], QuerySubmitted(0.0, 0, 2, KIND, (0,)), "tasks and their kinds do not match"),
        ([], QuerySubmitted(0.0, 0, 1, KIND, (1,)), "tasks and their kinds do not match"),
        ([], QuerySubmitted(0.0, 0, 1, (), (0,)), "tasks and their kinds do not match"),
        ([], QuerySubmitted(0.0, 0, 2, weights=(1.0,)), "tasks and their weights do not match"),
        ([], QuerySubmitted(0.0, 0, 1, merges=(Merge(((0, 2),)),)), "merge 1 needs .*before it"),
        ([], QuerySubmitted(0.0, 0, 1, merges=(Merge(((1, 0),)),)), "merge 1 needs .*before it"),
    ],
)
def test_an_impossible_event_is_refused(before: list[Event], event: Event, message: str):
    dispatcher = dispatcher_of("eager")
    feed_all(dispatcher, before)
    with pytest.raises(PolicyError, match=message):
        dispatcher.handle(event)


def test_a_query_is_complete_once():
    dispatcher = dispatcher_of("eager")
    feed_all(dispatcher, [*TWO_DONE, ReconstructionFinished(2.0, 0)])
    with pytest.raises(PolicyError, match="barrier is not open"):
        dispatcher.handle(ReconstructionFinished(2.0, 0))


@pytest.mark.parametrize("surprise", [Start(0, 0, 0, 0), "QuerySubmitted", None])
def test_an_unknown_event_is_a_type_error(surprise: object):
    with pytest.raises(TypeError, match="not an event"):
        dispatcher_of("eager").handle(surprise)  # type: ignore[arg-type]
