"""Simulate every cell of a scenario under a calibrated profile; needs no qiskit.

The log is simulated.jsonl in the folder given by --out, of the same schema as a real run's.
"""

from __future__ import annotations

import argparse

EXAMPLE = (
    "qcutsim simulate scenarios/quickstart_larger.yaml --profile profile.json --extrapolate "
    "--out larger"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag

    parser.add_argument("scenario", metavar="SCENARIO", help="a scenario YAML")
    parser.add_argument("--profile", required=True, metavar="FILE", help="a calibration profile")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for simulated.jsonl")
    parser.add_argument("--seed", type=int, help="replaces the scenario's seed")
    parser.add_argument("--tasks", action="store_true", help="write a record a task too")
    parser.add_argument("--events", action="store_true", help="write the dispatcher's events too")
    parser.add_argument(
        "--extrapolate",
        action="store_true",
        help="also simulate what lies outside the calibrated range (more cuts, other shots)",
    )
    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Simulate, then show where the time goes."""
    from qcutsim.analysis import read_query_records, summarise
    from qcutsim.calibrate import load_profile
    from qcutsim.cli.output import print_json, print_tables, progress, say
    from qcutsim.report import stage_table, summary_rows
    from qcutsim.scenario import load_scenario
    from qcutsim.simulation import simulate_scenario

    scenario = load_scenario(arguments.scenario, seed=arguments.seed)
    profile = load_profile(arguments.profile)
    with progress("cells") as on_progress:
        log, simulation = simulate_scenario(
            scenario,
            profile,
            arguments.out,
            with_tasks=arguments.tasks,
            with_events=arguments.events,
            extrapolate=arguments.extrapolate,
            on_progress=on_progress,
        )
    _, queries = read_query_records([log])
    summaries = summarise(queries)
    if arguments.json:
        print_json(summary_rows(summaries))
    else:
        print_tables(stage_table(summaries, f"Simulated: {scenario.name}"))
    say_substitutes(simulation.substitutes)
    say_extrapolations(simulation.extrapolations)
    say(f"wrote {log}")


def say_substitutes(substitutes: set[str] | frozenset[str]) -> None:
    """Name the classes of subexperiment that the profile does not hold."""
    from qcutsim.cli.output import say

    if substitutes:
        say(
            "not calibrated, replaced by the nearest class "
            "(mid-circuit measurements, width, depth, subexperiments), scaled: "
            + "; ".join(sorted(substitutes))
        )


def say_extrapolations(extrapolations: set[str] | frozenset[str]) -> None:
    """Name what lies outside the calibrated range."""
    from qcutsim.cli.output import say

    if extrapolations:
        say("extrapolated (* in the table): " + "; ".join(sorted(extrapolations)))
