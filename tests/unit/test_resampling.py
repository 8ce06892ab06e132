"""The two-stage bootstrap of a median: within what was seen, and as wide as it should be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcutsim.analysis import resampled_medians

ROUNDS = st.lists(st.lists(st.floats(0.001, 100), min_size=1, max_size=6), min_size=1, max_size=5)


@given(rounds=ROUNDS, seed=st.integers(0, 2**32))
def test_a_resampled_median_lies_within_what_was_seen(rounds, seed):
    medians = resampled_medians(rounds, seed, 50)
    flat = [value for values in rounds for value in values]
    assert medians.shape == (50,)
    assert min(flat) <= medians.min()
    assert medians.max() <= max(flat)
    assert (medians == resampled_medians(rounds, seed, 50)).all()


def test_resampled_medians_of_one_round_spread_as_those_of_the_plain_bootstrap():
    """Against ``np.median`` of drawn rows; seeds fixed, so that it cannot fail by chance."""
    sample = np.random.default_rng(1).lognormal(size=31)
    ours = resampled_medians([list(sample)], 2, 20_000)
    rows = np.random.default_rng(3).choice(sample, (20_000, 31))
    plain = np.median(rows, axis=1)
    assert np.quantile(ours, [0.05, 0.5, 0.95]) == pytest.approx(
        np.quantile(plain, [0.05, 0.5, 0.95]), rel=0.03
    )


def test_ninety_percent_of_resampled_medians_hold_the_true_one_nearly_as_often():
    """200 studies of 6 rounds of 8 queries, true median 1; seed 6. An interval that held it in
    90 % of studies would pass here but for a chance of 1e-5 (binomial)."""
    rng = np.random.default_rng(6)
    held = 0
    for study in range(200):
        rounds = rng.lognormal(sigma=0.3, size=(6, 8)).tolist()
        low, high = np.quantile(resampled_medians(rounds, study), [0.05, 0.95])
        held += low <= 1 <= high
    assert held >= 160


def test_what_differs_between_rounds_widens_the_interval():
    rng = np.random.default_rng(4)
    alike = [list(10 + 0.1 * rng.standard_normal(20)) for _ in range(6)]
    shifted = [[value + shift for value in own] for own, shift in zip(alike, range(6), strict=True)]
    narrow, wide = (
        np.ptp(np.quantile(resampled_medians(r, 5), [0.05, 0.95])) for r in (alike, shifted)
    )
    assert wide > 5 * narrow
