"""Hold simulated makespan and speed-up against measured ones, configuration by configuration.

Simulates what the logs hold under the profile, with the stragglers of the real run, unless a
simulated log is given.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcutsim.analysis import Comparison

EXAMPLE = "qcutsim compare --measured study/run.jsonl --profile profile.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag

    parser.add_argument(
        "--measured", required=True, nargs="+", metavar="LOG", help="logs or folders of real runs"
    )
    parser.add_argument(
        "--profile",
        metavar="FILE",
        help="a calibration profile; without --simulated, what was measured is simulated under it, "
        "with the stragglers that it met",
    )
    parser.add_argument(
        "--simulated", nargs="+", default=[], metavar="LOG", help="logs or folders of simulations"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEST",
        help="compare queries for which this holds, as 'cuts=3' or 'workers<=2'; may be repeated",
    )
    parser.add_argument(
        "--fail-above",
        type=_part,
        metavar="ERROR",
        help="exit with 1 where the median absolute error over all configurations, of makespan, "
        "speed-up or slowdown by stragglers, is larger, as 10%%",
    )
    add_json_flag(parser)


def _part(text: str) -> float:
    """``10%`` or ``0.1``."""
    try:
        number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no error; expected 0 or more, as in 10%")
    return number


def run(arguments: argparse.Namespace) -> None:
    """Compare and show the errors."""
    from qcutsim.calibrate import load_profile
    from qcutsim.cli.output import naming_skipped, print_json, print_tables, progress, say
    from qcutsim.comparison import compare_logs
    from qcutsim.report import comparison_table, error_table, share_table, table_notes
    from qcutsim.results import log_of

    with naming_skipped() as skipped, progress("cells") as on_progress:
        comparison = compare_logs(
            [log_of(path, "measured") for path in arguments.measured],
            profile=load_profile(arguments.profile) if arguments.profile else None,
            simulated=[log_of(path, "simulated") for path in arguments.simulated],
            only=arguments.only,
            skipped=skipped,
            on_progress=on_progress,
        )
    if arguments.json:
        print_json(comparison)
    else:
        print_tables(comparison_table(comparison), share_table(comparison), error_table(comparison))
        say(*table_notes(comparison))
    if arguments.fail_above is not None:
        _check(comparison, arguments.fail_above)


def _check(comparison: Comparison, most: float) -> None:
    """Raises ``QcutsimError`` where the simulation is further off than ``most``."""
    from qcutsim.errors import QcutsimError

    overall = next(summary for summary in comparison.summaries if summary.group == "all")
    for what, error in (
        ("makespan", overall.median_abs_error_makespan),
        ("speed-up", overall.median_abs_error_speed_up),
        ("slowdown by stragglers", _median_slowdown_error(comparison)),
    ):
        if error is not None and error > most:
            raise QcutsimError(
                f"{what} is off by {100 * error:.1f} % in median over {overall.configurations} "
                f"configurations, more than --fail-above {100 * most:g}%"
            )


def _median_slowdown_error(comparison: Comparison) -> float | None:
    from statistics import median

    errors = [
        abs(row.slowdown_error)
        for row in comparison.configurations
        if row.slowdown_error is not None
    ]
    return median(errors) if errors else None
