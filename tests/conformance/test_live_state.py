"""What a view counts is what the dispatcher knows, after every event, whatever happens."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from scenes import dispatcher_of
from test_two_worlds import plans
from worlds import Plan, run_simpy

from qcutsim.dispatch import (
    Action,
    Dispatcher,
    Event,
    Merge,
    QuerySubmitted,
    TaskKind,
    WorkerJoined,
    policy_kinds,
)
from qcutsim.live import LiveState

EXAMPLES = 100


class Watched:
    """Compares after every event of a dispatcher."""

    def __init__(self) -> None:
        self.live = LiveState()
        self.seen: Counter[str] = Counter()
        self.most_queued = 0

    def compare(self, dispatcher: Dispatcher, event: Event, actions: list[Action]) -> None:
        live = self.live
        live.handle(event, actions)
        self.seen[type(event).__name__] += 1
        self.seen.update(type(action).__name__ for action in actions)
        assert {w: tuple(copy)[:3] for w, copy in live.busy.items()} == dispatcher.busy
        assert sorted(live.idle) == list(dispatcher.idle)
        assert live.workers + live.lost == self.seen["WorkerJoined"]
        assert live.lost == self.seen["WorkerLost"]
        assert live.completed == self.seen["CompleteQuery"]
        assert live.failed == self.seen["FailQuery"]
        assert {number: bytes(q.is_done) for number, q in live.queries.items()} == {
            number: bytes(state.done) for number, state in dispatcher.queries.items()
        }
        waiting = Counter(
            query
            for query, node in dispatcher.policy.queued()
            if node < dispatcher.queries[query].tasks
        )
        assert {number: q.waiting for number, q in live.queries.items() if q.waiting} == waiting
        assert live.queued >= 0
        assert live.done <= live.nodes
        self.most_queued = max(self.most_queued, live.queued)


def watch(plan: Plan) -> Watched:
    """The plan simulated, compared all along."""
    watched = Watched()
    handle = Dispatcher.handle

    def compared(dispatcher: Dispatcher, event: Event) -> list[Action]:
        actions = handle(dispatcher, event)
        watched.compare(dispatcher, event, actions)
        return actions

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dispatcher, "handle", compared)
        run_simpy(plan)
    return watched


@pytest.mark.parametrize("kind", policy_kinds())
def test_the_counts_are_those_of_the_dispatcher(kind: str):
    met: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
    @given(plans(kind=kind, is_tied=True, is_shared=False))
    def check(plan: Plan) -> None:
        watched = watch(plan)
        met.update(watched.seen)
        met["queued"] += watched.most_queued

    check()
    for what in ("FailQuery", "CompleteQuery", "WorkerLost", "TaskFailed", "MergeFinished"):
        assert met[what] > EXAMPLES // 10, what
    assert met["queued"] > EXAMPLES


def test_a_worker_says_what_class_of_task_it_runs():
    kinds = (TaskKind("A", "wide"), TaskKind("B", "narrow"))
    dispatcher, live = dispatcher_of("eager"), LiveState()
    for event in [
        WorkerJoined(0.0, 0),
        WorkerJoined(0.0, 1),
        WorkerJoined(0.0, 2),
        QuerySubmitted(0.0, 0, 2, kinds, (1, 0), (Merge((), on_worker=True),)),
    ]:
        live.handle(event, dispatcher.handle(event))
    shown = {worker: copy.kind for worker, copy in live.busy.items()}
    assert shown == {0: kinds[1], 1: kinds[0], 2: TaskKind(partition="merge")}
