"""Small parts of the estimator: shots, chunks, pools as text, observables, error bars."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcutsim.errors import InputError
from qcutsim.estimator import Shots
from qcutsim.estimator.allocation import weighted_shots
from qcutsim.estimator.observables import measure_terms, pauli_terms
from qcutsim.estimator.plan import Template
from qcutsim.estimator.poolspec import PoolSpec
from qcutsim.estimator.programs import Program, load_program
from qcutsim.estimator.sampling import sample, spread_shots
from qcutsim.estimator.units import Unit, distinct_rows, split
from qcutsim.estimator.variance import positive_variance


@given(total=st.integers(1, 10**6), count=st.integers(1, 500))
def test_a_budget_is_spread_evenly_and_whole(total, count):
    if total < count:
        with pytest.raises(InputError, match=f"total_shots of at least {count}"):
            spread_shots(total, count)
        return
    spread = spread_shots(total, count)
    assert spread.sum() == total
    assert spread.max() - spread.min() <= 1


def test_a_precision_becomes_the_budget_of_the_sampling_overhead():
    asked = Shots(precision=0.1)
    assert asked.partition_budget(9.0, 2.0, 2, 10**6) == 3600
    for overhead, most in ((float("inf"), 10**12), (9.0, 1799)):
        with pytest.raises(InputError, match=r"precision 0\.1 needs.*limit"):
            asked.partition_budget(overhead, 1.0, 2, most)


def test_shots_by_weight_are_in_proportion_and_never_too_few():
    assert weighted_shots(np.array([3.0, 1.0, 0.0]), 101).tolist() == [76, 26, 2]


@given(
    rows=st.integers(1, 20),
    settings_count=st.integers(1, 30),
    bases=st.integers(1, 3),
    chunk=st.integers(1, 200),
)
@settings(deadline=None)
def test_chunks_hold_every_subexperiment_once(rows, settings_count, bases, chunk):
    program = Program(1, 0, (), (), (0,), ("Z",) * bases)
    unit = Unit(
        Template(program.encode(), 1, 0), np.zeros((rows, 0)), np.arange(settings_count), ()
    )
    seen = np.zeros((rows, settings_count), dtype=int)
    for row, setting in split(unit, chunk):
        seen[row, setting] += 1
        assert seen[row, setting].size * bases <= max(chunk, bases)
    assert (seen == 1).all()


@given(
    values=st.lists(st.lists(st.sampled_from([0.0, 1.5, -2.0]), min_size=2, max_size=2), min_size=1)
)
def test_distinct_rows_give_back_the_bindings(values):
    array = np.array(values)
    rows, inverse = distinct_rows(array)
    np.testing.assert_array_equal(rows[inverse], array)
    assert len({tuple(row) for row in rows.tolist()}) == len(rows)


def test_counts_do_not_hang_on_the_last_digit_of_a_probability():
    """One half computed in two ways must not flip a multinomial: it is rounded first."""
    shots = np.full((1, 1, 1), 1001)
    exact = np.array([0.5, 0.5]).reshape(1, 1, 1, 2)
    nearly = np.array([0.5 + 1e-16, 0.5 - 1e-16]).reshape(1, 1, 1, 2)
    drawn = [sample(p, shots, np.random.default_rng(3)) for p in (exact, nearly, 1 - nearly)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    np.testing.assert_array_equal(drawn[0], drawn[2])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inline", PoolSpec("inline", 1)),
        ("threads:3", PoolSpec("threads", 3)),
        ("processes", PoolSpec("processes", len(os.sched_getaffinity(0)))),
        (None, PoolSpec("inline", 1)),
    ],
)
def test_a_pool_is_read_from_text(text, expected):
    assert PoolSpec.parse(text, default="inline") == expected


@pytest.mark.parametrize(
    "text", ["", "process", "threads:0", "threads:x", "threads:999", "inline:2"]
)
def test_a_text_that_names_no_pool_is_refused_with_the_choices(text):
    with pytest.raises(InputError, match=r"pool is '.*'; "):
        PoolSpec.parse(text, default="inline")


def test_terms_that_agree_qubit_by_qubit_share_a_basis():
    measured = measure_terms(["XIZ", "XYI", "ZII", "IIZ"], range(3))
    assert measured.measured == (0, 1, 2)
    assert measured.bases == ("XYZ", "ZZZ")
    assert measured.basis_of.tolist() == [0, 0, 1, 0]
    assert measured.masks.tolist() == [0b101, 0b011, 0b001, 0b100]


def test_a_partition_measures_only_what_its_terms_need():
    measured = measure_terms(["XIZ", "IIZ", "XII"], [1, 0])
    assert measured.measured == (1,)
    assert measured.subobservable_of.tolist() == [0, 1, 0]


def test_projectors_are_written_as_paulis():
    assert pauli_terms({"0+": 2.0}) == {"II": 0.5, "XI": 0.5, "IZ": 0.5, "XZ": 0.5}
    assert pauli_terms({"1": 1.0, "Z": 0.5}) == {"I": 0.5, "Z": 0.0}


@pytest.mark.parametrize("means", [(0, 0), (1, 0), (2, 2), (0, 0, 0), (2, 0, 0), (0, 0, 0, 0)])
def test_the_error_of_a_product_is_right_on_average_where_factors_vanish(means):
    """Factors of unit variance, 4e5 draws, seed 0; the claim is 6 %, one more for chance.

    The root mean square over so many draws has a standard error of at most 0.6 %.
    """
    draws = np.random.default_rng(0).normal(size=(len(means), 400_000))
    factors = draws + np.array(means)[:, None]
    product = factors.prod(axis=0) ** 2
    excess = product - (factors**2 - 1).prod(axis=0)
    plug_in = (factors**2 + 1).prod(axis=0) - product
    estimate = positive_variance(excess, plug_in, factors=len(means))
    true_variance = np.prod(np.square(means) + 1.0) - np.prod(np.square(means))
    assert (estimate >= 0).all()
    assert np.sqrt(estimate.mean() / true_variance) == pytest.approx(1, abs=0.07)


def test_a_variance_that_is_clear_is_kept():
    excess, plug_in = np.array([2.0, 5.0, 1.0]), np.array([4.0, 5.5, 1.0])
    for factors in (2, None):
        kept = positive_variance(excess, plug_in, factors=factors)
        np.testing.assert_array_equal(kept, excess)
    below = positive_variance(np.array([-1.0]), np.array([2.0]), factors=None)
    assert below.tolist() == pytest.approx([0.15])


def test_a_variance_that_cannot_be_told_stays_unknown():
    assert np.isnan(positive_variance(np.array([np.nan]), np.array([np.nan]), factors=2)).all()


def test_a_program_travels_as_bytes():
    program = Program(2, 0, (), (), (1,), ("X",))
    assert load_program(program.encode()).program == program
