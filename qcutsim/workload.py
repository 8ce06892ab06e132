"""The shape of a query's work: all that passes from the quantum side to the simulator."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import numpy as np

from qcutsim.errors import ProfileError
from qcutsim.files import exists
from qcutsim.reconstructionchoice import AUTO, StrategyWork, choose_reconstruction
from qcutsim.records import MERGE_PARTITION

if TYPE_CHECKING:
    from qcutsim.cell import Workload

SHAPE_SCHEMA = 1

Allocation = Literal["uniform", "variance"]
"""How a query's shots are spread over its subexperiments: evenly, or where its variance comes from.
"""

LEAST_ALLOCATED_SHOTS = 10
"""A subexperiment on average, for an allocation by variance."""

DEFAULT_RECONSTRUCTION = "contracted"
"""Of the pipeline ``planned``."""


class TaskClass(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Features that tasks of one kind share; what their service time depends on.

    A task runs one subexperiment, or as many as ``subexperiments`` says. ``payload_bytes`` go to
    its worker and ``result_bytes`` come back, in median; 0 where that is not told.
    """

    partition: str
    width: int
    depth: int
    mid_circuit_measurements: int
    subexperiments: int = 1
    payload_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0
    result_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0

    @property
    def structure(self) -> str:
        """What tasks of one service time have in common, as policies tell them apart."""
        mid_circuit = f" m{self.mid_circuit_measurements}" if self.mid_circuit_measurements else ""
        return f"w{self.width} d{self.depth}{mid_circuit} x{self.subexperiments}"

    @property
    def circuit(self) -> tuple[int, int, int]:
        """(mid-circuit measurements, width, depth) of a subexperiment."""
        return (self.mid_circuit_measurements, self.width, self.depth)

    @property
    def features(self) -> tuple[int, int, int, int]:
        """What sets classes apart: :attr:`circuit` and the number of subexperiments."""
        return (*self.circuit, self.subexperiments)


MERGE_CLASS = TaskClass(partition=MERGE_PARTITION, width=1, depth=0, mid_circuit_measurements=0)
"""What stands for the class of a merge."""


class MergeShape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step of the reconstruction that may begin once what it needs is done.

    ``needs`` holds half-open ranges of numbers: tasks are numbered first, merges after them.
    ``work`` is what it collects (subexperiments) or joins (steps of the contraction). Where a
    worker does it, ``payload_bytes`` go there and ``result_bytes`` come back.
    """

    needs: tuple[tuple[int, int], ...]
    on_worker: bool
    work: int
    payload_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0
    result_bytes: Annotated[int, msgspec.Meta(ge=0)] = 0


class WorkloadShape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Subexperiments of one query, by class and in the order in which they become tasks.

    ``order`` is run-length encoded: pairs (index into ``classes``, how many in a row). ``merges``
    are what a reconstruction does before the barrier opens. ``circuit`` is the name and hash of
    one's own circuit.
    ``weights`` says of each task what it
    may add to the variance of the value, where that is known: squared coefficients, summed.
    ``strategies`` says what each strategy of reconstruction would have to do, for ``auto``.
    """

    schema: int
    pipeline: str
    partition_labels: str
    observable: str
    cuts: int
    coefficients: int
    classes: tuple[TaskClass, ...]
    order: tuple[tuple[int, int], ...]
    reconstruction: str = "per_shot"
    reconstruction_steps: int | None = None
    merges: tuple[MergeShape, ...] = ()
    circuit: str | msgspec.UnsetType = msgspec.UNSET
    weights: tuple[float, ...] = ()
    strategies: tuple[StrategyWork, ...] = ()

    @property
    def tasks(self) -> int:
        """Number of tasks of a query."""
        return sum(count for _, count in self.order)

    @property
    def subexperiments(self) -> int:
        """Number of subexperiments of a query."""
        return sum(count * self.classes[index].subexperiments for index, count in self.order)

    @property
    def partitions(self) -> int:
        """Number of partitions; alike ones of the pipeline ``planned`` share their classes."""
        if self.pipeline == "upstream":
            return len({c.partition for c in self.classes})
        return len(set(self.partition_labels))

    def reconstruction_work(self, shots: int) -> int:
        """Work of the strategy; of the per-shot loop coefficients x partitions x shots."""
        if self.reconstruction_steps is not None:
            return self.reconstruction_steps
        return self.coefficients * self.partitions * shots

    def class_of_task(self) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        """Class index of each task, in task order, as an array."""
        indices, counts = np.array(self.order, np.int32).reshape(-1, 2).T
        return np.repeat(indices, counts)

    def task_classes(self) -> list[int]:
        """Class index of each task, in task order."""
        return self.class_of_task().tolist()

    def node_bytes(self) -> list[tuple[int, int]]:
        """(payload, result) bytes of each task, then of each merge."""
        own = [(of.payload_bytes, of.result_bytes) for of in self.classes]
        merged = [(merge.payload_bytes, merge.result_bytes) for merge in self.merges]
        return [own[index] for index in self.task_classes()] + merged


