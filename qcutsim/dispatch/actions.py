"""What a driver must do: the dispatcher's outputs. Imperative, frozen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Start:
    """Run a copy of a task on a worker; a merge's number is that of a task after the others."""

    query: int
    task: int
    attempt: int
    worker: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody needs this running copy any more: do what the pool can do about it."""

    query: int
    task: int
    attempt: int
    worker: int


@dataclass(frozen=True, slots=True)
class Abandon:
    """This copy is past its timeout: count its worker as lost and replace it."""

    query: int
    task: int
    attempt: int
    worker: int


@dataclass(frozen=True, slots=True)
class BeginMerge:
    """The coordinator can do this merge: what it needs is done."""

    query: int
    task: int


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


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Report ``TimerFired`` at ``due_s``."""

    due_s: float


Action = (
    Start
    | Cancel
    | Abandon
    | BeginMerge
    | BeginReconstruction
    | CompleteQuery
    | FailQuery
    | SetTimer
)
