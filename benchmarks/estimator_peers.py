"""Peers of the estimator's benchmark: qiskit-addon-cutting (QAC) and PennyLane's qcut."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import numpy as np
from estimator_cases import LABELS, OBSERVABLE, Binding, FloatArray, query_circuit
from qiskit.primitives import PrimitiveResult
from qiskit.quantum_info import PauliList
from qiskit_addon_cutting import (
    generate_cutting_experiments,
    partition_problem,
    reconstruct_expectation_values,
)
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import SamplerV2

from qcutsim.estimator import CircuitBindings, CutOptions, Query, Shots, UpstreamPipeline
from qcutsim.estimator.aer import decode_probabilities
from qcutsim.runtime import load_function

QAC = f"qiskit-addon-cutting {version('qiskit-addon-cutting')}"


@dataclass(frozen=True, slots=True)
class QacRun:
    """One query of QAC called as its tutorial does: seconds of each stage, and what came out."""

    generate_s: float
    execute_s: float
    reconstruct_s: float
    value: float
    sampled: dict[Any, Any]
    coefficients: Sequence[tuple[float, Any]]
    subobservables: Any

    @property
    def total_s(self) -> float:
        return self.generate_s + self.execute_s + self.reconstruct_s

    def reconstruct(self) -> float:
        """QAC's reconstruction, once more."""
        (value,) = reconstruct_expectation_values(
            self.sampled, self.coefficients, self.subobservables
        )
        return float(value)


def run_qac(at: Binding, *, cuts: int, shots: int, seed: int, one_job: bool = False) -> QacRun:
    """Cut, generate, run on Aer and reconstruct, with no code of qcutsim.

    ``one_job`` hands Aer all circuits of a partition together instead of one after the other.
    """
    circuit = query_circuit().assign_parameters(at.values)
    start_s = time.perf_counter()
    problem = partition_problem(circuit, LABELS[cuts], PauliList([OBSERVABLE]))
    generated, coefficients = generate_cutting_experiments(
        problem.subcircuits, problem.subobservables, np.inf
    )
    generated_s = time.perf_counter()
    simulator = AerSimulator()
    # A seeded Aer sampler repeats itself on every run, so that each job gets a seed of its own.
    count = sum(map(len, generated.values()))
    seeds = iter(np.random.SeedSequence(seed).generate_state(count).tolist())
    sampled = {}
    for label, circuits in generated.items():
        if one_job:
            sampler = SamplerV2.from_backend(simulator, seed=next(seeds))
            sampled[label] = sampler.run(circuits, shots=shots).result()
            continue
        pubs: list[Any] = []
        for one in circuits:
            sampler = SamplerV2.from_backend(simulator, seed=next(seeds))
            pubs.extend(sampler.run([one], shots=shots).result())
        sampled[label] = PrimitiveResult(pubs)
    executed_s = time.perf_counter()
    (value,) = reconstruct_expectation_values(sampled, coefficients, problem.subobservables)
    end_s = time.perf_counter()
    return QacRun(
        generated_s - start_s,
        executed_s - generated_s,
        end_s - executed_s,
        float(value),
        sampled,
        coefficients,
        problem.subobservables,
    )


class QacEmulation:
    """QAC's sampling of one query, without its time.

    QAC's own circuits are run exactly once each; what its samplers would count is then a binomial
    draw a circuit (the observable is Z on every qubit, so that a circuit's estimate hangs on the
    parity of all its bits), and its reconstruction a sum over joint terms, in NumPy.
    """

    def __init__(self, at: Binding, *, cuts: int, shots: int) -> None:
        self.shots = shots
        pipeline = UpstreamPipeline()
        query = Query(
            circuits=(CircuitBindings(query_circuit(), at.values[None, :]),),
            observables=({OBSERVABLE: 1.0},),
            points=np.zeros((1, 2), dtype=np.int64),
            cut=CutOptions(partition_labels=LABELS[cuts]),
            shots=Shots(),
            seed=0,
        )
        prepared = pipeline.generate(query, pipeline.partition(query))
        run = load_function(pipeline.task_function)
        odd = []
        for task in prepared.subexperiments:
            exact = decode_probabilities(run(task.encode(), task.context))
            parity = (np.bitwise_count(np.arange(len(exact))) & 1).astype(bool)
            odd.append(float(exact[parity].sum()))
        problem = partition_problem(
            query_circuit().assign_parameters(at.values), LABELS[cuts], PauliList([OBSERVABLE])
        )
        _, coefficients = generate_cutting_experiments(
            problem.subcircuits, problem.subobservables, np.inf
        )
        self.weights = np.array([weight for weight, _ in coefficients])
        self.odd = np.clip(np.array(odd), 0, 1).reshape(-1, len(self.weights))

    @property
    def circuits(self) -> int:
        return int(self.odd.size)

    @cached_property
    def exact(self) -> float:
        """What QAC would give without shot noise."""
        return float(self.weights @ np.prod(1 - 2 * self.odd, axis=0))

    @cached_property
    def std(self) -> float:
        """Standard deviation of QAC's value: a sum of products of independent means."""
        mean = 1 - 2 * self.odd
        squares = mean**2 + (1 - mean**2) / self.shots
        spread = np.prod(squares, axis=0) - np.prod(mean**2, axis=0)
        return float(np.sqrt(self.weights**2 @ spread))

    def draw(self, repetitions: int, generator: np.random.Generator) -> FloatArray:
        """Values of so many queries."""
        counts = generator.binomial(self.shots, self.odd, (repetitions, *self.odd.shape))
        values: FloatArray = np.prod(1 - 2 * counts / self.shots, axis=1) @ self.weights
        return values

    def chi_square(self, run: QacRun) -> tuple[float, int]:
        """Squared distance of a real run's circuits from these means, in their variances.

        Returns it with the number of circuits that can vary, which it should be near to.
        """
        sampled = []
        for result in run.sampled.values():
            for one in result:
                registers = dict(one.data.items())
                bits = sum(np.bitwise_count(r.array).sum(axis=1) for r in registers.values())
                sampled.append(float(np.mean(bits & 1)))
        expected = self.odd.reshape(-1)
        variance = expected * (1 - expected) / self.shots
        can_vary = variance > 1e-12
        apart = (np.array(sampled) - expected)[can_vary] ** 2 / variance[can_vary]
        return float(apart.sum()), int(can_vary.sum())


class PennyLane:
    """PennyLane in an interpreter of its own, one order at a time."""

    def __init__(self, python: str) -> None:
        script = Path(__file__).with_name("pennylane_qcut.py")
        self._process = subprocess.Popen(
            [python, "-W", "ignore", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        hello = self._read()
        self.version: str = hello["version"]
        self.devices: list[str] = hello["devices"]

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait(timeout=30)
            raise PeerError("PennyLane's interpreter ended; its own message is above")
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, do: str, at: Binding, *, cuts: int, shots: int | None, device: str) -> Any:
        """A query or a gradient, timed by the peer itself."""
        order = {
            "do": do,
            "angles": at.angles.tolist(),
            "weights": at.weights.tolist(),
            "cuts": cuts,
            "shots": shots,
            "device": device,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


class PeerError(Exception):
    """The peer's interpreter gave no answer."""
