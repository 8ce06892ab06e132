"""What it costs to hand a task to a worker and take its result back, in microseconds a task.

    python benchmarks/dispatch.py [--quick] [--tasks 1000] [--rounds 15]

A query of tasks that do nothing goes through our driver, a fresh one for each query as in an
estimator's job, and through the executors of the standard library, under asyncio and by ``map``.
Pools are started, and used once, before the clock starts. Every round runs all cases in a new
order; ratios are of one round. "Alone" is the dispatcher with nobody around it: what deciding
costs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import os
import random
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

from dispatch_noop import noop
from measured import Spread, print_machine

from qcutsim.dispatch import (
    BeginReconstruction,
    CompleteQuery,
    Dispatcher,
    Event,
    QuerySubmitted,
    ReconstructionFinished,
    Start,
    TaskFinished,
    WorkerJoined,
    make_policy,
    policy_kinds,
)
from qcutsim.records import EventRecord, LogWriter
from qcutsim.runtime import Driver, Pool, QueryWork, make_pool

WORKERS = (1, 2)
OURS, PEER, PLAIN = "our driver", "asyncio", "map"
LOGGED = "eager, events logged"

K = TypeVar("K")
Query = Callable[[], Awaitable[None]]
"""Runs all tasks of one query."""


class Noop:
    """A task with nothing to tell."""

    context: bytes = b""

    def encode(self) -> bytes:
        return b""


async def through_driver(
    pool: Pool,
    workers: int,
    tasks: int,
    *,
    policy: str = "eager",
    on_event: Callable[[EventRecord], None] | None = None,
) -> None:
    work = QueryWork(tasks=[Noop()] * tasks, reconstruct=len)
    async with Driver(
        pool, workers=workers, policy=policy, clock=time.monotonic, on_event=on_event
    ) as driver:
        execution = await driver.execute(0, work)
    check(execution.value, tasks)


async def through_executor(executor: Executor, tasks: int) -> None:
    loop = asyncio.get_running_loop()
    calls = (loop.run_in_executor(executor, noop, b"", b"") for _ in range(tasks))
    check(len(await asyncio.gather(*calls)), tasks)


async def through_map(executor: Executor, tasks: int) -> None:
    check(len(list(executor.map(noop, [b""] * tasks, [b""] * tasks))), tasks)


async def through_coroutines(tasks: int) -> None:
    async def call() -> bytes:
        return noop(b"", b"")

    check(len(await asyncio.gather(*(call() for _ in range(tasks)))), tasks)


def check(done: int, tasks: int) -> None:
    if done != tasks:
        raise RuntimeError(f"{done} of {tasks} tasks were done")


class Session:
    """Pools and executors, each started when first asked for and kept."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._pools: dict[tuple[str, int], Pool] = {}
        self._executors: dict[tuple[str, int], Executor] = {}

    async def pool(self, kind: str, workers: int) -> Pool:
        if (kind, workers) not in self._pools:
            function = "dispatch_noop:noop" if kind == "processes" else noop
            pool = self._pools[kind, workers] = make_pool(kind, workers, function)
            await pool.start()
            self._stack.push_async_callback(pool.stop)
        return self._pools[kind, workers]

    def executor(self, kind: str, workers: int) -> Executor:
        if (kind, workers) not in self._executors:
            self._executors[kind, workers] = self._stack.enter_context(
                ThreadPoolExecutor(workers)
                if kind == "threads"
                else ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
            )
        return self._executors[kind, workers]


async def in_turns(queries: dict[K, Query], rounds: int, tasks: int) -> dict[K, list[float]]:
    """Microseconds a task of every case, one value a round."""
    order = random.Random(0)
    found: dict[K, list[float]] = {name: [] for name in queries}
    for turn in range(rounds + 1):
        names = list(queries)
        order.shuffle(names)
        for name in names:
            gc.collect()
            start_s = time.perf_counter()
            await queries[name]()
            seconds = time.perf_counter() - start_s
            if turn:  # the first warms up
                found[name].append(1e6 * seconds / tasks)
    return found


def ratios(ours: list[float], theirs: list[float]) -> Spread:
    return Spread.of(our / their for our, their in zip(ours, theirs, strict=True))


