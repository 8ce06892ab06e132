"""Circuits of one's own: from an OpenQASM file or a Python entry point to a bound query."""

from __future__ import annotations

import importlib
import inspect
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from qiskit import QuantumCircuit

from qcutsim.cell import Workload, is_entry_point
from qcutsim.errors import InputError, ScenarioError
from qcutsim.extras import require
from qcutsim.owncircuit import CircuitFile, qubit_problem, read_circuit_file
from qcutsim.scenario import Scenario
from qcutsim.seeds import stream
from qcutsim.yamlfile import Problems, load_yaml

_PLACE = re.compile(r"(?:<input>:|L)?(\d+)(?:,|:C)(\d+): (.*)", re.DOTALL)
"""How the two importers of qiskit say where: ``<input>:5,0: ...``, ``5,0: ...``, ``L5:C0 ...``."""


def load_circuits(scenario: Scenario) -> dict[str, QuantumCircuit]:
    """The circuits of a scenario, by :attr:`qcutsim.cell.Workload.title`.

    They have no classical bits; free parameters are still free.

    Raises:
        ScenarioError: one cannot be had, is not what an estimator can evaluate, or has another
            number of qubits than labels and observable; names file, line and column.
        MissingExtraError: what reads OpenQASM 3 is not installed.
    """
    found: dict[str, QuantumCircuit] = {}
    for cell in scenario.cells:
        work = cell.workload
        if work.circuit is msgspec.UNSET:
            continue
        try:
            if work.title not in found:
                folder = Path() if scenario.source is None else scenario.source.parent
                found[work.title] = load_circuit(work, folder)
            problem = qubit_problem(work, found[work.title].num_qubits)
            if problem is not None:
                raise InputError(problem)
        except ScenarioError:  # of the file itself
            raise
        except InputError as error:
            raise refused_circuit(scenario, work, str(error)) from None
    return found


def refused_circuit(scenario: Scenario, work: Workload, problem: str) -> ScenarioError:
    """The error that names where the scenario has this circuit, with the line and a caret."""
    if scenario.source is None:
        return ScenarioError(f"workload.circuit: {work.circuit}: {problem}")
    where = str(scenario.source)
    try:
        file = load_yaml(scenario.source)
    except ScenarioError:  # it has gone, or changed
        return ScenarioError(f"{where}: workload.circuit: {problem}")
    for at in file.marks:
        if {"circuit", "workload.circuit"} & set(at) and file.value(at) == work.circuit:
            where = file.where(at)
            break
    return _with_its_line(scenario.source, f"{where}: workload.circuit: {problem}")


def _with_its_line(path: Path, problem: str) -> ScenarioError:
    problems = Problems(path)
    problems.add(problem)
    try:
        problems.raise_any()
    except ScenarioError as error:
        return error
    return ScenarioError(problem)


def load_circuit(work: Workload, folder: Path) -> QuantumCircuit:
    """The circuit of a workload, without final measurements and classical bits.

    Args:
        work: has a circuit.
        folder: what its path is relative to; a module is also looked for there.

    Raises:
        InputError: it cannot be had, or measures before its end.
    """
    if is_entry_point(str(work.circuit)):
        parameters = {} if work.circuit_parameters is msgspec.UNSET else work.circuit_parameters
        return _unmeasured(_called(str(work.circuit), parameters, folder))
    file = read_circuit_file(folder / str(work.circuit))
    if work.circuit_sha256 not in (msgspec.UNSET, file.sha256):
        raise InputError(f"{file.path}: has changed since the scenario was read; start again")
    return _unmeasured(_parsed(file))


def bind_random(circuit: QuantumCircuit, seed: int, *key: int) -> QuantumCircuit:
    """With values for its free parameters, uniform in [0, 2 pi), drawn for ``seed`` and ``key``."""
    draws = stream(seed, "circuit", *key)
    return circuit.assign_parameters(draws.uniform(0, 2 * np.pi, len(circuit.parameters)))


def _parsed(file: CircuitFile) -> QuantumCircuit:
    """Raises ``ScenarioError`` with the line in the file, or ``InputError`` without."""
    if file.version == "3":
        require("qiskit_qasm3_import")
    try:
        # The parser of OpenQASM 3 also prints what it does not understand.
        with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            return _import(file)
    except Exception as error:
        line, column, problem = _explained(error)
        what = f"not valid OpenQASM {file.version}"
        if line is None:
            raise InputError(
                f"{file.path}: {what}, or not supported by qiskit: {problem}"
            ) from None
        raise _with_its_line(file.path, f"{file.path}:{line}:{column}: {what}: {problem}") from None


