"""Events recorded in real runs, fed to a fresh dispatcher, give the recorded actions."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from qcutsim.runtime import Driver, Pool, ProcessPool, Task, ThreadPool, make_pool

FUNCTION = "echo:echo"
GIVE_UP_AFTER_S = 15.0


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


class EchoAtLast:
    """Fails so many times, then gives ``payload`` back."""

    def __init__(self, failures: int, payload: bytes) -> None:
        self._payloads = [b"fail"] * failures + [payload]

    def encode(self) -> bytes:
        return self._payloads.pop(0)


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


def events_of(log: Path, *kinds: str) -> list[dict[str, Any]]:
    """The logged events of some kinds, or all."""
    events = [record.event for record in read_records(log) if isinstance(record, EventRecord)]
    return [event for event in events if not kinds or event["type"] in kinds]


async def run_queries(
    pool: Pool,
    log: Path,
    queries: Sequence[Sequence[Task]],
    *,
    workers: int,
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
                    driver.execute(number, tasks, list, lambda attempt: [0.0] * 100)
                    for number, tasks in enumerate(queries)
                ]
                async with asyncio.timeout(GIVE_UP_AFTER_S):
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


@pytest.mark.parametrize("pool_class", [ThreadPool, ProcessPool])
def test_a_task_that_fails_twice_is_tried_a_third_time(pool_class, tmp_path):
    queries = [[Echo(b"a"), EchoAtLast(2, b"late"), Echo(b"b"), EchoAtLast(1, b"soon")]]
    pool = pool_class(2, FUNCTION)
    (results,) = asyncio.run(run_queries(pool, tmp_path / "log", queries, workers=2))
    assert results == [b"a", b"late", b"b", b"soon"]
    failed = [(e["task"], e["attempt"]) for e in events_of(tmp_path / "log", "TaskFailed")]
    assert sorted(failed) == [(1, 0), (1, 1), (3, 0)]
    assert_replays(tmp_path / "log")


def test_a_worker_killed_in_its_task_is_replaced_and_the_task_run_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a Unix socket must be short
    pool = ProcessPool(1, "echo:call_home")
    callers, members = [], []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(int(await reader.readline()))
        members.extend(pool.process_ids().values())
        if len(callers) == 1:
            os.kill(callers[0], signal.SIGKILL)
        else:
            writer.write(b"hello")
        writer.close()

    async def main() -> list[Sequence[bytes] | str]:
        async with await asyncio.start_unix_server(answer, "home"):
            return await run_queries(pool, tmp_path / "log", [[Echo(b"home")]], workers=1)

    assert asyncio.run(main()) == [[b"hello"]]
    assert len(set(callers)) == 2
    assert callers == members
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
    queries = [[Echo(payload) for payload in payloads]]
    (results,) = asyncio.run(run_queries(pool, tmp_path / "log", queries, workers=2))
    assert results == payloads
