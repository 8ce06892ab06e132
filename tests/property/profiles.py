"""A profile whose every parameter is known."""

from __future__ import annotations

import numpy as np

from qcutsim.calibrate import (
    PROFILE_SCHEMA,
    CalibrationProfile,
    PoolModel,
    QuantileTable,
    Sharing,
    StageModel,
    TaskModel,
)
from qcutsim.cell import Workload
from qcutsim.manifest import Machine, Manifest
from qcutsim.workload import load_shape

LABELS = ("AABB", "ABBC")


def lognormal(rng: np.random.Generator, median_s: float, sigma: float = 0.1) -> QuantileTable:
    return QuantileTable.of(median_s * rng.lognormal(0, sigma, 400))


def known_profile(cores: int) -> CalibrationProfile:
    """Two kinds of pool with service times of every class that AABB and ABBC hold."""
    rng = np.random.default_rng(5)
    classes = sorted(
        {
            one.features
            for labels in LABELS
            for one in load_shape(Workload(partition_labels=labels)).classes
        }
    )

    def pool(resource: str, capacity: int, efficiency: float) -> PoolModel:
        return PoolModel(
            workers=(1, 2),
            sharing=Sharing(
                resource=resource,
                capacity=capacity,
                efficiency=efficiency,
                efficiency_from="chosen",
            ),
            collect_s=lognormal(rng, 1.2e-4),
            collect_cpu_share=0.6,
            dispatch_s=lognormal(rng, 1.7e-4),
            start_s=lognormal(rng, 6e-5),
            idle_gap_s=lognormal(rng, 3.5e-4),
            coordinator_cpu_per_task_s=2.4e-4,
            waiting_share=0.0,
            tasks=tuple(
                TaskModel(
                    mid_circuit_measurements=mid,
                    width=width,
                    depth=depth,
                    service_s=lognormal(rng, 0.03 if mid else 0.003),
                    cpu_s=QuantileTable.constant(0.003),
                )
                for mid, width, depth, _ in classes
            ),
        )

    def stages(median_s: float) -> tuple[StageModel, ...]:
        return tuple(
            StageModel(partition_labels=labels, work=1, seconds=lognormal(rng, median_s))
            for labels in LABELS
        )

    machine = Machine(system="any", processor="any", cores=cores)
    manifest = Manifest(qcutsim="0", python="3", machine=machine, packages={})
    return CalibrationProfile(
        schema=PROFILE_SCHEMA,
        pipeline="upstream",
        shots=1024,
        origin="measured",
        manifests=(manifest,),
        only=(),
        queries=0,
        skipped_lines=0,
        stragglers={},
        partition=stages(0.002),
        generate=stages(0.02),
        reconstruct=stages(0.2),
        pools={"threads": pool("lock", 1, 0.93), "processes": pool("cores", cores, 0.88)},
    )
