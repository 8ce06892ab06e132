"""The queries of a cell that run together on one farm: one repetition of one replication."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import simpy

from qcutsim.calibrate import PoolModel
from qcutsim.cell import Cell
from qcutsim.dispatch import Action, Dispatcher, Event, make_policy
from qcutsim.records import StepRecord
from qcutsim.seeds import stream
from qcutsim.simulation.draws import QueryDraws
from qcutsim.simulation.farm import Farm, SimulatedQuery
from qcutsim.simulation.hosts import way_to
from qcutsim.simulation.machines import coordinators_station, fail_workers, join_hosts

Steps = Iterator[simpy.Event]


@dataclass(frozen=True, slots=True)
class NumberedQuery:
    """One query to simulate and where its draws come from."""

    number: int
    repetition: int
    index: int
    replication: int
    calibration: int | None
    draws: QueryDraws


@dataclass(slots=True)
class Block:
    """A block of queries, simulated by :meth:`run`.

    Args:
        cell: whose queries they are.
        pool: the models of its workers.
        queries: in order; at least one.
        seed: of the scenario.
        node_bytes: (payload, result) of each task of a query, then of each merge.
        on_event: hears of every event and the actions it led to.
    """

    cell: Cell
    pool: PoolModel
    queries: Sequence[NumberedQuery]
    seed: int
    node_bytes: Sequence[tuple[int, int]] = ()
    on_event: Callable[[Event, list[Action]], None] | None = None
    simulated: dict[int, SimulatedQuery] = field(default_factory=dict)
    steps: list[StepRecord] = field(default_factory=list)

    def run(self) -> None:
        """Simulate all of them; ``simulated`` and ``steps`` hold what came of it."""
        farm = self._farm()
        if self.cell.training is not msgspec.UNSET:
            processes = [farm.env.process(self._train(farm))]
        else:
            waiting = iter(zip(self.queries, self._arrivals_s(), strict=True))
            processes = [
                farm.env.process(self._arrive(farm, waiting)) for _ in range(self.cell.window)
            ]
        # Workers that fail do so for ever: the end is then that of the last query.
        ends = self.cell.pool.failures is not msgspec.UNSET
        farm.run(farm.env.process(self._finish(farm, processes)) if ends else None)

    @property
    def _key(self) -> tuple[int, int]:
        return (self.queries[0].replication, self.queries[0].repetition)

    def _farm(self) -> Farm:
        cell, pool, calibration = self.cell, self.pool, self.queries[0].calibration
        farm = Farm(
            Dispatcher(make_policy(cell.policy_config), timeout_s=cell.timeout_s),
            0,
            coordinators_station(cell, pool.sharing, calibration),
            self.on_event,
            cancel=cell.cancel_mode,
            restart_s=cell.pool.restart_s or 0.0,
        )
        if cell.pool.failures is not msgspec.UNSET:
            fail_workers(farm, cell.pool.failures, self.seed, self._key)
        if cell.pool.hosts is not msgspec.UNSET:
            origin = (self.node_bytes, self.seed, self._key, self.queries[0].number)
            ways = [way_to(host, *origin) for host in cell.pool.hosts]
            join_hosts(farm, cell, pool.sharing, ways, calibration)
        else:
            for _ in range(cell.pool.workers):
                farm.workers.join()
        return farm

    def _arrive(self, farm: Farm, waiting: Iterator[tuple[NumberedQuery, float | None]]) -> Steps:
        """Queries one after the other, or each at its time."""
        for query, arrival_s in waiting:
            if arrival_s is not None and arrival_s > farm.env.now:
                yield farm.env.timeout(arrival_s - farm.env.now)
            self.simulated[query.number] = farm.submit(query.number, query.draws)
            if arrival_s is None:
                yield self.simulated[query.number].completed

    def _finish(self, farm: Farm, processes: Sequence[simpy.Process]) -> Steps:
        yield farm.env.all_of(processes)
        yield farm.env.all_of([query.completed for query in self.simulated.values()])

    def _train(self, farm: Farm) -> Steps:
        """Epochs of steps: a step's queries in the window, then the optimiser, then the next."""
        training, cell = self.cell.training, self.cell
        assert training is not msgspec.UNSET
        for number in range(training.epochs * training.steps):
            started_s = float(farm.env.now)
            own = self.queries[number * cell.queries : (number + 1) * cell.queries]
            waiting = iter([(query, None) for query in own])
            yield farm.env.all_of(
                [farm.env.process(self._arrive(farm, waiting)) for _ in range(cell.window)]
            )
            if training.step_s > 0:
                yield farm.env.process(farm.work(training.step_s))
            epoch, step = divmod(number, training.steps)
            replication, repetition = self._key
            self.steps.append(
                StepRecord(
                    cell=cell.key,
                    epoch=epoch,
                    step=step,
                    queries=len(own),
                    started_s=started_s,
                    ended_s=float(farm.env.now),
                    repetition=repetition,
                    replication=replication,
                )
            )

    def _arrivals_s(self) -> list[float | None]:
        """When each query arrives; ``None``: when the one before is complete."""
        rate_per_s = self.cell.arrivals.rate_per_s
        if rate_per_s is None:
            return [None] * len(self.queries)
        gaps = stream(self.seed, "arrivals", *self._key).exponential(
            1 / rate_per_s, len(self.queries)
        )
        return [float(at_s) for at_s in gaps.cumsum()]
