"""From logs to a profile, and what is said where the logs hold too little."""

from __future__ import annotations

import json
from pathlib import Path

import builders
import msgspec
import numpy as np
import pytest
from builders import (
    make_profile,
    make_scenario,
    measured_query,
    query_record,
    run_record,
    service_s,
    write_log,
    write_measured_log,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qcutsim.calibrate import (
    FEWEST_TASKS,
    PROFILE_SCHEMA,
    QuantileTable,
    calibrate_logs,
    load_profile,
    save_profile,
)
from qcutsim.calibrate.selection import query_filter
from qcutsim.calibrate.tables import LONGEST_S, MOST_POINTS
from qcutsim.cell import Workload
from qcutsim.errors import CalibrationError, InputError, LogError, ProfileError
from qcutsim.logreader import SkipReport
from qcutsim.records import QueryRecord, Record, TaskRecord
from qcutsim.report import profile_notes
from qcutsim.scenario import Scenario
from qcutsim.stragglers import Stragglers
from qcutsim.workload import load_shape


def stage_of(values: tuple[float, ...]) -> dict[str, object]:
    """A stage model as plain data, with a table of these values."""
    table = {"values": values, "mean": 1.0, "samples": 2}
    return {"partition_labels": "AABB", "work": 1, "seconds": table}


SECONDS = st.floats(0, 1e6, allow_subnormal=False)
law = settings(derandomize=True, deadline=None)


def observed(at_most: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float64, st.integers(1, at_most), elements=SECONDS)


@law
@given(observed(3 * MOST_POINTS))
def test_a_quantile_table_spans_its_observations_and_keeps_their_mean(observations):
    table = QuantileTable.of(observations)
    assert table.at(np.array([0.0, 1.0])).tolist() == [min(observations), max(observations)]
    assert table.mean == pytest.approx(np.mean(observations), rel=1e-12)
    assert table.samples == len(observations)
    assert len(table.values) == min(len(observations), MOST_POINTS)
    assert table.median == pytest.approx(np.median(observations), rel=1e-12)


@law
@given(
    observed(3 * MOST_POINTS),
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
def test_a_quantile_table_rises_and_stays_within_its_observations(observations, probabilities):
    values = QuantileTable.of(observations).at(np.sort(probabilities))
    slack = 1e-9 * max(observations)
    assert (np.diff(values) >= -slack).all()
    assert values.min() >= min(observations) - slack
    assert values.max() <= max(observations) + slack


@law
@given(observed(MOST_POINTS))
def test_a_small_quantile_table_keeps_every_observation(observations):
    table = QuantileTable.of(observations)
    grid = np.linspace(0, 1, len(observations))
    assert table.at(grid) == pytest.approx(np.sort(observations), rel=1e-12)


def test_a_quantile_table_is_linear_between_its_points():
    table = QuantileTable.of([4.0, 1.0, 2.0])
    assert table.at(np.array([0.25, 0.5, 0.75])).tolist() == [1.5, 2.0, 3.0]
    assert table.median == 2.0


def test_observations_that_cannot_be_true_count_as_the_nearest_that_can():
    table = QuantileTable.of([-1e-9, 1.0, 1e300])
    assert table.values == (0.0, 1.0, LONGEST_S)


def test_a_constant_table_always_gives_its_value():
    table = QuantileTable.constant(0.5)
    assert table.at(np.array([[0.0, 0.3], [0.9, 1.0]])).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert (table.mean, table.median) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("test", "chosen"),
    [
        ("workers<=2", [1, 2]),
        ("workers < 2", [1]),
        ("workers>2", [4]),
        (" workers >= 2 ", [2, 4]),
        ("workers!=2", [1, 4]),
        ("workers=2", [2]),
        ("workers==2", [2]),
        ("total_s<=2.5", [1, 2]),
        ("pool=threads", [1, 2, 4]),
        ("pool!=threads", []),
    ],
)
def test_only_keeps_the_queries_that_a_test_holds_for(test, chosen):
    queries = [query_record(workers=n, total_s=float(n)) for n in (1, 2, 4)]
    assert [query.workers for query in queries if query_filter([test])(query)] == chosen


def test_all_tests_of_only_must_hold():
    keeps = query_filter(["workers>1", "workers<4"])
    assert [keeps(query_record(workers=n)) for n in (1, 2, 4)] == [False, True, False]
    assert query_filter([])(query_record())


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("workers", "--only 'workers': expected FIELD OP VALUE, as in 'workers<=2'"),
        ("", "--only '': expected FIELD OP VALUE, as in 'workers<=2'"),
        ("<=2", "--only '<=2': expected FIELD OP VALUE, as in 'workers<=2'"),
        (
            "wrokers<=2",
            "--only 'wrokers<=2': no field 'wrokers'; there are: allocation, bindings, cell, ",
        ),
        ("is_cold=true", "--only 'is_cold=true': no field 'is_cold'; there are: "),
        ("workers<=two", "--only 'workers<=two': 'workers' is a whole number, 'two' is not"),
        ("workers<=2.5", "--only 'workers<=2.5': 'workers' is a whole number, '2.5' is not"),
        ("workers=>2", "--only 'workers=>2': 'workers' is a whole number, '>2' is not"),
        ("total_s<fast", "--only 'total_s<fast': 'total_s' is a number, 'fast' is not"),
    ],
)
def test_a_malformed_test_of_only_is_refused(test, message):
    with pytest.raises(InputError) as raised:
        query_filter([test])
    assert str(raised.value).startswith(message)


