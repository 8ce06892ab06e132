"""What tasks have been seen to take, for orders of dispatch and sizes of chunks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qcutsim.runtime import TaskRun
from qcutsim.workload import TaskClass

OVERHEAD_SHARE = 0.05
"""A chunk is worth its dispatch where this takes no larger share of the chunk's time."""

_FORGETTING = 0.05
"""Weight of the latest task in the mean overhead."""

Circuit = tuple[int, int, int]


@dataclass(slots=True)
class _Line:
    """Least squares of seconds against subexperiments."""

    tasks: int = 0
    subexperiments: float = 0.0
    squares: float = 0.0
    seconds: float = 0.0
    products: float = 0.0

    def add(self, subexperiments: int, seconds: float) -> None:
        """One more task."""
        self.tasks += 1
        self.subexperiments += subexperiments
        self.squares += subexperiments**2
        self.seconds += seconds
        self.products += subexperiments * seconds

    def fit(self) -> tuple[float, float]:
        """(seconds a task, seconds a subexperiment), neither negative."""
        spread = self.tasks * self.squares - self.subexperiments**2
        if spread > 1e-9 * self.squares:
            slope = (self.tasks * self.products - self.subexperiments * self.seconds) / spread
            fixed = (self.seconds - slope * self.subexperiments) / self.tasks
            if slope > 0 and fixed >= 0:
                return fixed, slope
        return 0.0, self.seconds / self.subexperiments


class ServiceTimes:
    """Service times by features of the task, and the overhead of a dispatch, as measured."""

    def __init__(self) -> None:
        self._lines: dict[Circuit, _Line] = {}
        self._overhead_s: float | None = None

    def observe(self, classes: Sequence[TaskClass], runs: Sequence[TaskRun]) -> None:
        """Take in the runs of a query; ``classes`` tells the class of each task.

        Runs of merges, and those that did not end well, tell nothing.
        """
        for run in runs:
            if run.outcome != "ok" or run.task >= len(classes):
                continue
            of = classes[run.task]
            service_s = run.ended_s - run.started_s - run.injected_delay_s
            self._lines.setdefault(of.circuit, _Line()).add(of.subexperiments, service_s)
            overhead_s = run.collected_s - run.dispatched_s - (run.ended_s - run.started_s)
            before_s = overhead_s if self._overhead_s is None else self._overhead_s
            self._overhead_s = before_s + _FORGETTING * (overhead_s - before_s)

    def expected_s(self, of: TaskClass) -> float:
        """Mean service time of a class in seconds; 0 where nothing like it was seen."""
        line = self._lines.get(of.circuit)
        if line is None:
            return 0.0
        fixed_s, each_s = line.fit()
        return fixed_s + each_s * of.subexperiments

    def worthwhile_chunk(self, circuit: Circuit) -> int | None:
        """Subexperiments that make a chunk worth its dispatch; ``None`` before the first."""
        line = self._lines.get(circuit)
        if line is None or self._overhead_s is None:
            return None
        fixed_s, each_s = line.fit()
        if each_s <= 0:
            return None
        least = max(1, math.ceil((self._overhead_s + fixed_s) / (OVERHEAD_SHARE * each_s)))
        # To a power of two: what follows from noise alone should not change from job to job.
        return 1 << (least - 1).bit_length()
