"""Settings simulated and weighed: the time, cost and statistical error of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from qcutsim.allocationchecks import allocation_problems
from qcutsim.analysis import STAGES, Interval, Objectives, Targets, interval, nominal_error
from qcutsim.calibrate import CalibrationProfile
from qcutsim.cell import Cell, Workload
from qcutsim.errors import InputError
from qcutsim.expectederrors import expected_error
from qcutsim.extras import require
from qcutsim.progress import ProgressCallback, no_progress
from qcutsim.records import QueryRecord, StepRecord
from qcutsim.scenario import Scenario
from qcutsim.shapefolder import with_shape
from qcutsim.simulation import Simulation, discrepancies, spread
from qcutsim.workload import LEAST_ALLOCATED_SHOTS, WorkloadShape

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

ErrorRule = Literal["nominal", "expected"]

SCREENED = 2
"""Replications after which a setting that is clearly beaten is simulated no further."""

CLEARLY = 1.5
"""By this factor in both time and cost, at no larger error."""

MOST_SHOTS = 10**7
"""Of a subexperiment, as scenarios take them."""


MOST_ROUNDS = 8
"""In which the shots that meet a target error are looked for."""


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """In any unit; by default cost is worker-hours."""

    worker_hour: float = 1.0
    shot: float = 0.0


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting and what it was judged by.

    Args:
        cell: the configuration in full.
        cuts: of its partition.
        total_shots: of a query.
        time_s: of the whole workload, with its 90 % interval.
        objectives: time, cost and error.
        error_rule: ``nominal`` (:func:`qcutsim.analysis.nominal_error`), or ``expected`` from
            exact outcome distributions.
        stage_shares: parts of the makespan of a query.
        is_extrapolated: outside the calibrated range.
    """

    cell: Cell
    cuts: int
    total_shots: int
    time_s: Interval
    objectives: Objectives
    error_rule: ErrorRule
    stage_shares: dict[str, float]
    is_extrapolated: bool


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that were not judged, and why; ``what`` says which."""

    reason: str
    settings: int
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What settings are weighed under; see :func:`qcutsim.planner.search_settings`."""

    targets: Targets = field(default_factory=Targets)
    prices: Prices = field(default_factory=Prices)
    replications: int = 20
    extrapolate: bool = False
    expected_errors: bool = False
    shapes: Path | None = None


