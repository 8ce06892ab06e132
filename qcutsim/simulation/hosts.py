"""Hosts in virtual time: what the workers of one machine share, and what lies before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import simpy

from qcutsim.simulation.station import SharedHost

Call = Callable[[], None]


class HostInTime:
    """A shared host whose jobs call back when they are done.

    What ends at an instant ends before anything else happens on the host.

    Args:
        env: whose time passes.
        station: the host; fresh.
        schedule: calls in a while, after all that is under way at this instant where it is now.
    """

    def __init__(
        self,
        env: simpy.Environment,
        station: SharedHost[Call],
        schedule: Callable[..., None],
    ) -> None:
        self._env = env
        self._station = station
        self._schedule = schedule
        self._version = 0
        self._due_s: float | None = None

    def enter(self, done: Call, demand_s: float) -> int:
        """A job becomes busy; returns its ticket."""
        self.fire()
        ticket = self._station.enter(self._env.now, done, demand_s)
        self._watch()
        return ticket

    def leave(self, ticket: int) -> None:
        """The job with that ticket goes before it is done."""
        self._station.leave(self._env.now, ticket)
        self._watch()

    def fire(self) -> None:
        """Let end what ends now."""
        while self._due_s == self._env.now:
            self._fires(self._version)

    def _watch(self) -> None:
        self._version += 1
        delay_s = self._station.next_in_s()
        if delay_s is None:
            self._due_s = None
            return
        self._due_s = self._env.now + delay_s
        self._schedule(delay_s, self._fires, self._version)

    def _fires(self, version: int) -> None:
        if version != self._version:  # something entered or left meanwhile
            return
        done = self._station.finish_next(self._env.now)
        self._watch()
        for call in done:
            call()


def no_queue(query: int, task: int, attempt: int) -> float:
    """The device is free."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is: its host, how fast it is there, and the way to it.

    Args:
        host: ``None`` where it shares nothing; its tasks take exactly their service time then.
        speed: of its service, 1 for workers as they were calibrated.
        send_s: from the coordinator to it, of a payload.
        return_s: back, of a result.
        queue_s: (query, task, attempt) -> what the copy waits for the device, in seconds.
    """

    host: HostInTime | None
    speed: float = 1.0
    send_s: float = 0.0
    return_s: float = 0.0
    queue_s: Callable[[int, int, int], float] = no_queue

    @property
    def is_plain(self) -> bool:
        """Whether nothing lies between the coordinator and the worker."""
        return self.send_s == self.return_s == 0 and self.queue_s is no_queue
