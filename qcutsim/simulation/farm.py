"""The SimPy driver: performs the dispatcher's actions on simulated workers.

The coordinator is serial: it collects a result, lets the dispatcher decide, and dispatches what
follows, one at a time. On a shared host its work and the workers' compete; partition, generation
and reconstruction run beside the dispatching, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

from qcutsim.dispatch import (
    Action,
    BeginReconstruction,
    CompleteQuery,
    Dispatcher,
    Event,
    FailQuery,
    QuerySubmitted,
    ReconstructionFinished,
    Start,
    TaskFailed,
    TaskFinished,
    WorkerJoined,
    order_key,
)
from qcutsim.records import Outcome
from qcutsim.simulation.draws import QueryDraws
from qcutsim.simulation.station import SharedHost

Steps = Generator[simpy.Event, Any, None]
EventLog = Callable[[Event, list[Action]], None]


@dataclass(slots=True)
class SimulatedRun:
    """Life of one copy of a task, in seconds of virtual time."""

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


@dataclass(slots=True)
class SimulatedQuery:
    """One query in the farm and, once ``completed``, its times."""

    number: int
    draws: QueryDraws
    completed: simpy.Event
    barrier: simpy.Event
    runs: list[SimulatedRun] = field(default_factory=list)
    delays: dict[int, list[float]] = field(default_factory=dict)
    arrived_s: float = 0.0
    partition_s: float = 0.0
    generate_s: float = 0.0
    submitted_s: float = 0.0
    executed_s: float = 0.0
    reconstructed_s: float = 0.0
    coordinator_cpu_s: float = 0.0
    error: str | None = None


class Farm:
    """A coordinator and a pool of workers in virtual time.

    Args:
        dispatcher: decides; fresh.
        workers: pool size.
        host: what coordinator and workers share; ``None`` for dedicated workers, whose tasks
            take exactly their service time.
        on_event: hears of every event and the actions it led to.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        workers: int,
        host: SharedHost[Callable[[], None]] | None = None,
        on_event: EventLog | None = None,
    ) -> None:
        self.env = simpy.Environment()
        self._dispatcher = dispatcher
        self._host = host
        self._on_event = on_event
        self._inbox: list[tuple[Event, SimulatedRun | None]] = []
        self._wakeup: simpy.Event | None = None
        self._host_version = 0
        self._host_due_s: float | None = None
        self._stages = simpy.Resource(self.env)
        self._queries: dict[int, SimulatedQuery] = {}
        for worker in range(workers):
            self._post(WorkerJoined(self.env.now, worker), None)
        self.env.process(self._coordinate())

    def submit(self, number: int, draws: QueryDraws) -> SimulatedQuery:
        """A query arrives now; its ``completed`` fires when its value is reconstructed."""
        query = SimulatedQuery(number, draws, self.env.event(), self.env.event())
        query.arrived_s = self.env.now
        self._queries[number] = query
        self.env.process(self._serve(query))
        return query

    def run(self) -> None:
        """Run until nothing is left to happen."""
        self.env.run()

    def _serve(self, query: SimulatedQuery) -> Steps:
        draws = query.draws
        if draws.partition_s > 0:
            yield from self._stage(draws.partition_s)
        query.partition_s = self.env.now - query.arrived_s
        if draws.generate_s > 0:
            yield from self._stage(draws.generate_s)
        query.generate_s = self.env.now - query.arrived_s - query.partition_s
        query.submitted_s = self.env.now
        self._post(QuerySubmitted(self.env.now, query.number, draws.tasks), None)
        yield query.barrier
        if query.error is not None:
            query.completed.succeed()
            return
        yield from self._stage(draws.reconstruct_s)
        query.reconstructed_s = self.env.now
        self._post(ReconstructionFinished(self.env.now, query.number), None)

    def _stage(self, seconds: float) -> Steps:
        with self._stages.request() as turn:
            yield turn
            yield from self._work(seconds)

    def _work(self, seconds: float) -> Steps:
        """The coordinator computes for ``seconds``, longer where the host is shared."""
        if seconds <= 0:
            return
        if self._host is None:
            yield self.env.timeout(seconds)
            return
        done = self.env.event()
        self._enter_host(lambda: done.succeed(), seconds)
        yield done

    def _post(self, event: Event, run: SimulatedRun | None) -> None:
        self._inbox.append((event, run))
        if self._wakeup is not None:
            self._wakeup.succeed()
            self._wakeup = None

    def _coordinate(self) -> Steps:
        while True:
            if not self._inbox:
                self._wakeup = self.env.event()
                yield self._wakeup
            yield from self._settled()
            batch = sorted(self._inbox, key=lambda entry: order_key(entry[0]))
            self._inbox.clear()
            for event, run in batch:
                if run is not None:
                    yield from self._collect(event, run)
                # Its turn has come: the dispatcher's clock is the coordinator's.
                event = _at(event, self.env.now)
                actions = self._dispatcher.handle(event)
                if self._on_event is not None:
                    self._on_event(event, actions)
                for action in actions:
                    if isinstance(action, Start):
                        yield from self._start(action)
                    else:
                        self._perform(action)

    def _settled(self) -> Steps:
        """Wait until nothing else is left to happen at this instant.

        So a batch holds all that happened at it, in whatever order it was scheduled.
        """
        while self.env.peek() == self.env.now:
            yield self.env.timeout(0)

    def _collect(self, event: Event, run: SimulatedRun) -> Steps:
        query = self._queries[event.query]  # type: ignore[union-attr]
        cpu_s = query.draws.collect_cpu_s[run.task]
        query.coordinator_cpu_s += cpu_s
        yield from self._work(cpu_s)
        run.collected_s = self.env.now

    def _start(self, action: Start) -> Steps:
        query = self._queries[action.query]
        draws, task = query.draws, action.task
        query.coordinator_cpu_s += draws.dispatch_s[task]
        yield from self._work(draws.dispatch_s[task])
        run = SimulatedRun(task, action.attempt, action.worker, query.submitted_s, self.env.now)
        query.runs.append(run)
        if action.attempt not in query.delays:
            query.delays[action.attempt] = draws.delays_s(action.attempt)
        run.injected_delay_s = query.delays[action.attempt][task]
        self._after(draws.start_s[task], self._begin, query, run)

    def _begin(self, query: SimulatedQuery, run: SimulatedRun) -> None:
        run.started_s = self.env.now
        self._after(run.injected_delay_s, self._serve_task, query, run)

    def _serve_task(self, query: SimulatedQuery, run: SimulatedRun) -> None:
        service_s = query.draws.service_s[run.task]
        if self._host is None:
            self._after(service_s, self._end, query, run)
        else:
            self._enter_host(lambda: self._end(query, run), service_s)

    def _end(self, query: SimulatedQuery, run: SimulatedRun) -> None:
        run.ended_s = self.env.now
        self._after(query.draws.collect_latency_s[run.task], self._arrive, query, run)

    def _arrive(self, query: SimulatedQuery, run: SimulatedRun) -> None:
        error = query.draws.fails(run.task, run.attempt)
        copy = (query.number, run.task, run.attempt, run.worker)
        run.outcome = "ok" if error is None else "failed"
        if error is None:
            self._post(TaskFinished(self.env.now, *copy), run)
        else:
            self._post(TaskFailed(self.env.now, *copy, error), run)

    def _perform(self, action: BeginReconstruction | CompleteQuery | FailQuery) -> None:
        query = self._queries[action.query]
        match action:
            case BeginReconstruction():
                query.executed_s = self.env.now
                query.barrier.succeed()
            case CompleteQuery():
                query.completed.succeed()
            case FailQuery(_, error):
                query.error = error
                query.barrier.succeed()

    def _after(self, delay_s: float, call: Callable[..., None], *args: object) -> None:
        if delay_s > 0:
            self._schedule(delay_s, call, *args)
        else:
            call(*args)

    def _schedule(self, delay_s: float, call: Callable[..., None], *args: object) -> None:
        self.env.timeout(delay_s).callbacks.append(lambda _: call(*args))

    def _enter_host(self, done: Callable[[], None], demand_s: float) -> None:
        assert self._host is not None
        while self._host_due_s == self.env.now:  # what ends at an instant ends before it
            self._host_fires(self._host_version)
        self._host.enter(self.env.now, done, demand_s)
        self._watch_host()

    def _watch_host(self) -> None:
        assert self._host is not None
        self._host_version += 1
        delay_s = self._host.next_in_s()
        if delay_s is None:
            self._host_due_s = None
            return
        self._host_due_s = self.env.now + delay_s
        self._schedule(delay_s, self._host_fires, self._host_version)

    def _host_fires(self, version: int) -> None:
        if version != self._host_version:  # something entered meanwhile
            return
        assert self._host is not None
        done = self._host.finish_next(self.env.now)
        self._watch_host()
        for call in done:
            call()


def _at(event: Event, now_s: float) -> Event:
    if event.at_s == now_s:
        return event
    fields = {name: getattr(event, name) for name in event.__slots__}
    fields["at_s"] = now_s
    return type(event)(**fields)
