"""Parts of a calibration against independent references: families, effects, tails, scales."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from qcutsim.calibrate import Family, NaturalStragglers, QuantileTable, Tail
from qcutsim.calibrate.effects import fit_effects
from qcutsim.calibrate.families import FEWEST_FOR_A_FAMILY, choose_family
from qcutsim.calibrate.scales import fit_stage_scale, fit_task_scale, stage_scale_s, task_scale_s
from qcutsim.calibrate.tails import FEWEST_EXCESSES, fit_stragglers, is_straggler

law = settings(derandomize=True, deadline=None)
SHAPE = st.floats(0.3, 5)
U = np.linspace(0.001, 0.999, 97)


@law
@given(shape=SHAPE, scale_s=st.floats(1e-4, 10), shift_s=st.floats(0, 1))
def test_quantiles_of_the_families_are_those_of_scipy(shape, scale_s, shift_s):
    given_ = {"shift_s": shift_s, "shape": shape, "scale_s": scale_s}
    references = {
        "lognormal": scipy.stats.lognorm(shape, loc=shift_s, scale=scale_s),
        "gamma": scipy.stats.gamma(shape, loc=shift_s, scale=scale_s),
        "weibull": scipy.stats.weibull_min(shape, loc=shift_s, scale=scale_s),
    }
    for name, reference in references.items():
        found = Family(name=name, **given_).at(U)
        assert found == pytest.approx(reference.ppf(U), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("lognormal", lambda rng: 0.5 + rng.lognormal(-1.0, 0.8, 4000)),
        ("gamma", lambda rng: rng.gamma(3.0, 0.2, 4000)),
        ("weibull", lambda rng: 0.1 * rng.weibull(1.7, 4000)),
    ],
)
def test_data_of_a_family_are_fitted_nearly_as_well_as_by_their_own_law(name, draw):
    """Seed 4. A table of half the data is a good model too; no other family may win by much."""
    data = draw(np.random.default_rng(4))
    family, goodness = choose_family(data)
    assert goodness is not None
    assert goodness.held_out[name] == pytest.approx(min(goodness.held_out.values()), rel=0.01)
    chosen = family or QuantileTable.of(data)
    assert chosen.at(np.array([0.1, 0.5, 0.9])) == pytest.approx(
        np.quantile(data, [0.1, 0.5, 0.9]), rel=0.05
    )
    assert goodness.ks < 0.03


def test_data_with_two_modes_keep_their_table():
    rng = np.random.default_rng(4)
    data = np.where(rng.random(1000) < 0.5, 1.0, 10.0) * rng.lognormal(0, 0.05, 1000)
    family, goodness = choose_family(data)
    assert family is None
    assert goodness is not None
    assert min(goodness.held_out, key=lambda name: goodness.held_out[name]) == "table"


def test_the_held_out_loss_is_the_mean_pinball_loss():
    data = np.random.default_rng(4).gamma(2.0, 1.0, 200)
    _, goodness = choose_family(data)
    assert goodness is not None
    table, levels = QuantileTable.of(data[::2]), np.linspace(0.01, 0.99, 99)
    losses = [
        max(level * (x - q), (level - 1) * (x - q))
        for x in data[1::2]
        for level, q in zip(levels, table.at(levels), strict=True)
    ]
    assert goodness.held_out["table"] == pytest.approx(np.mean(losses))


def test_few_or_equal_observations_have_no_family():
    rng = np.random.default_rng(4)
    assert choose_family(rng.random(FEWEST_FOR_A_FAMILY - 1)) == (None, None)
    assert choose_family(np.full(100, 2.0)) == (None, None)


def nested(
    rng: np.random.Generator, block_sd: float, query_sd: float, task_sd: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """60 blocks of 10 queries of 20 tasks: logs, query of each task, execute logs, places."""
    block = np.repeat(np.arange(60), 10)
    of_query = rng.normal(0, block_sd, 60)[block] + rng.normal(0, query_sd, 600)
    query = np.repeat(np.arange(600), 20)
    logs = of_query[query] + rng.normal(0, task_sd, 12_000)
    execute = np.log(np.bincount(query, np.exp(logs)))
    return logs, query, execute, np.column_stack([np.zeros(600, int), block])


def test_the_parts_of_nested_data_are_told_apart():
    """Seed 5; the standard deviations are estimated to about 9, 3 and 1 %."""
    logs, query, execute, places = nested(np.random.default_rng(5), 0.06, 0.04, 0.05)
    found = fit_effects(logs, query, execute, places).effects
    assert found.block_sd == pytest.approx(0.06, rel=0.35)
    assert np.hypot(found.query_sd, 0) == pytest.approx(0.04, rel=0.15)
    assert found.task_sd == pytest.approx(0.05, rel=0.05)
    assert (found.blocks, found.queries) == (60, 600)


def test_in_mere_noise_there_are_no_effects():
    logs, query, execute, places = nested(np.random.default_rng(5), 0.0, 0.0, 0.05)
    found = fit_effects(logs, query, execute, places)
    assert found.effects.query_sd < 0.006
    assert found.effects.block_sd < 0.003
    assert np.abs(found.of_task).max() < 0.01


def test_what_a_query_did_is_taken_out_of_its_tasks():
    logs, query, execute, places = nested(np.random.default_rng(5), 0.0, 0.1, 0.05)
    found = fit_effects(logs, query, execute, places)
    assert np.std(logs - found.of_task) == pytest.approx(0.05, rel=0.03)


@law
@given(shape=st.floats(-1, 0.8).map(lambda x: round(x, 3)), scale_s=st.floats(1e-3, 10))
def test_quantiles_of_the_tail_are_those_of_scipy(shape, scale_s):
    found = Tail(scale_s=scale_s, shape=shape).at(U)
    assert found == pytest.approx(scipy.stats.genpareto(shape, scale=scale_s).ppf(U), rel=1e-6)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4])
def test_a_tail_is_recovered(shape):
    """Seed 6; with 5,000 excesses the shape is estimated to about 0.02."""
    excess = scipy.stats.genpareto(shape, scale=0.2).rvs(5000, random_state=6)
    found = fit_stragglers(0.05 + excess, 50_000)
    assert found.probability == 0.1
    assert found.tail is not None
    assert found.tail.shape == pytest.approx(shape, abs=0.12)
    assert found.tail.scale_s == pytest.approx(0.2, rel=0.1)
    assert found.least_s == pytest.approx(0.05, abs=0.001)


def test_few_stragglers_are_kept_as_they_are():
    excess = np.linspace(1.0, 2.0, FEWEST_EXCESSES - 1)
    found = fit_stragglers(excess, 1000)
    assert found.tail is None
    assert found.excess_s == QuantileTable.of(excess)
    assert fit_stragglers(np.zeros(0), 1000) == NaturalStragglers()


def test_as_many_tasks_are_late_as_the_model_says():
    found = fit_stragglers(np.linspace(1.0, 2.0, 50), 500)
    late = found.at(np.linspace(0, 1, 10_000, endpoint=False))
    assert np.mean(late > 0) == pytest.approx(0.1)
    assert late[late > 0].min() >= 1.0


def test_stragglers_are_found_and_usual_tasks_are_not():
    """Seed 7; of 10,000 lognormal residuals of spread 0.1 none is 8 standard deviations out."""
    rng = np.random.default_rng(7)
    residual = rng.lognormal(0, 0.1, 10_000)
    assert not is_straggler(residual).any()
    residual[::100] += 3.0
    assert np.flatnonzero(is_straggler(residual)).tolist() == list(range(0, 10_000, 100))


CLASSES = [
    (mid, width, depth, count)
    for mid in (0, 1, 2)
    for width in (1, 2)
    for depth in (5, 9)
    for count in (1, 2)
]


def test_a_scale_is_recovered_where_times_are_made_of_its_terms():
    """In any class, those it was not fitted to included."""

    def seconds(mid: int, width: int, depth: int, count: int) -> float:
        trajectories = 1024 * count
        return 1e-3 + 2e-4 * count * 2**width + (mid > 0) * trajectories * (4e-5 + 1e-7 * depth)

    scale = fit_task_scale({f: seconds(*f) for f in CLASSES}, 1024)
    assert scale.relative_error < 1e-6
    assert min(scale.seconds.values()) > 0
    for features in [(1, 3, 20, 8), (0, 4, 3, 1)]:
        assert task_scale_s(scale, features, 1024) == pytest.approx(seconds(*features), rel=1e-4)
    twice = task_scale_s(scale, (1, 1, 5, 1), 2048)
    assert twice == pytest.approx(1e-3 + 4e-4 + 2048 * 4.05e-5, rel=1e-4)


@law
@given(
    fixed=st.floats(1e-4, 1), each=st.floats(1e-6, 1e-2), work=st.lists(
        st.integers(1, 10_000), min_size=2, max_size=5, unique=True)
)  # fmt: skip
def test_a_stage_that_grows_with_its_work_is_recovered(fixed, each, work):
    scale = fit_stage_scale(work, [fixed + each * amount for amount in work])
    assert stage_scale_s(scale, 50_000) == pytest.approx(fixed + 50_000 * each, rel=1e-3)


@law
@given(times=st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=len(CLASSES)))
def test_no_term_of_a_scale_is_negative(times):
    scale = fit_task_scale(dict(zip(CLASSES, times, strict=False)), 100)
    assert all(seconds > 0 for seconds in scale.seconds.values())


def test_a_stage_that_takes_no_time_has_an_empty_scale():
    assert stage_scale_s(fit_stage_scale([1, 2], [0.0, 0.0]), 7) == 0.0
