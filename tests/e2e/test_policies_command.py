"""``qcutsim policies`` shows what is installed, and real runs log what they were told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qcutsim import load_scenario, read_queries, run_scenario
from qcutsim.cli import main
from qcutsim.dispatch import policy_class, policy_kinds


def test_every_policy_and_parameter_is_shown(capsys):
    assert main(["policies"]) == 0
    shown = capsys.readouterr().out
    for kind in policy_kinds():
        assert kind in shown
        for parameter in policy_class(kind).config.__struct_fields__:
            assert parameter in shown


def test_as_data_they_carry_defaults_limits_and_meaning(capsys):
    assert main(["policies", "--json"]) == 0
    found = {policy["kind"]: policy for policy in json.loads(capsys.readouterr().out)}
    assert sorted(found) == policy_kinds()
    (size,) = [p for p in found["batched"]["parameters"] if p["name"] == "size"]
    assert size == {
        "name": "size",
        "default": 16,
        "allowed": "integer >= 1 <= 1e+06",
        "meaning": "tasks in a batch",
    }
    assert all(p["meaning"] for policy in found.values() for p in policy["parameters"])


SCENARIO = """
name: everything at once
seed: 3
workload: {{partition_labels: ABCD, pipeline: planned, reconstruction: {strategy}, chunk: 8}}
pool: {{kind: {pool}, workers: {workers}}}
policy: {{kind: speculative, quantile: 0.5}}
stragglers: {{probability: 0.5, per: worker, distribution: {{name: expon, scale: 0.001}}}}
window: 3
{timeout}
queries: 5
"""


def scenario_text(pool: str, workers: int, strategy: str) -> str:
    timeout = "" if pool == "inline" else "timeout_s: 60"
    return SCENARIO.format(pool=pool, workers=workers, strategy=strategy, timeout=timeout)


@pytest.mark.parametrize(
    ("pool", "workers", "strategy"),
    [("inline", 1, "contracted"), ("threads", 2, "incremental"), ("processes", 2, "tree")],
)
def test_a_real_run_logs_its_policy_window_timeout_and_stragglers(
    pool, workers, strategy, tmp_path
):
    scenario = tmp_path / "s.yaml"
    scenario.write_text(scenario_text(pool, workers, strategy))
    log = run_scenario(load_scenario(scenario), tmp_path / "out")
    warm = [entry for entry in read_queries([log]) if not entry.query.is_cold]
    assert sorted(entry.query.index for entry in warm) == [0, 1, 2, 3, 4]
    for entry in warm:
        query = entry.query
        assert (query.policy, query.window) == ("speculative", 3)
        assert query.timeout_s == (None if pool == "inline" else 60.0)
        assert query.cancel == ("none" if pool == "inline" else "sleep_only")
        assert query.chunk == 8
        assert query.policy_parameters["quantile"] == 0.5
        assert query.policy_parameters["samples"] == 5
        assert query.straggler_distribution == {"name": "expon", "scale": 0.001}
        assert query.straggler_per == "worker"
        assert (query.pipeline, query.reconstruction) == ("planned", strategy)
        assert query.executed == len(entry.tasks)
        merges = [task for task in entry.tasks if task.partition == "merge"]
        assert len({merge.task for merge in merges}) == (3 if strategy == "tree" else 0)
        assert all(merge.ready_s > query.submitted_s for merge in merges)


def test_the_same_seed_gives_the_same_values_whatever_the_run_is_like(tmp_path):
    values: dict[tuple[str, str], list[float | None]] = {}
    for number, (pool, workers, strategy) in enumerate(
        [("inline", 1, "tree"), ("threads", 2, "tree"), ("processes", 2, "tree")]
    ):
        scenario: Path = tmp_path / f"{number}.yaml"
        scenario.write_text(scenario_text(pool, workers, strategy))
        log = run_scenario(load_scenario(scenario), tmp_path / str(number))
        warm = [entry.query for entry in read_queries([log]) if not entry.query.is_cold]
        values[pool, strategy] = [q.value for q in sorted(warm, key=lambda query: query.index)]
    first, *others = values.values()
    assert all(other == first for other in others)
    assert len(set(first)) == 5
