"""How many shots each distinct subexperiment of a plan gets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from qcutsim.errors import InputError
from qcutsim.estimator.adaptive import Stages
from qcutsim.estimator.arrays import FloatArray, IntArray
from qcutsim.estimator.pipeline import Shots
from qcutsim.estimator.plan import CutPlan, Limits
from qcutsim.estimator.sampling import spread_shots
from qcutsim.estimator.workoptions import WorkOptions

LEAST_SHOTS = 2
"""With fewer, a subexperiment's variance cannot be told."""


def allocate(
    shots: Shots,
    plan: CutPlan,
    weights: Sequence[FloatArray],
    settings: Sequence[IntArray],
    norm: float,
    limits: Limits,
) -> list[IntArray] | None:
    """Shots of each partition's subexperiments, (settings, bases); ``None`` for exact values.

    Args:
        shots: what was asked.
        plan: of the query.
        weights: QPD weights of each cut, (1 or bindings, terms).
        settings: joint settings that each partition runs.
        norm: the largest sum of absolute weights among the observables.
        limits: what a precision may lead to.

    Raises:
        InputError: a budget is too small, or a precision asks for too much.
    """
    if shots.is_exact or not plan.terms:
        return None
    bases = [len(plan.template_of(p).program.bases) for p in range(len(settings))]
    shapes = [(len(own), count) for own, count in zip(settings, bases, strict=True)]
    if shots.each is not None:
        return [np.full(shape, shots.each, dtype=np.int64) for shape in shapes]
    if shots.total is not None:
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        spread = np.split(spread_shots(shots.total, int(ends[-1])), ends[:-1])
        return [part.reshape(shape) for part, shape in zip(spread, shapes, strict=True)]
    overhead = plan.sampling_overhead(weights)
    budget = shots.partition_budget(overhead, norm, sum(bases), limits.total_shots)
    return [
        np.repeat(weighted_shots(share, budget)[:, None], count, axis=1)
        for share, count in zip(setting_weights(plan, weights, settings), bases, strict=True)
    ]


def stages_of(options: WorkOptions, budget: int, subexperiments: int) -> Stages:
    """How a budget is divided where the variance decides on it.

    Raises:
        InputError: it is too small, or what is asked for besides does not go with it.
    """
    kind = options.reconstruction.kind
    refused = {
        "num_samples (drawn terms have a variance of their own)": options.num_samples is not None,
        f"reconstruction {kind!r} (it counts shots, and here they are weighed)": (
            kind == "per_shot"
        ),
        f"backend {options.backend.name!r}, which samples by itself": not options.backend.is_exact,
    }
    for option, is_given in refused.items():
        if is_given:
            raise InputError(
                f"allocation 'variance' does not go with {option}; take allocation='uniform'"
            )
    return Stages.of(budget, subexperiments)


def weighted_shots(weights: FloatArray, budget: int) -> IntArray:
    """A budget over subexperiments in proportion to their weights, each at least two shots."""
    shares = np.ceil(budget * weights / weights.sum())
    counts: IntArray = np.maximum(shares, LEAST_SHOTS).astype(np.int64)
    return counts


def setting_weights(
    plan: CutPlan, weights: Sequence[FloatArray], settings: Sequence[IntArray]
) -> list[FloatArray]:
    """For each partition the absolute weight of the QPD terms that use each joint setting.

    A bound of how much a value changes with a mean of that setting, as no mean is beyond 1.
    """
    marginals = []
    for cut, own in zip(plan.cuts, weights, strict=True):
        (coupling,) = cut.basis.coupling(np.abs(own).mean(axis=0, keepdims=True))
        marginals.append((coupling.sum(axis=1), coupling.sum(axis=0)))
    found = []
    for partition, (indices, joint) in enumerate(
        zip(plan.network.partitions, settings, strict=True)
    ):
        share = np.ones(len(joint))
        rest = joint
        sizes = plan.template_of(partition).program.slot_sizes
        for index, size in zip(reversed(indices), reversed(sizes), strict=True):
            share = share * marginals[index // 2][index % 2][rest % size]
            rest = rest // size
        found.append(share)
    return found
