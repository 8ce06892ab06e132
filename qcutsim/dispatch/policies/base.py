"""What a policy is."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Copy(NamedTuple):
    """One attempt at one task of one query."""

    query: int
    task: int
    attempt: int


class IdleWorkers:
    """The workers with nothing to do; the lowest number is taken first."""

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._idle: set[int] = set()

    def __len__(self) -> int:
        return len(self._idle)

    def __contains__(self, worker: int) -> bool:
        return worker in self._idle

    def add(self, worker: int) -> None:
        """A worker became idle."""
        heapq.heappush(self._heap, worker)
        self._idle.add(worker)

    def remove(self, worker: int) -> None:
        """An idle worker was lost or given work."""
        self._idle.remove(worker)

    def lowest(self) -> int:
        """The idle worker with the lowest number. Raises ``IndexError`` when there is none."""
        while self._heap[0] not in self._idle:
            heapq.heappop(self._heap)
        return self._heap[0]


class Policy(ABC):
    """Decides which ready copy goes to which idle worker. Pure: no clock, no randomness."""

    kind: str

    @abstractmethod
    def enqueue(self, copies: Iterable[Copy]) -> None:
        """Copies became ready, in this order."""

    @abstractmethod
    def requeue(self, copy: Copy) -> None:
        """A copy replaces one that failed or was lost."""

    @abstractmethod
    def drop(self, query: int) -> None:
        """The query failed: forget what is still queued of it."""

    @abstractmethod
    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[Copy, int]]:
        """Yield (copy, worker) for work to start now.

        The dispatcher takes each worker from ``idle`` before it asks for the next pair.
        """

    @abstractmethod
    def queued(self) -> Iterable[Copy]:
        """What is queued, for the invariant checks."""
