"""List the installed dispatch policies and their parameters.

A scenario names one as 'policy: {kind: batched, size: 8}', DistributedEstimator as
policy={"kind": "batched", "size": 8}; what is not given has the default shown.
"""

from __future__ import annotations

import argparse

EXAMPLE = "qcutsim policies"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag

    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Print them."""
    from qcutsim.cli.output import print_json, print_tables
    from qcutsim.dispatch import describe_policies

    policies = describe_policies()
    if arguments.json:
        print_json(policies)
        return
    from qcutsim.report import policy_tables

    print_tables(*policy_tables(policies))
