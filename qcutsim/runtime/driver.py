"""The asyncio driver: performs the dispatcher's actions on a pool of real workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

from qcutsim.dispatch import (
    BeginReconstruction,
    CompleteQuery,
    Dispatcher,
    Event,
    FailQuery,
    QuerySubmitted,
    ReconstructionFinished,
    Start,
    TaskFailed,
    TaskFinished,
    WorkerJoined,
    WorkerLost,
    make_policy,
    order_key,
    to_plain,
)
from qcutsim.errors import ExecutionError
from qcutsim.records import EventRecord, Outcome
from qcutsim.runtime.messages import ResultMessage, TaskMessage
from qcutsim.runtime.pools import Pool

V = TypeVar("V")
Clock = Callable[[], float]


class Task(Protocol):
    """Work of a query that can be sent to a worker."""

    def encode(self) -> bytes:
        """The payload for the pool's task function."""


@dataclass(slots=True)
class TaskRun:
    """What happened to one copy of a task; times as :class:`qcutsim.records.TaskRecord`."""

    task: int
    attempt: int
    worker: int
    outcome: Outcome
    ready_s: float
    dispatched_s: float
    injected_delay_s: float
    payload_bytes: int
    started_s: float = 0.0
    ended_s: float = 0.0
    collected_s: float = 0.0
    cpu_s: float | None = None
    result_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Execution(Generic[V]):
    """The execute and reconstruct stages of one query, as the driver saw them."""

    value: V
    runs: list[TaskRun]
    execute_s: float
    reconstruct_s: float
    coordinator_cpu_s: float
    process_cpu_s: float


@dataclass(slots=True)
class _Query:
    tasks: Sequence[Task]
    delays_s: Callable[[int], Sequence[float]]
    reconstruct: Callable[[Sequence[bytes]], object]
    done: asyncio.Future[object]
    submitted_s: float
    cpu_start_s: tuple[float, float]
    results: list[bytes]
    runs: list[TaskRun] = field(default_factory=list)
    delays_of_attempt: dict[int, Sequence[float]] = field(default_factory=dict)
    executed_s: float = 0.0
    reconstructed_s: float = 0.0
    cpu_s: tuple[float, float] = (0.0, 0.0)
    value: object = None
    error: Exception | None = None