def calibrate(folder: Path, *records: Record, only: tuple[str, ...] = ()):
    path = folder / "log.jsonl"
    path.unlink(missing_ok=True)
    return calibrate_logs([write_log(path, run_record(), *records)], only=only)


def queries_of(scenario: Scenario, **changes: object) -> list[Record]:
    records: list[Record] = []
    for number, cell in enumerate(scenario.cells):
        for index in range(cell.queries):
            records += measured_query(cell, 100 * number + index, index, **changes)
    return records


ALONE = make_scenario(labels=("AABB",), kinds=("threads",), workers=(1,))


@pytest.mark.parametrize("stragglers", [Stragglers(), Stragglers(probability=0.3, delay_s=0.5)])
def test_the_times_of_a_log_come_back_as_models(tmp_path, stragglers):
    """Hand-made times are exact, and injected delays are no part of them."""
    scenario = make_scenario(stragglers=stragglers)
    profile = calibrate_logs([write_measured_log(tmp_path / "run.jsonl", scenario)])
    wanted = {
        of.features: service_s(of)
        for labels in ("AAAA", "AABB")
        for of in load_shape(Workload(partition_labels=labels)).classes
    }
    assert (profile.pipeline, profile.shots, profile.queries) == ("upstream", 128, 40)
    assert profile.origin == "measured"
    assert set(profile.pools) == {"threads", "processes"}
    for kind, pool in profile.pools.items():
        assert pool.workers == (1, 2)
        assert {m.features: m.service_s.mean for m in pool.tasks} == pytest.approx(wanted)
        assert {m.features: m.cpu_s.mean for m in pool.tasks} == pytest.approx(wanted)
        assert pool.dispatch_s.mean == pytest.approx(builders.DISPATCH_S, rel=1e-6)
        assert pool.start_s.mean == pytest.approx(builders.START_S, rel=1e-6)
        assert pool.collect_s.mean == pytest.approx(builders.COLLECT_S, rel=1e-6)
        assert pool.idle_gap_s.mean == pytest.approx(
            builders.DISPATCH_S + builders.START_S + builders.COLLECT_S, rel=1e-6
        )
        assert pool.coordinator_cpu_per_task_s == pytest.approx(builders.COORDINATOR_CPU_PER_TASK_S)
        assert pool.collect_cpu_share == pytest.approx(0.5, rel=1e-6)
        resource, capacity = {"threads": ("lock", 1), "processes": ("cores", 2)}[kind]
        assert (pool.sharing.resource, pool.sharing.capacity) == (resource, capacity)
        assert pool.sharing.efficiency == pytest.approx(1.0)
    for stages, seconds in (
        (profile.partition, builders.PARTITION_S),
        (profile.generate, builders.GENERATE_S),
        (profile.reconstruct, builders.RECONSTRUCT_S),
    ):
        assert [stage.partition_labels for stage in stages] == ["AAAA", "AABB"]
        assert [stage.seconds.mean for stage in stages] == pytest.approx([seconds] * 2)
    assert [stage.work for stage in profile.partition] == [1, 2]
    assert [stage.work for stage in profile.generate] == [1, 12]
    assert [stage.work for stage in profile.reconstruct] == [128, 6 * 2 * 128]
    if stragglers.probability:
        assert 0.1 < profile.stragglers["share"] < 0.5
        assert profile.stragglers["mean_delay_s"] == pytest.approx(0.5)
    else:
        assert profile.stragglers == {"share": 0.0, "mean_delay_s": 0.0}


