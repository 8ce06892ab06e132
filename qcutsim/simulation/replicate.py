"""Replications of cells, over the cores of this machine."""

from __future__ import annotations

import multiprocessing
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

import numpy as np

from qcutsim.calibrate import CalibrationProfile
from qcutsim.cell import Cell
from qcutsim.manifest import usable_cores
from qcutsim.progress import ProgressCallback, no_progress
from qcutsim.records import QueryRecord
from qcutsim.scenario import Scenario
from qcutsim.seeds import stream
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
    found = []
    for done, totals in enumerate(_spread(work, replications), start=1):
        found.append(totals)
        on_progress(done, len(work))
    return found


def discrepancies(
    profile: CalibrationProfile, scenario: Scenario, cell: Cell, replications: int
) -> FloatArray:
    """Factors on a cell's makespan, one a replication: what the model itself is off by.

    They are its own, so that two cells compared differ by them too; 1 where nothing is known.
    """
    rng = stream(scenario.seed, "discrepancy", zlib.crc32(cell.key.encode()))
    spread = profile.discrepancy_sd or 0.0
    return np.asarray(np.exp(spread * rng.standard_normal(replications)))


def _spread(work: Sequence[tuple[Simulation, Cell]], replications: int) -> Iterator[FloatArray]:
    """In processes of this one's kind where the system can copy it, else one after the other."""
    processes = min(usable_cores(), len(work))
    if processes < 2 or "fork" not in multiprocessing.get_all_start_methods():
        for simulation, cell in work:
            yield _totals(simulation, cell, replications)
        return
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        futures: list[Future[FloatArray]] = [
            pool.submit(_totals, simulation, cell, replications) for simulation, cell in work
        ]
        try:
            for future in futures:
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def _totals(simulation: Simulation, cell: Cell, replications: int) -> FloatArray:
    totals = [
        record.total_s
        for record in simulation.cell_records(cell, range(replications))
        if type(record) is QueryRecord
    ]
    return np.array(totals).reshape(replications, -1)
