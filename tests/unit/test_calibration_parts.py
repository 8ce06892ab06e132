"""Sampling of logs, what is shared, warm-up, bootstrap; and logs with broken lines."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from builders import make_scenario, measured_query, run_record, write_log, write_measured_log

from qcutsim.calibrate import CalibrationProfile, calibrate_logs, load_profile
from qcutsim.calibrate.contention import fit_sharing, shared_wait_s
from qcutsim.calibrate.resampling import DRAWS, Resampling
from qcutsim.calibrate.samples import QuerySample, Samples
from qcutsim.calibrate.warmup import FIRST_QUERIES, fit_warm_up
from qcutsim.cli import main
from qcutsim.logreader import SkipReport, read_queries
from qcutsim.records import QueryRecord, Record, TaskRecord


def samples_of(path: Path, most_tasks: int = 10**6) -> Samples:
    samples = Samples(most_tasks)
    for log in read_queries([path]):
        samples.add(log)
    return samples


def log_of(tmp_path: Path, **scenario: object) -> Path:
    return write_measured_log(tmp_path / "run.jsonl", make_scenario(**scenario))  # type: ignore[arg-type]


def noisy_log(path: Path, seed: int, queries: int = 40) -> Path:
    """As measured, but service times and stages vary by about 20 %."""
    rng = np.random.default_rng(seed)
    scenario = make_scenario(labels=("AABB",), kinds=("processes",), queries=queries)
    records: list[Record] = [run_record(scenario)]
    number = 0
    for cell in scenario.cells:
        for index in range(cell.queries):
            for record in measured_query(cell, number, index, seed=scenario.seed):
                if isinstance(record, TaskRecord):
                    longer_s = 0.004 * rng.gamma(2.0)
                    record.ended_s += longer_s
                    record.collected_s += longer_s
                    record.cpu_s = (record.cpu_s or 0.0) + longer_s
                elif isinstance(record, QueryRecord):
                    record.reconstruct_s *= rng.lognormal(0, 0.2)
                records.append(record)
            number += 1
    return write_log(path, *records)


def test_a_long_log_is_thinned_evenly_and_always_the_same(tmp_path):
    path = log_of(tmp_path, labels=("AAAA", "AABB"), kinds=("threads",), queries=64)
    thin, again = samples_of(path, 200), samples_of(path, 200)
    whole = samples_of(path)
    assert thin.queries == whole.queries == 256
    assert sum(s.tasks + 1 for s in thin.all_warm) <= 200
    assert set(thin.warm) == set(whole.warm)
    assert [s.query.query for s in thin.all_warm] == [s.query.query for s in again.all_warm]
    for own in thin.warm.values():
        places = [sample.query.index for sample in own]
        assert len(set(np.diff(places).tolist())) <= 1


def test_a_thinned_log_gives_the_same_models_where_all_queries_are_alike(tmp_path):
    path = log_of(tmp_path, labels=("AABB",), kinds=("threads",), queries=32)
    thin = samples_of(path, 100).all_warm
    whole = samples_of(path).all_warm
    assert len(thin) < len(whole)
    means = [np.mean([s.service_s.mean() for s in own]) for own in (thin, whole)]
    assert means[0] == pytest.approx(means[1])


def alone_and_shared(tmp_path: Path, kind: str) -> list[QuerySample]:
    scenario = make_scenario(labels=("AABB",), kinds=(kind,))
    return samples_of(write_measured_log(tmp_path / f"{kind}.jsonl", scenario)).all_warm


def test_structure_is_preferred_where_the_cores_are_known(tmp_path):
    processes = alone_and_shared(tmp_path, "processes")
    threads = alone_and_shared(tmp_path, "threads")
    found = fit_sharing("processes", processes, 6, Resampling(processes))
    assert (found.resource, found.capacity) == ("cores", 6)
    assert found.efficiency == pytest.approx(1.0)
    assert found.bootstrap == pytest.approx([1.0] * DRAWS)
    found = fit_sharing("threads", threads, 6, Resampling(threads))
    assert (found.resource, found.capacity) == ("lock", 1)


def test_without_cores_the_rate_of_each_pool_is_learned(tmp_path):
    samples = alone_and_shared(tmp_path, "processes")
    found = fit_sharing("processes", samples, None, Resampling(samples))
    by_size = {
        size: np.mean([s.query.execute_s for s in samples if s.query.workers == size])
        for size in (1, 2)
    }
    assert (found.resource, found.sizes) == ("learned", (1, 2))
    assert found.rates == pytest.approx((1.0, by_size[1] / by_size[2]))
    alone = [sample for sample in samples if sample.query.workers == 1]
    assert fit_sharing("processes", alone, None, Resampling(alone)).resource == "unknown"


def test_a_cycle_that_work_and_gap_do_not_explain_is_a_wait(tmp_path):
    """In the handmade log a cycle is exactly the service and 0.6 ms of overhead."""
    samples = alone_and_shared(tmp_path, "processes")
    usual_s = {
        tuple(features): float(seconds)
        for sample in samples
        for features, seconds in zip(sample.features.tolist(), sample.service_s, strict=True)
    }
    assert shared_wait_s(samples, 2, usual_s, 0.0006) == pytest.approx(0.0, abs=1e-9)
    assert shared_wait_s(samples, 2, usual_s, 0.0002) == pytest.approx(0.0004, rel=1e-5)
    assert shared_wait_s(samples, 1, usual_s, 0.0002) == 0.0  # no pool has a core for each


def test_the_warm_up_of_long_blocks_is_found(tmp_path):
    samples = alone_and_shared(tmp_path, "threads")
    factors = (1.3, 1.2, 1.1, 1.05, 1.02)
    block: list[QuerySample] = []
    for repetition in range(3):
        for index in range(12):
            scale = factors[index] if index < FIRST_QUERIES else 1.0
            base = samples[0].query
            query = msgspec.structs.replace(
                base, repetition=repetition, index=index, total_s=base.total_s * scale
            )
            block.append(QuerySample(query, *list(_columns(samples[0]))))
    assert fit_warm_up(block) == pytest.approx(factors)
    assert fit_warm_up([sample for sample in block if sample.query.repetition < 2]) == ()
    assert fit_warm_up([sample for sample in block if sample.query.index < 9]) == ()


def _columns(sample: QuerySample) -> list[object]:
    names = [name for name in QuerySample.__dataclass_fields__ if name != "query"]
    return [getattr(sample, name) for name in names]


def test_the_bootstrap_spreads_as_the_standard_error(tmp_path):
    """Seed 0, 2,000 draws of 60 queries: the spread is known to 1.6 %."""
    samples = samples_of(noisy_log(tmp_path / "run.jsonl", 3, 60)).all_warm
    alone = [sample for sample in samples if sample.query.workers == 1]
    sums = np.array([sample.query.reconstruct_s for sample in alone])
    ratios = Resampling(alone, 2000).ratios(sums, np.ones(len(alone)))
    expected = sums.std() / np.sqrt(len(sums)) / sums.mean()
    assert np.std(ratios) == pytest.approx(expected, rel=0.08)
    assert np.mean(ratios) == pytest.approx(1.0, abs=5 * expected / np.sqrt(2000))
    assert Resampling(alone).ratios(np.zeros(len(alone)), np.ones(len(alone))) == ()


def means_of(profile: CalibrationProfile) -> dict[object, tuple[float, float]]:
    """Mean and bootstrap spread of each class of tasks and each stage."""
    found: dict[object, tuple[float, float]] = {}
    for kind, pool in profile.pools.items():
        for task in pool.tasks:
            spread = float(np.std(task.bootstrap)) * task.service_s.mean
            found[kind, task.features] = (task.service_s.mean, spread)
    for stage in profile.reconstruct:
        spread = float(np.std(stage.bootstrap)) * stage.seconds.mean
        found[stage.partition_labels] = (stage.seconds.mean, spread)
    return found


def test_broken_lines_change_a_calibration_by_less_than_its_sampling_error(tmp_path):
    """One line in a hundred is cut, overwritten or made another type; seed 9."""
    clean = noisy_log(tmp_path / "clean.jsonl", 3)
    lines = clean.read_bytes().splitlines(keepends=True)
    rng = np.random.default_rng(9)
    broken = rng.choice(np.arange(1, len(lines)), len(lines) // 100, replace=False)
    for place in broken:
        line = lines[place]
        lines[place] = [
            line[: len(line) // 2] + b"\n",
            rng.bytes(40).replace(b"\n", b"?") + b"\n",
            line.replace(b'"query":', b'"query":"x",'),
        ][place % 3]
    dirty = tmp_path / "dirty.jsonl"
    dirty.write_bytes(b"".join(lines))
    skipped = SkipReport()
    found = means_of(calibrate_logs([dirty], skipped=skipped))
    assert skipped.count == len(broken)
    for key, (mean, spread) in means_of(calibrate_logs([clean])).items():
        assert abs(found[key][0] - mean) <= 2 * spread + 1e-12


def test_what_is_held_out_is_not_calibrated_on_and_is_predicted(tmp_path, capsys):
    log = log_of(tmp_path, labels=("AABB", "ABBC"))
    profile = calibrate_logs([log], hold_out=["cuts=2"])
    assert [stage.partition_labels for stage in profile.reconstruct] == ["AABB"]
    assert profile.held_out == ("cuts=2",)
    output = tmp_path / "profile.json"
    arguments = ["calibrate", str(log), "-o", str(output), "--hold-out", "workers=2"]
    assert main(arguments) == 0
    told = capsys.readouterr().err
    assert "held out: all: 4 configurations, makespan off by " in told
    assert load_profile(output).pools["threads"].workers == (1,)


def test_a_profile_is_printed_and_drawn(tmp_path, capsys):
    log, output, plots = log_of(tmp_path), tmp_path / "profile.json", tmp_path / "plots"
    assert main(["calibrate", str(log), "-o", str(output), "--plots", str(plots)]) == 0
    capsys.readouterr()
    profile = load_profile(output)
    stages = len(profile.partition) + len(profile.generate) + len(profile.reconstruct)
    models = stages + sum(len(pool.tasks) + 4 for pool in profile.pools.values())
    assert len(list(plots.glob("*.svg"))) == models
    assert main(["inspect", str(output)]) == 0
    out, err = capsys.readouterr()
    assert "efficiency of sharing" in out
    assert "measured with qcutsim 0.1.0" in err
    assert main(["inspect", str(output), "--json"]) == 0
    assert msgspec.convert(json.loads(capsys.readouterr().out), CalibrationProfile) == profile
