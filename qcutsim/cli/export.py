"""Write the results in a folder or a log as a flat table: CSV, Parquet or JSONL.

Of a simulated folder a row a cell, with its statistics and their intervals; else a row a query.
Also while a run still goes on: what is there by then.
"""

from __future__ import annotations

import argparse

_OWN_NAMES = ("run.jsonl", "simulated.jsonl", "statistics.jsonl")

EXAMPLE = "qcutsim export larger -o cells.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("source", metavar="DIR_OR_LOG", help="what run or simulate wrote")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="its ending says what: .csv, .parquet or .jsonl",
    )
    parser.add_argument(
        "--rows", choices=["cells", "queries", "tasks"], help="what a row is (default: see above)"
    )
    parser.add_argument("--force", action="store_true", help="replace the file")


def run(arguments: argparse.Namespace) -> None:
    """Read, flatten, write."""
    from pathlib import Path

    from qcutsim.cli.output import naming_skipped, refuse_to_overwrite, say
    from qcutsim.errors import InputError
    from qcutsim.results import result_rows
    from qcutsim.rows import export_rows

    path = Path(arguments.output)
    refuse_to_overwrite(path, force=arguments.force)
    if path.name in _OWN_NAMES and path.resolve().parent == Path(arguments.source).resolve():
        raise InputError(f"{path}: is where the results come from; give another name")
    with naming_skipped() as skipped:
        count = export_rows(result_rows(arguments.source, arguments.rows, skipped), path)
    say(f"wrote {path} ({count} rows)")
