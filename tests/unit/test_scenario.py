"""Scenario YAML: what it means, and what is said of one that is wrong."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from builders import make_scenario, scenario_yaml
from scenariotexts import BASE, load, refusal

from qcutsim.cell import Arrivals, Cell, Pool, Workload
from qcutsim.errors import ScenarioError
from qcutsim.scenario import Scenario, load_scenario
from qcutsim.stragglers import Stragglers

ROOT = Path(__file__).parents[2]


def test_a_scenario_of_two_lines_has_one_cell_of_defaults(tmp_path):
    scenario = load(tmp_path, BASE)
    assert scenario.cells == (Cell(workload=Workload(partition_labels="AABB")),)
    assert (scenario.name, scenario.seed) == ("a", 0)
    assert (scenario.repetitions, scenario.replications) == (1, 1)


def test_every_field_reaches_the_cell(tmp_path):
    scenario = load(
        tmp_path,
        "name: all\nseed: 3\nrepetitions: 4\nreplications: 5\nqueries: 6\n"
        "workload: {dataset: iris, partition_labels: ABCD, observable: XYZI, shots: 10,"
        " pipeline: upstream, shape: x.json}\n"
        "pool: {kind: dedicated, workers: 7}\npolicy: {kind: eager}\n"
        "stragglers: {probability: 0.25, delay_s: 1.5}\n"
        "arrivals: {kind: poisson, rate_per_s: 2}\n",
    )
    assert (scenario.seed, scenario.repetitions, scenario.replications) == (3, 4, 5)
    assert scenario.cells == (
        Cell(
            workload=Workload(partition_labels="ABCD", observable="XYZI", shots=10, shape="x.json"),
            pool=Pool(kind="dedicated", workers=7),
            stragglers=Stragglers(probability=0.25, delay_s=1.5),
            arrivals=Arrivals(kind="poisson", rate_per_s=2.0),
            queries=6,
        ),
    )


def test_fields_of_one_axis_vary_together_and_axes_are_crossed(tmp_path):
    scenario = load(
        tmp_path,
        BASE + "pool: {kind: threads}\nsweep:\n"
        "  - workload.partition_labels: [AAAA, AABB, ABBC]\n    queries: [4, 3, 1]\n"
        "  - pool.workers: [1, 2]\n",
    )
    found = [(c.workload.partition_labels, c.queries, c.pool.workers) for c in scenario.cells]
    assert found == [
        ("AAAA", 4, 1),
        ("AAAA", 4, 2),
        ("AABB", 3, 1),
        ("AABB", 3, 2),
        ("ABBC", 1, 1),
        ("ABBC", 1, 2),
    ]
    assert {cell.pool.kind for cell in scenario.cells} == {"threads"}


def test_an_axis_may_set_a_whole_mapping(tmp_path):
    scenario = load(tmp_path, BASE + "sweep:\n  - pool: [{kind: threads}, {workers: 3}]\n")
    assert [cell.pool for cell in scenario.cells] == [Pool(kind="threads"), Pool(workers=3)]


def test_numbers_and_words_are_those_of_yaml_1_2(tmp_path):
    """YAML 1.1 would read 1e-3 as text and ``no`` as false."""
    scenario = load(
        tmp_path,
        "name: no\nworkload: {partition_labels: AABB}\n"
        "stragglers: {probability: 1e-3, delay_s: 1E2}\n",
    )
    assert scenario.name == "no"
    assert scenario.cells[0].stragglers == Stragglers(probability=0.001, delay_s=100.0)


def test_a_seed_given_beside_the_file_replaces_the_one_in_it(tmp_path):
    assert load(tmp_path, BASE + "seed: 3\n", seed=0).seed == 0
    assert load(tmp_path, BASE + "seed: 3\n").seed == 3


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(tmp_path, seed):
    with pytest.raises(ScenarioError, match=f"seed: {seed} .* from 0 to {2**63 - 1}$"):
        load(tmp_path, BASE, seed=seed)


POSITIONS = {
    "unknown field at the top": (
        BASE + "workers: 3\n",
        "s.yaml:3:1: workers: unknown field; allowed here: arrivals, name, policy, pool, queries, "
        "repetitions, replications, seed, stragglers, sweep, timeout_s, training, window, workload",
    ),
    "unknown field further in": (
        BASE + "pool:\n  kind: threads\n  wrokers: 3\n",
        "s.yaml:5:3: pool.wrokers: unknown field; allowed here: kind, workers, cancel, restart_s",
    ),
    "wrong type": (
        BASE + "pool: {workers: four}\n",
        "s.yaml:3:8: pool.workers: Expected `int`, got `str`, found 'four'",
    ),
    "fraction for a whole number": (
        BASE + "pool: {workers: 1.5}\n",
        "s.yaml:3:8: pool.workers: Expected `int`, got `float`, found 1.5",
    ),
    "null": (BASE + "pool: null\n", "s.yaml:3:1: pool: Expected `object`, got `null`"),
    "too small": (
        BASE + "repetitions: 0\n",
        "s.yaml:3:1: repetitions: Expected `int` >= 1, found 0",
    ),
    "too large": (
        BASE + "stragglers:\n  probability: 1.5\n",
        "s.yaml:4:3: stragglers.probability: Expected `float` <= 1.0, found 1.5",
    ),
    "not a number": (
        BASE + "stragglers: {probability: .nan}\n",
        "s.yaml:3:14: stragglers.probability: Expected `float` >= 0.0, found nan",
    ),
    "negative seed": (BASE + "seed: -1\n", "s.yaml:3:1: seed: Expected `int` >= 0, found -1"),
    "not one of the kinds": (
        BASE + "pool: {kind: gpu}\n",
        "s.yaml:3:8: pool.kind: found 'gpu'; allowed: 'inline', 'threads', 'processes', "
        "'dedicated'",
    ),
    "no name": ("workload: {partition_labels: AABB}\n", "s.yaml:1:1: name: missing;"),
    "no workload": ("name: a\n", "s.yaml:1:1: workload: missing;"),
    "no labels": (
        "name: a\nworkload: {shots: 5}\n",
        "s.yaml:2:1: workload.partition_labels: missing;",
    ),
    "labels of another length": (
        "name: a\nworkload:\n  partition_labels: AAB\n",
        "s.yaml:3:3: workload.partition_labels: 'AAB' has 3 letters, the observable 'ZZZZ' has 4 "
        "qubits; give one letter a qubit",
    ),
    "not a Pauli letter": (
        "name: a\nworkload: {partition_labels: AABB, observable: ZZQZ}\n",
        "s.yaml:2:36: workload.observable: expected Pauli letters I, X, Y, Z, found 'ZZQZ'",
    ),
    "no letter": (
        "name: a\nworkload: {partition_labels: A, observable: ''}\n",
        "s.yaml:2:33: workload.observable: expected Pauli letters I, X, Y, Z, found ''",
    ),
    "labels that are no letters": (
        "name: a\nworkload: {partition_labels: A/B}\n",
        "s.yaml:2:12: workload.partition_labels: Expected `str` matching regex",
    ),
    "not the qubits of Iris": (
        "name: a\nworkload: {partition_labels: AAB, observable: ZZZ}\n",
        "s.yaml:2:35: workload.observable: 'ZZZ' has 3 qubits; Iris has 4 features",
    ),
    "a rate without a stream": (
        BASE + "arrivals: {rate_per_s: 2}\n",
        "s.yaml:3:1: arrivals: 'rate_per_s' goes with 'kind: poisson', and only with it",
    ),
    "a stream without a rate": (
        BASE + "arrivals: {kind: poisson}\n",
        "s.yaml:3:1: arrivals: 'rate_per_s' goes with 'kind: poisson', and only with it",
    ),
}


@pytest.mark.parametrize(("text", "message"), POSITIONS.values(), ids=POSITIONS)
def test_a_wrong_value_is_named_with_its_place_and_what_is_allowed(tmp_path, text, message):
    assert refusal(tmp_path, text).startswith(message)


SWEEPS = {
    "not a list": ("sweep: 3\n", "3:1: sweep: expected a list of axes, found 3"),
    "a mapping": ("sweep: {queries: [1]}\n", "3:1: sweep: expected a list of axes"),
    "an axis that is no mapping": ("sweep: [4]\n", "3:9: sweep: an axis maps fields to lists"),
    "no values": (
        "sweep:\n  - pool.workers: []\n",
        "4:5: sweep.pool.workers: expected a non-empty list or a range, found []",
    ),
    "one value, no list": (
        "sweep:\n  - pool.workers: 4\n",
        "4:5: sweep.pool.workers: expected a non-empty list or a range, found 4",
    ),
    "lists of unequal length": (
        "sweep:\n  - pool.workers: [1, 2]\n    queries: [1, 2, 3]\n",
        "4:5: sweep: fields of one axis vary together and need lists of the same length; "
        "found lengths 2, 3",
    ),
    "a value out of range": (
        "pool: {workers: 8}\nsweep:\n  - pool.workers: [1, 2,\n                   0]\n",
        "6:20: pool.workers: Expected `int` >= 1, found 0",
    ),
    "a value inside a mapping": (
        "stragglers: {probability: 0.1}\nsweep:\n"
        "  - stragglers:\n      - {probability: 0.2, delay_s: 1}\n      - probability: 2\n",
        "7:9: stragglers.probability: Expected `float` <= 1.0, found 2",
    ),
    "labels of another length": (
        "sweep:\n  - workload.partition_labels: [AABB, AAB]\n",
        "4:39: workload.partition_labels: 'AAB' has 3 letters",
    ),
    "a bad observable": (
        "sweep:\n  - workload.observable: [ZZZZ, ABCD]\n",
        "4:33: workload.observable: expected Pauli letters I, X, Y, Z, found 'ABCD'",
    ),
    "an unknown field": (
        "sweep:\n  - pool.wrokers: [1]\n",
        "4:20: pool.wrokers: unknown field; allowed here: kind, workers",
    ),
    "a field of an unknown part": (
        "sweep:\n  - queries: [1, 2]\n  - polo.workers: [1]\n",
        "5:20: polo: unknown field; allowed here: workload, pool",
    ),
    "a field of the head": ("sweep:\n  - seed: [1]\n", "4:12: seed: unknown field; allowed here:"),
    "a part of a value": (
        "sweep:\n  - workload.partition_labels.x: [1]\n",
        "4:5: sweep: 'workload.partition_labels.x' is not a field",
    ),
    "the same cell twice": (
        "sweep:\n  - pool.workers: [1, 1]\n",
        "3:1: sweep: two of its cells are the same configuration",
    ),
    "cells that differ in queries only": (
        "sweep:\n  - queries: [1, 2]\n",
        "3:1: sweep: two of its cells are the same configuration",
    ),
    "a field on two axes": (
        "sweep:\n  - pool.workers: [1]\n  - pool.workers: [2]\n",
        "5:5: sweep.pool.workers: another axis sets it already",
    ),
    "a field within a field of another axis": (
        "sweep:\n  - pool: [{workers: 1}]\n  - pool.workers: [2]\n",
        "5:5: sweep.pool.workers: another axis sets it already",
    ),
}


@pytest.mark.parametrize(("text", "message"), SWEEPS.values(), ids=SWEEPS)
def test_a_wrong_sweep_is_named_where_it_stands(tmp_path, text, message):
    """A value of the sweep is reported at its own line and column, not at its field's."""
    assert refusal(tmp_path, BASE + text).startswith(f"s.yaml:{message}")


