"""Start-up: bare Python, ``import qcutsim``, and the help and light commands of the CLI.

python benchmarks/startup.py [--rounds 11]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

CASES = {
    "bare Python": "pass",
    "import qcutsim": "import qcutsim",
    "calibrate": "import qcutsim.calibrate",
    "simulate": "import qcutsim.simulation",
    "compare": "import qcutsim.comparison",
    "qcutsim --help": "import sys; from qcutsim.cli import main; main(['--help'])",
}


def seconds_of(code: str) -> float:
    start_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    found: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(rounds):
        for name, code in CASES.items():
            found[name].append(seconds_of(code))
    bare = statistics.median(found["bare Python"])
    for name, seconds in found.items():
        median = statistics.median(seconds)
        print(
            f"{name:16} {1e3 * median:6.0f} ms ({1e3 * min(seconds):.0f} to "
            f"{1e3 * max(seconds):.0f}), {1e3 * (median - bare):+.0f} ms over bare Python"
        )


if __name__ == "__main__":
    main()
