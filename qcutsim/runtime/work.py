"""One task on a worker: injected delay, then the work, timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module

from qcutsim.runtime.messages import ResultMessage, TaskMessage

TaskFunction = Callable[[bytes], bytes]
"""What a pool runs: a payload in, a result out."""


TaskFunctionSource = str | TaskFunction
"""A task function, or its name ``module:function`` by which another process finds it."""


def load_function(name: TaskFunctionSource) -> TaskFunction:
    """The function named ``module:function``. Raises what the import raises."""
    if not isinstance(name, str):
        return name
    module, _, attribute = name.partition(":")
    function: TaskFunction = getattr(import_module(module), attribute)
    return function


def perform(
    function: TaskFunction, message: TaskMessage, cpu_clock: Callable[[], float] | None
) -> ResultMessage:
    """Sleep the injected delay, run the task, and report; an exception becomes an error text.

    Args:
        function: the pool's task function.
        message: the task.
        cpu_clock: CPU seconds spent by this worker, ``None`` where they cannot be told apart.
    """
    started_s = time.monotonic()
    if message.delay_s > 0:
        time.sleep(message.delay_s)
    cpu_start_s = cpu_clock() if cpu_clock else 0.0
    result, error = b"", None
    try:
        result = function(message.payload)
        if not isinstance(result, bytes):
            raise TypeError(f"the task function returned {type(result).__name__}, not bytes")
    except BaseException as raised:  # a worker reports whatever ended the task, exits included
        result = b""
        error = f"{type(raised).__name__}: {raised}"
    cpu_s = cpu_clock() - cpu_start_s if cpu_clock else None
    return ResultMessage(
        message.query,
        message.task,
        message.attempt,
        started_s,
        time.monotonic(),
        cpu_s,
        result,
        error,
    )
