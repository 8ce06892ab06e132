"""Workers that fail by themselves: how many are up, what is lost, and that it ends."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from blocks import SEED, cell_of, draws_of, run_block
from scipy import stats

from qcutsim.cell import Failures, Host
from qcutsim.dispatch import Dispatcher, WorkerJoined, WorkerLost, make_policy
from qcutsim.simulation import Farm
from qcutsim.simulation.machines import fail_workers

MTBF_S, REPAIR_S = 1.0, 0.5
WORKERS, TIMES = 8, 400


def up_at(times_s: np.ndarray[Any, Any], seed: int) -> list[int]:
    """How many workers are there at each of these times."""
    changes: list[tuple[float, int]] = []

    def note(event: object, actions: object) -> None:
        if isinstance(event, (WorkerJoined, WorkerLost)):
            changes.append((event.at_s, 1 if isinstance(event, WorkerJoined) else -1))

    farm = Farm(Dispatcher(make_policy("eager")), 0, None, note)
    fail_workers(farm, Failures(mtbf_s=MTBF_S, repair_s=REPAIR_S), seed, (0, 0))
    for _ in range(WORKERS):
        farm.workers.join()
    farm.run(farm.env.timeout(float(times_s[-1]) + 1))
    at_s = np.array([at for at, _ in changes])
    up = np.cumsum([change for _, change in changes])
    return [int(up[place - 1]) for place in np.searchsorted(at_s, times_s, side="right")]


def test_how_many_are_up_follows_the_machine_repairman():
    """Each is up with probability MTBF / (MTBF + repair), whatever law the repair has.

    So the number up is binomial (machine repairman with a repairman for each). Chi-squared over
    400 times eight cycles apart, seed 4; false-alarm rate 1e-3.
    """
    times_s = 20.0 + 8 * (MTBF_S + REPAIR_S) * np.arange(TIMES)
    found = Counter(up_at(times_s, SEED))
    availability = MTBF_S / (MTBF_S + REPAIR_S)
    expected = TIMES * stats.binom.pmf(np.arange(WORKERS + 1), WORKERS, availability)
    seen = np.array([found[up] for up in range(WORKERS + 1)], dtype=float)
    few = int(np.searchsorted(np.cumsum(expected), 5)) + 1  # states too rare are taken together
    seen = np.array([seen[:few].sum(), *seen[few:]])
    expected = np.array([expected[:few].sum(), *expected[few:]])
    assert stats.chisquare(seen, expected).pvalue > 1e-3
    mean = sum(up * times for up, times in found.items()) / TIMES
    error = np.sqrt(WORKERS * availability * (1 - availability) / TIMES)
    assert abs(mean - WORKERS * availability) < 4 * error
    assert error < 0.02 * WORKERS, "the test could not tell 8 % off"


def failing(mtbf_s: float, repair_s: float, *hosts: Host, **changes: Any) -> Any:
    failures = Failures(mtbf_s=mtbf_s, repair_s=repair_s)
    return cell_of(*(hosts or [Host(workers=2)]), pool={"failures": failures}, **changes)


def test_a_simulation_ends_with_its_last_query_though_workers_go_on_failing():
    events: list[float] = []
    cell = failing(0.5, 0.25)
    block = run_block(
        cell, [draws_of([0.25] * 6)] * 3, on_event=lambda event, _: events.append(event.at_s)
    )
    ends = [query.ended_s for query in block.simulated.values()]
    assert len(ends) == 3
    assert events[-1] <= max(ends)


def test_what_a_failed_worker_ran_is_run_again():
    block = run_block(failing(12.0, 0.5), [draws_of([1.0] * 60)])
    runs = block.simulated[0].runs
    assert block.simulated[0].error is None
    assert {run.task for run in runs if run.outcome == "ok"} == set(range(60))
    lost = [run for run in runs if run.outcome == "lost"]
    assert lost
    assert all(run.dispatched_s <= run.started_s <= run.ended_s for run in runs)
    assert all(run.ended_s - run.dispatched_s < 1.0 for run in lost)


@pytest.mark.parametrize("start_s", [0.0, 0.75])
def test_a_task_longer_than_any_worker_lives_fails_its_query(start_s):
    cell = failing(0.001, 0.1)
    block = run_block(
        cell, [draws_of([100.0, 100.0], start_s=[start_s] * 2), draws_of([], reconstruct_s=5.0)]
    )
    failed, after = block.simulated[0], block.simulated[1]
    assert failed.error.startswith("task ")
    assert "failed 3 times; the last time: worker " in failed.error
    assert failed.error.endswith(" died while it ran the task")
    assert all(run.started_s <= run.ended_s <= run.collected_s for run in failed.runs)
    assert after.error is None


def test_workers_fail_at_the_same_times_whatever_they_run():
    def losses(service_s: float, policy: str) -> list[float]:
        times: list[float] = []
        run_block(
            failing(3.0, 1e6, Host(workers=4), policy={"kind": policy}),
            [draws_of([service_s] * 400)],
            on_event=lambda event, _: (
                times.append(event.at_s) if isinstance(event, WorkerLost) else None
            ),
        )
        return times

    eager, stealing = losses(0.05, "eager"), losses(0.03, "work_stealing")
    assert len(stealing) >= 2
    assert eager[:2] == stealing[:2]
