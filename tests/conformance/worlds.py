"""One plan of queries, run by the asyncio driver and by the SimPy farm, both in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import simpy
from virtual_time import (
    FakePool,
    Reconstruction,
    VirtualExecutor,
    VirtualHost,
    VirtualTimeLoop,
    run_virtual,
)

from qcutsim.dispatch import (
    CancelMode,
    Dispatcher,
    Merge,
    PolicyLike,
    TaskKind,
    make_policy,
    to_plain,
)
from qcutsim.errors import ExecutionError
from qcutsim.runtime import Driver, QueryWork
from qcutsim.simulation import Farm, QueryDraws, SharedHost


@dataclass(frozen=True)
class QueryPlan:
    """One query: seconds of its steps, and which of its copies fail.

    ``service_s`` has an entry a task, then one a merge. ``delays_s[attempt][task]`` is slept
    before the work, from its last entry on for all attempts; ``slow`` workers sleep it, all do
    where ``slow`` is ``None``. ``failing`` holds (task, attempt).
    """

    service_s: list[float]
    delays_s: list[list[float]] = field(default_factory=list)
    failing: frozenset[tuple[int, int]] = frozenset()
    think_s: float = 0.0
    reconstruct_s: float = 0.0
    kinds: tuple[TaskKind, ...] = ()
    kind_of: tuple[int, ...] = ()
    merges: tuple[Merge, ...] = ()
    weights: tuple[float, ...] = ()
    slow: frozenset[int] | None = None

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return len(self.service_s) - len(self.merges)

    def delay_s(self, task: int, attempt: int, worker: int) -> float:
        """Injected delay of a copy."""
        if not self.delays_s or (self.slow is not None and worker not in self.slow):
            return 0.0
        return self.delays_s[min(attempt, len(self.delays_s) - 1)][task]

    def fails(self, task: int, attempt: int) -> str | None:
        """The error of a copy, if it fails."""
        return f"broken at attempt {attempt}" if (task, attempt) in self.failing else None


@dataclass(frozen=True)
class Plan:
    """Clients at once, each with its queries in sequence, on one pool.

    ``host`` is (capacity, efficiency) of the host that all share, ``None`` for dedicated workers.
    ``losses`` holds (time, worker), ``joins`` times at which another worker joins.
    """

    workers: int
    clients: list[list[QueryPlan]]
    host: tuple[int, float] | None = None
    policy: PolicyLike = "eager"
    cancel: CancelMode = "none"
    restart_s: float = 0.0
    timeout_s: float | None = None
    losses: tuple[tuple[float, int], ...] = ()
    joins: tuple[float, ...] = ()

    def numbered(self) -> list[list[tuple[int, QueryPlan]]]:
        """Each client's queries with their numbers."""
        numbers = iter(range(sum(map(len, self.clients))))
        return [[(next(numbers), query) for query in queries] for queries in self.clients]

    def station(self) -> SharedHost[Callable[[], None]] | None:
        """A fresh shared host."""
        return None if self.host is None else SharedHost(*self.host)


@dataclass
class World:
    """What one world made of a plan.

    Attributes:
        log: every (event, actions) as plain data.
        completed_s: when each query's client had its answer.
        stages_s: execute and reconstruct seconds of each query that succeeded.
        copies: life of each copy of the queries that succeeded.
        errors: of the queries that failed.
    """

    log: list[tuple[Any, Any]] = field(default_factory=list)
    completed_s: dict[int, float] = field(default_factory=dict)
    stages_s: dict[int, tuple[float, float]] = field(default_factory=dict)
    copies: dict[int, list[tuple[Any, ...]]] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)

    @property
    def makespan_s(self) -> float:
        """When the last client had its last answer."""
        return max(self.completed_s.values())


class _Work:
    context = b""

    def encode(self) -> bytes:
        return b""


@dataclass(frozen=True)
class _Merge:
    needs: tuple[tuple[int, int], ...]
    on_worker: bool
    merge: Reconstruction

    def encode(self, results: Any) -> bytes:
        return b""


