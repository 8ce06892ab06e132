"""Without shots a cut circuit has the value of the whole one, however it is cut and evaluated."""

from __future__ import annotations

import numpy as np
import pytest
from circuits import (
    ANGLE_GATES,
    CASES,
    CHEAP_CASES,
    CHEAP_MOVE_CASES,
    CHEAP_WIRE_CASES,
    FINDER_CASES,
    MOVE_CASES,
    TOLERANCE,
    UNCUT_CASES,
    WIRE_CASES,
    all_to_all,
    chain,
    exact_values,
    ring,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import CXGate, UnitaryGate
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector, random_unitary
from qiskit_addon_cutting.instructions import CutWire
from qiskit_addon_cutting.qpd import TwoQubitQPDGate

from qcutsim import DistributedEstimator
from qcutsim.errors import InputError
from qcutsim.estimator import reconstruction_kinds

ROTATIONS = {
    **dict.fromkeys(["rx", "ry", "rz", "p"], (0,)),
    **dict.fromkeys(["rxx", "ryy", "rzz", "crx", "cry", "crz", "cp"], (1, 0)),
}


def law(examples):
    return settings(max_examples=examples, derandomize=True, deadline=None)


def estimator(labels=None, **options):
    given_options = {"shots": None, "backend": "batched", "pool": "inline", **options}
    return DistributedEstimator(partition_labels=labels, **given_options)


def values_of(pubs, labels=None, **options):
    """The values of every PUB; there is nothing random about them, so their errors are zero."""
    with estimator(labels, **options) as made:
        results = list(made.run(pubs).result())
    assert all(np.all(result.data.stds == 0) for result in results)
    return [result.data.evs for result in results]


def assert_exact(case, **options):
    (evs,) = values_of([case.pub], case.labels, **options)
    np.testing.assert_allclose(evs, case.exact, rtol=0, atol=TOLERANCE)


def assert_as_the_statevector(pubs, labels, **options):
    expected = [result.data.evs for result in StatevectorEstimator().run(pubs).result()]
    for evs, wanted in zip(values_of(pubs, labels, **options), expected, strict=True):
        assert np.shape(evs) == np.shape(wanted)
        np.testing.assert_allclose(evs, wanted, rtol=0, atol=TOLERANCE)


def test_the_strategies_under_test_are_all_there_are():
    assert reconstruction_kinds() == ["contracted", "incremental", "per_shot", "tree", "vectorised"]


@given(CASES)
@law(60)
def test_cut_gates_leave_the_value_as_it_is(case):
    for kind in reconstruction_kinds():
        assert_exact(case, reconstruction=kind)


@given(WIRE_CASES)
@law(25)
def test_cut_wires_leave_the_value_as_it_is(case):
    for kind in ("contracted", "incremental", "tree"):
        assert_exact(case, reconstruction=kind)


@given(MOVE_CASES)
@law(25)
def test_moves_and_resets_leave_the_value_as_it_is(case):
    for kind in reconstruction_kinds():
        assert_exact(case, reconstruction=kind)


@given(st.one_of(CHEAP_CASES, CHEAP_WIRE_CASES, CHEAP_MOVE_CASES))
@law(25)
def test_aer_gives_the_same_values(case):
    for kind in reconstruction_kinds():
        assert_exact(case, backend="aer", reconstruction=kind)


@given(st.one_of(CHEAP_CASES, CHEAP_WIRE_CASES, CHEAP_MOVE_CASES))
@law(20)
def test_the_upstream_pipeline_gives_the_same_values(case):
    assert_exact(case, backend="aer", pipeline="upstream")


@given(UNCUT_CASES)
@law(30)
def test_without_labels_or_marks_the_circuit_is_run_whole(case):
    assert_exact(case)
    assert_exact(case, backend="aer")


@given(FINDER_CASES, st.integers(1, 3))
@law(25)
def test_the_cut_finder_leaves_the_value_as_it_is(case, max_qubits):
    assert_exact(case, max_qubits=max_qubits)


@pytest.mark.parametrize("pipeline", ["planned", "upstream"])
def test_the_cut_finder_cuts(pipeline):
    circuit = chain(5, np.arange(5) / 3, np.arange(5) / 4)
    with estimator(max_qubits=3, backend="aer", pipeline=pipeline) as made:
        (result,) = made.run([(circuit, "ZXIZZ")]).result()
    assert result.metadata["cuts"] == 1
    exact = exact_values(circuit, [SparsePauliOp("ZXIZZ")], np.zeros((1, 0)))
    assert result.data.evs == pytest.approx(exact.item(), abs=TOLERANCE)


@pytest.mark.parametrize("backend", ["batched", "aer"])
@pytest.mark.parametrize(("name", "qubits"), ROTATIONS.items(), ids=ROTATIONS)
def test_every_rotation_is_bound_to_every_row(name, qubits, backend):
    """Aer binds some controlled rotations wrongly, and silently so, when it is given rows."""
    x = Parameter("x")
    circuit = QuantumCircuit(2)
    circuit.ry(0.4, 0)
    circuit.ry(1.1, 1)
    getattr(circuit, name)(x, *qubits)
    circuit.rx(0.7, 0)
    circuit.ry(0.3, 1)
    pub = (circuit, [["ZX", "YZ"]], np.linspace(-4, 4, 5)[:, None, None])
    assert_as_the_statevector([pub], None, backend=backend)


@pytest.mark.parametrize("backend", ["batched", "aer"])
@pytest.mark.parametrize("name", list(ANGLE_GATES))
def test_a_free_angle_of_a_cut_gate_may_take_any_value(name, backend):
    """Among them the angles at which terms of the decomposition vanish."""
    x, y = Parameter("x"), Parameter("y")
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(0.5 + qubit, qubit)
    circuit.append(ANGLE_GATES[name](x), [0, 1])
    circuit.append(ANGLE_GATES[name](2 * y - x), [2, 1])
    circuit.rx(0.4, [0, 1, 2])
    special = np.array([[a, b] for a in (0, np.pi / 2, np.pi, -3 * np.pi) for b in (0, 0.3)])
    drawn = np.random.default_rng(7).uniform(-10, 10, (40, 2))
    values = np.concatenate([special, drawn])
    pub = (circuit, [["ZXY", "IZX"]], values[:, None])
    assert_as_the_statevector([pub], "ABC", backend=backend)


@pytest.mark.parametrize("name", ["crx", "crz", "cp", "cry"])
def test_other_cut_gates_with_a_free_angle_are_refused_by_name(name):
    circuit = QuantumCircuit(2)
    getattr(circuit, name)(Parameter("x"), 0, 1)
    with pytest.raises(InputError, match=f"'{name}'.*free parameter"):
        values_of([(circuit, "ZZ", [0.1])], "AB")
    with pytest.raises(InputError, match=f"'{name}'.*free parameter"):
        values_of([(circuit, "ZZ", [0.1])], max_qubits=1)


@pytest.mark.parametrize("pipeline", ["planned", "upstream"])
def test_labels_are_refused_together_with_cut_wires(pipeline):
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    circuit.append(CutWire(), [0])
    with pytest.raises(InputError, match="CutWire and partition labels"):
        values_of([(circuit, "ZZ")], "AB", backend="aer", pipeline=pipeline)


@pytest.mark.parametrize("pipeline", ["planned", "upstream"])
@pytest.mark.parametrize("labels", ["A", "ABC", ""])
def test_labels_that_do_not_fit_the_circuit_are_refused(labels, pipeline):
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    with pytest.raises(InputError, match=f"'{labels}' name {len(labels)} qubits.* has 2"):
        values_of([(circuit, "ZZ")], labels, backend="aer", pipeline=pipeline)


@pytest.mark.parametrize("name", ["cp", "crz", "rzz"])
def test_circuits_that_differ_in_the_angle_of_a_cut_gate_are_told_apart(name):
    """A plan is kept and used again; what it holds of one circuit must not reach the next."""
    pubs = []
    for angle in (0.3, 1.7, 1.7, -2.0):
        circuit = QuantumCircuit(2)
        circuit.h([0, 1])
        getattr(circuit, name)(angle, 0, 1)
        circuit.ry(0.4, 1)
        pubs.append((circuit, "XX"))
    assert_as_the_statevector(pubs, "AB")
    with estimator("AB") as made:
        evs = [float(made.run([pub]).result()[0].data.evs) for pub in pubs]
    expected = [result.data.evs for result in StatevectorEstimator().run(pubs).result()]
    np.testing.assert_allclose(evs, expected, rtol=0, atol=TOLERANCE)


@given(st.lists(CHEAP_CASES, min_size=2, max_size=4))
@law(20)
def test_one_estimator_may_be_given_many_circuits_in_one_job_and_in_many(cases):
    """Cut by the finder, so that one estimator serves circuits of any width."""
    pubs = [case.pub for case in cases]
    for evs, case in zip(values_of(pubs), cases, strict=True):
        np.testing.assert_allclose(evs, case.exact, rtol=0, atol=TOLERANCE)
    with estimator() as made:
        for case in cases * 2:
            evs = made.run([case.pub]).result()[0].data.evs
            np.testing.assert_allclose(evs, case.exact, rtol=0, atol=TOLERANCE)


def rotated_chain():
    """Three qubits, one free angle each, and their number of parameters."""
    angles = ParameterVector("a", 3)
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(angles[qubit] + 0.2, qubit)
    circuit.cx(0, 1)
    circuit.rzz(angles[0] * angles[2], 1, 2)
    circuit.rx(0.3, [0, 1, 2])
    return circuit


ROWS = np.random.default_rng(3).uniform(-3, 3, (2, 3, 3))
BROADCASTS = {
    "scalar": ("XZY", ROWS[0, 0]),
    "observables in a row": (["XZY", "ZZZ"], ROWS[0, 0]),
    "one observable, rows of values": ("XZY", ROWS[0]),
    "pairs": (["XZY", "ZZZ", "IIZ"], ROWS[0]),
    "outer product": (["XZY", "ZZZ"], ROWS[0][:, None]),
    "two axes of observables": ([["XZY"], ["ZZZ"]], ROWS[0]),
    "two axes of values": ("XZY", ROWS),
    "three axes": ([[["XZY"]], [["ZZZ"]]], ROWS),
    "sums": ([SparsePauliOp(["XZY", "III", "XXI"], [0.3, -2, 1.5]), "ZZZ"], ROWS[0][:, None]),
}


@pytest.mark.parametrize("pipeline", ["planned", "upstream"])
@pytest.mark.parametrize("pub", BROADCASTS.values(), ids=BROADCASTS)
def test_pubs_of_any_shape_are_answered_in_that_shape(pub, pipeline):
    options = {"pipeline": pipeline, "backend": "aer" if pipeline == "upstream" else "batched"}
    assert_as_the_statevector([(rotated_chain(), *pub)], "AAB", **options)


def test_all_these_pubs_and_another_circuit_may_share_a_job():
    other = chain(3, [0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    one = rotated_chain()
    pubs = [(rotated_chain(), *pub) for pub in BROADCASTS.values()]
    pubs += [(one, *pub) for pub in BROADCASTS.values()]
    pubs[3:3] = [(other, ["ZZZ", "IXY"])]
    assert_as_the_statevector(pubs, "ABC")


def test_values_may_be_given_by_parameter():
    circuit = rotated_chain()
    by_name = {circuit.parameters[1]: [0.1, 0.2], "a[0]": [0.5, 0.6], "a[2]": [1.0, -1.0]}
    assert_as_the_statevector([(circuit, "ZXZ", by_name)], "ABB")


@pytest.mark.parametrize("pipeline", ["planned", "upstream"])
@pytest.mark.parametrize("labels", ["AAA", "ABB"])
def test_projectors_are_observables_too(labels, pipeline):
    """Against the operator of the label itself; 0 1 + - r l are eigenstates of Z, X and Y."""
    circuit = rotated_chain()
    terms = ["0+r", "1-l", "Z0I", "11Y", "III"]
    weighted = {"0+I": 0.5, "ZZ1": -2.0, "l-r": 1.5}
    operators = [Operator.from_label(term) for term in terms]
    operators.append(sum(weight * Operator.from_label(term) for term, weight in weighted.items()))
    (evs,) = values_of(
        [(circuit, [*terms, weighted], ROWS[0][:, None])],
        labels,
        backend="aer",
        pipeline=pipeline,
    )
    for row, values in zip(evs, ROWS[0], strict=True):
        state = Statevector(circuit.assign_parameters(values))
        expected = [state.expectation_value(operator).real for operator in operators]
        np.testing.assert_allclose(row, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("pub", [("ZZZ", np.zeros((0, 3))), ([], ROWS[0, 0])])
def test_pubs_without_points_have_empty_results(pub):
    assert_as_the_statevector([(rotated_chain(), *pub)], "ABC")
    assert_as_the_statevector([(rotated_chain(), *pub), (rotated_chain(), "ZZZ", ROWS[0])], "ABC")


def test_an_expression_without_a_derivative_is_evaluated_like_any_other():
    x = Parameter("x")
    circuit = QuantumCircuit(2)
    circuit.rx(x.sign() * 0.7 + x, 0)
    circuit.cx(0, 1)
    assert_as_the_statevector([(circuit, "ZY", [[0.4], [-0.4]])], "AB")


@pytest.mark.parametrize("kind", reconstruction_kinds())
def test_cuts_may_form_a_ring(kind):
    circuit = ring(ANGLE_GATES["rzz"], 4, np.linspace(0.3, 2.4, 4))
    assert_as_the_statevector([(circuit, ["ZZZZ", "XYZI"])], "ABCD", reconstruction=kind)


# per_shot would loop over 6^6 joint terms in Python.
@pytest.mark.parametrize("kind", sorted({*reconstruction_kinds()} - {"per_shot"}))
def test_every_two_partitions_may_be_joined_by_a_cut(kind):
    circuit = all_to_all(ANGLE_GATES["rzz"], 4, np.linspace(0.3, 2.4, 6))
    assert_as_the_statevector([(circuit, ["ZZZZ", "XYZI"])], "ABCD", reconstruction=kind)


@pytest.mark.parametrize("labels", ["AABB", "ABAB", "ABBA", "ABCA"])
def test_several_cuts_may_join_the_same_two_partitions(labels):
    circuit = all_to_all(ANGLE_GATES["ryy"], 4, np.linspace(0.3, 2.4, 6))
    assert_as_the_statevector([(circuit, ["ZZZZ", "XYZI"])], labels)


@pytest.mark.parametrize("labels", [[0, 1], [("row", 2), ("row", 1)], np.array([5, 3]), ["", "B"]])
def test_labels_may_be_anything_hashable(labels):
    assert_as_the_statevector([(chain(2, [0.3, 0.8], [0.1, 0.2]), ["ZX", "XZ"])], labels)


def test_a_unitary_of_two_qubits_can_be_cut():
    circuit = chain(2, [0.3, 0.8], [0.1, 0.2])
    circuit.append(UnitaryGate(random_unitary(4, seed=1)), [1, 0])
    assert_as_the_statevector([(circuit, ["ZX", "XZ", "YI"])], "AB")


@pytest.mark.parametrize("pipeline", ["planned", "upstream"])
def test_a_qpd_gate_in_the_circuit_marks_a_cut(pipeline):
    plain = chain(2, [0.3, 0.8], [0.1, 0.2])
    marked = QuantumCircuit(2)
    for instruction in plain.data:
        if instruction.operation.name == "cx":
            marked.append(TwoQubitQPDGate.from_instruction(CXGate()), [0, 1])
        else:
            marked.append(instruction)
    (evs,) = values_of([(marked, ["ZX", "XZ"])], backend="aer", pipeline=pipeline)
    expected = exact_values(plain, [SparsePauliOp("ZX"), SparsePauliOp("XZ")], np.zeros((1, 0)))
    np.testing.assert_allclose(evs, expected[0], rtol=0, atol=TOLERANCE)


def chain_value(first, last):
    """<Z...Z> of :func:`circuits.chain`, summed over one bit of ket and bra a qubit.

    RY makes real amplitudes cos and sin of half the angle, and the CX ladder turns bit b_i into
    c_i = b_i xor c_(i-1). So the state is sum_c prod_i a_i(c_i xor c_(i-1)) |c>, a matrix product
    with one bit between neighbours, nothing truncated; Z after RY(w) is cos(w) Z - sin(w) X.
    """
    before = np.zeros((2, 2))
    before[0, 0] = 1
    for angle, turn in zip(first, last, strict=True):
        amplitude = np.array([np.cos(angle / 2), np.sin(angle / 2)])
        step = amplitude[[[0, 1], [1, 0]]]
        observed = np.array([[np.cos(turn), -np.sin(turn)], [-np.sin(turn), -np.cos(turn)]])
        before = np.einsum("ab,ac,bd,cd->cd", before, step, step, observed)
    return before.sum()


def test_the_independent_value_of_a_chain_is_that_of_its_state():
    rng = np.random.default_rng(2)
    first, last = rng.uniform(-3, 3, (2, 5))
    exact = exact_values(chain(5, first, last), [SparsePauliOp("ZZZZZ")], np.zeros((1, 0)))
    assert chain_value(first, last) == pytest.approx(exact.item(), abs=1e-12)


def test_a_chain_of_60_qubits_in_60_partitions_has_its_value():
    """59 cuts, 6^59 joint terms: only the contraction of the network gets there."""
    rng = np.random.default_rng(4)
    first, last = rng.uniform(-0.35, 0.35, 60), rng.uniform(-0.1, 0.1, 60)
    labels = [f"part {qubit}" for qubit in range(60)]
    expected = chain_value(first, last)
    assert abs(expected) > 0.05, "the test could not tell it from zero"
    for kind in ("contracted", "incremental", "tree"):
        pubs = [(chain(60, first, last), "Z" * 60)]
        (evs,) = values_of(pubs, labels, reconstruction=kind)
        assert evs == pytest.approx(expected, abs=TOLERANCE)
