"""How long work tells how far it is: a callback, and what to do with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import Console

ProgressCallback = Callable[[int, int], None]
"""Called with (done, total)."""

Stage = Callable[[str], AbstractContextManager[ProgressCallback]]
"""Opens a progress display for a step of that title."""

_SECONDS_BETWEEN_LINES = 5.0


def no_progress(done: int, total: int) -> None:
    """Say nothing."""


def quiet_stage(title: str) -> AbstractContextManager[ProgressCallback]:
    """A step of which nothing is shown."""
    return nullcontext(no_progress)


@contextmanager
def show_progress(title: str, console: Console) -> Iterator[ProgressCallback]:
    """A bar on a terminal; elsewhere a plain line every few seconds."""
    if not console.is_terminal:
        yield _plain_lines(title, console)
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(title, total=None)

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield update


def _plain_lines(title: str, console: Console) -> ProgressCallback:
    last_s = float("-inf")
    first: tuple[int, float] | None = None

    def update(done: int, total: int) -> None:
        nonlocal last_s, first
        now_s = time.monotonic()
        first = first or (done, now_s)
        if done == total or now_s - last_s >= _SECONDS_BETWEEN_LINES:
            last_s = now_s
            left_s = seconds_left(done - first[0], total - done, now_s - first[1])
            left = "" if left_s is None else f", about {_duration(left_s)} left"
            console.print(f"{title}: {done} of {total}{left}", highlight=False)

    return update


def seconds_left(done: int, left: int, elapsed_s: float) -> float | None:
    """How long the rest takes at the pace so far; ``None``: nothing tells yet, or nothing is left.

    Args:
        done: since ``elapsed_s`` ago, without what an earlier process did.
        left: to do.
        elapsed_s: since then.
    """
    return elapsed_s / done * left if done > 0 and left > 0 else None


def _duration(seconds: float) -> str:
    """As ``45 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
