"""The estimator against its peers: speed, error at equal shots, and growth.

    python benchmarks/estimator.py [--quick] [--peer-python PATH] [--only NAME ...] [--profile]

One query is 4 qubits, ZFeatureMap and RealAmplitudes with one repetition each, ZZZZ, cut three
times into single qubits. What is compared is interleaved in one run; every row has the error
against the uncut statevector and the cold time (a fresh process, modules imported, the first
query of its estimator) beside the warm one (plan kept, as in training).

--peer-python is an interpreter that has PennyLane; it shares no packages with this one.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import os
import platform
import pstats
import statistics
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

from estimator_cases import OBSERVABLE, SHOTS, binding, gradient_pubs, query_circuit
from estimator_growth import measure_chains, measure_errors, measure_growth
from estimator_peers import PeerError, PennyLane
from estimator_rows import Context, heading, own_estimator, run_job, timed
from estimator_speed import SAMPLES, measure_gradients, measure_queries, measure_reconstruction


def print_profile() -> None:
    """Where the time of a warm single batched query, and of a gradient job, goes."""
    at, circuit = binding(0, 1), query_circuit()
    jobs = {
        "a warm batched query": ([(circuit, OBSERVABLE, at.values)], 200),
        "a warm gradient job": (gradient_pubs(SAMPLES), 10),
    }
    for name, (pubs, times) in jobs.items():
        with own_estimator("batched", shots=SHOTS) as estimator:
            for _ in range(5):
                estimator.run(pubs).result()
            seconds = [timed(partial(run_job, estimator, pubs))[0] for _ in range(50)]
            metadata = estimator.run(pubs).result()[0].metadata
            profile = cProfile.Profile()
            profile.enable()
            for _ in range(times):
                estimator.run(pubs).result()
            profile.disable()
        heading(f"Profile of {name}: {1e3 * statistics.median(seconds):.3g} ms without profiler")
        stages = ("partition_s", "generate_s", "execute_s", "reconstruct_s", "total_s")
        print("  " + ", ".join(f"{s[:-2]} {1e3 * metadata[s]:.3g} ms" for s in stages))
        print(f"  Below: {times} times.")
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(25)
        pstats.Stats(profile, stream=sys.stdout).sort_stats("cumulative").print_stats(25)


SECTIONS: dict[str, Callable[[Context], None]] = {
    "query": measure_queries,
    "gradient": measure_gradients,
    "reconstruction": measure_reconstruction,
    "error": measure_errors,
    "chain": measure_chains,
    "growth": measure_growth,
}


def print_machine() -> None:
    import torch

    packages = ("qcutsim", "qiskit", "qiskit-aer", "qiskit-addon-cutting", "numpy", "torch")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    print(f"Python {platform.python_version()}, {versions}")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {load}, "
        f"{torch.get_num_threads()} torch threads"
    )


def open_peer(python: str | None) -> contextlib.AbstractContextManager[PennyLane | None]:
    if python is None:
        return contextlib.nullcontext()
    try:
        return PennyLane(python)
    except (OSError, PeerError) as error:
        print(f"PennyLane: not measured: {error}; give --peer-python an interpreter that has it")
        return contextlib.nullcontext()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and sizes")
    parser.add_argument("--peer-python", metavar="PATH", help="an interpreter with PennyLane")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--profile", action="store_true", help="show where the time goes instead")
    arguments = parser.parse_args()
    print_machine()
    if arguments.profile:
        print_profile()
        return
    with open_peer(arguments.peer_python) as peer:
        if peer is not None:
            print(f"PennyLane {peer.version} in {arguments.peer_python}")
        context = Context(arguments.quick, peer)
        for name in SECTIONS:
            if name in arguments.only:
                SECTIONS[name](context)


if __name__ == "__main__":
    main()
