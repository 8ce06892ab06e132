"""How fast are the two engines beside a bare heap and bare SimPy, how large a query do they take?

    python benchmarks/engines.py [--rounds 5] [--quick]

Rounds interleave; medians, and the least and the largest in brackets. Compilation is over before
anything is measured. Rates are tasks a second of one core.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from engines_peer import heap_farm, simpy_farm

from qcutsim.calibrate import CalibrationProfile, QuantileTable, load_profile
from qcutsim.cell import Cell, Pool, Workload
from qcutsim.dispatch import Dispatcher, make_policy
from qcutsim.manifest import usable_cores
from qcutsim.records import QueryRecord
from qcutsim.scenario import Scenario
from qcutsim.seeds import stream
from qcutsim.simulation import Farm, QueryDraws, SharedHost, Simulation
from qcutsim.simulation.kernel.query import run_free
from qcutsim.simulation.parallel import spread
from qcutsim.stragglers import InjectedDelays, Stragglers
from qcutsim.workload import SHAPE_SCHEMA, TaskClass, WorkloadShape

Station = SharedHost[Callable[[], None]]
PROFILE = "calibration/iris-upstream.json"


def timed(run: Callable[[], object]) -> float:
    begin_s = time.perf_counter()
    run()
    return time.perf_counter() - begin_s


def shown(values: list[float]) -> str:
    return f"{statistics.median(values):,.2f} [{min(values):,.2f}-{max(values):,.2f}]"


def kernel_against_heap(rounds: int, tasks: int) -> None:
    service_s = stream(1, "benchmark").lognormal(-5, 0.5, tasks)
    order, nothing = np.arange(tasks), np.zeros(tasks)
    for workers in (16, 256):
        memory = np.zeros(workers), np.zeros(workers, np.int64)

        def ours(workers: int = workers, memory: tuple[Any, ...] = memory) -> float:
            return run_free(workers, service_s, nothing, order, 0.0, *memory)

        def peer(workers: int = workers) -> float:
            return heap_farm(workers, service_s)

        assert ours() == peer()
        mine, theirs = [], []
        for _ in range(rounds):
            mine.append(tasks / timed(ours) / 1e6)
            theirs.append(tasks / timed(peer) / 1e6)
        ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
        print(
            f"eager, {workers} dedicated workers, {tasks:,} tasks: kernel {shown(mine)} M/s, "
            f"bare heap {shown(theirs)} M/s, ratio {shown(ratios)}"
        )


def simpy_rates(rounds: int, sizes: tuple[int, ...]) -> None:
    for tasks in sizes:
        rows: list[list[float]] = [[], [], [], []]
        service_s = stream(1, "benchmark").lognormal(-5, 0.5, tasks).tolist()
        for _ in range(rounds):
            rows[3].append(tasks / timed(partial(simpy_farm, 8, service_s)))
            rows[0].append(tasks / timed(partial(farm_run, tasks, 8, None, 0.0)))
            rows[1].append(tasks / timed(partial(farm_run, tasks, 256, None, 0.0)))
            rows[2].append(tasks / timed(partial(farm_run, tasks, 8, SharedHost(2, 0.95), 1e-5)))
        dedicated, wide, shared, bare = rows
        print(
            f"SimPy, {tasks:,} tasks: 8 dedicated {shown(dedicated)} /s, 256 dedicated "
            f"{shown(wide)} /s, 8 on a shared host with coordinator and stragglers "
            f"{shown(shared)} /s, bare SimPy on 8 {shown(bare)} /s, ratio of 8 dedicated "
            f"{shown([ours / peer for ours, peer in zip(dedicated, bare, strict=True)])}"
        )


def farm_run(
    tasks: int, workers: int, host: SharedHost[Callable[[], None]] | None, cost_s: float
) -> None:
    service_s = stream(1, "benchmark").lognormal(-5, 0.5, tasks)
    costs = [cost_s] * tasks
    stragglers = Stragglers(probability=0.05 if host else 0.0, delay_s=0.1)
    farm = Farm(Dispatcher(make_policy("eager")), workers, host)
    farm.submit(
        0,
        QueryDraws(
            partition_s=0.0,
            generate_s=0.0,
            reconstruct_s=0.0,
            service_s=service_s.tolist(),
            collect_cpu_s=costs,
            collect_latency_s=[0.0] * tasks,
            dispatch_s=costs,
            start_s=costs,
            delay_s=InjectedDelays(stragglers, 1, tasks, repetition=0, index=0),
        ),
    )
    farm.run()


def sweep(rounds: int) -> None:
    """4,320 simulations: 3 cuts x 3 kinds x 8 sizes x 4 probabilities x 5 policies x 3 queries."""
    with tempfile.TemporaryDirectory() as folder:
        workloads = [Workload(partition_labels=labels) for labels in ("ABBC", "ABCD")]
        workloads.append(large_workload(Path(folder), cuts=4, partitions=5))
        cells = tuple(
            Cell(
                workload=work,
                pool=Pool(kind=kind, workers=workers),
                policy={"kind": policy, **({"size": 16} if policy == "batched" else {})},
                stragglers=Stragglers(probability=p, delay_s=0.1 if p else 0.0),
                queries=3,
            )
            for work in workloads
            for kind in ("threads", "processes", "dedicated")
            for workers in (1, 2, 4, 8, 16, 32, 64, 128)
            for p in (0.0, 0.05, 0.1, 0.2)
            for policy in ("eager", "batched", "staggered", "longest_first", "work_stealing")
        )
        scenario = Scenario("sweep", 1, 1, 1, cells)
        # Cells that share their draws stay together.
        parts = [cells[begin : begin + 80] for begin in range(0, len(cells), 80)]

        def run() -> int:
            simulation = Simulation(scenario, load_profile(PROFILE), extrapolate=True)
            return sum(spread(partial(tasks_of, simulation), parts))

        run()
        counted: list[int] = []
        seconds = [timed(lambda: counted.append(run())) for _ in range(rounds)]
    print(
        f"sweep of {3 * len(cells):,} simulated queries, {counted[0] / 1e6:.1f} M tasks, draws and "
        f"records included: {shown(seconds)} s on {usable_cores()} cores"
    )


def tasks_of(simulation: Simulation, cells: Sequence[Cell]) -> int:
    """Simulate cells; how many tasks they had."""
    records = (record for cell in cells for record in simulation.cell_records(cell))
    return sum(record.executed for record in records if isinstance(record, QueryRecord))


def large_workload(folder: Path, cuts: int, partitions: int) -> Workload:
    """A workload of the pipeline ``upstream``: partitions x 6^cuts tasks."""
    labels = "".join(chr(65 + n) for n in range(partitions))
    classes = tuple(
        TaskClass(partition=label, width=1, depth=8, mid_circuit_measurements=n % 2)
        for n, label in enumerate(labels)
    )
    shape = WorkloadShape(
        schema=SHAPE_SCHEMA,
        pipeline="upstream",
        partition_labels=labels,
        observable="Z" * partitions,
        cuts=cuts,
        coefficients=6**cuts,
        classes=classes,
        order=tuple((n, 6**cuts) for n in range(partitions)),
    )
    path = folder / f"shape{cuts}.json"
    path.write_bytes(msgspec.json.encode(shape))
    return Workload(partition_labels=labels, observable=shape.observable, shape=str(path))


def large_query() -> None:
    """9 x 6^8 = 15,116,544 tasks on 1,024 dedicated workers, drawn and simulated."""
    with tempfile.TemporaryDirectory() as folder:
        work = large_workload(Path(folder), cuts=8, partitions=9)
        cell = Cell(workload=work, pool=Pool(kind="dedicated", workers=1024))
        scenario = Scenario("large", 1, 1, 1, (cell,))
        for title, profile in (
            ("a coordinator that takes no time", free_of_overheads(load_profile(PROFILE))),
            ("its calibrated overheads", load_profile(PROFILE)),
        ):
            simulation = Simulation(scenario, profile, extrapolate=True, engine="kernel")
            small = large_workload(Path(folder), cuts=2, partitions=9)
            list(simulation.cell_records(Cell(workload=small, pool=cell.pool)))  # warm-up
            begin_s = time.perf_counter()
            (record,) = simulation.cell_records(cell)
            seconds = time.perf_counter() - begin_s
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            assert isinstance(record, QueryRecord)
            print(
                f"one query of {record.executed:,} tasks on 1,024 workers, {title}: {seconds:.2f} "
                f"s, peak memory of the process {peak:.2f} GiB, makespan {record.total_s:.0f} s"
            )


def free_of_overheads(profile: CalibrationProfile) -> CalibrationProfile:
    nothing = QuantileTable.constant(0.0)
    pools = {
        kind: msgspec.structs.replace(
            pool, collect_s=nothing, dispatch_s=nothing, start_s=nothing, shared_wait_s=0.0
        )
        for kind, pool in profile.pools.items()
    }
    return msgspec.structs.replace(profile, pools=pools)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="fewer and smaller")
    arguments = parser.parse_args()
    rounds = 2 if arguments.quick else arguments.rounds
    large_query()
    kernel_against_heap(rounds, 1_000_000)
    sweep(rounds)
    simpy_rates(rounds, (10_000, 100_000) if arguments.quick else (10_000, 100_000, 1_000_000))


if __name__ == "__main__":
    main()
