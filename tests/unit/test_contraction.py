"""Contraction trees against numpy.einsum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcutsim.estimator.contraction import (
    ContractionTree,
    Network,
    incremental_path,
    optimised_path,
    tree_path,
)

PATHS = [optimised_path, incremental_path, tree_path]


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Partitions joined by couplings anyhow: rings, several cuts between two, self-loops."""
    partitions = draw(st.integers(1, 5))
    ends = st.tuples(st.integers(0, partitions - 1), st.integers(0, partitions - 1))
    cuts = draw(st.lists(ends, max_size=6))
    indices: list[list[int]] = [[] for _ in range(partitions)]
    for number, (left, right) in enumerate(cuts):
        indices[left].append(2 * number)
        indices[right].append(2 * number + 1)
    sizes = {index: draw(st.integers(1, 3)) for index in range(2 * len(cuts))}
    couplings = tuple((2 * number, 2 * number + 1) for number in range(len(cuts)))
    return Network(tuple(map(tuple, indices)), couplings, sizes)


def operands(network: Network, points: int, seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    batches = [points] * len(network.partitions) + [1] * len(network.couplings)
    return [
        generator.normal(size=(batch, *(network.sizes[i] for i in indices)))
        for batch, indices in zip(batches, network.tensors, strict=True)
    ]


def by_einsum(network: Network, tensors: list[np.ndarray], points: int) -> np.ndarray:
    batch = 2 * len(network.couplings)
    arguments: list[object] = []
    for tensor, indices in zip(tensors, network.tensors, strict=True):
        full = np.broadcast_to(tensor, (points, *tensor.shape[1:]))
        arguments += [full, [batch, *indices]]
    return np.einsum(*arguments, [batch], optimize="greedy")


@given(network=networks(), points=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_every_path_gives_what_einsum_gives(network, points, seed):
    tensors = operands(network, points, seed)
    expected = by_einsum(network, tensors, points)
    for find_path in PATHS:
        tree = ContractionTree.of(network, find_path(network))
        np.testing.assert_allclose(tree.contract(tensors, points), expected, atol=1e-9)


@given(network=networks(), points=st.integers(1, 2), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_gradients_are_the_network_without_the_tensor(network, points, seed):
    """Values are linear in each tensor: <gradient, other> is the value with the other one."""
    tensors = operands(network, points, seed)
    others = operands(network, points, seed + 1000)
    tree = ContractionTree.of(network, optimised_path(network))
    gradients = tree.gradients(tensors, points, len(network.partitions))
    for number in range(len(network.partitions)):
        replaced = [*tensors[:number], others[number], *tensors[number + 1 :]]
        flat = gradients[number].reshape(points, -1) * others[number].reshape(points, -1)
        expected = by_einsum(network, replaced, points)
        np.testing.assert_allclose(flat.sum(axis=1), expected, atol=1e-9)


@pytest.mark.parametrize("find_path", PATHS)
def test_the_work_of_a_chain_grows_with_its_length_and_no_faster(find_path):
    def work(cuts: int) -> int:
        ends = [(2 * c + 1, 2 * c + 2) for c in range(cuts - 1)]
        network = Network(
            ((0,), *ends, (2 * cuts - 1,)),
            tuple((2 * c, 2 * c + 1) for c in range(cuts)),
            dict.fromkeys(range(2 * cuts), 5),
        )
        return network.tree(find_path).work

    assert work(64) < 3 * work(32)


def test_a_tree_is_found_once_and_kept_with_its_network():
    network = Network(((0,), (1,)), ((0, 1),), {0: 2, 1: 2})
    assert network.tree(optimised_path) is network.tree(optimised_path)
    assert network.doubled() is network.doubled()
    assert network.doubled().sizes == {0: 4, 1: 4}
