"""Sampled values, their standard errors and covariances, against exact values and repeated jobs."""

from __future__ import annotations

import numpy as np
import pytest
from circuits import chain, exact_values
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from sampled import (
    ABCD,
    CHAIN,
    ONE_TERM,
    SEVERAL_TERMS,
    Sampled,
    assert_scatter_is_as_reported,
    estimator,
    shifted_pub,
    two_in_superposition,
    with_cut_rotations,
    with_cut_wires,
)

from qcutsim import Limits

SAMPLED = {
    "each": Sampled(CHAIN, ONE_TERM, {**ABCD, "shots": 300}),
    "several terms": Sampled(CHAIN, SEVERAL_TERMS, {**ABCD, "shots": 300}),
    "total": Sampled(CHAIN, SEVERAL_TERMS, {**ABCD, "total_shots": 20_000}),
    "joint terms drawn": Sampled(CHAIN, ONE_TERM, {**ABCD, "shots": 200, "num_samples": 300}),
    "rotations": Sampled(
        with_cut_rotations(),
        SparsePauliOp(["ZZZ", "XIZ"], [1, -0.5]),
        {"partition_labels": "ABA", "shots": 200},
    ),
    "rotations, terms drawn": Sampled(
        with_cut_rotations(),
        SparsePauliOp(["ZZZ", "XIZ"], [1, -0.5]),
        {"partition_labels": "ABC", "shots": 200, "num_samples": 200},
    ),
    "wire": Sampled(
        with_cut_wires(), SparsePauliOp(["ZZZ", "IXY", "ZII"], [1, 0.5, 0.3]), {"shots": 200}
    ),
    "found cuts": Sampled(CHAIN, SEVERAL_TERMS, {"max_qubits": 3, "shots": 300}),
    "uncut": Sampled(CHAIN, SEVERAL_TERMS, {"shots": 300}),
}
SMALL_UPSTREAM = Sampled(
    chain(2, [0.4, 0.9], [0.3, 0.8]),
    SparsePauliOp(["ZZ", "XI"], [1.0, 0.5]),
    {"partition_labels": "AB", "pipeline": "upstream", "backend": "aer", "shots": 300},
)


@pytest.mark.parametrize("case", SAMPLED.values(), ids=SAMPLED)
def test_sampled_values_agree_with_the_statevector_within_their_errors(case):
    """Mean and chi-square of z over 100 jobs, seed 1; false-alarm rate 2e-4 a case."""
    assert_scatter_is_as_reported(*case.repeated(100, seed=1), case.exact)


def test_upstream_values_agree_with_the_statevector_within_their_errors():
    """As above, over 25 jobs; false-alarm rate 2e-4."""
    evs, stds = SMALL_UPSTREAM.repeated(25, seed=1)
    assert_scatter_is_as_reported(evs, stds, SMALL_UPSTREAM.exact)


def relative_error(evs, stds, exact):
    """Root mean square of the standard errors over the spread about the exact value, less one."""
    return np.sqrt(np.mean(stds**2) / np.mean((evs - exact) ** 2)) - 1


@pytest.mark.parametrize("case", SAMPLED.values(), ids=SAMPLED)
def test_the_standard_error_is_the_spread_of_repeated_jobs(case):
    """Within 10 %, seed 2. The spread of 1000 normal values is known to 2.2 %, so a right error
    is taken for a wrong one at a rate of 1e-5 a case.
    """
    assert abs(relative_error(*case.repeated(1000, seed=2), case.exact)) < 0.1


def test_the_standard_error_holds_where_both_factors_of_a_value_vanish():
    """Two means of N shots about 0: their product has variance 1/N^2, and first order gives 0.

    Within 10 %, seed 3, of the spread and of 1/N. The spread of 4000 products of normal values is
    known to 2.2 % and the error is 6 % off by design, so the false-alarm rate is 7 %; it is that
    of another seed, as this one is fixed.
    """
    shots = 400
    case = Sampled(
        two_in_superposition(), SparsePauliOp("ZZ"), {"partition_labels": "AB", "shots": shots}
    )
    evs, stds = case.repeated(4000, seed=3)
    assert abs(relative_error(evs, stds, 0.0)) < 0.1
    assert np.sqrt(np.mean(stds**2)) == pytest.approx(1 / shots, rel=0.1)


