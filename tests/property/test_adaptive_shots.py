"""Shots allocated by variance: how many each subexperiment gets, and what that does to errors."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import SparsePauliOp
from sampled import (
    CHAIN,
    ONE_TERM,
    SEVERAL_TERMS,
    Sampled,
    assert_scatter_is_as_reported,
    estimator,
    shifted_pub,
)

from qcutsim.errors import InputError
from qcutsim.estimator import adaptive, plannedwork
from qcutsim.estimator.adaptive import LEAST_REST, Stages, neyman
from qcutsim.estimator.sampling import sample

VARIANCES = st.lists(st.one_of(st.just(0.0), st.floats(1e-12, 1e6)), min_size=1, max_size=60).map(
    np.array
)


@given(VARIANCES, st.integers(1, 50), st.integers(0, 5000))
def test_all_shots_are_spent_and_each_subexperiment_gets_its_least(variances, had, more):
    budget = LEAST_REST * len(variances) + more
    shots = neyman(variances, budget, had)
    assert shots.sum() == budget
    assert shots.min() >= LEAST_REST


@given(st.integers(1, 200), st.integers(0, 100_000))
def test_pilots_and_rests_are_the_whole_budget(subexperiments, more):
    budget = 10 * subexperiments + more
    stages = Stages.of(budget, subexperiments)
    assert 2 * stages.pilot * subexperiments + sum(stages.rest) == budget
    assert min(stages.rest) >= LEAST_REST * subexperiments


@settings(max_examples=60)
@given(
    st.lists(st.one_of(st.just(0.0), st.floats(0.01, 100)), min_size=2, max_size=3),
    st.integers(1, 4),
    st.integers(0, 12),
)
def test_no_other_way_to_spend_the_shots_is_much_better(variances, had, more):
    """Against every allocation: rounding costs at most what one shot more for each would gain."""
    count = len(variances)
    budget = LEAST_REST * count + more

    def variance(shots):
        return sum(v / (had + n) for v, n in zip(variances, shots, strict=True))

    every = (
        variance(shots)
        for shots in product(range(LEAST_REST, budget + 1), repeat=count)
        if sum(shots) == budget
    )
    found = neyman(np.array(variances), budget, had)
    richer = variance([n + 1 for n in found])
    assert richer <= min(every) * (1 + 1e-12) + 1e-12


def test_where_nothing_varies_shots_are_spread_evenly():
    assert neyman(np.zeros(4), 10, 3).tolist() == [3, 3, 2, 2]


SKEWED = QuantumCircuit(4)
SKEWED.ry(0.15, range(4))
SKEWED.ry(1.4, 0)
for _qubit in range(3):
    SKEWED.cx(_qubit, _qubit + 1)
SKEWED.rx(0.1, range(4))
SKEWED_CASE = Sampled(SKEWED, SparsePauliOp("ZZZZ"), {"partition_labels": "ABBC"})
"""Most subexperiments give nearly always the same outcome; a few vary."""


def spread(case, times, seed, **options):
    return Sampled(case.circuit, case.observable, {**case.options, **options}).repeated(times, seed)


@pytest.mark.parametrize("budget", [{"shots": 100}, {"total_shots": 5600}], ids=str)
def test_at_equal_shots_the_error_of_a_skewed_circuit_falls(budget):
    """Mean squared error against the statevector, 300 jobs each, seeds 1 and 2.

    The ratio of two such errors is known to a factor of 1 +- 0.12; it must be below 0.64, as it
    would be with a probability of 1e-4 if allocating by variance changed nothing.
    """
    errors = {}
    for seed, allocation in enumerate(("uniform", "variance"), start=1):
        evs, _ = spread(SKEWED_CASE, 300, seed, allocation=allocation, **budget)
        errors[allocation] = np.mean((evs - SKEWED_CASE.exact) ** 2)
    assert errors["variance"] < 0.64 * errors["uniform"]


def expected_std(case, allocation):
    with estimator(**case.options, shots=1000, allocation=allocation) as made:
        return float(made.plan(*case.pub).expected_stds[0])


@pytest.mark.parametrize("observable", [ONE_TERM, SEVERAL_TERMS], ids=["one term", "several"])
@pytest.mark.parametrize("labels", ["AABB", "ABCD", "AAAA"])
def test_the_exact_error_at_the_best_allocation_is_not_above_that_at_equal_shots(
    observable, labels
):
    """By the variance formula over the true distributions: nothing is sampled."""
    case = Sampled(CHAIN, observable, {"partition_labels": labels})
    assert expected_std(case, "variance") <= expected_std(case, "uniform") * (1 + 1e-9)


def test_the_error_reached_is_near_the_best_that_is_possible():
    """Root mean square over 400 jobs, seed 3, known to 3.5 %; false-alarm rate 1e-4 or less."""
    case = Sampled(CHAIN, ONE_TERM, {"partition_labels": "ABCD"})
    evs, _ = spread(case, 400, 3, allocation="variance", shots=1000)
    reached = np.sqrt(np.mean((evs - case.exact) ** 2))
    assert reached < 1.2 * expected_std(case, "variance")


ADAPTIVE = {
    "one cut": Sampled(CHAIN, ONE_TERM, {"partition_labels": "AABB"}),
    "three cuts": Sampled(CHAIN, ONE_TERM, {"partition_labels": "ABCD"}),
    "several terms": Sampled(CHAIN, SEVERAL_TERMS, {"max_qubits": 3}),
    "uncut": Sampled(CHAIN, SEVERAL_TERMS),
}


@pytest.mark.parametrize("case", ADAPTIVE.values(), ids=ADAPTIVE)
def test_values_agree_with_the_statevector_within_their_errors(case):
    """Mean and chi-square of z over 100 jobs, seed 1; false-alarm rate 2e-4 a case."""
    evs, stds = spread(case, 100, 1, allocation="variance", shots=1000)
    assert_scatter_is_as_reported(evs, stds, case.exact)


def test_what_the_pilot_decides_does_not_bias_the_mean():
    """A z test at 4 sigma over 1600 jobs of 20 shots a subexperiment, seed 5.

    False-alarm rate 6e-5. Were a pilot to decide how many shots follow it, the bias would be 0.14
    standard errors here, 5.5 sigma of this test.
    """
    circuit = QuantumCircuit(1)
    circuit.ry(0.7, 0)
    case = Sampled(circuit, SparsePauliOp(["Z", "X"], [1.0, 1.0]))
    evs, _ = spread(case, 1600, 5, allocation="variance", shots=20)
    assert abs(evs.mean() - case.exact) < 4 * evs.std() / np.sqrt(evs.size)


def jobs_of(**options):
    circuit, observable, values = shifted_pub()
    pubs = [(circuit, ["ZZZ", observable], np.array(values)[:, None]), (CHAIN.copy(), "XZZY")]
    with estimator(max_qubits=2, shots=64, seed=8, allocation="variance", **options) as made:
        results = [made.run(pubs).result() for _ in range(2)]
    return [np.concatenate([one.data.evs.reshape(-1) for one in job]) for job in results]


@pytest.mark.parametrize(
    "options",
    [
        {"chunk": 1},
        {"chunk": 3, "backend": "aer"},
        {"pool": "threads:2", "policy": "longest_first", "window": 2},
        {"reconstruction": "tree", "pool": "threads:2"},
        {"reconstruction": "vectorised"},
        {"pool": "processes:2", "backend": "aer"},
    ],
    ids=str,
)
def test_the_same_seed_gives_the_same_values_however_they_are_computed(options):
    for values, others in zip(jobs_of(), jobs_of(**options), strict=True):
        np.testing.assert_allclose(values, others, rtol=0, atol=1e-12)


@pytest.fixture
def sampled(monkeypatch):
    """Counts the shots of everything that is sampled from outcome probabilities."""
    counts: Counter[str] = Counter()

    def counting(probabilities, shots, generator):
        frequencies = sample(probabilities, shots, generator)
        counts["shots"] += round(float((frequencies * shots[..., None]).sum()))
        return frequencies

    for module in (adaptive, plannedwork):
        monkeypatch.setattr(module, "sample", counting)
    return counts


@pytest.mark.parametrize("shots", [{"shots": 10}, {"shots": 77}, {"total_shots": 5000}], ids=str)
def test_as_many_shots_are_sampled_as_with_equal_shots(sampled, shots):
    circuit, observable, values = shifted_pub()
    spent = []
    for allocation in ("uniform", "variance"):
        sampled.clear()
        with estimator(max_qubits=2, allocation=allocation, seed=1, **shots) as made:
            (result,) = made.run([(circuit, observable, values)]).result()
        assert result.metadata["allocation"] == allocation
        assert result.metadata["shots_spent"] == sampled["shots"]
        spent.append(sampled["shots"])
    assert spent[0] == spent[1] > 0


def test_shots_that_an_allocation_leaves_are_not_said_to_be_spent(sampled, monkeypatch):
    def frugal(variances, budget, had):
        return np.ones_like(neyman(variances, budget, had))

    monkeypatch.setattr(adaptive, "neyman", frugal)
    with estimator(partition_labels="AABB", allocation="variance", shots=100) as made:
        (result,) = made.run([(CHAIN, ONE_TERM)]).result()
    asked, spent = result.metadata["shots_asked"], result.metadata["shots_spent"]
    assert spent == sampled["shots"] < asked


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shots": 9}, "needs 10 shots for each of .* distinct subexperiments"),
        ({"shots": 100, "num_samples": 10}, "does not go with num_samples"),
        ({"shots": 100, "reconstruction": "per_shot"}, "does not go with reconstruction"),
        ({"shots": 100, "backend": StatevectorSampler()}, "does not go with backend 'sampler'"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_does_not_go_with_it_is_refused(options, message):
    with (
        estimator(partition_labels="AABB", allocation="variance", **options) as made,
        pytest.raises(InputError, match=message),
    ):
        made.run([(CHAIN, ONE_TERM)]).result()


def test_where_a_precision_says_the_shots_a_smaller_one_is_asked_for():
    with (
        estimator(partition_labels="AABB", allocation="variance") as made,
        pytest.raises(InputError, match=r"give more shots \(a smaller precision, where"),
    ):
        made.run([(CHAIN, ONE_TERM)], precision=1.0).result()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allocation": "fair"}, "allocation is 'fair'; expected one of uniform, variance"),
        ({"allocation": "variance", "shots": None}, "exact values take no shots"),
        ({"allocation": "variance", "pipeline": "upstream", "backend": "aer"}, "does not take"),
    ],
    ids=str,
)
def test_arguments_that_make_no_sense_are_refused_at_once(options, message):
    with pytest.raises(InputError, match=message):
        estimator(partition_labels="AABB", **options)
