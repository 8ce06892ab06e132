"""What happened: the dispatcher's inputs. Past tense, frozen; time arrives with them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """A worker is there and idle. A worker's number is never used again after it was lost."""

    at_s: float
    worker: int


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker is gone; the copy it was running, if any, will not finish."""

    at_s: float
    worker: int


@dataclass(frozen=True, slots=True)
class QuerySubmitted:
    """A query's tasks, numbered from 0, are ready to run."""

    at_s: float
    query: int
    tasks: int


@dataclass(frozen=True, slots=True)
class TaskFinished:
    """A worker finished a copy of a task."""

    at_s: float
    query: int
    task: int
    attempt: int
    worker: int


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """A copy of a task raised ``error``; its worker is idle again."""

    at_s: float
    query: int
    task: int
    attempt: int
    worker: int
    error: str


@dataclass(frozen=True, slots=True)
class ReconstructionFinished:
    """A query's value has been reconstructed from its tasks' results."""

    at_s: float
    query: int


Event = (
    WorkerJoined | WorkerLost | QuerySubmitted | TaskFinished | TaskFailed | ReconstructionFinished
)

_RANK: dict[type, int] = {
    TaskFinished: 0,
    TaskFailed: 0,
    WorkerLost: 1,
    WorkerJoined: 2,
    ReconstructionFinished: 3,
    QuerySubmitted: 4,
}


def order_key(event: Event) -> tuple[float, int, int, int, int]:
    """Total order of events: time, then kind, then query, task, attempt (or worker).

    Both drivers sort by it, so that what happens at one instant is handled in the same order
    whatever an event loop made of it. What a worker finished counts before its loss.
    """
    rank = _RANK[type(event)]
    match event:
        case WorkerJoined(at_s, worker) | WorkerLost(at_s, worker):
            return (at_s, rank, worker, 0, 0)
        case QuerySubmitted(at_s, query, _) | ReconstructionFinished(at_s, query):
            return (at_s, rank, query, 0, 0)
        case TaskFinished(at_s, query, task, attempt, _):
            return (at_s, rank, query, task, attempt)
        case TaskFailed(at_s, query, task, attempt, _, _):
            return (at_s, rank, query, task, attempt)