def test_the_standard_error_of_drawn_terms_holds_to_first_order_too():
    """Within 10 %, seed 6, 1000 jobs; false-alarm rate 1e-5."""
    options = {**ABCD, "shots": 200, "num_samples": 100, "limits": Limits(variance_work=1)}
    case = Sampled(CHAIN, ONE_TERM, options)
    evs, stds = case.repeated(1000, seed=6)
    assert abs(relative_error(evs, stds, case.exact)) < 0.1


def test_the_standard_error_holds_where_all_first_orders_of_a_cut_value_vanish():
    """Then the variance is a sum of many products of means about 0, and their sum is certain.

    Within 10 %, seed 3, 2000 jobs; false-alarm rate 1e-5.
    """
    circuit = QuantumCircuit(2)
    circuit.cz(0, 1)
    circuit.rzz(2.0, 0, 1)
    circuit.sx(1)
    options = {"partition_labels": "AB", "shots": 1000}
    evs, stds = Sampled(circuit, SparsePauliOp("ZY"), options).repeated(2000, seed=3)
    assert abs(relative_error(evs, stds, 0.0)) < 0.1


@pytest.mark.parametrize(("options", "shots"), [({"shots": 50}, 50), ({"total_shots": 400}, 400)])
def test_shots_are_what_was_asked_for(options, shots):
    """The variance of an uncut Z is (1 - <Z>^2) / N, within 2 %; 100 jobs, seed 4.

    At 50 shots the mean over 100 jobs is known to 0.5 %: false-alarm rate 1e-4.
    """
    circuit = QuantumCircuit(1)
    circuit.ry(1.0, 0)
    _, stds = Sampled(circuit, SparsePauliOp("Z"), options).repeated(100, seed=4)
    expected = np.sin(1.0) / np.sqrt(shots)
    assert np.sqrt(np.mean(stds**2)) == pytest.approx(expected, rel=0.02)


def covariances(times, seed, **options):
    """Values (jobs, 2) and reported covariances (jobs, 2, 2) of two shifted bindings."""
    with estimator(partition_labels="ABC", seed=seed, covariance=True, **options) as made:
        results = [made.run([shifted_pub()]).result() for _ in range(times)]
    evs = np.array([result[0].data.evs for result in results])
    reported = np.array([result.metadata["covariance"] for result in results])
    for result, matrix in zip(results, reported, strict=True):
        np.testing.assert_allclose(np.diag(matrix), result[0].data.stds ** 2, rtol=1e-12)
        np.testing.assert_array_equal(matrix, matrix.T)
    return evs, reported


@pytest.mark.parametrize("options", [{"shots": 200}, {"shots": 100, "num_samples": 200}], ids=str)
def test_the_covariance_of_shifted_bindings_is_that_of_repeated_jobs(options):
    """A z test of every entry over 1000 jobs, seed 5, at 4.5 sigma; false-alarm rate 2e-5 a case.

    The two share the shots of two partitions of three, so they covary, which the test must see.
    The spread of a gradient, half their difference, is within 10 % of what follows: rate 1e-5.
    """
    circuit, observable, values = shifted_pub()
    evs, reported = covariances(1000, seed=5, **options)
    deviations = evs - exact_values(circuit, [observable], np.array(values))[:, 0]
    differences = deviations[:, :, None] * deviations[:, None, :] - reported
    errors = differences.std(axis=0) / np.sqrt(len(evs))
    assert np.all(np.abs(differences.mean(axis=0)) < 4.5 * errors)
    assert abs(reported[:, 0, 1].mean()) > 9 * errors[0, 1], "it could be taken for zero"
    weights = np.array([0.5, -0.5])
    expected = np.sqrt(np.mean(weights @ reported @ weights))
    assert np.std(evs @ weights) == pytest.approx(expected, rel=0.1)


def test_the_covariance_reaches_over_pubs_in_their_order():
    """Entries are points, PUB after PUB; two PUBs give what one of two points gives."""
    circuit, observable, values = shifted_pub()
    with estimator(partition_labels="ABC", shots=200, seed=6, covariance=True) as made:
        apart = made.run([(circuit, observable, row) for row in values]).result()
    with estimator(partition_labels="ABC", shots=200, seed=6, covariance=True) as made:
        together = made.run([shifted_pub()]).result()
    evs = [result.data.evs.item() for result in apart]
    np.testing.assert_allclose(evs, together[0].data.evs, rtol=1e-12)
    np.testing.assert_allclose(
        apart.metadata["covariance"], together.metadata["covariance"], rtol=1e-9
    )
