"""What a driver is given to run: a query's tasks, its merges, and how its value is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from qcutsim.dispatch import Merge, TaskKind
from qcutsim.stragglers import no_delay

V = TypeVar("V")


class Task(Protocol):
    """Work of a query that can be sent to a worker."""

    @property
    def context(self) -> bytes:
        """What it has in common with other tasks; a worker process gets it once and keeps it."""

    def encode(self) -> bytes:
        """The payload for the pool's task function."""


class MergeTask(Protocol):
    """A step of the reconstruction that can begin before the last task has ended.

    Results are those of the query's tasks, then of its merges, in order; it may read those that
    it needs.
    """

    @property
    def needs(self) -> tuple[tuple[int, int], ...]:
        """Half-open ranges of the tasks and merges that must be done before."""

    @property
    def on_worker(self) -> bool:
        """Whether a worker does it; otherwise the coordinator, beside the dispatching."""

    @property
    def work(self) -> int:
        """What it collects or joins, as :class:`qcutsim.workload.MergeShape` counts it."""

    def encode(self, results: Sequence[Any]) -> bytes:
        """The payload, where a worker does it; its result is what the worker returns."""

    def merge(self, results: Sequence[Any]) -> Any:
        """The result, where the coordinator does it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryWork(Generic[V]):
    """All of a query that is left once it is generated.

    Args:
        tasks: the work, in dispatch order.
        reconstruct: results -> value.
        kinds: kinds of task, as a policy may know them.
        kind_of: which of them each task is.
        weights: what each task may add to the variance of the value, where that is known.
        merges: steps of the reconstruction that may begin early, each after those it needs.
        delay_s: (task, attempt, worker) -> injected delay in seconds; workers are counted here in
            the order in which they joined the driver.
    """

    tasks: Sequence[Task]
    reconstruct: Callable[[Sequence[Any]], V]
    kinds: tuple[TaskKind, ...] = ()
    kind_of: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    merges: Sequence[MergeTask] = ()
    delay_s: Callable[[int, int, int], float] = no_delay

    @property
    def shown_merges(self) -> tuple[Merge, ...]:
        """The merges as the dispatcher needs to know them."""
        return tuple(Merge(merge.needs, merge.on_worker) for merge in self.merges)
