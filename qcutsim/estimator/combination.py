"""Points of a query as sums of values: one value a (binding, Pauli term)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.pipeline import Query


@dataclass(frozen=True, slots=True)
class Combination:
    """Points as sums of values: entry i adds ``weights[i] * values[numbers[i]]`` to a point.

    ``constants`` holds what each point has besides (weights of the identity), shape (points,).
    """

    points: IntArray
    numbers: IntArray
    weights: FloatArray
    constants: FloatArray

    def apply(self, values: FloatArray) -> FloatArray:
        """The points' estimates."""
        count = len(self.constants)
        added = np.bincount(
            self.points, weights=self.weights * values[self.numbers], minlength=count
        )
        return self.constants + added

    def pairs(
        self, points: IntArray, values: int
    ) -> tuple[IntArray, FloatArray, tuple[IntArray, IntArray], IntArray]:
        """What the covariances of pairs of points are sums of.

        Args:
            points: (pairs of points, 2).
            values: number of values.

        Returns:
            Entry i adds ``weights[i]`` times the covariance of pair of values ``numbers[i]`` to
            the pair of points ``where[i]``: where, weights, (first, second) value of each
            distinct pair, numbers.
        """
        order = np.argsort(self.points, kind="stable")
        ends = np.searchsorted(self.points[order], np.arange(len(self.constants) + 1))
        where, weights, codes = [], [], []
        for position, (i, j) in enumerate(points.tolist()):
            first, second = order[ends[i] : ends[i + 1]], order[ends[j] : ends[j + 1]]
            left, right = self.numbers[first][:, None], self.numbers[second][None, :]
            codes.append((np.minimum(left, right) * values + np.maximum(left, right)).ravel())
            weights.append(np.outer(self.weights[first], self.weights[second]).ravel())
            where.append(np.full(codes[-1].size, position))
        distinct, numbers = np.unique(np.concatenate(codes), return_inverse=True)
        return (
            np.concatenate(where),
            np.concatenate(weights),
            (distinct // values, distinct % values),
            numbers.reshape(-1),
        )


def combine(query: Query, terms: Sequence[str]) -> tuple[IntArray, Combination]:
    """The values that a query needs, (values, 2): (binding, term), and how they make its points."""
    number_of = {term: number for number, term in enumerate(terms)}
    known: dict[tuple[int, int], int] = {}
    points, numbers, weights = [], [], []
    constants = np.zeros(len(query.points))
    for point, (binding, observable) in enumerate(query.points.tolist()):
        for term, weight in query.observables[observable].items():
            if term in number_of and weight != 0:
                points.append(point)
                numbers.append(known.setdefault((binding, number_of[term]), len(known)))
                weights.append(weight)
            elif set(term) == {"I"}:
                constants[point] += weight
    combination = Combination(
        np.array(points, dtype=np.int64),
        np.array(numbers, dtype=np.int64),
        np.array(weights),
        constants,
    )
    return np.array(list(known), dtype=np.int64).reshape(-1, 2), combination