FILES = {
    "empty": ("", r":1:1: the file is empty; see scenarios/"),
    "only a comment": ("# nothing\n", r":1:1: the file is empty"),
    "a word": ("hello\n", r":1:1: a scenario is a mapping that begins 'name: \.\.\.'"),
    "a list": ("- name: a\n", r":1:1: a scenario is a mapping"),
    "an open bracket": ("name: a\npool: {workers: 1\nseed: 1\n", r":\d:\d+: not valid YAML: "),
    "a tab": ("name: a\n\tseed: 1\n", r":2:1: not valid YAML: "),
    "two documents": ("name: a\n---\nname: b\n", r":2:1: not valid YAML: "),
    "a control character": ('name: a\nseed: "\x01"\n', r":2:8: not valid YAML: control character"),
    "an unknown tag": ("name: !!python/name:os.system\n", r":1:7: not valid YAML: "),
    "a tag that does not fit": ("name: a\nseed: !!int x\n", r":2:7: not valid YAML: 'x' .* int$"),
    "an empty number": ("name: a\nseed: !!int ''\n", r":2:7: not valid YAML: '' .* int$"),
    "an empty float": ("name: a\nseed: !!float ''\n", r":2:7: not valid YAML: '' .* float$"),
    "no truth": ("name: a\nseed: !!bool maybe\n", r":2:7: not valid YAML: 'maybe' .* bool$"),
    "no null": ("name: a\nseed: !!null x\n", r":2:7: not valid YAML: 'x' .* null$"),
    "an alias bomb": (
        "name: a\na: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(f"{n}: &{n} [{', '.join([f'*{m}'] * 10)}]\n" for m, n in pairwise("abcdef")),
        r": holds more than 100000 values",
    ),
    "an unknown alias": ("name: *x\n", r":1:7: not valid YAML: found undefined alias"),
    "an alias within itself": ("name: &x [*x]\n", r": not usable YAML: .* contains itself"),
    "a key twice": ("name: a\nseed: 1\nname: b\n", r":3:1: the key 'name' stands twice"),
    "a nested key twice": (BASE + "pool: {kind: threads, kind: threads}\n", r":3:23: the key"),
    "a number as key": ("name: a\n1: 2\n", r":2:1: a key must be text, not 1"),
}


