"""The research questions on time of arXiv:2602.16233: run, simulated, and held against the paper.

With --quick a part is run for real, in minutes; without it all of it, in about an hour.
Interrupted, it goes on where it stopped when the same command is given again. The page
reproduction.md, its figures, and the same as JSON are left in the folder given by --out.
"""

from __future__ import annotations

import argparse

EXAMPLE = "qcutsim reproduce --quick --out reproduction"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag

    parser.add_argument("--out", required=True, metavar="DIR", help="where files go")
    parser.add_argument("--quick", action="store_true", help="minutes instead of an hour")
    parser.add_argument("--seed", type=int, help="of everything that is random")
    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Reproduce, then say what was found and why it differs."""
    from pathlib import Path

    import msgspec

    from qcutsim.cli.output import print_json, print_tables, progress, say
    from qcutsim.extras import require
    from qcutsim.files import write_whole
    from qcutsim.report import (
        draw_reproduction,
        reproduction_lines,
        reproduction_page,
        reproduction_tables,
    )
    from qcutsim.reproduction import reproduce_paper

    require("matplotlib")
    found, files = reproduce_paper(
        arguments.out, quick=arguments.quick, seed=arguments.seed, stage=progress
    )
    out = Path(arguments.out)
    figures = draw_reproduction(found, out)
    encoded = msgspec.json.format(msgspec.json.encode(found), indent=1)
    pages = [
        write_whole(out / "reproduction.json", encoded),
        write_whole(out / "reproduction.md", reproduction_page(found, figures).encode("utf-8")),
    ]
    if arguments.json:
        print_json(found)
    else:
        print_tables(*reproduction_tables(found))
    say(*reproduction_lines(found))
    say("wrote:", *(f"  {path}" for path in (*files, *figures, *pages)))
