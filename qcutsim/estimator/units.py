"""Units and chunks: the distinct subexperiments of a query, and how they become tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.backends import Backend, ChunkOrder
from qcutsim.estimator.chunks import result_array
from qcutsim.estimator.plan import CutPlan, Template


@dataclass(frozen=True, slots=True)
class Unit:
    """Rows of one template with their settings: what one or several partitions need.

    ``partitions`` names each partition with the slice of rows that is its own; partitions never
    share a row, since values multiply their means and shared shots would bias the product.
    """

    template: Template
    values: FloatArray
    settings: IntArray
    partitions: tuple[tuple[int, slice], ...]

    @property
    def bases(self) -> int:
        """Measurement bases of each setting."""
        return len(self.template.program.bases)

    @property
    def subexperiments(self) -> int:
        """Distinct subexperiments."""
        return len(self.values) * len(self.settings) * self.bases

    def deal_out(self, of_partition: Sequence[IntArray]) -> IntArray:
        """An array (settings, bases) of each partition -> (rows, settings, bases) of the unit."""
        dealt = np.zeros((len(self.values), len(self.settings), self.bases), dtype=np.int64)
        for number, rows in self.partitions:
            dealt[rows] = of_partition[number]
        return dealt

    def weights(self, of_setting: Sequence[FloatArray]) -> FloatArray:
        """Squared weights of the settings that each partition runs, (rows, settings)."""
        squared = np.zeros((len(self.values), len(self.settings)))
        for number, rows in self.partitions:
            squared[rows] = of_setting[number] ** 2
        return squared

    def gather(self, tasks: Sequence[ChunkTask], results: Sequence[bytes]) -> FloatArray:
        """Put the results of the unit's own tasks together, (rows, settings, bases, outcomes)."""
        program = self.template.program
        gathered = np.empty((len(self.values), len(self.settings), self.bases, program.outcomes))
        for task, result in zip(tasks, results, strict=True):
            rows, settings = len(task.order.values), len(task.order.settings)
            gathered[task.rows, task.settings] = result_array(result, rows, settings, program)
        return gathered


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """Some rows and settings of a unit, as one task.

    ``weight`` is what it may add to the variance of a value with one shot a subexperiment.
    """

    unit: int
    rows: slice
    settings: slice
    order: ChunkOrder
    backend: Backend
    class_index: int
    shots: int
    weight: float

    @property
    def bindings(self) -> int:
        return len(self.order.values)

    @property
    def context(self) -> bytes:
        return self.order.program

    def encode(self) -> bytes:
        return self.backend.encode(self.order)


def make_units(
    plan: CutPlan,
    rows: Sequence[FloatArray],
    settings: Sequence[IntArray],
    *,
    are_alike: bool,
) -> list[Unit]:
    """Units of a query.

    Args:
        plan: of the query.
        rows: distinct rows of values of each partition.
        settings: joint settings that each partition needs.
        are_alike: whether partitions of one template need the same settings, and make one unit.
    """
    members: dict[Any, list[int]] = {}
    for number, partition in enumerate(plan.partitions):
        key = (partition.template, None if are_alike else number)
        members.setdefault(key, []).append(number)
    units = []
    for numbers in members.values():
        ends = np.cumsum([0, *(len(rows[number]) for number in numbers)]).tolist()
        own = tuple((number, slice(ends[i], ends[i + 1])) for i, number in enumerate(numbers))
        values = np.concatenate([rows[number] for number in numbers])
        units.append(Unit(plan.template_of(numbers[0]), values, settings[numbers[0]], own))
    return units


def split(unit: Unit, chunk: int) -> list[tuple[slice, slice]]:
    """Rows and settings of chunks of about ``chunk`` subexperiments.

    Whole rows where several fit into one chunk, parts of a row otherwise.
    """
    per_row = len(unit.settings) * unit.bases
    if chunk >= per_row:
        step = max(1, chunk // per_row)
        return [
            (slice(start, start + step), slice(0, len(unit.settings)))
            for start in range(0, len(unit.values), step)
        ]
    step = max(1, chunk // unit.bases)
    return [
        (slice(row, row + 1), slice(start, start + step))
        for row in range(len(unit.values))
        for start in range(0, len(unit.settings), step)
    ]


def distinct_rows(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Distinct rows, and which of them each binding has."""
    if values.shape[1] == 0 or len(values) == 1:
        return values[:1], np.zeros(len(values), dtype=np.int64)
    rows, inverse = np.unique(values, axis=0, return_inverse=True)
    return rows, inverse.reshape(-1)
