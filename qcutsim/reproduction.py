"""The research questions of arXiv:2602.16233 that concern time: measured, simulated, explained."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from qcutsim.analysis import (
    Configuration,
    CoresUsed,
    Interval,
    MidCircuitCost,
    ReconstructionShare,
    Summary,
    cores_used,
    mid_circuit_cost,
    read_query_records,
    reconstruction_shares,
    slowdowns,
    speed_ups,
    summarise,
)
from qcutsim.assessment import assess_profile
from qcutsim.calibrate import calibrate_logs, save_profile
from qcutsim.errors import InputError
from qcutsim.extras import require
from qcutsim.files import exists, make_folder
from qcutsim.logreader import read_queries
from qcutsim.measure import LOG_NAME, run_scenario
from qcutsim.packagedscenarios import packaged_scenario
from qcutsim.progress import ProgressCallback, Stage, quiet_stage
from qcutsim.records import QueryRecord, RunRecord, TaskRecord
from qcutsim.scenario import Scenario
from qcutsim.simulation import Simulation
from qcutsim.study import Study, read_study, write_simulations
from qcutsim.studyfiles import SIMULATED_NAME

QUESTIONS = ("paper_rq1", "paper_rq2", "paper_rq3")
"""Scenarios, each with a '_quick' one beside it."""

BEYOND = ("paper_rq2", "paper_rq3", "paper_rq1_training", "paper_rq2_beyond")
"""Also simulated: the whole grids, whatever was run of them, and what nobody runs. They come first,
for of a configuration that comes twice the first one's queries are simulated."""

PIPELINES = ("upstream", "planned")

PAGES = ("reproduction.md", "reproduction.json", "rq1.svg", "rq2.svg", "rq3.svg")
"""What is made of a reproduction, in its folder."""

CALIBRATED_ON = ("workers<=2", "straggler_probability=0", "cuts<=2", "policy=eager")
"""Larger pools, stragglers, other policies and the third cut are predictions."""


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """RQ1, Fig. 4: a query on one thread, and an epoch, by the number of cuts.

    The epoch is simulated, ``epoch_by_queries_s`` is as many queries of the measured median.
    """

    pipeline: str
    cuts: int
    queries: int
    query_s: float
    over_uncut: float | None
    epoch_s: Interval | None
    epoch_by_queries_s: float


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """RQ2, Fig. 5 (speed-up over one worker) or RQ3, Fig. 6 (slowdown by stragglers).

    ``queries`` were measured.
    """

    pipeline: str
    cuts: int
    pool: str
    workers: int
    policy: str
    straggler_probability: float
    queries: int
    measured_s: float | None
    measured: float | None
    simulated_s: float | None
    simulated: float | None

    @property
    def error(self) -> float | None:
        """Simulated over measured, less 1."""
        return self.simulated / self.measured - 1 if self.measured and self.simulated else None


class Reproduction(msgspec.Struct, frozen=True, kw_only=True):
    """Every figure and table, with what explains the difference to the paper."""

    is_quick: bool
    runs: tuple[str, ...]
    machines: tuple[str, ...]
    growth: tuple[Growth, ...]
    shares: tuple[ReconstructionShare, ...]
    speed_ups: tuple[Ratio, ...]
    slowdowns: tuple[Ratio, ...]
    mid_circuit: tuple[MidCircuitCost, ...]
    cores: tuple[CoresUsed, ...]
    extrapolations: tuple[str, ...]


