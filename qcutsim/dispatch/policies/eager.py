"""First come, first served: an idle worker gets the next task at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from qcutsim.dispatch.policies.base import IdleWorkers, KindOf, Policy, PolicyConfig, TaskId


class EagerConfig(PolicyConfig, frozen=True, kw_only=True, tag="eager"):
    """Eager has no parameters."""


class Eager(Policy):
    """Hands the longest-waiting task to the idle worker with the lowest number.

    A task that has to run again goes to the front: its query is already late.
    """

    kind: ClassVar[str] = "eager"
    config: ClassVar[type[PolicyConfig]] = EagerConfig

    def __init__(self, config: PolicyConfig) -> None:
        self._queue: deque[TaskId] = deque()

    def enqueue(self, tasks: Sequence[TaskId], kind_of: KindOf, now_s: float) -> None:
        self._queue.extend(tasks)

    def requeue(self, task: TaskId, now_s: float) -> None:
        self._queue.appendleft(task)

    def drop(self, query: int, now_s: float) -> None:
        if self._queue:
            self._queue = without(self._queue, query)

    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[TaskId, int]]:
        while self._queue and idle:
            yield self._queue.popleft(), idle.lowest()

    def queued(self) -> Iterable[TaskId]:
        return tuple(self._queue)


def without(queue: Iterable[TaskId], query: int) -> deque[TaskId]:
    """The queue without the tasks of one query."""
    return deque(task for task in queue if task.query != query)
