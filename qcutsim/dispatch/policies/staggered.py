"""Staggered: a query's tasks in groups, released one group after the other."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from qcutsim.dispatch.policies.base import IdleWorkers, KindOf, Policy, PolicyConfig, TaskId
from qcutsim.dispatch.policies.eager import without


class StaggeredConfig(PolicyConfig, frozen=True, kw_only=True, tag="staggered"):
    """Parameters of :class:`Staggered`."""

    by: Annotated[
        Literal["partition", "structure"],
        Meta(description="what the tasks of a group have in common"),
    ] = "partition"
    spacing_s: Annotated[
        float, Meta(ge=0, le=1e6, description="time between two groups, seconds")
    ] = 0.05


class Staggered(Policy):
    """Groups a query's tasks and releases group i at i times ``spacing_s`` after the query came.

    Groups follow each other as they first appear. Workers take what is released as eager does.
    """

    kind: ClassVar[str] = "staggered"
    config: ClassVar[type[PolicyConfig]] = StaggeredConfig
    is_work_conserving: ClassVar[bool] = False

    def __init__(self, config: StaggeredConfig) -> None:
        self._by = config.by
        self._spacing_s = config.spacing_s
        self._groups: list[tuple[float, int, list[TaskId]]] = []
        self._numbers = count()
        self._released: deque[TaskId] = deque()

    def enqueue(self, tasks: Sequence[TaskId], kind_of: KindOf, now_s: float) -> None:
        groups: dict[str, list[TaskId]] = {}
        for task in tasks:
            groups.setdefault(getattr(kind_of(task.task), self._by), []).append(task)
        for place, group in enumerate(groups.values()):
            release_s = now_s + place * self._spacing_s
            heapq.heappush(self._groups, (release_s, next(self._numbers), group))

    def requeue(self, task: TaskId, now_s: float) -> None:
        self._released.appendleft(task)

    def drop(self, query: int, now_s: float) -> None:
        self._released = without(self._released, query)
        self._groups = [entry for entry in self._groups if entry[2][0].query != query]
        heapq.heapify(self._groups)

    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[TaskId, int]]:
        while self._groups and now_s >= self._groups[0][0]:
            self._released.extend(heapq.heappop(self._groups)[2])
        while self._released and idle:
            yield self._released.popleft(), idle.lowest()

    def wake_s(self, idle: IdleWorkers, now_s: float) -> float | None:
        return self._groups[0][0] if self._groups else None

    def queued(self) -> Iterable[TaskId]:
        return (*self._released, *(task for _, _, group in self._groups for task in group))