def reproduce_paper(
    out_dir: str | os.PathLike[str],
    *,
    quick: bool = False,
    seed: int | None = None,
    stage: Stage = quiet_stage,
) -> tuple[Reproduction, tuple[Path, ...]]:
    """Run the paper's questions for real, calibrate, simulate them and beyond, and hold together.

    An interrupted reproduction goes on where it stopped.

    Args:
        out_dir: a folder a question, the profiles, and the simulated study go there.
        quick: a part of the real runs, minutes instead of an hour; the rest is simulated.
        seed: of everything random; the scenarios' own by default.
        stage: opens a progress display for each step.

    Returns:
        What was found, and the files that hold it.

    Raises:
        InputError: ``out_dir`` holds another reproduction, or cannot be written.
        ExecutionError: a query failed.
        MissingExtraError: the extra ``real`` is not installed.
    """
    require("qiskit", "qiskit_aer", "qiskit_addon_cutting", "sklearn")
    out = Path(out_dir)
    _refuse_foreign_files(out, quick=quick)
    make_folder(out)
    suffix = "_quick" if quick else ""
    scenarios = [packaged_scenario(name + suffix, seed) for name in QUESTIONS]
    logs = []
    for number, scenario in enumerate(scenarios, start=1):
        with stage(f"{number}/4 running {scenario.name}") as progress:
            logs.append(run_scenario(scenario, out / scenario.name, on_progress=progress))
    scenarios = [*(packaged_scenario(name, seed) for name in BEYOND), *scenarios]
    with stage("4/4 simulating") as progress:
        profiles = _simulate(scenarios, logs, out, progress)
    return _gather(logs, out, quick=quick), (*logs, *profiles, out / SIMULATED_NAME)


def _refuse_foreign_files(out: Path, *, quick: bool) -> None:
    """What this reproduction made before is made anew; anything else is the user's."""
    here, other = ("_quick", "") if quick else ("", "_quick")
    if any(exists(out / f"{name}{other}") for name in QUESTIONS):
        kind = "the whole" if quick else "a quick"
        raise InputError(f"{out}: holds {kind} reproduction; give another --out, or move it away")
    if exists(out / f"{QUESTIONS[0]}{here}" / LOG_NAME):
        return
    for name in (*PAGES, *(f"profile-{pipeline}.json" for pipeline in PIPELINES), SIMULATED_NAME):
        if exists(out / name):
            raise InputError(
                f"{out / name}: exists, and no reproduction beside it; qcutsim overwrites nothing: "
                "give another --out, or move it away"
            )


def _simulate(
    scenarios: Sequence[Scenario], logs: Sequence[Path], out: Path, progress: ProgressCallback
) -> list[Path]:
    """Each pipeline under its own profile; returns where the profiles are."""
    paths, simulations = [], []
    for pipeline in PIPELINES:
        chosen = [f"pipeline={pipeline}", *CALIBRATED_ON]
        profile = assess_profile(calibrate_logs(logs, only=chosen), logs)
        paths.append(save_profile(profile, out / f"profile-{pipeline}.json"))
        for scenario in scenarios:
            cells = tuple(c for c in scenario.cells if c.workload.pipeline == pipeline)
            own = replace(scenario, cells=cells)
            simulations.append(Simulation(own, profile, extrapolate=True, calibration_draws=True))
    write_simulations(simulations, out, progress)
    return paths


def _gather(logs: Sequence[Path], out: Path, *, quick: bool) -> Reproduction:
    """Each question from its own log: times of one run are compared within it."""
    runs, _ = read_query_records(logs)
    of_log = [read_query_records([log])[1] for log in logs]
    growth, ups, downs = (summarise(queries) for queries in of_log)
    _, virtual = read_query_records([out / SIMULATED_NAME])
    study, simulated = read_study(out), summarise(virtual)
    threads = [query for own in of_log[:2] for query in own if query.pool == "threads"]
    return Reproduction(
        is_quick=quick,
        runs=tuple(run.run for run in runs),
        machines=tuple(dict.fromkeys(map(_machine, runs))),
        growth=tuple(_growth(growth, study)),
        shares=tuple(reconstruction_shares(threads)),
        speed_ups=tuple(_speed_ups(ups, simulated)),
        slowdowns=tuple(_slowdowns(downs, simulated)),
        mid_circuit=tuple(_mid_circuit(logs[0])),
        cores=tuple(cores_used(query for query in of_log[1] if query.cuts > 0)),
        extrapolations=study.extrapolations,
    )


