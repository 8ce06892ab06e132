"""A simulated scenario with statistics: every answer with an interval, and why it is so."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from qcutsim.analysis import (
    STAGES,
    Attribution,
    Configuration,
    Interval,
    are_enough,
    attribute,
    interval,
    worker_use,
)
from qcutsim.calibrate import CalibrationProfile
from qcutsim.cell import Cell
from qcutsim.errors import InputError
from qcutsim.files import exists, make_folder, write_whole
from qcutsim.progress import ProgressCallback, no_progress
from qcutsim.records import EventRecord, LogWriter, QueryRecord, Record, StepRecord, TaskRecord
from qcutsim.scenario import Scenario
from qcutsim.simulation import EngineName, Simulation, discrepancies, spread
from qcutsim.stragglers import Stragglers

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

SIMULATED_NAME = "simulated.jsonl"
STATISTICS_NAME = "statistics.json"

BATCH = 10
"""Replications that are added at a time until they are enough."""

MOST_REPLICATIONS = 2000
"""Where these are not enough, that is said."""

MOST_ATTRIBUTED_TASKS = 20_000
"""Critical paths are followed through about so many task records of a cell."""


class CellStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What was simulated of one cell. Shares are parts of the makespan; times are in seconds.

    ``makespan_s`` is the median query of a replication, ``p50_s``, ``p95_s`` and ``p99_s`` are
    quantiles over its queries. ``critical_path`` is what the makespan went into (see
    :class:`qcutsim.analysis.Attribution`). ``straggler_slowdown`` compares with the same draws
    without stragglers; ``training_s`` is how long a training run takes. ``is_wide``: the interval
    asked for was not reached. ``engine`` simulated it, and why that one.
    """

    configuration: dict[str, Any]
    engine: str
    engine_why: str
    replications: int
    queries: int
    failed: int
    is_extrapolated: bool
    is_wide: bool
    makespan_s: Interval
    p50_s: Interval
    p95_s: Interval
    p99_s: Interval
    stage_shares: dict[str, Interval]
    utilisation: Interval | None
    barrier_waiting: Interval | None
    queueing_s: Interval | None
    straggler_slowdown: Interval | None
    training_s: Interval | None
    critical_path: dict[str, Interval]


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """The cells of one or more simulations with their statistics.

    ``substitutes`` names the classes of subexperiment that were not calibrated and what stood in
    for each, ``extrapolations`` in what cells lay outside the calibrated range.
    """

    cells: tuple[CellStatistics, ...]
    extrapolations: tuple[str, ...]
    substitutes: tuple[str, ...]

    def _repr_html_(self) -> str:
        from qcutsim.report import as_html  # a notebook asks from below; nothing else does

        return as_html(self)


@dataclass(frozen=True, slots=True)
class _Done:
    records: list[Record]
    statistics: CellStatistics
    extrapolations: set[str]
    substitutes: set[str]


def simulate_scenario(
    scenario: Scenario,
    profile: CalibrationProfile,
    out_dir: str | os.PathLike[str],
    *,
    relative_half_width: float | None = None,
    engine: EngineName = "auto",
    with_tasks: bool = False,
    with_events: bool = False,
    extrapolate: bool = False,
    on_progress: ProgressCallback = no_progress,
) -> tuple[Path, Study]:
    """Simulate every cell; write ``simulated.jsonl`` and ``statistics.json`` into ``out_dir``.

    The first replication is made under the profile's best estimate, each further one under a
    bootstrap draw of it. The same scenario, profile and seed give the same files, byte for byte,
    on one machine and commit.

    Args:
        scenario: what to simulate; its ``replications`` are the least.
        profile: service models.
        out_dir: made if need be.
        relative_half_width: replications are added until the confidence interval of the mean
            makespan is as narrow, as 0.02 for 2 %.
        engine: the compiled one where it can (``auto``), or the one that is named.
        with_tasks: also write a record a task.
        with_events: also write what the dispatcher saw and decided.
        extrapolate: also simulate what lies outside the calibrated range; its records say so.
        on_progress: called with (cells done, all cells).

    Returns:
        The path of the log, and the statistics.

    Raises:
        InputError: ``out_dir`` holds a simulation already, or cannot be written.
        ProfileError: the profile does not hold what a cell needs, or a cell lies outside the
            calibrated range; nothing is left behind.
    """
    out = Path(out_dir)
    log = out / SIMULATED_NAME
    for path in (log, out / STATISTICS_NAME):
        if exists(path):
            raise InputError(
                f"{path}: exists; qcutsim overwrites nothing: give another --out, or move it away"
            )
    simulation = Simulation(
        scenario,
        profile,
        with_tasks=with_tasks,
        with_events=with_events,
        extrapolate=extrapolate,
        calibration_draws=True,
        engine=engine,
    )
    for cell in scenario.cells:  # what cannot be simulated is found before anything is written
        simulation.engine_of(cell, simulation.look_up(cell)[1])
    make_folder(out)
    study = write_simulations([simulation], log, on_progress, relative_half_width)
    write_whole(out / STATISTICS_NAME, msgspec.json.format(msgspec.json.encode(study), indent=1))
    return log, study


