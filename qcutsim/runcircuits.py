"""What the queries of a real run evaluate: samples of a data set, or circuits of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from qcutsim.cell import Cell, is_entry_point
from qcutsim.errors import InputError, LogError
from qcutsim.records import RunRecord
from qcutsim.scenario import Scenario
from qcutsim.seeds import derived_seed

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from qcutsim.estimator import Pipeline, Query


@dataclass(frozen=True, slots=True)
class RunCircuits:
    """The scenario's own circuits, by title, and of those from entry points what they do."""

    by_title: dict[str, QuantumCircuit]
    fingerprints: dict[str, str]

    @classmethod
    def of(cls, scenario: Scenario) -> Self:
        """Load them, and see that each can be cut as its cells ask.

        Raises:
            ScenarioError: one cannot be had, or cannot be cut so; names where the scenario has it.
        """
        works = {
            msgspec.json.encode(msgspec.structs.replace(cell.workload, shots=1)): cell
            for cell in scenario.cells
            if cell.workload.circuit is not msgspec.UNSET
        }
        if not works:
            return cls({}, {})
        from qcutsim.estimator import fingerprint
        from qcutsim.learning import bind_random, load_circuits, refused_circuit

        found = cls(load_circuits(scenario), {})
        for cell in works.values():
            work = cell.workload
            try:
                query = query_of(scenario.seed, cell, 0, 0, found)
                pipeline = pipeline_of(cell)
                pipeline.generate(query, pipeline.partition(query))
                if is_entry_point(str(work.circuit)):
                    bound = bind_random(found.by_title[work.title], 0)
                    found.fingerprints[work.title] = fingerprint(bound)
            except InputError as error:
                raise refused_circuit(scenario, work, str(error)) from None
        return found

    def check_unchanged(self, log: Path, run: RunRecord, scenario: Scenario) -> None:
        """What a log's run measured are these circuits.

        Raises:
            LogError: a file has changed since, or an entry point returns another circuit.
        """
        works = [cell.get("workload", {}) for cell in run.scenario.get("cells", [])]
        before = {
            work["circuit"]: work.get("circuit_sha256") for work in works if "circuit" in work
        }
        now = {str(c.workload.circuit): c.workload.circuit_sha256 for c in scenario.cells}
        changed = {
            circuit
            for circuit, sha256 in now.items()
            if not is_entry_point(circuit) and before.get(circuit, sha256) != sha256
        }
        changed |= {
            title
            for title, known in (run.circuits or {}).items()
            if self.fingerprints.get(title, known) != known
        }
        if changed:
            raise LogError(
                f"{log}: the circuit {', '.join(sorted(changed))} has changed since it was "
                "measured; restore it, or give another --out"
            )


def pipeline_of(cell: Cell) -> Pipeline:
    """A new pipeline, as a cell asks for it."""
    from qcutsim.estimator import make_pipeline

    work = cell.workload
    return make_pipeline(
        work.pipeline,
        workers=cell.pool.workers,
        reconstruction=work.reconstruction,
        chunk=work.chunk,
    )


def query_of(seed: int, cell: Cell, repetition: int, index: int, circuits: RunCircuits) -> Query:
    """The query of that number in a repetition."""
    from qcutsim.estimator import Query

    work = cell.workload
    if work.circuit is msgspec.UNSET:
        circuit = _iris_sample(seed, repetition, index)
    else:
        from qcutsim.learning import bind_random

        circuit = bind_random(circuits.by_title[work.title], seed, repetition, index)
    return Query.single(
        circuit,
        work.observable,
        work.partition_labels,
        work.shots,
        derived_seed(seed, "query", repetition, index),
        work.shot_allocation,
    )


def _iris_sample(seed: int, repetition: int, index: int) -> QuantumCircuit:
    from qcutsim.learning import bind_model, load_iris_angles, random_weights

    dataset = load_iris_angles()
    sample = (repetition * 7 + index) % len(dataset.labels)
    angles = dataset.angles[sample]
    return bind_model(angles, random_weights(len(angles), seed))
