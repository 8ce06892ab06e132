"""Workload shapes of scenarios: the estimator's export to the simulator."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from qcutsim.cell import Workload
from qcutsim.estimator.pipeline import Query
from qcutsim.files import make_folder, write_whole
from qcutsim.learning import bind_model
from qcutsim.scenario import Scenario
from qcutsim.workload import WorkloadShape, shape_name


def shape_of(workload: Workload, workers: int = 1) -> WorkloadShape:
    """Generate a workload's subexperiments and describe them; bindings do not matter.

    Chunks of the pipeline ``planned`` are those of one worker, unless the workload gives a size;
    joins of the reconstruction ``tree`` are dealt out to ``workers``.
    """
    from qcutsim.estimator import make_pipeline

    qubits = len(workload.observable)
    query = Query.single(
        bind_model(np.linspace(0.1, 1.0, qubits), np.linspace(0.2, 2.0, 2 * qubits)),
        workload.observable,
        workload.partition_labels,
        workload.shots,
        seed=0,
    )
    pipeline = make_pipeline(
        workload.pipeline,
        workers=1 if workload.chunk is None else workers,
        reconstruction=workload.reconstruction,
        chunk=workload.chunk,
    )
    return pipeline.generate(query, pipeline.partition(query)).shape


def export_shapes(scenario: Scenario, out_dir: Path) -> list[Path]:
    """Write the shape of every workload of a scenario; returns the files.

    Raises:
        InputError: a workload cannot be cut as asked, or a file cannot be written.
    """
    make_folder(out_dir)
    files = {}
    for cell in scenario.cells:
        work, workers = cell.workload, cell.pool.workers
        name = shape_name(work, workers)
        if name not in files:
            shape = shape_of(work, workers)
            data = msgspec.json.format(msgspec.json.encode(shape), indent=0)
            files[name] = write_whole(out_dir / name, data)
    return list(files.values())
