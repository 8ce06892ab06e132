"""One task on a worker: injected delay, then the work, timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module

from qcutsim.runtime.messages import ResultMessage, TaskMessage

TaskFunction = Callable[[bytes, bytes], bytes]
"""What a pool runs: a payload, and the context that it has in common with others, in; a result out.
"""


TaskFunctionSource = str | TaskFunction
"""A task function, or its name ``module:function`` by which another process finds it."""


def load_function(name: TaskFunctionSource) -> TaskFunction:
    """The function named ``module:function``. Raises what the import raises."""
    if not isinstance(name, str):
        return name
    module, _, attribute = name.partition(":")
    function: TaskFunction = getattr(import_module(module), attribute)
    return function


def sleep_through(delay_s: float) -> bool:
    """Sleep, whatever anybody asks; returns ``False``: it was not cut short."""
    time.sleep(delay_s)
    return False


def perform(
    function: TaskFunction,
    message: TaskMessage,
    context: bytes,
    cpu_clock: Callable[[], float] | None,
    sleep: Callable[[float], bool] = sleep_through,
) -> ResultMessage:
    """Sleep the injected delay, run the task, and report; an exception becomes an error text.

    Args:
        function: the pool's task function.
        message: the task.
        context: what it has in common with others.
        cpu_clock: CPU seconds spent by this worker, ``None`` where they cannot be told apart.
        sleep: sleeps so many seconds; ``True`` where the task was cancelled meanwhile.
    """
    started_s = time.monotonic()
    result, error, cpu_s = b"", None, None
    is_cancelled = message.delay_s > 0 and sleep(message.delay_s)
    if not is_cancelled:
        cpu_start_s = cpu_clock() if cpu_clock else 0.0
        try:
            result = function(message.payload, context)
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
        is_cancelled,
    )
