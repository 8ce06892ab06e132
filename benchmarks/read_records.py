"""Reading a log of a million task records: typed streaming against the standard library's json.

    python benchmarks/read_records.py [--tasks 1000000] [--rounds 3]

Each reader runs in a process of its own, so that its peak memory is its own; rounds interleave.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from qcutsim.logreader import read_records
from qcutsim.manifest import collect_manifest
from qcutsim.records import SCHEMA, LogWriter, RunRecord, TaskRecord


def write_log(path: Path, tasks: int) -> None:
    run = RunRecord(
        schema=SCHEMA,
        run="benchmark",
        origin="simulated",
        manifest=collect_manifest(),
        scenario={},
        scenario_key="",
        seed=0,
    )
    with LogWriter(path) as writer:
        writer.write(run)
        for first in range(0, tasks, 1000):
            writer.write(*(_task(n) for n in range(first, min(first + 1000, tasks))))


def _task(number: int) -> TaskRecord:
    at_s = 0.0123456789 * number
    return TaskRecord(
        query=number // 108,
        task=number % 108,
        attempt=0,
        worker=number % 4,
        outcome="ok",
        partition="A",
        width=1,
        depth=7,
        mid_circuit_measurements=1,
        shots=1024,
        ready_s=at_s,
        dispatched_s=at_s + 0.0001,
        started_s=at_s + 0.0002,
        ended_s=at_s + 0.0052,
        collected_s=at_s + 0.0053,
        cpu_s=0.0049,
        payload_bytes=540,
        result_bytes=2100,
    )


def read_with_qcutsim(path: Path) -> int:
    return sum(1 for record in read_records(path) if type(record) is TaskRecord)


def read_with_json(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if json.loads(line)["kind"] == "task")


READERS = {"qcutsim": read_with_qcutsim, "json": read_with_json}


def measure_here(reader: str, path: Path) -> None:
    start_s = time.perf_counter()
    count = READERS[reader](path)
    seconds = time.perf_counter() - start_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak_mb, "count": count}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reader", choices=READERS, help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.reader:
        measure_here(arguments.reader, arguments.log)
        return
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "run.jsonl"
        write_log(log, arguments.tasks)
        print(f"{arguments.tasks} task records, {log.stat().st_size / 1e6:.0f} MB")
        found: dict[str, list[dict[str, float]]] = {name: [] for name in READERS}
        for _ in range(arguments.rounds):
            for name in READERS:
                command = [sys.executable, __file__, "--reader", name, "--log", str(log)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[name].append(json.loads(done.stdout))
    for name, rounds in found.items():
        seconds = sorted(r["seconds"] for r in rounds)
        print(
            f"{name:8}  median {statistics.median(seconds):.2f} s "
            f"({seconds[0]:.2f} to {seconds[-1]:.2f}), "
            f"peak {max(r['peak_mb'] for r in rounds):.0f} MB"
        )
    ratio = statistics.median(
        slow["seconds"] / fast["seconds"]
        for slow, fast in zip(found["json"], found["qcutsim"], strict=True)
    )
    print(f"qcutsim is {ratio:.1f} x as fast as json")


if __name__ == "__main__":
    main()
