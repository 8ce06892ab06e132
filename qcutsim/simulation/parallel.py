"""Independent jobs over the cores of this machine, results in order."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

from qcutsim.manifest import usable_cores

J = TypeVar("J")
R = TypeVar("R")


def spread(function: Callable[[J], R], jobs: Sequence[J]) -> Iterator[R]:
    """``function`` of each job, in their order.

    In copies of this process where the system can make them, else one after the other. What a job
    raises is raised here; the rest is given up then, as it is where nobody asks on.
    """
    processes = min(usable_cores(), len(jobs))
    if processes < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(function, jobs)
        return
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(processes, mp_context=context)
    futures: list[Future[R]] = [pool.submit(function, job) for job in jobs]
    try:
        for future in futures:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