def _query_work(query: QueryPlan) -> QueryWork[Any]:
    seconds = query.service_s[query.tasks :]
    return QueryWork(
        tasks=[_Work()] * query.tasks,
        reconstruct=Reconstruction(query.reconstruct_s),
        kinds=query.kinds,
        kind_of=query.kind_of,
        weights=query.weights,
        merges=[_Merge(*m, Reconstruction(s)) for m, s in zip(query.merges, seconds, strict=True)],
        delay_s=query.delay_s,
    )


def run_asyncio(plan: Plan) -> World:
    """The plan under :class:`qcutsim.runtime.Driver`, with fake workers on a virtual-time loop."""
    return run_virtual(lambda loop: _drive(loop, plan))


async def _drive(loop: VirtualTimeLoop, plan: Plan) -> World:
    world = World()
    clients = plan.numbered()
    queries = {number: query for client in clients for number, query in client}
    station = plan.station()
    host = None if station is None else VirtualHost(loop, station)
    pool = FakePool(
        loop,
        lambda query, task: queries[query].service_s[task],
        lambda query, task, attempt: queries[query].fails(task, attempt),
        host,
        plan.cancel,
        plan.restart_s,
    )
    for at_s, worker in plan.losses:
        loop.call_at(at_s, pool.lose, worker)
    for at_s in plan.joins:
        loop.call_at(at_s, pool.join)
    driver = Driver(
        pool,
        workers=plan.workers,
        policy=plan.policy,
        timeout_s=plan.timeout_s,
        clock=loop.time,
        on_event=lambda record: world.log.append((record.event, record.actions)),
        reconstructor=VirtualExecutor(loop, host),
        settled=loop.settled,
    )

    async def ask(client: list[tuple[int, QueryPlan]]) -> None:
        for number, query in client:
            await asyncio.sleep(query.think_s)
            try:
                done = await driver.execute(number, _query_work(query))
            except ExecutionError as error:
                world.errors[number] = str(error)
            else:
                world.stages_s[number] = (done.execute_s, done.reconstruct_s)
                world.copies[number] = [_life(run) for run in done.runs]
            world.completed_s[number] = loop.time()

    async with driver, asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(ask(client))
    return world


def run_simpy(plan: Plan) -> World:
    """The plan under :class:`qcutsim.simulation.Farm`, whose coordinator takes no time."""
    world = World()
    farm = Farm(
        Dispatcher(make_policy(plan.policy), timeout_s=plan.timeout_s),
        plan.workers,
        plan.station(),
        lambda event, actions: world.log.append((to_plain(event), [to_plain(a) for a in actions])),
        cancel=plan.cancel,
        restart_s=plan.restart_s,
    )
    for at_s, worker in plan.losses:
        farm.workers.schedule(at_s, farm.workers.lose, worker)
    for at_s in plan.joins:
        farm.workers.schedule(at_s, farm.workers.join)

    def ask(client: list[tuple[int, QueryPlan]]) -> Generator[simpy.Event, Any, None]:
        for number, query in client:
            yield farm.env.timeout(query.think_s)
            done = farm.submit(number, _draws(query))
            yield done.completed
            if done.error is not None:
                world.errors[number] = done.error
            else:
                world.stages_s[number] = (
                    done.times.executed_s - done.times.submitted_s,
                    done.reconstructed_s - done.times.executed_s,
                )
                world.copies[number] = [_life(run) for run in done.runs]
            world.completed_s[number] = farm.env.now

    for client in plan.numbered():
        farm.env.process(ask(client))
    farm.run()
    return world


def _draws(query: QueryPlan) -> QueryDraws:
    nothing = [0.0] * len(query.service_s)
    return QueryDraws(
        partition_s=0.0,
        generate_s=0.0,
        reconstruct_s=query.reconstruct_s,
        service_s=query.service_s,
        collect_cpu_s=nothing,
        collect_latency_s=nothing,
        dispatch_s=nothing,
        start_s=nothing,
        delay_s=query.delay_s,
        fails=query.fails,
        kinds=query.kinds,
        kind_of=query.kind_of,
        weights=query.weights,
        merges=query.merges,
    )


def _life(run: Any) -> tuple[Any, ...]:
    names = (
        "task attempt worker outcome ready_s dispatched_s started_s injected_delay_s ended_s "
        "collected_s"
    )
    return tuple(getattr(run, name) for name in names.split())