def test_dearer_work_in_larger_pools_is_their_efficiency(tmp_path):
    """The same tasks cost a quarter more CPU time with two workers: efficiency 1 / 1.25."""
    shared = make_scenario(labels=("AABB",), kinds=("threads", "processes"), workers=(2,))
    dear = [
        msgspec.structs.replace(record, process_cpu_s=1.25 * record.process_cpu_s)
        if isinstance(record, QueryRecord)
        else msgspec.structs.replace(record, cpu_s=1.25 * record.cpu_s)
        for record in queries_of(shared)
    ]
    alone = make_scenario(labels=("AABB",), workers=(1,))
    profile = calibrate(tmp_path, *queries_of(alone), *dear)
    for pool in profile.pools.values():
        assert pool.sharing.efficiency == pytest.approx(0.8)
        assert "comparisons of one worker with more" in pool.sharing.efficiency_from


def test_a_host_that_others_use_is_told(tmp_path):
    records = list(builders.measured_records(make_scenario()))
    quiet = calibrate_logs([write_log(tmp_path / "quiet.jsonl", *records)])
    for record in records:
        if isinstance(record, TaskRecord) and record.cpu_s is not None:
            record.cpu_s *= 0.8
    busy = calibrate_logs([write_log(tmp_path / "busy.jsonl", *records)])
    for kind, pool in quiet.pools.items():
        expected = 1 - 0.8 * (1 - pool.waiting_share)
        assert busy.pools[kind].waiting_share == pytest.approx(expected)
    assert not profile_notes(quiet)
    assert [note.split(":")[0] for note in profile_notes(busy)] == [
        f"pool {kind}" for kind in sorted(busy.pools)
    ]


def test_cold_and_failed_queries_are_left_out(tmp_path):
    warm = queries_of(ALONE)
    (cell,) = ALONE.cells
    slow = {"partition_s": 99.0, "workers": 7}
    cold = measured_query(cell, 900, 0, is_cold=True, **slow)
    failed = measured_query(cell, 901, 0, outcome="failed", error="lost", **slow)
    expected, found = calibrate(tmp_path, *warm), calibrate(tmp_path, *cold, *failed, *warm)
    pools = {
        kind: msgspec.structs.replace(pool, cold_start_s=None) for kind, pool in found.pools.items()
    }
    assert msgspec.structs.replace(found, pools=pools).key == expected.key


def test_only_queries_that_pass_are_calibrated_on(tmp_path):
    log = write_measured_log(tmp_path / "run.jsonl", make_scenario(workers=(1, 2, 4)))
    profile = calibrate_logs([log], only=["workers<=2", "pool=threads"])
    assert {kind: pool.workers for kind, pool in profile.pools.items()} == {"threads": (1, 2)}
    assert profile.only == ("workers<=2", "pool=threads")


