"""Standard errors to expect of a workload, from exact outcome distributions; needs ``real``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from qcutsim.cell import Workload
from qcutsim.extras import require

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

SAMPLES = 8
"""Of the data set, evenly spaced, or of the free parameters; the error is the root of their mean
variance."""


def expected_error(
    workload: Workload, seed: int, circuit: QuantumCircuit | None = None
) -> float | None:
    """The standard error of one query of the pipeline ``planned``, at its shots.

    Args:
        workload: what a query evaluates.
        seed: of the weights or the free parameters, as a run of the scenario draws them.
        circuit: the workload's own, if it has one.

    Returns:
        ``None`` for another pipeline, whose variance is not worked out, and where there are too
        many subexperiments to work it out.

    Raises:
        InputError: it cannot be cut as asked, or is above a limit.
        MissingExtraError: the extra ``real`` is not installed.
        ValueError: the workload's own circuit was not given.
    """
    if workload.pipeline != "planned":
        return None
    require("qiskit", "qiskit_aer", "qiskit_addon_cutting", "sklearn")
    from qcutsim.estimator import DistributedEstimator

    variances = []
    with DistributedEstimator(
        partition_labels=workload.partition_labels,
        shots=workload.shots,
        allocation=workload.shot_allocation,
        pool="inline",
        seed=seed,
    ) as estimator:
        for bound in _bound(workload, seed, circuit):
            report = estimator.plan(bound, workload.observable)
            if report.expected_stds is None:
                return None
            variances.append(float(np.mean(np.square(report.expected_stds))))
    return float(np.sqrt(np.mean(variances)))


def _bound(
    workload: Workload, seed: int, circuit: QuantumCircuit | None
) -> Iterator[QuantumCircuit]:
    """What queries evaluate."""
    from qcutsim.learning import bind_model, bind_random, load_iris_angles, random_weights

    if workload.circuit is not msgspec.UNSET:
        if circuit is None:
            raise ValueError(f"the circuit {workload.title} was not given")
        for index in range(SAMPLES if circuit.num_parameters else 1):
            yield bind_random(circuit, seed, 0, index)
        return
    angles = load_iris_angles().angles
    weights = random_weights(angles.shape[1], seed)
    for sample in np.linspace(0, len(angles) - 1, SAMPLES).astype(int):
        yield bind_model(angles[sample], weights)
