"""SimPy's environment with calls at a time, and a shorter loop."""

from __future__ import annotations

import gc
from collections.abc import Callable
from heapq import heappop, heappush

import simpy
from simpy.events import NORMAL


class FarmEnvironment(simpy.Environment):  # type: ignore[misc]
    """As :class:`simpy.Environment`; events at one instant are those of SimPy, in its order."""

    def call_in(self, delay_s: float, call: Callable[..., None], *args: object) -> None:
        """Call in a while; after all that is under way at this instant where it is now."""
        self.call_at(self._now + delay_s, call, *args)

    def call_at(self, at_s: float, call: Callable[..., None], *args: object) -> None:
        """Call at a time that is not past."""
        heappush(self._queue, (at_s, NORMAL, next(self._eid), _Call(call, args)))

    def run_out(self) -> None:
        """Run until nothing is left to happen.

        Meanwhile the collector of cycles rests: what is over is freed as it is, and to look
        through all that is not takes longer the more there is.
        """
        queue = self._queue
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            while queue:
                self._now, _, _, event = heappop(queue)
                callbacks, event.callbacks = event.callbacks, None
                for callback in callbacks:
                    callback(event)
                if not event._ok and not event.defused:
                    raise event._value
        finally:
            if was_enabled:
                gc.enable()


class _Call:
    """What SimPy needs of an event that only calls."""

    __slots__ = ("args", "call", "callbacks")

    _ok = True
    _value = None
    defused = False

    def __init__(self, call: Callable[..., None], args: tuple[object, ...]) -> None:
        self.call = call
        self.args = args
        self.callbacks: tuple[Callable[[_Call], None], ...] | None = _PERFORM


def _perform(event: _Call) -> None:
    event.call(*event.args)


_PERFORM = (_perform,)
