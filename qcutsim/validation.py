"""The evidence: calibrate on a stated part of logs, predict the rest, and say how far off it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

import qcutsim
from qcutsim.analysis import (
    Configuration,
    Errors,
    Evidence,
    Prediction,
    Ranking,
    ScalingLaws,
    alternative_errors,
    errors_of,
    gather,
    rank_policies,
)
from qcutsim.assessment import assess_profile
from qcutsim.calibrate import CalibrationProfile, calibrate_logs, query_filter
from qcutsim.cell import Cell
from qcutsim.errors import LogError
from qcutsim.logreader import SkipReport, read_records
from qcutsim.progress import ProgressCallback, no_progress
from qcutsim.records import QueryRecord, RunRecord
from qcutsim.scenario import Scenario
from qcutsim.simulation import Simulation, discrepancies, replicate

CALIBRATED_ON = ("workers<=2", "straggler_probability=0", "cuts<=2", "cuts>=1", "policy=eager")
"""The stated part; everything else is held out."""

REPLICATIONS = 40
"""Of each simulated configuration."""

FEWEST_REPLICATIONS = 20
"""Fewer leave an interval of 90 % without a replication outside."""


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """Errors over all configurations that no model was calibrated on, and each of them."""

    count: int
    median_abs_error_makespan: float
    p90_abs_error_makespan: float
    median_abs_error_speed_up: float | None
    p90_abs_error_speed_up: float | None
    coverage_90: float | None
    noise_floor: float | None
    noise_p90: float | None
    configurations: tuple[Evidence, ...]


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence from a set of logs.

    ``calibrated_on`` are the tests that chose what was calibrated on, ``calibrated`` its
    configurations; ``slices`` are parts of the held-out ones.
    """

    logs: tuple[str, ...]
    runs: tuple[str, ...]
    machines: tuple[str, ...]
    calibrated_on: tuple[str, ...]
    replications: int
    held_out: HeldOut
    slices: tuple[Errors, ...]
    alternatives: tuple[Errors, ...]
    policies: Ranking
    calibrated_errors: Errors
    calibrated: tuple[Evidence, ...]
    extrapolations: tuple[str, ...]
    skipped_lines: int


@dataclass(frozen=True, slots=True)
class _Logs:
    runs: list[RunRecord]
    measured: dict[Configuration, list[QueryRecord]]

    @classmethod
    def read(cls, logs: Sequence[Path], skipped: SkipReport) -> _Logs:
        found = cls([], {})
        for log in logs:
            for record in read_records(log, skipped):
                if type(record) is RunRecord:
                    found.runs.append(record)
                elif type(record) is QueryRecord and record.outcome == "ok" and not record.is_cold:
                    found.measured.setdefault(Configuration.of(record), []).append(record)
        return found

    def cells(self) -> list[tuple[Scenario, Cell]]:
        """Every cell that has measured queries, with the scenario it comes from."""
        seen = {query.cell for queries in self.measured.values() for query in queries}
        scenarios = {run.scenario_key: Scenario.from_resolved(run.scenario) for run in self.runs}
        return [
            (scenario, cell)
            for scenario in scenarios.values()
            for cell in scenario.cells
            if cell.key in seen
        ]


def committed_logs() -> list[Path]:
    """The logs that come with the source.

    Raises:
        LogError: there are none, as where only the package is installed.
    """
    folder = Path(qcutsim.__file__).resolve().parent.parent / "calibration"
    found = sorted(folder.glob("validate*.jsonl*"))
    if not found:
        raise LogError(
            f"{folder}: holds no validate*.jsonl.gz; name a log, as 'qcutsim run "
            "scenarios/validate.yaml --out validation' writes it"
        )
    return found


