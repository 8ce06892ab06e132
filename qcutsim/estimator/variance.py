"""The variance of a reconstructed value, from the counts it was reconstructed from.

A value is multilinear in the partitions' tensors, whose entries are means over shots: independent
between partitions and settings, covarying between subobservables of one basis. So the second
moment of two values is the same network with every tensor doubled, the covariance added where
both copies meet in one subexperiment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.contraction import ContractionTree


@dataclass(frozen=True, slots=True)
class Moments:
    """For pairs of values: ``excess`` estimates their covariance without bias.

    ``plug_in`` is the covariance that would hold if the observed means were the true ones; it is
    never negative on the diagonal, and too large where factors vanish.
    """

    excess: FloatArray
    plug_in: FloatArray


@dataclass(frozen=True, slots=True)
class PartitionMoments:
    """A partition's tensor and covariance, and which row and subobservable a value reads.

    ``tensor`` is (rows, subobservables, settings), ``covariance`` (rows, sub, sub, settings),
    ``rows`` and ``subobservables`` have shape (values,), ``sizes`` are the slots'.
    """

    tensor: FloatArray
    covariance: FloatArray
    rows: IntArray
    subobservables: IntArray
    sizes: tuple[int, ...]

    def doubled(self, left: IntArray, right: IntArray, sign: float) -> FloatArray:
        """Doubled tensors of pairs of values, shape (pairs, size^2 of each slot)."""
        rows, others = self.rows[left], self.rows[right]
        subs, other_subs = self.subobservables[left], self.subobservables[right]
        first, second = self.tensor[rows, subs], self.tensor[others, other_subs]
        product = first[:, :, None] * second[:, None, :]
        diagonal = np.einsum("pss->ps", product)
        shared = (rows == others)[:, None]
        diagonal += sign * np.where(shared, self.covariance[rows, subs, other_subs], 0.0)
        slots = len(self.sizes)
        order = [axis for slot in range(slots) for axis in (1 + slot, 1 + slots + slot)]
        split = product.reshape(len(left), *self.sizes, *self.sizes).transpose(0, *order)
        doubled: FloatArray = split.reshape(len(left), *(size * size for size in self.sizes))
        return doubled


def second_moments(
    partitions: Sequence[PartitionMoments],
    couplings: Sequence[FloatArray],
    tree: ContractionTree,
    values: FloatArray,
    pairs: tuple[IntArray, IntArray],
) -> Moments:
    """Covariances of pairs of values by the doubled network.

    Args:
        partitions: of the network, in order.
        couplings: of each cut, (1 or values, left, right).
        tree: of the doubled network.
        values: the values themselves, (values,).
        pairs: numbers of the (first, second) value of each pair.
    """
    left, right = pairs
    product = values[left] * values[right]
    moments = [
        tree.contract(doubled_tensors(partitions, couplings, pairs, sign), len(left))
        for sign in (-1.0, 1.0)
    ]
    return Moments(product - moments[0], moments[1] - product)


def doubled_tensors(
    partitions: Sequence[PartitionMoments],
    couplings: Sequence[FloatArray],
    pairs: tuple[IntArray, IntArray],
    sign: float,
) -> list[FloatArray]:
    """What the doubled network contracts: partitions, then couplings, (pairs, ...)."""
    left, right = pairs
    return [
        *(partition.doubled(left, right, sign) for partition in partitions),
        *(_doubled_coupling(coupling, left, right) for coupling in couplings),
    ]


def _doubled_coupling(coupling: FloatArray, left: IntArray, right: IntArray) -> FloatArray:
    first = coupling if len(coupling) == 1 else coupling[left]
    second = coupling if len(coupling) == 1 else coupling[right]
    product: FloatArray = np.einsum("pij,pkl->pikjl", first, second)
    rows, i, k, j, el = product.shape
    return product.reshape(rows, i * k, j * el)


def first_order(
    partitions: Sequence[PartitionMoments],
    gradients: Sequence[FloatArray],
    pairs: tuple[IntArray, IntArray],
) -> Moments:
    """Covariances to first order in those of the tensors: gradients (values, ...) squared."""
    left, right = pairs
    total = np.zeros(len(left))
    for partition, gradient in zip(partitions, gradients, strict=True):
        flat = gradient.reshape(len(gradient), -1)
        rows, others = partition.rows[left], partition.rows[right]
        subs, other_subs = partition.subobservables[left], partition.subobservables[right]
        covariance = partition.covariance[rows, subs, other_subs]
        part = np.einsum("ps,ps,ps->p", flat[left], flat[right], covariance)
        total += np.where(rows == others, part, 0.0)
    return Moments(total, total)


_SMOOTH_BELOW = 3.0
_LEAST_OF_SUMS = 0.1
_LEAST_OF_PRODUCTS = 0.01

MOST_SMOOTHED = 4
"""Factors of a product for which the smoothing is right."""


def positive_variance(
    excess: FloatArray, plug_in: FloatArray, *, factors: int | None
) -> FloatArray:
    """A variance that is never negative, from the unbiased and the plug-in estimate.

    No unbiased estimate of the variance of a product of means is always positive: for two
    factors x and y of unit variance it is x^2 + y^2 - 1. Where something is cut many such
    products add up and low sums are rare: they are raised to a tenth of
    noise = (plug_in - excess) / 2. A value that is one product of ``factors`` partitions, of up
    to four, is smoothed: with r = x^2 + y^2, in general 1 + excess / noise, estimates with
    r >= 3 stay as they are; below, (r - 1) noise becomes 2 (r / 3)^3 noise, which meets it at 3.
    Where factors vanish the root mean square of the standard error is then within 6 % of the
    true one. Of more factors, low estimates are raised to a hundredth of noise, and the error is
    up to 25 % too large where five or six vanish.
    """
    noise = (plug_in - excess) / 2
    if factors is None or factors > MOST_SMOOTHED:
        least = _LEAST_OF_SUMS if factors is None else _LEAST_OF_PRODUCTS
        return np.maximum(excess, np.maximum(least * noise, 0.0))
    is_noisy = noise > 0
    ratio = np.divide(excess, noise, out=np.full_like(excess, np.inf), where=is_noisy) + 1
    is_small = is_noisy & (ratio < _SMOOTH_BELOW)
    scaled = np.where(is_small, np.maximum(ratio, 0), 0) / _SMOOTH_BELOW
    smooth = (_SMOOTH_BELOW - 1) * noise * scaled**3
    estimate = np.where(is_small, smooth, excess)
    return np.where(np.isnan(excess), np.nan, np.maximum(estimate, 0.0))
