"""How far predictions for 4 workers are from the measurement, per kind of pool.

    python benchmarks/prediction.py [--out DIR] [--seed N]

Runs the quickstart (or reads the one in DIR): calibrated on pools of 1 and 2, it predicts 4.
Beside it, what independent workers would promise: the measured makespan of one worker with its
execute stage divided by four. Target: median error at most 15 %.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile

from qcutsim import run_quickstart
from qcutsim.analysis import STAGES, Compared, Configuration, Summary

TARGET = 0.15
WORKERS = 4


def independent_error(row: Compared, measured: dict[Configuration, Summary]) -> float:
    """Error of a model in which four workers execute four times as fast as one."""
    execute = STAGES.index("execute")
    (alone,) = [
        summary
        for key, summary in measured.items()
        if key.workers == 1
        and key.pool == row.pool
        and key.partition_labels == row.partition_labels
        and key.straggler_probability == row.straggler_probability
    ]
    promised_s = sum(alone.stages_s) - alone.stages_s[execute] * (1 - 1 / WORKERS)
    return promised_s / row.measured_makespan_s - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out")
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run_quickstart(arguments.out or folder, seed=arguments.seed)
    for pool in ("threads", "processes"):
        rows = [
            row
            for row in result.comparison.configurations
            if row.pool == pool and row.workers == WORKERS and row.cuts > 0
        ]
        errors = [abs(row.makespan_error) for row in rows]
        naive = [abs(independent_error(row, result.measured)) for row in rows]
        verdict = "met" if statistics.median(errors) <= TARGET else "MISSED"
        print(
            f"{pool:10} {WORKERS} workers, {len(rows)} cut configurations: median |error| "
            f"{100 * statistics.median(errors):.1f} %, largest {100 * max(errors):.1f} % "
            f"(target {100 * TARGET:.0f} % in median: {verdict}); independent workers: "
            f"{100 * statistics.median(naive):.1f} %"
        )


if __name__ == "__main__":
    main()