def write_simulations(
    simulations: Sequence[Simulation],
    log: Path,
    on_progress: ProgressCallback = no_progress,
    relative_half_width: float | None = None,
) -> Study:
    """Simulate into one log, whole or not at all; a configuration that comes twice counts once.

    Raises:
        InputError: the log cannot be written.
        ProfileError: a profile does not hold what a cell needs.
    """
    jobs = [
        list({cell.key: (simulation, cell) for cell in simulation.scenario.cells}.values())
        for simulation in simulations
    ]
    seen: set[str] = set()
    for own in jobs:
        own[:] = [job for job in own if job[1].key not in seen]
        seen.update(cell.key for _, cell in own)
    total = sum(map(len, jobs))
    done: list[_Done] = []
    queries = 0
    with _whole_log(log) as writer:
        for simulation, own in zip(simulations, jobs, strict=True):
            writer.write(simulation.run_record())
            for result in spread(partial(_study_cell, relative_half_width), own):
                writer.write(*(_renumbered(record, queries) for record in result.records))
                queries += sum(type(record) is QueryRecord for record in result.records)
                done.append(replace(result, records=[]))
                on_progress(len(done), total)
    return Study(
        cells=tuple(result.statistics for result in done),
        extrapolations=tuple(sorted(set().union(*(result.extrapolations for result in done)))),
        substitutes=tuple(sorted(set().union(*(result.substitutes for result in done)))),
    )


@contextmanager
def _whole_log(log: Path) -> Iterator[LogWriter]:
    """A log that is there whole when the block is left, or not at all."""
    part = log.parent / (log.name + ".part")
    if exists(part) and not part.is_file():
        raise InputError(f"{log}: cannot be written ({part} is in the way)")
    try:
        part.unlink(missing_ok=True)
        with LogWriter(part) as writer:
            yield writer
        part.replace(log)
    except OSError as error:
        raise InputError(f"{log}: cannot be written ({error.strerror})") from error
    finally:
        if part.is_file():
            part.unlink()


def _renumbered(record: Record, offset: int) -> Record:
    """Queries are numbered through the log; those of a cell begin at 0."""
    if isinstance(record, (QueryRecord, TaskRecord)):
        record.query += offset
    elif isinstance(record, EventRecord):
        record.dispatcher += offset
        for part in (record.event, *record.actions):
            if "query" in part:
                part["query"] += offset
    return record


def _study_cell(relative_half_width: float | None, job: tuple[Simulation, Cell]) -> _Done:
    """All replications of one cell."""
    whole, cell = job
    simulation = replace(whole, substitutes=set(), extrapolations=set(), _next_query=0)
    scenario = simulation.scenario
    records: list[Record] = []
    examples: list[tuple[QueryRecord, list[TaskRecord]]] = []
    replications, is_wide = 0, False
    while True:
        more = scenario.replications if replications == 0 else BATCH
        _replicate(simulation, cell, range(replications, replications + more), records, examples)
        replications += more
        if relative_half_width is None:
            break
        is_wide = not are_enough(_makespans(records, replications), relative_half_width)
        if not is_wide or replications >= MOST_REPLICATIONS:
            break
    statistics = _statistics(simulation, cell, records, examples, replications, is_wide)
    return _Done(records, statistics, simulation.extrapolations, simulation.substitutes)


def _replicate(
    simulation: Simulation,
    cell: Cell,
    replications: range,
    records: list[Record],
    examples: list[tuple[QueryRecord, list[TaskRecord]]],
) -> None:
    """Add the records of further replications, and of the first ones examples with their tasks."""
    for replication in replications:
        seen = sum(len(tasks) for _, tasks in examples)
        wants_tasks = seen < MOST_ATTRIBUTED_TASKS
        tasks: list[TaskRecord] = []
        for record in simulation.cell_records(
            cell, [replication], with_tasks=wants_tasks or simulation.with_tasks
        ):
            if isinstance(record, TaskRecord):
                tasks.append(record)
                if not simulation.with_tasks:
                    continue
            elif isinstance(record, QueryRecord):
                is_ok = record.outcome == "ok"
                if wants_tasks and is_ok and len(tasks) <= MOST_ATTRIBUTED_TASKS:
                    examples.append((record, tasks))
                tasks = []
            records.append(record)


def _queries(records: Iterable[Record]) -> list[QueryRecord]:
    return [r for r in records if isinstance(r, QueryRecord) and r.outcome == "ok"]


