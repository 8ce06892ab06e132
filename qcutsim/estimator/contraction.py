"""Contraction of partition tensors and cut couplings along a tree of pairwise steps.

Every index joins exactly two tensors (a partition and a coupling), so each step is one batched
matrix product. Batches lead every shape: an operand has as many entries as there are points, or
one for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np
import opt_einsum

from qcutsim.estimator.arrays import FloatArray

Path = Sequence[tuple[int, int]]
"""Pairs of tensor numbers; the result of step i is tensor ``inputs + i``."""

PathFinder = Callable[["Network"], Path]
"""Finds a path for a network."""

GROUP_ELEMENTS = 1 << 24
"""Points are contracted in groups whose largest tensor stays below this."""


@dataclass(frozen=True)
class Network:
    """Which indices each tensor has: partitions first, then one coupling a cut."""

    partitions: tuple[tuple[int, ...], ...]
    couplings: tuple[tuple[int, int], ...]
    sizes: Mapping[int, int]

    @property
    def tensors(self) -> tuple[tuple[int, ...], ...]:
        """Indices of all tensors."""
        return (*self.partitions, *self.couplings)

    def doubled(self) -> Network:
        """The network of second moments: every index twice, as one of the squared size."""
        return self._doubled

    @cached_property
    def _doubled(self) -> Network:
        sizes = {index: size * size for index, size in self.sizes.items()}
        return Network(self.partitions, self.couplings, sizes)

    @cached_property
    def _trees(self) -> dict[PathFinder, ContractionTree]:
        return {}

    def tree(self, find_path: PathFinder) -> ContractionTree:
        """The contraction tree along that kind of path; found once."""
        if find_path not in self._trees:
            self._trees[find_path] = ContractionTree.of(self, find_path(self))
        return self._trees[find_path]


@dataclass(frozen=True, slots=True)
class Step:
    """Operands as (kept, shared) axes, batch excluded."""

    left: int
    right: int
    left_axes: tuple[int, ...]
    right_axes: tuple[int, ...]
    shared: int
    left_shape: tuple[int, ...]
    right_shape: tuple[int, ...]

    @property
    def left_elements(self) -> int:
        """Of the left operand, a point."""
        return math.prod(self.left_shape) * self.shared

    @property
    def right_elements(self) -> int:
        """Of the right operand, a point."""
        return self.shared * math.prod(self.right_shape)

    def perform(self, known: Sequence[FloatArray] | Mapping[int, FloatArray]) -> FloatArray:
        """The product of two of the known tensors, batch first."""
        left, right = _operands(self, known)
        product = left @ right
        return product.reshape(len(product), *self.left_shape, *self.right_shape)


@dataclass(frozen=True, slots=True)
class ContractionTree:
    """A path worked out for the sizes of one network.

    ``work`` counts multiply-adds a point; ``peak`` is the largest tensor, in elements, and
    ``total`` that of all.
    """

    inputs: int
    steps: tuple[Step, ...]
    work: int
    peak: int
    total: int

    @classmethod
    def of(cls, network: Network, path: Path) -> ContractionTree:
        """Work out each step of ``path``."""
        tensors = [tuple(indices) for indices in network.tensors]
        size = network.sizes
        steps, work = [], 0
        volumes = [_volume(indices, size) for indices in tensors]
        for left, right in path:
            a, b = tensors[left], tensors[right]
            common = [index for index in a if index in b]
            kept_a = [index for index in a if index not in common]
            kept_b = [index for index in b if index not in common]
            steps.append(
                Step(
                    left,
                    right,
                    tuple(a.index(i) for i in (*kept_a, *common)),
                    tuple(b.index(i) for i in (*common, *kept_b)),
                    _volume(common, size),
                    tuple(size[i] for i in kept_a),
                    tuple(size[i] for i in kept_b),
                )
            )
            tensors.append((*kept_a, *kept_b))
            work += _volume([*kept_a, *common, *kept_b], size)
            volumes.append(_volume(tensors[-1], size))
        return cls(len(network.tensors), tuple(steps), work, max(volumes), sum(volumes))

    def contract(self, tensors: Sequence[FloatArray], points: int) -> FloatArray:
        """The value of the network at each point, shape (points,)."""
        group = max(1, GROUP_ELEMENTS // self.peak)
        values = [
            self._forward([_rows(t, start, group) for t in tensors])[-1].reshape(-1)
            for start in range(0, points, group)
        ]
        return np.broadcast_to(np.concatenate(values), (points,)) if values else np.zeros(0)

    def _forward(self, tensors: list[FloatArray]) -> list[FloatArray]:
        known = list(tensors)
        for step in self.steps:
            known.append(step.perform(known))
        return known

    def gradients(
        self, tensors: Sequence[FloatArray], points: int, wanted: int
    ) -> list[FloatArray]:
        """Derivative of the value by each of the first ``wanted`` tensors, (points, ...)."""
        # Reverse mode keeps every intermediate, and as much again.
        group = max(1, GROUP_ELEMENTS // (2 * self.total))
        parts = [
            self._backward([_rows(t, start, group) for t in tensors], min(group, points - start))[
                :wanted
            ]
            for start in range(0, points, group)
        ]
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def _backward(self, tensors: Sequence[FloatArray], points: int) -> list[FloatArray]:
        known = self._forward(list(tensors))
        adjoint: list[FloatArray | None] = [None] * len(known)
        adjoint[-1] = np.ones((points, 1, 1))
        for number in range(len(self.steps) - 1, -1, -1):
            step = self.steps[number]
            left, right = _operands(step, known)
            above = adjoint[self.inputs + number]
            if above is None:
                continue
            flat = above.reshape(points, left.shape[1], right.shape[2])
            adjoint[step.left] = _back(
                flat @ right.swapaxes(1, 2), step.left_axes, known[step.left]
            )
            adjoint[step.right] = _back(
                left.swapaxes(1, 2) @ flat, step.right_axes, known[step.right]
            )
        return [
            np.ones((points, *t.shape[1:])) if a is None else a.reshape(points, *t.shape[1:])
            for a, t in zip(adjoint[: self.inputs], tensors, strict=True)
        ]


class ContractionTask(msgspec.Struct, frozen=True, array_like=True, tag="contraction"):
    """Some steps of a contraction, for a worker: tensors as (shape, float64), steps among them."""

    tensors: tuple[tuple[tuple[int, ...], bytes], ...]
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, tensors: Sequence[FloatArray], steps: Sequence[Step]) -> ContractionTask:
        """These steps; they number the given tensors first, then each other's results."""
        return cls(tuple((t.shape, t.tobytes()) for t in tensors), tuple(steps))

    def encode(self) -> bytes:
        """The task as MessagePack."""
        return _encoder.encode(self)

    def perform(self) -> bytes:
        """The result of the last step; :func:`decode_tensor` reads it."""
        known = [np.frombuffer(data).reshape(shape) for shape, data in self.tensors]
        for step in self.steps:
            known.append(step.perform(known))
        return _encoder.encode((known[-1].shape, known[-1].tobytes()))


