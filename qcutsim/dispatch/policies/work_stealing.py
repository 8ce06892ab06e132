"""Work stealing: every worker has tasks of its own, and takes others' when it has none."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from qcutsim.dispatch.policies.base import IdleWorkers, KindOf, Policy, PolicyConfig, TaskId
from qcutsim.dispatch.policies.eager import without

_NOBODY = -1
"""Owner of what is left by a lost worker, or came when there was none."""


class WorkStealingConfig(PolicyConfig, frozen=True, kw_only=True, tag="work_stealing"):
    """Parameters of :class:`WorkStealing`."""

    deal: Annotated[
        Literal["blocks", "round_robin"],
        Meta(description="how a query's tasks are dealt out: a block a worker, or one by one"),
    ] = "blocks"


class WorkStealing(Policy):
    """Deals a query's tasks out to the workers' deques when it comes.

    A worker takes from the head of its own; one that has none steals from the tail of the longest
    (Blumofe and Leiserson, doi:10.1145/324133.324234, who steal from a random one).
    """

    kind: ClassVar[str] = "work_stealing"
    config: ClassVar[type[PolicyConfig]] = WorkStealingConfig

    def __init__(self, config: WorkStealingConfig) -> None:
        self._in_blocks = config.deal == "blocks"
        self._deques: dict[int, deque[TaskId]] = {_NOBODY: deque()}

    def enqueue(self, tasks: Sequence[TaskId], kind_of: KindOf, now_s: float) -> None:
        owners = sorted(worker for worker in self._deques if worker != _NOBODY) or [_NOBODY]
        for place, task in enumerate(tasks):
            part = place * len(owners) // len(tasks) if self._in_blocks else place % len(owners)
            self._deques[owners[part]].append(task)

    def requeue(self, task: TaskId, now_s: float) -> None:
        self._deques[_NOBODY].appendleft(task)

    def drop(self, query: int, now_s: float) -> None:
        for worker, own in self._deques.items():
            if own:
                self._deques[worker] = without(own, query)

    def worker_joined(self, worker: int) -> None:
        self._deques[worker] = deque()

    def worker_lost(self, worker: int) -> None:
        self._deques[_NOBODY].extend(self._deques.pop(worker))

    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[TaskId, int]]:
        orphans = self._deques[_NOBODY]
        while orphans and idle:
            yield orphans.popleft(), idle.lowest()
        for worker in idle:
            if self._deques[worker]:
                yield self._deques[worker].popleft(), worker
        for worker in idle:
            longest = max(self._deques, key=lambda owner: (len(self._deques[owner]), -owner))
            if not self._deques[longest]:
                return
            yield self._deques[longest].pop(), worker

    def queued(self) -> Iterable[TaskId]:
        return [task for own in self._deques.values() for task in own]
