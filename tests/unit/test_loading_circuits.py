"""From an OpenQASM file or a Python entry point to a circuit, and what is said where that fails."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from circuitscenarios import BELL, GHZ, MODULE, write
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Operator

from qcutsim.errors import ScenarioError
from qcutsim.estimator import fingerprint
from qcutsim.learning import bind_random, load_circuits
from qcutsim.runcircuits import RunCircuits
from qcutsim.scenario import load_scenario

QASM2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
QASM3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'


def only_circuit(path: Path) -> QuantumCircuit:
    (circuit,) = load_circuits(load_scenario(path)).values()
    return circuit


def ghz(theta: float, phi: float) -> QuantumCircuit:
    """What ``scenarios/ghz.qasm`` says, written down once more."""
    circuit = QuantumCircuit(4)
    circuit.h(0)
    circuit.cx([0, 1, 2], [1, 2, 3])
    circuit.ry(theta, 0)
    circuit.rx(phi, 1)
    circuit.ry(theta / 2, 2)
    circuit.rz(0.3, 3)
    circuit.ry(0.7, 3)
    return circuit


def test_a_file_of_either_version_is_the_circuit_that_it_says(tmp_path):
    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    for name, text in {
        "two": BELL,
        "three": QASM3 + "qubit[2] q;\nh q[0];\ncx q[0], q[1];\n",
    }.items():
        found = only_circuit(write(tmp_path / name, text=text))
        assert Operator(found).equiv(Operator(bell))
    found = only_circuit(write(tmp_path / "ghz", text=GHZ, labels="AABB"))
    phi, theta = found.parameters
    assert (phi.name, theta.name) == ("phi", "theta")
    bound = found.assign_parameters({theta: 0.9, phi: 2.1})
    assert Operator(bound).equiv(Operator(ghz(0.9, 2.1)))


MEASURED = {
    "at the end": BELL.replace("h q", "creg c[2];\nh q") + "barrier q;\nmeasure q -> c;\n",
    "one qubit": QASM3 + "qubit[2] q;\nbit c;\nh q[0];\ncx q[0], q[1];\nc = measure q[1];\n",
}


@pytest.mark.parametrize("text", MEASURED.values(), ids=MEASURED)
def test_final_measurements_are_removed_with_their_classical_bits(tmp_path, text):
    found = only_circuit(write(tmp_path, text=text))
    assert found.num_clbits == 0
    assert [one.operation.name for one in found.data] == ["h", "cx"]


SYNTAX = {
    "no semicolon": (BELL.replace("[0];\ncx", "[0]\ncx"), "5:1: not valid OpenQASM 2: needed ';'"),
    "no such gate": (BELL + "foo q[1];\n", "6:1: not valid OpenQASM 2: 'foo' is not defined"),
    "no such qubit": (BELL + "x q[5];\n", "6:5: not valid OpenQASM 2: index 5 is out-of-range"),
    "no semicolon, 3": (
        QASM3 + "qubit[2] q;\nh q[0]\ncx q[0], q[1];\n",
        "5:1: not valid OpenQASM 3",
    ),
    "no such gate, 3": (
        QASM3 + "qubit[2] q;\nfoo q[1];\n",
        "4:1: not valid OpenQASM 3: gate 'foo' is not defined",
    ),
    "an unknown character": (
        QASM3 + "qubit[2] q;\nint x = $;\n",
        "4:9: not valid OpenQASM 3: token",
    ),
    "no such parameter": (
        QASM3 + "qubit[2] q;\nrx(theta) q[0];\n",
        "4:4: not valid OpenQASM 3: Undefined symbol 'theta'",
    ),
}


@pytest.mark.parametrize(("text", "message"), SYNTAX.values(), ids=SYNTAX)
def test_a_mistake_in_a_file_is_named_by_its_line_there_with_a_caret(
    tmp_path, capfd, text, message
):
    path = write(tmp_path, text=text)
    with pytest.raises(ScenarioError) as raised:
        load_circuits(load_scenario(path))
    said, line, caret = str(raised.value).splitlines()
    assert said.startswith(f"{tmp_path}/own.qasm:{message}")
    assert line.strip() == text.splitlines()[int(message.partition(":")[0]) - 1]
    assert caret.strip() == "^"
    assert capfd.readouterr() == ("", "")


HERE = "s.yaml:4:3: workload.circuit: "
REFUSED = {
    "measured mid-circuit": (
        QASM2 + "qreg q[2];\ncreg c[1];\nmeasure q[0] -> c[0];\ncx q[0], q[1];\n",
        "measures a qubit that is used again (mid-circuit), which cannot be cut; defer",
    ),
    "a classical condition": (
        QASM3 + "qubit[2] q;\nbit c;\nc = measure q[0];\nif (c) { x q[1]; }\n",
        "holds 'if_else', which depends on classical bits or is control flow",
    ),
    "a loop": (
        QASM3 + "qubit[2] q;\nfor int i in [0:1] { h q[0]; }\n",
        "holds 'for_loop', which depends on classical bits or is control flow",
    ),
    "no qubits": (QASM3, "the circuit has no qubits; there is nothing to estimate"),
    "a gate without an angle": (
        QASM3 + "qubit[2] q;\nrx() q[0];\n",
        "own.qasm: not valid OpenQASM 3, or not supported by qiskit: RXGate",
    ),
    "an opaque gate": (
        QASM2 + "qreg q[2];\nopaque bar a;\nbar q[0];\n",
        "the circuit holds 'bar', which cannot be taken apart into gates",
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED)
def test_a_circuit_that_cannot_be_cut_is_refused_where_the_scenario_names_it(
    tmp_path, text, message
):
    scenario = load_scenario(write(tmp_path, text=text))
    with pytest.raises(ScenarioError) as raised:
        RunCircuits.of(scenario)
    said, line, caret = str(raised.value).replace(f"{tmp_path}/", "").splitlines()
    assert said.startswith(HERE + message)
    assert (line, caret) == ("      circuit: own.qasm", "      ^")


def module(folder: Path, name: str) -> str:
    """A module of this name, which no other test has imported."""
    (folder / f"{name}.py").write_text(MODULE)
    return name


def test_an_entry_point_is_called_with_the_arguments_that_the_scenario_gives(tmp_path):
    name = module(tmp_path, "own_circuits_called")
    path = write(
        tmp_path,
        f"{name}:chain",
        text=None,
        labels="ABBB",
        more="  circuit_parameters: {qubits: 4, angle: 1e-3}\n",
    )
    before = list(sys.path)
    found = only_circuit(path)
    assert sys.path == before
    assert found.num_qubits == 4
    assert [one.operation.params[0] for one in found.data[:4]] == [0.001] * 4
    assert [parameter.name for parameter in found.parameters] == ["theta"]


ENTRY_POINTS = {
    "no module": ("own_no_module:f", "", "there is no module 'own_no_module'; it is looked for"),
    "no submodule": ("qcutsim.none:f", "", "there is no module 'qcutsim.none'; it is looked for"),
    "no function": ("{}:ring", "", "the module '{}' has no 'ring'"),
    "a number": ("{}:number", "", "'{}:number' is a int, not a function"),
    "nothing": ("{}:nothing", "", "returned a NoneType; expected a qiskit QuantumCircuit"),
    "an error": ("{}:broken", "", "'{}:broken' raised RuntimeError: out of order"),
    "another argument": (
        "{}:chain",
        "  circuit_parameters: {{length: 4}}\n",
        "'{}:chain' cannot be called with 'circuit_parameters' length: got an unexpected keyword",
    ),
    "another number of qubits": (
        "{}:chain",
        "",
        "'{}:chain' has 3 qubits, 'partition_labels' 'AB'",
    ),
}


@pytest.mark.parametrize(("circuit", "more", "message"), ENTRY_POINTS.values(), ids=ENTRY_POINTS)
def test_an_entry_point_that_gives_no_circuit_is_refused_where_the_scenario_names_it(
    tmp_path, circuit, more, message
):
    name = module(tmp_path, "own_circuits_refused")
    path = write(tmp_path, circuit.format(name), text=None, more=more.format())
    with pytest.raises(ScenarioError) as raised:
        load_circuits(load_scenario(path))
    said, _, caret = str(raised.value).removeprefix(f"{tmp_path}/").splitlines()
    assert said.startswith(HERE + message.format(name))
    assert caret == "      ^"


def test_a_module_that_fails_when_it_is_imported_is_refused(tmp_path):
    (tmp_path / "own_circuits_failing.py").write_text("import no_such_thing\n")
    path = write(tmp_path, "own_circuits_failing:f", text=None)
    with pytest.raises(ScenarioError, match="cannot be imported: No module named 'no_such_thing'"):
        load_circuits(load_scenario(path))
    (tmp_path / "own_circuits_exiting.py").write_text("raise SystemExit(3)\n")
    path = write(tmp_path, "own_circuits_exiting:f", text=None)
    with pytest.raises(ScenarioError, match="cannot be imported: SystemExit: 3"):
        load_circuits(load_scenario(path))


def test_values_of_free_parameters_belong_to_seed_and_query():
    circuit = QuantumCircuit(1)
    for number in range(50):
        circuit.rx(Parameter(f"p{number:02}"), 0)

    def values(seed: int, *key: int) -> list[float]:
        return [float(one.operation.params[0]) for one in bind_random(circuit, seed, *key).data]

    assert values(3, 0, 1) == values(3, 0, 1)
    drawn = [values(3, 0, 1), values(3, 0, 2), values(3, 1, 1), values(4, 0, 1)]
    assert len({value for one in drawn for value in one}) == 200
    assert all(0 <= value < 2 * np.pi for one in drawn for value in one)
    # The largest of 200 uniform draws is below 3/4 of the range at a rate of 1e-25.
    assert max(map(max, drawn)) > 1.5 * np.pi


def test_a_fingerprint_is_of_what_a_circuit_does():
    one, same, other = QuantumCircuit(2), QuantumCircuit(2, name="another"), QuantumCircuit(2)
    for circuit, angle in ((one, 0.3), (same, 0.3), (other, 0.4)):
        circuit.rx(angle, 0)
        circuit.cx(0, 1)
    same.barrier()
    assert fingerprint(one) == fingerprint(same)
    assert len({fingerprint(c) for c in (one, other, one.reverse_bits(), one.inverse())}) == 4
