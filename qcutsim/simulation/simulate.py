"""Simulations of a scenario: its cells under a profile, written as records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np

from qcutsim.calibrate import CalibrationProfile, PoolModel, Sharing
from qcutsim.cell import Cell, record_fields
from qcutsim.dispatch import Action, Dispatcher, Event, make_policy, to_plain
from qcutsim.errors import ExecutionError, ProfileError, ScenarioError
from qcutsim.manifest import collect_manifest
from qcutsim.records import (
    SCHEMA,
    EventRecord,
    QueryRecord,
    Record,
    RunRecord,
    TaskRecord,
)
from qcutsim.scenario import Scenario
from qcutsim.seeds import stream
from qcutsim.simulation.draws import QueryDraws, draw_query
from qcutsim.simulation.farm import Farm, SimulatedQuery
from qcutsim.simulation.models import ServiceModels, find_models
from qcutsim.simulation.station import SharedHost
from qcutsim.simulation.workers import SimulatedRun
from qcutsim.workload import MERGE_CLASS, TaskClass, WorkloadShape, load_shape


@dataclass(frozen=True, slots=True)
class _Numbered:
    """One query to simulate and where its draws come from."""

    number: int
    repetition: int
    index: int
    replication: int
    calibration: int | None
    draws: QueryDraws


@dataclass(slots=True)
class Simulation:
    """A scenario under a profile.

    ``extrapolate`` lets cells lie outside the calibrated range. While records are made,
    ``substitutes`` collects which classes of subexperiment were not calibrated and what stood in
    for them, ``extrapolations`` in what cells lay outside. ``calibration_draws``: replication r is
    made under the profile's bootstrap draw r - 1, the first one under its best estimate.
    """

    scenario: Scenario
    profile: CalibrationProfile
    with_tasks: bool = False
    with_events: bool = False
    extrapolate: bool = False
    calibration_draws: bool = False
    substitutes: set[str] = field(default_factory=set)
    extrapolations: set[str] = field(default_factory=set)
    _next_query: int = 0

    def run_record(self) -> RunRecord:
        """Opens the simulated log; no time of day in it, so that equal seeds give equal files."""
        return RunRecord(
            schema=SCHEMA,
            run=f"{self.scenario.key[:12]}-{self.profile.key[:12]}",
            origin="simulated",
            manifest=collect_manifest(),
            scenario=self.scenario.resolved(),
            scenario_key=self.scenario.key,
            seed=self.scenario.seed,
            profile_key=self.profile.key,
        )

    def cell_records(
        self,
        cell: Cell,
        replications: Iterable[int] | None = None,
        *,
        with_tasks: bool | None = None,
    ) -> Iterator[Record]:
        """Simulate one cell: its query records, with task and event records where asked.

        Args:
            cell: of the scenario.
            replications: which; by default as many as the scenario says.
            with_tasks: by default as the simulation's own.

        Raises:
            ScenarioError: the cell says too little to be simulated, or asks for what cannot be.
            ProfileError: the profile or the shipped shapes do not hold what the cell needs.
        """
        shape, models = self.look_up(cell)
        self.substitutes.update(models.substitutes)
        self.extrapolations.update(models.extrapolations)
        chosen = range(self.scenario.replications) if replications is None else replications
        for replication in chosen:
            for repetition in range(self.scenario.repetitions):
                queries = [
                    self._numbered(models, cell, repetition, index, replication)
                    for index in range(cell.queries)
                ]
                yield from self._simulate(cell, shape, models, queries, with_tasks)

    def look_up(self, cell: Cell) -> tuple[WorkloadShape, ServiceModels]:
        """The shape and the models of a cell.

        Raises:
            ScenarioError: the cell says too little to be simulated, or asks for what cannot be.
            ProfileError: there is no shape or model, or the cell lies outside the calibrated
                range.
        """
        _check_simulable(self.scenario, cell)
        shape = load_shape(cell.workload, cell.pool.workers)
        models = find_models(self.profile, cell, shape)
        if models.extrapolations and not self.extrapolate:
            raise ProfileError(
                f"{self.scenario.source or self.scenario.name}: outside what the profile was "
                f"calibrated on: {'; '.join(models.extrapolations)}; calibrate on a run that "
                "holds it, or add --extrapolate to simulate it all the same"
            )
        return shape, models

    def _numbered(
        self, models: ServiceModels, cell: Cell, repetition: int, index: int, replication: int
    ) -> _Numbered:
        calibration = replication - 1 if self.calibration_draws and replication else None
        draws = draw_query(
            models,
            cell,
            self.scenario.seed,
            repetition=repetition,
            index=index,
            replication=replication,
            calibration=calibration,
        )
        self._next_query += 1
        number = self._next_query - 1
        return _Numbered(number, repetition, index, replication, calibration, draws)

    def _simulate(
        self,
        cell: Cell,
        shape: WorkloadShape,
        models: ServiceModels,
        queries: list[_Numbered],
        with_tasks: bool | None,
    ) -> Iterator[Record]:
        pool = models.pool
        events: list[Record] = []
        farm = Farm(
            Dispatcher(make_policy(cell.policy_config), timeout_s=cell.timeout_s),
            cell.pool.workers,
            host_of(cell, pool.sharing, queries[0].calibration),
            _recorder(events, queries[0].number) if self.with_events else None,
            cancel=cell.cancel_mode,
            restart_s=cell.pool.restart_s or 0.0,
        )
        simulated: dict[int, SimulatedQuery] = {}
        arrivals = _arrivals_s(cell, self.scenario.seed, queries)

        waiting = iter(zip(queries, arrivals, strict=True))

        def arrive() -> Iterator[object]:
            for query, arrival_s in waiting:
                if arrival_s is not None and arrival_s > farm.env.now:
                    yield farm.env.timeout(arrival_s - farm.env.now)
                simulated[query.number] = farm.submit(query.number, query.draws)
                if arrival_s is None:
                    yield simulated[query.number].completed

        for _ in range(cell.window):
            farm.env.process(arrive())
        farm.run()
        yield from events
        for query in queries:
            done = simulated[query.number]
            tasks = self.with_tasks if with_tasks is None else with_tasks
            for record in self._records(cell, shape, pool, query, done, tasks):
                if type(record) is QueryRecord:
                    record.is_extrapolated = bool(models.extrapolations)
                yield record

    def _records(
        self,
        cell: Cell,
        shape: WorkloadShape,
        pool: PoolModel,
        query: _Numbered,
        done: SimulatedQuery,
        with_tasks: bool,
    ) -> Iterator[Record]:
        if done.error is not None:
            raise ExecutionError(f"simulated query {query.number} failed: {done.error}")
        if with_tasks:
            classes = shape.task_classes()
            for run in done.runs:
                of = shape.classes[classes[run.task]] if run.task < len(classes) else MERGE_CLASS
                yield _task_record(cell, pool, query, of, run)
        busy_s = sum(query.draws.service_s) / _efficiency(cell, pool)
        process_cpu_s = done.coordinator_cpu_s + (busy_s if cell.pool.kind == "threads" else 0.0)
        yield QueryRecord(
            query=query.number,
            **record_fields(cell, query.repetition, query.index),
            replication=query.replication,
            cuts=shape.cuts,
            coefficients=shape.coefficients,
            subexperiments=shape.subexperiments,
            executed=len(done.runs),
            submitted_s=done.arrived_s,
            partition_s=done.partition_s,
            generate_s=done.generate_s,
            execute_s=done.times.executed_s - done.times.submitted_s,
            reconstruct_s=done.reconstructed_s - done.times.executed_s,
            total_s=done.reconstructed_s - done.arrived_s,
            coordinator_cpu_s=done.coordinator_cpu_s,
            process_cpu_s=process_cpu_s,
            reconstruction=shape.reconstruction,
            reconstruction_work=shape.reconstruction_work(cell.workload.shots),
        )


def _check_simulable(scenario: Scenario, cell: Cell) -> None:
    where = scenario.source or scenario.name
    kills = cell.cancel_mode == "kill" or cell.timeout_s is not None
    if kills and cell.pool.restart_s is None:
        raise ScenarioError(
            f"{where}: pool.restart_s: missing; where workers are killed (pool.cancel: kill, or "
            "timeout_s) a simulation must know how long the next one takes to start"
        )


def host_of(
    cell: Cell, sharing: Sharing, calibration: int | None = None
) -> SharedHost[Callable[[], None]] | None:
    """What coordinator and workers share, fresh; ``None``: nothing."""
    if cell.pool.kind == "dedicated":
        return None
    drawn = 1.0
    if calibration is not None and sharing.bootstrap:
        drawn = sharing.bootstrap[calibration % len(sharing.bootstrap)]
    if sharing.resource == "learned":
        busy = np.arange(1, max(sharing.sizes) + 1)
        rates = np.interp(busy, sharing.sizes, sharing.rates)
        return SharedHost(1, rates=[1.0, *(rates[1:] * drawn).tolist()])
    return SharedHost(sharing.capacity, min(sharing.efficiency * drawn, 1.0))


def _efficiency(cell: Cell, pool: PoolModel) -> float:
    shares = cell.pool.kind != "dedicated" and cell.pool.workers > 1
    return pool.sharing.efficiency if shares else 1.0


def _arrivals_s(cell: Cell, seed: int, queries: list[_Numbered]) -> list[float | None]:
    """When each query arrives; ``None``: when the one before is complete."""
    if cell.arrivals.rate_per_s is None:
        return [None] * len(queries)
    first = queries[0]
    gaps = stream(seed, "arrivals", first.replication, first.repetition).exponential(
        1 / cell.arrivals.rate_per_s, len(queries)
    )
    return [float(at_s) for at_s in gaps.cumsum()]


def _recorder(events: list[Record], dispatcher: int) -> Callable[[Event, list[Action]], None]:
    def record(event: Event, actions: list[Action]) -> None:
        plain = [to_plain(action) for action in actions]
        events.append(EventRecord(dispatcher=dispatcher, event=to_plain(event), actions=plain))

    return record


def _task_record(
    cell: Cell, pool: PoolModel, query: _Numbered, of: TaskClass, run: SimulatedRun
) -> TaskRecord:
    return TaskRecord(
        query=query.number,
        task=run.task,
        attempt=run.attempt,
        worker=run.worker,
        outcome=run.outcome,
        **msgspec.structs.asdict(of),
        shots=cell.workload.shots,
        ready_s=run.ready_s,
        dispatched_s=run.dispatched_s,
        started_s=run.started_s,
        ended_s=run.ended_s,
        collected_s=run.collected_s,
        cpu_s=query.draws.service_s[run.task] / _efficiency(cell, pool),
        injected_delay_s=run.injected_delay_s,
    )