@dataclass(slots=True)
class Weighing:
    """Settings under a scenario's seed and the profiles of its pipelines.

    ``screened`` are those that others beat by far; ``left_out`` has, by reason, what was not
    judged and how many settings that were; ``extrapolations`` and ``substitutes`` are as those of
    a simulation.
    """

    scenario: Scenario
    profiles: Mapping[str, CalibrationProfile]
    terms: Terms
    screened: list[Setting] = field(default_factory=list)
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    extrapolations: set[str] = field(default_factory=set)
    substitutes: set[str] = field(default_factory=set)
    _simulations: dict[str, Simulation] = field(default_factory=dict)
    _expected: dict[bytes, float | None] = field(default_factory=dict)
    _circuits: dict[str, QuantumCircuit] | None = None

    def weigh(
        self,
        cells: Iterable[Cell],
        *,
        solve_shots: bool = False,
        screens: bool = False,
        on_progress: ProgressCallback = no_progress,
    ) -> list[Setting]:
        """Simulate settings, in their order.

        Args:
            cells: each once; what cannot be simulated is left out.
            solve_shots: also with as many shots as meet the target error.
            screens: what another setting beats by far after a few replications (all settings meet
                the same draws) is left out; not where there is a deadline.
            on_progress: called with (settings simulated, all of them).

        Raises:
            MissingExtraError: what was asked for needs the extra ``real``.
        """
        asked: dict[str, _Candidate] = {}
        for cell in cells:
            for one in self._prepared(cell, solve_shots=solve_shots):
                asked.setdefault(one.cell.key, one)
        jobs = list(asked.values())
        # A few replications do not tell how late a setting may be.
        is_told = self.terms.targets.deadline_s is None and self.terms.replications > SCREENED
        if screens and is_told:
            done = list(self._simulated(jobs, SCREENED, on_progress))
            beaten = clearly_beaten([setting.objectives for _, setting in done])
            for (job, setting), is_beaten in zip(done, beaten, strict=True):
                if is_beaten:
                    self.screened.append(setting)
                    reason = (
                        f"another setting beats it {CLEARLY:g} times over in time and cost, told "
                        f"from {SCREENED} replications"
                    )
                    self._leave(reason, _name(job.cell))
            jobs = [job for (job, _), out in zip(done, beaten, strict=True) if not out]
        return [
            setting for _, setting in self._simulated(jobs, self.terms.replications, on_progress)
        ]

    def _simulated(
        self, jobs: Sequence[_Candidate], replications: int, on_progress: ProgressCallback
    ) -> Iterator[tuple[_Candidate, Setting]]:
        """Without those of which a query failed."""
        ran_all = spread(partial(_run, replications), jobs)
        for number, (job, ran) in enumerate(zip(jobs, ran_all, strict=True), start=1):
            on_progress(number, len(jobs))
            if ran.failed:
                self._leave("some of its simulated queries failed", _name(job.cell))
            else:
                yield job, self._setting(job, ran)

    def simulation_of(self, cell: Cell) -> Simulation:
        """The one that a cell is simulated by.

        Raises:
            InputError: there is no profile of its pipeline.
        """
        pipeline = cell.workload.pipeline
        if pipeline not in self.profiles:
            raise InputError(f"no profile of the pipeline {pipeline!r} was given")
        if pipeline not in self._simulations:
            once = replace(
                self.scenario, repetitions=1, replications=self.terms.replications, cells=()
            )
            self._simulations[pipeline] = Simulation(
                once,
                self.profiles[pipeline],
                extrapolate=True,
                calibration_draws=True,
                fresh_delays=True,
            )
        return self._simulations[pipeline]

    def _circuit_of(self, work: Workload) -> QuantumCircuit | None:
        """Its own; ``None`` where it has a data set."""
        if work.circuit is msgspec.UNSET:
            return None
        if self._circuits is None:
            require("qiskit", "qiskit_aer", "qiskit_addon_cutting")
            from qcutsim.learning import load_circuits

            self._circuits = load_circuits(self.scenario)
        return self._circuits.get(work.title)

    def told(self) -> tuple[LeftOut, ...]:
        """What was not judged."""
        return tuple(
            LeftOut(reason=reason, settings=sum(own.values()), what=tuple(own))
            for reason, own in self.left_out.items()
        )

    def _leave(self, reason: str, what: str) -> None:
        own = self.left_out.setdefault(reason, {})
        own[what] = own.get(what, 0) + 1

    def _prepared(self, asked: Cell, *, solve_shots: bool) -> Iterator[_Candidate]:
        """The setting, and it with the shots that meet the target error."""
        work = asked.workload
        for name, problem in allocation_problems(work):
            self._leave(f"workload.{name}: {problem}", _work_name(asked))
            return
        source = self.scenario.source
        beside = None if source is None else source.parent
        try:
            cell = with_shape(asked, self.terms.shapes, self._circuit_of, beside)
            simulation = self.simulation_of(cell)
            shape, models = simulation.look_up(cell)
            error = self._error(work, shape)
        except InputError as error_:
            self._leave(str(error_), _work_name(asked))
            return
        for text in models.extrapolations if not self.terms.extrapolate else ():
            self._leave(f"outside the calibrated range: {text}", _work_name(asked))
        if self.terms.extrapolate or not models.extrapolations:
            self.extrapolations.update(models.extrapolations)
            self.substitutes.update(models.substitutes)
            yield _Candidate(simulation, cell, shape, error, bool(models.extrapolations))
        target = self.terms.targets.error
        if not solve_shots or target is None:
            return
        shots = self._shots_within(target, work, shape, error)
        if shots is None:
            self._leave(
                f"takes more than {MOST_SHOTS:,} shots to meet the target error", _work_name(asked)
            )
        elif shots != work.shots:
            changed = msgspec.structs.replace(work, shots=shots)
            further = msgspec.structs.replace(asked, workload=changed)
            yield from self._prepared(further, solve_shots=False)

    def _shots_within(
        self, target: float, work: Workload, shape: WorkloadShape, error: float
    ) -> int | None:
        """Few shots at which the error, which is ``error`` at the workload's own, is within a
        target; ``None``: they are more than :data:`MOST_SHOTS`.

        An expected error falls faster than 1 / sqrt(shots), so it is worked out anew at those
        found.
        """
        least = LEAST_ALLOCATED_SHOTS if work.shot_allocation == "variance" else 1
        errors = {work.shots: error}
        for _ in range(MOST_ROUNDS):
            shots = min(max(least, shots_for(work.shots, errors[work.shots], target)), MOST_SHOTS)
            if shots in errors:
                break
            work = msgspec.structs.replace(work, shots=shots)
            errors[shots] = self._error(work, shape)
        return min((shots for shots, own in errors.items() if own <= target), default=None)

    def _error(self, work: Workload, shape: WorkloadShape) -> float:
        """By the search's one rule: a nominal error and an expected one do not compare.

        Raises:
            InputError: it is not known.
        """
        if not self.terms.expected_errors:
            return nominal_error(
                cuts=shape.cuts,
                coefficients=shape.coefficients,
                partitions=shape.partitions,
                shots=shape.subexperiments * work.shots,
            )
        bare = msgspec.structs.replace(work, shape=None, reconstruction=None, chunk=None)
        key = msgspec.json.encode(bare)
        if key not in self._expected:
            circuit = self._circuit_of(work)
            self._expected[key] = expected_error(bare, self.scenario.seed, circuit)
        expected = self._expected[key]
        if expected is None:
            is_planned = work.pipeline == "planned"
            of = "so many subexperiments" if is_planned else f"the pipeline {work.pipeline!r}"
            raise InputError(f"--expected-errors are not worked out for {of}")
        return expected

    def _setting(self, job: _Candidate, ran: _Ran) -> Setting:
        cell, prices = job.cell, self.terms.prices
        off = discrepancies(job.simulation.profile, self.scenario, cell, len(ran.times_s))
        middle_s = float(np.median(ran.times_s))
        time_s = interval(ran.times_s * off, middle_s)
        shots = job.shape.subexperiments * cell.workload.shots
        cost = (
            prices.worker_hour * cell.pool.workers * middle_s / 3600
            + prices.shot * shots * cell.queries_together
        )
        late_s = middle_s if time_s.high is None else time_s.high
        return Setting(
            cell=cell,
            cuts=job.shape.cuts,
            total_shots=shots,
            time_s=time_s,
            objectives=Objectives(time_s=middle_s, late_s=late_s, cost=cost, error=job.error),
            error_rule="expected" if self.terms.expected_errors else "nominal",
            stage_shares=ran.stage_shares,
            is_extrapolated=job.is_extrapolated,
        )


