"""Summaries, speed-up and comparison on numbers that can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from builders import (
    make_profile,
    make_scenario,
    query_record,
    run_record,
    write_log,
    write_measured_log,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from qcutsim import compare_logs, simulate_scenario
from qcutsim.analysis import (
    Configuration,
    compare_queries,
    read_query_records,
    speed_ups,
    summarise,
)
from qcutsim.calibrate import save_profile
from qcutsim.cli import main
from qcutsim.errors import InputError, LogError
from qcutsim.records import QueryRecord


def timed(total_s: float, **changes: object) -> QueryRecord:
    return query_record(total_s=total_s, **changes)


def test_a_summary_holds_medians_and_extremes():
    queries = [
        timed(3.0, execute_s=1.0),
        timed(9.0, execute_s=2.0),
        timed(4.0, execute_s=6.0),
    ]
    (summary,) = summarise(queries).values()
    assert summary.queries == 3
    assert (summary.makespan_s, summary.lowest_s, summary.highest_s) == (4.0, 3.0, 9.0)
    assert summary.stages_s == (1.0, 2.0, 2.0, 4.0)


def test_throughput_is_that_of_the_queries_one_dispatcher_ran():
    together = [timed(4.0, submitted_s=at_s, repetition=0) for at_s in (0.0, 1.0, 2.0)]
    apart = [timed(1.0, submitted_s=at_s, repetition=1) for at_s in (50.0, 52.0)]
    (summary,) = summarise([*together, *apart]).values()
    assert summary.queries_per_s == pytest.approx((3 / 6 + 2 / 3) / 2)


def test_a_policy_is_named_by_the_parameters_that_are_not_its_defaults():
    def name(policy: str, **parameters: object) -> str:
        return Configuration.of(timed(1.0, policy=policy, policy_parameters=parameters)).policy

    assert name("eager") == "eager"
    assert name("batched", size=16, delay_s=0.0, loop="closed") == "batched"
    assert name("batched", size=4, delay_s=0.0, loop="open") == "batched size=4 loop=open"
    assert name("lazy", patience_s=2.0) == "lazy patience_s=2.0"


def test_queries_that_took_no_time_are_not_summarised():
    assert summarise([timed(0.0)]) == {}
    (summary,) = summarise([timed(0.0), timed(2.0)]).values()
    assert (summary.queries, summary.makespan_s) == (1, 2.0)


def test_cold_and_failed_queries_are_not_summarised():
    queries = [timed(1.0), timed(50.0, is_cold=True), timed(0.0, outcome="failed")]
    (summary,) = summarise(queries).values()
    assert (summary.queries, summary.makespan_s) == (1, 1.0)
    assert summarise(queries[1:]) == {}


@settings(derandomize=True, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=4, max_size=4))
def test_stage_shares_are_parts_of_one(seconds):
    names = ("partition_s", "generate_s", "execute_s", "reconstruct_s")
    (summary,) = summarise([query_record(**dict(zip(names, seconds, strict=True)))]).values()
    assert sum(summary.stage_shares) == (pytest.approx(1.0) if any(seconds) else 0.0)
    assert all(0 <= share <= 1 for share in summary.stage_shares)


def test_stage_shares_stand_in_the_order_of_the_stages():
    (summary,) = summarise([query_record()]).values()
    assert summary.stage_shares == pytest.approx((0.1, 0.2, 0.3, 0.4))


def test_speed_up_is_the_makespan_of_one_worker_over_that_of_many():
    ups = speed_ups(summarise([timed(12.0), timed(6.0, workers=2), timed(4.0, workers=4)]))
    assert {key.workers: up for key, up in ups.items()} == {1: 1.0, 2: 2.0, 4: 3.0}


def test_speed_up_is_held_against_one_worker_of_the_same_everything():
    """Processes have no single worker here, and stragglers have their own baseline."""
    straggling = {"straggler_probability": 0.1, "straggler_delay_s": 0.5}
    ups = speed_ups(
        summarise(
            [
                timed(12.0),
                timed(6.0, pool="processes", workers=2),
                timed(30.0, **straggling),
                timed(20.0, workers=2, **straggling),
            ]
        )
    )
    assert {(k.pool, k.workers, k.straggler_probability): up for k, up in ups.items()} == {
        ("threads", 1, 0.0): 1.0,
        ("threads", 1, 0.1): 1.0,
        ("threads", 2, 0.1): 1.5,
    }


def test_a_delay_that_never_strikes_makes_no_configuration_of_its_own():
    queries = [timed(1.0, straggler_delay_s=delay) for delay in (0.0, 0.1)]
    assert [key.straggler_delay_s for key in summarise(queries)] == [0.0]
    striking = [msgspec.structs.replace(query, straggler_probability=0.1) for query in queries]
    assert [key.straggler_delay_s for key in summarise(striking)] == [0.0, 0.1]


def test_errors_are_exact():
    """Makespans 12 and 6 simulated as 9 and 3; so speed-up 2 as 3."""
    measured = [timed(10.0), timed(12.0), timed(16.0), timed(6.0, workers=2)]
    simulated = [timed(9.0), timed(3.0, workers=2)]
    found = compare_queries(measured, simulated, {"threads": (1,)})
    alone, two = found.configurations
    assert (alone.workers, alone.queries, alone.is_prediction) == (1, 3, False)
    assert (alone.measured_makespan_s, alone.simulated_makespan_s) == (12.0, 9.0)
    assert alone.measured_spread == 0.5
    assert alone.makespan_error == -0.25
    assert (alone.measured_speed_up, alone.simulated_speed_up) == (1.0, 1.0)
    assert (two.workers, two.queries, two.is_prediction) == (2, 1, True)
    assert two.makespan_error == -0.5
    assert (two.measured_speed_up, two.simulated_speed_up) == (2.0, 3.0)
    assert two.speed_up_error == 0.5
    assert (found.only_measured, found.only_simulated) == ((), ())


def test_errors_are_summed_up_by_pool_and_by_whether_they_are_predictions():
    workers = (1, 2, 4)
    measured = [timed(12.0, workers=n, pool=p) for n in workers for p in ("threads", "processes")]
    errors = {("threads", 1): 0.25, ("threads", 2): -0.5, ("threads", 4): 1.0}
    simulated = [
        timed(12.0 * (1 + errors.get((q.pool, q.workers), 0.0)), pool=q.pool, workers=q.workers)
        for q in measured
    ]
    calibrated = {"threads": (1, 2), "processes": (1, 2, 4)}
    found = compare_queries(measured, simulated, calibrated)
    summaries = {row.group: row for row in found.summaries}
    assert list(summaries) == [
        "processes, 1, 2, 4 workers (calibrated)",
        "threads, 1, 2 workers (calibrated)",
        "threads, 4 workers (predicted)",
        "all",
    ]
    threads = summaries["threads, 1, 2 workers (calibrated)"]
    assert threads.configurations == 2
    assert threads.median_abs_error_makespan == pytest.approx(0.375)
    assert threads.p90_abs_error_makespan == pytest.approx(0.25 + 0.9 * 0.25)
    predicted = summaries["threads, 4 workers (predicted)"]
    assert predicted.median_abs_error_makespan == pytest.approx(1.0)
    assert predicted.median_abs_error_speed_up == pytest.approx(0.375)
    assert summaries["all"].configurations == 6
    assert summaries["all"].median_abs_error_makespan == pytest.approx(0.125)


def test_without_a_single_worker_there_is_no_speed_up_to_be_wrong_about():
    found = compare_queries([timed(4.0, workers=2)], [timed(5.0, workers=2)], {})
    (row,) = found.configurations
    assert (row.measured_speed_up, row.simulated_speed_up, row.speed_up_error) == (None,) * 3
    assert row.makespan_error == 0.25
    assert found.summaries[-1].median_abs_error_speed_up is None
    assert found.summaries[-1].p90_abs_error_speed_up is None


OTHER = {
    "dataset": "wine",
    "pipeline": "other",
    "partition_labels": "ABBC",
    "cuts": 2,
    "observable": "ZZII",
    "shots": 64,
    "allocation": "variance",
    "reconstruction": "contracted",
    "pool": "processes",
    "policy": "lazy",
    "policy_parameters": {"patience_s": 3.0},
    "cancel": "kill",
    "chunk": 5,
    "window": 4,
    "timeout_s": 9.0,
    "straggler_probability": 0.5,
    "straggler_delay_s": 0.7,
    "straggler_distribution": {"name": "expon", "scale": 0.1},
    "straggler_per": "worker",
    "machines": "4 on 2 cores",
    "workers": 3,
}
IN_WORDS = {"policy_parameters", "straggler_distribution", "straggler_per"}
"""Fields of a record that a configuration holds within ``policy`` and ``stragglers``."""


def test_every_field_of_a_configuration_has_another_value_below():
    assert set(OTHER) - IN_WORDS == set(Configuration._fields) - {"stragglers"}


@pytest.mark.parametrize("field", OTHER)
def test_queries_that_differ_in_one_field_are_not_compared(field):
    """Each is listed on its own side; ``same`` is the only pair."""
    striking = {"straggler_probability": 0.1, "straggler_delay_s": 0.1}
    same = query_record(**striking)
    other = msgspec.structs.replace(same, **{field: OTHER[field]})
    found = compare_queries([same, other], [same], {})
    assert len(found.configurations) == len(found.only_measured) == 1
    assert found.only_simulated == ()
    found = compare_queries([same], [other, same], {})
    assert len(found.configurations) == len(found.only_simulated) == 1
    assert found.only_measured == ()
    with pytest.raises(LogError, match="none of the 1 measured configurations is among the 1"):
        compare_queries([same], [other], {})


def test_what_was_not_compared_is_named():
    left_out = query_record(
        workers=4, pool="processes", straggler_probability=0.1, straggler_delay_s=0.25
    )
    found = compare_queries([query_record(), left_out], [query_record()], {})
    assert found.only_measured == (
        "iris AABB upstream 128 shots, 4 processes, eager, stragglers 0.1 x 0.25 s",
    )


def test_logs_are_read_into_runs_and_queries(tmp_path):
    logs = [
        write_log(tmp_path / f"{name}.jsonl", run_record(run=name), query_record(query=number))
        for number, name in enumerate("ab")
    ]
    runs, queries = read_query_records(logs)
    assert [run.run for run in runs] == ["a", "b"]
    assert [query.query for query in queries] == [0, 1]


@pytest.fixture
def measured_log(tmp_path: Path) -> Path:
    return write_measured_log(tmp_path / "run.jsonl", make_scenario(workers=(1, 2, 4)))


def test_a_measured_log_is_compared_with_its_simulation(measured_log):
    """Made by hand without noise or sharing, one worker is simulated exactly."""
    profile = make_profile()
    progress: list[tuple[int, int]] = []
    found = compare_logs(
        [measured_log], profile=profile, on_progress=lambda *now: progress.append(now)
    )
    assert progress == [(done, 12) for done in range(1, 13)]
    assert len(found.configurations) == 12
    for row in found.configurations:
        assert row.is_prediction == (row.workers == 4)
        if row.workers == 1:
            assert row.makespan_error == pytest.approx(0, abs=1e-9)


def test_a_simulated_log_given_is_compared_as_it_is(measured_log, tmp_path):
    scenario, profile = make_scenario(workers=(1, 2)), make_profile()
    simulated, _ = simulate_scenario(scenario, profile, tmp_path / "sim")
    found = compare_logs([measured_log], profile=profile, simulated=[simulated])
    assert len(found.configurations) == 8
    assert len(found.only_measured) == 4
    other = msgspec.structs.replace(profile, queries=1)
    with pytest.raises(InputError, match="was simulated under another profile"):
        compare_logs([measured_log], profile=other, simulated=[simulated])
    with pytest.raises(LogError, match="holds a simulated run; give measured logs"):
        compare_logs([simulated], profile=profile)


def test_slowdown_by_stragglers_and_stage_shares_are_exact():
    """Stragglers make 10 s 15 s where measured, 8 s 16 s where simulated."""
    late = {"straggler_probability": 0.1, "straggler_delay_s": 0.5}
    stages = {"partition_s": 1.0, "generate_s": 1.0, "execute_s": 4.0, "reconstruct_s": 2.0}
    found = compare_queries(
        [timed(10.0, **stages), timed(15.0, **late)],
        [timed(8.0), timed(16.0, **late, **stages)],
        {},
    )
    usual, slow = found.configurations
    assert usual.measured_shares == slow.simulated_shares == (0.125, 0.125, 0.5, 0.25)
    assert (usual.measured_slowdown, usual.slowdown_error) == (None, None)
    assert (slow.measured_slowdown, slow.simulated_slowdown) == (1.5, 2.0)
    assert slow.slowdown_error == pytest.approx(1 / 3)


def test_a_slowdown_needs_the_same_configuration_without_stragglers():
    late = {"straggler_probability": 0.1, "straggler_delay_s": 0.5}
    queries = [timed(10.0, workers=2), timed(15.0, workers=4, **late)]
    found = compare_queries(queries, queries, {})
    assert [row.measured_slowdown for row in found.configurations] == [None, None]


def test_the_command_fails_where_the_simulation_is_further_off_than_asked(
    measured_log, tmp_path, capsys
):
    profile = tmp_path / "profile.json"
    save_profile(make_profile(), profile)
    command = ["compare", "--measured", str(measured_log), "--profile", str(profile)]
    assert main(command) == 0
    assert "Stage shares, measured / simulated" in capsys.readouterr().out
    assert main([*command, "--fail-above", "1000%"]) == 0
    capsys.readouterr()
    assert main([*command, "--fail-above", "0"]) == 1
    said = capsys.readouterr().err
    assert "% in median over 12 configurations, more than --fail-above 0%" in said
    for wrong in ("-1", "much", "inf"):
        with pytest.raises(SystemExit, match="2"):
            main([*command, "--fail-above", wrong])
        assert f"{wrong!r} is no error" in capsys.readouterr().err


def test_a_simulation_is_compared_without_its_profile_and_counts_as_predicted(tmp_path):
    scenario = make_scenario()
    log = write_measured_log(tmp_path / "run.jsonl", scenario)
    profile = make_profile(scenario)
    simulated, _ = simulate_scenario(scenario, profile, tmp_path / "sim")
    with_profile = compare_logs([log], profile=profile, simulated=[simulated])
    without = compare_logs([log], simulated=[simulated])
    assert all(row.is_prediction for row in without.configurations)
    for known, unknown in zip(with_profile.configurations, without.configurations, strict=True):
        assert unknown.makespan_error == known.makespan_error


def test_nothing_to_compare_with_is_said(tmp_path):
    log = write_measured_log(tmp_path / "run.jsonl")
    with pytest.raises(InputError, match=r"give a profile .* or a simulation"):
        compare_logs([log])
