"""The main job: run, calibrate, simulate, compare, on Iris, with one call."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from qcutsim.analysis import Comparison, Configuration, Summary, read_query_records, summarise
from qcutsim.calibrate import CalibrationProfile, calibrate_logs, save_profile
from qcutsim.comparison import compare_logs
from qcutsim.errors import InputError
from qcutsim.extras import require
from qcutsim.files import exists, write_whole
from qcutsim.measure import LOG_NAME, run_scenario
from qcutsim.packagedscenarios import packaged_scenario
from qcutsim.progress import Stage, quiet_stage
from qcutsim.report import draw_speed_up, page_of, read_sources, render
from qcutsim.simulation import Simulation
from qcutsim.study import Study, read_study, write_simulations
from qcutsim.studyfiles import SIMULATED_NAME, STATISTICS_NAME

CALIBRATED_ON = "workers<=2"
PROFILE_NAME = "profile.json"
COMPARISON_NAME = "comparison.json"
FIGURE_NAME = "speedup.png"
REPORT_NAME = "report.html"


MADE = (
    PROFILE_NAME,
    SIMULATED_NAME,
    STATISTICS_NAME,
    COMPARISON_NAME,
    FIGURE_NAME,
    REPORT_NAME,
)
"""What is made of the measurement, each time anew."""


@dataclass(frozen=True, slots=True)
class QuickstartResult:
    """What the quickstart found and the files that hold it."""

    profile: CalibrationProfile
    measured: dict[Configuration, Summary]
    simulated: dict[Configuration, Summary]
    comparison: Comparison
    study: Study
    answer: tuple[str, ...]
    files: tuple[Path, ...]


def run_quickstart(
    out_dir: str | os.PathLike[str],
    *,
    seed: int | None = None,
    stage: Stage = quiet_stage,
) -> QuickstartResult:
    """Run real cut queries on Iris, calibrate on pools of 1 and 2, simulate, compare, draw.

    An interrupted measurement goes on where it stopped; what is made from it is made anew.

    Args:
        out_dir: where ``run.jsonl``, ``profile.json``, ``simulated.jsonl``, ``comparison.json``,
            ``speedup.png`` and ``report.html`` go.
        seed: of everything; the scenario's own by default.
        stage: opens a progress display for each step.

    Raises:
        InputError: ``out_dir`` holds the log of another seed or scenario, or cannot be written.
        ExecutionError: a query failed.
        MissingExtraError: the extra ``real`` is not installed.
    """
    require("qiskit", "qiskit_aer", "qiskit_addon_cutting", "sklearn", "matplotlib")
    out = Path(out_dir)
    _refuse_foreign_files(out)
    measured_scenario = packaged_scenario("quickstart", seed)
    larger_scenario = packaged_scenario("quickstart_larger", seed)
    with stage("1/4 running real queries") as progress:
        log = run_scenario(measured_scenario, out, on_progress=progress)
    profile = calibrate_logs([log], only=[CALIBRATED_ON])
    profile_path = save_profile(profile, out / PROFILE_NAME)
    with stage("2/4 simulating") as progress:
        simulations = [
            Simulation(scenario, profile, extrapolate=True)
            for scenario in (measured_scenario, larger_scenario)
        ]
        for name in (SIMULATED_NAME, STATISTICS_NAME):
            (out / name).unlink(missing_ok=True)
        write_simulations(simulations, out, progress)
        study = read_study(out)
    simulated_path = out / SIMULATED_NAME
    with stage("3/4 comparing"):
        comparison = compare_logs([log], profile=profile, simulated=[simulated_path])
        comparison_path = write_whole(
            out / COMPARISON_NAME, msgspec.json.format(msgspec.json.encode(comparison))
        )
    with stage("4/4 drawing"):
        _, real = read_query_records([log])
        _, virtual = read_query_records([simulated_path])
        measured, simulated = summarise(real), summarise(virtual)
        figure = draw_speed_up(measured, simulated, out / FIGURE_NAME)
        page = page_of(read_sources([out]), "Quickstart: where the time goes")
        report = write_whole(out / REPORT_NAME, render(page).encode())
    return QuickstartResult(
        profile=profile,
        measured=measured,
        simulated=simulated,
        comparison=comparison,
        study=study,
        answer=tuple(page.answer),
        files=(log, profile_path, simulated_path, comparison_path, figure, report),
    )


def _refuse_foreign_files(out: Path) -> None:
    """What an earlier quickstart made is made anew; anything else is the user's."""
    if exists(out / LOG_NAME):
        return
    for name in MADE:
        if exists(out / name):
            raise InputError(
                f"{out / name}: exists, and no {LOG_NAME} of a quickstart beside it; "
                "qcutsim overwrites nothing unasked: give another --out, or move it away"
            )