async def measure_pools(session: Session, tasks: int, rounds: int) -> None:
    inline = await session.pool("inline", 1)
    queries: dict[tuple[str, str, int], Query] = {
        (OURS, "inline", 1): partial(through_driver, inline, 1, tasks),
        (PEER, "inline", 1): partial(through_coroutines, tasks),
    }
    for kind in ("threads", "processes"):
        for workers in WORKERS:
            pool, executor = await session.pool(kind, workers), session.executor(kind, workers)
            queries[OURS, kind, workers] = partial(through_driver, pool, workers, tasks)
            queries[PEER, kind, workers] = partial(through_executor, executor, tasks)
            queries[PLAIN, kind, workers] = partial(through_map, executor, tasks)
    found = await in_turns(queries, rounds, tasks)
    print(f"\n{tasks} tasks that do nothing, microseconds a task (quartiles of {rounds} rounds)")
    print(f"  {'pool':13} {'through':12} {'us a task':>28}  ours, times this")
    for (who, kind, workers), microseconds in found.items():
        against = "" if who == OURS else ratios(found[OURS, kind, workers], microseconds)
        shown = against.shown(".2f") if isinstance(against, Spread) else ""
        pool_name = kind if kind == "inline" else f"{kind}:{workers}"
        print(f"  {pool_name:13} {who:12} {Spread.of(microseconds).shown('.1f'):>28}  {shown}")


async def measure_policies(session: Session, tasks: int, rounds: int) -> None:
    workers = max(WORKERS)
    pool = await session.pool("processes", workers)
    with tempfile.TemporaryDirectory() as folder, LogWriter(Path(folder) / "run.jsonl") as log:
        queries: dict[str, Query] = {
            kind: partial(through_driver, pool, workers, tasks, policy=kind)
            for kind in ("eager", *(kind for kind in policy_kinds() if kind != "eager"))
        }
        queries[LOGGED] = partial(through_driver, pool, workers, tasks, on_event=log.write)
        found = await in_turns(queries, rounds, tasks)
    alone = {
        kind: [decide_alone(kind, workers, tasks) for _ in range(rounds)]
        for kind in queries
        if kind != LOGGED
    }
    print(f"\nPolicies on processes:{workers} with the parameters they have by default")
    print(f"  {'policy':21} {'us a task':>28}  {'times eager':>22}  {'alone, us a task':>20}")
    for name, microseconds in found.items():
        against = ratios(microseconds, found["eager"]).shown(".2f")
        by_itself = Spread.of(alone[name]).shown(".1f") if name in alone else "-"
        print(
            f"  {name:21} {Spread.of(microseconds).shown('.1f'):>28}  {against:>22}  "
            f"{by_itself:>20}"
        )


def decide_alone(kind: str, workers: int, tasks: int) -> float:
    """Microseconds a task in the dispatcher: a copy ends when those begun before it have."""
    dispatcher = Dispatcher(make_policy(kind))
    now_s = 0.0
    under_way: deque[Start | BeginReconstruction] = deque()
    is_done = False

    def handle(event: Event) -> None:
        nonlocal is_done
        for action in dispatcher.handle(event):
            if isinstance(action, Start | BeginReconstruction):
                under_way.append(action)
            is_done = is_done or isinstance(action, CompleteQuery)

    gc.collect()
    start_s = time.perf_counter()
    for worker in range(workers):
        handle(WorkerJoined(now_s, worker))
    handle(QuerySubmitted(now_s, 0, tasks))
    while under_way:
        action = under_way.popleft()
        now_s += 1e-5
        if isinstance(action, Start):
            copy = (action.query, action.task, action.attempt)
            handle(TaskFinished(now_s, *copy, action.worker))
        else:
            handle(ReconstructionFinished(now_s, action.query))
    seconds = time.perf_counter() - start_s
    if not is_done:
        raise RuntimeError(f"policy {kind!r} did not end the query")
    return 1e6 * seconds / tasks


async def measure(tasks: int, rounds: int) -> None:
    async with AsyncExitStack() as stack:
        session = Session(stack)
        await measure_pools(session, tasks, rounds)
        await measure_policies(session, tasks, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="5 rounds")
    parser.add_argument("--tasks", type=int, default=1000, help="of a query")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    # Our workers look for the task function where PYTHONPATH says, not beside the script.
    found_at = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(found_at)
    print_machine()
    asyncio.run(measure(arguments.tasks, 5 if arguments.quick else arguments.rounds))


if __name__ == "__main__":
    main()
