"""Search cuts, strategy, shots, workers and policy for the setting to take; needs no qiskit.

Every setting is simulated under the profiles and judged by the time of the whole workload, its
cost and the standard error of an estimate. Shown are the settings that no other one beats, and of
those that meet the targets the fastest; with a deadline, of which 19 in 20 runs are to be within,
the cheapest. What the scenario sweeps narrows the search.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcutsim.analysis import Targets
    from qcutsim.weighing import Prices

EXAMPLE = (
    "qcutsim plan scenarios/plan.yaml --profile calibration/iris-planned.json --max-qubits 2 "
    "--deadline 90s -o recommended.yaml"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag

    add = parser.add_argument
    add("scenario", metavar="SCENARIO", help="a scenario YAML: the question")
    add(
        "--profile",
        required=True,
        action="append",
        metavar="FILE",
        help="a calibration profile; give one of each pipeline to consider",
    )
    add("--max-qubits", type=int, metavar="N", help="of the largest partition")
    add("--workers", metavar="LIST", help="pool sizes, as 1,2,4,8 or 1..64")
    add("--deadline", metavar="TIME", help="for all queries, as 90s, 15m or 1h30m")
    add("--budget", type=float, metavar="COST", help="in the unit of the prices")
    add("--target-error", type=float, metavar="E", help="standard error of an estimate")
    add(
        "--price-worker-hour",
        type=float,
        default=1.0,
        metavar="X",
        help="default 1: cost is in worker-hours",
    )
    add("--price-shot", type=float, default=0.0, metavar="Y", help="default 0")
    add(
        "--speed",
        type=float,
        default=1.0,
        metavar="S",
        help="of the workers, 1 as calibrated; otherwise simulated only",
    )
    add(
        "--expected-errors",
        action="store_true",
        help="errors from exact outcome distributions, not nominal ones (2 to 17 times as large at "
        "1 to 3 cuts of Iris); leaves out what has none, as the pipeline 'upstream' (needs the "
        "extra 'real')",
    )
    add(
        "--shapes",
        metavar="DIR",
        help="workload shapes beside those shipped; missing ones are made there (extra 'real')",
    )
    add(
        "--extrapolate",
        action="store_true",
        help="also judge what lies outside the calibrated range (more cuts, other shots)",
    )
    add(
        "--replications",
        type=int,
        metavar="N",
        help="of each setting; default 20, at least 10 with a deadline",
    )
    add("--seed", type=int, help="replaces the scenario's seed")
    add("-o", "--out", metavar="FILE", help="write the recommended setting as a scenario")
    add("--force", action="store_true", help="replace FILE where it exists")
    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Search, show, write."""
    import os
    from pathlib import Path

    from qcutsim.calibrate import load_profile
    from qcutsim.cli.output import print_json, print_tables, progress, refuse_to_overwrite, say
    from qcutsim.files import write_whole
    from qcutsim.planner import REPLICATIONS, scenario_text, search_settings
    from qcutsim.quantities import parse_counts
    from qcutsim.report import answer_lines, plan_lines, plan_tables
    from qcutsim.scenario import load_scenario

    targets, prices = _targets(arguments), _prices(arguments)
    sizes = arguments.workers and parse_counts(arguments.workers, "--workers", 100_000)
    if arguments.out:
        refuse_to_overwrite(Path(arguments.out), force=arguments.force)
    scenario = load_scenario(arguments.scenario, seed=arguments.seed)
    profiles = [load_profile(path) for path in arguments.profile]
    replications = arguments.replications
    with progress("settings") as on_progress:
        search = search_settings(
            scenario,
            profiles,
            targets=targets,
            prices=prices,
            max_qubits=arguments.max_qubits,
            workers=sizes,
            speed=arguments.speed,
            replications=REPLICATIONS if replications is None else replications,
            extrapolate=arguments.extrapolate,
            expected_errors=arguments.expected_errors,
            shapes=Path(arguments.shapes) if arguments.shapes else None,
            on_progress=on_progress,
        )
    if arguments.json:
        print_json(search)
    else:
        print_tables(*plan_tables(search))
    say(*plan_lines(search))
    if arguments.out:
        comments = ["Written by 'qcutsim plan'.", *answer_lines(search)]
        folders = (Path(arguments.scenario).resolve().parent, Path(arguments.out).resolve().parent)
        text = scenario_text(search, comments, way=Path(os.path.relpath(*folders)))
        write_whole(Path(arguments.out), text.encode())
        say(f"wrote {arguments.out}")


def _targets(arguments: argparse.Namespace) -> Targets:
    from qcutsim.analysis import Targets
    from qcutsim.quantities import parse_duration_s

    deadline = arguments.deadline
    return Targets(
        deadline_s=None if deadline is None else parse_duration_s(deadline, "--deadline"),
        budget=arguments.budget,
        error=arguments.target_error,
    )


def _prices(arguments: argparse.Namespace) -> Prices:
    from qcutsim.weighing import Prices

    _refuse_below_zero("--price-worker-hour", arguments.price_worker_hour)
    _refuse_below_zero("--price-shot", arguments.price_shot)
    return Prices(worker_hour=arguments.price_worker_hour, shot=arguments.price_shot)


def _refuse_below_zero(name: str, value: float) -> None:
    import math

    from qcutsim.errors import InputError

    if not math.isfinite(value) or value < 0:
        raise InputError(f"{name} {value:g}: expected a number of at least 0")
