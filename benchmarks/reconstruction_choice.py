"""How near ``reconstruction: auto`` comes to the strategy that is fastest here.

    python benchmarks/reconstruction_choice.py [--quick]

Chains of qubits with different partition labels, one value each. A strategy's time is the least of
several reconstructions when all data is there, so the choice that is checked is the one between
strategies that do not merge on arrival. Beside it stands what the rule expects.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from qiskit import QuantumCircuit

from qcutsim.estimator import Limits, PlannedPipeline, Query, make_backend, make_reconstruction
from qcutsim.estimator.choosing import strategy_works
from qcutsim.reconstructionchoice import choose_reconstruction
from qcutsim.runtime import load_function

LABELS = ("AABB", "ABCD", "ABAB", "ABCDEF", "AABABA", "AABBAABB", "ABABABA")
LARGE_LABELS = ("ABABABAB", "ABCABCABC")


def circuit_of(qubits: int) -> QuantumCircuit:
    """A chain of CX after rotations."""
    rng = np.random.default_rng(1)
    circuit = QuantumCircuit(qubits)
    for qubit, angle in enumerate(rng.uniform(-3, 3, qubits)):
        circuit.ry(angle, qubit)
    for qubit in range(qubits - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def measured_s(labels: str, times: int) -> tuple[dict[str, float], dict[str, float], str]:
    """Seconds of each strategy, what the rule expects, and what it chooses without overlap."""
    backend = make_backend("batched", noise_model=None, device="cpu", pass_manager=None)
    pipeline = PlannedPipeline(backend, workers=1)
    query = Query.single(circuit_of(len(labels)), "Z" * len(labels), labels, 100, seed=1)
    work = pipeline.generate(query, pipeline.partition(query))
    function = load_function(pipeline.task_function)
    results = [function(task.encode(), task.context) for task in work.subexperiments]
    data = work._collect(results)
    known = strategy_works(work.plan, 1, Limits())
    choice = choose_reconstruction(known, workers=1, subexperiments=1, may_overlap=False)
    seconds = {}
    for kind in choice.expected_s:
        strategy = make_reconstruction(kind)
        taken = []
        for _ in range(times):
            problem = work._problem(data)
            _ = problem.tensors  # alike for all
            start = time.perf_counter()
            strategy.values(problem)
            taken.append(time.perf_counter() - start)
        seconds[kind] = min(taken)
    return seconds, choice.expected_s, choice.kind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="without the large ones")
    quick = parser.parse_args().quick
    print("labels      chosen        fastest       over the fastest   measured / expected")
    for labels in LABELS if quick else (*LABELS, *LARGE_LABELS):
        seconds, expected, chosen = measured_s(labels, 20 if len(labels) < 8 else 5)
        fastest = min(seconds, key=lambda kind: seconds[kind])
        ratios = ", ".join(f"{kind} {seconds[kind] / expected[kind]:.2f}" for kind in seconds)
        over = seconds[chosen] / seconds[fastest] - 1
        print(f"{labels:11} {chosen:13} {fastest:13} {over:16.0%}   {ratios}", flush=True)


if __name__ == "__main__":
    main()