def validate_logs(
    logs: Sequence[str | os.PathLike[str]] = (),
    *,
    replications: int = REPLICATIONS,
    skipped: SkipReport | None = None,
    on_progress: ProgressCallback = no_progress,
) -> Validation:
    """Calibrate on pools of 1 and 2, one and two cuts, no stragglers; predict everything else.

    Args:
        logs: of real runs with task records; by default those that come with the source.
        replications: of each simulated configuration; each under a bootstrap draw of its own.
        skipped: collects the lines that could not be read.
        on_progress: called with (configurations simulated, all of them).

    Raises:
        LogError: a log cannot be read, or nothing of it is held out.
        CalibrationError: the stated part holds too little.
        ProfileError: there is no shape of a workload.
    """
    paths = [Path(log) for log in logs] or committed_logs()
    skipped = SkipReport() if skipped is None else skipped
    found = _Logs.read(paths, skipped)
    if any(run.origin != "measured" for run in found.runs):
        raise LogError(f"{', '.join(map(str, paths))}: holds a simulated run; give measured logs")
    pipelines = sorted({key.pipeline for key in found.measured})
    profiles = {
        name: assess_profile(
            calibrate_logs(paths, only=[f"pipeline={name}", *CALIBRATED_ON]), paths
        )
        for name in pipelines
    }
    predicted, outside = _predict(found, profiles, replications, on_progress)
    alternatives = partial(alternatives_of, found.measured)
    chosen = query_filter(CALIBRATED_ON)
    rows = gather(found.measured, predicted, alternatives)
    held_out = [row for key, row in rows.items() if not chosen(found.measured[key][0])]
    calibrated = [row for key, row in rows.items() if chosen(found.measured[key][0])]
    if not held_out:
        raise LogError(
            f"{', '.join(map(str, paths))}: every configuration was calibrated on "
            f"({', '.join(CALIBRATED_ON)}); nothing is left to predict"
        )
    whole = errors_of("all held out", held_out)
    named = {f: getattr(whole, f) for f in whole.__struct_fields__ if f != "group"}
    return Validation(
        logs=tuple(path.name for path in paths),
        runs=tuple(run.run for run in found.runs),
        machines=tuple(
            dict.fromkeys(
                f"{run.manifest.machine.processor}, {run.manifest.machine.cores} cores"
                for run in found.runs
            )
        ),
        calibrated_on=CALIBRATED_ON,
        replications=replications,
        held_out=HeldOut(**named, configurations=tuple(held_out)),
        slices=tuple(_slices(held_out)),
        alternatives=tuple(alternative_errors(held_out)),
        policies=rank_policies(found.measured, predicted),
        calibrated_errors=errors_of("calibrated on", calibrated),
        calibrated=tuple(calibrated),
        extrapolations=tuple(sorted(outside)),
        skipped_lines=skipped.count,
    )


def _predict(
    found: _Logs,
    profiles: Mapping[str, CalibrationProfile],
    replications: int,
    on_progress: ProgressCallback,
) -> tuple[dict[Configuration, Prediction], set[str]]:
    """Each measured configuration's prediction, and in what any lies outside the calibration."""
    configuration_of = {
        query.cell: key for key, queries in found.measured.items() for query in queries
    }
    simulations: dict[tuple[str, str], Simulation] = {}
    work = []
    for scenario, cell in found.cells():
        pipeline = cell.workload.pipeline
        simulation = simulations.setdefault(
            (scenario.key, pipeline),
            Simulation(scenario, profiles[pipeline], extrapolate=True, calibration_draws=True),
        )
        work.append((simulation, cell))
    outside = {
        text for simulation, cell in work for text in simulation.look_up(cell)[1].extrapolations
    }
    predicted = {}
    replicated = replicate(work, replications, on_progress)
    for (simulation, cell), totals in zip(work, replicated, strict=True):
        medians_s = np.median(totals, axis=1)
        off = discrepancies(simulation.profile, simulation.scenario, cell, replications)
        made = Prediction(float(np.median(medians_s)), medians_s * off)
        predicted[configuration_of[cell.key]] = made
    return predicted, outside


def _slices(rows: Sequence[Evidence]) -> Iterator[Errors]:
    parts: dict[str, Callable[[Evidence], bool]] = {}
    for pipeline in sorted({row.pipeline for row in rows}):
        for pool in sorted({row.pool for row in rows}):
            parts[f"{pipeline}, {pool}"] = partial(_is_of, pipeline, pool)
    parts["3 cuts, from 1 and 2"] = lambda row: row.cuts == 3
    parts["larger pools, no stragglers"] = lambda row: row.workers > 2 and not row.stragglers
    parts["stragglers"] = lambda row: bool(row.stragglers)
    parts["other policies"] = lambda row: row.policy != "eager"
    for name, holds in parts.items():
        own = [row for row in rows if holds(row)]
        if own:
            yield errors_of(name, own)


def _is_of(pipeline: str, pool: str, row: Evidence) -> bool:
    return (row.pipeline, row.pool) == (pipeline, pool)


def alternatives_of(
    measured: Mapping[Configuration, Sequence[QueryRecord]], key: Configuration
) -> dict[str, float]:
    """Makespans by scaling laws, from the measured one of a single worker of the configuration.

    The laws are fitted to what was calibrated on: the same work on pools of 1 and 2, without
    stragglers; of work that was not, only independent workers can be told.
    """
    chosen = query_filter(CALIBRATED_ON)
    alone = measured.get(key.alone)
    if alone is None or key.workers == 1:
        return {}
    one_s = float(np.median([query.total_s for query in alone]))
    execute_s = float(np.median([query.execute_s for query in alone]))
    quiet = key._replace(
        policy="eager", stragglers="", straggler_probability=0.0, straggler_delay_s=0.0
    )
    sizes = {}
    for other, queries in measured.items():
        if other.alone == quiet.alone and chosen(queries[0]):
            sizes[other.workers] = float(np.median([query.total_s for query in queries]))
    laws = ScalingLaws.fit(sizes or {1: one_s}, execute_s / one_s)
    return {name: one_s * ratio for name, ratio in laws.ratios(key.workers).items()}
