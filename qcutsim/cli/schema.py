"""Write the JSON Schema of scenario files, by which editors complete and check them.

A scenario names it in its first line:  # yaml-language-server: $schema=scenario.schema.json
"""

from __future__ import annotations

import argparse

EXAMPLE = "qcutsim schema -o scenario.schema.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("-o", "--out", metavar="FILE", help="the file to write; default: print it")
    parser.add_argument("--force", action="store_true", help="replace FILE where it exists")


def run(arguments: argparse.Namespace) -> None:
    """Print or write it."""
    from pathlib import Path

    import msgspec

    from qcutsim.cli.output import print_json, refuse_to_overwrite, say
    from qcutsim.files import write_whole
    from qcutsim.schema import scenario_schema

    schema = scenario_schema()
    if arguments.out is None:
        print_json(schema)
        return
    out = Path(arguments.out)
    refuse_to_overwrite(out, force=arguments.force)
    write_whole(out, msgspec.json.format(msgspec.json.encode(schema)) + b"\n")
    say(f"wrote {out}")
