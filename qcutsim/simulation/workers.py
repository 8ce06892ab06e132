"""Simulated workers: what happens to a copy of a task from its dispatch to its arrival."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from itertools import count
from typing import Any

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
from qcutsim.simulation.station import SharedHost

Steps = Generator[simpy.Event, Any, None]


@dataclass(slots=True, eq=False)
class SimulatedRun:
    """Life of one copy of a task, in seconds of virtual time.

    ``has_ended``: its work is over, its result is on the way. ``is_gone``: it will not arrive.
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

    def close(self, outcome: Outcome, now_s: float) -> None:
        """It ends now without a result; when it began is not known."""
        self.outcome = outcome
        self.started_s = self.dispatched_s
        self.ended_s = self.collected_s = now_s


class SimulatedWorkers:
    """Numbered workers, dedicated or on one shared host, that can be cancelled, killed and lost.

    Args:
        env: whose time passes.
        report: takes an event, and the run that it tells of.
        host: what coordinator and workers share; ``None`` for dedicated workers, whose tasks
            take exactly their service time.
        cancel: what can be done to a running copy, as :class:`qcutsim.runtime.Pool` declares.
        restart_s: until a lost worker is replaced.
    """

    def __init__(
        self,
        env: simpy.Environment,
        report: Callable[[Event, SimulatedRun | None], None],
        host: SharedHost[Callable[[], None]] | None,
        cancel: CancelMode,
        restart_s: float,
    ) -> None:
        self._env = env
        self._report = report
        self._host = host
        self._mode = cancel
        self._restart_s = restart_s
        self._host_version = 0
        self._host_due_s: float | None = None
        self._numbers = count()
        self._joined_s: dict[int, float] = {}
        self.running: dict[int, SimulatedRun] = {}

    def join(self) -> None:
        """One more worker is there."""
        worker = next(self._numbers)
        self._joined_s[worker] = self._env.now
        self._report(WorkerJoined(self._env.now, worker), None)

    def lose(self, worker: int) -> None:
        """The worker dies, if it was there before this instant, and is replaced in a while.

        What it finishes at this very instant counts.
        """
        now_s = self._env.now
        if not self._joined_s.get(worker, now_s) < now_s:
            return
        run = self.running.get(worker)
        if run is not None:
            run.doomed_s = now_s
            self._fire_host()
            self._leave_host(run)
        self._replace(worker)

    def start(self, run: SimulatedRun, draws: QueryDraws) -> None:
        """Send a copy to its worker; one that is lost is reported already."""
        self.running[run.worker] = run
        if run.worker in self._joined_s:
            start_s = draws.start_s[run.task]
            if self._host is not None and start_s > 0:
                run.ticket = self._enter_host(lambda: self._begin(run, draws), start_s)
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
            self._replace(run.worker)

    def compute(self, seconds: float) -> Steps:
        """The coordinator computes for ``seconds``, longer where the host is shared."""
        if seconds <= 0:
            return
        if self._host is None:
            yield self._env.timeout(seconds)
            return
        done = self._env.event()
        self._enter_host(lambda: done.succeed(), seconds)
        yield done

    def schedule(self, delay_s: float, call: Callable[..., None], *args: object) -> None:
        """Call in a while; after all that is under way at this instant where it is now."""
        timeout = self._env.timeout(max(delay_s, 0.0))
        timeout.callbacks.append(lambda _: call(*args))

    def _replace(self, worker: int) -> None:
        del self._joined_s[worker]
        self._report(WorkerLost(self._env.now, worker), None)
        self.schedule(self._restart_s, self.join)

    def _wake(self, run: SimulatedRun) -> None:
        if run.worker not in self._joined_s:  # its loss is reported already
            return
        run.is_gone = True
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
        if run.is_gone:
            return
        run.ticket = None
        run.started_s = self._env.now
        self._after(run.injected_delay_s, run, self._serve, draws)

    def _serve(self, run: SimulatedRun, draws: QueryDraws) -> None:
        run.is_serving = True
        service_s = draws.service_s[run.task]
        if self._host is None:
            self._after(service_s, run, self._end, draws)
        elif run.doomed_s is None or service_s <= 0:
            run.ticket = self._enter_host(lambda: self._end(run, draws), service_s)

    def _end(self, run: SimulatedRun, draws: QueryDraws) -> None:
        run.ticket = None
        run.has_ended = True
        run.ended_s = self._env.now
        self._after(draws.collect_latency_s[run.task], run, self._arrive, draws)

    def _arrive(self, run: SimulatedRun, draws: QueryDraws) -> None:
        del self.running[run.worker]
        copy = (run.query, run.task, run.attempt, run.worker)
        error = draws.fails(run.task, run.attempt)
        run.outcome = "ok" if error is None else "failed"
        if error is None:
            self._report(TaskFinished(self._env.now, *copy), run)
        else:
            self._report(TaskFailed(self._env.now, *copy, error), run)

    def _enter_host(self, done: Callable[[], None], demand_s: float) -> int:
        assert self._host is not None
        self._fire_host()
        ticket = self._host.enter(self._env.now, done, demand_s)
        self._watch_host()
        return ticket

    def _leave_host(self, run: SimulatedRun) -> None:
        if self._host is not None and run.ticket is not None:
            self._host.leave(self._env.now, run.ticket)
            run.ticket = None
            self._watch_host()

    def _fire_host(self) -> None:
        """What ends at an instant ends before anything else happens on the host."""
        while self._host is not None and self._host_due_s == self._env.now:
            self._host_fires(self._host_version)

    def _watch_host(self) -> None:
        assert self._host is not None
        self._host_version += 1
        delay_s = self._host.next_in_s()
        if delay_s is None:
            self._host_due_s = None
            return
        self._host_due_s = self._env.now + delay_s
        self.schedule(delay_s, self._host_fires, self._host_version)

    def _host_fires(self, version: int) -> None:
        if version != self._host_version:  # something entered or left meanwhile
            return
        assert self._host is not None
        done = self._host.finish_next(self._env.now)
        self._watch_host()
        for call in done:
            call()
