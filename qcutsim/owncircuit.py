"""A circuit of one's own in a scenario: which one it is, without qiskit and without importing it.

A file is the SHA-256 of its bytes, an entry point that of its name and arguments. Where a file
declares its qubits in numbers, they are counted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from qcutsim.cell import Workload, is_entry_point
from qcutsim.errors import InputError, ScenarioError
from qcutsim.yamlfile import YamlFile

MOST_BYTES = 16 * 2**20
"""Of a circuit's file."""

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_VERSION = re.compile(r"\s*OPENQASM\s+([23])(?:\.\d+)?\s*;")
_INCLUDE = re.compile(r"\binclude\s+[\"']([^\"']*)[\"']")
_REGISTER = re.compile(r"\bqreg\s+\w+\s*(?:\[\s*(\w+)\s*\])?\s*;")
_QUBITS = re.compile(r"\bqubit\b\s*(?:\[\s*([^\]]*?)\s*\])?\s*\w+\s*;")
_STANDARD_FILES = {"2": "qelib1.inc", "3": "stdgates.inc"}


@dataclass(frozen=True, slots=True)
class CircuitFile:
    """An OpenQASM file. ``qubits`` is ``None`` where they are not declared in numbers."""

    path: Path
    text: str
    sha256: str
    version: str
    qubits: int | None


def read_circuit_file(path: Path) -> CircuitFile:
    """Read an OpenQASM file.

    Raises:
        InputError: it cannot be read, is no OpenQASM 2 or 3, or includes another file.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is no regular file; name an OpenQASM file")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # a ValueError where the name holds a null byte
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path}: cannot be read ({reason})") from None
    if len(data) > MOST_BYTES:
        raise InputError(f"{path}: is larger than {MOST_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}:{line}: not a text file in UTF-8 ({error.reason}); name an OpenQASM file"
        ) from None
    # What is left of a comment are its line ends, so that lines keep their numbers.
    bare = _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n") or " ", text)
    version = _VERSION.match(bare)
    if version is None:
        raise InputError(
            f"{path}:1: begins with neither 'OPENQASM 2.0;' nor 'OPENQASM 3.0;'; name an OpenQASM "
            "file, or an entry point as 'package.module:function'"
        )
    for include in _INCLUDE.finditer(bare):
        standard = _STANDARD_FILES[version[1]]
        if include[1] != standard:
            line = bare[: include.start()].count("\n") + 1
            raise InputError(
                f"{path}:{line}: includes {include[1]!r}; only '{standard}' can be included, since "
                "a scenario tells circuits apart by this file: put the gates into it"
            )
    qubits = _count_qubits(bare, version[1])
    return CircuitFile(path, text, hashlib.sha256(data).hexdigest(), version[1], qubits)


def _count_qubits(bare: str, version: str) -> int | None:
    sizes = [size or "1" for size in _REGISTER.findall(bare)]
    if version == "3":
        sizes += [size or "1" for size in _QUBITS.findall(bare)]
    if not sizes or not all(re.fullmatch(r"\d{1,9}", size) for size in sizes):
        return None
    return sum(map(int, sizes))


@dataclass(frozen=True, slots=True)
class OwnCircuits:
    """The circuits of one scenario; each file is read once.

    Args:
        folder: what paths of circuits are relative to.
    """

    folder: Path
    _files: dict[str, CircuitFile | InputError] = field(default_factory=dict)

    def identified(self, values: YamlFile, work: Workload) -> Workload:
        """With the hash of its circuit, if it has one.

        Raises:
            ScenarioError: the file cannot be read, is another one than the scenario says, or has
                another number of qubits than labels and observable.
        """
        if work.circuit is msgspec.UNSET:
            if work.circuit_parameters is not msgspec.UNSET:
                raise _refused(values, "circuit_parameters", "goes with 'circuit', and only so")
            if work.circuit_sha256 is not msgspec.UNSET:
                raise _refused(values, "circuit_sha256", "goes with 'circuit', and only so")
            return work
        if is_entry_point(work.circuit):
            return self._entry_point(values, work)
        if work.circuit_parameters is not msgspec.UNSET:
            raise _refused(
                values,
                "circuit_parameters",
                "are keyword arguments of an entry point, 'package.module:function'; the free "
                "parameters of a file get random values",
            )
        file = self._file(values, work.circuit)
        if work.circuit_sha256 not in (msgspec.UNSET, file.sha256):
            raise _refused(
                values,
                "circuit_sha256",
                f"found {work.circuit_sha256!r}; the file {work.circuit!r} has {file.sha256!r}: "
                "it has changed, or is another one",
            )
        if file.qubits is not None:
            problem = qubit_problem(work, file.qubits)
            if problem is not None:
                raise _refused(values, "circuit", problem)
        return msgspec.structs.replace(work, circuit_sha256=file.sha256)

    def _entry_point(self, values: YamlFile, work: Workload) -> Workload:
        known = msgspec.structs.replace(work, circuit_sha256=msgspec.UNSET)
        if work.circuit_sha256 != known.circuit_sha256:
            raise _refused(
                values,
                "circuit_sha256",
                "is of the name and the arguments of an entry point; leave it out",
            )
        return work

    def _file(self, values: YamlFile, circuit: str) -> CircuitFile:
        if circuit not in self._files:
            try:
                self._files[circuit] = read_circuit_file(self.folder / circuit)
            except InputError as error:
                self._files[circuit] = error
        found = self._files[circuit]
        if isinstance(found, InputError):
            raise _refused(values, "circuit", str(found))
        return found


def qubit_problem(work: Workload, qubits: int) -> str | None:
    """What is wrong where a circuit has so many qubits; ``None``: nothing."""
    labels, observable = len(work.partition_labels), len(work.observable)
    if labels == observable == qubits:
        return None
    return (
        f"{work.circuit!r} has {qubits} qubits, 'partition_labels' {work.partition_labels!r} has "
        f"{labels} letters, 'observable' {work.observable!r} has {observable}; give each one "
        "letter a qubit"
    )


def _refused(values: YamlFile, name: str, problem: str) -> ScenarioError:
    return ScenarioError(f"{values.where(('workload', name))}: workload.{name}: {problem}")


def refuse_data_set_beside_circuit(values: YamlFile, workload: Any) -> Iterator[str]:
    """To be called before they are converted: afterwards defaults cannot be told from values."""
    if isinstance(workload, dict) and {"dataset", "circuit"} <= set(workload):
        yield (
            f"{values.where(('workload', 'circuit'))}: workload.circuit: 'dataset' says already "
            "what is evaluated; give one of them"
        )
