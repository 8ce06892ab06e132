"""Print a calibration profile for people: every model, its samples, and how well it fits."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from qcutsim.calibrate import CalibrationProfile

EXAMPLE = "qcutsim inspect calibration/iris-upstream.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag

    parser.add_argument("profile", metavar="PROFILE", help="a calibration profile")
    parser.add_argument("--plots", metavar="DIR", help="draw a plot per model into this folder")
    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Read and print."""
    from pathlib import Path

    from qcutsim.calibrate import load_profile
    from qcutsim.cli.output import print_json, print_tables, say
    from qcutsim.report import profile_notes, profile_origin, profile_tables

    profile = load_profile(arguments.profile)
    if arguments.json:
        print_json(profile)
    else:
        print_tables(*profile_tables(profile))
    say(*profile_origin(profile), *profile_notes(profile))
    if arguments.plots:
        say_plots(profile, Path(arguments.plots))


def say_plots(profile: CalibrationProfile, folder: Path) -> None:
    """Draw a plot per model and say where they are."""
    from qcutsim.cli.output import say
    from qcutsim.report import draw_profile

    files = draw_profile(profile, folder)
    say(f"wrote {len(files)} plots to {folder}")
