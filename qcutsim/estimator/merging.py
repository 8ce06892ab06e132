"""Reconstruction that overlaps execution: partitions are merged as they become complete.

The steps are those of the strategy's contraction tree and give the same bits as contracting when
all is there; only when and where each is done differs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from qcutsim.estimator.arrays import FloatArray
from qcutsim.estimator.contraction import (
    GROUP_ELEMENTS,
    ContractionTask,
    ContractionTree,
    Step,
    decode_tensor,
)
from qcutsim.estimator.reconstruction import Overlap
from qcutsim.estimator.sampling import PartitionData
from qcutsim.runtime import MergeTask
from qcutsim.workload import MergeShape

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Merging:
    """What merges need to know of a query.

    Args:
        tree: the contraction; its tensors are the partitions, then the couplings.
        couplings: (1 or values, left, right) of each cut.
        unit_of: the unit that each partition belongs to.
        values: how many points.
        unit_tasks: which tasks each unit has.
        unit_sizes: how many subexperiments.
        collect: (unit, results) -> data of the unit's partitions.
        read: (partition, its data) -> the tensor that is contracted.
    """

    tree: ContractionTree
    couplings: Sequence[FloatArray]
    unit_of: Sequence[int]
    values: int
    unit_tasks: Sequence[range]
    unit_sizes: Sequence[int]
    collect: Callable[[int, Sequence[Any]], dict[int, PartitionData]]
    read: Callable[[int, PartitionData], FloatArray]

    @property
    def is_worth_it(self) -> bool:
        """Whether there is something to merge, and it can be held at once for all points."""
        fits = self.tree.total * self.values <= GROUP_ELEMENTS
        return len(self.unit_of) > 1 and fits

    @cached_property
    def consumer(self) -> dict[int, int]:
        """The step that each tensor goes into."""
        steps = enumerate(self.tree.steps)
        return {tensor: n for n, step in steps for tensor in (step.left, step.right)}

    @cached_property
    def spans(self) -> list[int]:
        """How many partitions each tensor holds."""
        spans = [1 if n < len(self.unit_of) else 0 for n in range(self.tree.inputs)]
        for step in self.tree.steps:
            spans.append(spans[step.left] + spans[step.right])
        return spans

    def has_coupling(self, step: Step) -> bool:
        """Whether the step takes a coupling in, rather than joining partitions."""
        return 0 in (self.spans[step.left], self.spans[step.right])

    def operand(self, tensor: int, known: Mapping[int, FloatArray]) -> FloatArray | None:
        """A tensor, if it is there."""
        is_coupling = len(self.unit_of) <= tensor < self.tree.inputs
        return self.couplings[tensor - len(self.unit_of)] if is_coupling else known.get(tensor)

    def origin(self, tensor: int) -> int:
        """The unit whose collection leaves that tensor: couplings are taken in there."""
        while tensor >= self.tree.inputs:
            step = self.tree.steps[tensor - self.tree.inputs]
            tensor = step.left if self.spans[step.left] else step.right
        return self.unit_of[tensor]


@dataclass(slots=True)
class Partial:
    """Data of the partitions that are complete, and tensors that are not yet contracted."""

    data: dict[int, PartitionData] = field(default_factory=dict)
    tensors: dict[int, FloatArray] = field(default_factory=dict)

    def with_unit(
        self, merging: Merging, unit: int, results: Sequence[Any], *, only_couplings: bool
    ) -> Partial:
        """With one unit more, and every step done that is possible now."""
        found = merging.collect(unit, results)
        tensors = dict(self.tensors)
        for partition, data in found.items():
            tensors[partition] = merging.read(partition, data)
        fresh = list(found)
        while fresh:
            number = merging.consumer.get(fresh.pop())
            if number is None:
                continue
            step = merging.tree.steps[number]
            left, right = merging.operand(step.left, tensors), merging.operand(step.right, tensors)
            is_left_out = only_couplings and not merging.has_coupling(step)
            if left is None or right is None or is_left_out:
                continue
            made = step.perform({step.left: left, step.right: right})
            tensors.pop(step.left, None)
            tensors.pop(step.right, None)
            tensors[merging.tree.inputs + number] = made
            fresh.append(merging.tree.inputs + number)
        return Partial(self.data | found, tensors)


@dataclass(frozen=True, slots=True)
class CollectUnit:
    """The coordinator collects a unit's results and merges what it can.

    ``before`` is the merge whose result it adds to, if any; with ``only_couplings`` the joining of
    partitions is left to others.
    """

    merging: Merging
    unit: int
    needs: Ranges
    before: int | None = None
    only_couplings: bool = False
    on_worker: bool = False

    @property
    def work(self) -> int:
        """Subexperiments that are collected."""
        return self.merging.unit_sizes[self.unit]

    def encode(self, results: Sequence[Any]) -> bytes:
        raise TypeError("the coordinator collects")

    def merge(self, results: Sequence[Any]) -> Partial:
        partial = Partial() if self.before is None else results[self.before]
        return partial.with_unit(
            self.merging, self.unit, results, only_couplings=self.only_couplings
        )


@dataclass(frozen=True, slots=True)
class JoinPartitions:
    """A worker contracts tensors; ``sources`` says for each the merge it comes from, its number."""

    sources: tuple[tuple[int, int], ...]
    steps: tuple[Step, ...]
    needs: Ranges
    values: int
    on_worker: bool = True

    @property
    def work(self) -> int:
        """Steps of the contraction."""
        return len(self.steps)

    @property
    def payload_bytes(self) -> int:
        """Of the tensors that are joined."""
        given = len(self.sources)
        sizes = {step.left: step.left_elements for step in self.steps}
        sizes |= {step.right: step.right_elements for step in self.steps}
        return 8 * self.values * sum(size for tensor, size in sizes.items() if tensor < given)

    @property
    def result_bytes(self) -> int:
        """Of the tensor that is made."""
        last = self.steps[-1]
        return 8 * self.values * math.prod((*last.left_shape, *last.right_shape))

    def encode(self, results: Sequence[Any]) -> bytes:
        tensors = [_tensor(results[merge], number) for merge, number in self.sources]
        return ContractionTask.of(tensors, self.steps).encode()

    def merge(self, results: Sequence[Any]) -> Any:
        raise TypeError("a worker joins")


def _tensor(result: Any, number: int) -> FloatArray:
    return result.tensors[number] if isinstance(result, Partial) else decode_tensor(result)


def make_merges(merging: Merging, overlap: Overlap, workers: int) -> list[MergeTask]:
    """The merges of a query; none where nothing is to be gained.

    Args:
        merging: of the query.
        overlap: who joins partitions.
        workers: of the pool: joins are so large that there are about two for each.
    """
    if overlap is None or not merging.is_worth_it:
        return []
    first = merging.unit_tasks[-1].stop
    if overlap == "coordinator":
        return [
            CollectUnit(
                merging,
                unit,
                _needs(tasks, [] if unit == 0 else [first + unit - 1]),
                None if unit == 0 else first + unit - 1,
            )
            for unit, tasks in enumerate(merging.unit_tasks)
        ]
    collects: list[MergeTask] = [
        CollectUnit(merging, unit, _needs(tasks, []), only_couplings=True)
        for unit, tasks in enumerate(merging.unit_tasks)
    ]
    return [*collects, *_joins(merging, first, max(1, len(merging.unit_of) // (2 * workers)))]


def merge_shape(merge: MergeTask) -> MergeShape:
    """A merge as the simulator needs to know it."""
    payload = result = 0
    if isinstance(merge, JoinPartitions):
        payload, result = merge.payload_bytes, merge.result_bytes
    return MergeShape(
        needs=merge.needs,
        on_worker=merge.on_worker,
        work=merge.work,
        payload_bytes=payload,
        result_bytes=result,
    )


def merged(
    merging: Merging, merges: Sequence[MergeTask], results: Sequence[Any]
) -> tuple[list[PartitionData], FloatArray]:
    """Data of all partitions, and the last tensor, from the results of all merges."""
    own = results[len(results) - len(merges) :]
    data: dict[int, PartitionData] = {}
    for result in own:
        if isinstance(result, Partial):
            data |= result.data
    last = merging.tree.inputs + len(merging.tree.steps) - 1
    return [data[partition] for partition in range(len(merging.unit_of))], _tensor(own[-1], last)


def _needs(tasks: range, nodes: Sequence[int]) -> Ranges:
    return ((tasks.start, tasks.stop), *((node, node + 1) for node in nodes))


def _joins(merging: Merging, first: int, block: int) -> Iterator[MergeTask]:
    """Joins of up to ``block`` partitions as one task, larger ones step by step."""
    tree, spans = merging.tree, merging.spans
    source: dict[int, int] = {}
    node = first + len(merging.unit_tasks)
    for place, step in enumerate(tree.steps):
        number = tree.inputs + place
        parent = merging.consumer.get(number)
        is_part = parent is not None and spans[tree.inputs + parent] <= block
        if merging.has_coupling(step) or is_part:
            continue
        steps = _subtree(merging, number, block)
        made = {n for n, _ in steps}
        inputs = [t for _, s in steps for t in (s.left, s.right) if t not in made]
        origins = [source.get(t, first + merging.origin(t)) for t in inputs]
        local = {tensor: n for n, tensor in enumerate([*inputs, *(n for n, _ in steps)])}
        yield JoinPartitions(
            tuple(zip(origins, inputs, strict=True)),
            tuple(replace(s, left=local[s.left], right=local[s.right]) for _, s in steps),
            tuple((origin, origin + 1) for origin in dict.fromkeys(origins)),
            merging.values,
        )
        source[number] = node
        node += 1


def _subtree(merging: Merging, top: int, block: int) -> list[tuple[int, Step]]:
    """The join ``top`` and, in order, those below it of which it is made up to ``block``."""
    found, waiting = [], [top]
    while waiting:
        number = waiting.pop()
        if number < merging.tree.inputs:
            continue
        step = merging.tree.steps[number - merging.tree.inputs]
        is_small = merging.spans[number] <= block
        if not merging.has_coupling(step) and (number == top or is_small):
            found.append((number, step))
            if merging.spans[top] <= block:
                waiting += [step.left, step.right]
    return sorted(found, key=lambda entry: entry[0])
