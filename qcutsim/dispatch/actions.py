"""What a driver must do: the dispatcher's outputs. Imperative, frozen."""

from __future__ import annotations

import msgspec


class Start(msgspec.Struct, frozen=True, gc=False):
    """Run a copy of a task on a worker; a merge's number is that of a task after the others."""

    query: int
    task: int
    attempt: int
    worker: int


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """Nobody needs this running copy any more: do what the pool can do about it."""

    query: int
    task: int
    attempt: int
    worker: int


class Abandon(msgspec.Struct, frozen=True, gc=False):
    """This copy is past its timeout: count its worker as lost and replace it."""

    query: int
    task: int
    attempt: int
    worker: int


class BeginMerge(msgspec.Struct, frozen=True, gc=False):
    """The coordinator can do this merge: what it needs is done."""

    query: int
    task: int


class BeginReconstruction(msgspec.Struct, frozen=True, gc=False):
    """The barrier is open: every task of the query is done; reconstruct its value."""

    query: int


class CompleteQuery(msgspec.Struct, frozen=True, gc=False):
    """Hand the query's value to whoever asked."""

    query: int


class FailQuery(msgspec.Struct, frozen=True, gc=False):
    """Give up on the query; ``error`` is what its task last failed with."""

    query: int
    error: str


class SetTimer(msgspec.Struct, frozen=True, gc=False):
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
