"""Predictions held against measurements: rows, intervals, noise, rankings; and the command."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from builders import make_scenario, query_record, write_measured_log

from qcutsim.analysis import (
    Configuration,
    Prediction,
    alternative_errors,
    errors_of,
    gather,
    rank_policies,
)
from qcutsim.analysis.evidence import test_retest as noise_of
from qcutsim.assessment import assess_profile
from qcutsim.calibrate import calibrate_logs
from qcutsim.cli import main
from qcutsim.errors import LogError
from qcutsim.records import QueryRecord
from qcutsim.validation import committed_logs, validate_logs

PAGE = Path(__file__).parents[2] / "docs" / "validation.md"


def rounds(*totals: float, **changes: object) -> list[QueryRecord]:
    """One query a repetition."""
    return [
        query_record(total_s=total_s, repetition=n, **changes) for n, total_s in enumerate(totals)
    ]


def keyed(*groups: list[QueryRecord]) -> dict[Configuration, list[QueryRecord]]:
    return {Configuration.of(group[0]): group for group in groups}


def predicted(estimate_s: float, spread: float = 0.1) -> Prediction:
    return Prediction(estimate_s, estimate_s * np.linspace(1 - spread, 1 + spread, 21))


def test_a_row_holds_both_and_their_errors():
    measured = keyed(rounds(8.0, 8.0, 8.0), rounds(4.0, 5.0, 6.0, workers=2))
    one, two = measured
    rows = gather(measured, {one: predicted(8.8), two: predicted(5.5)}, lambda key: {"Amdahl": 4.0})
    assert rows[one].makespan_error == pytest.approx(0.1)
    assert rows[one].measured_speed_up == 1.0
    row = rows[two]
    assert (row.measured_makespan_s, row.queries) == (5.0, 3)
    assert (row.low_s, row.high_s) == pytest.approx((5.5 * 0.91, 5.5 * 1.09))
    assert not row.is_covered
    assert row.measured_speed_up == pytest.approx(1.6)
    assert row.predicted_speed_up == pytest.approx(1.6)
    assert row.speed_up_error == pytest.approx(0.0)
    assert row.alternatives_s == {"Amdahl": 4.0}


def test_errors_of_a_group_are_quantiles_and_a_share():
    measured = keyed(*(rounds(1.0, 1.0, workers=n) for n in range(1, 6)))
    estimates = dict(zip(measured, (1.0, 1.1, 0.8, 1.3, 1.04), strict=True))
    rows = gather(measured, {k: predicted(v) for k, v in estimates.items()}, lambda key: {})
    found = errors_of("all", list(rows.values()))
    assert found.median_abs_error_makespan == pytest.approx(0.1)
    assert found.p90_abs_error_makespan == pytest.approx(np.quantile([0, 0.1, 0.2, 0.3, 0.04], 0.9))
    assert found.coverage_90 == pytest.approx(2 / 5)
    assert found.noise_floor == 0.0


def test_noise_is_how_far_even_and_odd_rounds_are_apart():
    assert noise_of(rounds(2.0, 4.0, 2.0, 4.0)) == pytest.approx(0.5)
    assert noise_of(rounds(2.0)) is None


def test_other_methods_are_judged_on_the_same_configurations():
    measured = keyed(rounds(8.0), rounds(4.0, workers=2), rounds(2.0, workers=4))
    predictions = {key: predicted(queries[0].total_s) for key, queries in measured.items()}
    rows = gather(measured, predictions, lambda key: {"half": 2.0} if key.workers > 1 else {})
    ours, half = alternative_errors(list(rows.values()))
    assert (ours.group, ours.count, ours.median_abs_error_makespan) == ("this simulation", 2, 0.0)
    assert (half.group, half.median_abs_error_makespan) == ("half", pytest.approx(0.25))
    assert half.median_abs_error_speed_up == pytest.approx(0.5)


def test_policies_are_ranked_where_they_differ_by_more_than_their_noise():
    measured = keyed(
        rounds(1.0, 1.01, 0.99, policy="eager"),
        rounds(2.0, 2.01, 1.99, policy="lazy"),
        rounds(1.0, 1.02, 0.98, policy="equal"),
    )
    by_name = {key.policy: key for key in measured}
    right = {by_name["eager"]: 1.0, by_name["lazy"]: 2.0, by_name["equal"]: 1.1}
    found = rank_policies(measured, {k: predicted(v) for k, v in right.items()})
    assert (found.pairs, found.distinct, found.as_measured, found.missed) == (3, 2, 2, ())
    wrong = {**right, by_name["lazy"]: 0.5}
    found = rank_policies(measured, {k: predicted(v) for k, v in wrong.items()})
    assert (found.as_measured, len(found.missed)) == (0, 2)


def test_a_log_without_noise_is_reproduced_by_its_own_profile(tmp_path):
    log = write_measured_log(tmp_path / "run.jsonl", make_scenario(kinds=("processes",)))
    assessed = assess_profile(calibrate_logs([log]), [log])
    assert assessed.assessed == 4
    assert assessed.discrepancy_sd is not None
    assert assessed.discrepancy_sd < 0.1


def test_the_command_predicts_what_it_did_not_calibrate_on(tmp_path, capsys):
    log = write_measured_log(
        tmp_path / "run.jsonl", make_scenario(labels=("AABB",), workers=(1, 2, 4))
    )
    page = tmp_path / "page.md"
    arguments = ["validate", str(log), "--replications", "20", "--page", str(page)]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["held_out"]
    assert {
        "median_abs_error_makespan",
        "p90_abs_error_makespan",
        "median_abs_error_speed_up",
        "p90_abs_error_speed_up",
        "coverage_90",
        "noise_floor",
        "configurations",
    } <= set(found)
    assert [row["workers"] for row in found["configurations"]] == [4, 4]
    assert page.read_text().startswith("# How far to trust a prediction\n")
    assert main(arguments) == 2
    assert "page.md: exists; give another name, or --force" in capsys.readouterr().err
    assert main(["validate", str(log), "--replications", "3"]) == 2
    assert "--replications 3: an interval of 90 % takes at least 20" in capsys.readouterr().err


def test_a_log_of_which_nothing_is_held_out_is_refused(tmp_path):
    log = write_measured_log(tmp_path / "run.jsonl", make_scenario(labels=("AABB",)))
    with pytest.raises(LogError, match="every configuration was calibrated on"):
        validate_logs([log], replications=20)


def test_the_page_of_the_documentation_is_what_the_committed_logs_give(tmp_path):
    """To the byte, from all of them: nobody writes in it by hand."""
    page = tmp_path / "validation.md"
    assert committed_logs()
    assert main(["validate", "--page", str(page)]) == 0
    assert page.read_text() == PAGE.read_text()


def test_evidence_can_be_written_and_read():
    measured = keyed(rounds(1.0, 1.0))
    rows = gather(measured, {key: predicted(1.0) for key in measured}, lambda key: {})
    (row,) = rows.values()
    assert msgspec.json.decode(msgspec.json.encode(row), type=type(row)) == row
