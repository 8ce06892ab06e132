"""Workers that die, do not start, or misbehave: the query ends, and nothing hangs or is left."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from realpools import FOR_EVER_S, GIVE_UP_AFTER_S, Concatenate, Echo, query_of

from qcutsim.dispatch import CANCEL_MODES
from qcutsim.errors import ExecutionError, InputError
from qcutsim.runtime import REAL_POOLS, Driver, Pool, ProcessPool, make_pool
from qcutsim.runtime.loop import run_async

pytestmark = pytest.mark.usefixtures("task_functions")

X = Echo(b"x")


@pytest.fixture(autouse=True)
def _flaky_was_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("FLAKY_MARKER", str(tmp_path / "loaded"))
    yield
    import sys

    sys.modules.pop("flaky", None)


async def ask(pool: Pool, number: int, tasks: int, *, workers: int = 1) -> list[bytes]:
    """The results of one query, with a driver of its own."""
    async with Driver(pool, workers=workers, clock=time.monotonic) as driver:
        return (await driver.execute(number, query_of([X] * tasks))).value


async def ask_once(pool: Pool, tasks: int) -> list[bytes]:
    await pool.start()
    try:
        async with asyncio.timeout(GIVE_UP_AFTER_S):
            return await ask(pool, 0, tasks)
    finally:
        await pool.stop()


def test_a_lost_worker_that_cannot_be_replaced_fails_the_query():
    pool = ProcessPool(1, "flaky:die")
    with pytest.raises(ExecutionError, match=r"(?s)the pool broke down: .*the licence has run out"):
        asyncio.run(ask_once(pool, 3))
    assert pool.process_ids() == {}


def test_a_task_that_kills_every_worker_fails_its_query_by_name():
    pool = ProcessPool(1, "echo:die")
    with pytest.raises(ExecutionError, match=r"task 0 failed 3 times; .* worker 2 died while it"):
        asyncio.run(ask_once(pool, 1))
    assert pool.process_ids() == {}


@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("flaky:leave", "SystemExit: enough"),
        ("flaky:answer_in_words", "TypeError: the task function returned str, not bytes"),
    ],
)
@pytest.mark.parametrize("kind", ["inline", "threads", "processes"])
def test_a_task_function_that_misbehaves_fails_its_query_by_name(kind, function, error):
    with pytest.raises(ExecutionError, match=error):
        asyncio.run(ask_once(make_pool(kind, 1, function), 1))


def test_workers_killed_between_queries_are_replaced_before_the_next():
    async def main() -> None:
        pool = ProcessPool(2, "echo:echo")
        await pool.start()
        try:
            for number in range(4):
                for pid in pool.process_ids().values():
                    os.kill(pid, signal.SIGKILL)
                assert await ask(pool, number, 9, workers=2) == [b"x"] * 9
        finally:
            await pool.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("kind", "delay_s"), [("threads", 0.5), ("processes", 0.5), ("processes", FOR_EVER_S)]
)
def test_what_an_abandoned_query_still_runs_does_not_reach_the_next(kind, delay_s):
    async def main() -> list[bytes]:
        pool = make_pool(kind, 1, "echo:echo")
        await pool.start()
        try:
            first = Driver(pool, workers=1, clock=time.monotonic)
            with pytest.raises(TimeoutError):
                async with first, asyncio.timeout(0.1):
                    await first.execute(0, query_of([X], delay_s=lambda *copy: delay_s))
            async with asyncio.timeout(GIVE_UP_AFTER_S):
                return await ask(pool, 0, 3)
        finally:
            await pool.stop()

    assert asyncio.run(main()) == [b"x"] * 3


def test_what_an_abandoned_query_still_sleeps_through_is_not_done_later():
    done: list[bytes] = []

    def work(payload: bytes, context: bytes) -> bytes:
        done.append(payload)
        return payload

    async def main() -> None:
        pool = make_pool("threads", 1, work)
        await pool.start()
        try:
            first = Driver(pool, workers=1, clock=time.monotonic)
            with pytest.raises(TimeoutError):
                async with first, asyncio.timeout(0.1):
                    await first.execute(0, query_of([Echo(b"old")], delay_s=lambda *copy: 0.5))
            assert await ask(pool, 0, 2) == [b"x"] * 2
        finally:
            await pool.stop()

    asyncio.run(main())
    assert done == [b"x"] * 2


class FailingMerge(Concatenate):
    """Breaks."""

    def merge(self, results: Sequence[bytes]) -> bytes:
        raise ValueError("broken on purpose")


async def ask_beside_a_failure(kind: str, merges: Sequence[Concatenate]) -> None:
    """A query of these merges fails by their error, and one that runs beside it does not."""
    pool = make_pool(kind, 2, "echo:echo")
    await pool.start()
    try:
        async with (
            asyncio.timeout(GIVE_UP_AFTER_S),
            Driver(pool, workers=2, clock=time.monotonic) as driver,
        ):
            beside = query_of([X] * 20, delay_s=lambda *copy: 0.005)
            failed, value = await asyncio.gather(
                driver.execute(0, query_of([X, X], merges=merges)),
                driver.execute(1, beside),
                return_exceptions=True,
            )
    finally:
        await pool.stop()
    assert isinstance(failed, ValueError)
    assert str(failed) == "broken on purpose"
    assert value.value == [b"x"] * 20


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_merge_that_raises_fails_its_query_alone(kind):
    merges = [FailingMerge(((0, 1),)), Concatenate(((1, 3),))]
    asyncio.run(ask_beside_a_failure(kind, merges))


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_merge_that_raises_fails_its_query_alone_where_a_worker_waits_for_it(kind):
    merges = [FailingMerge(((0, 1),)), Concatenate(((1, 3),), on_worker=True)]
    asyncio.run(ask_beside_a_failure(kind, merges))


def test_an_interrupt_inside_a_running_loop_cancels_the_work():
    cancelled = threading.Event()

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGUSR1)  # reaches the main thread
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def notebook() -> None:
        run_async(work())

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(notebook())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert cancelled.is_set()


@pytest.mark.parametrize("kind", REAL_POOLS)
def test_a_pool_is_made_with_what_its_kind_can_cancel(kind):
    modes = CANCEL_MODES[kind]
    assert make_pool(kind, 1, "echo:echo").cancel == modes[0]
    for mode in ("none", "sleep_only", "kill"):
        if mode in modes:
            assert make_pool(kind, 1, "echo:echo", mode).cancel == mode
        else:
            with pytest.raises(InputError, match=rf"{kind!r} takes cancel: {', '.join(modes)}"):
                make_pool(kind, 1, "echo:echo", mode)


def test_a_pool_that_is_only_simulated_or_a_function_without_a_name_is_refused():
    with pytest.raises(InputError, match="can only be simulated; real runs take: inline, threads"):
        make_pool("dedicated", 1, "echo:echo")
    with pytest.raises(InputError, match="works in the caller's process only"):
        make_pool("processes", 1, lambda payload, context: payload)
