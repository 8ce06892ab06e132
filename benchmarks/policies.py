"""Policies on real workers: makespan and throughput, beside the standard library's executors.

    python benchmarks/policies.py [--only SECTION ...] [--quick] [--rounds N] [--seed N]
                                  [--json FILE]

A query is 4 qubits, ZFeatureMap and RealAmplitudes with one repetition each, ZZZZ, on Aer. All
contestants evaluate the same one, in rounds of random order; a ratio divides two runs of one
round, which met the same injected delays. Sections:

policies  every policy, and ``map`` of a started ProcessPoolExecutor or ThreadPoolExecutor over
          the same tasks, with the same delays slept before them. Both sides encode each task
          within the measured time. Claim: eager is at most 5 % slower than ``map``.
slow      speculation and work stealing against eager where one of four workers is slow; after
          the policy's name, what is done to a copy that lost.
window    queries in flight, one against four.

Makespan is a query's execute stage; queries/s counts all stages. Medians, quartiles in
parentheses, n runs (of several queries each where these are short).
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec.structs import replace
from policies_rows import plain_rows, table_of, verdicts
from policies_runs import Contestant, Setting, measure
from rich.console import Console

from qcutsim.cell import Cell, Pool, Workload
from qcutsim.dispatch import CANCEL_MODES, policy_kinds
from qcutsim.manifest import collect_manifest
from qcutsim.progress import show_progress
from qcutsim.stragglers import Stragglers

DELAY_S = 0.1
EXECUTOR = "executor"
"""``ThreadPoolExecutor`` beside threads, ``ProcessPoolExecutor`` beside processes."""

WIDTH = 180


@dataclass(frozen=True, slots=True)
class Case:
    """A workload, how many queries make a measurement, and how often a round takes a pair."""

    title: str
    workload: Workload
    queries: int
    pairs: int


LONG = Case("upstream ABBC", Workload(partition_labels="ABBC"), queries=1, pairs=2)
CASES = (
    LONG,
    Case("upstream AABB", Workload(partition_labels="AABB"), queries=2, pairs=3),
    Case(
        "planned ABCD",
        Workload(partition_labels="ABCD", pipeline="planned"),
        queries=2,
        pairs=4,
    ),
    Case(
        "planned ABCD, chunk 1",
        Workload(partition_labels="ABCD", pipeline="planned", chunk=1),
        queries=2,
        pairs=4,
    ),
)
"""Chunks as they are measured to be worth their dispatch, and tasks that are not (0.6 ms)."""


def policy_settings(*, is_quick: bool) -> list[Setting]:
    """Every policy with two workers; with four, on two cores, eager only, of short queries."""
    settings = []
    for case in CASES:
        for kind in ("threads", "processes"):
            for workers in (2, 4):
                if workers > 2 and (case is LONG or is_quick):
                    continue
                for probability in (0.0, 0.1):
                    cell = Cell(
                        workload=case.workload,
                        pool=Pool(kind=kind, workers=workers),
                        stragglers=Stragglers(probability=probability, delay_s=DELAY_S),
                        queries=case.queries,
                    )
                    others = [k for k in policy_kinds() if k != "eager"] if workers == 2 else []
                    policies = [
                        Contestant(policy, replace(cell, policy={"kind": policy}))
                        for policy in ("eager", *others)
                    ]
                    settings.append(
                        Setting(
                            f"{case.title}, {kind}:{workers}, p {probability:g}",
                            (Contestant(EXECUTOR, cell, is_executor=True), *policies),
                            reference=EXECUTOR,
                            paired=(EXECUTOR, "eager"),
                            pairs=1 if is_quick else case.pairs,
                        )
                    )
    return settings


def slow_settings(*, is_quick: bool) -> list[Setting]:
    """One of four workers adds a delay to each of its tasks; another one in each round."""
    settings = []
    for case in CASES[1:] if is_quick else CASES:
        for kind in ("threads", "processes"):
            cell = Cell(
                workload=case.workload,
                pool=Pool(kind=kind, workers=4),
                stragglers=Stragglers(probability=0.05, delay_s=DELAY_S, per="worker"),
            )
            contestants = [
                Contestant(policy, replace(cell, policy={"kind": policy}))
                for policy in ("eager", "work_stealing")
            ]
            for cancel in CANCEL_MODES[kind]:
                pool = replace(cell.pool, cancel=cancel)
                speculative = replace(cell, policy={"kind": "speculative"}, pool=pool)
                contestants.append(Contestant(f"speculative, {cancel}", speculative))
            settings.append(
                Setting(
                    f"{case.title}, {kind}:4",
                    tuple(contestants),
                    reference="eager",
                    paired=tuple(one.name for one in contestants),
                    pairs=1 if is_quick else (case.pairs + 1) // 2,
                )
            )
    return settings


def window_settings(*, is_quick: bool) -> list[Setting]:
    """Eight queries on two processes, one or four of them at once."""
    _, upstream, _, planned = CASES
    works = {upstream.title: upstream.workload}
    for reconstruction in ("contracted", "incremental", "tree"):
        title = f"{planned.title}, {reconstruction}"
        works[title] = replace(planned.workload, reconstruction=reconstruction)
    settings = []
    for title, workload in works.items():
        cell = Cell(workload=workload, pool=Pool(kind="processes", workers=2), queries=8)
        contestants = tuple(
            Contestant(f"window {window}", replace(cell, window=window)) for window in (1, 4)
        )
        names = tuple(one.name for one in contestants)
        settings.append(Setting(title, contestants, names[0], names, pairs=1 if is_quick else 2))
    return settings


SECTIONS: dict[str, tuple[str, Callable[..., list[Setting]]]] = {
    "policies": ("Policies and executors; p: a task is delayed by 0.1 s", policy_settings),
    "slow": ("One of four workers adds 0.1 s to each of its tasks", slow_settings),
    "window": ("Queries in flight, 8 queries on processes:2", window_settings),
}


def run_section(
    name: str, console: Console, *, is_quick: bool, rounds: int, seed: int
) -> list[dict[str, object]]:
    """Measure, print, and return the runs as plain data."""
    title, settings_of = SECTIONS[name]
    settings = settings_of(is_quick=is_quick)
    with show_progress(name, Console(stderr=True)) as on_progress:
        runs = asyncio.run(measure(settings, rounds=rounds, seed=seed, on_progress=on_progress))
    console.print(table_of(title, settings, runs))
    if name == "policies":
        for line in verdicts(settings, runs, "eager"):
            console.print(line)
    return plain_rows(name, runs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="one round, fewer settings")
    parser.add_argument("--rounds", type=int, help="3 by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    manifest = collect_manifest()
    console = Console(highlight=False, width=WIDTH)
    versions = ", ".join(f"{name} {version}" for name, version in manifest.packages.items())
    console.print(f"qcutsim {manifest.qcutsim} ({manifest.commit}), {versions}")
    console.print(
        f"{manifest.machine.processor}, {manifest.machine.cores} cores, "
        f"load {os.getloadavg()[0]:.1f}, seed {arguments.seed}, {rounds} rounds"
    )
    rows: list[dict[str, object]] = []
    for name in SECTIONS:
        if name in arguments.only:
            rows += run_section(
                name, console, is_quick=arguments.quick, rounds=rounds, seed=arguments.seed
            )
    if arguments.json is not None:
        found = {"manifest": manifest, "seed": arguments.seed, "rounds": rounds, "runs": rows}
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))


if __name__ == "__main__":
    main()
