"""Fair share: queries in flight take turns on the workers. A policy for qcutsim."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, ClassVar

from msgspec import Meta

from qcutsim.dispatch import IdleWorkers, KindOf, Policy, PolicyConfig, TaskId

__all__ = ["FairShare", "FairShareConfig"]


class FairShareConfig(PolicyConfig, frozen=True, kw_only=True, tag="fair_share"):
    """Parameters of :class:`FairShare`."""

    burst: Annotated[
        int, Meta(ge=1, le=1_000_000, description="tasks that a query begins in its turn")
    ] = 1


class FairShare(Policy):
    """Queries in flight take turns: each begins ``burst`` tasks, then the next one has its turn.

    A small query that comes while a large one executes waits for its share of the workers, not
    for the large one's end. With one query at a time it is eager. (Round robin between flows:
    Nagle, doi:10.1109/TCOM.1987.1096782.)
    """

    kind: ClassVar[str] = "fair_share"
    config: ClassVar[type[PolicyConfig]] = FairShareConfig

    def __init__(self, config: FairShareConfig) -> None:
        self._burst = config.burst
        self._left = config.burst
        self._waiting: dict[int, deque[TaskId]] = {}  # of each query; the first has its turn

    def enqueue(self, tasks: Sequence[TaskId], kind_of: KindOf, now_s: float) -> None:
        for task in tasks:
            self._waiting.setdefault(task.query, deque()).append(task)

    def requeue(self, task: TaskId, now_s: float) -> None:
        self._waiting.setdefault(task.query, deque()).appendleft(task)

    def drop(self, query: int, now_s: float) -> None:
        if query in self._waiting:
            if query == next(iter(self._waiting)):
                self._left = self._burst
            del self._waiting[query]

    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[TaskId, int]]:
        while self._waiting and idle:
            query, tasks = next(iter(self._waiting.items()))
            task = tasks.popleft()
            self._left -= 1
            if not tasks or self._left == 0:
                del self._waiting[query]
                self._left = self._burst
                if tasks:
                    self._waiting[query] = tasks
            yield task, idle.lowest()

    def queued(self) -> Iterable[TaskId]:
        return [task for tasks in self._waiting.values() for task in tasks]
