"""Batches: so many tasks at a time, with a pause between."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from qcutsim.dispatch.policies.base import IdleWorkers, KindOf, Policy, PolicyConfig, TaskId
from qcutsim.dispatch.policies.eager import without


class BatchedConfig(PolicyConfig, frozen=True, kw_only=True, tag="batched"):
    """Parameters of :class:`Batched`."""

    size: Annotated[int, Meta(ge=1, le=1_000_000, description="tasks in a batch")] = 16
    delay_s: Annotated[
        float, Meta(ge=0, le=1e6, description="pause before the next batch, seconds")
    ] = 0.0
    loop: Annotated[
        Literal["open", "closed"],
        Meta(
            description="open: the pause begins when a batch is released; closed: when all of it "
            "is done"
        ),
    ] = "closed"


class Batched(Policy):
    """Releases ``size`` tasks, pauses, and releases the next; workers take them as eager does.

    Queries share the batches: a batch is what has waited longest, whoever it belongs to. What has
    to run again was released already.
    """

    kind: ClassVar[str] = "batched"
    config: ClassVar[type[PolicyConfig]] = BatchedConfig
    is_work_conserving: ClassVar[bool] = False

    def __init__(self, config: BatchedConfig) -> None:
        self._size = config.size
        self._delay_s = config.delay_s
        self._is_closed = config.loop == "closed"
        self._held: deque[TaskId] = deque()
        self._released: deque[TaskId] = deque()
        self._open: set[TaskId] = set()
        self._next_s = float("-inf")

    def enqueue(self, tasks: Sequence[TaskId], kind_of: KindOf, now_s: float) -> None:
        self._held.extend(tasks)

    def requeue(self, task: TaskId, now_s: float) -> None:
        self._released.appendleft(task)

    def drop(self, query: int, now_s: float) -> None:
        self._held = without(self._held, query)
        self._released = without(self._released, query)
        for task in [task for task in self._open if task.query == query]:
            self._close(task, now_s)

    def finished(self, task: TaskId, worker: int, now_s: float) -> None:
        if self._is_closed:
            self._close(task, now_s)

    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[TaskId, int]]:
        while self._held and not self._open and now_s >= self._next_s:
            self._release(now_s)
        while self._released and idle:
            yield self._released.popleft(), idle.lowest()

    def wake_s(self, idle: IdleWorkers, now_s: float) -> float | None:
        return self._next_s if self._held and not self._open else None

    def queued(self) -> Iterable[TaskId]:
        return (*self._released, *self._held)

    def _release(self, now_s: float) -> None:
        batch = [self._held.popleft() for _ in range(min(self._size, len(self._held)))]
        self._released.extend(batch)
        self._next_s = now_s + self._delay_s
        if self._is_closed:
            self._open.update(batch)

    def _close(self, task: TaskId, now_s: float) -> None:
        if task in self._open:
            self._open.discard(task)
            self._next_s = now_s + self._delay_s
