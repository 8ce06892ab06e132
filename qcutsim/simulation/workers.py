"""Simulated workers: what happens to a copy of a task from its dispatch to its arrival."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from itertools import count
from typing import Any

import msgspec
import simpy

from qcutsim.dispatch import (
    CancelMode,
    Event,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    WorkerJoined,
    WorkerLost,
)
from qcutsim.records import Outcome
from qcutsim.simulation.draws import QueryDraws
from qcutsim.simulation.environment import FarmEnvironment
from qcutsim.simulation.hosts import HostInTime, Place
from qcutsim.simulation.station import SharedHost

Steps = Generator[simpy.Event, Any, None]


class SimulatedRun(msgspec.Struct, eq=False, gc=False):
    """Life of one copy of a task, in seconds of virtual time.

    ``has_ended``: its work is over, its result is on the way. ``is_gone``: it will not arrive.
    ``host`` is the number of the host on which it ran.
    """

    query: int
    task: int
    attempt: int
    worker: int
    ready_s: float
    dispatched_s: float
    outcome: Outcome = "lost"
    injected_delay_s: float = 0.0
    started_s: float = 0.0
    ended_s: float = 0.0
    collected_s: float = 0.0
    is_serving: bool = False
    has_ended: bool = False
    is_gone: bool = False
    doomed_s: float | None = None
    ticket: int | None = None
    host: int = 0

    def close(self, outcome: Outcome, now_s: float) -> None:
        """It ends now without a result; when it began is not known."""
        self.outcome = outcome
        self.started_s = self.dispatched_s
        self.ended_s = self.collected_s = now_s


class SimulatedWorkers:
    """Numbered workers in their places, that can be cancelled, killed and lost.

    Args:
        env: whose time passes.
        report: takes an event, and the run that it tells of.
        station: what coordinator and workers share; ``None`` for dedicated workers, whose tasks
            take exactly their service time.
        cancel: what can be done to a running copy, as :class:`qcutsim.runtime.Pool` declares.
        restart_s: until a lost worker is replaced.
    """

    def __init__(
        self,
        env: FarmEnvironment,
        report: Callable[[Event, SimulatedRun | None], None],
        station: SharedHost[Callable[[], None]] | None,
        cancel: CancelMode,
        restart_s: float,
    ) -> None:
        self._env = env
        self._report = report
        self.coordinator = self.place_on(station)
        self._mode = cancel
        self._restart_s = restart_s
        self._numbers = count()
        self._joined_s: dict[int, float] = {}
        self._places: dict[int, Place] = {}
        self.on_joined: Callable[[int], None] = lambda worker: None
        self.running: dict[int, SimulatedRun] = {}

    def place_on(self, station: SharedHost[Callable[[], None]] | None) -> Place:
        """A place on a host of its own."""
        host = None if station is None else HostInTime(self._env, station)
        return Place(host)

    def join(self, place: Place | None = None) -> None:
        """One more worker is there, by default where the coordinator is."""
        worker = next(self._numbers)
        self._places[worker] = self.coordinator if place is None else place
        self._joined_s[worker] = self._env.now
        self._report(WorkerJoined(self._env.now, worker), None)
        self.on_joined(worker)

    def lose(self, worker: int, repair_s: float | None = None) -> None:
        """The worker dies, if it was there before this instant, and is replaced in a while.

        What it finishes at this very instant counts.
        """
        now_s = self._env.now
        if not self._joined_s.get(worker, now_s) < now_s:
            return
        run = self.running.get(worker)
        if run is not None:
            run.doomed_s = now_s
            self._fire_host(worker)
            self._leave_host(run)
        self._replace(worker, self._restart_s if repair_s is None else repair_s)

    def start(self, run: SimulatedRun, draws: QueryDraws) -> None:
        """Send a copy to its worker; one that is lost is reported already."""
        self.running[run.worker] = run
        if run.worker not in self._joined_s:
            return
        place = self._places[run.worker]
        run.host = place.number
        if place.way is None:
            self._awake(run, draws)
            return
        way_s = place.way.there_s(run.query, run.task, run.attempt)
        self.schedule(way_s, self._arrived, run, draws)

    def _arrived(self, run: SimulatedRun, draws: QueryDraws) -> None:
        """A copy is at its worker, if that is still alive."""
        if not (run.is_gone or run.doomed_s is not None):
            self._awake(run, draws)

    def _awake(self, run: SimulatedRun, draws: QueryDraws) -> None:
        """The worker takes the copy up."""
        start_s, host = draws.start_s[run.task], self._places[run.worker].host
        if host is not None and start_s > 0:
            run.ticket = host.enter(partial(self._begin, run, draws), start_s)
        else:
            self.schedule(start_s, self._begin, run, draws)

    def cancel(self, run: SimulatedRun) -> None:
        """Do what can be done about a copy that nobody needs."""
        if run.has_ended:
            return
        if self._mode == "kill":
            run.outcome = "cancelled"
            self.abandon(run)
        elif self._mode == "sleep_only" and run.injected_delay_s > 0 and not run.is_serving:
            self._wake(run)

    def abandon(self, run: SimulatedRun) -> None:
        """Kill the worker that runs the copy."""
        if run.worker in self._joined_s:
            run.is_gone = True
            self._leave_host(run)
            self._replace(run.worker, self._restart_s)

    def compute(self, seconds: float) -> simpy.Event:
        """The coordinator computes for ``seconds`` > 0, longer where its host is shared."""
        host = self.coordinator.host
        if host is None:
            return self._env.timeout(seconds)
        done = self._env.event()
        host.enter(done.succeed, seconds)
        return done

    def schedule(self, delay_s: float, call: Callable[..., None], *args: object) -> None:
        """Call in a while; after all that is under way at this instant where it is now."""
        self._env.call_in(delay_s if delay_s > 0 else 0.0, call, *args)

    def _replace(self, worker: int, after_s: float) -> None:
        del self._joined_s[worker]
        self._report(WorkerLost(self._env.now, worker), None)
        self.schedule(after_s, self.join, self._places[worker])

    def _wake(self, run: SimulatedRun) -> None:
        if run.worker not in self._joined_s:  # its loss is reported already
            return
        run.is_gone = True
        self._leave_host(run)
        del self.running[run.worker]
        run.outcome = "cancelled"
        run.started_s = max(run.started_s, run.dispatched_s)
        run.ended_s = self._env.now
        copy = (run.query, run.task, run.attempt, run.worker)
        self._report(TaskCancelled(self._env.now, *copy), run)

    def _after(
        self, delay_s: float, run: SimulatedRun, call: Callable[..., None], *args: object
    ) -> None:
        """The next step of a run, unless its worker is dead by then."""
        if run.is_gone or (run.doomed_s is not None and delay_s > 0):
            return
        if delay_s > 0:
            self.schedule(delay_s, self._if_alive, run, call, *args)
        else:
            self._if_alive(run, call, *args)

    def _if_alive(self, run: SimulatedRun, call: Callable[..., None], *args: object) -> None:
        is_dead = run.doomed_s is not None and run.doomed_s < self._env.now
        if not (run.is_gone or is_dead):
            call(run, *args)

    def _begin(self, run: SimulatedRun, draws: QueryDraws) -> None:
        is_dead = run.doomed_s is not None and run.doomed_s < self._env.now
        if run.is_gone or is_dead:
            return
        run.ticket = None
        run.started_s = self._env.now
        if run.injected_delay_s > 0 or run.doomed_s is not None:
            self._after(run.injected_delay_s, run, self._serve, draws)
        else:
            self._serve(run, draws)

    def _serve(self, run: SimulatedRun, draws: QueryDraws) -> None:
        run.is_serving = True
        place = self._places[run.worker]
        service_s = draws.service_s[run.task]
        if place.speed != 1:
            service_s /= place.speed
        if place.host is None:
            self._after(service_s, run, self._end, draws)
        elif run.doomed_s is None or service_s <= 0:
            run.ticket = place.host.enter(partial(self._end, run, draws), service_s)

    def _end(self, run: SimulatedRun, draws: QueryDraws) -> None:
        run.ticket = None
        run.has_ended = True
        run.ended_s = self._env.now
        way_s = draws.collect_latency_s[run.task]
        place = self._places[run.worker]
        if place.way is not None:
            way_s += place.way.back_s(run.task)
        if way_s > 0 or run.doomed_s is not None:
            self._after(way_s, run, self._arrive, draws)
        else:
            self._arrive(run, draws)

    def _arrive(self, run: SimulatedRun, draws: QueryDraws) -> None:
        del self.running[run.worker]
        copy = (run.query, run.task, run.attempt, run.worker)
        error = draws.fails(run.task, run.attempt)
        run.outcome = "ok" if error is None else "failed"
        if error is None:
            self._report(TaskFinished(self._env.now, *copy), run)
        else:
            self._report(TaskFailed(self._env.now, *copy, error), run)

    def _leave_host(self, run: SimulatedRun) -> None:
        host = self._places[run.worker].host
        if host is not None and run.ticket is not None:
            host.leave(run.ticket)
            run.ticket = None

    def _fire_host(self, worker: int) -> None:
        host = self._places[worker].host
        if host is not None:
            host.fire()
