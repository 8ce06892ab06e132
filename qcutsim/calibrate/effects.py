"""What tasks of one query, and queries of one round, have in common: random effects.

The logarithm of a service time over its class's median is modelled as round + query + task, three
independent parts; the variances follow from the moments of a nested analysis of variance (Searle,
Casella and McCulloch, Variance Components, 1992, ch. 3), negative ones count as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]
IntArray = np.ndarray[Any, np.dtype[np.int64]]

_FARTHEST = 3.0
"""Residuals count for at most so many robust standard deviations: stragglers are apart."""

Spread = Annotated[float, msgspec.Meta(ge=0, le=10)]


class Effects(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Standard deviations of the logarithm: between rounds, between queries, between tasks.

    A round is one repetition of one run; with fewer than two of them ``round_sd`` is 0 and is not
    known.
    """

    round_sd: Spread = 0.0
    query_sd: Spread = 0.0
    task_sd: Spread = 0.0
    rounds: int = 0
    queries: int = 0


@dataclass(frozen=True, slots=True)
class FittedEffects:
    """The effects, and each task's logarithm of what its query and round made of it."""

    effects: Effects
    of_task: FloatArray


def fit_effects(logs: FloatArray, query: IntArray, round_of_query: IntArray) -> FittedEffects:
    """Split logarithmic residuals into round, query and task.

    Args:
        logs: one a task, centred by class.
        query: number of each task's query, from 0.
        round_of_query: number of each query's round, from 0.
    """
    if len(logs) == 0:
        return FittedEffects(Effects(), np.zeros(0))
    spread = 1.4826 * float(np.median(np.abs(logs - np.median(logs))))
    clipped = np.clip(logs, -_FARTHEST * spread, _FARTHEST * spread) if spread > 0 else logs
    queries = len(round_of_query)
    tasks = np.bincount(query, minlength=queries).astype(float)
    seen = tasks > 0
    means = np.bincount(query, clipped, queries) / np.maximum(tasks, 1)
    within = clipped - means[query]
    freedom = len(logs) - int(seen.sum())
    task_var = float(np.sum(within**2) / freedom) if freedom > 0 else 0.0
    round_var, query_var, round_means = _between(
        means[seen], tasks[seen], round_of_query[seen], task_var
    )
    own = means - round_means[round_of_query]
    shrunk = _shrunk(own, query_var, task_var / np.maximum(tasks, 1))
    per_round = np.bincount(round_of_query[seen], minlength=len(round_means)).astype(float)
    noise = (query_var + task_var / max(float(np.median(tasks[seen])), 1)) / np.maximum(
        per_round, 1
    )
    by_round = _shrunk(round_means, round_var, noise)
    return FittedEffects(
        Effects(
            round_sd=float(np.sqrt(round_var)),
            query_sd=float(np.sqrt(query_var)),
            task_sd=float(np.sqrt(task_var)),
            rounds=int((per_round > 0).sum()),
            queries=int(seen.sum()),
        ),
        (shrunk + by_round[round_of_query])[query],
    )


def _between(
    means: FloatArray, tasks: FloatArray, round_of: IntArray, task_var: float
) -> tuple[float, float, FloatArray]:
    """Variances between rounds and between queries of a round, and the rounds' means."""
    rounds = int(round_of.max()) + 1
    count = np.bincount(round_of, minlength=rounds).astype(float)
    round_means = np.bincount(round_of, means, rounds) / np.maximum(count, 1)
    there = count > 0
    freedom = len(means) - int(there.sum())
    noise = float(np.mean(task_var / tasks))
    query_var = 0.0
    if freedom > 0:
        mean_square = float(np.sum((means - round_means[round_of]) ** 2) / freedom)
        query_var = max(mean_square - noise, 0.0)
    round_var = 0.0
    if there.sum() > 1:
        of_means = float(np.var(round_means[there], ddof=1))
        round_var = max(of_means - (query_var + noise) * float(np.mean(1 / count[there])), 0.0)
    return round_var, query_var, round_means


def _shrunk(values: FloatArray, variance: float, noise: FloatArray) -> FloatArray:
    """Best linear prediction of an effect from its noisy mean."""
    if variance <= 0:
        return np.zeros_like(values)
    return np.asarray(values * (variance / (variance + noise)))