def shape_name(work: Workload, workers: int) -> str:
    """File name of a workload's shape.

    What the pipeline ``planned`` makes of a query depends on how it reconstructs, on the chunk,
    and, where joins are dealt out to them, on the number of workers.
    """
    evaluated = "iris" if work.circuit is msgspec.UNSET else work.title
    name = f"{evaluated}-{work.pipeline}-{work.partition_labels}-{work.observable}"
    if work.pipeline != "upstream":
        reconstruction = work.reconstruction or DEFAULT_RECONSTRUCTION
        name += f"-{reconstruction}-{'auto' if work.chunk is None else f'chunk{work.chunk}'}"
        if reconstruction in ("tree", AUTO):
            name += f"-{workers}workers"
    return f"{name}.json"


def has_shape(work: Workload, workers: int = 1, beside: Path | None = None) -> bool:
    """Whether :func:`load_shape` finds what it needs, shipped or in the folder that is named.

    A file that is named counts as found.

    Raises:
        ProfileError: ``reconstruction: auto`` needs a file to be read that is no shape.
    """
    if _is_auto(work):
        usual = msgspec.structs.replace(work, reconstruction=DEFAULT_RECONSTRUCTION)
        if not has_shape(usual, workers, beside):
            return False
        work = _decided(work, workers, beside)
    name = shape_name(work, workers)
    if work.shape is None:
        return resources.files("qcutsim.workloads").joinpath(name).is_file()
    path = shape_path(work.shape, beside)
    return not path.is_dir() or exists(path / name)


def load_shape(work: Workload, workers: int = 1, beside: Path | None = None) -> WorkloadShape:
    """The shape of a workload: from the file or folder that it names, or the one shipped.

    A path is relative to the working folder, or else to ``beside``, that of the scenario. In a
    folder the shape has the name that 'qcutsim shape' gave it.

    ``reconstruction: auto`` is resolved by the rule of a real run.

    Raises:
        ProfileError: there is none, or the file is not a shape of this workload.
    """
    if _is_auto(work):
        work = _decided(work, workers, beside)
    shape = _load(work, workers, beside)
    if work.shot_allocation == "variance":  # all pilots decide before anything can be merged
        shape = msgspec.structs.replace(shape, merges=())
    return shape


def _is_auto(work: Workload) -> bool:
    return work.pipeline != "upstream" and work.reconstruction == AUTO


def _decided(work: Workload, workers: int, beside: Path | None) -> Workload:
    """With the strategy chosen: any shape of it tells what each would have to do."""
    usual = msgspec.structs.replace(work, reconstruction=DEFAULT_RECONSTRUCTION)
    if work.shape is None:
        shape = _load(usual, workers, beside)
    else:
        shape = _decode(*_read(work.shape, shape_name(usual, workers), beside))
    if not shape.strategies:
        raise ProfileError(
            f"{work.shape}: does not say what each reconstruction would have to do, which "
            "'reconstruction: auto' needs; export the shape again with 'qcutsim shape'"
        )
    return msgspec.structs.replace(work, reconstruction=chosen_strategy(work, workers, shape))


