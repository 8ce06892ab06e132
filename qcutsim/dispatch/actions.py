"""What a driver must do: the dispatcher's outputs. Imperative, frozen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Start:
    """Run a copy of a task on a worker."""

    query: int
    task: int
    attempt: int
    worker: int


@dataclass(frozen=True, slots=True)
class BeginReconstruction:
    """The barrier is open: every task of the query is done; reconstruct its value."""

    query: int


@dataclass(frozen=True, slots=True)
class CompleteQuery:
    """Hand the query's value to whoever asked."""

    query: int


@dataclass(frozen=True, slots=True)
class FailQuery:
    """Give up on the query; ``error`` is what its task last failed with."""

    query: int
    error: str


Action = Start | BeginReconstruction | CompleteQuery | FailQuery
