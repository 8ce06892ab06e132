"""Write a log as a trace that Perfetto (ui.perfetto.dev) and chrome://tracing open.

Workers are tracks and tasks slices, with counters for the queue and busy workers and arrows into
the barrier; what ran together is one process of the trace.
"""

from __future__ import annotations

import argparse

EXAMPLE = "qcutsim trace study/run.jsonl -o trace.json --query 0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("log", metavar="LOG", help="a log of real or simulated queries")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="the trace to write")
    parser.add_argument(
        "--query", type=int, metavar="N", help="only the query of that number; default: all"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE where it exists")


def run(arguments: argparse.Namespace) -> None:
    """Read, convert, write."""
    from pathlib import Path

    import msgspec

    from qcutsim.cli.output import naming_skipped, refuse_to_overwrite, say
    from qcutsim.errors import LogError
    from qcutsim.files import write_whole
    from qcutsim.logreader import read_records
    from qcutsim.report import trace_of

    out = Path(arguments.out)
    refuse_to_overwrite(out, force=arguments.force)
    with naming_skipped() as skipped:
        records = read_records(arguments.log, skipped)
        try:
            trace = trace_of(records, arguments.query)
        except LogError as error:
            if str(error).startswith(str(arguments.log)):
                raise
            raise LogError(f"{arguments.log}: {error}") from None
    write_whole(out, msgspec.json.encode(trace))
    say(f"wrote {len(trace['traceEvents']):,} events to {out}; open it in ui.perfetto.dev")
