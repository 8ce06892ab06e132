"""One query through all four stages, timed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qcutsim.estimator.pipeline import Estimate, Pipeline, Query
from qcutsim.runtime import Driver, TaskRun
from qcutsim.workload import WorkloadShape


@dataclass(frozen=True, slots=True)
class QueryOutcome:
    """An estimate with where its time went, in seconds."""

    estimate: Estimate
    shape: WorkloadShape
    class_indices: list[int]
    runs: list[TaskRun]
    submitted_s: float
    partition_s: float
    generate_s: float
    execute_s: float
    reconstruct_s: float
    total_s: float
    coordinator_cpu_s: float
    process_cpu_s: float


async def estimate(
    pipeline: Pipeline,
    query: Query,
    driver: Driver,
    *,
    number: int,
    delays_s: Callable[[int, int], Sequence[float]],
    clock: Callable[[], float],
) -> QueryOutcome:
    """Evaluate one query: partition, generate, execute, reconstruct.

    Args:
        pipeline: how the stages are done.
        query: what to evaluate.
        driver: runs the tasks.
        number: the query's number, not used before with this driver.
        delays_s: (tasks, attempt) -> injected delay of each task in seconds.
        clock: seconds since the run's start.

    Raises:
        InputError: the circuit cannot be cut as asked.
        ExecutionError: a task failed on every attempt.
    """
    start_s = clock()
    partitioned = await asyncio.to_thread(pipeline.partition, query)
    partitioned_s = clock()
    prepared = await asyncio.to_thread(pipeline.generate, query, partitioned)
    generated_s = clock()
    tasks = prepared.subexperiments
    execution = await driver.execute(
        number, tasks, prepared.reconstruct, lambda attempt: delays_s(len(tasks), attempt)
    )
    return QueryOutcome(
        estimate=execution.value,
        shape=prepared.shape,
        class_indices=[task.class_index for task in tasks],
        runs=execution.runs,
        submitted_s=start_s,
        partition_s=partitioned_s - start_s,
        generate_s=generated_s - partitioned_s,
        execute_s=execution.execute_s,
        reconstruct_s=execution.reconstruct_s,
        total_s=clock() - start_s,
        coordinator_cpu_s=execution.coordinator_cpu_s,
        process_cpu_s=execution.process_cpu_s,
    )
