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

from qcutsim.dispatch import Dispatcher, make_policy, to_plain
from qcutsim.errors import ExecutionError
from qcutsim.runtime import Driver
from qcutsim.simulation import Farm, QueryDraws, SharedHost


@dataclass(frozen=True)
class QueryPlan:
    """One query: seconds of its steps, and which of its copies fail.

    ``delays_s[attempt][task]`` is slept before the work; ``failing`` holds (task, attempt).
    """

    service_s: list[float]
    delays_s: list[list[float]] = field(default_factory=list)
    failing: frozenset[tuple[int, int]] = frozenset()
    think_s: float = 0.0
    reconstruct_s: float = 0.0

    def delays_of(self, attempt: int) -> list[float]:
        """Injected delay of each task."""
        return self.delays_s[attempt] if self.delays_s else [0.0] * len(self.service_s)

    def fails(self, task: int, attempt: int) -> str | None:
        """The error of a copy, if it fails."""
        return f"broken at attempt {attempt}" if (task, attempt) in self.failing else None


@dataclass(frozen=True)
class Plan:
    """Clients at once, each with its queries in sequence, on one pool.

    ``host`` is (capacity, efficiency) of the host that all share, ``None`` for dedicated workers.
    """

    workers: int
    clients: list[list[QueryPlan]]
    host: tuple[int, float] | None = None
    policy: str = "eager"

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
    def encode(self) -> bytes:
        return b""


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
    )
    driver = Driver(
        pool,
        workers=plan.workers,
        policy=plan.policy,
        clock=loop.time,
        on_event=lambda record: world.log.append((record.event, record.actions)),
        reconstructor=VirtualExecutor(loop, host),
        settled=loop.settled,
    )

    async def ask(client: list[tuple[int, QueryPlan]]) -> None:
        for number, query in client:
            await asyncio.sleep(query.think_s)
            work = [_Work()] * len(query.service_s)
            try:
                done = await driver.execute(
                    number, work, Reconstruction(query.reconstruct_s), query.delays_of
                )
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
        Dispatcher(make_policy(plan.policy)),
        plan.workers,
        plan.station(),
        lambda event, actions: world.log.append((to_plain(event), [to_plain(a) for a in actions])),
    )

    def ask(client: list[tuple[int, QueryPlan]]) -> Generator[simpy.Event, Any, None]:
        for number, query in client:
            yield farm.env.timeout(query.think_s)
            done = farm.submit(number, _draws(query))
            yield done.completed
            if done.error is not None:
                world.errors[number] = done.error
            else:
                world.stages_s[number] = (
                    done.executed_s - done.submitted_s,
                    done.reconstructed_s - done.executed_s,
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
        delays_s=query.delays_of,
        fails=query.fails,
    )


def _life(run: Any) -> tuple[Any, ...]:
    names = (
        "task attempt worker outcome ready_s dispatched_s started_s injected_delay_s ended_s "
        "collected_s"
    )
    return tuple(getattr(run, name) for name in names.split())
