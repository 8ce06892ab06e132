"""From PUBs to queries: those of one structure and one way of sampling are evaluated together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from qcutsim.errors import InputError
from qcutsim.estimator.arrays import IntArray
from qcutsim.estimator.circuits import flatten, structure_key
from qcutsim.estimator.observables import pauli_terms
from qcutsim.estimator.pipeline import CircuitBindings, Query, Shots
from qcutsim.estimator.plan import CutOptions
from qcutsim.seeds import derived_seed


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a query's points go: point i is entry ``flat[i]`` of PUB ``pubs[i]``."""

    pubs: IntArray
    flat: IntArray


@dataclass(slots=True)
class _Group:
    shots: Shots
    circuits: list[CircuitBindings] = field(default_factory=list)
    circuit_of: dict[int, int] = field(default_factory=dict)
    rows: list[list[Any]] = field(default_factory=list)
    row_counts: list[int] = field(default_factory=list)
    observables: dict[tuple[tuple[str, float], ...], int] = field(default_factory=dict)
    points: list[tuple[int, int, int]] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)


def group_pubs(
    pubs: Sequence[EstimatorPub],
    shots: Sequence[Shots],
    cut: CutOptions,
    seed: int,
    *,
    wants_covariance: bool,
) -> list[tuple[Query, Placement]]:
    """Queries that evaluate all PUBs, and where their points belong.

    Args:
        pubs: coerced.
        shots: of each PUB.
        cut: how to cut.
        seed: of the job; every query has its own derived from it.
        wants_covariance: whether covariance matrices are asked for.

    Raises:
        InputError: a circuit or an observable cannot be estimated.
    """
    groups: dict[Any, _Group] = {}
    structures: dict[int, Any] = {}
    for number, (pub, asked) in enumerate(zip(pubs, shots, strict=True)):
        circuit = pub.circuit
        if math.prod(pub.shape) == 0:  # nothing is asked
            continue
        if id(circuit) not in structures:
            structures[id(circuit)] = structure_key(
                flatten(circuit), circuit.num_qubits, cut.partition_labels
            )
        key = (structures[id(circuit)], asked)
        _add(groups.setdefault(key, _Group(asked)), number, pub)
    return [
        _query(group, cut, derived_seed(seed, "group", number), wants_covariance)
        for number, group in enumerate(groups.values())
    ]


def _add(group: _Group, number: int, pub: EstimatorPub) -> None:
    values = pub.parameter_values.as_array(pub.circuit.parameters)
    bindings = pub.parameter_values.size
    rows = np.asarray(values, dtype=float).reshape(bindings, pub.circuit.num_parameters)
    if not np.isfinite(rows).all():
        raise InputError(f"PUB {number} holds a parameter value that is not finite")
    circuit = group.circuit_of.setdefault(id(pub.circuit), len(group.rows))
    if circuit == len(group.rows):
        group.rows.append([])
        group.row_counts.append(0)
        # The caller may go on building the circuit while the job runs.
        group.circuits.append(CircuitBindings(pub.circuit.copy(), rows))
    first = group.row_counts[circuit]
    group.row_counts[circuit] += bindings
    group.rows[circuit].append(rows)
    numbers = [_observable(group, number, one) for one in pub.observables.ravel().tolist()]
    rows_of = np.arange(bindings).reshape(pub.parameter_values.shape)
    observables = np.array(numbers).reshape(pub.observables.shape)
    at, which = np.broadcast_arrays(rows_of, observables)
    for flat, (row, observable) in enumerate(
        zip(at.reshape(-1).tolist(), which.reshape(-1).tolist(), strict=True)
    ):
        group.points.append((circuit, first + row, observable))
        group.places.append((number, flat))


def _observable(group: _Group, number: int, observable: Any) -> int:
    terms = pauli_terms(observable)
    if not all(np.isfinite(weight) for weight in terms.values()):
        raise InputError(f"PUB {number} holds an observable whose weights are not finite")
    return group.observables.setdefault(tuple(terms.items()), len(group.observables))


def _query(
    group: _Group, cut: CutOptions, seed: int, wants_covariance: bool
) -> tuple[Query, Placement]:
    circuits = [
        replace(one, values=np.concatenate(rows))
        for one, rows in zip(group.circuits, group.rows, strict=True)
    ]
    offsets = np.cumsum([0, *(len(one.values) for one in circuits)]).tolist()
    points = [(offsets[circuit] + row, observable) for circuit, row, observable in group.points]
    query = Query(
        circuits=tuple(circuits),
        observables=tuple(dict(terms) for terms in group.observables),
        points=np.array(points, dtype=np.int64).reshape(-1, 2),
        cut=cut,
        shots=group.shots,
        seed=seed,
        wants_covariance=wants_covariance,
    )
    places = np.array(group.places, dtype=np.int64).reshape(-1, 2)
    return query, Placement(places[:, 0], places[:, 1])


def split_bindings(query: Query) -> list[tuple[Query, IntArray]]:
    """One query a binding, and which of the points each has."""
    rows = [(one.circuit, row[None, :]) for one in query.circuits for row in one.values]
    parts = []
    for binding in np.unique(query.points[:, 0]).tolist():
        chosen = np.flatnonzero(query.points[:, 0] == binding)
        points = query.points[chosen].copy()
        points[:, 0] = 0
        circuit, values = rows[binding]
        parts.append(
            (
                replace(
                    query,
                    circuits=(CircuitBindings(circuit, values),),
                    points=points,
                    seed=derived_seed(query.seed, "binding", binding),
                ),
                chosen,
            )
        )
    return parts