def _import(file: CircuitFile) -> QuantumCircuit:
    if file.version == "2":
        from qiskit import qasm2

        return qasm2.loads(
            file.text,
            include_path=(),
            custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS,
            custom_classical=qasm2.LEGACY_CUSTOM_CLASSICAL,
        )
    from qiskit import qasm3

    return qasm3.loads(file.text)


def _explained(error: BaseException) -> tuple[int | None, int, str]:
    """Line and column (both from 1) and what is wrong, as far as the importer tells."""
    text = str(error).strip()
    if text[:1] in ("'", '"') and text[:1] == text[-1:]:  # some tell it as it is written in code
        text = text.strip("\"'")
    place = _PLACE.match(text)
    if place is not None:
        return int(place[1]), int(place[2]) + 1, place[3]
    cause = error.__cause__
    for argument in getattr(cause, "args", ()):
        token = getattr(argument, "offendingToken", None)
        if token is not None:
            return token.line, token.column + 1, f"did not expect {token.text!r}"
    return None, 1, text or type(error).__name__


def _called(entry_point: str, parameters: dict[str, Any], folder: Path) -> Any:
    """What the function of an entry point returns."""
    module_name, _, name = entry_point.partition(":")
    with _found_beside(folder):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise InputError(f"{module_name!r} cannot be imported: {error}") from error
            raise InputError(
                f"there is no module {error.name!r}; it is looked for where Python looks "
                f"(PYTHONPATH) and in {folder.resolve()}"
            ) from None
        except (Exception, SystemExit) as error:
            raise InputError(
                f"{module_name!r} cannot be imported: {type(error).__name__}: {error}"
            ) from error
        made = getattr(module, name, None)
        if made is None:
            raise InputError(f"the module {module_name!r} has no {name!r}")
        if not callable(made):
            raise InputError(
                f"{entry_point!r} is a {type(made).__name__}, not a function; name one that "
                "returns a QuantumCircuit"
            )
        try:
            inspect.signature(made).bind(**parameters)
        except TypeError as error:
            raise InputError(
                f"{entry_point!r} cannot be called with 'circuit_parameters' "
                f"{', '.join(parameters) or 'empty'}: {error}"
            ) from None
        except ValueError:  # it does not tell its arguments
            pass
        try:
            return made(**parameters)
        except (Exception, SystemExit) as error:
            raise InputError(f"{entry_point!r} raised {type(error).__name__}: {error}") from error


@contextmanager
def _found_beside(folder: Path) -> Iterator[None]:
    """Modules in ``folder`` are found, after all others."""
    place = str(folder.resolve())
    sys.path.append(place)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(place)


def _unmeasured(circuit: Any) -> QuantumCircuit:
    """Without final measurements and classical bits.

    Raises:
        InputError: it is no circuit, measures before its end, or has control flow.
    """
    if not isinstance(circuit, QuantumCircuit):
        raise InputError(f"returned a {type(circuit).__name__}; expected a qiskit QuantumCircuit")
    if circuit.num_qubits == 0:
        raise InputError("the circuit has no qubits; there is nothing to estimate")
    is_measured = any(one.operation.name == "measure" for one in circuit.data)
    bare = circuit.remove_final_measurements(inplace=False) if is_measured else circuit
    plain = QuantumCircuit(circuit.num_qubits, global_phase=bare.global_phase)
    for instruction in bare.data:
        name = instruction.operation.name
        if name == "measure":
            raise InputError(
                "measures a qubit that is used again (mid-circuit), which cannot be cut; defer "
                "the measurement to the end, or leave it out (measurements at the end are "
                "removed: the observable says what is measured)"
            )
        if instruction.clbits or hasattr(instruction.operation, "blocks"):
            raise InputError(
                f"holds {name!r}, which depends on classical bits or is control flow; that cannot "
                "be cut: write the gates out"
            )
        plain.append(
            instruction.operation, [bare.find_bit(qubit).index for qubit in instruction.qubits]
        )
    return plain
