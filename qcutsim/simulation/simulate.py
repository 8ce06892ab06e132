"""Simulations of a scenario: its cells under a profile, written as records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from qcutsim.calibrate import CalibrationProfile
from qcutsim.cell import Cell
from qcutsim.errors import ProfileError, ScenarioError
from qcutsim.manifest import collect_manifest
from qcutsim.records import SCHEMA, Record, RunRecord
from qcutsim.scenario import Scenario
from qcutsim.simulation.asrecords import event_recorder, query_records
from qcutsim.simulation.block import Block, NumberedQuery
from qcutsim.simulation.drawing import SharedDraws
from qcutsim.simulation.farm import SimulatedQuery
from qcutsim.simulation.kernel import is_available, why_not
from qcutsim.simulation.models import ServiceModels, find_models
from qcutsim.workload import WorkloadShape, load_shape

EngineName = Literal["auto", "kernel", "simpy"]


@dataclass(slots=True)
class Simulation:
    """A scenario under a profile.

    ``extrapolate`` lets cells lie outside the calibrated range. While records are made,
    ``substitutes`` collects which classes of subexperiment were not calibrated and what stood in
    for them, ``extrapolations`` in what cells lay outside. ``calibration_draws``: replication r is
    made under the profile's bootstrap draw r - 1, the first one under its best estimate.
    ``fresh_delays``: each replication but the first meets stragglers of its own, not those that a
    real run of the scenario met.
    ``engine``: the compiled one where it can, or the one that is named; both give the same bits.
    """

    scenario: Scenario
    profile: CalibrationProfile
    with_tasks: bool = False
    with_events: bool = False
    extrapolate: bool = False
    calibration_draws: bool = False
    fresh_delays: bool = False
    engine: EngineName = "auto"
    substitutes: set[str] = field(default_factory=set)
    extrapolations: set[str] = field(default_factory=set)
    _next_query: int = 0
    _draws: SharedDraws = field(init=False)
    _found: dict[bytes, tuple[WorkloadShape, ServiceModels]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._draws = SharedDraws(self.scenario.seed, self.fresh_delays)

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
                    for index in range(cell.queries_together)
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
        key = msgspec.json.encode((cell.workload, cell.pool))
        if key not in self._found:
            source = self.scenario.source
            beside = None if source is None else source.parent
            shape = load_shape(cell.workload, cell.pool.workers, beside)
            self._found[key] = shape, find_models(self.profile, cell, shape)
        shape, models = self._found[key]
        if models.extrapolations and not self.extrapolate:
            raise ProfileError(
                f"{self.scenario.source or self.scenario.name}: outside what the profile was "
                f"calibrated on: {'; '.join(models.extrapolations)}; calibrate on a run that "
                "holds it, or add --extrapolate to simulate it all the same"
            )
        return shape, models

    def _numbered(
        self, models: ServiceModels, cell: Cell, repetition: int, index: int, replication: int
    ) -> NumberedQuery:
        calibration = replication - 1 if self.calibration_draws and replication else None
        draws = self._draws.of(
            models,
            cell,
            repetition=repetition,
            index=index,
            replication=replication,
            calibration=calibration,
        )
        self._next_query += 1
        number = self._next_query - 1
        return NumberedQuery(number, repetition, index, replication, calibration, draws)

    def _simulate(
        self,
        cell: Cell,
        shape: WorkloadShape,
        models: ServiceModels,
        queries: list[NumberedQuery],
        with_tasks: bool | None,
    ) -> Iterator[Record]:
        tasks = self.with_tasks if with_tasks is None else with_tasks
        simulated = None
        if self.engine_of(cell, models)[0] == "kernel":
            simulated = _compiled(cell, models, queries, with_runs=tasks)
        steps: list[Record] = []
        if simulated is None:
            events: list[Record] = []
            recorder = event_recorder(events, queries[0].number) if self.with_events else None
            sizes = _node_bytes(shape, models)
            block = Block(cell, models.pool, queries, self.scenario.seed, sizes, recorder)
            block.run()
            yield from events
            simulated, steps = block.simulated, [*block.steps]
        for query in queries:
            done = simulated[query.number]
            yield from query_records(cell, shape, models, query, done, with_tasks=tasks)
        yield from steps

    def engine_of(self, cell: Cell, models: ServiceModels) -> tuple[str, str]:
        """Which engine simulates a cell, and why.

        Raises:
            ScenarioError: the one that was asked for cannot.
        """
        if self.engine == "simpy":
            return "simpy", "asked for"
        reason = why_not(
            cell,
            has_merges=bool(models.merges),
            is_learned=models.pool.sharing.resource == "learned",
        )
        if reason is None and self.with_events:
            reason = "the dispatcher's events"
        if reason is None and not is_available():
            reason = "numba is not installed (pip install 'qcutsim[fast]')"
        if self.engine == "kernel" and reason is not None:
            where = self.scenario.source or self.scenario.name
            raise ScenarioError(f"{where}: the engine 'kernel' does not take this: {reason}")
        why = "asked for" if self.engine == "kernel" else "it takes all of this"
        return ("kernel", why) if reason is None else ("simpy", reason)


def _compiled(
    cell: Cell, models: ServiceModels, queries: list[NumberedQuery], *, with_runs: bool
) -> dict[int, SimulatedQuery] | None:
    """By the compiled engine; ``None`` where it had no room, which the farm always has."""
    from qcutsim.simulation.kernel.engine import run_block

    try:
        return run_block(cell, models.pool, queries, with_runs=with_runs)
    except OverflowError:
        return None


def _node_bytes(shape: WorkloadShape, models: ServiceModels) -> list[tuple[int, int]]:
    """(payload, result) of each node; the calibrated means where the shape tells none at all."""
    told = shape.node_bytes()
    if any(map(sum, told)):
        return told
    return [(round(models.pool.payload_bytes), round(models.pool.result_bytes))] * len(told)


def _check_simulable(scenario: Scenario, cell: Cell) -> None:
    where = scenario.source or scenario.name
    kills = cell.cancel_mode == "kill" or cell.timeout_s is not None
    if kills and cell.pool.restart_s is None:
        raise ScenarioError(
            f"{where}: pool.restart_s: missing; where workers are killed (pool.cancel: kill, or "
            "timeout_s) a simulation must know how long the next one takes to start"
        )
