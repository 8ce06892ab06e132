"""What a plan searches: ways to cut, and what a scenario narrows."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scenariotexts import BASE, load

from qcutsim.dispatch import policy_kinds
from qcutsim.errors import InputError, ScenarioError
from qcutsim.settings import (
    WORKERS,
    base_of,
    candidates,
    canonical,
    chain_partitions,
    choices_of,
    widest,
)

KINDS = ["threads", "processes"]


@given(st.integers(1, 8), st.integers(1, 8))
def test_a_chain_is_cut_in_every_way_into_runs_that_are_narrow_enough(qubits, most):
    """Against all ways to put a cut, or none, between each two neighbours."""
    expected = set()
    for cuts in itertools.product([False, True], repeat=qubits - 1):
        numbers = [0, *itertools.accumulate(map(int, cuts))]
        labels = "".join("ABCDEFGH"[n] for n in numbers)
        if widest(labels) <= most:
            expected.add(labels)
    found = list(chain_partitions(qubits, most))
    assert set(found) == expected
    assert len(found) == len(expected)
    cuts_of = [len(set(labels)) for labels in found]
    assert cuts_of == sorted(cuts_of)


def test_partitions_that_differ_in_letters_only_are_one():
    assert canonical("ZZAq") == "AABC"
    assert canonical("ABBA") == canonical("XYYX") == "ABBA"


def test_what_a_scenario_does_not_say_is_searched_over_all_there_is(tmp_path):
    choices, left_out = choices_of(load(tmp_path, BASE), ["planned"], KINDS, max_qubits=3)
    assert choices.labels[0] == "AABB"  # the scenario's own
    assert set(choices.labels) == set(chain_partitions(4, 3))
    assert {reconstruction for _, reconstruction in choices.strategies} == {
        "contracted",
        "incremental",
        "tree",
        "vectorised",
    }
    assert (choices.kinds, choices.workers) == (tuple(KINDS), WORKERS)
    searched = [policy["kind"] for policy in choices.policies]
    assert searched[0] == "eager"
    named = [text.split("'")[1] for text in left_out]
    assert sorted(searched + named) == policy_kinds()  # each is judged, or named


def test_a_sweep_narrows_the_search_to_its_values(tmp_path):
    text = BASE + (
        "sweep:\n"
        "  - workload.partition_labels: [AABB, ABCD]\n"
        "  - pool.workers: [3, 5]\n"
        "  - policy: [eager, batched]\n"
    )
    choices, left_out = choices_of(load(tmp_path, text), ["upstream"], KINDS)
    assert choices.labels == ("AABB", "ABCD")
    assert choices.workers == (3, 5)
    assert [policy["kind"] for policy in choices.policies] == ["eager", "batched"]
    assert left_out == []
    assert choices_of(load(tmp_path, text), ["upstream"], KINDS, workers=[7])[0].workers == (7,)


def test_labels_that_are_too_wide_are_named(tmp_path):
    text = BASE + "sweep:\n  - workload.partition_labels: [AABB, ABCD]\n"
    choices, left_out = choices_of(load(tmp_path, text), ["upstream"], KINDS, max_qubits=1)
    assert choices.labels == ("ABCD",)
    assert left_out[0] == "AABB: has 2 qubits in one partition, more than 1"


@pytest.mark.parametrize("most", [0, -1])
def test_no_partition_is_without_qubits(tmp_path, most):
    with pytest.raises(InputError, match=f"--max-qubits {most}: expected at least 1"):
        choices_of(load(tmp_path, BASE), ["upstream"], KINDS, max_qubits=most)


def test_what_a_plan_does_not_choose_has_one_value(tmp_path):
    text = BASE + "stragglers: {delay_s: 0.1}\nsweep:\n  - stragglers.probability: [0, 0.1]\n"
    with pytest.raises(ScenarioError, match=r"stragglers\.probability: takes several values"):
        base_of(load(tmp_path, text))


def test_dedicated_machines_are_kept(tmp_path):
    scenario = load(tmp_path, BASE + "pool: {kind: dedicated}\n")
    assert choices_of(scenario, ["upstream"], KINDS)[0].kinds == ("dedicated",)


def test_with_another_speed_workers_that_are_this_process_are_named(tmp_path):
    scenario = load(tmp_path, BASE)
    choices, left_out = choices_of(scenario, ["upstream"], KINDS, speed=2.0)
    assert choices.kinds == ("processes",)
    assert any(text.startswith("pools of kind threads: ") for text in left_out)
    cells = list(candidates(base_of(scenario), choices, speed=2.0, cores=2))
    assert {host.speed for cell in cells for host in cell.pool.hosts} == {2.0}
    with pytest.raises(InputError, match="no pool is left"):
        choices_of(scenario, ["upstream"], ["threads"], speed=2.0)


def test_no_setting_comes_twice(tmp_path):
    scenario = load(tmp_path, BASE)
    choices, _ = choices_of(scenario, ["planned", "upstream"], KINDS)
    keys = [cell.key for cell in candidates(base_of(scenario), choices, speed=1.0, cores=None)]
    assert len(set(keys)) == len(keys) > 1000
