"""How long work tells how far it is: a callback, and what to do with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

ProgressCallback = Callable[[int, int], None]
"""Called with (done, total)."""

_SECONDS_BETWEEN_LINES = 5.0


def no_progress(done: int, total: int) -> None:
    """Say nothing."""


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

    def update(done: int, total: int) -> None:
        nonlocal last_s
        if done == total or time.monotonic() - last_s >= _SECONDS_BETWEEN_LINES:
            last_s = time.monotonic()
            console.print(f"{title}: {done} of {total}", highlight=False)

    return update
