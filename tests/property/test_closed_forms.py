"""The SimPy farm against queueing formulas and an independent list scheduler."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qcutsim.dispatch import Dispatcher, make_policy
from qcutsim.simulation import Farm, QueryDraws, SharedHost

DURATIONS = st.one_of(
    st.floats(0.001, 10, allow_subnormal=False), st.integers(0, 6).map(lambda n: n * 0.25)
)


def draws_of(service_s: Sequence[float], delays_s: Sequence[float] | None = None) -> QueryDraws:
    """Tasks with these service times, a coordinator that costs nothing."""
    nothing = [0.0] * len(service_s)
    delays = list(delays_s or nothing)
    return QueryDraws(
        partition_s=0.0,
        generate_s=0.0,
        reconstruct_s=0.0,
        service_s=list(service_s),
        collect_cpu_s=nothing,
        collect_latency_s=nothing,
        dispatch_s=nothing,
        start_s=nothing,
        delay_s=lambda task, attempt, worker: delays[task],
    )


def erlang_c_wait(arrival_rate: float, service_rate: float, servers: int) -> float:
    """Mean wait in the queue of M/M/c (Erlang's C formula)."""
    load = arrival_rate / service_rate
    terms = [load**n / math.factorial(n) for n in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(terms) + last) / (servers * service_rate - arrival_rate)


def list_schedule(work: Sequence[tuple[float, float]], workers: int) -> float:
    """Makespan when each (delay, service) in turn goes to the worker that is free first."""
    free = [0.0] * workers
    ended = 0.0
    for delay_s, service_s in work:
        end = (heapq.heappop(free) + delay_s) + service_s
        heapq.heappush(free, end)
        ended = max(ended, end)
    return ended


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.0, 0.1, 0.5]), DURATIONS), max_size=80),
    st.integers(1, 20),
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_eager_on_dedicated_workers_is_list_scheduling_to_the_last_bit(work, workers):
    farm = Farm(Dispatcher(make_policy("eager")), workers)
    query = farm.submit(0, draws_of([s for _, s in work], [d for d, _ in work]))
    farm.run()
    assert query.reconstructed_s == list_schedule(work, workers)


def mean_wait_s(servers: int, load: float, queries: int, seed: int) -> float:
    """Mean time from ready to started of single-task queries that arrive as a Poisson stream."""
    rng = np.random.default_rng([seed, servers])
    arrivals = rng.exponential(1 / (load * servers), queries).cumsum()
    services = rng.exponential(1.0, queries)
    farm = Farm(Dispatcher(make_policy("eager")), servers)
    submitted = []

    def arrive():
        for number in range(queries):
            yield farm.env.timeout(arrivals[number] - farm.env.now)
            submitted.append(farm.submit(number, draws_of([services[number]])))

    farm.env.process(arrive())
    farm.run()
    warm = submitted[queries // 5 :]
    return float(np.mean([query.runs[0].started_s - query.times.submitted_s for query in warm]))


@pytest.mark.parametrize(("servers", "load"), [(1, 0.6), (2, 0.8), (5, 0.8)])
def test_waiting_in_the_pool_follows_erlang_c(servers, load):
    """Two-sided t test over 24 independent runs, seeds 0..23; false-alarm rate 1e-3 a case."""
    waits = [mean_wait_s(servers, load, 2500, seed) for seed in range(24)]
    expected = erlang_c_wait(load * servers, 1.0, servers)
    assert stats.ttest_1samp(waits, expected).pvalue > 1e-3
    assert np.std(waits) / math.sqrt(24) < 0.1 * expected, "the test could not tell 30 % off"


def finish_times(
    jobs: Sequence[tuple[float, float]], capacity: int, efficiency: float
) -> dict[int, float]:
    """Drive a :class:`SharedHost` with (entry time, demand) and return when each job is done."""
    host: SharedHost[int] = SharedHost(capacity, efficiency)
    entries = sorted((at_s, number) for number, (at_s, _) in enumerate(jobs))
    done: dict[int, float] = {}
    now_s = 0.0
    while entries or len(host):
        in_s = host.next_in_s()
        if entries and (in_s is None or entries[0][0] <= now_s + in_s):
            now_s, number = entries.pop(0)
            host.enter(now_s, number, jobs[number][1])
        else:
            assert in_s is not None
            now_s += in_s
            done.update((number, now_s) for number in host.finish_next(now_s))
    return done


JOBS = st.lists(st.tuples(st.floats(0, 5), st.floats(0.01, 3)), min_size=1, max_size=25)


@given(JOBS, st.integers(1, 4))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_a_shared_host_finishes_all_work_no_faster_than_its_capacity(jobs, capacity):
    done = finish_times(jobs, capacity, 1.0)
    first = min(at_s for at_s, _ in jobs)
    assert set(done) == set(range(len(jobs)))
    assert max(done.values()) >= first + sum(d for _, d in jobs) / capacity - 1e-9
    for number, (at_s, demand_s) in enumerate(jobs):
        assert done[number] >= at_s + demand_s - 1e-9


@given(st.lists(st.floats(0.01, 3), min_size=1, max_size=25), st.floats(0.5, 1))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_one_lock_serves_jobs_that_start_together_in_the_sum_of_their_work(demands, efficiency):
    done = finish_times([(0.0, d) for d in demands], 1, efficiency)
    ordered = sorted(demands)
    alone = ordered[-1] - (ordered[-2] if len(ordered) > 1 else 0.0)
    shared = sum(demands) - alone
    assert max(done.values()) == pytest.approx(shared / efficiency + alone, rel=1e-9)


def test_two_jobs_on_one_core_follow_the_textbook():
    """Demands 1 and 2 from time 0: at half speed the short one ends at 2, the long one at 3."""
    assert finish_times([(0.0, 1.0), (0.0, 2.0)], 1, 1.0) == {0: 2.0, 1: 3.0}
