"""Real driver and simulated farm give the same actions at the same times, to the last bit.

Nothing is left out: times may be tied or zero, tasks and queries may fail, queries may overlap,
workers may be lost, killed or join, copies may be cancelled or run out of time, and merges may
run beside tasks. What makes the worlds agree at one instant is that in both the dispatcher's turn
comes when all else that happens at it has happened, that a batch is sorted, and that what ends on
a shared host ends before what begins there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import Plan, QueryPlan, World, run_asyncio, run_simpy

from qcutsim.dispatch import (
    Action,
    Dispatcher,
    Event,
    Merge,
    TaskKind,
    check_invariants,
    policy_kinds,
)

EXAMPLES = 500
"""Plans of each policy on each sort of host, with and without ties."""

KINDS = (
    TaskKind("A", "short", 0.2),
    TaskKind("A", "long", 2.0),
    TaskKind("B", "long", 1.5),
    TaskKind("C", "unknown"),
)


@pytest.fixture(autouse=True, scope="module")
def _invariants_are_checked_after_every_event() -> Iterator[None]:
    handle = Dispatcher.handle

    def checked(dispatcher: Dispatcher, event: Event) -> list[Action]:
        actions = handle(dispatcher, event)
        check_invariants(dispatcher)
        return actions

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dispatcher, "handle", checked)
        yield


def assert_same(plan: Plan) -> World:
    """Both worlds agree on the plan; returns what they agree on.

    The farm goes on when the last query is over: workers come and go, a failed one's merges end.
    """
    real, simulated = run_asyncio(plan), run_simpy(plan)
    count = len(real.log)
    assert real.log == simulated.log[:count]
    assert {event["type"] for event, _ in simulated.log[count:]} <= {
        "WorkerLost",
        "WorkerJoined",
        "TimerFired",
        "MergeFinished",
    }
    assert real.completed_s == simulated.completed_s
    assert real.makespan_s == simulated.makespan_s
    assert real.stages_s == simulated.stages_s
    assert real.copies == simulated.copies
    assert real.errors == simulated.errors
    return real


POLICIES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "eager": {},
    "batched": {
        "size": st.integers(1, 12),
        "delay_s": st.sampled_from([0.0, 0.25, 1.0]),
        "loop": st.sampled_from(["open", "closed"]),
    },
    "staggered": {
        "by": st.sampled_from(["partition", "structure"]),
        "spacing_s": st.sampled_from([0.0, 0.25, 1.0]),
    },
    "longest_first": {},
    "variance_first": {},
    "work_stealing": {"deal": st.sampled_from(["blocks", "round_robin"])},
    "speculative": {
        "quantile": st.sampled_from([0.25, 0.75]),
        "slowdown": st.sampled_from([1.0, 1.5]),
        "copies": st.integers(2, 3),
        "cap": st.sampled_from([0.1, 0.5, 1.0]),
        "samples": st.sampled_from([1, 5, 50]),
    },
}


@st.composite
def plans(draw: st.DrawFn, *, kind: str, is_tied: bool, is_shared: bool) -> Plan:
    """Plans of every shape; ``is_tied`` makes all times small multiples of a quantum, or zero."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    quantum_s = draw(st.sampled_from([0.25, 0.1])) if is_tied else None
    straggler_probability = draw(st.sampled_from([0.0, 0.2, 1.0]))
    failure_probability = draw(st.sampled_from([0.0, 0.1, 0.5]))
    has_merges = draw(st.booleans())
    has_weights = draw(st.booleans())
    has_slow_workers = draw(st.booleans())

    def times_s(size: int) -> list[float]:
        if quantum_s is None:
            return rng.exponential(size=size).tolist()
        return (rng.integers(0, 4, size) * quantum_s).tolist()

    def merges(tasks: int) -> tuple[Merge, ...]:
        found = []
        for node in range(tasks, tasks + int(rng.integers(0, 5)) * has_merges):
            bounds = np.sort(rng.integers(0, node + 1, (rng.integers(0, 3), 2)), axis=1).tolist()
            needs = tuple((start, stop) for start, stop in bounds)
            found.append(Merge(needs, bool(rng.integers(2))))
        return tuple(found)

    def query(tasks: int) -> QueryPlan:
        later = merges(tasks)
        nodes = tasks + len(later)
        late = rng.random((4, nodes)) < straggler_probability
        return QueryPlan(
            service_s=times_s(nodes),
            delays_s=np.where(late, [times_s(nodes)] * 4, 0.0).tolist(),
            failing=frozenset(
                (int(task), int(attempt))
                for attempt, task in np.argwhere(rng.random((3, nodes)) < failure_probability)
            ),
            think_s=times_s(1)[0],
            reconstruct_s=times_s(1)[0],
            kinds=KINDS,
            kind_of=tuple(rng.integers(0, len(KINDS), tasks).tolist()),
            weights=tuple(rng.integers(0, 4, tasks).astype(float).tolist()) if has_weights else (),
            merges=later,
            slow=frozenset({0, 2, 5}) if has_slow_workers else None,
        )

    sizes = draw(
        st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=3), min_size=1, max_size=3)
    )
    host = (draw(st.integers(1, 4)), draw(st.sampled_from([1.0, 0.9, 0.7]))) if is_shared else None
    workers = draw(st.integers(1, 9))
    losses = draw(st.sampled_from([0, 0, 3, 10]))
    return Plan(
        workers=workers,
        clients=[[query(tasks) for tasks in client] for client in sizes],
        host=host,
        policy={"kind": kind} | {n: draw(values) for n, values in POLICIES[kind].items()},
        cancel=draw(st.sampled_from(["none", "sleep_only", "kill"])),
        restart_s=draw(st.sampled_from([0.0, 0.25, 1.0])),
        timeout_s=draw(st.sampled_from([None, None, 0.5, 2.0])),
        losses=tuple(
            zip(times_s(losses), rng.integers(0, workers + 4, losses).tolist(), strict=True)
        ),
        joins=tuple(times_s(draw(st.sampled_from([0, 0, 2])))),
    )


