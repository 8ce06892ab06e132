"""Scenario YAML: hosts, failures and training, and what is said of wrong ones."""

from __future__ import annotations

import msgspec
import pytest
from scenariotexts import BASE, load, refusal

from qcutsim.cell import Host, record_fields
from qcutsim.scenario import Scenario

HOSTS = "pool: {hosts: [{workers: 2, cores: 2}, {workers: 3, speed: 0.5}]}\n"


def test_a_pool_has_as_many_workers_as_its_hosts(tmp_path):
    (cell,) = load(tmp_path, BASE + HOSTS).cells
    assert cell.pool.workers == 5
    assert cell.pool.hosts == (Host(workers=2, cores=2), Host(workers=3, speed=0.5))
    (same,) = load(tmp_path, BASE + HOSTS.replace("hosts:", "workers: 5, hosts:")).cells
    assert same == cell


def test_hosts_can_be_swept(tmp_path):
    text = BASE + "sweep:\n  - pool.hosts: [[{workers: 2}], [{workers: 2}, {workers: 6}]]\n"
    assert [cell.pool.workers for cell in load(tmp_path, text).cells] == [2, 8]


def test_what_is_not_used_is_in_no_key_so_that_older_logs_keep_theirs(tmp_path):
    (cell,) = load(tmp_path, BASE).cells
    shown = msgspec.to_builtins(cell)
    assert "training" not in shown
    assert not {"hosts", "failures"} & set(shown["pool"])
    assert cell.key == "465069afeed5"


def test_training_runs_with_steps_of_another_size_are_other_configurations(tmp_path):
    text = BASE + "training: {steps: 3}\nsweep:\n  - queries: [2, 4]\n"
    small, large = load(tmp_path, text).cells
    assert small.key != large.key
    assert (small.queries_together, large.queries_together) == (6, 12)


def test_a_scenario_in_a_log_comes_back_whole(tmp_path):
    text = (
        BASE
        + "training: {epochs: 2, steps: 3, step_s: 0.5}\n"
        + HOSTS.replace("hosts:", "failures: {mtbf_s: 100, repair_s: 2}, hosts:")
    )
    scenario = load(tmp_path, text)
    back = Scenario.from_resolved(scenario.resolved())
    assert back.cells == scenario.cells
    assert back.key == scenario.key


def test_a_record_says_in_words_what_was_simulated(tmp_path):
    text = (
        BASE + "training: {epochs: 2, steps: 3, step_s: 0.5}\nqueries: 4\npool:\n"
        "  failures: {mtbf_s: 100, repair_s: 2}\n  hosts:\n  - {workers: 2, cores: 1}\n"
        "  - {workers: 1, speed: 0.5, latency_s: 0.01, bandwidth_bytes_per_s: 1e6,\n"
        "     queue_delay: {name: lognorm, s: 1.0, scale: 0.02}}\n"
    )
    (cell,) = load(tmp_path, text).cells
    assert record_fields(cell, 0, 0)["machines"] == (
        "2 on 1 cores, 1 on own cores (speed 0.5, 0.01 s away, 1e+06 bytes/s, "
        "queue lognorm 1.0 0.02), failing every 100 s for 2 s, "
        "2 epochs x 3 steps x 4 queries and 0.5 s"
    )


POSITIONS = {
    "another number of workers": (
        BASE + "pool: {workers: 1, hosts: [{workers: 2}, {workers: 3}]}\n",
        "s.yaml:3:8: pool.workers: found 1, but 'pool.hosts' have 5 workers together; leave it out",
    ),
    "no hosts": (
        BASE + "pool: {hosts: []}\n",
        "s.yaml:3:8: pool.hosts: Expected `array` of length >= 1",
    ),
    "a host without workers": (
        BASE + "pool:\n  hosts:\n  - {cores: 2}\n",
        "s.yaml:5:5: pool.hosts.0.workers: missing; it has no default",
    ),
    "a field that no host has": (
        BASE + "pool:\n  hosts:\n  - {workers: 2}\n  - {workers: 2, core: 1}\n",
        "s.yaml:6:18: pool.hosts.1.core: unknown field; allowed here: workers, cores, speed, "
        "latency_s, bandwidth_bytes_per_s, queue_delay_s, queue_delay",
    ),
    "a speed of nothing": (
        BASE + "pool: {hosts: [{workers: 2, speed: 0}]}\n",
        "s.yaml:3:29: pool.hosts.0.speed: Expected `float` >= 0.001, found 0",
    ),
    "cores of dedicated workers": (
        BASE + "pool: {kind: dedicated, hosts: [{workers: 2, cores: 4}]}\n",
        "s.yaml:3:46: pool.hosts.0.cores: found 4; dedicated workers share none",
    ),
    "threads on several hosts": (
        BASE + "pool: {kind: threads, hosts: [{workers: 2}]}\n",
        "s.yaml:3:23: pool.hosts: a pool of kind 'threads' is one process on one host",
    ),
    "threads that fail": (
        BASE + "pool: {kind: threads, failures: {mtbf_s: 3, repair_s: 1}}\n",
        "s.yaml:3:23: pool.failures: a pool of kind 'threads' is one process on one host",
    ),
    "failures all the time": (
        BASE + "pool: {failures: {mtbf_s: 0, repair_s: 1}}\n",
        "s.yaml:3:19: pool.failures.mtbf_s: Expected `float` >= 0.001, found 0",
    ),
    "a queue that is not known": (
        BASE + "pool: {hosts: [{workers: 1, queue_delay: {name: gauss}}]}\n",
        "s.yaml:3:29: pool.hosts.0.queue_delay: found name 'gauss'; expected a distribution of "
        "scipy.stats",
    ),
    "two sorts of queue": (
        BASE + "pool: {hosts: [{workers: 1, queue_delay_s: 1, queue_delay: {name: expon}}]}\n",
        "s.yaml:3:47: pool.hosts.0.queue_delay: 'queue_delay_s' says the delay already",
    ),
    "no steps": (
        BASE + "training: {epochs: 2}\n",
        "s.yaml:3:1: training.steps: missing; it has no default",
    ),
    "steps of a stream": (
        BASE + "training: {steps: 2}\narrivals: {kind: poisson, rate_per_s: 1}\n",
        "s.yaml:3:1: training: its steps follow each other; take 'arrivals.kind: sequence'",
    ),
    "more queries than there is time for": (
        BASE + "training: {epochs: 1000, steps: 1000}\nqueries: 3\n",
        "s.yaml:3:1: training: asks for 3,000,000 queries in all of its steps together; expected "
        "at most 1,000,000",
    ),
}


@pytest.mark.parametrize(("text", "message"), POSITIONS.values(), ids=POSITIONS)
def test_a_wrong_value_is_named_with_its_place_and_what_is_allowed(tmp_path, text, message):
    assert refusal(tmp_path, text).startswith(message)