def test_several_logs_count_together_and_skipped_lines_are_told(tmp_path):
    logs = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for log in logs:
        write_measured_log(log, ALONE)
        log.write_bytes(log.read_bytes() + b"junk\n")
    skipped = SkipReport()
    profile = calibrate_logs(logs, skipped=skipped)
    assert profile.queries == 10
    assert profile.skipped_lines == skipped.count == 2


def test_a_missing_task_record_does_not_pass_for_idleness(tmp_path):
    clean = write_measured_log(tmp_path / "clean.jsonl")
    lines = clean.read_bytes().splitlines(keepends=True)
    middle_task = next(i for i, line in enumerate(lines) if b'"task":5,' in line)
    lines[middle_task] = b"junk\n"
    torn = tmp_path / "junk.jsonl"
    torn.write_bytes(b"".join(lines))
    whole, holed = calibrate_logs([clean]), calibrate_logs([torn])
    assert holed.skipped_lines == 1
    for kind, pool in whole.pools.items():
        assert holed.pools[kind].dispatch_s.mean == pytest.approx(pool.dispatch_s.mean)
        assert holed.pools[kind].idle_gap_s.mean == pytest.approx(pool.idle_gap_s.mean)


def test_without_runs_on_one_worker_there_is_no_service_model(tmp_path):
    shared = make_scenario(labels=("AABB",), kinds=("processes",), workers=(2, 4))
    with pytest.raises(CalibrationError) as raised:
        calibrate(tmp_path, *queries_of(shared))
    message = str(raised.value)
    assert message.startswith("pool 'processes': 0 tasks and 0 idle gaps from pools of one worker")
    assert "(pools seen: [2, 4])" in message
    assert "add runs with one worker ('pool.workers: 1' in a scenario)" in message


def test_a_class_seen_too_rarely_is_named(tmp_path):
    """Two queries of one cut give two classes four tasks each; the first in order is named."""
    few = make_scenario(labels=("AABB",), kinds=("threads",), workers=(1,), queries=2)
    with pytest.raises(CalibrationError) as raised:
        calibrate(tmp_path, *queries_of(few))
    message = str(raised.value)
    assert message.startswith("pool 'threads': 4 tasks of the class")
    assert "= (0, 2, 6, 1) ran alone" in message
    assert f"a model needs {FEWEST_TASKS}" in message
    assert "add queries on one worker" in message


def test_queries_that_never_ran_two_tasks_in_a_row_have_no_gap(tmp_path):
    uncut = make_scenario(labels=("AAAA",), kinds=("threads",), workers=(1,), queries=20)
    with pytest.raises(
        CalibrationError, match=r"20 tasks and 0 idle gaps .* whose queries are several tasks each"
    ):
        calibrate(tmp_path, *queries_of(uncut))


def test_mixed_shots_are_refused_until_one_is_chosen(tmp_path):
    mixed = queries_of(ALONE) + queries_of(make_scenario(shots=64))
    with pytest.raises(CalibrationError) as raised:
        calibrate(tmp_path, *mixed)
    message = str(raised.value)
    assert "upstream at 128 shots" in message
    assert "upstream at 64 shots" in message
    assert "--only 'shots=...'" in message
    assert calibrate(tmp_path, *mixed, only=("shots=64",)).shots == 64


def test_nothing_left_to_calibrate_on_is_said_with_what_was_kept(tmp_path):
    with pytest.raises(CalibrationError, match=r"^no warm, successful query is left") as raised:
        calibrate(tmp_path, *queries_of(ALONE), only=("workers>8", "pool=threads"))
    assert "only workers>8 and pool=threads is kept" in str(raised.value)
    with pytest.raises(CalibrationError, match="run a scenario first with 'qcutsim run'"):
        calibrate(tmp_path, query_record(is_cold=True))


def test_a_log_that_cannot_be_read_is_a_log_error(tmp_path):
    with pytest.raises(LogError, match=r"none\.jsonl: no such log"):
        calibrate_logs([tmp_path / "none.jsonl"])


