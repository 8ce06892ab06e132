"""What tasks of one query, and queries of one block, have in common: random effects.

A block is what ran at one time: the queries of one configuration in one repetition of one run.
The logarithm of a service time over its class's median is modelled as block + query + task, three
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
    """Standard deviations of the logarithm: between blocks, between queries, between tasks.

    With fewer than two blocks of a configuration ``block_sd`` is 0 and is not known.
    """

    block_sd: Spread = 0.0
    query_sd: Spread = 0.0
    task_sd: Spread = 0.0
    blocks: int = 0
    queries: int = 0


@dataclass(frozen=True, slots=True)
class FittedEffects:
    """The effects, and each task's logarithm of what its query made of it."""

    effects: Effects
    of_task: FloatArray


def fit_effects(
    logs: FloatArray, query: IntArray, execute_logs: FloatArray, place: IntArray
) -> FittedEffects:
    """Split logarithmic residuals into block, query and task.

    Args:
        logs: of the service times, one a task, centred by class.
        query: number of each task's query.
        execute_logs: of the execute stage of all queries, of any pool size; NaN for those with
            injected delays.
        place: (configuration, block) of each query, shape (queries, 2), both numbered.
    """
    if len(logs) == 0:
        return FittedEffects(Effects(), np.zeros(0))
    spread = 1.4826 * float(np.median(np.abs(logs - np.median(logs))))
    clipped = np.clip(logs, -_FARTHEST * spread, _FARTHEST * spread) if spread > 0 else logs
    queries = len(place)
    tasks = np.bincount(query, minlength=queries).astype(float)
    seen = tasks > 0
    means = np.bincount(query, clipped, queries) / np.maximum(tasks, 1)
    freedom = len(logs) - int(seen.sum())
    task_var = float(np.sum((clipped - means[query]) ** 2) / freedom) if freedom > 0 else 0.0
    # Queries differ within their block; blocks do by what the whole execute stage shows.
    within, blocks = _within(means[seen], place[seen, 1])
    query_var = max(within - float(np.mean(task_var / tasks[seen])), 0.0)
    known = ~np.isnan(execute_logs)
    block_var = _between_blocks(execute_logs[known], place[known])
    of_query = _shrunk(means, query_var + block_var, task_var / np.maximum(tasks, 1))
    return FittedEffects(
        Effects(
            block_sd=float(np.sqrt(block_var)),
            query_sd=float(np.sqrt(query_var)),
            task_sd=float(np.sqrt(task_var)),
            blocks=blocks,
            queries=int(seen.sum()),
        ),
        of_query[query],
    )


def _within(values: FloatArray, group: IntArray) -> tuple[float, int]:
    """Mean square within groups, and how many groups there are."""
    numbers, place = np.unique(group, return_inverse=True)
    count = np.bincount(place).astype(float)
    means = np.bincount(place, values) / count
    freedom = len(values) - len(numbers)
    total = float(np.sum((values - means[place]) ** 2))
    return (total / freedom if freedom > 0 else 0.0), len(numbers)


def _between_blocks(values: FloatArray, place: IntArray) -> float:
    """Variance between blocks of one configuration, pooled over configurations."""
    if len(values) == 0:
        return 0.0
    within, _ = _within(values, place[:, 1])
    blocks, first, of = np.unique(place[:, 1], return_index=True, return_inverse=True)
    count = np.bincount(of).astype(float)
    means = np.bincount(of, values) / count
    configuration = place[first, 0]
    between, configurations = _within(means, configuration)
    if len(blocks) <= configurations:
        return 0.0
    return max(between - within * float(np.mean(1 / count)), 0.0)


def _shrunk(values: FloatArray, variance: float, noise: FloatArray) -> FloatArray:
    """Best linear prediction of an effect from its noisy mean."""
    if variance <= 0:
        return np.zeros_like(values)
    return np.asarray(values * (variance / (variance + noise)))
