"""When a query's tasks and merges could begin and were done: what both drivers keep of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from qcutsim.dispatch.events import Merge


@dataclass(slots=True)
class NodeTimes:
    """Times of one query's tasks and, numbered after them, merges.

    Args:
        tasks: how many tasks.
        merges: the merges.

    Attributes:
        submitted_s: when its tasks were ready.
        executed_s: when the last of its tasks was done; with no tasks, when it was submitted.
    """

    tasks: int
    merges: tuple[Merge, ...]
    submitted_s: float = 0.0
    executed_s: float = 0.0
    _tasks_left: int = field(init=False)
    _done_s: list[float | None] = field(init=False)

    def __post_init__(self) -> None:
        self._tasks_left = self.tasks
        self._done_s = [None] * (self.tasks + len(self.merges))

    def submit(self, now_s: float) -> None:
        """The query's tasks are ready."""
        self.submitted_s = now_s
        if self.tasks == 0:
            self.executed_s = now_s

    def node_done(self, node: int, now_s: float) -> bool:
        """A task or merge is done; returns whether for the first time, which alone counts."""
        if self._done_s[node] is not None:
            return False
        self._done_s[node] = now_s
        if node < self.tasks:
            self._tasks_left -= 1
            if self._tasks_left == 0:
                self.executed_s = now_s
        return True

    def ready_s(self, node: int) -> float:
        """When a node could begin: with its query, or when what it needs was done."""
        if node < self.tasks:
            return self.submitted_s
        needs = self.merges[node - self.tasks].needs
        done_s = (self._done_s[n] or 0.0 for start, stop in needs for n in range(start, stop))
        return max(done_s, default=self.submitted_s)
