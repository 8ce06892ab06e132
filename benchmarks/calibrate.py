"""How long and in how much memory is a log of ten million tasks calibrated on?

    python benchmarks/calibrate.py [--tasks 10000000]

The log repeats queries of the committed one. Beside it, in a process of its own, the same log is
only read: what calibration adds is the ratio.
"""

from __future__ import annotations

import argparse
import gzip
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from qcutsim.calibrate import calibrate_logs
from qcutsim.logreader import read_queries

SOURCE = Path("calibration/validate.jsonl.gz")


def write_log(path: Path, tasks: int) -> int:
    """Repeat the calibrated part of the committed log up to so many tasks; returns how many."""
    blocks: list[tuple[bytes, int]] = []
    pending: list[bytes] = []
    head = b""
    with gzip.open(SOURCE) as file:
        for line in file:
            record = msgspec.json.decode(line)
            if record["kind"] == "run":
                head = line
            elif record["kind"] == "task":
                pending.append(line)
            else:
                is_wanted = record["pipeline"] == "upstream" and record["workers"] <= 2
                if is_wanted and record["straggler_probability"] == 0 and not record["is_cold"]:
                    blocks.append((b"".join(pending) + line, len(pending)))
                pending = []
    written = number = 0
    with path.open("wb") as file:
        file.write(head)
        while written < tasks:
            block, count = blocks[number % len(blocks)]
            file.write(block)
            written, number = written + count, number + 1
    return written


def measure(what: str, path: Path) -> None:
    begin_s = time.perf_counter()
    if what == "calibrate":
        calibrate_logs([path])
    else:
        sum(1 for _ in read_queries([path]))
    seconds = time.perf_counter() - begin_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what}: {seconds:.1f} s, peak memory {peak_mb:.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "LOG"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure[0], Path(arguments.measure[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        tasks = write_log(path, arguments.tasks)
        print(f"{tasks:,} tasks, {path.stat().st_size / 1e9:.2f} GB", flush=True)
        for what in ("read", "calibrate"):
            subprocess.run([sys.executable, __file__, "--measure", what, str(path)], check=True)


if __name__ == "__main__":
    main()
