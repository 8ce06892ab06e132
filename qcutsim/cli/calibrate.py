"""Learn service times, overheads and the cost of sharing a host from logs of real runs.

Needs queries on pools of one worker for the service times; larger pools tell what sharing costs.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcutsim.calibrate import CalibrationProfile

EXAMPLE = "qcutsim calibrate study/run.jsonl --only 'workers<=2' -o profile.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag

    parser.add_argument("logs", nargs="+", metavar="LOG", help="JSONL logs with task records")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the profile")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEST",
        help="use only queries with FIELD OP VALUE, as 'workers<=2'; all tests given must hold",
    )
    parser.add_argument(
        "--hold-out",
        action="append",
        default=[],
        metavar="TEST",
        help="leave out queries for which all of these hold, and say how well they are predicted",
    )
    parser.add_argument("--plots", metavar="DIR", help="draw a plot per model into this folder")
    parser.add_argument("--force", action="store_true", help="replace an existing profile")
    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Fit, save, and show the models."""
    from pathlib import Path

    from qcutsim.assessment import assess_profile
    from qcutsim.calibrate import calibrate_logs, save_profile
    from qcutsim.cli.inspect import say_plots
    from qcutsim.cli.output import (
        naming_skipped,
        print_json,
        print_tables,
        progress,
        refuse_to_overwrite,
        say,
    )
    from qcutsim.report import profile_notes, profile_tables

    output = Path(arguments.output)
    refuse_to_overwrite(output, force=arguments.force)
    with naming_skipped() as skipped:
        profile = calibrate_logs(
            arguments.logs, only=arguments.only, hold_out=arguments.hold_out, skipped=skipped
        )
    with progress("cells of the log, simulated") as on_progress:
        profile = assess_profile(profile, arguments.logs, on_progress)
    save_profile(profile, output)
    if arguments.json:
        print_json(profile)
    else:
        print_tables(*profile_tables(profile))
    say(*profile_notes(profile))
    if arguments.plots:
        say_plots(profile, Path(arguments.plots))
    if arguments.hold_out:
        _say_held_out(arguments, profile)
    say(f"wrote {output}")


def _say_held_out(arguments: argparse.Namespace, profile: CalibrationProfile) -> None:
    from qcutsim.cli.output import progress, say
    from qcutsim.comparison import compare_logs
    from qcutsim.report import summary_lines

    with progress("held-out cells") as on_progress:
        comparison = compare_logs(
            arguments.logs,
            profile=profile,
            only=[*arguments.only, *arguments.hold_out],
            on_progress=on_progress,
        )
    say(*(f"held out: {line}" for line in summary_lines(comparison)))