MET = {
    "failed queries",
    "completed queries",
    "WorkerLost",
    "Abandon",
    "BeginMerge",
    "TaskFailed",
}
"""What the plans of every policy must bring about again and again."""


@pytest.mark.parametrize("is_tied", [False, True], ids=["continuous", "ties"])
@pytest.mark.parametrize("is_shared", [False, True], ids=["dedicated", "shared"])
@pytest.mark.parametrize("kind", policy_kinds())
def test_both_worlds_agree_to_the_last_bit(kind: str, is_shared: bool, is_tied: bool):
    met: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
    @given(plans(kind=kind, is_tied=is_tied, is_shared=is_shared))
    def check(plan: Plan) -> None:
        world = assert_same(plan)
        met["failed queries"] += len(world.errors)
        met["completed queries"] += len(world.copies)
        met["ties"] += tied_ends(world)
        for event, actions in world.log:
            met[event["type"]] += 1
            met.update(action["type"] for action in actions)

    check()
    for what in MET:
        assert met[what] > EXAMPLES // 10, what
    if kind == "speculative":
        assert met["Cancel"] > EXAMPLES // 10
        assert met["TaskCancelled"] > EXAMPLES // 100
    if kind in ("batched", "staggered", "speculative"):
        assert met["SetTimer"] > EXAMPLES // 10
    assert met["ties"] > (EXAMPLES if is_tied else -1)


def test_every_installed_policy_is_among_those_tested():
    assert sorted(POLICIES) == policy_kinds()


def tied_ends(world: World) -> int:
    """How many tasks ended at the instant at which the one before ended."""
    ends = [event for event, _ in world.log if event["type"] in ("TaskFinished", "TaskFailed")]
    return sum(first["at_s"] == then["at_s"] for first, then in pairwise(ends))


@pytest.mark.parametrize("host", [None, (2, 0.9)], ids=["dedicated", "shared"])
def test_worlds_agree_where_everything_happens_at_one_instant(host: tuple[int, float] | None):
    failing = frozenset({(0, 0), (3, 0), (3, 1)})
    query = QueryPlan(service_s=[0.0] * 7, failing=failing)
    doomed = QueryPlan(service_s=[0.0] * 4, failing=failing | {(3, 2)})
    world = assert_same(Plan(3, [[query, doomed], [doomed, query], [QueryPlan([])]], host))
    assert world.makespan_s == 0.0
    assert sorted(world.errors) == [1, 2]


def test_worlds_log_what_a_failed_query_leaves_running():
    doomed = QueryPlan(service_s=[1.0, 9.0], failing=frozenset({(0, 0), (0, 1), (0, 2)}))
    world = assert_same(Plan(2, [[doomed]]))
    assert world.makespan_s == 3.0
    assert world.log[-1][0]["at_s"] == 9.0


def test_worlds_log_what_ends_at_the_instant_at_which_the_last_query_fails():
    failing = frozenset({(1, 0), (1, 1), (1, 2)})
    world = assert_same(Plan(2, [[QueryPlan(service_s=[3.0, 1.0, 0.0], failing=failing)]]))
    last, _ = world.log[-1]
    assert (last["type"], last["at_s"], last["task"]) == ("TaskFinished", 3.0, 2)


def test_a_reconstruction_of_no_length_waits_its_turn_in_both_worlds():
    long, short = QueryPlan([], reconstruct_s=2.0), QueryPlan([], think_s=1.0)
    assert assert_same(Plan(1, [[long], [short]])).completed_s == {0: 2.0, 1: 2.0}


def test_an_injected_delay_does_not_burden_the_host_in_either_world():
    both_busy = QueryPlan([3.0, 3.0])
    one_sleeps = QueryPlan([3.0, 3.0], delays_s=[[0.0, 3.0]])
    assert assert_same(Plan(2, [[both_busy]], host=(1, 1.0))).makespan_s == 6.0
    assert assert_same(Plan(2, [[one_sleeps]], host=(1, 1.0))).makespan_s == 6.0
    assert assert_same(Plan(2, [[one_sleeps]], host=(1, 0.5))).makespan_s == 6.0
    assert assert_same(Plan(2, [[both_busy]], host=(1, 0.5))).makespan_s == 12.0
