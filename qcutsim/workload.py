"""The shape of a query's work: all that passes from the quantum side to the simulator."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import msgspec

from qcutsim.errors import ProfileError

SHAPE_SCHEMA = 1


class TaskClass(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Features that tasks of one kind share; what their service time depends on.

    A task runs one subexperiment, or as many as ``subexperiments`` says.
    """

    partition: str
    width: int
    depth: int
    mid_circuit_measurements: int
    subexperiments: int = 1

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


class WorkloadShape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Subexperiments of one query, by class and in the order in which they become tasks.

    ``order`` is run-length encoded: pairs (index into ``classes``, how many in a row).
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
        """Number of partitions."""
        return len({c.partition for c in self.classes})

    def reconstruction_work(self, shots: int) -> int:
        """Work of the strategy; of the per-shot loop coefficients x partitions x shots."""
        if self.reconstruction_steps is not None:
            return self.reconstruction_steps
        return self.coefficients * self.partitions * shots

    def task_classes(self) -> list[int]:
        """Class index of each task, in task order."""
        return [index for index, count in self.order for _ in range(count)]


def shape_name(pipeline: str, partition_labels: str, observable: str) -> str:
    """File name of a shipped shape."""
    return f"iris-{pipeline}-{partition_labels}-{observable}.json"


def load_shape(
    pipeline: str,
    partition_labels: str,
    observable: str,
    path: str | os.PathLike[str] | None = None,
) -> WorkloadShape:
    """The shape from ``path``, or the one shipped for these labels.

    Raises:
        ProfileError: there is none, or the file is not a shape of these labels.
    """
    if path is None:
        name = shape_name(pipeline, partition_labels, observable)
        found = resources.files("qcutsim.workloads").joinpath(name)
        if not found.is_file():
            raise ProfileError(
                f"no workload shape is shipped for partition labels {partition_labels!r}, "
                f"observable {observable!r}, pipeline {pipeline!r}; export one with "
                "'qcutsim shape SCENARIO --out DIR' and name it as 'workload.shape'"
            )
        return _decode(name, found.read_bytes())
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read ({error.strerror})") from None
    shape = _decode(str(path), data)
    asked = (pipeline, partition_labels, observable)
    holds = (shape.pipeline, shape.partition_labels, shape.observable)
    if asked != holds:
        raise ProfileError(f"{path}: holds the shape of {holds}, the scenario asks for {asked}")
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
    for index, count in shape.order:
        if not 0 <= index < len(shape.classes) or count < 1:
            raise ProfileError(
                f"{name}: field 'order' holds ({index}, {count}); expected an index below "
                f"{len(shape.classes)} (the number of classes) and a count of at least 1"
            )
    return shape
