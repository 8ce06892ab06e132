"""Queries on real workers: what the tests of pools and of replay share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qcutsim.dispatch import (
    Dispatcher,
    PolicyLike,
    TaskKind,
    action_from_plain,
    check_invariants,
    event_from_plain,
    make_policy,
)
from qcutsim.logreader import read_records
from qcutsim.records import EventRecord, LogWriter
from qcutsim.runtime import Driver, Execution, Pool, QueryWork

GIVE_UP_AFTER_S = 60.0
"""Nothing here takes as long; what does, hangs."""

FOR_EVER_S = 600.0

SPECULATIVE = {"kind": "speculative", "slowdown": 1.0, "samples": 512}
"""A second copy as soon as a task has taken longer than its query says it should."""

USUALLY_SHORT = {"kinds": (TaskKind("A", "short", 0.02),), "kind_of": (0,)}
"""Of a query of one task: what it is expected to take."""


@dataclass(frozen=True)
class Echo:
    """A task of its payload."""

    payload: bytes
    context: bytes = b""

    def encode(self) -> bytes:
        return self.payload


class EchoAtLast:
    """Fails so many times, then gives ``payload`` back."""

    context = b""

    def __init__(self, failures: int, payload: bytes) -> None:
        self._payloads = [b"fail"] * failures + [payload]

    def encode(self) -> bytes:
        return self._payloads.pop(0) if len(self._payloads) > 1 else self._payloads[0]


@dataclass(frozen=True)
class Concatenate:
    """A merge: what it needs, one after the other."""

    needs: tuple[tuple[int, int], ...]
    on_worker: bool = False

    def encode(self, results: Sequence[bytes]) -> bytes:
        return self.merge(results)

    def merge(self, results: Sequence[bytes]) -> bytes:
        return b"".join(result for start, stop in self.needs for result in results[start:stop])


def query_of(tasks: Sequence[Any], **options: Any) -> QueryWork[list[Any]]:
    """A query whose value is the list of its results."""
    return QueryWork(tasks=tasks, reconstruct=list, **options)


def first_copy_sleeps(delay_s: float) -> Callable[[int, int, int], float]:
    """Delays the first copy of task 0, wherever it runs."""
    return lambda task, attempt, worker: delay_s if (task, attempt) == (0, 0) else 0.0


@asynccontextmanager
async def open_driver(
    pool: Pool,
    log: Path,
    *,
    workers: int,
    policy: PolicyLike = "eager",
    timeout_s: float | None = None,
    on_event: Callable[[EventRecord], None] = lambda record: None,
) -> AsyncIterator[Driver]:
    """A driver on the pool, which is started and stopped; its events go to ``log``."""
    start_s = time.monotonic()

    async with asyncio.timeout(GIVE_UP_AFTER_S):
        await pool.start()
        try:
            with LogWriter(log) as writer:

                def note(record: EventRecord) -> None:
                    writer.write(record)
                    on_event(record)

                async with Driver(
                    pool,
                    workers=workers,
                    policy=policy,
                    timeout_s=timeout_s,
                    clock=lambda: time.monotonic() - start_s,
                    clock_offset_s=start_s,
                    on_event=note,
                ) as driver:
                    yield driver
        finally:
            await pool.stop()


async def run_queries(
    pool: Pool, log: Path, queries: Sequence[QueryWork[Any]], **options: Any
) -> list[Any]:
    """Value (or the error, as text) of each query, all submitted at once."""
    async with open_driver(pool, log, **options) as driver:
        running = [driver.execute(number, work) for number, work in enumerate(queries)]
        ended = await asyncio.gather(*running, return_exceptions=True)
    return [str(e) if isinstance(e, BaseException) else e.value for e in ended]


def assert_replays(
    log: Path, policy: PolicyLike = "eager", timeout_s: float | None = None
) -> list[dict[str, Any]]:
    """Every recorded action comes out again; returns the events."""
    dispatcher = Dispatcher(make_policy(policy), timeout_s=timeout_s)
    events = []
    for record in read_records(log):
        assert type(record) is EventRecord
        actions = dispatcher.handle(event_from_plain(record.event))
        assert actions == [action_from_plain(action) for action in record.actions]
        check_invariants(dispatcher)
        events.append(record.event)
    return events


def events_of(log: Path, *kinds: str) -> list[dict[str, Any]]:
    """The logged events of some kinds, or all."""
    events = [record.event for record in read_records(log) if isinstance(record, EventRecord)]
    return [event for event in events if not kinds or event["type"] in kinds]


def copies_of(events: Sequence[dict[str, Any]], kind: str) -> list[tuple[int, int, int]]:
    """(query, task, attempt) of the events of a kind."""
    return [(e["query"], e["task"], e["attempt"]) for e in events if e["type"] == kind]


def life(execution: Execution[Any]) -> list[tuple[int, int, str]]:
    """(task, attempt, outcome) of a query's copies, as they were started."""
    return [(run.task, run.attempt, run.outcome) for run in execution.runs]


@dataclass
class Home:
    """A Unix socket that tasks of ``echo:call_home`` call, and that answers as a test lets it.

    Args:
        answer: (number of the call, process id of the caller) -> what is answered.
    """

    answer: Callable[[int, int], Coroutine[Any, Any, bytes]]
    callers: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Echo]:
        """The task that calls; in the working directory, as a socket's path must be short."""
        async with await asyncio.start_unix_server(self._serve, "home"):
            yield Echo(b"home")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = int(await reader.readline())
        self.callers.append(caller)
        try:
            writer.write(await self.answer(len(self.callers) - 1, caller))
            writer.close()
            await writer.wait_closed()
        except OSError:  # the caller was killed
            return
