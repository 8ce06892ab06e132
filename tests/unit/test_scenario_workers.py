"""Scenario YAML: pools, policies, stragglers and windows, and what is said of wrong ones."""

from __future__ import annotations

import pytest
from scenariotexts import BASE, load, refusal


def test_a_policy_has_all_of_its_parameters_whichever_are_given(tmp_path):
    whole = {"kind": "batched", "size": 4, "delay_s": 0.0, "loop": "closed"}
    assert load(tmp_path, BASE + "policy: {kind: batched, size: 4}\n").cells[0].policy == whole
    assert load(tmp_path, BASE + "policy: eager\n").cells[0].policy == {"kind": "eager"}
    assert load(tmp_path, BASE).cells[0].policy == {"kind": "eager"}


def test_a_policy_given_by_its_kind_is_the_same_configuration_as_one_spelled_out(tmp_path):
    short = load(tmp_path, BASE + "policy: {kind: staggered}\n").cells[0]
    spelled = load(
        tmp_path, BASE + "policy: {kind: staggered, by: partition, spacing_s: 0.05}\n"
    ).cells[0]
    assert short.key == spelled.key


def test_policies_can_be_swept_with_their_parameters(tmp_path):
    scenario = load(
        tmp_path,
        BASE + "sweep:\n  - policy: [{kind: eager}, {kind: batched, size: 2}, work_stealing]\n",
    )
    assert [cell.policy["kind"] for cell in scenario.cells] == ["eager", "batched", "work_stealing"]


POSITIONS = {
    "a policy that is not installed": (
        BASE + "policy: {kind: lazy}\n",
        "s.yaml:3:10: policy.kind: no policy 'lazy' is installed; there are: batched, eager, "
        "longest_first, speculative, staggered, variance_first, work_stealing",
    ),
    "a policy without a kind": (
        BASE + "policy: {size: 3}\n",
        "s.yaml:3:1: policy: expected a kind and its parameters, as in 'policy: {kind: eager}'",
    ),
    "a parameter of another policy": (
        BASE + "policy:\n  kind: eager\n  size: 3\n",
        "s.yaml:5:3: policy.size: unknown field; allowed here: kind",
    ),
    "a parameter out of range": (
        BASE + "policy:\n  kind: batched\n  size: 0\n",
        "s.yaml:5:3: policy.size: Expected `int` >= 1, found 0",
    ),
    "a parameter that is no choice": (
        BASE + "policy: {kind: batched, loop: ajar}\n",
        "s.yaml:3:25: policy.loop: found 'ajar'; allowed: 'open', 'closed'",
    ),
    "threads that would be killed": (
        BASE + "pool: {kind: threads, cancel: kill}\n",
        "s.yaml:3:23: pool.cancel: a pool of kind 'threads' cannot 'kill'; allowed: sleep_only, "
        "none",
    ),
    "two workers inline": (
        BASE + "pool: {kind: inline, workers: 2}\n",
        "s.yaml:3:22: pool.workers: an inline pool has one worker, found 2",
    ),
    "two sorts of delay": (
        BASE + "stragglers: {delay_s: 1, distribution: {name: expon}}\n",
        "s.yaml:3:26: stragglers.distribution: 'delay_s' says the delay already",
    ),
    "a distribution that is not known": (
        BASE + "stragglers: {distribution: {name: gauss}}\n",
        "s.yaml:3:14: stragglers.distribution: found name 'gauss'; expected a distribution of "
        "scipy.stats",
    ),
    "a function that is no distribution": (
        BASE + "stragglers: {distribution: {name: kstest}}\n",
        "s.yaml:3:14: stragglers.distribution: found name 'kstest'",
    ),
    "a parameter that no distribution has": (
        BASE + "stragglers: {distribution: {name: lognorm, sigma: 1}}\n",
        "s.yaml:3:14: stragglers.distribution: scipy.stats.lognorm does not take {'sigma': 1}",
    ),
    "a distribution of delays below zero": (
        BASE + "stragglers: {distribution: {name: norm, scale: 0.1}}\n",
        "s.yaml:3:14: stragglers.distribution: scipy.stats.norm with {'scale': 0.1} reaches down "
        "to -inf; a delay cannot be negative",
    ),
    "a distribution that is not defined": (
        BASE + "stragglers: {distribution: {name: expon, scale: -1}}\n",
        "s.yaml:3:14: stragglers.distribution: scipy.stats.expon is not defined for {'scale': -1}",
    ),
    "a window over a stream": (
        BASE + "window: 4\narrivals: {kind: poisson, rate_per_s: 2}\n",
        "s.yaml:3:1: window: goes with 'arrivals.kind: sequence'",
    ),
    "no time at all": (
        BASE + "timeout_s: 0\n",
        "s.yaml:3:1: timeout_s: Expected `float` > 0.0, found 0",
    ),
    "a strategy that is not known": (
        "name: a\nworkload: {partition_labels: AABB, pipeline: planned, reconstruction: magic}\n",
        "s.yaml:2:55: workload.reconstruction: found 'magic'; allowed: auto, contracted, "
        "incremental, per_shot, tree, vectorised",
    ),
    "a chunk of the library's": (
        "name: a\nworkload: {partition_labels: AABB, chunk: 3}\n",
        "s.yaml:2:36: workload.chunk: belongs to 'pipeline: planned'",
    ),
    "a timeout inline": (
        BASE + "pool: {kind: inline}\ntimeout_s: 3\n",
        "s.yaml:4:1: timeout_s: an inline pool cannot give a task up",
    ),
    "stragglers without a delay": (
        BASE + "stragglers: {probability: 0.5, per: worker}\n",
        "s.yaml:3:14: stragglers.probability: says how often there is a delay, and nothing says",
    ),
    "no way to cancel": (
        BASE + "pool: {cancel: perhaps}\n",
        "s.yaml:3:8: pool.cancel: found 'perhaps'; allowed: 'none', 'sleep_only', 'kill'",
    ),
}


@pytest.mark.parametrize(("text", "message"), POSITIONS.values(), ids=POSITIONS)
def test_a_wrong_value_is_named_with_its_place_and_what_is_allowed(tmp_path, text, message):
    assert refusal(tmp_path, text).startswith(message)
