"""The dispatcher: a pure state machine, events in, actions out.

It knows no clock, no thread and no randomness. The asyncio driver feeds it what real workers
did, the SimPy driver what simulated ones did; :meth:`Dispatcher.handle` is the only thing that
changes its state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from qcutsim.dispatch.actions import Action, BeginReconstruction, CompleteQuery, FailQuery, Start
from qcutsim.dispatch.events import (
    Event,
    QuerySubmitted,
    ReconstructionFinished,
    TaskFailed,
    TaskFinished,
    WorkerJoined,
    WorkerLost,
)
from qcutsim.dispatch.policies.base import Copy, IdleWorkers, Policy
from qcutsim.errors import PolicyError

MAX_ATTEMPTS = 3
"""How often a task is tried before its query fails."""

_EVENT_TYPES = frozenset(get_args(Event))


@dataclass(slots=True)
class QueryState:
    """Progress of one query; ``done[i]`` is 1 once task i has finished."""

    done: bytearray
    remaining: int
    is_reconstructing: bool = False
    running: set[Copy] = field(default_factory=set)


class Dispatcher:
    """Turns events into actions under one policy.

    Args:
        policy: decides which ready task goes to which idle worker.
        max_attempts: how often a task is tried before its query fails.
    """

    def __init__(self, policy: Policy, *, max_attempts: int = MAX_ATTEMPTS) -> None:
        self.policy = policy
        self.max_attempts = max_attempts
        self.idle = IdleWorkers()
        self.busy: dict[int, Copy] = {}
        self.queries: dict[int, QueryState] = {}
        self._now_s = float("-inf")

    def handle(self, event: Event) -> list[Action]:
        """Take in one event and return what is to be done, in order.

        Raises:
            PolicyError: the event is impossible in this state, or time ran backwards.
            TypeError: the event is of an unknown type.
        """
        if type(event) not in _EVENT_TYPES:
            raise TypeError(f"not an event: {event!r}")
        if event.at_s < self._now_s:
            raise PolicyError(f"time ran backwards: {event} after {self._now_s}")
        self._now_s = event.at_s
        actions: list[Action] = []
        match event:
            case TaskFinished():
                self._task_finished(event, actions)
            case QuerySubmitted():
                self._query_submitted(event, actions)
            case TaskFailed():
                copy = Copy(event.query, event.task, event.attempt)
                self._release_worker(copy, event.worker, event)
                self.idle.add(event.worker)
                self._try_again(copy, event.error, actions)
            case ReconstructionFinished():
                self._reconstruction_finished(event, actions)
            case WorkerJoined():
                if event.worker in self.busy or event.worker in self.idle:
                    raise PolicyError(f"worker {event.worker} joined twice")
                self.idle.add(event.worker)
            case WorkerLost():
                self._worker_lost(event, actions)
        self._assign(event.at_s, actions)
        return actions

    def _query_submitted(self, event: QuerySubmitted, actions: list[Action]) -> None:
        if event.query in self.queries:
            raise PolicyError(f"query {event.query} was submitted twice")
        self.queries[event.query] = QueryState(bytearray(event.tasks), event.tasks)
        self.policy.enqueue(Copy(event.query, task, 0) for task in range(event.tasks))
        if event.tasks == 0:
            self._open_barrier(event.query, actions)

    def _task_finished(self, event: TaskFinished, actions: list[Action]) -> None:
        copy = Copy(event.query, event.task, event.attempt)
        self._release_worker(copy, event.worker, event)
        self.idle.add(event.worker)
        state = self.queries.get(event.query)
        if state is None:
            return
        state.running.discard(copy)
        if state.done[event.task]:
            raise PolicyError(f"task {event.task} of query {event.query} finished twice")
        state.done[event.task] = 1
        state.remaining -= 1
        if state.remaining == 0:
            self._open_barrier(event.query, actions)

    def _open_barrier(self, query: int, actions: list[Action]) -> None:
        self.queries[query].is_reconstructing = True
        actions.append(BeginReconstruction(query))

    def _reconstruction_finished(
        self, event: ReconstructionFinished, actions: list[Action]
    ) -> None:
        state = self.queries.get(event.query)
        if state is None or not state.is_reconstructing:
            raise PolicyError(f"{event}, but its barrier is not open")
        del self.queries[event.query]
        actions.append(CompleteQuery(event.query))

    def _worker_lost(self, event: WorkerLost, actions: list[Action]) -> None:
        if event.worker in self.idle:
            self.idle.remove(event.worker)
            return
        copy = self.busy.pop(event.worker, None)
        if copy is None:
            raise PolicyError(f"worker {event.worker} was lost but never joined")
        self._try_again(copy, f"worker {event.worker} died while it ran the task", actions)

    def _release_worker(self, copy: Copy, worker: int, event: Event) -> None:
        if self.busy.get(worker) != copy:
            raise PolicyError(f"{event}, but worker {worker} runs {self.busy.get(worker)}")
        del self.busy[worker]

    def _try_again(self, copy: Copy, error: str, actions: list[Action]) -> None:
        state = self.queries.get(copy.query)
        if state is None:
            return
        state.running.discard(copy)
        if copy.attempt + 1 < self.max_attempts:
            self.policy.requeue(copy._replace(attempt=copy.attempt + 1))
            return
        del self.queries[copy.query]
        self.policy.drop(copy.query)
        message = f"task {copy.task} failed {self.max_attempts} times; the last time: {error}"
        actions.append(FailQuery(copy.query, message))

    def _assign(self, now_s: float, actions: list[Action]) -> None:
        idle, busy, queries = self.idle, self.busy, self.queries
        if not idle:
            return
        for copy, worker in self.policy.assign(idle, now_s):
            state = queries.get(copy.query)
            if worker not in idle or state is None or state.done[copy.task]:
                raise PolicyError(
                    f"policy {self.policy.kind!r} assigned {copy} to worker {worker}: "
                    "the worker must be idle and the task not yet done"
                )
            if copy in state.running:
                raise PolicyError(f"policy {self.policy.kind!r} released {copy} twice")
            idle.remove(worker)
            busy[worker] = copy
            state.running.add(copy)
            actions.append(Start(copy.query, copy.task, copy.attempt, worker))
