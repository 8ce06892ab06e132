"""Hold simulated makespan and speed-up against measured ones, configuration by configuration.

Simulates what the logs hold under the profile, with the stragglers of the real run, unless a
simulated log is given.
"""

from __future__ import annotations

import argparse

EXAMPLE = "qcutsim compare --measured study/run.jsonl --profile profile.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag

    parser.add_argument(
        "--measured", required=True, nargs="+", metavar="LOG", help="logs of real runs"
    )
    parser.add_argument("--profile", required=True, metavar="FILE", help="a calibration profile")
    parser.add_argument(
        "--simulated", nargs="+", default=[], metavar="LOG", help="logs simulated under the profile"
    )
    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Compare and show the errors."""
    from qcutsim.calibrate import load_profile
    from qcutsim.cli.output import naming_skipped, print_json, print_tables, progress, say
    from qcutsim.comparison import compare_logs
    from qcutsim.report import comparison_table, error_table, table_notes

    with naming_skipped() as skipped, progress("cells") as on_progress:
        comparison = compare_logs(
            arguments.measured,
            profile=load_profile(arguments.profile),
            simulated=arguments.simulated,
            skipped=skipped,
            on_progress=on_progress,
        )
    if arguments.json:
        print_json(comparison)
    else:
        print_tables(comparison_table(comparison), error_table(comparison))
        say(*table_notes(comparison))
