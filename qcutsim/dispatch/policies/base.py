"""What a policy is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
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
        self._sorted: list[int] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def __contains__(self, worker: int) -> bool:
        place = bisect_left(self._sorted, worker)
        return place < len(self._sorted) and self._sorted[place] == worker

    def add(self, worker: int) -> None:
        """A worker became idle."""
        insort(self._sorted, worker)

    def remove(self, worker: int) -> None:
        """An idle worker was lost or given work. Raises ``KeyError`` where it was not idle."""
        if worker not in self:
            raise KeyError(worker)
        del self._sorted[bisect_left(self._sorted, worker)]

    def lowest(self) -> int:
        """The idle worker with the lowest number. Raises ``IndexError`` when there is none."""
        return self._sorted[0]


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
