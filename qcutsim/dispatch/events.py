"""What happened: the dispatcher's inputs. Past tense, frozen; time arrives with them."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class TaskKind(NamedTuple):
    """What a policy may know of a task before it has run.

    ``expected_s`` is its expected service time in seconds, 0 where nothing is known; ``weight``
    what it may add to the variance of its query's value, in units of the query's own.
    """

    partition: str = ""
    structure: str = ""
    expected_s: float = 0.0
    weight: float = 0.0


class Merge(NamedTuple):
    """A step of the reconstruction that may begin once what it needs is done.

    ``needs`` holds half-open ranges of numbers: a query's tasks are numbered first, its merges
    after them. It runs as a task on a worker, or on the coordinator beside the dispatching.
    """

    needs: tuple[tuple[int, int], ...]
    on_worker: bool = False


class WorkerJoined(msgspec.Struct, frozen=True, gc=False):
    """A worker is there and idle. A worker's number is never used again after it was lost."""

    at_s: float
    worker: int


class WorkerLost(msgspec.Struct, frozen=True, gc=False):
    """A worker is gone; the copy it was running, if any, will not finish."""

    at_s: float
    worker: int


class QuerySubmitted(msgspec.Struct, frozen=True, gc=False):
    """A query's tasks, numbered from 0, are ready to run; its merges are numbered after them.

    Task ``i`` is of kind ``kinds[kind_of[i]]``; where nothing is told all are of one kind.
    ``weights[i]`` is its own weight, where these are told.
    """

    at_s: float
    query: int
    tasks: int
    kinds: tuple[TaskKind, ...] = ()
    kind_of: tuple[int, ...] = ()
    merges: tuple[Merge, ...] = ()
    weights: tuple[float, ...] = ()


class TaskFinished(msgspec.Struct, frozen=True, gc=False):
    """A worker finished a copy of a task."""

    at_s: float
    query: int
    task: int
    attempt: int
    worker: int


class TaskFailed(msgspec.Struct, frozen=True, gc=False):
    """A copy of a task raised ``error``; its worker is idle again."""

    at_s: float
    query: int
    task: int
    attempt: int
    worker: int
    error: str


class TaskCancelled(msgspec.Struct, frozen=True, gc=False):
    """A copy was given up as asked; its worker is idle again."""

    at_s: float
    query: int
    task: int
    attempt: int
    worker: int


class MergeFinished(msgspec.Struct, frozen=True, gc=False):
    """The coordinator finished a merge; ``task`` is its number."""

    at_s: float
    query: int
    task: int


class ReconstructionFinished(msgspec.Struct, frozen=True, gc=False):
    """A query's value has been reconstructed from its tasks' results."""

    at_s: float
    query: int


class TimerFired(msgspec.Struct, frozen=True, gc=False):
    """The time ``due_s``, for which a timer was set, has come."""

    at_s: float
    due_s: float


Event = (
    WorkerJoined
    | WorkerLost
    | QuerySubmitted
    | TaskFinished
    | TaskFailed
    | TaskCancelled
    | MergeFinished
    | ReconstructionFinished
    | TimerFired
)

_RANK: dict[type, int] = {
    TaskFinished: 0,
    TaskFailed: 0,
    TaskCancelled: 0,
    MergeFinished: 1,
    WorkerLost: 2,
    WorkerJoined: 3,
    ReconstructionFinished: 4,
    QuerySubmitted: 5,
    TimerFired: 6,
}


def order_key(event: Event) -> tuple[float, int, float, int, int]:
    """Total order of events: time, then kind, then query, task, attempt (or worker).

    Both drivers sort by it, so that what happens at one instant is handled in the same order
    whatever an event loop made of it. What a worker finished counts before its loss, and a timer
    fires when all else has happened.
    """
    rank = _RANK[type(event)]
    match event:
        case TaskFinished() | TaskFailed() | TaskCancelled():
            return (event.at_s, rank, event.query, event.task, event.attempt)
        case WorkerJoined(at_s, worker) | WorkerLost(at_s, worker):
            return (at_s, rank, worker, 0, 0)
        case MergeFinished(at_s, query, task):
            return (at_s, rank, query, task, 0)
        case QuerySubmitted(at_s, query) | ReconstructionFinished(at_s, query):
            return (at_s, rank, query, 0, 0)
        case TimerFired(at_s, due_s):
            return (at_s, rank, due_s, 0, 0)
