"""Standard errors to expect of a workload, from exact outcome distributions; needs ``real``."""

from __future__ import annotations

from functools import cache

import numpy as np

from qcutsim.cell import Workload
from qcutsim.extras import require

SAMPLES = 8
"""Of the data set, evenly spaced; the error is the root of their mean variance."""


@cache
def expected_error(workload: Workload, seed: int) -> float | None:
    """The standard error of one query of the pipeline ``planned``, at its shots.

    Args:
        workload: what a query evaluates.
        seed: of the weights, as a run of the scenario draws them.

    Returns:
        ``None`` for another pipeline, whose variance is not worked out.

    Raises:
        InputError: it cannot be cut as asked, or is above a limit.
        MissingExtraError: the extra ``real`` is not installed.
    """
    if workload.pipeline != "planned":
        return None
    require("qiskit", "qiskit_aer", "qiskit_addon_cutting", "sklearn")
    from qcutsim.estimator import DistributedEstimator
    from qcutsim.learning import bind_model, load_iris_angles, random_weights

    angles = load_iris_angles().angles
    weights = random_weights(angles.shape[1], seed)
    variances = []
    with DistributedEstimator(
        partition_labels=workload.partition_labels, shots=workload.shots, pool="inline", seed=seed
    ) as estimator:
        for sample in np.linspace(0, len(angles) - 1, SAMPLES).astype(int):
            report = estimator.plan(bind_model(angles[sample], weights), workload.observable)
            if report.expected_stds is None:
                return None
            variances.append(float(np.mean(np.square(report.expected_stds))))
    return float(np.sqrt(np.mean(variances)))
