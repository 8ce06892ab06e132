"""Who gets how many shots, what a precision does, and what a seed repeats."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from sampled import (
    CHAIN,
    ONE_TERM,
    SEVERAL_TERMS,
    Sampled,
    estimator,
    shifted_pub,
    two_in_superposition,
    with_cut_rotations,
    with_cut_wires,
)

from qcutsim.errors import InputError


def jobs_of(**options):
    """Values of two jobs in turn of one estimator: several bindings, terms and partitions."""
    circuit, observable, values = shifted_pub()
    rows = np.array([*values, values[0]])
    pubs = [(circuit, ["ZZZ", observable], rows[:, None]), (CHAIN.copy(), "XZZY")]
    with estimator(max_qubits=2, shots=64, seed=8, **options) as made:
        jobs = [made.run(pubs).result() for _ in range(2)]
    return [np.concatenate([result.data.evs.reshape(-1) for result in job]) for job in jobs]


@pytest.mark.parametrize(
    "options",
    [
        {"chunk": 1},
        {"chunk": 3},
        {"backend": "aer"},
        {"backend": "aer", "chunk": 3},
        {"pool": "threads:2"},
        {"pool": "threads:2", "chunk": 1},
        {"pool": "threads:2", "backend": "aer"},
        {"reconstruction": "tree"},
        {"reconstruction": "incremental", "pool": "threads:2", "chunk": 3},
        {"pool": "processes:2", "backend": "aer"},
    ],
    ids=str,
)
def test_the_same_seed_gives_the_same_values_however_they_are_computed(options):
    """Counts are the same; how sums are ordered may show in the last digits."""
    for values, others in zip(jobs_of(), jobs_of(**options), strict=True):
        np.testing.assert_allclose(values, others, rtol=0, atol=1e-12)


def test_every_job_has_shots_of_its_own_and_the_same_seed_repeats_them_in_order():
    first, second = jobs_of()
    assert np.all(first[:2] != second[:2])
    repeated = jobs_of()
    np.testing.assert_array_equal(first, repeated[0])
    np.testing.assert_array_equal(second, repeated[1])


def test_other_seeds_give_other_values():
    pub = (CHAIN, ONE_TERM)
    values = []
    for seed in (1, 2, None, None):
        with estimator(partition_labels="ABCD", shots=100, seed=seed) as made:
            values.append(made.run([pub]).result()[0].data.evs.item())
    assert len(set(values)) == 4


def with_one_cut(name, *angles):
    circuit = QuantumCircuit(2)
    circuit.ry(0.9, [0, 1])
    getattr(circuit, name)(*angles, 0, 1)
    circuit.rx(0.5, [0, 1])
    return circuit


PRECISE = {
    "one cut": (with_one_cut("cx"), SparsePauliOp("YY"), "AB"),
    "one weak cut": (with_one_cut("rzz", 0.1), SparsePauliOp("YY"), "AB"),
    "chain": (CHAIN, ONE_TERM, "ABCD"),
    "several terms": (CHAIN, SEVERAL_TERMS, "AABB"),
    "wires": (with_cut_wires(), SparsePauliOp("ZXY"), None),
    "uncut": (CHAIN, SEVERAL_TERMS, None),
    "rotations": (with_cut_rotations(), SparsePauliOp(["ZZZ", "XIZ"], [1, -0.5]), "ABC"),
    "one large weight": (
        two_in_superposition(),
        SparsePauliOp(["ZI", "XI", "YI"], [1, 0.01, 0.01]),
        None,
    ),
}


@pytest.mark.parametrize(("circuit", "observable", "labels"), PRECISE.values(), ids=PRECISE)
def test_a_precision_is_kept(circuit, observable, labels):
    """Reported errors scatter themselves, so 2 % above is let pass."""
    with estimator(partition_labels=labels, seed=9) as made:
        (result,) = made.run([(circuit, observable)], precision=0.05).result()
    assert 0 < result.data.stds <= 0.05 * 1.02
    assert result.metadata["precision_asked"] == 0.05


def test_a_precision_of_zero_asks_for_exact_values():
    with estimator(partition_labels="ABCD", seed=9) as made:
        (result,) = made.run([(CHAIN, ONE_TERM)], precision=0).result()
    exact = Sampled(CHAIN, ONE_TERM).exact
    assert result.data.evs == pytest.approx(exact, abs=1e-9)
    assert result.data.stds == 0
    assert result.metadata["shots_spent"] == 0


def test_without_shots_and_precision_the_error_is_at_most_that_of_qiskit():
    with estimator(partition_labels="ABCD", seed=9) as made:
        (result,) = made.run([(CHAIN, ONE_TERM)]).result()
    assert 0 < result.data.stds <= 0.015625
    assert result.metadata["precision_asked"] is None


@pytest.mark.parametrize("shots", [{"shots": 10}, {"total_shots": 500}, {"shots": None}])
def test_given_shots_win_over_a_precision_which_is_on_record(shots):
    with estimator(**shots, seed=9) as made:
        plain, asked = (
            made.run([(CHAIN, ONE_TERM)], precision=precision).result()[0]
            for precision in (None, 0.001)
        )
    assert asked.metadata["precision_asked"] == 0.001
    assert plain.metadata["precision_asked"] is None
    spent = {"shots": shots.get("shots") or 0, "total_shots": 500}[next(iter(shots))]
    assert asked.metadata["shots_spent"] == plain.metadata["shots_spent"] == spent


def test_each_pub_of_a_job_has_its_own_precision():
    pubs = [(CHAIN, ONE_TERM, None, precision) for precision in (0.1, 0.02, 0)]
    with estimator(partition_labels="AABB", seed=9) as made:
        rough, fine, exact = made.run(pubs, precision=0.5).result()
    assert exact.data.stds == 0 < fine.data.stds <= 0.02 < rough.data.stds <= 0.1


def test_a_budget_below_one_shot_a_subexperiment_is_refused():
    with estimator(partition_labels="ABCD", total_shots=500, seed=9) as made:
        distinct = made.run([(CHAIN, ONE_TERM)]).result()[0].metadata["subexperiments_distinct"]
    for total_shots in (1, distinct - 1):
        with (
            estimator(partition_labels="ABCD", total_shots=total_shots) as made,
            pytest.raises(InputError, match=f"{total_shots} shots.*at least {distinct}"),
        ):
            made.run([(CHAIN, ONE_TERM)]).result()
    with estimator(partition_labels="ABCD", total_shots=distinct) as made:
        (result,) = made.run([(CHAIN, ONE_TERM)]).result()
    assert result.metadata["shots_spent"] == distinct
