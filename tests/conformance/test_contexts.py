"""What tasks have in common is sent to a worker process once, and kept as long as is agreed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from realpools import Echo, assert_replays, open_driver, query_of, run_queries

from qcutsim.records import EventRecord
from qcutsim.runtime import ProcessPool, make_pool
from qcutsim.runtime.messages import MOST_CONTEXTS, ContextMessage, frame

pytestmark = pytest.mark.usefixtures("task_functions")

FUNCTION = "echo:with_context"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The contexts that pools send, as they send them."""
    contents: list[bytes] = []

    def note(message: Any) -> bytes:
        if isinstance(message, ContextMessage):
            contents.append(message.content)
        return frame(message)

    monkeypatch.setattr("qcutsim.runtime.processes.frame", note)
    return contents


def tasks_of(contexts: Sequence[int]) -> list[Echo]:
    """A task for each; context 0 is the empty one."""
    return [
        Echo(b" of %d" % number, b"context %d" % context if context else b"")
        for number, context in enumerate(contexts)
    ]


def results_of(tasks: Sequence[Echo]) -> list[bytes]:
    return [task.context + task.payload for task in tasks]


def run_tasks(pool: ProcessPool, log: Path, tasks: Sequence[Echo], workers: int) -> None:
    """All of them as one query, with the right results."""
    (values,) = asyncio.run(run_queries(pool, log, [query_of(tasks)], workers=workers))
    assert values == results_of(tasks)


def sends_of_first_in_first_out(contexts: Sequence[int], most: int) -> int:
    """How often a context is sent to a worker that forgets the one that it got first."""
    kept: list[int] = []
    sends = 0
    for context in contexts:
        if context and context not in kept:
            kept = [*kept[-most + 1 :], context]
            sends += 1
    return sends


@pytest.mark.parametrize("kind", ["inline", "threads", "processes"])
def test_a_task_gets_its_own_context(kind, tmp_path):
    workers = 1 if kind == "inline" else 3
    order = np.random.default_rng(1).integers(0, 12, 100).tolist()
    run_tasks(make_pool(kind, workers, FUNCTION), tmp_path / "log", tasks_of(order), workers)


def test_a_worker_process_gets_a_context_once_also_across_queries(sent, tmp_path):
    tasks = tasks_of([n % 5 for n in range(200)])
    pool = ProcessPool(2, FUNCTION)

    async def main() -> None:
        async with open_driver(pool, tmp_path / "log", workers=2) as driver:
            for number in range(3):
                done = await driver.execute(number, query_of(tasks))
                assert done.value == results_of(tasks)

    asyncio.run(main())
    counts = Counter(sent)
    assert counts.keys() == {b"context %d" % n for n in range(1, 5)}
    assert set(counts.values()) <= {1, 2}


def test_the_context_that_came_first_is_forgotten_first_and_sent_again_when_needed(sent, tmp_path):
    rng = np.random.default_rng(2)
    order = rng.integers(0, MOST_CONTEXTS + 60, 1500).tolist()
    run_tasks(ProcessPool(1, FUNCTION), tmp_path / "log", tasks_of(order), 1)
    expected = sends_of_first_in_first_out(order, MOST_CONTEXTS)
    assert len(sent) == expected
    assert len(set(sent)) < expected < len(order) / 2


@pytest.mark.parametrize("spare", [-1, 0, 1])
def test_as_many_contexts_as_are_kept_take_turns(spare, sent, tmp_path):
    """One more than that, and each is forgotten just before its next turn."""
    count = MOST_CONTEXTS + spare
    order = [1 + n % count for n in range(3 * count)]
    run_tasks(ProcessPool(1, FUNCTION), tmp_path / "log", tasks_of(order), 1)
    assert len(sent) == (3 * count if spare > 0 else count)


def test_workers_forget_each_on_its_own(sent, tmp_path):
    """Three of them, which come across the contexts in different orders."""
    rng = np.random.default_rng(3)
    order = rng.permutation(np.repeat(np.arange(2 * MOST_CONTEXTS), 4)).tolist()
    run_tasks(ProcessPool(3, FUNCTION), tmp_path / "log", tasks_of(order), 3)
    assert len(set(sent)) == 2 * MOST_CONTEXTS - 1
    assert len(sent) > len(set(sent))


def test_a_worker_that_replaces_a_killed_one_gets_what_it_needs(tmp_path):
    rng = np.random.default_rng(4)
    tasks = tasks_of(rng.integers(0, 2 * MOST_CONTEXTS, 1500).tolist())
    pool = ProcessPool(2, FUNCTION)
    due = {300, 700, 701, 1100}
    finished, victims = 0, set()

    def kill_at_times(record: EventRecord) -> None:
        nonlocal finished
        finished += record.event["type"] == "TaskFinished"
        if finished in due:
            due.remove(finished)
            victim = next(iter(pool.process_ids().values()))
            os.kill(victim, signal.SIGKILL)
            victims.add(victim)

    options = {"workers": 2, "on_event": kill_at_times}
    (values,) = asyncio.run(run_queries(pool, tmp_path / "log", [query_of(tasks)], **options))
    assert values == results_of(tasks)
    assert due == set()
    events = assert_replays(tmp_path / "log")
    lost = sum(event["type"] == "WorkerLost" for event in events)
    assert 2 <= lost <= len(victims)  # one killed before it had joined is not missed


def test_contexts_larger_than_a_socket_buffer_arrive_whole(sent, tmp_path):
    large = [os.urandom(2_000_000) for _ in range(3)]
    tasks = [Echo(b"%d" % n, large[n % 3]) for n in range(12)]
    run_tasks(ProcessPool(2, FUNCTION), tmp_path / "log", tasks, 2)
    assert max(Counter(sent).values()) <= 2
