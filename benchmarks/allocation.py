"""Shots allocated by variance against equal shots, at the same number of shots in all.

    python benchmarks/allocation.py [--quick] [--seed N]

Both estimators answer the same queries in turns, on Aer: the circuit of arXiv:2602.16233 for one
sample of Iris after the other, cut once, twice and three times, and a skewed circuit, most of whose
subexperiments nearly always give the same outcome. Errors are against the uncut statevector. A
ratio below 1 says that allocating by variance errs less; its interval is the central 95 % of 2000
bootstrap draws of repetitions, both estimators' errors of one repetition drawn together. The last
column is the ratio of the exact standard errors if the best allocation were known beforehand, of
the first query.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector

from qcutsim import DistributedEstimator
from qcutsim.learning import bind_model, load_iris_angles, random_weights

OBSERVABLE = "ZZZZ"
REPETITIONS = 400
QUICK_REPETITIONS = 200
DRAWS = 2000
ALLOCATIONS = ("uniform", "variance")


@dataclass(frozen=True, slots=True)
class Case:
    """A circuit for each repetition, how it is cut, and the shots of a subexperiment on average."""

    name: str
    labels: str
    circuit: Callable[[int], QuantumCircuit]
    shots: int


def skewed_circuit(repetition: int) -> QuantumCircuit:
    """Small angles but for one qubit; the same in every repetition."""
    circuit = QuantumCircuit(4)
    circuit.ry(0.15, range(4))
    circuit.ry(1.4, 0)
    for qubit in range(3):
        circuit.cx(qubit, qubit + 1)
    circuit.rx(0.1, range(4))
    return circuit


def cases(seed: int) -> list[Case]:
    """All cases."""
    angles = load_iris_angles().angles
    weights = random_weights(4, seed)

    def paper(repetition: int) -> QuantumCircuit:
        return bind_model(angles[repetition % len(angles)], weights)

    return [
        *(
            Case("Iris", labels, paper, shots)
            for labels in ("AABB", "ABBC", "ABCD")
            for shots in (128, 1024)
        ),
        *(Case("skewed", "ABBC", skewed_circuit, shots) for shots in (128, 1024)),
    ]


def errors_of(case: Case, repetitions: int, seed: int) -> tuple[np.ndarray, int, float]:
    """Errors (repetitions, allocations), shots of a query, and the ratio that is possible."""
    observable = SparsePauliOp(OBSERVABLE)
    errors = np.empty((repetitions, len(ALLOCATIONS)))
    spent = set()
    with ExitStack() as stack:
        estimators = [
            stack.enter_context(
                DistributedEstimator(
                    partition_labels=case.labels,
                    shots=case.shots,
                    allocation=allocation,
                    pool="inline",
                    seed=seed + number,
                )
            )
            for number, allocation in enumerate(ALLOCATIONS)
        ]
        expected = [one.plan(case.circuit(0), observable).expected_stds for one in estimators]
        for repetition in range(repetitions):
            circuit = case.circuit(repetition)
            exact = float(np.real(Statevector(circuit).expectation_value(observable)))
            for number, estimator in enumerate(estimators):
                (result,) = estimator.run([(circuit, observable)]).result()
                errors[repetition, number] = float(result.data.evs) - exact
                spent.add(result.metadata["shots_spent"])
    (shots,) = spent  # that were sampled: the same for both, or the comparison is void
    uniform, variance = (np.nan if stds is None else stds.max() for stds in expected)
    return errors, shots, float(variance / uniform)


def ratio(errors: np.ndarray) -> float:
    """Root mean square error by variance over that with equal shots."""
    uniform, variance = np.sqrt(np.mean(errors**2, axis=0))
    return float(variance / uniform)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    repetitions = QUICK_REPETITIONS if arguments.quick else REPETITIONS
    print(f"{repetitions} repetitions, seed {arguments.seed}")
    print("circuit labels   shots   equal RMSE   by variance   ratio  95 % interval   possible")
    for case in cases(arguments.seed):
        errors, shots, possible = errors_of(case, repetitions, arguments.seed)
        generator = np.random.default_rng(arguments.seed)
        drawn = generator.integers(0, repetitions, (DRAWS, repetitions))
        low, high = np.quantile([ratio(errors[one]) for one in drawn], (0.025, 0.975))
        uniform, variance = np.sqrt(np.mean(errors**2, axis=0))
        print(
            f"{case.name:7} {case.labels:6} {shots:7,} {uniform:12.4f} {variance:13.4f} "
            f"{ratio(errors):7.3f}  {low:.3f} to {high:.3f} {possible:10.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
