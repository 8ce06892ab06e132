"""Learn service times, overheads and the cost of sharing a host from logs of real runs.

Needs queries on pools of one worker for the service times; larger pools tell what sharing costs.
"""

from __future__ import annotations

import argparse

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
    parser.add_argument("--force", action="store_true", help="replace an existing profile")
    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Fit, save, and show the models."""
    from pathlib import Path

    from qcutsim.calibrate import calibrate_logs, save_profile
    from qcutsim.cli.output import (
        naming_skipped,
        print_json,
        print_tables,
        refuse_to_overwrite,
        say,
    )
    from qcutsim.report import profile_notes, profile_table

    output = Path(arguments.output)
    refuse_to_overwrite(output, force=arguments.force)
    with naming_skipped() as skipped:
        profile = calibrate_logs(arguments.logs, only=arguments.only, skipped=skipped)
    save_profile(profile, output)
    if arguments.json:
        print_json(profile)
    else:
        print_tables(profile_table(profile))
    say(*profile_notes(profile))
    say(f"wrote {output}")
