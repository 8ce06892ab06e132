"""Speculation: a task that takes too long gets a second copy, and the first result wins."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

from msgspec import Meta

from qcutsim.dispatch.events import TaskKind
from qcutsim.dispatch.policies.base import IdleWorkers, KindOf, PolicyConfig, TaskId
from qcutsim.dispatch.policies.eager import Eager

_REMEMBERED = 512
"""Durations of a class that its quantile is taken from, the latest ones."""

_FORGETTING = 0.2
"""Weight of a worker's latest task in what is thought of the worker."""


class SpeculativeConfig(PolicyConfig, frozen=True, kw_only=True, tag="speculative"):
    """Parameters of :class:`Speculative`."""

    quantile: Annotated[
        float,
        Meta(gt=0, lt=1, description="of its class's durations, against which a task is late"),
    ] = 0.75
    slowdown: Annotated[
        float, Meta(ge=1, le=1e6, description="a task is late beyond so many times the quantile")
    ] = 1.5
    copies: Annotated[int, Meta(ge=2, le=100, description="of a task at once, at most")] = 2
    cap: Annotated[
        float,
        Meta(gt=0, le=1, description="share of the workers that may run further copies"),
    ] = 0.25
    samples: Annotated[
        int,
        Meta(
            ge=1,
            le=_REMEMBERED,
            description="durations that make a quantile; until then the expected service time "
            "serves, where it is known",
        ),
    ] = 5


class Speculative(Eager):
    """Eager, until a worker would have nothing to do: then it copies the latest running task.

    Lateness is the time a copy has run over its class's quantile, as the class is seen to take;
    a copy goes to the idle worker that has been fastest, never to one that is late itself. What
    becomes of the slower copy follows what its pool can cancel. (LATE: Zaharia et al., OSDI 2008.)
    """

    kind: ClassVar[str] = "speculative"
    config: ClassVar[type[PolicyConfig]] = SpeculativeConfig

    def __init__(self, config: SpeculativeConfig) -> None:
        super().__init__(config)
        self._config = config
        self.most_copies = config.copies
        self._kinds: dict[int, KindOf] = {}
        self._started_s: dict[tuple[TaskId, int], float] = {}
        self._open: dict[TaskId, dict[int, float]] = {}
        self._durations: dict[str, _Durations] = {}
        self._slowness: dict[int, float] = {}

    def enqueue(self, tasks: Sequence[TaskId], kind_of: KindOf, now_s: float) -> None:
        for query in {task.query for task in tasks}:
            self._kinds[query] = kind_of
        super().enqueue(tasks, kind_of, now_s)

    def drop(self, query: int, now_s: float) -> None:
        super().drop(query, now_s)
        self._kinds.pop(query, None)
        self._open = {task: on for task, on in self._open.items() if task.query != query}
        self._started_s = {c: at_s for c, at_s in self._started_s.items() if c[0].query != query}

    def worker_joined(self, worker: int) -> None:
        self._slowness[worker] = 0.0

    def worker_lost(self, worker: int) -> None:
        del self._slowness[worker]

    def finished(self, task: TaskId, worker: int, now_s: float) -> None:
        duration_s = now_s - self._started_s.pop((task, worker))
        self._open.pop(task, None)
        kind = self._kinds[task.query](task.task)
        self._note_pace(kind, worker, duration_s)
        self._durations.setdefault(kind.structure, _Durations()).add(duration_s)

    def ended(self, task: TaskId, worker: int, now_s: float) -> None:
        ran_s = now_s - self._started_s.pop((task, worker))
        kind = self._kinds[task.query](task.task)
        usual_s = self._usual_s(kind)
        if usual_s is not None and ran_s > self._slowness[worker] * usual_s:
            self._note_pace(kind, worker, ran_s)  # it would have taken longer still
        copies = self._open.get(task)
        if copies is not None:
            del copies[worker]
            if not copies:
                del self._open[task]

    def assign(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[TaskId, int]]:
        for task, worker in super().assign(idle, now_s):
            self._note_start(task, worker, now_s)
            yield task, worker
        late = sorted(
            (-lateness, task)
            for task, due_s, lateness in self._candidates(idle, now_s)
            if now_s >= due_s
        )
        for _, task in late:
            best = self._fastest(idle)
            if best is None or not self._may_copy():
                return
            self._note_start(task, best, now_s)
            yield task, best

    def wake_s(self, idle: IdleWorkers, now_s: float) -> float | None:
        if not self._may_copy():
            return None
        due = [due_s for _, due_s, _ in self._candidates(idle, now_s) if due_s > now_s]
        return min(due, default=None)

    def _note_pace(self, kind: TaskKind, worker: int, duration_s: float) -> None:
        usual_s = self._usual_s(kind)
        if usual_s is not None:
            before = self._slowness[worker]
            self._slowness[worker] = before + _FORGETTING * (duration_s / usual_s - before)

    def _note_start(self, task: TaskId, worker: int, now_s: float) -> None:
        self._started_s[task, worker] = now_s
        self._open.setdefault(task, {})[worker] = now_s

    def _candidates(self, idle: IdleWorkers, now_s: float) -> Iterator[tuple[TaskId, float, float]]:
        """(task, when it is late, how late it is) of what may get a copy now or later."""
        if not idle or self._fastest(idle) is None:
            return
        for task, copies in self._open.items():
            usual_s = self._usual_s(self._kinds[task.query](task.task))
            if usual_s is not None and len(copies) < self.most_copies:
                latest_s = max(copies.values())
                due_s = latest_s + self._config.slowdown * usual_s
                yield task, due_s, (now_s - latest_s) / usual_s

    def _may_copy(self) -> bool:
        further = len(self._started_s) - len(self._open)  # those that were beaten included
        return further < max(1, int(self._config.cap * len(self._slowness)))

    def _fastest(self, idle: IdleWorkers) -> int | None:
        fast = [w for w in idle if self._slowness[w] < self._config.slowdown]
        return min(fast, key=lambda worker: (self._slowness[worker], worker), default=None)

    def _usual_s(self, kind: TaskKind) -> float | None:
        seen = self._durations.get(kind.structure)
        if seen is not None and len(seen) >= self._config.samples:
            return seen.quantile(self._config.quantile) or None
        return kind.expected_s or None


class _Durations:
    """The latest durations of a class, sorted."""

    def __init__(self) -> None:
        self._in_order: deque[float] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, duration_s: float) -> None:
        """Take in one more; the oldest is forgotten where there are many."""
        if len(self._in_order) == _REMEMBERED:
            oldest = self._in_order.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]
        self._in_order.append(duration_s)
        insort(self._sorted, duration_s)

    def quantile(self, share: float) -> float:
        """The smallest that at least this share of them does not exceed."""
        return self._sorted[math.ceil(share * len(self._sorted)) - 1]
