"""A task that hangs counts as lost, its worker is replaced, and the next attempt serves."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from realpools import (
    FOR_EVER_S,
    GIVE_UP_AFTER_S,
    Echo,
    Home,
    assert_replays,
    copies_of,
    first_copy_sleeps,
    life,
    open_driver,
    query_of,
    run_queries,
)

from qcutsim.errors import ExecutionError
from qcutsim.runtime import make_pool

pytestmark = pytest.mark.usefixtures("task_functions")

KINDS = ("threads", "processes")
TIMEOUT_S = 0.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cancel", ["none", "sleep_only"])
def test_a_task_that_sleeps_on_is_run_again_by_a_new_worker(kind, cancel, tmp_path):
    pool = make_pool(kind, 1, "echo:echo", cancel)
    log = tmp_path / "log"

    async def main() -> None:
        async with open_driver(pool, log, workers=1, timeout_s=TIMEOUT_S) as driver:
            late = query_of([Echo(b"x"), Echo(b"y")], delay_s=first_copy_sleeps(FOR_EVER_S))
            done = await driver.execute(0, late)
            assert done.value == [b"x", b"y"]
            assert sorted(life(done)) == [(0, 0, "lost"), (0, 1, "ok"), (1, 0, "ok")]
            first = done.runs[0]
            assert first.ended_s - first.started_s >= TIMEOUT_S
            assert (await driver.execute(1, query_of([Echo(b"z")]))).value == [b"z"]

    asyncio.run(main())
    events = assert_replays(log, timeout_s=TIMEOUT_S)
    assert [e["worker"] for e in events if e["type"] == "WorkerLost"] == [0]
    assert [e["worker"] for e in events if e["type"] == "WorkerJoined"] == [0, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_work_that_never_ends_is_run_again_by_a_new_worker(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pool = make_pool(kind, 1, "echo:call_home")
    is_over = asyncio.Event()

    async def answer(call: int, caller: int) -> bytes:
        if call == 0:
            await is_over.wait()
        return b"%d" % call

    home = Home(answer)

    async def main() -> None:
        async with (
            home.opened() as task,
            open_driver(pool, Path("log"), workers=1, timeout_s=TIMEOUT_S) as driver,
        ):
            assert (await driver.execute(0, query_of([task]))).value == [b"1"]
            is_over.set()
            # What the thread that was given up returns now is nobody's.
            assert (await driver.execute(1, query_of([task] * 3))).value == [b"2", b"3", b"4"]

    asyncio.run(main())
    events = assert_replays(Path("log"), timeout_s=TIMEOUT_S)
    assert copies_of(events, "TaskFinished")[0] == (0, 0, 1)
    assert len(set(home.callers)) == (2 if kind == "processes" else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_three_times_over_the_timeout_fails_the_query_alone(kind, tmp_path):
    pool = make_pool(kind, 2, "echo:echo")
    hangs = query_of([Echo(b"x")], delay_s=lambda *copy: FOR_EVER_S)
    fine = query_of([Echo(bytes([n])) for n in range(30)])
    log = tmp_path / "log"
    failed, value = asyncio.run(
        run_queries(pool, log, [hangs, fine], workers=2, timeout_s=TIMEOUT_S)
    )
    assert failed == (
        "task 0 failed 3 times; the last time: it ran longer than its timeout of 0.5 s"
    )
    assert value == [bytes([n]) for n in range(30)]
    events = assert_replays(log, timeout_s=TIMEOUT_S)
    assert sum(event["type"] == "WorkerLost" for event in events) == 3


@pytest.mark.parametrize(
    ("kind", "cancel"),
    [
        ("threads", "sleep_only"),
        ("threads", "none"),
        ("processes", "sleep_only"),
        ("processes", "kill"),
    ],
)
def test_tasks_overdue_together_fail_their_query_once_and_for_all(kind, cancel, tmp_path):
    """The loss of the first one's worker fails the query before that of the second is known."""
    pool = make_pool(kind, 2, "echo:echo", cancel)
    hangs = query_of([Echo(b"x")] * 2, delay_s=lambda *copy: FOR_EVER_S)
    log = tmp_path / "log"

    async def main() -> None:
        async with open_driver(pool, log, workers=2, timeout_s=TIMEOUT_S) as driver:
            with pytest.raises(ExecutionError, match=r"its timeout of 0\.5 s"):
                await driver.execute(0, hangs)
            fine = await driver.execute(1, query_of([Echo(b"y")] * 2))
            assert fine.value == [b"y"] * 2

    asyncio.run(main())
    events = assert_replays(log, timeout_s=TIMEOUT_S)
    assert sum(event["type"] == "WorkerLost" for event in events) >= 5


