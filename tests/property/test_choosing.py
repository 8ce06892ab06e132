"""Laws of the Pareto front and of the choice from it, on arbitrary settings."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcutsim.analysis import (
    TIE,
    Objectives,
    Targets,
    choose,
    largest_kappa,
    nominal_error,
    pareto_front,
)

# Few values, so that many settings are equal in something.
VALUES = st.sampled_from([0.0, 0.5, 1.0, 1.01, 1.5, 2.0, 40.0])
OPTIONS = st.lists(
    st.builds(
        lambda time_s, late_s, cost, error: Objectives(
            time_s=time_s, late_s=time_s + late_s, cost=cost, error=error
        ),
        VALUES,
        VALUES,
        VALUES,
        VALUES,
    ),
    min_size=1,
    max_size=30,
)
TARGETS = st.builds(
    lambda deadline_s, budget, error: Targets(deadline_s=deadline_s, budget=budget, error=error),
    *[st.none() | VALUES] * 3,
)


def key(option: Objectives) -> tuple[float, float, float]:
    return (option.time_s, option.cost, option.error)


def is_beaten(one: Objectives, other: Objectives) -> bool:
    """By the definition: nowhere better, somewhere worse."""
    pairs = list(zip(key(other), key(one), strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@given(OPTIONS)
def test_no_member_of_the_front_is_beaten_and_every_other_one_is_by_a_member(options):
    front = pareto_front(options)
    for number, option in enumerate(options):
        members = [options[member] for member in front]
        if number in front:
            assert not any(is_beaten(option, other) for other in options)
        else:
            assert any(is_beaten(option, m) or key(option) == key(m) for m in members)


@given(OPTIONS)
def test_the_front_holds_each_once_in_the_order_of_time(options):
    front = pareto_front(options)
    found = [key(options[number]) for number in front]
    assert found == sorted(found)
    assert len(set(found)) == len(found) > 0


@given(OPTIONS, TARGETS)
def test_the_chosen_one_meets_the_targets_whenever_any_does(options, targets):
    def meets(option: Objectives) -> bool:
        return all(
            limit is None or value <= limit
            for value, limit in (
                (option.late_s, targets.deadline_s),
                (option.cost, targets.budget),
                (option.error, targets.error),
            )
        )

    choice = choose(options, targets)
    assert meets(options[choice.index]) == any(map(meets, options)) == (not choice.misses)


@given(OPTIONS, TARGETS)
def test_the_chosen_one_is_the_fastest_or_with_a_deadline_the_cheapest_within_a_tie(
    options, targets
):
    choice = choose(options, targets)
    if not choice.misses:
        meeting = [option for option in options if not targets.misses(option)]
        name = "time_s" if targets.deadline_s is None else "cost"
        least = min(getattr(option, name) for option in meeting)
        assert getattr(options[choice.index], name) <= (1 + TIE) * least


@given(OPTIONS, TARGETS)
def test_where_none_meets_the_targets_the_chosen_one_misses_by_the_least(options, targets):
    choice = choose(options, targets)
    if choice.misses:
        largest = [max(targets.misses(option).values()) for option in options]
        assert max(choice.misses.values()) == min(largest)


def test_of_settings_that_are_as_fast_the_cheaper_one_is_chosen():
    quick = Objectives(time_s=1.0, late_s=1.0, cost=8.0, error=0.1)
    cheap = Objectives(time_s=1.01, late_s=1.0, cost=4.0, error=0.1)
    slow = Objectives(time_s=1.5, late_s=1.5, cost=1.0, error=0.1)
    assert choose([quick, cheap, slow], Targets()).index == 1
    assert choose([quick, cheap, slow], Targets(deadline_s=2.0)).index == 2
    assert choose([quick, cheap, slow], Targets(deadline_s=1.2)).index == 1
    assert choose([quick, slow], Targets(deadline_s=0.8)).misses == {"deadline": 0.25}


def test_there_is_nothing_to_choose_from_nothing():
    with pytest.raises(ValueError, match="empty"):
        choose([], Targets())


@pytest.mark.parametrize(
    ("cuts", "coefficients", "kappa"),
    [(0, 1, 1.0), (1, 6, 3.0), (3, 216, 27.0), (1, 8, 4.0), (2, 48, 12.0), (1, 58, 7.0)],
    ids=["uncut", "gate", "three gates", "wire", "gate and wire", "another gate"],
)
def test_the_overhead_follows_from_the_number_of_terms(cuts, coefficients, kappa):
    assert largest_kappa(cuts, coefficients) == kappa


@given(st.integers(0, 4), st.integers(1, 5), st.integers(1, 10**6))
def test_the_nominal_error_falls_as_one_over_the_root_of_the_shots(cuts, partitions, shots):
    error, quarter = (
        nominal_error(cuts=cuts, coefficients=6**cuts, partitions=partitions, shots=n)
        for n in (shots, 4 * shots)
    )
    assert quarter == pytest.approx(error / 2)
    assert error == pytest.approx(math.sqrt(9**cuts * partitions / shots))


def test_no_shots_give_no_error():
    with pytest.raises(ValueError, match="0 shots"):
        nominal_error(cuts=1, coefficients=6, partitions=2, shots=0)
