"""A policy from a package of its own: the same in both worlds, and fair as it says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plugins import KIND, install_plugin
from realpools import Echo, assert_replays, query_of, run_queries
from scenes import dispatcher_of
from test_two_worlds import MET, POLICIES, assert_same, plans
from worlds import Plan, QueryPlan

from qcutsim.dispatch import (
    Dispatcher,
    QuerySubmitted,
    Start,
    TaskFinished,
    WorkerJoined,
    check_invariants,
    policies,
    policy_class,
    policy_kinds,
)
from qcutsim.runtime import make_pool

EXAMPLES = 100


@pytest.fixture(autouse=True, scope="module")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    def look_again() -> None:
        policies._installed.cache_clear()
        policy_class.cache_clear()

    handle = Dispatcher.handle

    def checked(dispatcher, event):
        actions = handle(dispatcher, event)
        check_invariants(dispatcher)
        return actions

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(install_plugin(tmp_path_factory.mktemp("plugin"))))
        patch.setitem(POLICIES, KIND, {"burst": st.sampled_from([1, 2, 5])})
        patch.setattr(Dispatcher, "handle", checked)
        look_again()
        assert KIND in policy_kinds()
        yield
    look_again()


def fair(burst: int) -> dict[str, object]:
    return {"kind": KIND, "burst": burst}


@pytest.mark.parametrize("is_tied", [False, True], ids=["continuous", "ties"])
@pytest.mark.parametrize("is_shared", [False, True], ids=["dedicated", "shared"])
def test_both_worlds_agree_to_the_last_bit(is_shared: bool, is_tied: bool):
    met: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
    @given(plans(kind=KIND, is_tied=is_tied, is_shared=is_shared))
    def check(plan: Plan) -> None:
        world = assert_same(plan)
        met["failed queries"] += len(world.errors)
        met["completed queries"] += len(world.copies)
        for event, actions in world.log:
            met[event["type"]] += 1
            met.update(action["type"] for action in actions)

    check()
    for what in MET:
        assert met[what] > EXAMPLES // 10, what


@pytest.mark.usefixtures("task_functions")
@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("burst", [1, 3])
def test_what_real_workers_did_under_it_replays(kind: str, burst: int, tmp_path: Path):
    payloads = [bytes([n]) for n in range(12)]
    tasks = [Echo(payload) for payload in payloads]
    queries = [query_of(tasks), query_of([*tasks[:3], Echo(b"fail")]), query_of(tasks[4:9])]
    pool, log = make_pool(kind, 3, "echo:echo"), tmp_path / "log"
    whole, failed, part = asyncio.run(
        run_queries(pool, log, queries, workers=3, policy=fair(burst))
    )
    assert (whole, part) == (payloads, payloads[4:9])
    assert failed == "task 3 failed 3 times; the last time: ValueError: asked to fail"
    assert len(assert_replays(log, fair(burst))) > 3 + 3 * 2 + 12 + 5


@pytest.mark.parametrize("host", [None, (1, 1.0)], ids=["dedicated", "shared"])
@pytest.mark.parametrize(
    ("policy", "long_s", "short_s"),
    [("eager", 10.0, 12.0), (fair(1), 12.0, 5.0), (fair(3), 12.0, 5.0), (fair(10), 10.0, 12.0)],
    ids=str,
)
def test_a_short_query_waits_for_its_share_and_not_for_the_long_one(policy, long_s, short_s, host):
    """On one worker, by hand: L while it is alone; then, of one, L S L S, of three LL SS L."""
    long, short = QueryPlan([1.0] * 10), QueryPlan([1.0] * 2)
    world = assert_same(Plan(1, [[long], [short]], host, policy))
    assert world.completed_s == {0: long_s, 1: short_s}


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    workers=st.integers(1, 3),
    burst=st.integers(1, 4),
)
def test_no_query_with_tasks_left_falls_a_turn_behind(sizes: list[int], workers: int, burst: int):
    dispatcher = dispatcher_of(fair(burst))
    for number, tasks in enumerate(sizes):
        dispatcher.handle(QuerySubmitted(0.0, number, tasks))
    begun: Counter[int] = Counter()
    waiting = [
        action
        for worker in range(workers)
        for action in dispatcher.handle(WorkerJoined(0.0, worker))
    ]
    while starts := [action for action in waiting if isinstance(action, Start)]:
        waiting = []
        for start in starts:
            begun[start.query] += 1
            behind = [n for n, tasks in enumerate(sizes) if begun[n] < tasks]
            assert all(begun[start.query] - begun[n] <= burst for n in behind)
        for start in starts:
            event = TaskFinished(0.0, start.query, start.task, start.attempt, start.worker)
            waiting += dispatcher.handle(event)
    assert [begun[n] for n in range(len(sizes))] == sizes
