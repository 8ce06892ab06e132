"""Workers killed, or stopped, at any moment of a query change no result."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from circuits import chain
from dispatching import POLICIES, SharedWorkers, bits_of, is_alive, shown

from qcutsim import DistributedEstimator, read_records
from qcutsim.records import TaskRecord
from qcutsim.runtime import ProcessPool

CIRCUIT = chain(4, *np.random.default_rng(5).uniform(-3, 3, (2, 4)))
PUBS = [(CIRCUIT, ["ZZZZ", "XIXI"])]
PIPELINES: dict[str, dict[str, Any]] = {
    "contracted": {"partition_labels": "ABBC", "shots": 50, "chunk": 1},
    "tree": {"partition_labels": "ABBC", "shots": 50, "chunk": 2, "reconstruction": "tree"},
    "upstream": {"partition_labels": "AABB", "shots": 20, "pipeline": "upstream"},
}
LONGEST_WAIT_S = 0.003
"""Between a dispatch and the strike that follows it; a task takes about as long."""

EAGER, BATCHED, _, STAGGERED, _, LONGEST_FIRST, _, STEALING, _, SPECULATIVE = POLICIES
DISTURBED = [
    ("contracted", EAGER, 1),
    ("contracted", STEALING, 2),
    ("contracted", SPECULATIVE, 3),
    ("contracted", BATCHED, 4),
    ("tree", EAGER, 5),
    ("tree", LONGEST_FIRST, 6),
    ("upstream", EAGER, 7),
    ("upstream", STAGGERED, 8),
    ("upstream", SPECULATIVE, 9),
]
"""Pipeline, policy, and the seed of when and whom to strike."""


def estimator(name: str, **options: Any) -> DistributedEstimator:
    return DistributedEstimator(seed=9, **PIPELINES[name], **options)


@cache
def undisturbed(name: str) -> list[list[tuple[bytes, bytes]]]:
    """What two jobs give."""
    with estimator(name, pool="inline") as made:
        return [bits_of(made.run(PUBS).result()) for _ in range(2)]


class Striker:
    """Sends signals to worker processes, each at a random moment after some dispatch."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng()
        self._dispatches = 0
        self._due: list[int] = []
        self._kind = signal.SIGKILL
        self._spares_nobody = False
        self.struck: list[int] = []

    def arm(
        self,
        seed: int,
        times: int,
        within: int,
        *,
        kind: signal.Signals = signal.SIGKILL,
        spares_nobody: bool = False,
    ) -> None:
        """Strike so often, each time after one of the next ``within`` dispatches."""
        self._rng = np.random.default_rng(seed)
        self._dispatches = 0
        self._due = sorted(self._rng.integers(1, within + 1, times).tolist())
        self._kind, self._spares_nobody = kind, spares_nobody
        self.struck = []

    def dispatched(self, pool: ProcessPool) -> None:
        """On the event loop's thread."""
        self._dispatches += 1
        while self._due and self._due[0] <= self._dispatches:
            del self._due[0]
            wait_s = self._rng.uniform(0, LONGEST_WAIT_S)
            asyncio.get_running_loop().call_later(wait_s, self._strike, pool)

    def _strike(self, pool: ProcessPool) -> None:
        pids = list(pool.process_ids().values())
        for victim in pids if self._spares_nobody else [int(self._rng.choice(pids))]:
            os.kill(victim, self._kind)
            self.struck.append(victim)


@pytest.fixture(scope="module")
def workers() -> Iterator[SharedWorkers]:
    shared = SharedWorkers()
    yield shared
    shared.close()


@pytest.fixture
def striker(monkeypatch: pytest.MonkeyPatch) -> Striker:
    armed, submit = Striker(), ProcessPool.submit

    def submit_and_tell(pool: ProcessPool, *task: Any) -> None:
        submit(pool, *task)
        armed.dispatched(pool)

    monkeypatch.setattr(ProcessPool, "submit", submit_and_tell)
    return armed


def lost_copies(log: Path) -> int:
    """How many copies were logged as lost."""
    records = list(read_records(log, strict=True))
    return sum(isinstance(record, TaskRecord) and record.outcome == "lost" for record in records)


@pytest.mark.parametrize(
    ("name", "policy", "seed"),
    DISTURBED,
    ids=lambda value: shown(value) if isinstance(value, dict) else str(value),
)
def test_killed_workers_change_no_bit(name, policy, seed, workers, striker, tmp_path):
    """Two in the first job, one in the second: no task can be lost three times."""
    log = tmp_path / "log"
    made = workers.lend(estimator(name, pool="processes:2", policy=policy, log=log))
    results = []
    for times in (2, 1):
        striker.arm(seed, times, within=5)
        results.append(bits_of(made.run(PUBS).result()))
        assert len(striker.struck) == times
    assert results == undisturbed(name)
    assert lost_copies(log) >= 1


@pytest.mark.parametrize("name", ["contracted", "upstream"])
def test_all_workers_killed_at_once_change_no_bit(name, workers, striker, tmp_path):
    log = tmp_path / "log"
    made = workers.lend(estimator(name, pool="processes:2", log=log))
    striker.arm(1, 1, within=9, spares_nobody=True)
    found = bits_of(made.run(PUBS).result())
    assert len(set(striker.struck)) == 2
    assert found == undisturbed(name)[0]
    assert lost_copies(log) >= 1


def test_a_worker_that_stands_still_is_given_up_after_the_timeout(workers, striker, tmp_path):
    log = tmp_path / "log"
    made = workers.lend(estimator("contracted", pool="processes:2", timeout=2.0, log=log))
    striker.arm(2, 1, within=9, kind=signal.SIGSTOP)
    found = bits_of(made.run(PUBS).result())
    assert len(striker.struck) == 1
    assert found == undisturbed("contracted")[0]
    assert lost_copies(log) == 1
    (stopped,) = striker.struck
    assert not is_alive(stopped)
