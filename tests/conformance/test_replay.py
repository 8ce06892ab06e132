"""Events recorded in real runs, fed to a fresh dispatcher, give the recorded actions."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from qcutsim.dispatch import (
    Dispatcher,
    action_from_plain,
    check_invariants,
    event_from_plain,
    make_policy,
)
from qcutsim.errors import ExecutionError
from qcutsim.records import EventRecord, LogWriter, read_records
from qcutsim.runtime import Driver, Pool, ProcessPool, ThreadPool, make_pool

FUNCTION = "echo:echo"


@pytest.fixture(autouse=True)
def _workers_find_the_task_function(monkeypatch: pytest.MonkeyPatch) -> None:
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(here)


@dataclass(frozen=True)
class Echo:
    payload: bytes

    def encode(self) -> bytes:
        return self.payload


def assert_replays(log: Path) -> int:
    """Every recorded action comes out again; returns how many events there were."""
    dispatcher = Dispatcher(make_policy("eager"))
    count = 0
    for record in read_records(log):
        assert type(record) is EventRecord
        actions = dispatcher.handle(event_from_plain(record.event))
        assert actions == [action_from_plain(action) for action in record.actions]
        check_invariants(dispatcher)
        count += 1
    return count


async def run_queries(
    pool: Pool,
    log: Path,
    queries: Sequence[Sequence[Echo]],
    *,
    workers: int,
    meanwhile: Callable[[], None] = lambda: None,
    delay_s: float = 0.0,
) -> list[Sequence[bytes] | str]:
    """Results (or the error) of each query, all submitted at once; its events go to ``log``."""
    start_s = time.monotonic()
    await pool.start()
    try:
        with LogWriter(log) as writer:
            async with Driver(
                pool,
                workers=workers,
                clock=lambda: time.monotonic() - start_s,
                clock_offset_s=start_s,
                on_event=writer.write,
            ) as driver:
                running = [
                    asyncio.create_task(
                        driver.execute(
                            number,
                            tasks,
                            list,
                            lambda attempt: [delay_s] * 100,
                        )
                    )
                    for number, tasks in enumerate(queries)
                ]
                await asyncio.sleep(0)
                meanwhile()
                ended = await asyncio.gather(*running, return_exceptions=True)
    finally:
        await pool.stop()
    return [str(e) if isinstance(e, BaseException) else e.value for e in ended]


@pytest.mark.parametrize("kind", ["threads", "processes"])
@pytest.mark.parametrize("workers", [1, 3])
def test_real_queries_replay(kind, workers, tmp_path):
    queries = [[Echo(bytes([n])) for n in range(size)] for size in (40, 0, 7)]
    pool = make_pool(kind, 3, FUNCTION)
    results = asyncio.run(run_queries(pool, tmp_path / "log", queries, workers=workers))
    assert results == [[task.payload for task in tasks] for tasks in queries]
    assert assert_replays(tmp_path / "log") == workers + 47 + 2 * len(queries)


@pytest.mark.parametrize("pool_class", [ThreadPool, ProcessPool])
def test_a_task_that_fails_every_time_fails_its_query_alone(pool_class, tmp_path):
    queries = [[Echo(b"a"), Echo(b"fail"), Echo(b"b")], [Echo(b"c")] * 5]
    pool = pool_class(2, FUNCTION)
    failed, fine = asyncio.run(run_queries(pool, tmp_path / "log", queries, workers=2))
    assert failed == "task 1 failed 3 times; the last time: ValueError: asked to fail"
    assert fine == [b"c"] * 5
    assert_replays(tmp_path / "log")


def test_a_killed_worker_is_replaced_and_its_task_run_again(tmp_path):
    pool = ProcessPool(2, FUNCTION)
    queries = [[Echo(bytes([n])) for n in range(6)]]

    def kill_one() -> None:
        os.kill(pool.process_ids()[0], signal.SIGKILL)

    (results,) = asyncio.run(
        run_queries(pool, tmp_path / "log", queries, workers=2, meanwhile=kill_one, delay_s=0.05)
    )
    assert results == [bytes([n]) for n in range(6)]
    events = [record.event for record in read_records(tmp_path / "log")]
    assert [e["worker"] for e in events if e["type"] == "WorkerLost"] == [0]
    assert [e["worker"] for e in events if e["type"] == "WorkerJoined"][:2] == [0, 1]
    assert_replays(tmp_path / "log")


def test_a_worker_that_cannot_load_its_function_is_an_error_and_leaves_no_process(tmp_path):
    pool = ProcessPool(2, "echo:missing")
    with pytest.raises(ExecutionError, match="missing"):
        asyncio.run(run_queries(pool, tmp_path / "log", [], workers=2))
    assert pool.process_ids() == {}


def test_results_larger_than_a_socket_buffer_arrive_whole(tmp_path):
    payloads = [os.urandom(3_000_000) for _ in range(3)]
    pool = ProcessPool(2, FUNCTION)
    queries = [[Echo(payload) for payload in payloads]]
    (results,) = asyncio.run(run_queries(pool, tmp_path / "log", queries, workers=2))
    assert results == payloads
