"""Shots where a reconstruction's variance comes from: a pilot, then the rest by Neyman's rule.

A value's variance is, but for products of several errors, a sum over subexperiments of V / n, with
n its shots and V the variance of one shot times the squared derivative of the value by the
subexperiment's mean. It is least, for a given sum of all n, where n is proportional to sqrt(V)
(Neyman, doi:10.2307/2342192; for circuit cutting arXiv:2412.17704). V is not known beforehand, so
a pilot estimates it. Where a derivative vanishes, as it does when another partition's mean does,
that mean's own error still multiplies this one: so the mean square of the derivative is taken.

If a subexperiment's own pilot decided how many shots follow it, its pooled mean would be biased:
a pilot that happens to show little spread is followed by few shots, and keeps more weight. So
everything is run in two halves, each with a pilot and a rest, and the pilot of one half decides
the rest of the *other* one. Given the other half's pilot, a half's shots are fixed numbers and its
pooled means unbiased and independent. The mean of both halves is then unbiased too. In a product
of means of two partitions only the mixed terms, one half of each, are biased, by the product of
two covariances between a pilot's mean and a weight: of the order 1 / shots^2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qcutsim.errors import InputError
from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.combination import Combination
from qcutsim.estimator.contraction import optimised_path
from qcutsim.estimator.plan import Limits
from qcutsim.estimator.reconstruction import Problem
from qcutsim.estimator.sampling import PartitionData, sample, spread_shots
from qcutsim.estimator.units import Unit
from qcutsim.estimator.variance import PartitionMoments, doubled_tensors
from qcutsim.seeds import stream
from qcutsim.workload import LEAST_ALLOCATED_SHOTS

HALVES = (0, 1)

PILOT_SHARE = 0.25
"""Of the budget, for the pilots of both halves."""

LEAST_REST = 1
"""Shots that follow the pilot in each half, whatever it said."""

LEAST_PILOT = LEAST_ALLOCATED_SHOTS // 2 - LEAST_REST
"""Shots of a subexperiment in the pilot of one half; with fewer its spread is a guess."""


@dataclass(frozen=True, slots=True)
class Stages:
    """How a budget over so many subexperiments is divided.

    ``pilot`` shots of each subexperiment in each half, then ``rest`` shots in all of each half.
    """

    pilot: int
    rest: tuple[int, int]

    @classmethod
    def of(cls, budget: int, subexperiments: int) -> Stages:
        """Of ``budget`` shots.

        Raises:
            InputError: they are too few for a pilot of each subexperiment.
        """
        least = LEAST_ALLOCATED_SHOTS
        if budget < least * subexperiments:
            raise InputError(
                f"allocation 'variance' needs {least} shots for each of {subexperiments:,} "
                f"distinct subexperiments, {least * subexperiments:,} in all, and has {budget:,}; "
                "give more shots (a smaller precision, where that says how many), or "
                "allocation='uniform'"
            )
        pilot = max(LEAST_PILOT, int(PILOT_SHARE * budget / (2 * subexperiments)))
        left = budget - 2 * pilot * subexperiments
        return cls(pilot, (left - left // 2, left // 2))

    @property
    def least(self) -> int:
        """Shots that each subexperiment gets at least."""
        return 2 * (self.pilot + LEAST_REST)


def neyman(variances: FloatArray, budget: int, had: int) -> IntArray:
    """Shots that minimise sum(variances / (had + shots)), each at least ``LEAST_REST``.

    Exactly ``budget`` in all; what rounding leaves goes to the largest remainders, the first of
    equal ones. Where all variances are zero they are spread evenly.

    Args:
        variances: of one shot of each, not negative, any shape.
        budget: at least ``LEAST_REST`` for each.
        had: shots that each has had.
    """
    weights = np.sqrt(variances.ravel())
    if not weights.any():
        return spread_shots(budget, weights.size).reshape(variances.shape)
    # Those that reach their least by weight alone share what is left; the others have it already.
    least = had + LEAST_REST
    left = budget - LEAST_REST * weights.size
    ordered = np.sort(weights)[::-1]
    scales = (left + least * np.arange(1, weights.size + 1)) / np.cumsum(ordered)
    reaching = max(1, int((scales * ordered >= least).sum()))
    ideal = np.maximum(weights * scales[reaching - 1] - least, 0.0)
    shots: IntArray = np.floor(ideal).astype(np.int64)
    largest = np.argsort(shots - ideal, kind="stable")
    shots[largest[: left - int(shots.sum())]] += 1
    shots += LEAST_REST
    return shots.reshape(variances.shape)


def shot_variances(
    problem: Problem, combination: Combination, shots: float, limits: Limits
) -> list[FloatArray]:
    """What one shot of each subexperiment adds to the variance of all points, summed over these.

    The variance of one shot times the mean square of the value's derivative by the
    subexperiment's mean, where all others have had ``shots`` each; above the limits of work and
    memory times the square of the derivative, to first order.

    Returns:
        Of each partition (rows, settings, bases). ``problem.data`` holds the means that are taken
        for the true ones.
    """
    count = len(combination.constants)
    diagonal = np.repeat(np.arange(count)[:, None], 2, axis=1)
    _, weights, (left, right), numbers = combination.pairs(diagonal, problem.values)
    weight_of_pair = np.bincount(numbers, weights=weights, minlength=len(left))
    covariances = [
        _of_one_shot(data).covariance(tensor)
        for data, tensor in zip(problem.data, problem.tensors, strict=True)
    ]
    squares = _squared_derivatives(problem, covariances, (left, right), shots, limits)
    found = []
    for number, (data, square) in enumerate(zip(problem.data, squares, strict=True)):
        rows, subs = problem.rows[number], problem.subobservables[number]
        part = covariances[number][rows[left], subs[left], subs[right]] * square
        part *= np.where(rows[left] == rows[right], weight_of_pair, 0.0)[:, None]
        variances = np.zeros((data.frequencies.shape[0], data.frequencies.shape[2], part.shape[1]))
        np.add.at(variances, (rows[left], data.terms.basis_of[subs[left]]), part)
        found.append(np.maximum(variances, 0.0).swapaxes(1, 2))
    return found


def _squared_derivatives(
    problem: Problem,
    covariances: Sequence[FloatArray],
    pairs: tuple[IntArray, IntArray],
    shots: float,
    limits: Limits,
) -> list[FloatArray]:
    """Products of two values' derivatives by the same entry: of each partition (pairs, settings).

    The mean product is the derivative of the second moment, which is linear in every partition's
    doubled tensor.
    """
    left, right = pairs
    count = len(problem.data)
    tree = problem.network.doubled().tree(optimised_path)
    is_cheap = 2 * tree.work * len(left) <= limits.variance_work
    if is_cheap and 8 * tree.total * len(left) <= limits.memory_bytes:
        partitions = [
            PartitionMoments(
                tensor,
                covariance / shots,
                problem.rows[number],
                problem.subobservables[number],
                problem.data[number].sizes,
            )
            for number, (tensor, covariance) in enumerate(
                zip(problem.tensors, covariances, strict=True)
            )
        ]
        tensors = doubled_tensors(partitions, problem.couplings, pairs, 1.0)
        gradients = tree.gradients(tensors, len(left), count)
        return [
            own[(slice(None), *(slice(None, None, size + 1) for size in partition.sizes))].reshape(
                len(left), -1
            )
            for own, partition in zip(gradients, partitions, strict=True)
        ]
    plain = problem.network.tree(optimised_path)
    gradients = plain.gradients(problem.operands, problem.values, count)
    flat = [own.reshape(len(own), -1) for own in gradients]
    return [own[left] * own[right] for own in flat]


def _of_one_shot(data: PartitionData) -> PartitionData:
    """Data whose ``covariance`` is that of one shot: it divides by the shots less one."""
    settings, bases = data.frequencies.shape[1:3]
    return replace(data, shots=np.full((settings, bases), 2))


def smoothed(frequencies: FloatArray, shots: int) -> FloatArray:
    """Frequencies with one more shot, spread over all outcomes.

    A pilot in which every shot came out alike does not say that a subexperiment has no spread.
    """
    even = 1 / frequencies.shape[-1]
    mixed: FloatArray = (shots * frequencies + even) / (shots + 1)
    return mixed


def best_shots(
    problem: Problem, combination: Combination, budget: int, had: int, limits: Limits
) -> list[IntArray]:
    """Shots of each partition's subexperiments, (rows, settings, bases), for the least variance.

    Summed over all points, as if the means in ``problem`` were the true ones.

    Args:
        problem: with the means.
        combination: how values make the points.
        budget: of all subexperiments together, without what they have had.
        had: shots that each has had.
        limits: above which derivatives are taken for certain.
    """
    subexperiments = sum(one.frequencies[..., 0].size for one in problem.data)
    shots = had + budget / subexperiments
    variances = shot_variances(problem, combination, shots, limits)
    together = np.concatenate([one.ravel() for one in variances])
    ends = np.cumsum([one.size for one in variances])[:-1]
    parts = np.split(neyman(together, budget, had), ends)
    return [part.reshape(one.shape) for part, one in zip(parts, variances, strict=True)]


@dataclass(frozen=True)
class TwoStageSampling:
    """Samples a query's subexperiments in two halves of two stages.

    Lists over units hold arrays (rows, settings, bases), with outcomes last where they are
    frequencies.

    Args:
        stages: how the budget is divided.
        units: of the query.
        seed: of the query.
        combination: how values make the points.
        data_of: (partition, frequencies, shots) -> its data.
        problem_of: data of all partitions -> the problem.
        limits: above which the variance is to first order.
    """

    stages: Stages
    units: Sequence[Unit]
    seed: int
    combination: Combination
    data_of: Callable[[int, FloatArray, IntArray | FloatArray], PartitionData]
    problem_of: Callable[[Sequence[PartitionData]], Problem]
    limits: Limits

    def sampled(self, probabilities: Sequence[FloatArray]) -> tuple[list[PartitionData], int]:
        """Data of all partitions, sampled from the units' outcome probabilities; shots of all."""
        pilot = self.pilot_shots()
        pilots = [self._drawn(probabilities, pilot, "pilot", half) for half in HALVES]
        shots = self.rest_shots(pilots)
        rests = [self._drawn(probabilities, shots[half], "rest", half) for half in HALVES]
        spent = sum(int(own.sum()) for stage in (pilot, pilot, *shots) for own in stage)
        return self.pooled(pilots, rests, shots), spent

    def _drawn(
        self, probabilities: Sequence[FloatArray], shots: Sequence[IntArray], stage: str, half: int
    ) -> list[FloatArray]:
        return [
            sample(own, asked, stream(self.seed, stage, half, number))
            for number, (own, asked) in enumerate(zip(probabilities, shots, strict=True))
        ]

    def best_shots(self, known: Sequence[PartitionData]) -> list[IntArray]:
        """All shots of each partition's subexperiments if these means had been known before."""
        had = 2 * self.stages.pilot
        problem = self.problem_of(known)
        more = best_shots(problem, self.combination, sum(self.stages.rest), had, self.limits)
        return [had + shots for shots in more]

    def pilot_shots(self) -> list[IntArray]:
        """Of one half, over units."""
        return [
            np.full((len(unit.values), len(unit.settings), unit.bases), self.stages.pilot)
            for unit in self.units
        ]

    def rest_shots(self, pilots: Sequence[Sequence[FloatArray]]) -> list[list[IntArray]]:
        """What follows the pilot in each half, over units; the other half's pilot decides."""
        shots = []
        for half in HALVES:
            other = [smoothed(own, self.stages.pilot) for own in pilots[1 - half]]
            problem = self.problem_of(
                [
                    self.data_of(partition, own, np.ones(own.shape[:-1]))
                    for partition, own in enumerate(self._by_partition(other))
                ]
            )
            budget, had = self.stages.rest[half], self.stages.pilot
            best = best_shots(problem, self.combination, budget, had, self.limits)
            shots.append(self._by_unit(best))
        return shots

    def pooled(
        self,
        pilots: Sequence[Sequence[FloatArray]],
        rests: Sequence[Sequence[FloatArray]],
        shots: Sequence[Sequence[IntArray]],
    ) -> list[PartitionData]:
        """Data of all partitions from what both halves gave, (halves, units).

        Within a half all shots count alike, and both halves count alike, however many shots they
        have had; so what the shots are worth, by which variances are divided, is a little less
        than their number.
        """
        means, worth = [], []
        for pilot, rest, asked in zip(
            zip(*pilots, strict=True),
            zip(*rests, strict=True),
            zip(*shots, strict=True),
            strict=True,
        ):
            totals = [self.stages.pilot + one for one in asked]
            halves = [
                (self.stages.pilot * pilot[half] + asked[half][..., None] * rest[half])
                / totals[half][..., None]
                for half in HALVES
            ]
            means.append((halves[0] + halves[1]) / 2)
            worth.append(4 / (1 / totals[0] + 1 / totals[1]))
        return [
            self.data_of(partition, own, shots)
            for partition, (own, shots) in enumerate(
                zip(self._by_partition(means), self._by_partition(worth), strict=True)
            )
        ]

    def _by_partition(self, arrays: Sequence[FloatArray]) -> list[FloatArray]:
        found = {
            partition: array[rows]
            for unit, array in zip(self.units, arrays, strict=True)
            for partition, rows in unit.partitions
        }
        return [found[partition] for partition in range(len(found))]

    def _by_unit(self, parts: Sequence[IntArray]) -> list[IntArray]:
        return [
            np.concatenate([parts[partition] for partition, _ in unit.partitions])
            for unit in self.units
        ]
