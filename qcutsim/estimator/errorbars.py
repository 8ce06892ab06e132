"""Standard errors and covariances of the points of a query, from its data alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.combination import Combination
from qcutsim.estimator.contraction import optimised_path
from qcutsim.estimator.plan import Limits
from qcutsim.estimator.reconstruction import Problem
from qcutsim.estimator.sampledterms import first_order_sampled_moments, sampled_moments
from qcutsim.estimator.variance import (
    Moments,
    PartitionMoments,
    first_order,
    positive_variance,
    second_moments,
)

GROUP_ELEMENTS = 1 << 22
"""Pairs of values are taken in groups whose largest doubled tensor stays below this."""


@dataclass(frozen=True, slots=True)
class PointErrors:
    """Standard errors (points,), the covariance matrix if asked for, and how they were had."""

    stds: FloatArray
    covariance: FloatArray | None
    is_first_order: bool


def point_errors(
    problem: Problem,
    values: FloatArray,
    combination: Combination,
    *,
    wants_covariance: bool,
    limits: Limits,
    means_are_true: bool = False,
) -> PointErrors:
    """Standard errors of all points, and their covariance on request.

    Points covary where they read the same shots: a parameter shift leaves all partitions but one
    as they are. ``means_are_true`` tells that the data holds exact distributions, not samples.
    """
    count = len(combination.constants)
    if all(data.shots is None for data in problem.data) and problem.joint is None:
        zero = np.zeros(count)
        return PointErrors(zero, np.zeros((count, count)) if wants_covariance else None, False)
    asked = (
        np.stack(np.triu_indices(count), axis=1)
        if wants_covariance
        else np.repeat(np.arange(count)[:, None], 2, axis=1)
    )
    where, weights, pairs, numbers = combination.pairs(asked, len(values))
    moments, is_first_order = _moments(problem, values, pairs, limits)
    excess, plug_in = (
        np.bincount(where, weights=weights * part[numbers], minlength=len(asked)).astype(float)
        for part in (moments.excess, moments.plug_in)
    )
    diagonal = np.flatnonzero(asked[:, 0] == asked[:, 1])
    if means_are_true:
        excess = plug_in
    is_product = not problem.cuts and problem.joint is None
    variances = positive_variance(
        excess[diagonal],
        plug_in[diagonal],
        factors=len(problem.data) if is_product else None,
    )
    covariance = None
    if wants_covariance:
        covariance = np.zeros((count, count))
        upper = np.triu_indices(count)
        covariance[upper] = excess
        covariance.T[upper] = excess
        np.fill_diagonal(covariance, variances)
    return PointErrors(np.sqrt(variances), covariance, is_first_order)


def _moments(
    problem: Problem, values: FloatArray, pairs: tuple[IntArray, IntArray], limits: Limits
) -> tuple[Moments, bool]:
    partitions = [
        PartitionMoments(tensor, data.covariance(tensor), rows, subs, data.sizes)
        for tensor, data, rows, subs in zip(
            problem.tensors, problem.data, problem.rows, problem.subobservables, strict=True
        )
    ]
    if problem.joint is not None:
        work = 2 * len(problem.joint.ids) ** 2 * len(partitions) * len(pairs[0])
        if work <= limits.variance_work:
            return sampled_moments(problem, partitions, values, pairs), False
        return first_order_sampled_moments(problem, partitions, values, pairs), True
    doubled = problem.network.doubled().tree(optimised_path)
    if (
        2 * doubled.work * len(pairs[0]) <= limits.variance_work
        and 8 * doubled.peak <= limits.memory_bytes
    ):
        step = max(1, GROUP_ELEMENTS // doubled.peak)
        groups = [
            second_moments(
                partitions,
                problem.couplings,
                doubled,
                values,
                (pairs[0][start : start + step], pairs[1][start : start + step]),
            )
            for start in range(0, len(pairs[0]), step)
        ]
        return _joined(groups), False
    tree = problem.network.tree(optimised_path)
    gradients = tree.gradients(problem.operands, problem.values, len(partitions))
    return first_order(partitions, gradients, pairs), True


def _joined(groups: Sequence[Moments]) -> Moments:
    if not groups:
        return Moments(np.zeros(0), np.zeros(0))
    return Moments(
        np.concatenate([group.excess for group in groups]),
        np.concatenate([group.plug_in for group in groups]),
    )
