"""Workload shapes of scenarios: the estimator's export to the simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np
from qiskit import QuantumCircuit

from qcutsim.cell import Workload
from qcutsim.errors import InputError
from qcutsim.estimator.pipeline import Prepared, Query, Subexperiment
from qcutsim.files import make_folder, write_whole
from qcutsim.learning import bind_model, bind_random, load_circuits, refused_circuit
from qcutsim.reconstructionchoice import AUTO
from qcutsim.runtime import load_function
from qcutsim.scenario import Scenario
from qcutsim.workload import (
    DEFAULT_RECONSTRUCTION,
    WorkloadShape,
    chosen_strategy,
    shape_name,
)


def shape_of(
    workload: Workload, workers: int = 1, circuit: QuantumCircuit | None = None
) -> WorkloadShape:
    """Generate a workload's subexperiments and describe them; bindings do not matter.

    Chunks of the pipeline ``planned`` are those of one worker, unless the workload gives a size;
    joins of the reconstruction ``tree`` are dealt out to ``workers``. Of each class one task is
    run, here and now, to tell how long its result is. ``circuit`` is the workload's own, if it
    has one.
    """
    from qcutsim.estimator import make_pipeline

    qubits = len(workload.observable)
    if circuit is None:
        bound = bind_model(np.linspace(0.1, 1.0, qubits), np.linspace(0.2, 2.0, 2 * qubits))
    else:
        bound = bind_random(circuit, seed=0)
    query = Query.single(
        bound,
        workload.observable,
        workload.partition_labels,
        workload.shots,
        seed=0,
        allocation=workload.shot_allocation,
    )
    pipeline = make_pipeline(
        workload.pipeline,
        workers=1 if workload.chunk is None else workers,
        reconstruction=workload.reconstruction,
        chunk=workload.chunk,
    )
    prepared = pipeline.generate(query, pipeline.partition(query))
    shape = prepared.shape
    run = load_function(pipeline.task_function)
    classes = tuple(
        msgspec.structs.replace(
            of,
            payload_bytes=int(np.median([len(task.encode()) for task in own])),
            result_bytes=len(run(own[0].encode(), own[0].context)),
        )
        for of, own in zip(shape.classes, _by_class(prepared), strict=True)
    )
    title = msgspec.UNSET if circuit is None else workload.title
    return msgspec.structs.replace(shape, classes=classes, circuit=title)


def _by_class(prepared: Prepared) -> list[list[Subexperiment]]:
    found: list[list[Subexperiment]] = [[] for _ in prepared.shape.classes]
    for task in prepared.subexperiments:
        found[task.class_index].append(task)
    return found


def shapes_of(
    workload: Workload, workers: int = 1, circuit: QuantumCircuit | None = None
) -> Iterator[tuple[str, WorkloadShape]]:
    """The shapes by which a simulation finds a workload, each with the name of its file.

    They are those of evenly spread shots: what the allocation changes follows from them. For
    ``reconstruction: auto`` the first is that of the default strategy, which says what each would
    have to do, and then there is that of the one chosen, where it is another.
    """
    evenly = msgspec.structs.replace(workload, allocation=msgspec.UNSET)
    if workload.pipeline == "upstream" or workload.reconstruction != AUTO:
        yield shape_name(evenly, workers), shape_of(evenly, workers, circuit)
        return
    usual = msgspec.structs.replace(evenly, reconstruction=DEFAULT_RECONSTRUCTION)
    shape = shape_of(usual, workers, circuit)
    yield shape_name(usual, workers), shape
    kind = chosen_strategy(workload, workers, shape)
    if kind != usual.reconstruction:
        chosen = msgspec.structs.replace(evenly, reconstruction=kind)
        yield shape_name(chosen, workers), shape_of(chosen, workers, circuit)


def export_shapes(scenario: Scenario, out_dir: Path) -> list[Path]:
    """Write the shape of every workload of a scenario; returns the files.

    Raises:
        InputError: a workload cannot be cut as asked, or a file cannot be written.
    """
    circuits = load_circuits(scenario)
    shapes: dict[str, WorkloadShape] = {}
    asked = {
        (shape_name(c.workload, c.pool.workers), c.workload.shot_allocation): c
        for c in scenario.cells
    }
    for cell in asked.values():
        work = cell.workload
        try:
            shapes.update(shapes_of(work, cell.pool.workers, circuits.get(work.title)))
        except InputError as error:
            if work.title not in circuits:
                raise
            raise refused_circuit(scenario, work, str(error)) from None
    return write_shapes(shapes, out_dir)


def write_shapes(shapes: Mapping[str, WorkloadShape], folder: Path) -> list[Path]:
    """Into files of these names, in a folder that is made if need be; returns them.

    Raises:
        InputError: one cannot be written.
    """
    make_folder(folder)
    return [
        write_whole(folder / name, msgspec.json.format(msgspec.json.encode(shape), indent=0))
        for name, shape in shapes.items()
    ]
