"""The dispatcher: a pure state machine, events in, actions out.

It knows no clock, no thread and no randomness. The asyncio driver feeds it what real workers
did, the SimPy driver what simulated ones did; :meth:`Dispatcher.handle` is the only thing that
changes its state.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar, get_args

from qcutsim.dispatch.actions import (
    Abandon,
    Action,
    BeginMerge,
    BeginReconstruction,
    Cancel,
    CompleteQuery,
    FailQuery,
    SetTimer,
    Start,
)
from qcutsim.dispatch.events import (
    Event,
    MergeFinished,
    QuerySubmitted,
    ReconstructionFinished,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TimerFired,
    WorkerJoined,
    WorkerLost,
)
from qcutsim.dispatch.policies.base import IdleWorkers, Policy, TaskId, policy_failure
from qcutsim.dispatch.work import QueryState
from qcutsim.errors import PolicyError

MAX_ATTEMPTS = 3
"""How often a task may fail or be lost before its query fails."""

MOST_ATTEMPTS = 100
"""More than that would not end."""

MOST_IDLE_WAKES = 10_000
"""So often in a row a policy may ask to be woken, and then leave all workers idle."""

P = ParamSpec("P")
R = TypeVar("R")

_EVENT_TYPES = frozenset(get_args(Event))


class Copy(NamedTuple):
    """One attempt at one task of one query."""

    query: int
    task: int
    attempt: int


class Dispatcher:
    """Turns events into actions under one policy.

    Args:
        policy: decides which ready task goes to which idle worker, and when.
        max_attempts: how often a task may fail or be lost before its query fails.
        timeout_s: a copy that runs longer counts as lost, and so does its worker.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        max_attempts: int = MAX_ATTEMPTS,
        timeout_s: float | None = None,
    ) -> None:
        if not 1 <= max_attempts <= MOST_ATTEMPTS:
            raise ValueError(f"max_attempts is {max_attempts}; expected 1 to {MOST_ATTEMPTS}")
        self.policy = policy
        self.max_attempts = max_attempts
        self.timeout_s = timeout_s
        self.idle = IdleWorkers()
        self.busy: dict[int, Copy] = {}
        self.queries: dict[int, QueryState] = {}
        self._deadlines: deque[tuple[float, int, Copy]] = deque()
        self._overdue: set[int] = set()
        self._timer_s = math.inf
        self._idle_wakes = 0
        self._now_s = -math.inf

    def handle(self, event: Event) -> list[Action]:
        """Take in one event and return what is to be done, in order.

        Raises:
            PolicyError: the event is impossible in this state, time ran backwards, or the policy
                broke a rule or raised; it is named.
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
                copy = self._free(event)
                self._copy_ended(copy, event.worker, event.error, actions)
            case TaskCancelled():
                copy = self._free(event)
                self._copy_ended(copy, event.worker, "it was cancelled", actions)
            case MergeFinished():
                self._merge_finished(event, actions)
            case ReconstructionFinished():
                self._reconstruction_finished(event, actions)
            case WorkerJoined():
                self._worker_joined(event)
            case WorkerLost():
                self._worker_lost(event, actions)
            case TimerFired():
                self._timer_fired(event, actions)
        self._assign(actions)
        self._set_timer(actions)
        return actions

    def _ask(self, hook: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What a method of the policy says; an exception of its own names both."""
        try:
            return hook(*args, **kwargs)
        except Exception as error:
            raise policy_failure(self.policy.kind, hook.__name__, error) from error

    def _query_submitted(self, event: QuerySubmitted, actions: list[Action]) -> None:
        if event.query in self.queries:
            raise PolicyError(f"query {event.query} was submitted twice")
        state = self.queries[event.query] = QueryState.of(event)
        self._enqueue(event.query, state, range(event.tasks))
        for merge in [merge for merge, needed in state.blocked.items() if needed == 0]:
            del state.blocked[merge]
            self._begin_merge(event.query, state, merge, actions)
        if state.remaining == 0:
            self._open_barrier(event.query, actions)

    def _enqueue(self, query: int, state: QueryState, nodes: range) -> None:
        if nodes:
            state.queued += len(nodes)
            ready = [TaskId(query, node) for node in nodes]
            self._ask(self.policy.enqueue, ready, state.kind, self._now_s)

    def _begin_merge(self, query: int, state: QueryState, node: int, actions: list[Action]) -> None:
        if state.merge(node).on_worker:
            self._enqueue(query, state, range(node, node + 1))
        else:
            actions.append(BeginMerge(query, node))

    def _task_finished(self, event: TaskFinished, actions: list[Action]) -> None:
        self._free(event)
        state = self.queries.get(event.query)
        if state is None:
            return
        others = state.running[event.task]
        del others[event.worker]
        try:  # not asked as the others: this is done for every task
            self.policy.finished(TaskId(event.query, event.task), event.worker, event.at_s)
        except Exception as error:
            raise policy_failure(self.policy.kind, "finished", error) from error
        if state.done[event.task]:  # a copy that another one has beaten
            return
        for worker, attempt in sorted(others.items()):
            actions.append(Cancel(event.query, event.task, attempt, worker))
        self._node_done(event.query, state, event.task, actions)

    def _merge_finished(self, event: MergeFinished, actions: list[Action]) -> None:
        state = self.queries.get(event.query)
        if state is None:  # it failed meanwhile
            return
        is_own = state.has_node(event.task) and not state.may_run(event.task)
        if not is_own or state.done[event.task] or event.task in state.blocked:
            raise PolicyError(f"{event}, but that merge was not begun")
        self._node_done(event.query, state, event.task, actions)

    def _node_done(self, query: int, state: QueryState, node: int, actions: list[Action]) -> None:
        state.done[node] = 1
        state.remaining -= 1
        if state.blocked:
            for merge in state.unblock(node):
                self._begin_merge(query, state, merge, actions)
        if state.remaining == 0:
            self._open_barrier(query, actions)

    def _open_barrier(self, query: int, actions: list[Action]) -> None:
        self.queries[query].is_reconstructing = True
        actions.append(BeginReconstruction(query))

    def _reconstruction_finished(
        self, event: ReconstructionFinished, actions: list[Action]
    ) -> None:
        state = self.queries.get(event.query)
        if state is None or not state.is_reconstructing:
            raise PolicyError(f"{event}, but its barrier is not open")
        self._end_query(event.query)
        actions.append(CompleteQuery(event.query))

    def _end_query(self, query: int) -> None:
        del self.queries[query]
        self._ask(self.policy.drop, query, self._now_s)

    def _worker_joined(self, event: WorkerJoined) -> None:
        if event.worker in self.busy or event.worker in self.idle:
            raise PolicyError(f"worker {event.worker} joined twice")
        self.idle.add(event.worker)
        self._ask(self.policy.worker_joined, event.worker)

    def _worker_lost(self, event: WorkerLost, actions: list[Action]) -> None:
        worker = event.worker
        is_overdue = worker in self._overdue
        self._overdue.discard(worker)
        if worker in self.idle:
            self.idle.remove(worker)
        elif worker in self.busy:
            error = f"worker {worker} died while it ran the task"
            if is_overdue:
                error = f"it ran longer than its timeout of {self.timeout_s} s"
            self._copy_ended(self.busy.pop(worker), worker, error, actions)
        else:
            raise PolicyError(f"worker {worker} was lost but never joined")
        self._ask(self.policy.worker_lost, worker)

    def _free(self, event: TaskFinished | TaskFailed | TaskCancelled) -> Copy:
        """The copy has ended and its worker is idle."""
        copy, worker = Copy(event.query, event.task, event.attempt), event.worker
        if self.busy.get(worker) != copy:
            raise PolicyError(f"{event}, but worker {worker} runs {self.busy.get(worker)}")
        del self.busy[worker]
        self._overdue.discard(worker)
        self.idle.add(worker)
        return copy

    def _copy_ended(self, copy: Copy, worker: int, error: str, actions: list[Action]) -> None:
        """A copy will not finish: run its task again, unless it is done or another copy runs."""
        state = self.queries.get(copy.query)
        if state is None:
            return
        others = state.running[copy.task]
        del others[worker]
        task = TaskId(copy.query, copy.task)
        self._ask(self.policy.ended, task, worker, self._now_s)
        if state.done[copy.task]:
            return
        failures = state.failures[copy.task] = state.failures.get(copy.task, 0) + 1
        if failures >= self.max_attempts:
            self._fail(copy, state, error, actions)
        elif not others:
            state.queued += 1
            self._ask(self.policy.requeue, task, self._now_s)

    def _fail(self, copy: Copy, state: QueryState, error: str, actions: list[Action]) -> None:
        self._end_query(copy.query)
        for task, copies in sorted(state.running.items()):
            for worker, attempt in sorted(copies.items()):
                if not state.done[task]:  # those that were beaten are cancelled already
                    actions.append(Cancel(copy.query, task, attempt, worker))
        message = f"task {copy.task} failed {self.max_attempts} times; the last time: {error}"
        actions.append(FailQuery(copy.query, message))

    def _timer_fired(self, event: TimerFired, actions: list[Action]) -> None:
        self._idle_wakes += 1
        if event.due_s == self._timer_s:
            self._timer_s = math.inf
        while self._deadlines and event.at_s >= self._deadlines[0][0]:
            _, worker, copy = self._deadlines.popleft()
            if self.busy.get(worker) == copy:
                self._overdue.add(worker)
                actions.append(Abandon(*copy, worker))

    def _assign(self, actions: list[Action]) -> None:
        idle, busy, queries, now_s = self.idle, self.busy, self.queries, self._now_s
        try:
            for task, worker in self.policy.assign(idle, now_s):
                query, node = task
                state = queries.get(query)
                if state is None or not state.may_begin(node) or worker not in idle:
                    raise PolicyError(
                        f"policy {self.policy.kind!r} assigned {task} to worker {worker}: "
                        "the worker must be idle and the task ready and not yet done"
                    )
                running = state.running.setdefault(node, {})
                if len(running) >= self.policy.most_copies:
                    raise PolicyError(f"policy {self.policy.kind!r} released {task} twice")
                if not running:
                    state.queued -= 1
                attempt = state.started[node]
                state.started[node] += 1
                idle.remove(worker)
                running[worker] = attempt
                copy = busy[worker] = Copy(query, node, attempt)
                actions.append(Start(query, node, attempt, worker))
                if self.timeout_s is not None:
                    self._deadlines.append((now_s + self.timeout_s, worker, copy))
        except PolicyError:
            raise
        except Exception as error:  # the policy's, or what it yields is no task and worker
            raise policy_failure(self.policy.kind, "assign", error) from error

    def _set_timer(self, actions: list[Action]) -> None:
        """Ask to be woken when the policy wants to be, or when a copy will be overdue."""
        try:  # as for 'finished'
            wake_s = self.policy.wake_s(self.idle, self._now_s)
            if wake_s is None or not wake_s > self._now_s:
                wake_s = math.inf
        except Exception as error:
            raise policy_failure(self.policy.kind, "wake_s", error) from error
        while self._deadlines and self.busy.get(self._deadlines[0][1]) != self._deadlines[0][2]:
            self._deadlines.popleft()
        due_s = self._deadlines[0][0] if self._deadlines else math.inf
        due_s = min(due_s, wake_s)
        if self._now_s < due_s < self._timer_s:
            self._timer_s = due_s
            actions.append(SetTimer(due_s))
        if self.busy or not self.idle:
            self._idle_wakes = 0
        elif self._timer_s == math.inf or self._idle_wakes > MOST_IDLE_WAKES:
            self._refuse_to_wait_for_ever()

    def _refuse_to_wait_for_ever(self) -> None:
        self._idle_wakes = 0
        for query, state in self.queries.items():
            if state.queued:
                raise PolicyError(
                    f"policy {self.policy.kind!r} never releases {state.queued} tasks of query "
                    f"{query}: workers are idle, and nothing else is going to happen"
                )
