"""Events recorded in real runs, fed to a fresh dispatcher, give the recorded actions."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from realpools import (
    FOR_EVER_S,
    Concatenate,
    Echo,
    EchoAtLast,
    Home,
    assert_replays,
    copies_of,
    events_of,
    first_copy_sleeps,
    query_of,
    run_queries,
)

from qcutsim.dispatch import TaskKind, policy_kinds
from qcutsim.errors import ExecutionError
from qcutsim.runtime import ProcessPool, ThreadPool, make_pool

pytestmark = pytest.mark.usefixtures("task_functions")

FUNCTION = "echo:echo"
KINDS = ("threads", "processes")
POLICIES = [
    {"kind": "eager"},
    {"kind": "batched", "size": 5},
    {"kind": "batched", "size": 4, "delay_s": 0.002, "loop": "open"},
    {"kind": "batched", "size": 7, "delay_s": 0.002, "loop": "closed"},
    {"kind": "staggered", "spacing_s": 0.003},
    {"kind": "staggered", "spacing_s": 0.001, "by": "structure"},
    {"kind": "longest_first"},
    {"kind": "variance_first"},
    {"kind": "work_stealing", "deal": "blocks"},
    {"kind": "work_stealing", "deal": "round_robin"},
    {"kind": "speculative"},
    {"kind": "speculative", "slowdown": 1.0, "copies": 3, "cap": 1.0, "samples": 2},
]
TASK_KINDS = (TaskKind("A", "wide", 0.003), TaskKind("B", "narrow", 0.001), TaskKind("B", "wide"))


def echoes(*payloads):
    return [Echo(payload) for payload in payloads]


def test_every_policy_is_replayed():
    assert {policy["kind"] for policy in POLICIES} == set(policy_kinds())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_queries_of_any_policy_replay(kind, policy, tmp_path):
    """With merges here and there, tasks that fail and are late, a query that fails, one that is
    empty; all at once.
    """
    tasks = echoes(*(bytes([n]) for n in range(20)))
    tasks[3], tasks[11] = EchoAtLast(2, b"\3"), EchoAtLast(1, b"\13")
    merged = query_of(
        tasks,
        kinds=TASK_KINDS,
        kind_of=tuple(n % 3 for n in range(20)),
        weights=tuple(float(n % 4) for n in range(20)),
        merges=[
            Concatenate(((0, 7),)),
            Concatenate(((7, 20),), on_worker=True),
            Concatenate(((20, 21), (2, 5)), on_worker=True),
            Concatenate(((21, 23),)),
        ],
        delay_s=lambda task, attempt, worker: 0.005 if (task, attempt) in {(5, 0), (21, 0)} else 0,
    )
    queries = [merged, query_of(echoes(b"a", b"fail", b"b")), query_of([]), query_of(tasks[4:9])]
    pool = make_pool(kind, 3, FUNCTION)
    log = tmp_path / "log"
    results = asyncio.run(run_queries(pool, log, queries, workers=3, policy=policy))
    plain = [bytes([n]) for n in range(20)]
    seven, rest = b"".join(plain[:7]), b"".join(plain[7:])
    again = seven + b"\2\3\4"
    assert results == [
        [*plain, seven, rest, again, rest + again],
        "task 1 failed 3 times; the last time: ValueError: asked to fail",
        [],
        plain[4:9],
    ]
    events = assert_replays(log, policy)
    assert len(copies_of(events, "TaskFailed")) >= 6
    assert sum(event["type"] == "MergeFinished" for event in events) == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [1, 3])
def test_undisturbed_queries_have_one_event_a_task(kind, workers, tmp_path):
    queries = [query_of(echoes(*(bytes([n]) for n in range(size)))) for size in (40, 0, 7)]
    pool = make_pool(kind, 3, FUNCTION)
    results = asyncio.run(run_queries(pool, tmp_path / "log", queries, workers=workers))
    assert results == [[task.payload for task in query.tasks] for query in queries]
    assert len(assert_replays(tmp_path / "log")) == workers + 47 + 2 * len(queries)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_copy_and_the_end_of_the_first_replay(kind, tmp_path):
    policy = {"kind": "speculative", "slowdown": 1.0}
    query = query_of(
        echoes(b"x"),
        kinds=(TaskKind("A", "short", 0.01),),
        kind_of=(0,),
        delay_s=first_copy_sleeps(FOR_EVER_S),
    )
    pool = make_pool(kind, 2, FUNCTION)
    log = tmp_path / "log"
    assert asyncio.run(run_queries(pool, log, [query], workers=2, policy=policy)) == [[b"x"]]
    events = assert_replays(log, policy)
    assert copies_of(events, "TaskFinished") == [(0, 0, 1)]
    assert copies_of(events, "TaskCancelled") == [(0, 0, 0)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_that_runs_over_its_timeout_replays(kind, tmp_path):
    query = query_of(echoes(b"x", b"y"), delay_s=first_copy_sleeps(FOR_EVER_S))
    pool = make_pool(kind, 2, FUNCTION)
    log = tmp_path / "log"
    results = asyncio.run(run_queries(pool, log, [query], workers=2, timeout_s=1.0))
    assert results == [[b"x", b"y"]]
    events = assert_replays(log, timeout_s=1.0)
    assert [event["worker"] for event in events if event["type"] == "WorkerLost"] == [0]


@pytest.mark.parametrize("pool_class", [ThreadPool, ProcessPool])
def test_a_task_that_fails_every_time_fails_its_query_alone(pool_class, tmp_path):
    queries = [query_of(echoes(b"a", b"fail", b"b")), query_of(echoes(*[b"c"] * 5))]
    pool = pool_class(2, FUNCTION)
    failed, fine = asyncio.run(run_queries(pool, tmp_path / "log", queries, workers=2))
    assert failed == "task 1 failed 3 times; the last time: ValueError: asked to fail"
    assert fine == [b"c"] * 5
    assert_replays(tmp_path / "log")


@pytest.mark.parametrize("pool_class", [ThreadPool, ProcessPool])
def test_a_task_that_fails_twice_is_tried_a_third_time(pool_class, tmp_path):
    tasks = [Echo(b"a"), EchoAtLast(2, b"late"), Echo(b"b"), EchoAtLast(1, b"soon")]
    pool = pool_class(2, FUNCTION)
    (results,) = asyncio.run(run_queries(pool, tmp_path / "log", [query_of(tasks)], workers=2))
    assert results == [b"a", b"late", b"b", b"soon"]
    failed = copies_of(assert_replays(tmp_path / "log"), "TaskFailed")
    assert sorted(failed) == [(0, 1, 0), (0, 1, 1), (0, 3, 0)]


def test_a_worker_killed_in_its_task_is_replaced_and_the_task_run_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pool = ProcessPool(1, "echo:call_home")
    members = []

    async def answer(call: int, caller: int) -> bytes:
        members.extend(pool.process_ids().values())
        if call == 0:
            os.kill(caller, signal.SIGKILL)
        return b"hello"

    home = Home(answer)

    async def main() -> list[object]:
        async with home.opened() as task:
            return await run_queries(pool, tmp_path / "log", [query_of([task])], workers=1)

    assert asyncio.run(main()) == [[b"hello"]]
    assert len(set(home.callers)) == 2
    assert home.callers == members
    assert [e["type"] for e in events_of(tmp_path / "log")] == [
        "WorkerJoined",
        "QuerySubmitted",
        "WorkerLost",
        "WorkerJoined",
        "TaskFinished",
        "ReconstructionFinished",
    ]
    (finished,) = events_of(tmp_path / "log", "TaskFinished")
    assert (finished["attempt"], finished["worker"]) == (1, 1)
    assert_replays(tmp_path / "log")


def test_a_worker_that_cannot_load_its_function_is_an_error_and_leaves_no_process(tmp_path):
    pool = ProcessPool(2, "echo:missing")
    with pytest.raises(ExecutionError, match="missing"):
        asyncio.run(run_queries(pool, tmp_path / "log", [], workers=2))
    assert pool.process_ids() == {}


def test_results_larger_than_a_socket_buffer_arrive_whole(tmp_path):
    payloads = [os.urandom(3_000_000) for _ in range(3)]
    pool = ProcessPool(2, FUNCTION)
    queries = [query_of(echoes(*payloads))]
    (results,) = asyncio.run(run_queries(pool, tmp_path / "log", queries, workers=2))
    assert results == payloads
