"""Intervals of replications, the rule for enough of them, and laws of speed-up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcutsim.analysis import (
    Interval,
    ScalingLaws,
    are_enough,
    half_width,
    interval,
    pooled_quantiles,
)
from qcutsim.analysis.intervals import FEWEST_REPLICATIONS

law = settings(derandomize=True, deadline=None)


def test_an_interval_holds_its_part_of_the_replications():
    values = np.arange(101.0)
    found = interval(values)
    assert (found.estimate, found.low, found.high) == pytest.approx((50.0, 5.0, 95.0))
    assert interval(values, 7.0).estimate == 7.0


def test_too_few_replications_have_no_interval():
    found = interval(np.arange(float(FEWEST_REPLICATIONS - 1)))
    assert (found.low, found.high) == (None, None)


def test_half_width_is_students_t():
    """Of 1..10: mean 5.5, standard error sqrt(55/6)/sqrt(10), t(0.95, 9) = 1.8331."""
    found = half_width(np.arange(1.0, 11.0))
    assert found == pytest.approx(1.833113 * np.sqrt(55 / 6 / 10) / 5.5, rel=1e-6)
    assert half_width(np.ones(3)) == 0.0
    assert half_width(np.ones(1)) == float("inf")


def test_the_confidence_interval_covers_the_mean_as_often_as_it_says():
    """2,000 samples of 12; seed 7. The share covered has a standard error of 0.0067: a right
    implementation is outside 0.9 +- 0.027 once in 16,000 times."""
    samples = np.random.default_rng(7).normal(10.0, 2.0, (2000, 12))
    covered = [abs(own.mean() / 10 - 1) <= half_width(own) * own.mean() / 10 for own in samples]
    assert np.mean(covered) == pytest.approx(0.9, abs=0.027)


def test_replications_are_enough_once_the_mean_is_known_as_well_as_asked():
    rng = np.random.default_rng(3)
    values = rng.normal(1.0, 0.1, 2000)
    assert not are_enough(values[: FEWEST_REPLICATIONS - 1], 10.0)
    assert not are_enough(values[:10], 0.02)
    needed = (1.645 * 0.1 / 0.02) ** 2
    assert are_enough(values[: int(2 * needed)], 0.02)


SIZES = st.lists(st.integers(2, 64), min_size=2, max_size=5, unique=True)


@law
@given(share=st.floats(0, 1), sizes=SIZES)
def test_amdahls_law_is_recovered_from_what_follows_it(share, sizes):
    makespans = {n: 3.0 * (share + (1 - share) / n) for n in (1, *sizes)}
    laws = ScalingLaws.fit(makespans, 1.0)
    assert laws.serial_share == pytest.approx(share, abs=1e-9)
    assert laws.ratios(100)["Amdahl"] == pytest.approx(share + (1 - share) / 100)


@law
@given(a=st.floats(0, 2), b=st.floats(0, 0.1), sizes=SIZES)
def test_the_universal_scalability_law_is_recovered_from_what_follows_it(a, b, sizes):
    makespans = {n: 2.0 * (1 + a * (n - 1) + b * n * (n - 1)) / n for n in (1, *sizes)}
    laws = ScalingLaws.fit(makespans, 1.0)
    assert (laws.contention, laws.coherency) == pytest.approx((a, b), abs=1e-6)


def test_two_sizes_cannot_tell_coherency():
    laws = ScalingLaws.fit({1: 1.0, 2: 0.75}, 1.0)
    assert (laws.contention, laws.coherency) == (pytest.approx(0.5), 0.0)


@law
@given(exponent=st.floats(-0.5, 1.0), sizes=SIZES)
def test_a_power_law_is_recovered_from_what_follows_it(exponent, sizes):
    laws = ScalingLaws.fit({n: 5.0 * float(n) ** -exponent for n in (1, *sizes)}, 1.0)
    assert laws.exponent == pytest.approx(exponent, abs=1e-9)


def test_independent_workers_divide_what_is_parallel():
    laws = ScalingLaws.fit({1: 10.0}, 0.8)
    assert laws.ratios(4) == {"independent workers": pytest.approx(0.2 + 0.8 / 4)}


def test_without_one_worker_there_is_nothing_to_start_from():
    with pytest.raises(ValueError, match="the makespan of one worker is missing"):
        ScalingLaws.fit({2: 1.0}, 1.0)


def test_pooled_quantiles_are_those_of_all_values():
    rng = np.random.default_rng(3)
    replications = [rng.lognormal(size=7).tolist() for _ in range(30)]
    found = pooled_quantiles(replications, (0.5, 0.95), off=np.ones(30), seed=1)
    expected = np.quantile(np.concatenate(replications), (0.5, 0.95))
    assert [one.estimate for one in found] == pytest.approx(expected.tolist())
    assert all(one.low <= one.estimate <= one.high for one in found)


def test_the_tail_of_single_queries_is_not_their_median():
    """A query a replication, as in a sweep: one in ten takes ten times as long."""
    replications = [[10.0 if number % 10 == 0 else 1.0] for number in range(100)]
    half, tail = pooled_quantiles(replications, (0.5, 0.95), off=np.ones(100), seed=1)
    assert (half.estimate, tail.estimate) == (1.0, 10.0)
    assert (half.low, half.high) == (1.0, 1.0)


def test_pooled_quantiles_of_few_replications_have_no_interval():
    (found,) = pooled_quantiles([[1.0, 3.0]] * 9, (0.5,), off=np.ones(9), seed=1)
    assert found == Interval(estimate=2.0, low=None, high=None)


def test_pooled_quantiles_of_nothing_are_nan():
    (found,) = pooled_quantiles([[], []], (0.5,), off=np.ones(2), seed=1)
    assert np.isnan(found.estimate)


def test_the_interval_of_a_pooled_quantile_covers_the_true_one():
    """90 % intervals of the median of 20 replications of 5 normal values: at least 80 % of 200
    cover 0 (seed 5; were the cover 88 %, fewer would by a chance of 5e-4)."""
    rng = np.random.default_rng(5)
    covered = 0
    for number in range(200):
        values = rng.standard_normal((20, 5)).tolist()
        (found,) = pooled_quantiles(values, (0.5,), off=np.ones(20), seed=number)
        covered += found.low <= 0 <= found.high
    assert 160 <= covered <= 198
