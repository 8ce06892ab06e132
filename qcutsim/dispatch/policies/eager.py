"""First come, first served: an idle worker gets the next task at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from qcutsim.dispatch.policies.base import Copy, IdleWorkers, Policy


class Eager(Policy):
    """Hands the longest-waiting task to the idle worker with the lowest number.

    A copy that replaces a failed one goes to the front: its query is already late.
    """

    kind = "eager"

    def __init__(self) -> None:
        self._queue: deque[Copy] = deque()

    def enqueue(self, copies: Iterable[Copy]) -> None:
        self._queue.extend(copies)

    def requeue(self, copy: Copy) -> None:
        self._queue.appendleft(copy)

    def drop(self, query: int) -> None:
        self._queue = deque(copy for copy in self._queue if copy.query != query)

    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[Copy, int]]:
        while self._queue and idle:
            yield self._queue.popleft(), idle.lowest()

    def queued(self) -> Iterable[Copy]:
        return tuple(self._queue)
