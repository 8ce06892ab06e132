"""One query through all four stages, timed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from qcutsim.dispatch import TaskKind
from qcutsim.errors import QueryFailedError
from qcutsim.estimator.pipeline import (
    Accounting,
    Estimates,
    Pipeline,
    Prepared,
    Query,
    Subexperiment,
)
from qcutsim.records import TaskRecord
from qcutsim.runtime import Driver, Execution, QueryWork, TaskRun
from qcutsim.stragglers import no_delay
from qcutsim.workload import MERGE_CLASS, WorkloadShape

T = TypeVar("T")

_TIMED = (
    "submitted",
    "partition",
    "generate",
    "execute",
    "reconstruct",
    "total",
    "coordinator_cpu",
    "process_cpu",
)

"""What the log calls a part of the reconstruction that a worker did."""


@dataclass(frozen=True, slots=True)
class QueryOutcome:
    """Estimates with where their time went, in seconds; with an ``error`` they are unknown."""

    estimates: Estimates
    shape: WorkloadShape
    accounting: Accounting
    tasks: Sequence[Subexperiment]
    runs: Sequence[TaskRun]
    submitted_s: float
    partition_s: float
    generate_s: float
    execute_s: float
    reconstruct_s: float
    total_s: float
    coordinator_cpu_s: float
    process_cpu_s: float
    error: str | None = None

    @property
    def shots_spent(self) -> int:
        """Shots that were sampled; of a query that failed, those that it was to take."""
        sampled = self.estimates.shots_spent
        return self.accounting.shots_spent if sampled is None else sampled

    def record_fields(self) -> dict[str, Any]:
        """What a ``query`` record says of how it went: stages, reconstruction, value, error.

        A value stands there only where it is the only one.
        """
        is_single = len(self.estimates.values) == 1 and self.error is None
        return {
            **{f"{stage}_s": getattr(self, f"{stage}_s") for stage in _TIMED},
            "cuts": self.accounting.cuts,
            "coefficients": self.accounting.coefficients,
            "reconstruction": self.accounting.reconstruction,
            "reconstruction_work": self.accounting.reconstruction_work,
            "shots_spent": self.shots_spent,
            "value": float(self.estimates.values[0]) if is_single else None,
            "std": float(self.estimates.stds[0]) if is_single else None,
            "outcome": "ok" if self.error is None else "failed",
            "error": self.error,
        }

    def task_records(self, number: int) -> list[TaskRecord]:
        """The log records of the tasks of query ``number``."""
        return [self._task_record(number, run) for run in self.runs]

    def _task_record(self, number: int, run: TaskRun) -> TaskRecord:
        if run.task < len(self.tasks):
            task = self.tasks[run.task]
            of, shots, bindings = self.shape.classes[task.class_index], task.shots, task.bindings
        else:
            of, shots, bindings = MERGE_CLASS, 0, 1
        return TaskRecord(
            query=number,
            task=run.task,
            attempt=run.attempt,
            worker=run.worker,
            outcome=run.outcome,
            partition=of.partition,
            width=of.width,
            depth=of.depth,
            mid_circuit_measurements=of.mid_circuit_measurements,
            subexperiments=of.subexperiments,
            shots=shots,
            bindings=bindings,
            ready_s=run.ready_s,
            dispatched_s=run.dispatched_s,
            started_s=run.started_s,
            ended_s=run.ended_s,
            collected_s=run.collected_s,
            cpu_s=run.cpu_s,
            injected_delay_s=run.injected_delay_s,
            payload_bytes=run.payload_bytes,
            result_bytes=run.result_bytes,
        )


class CallerExecutor(Executor):
    """Runs what is submitted at once, in the thread that submits it."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


async def estimate(
    pipeline: Pipeline,
    query: Query,
    driver: Driver,
    *,
    number: int,
    delays: Callable[[int], Callable[[int, int, int], float]] = lambda nodes: no_delay,
    clock: Callable[[], float],
    executor: Executor | None = None,
) -> QueryOutcome:
    """Evaluate one query: partition, generate, execute, reconstruct.

    Args:
        pipeline: how the stages are done.
        query: what to evaluate.
        driver: runs the tasks.
        number: the query's number, not used before with this driver.
        delays: number of tasks and merges -> (task, attempt, worker) -> injected delay in seconds.
        clock: seconds since the run's start.
        executor: runs partition and generate; the event loop's own threads by default.

    Raises:
        InputError: the circuit cannot be cut as asked.
        QueryFailedError: a task failed on every attempt; its ``outcome`` tells how far it came.
    """
    loop = asyncio.get_running_loop()
    start_s = clock()
    partitioned = await loop.run_in_executor(executor, pipeline.partition, query)
    partitioned_s = clock()
    prepared = await loop.run_in_executor(executor, pipeline.generate, query, partitioned)
    generated_s = clock()
    tasks = prepared.subexperiments

    def outcome_of(execution: Execution[Any], error: str | None = None) -> QueryOutcome:
        return QueryOutcome(
            estimates=execution.value if error is None else _nothing(query),
            shape=prepared.shape,
            accounting=prepared.accounting,
            tasks=tasks,
            runs=execution.runs,
            submitted_s=start_s,
            partition_s=partitioned_s - start_s,
            generate_s=generated_s - partitioned_s,
            execute_s=execution.execute_s,
            reconstruct_s=execution.reconstruct_s,
            total_s=clock() - start_s,
            coordinator_cpu_s=execution.coordinator_cpu_s,
            process_cpu_s=execution.process_cpu_s,
            error=error,
        )

    if not tasks:  # nothing has to be run
        return outcome_of(Execution(prepared.reconstruct([]), [], 0.0, 0.0, 0.0, 0.0))
    work = _work_of(pipeline, prepared, delays(len(tasks) + len(prepared.merges)))
    try:
        execution = await driver.execute(number, work)
    except QueryFailedError as failed:
        failed.outcome = outcome_of(failed.execution, str(failed))
        raise
    classes = [prepared.shape.classes[task.class_index] for task in tasks]
    pipeline.times.observe(classes, execution.runs)
    return outcome_of(execution)


def _nothing(query: Query) -> Estimates:
    unknown = np.full(len(query.points), np.nan)
    return Estimates(unknown, unknown)


def _work_of(
    pipeline: Pipeline, prepared: Prepared, delay_s: Callable[[int, int, int], float]
) -> QueryWork[Estimates]:
    kinds = tuple(
        TaskKind(of.partition, of.structure, pipeline.times.expected_s(of))
        for of in prepared.shape.classes
    )
    return QueryWork(
        tasks=prepared.subexperiments,
        reconstruct=prepared.reconstruct,
        kinds=kinds,
        kind_of=tuple(task.class_index for task in prepared.subexperiments),
        weights=prepared.shape.weights,
        merges=prepared.merges,
        delay_s=delay_s,
    )