def test_a_thread_that_was_given_up_in_its_sleep_does_not_work_later(tmp_path):
    done: list[bytes] = []

    def work(payload: bytes, context: bytes) -> bytes:
        done.append(payload)
        return payload

    before = set(threading.enumerate())
    late = query_of([Echo(b"x")], delay_s=first_copy_sleeps(0.5))
    pool = make_pool("threads", 1, work)
    log = tmp_path / "log"
    assert asyncio.run(run_queries(pool, log, [late], workers=1, timeout_s=0.1)) == [[b"x"]]
    for thread in set(threading.enumerate()) - before:
        thread.join(GIVE_UP_AFTER_S)
    assert done == [b"x"]


@pytest.mark.parametrize("kind", KINDS)
def test_tasks_in_time_are_left_alone(kind, tmp_path):
    """Many of them, so that timers are set and outlived."""
    queries = [
        query_of(
            [Echo(bytes([n])) for n in range(60)],
            delay_s=lambda task, attempt, worker: 0.03 if task % 10 == 0 else 0.0,
        )
        for _ in range(3)
    ]
    pool = make_pool(kind, 3, "echo:echo")
    log = tmp_path / "log"
    results = asyncio.run(run_queries(pool, log, queries, workers=3, timeout_s=2.0))
    assert results == [[bytes([n]) for n in range(60)]] * 3
    events = assert_replays(log, timeout_s=2.0)
    assert not any(event["type"] == "WorkerLost" for event in events)


def test_a_slow_task_on_the_callers_own_thread_is_not_lost(tmp_path):
    """Nothing else can happen meanwhile, so that its result is there before anybody asks."""
    pool = make_pool("inline", 1, "echo:echo")
    slow = query_of([Echo(b"x"), Echo(b"y")], delay_s=first_copy_sleeps(0.1))
    log = tmp_path / "log"
    assert asyncio.run(run_queries(pool, log, [slow], workers=1, timeout_s=0.02)) == [[b"x", b"y"]]
    assert copies_of(assert_replays(log, timeout_s=0.02), "TaskFinished") == [(0, 0, 0), (0, 1, 0)]


def test_a_copy_may_be_late_and_another_copy_serves_without_its_being_lost(tmp_path):
    """A timeout and speculation at once: the copy is cancelled before it is overdue."""
    policy = {"kind": "speculative", "slowdown": 1.0, "samples": 3}
    late = query_of(
        [Echo(bytes([n])) for n in range(8)],
        delay_s=lambda task, attempt, worker: FOR_EVER_S if (task, attempt) == (7, 0) else 0.01,
    )
    pool = make_pool("threads", 2, "echo:echo")
    log = tmp_path / "log"
    options = {"workers": 2, "policy": policy, "timeout_s": 30.0}
    results = asyncio.run(run_queries(pool, log, [late], **options))
    assert results == [[bytes([n]) for n in range(8)]]
    events = assert_replays(log, policy, timeout_s=30.0)
    assert (0, 7, 0) in copies_of(events, "TaskCancelled")
    assert not any(event["type"] == "WorkerLost" for event in events)
