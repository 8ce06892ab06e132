"""The same seed gives the same results, to the last bit, however a job is dispatched."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pytest
from circuits import chain
from dispatching import POLICIES, SharedWorkers, bits_of, shown
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit_aer.noise import NoiseModel, depolarizing_error

from qcutsim import DistributedEstimator
from qcutsim.dispatch import policy_kinds

POOLS = ("inline", "threads:3", "processes:2")
STRATEGIES = ("incremental", "tree", "contracted")
WAYS = list(product(POOLS, (1, 4), (None, 1, 7)))
"""Pool, window, chunk."""

UPSTREAM = {"pipeline": "upstream", "partition_labels": "AABB", "shots": 12}

Result = list[tuple[bytes, bytes]]


@pytest.fixture(scope="module")
def workers() -> Iterator[SharedWorkers]:
    shared = SharedWorkers()
    yield shared
    shared.close()


def with_another_gate(angles: np.ndarray) -> QuantumCircuit:
    """Cut as the chain, but not of its structure."""
    circuit = chain(4, angles[0], angles[1])
    circuit.rzz(0.7, 1, 2)
    return circuit


def pubs(*, is_small: bool = False) -> list[tuple[Any, ...]]:
    """Circuits of different structure with different observables, one with two bindings."""
    rng = np.random.default_rng(8)
    angles = rng.uniform(-3, 3, (4, 4))
    parameters = ParameterVector("t", 4)
    free = chain(4, list(parameters), angles[0])
    values = rng.uniform(-3, 3, (2, 4))
    first = (chain(4, angles[0], angles[1]), "ZZZZ")
    if is_small:
        return [first, (free, ["XZIZ", "ZIIY"], values[:, None])]
    return [
        first,
        (free, [["XZIZ", "ZIIY", "IIII"]], values[:, None]),
        (with_another_gate(angles[1:3]), [{"ZZII": 0.5, "XXYY": -1.5}, "ZIIZ"]),
    ]


def results(estimator: DistributedEstimator, *, is_small: bool = False) -> Result:
    """The bits of what a job gives."""
    return bits_of(estimator.run(pubs(is_small=is_small)).result())


@cache
def noise() -> NoiseModel:
    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.02, 2), ["cx"])
    return model


@cache
def reference(strategy: str, shots: int | None = 60) -> tuple[Result, list[np.ndarray]]:
    """Inline and eager, one query after the other: the bits of two jobs, values of the second."""
    with DistributedEstimator(
        partition_labels="ABBC", seed=6, pool="inline", reconstruction=strategy, shots=shots
    ) as estimator:
        bits = [one for _ in range(2) for one in results(estimator)]
        values = [np.frombuffer(evs) for evs, _ in bits]
        return bits, values


def test_every_policy_is_there():
    assert {policy["kind"] for policy in POLICIES} == set(policy_kinds())


@pytest.mark.parametrize("number", range(len(WAYS)))
def test_planned_results_do_not_depend_on_the_dispatch(number, workers):
    """Each pool, window and size of chunks with two policies for each strategy."""
    pool, window, chunk = WAYS[number]
    for place, strategy in enumerate(STRATEGIES):
        for policy in (POLICIES[(number + 3 * place + n) % len(POLICIES)] for n in (0, 5)):
            estimator = DistributedEstimator(
                partition_labels="ABBC",
                shots=60,
                seed=6,
                reconstruction=strategy,
                pool=pool,
                policy=policy,
                window=window,
                chunk=chunk,
            )
            found = results(workers.lend(estimator))
            assert found == reference(strategy)[0][: len(found)], (policy, strategy)


@pytest.mark.parametrize("policy", POLICIES, ids=shown)
def test_a_second_job_for_which_service_times_are_known_gives_the_same(policy, workers):
    """Orders of dispatch and sizes of chunks follow what was measured, the results do not."""
    estimator = DistributedEstimator(
        partition_labels="ABBC",
        shots=60,
        seed=6,
        reconstruction="tree",
        pool="processes:2",
        policy=policy,
        window=2,
    )
    workers.lend(estimator)
    assert results(estimator) + results(estimator) == reference("tree")[0]


def test_strategies_agree():
    for shots in (60, None):
        first, *others = (reference(strategy, shots)[1] for strategy in STRATEGIES)
        for other in others:
            for one, another in zip(first, other, strict=True):
                np.testing.assert_allclose(another, one, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("policy", "pool", "window", "chunk"),
    [
        (POLICIES[1], "inline", 4, 1),
        (POLICIES[3], "threads:3", 1, 7),
        (POLICIES[7], "threads:3", 4, None),
        (POLICIES[8], "threads:3", 4, 1),
    ],
    ids=str,
)
def test_results_of_circuits_run_shot_by_shot_do_not_depend_on_the_dispatch(
    policy, pool, window, chunk
):
    """The worker draws, from seeds that belong to the subexperiment and not to the task."""
    options = {"partition_labels": "AABB", "shots": 20, "seed": 6, "noise_model": noise()}
    with DistributedEstimator(pool="inline", **options) as estimator:
        expected = results(estimator, is_small=True)
    with DistributedEstimator(
        pool=pool, policy=policy, window=window, chunk=chunk, **options
    ) as estimator:
        assert results(estimator, is_small=True) == expected


@cache
def upstream_reference() -> Result:
    with DistributedEstimator(seed=6, pool="inline", **UPSTREAM) as estimator:
        return results(estimator, is_small=True)


@pytest.mark.parametrize("policy", POLICIES, ids=shown)
def test_upstream_results_do_not_depend_on_the_dispatch(policy, workers):
    for pool, window in (("threads:3", 4), ("processes:2", 1), ("processes:2", 4)):
        estimator = DistributedEstimator(
            seed=6, pool=pool, policy=policy, window=window, **UPSTREAM
        )
        found = results(workers.lend(estimator), is_small=True)
        assert found == upstream_reference(), (pool, window)
