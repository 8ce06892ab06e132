"""Cuts told apart into local settings, partitions into templates."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import (
    CXGate,
    ECRGate,
    RXXGate,
    RYYGate,
    RZZGate,
    SwapGate,
    real_amplitudes,
    z_feature_map,
)
from qiskit_addon_cutting.instructions import CutWire, Move
from qiskit_addon_cutting.qpd import QPDBasis

from qcutsim.errors import InputError
from qcutsim.estimator import CutOptions, Limits
from qcutsim.estimator.circuits import Angles, flatten, structure_key
from qcutsim.estimator.cutting import cut_basis, cut_leaves
from qcutsim.estimator.plan import CutPlan
from qcutsim.estimator.planning import build_plan


def plan_of(circuit: QuantumCircuit, term: str, **options: object) -> CutPlan:
    return build_plan(
        flatten(circuit), circuit.num_qubits, (term,), CutOptions(**options), Limits()
    )


def chain(qubits: int) -> QuantumCircuit:
    ansatz = real_amplitudes(qubits, reps=1, entanglement="linear")
    return z_feature_map(qubits, reps=1).compose(ansatz)


@pytest.mark.parametrize(
    ("gate", "terms", "settings"), [(CXGate(), 6, (5, 5)), (Move(), 8, (4, 6))]
)
def test_a_cut_has_fewer_settings_on_each_side_than_terms(gate, terms, settings):
    basis = cut_basis(QPDBasis.from_instruction(gate), gate.name)
    assert basis.terms == terms
    assert tuple(map(len, basis.settings)) == settings


@pytest.mark.parametrize("gate", [CXGate(), SwapGate(), ECRGate(), Move(), RZZGate(0.3)])
def test_the_coupling_matrix_sums_the_weights_of_all_terms(gate):
    library = QPDBasis.from_instruction(gate)
    basis = cut_basis(library, gate.name)
    weights = basis.weights(None)
    assert basis.coupling(weights).sum() == pytest.approx(sum(library.coeffs), abs=1e-12)
    assert np.abs(weights).sum() == pytest.approx(library.kappa)


@pytest.mark.parametrize("make", [RXXGate, RYYGate, RZZGate])
def test_the_weights_of_a_rotation_are_those_of_the_library_at_any_angle(make):
    circuit = QuantumCircuit(2)
    circuit.append(make(Parameter("angle")), [0, 1])
    (cut,) = cut_leaves(flatten(circuit), 2, partition_labels="AB").cuts
    angles = np.random.default_rng(5).uniform(-7, 7, 20)
    expected = [QPDBasis.from_instruction(make(angle)).coeffs for angle in angles]
    np.testing.assert_allclose(cut.basis.weights(angles), expected, atol=1e-14)


def test_isomorphic_partitions_share_a_template():
    plan = plan_of(chain(6), "ZZZZZZ", partition_labels="ABCDEF")
    assert len(plan.partitions) == 6
    assert len(plan.templates) == 3
    assert plan.subexperiments == 5 + 4 * 25 + 5
    assert plan.coefficients == 6**5


def test_a_plan_serves_every_circuit_of_its_structure():
    circuit = chain(3)
    bound = circuit.assign_parameters(np.linspace(0, 1, circuit.num_parameters))
    other = circuit.assign_parameters(np.linspace(2, 3, circuit.num_parameters))
    keys = {structure_key(flatten(one), 3) for one in (circuit, bound, other)}
    assert len(keys) == 1
    other.x(0)
    assert structure_key(flatten(other), 3) not in keys


def test_a_wire_that_is_cut_ends_in_one_partition_and_goes_on_in_another():
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    circuit.append(CutWire(), [1])
    circuit.h(1)
    cut = cut_leaves(flatten(circuit), 2)
    assert [len(partition.qubits) for partition in cut.partitions] == [2, 1]
    assert cut.home == ((0, 0), (1, 0))


def test_resets_that_change_nothing_are_left_out():
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    circuit.append(CutWire(), [1])
    circuit.h(1)
    plan = plan_of(circuit, "ZZ")
    operations = [
        operation
        for template in plan.templates
        for slot in template.program.slots
        for setting in slot
        for operation in setting
    ]
    assert not [operation for operation in operations if type(operation).__name__ == "Reset"]


@pytest.mark.parametrize("edges", [[], [(0, 1), (2, 3)], [(0, 1), (1, 2), (2, 3)]])
def test_no_partition_is_wider_than_asked(edges):
    circuit = QuantumCircuit(4)
    circuit.h(range(4))
    for edge in edges:
        circuit.cx(*edge)
    plan = plan_of(circuit, "ZZZZ", max_qubits=2)
    assert max(template.width for template in plan.templates) <= 2
    assert len(plan.cuts) == (len(edges) == 3)


def test_an_operation_on_three_qubits_is_decomposed_where_it_spans_partitions():
    circuit = QuantumCircuit(3)
    circuit.ccx(0, 1, 2)
    inside = plan_of(circuit, "ZZZ", partition_labels="AAA")
    across = plan_of(circuit, "ZZZ", partition_labels="AAB")
    assert len(inside.cuts) == 0
    assert len(across.cuts) == 4  # the Toffoli's six CX, less two between qubits 0 and 1


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (lambda c: c.cx(0, 1), {"partition_labels": "ABC"}, r"name 3 qubits.*has 2"),
        (lambda c: c.append(CutWire(), [0]), {"partition_labels": "AB"}, "CutWire.*labels"),
        (lambda c: c.crz(Parameter("a"), 0, 1), {"partition_labels": "AB"}, "'crz'.*rzz"),
        (lambda c: c.cx(0, 1), {"max_qubits": 0}, "max_qubits is 0"),
        (lambda c: c.append(CutWire(), [0]), {"max_qubits": 1}, "remove CutWire"),
        (lambda c: c.measure_all(), {"partition_labels": "AB"}, "'measure' with classical bits"),
        (
            lambda c: c.cx(0, 1),
            {"max_qubits": 1, "partition_labels": "AB"},
            "give one of them",
        ),
    ],
)
def test_what_cannot_be_cut_is_refused_with_what_to_do(build, options, message):
    circuit = QuantumCircuit(2)
    build(circuit)
    with pytest.raises(InputError, match=message):
        plan_of(circuit, "ZZ", **options)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(subexperiments=20), "partition 'B'.*25 settings.*fewer cuts meet"),
        (Limits(subexperiments=50), "60 distinct subexperiments.*cut less"),
        (Limits(contraction_work=10), "multiply-adds a value.*fewer cuts"),
        (Limits(memory_bytes=100), "GiB a binding.*narrower"),
    ],
)
def test_a_plan_above_a_limit_is_refused_with_what_to_change(limits, message):
    options = CutOptions(partition_labels="ABCD")
    with pytest.raises(InputError, match=message):
        build_plan(flatten(chain(4)), 4, ("ZZZZ",), options, limits)


def test_angles_are_evaluated_for_all_bindings_at_once():
    x, y = Parameter("x"), Parameter("y")
    expressions = [0.5, x, 2 * x - y + 1, (np.pi - x) * (np.pi - y), y.sin()]
    values = np.random.default_rng(2).uniform(-3, 3, (7, 2))
    a, b = values.T
    expected = np.stack(
        [np.full(7, 0.5), a, 2 * a - b + 1, (np.pi - a) * (np.pi - b), np.sin(b)], axis=1
    )
    np.testing.assert_allclose(Angles(expressions, [x, y]).evaluate(values), expected, atol=1e-12)
