"""How well a profile reproduces what it was calibrated on: the model's own discrepancy."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec
import numpy as np

from qcutsim.calibrate import CalibrationProfile, query_filter
from qcutsim.cell import Cell
from qcutsim.errors import ProfileError, ScenarioError
from qcutsim.logreader import read_records
from qcutsim.progress import ProgressCallback, no_progress
from qcutsim.records import QueryRecord, RunRecord
from qcutsim.scenario import Scenario
from qcutsim.simulation import Simulation, replicate

REPLICATIONS = 6
MOST_CELLS = 24
"""More are not simulated: a discrepancy is one number."""


def assess_profile(
    profile: CalibrationProfile,
    logs: Sequence[str | os.PathLike[str]],
    on_progress: ProgressCallback = no_progress,
) -> CalibrationProfile:
    """The profile with its discrepancy, from the logs it was calibrated on.

    Where the logs do not hold the scenario they come from, or a shape of it is not to be had,
    the discrepancy stays unknown.

    Raises:
        LogError: a log cannot be read.
    """
    chosen, held_out = query_filter(profile.only), query_filter(profile.held_out)
    measured: dict[str, list[QueryRecord]] = {}
    scenarios: dict[str, Scenario] = {}
    for log in logs:
        for record in read_records(log):
            if type(record) is RunRecord and record.scenario_key not in scenarios:
                _note_scenario(scenarios, record)
            elif type(record) is QueryRecord and record.outcome == "ok" and not record.is_cold:
                is_out = bool(profile.held_out) and held_out(record)
                if chosen(record) and not is_out and record.total_s > 0:
                    measured.setdefault(record.cell, []).append(record)
    work = _work(profile, scenarios, measured)
    if not work:
        return profile
    missed = []
    totals = replicate(work, REPLICATIONS, on_progress)
    for (_, cell), simulated in zip(work, totals, strict=True):
        seconds = [query.total_s for query in measured[cell.key]]
        missed.append(float(np.log(np.median(simulated) / np.median(seconds))))
    spread = float(np.sqrt(np.mean(np.square(missed))))
    return msgspec.structs.replace(profile, discrepancy_sd=spread, assessed=len(missed))


def _note_scenario(scenarios: dict[str, Scenario], run: RunRecord) -> None:
    try:
        scenarios[run.scenario_key] = Scenario.from_resolved(run.scenario)
    except ScenarioError:  # of another writer, or another version
        return


def _work(
    profile: CalibrationProfile,
    scenarios: dict[str, Scenario],
    measured: dict[str, list[QueryRecord]],
) -> list[tuple[Simulation, Cell]]:
    found: dict[str, tuple[Simulation, Cell]] = {}
    for scenario in scenarios.values():
        simulation = Simulation(scenario, profile)
        for cell in scenario.cells:
            if cell.key in measured and cell.key not in found:
                try:
                    simulation.look_up(cell)
                except (ProfileError, ScenarioError):
                    continue
                found[cell.key] = (simulation, cell)
    keys = sorted(found)
    return [found[key] for key in keys[:: -(-len(keys) // MOST_CELLS) or 1]]