def chosen_strategy(work: Workload, workers: int, shape: WorkloadShape) -> str:
    """What ``reconstruction: auto`` is on so many workers, told by any shape of the workload."""
    return choose_reconstruction(
        shape.strategies,
        workers=workers,
        subexperiments=shape.subexperiments,
        may_overlap=work.shot_allocation == "uniform",
    ).kind


def shape_path(shape: str, beside: Path | None) -> Path:
    """The file or folder that a scenario names, which stands in the folder ``beside``."""
    path = Path(shape)
    if beside is not None and not exists(path) and exists(beside / path):
        return beside / path
    return path


def _read(shape: str, name: str, beside: Path | None) -> tuple[str, bytes]:
    """The file that a scenario names, or the one of that name in a folder; its path and data."""
    path = shape_path(shape, beside)
    if path.is_dir():
        path /= name
    try:
        return str(path), path.read_bytes()
    except FileNotFoundError:
        folder = path.parent if path.suffix else path
        raise ProfileError(
            f"{path}: no such file; export it with 'qcutsim shape SCENARIO --out {folder}'"
        ) from None
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read ({error.strerror})") from None


def _load(work: Workload, workers: int, beside: Path | None) -> WorkloadShape:
    name = shape_name(work, workers)
    if work.shape is None:
        found = resources.files("qcutsim.workloads").joinpath(name)
        if not found.is_file():
            raise ProfileError(
                f"no workload shape {name} is shipped (partition labels "
                f"{work.partition_labels!r}, observable {work.observable!r}, pipeline "
                f"{work.pipeline!r}); export one with 'qcutsim shape SCENARIO --out DIR' and name "
                "it, or DIR, as 'workload.shape'"
            )
        return _decode(name, found.read_bytes())
    path, data = _read(work.shape, name, beside)
    shape = _decode(path, data)
    own = msgspec.UNSET if work.circuit is msgspec.UNSET else work.title
    if shape.circuit != own:
        holds_circuit = shape.circuit or "a data set"
        raise ProfileError(
            f"{path}: holds the shape of {holds_circuit}, the scenario asks for {work.title}; "
            "export it with 'qcutsim shape SCENARIO --out DIR'"
        )
    asked = (work.pipeline, work.partition_labels, work.observable)
    holds = (shape.pipeline, shape.partition_labels, shape.observable)
    if asked != holds:
        raise ProfileError(f"{path}: holds the shape of {holds}, the scenario asks for {asked}")
    reconstruction = work.reconstruction or DEFAULT_RECONSTRUCTION
    if work.pipeline != "upstream" and shape.reconstruction != reconstruction:
        raise ProfileError(
            f"{path}: holds the shape of the reconstruction {shape.reconstruction!r}, the "
            f"scenario asks for {reconstruction!r}"
        )
    return shape


def _decode(name: str, data: bytes) -> WorkloadShape:
    try:
        shape = msgspec.json.decode(data, type=WorkloadShape)
    except msgspec.MsgspecError as error:
        raise ProfileError(f"{name}: not a workload shape: {error}") from None
    if shape.schema != SHAPE_SCHEMA:
        raise ProfileError(
            f"{name}: field 'schema' is {shape.schema}; this version reads {SHAPE_SCHEMA}; "
            "export the shape again with 'qcutsim shape'"
        )
    if shape.weights and len(shape.weights) != shape.tasks:
        raise ProfileError(
            f"{name}: field 'weights' has {len(shape.weights)} numbers, expected one for each of "
            f"{shape.tasks} tasks, or none"
        )
    nodes = shape.tasks + len(shape.merges)
    for merge in shape.merges:
        if merge.work < 0 or not all(0 <= a <= b <= nodes for a, b in merge.needs):
            raise ProfileError(f"{name}: field 'merges' needs what is not there: {merge.needs}")
    for index, count in shape.order:
        if not 0 <= index < len(shape.classes) or count < 1:
            raise ProfileError(
                f"{name}: field 'order' holds ({index}, {count}); expected an index below "
                f"{len(shape.classes)} (the number of classes) and a count of at least 1"
            )
    return shape
