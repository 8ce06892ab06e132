"""Runs of the policies' benchmark: one block of queries at a time, on pools that stay up.

All contestants evaluate the same query, same circuit and seed, so that all do the same tasks and
must come to the same value; queries of one block and round meet the same injected delays.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace
from policies_peers import EncodedTasks, map_tasks, started_executor
from policies_pools import slow_repetition, warm_up, workers_of

from qcutsim.cell import Cell, Workload
from qcutsim.dispatch import cancel_mode
from qcutsim.estimator import Pipeline, Query, estimate, make_pipeline
from qcutsim.estimator.aer import TASK_FUNCTION
from qcutsim.learning import bind_model, load_iris_angles, random_weights
from qcutsim.progress import ProgressCallback
from qcutsim.runtime import (
    Driver,
    Pool,
    make_pool,
    run_in_window,
)
from qcutsim.seeds import derived_seed, stream
from qcutsim.stragglers import InjectedDelays, Stragglers, no_delay

UPSTREAM_WARM_UP = 12
"""Tasks of a query that each worker runs before it is timed; every one is a circuit of its own."""

_MOST_PAIRS = 1000

DelaysOf = Callable[[int, int], Callable[[int, int, int], float]]
"""(index of the query in its block, its tasks and merges) -> the delays of its copies."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A policy on a pool, or with ``is_executor`` the standard library's in its place."""

    name: str
    cell: Cell
    is_executor: bool = False

    @property
    def cancel(self) -> str:
        """What its pool does to a copy that nobody needs any more."""
        kind = self.cell.pool.kind
        return cancel_mode(kind, self.cell.pool.cancel)


@dataclass(frozen=True, slots=True)
class Setting:
    """What is compared with each other.

    Args:
        title: what it is, as tables show it.
        contestants: who is measured.
        reference: the contestant whose runs the others' are divided by.
        paired: those that run ``pairs`` times a round, the rest run once.
        pairs: see above.
    """

    title: str
    contestants: tuple[Contestant, ...]
    reference: str
    paired: tuple[str, ...]
    pairs: int = 1

    def visits(self) -> list[tuple[Contestant, int]]:
        """(who, in which pair) of one round."""
        return [
            (contestant, pair)
            for contestant in self.contestants
            for pair in range(self.pairs if contestant.name in self.paired else 1)
        ]


@dataclass(frozen=True, slots=True)
class Run:
    """One block of queries by one contestant; times in seconds."""

    setting: str
    contestant: str
    round: int
    pair: int
    cell: Cell
    cancel: str
    tasks: int
    execute_s: tuple[float, ...]
    wall_s: float
    further_copies: int = 0

    @property
    def makespan_s(self) -> float:
        """Mean execute stage of the block's queries."""
        return sum(self.execute_s) / len(self.execute_s)

    @property
    def queries_per_s(self) -> float:
        return len(self.execute_s) / self.wall_s


async def measure(
    settings: Sequence[Setting], *, rounds: int, seed: int, on_progress: ProgressCallback
) -> list[Run]:
    """Every setting in every round; orders of settings and of contestants are random."""
    contestants = [one for setting in settings for one in setting.contestants]
    total = rounds * sum(len(setting.visits()) for setting in settings)
    runs: list[Run] = []
    async with AsyncExitStack() as stack:
        bench = Bench(seed)
        await bench.open(stack, contestants)
        for number in range(rounds):
            for place in stream(seed, "order of settings", number).permutation(len(settings)):
                setting = settings[place]
                visits = setting.visits()
                order = stream(seed, "order of contestants", number, int(place))
                for i in order.permutation(len(visits)):
                    contestant, pair = visits[i]
                    runs.append(await bench.run(setting, contestant, pair, number))
                    on_progress(len(runs), total)
    return runs