def _makespans(records: Iterable[Record], replications: int) -> FloatArray:
    """The median query of each replication, in seconds."""
    return _by_replication(_queries(records), replications, lambda query: query.total_s)


def _by_replication(
    queries: Sequence[QueryRecord],
    replications: int,
    value: Callable[[QueryRecord], float],
    share: float = 0.5,
) -> FloatArray:
    """A quantile over the queries of each replication that has any."""
    values: list[list[float]] = [[] for _ in range(replications)]
    for query in queries:
        values[query.replication].append(value(query))
    return np.array([np.quantile(own, share) for own in values if own])


def _statistics(
    simulation: Simulation,
    cell: Cell,
    records: Sequence[Record],
    examples: Sequence[tuple[QueryRecord, list[TaskRecord]]],
    replications: int,
    is_wide: bool,
) -> CellStatistics:
    queries = _queries(records)
    failed = sum(isinstance(r, QueryRecord) and r.outcome == "failed" for r in records)
    first = next(r for r in records if isinstance(r, QueryRecord))
    off = discrepancies(simulation.profile, simulation.scenario, cell, replications)

    def seconds(share: float) -> Interval:
        values = _by_replication(queries, replications, lambda query: query.total_s, share)
        middle = float(np.median(values)) if len(values) else float("nan")
        return interval(values * off[: len(values)], middle)

    uses = [use for query, tasks in examples if (use := worker_use(query, tasks)) is not None]
    engine, why = simulation.engine_of(cell, simulation.look_up(cell)[1])
    return CellStatistics(
        configuration=Configuration.of(first)._asdict(),
        engine=engine,
        engine_why=why,
        replications=replications,
        queries=len(queries),
        failed=failed,
        is_extrapolated=first.is_extrapolated,
        is_wide=is_wide,
        makespan_s=seconds(0.5),
        p50_s=seconds(0.5),
        p95_s=seconds(0.95),
        p99_s=seconds(0.99),
        stage_shares={
            stage: interval(
                _by_replication(queries, replications, partial(_stage_share, f"{stage}_s"))
            )
            for stage in STAGES
        },
        utilisation=_mean_interval([use.utilisation for use in uses]),
        barrier_waiting=_mean_interval([use.barrier_waiting for use in uses]),
        queueing_s=_mean_interval([use.queueing_s for use in uses]),
        straggler_slowdown=_slowdown(simulation, cell, queries, replications),
        training_s=_training(records, off),
        critical_path=_critical_path(examples),
    )


def _stage_share(stage: str, query: QueryRecord) -> float:
    return float(getattr(query, stage)) / query.total_s if query.total_s > 0 else 0.0


def _mean_interval(values: Sequence[float]) -> Interval | None:
    return interval(np.array(values)) if values else None


def _critical_path(
    examples: Sequence[tuple[QueryRecord, list[TaskRecord]]],
) -> dict[str, Interval]:
    """Shares of the makespan, by what it went into; what never takes anything is left out."""
    shares: dict[str, list[float]] = {name: [] for name in Attribution.__struct_fields__}
    for query, tasks in examples:
        found = attribute(query, tasks)
        for name, own in shares.items():
            own.append(getattr(found, name) / query.total_s if query.total_s > 0 else 0.0)
    return {
        name.removesuffix("_s"): interval(np.array(own), float(np.mean(own)))
        for name, own in shares.items()
        if own and max(own) > 0
    }


def _training(records: Sequence[Record], off: FloatArray) -> Interval | None:
    """From the first step to the end of the last one, of each training run."""
    ends: dict[tuple[int, int], float] = {}
    for record in records:
        if isinstance(record, StepRecord):
            run = (record.replication, record.repetition)
            ends[run] = max(ends.get(run, 0.0), record.ended_s)
    if not ends:
        return None
    values = np.array([ends_s * off[run[0]] for run, ends_s in ends.items()])
    return interval(values, float(np.median(list(ends.values()))))


def _slowdown(
    simulation: Simulation, cell: Cell, queries: Sequence[QueryRecord], replications: int
) -> Interval | None:
    """Makespan over that of the same draws without stragglers."""
    if cell.stragglers.probability <= 0:
        return None
    quiet = msgspec.structs.replace(cell, stragglers=Stragglers())
    without = _queries(simulation.cell_records(quiet, range(replications), with_tasks=False))
    # In some replications every query may have failed, with stragglers or without.
    both = {q.replication for q in queries} & {q.replication for q in without}
    slow, quick = (
        _by_replication([q for q in of if q.replication in both], replications, _total_s)
        for of in (queries, without)
    )
    return interval(slow / quick)


def _total_s(query: QueryRecord) -> float:
    return query.total_s
