"""How long and in how much memory does a sweep of a hundred thousand cells take, and to resume it?

    python benchmarks/sweep.py [--cells 100000]

Each step runs in a process of its own: the scenario is only read; it is simulated into a folder and
killed half-way; the same is asked again, twice. Beside it the same cells in one process that writes
nothing, the peer of parallel cells, appended as they end, as a ratio (of a tenth of the cells).
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from qcutsim import load_profile, load_scenario, simulate_scenario
from qcutsim.simulatedcell import simulate_cell
from qcutsim.simulation import Simulation

PROFILE = "calibration/iris-upstream.json"


def write_scenario(path: Path, cells: int) -> None:
    path.write_text(
        "name: sweep\n"
        "seed: 7\n"
        "workload: {partition_labels: AABB}\n"
        "pool: {kind: dedicated}\n"
        "sweep:\n"
        "  - workload.partition_labels: [AABB, ABBC]\n"
        f"  - pool.workers: {{linear: {{from: 1, to: {cells // 200}, steps: {cells // 200}}}}}\n"
        "  - stragglers.probability: {linear: {from: 0.01, to: 0.2, steps: 10}}\n"
        "  - stragglers.delay_s: {linear: {from: 0.05, to: 0.5, steps: 10}}\n"
    )


def step(what: str, folder: Path) -> None:
    """One step; ``stop`` kills its own process half-way, as an impatient user would."""
    begin_s = time.perf_counter()
    scenario = load_scenario(folder / "sweep.yaml")
    read_s = time.perf_counter() - begin_s
    count = len(scenario.cells)
    if what == "alone":
        simulation = Simulation(scenario, load_profile(PROFILE), calibration_draws=True)
        for cell in scenario.cells[::10]:
            simulate_cell(None, (simulation, cell))
        count = len(scenario.cells[::10])
    elif what != "read":
        half = len(scenario.cells) // 2

        def stop(done: int, total: int) -> None:
            if what == "stop" and done == half:
                report(what, half, read_s, begin_s)
                os.kill(os.getpid(), signal.SIGKILL)

        simulate_scenario(scenario, load_profile(PROFILE), folder / "out", on_progress=stop)
        count -= half if what == "resume" else 0
    report(what, count, read_s, begin_s)


def report(what: str, cells: int, read_s: float, begin_s: float) -> None:
    seconds = time.perf_counter() - begin_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = cells / max(seconds - read_s, 1e-9) if what != "read" else cells / seconds
    print(
        f"{what:6} {cells:>7,} cells: {seconds:6.1f} s, {read_s:.1f} of them to read the scenario; "
        f"{rate:,.0f} cells/s, peak memory {peak_mb:.0f} MB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--step", nargs=2, metavar=("WHAT", "DIR"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        step(arguments.step[0], Path(arguments.step[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_scenario(Path(folder) / "sweep.yaml", arguments.cells)
        for what in ("read", "alone", "stop", "resume", "again"):
            subprocess.run(
                [sys.executable, __file__, "--step", what, folder],
                check=False,
                stderr=subprocess.DEVNULL,
            )


if __name__ == "__main__":
    main()
