"""Run real cut queries on Iris, calibrate on pools of 1 and 2 workers, simulate, compare, draw.

Takes one to two minutes on two cores. Interrupted, it goes on where it stopped.
"""

from __future__ import annotations

import argparse

EXAMPLE = "qcutsim quickstart --out quickstart-out --seed 7"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag

    parser.add_argument("--out", default="quickstart-out", metavar="DIR", help="where files go")
    parser.add_argument("--seed", type=int, help="of everything that is random")
    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Do the main job and say what was found and where it is."""
    from qcutsim.cli.output import print_json, print_tables, progress, say
    from qcutsim.quickstart import CALIBRATED_ON, run_quickstart
    from qcutsim.report import (
        comparison_table,
        error_table,
        profile_notes,
        stage_table,
        study_notes,
    )

    result = run_quickstart(arguments.out, seed=arguments.seed, stage=progress)
    if arguments.json:
        print_json(result.comparison)
    else:
        print_tables(
            stage_table(result.measured, "Where the time went (measured, medians)"),
            comparison_table(result.comparison),
            error_table(result.comparison),
        )
    say(f"calibrated on {CALIBRATED_ON}; larger pools are predictions")
    say(*profile_notes(result.profile))
    say(*study_notes(result.study))
    say("", *result.answer)
    say("wrote:", *(f"  {path}" for path in result.files))
