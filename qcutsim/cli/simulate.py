"""Simulate every cell of a scenario under a calibrated profile; needs no qiskit.

The log is simulated.jsonl in the folder given by --out, of the same schema as a real run's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qcutsim.scenario import Scenario

EXAMPLE = (
    "qcutsim simulate scenarios/quickstart_larger.yaml --profile profile.json --extrapolate "
    "--out larger"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag, add_live_flag

    parser.add_argument("scenario", metavar="SCENARIO", help="a scenario YAML")
    parser.add_argument("--profile", required=True, metavar="FILE", help="a calibration profile")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for simulated.jsonl")
    parser.add_argument("--seed", type=int, help="replaces the scenario's seed")
    parser.add_argument("--tasks", action="store_true", help="write a record a task too")
    parser.add_argument("--events", action="store_true", help="write the dispatcher's events too")
    parser.add_argument(
        "--extrapolate",
        action="store_true",
        help="also simulate what lies outside the calibrated range (more cuts, other shots)",
    )
    parser.add_argument(
        "--engine",
        choices=["auto", "kernel", "simpy"],
        default="auto",
        help="auto takes the compiled kernel where it can; both give the same numbers",
    )
    parser.add_argument(
        "--replications", type=int, metavar="N", help="at least so many; 10 give intervals"
    )
    parser.add_argument(
        "--ci",
        metavar="WIDTH",
        help="replicate until the mean makespan is known to +- WIDTH with 90 %% confidence, as 2%%",
    )
    add_live_flag(parser, "cells, engines, speed and the last result")
    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Simulate, then show where the time goes."""
    from qcutsim.calibrate import load_profile
    from qcutsim.cli.output import print_json, print_tables, say
    from qcutsim.report import study_notes, study_tables
    from qcutsim.scenario import load_scenario
    from qcutsim.study import simulate_scenario

    width = _relative_half_width(arguments.ci)
    scenario = load_scenario(
        arguments.scenario, seed=arguments.seed, replications=arguments.replications
    )
    profile = load_profile(arguments.profile)
    with _watching(scenario, is_live=arguments.live) as callbacks:
        log, study = simulate_scenario(
            scenario,
            profile,
            arguments.out,
            relative_half_width=width,
            engine=arguments.engine,
            with_tasks=arguments.tasks,
            with_events=arguments.events,
            extrapolate=arguments.extrapolate,
            **callbacks,
        )
    if arguments.json:
        print_json(study)
    else:
        print_tables(*study_tables(study, scenario.name))
    say(*study_notes(study))
    say(f"wrote {log}")


def _relative_half_width(text: str | None) -> float | None:
    from qcutsim.errors import InputError

    if text is None:
        return None
    number = text.removesuffix("%").strip()
    try:
        value = float(number) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0.0001 <= value < 1:
        raise InputError(
            f"--ci {text!r}: expected a part of the makespan from 0.01% to 100%, as 2% or 0.02"
        )
    return value


@contextmanager
def _watching(scenario: Scenario, *, is_live: bool) -> Iterator[dict[str, Any]]:
    """What the simulation calls back, so that people see how far it is."""
    from qcutsim.cli.output import live_console, progress

    console = live_console(is_asked=is_live)
    if console is None:
        with progress("cells") as on_progress:
            yield {"on_progress": on_progress}
        return
    import time

    from qcutsim.live import LiveStudy
    from qcutsim.report import show_study

    live = LiveStudy(scenario, time.monotonic)
    with show_study(live, scenario.name, console):
        yield {"on_progress": live.pace.progress, "on_cell": live.cell_ended}
