"""Say how far predictions are from measurements they were not made from.

Calibrates on pools of 1 and 2 workers, one and two cuts, no stragglers, and predicts every other
configuration of the logs; by default of those that come with the source.
"""

from __future__ import annotations

import argparse

EXAMPLE = "qcutsim validate validation/run.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag

    parser.add_argument("logs", nargs="*", metavar="LOG", help="logs of 'qcutsim run'")
    parser.add_argument(
        "--replications", type=int, metavar="N", help="of each simulated configuration"
    )
    parser.add_argument("--page", metavar="FILE", help="write the evidence as Markdown too")
    parser.add_argument("--force", action="store_true", help="replace an existing page")
    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Calibrate, predict, compare, show."""
    from pathlib import Path

    from qcutsim.cli.output import (
        naming_skipped,
        print_json,
        print_tables,
        progress,
        refuse_to_overwrite,
        say,
    )
    from qcutsim.errors import InputError
    from qcutsim.files import write_whole
    from qcutsim.report import evidence_lines, evidence_page, evidence_tables
    from qcutsim.validation import FEWEST_REPLICATIONS, REPLICATIONS, validate_logs

    replications = REPLICATIONS if arguments.replications is None else arguments.replications
    if replications < FEWEST_REPLICATIONS:
        raise InputError(
            f"--replications {replications}: an interval of 90 % takes at least "
            f"{FEWEST_REPLICATIONS}"
        )
    if arguments.page:
        refuse_to_overwrite(Path(arguments.page), force=arguments.force)
    with naming_skipped() as skipped, progress("configurations") as on_progress:
        validation = validate_logs(
            arguments.logs, replications=replications, skipped=skipped, on_progress=on_progress
        )
    if arguments.json:
        print_json(validation)
    else:
        print_tables(*evidence_tables(validation))
    say(*evidence_lines(validation))
    if arguments.page:
        write_whole(Path(arguments.page), evidence_page(validation).encode())
        say(f"wrote {arguments.page}")
