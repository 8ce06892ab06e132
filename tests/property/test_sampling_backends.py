"""Samplers and noisy simulators as backends."""

from __future__ import annotations

import numpy as np
import pytest
from circuits import exact_values
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, depolarizing_error
from qiskit_aer.primitives import SamplerV2 as AerSampler
from sampled import (
    CHAIN,
    ONE_TERM,
    Sampled,
    assert_scatter_is_as_reported,
    estimator,
)

from qcutsim.errors import InputError

SAMPLERS = {
    "statevector": lambda: StatevectorSampler(seed=np.random.default_rng(11)),
    "statevector, fixed seed": lambda: StatevectorSampler(seed=11),
    "aer, fixed seed": lambda: AerSampler(seed=11),
    "backend, fixed seed": lambda: BackendSamplerV2(
        backend=AerSimulator(), options={"seed_simulator": 11}
    ),
}


@pytest.mark.parametrize(
    ("name", "pool"),
    [*((name, "inline") for name in SAMPLERS), ("statevector", "threads:1")],
)
def test_a_sampler_may_be_the_backend(name, pool):
    """Mean and chi-square of z over 30 jobs, seed 11; false-alarm rate 2e-4 a case."""
    circuit = QuantumCircuit(2)
    circuit.ry(0.9, [0, 1])
    circuit.cp(0.8, 1, 0)
    circuit.rx(0.5, [0, 1])
    observable = SparsePauliOp(["ZZ", "XI"], [1, -0.5])
    options = {"partition_labels": "AB", "backend": SAMPLERS[name](), "pool": pool, "shots": 200}
    case = Sampled(circuit, observable, options)
    assert_scatter_is_as_reported(*case.repeated(30, seed=11), case.exact)


@pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)
def test_a_sampler_is_given_every_binding(make):
    """A z test at 4.5 sigma of 12 values, controlled rotations among the gates.

    False-alarm rate 1e-4 a case.
    """
    angles = ParameterVector("a", 3)
    circuit = QuantumCircuit(3)
    circuit.ry(angles[0], [0, 1, 2])
    circuit.crx(angles[1], 0, 1)
    circuit.cx(1, 2)
    circuit.cp(angles[2] * angles[0], 0, 1)
    circuit.rx(0.4, [0, 1, 2])
    rows = np.random.default_rng(1).uniform(-3, 3, (6, 3))
    observables = [SparsePauliOp(["ZZZ", "IXY"], [1, 0.5]), SparsePauliOp("YXI")]
    with estimator(partition_labels="AAB", backend=make(), shots=1000, seed=1) as made:
        data = made.run([(circuit, observables, rows[:, None])]).result()[0].data
    exact = exact_values(circuit, observables, rows)
    assert np.all(np.abs(data.evs - exact) < 4.5 * data.stds)


@pytest.mark.parametrize("name", [name for name in SAMPLERS if "fixed" in name])
def test_a_sampler_with_a_fixed_seed_repeats_estimators_but_not_partitions_or_jobs(name):
    """Two vanishing factors: from one randomness their product would have the mean 1/N.

    The mean of 200 values of spread 1/N is 5 sigma below 0.35/N; false-alarm rate 1e-6.
    """
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.rz(0.3, 1)
    shots = 100
    values = []
    for _ in range(2):
        with estimator(
            partition_labels="AB", backend=SAMPLERS[name](), shots=shots, seed=4
        ) as made:
            jobs = [made.run([(circuit, "ZZ")]).result()[0].data.evs for _ in range(200)]
        values.append(np.array(jobs))
    np.testing.assert_array_equal(*values)
    assert len(set(values[0].tolist())) > 20
    assert abs(values[0].mean()) < 0.35 / shots


@pytest.mark.parametrize("make", SAMPLERS.values(), ids=SAMPLERS)
def test_exact_values_cannot_be_had_from_a_sampler(make):
    for asked in ({"shots": None}, {}):
        with (
            estimator(backend=make(), **asked) as made,
            pytest.raises(InputError, match="exact values cannot be had"),
        ):
            made.run([(CHAIN, ONE_TERM)], precision=0).result()


STRENGTH = 0.2


def noisy_pair():
    """A noise model whose CX depolarises, and a circuit whose one CX makes a Bell pair."""
    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(STRENGTH, 2), "cx")
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    return noise, circuit


@pytest.mark.parametrize(("labels", "left"), [("AA", 1 - STRENGTH), ("AB", 1.0)])
def test_noise_damps_what_the_noisy_gate_makes_and_nothing_where_it_is_cut(labels, left):
    """Bell correlations XX = ZZ = -YY = 1, of which depolarising leaves 1 - p.

    Mean and chi-square of z over 20 jobs a term, seed 13; false-alarm rate 2e-4 each.
    """
    noise, circuit = noisy_pair()
    options = {"partition_labels": labels, "backend": "aer", "noise_model": noise, "shots": 300}
    for term, sign in (("ZZ", 1), ("XX", 1), ("YY", -1)):
        evs, stds = Sampled(circuit, SparsePauliOp(term), options).repeated(20, seed=13)
        assert_scatter_is_as_reported(evs, stds, sign * left)


def test_noise_is_seeded_like_everything_else():
    noise, circuit = noisy_pair()
    options = {"backend": "aer", "noise_model": noise, "shots": 50}
    case = Sampled(circuit, SparsePauliOp(["ZZ", "XX"], [1, 0.5]), options)
    (first, _), (second, _), (other, _) = (case.repeated(3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert len(set(first)) > 1
    assert set(first) != set(other)


def test_exact_values_cannot_be_had_with_noise():
    noise, circuit = noisy_pair()
    with (
        estimator(backend="aer", noise_model=noise, shots=None) as made,
        pytest.raises(InputError, match="exact values cannot be had"),
    ):
        made.run([(circuit, "ZZ")]).result()
