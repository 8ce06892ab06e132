"""Longest first: the tasks that are expected to take longest begin first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from qcutsim.dispatch.events import TaskKind
from qcutsim.dispatch.policies.base import IdleWorkers, KindOf, Policy, PolicyConfig, TaskId


class LongestFirstConfig(PolicyConfig, frozen=True, kw_only=True, tag="longest_first"):
    """Longest first has no parameters."""


class LongestFirst(Policy):
    """Within a query the longest expected service time first, so that none begins last.

    Older queries go before younger ones, ties in task order. (Graham's LPT rule,
    doi:10.1137/0117039.)
    """

    kind: ClassVar[str] = "longest_first"
    config: ClassVar[type[PolicyConfig]] = LongestFirstConfig

    def __init__(self, config: PolicyConfig) -> None:
        self._heap: list[tuple[int, float, int]] = []
        self._kinds: dict[int, KindOf] = {}

    def enqueue(self, tasks: Sequence[TaskId], kind_of: KindOf, now_s: float) -> None:
        for query, task in tasks:
            self._kinds[query] = kind_of
            heapq.heappush(self._heap, (query, -self.urgency(kind_of(task)), task))

    def urgency(self, kind: TaskKind) -> float:
        """What the tasks of a query are ordered by, the largest first."""
        return kind.expected_s

    def requeue(self, task: TaskId, now_s: float) -> None:
        self.enqueue([task], self._kinds[task.query], now_s)

    def drop(self, query: int, now_s: float) -> None:
        self._kinds.pop(query, None)
        if self._heap:
            self._heap = [entry for entry in self._heap if entry[0] != query]
            heapq.heapify(self._heap)

    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[TaskId, int]]:
        while self._heap and idle:
            query, _, task = heapq.heappop(self._heap)
            yield TaskId(query, task), idle.lowest()

    def queued(self) -> Iterable[TaskId]:
        return [TaskId(query, task) for query, _, task in self._heap]