_encoder = msgspec.msgpack.Encoder()
_tensors = msgspec.msgpack.Decoder(tuple[tuple[int, ...], bytes])


def decode_tensor(result: bytes) -> FloatArray:
    """What a :class:`ContractionTask` made."""
    shape, data = _tensors.decode(result)
    return np.frombuffer(data).reshape(shape)


def _volume(indices: Sequence[int], size: Mapping[int, int]) -> int:
    return math.prod(size[index] for index in indices)


def _rows(tensor: FloatArray, start: int, count: int) -> FloatArray:
    return tensor if len(tensor) == 1 else tensor[start : start + count]


def _operands(
    step: Step, known: Sequence[FloatArray] | Mapping[int, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    left = known[step.left].transpose(0, *(axis + 1 for axis in step.left_axes))
    right = known[step.right].transpose(0, *(axis + 1 for axis in step.right_axes))
    return (
        left.reshape(len(left), -1, step.shared),
        right.reshape(len(right), step.shared, -1),
    )


def _back(flat: FloatArray, axes: tuple[int, ...], like: FloatArray) -> FloatArray:
    """Undo the transposition of an operand."""
    shape = tuple(like.shape[axis + 1] for axis in axes)
    order = (0, *(int(i) + 1 for i in np.argsort(axes)))
    return flat.reshape(len(flat), *shape).transpose(order)


def optimised_path(network: Network) -> Path:
    """A path found by opt_einsum: optimal for few tensors, greedy for many."""
    count = len(network.tensors)
    symbols = {index: opt_einsum.get_symbol(number) for number, index in enumerate(network.sizes)}
    inputs = [frozenset(symbols[i] for i in indices) for indices in network.tensors]
    sizes = {symbols[i]: size for i, size in network.sizes.items()}
    if count == 1:
        return []
    linear = opt_einsum.paths.auto(inputs, frozenset(), sizes)
    return _as_pairs(linear, count)


def _as_pairs(linear: Sequence[Sequence[int]], count: int) -> Path:
    """opt_einsum's positions in a shrinking list -> numbers of tensors, two at a time."""
    alive = list(range(count))
    path: list[tuple[int, int]] = []
    for positions in linear:
        chosen = [alive[position] for position in positions]
        for position in sorted(positions, reverse=True):
            del alive[position]
        current = chosen[0]
        for other in chosen[1:]:
            path.append((current, other))
            current = count + len(path) - 1
        alive.append(current)
    return path


@dataclass(slots=True)
class PathBuilder:
    """Builds a path by naming partitions; couplings are absorbed on the way."""

    network: Network
    path: list[tuple[int, int]] = field(default_factory=list)

    def join(self, left: int, right: int) -> int:
        """Contract two tensors; returns the number of the result."""
        self.path.append((left, right))
        return len(self.network.tensors) + len(self.path) - 1

    def absorb_couplings(self) -> list[int]:
        """Contract each coupling into the partition at its first end; the tensors that result."""
        current = list(range(len(self.network.partitions)))
        owner = {i: p for p, indices in enumerate(self.network.partitions) for i in indices}
        for number, (first, _) in enumerate(self.network.couplings):
            partition = owner[first]
            coupling = len(self.network.partitions) + number
            current[partition] = self.join(current[partition], coupling)
        return current


def incremental_path(network: Network) -> Path:
    """Partitions merge one after the other into a running tensor, in their order."""
    builder = PathBuilder(network)
    running, *others = builder.absorb_couplings()
    for other in others:
        running = builder.join(running, other)
    return builder.path


def tree_path(network: Network) -> Path:
    """Neighbours merge pairwise, level after level."""
    builder = PathBuilder(network)
    level = builder.absorb_couplings()
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [builder.join(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return builder.path
