"""Observables as terms, and their restriction to partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qcutsim.estimator.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class MeasuredTerms:
    """What one partition measures for a list of terms.

    Args:
        measured: qubits that any term acts on, ascending.
        bases: letters X, Y, Z of each basis, one a measured qubit.
        basis_of: basis of each distinct subobservable, shape (subobservables,).
        masks: bits of ``measured`` that each distinct subobservable multiplies, same shape.
        subobservable_of: which one each term needs, shape (terms,).
    """

    measured: tuple[int, ...]
    bases: tuple[str, ...]
    basis_of: IntArray
    masks: IntArray
    subobservable_of: IntArray

    def shared(self) -> FloatArray:
        """1 where two subobservables are read off the same shots, shape (sub, sub)."""
        return np.equal.outer(self.basis_of, self.basis_of).astype(float)


def measure_terms(terms: Sequence[str], qubits: Sequence[int]) -> MeasuredTerms:
    """Restrict Pauli terms (letters, qubit 0 first) to ``qubits`` and group them.

    Subobservables that agree qubit by qubit share a basis, greedily in order of appearance.
    """
    known: dict[str, int] = {}
    subobservable_of = np.array(
        [known.setdefault("".join(term[q] for q in qubits), len(known)) for term in terms]
    )
    measured = tuple(i for i in range(len(qubits)) if any(sub[i] != "I" for sub in known))
    bases: list[list[str]] = []
    basis_of, masks = [], []
    for sub in known:
        letters = [sub[i] for i in measured]
        masks.append(sum(1 << bit for bit, letter in enumerate(letters) if letter != "I"))
        for number, basis in enumerate(bases):
            if all("I" in (a, b) or a == b for a, b in zip(letters, basis, strict=True)):
                bases[number] = [b if a == "I" else a for a, b in zip(letters, basis, strict=True)]
                basis_of.append(number)
                break
        else:
            basis_of.append(len(bases))
            bases.append(letters)
    return MeasuredTerms(
        measured,
        tuple("".join("Z" if letter == "I" else letter for letter in basis) for basis in bases)
        or ("",),
        np.array(basis_of, dtype=np.int64),
        np.array(masks, dtype=np.int64),
        subobservable_of.astype(np.int64),
    )


def pauli_terms(observable: Mapping[str, float]) -> dict[str, float]:
    """Qiskit's coerced observable -> Pauli terms, letters with qubit 0 first.

    The projectors 0, 1, +, -, r, l of an ``ObservablesArray`` are written as (I +- P) / 2.
    """
    terms: dict[str, float] = {}
    for label, weight in observable.items():
        expanded = {"": float(np.real(weight))}
        for letter in reversed(label):
            pauli, sign = _PROJECTORS.get(letter, (letter, 0))
            grown: dict[str, float] = {}
            for prefix, value in expanded.items():
                if sign == 0:
                    grown[prefix + pauli] = value
                else:
                    grown[prefix + "I"] = value / 2
                    grown[prefix + pauli] = sign * value / 2
            expanded = grown
        for term, value in expanded.items():
            terms[term] = terms.get(term, 0.0) + value
    return terms


_PROJECTORS = {
    "0": ("Z", 1),
    "1": ("Z", -1),
    "+": ("X", 1),
    "-": ("X", -1),
    "r": ("Y", 1),
    "l": ("Y", -1),
}
