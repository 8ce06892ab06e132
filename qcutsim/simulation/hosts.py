"""Hosts in virtual time: what the workers of one machine share, and what lies before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from qcutsim.cell import Host
from qcutsim.seeds import stream
from qcutsim.simulation.environment import FarmEnvironment
from qcutsim.simulation.station import SharedHost
from qcutsim.stragglers import LONGEST_S, frozen_distribution

Call = Callable[[], None]


class HostInTime:
    """A shared host whose jobs call back when they are done.

    What ends at an instant ends before anything else happens on the host, but jobs that end
    together are all told of it before another one ends.

    Args:
        env: whose time passes.
        station: the host; fresh.
    """

    def __init__(self, env: FarmEnvironment, station: SharedHost[Call]) -> None:
        self._env = env
        self._station = station
        self._due_s = math.inf
        self._alarm_s = math.inf
        self._alarm_number = 0
        self._is_telling = False

    def enter(self, done: Call, demand_s: float) -> int:
        """A job becomes busy; returns its ticket."""
        now_s = self._env.now
        if self._due_s == now_s and not self._is_telling:
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
            self._alarm_number += 1
            self._env.call_at(self._due_s, self._alarm, self._alarm_number)

    def _alarm(self, number: int) -> None:
        if number != self._alarm_number:  # an earlier one was set meanwhile
            return
        at_s, self._alarm_s = self._alarm_s, math.inf
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


class Way:
    """What lies between the coordinator and the workers of one host, in seconds.

    Args:
        host: tells latency, bandwidth, and the queue before its devices.
        node_bytes: (payload, result) of each task of a query, then of each merge.
        seed: of the scenario.
        key: of the queries that are simulated together. The host is no part of it: wherever a copy
            is sent, it has the same luck with the queue.
        first: the number of the first of these queries.
    """

    def __init__(
        self,
        host: Host,
        node_bytes: Sequence[tuple[int, int]],
        seed: int,
        key: tuple[int, ...],
        first: int,
    ) -> None:
        self._host = host
        self._bytes = node_bytes
        self._uniform = partial(stream, seed, "device queue", *key)
        self._first = first
        self._queues: dict[tuple[int, int], list[float]] = {}

    def there_s(self, query: int, node: int, attempt: int) -> float:
        """From the dispatch of a copy until its worker takes it up."""
        return self._message_s(self._bytes[node][0]) + self._queue_s(query, node, attempt)

    def back_s(self, node: int) -> float:
        """What a result takes back."""
        return self._message_s(self._bytes[node][1])

    def _message_s(self, size: int) -> float:
        if self._host.bandwidth_bytes_per_s is None:
            return self._host.latency_s
        return self._host.latency_s + size / self._host.bandwidth_bytes_per_s

    def _queue_s(self, query: int, node: int, attempt: int) -> float:
        if self._host.queue_delay is None:
            return self._host.queue_delay_s
        copy = (query - self._first, attempt)
        if copy not in self._queues:
            uniform = self._uniform(*copy).random(len(self._bytes))
            drawn = frozen_distribution(self._host.queue_delay).ppf(uniform)
            self._queues[copy] = np.minimum(drawn, LONGEST_S).tolist()
        return self._queues[copy][node]


def way_to(
    host: Host, node_bytes: Sequence[tuple[int, int]], seed: int, key: tuple[int, ...], first: int
) -> Way | None:
    """The way to a host; ``None`` where it takes no time."""
    if host.latency_s or host.bandwidth_bytes_per_s or host.queue_delay_s or host.queue_delay:
        return Way(host, node_bytes, seed, key, first)
    return None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is: its host, how fast it is there, and the way to it.

    Args:
        host: ``None`` where it shares nothing; its tasks take exactly their service time then.
        speed: of its service, 1 for workers as they were calibrated.
        way: ``None`` where the coordinator is.
        number: of the host in its pool.
    """

    host: HostInTime | None
    speed: float = 1.0
    way: Way | None = None
    number: int = 0