def test_a_saved_profile_is_loaded_as_it_was(tmp_path):
    profile = make_profile()
    path = save_profile(profile, tmp_path / "profile.json")
    loaded = load_profile(path)
    assert loaded == profile
    assert loaded.key == profile.key
    assert [entry.name for entry in tmp_path.iterdir()] == ["profile.json"]
    assert msgspec.structs.replace(profile, shots=1).key != profile.key


def test_a_profile_that_cannot_be_saved_is_refused(tmp_path):
    path = tmp_path / "none" / "profile.json"
    with pytest.raises(InputError) as raised:
        save_profile(make_profile(), path)
    assert str(raised.value) == f"{path}: cannot be written (No such file or directory)"


def test_a_profile_of_another_schema_is_refused(tmp_path):
    """For its schema, even where its fields are other ones too."""
    path = tmp_path / "profile.json"
    for content in ({"schema": 99}, msgspec.to_builtins(make_profile()) | {"schema": 99}):
        path.write_text(json.dumps(content))
        with pytest.raises(ProfileError) as raised:
            load_profile(path)
        assert str(raised.value) == (
            f"{path}: field 'schema' is 99; this version of qcutsim reads {PROFILE_SCHEMA}; "
            "calibrate again from the logs"
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shots": "many"}, "Expected `int`, got `str` - at `$.shots`"),
        ({"author": "me"}, "Object contains unknown field `author`"),
        ({"pools": {"threads": {}}}, "Object missing required field `workers`"),
        ({"partition": []}, "Expected `array` of length >= 1 - at `$.partition`"),
        ({"manifests": []}, "Expected `array` of length >= 1 - at `$.manifests`"),
        ({"queries": -1}, "Expected `int` >= 0 - at `$.queries`"),
        (
            {"partition": [stage_of((2.0, 1.0))]},
            "expected seconds that rise from 0 to at most 1e+09 - at `$.partition[0].seconds`",
        ),
        (
            {"partition": [stage_of((-1.0, 1.0))]},
            "expected seconds that rise from 0 to at most 1e+09 - at `$.partition[0].seconds`",
        ),
    ],
)
def test_a_profile_with_a_wrong_field_is_refused(tmp_path, change, message):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(msgspec.to_builtins(make_profile()) | change))
    with pytest.raises(ProfileError) as raised:
        load_profile(path)
    assert str(raised.value).startswith(f"{path}: not a calibration profile: {message}")


def test_a_truncated_profile_is_refused(tmp_path):
    path = save_profile(make_profile(), tmp_path / "profile.json")
    whole = path.read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ProfileError) as raised:
            load_profile(path)
        assert str(raised.value).startswith(f"{path}: not JSON: ")


def test_json_that_is_nested_too_deeply_is_refused(tmp_path):
    path = tmp_path / "profile.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ProfileError, match="not JSON: "):
        load_profile(path)


@pytest.mark.parametrize("content", ["[1]", "3", "{}", '{"name": "x"}'])
def test_json_that_is_no_profile_is_refused(tmp_path, content):
    path = tmp_path / "profile.json"
    path.write_text(content)
    with pytest.raises(ProfileError) as raised:
        load_profile(path)
    assert str(raised.value) == f"{path}: not a calibration profile: field 'schema' is missing"


def test_a_missing_profile_is_refused(tmp_path):
    path = tmp_path / "none.json"
    with pytest.raises(ProfileError, match="make one with 'qcutsim calibrate'") as raised:
        load_profile(path)
    assert str(raised.value).startswith(f"{path}: cannot be read (No such file")


def test_every_committed_profile_is_usable_and_told_of():
    folder = Path(__file__).parents[2] / "calibration"
    profiles = sorted(folder.glob("*.json"))
    assert profiles
    for path in profiles:
        assert set(load_profile(path).pools) == {"processes", "threads"}
        assert f"`{path.name}`" in (folder / "README.md").read_text()
