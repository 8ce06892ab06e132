"""Real workers under asyncio: the driver, pools of threads and of processes."""

from __future__ import annotations

from qcutsim.errors import InputError
from qcutsim.runtime.driver import Driver, Execution, Task, TaskRun
from qcutsim.runtime.messages import ResultMessage, TaskMessage
from qcutsim.runtime.pools import MOST_WORKERS, InlinePool, Pool, PoolListener, ThreadPool
from qcutsim.runtime.processes import ProcessPool
from qcutsim.runtime.work import TaskFunctionSource, load_function

__all__ = [
    "MOST_WORKERS",
    "Driver",
    "Execution",
    "InlinePool",
    "Pool",
    "PoolListener",
    "ProcessPool",
    "ResultMessage",
    "Task",
    "TaskFunctionSource",
    "TaskMessage",
    "TaskRun",
    "ThreadPool",
    "load_function",
    "make_pool",
]


def make_pool(kind: str, workers: int, function: TaskFunctionSource) -> Pool:
    """A pool that is not yet started.

    Args:
        kind: ``inline``, ``threads`` or ``processes``.
        workers: how many workers; an inline pool has one.
        function: takes a payload and returns a result; by name for ``processes``.

    Raises:
        InputError: real workers of that kind do not exist.
    """
    match kind:
        case "inline":
            return InlinePool(function)
        case "threads":
            return ThreadPool(workers, function)
        case "processes" if isinstance(function, str):
            return ProcessPool(workers, function)
        case "processes":
            raise InputError(
                "this backend works in the caller's process only; take pool 'inline' or "
                "'threads:N' with it"
            )
    raise InputError(
        f"a pool of kind {kind!r} can only be simulated; real runs take: inline, processes, threads"
    )
