"""Rules that hold under every policy and in both worlds, said outright."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import dispatcher_of

from qcutsim.dispatch import (
    Abandon,
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
    order_key,
)

IN_ORDER: list[Event] = [
    QuerySubmitted(0.5, 9, 9),
    TimerFired(0.75, 9.0),
    TaskFinished(1.0, 0, 0, 1, 7),
    TaskFailed(1.0, 0, 1, 0, 6, "broken"),
    TaskFinished(1.0, 0, 1, 1, 5),
    TaskCancelled(1.0, 0, 1, 2, 4),
    TaskFinished(1.0, 0, 2, 0, 3),
    TaskCancelled(1.0, 1, 0, 0, 2),
    TaskFailed(1.0, 1, 0, 1, 1, "broken"),
    MergeFinished(1.0, 0, 8),
    MergeFinished(1.0, 0, 9),
    MergeFinished(1.0, 1, 7),
    WorkerLost(1.0, 1),
    WorkerLost(1.0, 2),
    WorkerJoined(1.0, 0),
    WorkerJoined(1.0, 8),
    ReconstructionFinished(1.0, 0),
    ReconstructionFinished(1.0, 1),
    QuerySubmitted(1.0, 0, 1),
    QuerySubmitted(1.0, 1, 1),
    TimerFired(1.0, 0.25),
    TimerFired(1.0, 1.0),
    TaskFinished(1.5, 0, 0, 0, 0),
]


@settings(max_examples=50, derandomize=True)
@given(st.permutations(IN_ORDER))
def test_events_are_ordered_by_time_kind_query_task_attempt(events: list[Event]):
    assert sorted(events, key=order_key) == IN_ORDER


def test_a_query_without_tasks_is_reconstructed_at_once():
    handle = dispatcher_of("eager").handle
    assert handle(QuerySubmitted(0.0, 0, 0)) == [BeginReconstruction(0)]
    assert handle(ReconstructionFinished(1.0, 0)) == [CompleteQuery(0)]


def test_a_task_that_fails_three_times_fails_its_query_with_the_workers_error():
    handle = dispatcher_of("eager", workers=1).handle
    assert handle(QuerySubmitted(0.0, 0, 2)) == [Start(0, 0, 0, 0)]
    assert handle(TaskFailed(1.0, 0, 0, 0, 0, "broken")) == [Start(0, 0, 1, 0)]
    assert handle(WorkerLost(2.0, 0)) == []
    assert handle(WorkerJoined(3.0, 1)) == [Start(0, 0, 2, 1)]
    assert handle(TaskFailed(4.0, 0, 0, 2, 1, "still broken")) == [
        FailQuery(0, "task 0 failed 3 times; the last time: still broken")
    ]


def test_failures_are_counted_task_by_task():
    handle = dispatcher_of("eager", workers=1, max_attempts=2).handle
    handle(QuerySubmitted(0.0, 0, 2))
    assert handle(TaskFailed(1.0, 0, 0, 0, 0, "broken")) == [Start(0, 0, 1, 0)]
    assert handle(TaskFinished(2.0, 0, 0, 1, 0)) == [Start(0, 1, 0, 0)]
    assert handle(TaskFailed(3.0, 0, 1, 0, 0, "broken")) == [Start(0, 1, 1, 0)]
    assert handle(TaskFinished(4.0, 0, 1, 1, 0)) == [BeginReconstruction(0)]


def test_a_worker_that_dies_is_a_failure_of_the_task_that_it_ran():
    handle = dispatcher_of("eager", workers=1, max_attempts=1).handle
    handle(QuerySubmitted(0.0, 0, 1))
    assert handle(WorkerLost(1.0, 0)) == [
        FailQuery(0, "task 0 failed 1 times; the last time: worker 0 died while it ran the task")
    ]


def test_a_failed_query_cancels_its_running_copies_and_no_others():
    handle = dispatcher_of("eager", workers=4, max_attempts=1).handle
    handle(QuerySubmitted(0.0, 0, 3))
    handle(QuerySubmitted(0.0, 1, 2))
    assert handle(TaskFailed(1.0, 0, 1, 0, 1, "broken")) == [
        Cancel(0, 0, 0, 0),
        Cancel(0, 2, 0, 2),
        FailQuery(0, "task 1 failed 1 times; the last time: broken"),
        Start(1, 1, 0, 1),
    ]


@pytest.mark.parametrize(
    "end",
    [
        TaskCancelled(1.0, 0, 1, 0, 1),
        TaskFailed(1.0, 0, 1, 0, 1, "broken"),
        TaskFinished(1.0, 0, 1, 0, 1),
    ],
)
def test_whatever_becomes_of_a_cancelled_copy_its_worker_is_free(end: Event):
    handle = dispatcher_of("eager", workers=2, max_attempts=1).handle
    handle(QuerySubmitted(0.0, 0, 2))
    handle(TaskFailed(1.0, 0, 0, 0, 0, "broken"))
    assert handle(end) == []
    assert handle(QuerySubmitted(2.0, 1, 2)) == [Start(1, 0, 0, 0), Start(1, 1, 0, 1)]


def test_a_copy_past_its_timeout_is_abandoned_and_its_workers_loss_is_a_failure():
    handle = dispatcher_of("eager", workers=1, timeout_s=1.0).handle
    assert handle(QuerySubmitted(0.0, 0, 1)) == [Start(0, 0, 0, 0), SetTimer(1.0)]
    assert handle(TimerFired(1.0, 1.0)) == [Abandon(0, 0, 0, 0)]
    assert handle(WorkerLost(1.0, 0)) == []
    assert handle(WorkerJoined(1.5, 1)) == [Start(0, 0, 1, 1), SetTimer(2.5)]
    assert handle(TaskFailed(2.0, 0, 0, 1, 1, "broken")) == [Start(0, 0, 2, 1)]
    assert handle(TimerFired(2.5, 2.5)) == [SetTimer(3.0)]
    assert handle(TimerFired(3.0, 3.0)) == [Abandon(0, 0, 2, 1)]
    assert handle(WorkerLost(3.0, 1)) == [
        FailQuery(
            0, "task 0 failed 3 times; the last time: it ran longer than its timeout of 1.0 s"
        )
    ]


def test_an_abandoned_copy_may_still_finish_and_its_worker_begins_anew():
    handle = dispatcher_of("eager", workers=1, max_attempts=1, timeout_s=1.0).handle
    handle(QuerySubmitted(0.0, 0, 2))
    assert handle(TimerFired(1.0, 1.0)) == [Abandon(0, 0, 0, 0)]
    assert handle(TaskFinished(1.0, 0, 0, 0, 0)) == [Start(0, 1, 0, 0), SetTimer(2.0)]
    assert handle(WorkerLost(1.5, 0)) == [
        FailQuery(0, "task 1 failed 1 times; the last time: worker 0 died while it ran the task")
    ]


def test_a_timer_that_fires_early_is_set_again():
    handle = dispatcher_of("eager", workers=1, timeout_s=1.0).handle
    handle(QuerySubmitted(0.0, 0, 1))
    assert handle(TimerFired(0.75, 1.0)) == [SetTimer(1.0)]
    assert handle(TimerFired(1.0, 1.0)) == [Abandon(0, 0, 0, 0)]


def test_a_timer_that_fires_late_finds_all_that_are_past_their_timeout():
    handle = dispatcher_of("eager", workers=2, timeout_s=1.0).handle
    assert handle(QuerySubmitted(0.0, 0, 1)) == [Start(0, 0, 0, 0), SetTimer(1.0)]
    assert handle(QuerySubmitted(0.5, 1, 1)) == [Start(1, 0, 0, 1)]
    assert handle(TimerFired(1.75, 1.0)) == [Abandon(0, 0, 0, 0), Abandon(1, 0, 0, 1)]


def test_a_copy_that_ended_in_time_is_not_abandoned():
    handle = dispatcher_of("eager", workers=1, timeout_s=1.0).handle
    handle(QuerySubmitted(0.0, 0, 1))
    assert handle(TaskFinished(1.0, 0, 0, 0, 0)) == [BeginReconstruction(0)]
    assert handle(TimerFired(1.0, 1.0)) == []


def test_a_merge_begins_when_what_it_needs_is_done_and_the_barrier_opens_after_all():
    merges = (Merge(((0, 1),)), Merge(((1, 2),), on_worker=True), Merge(((2, 4),)))
    handle = dispatcher_of("eager", workers=2).handle
    assert handle(QuerySubmitted(0.0, 0, 2, merges=merges)) == [
        Start(0, 0, 0, 0),
        Start(0, 1, 0, 1),
    ]
    assert handle(TaskFinished(1.0, 0, 0, 0, 0)) == [BeginMerge(0, 2)]
    assert handle(TaskFinished(2.0, 0, 1, 0, 1)) == [Start(0, 3, 0, 0)]
    assert handle(TaskFinished(3.0, 0, 3, 0, 0)) == []
    assert handle(MergeFinished(4.0, 0, 2)) == [BeginMerge(0, 4)]
    assert handle(MergeFinished(5.0, 0, 4)) == [BeginReconstruction(0)]
    assert handle(ReconstructionFinished(6.0, 0)) == [CompleteQuery(0)]


def test_merges_that_need_nothing_begin_with_their_query():
    merges = (Merge(()), Merge(((0, 0),), on_worker=True))
    handle = dispatcher_of("eager", workers=1).handle
    assert handle(QuerySubmitted(0.0, 0, 0, merges=merges)) == [
        BeginMerge(0, 0),
        Start(0, 1, 0, 0),
    ]


def test_a_merge_that_needs_a_node_twice_waits_for_it_once():
    handle = dispatcher_of("eager", workers=1).handle
    handle(QuerySubmitted(0.0, 0, 2, merges=(Merge(((0, 2), (1, 2))),)))
    assert handle(TaskFinished(1.0, 0, 0, 0, 0)) == [Start(0, 1, 0, 0)]
    assert handle(TaskFinished(2.0, 0, 1, 0, 0)) == [BeginMerge(0, 2)]


def test_a_merge_on_a_worker_is_tried_again_as_a_task_is():
    handle = dispatcher_of("eager", workers=1, max_attempts=2).handle
    handle(QuerySubmitted(0.0, 0, 0, merges=(Merge((), on_worker=True),)))
    assert handle(TaskFailed(1.0, 0, 0, 0, 0, "broken")) == [Start(0, 0, 1, 0)]
    assert handle(TaskFailed(2.0, 0, 0, 1, 0, "broken")) == [
        FailQuery(0, "task 0 failed 2 times; the last time: broken")
    ]


def test_a_merge_of_a_query_that_failed_meanwhile_leads_to_nothing():
    handle = dispatcher_of("eager", workers=1, max_attempts=1).handle
    handle(QuerySubmitted(0.0, 0, 1, merges=(Merge(()), Merge(((1, 2),)))))
    assert handle(TaskFailed(1.0, 0, 0, 0, 0, "broken")) == [
        FailQuery(0, "task 0 failed 1 times; the last time: broken")
    ]
    assert handle(MergeFinished(2.0, 0, 1)) == []
