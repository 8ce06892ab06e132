"""The SimPy driver: performs the dispatcher's actions on simulated workers.

The coordinator is serial: it collects a result, lets the dispatcher decide, and dispatches what
follows, one at a time. On a shared host its work and the workers' compete; partition, generation,
merges and reconstruction run beside the dispatching, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field

import msgspec
import simpy

from qcutsim.dispatch import (
    Abandon,
    Action,
    BeginMerge,
    BeginReconstruction,
    Cancel,
    CancelMode,
    CompleteQuery,
    Dispatcher,
    Event,
    FailQuery,
    MergeFinished,
    NodeTimes,
    QuerySubmitted,
    ReconstructionFinished,
    SetTimer,
    Start,
    TaskFinished,
    TimerFired,
    WorkerLost,
    order_key,
)
from qcutsim.simulation.draws import QueryDraws
from qcutsim.simulation.environment import FarmEnvironment
from qcutsim.simulation.station import SharedHost
from qcutsim.simulation.workers import SimulatedRun, SimulatedWorkers, Steps

EventLog = Callable[[Event, list[Action]], None]


@dataclass(slots=True)
class SimulatedQuery:
    """One query and, once it is completed, its times; ``runs`` are empty where nobody asked.

    ``completed`` is of the farm's time, ``copies`` how many were started.
    """

    number: int
    draws: QueryDraws
    completed: simpy.Event | None
    times: NodeTimes
    runs: list[SimulatedRun] = field(default_factory=list)
    arrived_s: float = 0.0
    partition_s: float = 0.0
    generate_s: float = 0.0
    reconstructed_s: float = 0.0
    ended_s: float = 0.0
    coordinator_cpu_s: float = 0.0
    error: str | None = None
    copies: int = 0


class Farm:
    """A coordinator and a pool of workers in virtual time.

    Args:
        dispatcher: decides; fresh.
        workers: pool size.
        host: what coordinator and workers share; ``None`` for dedicated workers, whose tasks
            take exactly their service time. Workers elsewhere join by ``workers.join(place)``.
        on_event: hears of every event and the actions it led to.
        cancel: what can be done to a running copy.
        restart_s: until a killed or lost worker is replaced.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        workers: int,
        host: SharedHost[Callable[[], None]] | None = None,
        on_event: EventLog | None = None,
        *,
        cancel: CancelMode = "none",
        restart_s: float = 0.0,
    ) -> None:
        self.env = FarmEnvironment(0.0)
        self._dispatcher = dispatcher
        self._on_event = on_event
        self._inbox: list[tuple[Event, SimulatedRun | None]] = []
        self._wakeup: simpy.Event | None = None
        self._stages = simpy.Resource(self.env)
        self._queries: dict[int, SimulatedQuery] = {}
        self._timers: set[float] = set()
        self.workers = SimulatedWorkers(self.env, self._post, host, cancel, restart_s)
        for _ in range(workers):
            self.workers.join()
        self.env.process(self._coordinate())

    def submit(self, number: int, draws: QueryDraws) -> SimulatedQuery:
        """A query arrives now; its ``completed`` fires when its value is reconstructed."""
        draws = draws.listed()
        times = NodeTimes(draws.tasks, draws.merges)
        query = SimulatedQuery(number, draws, self.env.event(), times)
        query.arrived_s = self.env.now
        self._queries[number] = query
        self.env.process(self._prepare(query))
        return query

    def run(self, until: simpy.Event | None = None) -> None:
        """Run until nothing is left to happen, or until that event."""
        if until is None:
            self.env.run_out()
        else:
            self.env.run(until)

    def work(self, seconds: float) -> Steps:
        """The coordinator computes beside the dispatching, in turn with the queries' stages."""
        yield from self._stage(seconds)

    def _prepare(self, query: SimulatedQuery) -> Steps:
        draws = query.draws
        if draws.partition_s > 0:
            yield from self._stage(draws.partition_s)
        query.partition_s = self.env.now - query.arrived_s
        if draws.generate_s > 0:
            yield from self._stage(draws.generate_s)
        query.generate_s = self.env.now - query.arrived_s - query.partition_s
        self._post(
            QuerySubmitted(
                self.env.now,
                query.number,
                draws.tasks,
                draws.kinds,
                tuple(draws.kind_of),
                draws.merges,
                draws.weights,
            ),
            None,
        )

    def _merge(self, query: SimulatedQuery, node: int) -> Steps:
        yield from self._stage(query.draws.service_s[node])
        query.times.node_done(node, self.env.now)
        self._post(MergeFinished(self.env.now, query.number, node), None)

    def _reconstruct(self, query: SimulatedQuery) -> Steps:
        yield from self._stage(query.draws.reconstruct_s)
        query.reconstructed_s = self.env.now
        self._post(ReconstructionFinished(self.env.now, query.number), None)

    def _stage(self, seconds: float) -> Steps:
        with self._stages.request() as turn:
            yield turn
            if seconds > 0:
                yield self.workers.compute(seconds)

    def _post(self, event: Event, run: SimulatedRun | None) -> None:
        self._inbox.append((event, run))
        if self._wakeup is not None:
            self._wakeup.succeed()
            self._wakeup = None

    def _coordinate(self) -> Steps:
        """Serial: collects, lets the dispatcher decide, dispatches, one thing at a time."""
        env, compute = self.env, self.workers.compute
        while True:
            if not self._inbox:
                self._wakeup = env.event()
                yield self._wakeup
            # Until nothing else is left to happen at this instant: so a batch holds all that
            # happened at it, in whatever order it was scheduled.
            while env.peek() == env.now:
                yield env.timeout(0)
            batch, self._inbox = self._inbox, []
            if len(batch) > 1:
                batch.sort(key=_order)
            for event, run in batch:
                if run is not None:
                    cpu_s = self._queries[run.query].draws.collect_cpu_s[run.task]
                    if cpu_s > 0:
                        yield compute(cpu_s)
                    self._collected(event, run, cpu_s)
                # Its turn has come: the dispatcher's clock is the coordinator's.
                event = _at(event, env.now)
                actions = self._dispatcher.handle(event)
                if self._on_event is not None:
                    self._on_event(event, actions)
                self._note(event)
                for action in actions:
                    if type(action) is not Start:
                        self._perform(action)
                        continue
                    dispatch_s = self._queries[action.query].draws.dispatch_s[action.task]
                    if dispatch_s > 0:
                        yield compute(dispatch_s)
                    self._start(action, dispatch_s)

    def _note(self, event: Event) -> None:
        if isinstance(event, QuerySubmitted):
            self._queries[event.query].times.submit(event.at_s)
        elif isinstance(event, WorkerLost):
            run = self.workers.running.pop(event.worker, None)
            if run is not None:
                run.close(run.outcome, event.at_s)

    def _collected(self, event: Event, run: SimulatedRun, cpu_s: float) -> None:
        query = self._queries[run.query]
        query.coordinator_cpu_s += cpu_s
        run.collected_s = self.env.now
        if type(event) is TaskFinished:
            query.times.node_done(run.task, run.collected_s)

    def _start(self, action: Start, dispatch_s: float) -> None:
        query = self._queries[action.query]
        draws, node = query.draws, action.task
        query.coordinator_cpu_s += dispatch_s
        ready_s = query.times.ready_s(node)
        run = SimulatedRun(action.query, node, action.attempt, action.worker, ready_s, self.env.now)
        query.runs.append(run)
        query.copies += 1
        run.injected_delay_s = draws.delay_s(node, action.attempt, action.worker)
        self.workers.start(run, draws)

    def _perform(self, action: Action) -> None:
        match action:
            case Cancel() | Abandon():
                run = self.workers.running.get(action.worker)
                if run is None or (run.query, run.task, run.attempt) != (
                    action.query,
                    action.task,
                    action.attempt,
                ):
                    return
                if isinstance(action, Cancel):
                    self.workers.cancel(run)
                else:
                    self.workers.abandon(run)
            case SetTimer(due_s):
                if due_s not in self._timers:
                    self._timers.add(due_s)
                    self.workers.schedule(due_s - self.env.now, self._fire, due_s)
            case BeginMerge(query, node):
                self.env.process(self._merge(self._queries[query], node))
            case BeginReconstruction(query):
                self.env.process(self._reconstruct(self._queries[query]))
            case CompleteQuery(query):
                self._settle(self._queries[query])
            case FailQuery(query, error):
                self._queries[query].error = error
                self._settle(self._queries[query])

    def _settle(self, query: SimulatedQuery) -> None:
        """The query has ended; what still runs of it is seen as it is now."""
        query.ended_s = self.env.now
        for place, run in enumerate(query.runs):
            if self.workers.running.get(run.worker) is run:
                query.runs[place] = copy(run)
                query.runs[place].close("cancelled", self.env.now)
        assert query.completed is not None
        query.completed.succeed()

    def _fire(self, due_s: float) -> None:
        self._timers.discard(due_s)
        self._post(TimerFired(self.env.now, due_s), None)


def _order(entry: tuple[Event, SimulatedRun | None]) -> tuple[float, int, float, int, int]:
    return order_key(entry[0])


def _at(event: Event, now_s: float) -> Event:
    return event if event.at_s == now_s else msgspec.structs.replace(event, at_s=now_s)
