"""What a dispatcher knows of a query: its tasks and merges, and how far they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from qcutsim.dispatch.events import Merge, QuerySubmitted, TaskKind
from qcutsim.errors import PolicyError

_MERGE = TaskKind(structure="merge")
_UNKNOWN = TaskKind()


@dataclass(slots=True)
class QueryState:
    """Progress of one query. A node is a task or a merge, numbered together, tasks first.

    Attributes:
        submitted: the event that brought it.
        tasks: how many of its nodes are tasks.
        done: 1 for each node that is done.
        remaining: how many nodes are not.
        started: how many copies of each node were started.
        failures: how often a node's copies failed or were lost.
        running: node -> worker -> attempt, for the copies that run.
        queued: how many nodes wait with the policy.
        blocked: merge -> how many nodes it still waits for.
        is_reconstructing: whether the barrier has opened.
    """

    submitted: QuerySubmitted
    tasks: int
    done: bytearray
    remaining: int
    started: bytearray
    failures: dict[int, int] = field(default_factory=dict)
    running: dict[int, dict[int, int]] = field(default_factory=dict)
    queued: int = 0
    blocked: dict[int, int] = field(default_factory=dict)
    is_reconstructing: bool = False

    @classmethod
    def of(cls, event: QuerySubmitted) -> QueryState:
        """A query of which nothing is done. Raises ``PolicyError`` where its parts do not fit."""
        nodes = event.tasks + len(event.merges)
        fits = all(0 <= kind < len(event.kinds) for kind in set(event.kind_of))
        if not fits or (event.kinds and len(event.kind_of) != event.tasks):
            raise PolicyError(f"query {event.query}: its tasks and their kinds do not match")
        if event.weights and len(event.weights) != event.tasks:
            raise PolicyError(f"query {event.query}: its tasks and their weights do not match")
        state = cls(event, event.tasks, bytearray(nodes), nodes, bytearray(nodes))
        for number, merge in enumerate(event.merges, start=event.tasks):
            if any(not 0 <= start <= stop <= number for start, stop in merge.needs):
                raise PolicyError(
                    f"query {event.query}: merge {number} needs {merge.needs}; expected nodes "
                    "before it"
                )
            state.blocked[number] = sum(stop - start for start, stop in merge.needs)
        return state

    def kind(self, node: int) -> TaskKind:
        """What is known of a node before it runs."""
        if node >= self.submitted.tasks:
            return _MERGE
        event = self.submitted
        kind = event.kinds[event.kind_of[node]] if event.kinds else _UNKNOWN
        return kind._replace(weight=event.weights[node]) if event.weights else kind

    def has_node(self, node: int) -> bool:
        """Whether there is a task or merge of that number."""
        return 0 <= node < len(self.done)

    def may_run(self, node: int) -> bool:
        """Whether it is a worker's: a task, or a merge that a worker does."""
        if not self.has_node(node):
            return False
        return node < self.submitted.tasks or self.merge(node).on_worker

    def may_begin(self, node: int) -> bool:
        """Whether a worker may run it now: it is a worker's, not done, and waits for nothing."""
        if 0 <= node < self.tasks:
            return not self.done[node]
        return self.may_run(node) and node not in self.blocked and not self.done[node]

    def merge(self, node: int) -> Merge:
        """The merge of that number."""
        return self.submitted.merges[node - self.submitted.tasks]

    def unblock(self, node: int) -> Iterator[int]:
        """Take note that ``node`` is done; yields the merges that may begin now."""
        for merge in list(self.blocked):
            needed = sum(start <= node < stop for start, stop in self.merge(merge).needs)
            if needed:
                self.blocked[merge] -= needed
                if self.blocked[merge] == 0:
                    del self.blocked[merge]
                    yield merge
