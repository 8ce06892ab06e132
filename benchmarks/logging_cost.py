"""What ``log=`` costs a query.

    python benchmarks/logging_cost.py [--quick] [--folder PATH]

Three estimators answer the same queries in turns, a new order each time: one that logs, and two
that do not. A ratio is of the medians of a block of queries; the two that do not log, compared
with each other, show what noise alone makes of it. Whether the claim holds is decided where the
95 % confidence interval of the median block, from its ranks, lies on one side of it.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from estimator_cases import LABELS, OBSERVABLE, SHOTS, query_circuit
from measured import Spread, print_machine

from qcutsim import DistributedEstimator

TARGET = 0.02
FEWEST = 6
"""Blocks of which all together bound the median with 95 %: 2 / 2^6 < 5 %."""
CHUNK = 8
WITHOUT, AGAIN, WITH = "without a log", "without a log, again", "with a log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Queries of an estimator, in blocks of so many."""

    pipeline: str
    cuts: int
    pool: str
    blocks: int
    quick_blocks: int
    queries: int
    chunk: int | None = None
    """Fixed where it would follow what each estimator has seen: all must do the same."""

    @property
    def name(self) -> str:
        return f"{self.pipeline}, {LABELS[self.cuts]}, {self.pool}"


CASES = (
    Case(pipeline="planned", cuts=1, pool="inline", blocks=40, quick_blocks=6, queries=40),
    Case(
        pipeline="planned",
        cuts=3,
        pool="processes:2",
        blocks=40,
        quick_blocks=6,
        queries=30,
        chunk=CHUNK,
    ),
    Case(pipeline="upstream", cuts=1, pool="processes:2", blocks=8, quick_blocks=2, queries=6),
)

Times = dict[str, list[float]]
"""Seconds a query of each estimator, in the order of the queries."""


def measure(case: Case, blocks: int, log: Path) -> Times:
    circuit = query_circuit()
    draw, order = np.random.default_rng(1), random.Random(1)
    found: Times = {name: [] for name in (WITHOUT, AGAIN, WITH)}
    with ExitStack() as stack:
        estimators = {
            name: stack.enter_context(
                DistributedEstimator(
                    partition_labels=LABELS[case.cuts],
                    backend="aer",
                    pipeline=case.pipeline,
                    pool=case.pool,
                    chunk=case.chunk,
                    shots=SHOTS,
                    seed=1,
                    log=log if name == WITH else None,
                )
            )
            for name in found
        }
        for query in range(-3, blocks * case.queries):
            values = draw.uniform(0, 2 * np.pi, circuit.num_parameters)
            names = list(estimators)
            order.shuffle(names)
            for name in names:
                start_s = time.perf_counter()
                estimators[name].run([(circuit, OBSERVABLE, values)]).result()
                seconds = time.perf_counter() - start_s
                if query >= 0:  # those before warm up
                    found[name].append(seconds)
    return found


def costs(times: Times, name: str, queries: int) -> list[float]:
    """Of a query above one without a log, as a share of it, block by block."""
    return [
        statistics.median(times[name][start : start + queries])
        / statistics.median(times[WITHOUT][start : start + queries])
        - 1
        for start in range(0, len(times[name]), queries)
    ]


def median_bounds(values: list[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the median; all of the values where they are few."""
    rank = max(1, math.floor(len(values) / 2 - 0.98 * math.sqrt(len(values))))
    in_order = sorted(values)
    return in_order[rank - 1], in_order[-rank]


def verdict(blocks: int, low: float, high: float) -> str:
    if blocks < FEWEST:
        return "too few blocks to decide"
    if high <= TARGET:
        return "met"
    return "MISSED" if low > TARGET else "not decided"


def report(case: Case, blocks: int, times: Times, log_bytes: int) -> None:
    count = len(times[WITH])
    print(f"\n{case.name}: {blocks} blocks of {case.queries} queries")
    for name, seconds in times.items():
        print(f"  {name:22} {Spread.of(1e3 * s for s in seconds).shown('.3f')} ms a query")
    more = Spread.of(
        1e6 * (with_s - without_s)
        for with_s, without_s in zip(times[WITH], times[WITHOUT], strict=True)
    )
    logged, noise = (costs(times, name, case.queries) for name in (WITH, AGAIN))
    low, high = median_bounds(logged)
    print(
        f"  difference of pairs    {more.shown('+.0f')} us; {log_bytes / count:.0f} bytes a query"
    )
    print(f"  noise alone            {Spread.of(noise).shown('+.2%')}")
    print(f"  the log costs          {Spread.of(logged).shown('+.2%')}, quartiles of blocks")
    print(
        f"    median within {low:+.2%} to {high:+.2%}; claim: at most {TARGET:.0%}: "
        f"{verdict(blocks, low, high)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer blocks")
    parser.add_argument("--folder", metavar="PATH", help="where to log; a temporary folder if not")
    arguments = parser.parse_args()
    print_machine("qiskit", "qiskit-aer", "qiskit-addon-cutting")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        print(f"logs in {Path(folder).parent}")
        for number, case in enumerate(CASES):
            log = Path(folder) / f"{number}.jsonl"
            blocks = case.quick_blocks if arguments.quick else case.blocks
            times = measure(case, blocks, log)
            report(case, blocks, times, log.stat().st_size)


if __name__ == "__main__":
    main()
