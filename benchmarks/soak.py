"""Many queries in a row through one estimator: does anything grow?

    python benchmarks/soak.py [--quick] [--queries 10000] [--pools processes:2 threads:2]

A planned estimator on Aer cuts four qubits once and logs; each query has parameter values of its
own. Each pool has a process of its own. Ten times in its life a worker process is killed while it
has work, the oldest one, so the number of processes has to stay what it was.

Growth is between the tenth of the samples after a tenth of warming up, and the last tenth. The
slope is a least-squares one after the warming up, and again over the second half alone: what
leaks shows in both. Memory is not independent from sample to sample, so standard errors are too
small rather than too large. Workers come and go, so their slope is within the life of each,
without its first quarter. Objects are those that Python's garbage collector tracks.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from estimator_cases import LABELS, OBSERVABLE, SHOTS, query_circuit
from measured import print_machine

from qcutsim import DistributedEstimator
from qcutsim.logreader import read_records
from qcutsim.records import QueryRecord

POOLS = ("processes:2", "threads:2")
SAMPLES = 100
ROWS = 20
KILLS = 10

KIB = 1 << 10
MIB = 1 << 20


class Process(msgspec.Struct, frozen=True):
    """What Linux says of a process. One that has ended and is not waited for has no memory."""

    started: int
    resident_bytes: int
    handles: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Process:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        return cls(
            int(_stat(pid)[19]),
            int(status.get("VmRSS", "0 kB").split()[0]) * KIB,
            sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()) if "VmRSS" in status else 0,
            int(status["Threads"]),
        )


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/PID/stat`` from the third on; the second may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def children() -> dict[int, Process]:
    """Process id -> every child of this process, zombies included."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if int(_stat(int(folder.name))[1]) == os.getpid():
                    found[int(folder.name)] = Process.of(int(folder.name))
            except OSError:  # it has ended meanwhile
                continue
    return found


class Sample(msgspec.Struct, frozen=True):
    """The coordinator, its objects and its workers after so many queries."""

    queries: int
    ms_per_query: float
    coordinator: Process
    objects: int
    workers: dict[int, Process]

    @classmethod
    def now(cls, queries: int, ms_per_query: float) -> Sample:
        gc.collect()
        here = Process.of(os.getpid())
        return cls(queries, ms_per_query, here, len(gc.get_objects()), children())

    def over_workers(self, number: Callable[[Process], int]) -> int:
        return sum(number(worker) for worker in self.workers.values())


def oldest(workers: dict[int, Process]) -> int:
    return min(workers, key=lambda pid: (workers[pid].started, pid))


