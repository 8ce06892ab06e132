"""A simulated scenario: cell after cell into a folder, and on from there after an interruption."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from qcutsim.calibrate import CalibrationProfile
from qcutsim.cell import Cell, key_of
from qcutsim.extras import is_installed
from qcutsim.manifest import collect_manifest
from qcutsim.progress import ProgressCallback, no_progress
from qcutsim.records import EventRecord, QueryRecord, Record, TaskRecord
from qcutsim.rows import cell_row, export_rows
from qcutsim.scenario import Scenario
from qcutsim.simulatedcell import CellStatistics, SimulatedCell, simulate_cell
from qcutsim.simulation import EngineName, Simulation, spread
from qcutsim.studyfiles import (
    SIMULATED_NAME,
    TABLE_NAME,
    StudyHead,
    StudyWriter,
    read_study_lines,
)

CellCallback = Callable[[CellStatistics], None]
"""Called with each cell that is simulated."""


class Study(msgspec.Struct, frozen=True, kw_only=True):
    """The cells of one or more simulations with their statistics.

    ``substitutes`` names the classes of subexperiment that were not calibrated and what stood in
    for each, ``extrapolations`` in what cells lay outside the calibrated range. ``missing`` cells
    were not simulated: the simulation was stopped.
    """

    name: str
    cells: tuple[CellStatistics, ...]
    extrapolations: tuple[str, ...]
    substitutes: tuple[str, ...]
    missing: int = 0

    def _repr_html_(self) -> str:
        from qcutsim.report import as_html  # a notebook asks from below; nothing else does

        return as_html(self)


def no_cell(statistics: CellStatistics) -> None:
    """Do nothing with a cell."""


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
    on_cell: CellCallback = no_cell,
) -> tuple[Path, Study]:
    """Simulate every cell; write ``simulated.jsonl`` and ``statistics.jsonl`` into ``out_dir``.

    Cells are simulated in parallel and appended in their order. A study that was interrupted goes
    on where it stopped when the same is asked again, and ends with the same files. The first
    replication is made under the profile's best estimate and meets the stragglers of a real run,
    each further one under a bootstrap draw of it and with stragglers of its own. The same scenario,
    profile and seed give the same files, byte for byte, on one machine and commit.

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
        on_cell: called with each cell simulated.

    Where pyarrow is installed, ``statistics.parquet`` holds the statistics as a table.

    Returns:
        The path of the log, and the statistics.

    Raises:
        InputError: ``out_dir`` holds another study, another process writes into it, or it cannot
            be written.
        ProfileError: the profile does not hold what a cell needs, or a cell lies outside the
            calibrated range; nothing is written.
    """
    simulation = Simulation(
        scenario,
        profile,
        with_tasks=with_tasks,
        with_events=with_events,
        extrapolate=extrapolate,
        calibration_draws=True,
        fresh_delays=True,
        engine=engine,
    )
    for cell in scenario.cells:  # what cannot be simulated is found before anything is written
        simulation.engine_of(cell, simulation.look_up(cell)[1])
    out = Path(out_dir)
    write_simulations([simulation], out, on_progress, relative_half_width, on_cell)
    study = read_study(out)
    if is_installed("pyarrow"):
        export_rows(map(cell_row, study.cells), out / TABLE_NAME)
    return out / SIMULATED_NAME, study


def write_simulations(
    simulations: Sequence[Simulation],
    out: Path,
    on_progress: ProgressCallback = no_progress,
    relative_half_width: float | None = None,
    on_cell: CellCallback = no_cell,
) -> None:
    """Simulate into one folder what is not there yet; a configuration that comes twice counts once.

    Raises:
        InputError: the folder holds another study, or cannot be written.
        ProfileError: a profile does not hold what a cell needs.
    """
    jobs = _distinct(simulations)
    total = sum(map(len, jobs))
    head = StudyHead(
        study=_study_key(simulations, relative_half_width),
        name=simulations[-1].scenario.name,
        cells=total,
        seed=simulations[-1].scenario.seed,
        manifest=collect_manifest(),
    )
    with StudyWriter(out, head) as writer:
        done = writer.cells
        on_progress(done, total)
        skipped = 0
        for simulation, own in zip(simulations, jobs, strict=True):
            todo = own[max(done - skipped, 0) :]
            skipped += len(own)
            if todo and len(todo) == len(own):
                writer.open_run(simulation.run_record())
            for (_, cell), result in zip(
                todo, spread(partial(simulate_cell, relative_half_width), todo), strict=True
            ):
                writer.append(cell.key, _renumbered(result, writer.queries))
                on_progress(writer.cells, total)
                on_cell(result.statistics)


def read_study(out: Path) -> Study:
    """What was simulated into a folder, also where the simulation was stopped.

    Raises:
        InputError: there is no study, or a line of it cannot be read.
    """
    head, lines = read_study_lines(out)
    cells = []
    extrapolations: set[str] = set()
    substitutes: set[str] = set()
    for line in lines:
        cells.append(line.statistics)
        extrapolations.update(line.extrapolations)
        substitutes.update(line.substitutes)
    return Study(
        name=head.name,
        cells=tuple(cells),
        extrapolations=tuple(sorted(extrapolations)),
        substitutes=tuple(sorted(substitutes)),
        missing=head.cells - len(cells),
    )


def _distinct(simulations: Sequence[Simulation]) -> list[list[tuple[Simulation, Cell]]]:
    """The cells of each simulation that no earlier one has."""
    jobs = []
    seen: set[str] = set()
    for simulation in simulations:
        own = {cell.key: cell for cell in simulation.scenario.cells}
        jobs.append([(simulation, cell) for key, cell in own.items() if key not in seen])
        seen.update(own)
    return jobs


def _study_key(simulations: Sequence[Simulation], relative_half_width: float | None) -> str:
    """Equal keys ask the same code for the same results."""
    asked: list[Any] = [relative_half_width, collect_manifest().code]
    for simulation in simulations:
        asked += [
            simulation.scenario.key,
            simulation.profile.key,
            simulation.with_tasks,
            simulation.with_events,
            simulation.extrapolate,
            simulation.calibration_draws,
            simulation.fresh_delays,
            simulation.engine,
        ]
    return key_of(asked)


def _renumbered(result: SimulatedCell, offset: int) -> SimulatedCell:
    """Queries are numbered through the log; those of a cell begin at 0."""
    for record in result.records:
        _renumber(record, offset)
    return result


def _renumber(record: Record, offset: int) -> None:
    if isinstance(record, (QueryRecord, TaskRecord)):
        record.query += offset
    elif isinstance(record, EventRecord):
        record.dispatcher += offset
        for part in (record.event, *record.actions):
            if "query" in part:
                part["query"] += offset
