"""What each policy releases, when and to whom, said outright."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from scenes import dispatcher_of

from qcutsim.dispatch import (
    BeginReconstruction,
    Cancel,
    Dispatcher,
    Event,
    FailQuery,
    Merge,
    QuerySubmitted,
    SetTimer,
    Start,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskKind,
    TimerFired,
    WorkerJoined,
    WorkerLost,
    policy_kinds,
)


def test_eager_gives_the_longest_waiting_task_to_the_idle_worker_with_the_lowest_number():
    handle = dispatcher_of("eager").handle
    for worker in (2, 0, 1):
        handle(WorkerJoined(0.0, worker))
    assert handle(QuerySubmitted(0.0, 5, 2)) == [Start(5, 0, 0, 0), Start(5, 1, 0, 1)]
    assert handle(QuerySubmitted(1.0, 4, 3)) == [Start(4, 0, 0, 2)]
    assert handle(TaskFinished(2.0, 5, 1, 0, 1)) == [Start(4, 1, 0, 1)]
    assert handle(TaskFinished(3.0, 5, 0, 0, 0)) == [BeginReconstruction(5), Start(4, 2, 0, 0)]


def test_eager_tries_a_failed_task_again_before_those_that_wait():
    handle = dispatcher_of("eager", workers=1).handle
    handle(QuerySubmitted(0.0, 0, 2))
    assert handle(TaskFailed(1.0, 0, 0, 0, 0, "broken")) == [Start(0, 0, 1, 0)]
    assert handle(WorkerLost(2.0, 0)) == []
    assert handle(WorkerJoined(3.0, 1)) == [Start(0, 0, 2, 1)]
    assert handle(TaskFinished(4.0, 0, 0, 2, 1)) == [Start(0, 1, 0, 1)]


def test_batched_closed_pauses_when_all_of_a_batch_is_done():
    batched = {"kind": "batched", "size": 2, "delay_s": 0.5, "loop": "closed"}
    handle = dispatcher_of(batched, workers=3).handle
    assert handle(QuerySubmitted(0.0, 0, 3)) == [Start(0, 0, 0, 0), Start(0, 1, 0, 1)]
    assert handle(TaskFinished(1.0, 0, 0, 0, 0)) == []
    assert handle(TaskFailed(2.0, 0, 1, 0, 1, "broken")) == [Start(0, 1, 1, 0)]
    assert handle(TaskFinished(3.0, 0, 1, 1, 0)) == [SetTimer(3.5)]
    assert handle(TimerFired(3.5, 3.5)) == [Start(0, 2, 0, 0)]
    assert handle(TaskFinished(4.0, 0, 2, 0, 0)) == [BeginReconstruction(0)]


def test_batched_open_pauses_when_a_batch_is_released():
    batched = {"kind": "batched", "size": 2, "delay_s": 0.5, "loop": "open"}
    handle = dispatcher_of(batched, workers=3).handle
    assert handle(QuerySubmitted(0.0, 0, 6)) == [
        Start(0, 0, 0, 0),
        Start(0, 1, 0, 1),
        SetTimer(0.5),
    ]
    assert handle(TaskFinished(0.25, 0, 0, 0, 0)) == []
    assert handle(TimerFired(0.5, 0.5)) == [Start(0, 2, 0, 0), Start(0, 3, 0, 2), SetTimer(1.0)]
    assert handle(TimerFired(1.0, 1.0)) == []
    assert handle(TaskFinished(1.25, 0, 1, 0, 1)) == [Start(0, 4, 0, 1)]


def test_batched_closed_without_a_pause_releases_the_next_batch_at_once():
    batched = {"kind": "batched", "size": 2, "delay_s": 0.0, "loop": "closed"}
    handle = dispatcher_of(batched, workers=3).handle
    handle(QuerySubmitted(0.0, 0, 4))
    assert handle(TaskFinished(1.0, 0, 0, 0, 0)) == []
    assert handle(TaskFinished(1.0, 0, 1, 0, 1)) == [Start(0, 2, 0, 0), Start(0, 3, 0, 1)]


def test_a_batch_is_what_has_waited_longest_whoever_it_belongs_to():
    handle = dispatcher_of({"kind": "batched", "size": 2}, workers=4).handle
    assert handle(QuerySubmitted(0.0, 5, 3)) == [Start(5, 0, 0, 0), Start(5, 1, 0, 1)]
    assert handle(QuerySubmitted(1.0, 4, 2)) == []
    assert handle(TaskFinished(2.0, 5, 0, 0, 0)) == []
    assert handle(TaskFinished(2.0, 5, 1, 0, 1)) == [Start(5, 2, 0, 0), Start(4, 0, 0, 1)]


def test_a_batch_ends_with_the_query_that_failed_in_it():
    handle = dispatcher_of({"kind": "batched", "size": 2}, workers=2, max_attempts=1).handle
    handle(QuerySubmitted(0.0, 0, 3))
    handle(QuerySubmitted(0.0, 1, 1))
    assert handle(TaskFailed(1.0, 0, 0, 0, 0, "broken")) == [
        Cancel(0, 1, 0, 1),
        FailQuery(0, "task 0 failed 1 times; the last time: broken"),
        Start(1, 0, 0, 0),
    ]


GRID = (TaskKind("A", "s"), TaskKind("B", "s"), TaskKind("A", "t"), TaskKind("B", "t"))


def test_staggered_releases_a_querys_partitions_one_after_the_other():
    staggered = {"kind": "staggered", "by": "partition", "spacing_s": 0.5}
    handle = dispatcher_of(staggered, workers=6).handle
    assert handle(QuerySubmitted(1.0, 0, 4, GRID, (1, 0, 3, 2))) == [
        Start(0, 0, 0, 0),
        Start(0, 2, 0, 1),
        SetTimer(1.5),
    ]
    assert handle(QuerySubmitted(1.25, 1, 1, GRID, (0,))) == [Start(1, 0, 0, 2)]
    assert handle(TimerFired(1.5, 1.5)) == [Start(0, 1, 0, 3), Start(0, 3, 0, 4)]


def test_staggered_releases_a_querys_structures_one_after_the_other():
    staggered = {"kind": "staggered", "by": "structure", "spacing_s": 0.5}
    kinds = (*GRID, TaskKind("A", "u"))
    handle = dispatcher_of(staggered, workers=6).handle
    assert handle(QuerySubmitted(0.0, 0, 5, kinds, (4, 2, 0, 3, 1))) == [
        Start(0, 0, 0, 0),
        SetTimer(0.5),
    ]
    assert handle(TimerFired(0.5, 0.5)) == [
        Start(0, 1, 0, 1),
        Start(0, 3, 0, 2),
        SetTimer(1.0),
    ]
    assert handle(TimerFired(1.0, 1.0)) == [Start(0, 2, 0, 3), Start(0, 4, 0, 4)]


def test_staggered_releases_at_once_what_has_nothing_to_tell_it_apart():
    handle = dispatcher_of("staggered", workers=2).handle
    assert handle(QuerySubmitted(0.0, 0, 2)) == [Start(0, 0, 0, 0), Start(0, 1, 0, 1)]


def test_staggered_tries_what_failed_again_at_once():
    staggered = {"kind": "staggered", "by": "partition", "spacing_s": 0.5}
    handle = dispatcher_of(staggered, workers=1).handle
    handle(QuerySubmitted(0.0, 0, 2, GRID, (0, 1)))
    assert handle(TaskFailed(0.25, 0, 0, 0, 0, "broken")) == [Start(0, 0, 1, 0)]


def test_staggered_keeps_its_order_when_a_query_has_failed():
    staggered = {"kind": "staggered", "by": "partition", "spacing_s": 2.0}
    handle = dispatcher_of(staggered, workers=4, max_attempts=1).handle
    kinds = (*GRID, TaskKind("C"))
    handle(QuerySubmitted(0.5, 0, 2, kinds, (0, 1)))
    handle(QuerySubmitted(1.0, 1, 3, kinds, (0, 1, 4)))
    assert handle(TaskFailed(1.5, 0, 0, 0, 0, "broken")) == [
        FailQuery(0, "task 0 failed 1 times; the last time: broken")
    ]
    assert handle(TimerFired(2.5, 2.5)) == [SetTimer(3.0)]
    assert handle(TimerFired(3.0, 3.0)) == [Start(1, 1, 0, 0), SetTimer(5.0)]


LENGTHS = (TaskKind(expected_s=1.0), TaskKind(expected_s=2.0), TaskKind(expected_s=4.0))


def finish_one_by_one(dispatcher: Dispatcher, started: list[Start]) -> list[tuple[int, int]]:
    """(query, task) in the order in which one worker runs them."""
    order = []
    while started:
        [copy] = started
        order.append((copy.query, copy.task))
        done = TaskFinished(1.0, copy.query, copy.task, copy.attempt, copy.worker)
        started = [action for action in dispatcher.handle(done) if isinstance(action, Start)]
    return order


def test_longest_first_begins_with_the_longest_ties_in_task_order():
    dispatcher = dispatcher_of("longest_first", workers=1)
    started = dispatcher.handle(QuerySubmitted(0.0, 0, 5, LENGTHS, (0, 1, 0, 2, 1)))
    assert finish_one_by_one(dispatcher, started) == [(0, 3), (0, 1), (0, 4), (0, 0), (0, 2)]


def test_longest_first_lets_no_younger_query_overtake_an_older_one():
    dispatcher = dispatcher_of("longest_first", workers=1)
    started = dispatcher.handle(QuerySubmitted(0.0, 0, 3, LENGTHS, (0, 0, 1)))
    assert dispatcher.handle(QuerySubmitted(0.5, 1, 2, LENGTHS, (1, 2))) == []
    assert finish_one_by_one(dispatcher, started) == [(0, 2), (0, 0), (0, 1), (1, 1), (1, 0)]


def test_longest_first_puts_what_failed_back_in_its_place():
    handle = dispatcher_of("longest_first", workers=1).handle
    assert handle(QuerySubmitted(0.0, 0, 3, LENGTHS, (1, 2, 0))) == [Start(0, 1, 0, 0)]
    assert handle(TaskFailed(1.0, 0, 1, 0, 0, "broken")) == [Start(0, 1, 1, 0)]
    assert handle(TaskFinished(2.0, 0, 1, 1, 0)) == [Start(0, 0, 0, 0)]


def test_variance_first_begins_with_the_heaviest_ties_in_task_order():
    dispatcher = dispatcher_of("variance_first", workers=1)
    query = QuerySubmitted(0.0, 0, 5, LENGTHS, (2, 1, 0, 2, 1), weights=(0.5, 2.0, 0.0, 3.0, 2.0))
    started = dispatcher.handle(query)
    assert finish_one_by_one(dispatcher, started) == [(0, 3), (0, 1), (0, 4), (0, 0), (0, 2)]


def test_variance_first_lets_no_younger_query_overtake_and_puts_what_failed_back():
    handle = dispatcher_of("variance_first", workers=1).handle
    assert handle(QuerySubmitted(0.0, 0, 2, weights=(1.0, 2.0))) == [Start(0, 1, 0, 0)]
    assert handle(QuerySubmitted(0.5, 1, 1, weights=(9.0,))) == []
    assert handle(TaskFailed(1.0, 0, 1, 0, 0, "broken")) == [Start(0, 1, 1, 0)]
    assert handle(TaskFinished(2.0, 0, 1, 1, 0)) == [Start(0, 0, 0, 0)]
    assert handle(TaskFinished(3.0, 0, 0, 0, 0)) == [BeginReconstruction(0), Start(1, 0, 0, 0)]


def test_variance_first_without_weights_keeps_the_order_of_tasks():
    dispatcher = dispatcher_of("variance_first", workers=1)
    started = dispatcher.handle(QuerySubmitted(0.0, 0, 3, LENGTHS, (0, 2, 1)))
    assert finish_one_by_one(dispatcher, started) == [(0, 0), (0, 1), (0, 2)]


def test_longest_first_keeps_its_order_when_a_query_has_failed():
    handle = dispatcher_of("longest_first", workers=1, max_attempts=1).handle
    handle(QuerySubmitted(0.0, 0, 2, LENGTHS, (0, 0)))
    handle(QuerySubmitted(0.0, 1, 2, LENGTHS, (0, 1)))
    assert handle(TaskFailed(1.0, 0, 0, 0, 0, "broken")) == [
        FailQuery(0, "task 0 failed 1 times; the last time: broken"),
        Start(1, 1, 0, 0),
    ]


def test_work_stealing_deals_in_blocks_and_takes_from_the_head_of_its_own():
    handle = dispatcher_of({"kind": "work_stealing", "deal": "blocks"}, workers=2).handle
    assert handle(QuerySubmitted(0.0, 0, 4)) == [Start(0, 0, 0, 0), Start(0, 2, 0, 1)]
    assert handle(TaskFinished(1.0, 0, 2, 0, 1)) == [Start(0, 3, 0, 1)]
    assert handle(TaskFinished(1.0, 0, 0, 0, 0)) == [Start(0, 1, 0, 0)]


def test_work_stealing_deals_one_by_one_and_takes_from_the_head_of_its_own():
    handle = dispatcher_of({"kind": "work_stealing", "deal": "round_robin"}, workers=2).handle
    assert handle(QuerySubmitted(0.0, 0, 5)) == [Start(0, 0, 0, 0), Start(0, 1, 0, 1)]
    assert handle(TaskFinished(1.0, 0, 0, 0, 0)) == [Start(0, 2, 0, 0)]
    assert handle(TaskFinished(1.0, 0, 1, 0, 1)) == [Start(0, 3, 0, 1)]
    assert handle(TaskFinished(2.0, 0, 2, 0, 0)) == [Start(0, 4, 0, 0)]


def test_work_stealing_steals_the_tail_of_the_longest_of_those_that_are_as_long_the_first():
    handle = dispatcher_of("work_stealing", workers=3).handle
    assert handle(QuerySubmitted(0.0, 0, 7)) == [
        Start(0, 0, 0, 0),
        Start(0, 3, 0, 1),
        Start(0, 5, 0, 2),
    ]
    assert handle(TaskFinished(1.0, 0, 5, 0, 2)) == [Start(0, 6, 0, 2)]
    assert handle(TaskFinished(2.0, 0, 6, 0, 2)) == [Start(0, 2, 0, 2)]
    assert handle(TaskFinished(3.0, 0, 2, 0, 2)) == [Start(0, 1, 0, 2)]
    assert handle(TaskFinished(4.0, 0, 1, 0, 2)) == [Start(0, 4, 0, 2)]
    assert handle(TaskFinished(5.0, 0, 4, 0, 2)) == []


def test_what_a_lost_worker_leaves_goes_before_what_others_own():
    handle = dispatcher_of("work_stealing", workers=2).handle
    handle(QuerySubmitted(0.0, 0, 4))
    assert handle(WorkerLost(1.0, 0)) == []
    assert handle(TaskFinished(2.0, 0, 2, 0, 1)) == [Start(0, 0, 1, 1)]
    assert handle(TaskFinished(3.0, 0, 0, 1, 1)) == [Start(0, 1, 0, 1)]
    assert handle(TaskFinished(4.0, 0, 1, 0, 1)) == [Start(0, 3, 0, 1)]


def test_work_that_came_before_any_worker_is_taken_in_order():
    handle = dispatcher_of("work_stealing").handle
    assert handle(QuerySubmitted(0.0, 0, 3)) == []
    assert handle(WorkerJoined(1.0, 4)) == [Start(0, 0, 0, 4)]
    assert handle(WorkerJoined(1.0, 7)) == [Start(0, 1, 0, 7)]


ONE_SECOND = (TaskKind(expected_s=1.0),)


def speculative(workers: int, **parameters: Any) -> Dispatcher:
    """Late beyond twice what two tasks in five stay within; no cap unless given."""
    given = {"quantile": 0.4, "slowdown": 2.0, "cap": 1.0, **parameters}
    return dispatcher_of({"kind": "speculative", **given}, workers=workers)


def test_speculative_copies_a_late_task_to_the_fastest_idle_worker_and_the_first_result_wins():
    handle = speculative(workers=3, samples=1).handle
    handle(QuerySubmitted(0.0, 0, 3))
    assert handle(TaskFinished(1.0, 0, 1, 0, 1)) == [SetTimer(2.0)]
    assert handle(TaskFinished(1.25, 0, 0, 0, 0)) == []
    assert handle(TimerFired(1.75, 2.0)) == [SetTimer(2.0)]
    assert handle(TimerFired(2.0, 2.0)) == [Start(0, 2, 1, 1)]
    assert handle(TaskFinished(2.5, 0, 2, 1, 1)) == [Cancel(0, 2, 0, 2), BeginReconstruction(0)]


@pytest.mark.parametrize(
    "end", [TaskCancelled(3.0, 0, 0, 1, 1), TaskFinished(3.0, 0, 0, 1, 1), WorkerLost(3.0, 1)]
)
def test_what_becomes_of_the_slower_copy_changes_nothing(end: Event):
    handle = speculative(workers=2).handle
    assert handle(QuerySubmitted(0.0, 0, 1, ONE_SECOND, (0,))) == [
        Start(0, 0, 0, 0),
        SetTimer(2.0),
    ]
    assert handle(TimerFired(2.0, 2.0)) == [Start(0, 0, 1, 1)]
    assert handle(TaskFinished(2.5, 0, 0, 0, 0)) == [Cancel(0, 0, 1, 1), BeginReconstruction(0)]
    assert handle(end) == []


def test_speculative_makes_no_copy_while_anything_waits():
    handle = speculative(workers=1).handle
    assert handle(QuerySubmitted(0.0, 0, 2, ONE_SECOND, (0, 0))) == [Start(0, 0, 0, 0)]
    assert handle(WorkerJoined(9.0, 1)) == [Start(0, 1, 0, 1)]


def test_speculative_gives_no_copy_to_a_worker_that_is_late_itself():
    handle = speculative(workers=2).handle
    handle(QuerySubmitted(0.0, 0, 2, ONE_SECOND, (0, 0)))
    assert handle(TaskFinished(10.0, 0, 0, 0, 0)) == []
    assert handle(WorkerJoined(10.5, 2)) == [Start(0, 1, 1, 2)]


def test_speculative_goes_by_the_expected_service_time_until_it_has_seen_enough():
    handle = speculative(workers=3, samples=2).handle
    handle(QuerySubmitted(0.0, 0, 3, ONE_SECOND, (0, 0, 0)))
    assert handle(TaskFinished(0.5, 0, 0, 0, 0)) == [SetTimer(2.0)]
    assert handle(TaskFinished(1.0, 0, 1, 0, 1)) == [Start(0, 2, 1, 0)]


def test_speculative_makes_no_copy_of_what_it_knows_nothing_of():
    handle = speculative(workers=3, samples=2).handle
    handle(QuerySubmitted(0.0, 0, 3))
    assert handle(TaskFinished(1.0, 0, 0, 0, 0)) == []
    assert handle(TaskFinished(9.0, 0, 1, 0, 1)) == [Start(0, 2, 1, 0)]


def test_speculative_compares_a_task_with_those_of_its_structure():
    kinds = (TaskKind("A", "short"), TaskKind("B", "long"), TaskKind("C", "long"))
    handle = speculative(workers=4, samples=1).handle
    handle(QuerySubmitted(0.0, 0, 4, kinds, (0, 0, 1, 2)))
    assert handle(TaskFinished(0.5, 0, 0, 0, 0)) == [SetTimer(1.0)]
    assert handle(TimerFired(1.0, 1.0)) == [Start(0, 1, 1, 0)]
    assert handle(TaskFinished(4.0, 0, 2, 0, 2)) == [SetTimer(8.0)]


@pytest.mark.parametrize(
    ("cap", "copies"), [(0.25, [Start(0, 2, 1, 0)]), (0.5, [Start(0, 2, 1, 0), Start(0, 3, 1, 1)])]
)
def test_speculative_lets_a_share_of_the_workers_run_further_copies(
    cap: float, copies: list[Start]
):
    handle = speculative(workers=4, cap=cap).handle
    handle(QuerySubmitted(0.0, 0, 4, ONE_SECOND, (0, 0, 0, 0)))
    assert handle(TaskFinished(1.0, 0, 0, 0, 0)) == [SetTimer(2.0)]
    assert handle(TaskFinished(1.0, 0, 1, 0, 1)) == []
    assert handle(TimerFired(2.0, 2.0)) == copies


def test_a_copy_that_was_beaten_counts_under_the_cap_until_it_ends():
    handle = speculative(workers=4, cap=0.25).handle
    handle(QuerySubmitted(0.0, 0, 4, ONE_SECOND, (0, 0, 0, 0)))
    handle(TaskFinished(1.0, 0, 0, 0, 0))
    handle(TaskFinished(1.0, 0, 1, 0, 1))
    handle(TimerFired(2.0, 2.0))
    assert handle(TaskFinished(2.5, 0, 2, 1, 0)) == [Cancel(0, 2, 0, 2)]
    assert handle(TaskCancelled(2.5, 0, 2, 0, 2)) == [Start(0, 3, 1, 1)]


def test_speculative_learns_that_a_worker_is_late_from_copies_that_were_beaten():
    handle = speculative(workers=2).handle
    handle(QuerySubmitted(0.0, 0, 1, ONE_SECOND, (0,)))
    assert handle(TimerFired(9.0, 2.0)) == [Start(0, 0, 1, 1)]
    assert handle(TaskFinished(10.0, 0, 0, 1, 1))[0] == Cancel(0, 0, 0, 0)
    handle(TaskCancelled(10.0, 0, 0, 0, 0))
    handle(QuerySubmitted(10.0, 1, 2, ONE_SECOND, (0, 0)))
    handle(TaskFinished(11.0, 1, 0, 0, 0))
    assert handle(TimerFired(12.0, 12.0)) == [Start(1, 1, 1, 0)]


def test_speculative_copies_first_what_is_latest():
    handle = speculative(workers=3, cap=0.25).handle
    handle(QuerySubmitted(0.0, 5, 1, ONE_SECOND, (0,)))
    handle(QuerySubmitted(0.5, 1, 1, ONE_SECOND, (0,)))
    assert handle(TimerFired(3.0, 2.0)) == [Start(5, 0, 1, 2)]


def test_speculative_runs_so_many_copies_at_once_and_tries_again_when_all_have_failed():
    handle = speculative(workers=3, copies=2).handle
    handle(QuerySubmitted(0.0, 0, 1, ONE_SECOND, (0,)))
    assert handle(TimerFired(2.0, 2.0)) == [Start(0, 0, 1, 1)]
    assert handle(TaskFailed(2.5, 0, 0, 0, 0, "broken")) == [SetTimer(4.0)]
    assert handle(WorkerLost(3.0, 1)) == [Start(0, 0, 2, 0)]


def test_a_third_copy_is_made_when_the_second_is_late_too():
    handle = speculative(workers=4, copies=3).handle
    handle(QuerySubmitted(0.0, 0, 1, ONE_SECOND, (0,)))
    assert handle(TimerFired(2.0, 2.0)) == [Start(0, 0, 1, 1), SetTimer(4.0)]
    assert handle(TimerFired(4.0, 4.0)) == [Start(0, 0, 2, 2)]


def test_a_quantile_is_the_least_duration_that_its_share_does_not_exceed():
    handle = speculative(workers=5, quantile=0.5, samples=4).handle
    handle(QuerySubmitted(0.0, 0, 5))
    for worker, at_s in enumerate((1.0, 1.5, 2.0)):
        assert handle(TaskFinished(at_s, 0, worker, 0, worker)) == []
    assert handle(TaskFinished(2.5, 0, 3, 0, 3)) == [SetTimer(2 * 1.5)]


@pytest.mark.parametrize(
    "kind",
    ["eager", "batched", "staggered", "longest_first", "variance_first", "work_stealing"],
)
def test_a_merge_waits_its_turn_among_the_tasks(kind: str):
    merges = (Merge(((0, 1),), on_worker=True),)
    handle = dispatcher_of(kind, workers=1).handle
    handle(QuerySubmitted(0.0, 0, 2, merges=merges))
    assert handle(TaskFinished(1.0, 0, 0, 0, 0)) == [Start(0, 1, 0, 0)]


@pytest.mark.parametrize("kind", policy_kinds())
def test_a_policy_keeps_nothing_of_queries_that_have_ended(kind: str):
    dispatcher = dispatcher_of(kind, workers=3, max_attempts=1)

    def size_after(queries: range) -> int:
        for query in queries:
            dispatcher.handle(QuerySubmitted(0.0, query, 3))
            dispatcher.handle(TaskFinished(0.0, query, 0, 0, 0))
            dispatcher.handle(TaskFailed(0.0, query, 1, 0, 1, "broken"))
            dispatcher.handle(TaskCancelled(0.0, query, 2, 0, 2))
        return len(pickle.dumps(dispatcher.policy))

    assert size_after(range(1000, 2000)) == size_after(range(2000, 3000))