def soak(pool: str, queries: int, log: Path) -> tuple[list[Sample], list[int]]:
    """Samples over the queries, and after how many of them a worker was killed."""
    circuit = query_circuit()
    draw = np.random.default_rng(1)
    every = max(1, queries // SAMPLES)
    has_processes = pool.startswith("processes")
    samples: list[bytes] = []
    kills: list[int] = []
    with DistributedEstimator(
        partition_labels=LABELS[1], backend="aer", pool=pool, shots=SHOTS, seed=1, log=log
    ) as estimator:
        start_s = time.perf_counter()
        for done in range(1, queries + 1):
            values = draw.uniform(0, 2 * np.pi, circuit.num_parameters)
            job = estimator.run([(circuit, OBSERVABLE, values)])
            is_time_to_kill = has_processes and done % max(1, queries // KILLS) == every // 2
            if is_time_to_kill and (workers := children()):
                os.kill(oldest(workers), signal.SIGKILL)
                kills.append(done)
            job.result()
            if done % every == 0:
                ms_per_query = 1e3 * (time.perf_counter() - start_s) / every
                # Kept as bytes, so that the samples are not among the objects that they count.
                samples.append(msgspec.msgpack.encode(Sample.now(done, ms_per_query)))
                start_s = time.perf_counter()
    return [msgspec.msgpack.decode(sample, type=Sample) for sample in samples], kills


def slope(x: Sequence[float], y: Sequence[float], groups: Sequence[int]) -> tuple[float, float]:
    """Least-squares slope and its standard error; every group has a level of its own."""
    at, level = np.array(x, dtype=float), np.array(y, dtype=float)
    names, of = np.unique(groups, return_inverse=True)
    counts = np.bincount(of)
    at = at - (np.bincount(of, at) / counts)[of]
    level = level - (np.bincount(of, level) / counts)[of]
    freedom = len(at) - len(names) - 1
    spread = float(at @ at)
    if freedom < 1 or spread == 0:
        return float("nan"), float("nan")
    found = float(at @ level) / spread
    rest = level - found * at
    return found, float(np.sqrt(rest @ rest / freedom / spread))


def print_slope(
    what: str, unit: str, found: tuple[float, float], queries: float, level: float
) -> None:
    """A slope, and by which share of ``level`` it raises it over so many queries."""
    if np.isnan(found[0]):
        print(f"    {what:42} too few samples")
        return
    value, error = found
    verdict = "flat" if value <= 2 * error else "RISES"
    print(
        f"    {what:42} {value:+.3g} +- {error:.2g} {unit} a query, {value * queries / level:+.2%} "
        f"over {queries:.0f}: {verdict}"
    )


def print_rows(samples: Sequence[Sample]) -> None:
    print(
        f"  {'':8} {'':10} | coordinator{'':26} | workers\n"
        f"  {'queries':>8} {'ms a query':>10} | {'MiB':>8} {'objects':>9} {'handles':>8} "
        f"{'threads':>8} | {'processes':>9} {'MiB':>7} {'handles':>8} {'threads':>8}"
    )
    for sample in samples:
        here = sample.coordinator
        print(
            f"  {sample.queries:8} {sample.ms_per_query:10.2f} | {here.resident_bytes / MIB:8.1f}"
            f" {sample.objects:9} {here.handles:8} {here.threads:8} | {len(sample.workers):9}"
            f" {sample.over_workers(lambda w: w.resident_bytes) / MIB:7.1f}"
            f" {sample.over_workers(lambda w: w.handles):8}"
            f" {sample.over_workers(lambda w: w.threads):8}"
        )


QUANTITIES: dict[str, tuple[str, Callable[[Sample], float]]] = {
    "ms a query": ("ms", lambda s: s.ms_per_query),
    "coordinator, resident memory": ("KiB", lambda s: s.coordinator.resident_bytes / KIB),
    "coordinator, Python objects": ("", lambda s: s.objects),
    "coordinator, open handles": ("", lambda s: s.coordinator.handles),
    "coordinator, threads": ("", lambda s: s.coordinator.threads),
    "child processes": ("", lambda s: len(s.workers)),
    "workers, resident memory": ("KiB", lambda s: s.over_workers(lambda w: w.resident_bytes) / KIB),
    "workers, open handles": ("", lambda s: s.over_workers(lambda w: w.handles)),
    "workers, threads": ("", lambda s: s.over_workers(lambda w: w.threads)),
}


def print_growth(samples: Sequence[Sample]) -> None:
    tenth = max(1, len(samples) // 10)
    first, last = samples[tenth : 2 * tenth], samples[-tenth:]
    print(
        f"  Growth, mean of {first[0].queries} to {first[-1].queries} queries -> of "
        f"{last[0].queries} to {last[-1].queries} (largest seen)"
    )
    for name, (unit, number) in QUANTITIES.items():
        if not any(s.workers for s in samples) and "worker" in name:
            continue
        before, after = (float(np.mean([number(s) for s in part])) for part in (first, last))
        most = max(number(s) for s in samples[tenth:])
        print(
            f"    {name:42} {before:,.1f} -> {after:,.1f} {unit} "
            f"({after - before:+,.1f}; {most:,.1f})"
        )


def print_slopes(samples: Sequence[Sample], kills: Sequence[int]) -> None:
    tenth = max(1, len(samples) // 10)
    print("  Slopes (flat: at most twice the standard error)")
    for name, part in (("", samples[tenth:]), (", second half", samples[len(samples) // 2 :])):
        x, one_group = [float(s.queries) for s in part], [0] * len(part)
        for what, unit, y in (
            ("memory", "bytes", [float(s.coordinator.resident_bytes) for s in part]),
            ("Python objects", "objects", [float(s.objects) for s in part]),
        ):
            found = slope(x, y, one_group)
            print_slope(f"coordinator, {what}{name}", unit, found, x[-1] - x[0], y[0])
    if not any(s.workers for s in samples):
        return
    lives: defaultdict[int, list[tuple[float, float]]] = defaultdict(list)
    for sample in samples:
        for pid, worker in sample.workers.items():
            lives[pid].append((float(sample.queries), float(worker.resident_bytes)))
    longest = max(map(len, lives.values()))
    settled = [
        (pid, *point) for pid, life in lives.items() for point in life[max(1, longest // 4) :]
    ]
    pids = [pid for pid, _, _ in settled]
    at, memory = [queries for _, queries, _ in settled], [resident for *_, resident in settled]
    found = slope(at, memory, pids)
    span = max((life[-1][0] - life[0][0] for life in lives.values()), default=0.0)
    level = float(np.mean(memory)) if memory else 1.0
    print_slope(f"a worker, memory, {len(lives)} lives", "bytes", found, span, level)
    counts = sorted({len(s.workers) for s in samples})
    print(f"  {len(kills)} workers were killed; child processes seen: {counts}")


def measure(pool: str, queries: int) -> None:
    threads_before = Process.of(os.getpid()).threads
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "soak.jsonl"
        samples, kills = soak(pool, queries, log)
        logged = sum(type(record) is QueryRecord for record in read_records(log))
        size = log.stat().st_size
    left = children()
    print(f"\n{pool}: {queries} queries, {logged} in the log ({size / MIB:.1f} MiB)")
    print_rows(samples[max(1, len(samples) // ROWS) - 1 :: max(1, len(samples) // ROWS)])
    print_growth(samples)
    print_slopes(samples, kills)
    print(
        f"  after close: {len(left)} child processes, {Process.of(os.getpid()).threads} threads "
        f"({threads_before} before; Aer keeps one)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="500 queries a pool")
    parser.add_argument("--queries", type=int, default=10_000, help="a pool")
    parser.add_argument("--pools", nargs="+", default=list(POOLS), metavar="POOL")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    queries = 500 if arguments.quick else arguments.queries
    if not Path("/proc/self/status").exists():
        parser.error("it reads /proc, which this system lacks")
    if arguments.here:
        measure(arguments.pools[0], queries)
        return
    print_machine("qiskit", "qiskit-aer")
    for pool in arguments.pools:
        command = [sys.executable, __file__, "--here", "--pools", pool, "--queries", str(queries)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
