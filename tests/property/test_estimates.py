"""The upstream pipeline's values against the exact statevector."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.quantum_info import Pauli, Statevector
from scipy import stats

from qcutsim.errors import InputError
from qcutsim.estimator import Query, UpstreamPipeline
from qcutsim.estimator.aer import run_task
from qcutsim.learning import bind_model, load_iris_angles, random_weights

REPEATS = {"AAAA": 60, "AABB": 24, "ABBC": 5}


class Estimate(NamedTuple):
    value: float
    std: float


def iris_query(labels: str, seed: int, observable: str = "ZZZZ", shots: int = 1024) -> Query:
    angles = load_iris_angles().angles[seed % 100]
    circuit = bind_model(angles, random_weights(4, 3))
    return Query.single(circuit, observable, labels, shots, seed)


def evaluate(query: Query) -> Estimate:
    pipeline = UpstreamPipeline()
    prepared = pipeline.generate(query, pipeline.partition(query))
    results = [run_task(task.encode(), task.context) for task in prepared.subexperiments]
    estimates = prepared.reconstruct(results)
    return Estimate(float(estimates.values[0]), float(estimates.stds[0]))


def exact(query: Query) -> float:
    """Expectation value from the statevector; a Pauli label has qubit 0 last."""
    (circuit,), (observable,) = query.circuits, query.observables
    (term,) = observable
    state = Statevector(circuit.circuit)
    return float(np.real(state.expectation_value(Pauli(term[::-1]))))


@pytest.mark.parametrize("labels", ["AAAA", "AABB", "ABBC"])
def test_estimates_agree_with_the_statevector_within_their_standard_errors(labels):
    """Sum of squared z over independent queries, seeds 0, 1, ...; false-alarm rate 1e-4 a case.

    Both tails: too good an agreement means that the standard errors are too large.
    """
    queries = [iris_query(labels, seed) for seed in range(REPEATS[labels])]
    estimates = [evaluate(query) for query in queries]
    z = [(e.value - exact(q)) / e.std for e, q in zip(estimates, queries, strict=True)]
    below, above = stats.chi2.ppf([5e-5, 1 - 5e-5], len(z))
    assert below < np.sum(np.square(z)) < above


@pytest.mark.parametrize("observable", ["XIZY", "IZIZ", "YXXI"])
def test_any_pauli_observable_is_read_with_qubit_0_first(observable):
    """A z test at 4.5 sigma, false-alarm rate 7e-6; qubit order shows in asymmetric letters."""
    query = iris_query("AABB", 17, observable, shots=4096)
    estimate = evaluate(query)
    assert abs(estimate.value - exact(query)) < 4.5 * estimate.std


def test_the_standard_error_is_the_spread_of_repeated_estimates():
    """Ratio of variances, 60 repeats; chi-square false-alarm rate 1e-3."""
    repeats = [evaluate(iris_query("AABB", 100 * seed, shots=256)) for seed in range(60)]
    spread = np.var([e.value for e in repeats], ddof=1) / np.mean([e.std**2 for e in repeats])
    low, high = stats.chi2.ppf([5e-4, 1 - 5e-4], 59) / 59
    assert low < spread < high


def test_subexperiments_have_seeds_of_their_own():
    pipeline = UpstreamPipeline()
    query = iris_query("AABB", 1)
    prepared = pipeline.generate(query, pipeline.partition(query))
    seeds = [task.seed for task in prepared.subexperiments]
    assert len(set(seeds)) == len(seeds) == 12


def test_the_same_seed_gives_the_same_estimate():
    assert evaluate(iris_query("AABB", 4)) == evaluate(iris_query("AABB", 4))
    other = evaluate(iris_query("AABB", 104))  # the same sample, another seed
    assert other.value != evaluate(iris_query("AABB", 4)).value


@pytest.mark.parametrize(
    ("labels", "observable"), [("AAB", "ZZZZ"), ("AABBC", "ZZZZ"), ("AABB", "ZZZ")]
)
def test_labels_and_observables_of_the_wrong_length_are_refused(labels, observable):
    with pytest.raises(InputError, match=r"the circuit\s+has 4.*give one l"):
        UpstreamPipeline().partition(iris_query(labels, 0, observable))


def test_a_gate_without_a_definition_is_refused_by_name():
    circuit = QuantumCircuit(3)
    circuit.append(Gate("opaque", 2, []), [0, 2])
    with pytest.raises(InputError, match="'opaque'"):
        UpstreamPipeline().partition(Query.single(circuit, "ZZZ", "AAB", 10, 0))