class Driver:
    """Runs queries' tasks on a pool under one dispatcher.

    Args:
        pool: a started pool.
        workers: how many of its workers to use.
        policy: kind of the dispatch policy.
        clock: seconds since the run's start, comparable with ``time.monotonic`` of the workers
            once ``clock_offset_s`` is taken from the latter.
        clock_offset_s: reading of ``time.monotonic`` at the run's start.
        on_event: receives one ``event`` record for every event handled.
        reconstructor: runs ``reconstruct``; a thread of the driver's own by default.
        settled: awaited before the dispatcher's turn. In virtual time it returns once all else
            that happens at this instant has happened; real time needs none.

    Use it as an async context manager; it detaches from the pool, which stays up, at the end.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        workers: int,
        policy: str = "eager",
        clock: Clock,
        clock_offset_s: float = 0.0,
        on_event: Callable[[EventRecord], None] | None = None,
        reconstructor: Executor | None = None,
        settled: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._pool = pool
        self._workers = workers
        self._clock = clock
        self._offset_s = clock_offset_s
        self._on_event = on_event
        self._settled = settled
        self._dispatcher = Dispatcher(make_policy(policy))
        self._inbox: list[Event] = []
        self._arrived = asyncio.Event()
        self._queries: dict[int, _Query] = {}
        self._running: dict[int, TaskRun] = {}
        self._own_reconstructor = None if reconstructor else ThreadPoolExecutor(1, "reconstruct")
        self._reconstructor = reconstructor or self._own_reconstructor
        self._reconstructions: set[asyncio.Task[None]] = set()
        self._progress: asyncio.Future[None] | None = None
        self._broken: str | None = None

    async def __aenter__(self) -> Self:
        await self._pool.ready()
        self._pool.attach(self, self._workers)
        self._pump_task = asyncio.create_task(self._pump())
        return self

    async def __aexit__(self, exc_type: type[BaseException] | None, *exc_info: object) -> None:
        if exc_type is None:
            while (self._running or self._inbox) and not self._pump_task.done():
                await self._wait_for_progress()
        self._pool.attach(None, 0)
        self._pump_task.cancel()
        for task in self._reconstructions:
            task.cancel()
        await asyncio.gather(self._pump_task, *self._reconstructions, return_exceptions=True)
        if self._own_reconstructor is not None:
            self._own_reconstructor.shutdown(wait=False, cancel_futures=True)

    async def execute(
        self,
        query: int,
        tasks: Sequence[Task],
        reconstruct: Callable[[Sequence[bytes]], V],
        delays_s: Callable[[int], Sequence[float]],
    ) -> Execution[V]:
        """Run the tasks, wait at the barrier, and reconstruct.

        Args:
            query: a number not used before with this driver.
            tasks: the work, in dispatch order.
            reconstruct: results in task order -> value; runs in a thread of its own.
            delays_s: attempt -> injected delay of each task in seconds.

        Raises:
            ExecutionError: a task failed on every attempt, or the pool broke down; or whatever
                ``reconstruct`` raised.
        """
        if self._broken is not None:
            raise ExecutionError(self._broken)
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        state = _Query(tasks, delays_s, reconstruct, done, 0.0, _cpu_clocks(), [b""] * len(tasks))
        self._queries[query] = state
        self._post(QuerySubmitted(self._clock(), query, len(tasks)))
        try:
            value = await self._unless_pump_breaks(done)
        finally:
            del self._queries[query]
        return Execution(
            value,  # type: ignore[arg-type]
            state.runs,
            state.executed_s - state.submitted_s,
            state.reconstructed_s - state.executed_s,
            state.cpu_s[0],
            state.cpu_s[1],
        )

    async def _unless_pump_breaks(self, done: asyncio.Future[object]) -> object:
        waiting: set[asyncio.Future[Any]] = {done, self._pump_task}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            if not self._pump_task.cancelled():
                self._pump_task.result()
            raise ExecutionError("the driver was closed while a query was running")
        return done.result()

    async def _wait_for_progress(self) -> None:
        self._progress = asyncio.get_running_loop().create_future()
        await asyncio.wait({self._progress, self._pump_task}, return_when=asyncio.FIRST_COMPLETED)

    def worker_joined(self, worker: int) -> None:
        self._post(WorkerJoined(self._clock(), worker))

    def worker_lost(self, worker: int) -> None:
        self._post(WorkerLost(self._clock(), worker))

    def pool_broken(self, error: str) -> None:
        self._broken = f"the pool broke down: {error}"
        for state in self._queries.values():
            if not state.done.done():
                state.done.set_exception(ExecutionError(self._broken))

    def task_ended(self, worker: int, report: ResultMessage) -> None:
        run = self._running.pop(worker)
        run.started_s = report.started_s - self._offset_s
        run.ended_s = report.ended_s - self._offset_s
        run.cpu_s = report.cpu_s
        run.result_bytes = len(report.result)
        now_s = run.collected_s = self._clock()
        copy = (report.query, report.task, report.attempt)
        if report.error is None:
            run.outcome = "ok"
            state = self._queries.get(report.query)
            if state is not None:
                state.results[report.task] = report.result
            self._post(TaskFinished(now_s, *copy, worker))
        else:
            run.outcome = "failed"
            self._post(TaskFailed(now_s, *copy, worker, report.error))

    def _post(self, event: Event) -> None:
        self._inbox.append(event)
        self._arrived.set()

    async def _pump(self) -> None:
        while True:
            await self._arrived.wait()
            if self._settled is not None:
                await self._settled()
            self._arrived.clear()
            batch = sorted(self._inbox, key=order_key)
            self._inbox.clear()
            for event in batch:
                actions = self._dispatcher.handle(event)
                if self._on_event is not None:
                    plain = [to_plain(action) for action in actions]
                    self._on_event(EventRecord(event=to_plain(event), actions=plain))
                if isinstance(event, QuerySubmitted) and event.query in self._queries:
                    self._queries[event.query].submitted_s = event.at_s
                if isinstance(event, WorkerLost):
                    self._close_lost_run(event)
                for action in actions:
                    self._perform(action)
            if self._progress is not None and not self._progress.done():
                self._progress.set_result(None)

    def _close_lost_run(self, event: WorkerLost) -> None:
        # Not before the dispatcher knows: until then it may still start a copy there.
        run = self._running.pop(event.worker, None)
        if run is not None:
            run.started_s = run.dispatched_s
            run.collected_s = run.ended_s = event.at_s

    def _perform(self, action: Start | BeginReconstruction | CompleteQuery | FailQuery) -> None:
        state = self._queries.get(action.query)
        match action:
            case Start():
                self._start(action, state)
            case BeginReconstruction(query) if state is not None:
                state.executed_s = self._clock()
                thread_s, process_s = _cpu_clocks()
                started_thread_s, started_process_s = state.cpu_start_s
                state.cpu_s = (thread_s - started_thread_s, process_s - started_process_s)
                task = asyncio.create_task(self._reconstruct(query, state))
                self._reconstructions.add(task)
                task.add_done_callback(self._reconstructions.discard)
            case CompleteQuery() if state is not None and not state.done.done():
                if state.error is None:
                    state.done.set_result(state.value)
                else:
                    state.done.set_exception(state.error)
            case FailQuery(_, error) if state is not None and not state.done.done():
                state.done.set_exception(ExecutionError(error))

    def _start(self, action: Start, state: _Query | None) -> None:
        copy = (action.query, action.task, action.attempt)
        if state is None:
            self._post(TaskFailed(self._clock(), *copy, action.worker, "its query was abandoned"))
            return
        payload = state.tasks[action.task].encode()
        if action.attempt not in state.delays_of_attempt:
            state.delays_of_attempt[action.attempt] = state.delays_s(action.attempt)
        delay_s = float(state.delays_of_attempt[action.attempt][action.task])
        run = TaskRun(
            action.task,
            action.attempt,
            action.worker,
            "lost",
            state.submitted_s,
            self._clock(),
            delay_s,
            len(payload),
        )
        state.runs.append(run)
        self._running[action.worker] = run
        self._pool.submit(action.worker, TaskMessage(*copy, delay_s, payload))

    async def _reconstruct(self, query: int, state: _Query) -> None:
        loop = asyncio.get_running_loop()
        try:
            state.value = await loop.run_in_executor(
                self._reconstructor, state.reconstruct, state.results
            )
        except Exception as error:
            state.error = error
        state.reconstructed_s = self._clock()
        self._post(ReconstructionFinished(state.reconstructed_s, query))


def _cpu_clocks() -> tuple[float, float]:
    return time.thread_time(), time.process_time()
