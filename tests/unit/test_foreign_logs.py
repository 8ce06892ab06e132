"""Logs of other writers: other names, fewer fields, compressed, torn."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from builders import make_scenario, query_record, run_record, task_record, write_log
from hypothesis import given, settings
from hypothesis import strategies as st

from qcutsim.analysis import summarise
from qcutsim.calibrate import calibrate_logs
from qcutsim.cli import main
from qcutsim.errors import LogError, ProfileError
from qcutsim.foreignlog import QUERY_ALIASES, TASK_ALIASES
from qcutsim.logreader import SkipReport, read_queries, read_records
from qcutsim.records import QueryRecord, RunRecord, TaskRecord
from qcutsim.simulation import Simulation

QUERY: dict[str, Any] = {
    "query": 3,
    "partition_labels": "AABB",
    "cuts": 1,
    "subexperiments": 12,
    "shots": 1024,
    "workers": 2,
    "straggler_probability": 0.1,
    "partition_s": 0.125,
    "generate_s": 0.25,
    "execute_s": 2.0,
    "reconstruct_s": 0.5,
    "total_s": 2.875,
}
TASK: dict[str, Any] = {
    "query": 3,
    "task": 7,
    "worker": 1,
    "ready_s": 0.5,
    "dispatched_s": 1.0,
    "started_s": 1.5,
    "ended_s": 2.0,
    "collected_s": 2.5,
    "injected_delay_s": 0.25,
    "mid_circuit_measurements": 1,
}


def written(folder: Path, *lines: dict[str, Any] | str, name: str = "foreign.jsonl") -> Path:
    path = folder / name
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(text + "\n" for text in texts))
    return path


def renamed(fields: dict[str, Any], name: str, other: str) -> dict[str, Any]:
    return {other if key == name else key: value for key, value in fields.items()}


@pytest.mark.parametrize(
    ("name", "other"), [(name, other) for name, names in QUERY_ALIASES.items() for other in names]
)
def test_a_query_is_read_under_every_other_name_of_its_fields(tmp_path, name, other):
    _, query = read_records(written(tmp_path, renamed(QUERY, name, other)))
    assert isinstance(query, QueryRecord)
    assert {field: getattr(query, field) for field in QUERY} == QUERY


@pytest.mark.parametrize(
    ("name", "other"), [(name, other) for name, names in TASK_ALIASES.items() for other in names]
)
def test_a_task_is_read_under_every_other_name_of_its_fields(tmp_path, name, other):
    _, task = read_records(written(tmp_path, {"kind": "task", **renamed(TASK, name, other)}))
    assert isinstance(task, TaskRecord)
    assert {field: getattr(task, field) for field in TASK} == TASK


def test_our_own_name_counts_before_another_one(tmp_path):
    _, query = read_records(written(tmp_path, {**QUERY, "subexp_workers": 9}))
    assert query.workers == 2


def test_an_unknown_run_stands_before_queries_that_have_none(tmp_path):
    run, query = read_records(written(tmp_path, QUERY))
    assert isinstance(run, RunRecord)
    assert (run.origin, run.run) == ("measured", "foreign.jsonl")
    assert (run.manifest.machine.processor, run.manifest.machine.cores) == ("unknown", None)
    (log,) = read_queries(written(tmp_path, TASK, QUERY))
    assert (log.query, [task.task for task in log.tasks]) == (query, [7])


def test_one_missing_stage_is_what_the_others_leave_of_the_total(tmp_path):
    fields = {key: value for key, value in QUERY.items() if key != "reconstruct_s"}
    _, query = read_records(written(tmp_path, fields))
    assert query.reconstruct_s == 0.5


def test_the_total_is_the_sum_of_the_stages_where_it_is_missing(tmp_path):
    fields = {key: value for key, value in QUERY.items() if key != "total_s"}
    _, query = read_records(written(tmp_path, fields))
    assert query.total_s == 2.875


def test_labels_and_cuts_stand_in_for_each_other(tmp_path):
    without = {key: value for key, value in QUERY.items() if key != "cuts"}
    assert list(read_records(written(tmp_path, without)))[1].cuts == 1
    without = {key: value for key, value in QUERY.items() if key != "partition_labels"}
    assert list(read_records(written(tmp_path, without)))[1].partition_labels == "AB"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({k: v for k, v in QUERY.items() if k != "workers"}, "'workers' is missing (or 'subexp_"),
        ({k: v for k, v in QUERY.items() if k != "shots"}, "field 'shots' is missing"),
        ({**QUERY, "execute_s": -1.0}, "Expected `float` >= 0.0 - at `$.execute_s`"),
        ({**QUERY, "workers": "two"}, "Expected `int`, got `str` - at `$.workers`"),
        ({k: v for k, v in TASK.items() if k != "ended_s"}, "field 'ended_s' is missing (or 't_en"),
        ({"loss": 0.5}, "neither a query (it would have 'execute_s') nor a task"),
    ],
)
def test_what_is_missing_or_wrong_is_named(tmp_path, line, reason):
    path = written(tmp_path, QUERY, line)
    skipped = SkipReport()
    assert len(list(read_records(path, skipped))) == 2
    (only,) = skipped.kept
    assert (only.path, only.line) == (str(path), 2)
    assert reason in only.reason
    with pytest.raises(LogError, match=r"foreign\.jsonl:2: "):
        list(read_records(path, strict=True))


def test_our_lines_and_foreign_ones_may_stand_in_one_log(tmp_path):
    path = write_log(tmp_path / "mixed.jsonl", run_record(), query_record())
    with path.open("a") as file:
        file.write(json.dumps(QUERY) + "\n")
    assert [type(r) for r in read_records(path)] == [RunRecord, QueryRecord, QueryRecord]


def test_a_compressed_log_is_read_as_what_it_holds(tmp_path):
    records = [run_record(), task_record(), query_record()]
    path = write_log(tmp_path / "log.jsonl", *records)
    packed = tmp_path / "log.anything"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_records(packed)) == list(read_records(path)) == records


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_of_a_torn_compressed_log_the_beginning_is_read(tmp_path, kept):
    records = [run_record(), *(query_record(query=n, total_s=n / 7) for n in range(2000))]
    path = write_log(tmp_path / "log.jsonl", *records)
    data = gzip.compress(path.read_bytes())
    torn = tmp_path / "torn.gz"
    torn.write_bytes(data[: int(kept * len(data))])
    skipped = SkipReport()
    found = list(read_records(torn, skipped))
    assert found == records[: len(found)]
    assert len(found) > 0.5 * kept * len(records)
    assert skipped.kept[-1].reason == "the compressed data end early; what came before was read"


def test_what_is_not_compressed_as_it_says_is_refused(tmp_path):
    path = tmp_path / "broken.gz"
    path.write_bytes(b"\x1f\x8b" + b"no such thing" * 9)
    with pytest.raises(LogError, match=r"broken\.gz: cannot be read"):
        list(read_records(path))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(data=st.one_of(
    st.binary(max_size=300),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*QUERY, *TASK, "kind"]), inner, max_size=14),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode()),
))  # fmt: skip
def test_whatever_stands_in_a_log_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "log.jsonl"
    path.write_bytes(data)
    with suppress(LogError):
        assert list(read_records(path))


def coarse_lines(workers: tuple[int, ...], queries: int = 8) -> list[dict[str, Any]]:
    """Queries without tasks; two workers get through the work at 1.6 times the rate of one."""
    rate = {1: 1.0, 2: 1.6}
    return [
        {**QUERY, "query": n, "workers": size, "straggler_prob": 0, "execute_s": 2.0 / rate[size],
         "straggler_probability": 0.0, "total_s": 0.875 + 2.0 / rate[size]}
        for n in range(queries)
        for size in workers
    ]  # fmt: skip


def test_queries_without_tasks_make_a_coarse_profile_that_says_so(tmp_path):
    profile = calibrate_logs([written(tmp_path, *coarse_lines((1, 2)))])
    pool = profile.pools["threads"]
    assert pool.is_coarse
    assert pool.tasks[0].service_s.mean == pytest.approx(2.0 / 12)
    assert (pool.sharing.resource, pool.sharing.sizes) == ("learned", (1, 2))
    assert pool.sharing.rates == pytest.approx((1.0, 1.6))
    assert any("no task records" in line for line in profile.lacks)


def test_a_coarse_profile_simulates_what_it_was_learned_from(tmp_path):
    profile = calibrate_logs([written(tmp_path, *coarse_lines((1, 2)))])
    scenario = make_scenario(labels=("AABB",), kinds=("threads",), workers=(1, 2), shots=1024)
    queries = [
        record
        for cell in scenario.cells
        for record in Simulation(scenario, profile).cell_records(cell)
    ]
    one, two = summarise(queries).values()
    assert one.makespan_s == pytest.approx(2.875, rel=1e-9)
    assert two.makespan_s == pytest.approx(0.875 + 2.0 / 1.6, rel=1e-9)


def test_larger_pools_than_were_seen_are_extrapolated_on_request_only(tmp_path):
    profile = calibrate_logs([written(tmp_path, *coarse_lines((1, 2)))])
    scenario = make_scenario(labels=("AABB",), kinds=("threads",), workers=(4,), shots=1024)
    (cell,) = scenario.cells
    with pytest.raises(ProfileError, match=r"4 workers, whose sharing was learned from pools of 1"):
        list(Simulation(scenario, profile).cell_records(cell))
    records = list(Simulation(scenario, profile, extrapolate=True).cell_records(cell))
    assert all(isinstance(r, QueryRecord) and r.is_extrapolated for r in records)


def test_what_a_larger_pool_shares_is_refused_where_nothing_tells_it(tmp_path):
    profile = calibrate_logs([written(tmp_path, *coarse_lines((1,)))])
    scenario = make_scenario(labels=("AABB",), kinds=("threads",), workers=(1, 2), shots=1024)
    alone, shared = scenario.cells
    simulation = Simulation(scenario, profile, extrapolate=True)
    assert list(simulation.cell_records(alone))
    with pytest.raises(ProfileError, match=r"A run with 'pool\.workers: 2' .* would identify it"):
        list(simulation.cell_records(shared))


def test_a_log_without_its_scenario_is_not_simulated_anew(tmp_path, capsys):
    log = written(tmp_path, *coarse_lines((1, 2)))
    assert main(["validate", str(log), "--replications", "20"]) == 2
    assert "the log does not hold the scenario it was made from" in capsys.readouterr().err
