"""What must be true of a dispatcher after every event; tests call it, runs do not pay for it."""

from __future__ import annotations

from collections import Counter

from qcutsim.dispatch.dispatcher import Dispatcher
from qcutsim.errors import PolicyError


def check_invariants(dispatcher: Dispatcher) -> None:
    """Raise where a task is lost or doubled, a worker overbooked, or a barrier wrong.

    Raises:
        PolicyError: names the invariant that is broken.
    """
    queued = Counter((copy.query, copy.task) for copy in dispatcher.policy.queued())
    running = Counter((copy.query, copy.task) for copy in dispatcher.busy.values())
    for worker in dispatcher.busy:
        if worker in dispatcher.idle:
            raise PolicyError(f"worker {worker} is both busy and idle")
    for query, state in dispatcher.queries.items():
        if state.remaining != state.done.count(0):
            raise PolicyError(f"query {query} counts {state.remaining} tasks left")
        if state.is_reconstructing != (state.remaining == 0):
            raise PolicyError(f"the barrier of query {query} does not follow its tasks")
        for task, is_done in enumerate(state.done):
            copies = queued[query, task] + running[query, task]
            if copies != (0 if is_done else 1):
                raise PolicyError(
                    f"task {task} of query {query} is {'done' if is_done else 'open'} "
                    f"and has {copies} copies queued or running"
                )
    for query, task in queued:
        if query not in dispatcher.queries:
            raise PolicyError(f"task {task} of the ended query {query} is still queued")
    if dispatcher.idle and queued and dispatcher.policy.kind == "eager":
        raise PolicyError("a worker is idle while a task is ready")
