"""Measured logs held against a profile's simulation of them, or against a simulated log."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from qcutsim.analysis import Comparison, compare_queries, read_query_records
from qcutsim.calibrate import CalibrationProfile, query_filter
from qcutsim.cell import Cell
from qcutsim.errors import InputError, LogError
from qcutsim.logreader import SkipReport
from qcutsim.progress import ProgressCallback, no_progress
from qcutsim.records import QueryRecord, RunRecord
from qcutsim.scenario import Scenario
from qcutsim.simulation import Simulation, discrepancies, spread

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

REPLICATIONS = 20
"""Of what is simulated for a comparison, at least: so many give intervals."""


def compare_logs(
    measured: Sequence[str | os.PathLike[str]],
    *,
    profile: CalibrationProfile | None = None,
    simulated: Sequence[str | os.PathLike[str]] = (),
    only: Sequence[str] = (),
    skipped: SkipReport | None = None,
    on_progress: ProgressCallback = no_progress,
) -> Comparison:
    """Compare measured makespan and speed-up with simulated ones.

    Args:
        measured: logs of real runs.
        profile: tells which pool sizes it was calibrated on, and simulates what the logs hold.
            Without it all that is compared counts as predicted.
        simulated: logs of simulations; where given, nothing is simulated anew.
        only: tests on query fields that must hold for what is compared, as ``"cuts=3"``.
        skipped: collects the lines that could not be read.
        on_progress: called with (cells simulated, all cells).

    Raises:
        LogError: a log cannot be read, is of the wrong kind, or nothing matches.
        ProfileError: the profile does not hold what a measured cell needs.
        InputError: a simulated log was made under another profile, or there is neither.
    """
    runs, queries = read_query_records(measured, skipped)
    chosen = query_filter(only)
    queries = [query for query in queries if chosen(query)]
    if any(run.origin != "measured" for run in runs):
        raise LogError(
            f"{', '.join(map(str, measured))}: holds a simulated run; give measured logs"
        )
    substitutes: set[str] = set()
    off: dict[str, FloatArray] = {}
    if simulated:
        virtual_runs, virtual = read_query_records(simulated, skipped)
        for run in virtual_runs:
            if run.origin != "simulated":
                raise LogError(f"{', '.join(map(str, simulated))}: holds a measured run")
            if profile is not None and run.profile_key != profile.key:
                raise InputError(
                    f"{', '.join(map(str, simulated))}: was simulated under another profile "
                    f"({str(run.profile_key)[:12]}, not {profile.key[:12]}); simulate again"
                )
    elif profile is not None:
        virtual_runs = runs
        virtual = _simulate_measured(runs, queries, profile, substitutes, on_progress)
    else:
        raise InputError(
            "nothing to compare with: give a profile (--profile), or a simulation (--simulated)"
        )
    calibrated: dict[str, tuple[int, ...]] = {}
    labels = None
    if profile is not None:
        calibrated = {kind: pool.workers for kind, pool in profile.pools.items()}
        labels = {model.partition_labels for model in profile.partition}
        off = _discrepancies(virtual_runs, virtual, profile)
    comparison = compare_queries(queries, virtual, calibrated, labels, off)
    return msgspec.structs.replace(
        comparison,
        substitutes=tuple(sorted(substitutes)),
        measured_runs=tuple(run.run for run in runs),
        profile_key=None if profile is None else profile.key,
    )


def _discrepancies(
    runs: list[RunRecord], simulated: list[QueryRecord], profile: CalibrationProfile
) -> dict[str, FloatArray]:
    """Cell -> what the model itself is off by in each replication."""
    most: dict[str, int] = {}
    for query in simulated:
        most[query.cell] = max(query.replication + 1, most.get(query.cell, 0))
    scenarios = {run.scenario_key: Scenario.from_resolved(run.scenario) for run in runs}
    return {
        cell.key: discrepancies(profile, scenario, cell, most[cell.key])
        for scenario in scenarios.values()
        for cell in scenario.cells
        if cell.key in most
    }


def _simulate_measured(
    runs: list[RunRecord],
    queries: list[QueryRecord],
    profile: CalibrationProfile,
    substitutes: set[str],
    on_progress: ProgressCallback,
) -> list[QueryRecord]:
    """Every measured cell, under the stragglers that it met and bootstrap draws of the profile."""
    scenarios = {run.scenario_key: Scenario.from_resolved(run.scenario) for run in runs}
    seen = {query.cell for query in queries if not query.is_cold and query.outcome == "ok"}
    work = [
        (Simulation(scenario, profile, extrapolate=True, calibration_draws=True), cell)
        for scenario in scenarios.values()
        for cell in scenario.cells
        if cell.key in seen
    ]
    found: list[QueryRecord] = []
    for number, (records, stood_in) in enumerate(spread(_simulate, work), start=1):
        found += records
        substitutes |= stood_in
        on_progress(number, len(work))
    return found


def _simulate(job: tuple[Simulation, Cell]) -> tuple[list[QueryRecord], set[str]]:
    simulation, cell = job
    replications = range(max(simulation.scenario.replications, REPLICATIONS))
    records = [r for r in simulation.cell_records(cell, replications) if type(r) is QueryRecord]
    return records, simulation.substitutes
