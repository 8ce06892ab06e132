"""The command line: a thin shell over the Python API, light until a command needs more."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

import qcutsim
from qcutsim.errors import InputError, MissingExtraError, QcutsimError
from qcutsim.visibletext import visible

_COMMANDS = {
    "quickstart": "the main job: real queries on Iris, calibrated, simulated, compared",
    "run": "run a scenario for real on Aer and log every stage and task",
    "calibrate": "learn service times from logs",
    "inspect": "print a calibration profile for people",
    "simulate": "simulate a scenario under a profile",
    "plan": "search cuts, workers and policy for the setting to take",
    "compare": "hold simulated times against measured ones",
    "validate": "how far predictions are from measurements they were not made from",
    "reproduce": "the paper's questions on time: measured, simulated, explained",
    "export": "write results as CSV, Parquet or JSONL",
    "report": "write one page that answers, with figures, of runs and simulations",
    "trace": "write a log as a trace for Perfetto",
    "policies": "list the installed dispatch policies and their parameters",
    "schema": "write the JSON Schema of scenario files, for editors",
    "shape": "export the workload shapes of a scenario, for simulation elsewhere",
    "completion": "print a script by which a shell completes commands",
}


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="qcutsim",
        description="Where the time of circuit cutting goes, and what it would be otherwise.",
        epilog="example: qcutsim quickstart --out quickstart-out",
    )
    parser.add_argument("--version", action="version", version=f"qcutsim {qcutsim.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in _COMMANDS.items():
        module = import_module(f"qcutsim.cli.{name}")
        command = commands.add_parser(
            name,
            help=text,
            description=module.__doc__,
            epilog=f"example: {module.EXAMPLE}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 (it failed), 2 (bad input), 130."""
    if sys.stderr is None:
        sys.stderr = io.StringIO()  # closed: nobody listens
    if sys.stdout is None:
        sys.stderr.write("qcutsim: standard output is closed; redirect it, as to /dev/null\n")
        return 1
    arguments = make_parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except QcutsimError as error:
        _discard_output()
        said = visible(str(error), keep="\n\t")
        sys.stderr.write(f"qcutsim {arguments.command}: {said}\n")
        return 2 if isinstance(error, (InputError, MissingExtraError)) else 1
    except KeyboardInterrupt:
        sys.stderr.write(
            f"qcutsim {arguments.command}: interrupted; logs written so far are readable, "
            "and the same command goes on where a run stopped\n"
        )
        return 130
    except BrokenPipeError:  # the reader of our output has gone
        sys.stderr.close()
        return 1
    except OSError as error:
        sys.stderr.write(f"qcutsim {arguments.command}: {error}\n")
        return 1
    return 0


def _discard_output() -> None:
    """What a full disk did not take would be tried again, and reported again, at exit."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
