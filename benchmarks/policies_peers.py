"""Executors of the standard library that run the same tasks as our pools.

``Executor.map`` over a query's tasks, on executors that were started and warmed up before. As in
our driver each task is encoded within the measured time, by the process that asks, when ``map``
takes it from the iterable; its injected delay is slept by the worker before its work. Processes
are spawned with one OpenMP thread, as ours are.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor

from qcutsim.estimator.aer import run_task
from qcutsim.estimator.pipeline import Subexperiment

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_UNTIL_ALL_WAIT_S = 0.2

EncodedTasks = Sequence[tuple[bytes, bytes]]
"""(payload, context) of each."""


def run_delayed(payload: bytes, context: bytes, delay_s: float) -> bytes:
    """What a worker does with a task."""
    if delay_s > 0:
        time.sleep(delay_s)
    return run_task(payload, context)


def map_tasks(
    executor: Executor,
    tasks: Sequence[Subexperiment],
    delay_s: Callable[[int, int, int], float],
) -> list[bytes]:
    """Results in task order; encodes each task as ``map`` takes it."""
    return list(
        executor.map(
            run_delayed,
            (task.encode() for task in tasks),
            (task.context for task in tasks),
            (delay_s(number, 0, 0) for number in range(len(tasks))),
        )
    )


@contextlib.contextmanager
def started_executor(kind: str, workers: int, warm_up: EncodedTasks) -> Iterator[Executor]:
    """An executor every worker of which has run all of ``warm_up``."""
    with _one_thread_in_children(), _make(kind, workers) as executor:
        seen: set[tuple[int, int]] = set()
        while len(seen) < workers:
            calls = [executor.submit(_run_all, warm_up) for _ in range(workers)]
            seen |= {call.result() for call in calls}
        yield executor


def _make(kind: str, workers: int) -> Executor:
    if kind == "threads":
        return ThreadPoolExecutor(workers)
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _run_all(tasks: EncodedTasks) -> tuple[int, int]:
    """Run the tasks; the sleep lets every other worker take a call of its own."""
    time.sleep(_UNTIL_ALL_WAIT_S)
    for payload, context in tasks:
        run_task(payload, context)
    return os.getpid(), threading.get_ident()


@contextlib.contextmanager
def _one_thread_in_children() -> Iterator[None]:
    """For as long as children may be spawned; this process has read its environment already."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
