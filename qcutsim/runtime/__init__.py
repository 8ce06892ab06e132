"""Real workers under asyncio: the driver, pools of threads and of processes."""

from __future__ import annotations

from qcutsim.errors import InputError
from qcutsim.runtime.driver import Driver, Execution, Task, TaskRun
from qcutsim.runtime.messages import ResultMessage, TaskMessage
from qcutsim.runtime.pools import Pool, PoolListener, ThreadPool
from qcutsim.runtime.processes import ProcessPool

__all__ = [
    "Driver",
    "Execution",
    "Pool",
    "PoolListener",
    "ProcessPool",
    "ResultMessage",
    "Task",
    "TaskMessage",
    "TaskRun",
    "ThreadPool",
    "make_pool",
]

_POOLS: dict[str, type[ThreadPool] | type[ProcessPool]] = {
    "threads": ThreadPool,
    "processes": ProcessPool,
}


def make_pool(kind: str, workers: int, function: str) -> ThreadPool | ProcessPool:
    """A pool that is not yet started.

    Args:
        kind: ``threads`` or ``processes``.
        workers: how many workers.
        function: ``module:function`` that takes a payload and returns a result.

    Raises:
        InputError: real workers of that kind do not exist.
    """
    if kind not in _POOLS:
        raise InputError(
            f"a pool of kind {kind!r} can only be simulated; "
            f"real runs take: {', '.join(sorted(_POOLS))}"
        )
    return _POOLS[kind](workers, function)
