"""The asyncio driver: performs the dispatcher's actions on a pool of real workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any, Self, TypeVar

from qcutsim.dispatch import (
    Abandon,
    Action,
    BeginMerge,
    BeginReconstruction,
    Cancel,
    CompleteQuery,
    Dispatcher,
    Event,
    FailQuery,
    MergeFinished,
    PolicyLike,
    QuerySubmitted,
    ReconstructionFinished,
    SetTimer,
    Start,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TimerFired,
    WorkerJoined,
    WorkerLost,
    make_policy,
    order_key,
    to_plain,
)
from qcutsim.errors import ExecutionError, QueryFailedError
from qcutsim.records import EventRecord
from qcutsim.runtime.execution import Execution, RunningQuery, TaskRun
from qcutsim.runtime.loop import DaemonThread
from qcutsim.runtime.messages import ResultMessage, TaskMessage
from qcutsim.runtime.pools import Pool
from qcutsim.runtime.querywork import QueryWork

V = TypeVar("V")
Clock = Callable[[], float]


class Driver:
    """Runs queries' tasks on a pool under one dispatcher; several queries at once if asked to.

    Args:
        pool: a started pool.
        workers: how many of its workers to use.
        policy: the dispatch policy.
        timeout_s: a task that runs longer counts as lost, and its worker is replaced.
        clock: seconds since the run's start, comparable with ``time.monotonic`` of the workers
            once ``clock_offset_s`` is taken from the latter.
        clock_offset_s: reading of ``time.monotonic`` at the run's start.
        on_event: receives one ``event`` record for every event handled.
        watch: hears every event handled and what was decided on it, as they are.
        reconstructor: runs merges and ``reconstruct``; a thread of the driver's own by default.
        settled: awaited before the dispatcher's turn. In virtual time it returns once all else
            that happens at this instant has happened; real time needs none.

    Use it as an async context manager; it detaches from the pool, which stays up, at the end.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        workers: int,
        policy: PolicyLike = "eager",
        timeout_s: float | None = None,
        clock: Clock,
        clock_offset_s: float = 0.0,
        on_event: Callable[[EventRecord], None] | None = None,
        watch: Callable[[Event, Sequence[Action]], None] | None = None,
        reconstructor: Executor | None = None,
        settled: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._pool = pool
        self._workers = workers
        self._clock = clock
        self._offset_s = clock_offset_s
        self._on_event = on_event
        self._watch = watch
        self._settled = settled
        self._dispatcher = Dispatcher(make_policy(policy), timeout_s=timeout_s)
        self._inbox: list[Event] = []
        self._is_taking_turn = False
        self._turn: asyncio.Task[None] | None = None
        self._queries: dict[int, RunningQuery] = {}
        self._running: dict[int, TaskRun] = {}
        self._own_reconstructor = None if reconstructor else DaemonThread("reconstruct")
        self._reconstructor = reconstructor or self._own_reconstructor
        self._computations: set[asyncio.Task[None]] = set()
        self._timers: dict[float, asyncio.TimerHandle] = {}
        self._ordinals: dict[int, int] = {}
        self._progress: asyncio.Future[None] | None = None
        self._broken: str | None = None

    async def __aenter__(self) -> Self:
        await self._pool.ready()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pool.attach(self, self._workers)
        return self

    async def __aexit__(self, exc_type: type[BaseException] | None, *exc_info: object) -> None:
        if exc_type is None:
            while (self._running or self._inbox) and not self._failed.done():
                await self._wait_for_progress()
        self._pool.attach(None, 0)
        for timer in self._timers.values():
            timer.cancel()
        ending = [*self._computations, *([self._turn] if self._turn is not None else [])]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        if not self._failed.done():
            self._failed.set_exception(ExecutionError("the driver was closed"))
        self._failed.exception()  # seen
        if self._own_reconstructor is not None:
            self._own_reconstructor.shutdown(wait=False, cancel_futures=True)

    async def execute(self, query: int, work: QueryWork[V]) -> Execution[V]:
        """Run the tasks, wait at the barrier, and reconstruct.

        Args:
            query: a number not used before with this driver.
            work: what is to be done.

        Raises:
            QueryFailedError: a task failed on every attempt, or the pool broke down; its
                ``execution`` holds the runs.
            ExecutionError: the driver was closed; or whatever ``reconstruct`` raised.
            PolicyError: the policy broke a rule.
        """
        if self._broken is not None:
            raise ExecutionError(self._broken)
        state = self._queries[query] = RunningQuery.of(work)
        self._post(
            QuerySubmitted(
                self._clock(),
                query,
                state.times.tasks,
                work.kinds,
                work.kind_of,
                state.times.merges,
                work.weights,
            )
        )
        try:
            waiting: set[asyncio.Future[Any]] = {state.done, self._failed}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if state.done.done():
                state.done.result()
            else:
                self._failed.result()
        except QueryFailedError as failed:
            state.fail(self._clock())
            failed.execution = state.execution()
            raise
        finally:
            del self._queries[query]
        return state.execution()

    async def _wait_for_progress(self) -> None:
        self._progress = asyncio.get_running_loop().create_future()
        await asyncio.wait({self._progress, self._failed}, return_when=asyncio.FIRST_COMPLETED)

    def worker_joined(self, worker: int) -> None:
        self._ordinals[worker] = len(self._ordinals)
        self._post(WorkerJoined(self._clock(), worker))

    def worker_lost(self, worker: int) -> None:
        self._post(WorkerLost(self._clock(), worker))

    def pool_broken(self, error: str) -> None:
        self._broken = f"the pool broke down: {error}"
        for state in self._queries.values():
            if not state.done.done():
                state.done.set_exception(QueryFailedError(self._broken))

    def task_ended(self, worker: int, report: ResultMessage) -> None:
        run = self._running.pop(worker)
        run.started_s = report.started_s - self._offset_s
        run.ended_s = report.ended_s - self._offset_s
        run.cpu_s = report.cpu_s
        run.result_bytes = len(report.result)
        now_s = run.collected_s = self._clock()
        copy = (report.query, report.task, report.attempt)
        if report.is_cancelled:
            run.outcome = "cancelled"
            self._post(TaskCancelled(now_s, *copy, worker))
        elif report.error is None:
            run.outcome = "ok"
            state = self._queries.get(report.query)
            if state is not None:
                state.node_done(report.task, report.result, now_s)
            self._post(TaskFinished(now_s, *copy, worker))
        else:
            run.outcome = "failed"
            self._post(TaskFailed(now_s, *copy, worker, report.error))

    def _post(self, event: Event) -> None:
        self._inbox.append(event)
        if self._settled is None:
            self._take_turn()
        elif self._turn is None:
            self._turn = asyncio.create_task(self._settle_first(self._settled))

    async def _settle_first(self, settled: Callable[[], Awaitable[None]]) -> None:
        await settled()
        self._turn = None
        self._take_turn()

    def _take_turn(self) -> None:
        """Handle what has arrived, and what arrives meanwhile where time is real."""
        if self._is_taking_turn or self._failed.done():
            return
        self._is_taking_turn = True
        try:
            while self._inbox and self._turn is None:
                batch = sorted(self._inbox, key=order_key)
                self._inbox.clear()
                for event in batch:
                    self._handle(event)
        except Exception as error:
            self._failed.set_exception(error)
        finally:
            self._is_taking_turn = False
        if self._progress is not None and not self._progress.done():
            self._progress.set_result(None)

    def _handle(self, event: Event) -> None:
        actions = self._dispatcher.handle(event)
        if self._on_event is not None:
            plain = [to_plain(action) for action in actions]
            self._on_event(EventRecord(event=to_plain(event), actions=plain))
        if self._watch is not None:
            self._watch(event, actions)
        if isinstance(event, QuerySubmitted) and event.query in self._queries:
            self._queries[event.query].times.submit(event.at_s)
        if isinstance(event, WorkerLost):
            self._close_lost_run(event)
        for action in actions:
            self._perform(action)

    def _close_lost_run(self, event: WorkerLost) -> None:
        # Not before the dispatcher knows: until then it may still start a copy there.
        run = self._running.pop(event.worker, None)
        if run is not None:
            run.close(event.at_s)

    def _perform(self, action: Action) -> None:
        match action:
            case Start():
                self._start(action)
            case Cancel():
                self._cancel(action)
            case Abandon(query, task, attempt, worker):
                if self._is_running(worker, query, task, attempt):
                    self._pool.abandon(worker)
            case SetTimer(due_s):
                self._set_timer(due_s)
            case BeginMerge(query, node):
                self._begin(query, node)
            case BeginReconstruction(query):
                self._begin(query, None)
            case CompleteQuery(query):
                self._settle(query, None)
            case FailQuery(query, error):
                self._settle(query, error)

    def _settle(self, query: int, error: str | None) -> None:
        """The query has ended: tell who waits for it."""
        state = self._queries.get(query)
        if state is None or state.done.done():
            return
        for place, run in enumerate(state.runs):
            if self._running.get(run.worker) is run:  # nobody waits for it: seen as it is now
                state.runs[place] = replace(run, outcome="cancelled")
                state.runs[place].close(self._clock())
        if state.error is not None:
            state.done.set_exception(state.error)
        elif error is not None:
            state.done.set_exception(QueryFailedError(error))
        else:
            state.done.set_result(state.value)

    def _is_running(self, worker: int, query: int, task: int, attempt: int) -> bool:
        """Whether the worker still runs that copy: its end may be in the inbox."""
        run = self._running.get(worker)
        return run is not None and (run.query, run.task, run.attempt) == (query, task, attempt)

    def _cancel(self, action: Cancel) -> None:
        if not self._is_running(action.worker, action.query, action.task, action.attempt):
            return
        match self._pool.cancel:
            case "sleep_only":
                self._pool.cancel_sleep(action.worker)
            case "kill":
                self._running[action.worker].outcome = "cancelled"
                self._pool.abandon(action.worker)

    def _set_timer(self, due_s: float) -> None:
        def fire() -> None:
            del self._timers[due_s]
            self._post(TimerFired(self._clock(), due_s))

        if due_s not in self._timers:
            loop = asyncio.get_running_loop()
            self._timers[due_s] = loop.call_later(due_s - self._clock(), fire)

    def _start(self, action: Start) -> None:
        state = self._queries.get(action.query)
        copy = (action.query, action.task, action.attempt)
        if state is None:
            self._post(TaskFailed(self._clock(), *copy, action.worker, "its query was abandoned"))
            return
        try:
            payload, context = state.payload(action.task)
        except Exception as error:
            state.error = state.error or error
            self._post(TaskFailed(self._clock(), *copy, action.worker, str(state.error)))
            return
        # A pool goes on counting from one driver to the next; a simulation begins at 0.
        ordinal = self._ordinals[action.worker]
        delay_s = float(state.work.delay_s(action.task, action.attempt, ordinal))
        run = TaskRun(
            *copy,
            action.worker,
            "lost",
            state.times.ready_s(action.task),
            self._clock(),
            delay_s,
            len(payload),
        )
        state.runs.append(run)
        self._running[action.worker] = run
        self._pool.submit(action.worker, TaskMessage(*copy, delay_s, payload), context)

    def _begin(self, query: int, node: int | None) -> None:
        """Let the coordinator do a merge, or with no node the reconstruction."""
        state = self._queries.get(query)
        if state is None:
            return
        if node is None:
            state.stop_cpu_clocks()
            computation = self._reconstruct(query, state)
        else:
            computation = self._merge(query, state, node)
        task = asyncio.create_task(computation)
        self._computations.add(task)
        task.add_done_callback(self._computations.discard)

    async def _merge(self, query: int, state: RunningQuery, node: int) -> None:
        merge = state.work.merges[node - state.times.tasks]
        result = await self._compute(state, merge.merge)
        now_s = self._clock()
        state.node_done(node, result, now_s)
        self._post(MergeFinished(now_s, query, node))

    async def _reconstruct(self, query: int, state: RunningQuery) -> None:
        state.value = await self._compute(state, state.work.reconstruct)
        state.reconstructed_s = self._clock()
        self._post(ReconstructionFinished(state.reconstructed_s, query))

    async def _compute(self, state: RunningQuery, function: Callable[[Any], Any]) -> Any:
        """``function`` of the results; nothing once something has raised."""
        if state.error is not None:
            return None
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._reconstructor, function, state.results)
        except Exception as error:
            state.error = error
            return None
