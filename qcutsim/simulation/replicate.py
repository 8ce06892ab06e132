"""Replications of cells, over the cores of this machine."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from qcutsim.calibrate import CalibrationProfile
from qcutsim.cell import Cell
from qcutsim.progress import ProgressCallback, no_progress
from qcutsim.records import QueryRecord
from qcutsim.scenario import Scenario
from qcutsim.seeds import stream
from qcutsim.simulation.parallel import spread
from qcutsim.simulation.simulate import Simulation

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


def replicate(
    work: Sequence[tuple[Simulation, Cell]],
    replications: int,
    on_progress: ProgressCallback = no_progress,
) -> list[FloatArray]:
    """Query times of each cell in every replication.

    Args:
        work: cells, each with the simulation of its scenario.
        replications: how many of each.
        on_progress: called with (cells done, all cells).

    Returns:
        For each cell ``total_s`` of shape (replications, repetitions x queries), in seconds.

    Raises:
        ProfileError: a profile does not hold what a cell needs.
    """
    # The largest first, so that no core is left with one of them at the end.
    order = sorted(range(len(work)), key=lambda number: -_size(*work[number]))
    jobs = [(*work[number], replications) for number in order]
    found: dict[int, FloatArray] = {}
    for number, totals in zip(order, spread(_totals, jobs), strict=True):
        found[number] = totals
        on_progress(len(found), len(work))
    return [found[number] for number in range(len(work))]


def _size(simulation: Simulation, cell: Cell) -> int:
    """Tasks of a replication."""
    shape, _ = simulation.look_up(cell)
    return shape.tasks * cell.queries_together * simulation.scenario.repetitions


def discrepancies(
    profile: CalibrationProfile, scenario: Scenario, cell: Cell, replications: int
) -> FloatArray:
    """Factors on a cell's makespan, one a replication: what the model itself is off by.

    They are its own, so that two cells compared differ by them too; 1 where nothing is known.
    """
    rng = stream(scenario.seed, "discrepancy", zlib.crc32(cell.key.encode()))
    spread = profile.discrepancy_sd or 0.0
    return np.asarray(np.exp(spread * rng.standard_normal(replications)))


def _totals(job: tuple[Simulation, Cell, int]) -> FloatArray:
    simulation, cell, replications = job
    totals = [
        record.total_s
        for record in simulation.cell_records(cell, range(replications))
        if type(record) is QueryRecord
    ]
    return np.array(totals).reshape(replications, -1)
