"""What a policy is."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar, NamedTuple

import msgspec

from qcutsim.dispatch.events import TaskKind
from qcutsim.errors import PolicyError

KindOf = Callable[[int], TaskKind]
"""Task number -> what is known of the task before it runs."""


class TaskId(NamedTuple):
    """A task of a query."""

    query: int
    task: int


class IdleWorkers:
    """The workers with nothing to do, in ascending order."""

    def __init__(self) -> None:
        self._sorted: list[int] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def __iter__(self) -> Iterator[int]:
        return iter(tuple(self._sorted))

    def __contains__(self, worker: int) -> bool:
        place = bisect_left(self._sorted, worker)
        return place < len(self._sorted) and self._sorted[place] == worker

    def add(self, worker: int) -> None:
        """A worker became idle."""
        insort(self._sorted, worker)

    def remove(self, worker: int) -> None:
        """An idle worker was lost or given work. Raises ``KeyError`` where it was not idle."""
        place = bisect_left(self._sorted, worker)
        if place == len(self._sorted) or self._sorted[place] != worker:
            raise KeyError(worker)
        del self._sorted[place]

    def lowest(self) -> int:
        """The idle worker with the lowest number. Raises ``IndexError`` when there is none."""
        return self._sorted[0]


class PolicyConfig(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"
):
    """Parameters of a policy, by subclass; its tag is the policy's ``kind``."""


class Policy(ABC):
    """Decides which ready task goes to which idle worker, and when. No clock, no randomness.

    A policy is one subclass, with a config model, under one entry point ``qcutsim.policies`` that
    is named as its ``kind``. The dispatcher tells it what happens and asks :meth:`assign` after
    every event.

    Attributes:
        kind: its name.
        config: the model of its parameters.
        is_work_conserving: whether it never leaves a worker idle while a task is queued.
        most_copies: of a task that may run at once.
    """

    kind: ClassVar[str]
    config: ClassVar[type[PolicyConfig]]
    is_work_conserving: ClassVar[bool] = True
    most_copies: int = 1

    def __init__(self, config: PolicyConfig) -> None:
        """``config`` is an instance of the class's own model."""
        return

    @abstractmethod
    def enqueue(self, tasks: Sequence[TaskId], kind_of: KindOf, now_s: float) -> None:
        """Tasks of one query became ready, in this order."""

    @abstractmethod
    def requeue(self, task: TaskId, now_s: float) -> None:
        """All copies of a task failed or were lost: it must run again."""

    @abstractmethod
    def drop(self, query: int, now_s: float) -> None:
        """The query has ended: forget what is left of it."""

    @abstractmethod
    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[TaskId, int]]:
        """Yield (task, worker) for work to start now.

        The dispatcher takes each worker from ``idle`` before it asks for the next pair. A task
        that runs already gets another copy, up to ``most_copies``.
        """

    @abstractmethod
    def queued(self) -> Iterable[TaskId]:
        """What has still to be started, for the invariant checks."""

    def wake_s(self, idle: IdleWorkers, now_s: float) -> float | None:
        """When to ask again though nothing may have happened; a time after ``now_s``."""
        return None

    def finished(self, task: TaskId, worker: int, now_s: float) -> None:
        """A copy of a task finished, perhaps after another copy of it."""
        return

    def ended(self, task: TaskId, worker: int, now_s: float) -> None:
        """A copy of a task failed, was lost, or was cancelled."""
        return

    def worker_joined(self, worker: int) -> None:
        """A worker is there."""
        return

    def worker_lost(self, worker: int) -> None:
        """A worker is gone; what became of the copy it ran is told apart."""
        return


def policy_failure(kind: str, method: str, error: Exception) -> PolicyError:
    """What a policy's own code raised, as an error that names the policy and where it was."""
    inner = traceback.extract_tb(error.__traceback__)[1:]  # the first is who called the policy
    where = f" ({inner[-1].filename}, line {inner[-1].lineno})" if inner else ""
    return PolicyError(
        f"policy {kind!r} failed in {method}{where}: {type(error).__name__}: {error}"
    )