@dataclass(slots=True)
class Bench:
    """Pools and executors, the queries, and the values that they came to.

    Circuits are bound before anything is timed; the four stages of a query are what is measured.
    """

    seed: int
    start_s: float = field(default_factory=time.monotonic)
    pools: dict[tuple[str, str], Pool] = field(default_factory=dict)
    executors: dict[tuple[str, int], Executor] = field(default_factory=dict)
    pipelines: dict[tuple[Workload, int], Pipeline] = field(default_factory=dict)
    queries: dict[Workload, Query] = field(default_factory=dict)
    values: dict[Workload, float] = field(default_factory=dict)

    def clock(self) -> float:
        return time.monotonic() - self.start_s

    async def open(self, stack: AsyncExitStack, contestants: Sequence[Contestant]) -> None:
        """Start what they need, every worker warm, and run one query of each kind unmeasured."""
        works = dict.fromkeys(one.cell.workload for one in contestants)
        tasks = [encoded for work in works for encoded in self._warm_up_tasks(work)]
        most = max(one.cell.pool.workers for one in contestants)
        for one in contestants:
            kind, workers = one.cell.pool.kind, one.cell.pool.workers
            if one.is_executor and (kind, workers) not in self.executors:
                executor = started_executor(kind, workers, tasks)
                self.executors[kind, workers] = stack.enter_context(executor)
            elif not one.is_executor and (kind, one.cancel) not in self.pools:
                pool = make_pool(kind, most, TASK_FUNCTION, one.cell.pool.cancel)
                stack.push_async_callback(pool.stop)
                await pool.start()
                await warm_up(pool, most, tasks)
                self.pools[kind, one.cancel] = pool
        seen: set[tuple[Workload, str, int]] = set()
        for one in contestants:
            key = (one.cell.workload, one.cell.pool.kind, one.cell.pool.workers)
            if not one.is_executor and key not in seen:
                seen.add(key)
                cold = replace(one.cell, policy={"kind": "eager"}, queries=1)
                cold = replace(cold, stragglers=Stragglers(), window=1)
                await self._ours(Contestant("warm-up", cold), lambda index, nodes: no_delay)

    def _warm_up_tasks(self, work: Workload) -> EncodedTasks:
        """All tasks of a pipeline whose workers keep circuits, a few of one whose do not."""
        pipeline, query = self._pipeline(work, 1), self._query(work)
        tasks = pipeline.generate(query, pipeline.partition(query)).subexperiments
        some = tasks if work.pipeline == "planned" else tasks[:UPSTREAM_WARM_UP]
        return [(task.encode(), task.context) for task in some]

    async def run(self, setting: Setting, one: Contestant, pair: int, number: int) -> Run:
        """A contestant's block of queries.

        Raises:
            SystemExit: a value differs from that of other runs of the same query.
        """
        delays = self._delays(one, number, pair)
        gc.collect()
        if one.is_executor:
            block = self._theirs(one, delays)
        else:
            block = await self._ours(one, delays)
        for value in block.values:
            known = self.values.setdefault(replace(one.cell.workload, reconstruction=None), value)
            if not math.isclose(value, known, rel_tol=1e-9):
                raise SystemExit(f"{setting.title}, {one.name}: came to {value}, others to {known}")
        return Run(
            setting=setting.title,
            contestant=one.name,
            round=number,
            pair=pair,
            cell=one.cell,
            cancel=one.cancel,
            tasks=block.tasks,
            execute_s=tuple(block.execute_s),
            wall_s=block.wall_s,
            further_copies=block.further_copies,
        )

    async def _ours(self, one: Contestant, delays: DelaysOf) -> _Block:
        cell, pool = one.cell, self.pools[one.cell.pool.kind, one.cancel]
        pipeline, query = self._work(cell)
        block = _Block()

        async def evaluate(index: int) -> None:
            outcome = await estimate(
                pipeline,
                query,
                driver,
                number=index,
                delays=partial(delays, index),
                clock=self.clock,
            )
            block.execute_s.append(outcome.execute_s)
            block.values.append(float(outcome.estimates.values[0]))
            block.tasks = len(outcome.tasks)
            block.further_copies += sum(run.attempt > 0 for run in outcome.runs)

        driver = Driver(
            pool,
            workers=cell.pool.workers,
            policy=cell.policy_config,
            clock=self.clock,
            clock_offset_s=self.start_s,
        )
        async with driver:
            begun_s = self.clock()
            await run_in_window(cell.window, [partial(evaluate, i) for i in range(cell.queries)])
            block.wall_s = self.clock() - begun_s
        await pool.ready()  # what was killed comes back before anything else is timed
        return block

    def _theirs(self, one: Contestant, delays: DelaysOf) -> _Block:
        """The same four stages, one query after the other; only the second last is an executor's.

        It blocks the event loop, on which nothing else happens.
        """
        cell = one.cell
        executor = self.executors[cell.pool.kind, cell.pool.workers]
        pipeline, query = self._work(cell)
        block = _Block()
        begun_s = self.clock()
        for index in range(cell.queries):
            prepared = pipeline.generate(query, pipeline.partition(query))
            tasks = prepared.subexperiments
            delay_s = delays(index, len(tasks))
            submitted_s = self.clock()
            results = map_tasks(executor, tasks, delay_s)
            block.execute_s.append(self.clock() - submitted_s)
            block.values.append(float(prepared.reconstruct(results).values[0]))
            block.tasks = len(tasks)
        block.wall_s = self.clock() - begun_s
        return block

    def _delays(self, one: Contestant, number: int, pair: int) -> DelaysOf:
        cell = one.cell
        repetition = number * _MOST_PAIRS + pair
        if cell.stragglers.per == "worker":
            pool = self.pools[cell.pool.kind, one.cancel]
            workers = workers_of(pool, cell.pool.workers)
            repetition = slow_repetition(cell.stragglers, self.seed, workers, number % len(workers))

        def delays(index: int, nodes: int) -> InjectedDelays:
            place = {"repetition": repetition, "index": index}
            return InjectedDelays(cell.stragglers, self.seed, nodes, **place)

        return delays

    def _work(self, cell: Cell) -> tuple[Pipeline, Query]:
        return self._pipeline(cell.workload, cell.pool.workers), self._query(cell.workload)

    def _pipeline(self, work: Workload, workers: int) -> Pipeline:
        if (work, workers) not in self.pipelines:
            self.pipelines[work, workers] = make_pipeline(
                work.pipeline,
                workers=workers,
                reconstruction=work.reconstruction,
                chunk=work.chunk,
            )
        return self.pipelines[work, workers]

    def _query(self, work: Workload) -> Query:
        if work not in self.queries:
            angles = load_iris_angles().angles[0]
            self.queries[work] = Query.single(
                bind_model(angles, random_weights(len(angles), self.seed)),
                work.observable,
                work.partition_labels,
                work.shots,
                derived_seed(self.seed, "query"),
            )
        return self.queries[work]


@dataclass(slots=True)
class _Block:
    """What a block of queries came to."""

    tasks: int = 0
    execute_s: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    further_copies: int = 0
