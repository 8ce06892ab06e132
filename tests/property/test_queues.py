"""Queues with known answers: processor sharing, fork-join, the machine repairman.

Statistical tests use a fixed seed. Means are judged by batches: a right implementation lies outside
5 standard errors once in 10,000 times with 20 batches (Student's t, 19 degrees of freedom).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest
import simpy

from qcutsim.dispatch import Dispatcher, make_policy
from qcutsim.simulation import Farm, QueryDraws, SharedHost

SEED = 20
BATCHES = 20
STANDARD_ERRORS = 5.0

Draw = Callable[[np.random.Generator, int], np.ndarray]


def assert_mean(values: np.ndarray, expected: float) -> None:
    batches = values[: len(values) // BATCHES * BATCHES].reshape(BATCHES, -1).mean(axis=1)
    error = batches.std(ddof=1) / math.sqrt(BATCHES)
    assert abs(batches.mean() - expected) < STANDARD_ERRORS * error
    assert error < 0.07 * expected  # or the test could not fail


def hyperexponential(rng: np.random.Generator, size: int) -> np.ndarray:
    """Mean 1, squared coefficient of variation 4."""
    is_long = rng.random(size) < 0.1
    return rng.exponential(np.where(is_long, 4.674, 0.5918), size)


SERVICES: dict[str, Draw] = {
    "exponential": lambda rng, size: rng.exponential(1.0, size),
    "deterministic": lambda rng, size: np.ones(size),
    "hyperexponential": hyperexponential,
}


@pytest.mark.parametrize("load", [0.4, 0.7])
@pytest.mark.parametrize("service", SERVICES)
def test_under_processor_sharing_only_the_mean_of_the_service_matters(service, load):
    """M/G/1-PS: the mean sojourn is 1 / (1 - load) for any distribution of mean 1."""
    rng = np.random.default_rng(SEED)
    jobs = 60_000
    arrivals_s = np.cumsum(rng.exponential(1 / load, jobs))
    demands_s = SERVICES[service](rng, jobs)
    host: SharedHost[int] = SharedHost(1)
    left_s = np.zeros(jobs)
    now_s = 0.0
    for job in range(jobs):
        now_s = run_until(host, now_s, arrivals_s[job], left_s)
        host.enter(now_s, job, demands_s[job])
    run_until(host, now_s, math.inf, left_s)
    warm = jobs // 10
    assert_mean((left_s - arrivals_s)[warm:], 1 / (1 - load))


def run_until(host: SharedHost[int], now_s: float, end_s: float, left_s: np.ndarray) -> float:
    """Let jobs leave until a time; returns it."""
    while (delay_s := host.next_in_s()) is not None and now_s + delay_s <= end_s:
        now_s += delay_s
        for job in host.finish_next(now_s):
            left_s[job] = now_s
    return end_s


def draws_of(service_s: np.ndarray) -> QueryDraws:
    nothing = [0.0] * len(service_s)
    return QueryDraws(
        partition_s=0.0,
        generate_s=0.0,
        reconstruct_s=0.0,
        service_s=service_s.tolist(),
        collect_cpu_s=nothing,
        collect_latency_s=nothing,
        dispatch_s=nothing,
        start_s=nothing,
    )


@pytest.mark.parametrize(("tasks", "workers"), [(1, 1), (8, 8), (5, 20), (24, 4)])
def test_the_barrier_waits_for_the_harmonic_sum_of_exponential_tasks(tasks, workers):
    """Fork-join: (n - w) / w until no task waits, then H_w for the last of w to end (n >= w)."""
    rng = np.random.default_rng(SEED)
    farm = Farm(Dispatcher(make_policy("eager")), workers)
    makespans_s: list[float] = []

    def ask() -> Generator[simpy.Event, Any, None]:
        for number in range(2000):
            query = farm.submit(number, draws_of(rng.exponential(1.0, tasks)))
            yield query.completed
            makespans_s.append(query.reconstructed_s - query.arrived_s)

    farm.env.process(ask())
    farm.run()
    busy = min(tasks, workers)
    expected_s = (tasks - busy) / busy + sum(1 / n for n in range(1, busy + 1))
    assert_mean(np.array(makespans_s), expected_s)


@pytest.mark.parametrize(("clients", "workers", "think_s"), [(4, 1, 2.0), (6, 2, 3.0), (3, 3, 1.0)])
def test_clients_that_think_between_queries_are_the_machine_repairman(clients, workers, think_s):
    """M/M/c//N: throughput from the birth-death chain of the number of queries in the pool."""
    rng = np.random.default_rng(SEED)
    farm = Farm(Dispatcher(make_policy("eager")), workers)
    ended_s: list[float] = []

    def ask(client: int) -> Generator[simpy.Event, Any, None]:
        for number in range(40_000 // clients):
            yield farm.env.timeout(rng.exponential(think_s))
            query = farm.submit(number * clients + client, draws_of(rng.exponential(1.0, 1)))
            yield query.completed
            ended_s.append(farm.env.now)

    for client in range(clients):
        farm.env.process(ask(client))
    farm.run()
    weights = [1.0]
    for inside in range(clients):
        weights.append(weights[-1] * (clients - inside) / think_s / min(inside + 1, workers))
    total = sum(weights)
    rate = sum(w / total * min(n, workers) for n, w in enumerate(weights))
    steady = np.sort(ended_s)[2000:36_000]  # before the first client is through
    assert_mean(np.diff(steady), 1 / rate)
