"""Independent jobs over the cores of this machine, results in order."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import TypeVar

from qcutsim.errors import QcutsimError
from qcutsim.manifest import usable_cores

J = TypeVar("J")
R = TypeVar("R")


def spread(function: Callable[[J], R], jobs: Sequence[J]) -> Iterator[R]:
    """``function`` of each job, in their order.

    In copies of this process where the system can make them, each with every n-th job, else one
    after the other. What a job raises is raised here; the rest is given up then, as it is where
    nobody asks on. (An executor of the standard library has threads, whose shutdown after a fork
    was seen to wait for ever.)

    Raises:
        QcutsimError: a copy died.
    """
    processes = min(usable_cores(), len(jobs))
    if processes < 2 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(function, jobs)
        return
    context = multiprocessing.get_context("fork")
    copies: list[tuple[ForkProcess, Connection]] = []
    try:
        for place in range(processes):
            here, there = context.Pipe(duplex=False)
            heard = [here, *(other for _, other in copies)]
            copy = context.Process(
                target=_work, args=(function, jobs[place::processes], there, heard), daemon=True
            )
            copy.start()
            there.close()
            copies.append((copy, here))
        for number in range(len(jobs)):
            copy, here = copies[number % processes]
            try:
                result, error = here.recv()
            except (EOFError, OSError):  # before a result, or in the midst of it
                copy.join()
                raise QcutsimError(
                    f"a process of the simulation died (exit code {copy.exitcode}; -9: it was "
                    "killed, as where memory is short); simulate less at once"
                ) from None
            if error is not None:
                raise error
            yield result
    finally:
        for copy, here in copies:
            here.close()
            copy.terminate()
            copy.join()


def _end_with_parent() -> None:
    """Who asked may be killed while a job takes long: nobody needs its result then."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _work(
    function: Callable[[J], R], jobs: Sequence[J], there: Connection, heard: Sequence[Connection]
) -> None:
    for here in heard:  # a pipe breaks, when the asking process is killed, once nobody holds it
        here.close()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for job in jobs:
        try:
            answer: tuple[R | None, Exception | None] = (function(job), None)
        except KeyboardInterrupt:  # told to the process that waits for the answers, too
            return
        except Exception as error:  # raised there, as if it had happened there
            answer = (None, error)
        try:
            there.send(answer)
        except BrokenPipeError:  # nobody asks on
            return