def clearly_beaten(options: Sequence[Objectives]) -> list[bool]:
    """Of each, whether another one is as exact, and better by :data:`CLEARLY` in the rest."""
    values = np.array([(o.time_s, o.cost, o.error) for o in options]).reshape(-1, 3)
    factors = (CLEARLY, CLEARLY, 1.0)
    return [bool((values * factors <= own).all(axis=1).any()) for own in values]


def shots_for(shots: int, error: float, target: float) -> int:
    """Shots at which an error falls to a target, as 1 / sqrt(shots); up to two digits."""
    needed = max(1, math.ceil(shots * (error / target) ** 2 * (1 - 1e-9)))
    step: int = 10 ** max(0, len(str(needed)) - 2)
    return -(-needed // step) * step


@dataclass(frozen=True, slots=True)
class _Candidate:
    simulation: Simulation
    cell: Cell
    shape: WorkloadShape
    error: float
    is_extrapolated: bool


@dataclass(frozen=True, slots=True)
class _Ran:
    """``times_s`` of the whole workload, one a replication."""

    times_s: FloatArray
    failed: int
    stage_shares: dict[str, float]


def _run(replications: int, job: _Candidate) -> _Ran:
    begin_s, end_s = np.full(replications, np.inf), np.zeros(replications)
    stages_s = np.zeros(len(STAGES))
    total_s, failed = 0.0, 0
    for record in job.simulation.cell_records(job.cell, range(replications), with_tasks=False):
        if isinstance(record, StepRecord):
            number = record.replication
            end_s[number] = max(end_s[number], record.ended_s)
        elif isinstance(record, QueryRecord):
            number = record.replication
            begin_s[number] = min(begin_s[number], record.submitted_s)
            end_s[number] = max(end_s[number], record.submitted_s + record.total_s)
            stages_s += [getattr(record, f"{stage}_s") for stage in STAGES]
            total_s += record.total_s
            failed += record.outcome != "ok"
    shares = stages_s / total_s if total_s > 0 else stages_s
    return _Ran(end_s - begin_s, failed, dict(zip(STAGES, shares.tolist(), strict=True)))


def strategy_name(cell: Cell) -> str:
    """As ``planned tree chunk 2``."""
    work = cell.workload
    if work.pipeline == "upstream":
        return work.pipeline
    chunk = "" if work.chunk is None else f" chunk {work.chunk}"
    return f"{work.pipeline} {work.reconstruction or 'contracted'}{chunk}"


def _work_name(cell: Cell) -> str:
    workers = f" {cell.pool.workers} workers" if cell.workload.reconstruction == "tree" else ""
    shots = f" {cell.workload.shots} shots"
    return f"{cell.workload.partition_labels} {strategy_name(cell)}{workers}{shots}"


def _name(cell: Cell) -> str:
    return f"{_work_name(cell)}, {cell.pool.workers} {cell.pool.kind}, {cell.policy['kind']}"
