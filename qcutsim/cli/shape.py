"""Export the workload shape of every workload in a scenario, for simulation without qiskit."""

from __future__ import annotations

import argparse

EXAMPLE = "qcutsim shape scenarios/quickstart.yaml --out shapes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("scenario", metavar="SCENARIO", help="a scenario YAML")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the shapes")


def run(arguments: argparse.Namespace) -> None:
    """Generate and write."""
    from pathlib import Path

    from qcutsim.cli.output import say
    from qcutsim.extras import require
    from qcutsim.scenario import load_scenario

    require("qiskit", "qiskit_aer", "qiskit_addon_cutting")
    from qcutsim.estimator.shapes import export_shapes

    files = export_shapes(load_scenario(arguments.scenario), Path(arguments.out))
    say(*(f"wrote {path}" for path in files))
