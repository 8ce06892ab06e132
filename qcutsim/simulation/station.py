"""A host whose busy jobs share its speed equally, in virtual time.

Pure: the caller brings the time. V, the work each busy job has received, advances by
dt r(n) / n; a job that enters at V with demand d is done when V reaches V + d. One
implementation serves the SimPy driver and the fake workers of the conformance gate.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Generic, TypeVar

J = TypeVar("J")


class SharedHost(Generic[J]):
    """Processor sharing at rate r(n) = min(n, capacity), times ``efficiency`` where n > 1.

    Args:
        capacity: cores, or 1 for a lock.
        efficiency: in (0, 1]; what sharing itself costs.
        rates: instead, the rate r(n) of 1, 2, ... busy jobs; the last one holds for more.
    """

    def __init__(self, capacity: int, efficiency: float = 1.0, rates: Sequence[float] = ()) -> None:
        if capacity < 1 or not 0 < efficiency <= 1:
            raise ValueError(f"capacity {capacity} or efficiency {efficiency} out of range")
        self._capacity = capacity
        self._efficiency = efficiency
        self._rates = tuple(rates)
        self._speeds: list[float] = []
        self._jobs: list[tuple[float, int, J]] = []
        self._entered = 0
        self._work = 0.0
        self._last_s = 0.0

    def __len__(self) -> int:
        return len(self._jobs)

    def speed_of(self, jobs: int) -> float:
        """Progress of each of so many busy jobs per second."""
        if jobs <= 1:
            return 1.0
        if self._rates:
            return self._rates[min(jobs, len(self._rates)) - 1] / jobs
        return min(1.0, self._capacity / jobs) * self._efficiency

    def _speed(self) -> float:
        """Progress of each busy job per second."""
        jobs, known = len(self._jobs), self._speeds
        while len(known) <= jobs:
            known.append(self.speed_of(len(known)))
        return known[jobs]

    def _advance(self, now_s: float) -> None:
        if self._jobs:
            self._work += (now_s - self._last_s) * self._speed()
        elif now_s > self._last_s:  # not where one leaves as another enters, in either order
            self._work = 0.0
        self._last_s = now_s

    def enter(self, now_s: float, job: J, demand_s: float) -> int:
        """A job with ``demand_s`` seconds of work becomes busy; returns its ticket."""
        self._advance(now_s)
        self._entered += 1
        heapq.heappush(self._jobs, (self._work + demand_s, self._entered, job))
        return self._entered

    def leave(self, now_s: float, ticket: int) -> None:
        """The job with that ticket goes before it is done."""
        self._advance(now_s)
        self._jobs = [entry for entry in self._jobs if entry[1] != ticket]
        heapq.heapify(self._jobs)

    def next_in_s(self) -> float | None:
        """Seconds from the last change until the next job is done, if nothing else happens."""
        if not self._jobs:
            return None
        left = self._jobs[0][0] - self._work
        return left / self._speed() if left > 0 else 0.0

    def finish_next(self, now_s: float) -> list[J]:
        """The time that :meth:`next_in_s` told has come: the jobs that are done, by entry."""
        self._last_s = now_s
        self._work = self._jobs[0][0]
        jobs, work = self._jobs, self._work
        done = [heapq.heappop(jobs)[2]]
        while jobs and jobs[0][0] <= work:
            done.append(heapq.heappop(jobs)[2])
        return done
