"""What tasks are expected to take, and how large a chunk is worth its dispatch."""

from __future__ import annotations

import pytest

from qcutsim.estimator.servicetimes import OVERHEAD_SHARE, ServiceTimes
from qcutsim.runtime import TaskRun
from qcutsim.workload import TaskClass

FIXED_S, EACH_S, OVERHEAD_S = 0.002, 0.0005, 0.001


def task_class(subexperiments: int, depth: int = 3) -> TaskClass:
    return TaskClass(
        partition="A",
        width=2,
        depth=depth,
        mid_circuit_measurements=0,
        subexperiments=subexperiments,
    )


def run_of(service_s: float, *, task: int = 0, outcome: str = "ok", delay_s: float = 0.0):
    """One task whose way to the worker and back takes ``OVERHEAD_S``."""
    return TaskRun(
        query=0,
        task=task,
        attempt=0,
        worker=0,
        outcome=outcome,
        ready_s=0.0,
        dispatched_s=1.0,
        injected_delay_s=delay_s,
        payload_bytes=0,
        started_s=1.0 + OVERHEAD_S / 2,
        ended_s=1.0 + OVERHEAD_S / 2 + delay_s + service_s,
        collected_s=1.0 + OVERHEAD_S + delay_s + service_s,
    )


def seen(*sizes: int, **run: object) -> ServiceTimes:
    """Tasks of these sizes that took what they should."""
    times = ServiceTimes()
    for size in sizes:
        times.observe([task_class(size)], [run_of(FIXED_S + EACH_S * size, **run)])
    return times


def test_nothing_is_expected_of_what_was_never_seen():
    times = seen(4)
    assert times.expected_s(task_class(4, depth=9)) == 0.0
    assert times.worthwhile_chunk((0, 2, 9)) is None
    assert ServiceTimes().worthwhile_chunk((0, 2, 3)) is None


def test_one_size_tells_a_mean_two_sizes_a_line():
    assert seen(4, 4).expected_s(task_class(8)) == pytest.approx(2 * (FIXED_S + 4 * EACH_S))
    assert seen(4, 16).expected_s(task_class(8)) == pytest.approx(FIXED_S + 8 * EACH_S)


def test_injected_delays_failures_and_merges_tell_nothing():
    exact = FIXED_S + 4 * EACH_S
    assert seen(4, delay_s=5.0).expected_s(task_class(4)) == pytest.approx(exact)
    assert seen(4, outcome="failed").expected_s(task_class(4)) == 0.0
    assert seen(4, outcome="cancelled").expected_s(task_class(4)) == 0.0
    assert seen(4, task=1).expected_s(task_class(4)) == 0.0


def test_a_chunk_is_the_least_power_of_two_that_is_worth_its_dispatch():
    chunk = seen(4, 16).worthwhile_chunk((0, 2, 3))
    overhead_s = OVERHEAD_S + FIXED_S
    assert chunk == 128
    assert overhead_s <= OVERHEAD_SHARE * EACH_S * chunk
    assert overhead_s > OVERHEAD_SHARE * EACH_S * chunk / 2