def _machine(run: RunRecord) -> str:
    return f"{run.manifest.machine.processor}, {run.manifest.machine.cores} cores"


def _is_plain(key: Configuration) -> bool:
    return not key.stragglers and key.policy == "eager" and not key.machines


def _growth(measured: dict[Configuration, Summary], study: Study) -> Iterator[Growth]:
    training = packaged_scenario("paper_rq1_training").cells[0].queries_together
    epochs = {
        (cell.configuration["pipeline"], cell.configuration["cuts"]): cell.training_s
        for cell in study.cells
        if cell.training_s is not None
    }
    alone = {
        (key.pipeline, key.cuts): summary
        for key, summary in measured.items()
        if _is_plain(key) and (key.pool, key.workers) == ("threads", 1)
    }
    for (pipeline, cuts), summary in sorted(alone.items(), key=lambda one: _in_order(*one[0])):
        uncut = alone.get((pipeline, 0))
        yield Growth(
            pipeline=pipeline,
            cuts=cuts,
            queries=summary.queries,
            query_s=summary.makespan_s,
            over_uncut=summary.makespan_s / uncut.makespan_s if uncut else None,
            epoch_s=epochs.get((pipeline, cuts)),
            epoch_by_queries_s=summary.makespan_s * training,
        )


def _in_order(pipeline: str, cuts: int) -> tuple[int, int]:
    return PIPELINES.index(pipeline), cuts


def _speed_ups(
    measured: dict[Configuration, Summary], simulated: dict[Configuration, Summary]
) -> Iterator[Ratio]:
    real, virtual = speed_ups(measured), speed_ups(simulated)
    keys = [key for key in _both(measured, simulated) if _is_plain(key) and key.cuts > 0]
    for key in keys:
        if key.workers > 1:
            yield _ratio(key, measured, simulated, real.get(key), virtual.get(key))


def _slowdowns(
    measured: dict[Configuration, Summary], simulated: dict[Configuration, Summary]
) -> Iterator[Ratio]:
    real, virtual = slowdowns(measured), slowdowns(simulated)
    for key in _both(real, virtual):
        if not key.machines:
            yield _ratio(key, measured, simulated, real.get(key), virtual.get(key))


def _both(
    measured: Iterable[Configuration], simulated: Iterable[Configuration]
) -> list[Configuration]:
    """Of either, the paper's pipeline first."""
    found = {*measured, *simulated}
    return sorted(found, key=lambda key: (PIPELINES.index(key.pipeline), key))


def _ratio(
    key: Configuration,
    measured: dict[Configuration, Summary],
    simulated: dict[Configuration, Summary],
    real: float | None,
    virtual: float | None,
) -> Ratio:
    return Ratio(
        pipeline=key.pipeline,
        cuts=key.cuts,
        pool=key.pool,
        workers=key.workers,
        policy=key.policy,
        straggler_probability=key.straggler_probability,
        queries=measured[key].queries if key in measured else 0,
        measured_s=measured[key].makespan_s if key in measured else None,
        measured=real,
        simulated_s=simulated[key].makespan_s if key in simulated else None,
        simulated=virtual,
    )


def _mid_circuit(log: Path) -> Iterator[MidCircuitCost]:
    """Of one thread, by pipeline and cuts: there a task's CPU time is told."""
    groups: dict[tuple[str, int], list[tuple[QueryRecord, list[TaskRecord]]]] = {}
    for found in read_queries([log]):
        query = found.query
        if query.workers == 1 and query.outcome == "ok" and not query.is_cold:
            groups.setdefault((query.pipeline, query.cuts), []).append((query, found.tasks))
    for key in sorted(groups, key=lambda key: _in_order(*key)):
        cost = mid_circuit_cost(groups[key])
        if cost is not None:
            yield cost
