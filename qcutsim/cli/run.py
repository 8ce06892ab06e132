"""Run every query of a scenario for real on Aer, interleaved, and log stages and tasks.

The log is run.jsonl in the folder given by --out. A run that was interrupted goes on where it
stopped when the same command is given again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

EXAMPLE = "qcutsim run scenarios/quickstart.yaml --out study"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from qcutsim.cli.output import add_json_flag, add_live_flag

    parser.add_argument("scenario", metavar="SCENARIO", help="a scenario YAML")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for run.jsonl")
    parser.add_argument("--seed", type=int, help="replaces the scenario's seed")
    parser.add_argument("--events", action="store_true", help="log the dispatcher's events too")
    add_live_flag(parser, "pool, queue, barrier and stages")
    add_json_flag(parser)


def run(arguments: argparse.Namespace) -> None:
    """Measure, then show where the time went."""
    from qcutsim.analysis import read_query_records, summarise
    from qcutsim.cli.output import print_json, print_tables, say, say_skipped
    from qcutsim.logreader import SkipReport
    from qcutsim.measure import run_scenario
    from qcutsim.report import stage_table, summary_rows
    from qcutsim.scenario import load_scenario

    scenario = load_scenario(arguments.scenario, seed=arguments.seed)
    with _watching(scenario.name, is_live=arguments.live) as callbacks:
        log = run_scenario(scenario, arguments.out, log_events=arguments.events, **callbacks)
    skipped = SkipReport()
    _, queries = read_query_records([log], skipped)
    summaries = summarise(queries)
    if arguments.json:
        print_json(summary_rows(summaries))
    else:
        print_tables(stage_table(summaries, f"Measured: {scenario.name}"))
    say_skipped(skipped)
    say(f"wrote {log}")


@contextmanager
def _watching(title: str, *, is_live: bool) -> Iterator[dict[str, Any]]:
    """What the run calls back, so that people see how far it is."""
    from qcutsim.cli.output import live_console, progress

    console = live_console(is_asked=is_live)
    if console is None:
        with progress("queries") as on_progress:
            yield {"on_progress": on_progress}
        return
    import time

    from qcutsim.live import LiveRun
    from qcutsim.report import show_run

    live = LiveRun(time.monotonic)
    with show_run(live, title, console):
        yield {"on_progress": live.pace.progress, "observer": live}
