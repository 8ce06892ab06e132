"""Workers that die, do not start, or misbehave: the query ends, and nothing hangs or is left."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qcutsim.errors import ExecutionError
from qcutsim.runtime import Driver, Pool, ProcessPool, make_pool
from qcutsim.runtime.loop import run_async


@pytest.fixture(autouse=True)
def _workers_find_the_task_functions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", here)
    monkeypatch.setenv("FLAKY_MARKER", str(tmp_path / "loaded"))
    monkeypatch.syspath_prepend(here)
    yield
    import sys

    sys.modules.pop("flaky", None)


class Nothing:
    def encode(self) -> bytes:
        return b"x"


async def ask(pool: Pool, number: int, tasks: int, *, workers: int = 1) -> list[bytes]:
    """The results of one query, with a driver of its own."""
    async with Driver(pool, workers=workers, clock=time.monotonic) as driver:
        done = await driver.execute(
            number, [Nothing()] * tasks, list, lambda attempt: [0.0] * tasks
        )
        return done.value


async def ask_once(pool: Pool, tasks: int) -> list[bytes]:
    await pool.start()
    try:
        return await asyncio.wait_for(ask(pool, 0, tasks), timeout=30)
    finally:
        await pool.stop()


def test_a_lost_worker_that_cannot_be_replaced_fails_the_query():
    pool = ProcessPool(1, "flaky:die")
    with pytest.raises(ExecutionError, match=r"(?s)the pool broke down: .*the licence has run out"):
        asyncio.run(ask_once(pool, 3))
    assert pool.process_ids() == {}


@pytest.mark.parametrize(
    ("function", "error"),
    [
        ("flaky:leave", "SystemExit: enough"),
        ("flaky:answer_in_words", "TypeError: the task function returned str, not bytes"),
    ],
)
@pytest.mark.parametrize("kind", ["threads", "processes"])
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


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_what_an_abandoned_query_still_runs_does_not_reach_the_next(kind):
    async def main() -> list[bytes]:
        pool = make_pool(kind, 1, "echo:echo")
        await pool.start()
        try:
            first = Driver(pool, workers=1, clock=time.monotonic)
            with pytest.raises(TimeoutError):
                async with first, asyncio.timeout(0.1):
                    await first.execute(0, [Nothing()], list, lambda attempt: [0.5])
            return await ask(pool, 0, 3)
        finally:
            await pool.stop()

    assert asyncio.run(main()) == [b"x"] * 3


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
