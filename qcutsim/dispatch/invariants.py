"""What must be true of a dispatcher after every event; tests call it, runs do not pay for it."""

from __future__ import annotations

from collections import Counter

from qcutsim.dispatch.dispatcher import Dispatcher
from qcutsim.dispatch.work import QueryState
from qcutsim.errors import PolicyError


def check_invariants(dispatcher: Dispatcher) -> None:
    """Raise where a task is lost or doubled, a worker overbooked, or a barrier wrong.

    Raises:
        PolicyError: names the policy and the invariant that is broken.
    """
    broken = _find_broken(dispatcher)
    if broken is not None:
        raise PolicyError(f"policy {dispatcher.policy.kind!r}: {broken}")


def _find_broken(dispatcher: Dispatcher) -> str | None:
    queued = Counter(tuple(task) for task in dispatcher.policy.queued())
    running = Counter((copy.query, copy.task) for copy in dispatcher.busy.values())
    for worker in dispatcher.busy:
        if worker in dispatcher.idle:
            return f"worker {worker} is both busy and idle"
    for query, state in dispatcher.queries.items():
        if state.remaining != state.done.count(0):
            return f"query {query} counts {state.remaining} tasks left"
        if state.is_reconstructing != (state.remaining == 0):
            return f"the barrier of query {query} does not follow its tasks"
        for node, is_done in enumerate(state.done):
            key = (query, node)
            broken = _of_node(state, node, bool(is_done), queued[key], running[key], dispatcher)
            if broken is not None:
                return f"task {node} of query {query} {broken}"
        if state.queued != sum(count for key, count in queued.items() if key[0] == query):
            return f"query {query} counts {state.queued} tasks queued"
    for query, node in queued:
        if query not in dispatcher.queries:
            return f"task {node} of the ended query {query} is still queued"
    if dispatcher.idle and queued and dispatcher.policy.is_work_conserving:
        return "a worker is idle while a task is ready"
    return None


def _of_node(
    state: QueryState, node: int, is_done: bool, queued: int, running: int, dispatcher: Dispatcher
) -> str | None:
    if running != len(state.running.get(node, ())):
        return f"counts {len(state.running.get(node, ()))} running copies, workers run {running}"
    if is_done or not state.may_run(node) or node in state.blocked:
        fits = queued == 0 and (is_done or running == 0)
    else:
        most = dispatcher.policy.most_copies
        fits = queued + min(running, 1) == 1 and running <= most
    if fits:
        return None
    return f"is {'done' if is_done else 'open'} and has {queued + running} copies queued or running"
