"""Hosts in virtual time: what the workers of one machine share, and what lies before it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from qcutsim.simulation.environment import FarmEnvironment
from qcutsim.simulation.station import SharedHost

Call = Callable[[], None]


class HostInTime:
    """A shared host whose jobs call back when they are done.

    What ends at an instant ends before anything else happens on the host.

    Args:
        env: whose time passes.
        station: the host; fresh.
    """

    def __init__(self, env: FarmEnvironment, station: SharedHost[Call]) -> None:
        self._env = env
        self._station = station
        self._due_s = math.inf
        self._alarm_s = math.inf
        self._is_telling = False

    def enter(self, done: Call, demand_s: float) -> int:
        """A job becomes busy; returns its ticket."""
        now_s = self._env.now
        if self._due_s == now_s:
            self.fire()
        ticket = self._station.enter(now_s, done, demand_s)
        self._watch(now_s)
        return ticket

    def leave(self, ticket: int) -> None:
        """The job with that ticket goes before it is done."""
        now_s = self._env.now
        self._station.leave(now_s, ticket)
        self._watch(now_s)

    def fire(self) -> None:
        """Let end what ends now."""
        while self._due_s == self._env.now:
            self._tell(self._due_s)

    def _watch(self, now_s: float) -> None:
        """Something entered or left: when is the next job done?"""
        delay_s = self._station.next_in_s()
        self._due_s = math.inf if delay_s is None else now_s + delay_s
        # While jobs are told that they are done they enter again: the last word counts.
        if not self._is_telling:
            self._set_alarm()

    def _set_alarm(self) -> None:
        """An alarm that is set for later than needed is no good, one for earlier is set again."""
        if self._due_s < self._alarm_s:
            self._alarm_s = self._due_s
            self._env.call_at(self._due_s, self._alarm, self._due_s)

    def _alarm(self, at_s: float) -> None:
        if at_s != self._alarm_s:  # an earlier one was set meanwhile
            return
        self._alarm_s = math.inf
        if at_s == self._due_s:
            self._tell(at_s)
        else:
            self._set_alarm()

    def _tell(self, now_s: float) -> None:
        """Jobs are done."""
        done = self._station.finish_next(now_s)
        was_telling, self._is_telling = self._is_telling, True
        self._watch(now_s)
        for call in done:
            call()
        self._is_telling = was_telling
        if not was_telling:
            self._set_alarm()


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
