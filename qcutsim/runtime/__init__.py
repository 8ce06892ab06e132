"""Real workers under asyncio: the driver, pools of threads and of processes."""

from __future__ import annotations

from qcutsim.dispatch import CANCEL_MODES, CancelMode, cancel_mode
from qcutsim.errors import InputError
from qcutsim.runtime.driver import Driver
from qcutsim.runtime.execution import Execution, TaskRun
from qcutsim.runtime.messages import ResultMessage, TaskMessage
from qcutsim.runtime.pools import (
    MOST_WORKERS,
    InlinePool,
    Pool,
    PoolListener,
    ThreadPool,
)
from qcutsim.runtime.processes import ProcessPool
from qcutsim.runtime.querywork import MergeTask, QueryWork, Task
from qcutsim.runtime.window import run_in_window
from qcutsim.runtime.work import TaskFunctionSource, load_function

__all__ = [
    "MOST_WORKERS",
    "REAL_POOLS",
    "Driver",
    "Execution",
    "InlinePool",
    "MergeTask",
    "Pool",
    "PoolListener",
    "ProcessPool",
    "QueryWork",
    "ResultMessage",
    "Task",
    "TaskFunctionSource",
    "TaskMessage",
    "TaskRun",
    "ThreadPool",
    "load_function",
    "make_pool",
    "run_in_window",
]


REAL_POOLS = ("inline", "threads", "processes")
"""Kinds of pool that there are; others can be simulated."""


def make_pool(
    kind: str, workers: int, function: TaskFunctionSource, cancel: CancelMode | None = None
) -> Pool:
    """A pool that is not yet started.

    Args:
        kind: ``inline``, ``threads`` or ``processes``.
        workers: how many workers; an inline pool has one.
        function: takes a payload and its context and returns a result; by name for ``processes``.
        cancel: what it does to a task that nobody needs any more; the kind's default if not given.

    Raises:
        InputError: real workers of that kind do not exist, or cannot do that.
    """
    if kind not in REAL_POOLS:
        raise InputError(
            f"a pool of kind {kind!r} can only be simulated; real runs take: "
            f"{', '.join(REAL_POOLS)}"
        )
    modes = CANCEL_MODES[kind]
    if cancel is not None and cancel not in modes:
        raise InputError(f"a pool of kind {kind!r} takes cancel: {', '.join(modes)}")
    mode = cancel_mode(kind, cancel)
    if kind == "inline":
        return InlinePool(function)
    if kind == "threads":
        return ThreadPool(workers, function, mode)
    if isinstance(function, str):
        return ProcessPool(workers, function, mode)
    raise InputError(
        "this backend works in the caller's process only; take pool 'inline' or 'threads:N' with it"
    )
