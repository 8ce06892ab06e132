"""The variance of a value that sums over a sample of joint QPD terms.

With S draws, V = sum_d X_d / S, where X_d is the weight of draw d times the partitions' means at
its settings. Two things vary: which terms were drawn, and the shots. By the law of total
variance, Var V = Var_d(true X) / S + E[Var(V | draws)]. Both are sums over pairs of distinct
joint terms of products over partitions, where the covariance of the means enters wherever both
terms put a partition into one setting.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.reconstruction import JointTerms, Problem
from qcutsim.estimator.variance import Moments, PartitionMoments


def _draws(problem: Problem) -> tuple[JointTerms, IntArray, int]:
    joint = problem.joint_terms
    multiplicity = (
        np.ones(len(joint.ids), dtype=np.int64)
        if joint.multiplicity is None
        else joint.multiplicity
    )
    return joint, multiplicity, int(multiplicity.sum())


def sampled_moments(
    problem: Problem,
    partitions: Sequence[PartitionMoments],
    values: FloatArray,
    pairs: tuple[IntArray, IntArray],
) -> Moments:
    """Covariances of pairs of values over draws and shots, unbiased and plugged in."""
    joint, multiplicity, samples = _draws(problem)
    settings = problem.settings_of(joint)
    weights = np.broadcast_to(
        joint.weights(problem.weights) * samples / multiplicity,
        (problem.values, len(joint.ids)),
    )
    results = []
    for sign in (-1.0, 1.0):
        found = np.empty(len(pairs[0]))
        for position, (left, right) in enumerate(zip(*pairs, strict=True)):
            product = np.outer(weights[left], weights[right])
            for partition, chosen in zip(partitions, settings, strict=True):
                product *= _means(partition, int(left), int(right), chosen, sign)
            found[position] = sign * (
                _between_shots(product, multiplicity, samples) - values[left] * values[right]
            ) + _between_draws(product, multiplicity, samples)
        results.append(found)
    return Moments(*results)


def _means(
    partition: PartitionMoments, left: int, right: int, chosen: IntArray, sign: float
) -> FloatArray:
    """Products of the means at the settings of two joint terms, for all pairs of joint terms."""
    row, other = int(partition.rows[left]), int(partition.rows[right])
    sub, other_sub = int(partition.subobservables[left]), int(partition.subobservables[right])
    first, second = partition.tensor[row, sub][chosen], partition.tensor[other, other_sub][chosen]
    product = np.outer(first, second)
    if row == other:
        covariance = partition.covariance[row, sub, other_sub][chosen]
        same = np.equal.outer(chosen, chosen)
        product += sign * np.where(same, covariance[:, None], 0.0)
    return product


def _between_shots(product: FloatArray, multiplicity: IntArray, samples: int) -> float:
    return float(multiplicity @ product @ multiplicity) / samples**2


def _between_draws(product: FloatArray, multiplicity: IntArray, samples: int) -> float:
    """Variance between draws over their number: mean of squares less the mean of products."""
    if samples == 1:
        return float("nan")
    squares = float(multiplicity @ np.diagonal(product))
    products = float(multiplicity @ product @ multiplicity) - squares
    return (squares / samples - products / (samples * (samples - 1))) / samples


def first_order_sampled_moments(
    problem: Problem,
    partitions: Sequence[PartitionMoments],
    values: FloatArray,
    pairs: tuple[IntArray, IntArray],
) -> Moments:
    """The same to first order in the shots' variance, where there are too many joint terms."""
    joint, multiplicity, samples = _draws(problem)
    settings = problem.settings_of(joint)
    weights = np.broadcast_to(joint.weights(problem.weights), (problem.values, len(joint.ids)))
    read = [
        p.tensor[p.rows, p.subobservables][:, chosen]
        for p, chosen in zip(partitions, settings, strict=True)
    ]
    left, right = pairs
    total = np.zeros(len(left))
    own_noise = np.zeros((len(left), len(joint.ids)))
    for number, partition in enumerate(partitions):
        others = weights.copy()
        for other, factor in enumerate(read):
            if other != number:
                others = others * factor
        gradient = np.zeros((problem.values, partition.tensor.shape[2]))
        for setting in np.unique(settings[number]):
            gradient[:, setting] = others[:, settings[number] == setting].sum(axis=1)
        rows, other_rows = partition.rows[left], partition.rows[right]
        subs, other_subs = partition.subobservables[left], partition.subobservables[right]
        covariance = partition.covariance[rows, subs, other_subs]
        part = np.einsum("ps,ps,ps->p", gradient[left], gradient[right], covariance)
        total += np.where(rows == other_rows, part, 0.0)
        per_draw = others * samples / multiplicity
        shared = np.where((rows == other_rows)[:, None], covariance[:, settings[number]], 0.0)
        own_noise += per_draw[left] * per_draw[right] * shared
    draws = weights * samples / multiplicity
    for factor in read:
        draws = draws * factor
    centred = draws - values[:, None]
    spread = np.einsum("j,pj,pj->p", multiplicity, centred[left], centred[right])
    # What the draws scatter holds the shots' noise too, save what they have in common.
    noise = np.einsum("j,pj->p", multiplicity, own_noise) / samples
    between = (spread / max(1, samples - 1) - noise + total) / samples
    return Moments(*([total + np.where(left == right, np.maximum(between, 0), between)] * 2))
