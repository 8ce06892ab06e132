"""Injected delays: keyed draws, the laws asked for, tasks or workers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from qcutsim.stragglers import InjectedDelays, Stragglers

SEED = 5


def delays(stragglers: Stragglers, nodes: int, *, attempt: int = 0, worker: int = 0, **place: int):
    injected = InjectedDelays(stragglers, SEED, nodes, **({"repetition": 0, "index": 0} | place))
    return [injected(task, attempt, worker) for task in range(nodes)]


def test_without_stragglers_nothing_is_injected():
    assert delays(Stragglers(), 50) == [0.0] * 50
    assert delays(Stragglers(probability=0.0, delay_s=1.0), 50) == [0.0] * 50
    assert delays(Stragglers(probability=1.0), 50) == [0.0] * 50


def test_a_fixed_delay_strikes_tasks_at_the_asked_rate():
    """Two-sided binomial test, seed 5, false-alarm rate 1e-6."""
    found = delays(Stragglers(probability=0.1, delay_s=0.25), 20_000)
    assert set(found) == {0.0, 0.25}
    assert stats.binomtest(np.count_nonzero(found), 20_000, 0.1).pvalue > 1e-6


def test_a_distribution_is_the_one_of_scipy():
    """Kolmogorov-Smirnov, seed 5, false-alarm rate 1e-6."""
    law = {"name": "lognorm", "s": 0.8, "scale": 0.05}
    found = delays(Stragglers(probability=1.0, distribution=law), 5_000)
    assert stats.kstest(found, stats.lognorm(s=0.8, scale=0.05).cdf).pvalue > 1e-6


def test_a_discrete_distribution_will_do():
    found = delays(
        Stragglers(probability=1.0, distribution={"name": "randint", "low": 0, "high": 3}), 500
    )
    assert set(found) == {0.0, 1.0, 2.0}


def test_a_tail_without_a_mean_is_cut_off():
    found = delays(Stragglers(probability=1.0, distribution={"name": "pareto", "b": 0.01}), 500)
    assert max(found) == 1e6
    assert all(math.isfinite(delay) for delay in found)


@pytest.mark.parametrize("law", [None, {"name": "expon", "scale": 0.1}])
@pytest.mark.parametrize("per", ["task", "worker"])
def test_a_draw_belongs_to_its_key_and_to_nothing_else(law, per):
    asked = Stragglers(probability=0.5, delay_s=0.0 if law else 0.1, distribution=law, per=per)
    first = delays(asked, 40, worker=3)
    assert delays(asked, 40, worker=3) == first
    assert delays(asked, 90, worker=3)[:40] == first
    injected = InjectedDelays(asked, SEED, 40, repetition=0, index=0)
    assert [injected(task, 0, 3) for task in reversed(range(40))] == first[::-1]


def test_tasks_queries_repetitions_and_attempts_are_struck_independently():
    asked = Stragglers(probability=0.5, delay_s=0.1)
    seen = {
        tuple(delays(asked, 60, attempt=attempt, index=index, repetition=repetition))
        for attempt in range(2)
        for index in range(2)
        for repetition in range(2)
    }
    assert len(seen) == 8
    assert delays(asked, 60, worker=1) == delays(asked, 60, worker=7)


def test_a_slow_worker_delays_all_of_its_tasks_and_a_quick_one_none():
    """Rate of slow workers: two-sided binomial test, seed 5, false-alarm rate 1e-6."""
    asked = Stragglers(probability=0.3, delay_s=0.2, per="worker")
    injected = InjectedDelays(asked, SEED, 7, repetition=0, index=0)
    slow = 0
    for worker in range(5000):
        own = {injected(task, attempt, worker) for task in range(7) for attempt in range(2)}
        assert own in ({0.0}, {0.2})
        slow += own == {0.2}
    assert stats.binomtest(slow, 5000, 0.3).pvalue > 1e-6


def test_a_worker_is_slow_for_a_whole_repetition():
    asked = Stragglers(probability=0.5, delay_s=0.2, per="worker")

    def slow(**place: int) -> list[bool]:
        return [delays(asked, 1, worker=worker, **place) == [0.2] for worker in range(64)]

    assert slow(index=0) == slow(index=9)
    assert slow(repetition=0) != slow(repetition=1)


@pytest.mark.parametrize("per", ["task", "worker"])
def test_another_luck_meets_other_stragglers_and_the_first_is_that_of_a_real_run(per):
    stragglers = Stragglers(probability=0.3, delay_s=1.0, per=per)

    def struck(**luck: int) -> list[float]:
        delays = InjectedDelays(stragglers, 7, 40, repetition=0, index=0, **luck)
        return [delays(task, 0, task) for task in range(40)]

    assert struck() == struck(luck=0)
    assert len({tuple(struck(luck=number)) for number in range(20)}) == 20
    total = sum(map(bool, (delay for number in range(200) for delay in struck(luck=number))))
    assert stats.binomtest(total, 200 * 40, 0.3).pvalue > 1e-6