@pytest.mark.parametrize(("text", "pattern"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_scenario_is_refused_where_it_goes_wrong(tmp_path, text, pattern):
    assert re.match("s.yaml" + pattern, refusal(tmp_path, text))


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "s.yaml"
    with pytest.raises(ScenarioError, match=re.escape(f"{path}: no such file")):
        load_scenario(path)
    path.write_bytes(b"name: \xff\n")
    with pytest.raises(ScenarioError, match=re.escape(f"{path}: not a text file in UTF-8")):
        load_scenario(path)
    with pytest.raises(ScenarioError, match=re.escape(f"{tmp_path}: cannot be read (Is a dir")):
        load_scenario(tmp_path)


def test_a_scenario_comes_back_from_a_log_with_the_same_key():
    scenario = load_scenario(ROOT / "scenarios" / "quickstart.yaml")
    written = msgspec.json.decode(msgspec.json.encode(scenario.resolved()))
    again = Scenario.from_resolved(written)
    assert again.cells == scenario.cells
    assert again.resolved() == scenario.resolved()
    assert again.key == scenario.key


@pytest.mark.parametrize(
    "change",
    [{"cells": None}, {"cells": [{"pool": {}}]}, {"repetitions": 0}, {"author": "me"}],
)
def test_a_scenario_in_a_log_that_cannot_be_used_is_refused(change):
    with pytest.raises(ScenarioError, match="the scenario in the log cannot be used: "):
        Scenario.from_resolved(make_scenario().resolved() | change)


def test_the_key_of_a_cell_does_not_tell_how_often_it_is_run():
    (cell,) = make_scenario(labels=("AABB",), kinds=("threads",), workers=(1,)).cells
    assert msgspec.structs.replace(cell, queries=99).key == cell.key
    assert len(cell.key) == 12


@pytest.mark.parametrize(
    "change",
    [
        {"workload": Workload(partition_labels="ABBC")},
        {"pool": Pool(kind="threads", workers=2)},
        {"stragglers": Stragglers(probability=0.5, delay_s=0.1)},
        {"arrivals": Arrivals(kind="poisson", rate_per_s=1.0)},
    ],
)
def test_the_key_of_a_cell_changes_with_anything_else(change):
    (cell,) = make_scenario(labels=("AABB",), kinds=("threads",), workers=(1,)).cells
    assert msgspec.structs.replace(cell, **change).key != cell.key


def test_the_key_of_a_scenario_changes_with_what_is_asked_not_with_where_it_stands(tmp_path):
    scenario = make_scenario()
    (tmp_path / "other").mkdir()
    assert load(tmp_path, scenario_yaml(scenario)).key == scenario.key
    assert load(tmp_path / "other", scenario_yaml(scenario)).key == scenario.key
    assert make_scenario(seed=6).key != scenario.key
    assert make_scenario(queries=6).key != scenario.key


SHIPPED = sorted([*(ROOT / "scenarios").glob("*.yaml"), *(ROOT / "qcutsim").glob("*/*.yaml")])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_scenario_that_comes_with_qcutsim_loads(path):
    scenario = load_scenario(path)
    assert scenario.cells
    assert Scenario.from_resolved(scenario.resolved()).key == scenario.key


def test_all_that_is_wrong_is_said_at_once_each_below_its_line_with_a_caret(tmp_path):
    text = """name: 7
sed: 1
workload: {partition_labels: AABB, observable: QQQQ, shot: 0}
pool: {kind: thread, workers: none}
policy: {kind: batched, size: 0, loop: ajar}
sweep:
  - queries: [1, 0]
  - window: [1, 2]
    timeout_s: [1]
"""
    with pytest.raises(ScenarioError) as raised:
        load(tmp_path, text)
    found = [problem.splitlines() for problem in raised.value.problems]
    assert [lines[0].removeprefix(f"{tmp_path}/") for lines in found] == [
        "s.yaml:2:1: sed: unknown field; allowed here: arrivals, name, policy, pool, queries, "
        "repetitions, replications, seed, stragglers, sweep, timeout_s, training, window, "
        "workload; did you mean 'seed'?",
        "s.yaml:1:1: name: Expected `str`, got `int`, found 7",
        "s.yaml:8:5: sweep: fields of one axis vary together and need lists of the same length; "
        "found lengths 1, 2",
    ]
    assert [lines[1:] for lines in found] == [
        ["    sed: 1", "    ^"],
        ["    name: 7", "    ^"],
        ["      - window: [1, 2]", "        ^"],
    ]


def test_what_is_wrong_in_several_cells_is_said_once_and_every_field_has_its_own(tmp_path):
    text = """name: a
workload: {partition_labels: AABB, shot: 0}
pool: {kind: thread, workers: none}
policy: {kind: batched, size: 0, loop: ajar}
sweep:
  - queries: [1, 0]
  - window: [1, 2]
"""
    with pytest.raises(ScenarioError) as raised:
        load(tmp_path, text)
    places = [problem.split(": ")[:2] for problem in raised.value.problems]
    assert [(place.removeprefix(f"{tmp_path}/s.yaml:"), field) for place, field in places] == [
        ("4:25", "policy.size"),
        ("4:34", "policy.loop"),
        ("2:36", "workload.shot"),
        ("3:8", "pool.kind"),
        ("3:22", "pool.workers"),
        ("6:18", "queries"),
    ]


def test_of_very_many_problems_the_first_are_shown_and_the_rest_counted(tmp_path):
    text = "name: a\nworkload: {partition_labels: AABB}\n"
    text += "".join(f"unknown{number}: 1\n" for number in range(50))
    with pytest.raises(ScenarioError) as raised:
        load(tmp_path, text)
    assert len(raised.value.problems) == 21
    assert raised.value.problems[-1] == f"{tmp_path}/s.yaml: and 30 more of them"
