"""calibrate(simulate(profile)) gives the profile back."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from profiles import LABELS, known_profile

from qcutsim.calibrate import (
    CalibrationProfile,
    Effects,
    NaturalStragglers,
    PoolModel,
    QuantileTable,
    Tail,
    calibrate_logs,
)
from qcutsim.cell import Cell, Pool, Workload
from qcutsim.manifest import collect_manifest
from qcutsim.scenario import Scenario
from qcutsim.stragglers import InjectedDelays, Stragglers
from qcutsim.study import simulate_scenario

FALSE_ALARM = 1e-6
SEED = 11
QUERIES = 24
"""Independent queries of a cell: 4 x 3 repetitions x 2 replications."""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[CalibrationProfile, CalibrationProfile]:
    """(the profile simulated from, the profile calibrated on that simulation)."""
    profile = known_profile(collect_manifest().machine.cores)
    cells = tuple(
        Cell(
            workload=Workload(partition_labels=labels),
            pool=Pool(kind=kind, workers=workers),
            stragglers=Stragglers(probability=probability, delay_s=0.1),
            queries=4,
        )
        for labels in LABELS
        for kind in ("threads", "processes")
        for workers in (1, 2)
        for probability in (0.0, 0.1)
    )
    scenario = Scenario("round trip", SEED, 3, 2, cells)
    out: Path = tmp_path_factory.mktemp("simulated")
    log, _ = simulate_scenario(scenario, profile, out, with_tasks=True)
    return profile, calibrate_logs([log])


def assert_same_distribution(given: QuantileTable, found: QuantileTable, draws: int) -> None:
    """Distance of the distribution functions, against the Dvoretzky-Kiefer-Wolfowitz bound.

    ``draws`` is how many independent ones ``found`` was made of; false-alarm rate 1e-6 a table.
    """
    u = np.linspace(0, 1, 2001)
    reached = np.interp(found.at(u), given.values, np.linspace(0, 1, len(given.values)))
    bound = math.sqrt(math.log(2 / FALSE_ALARM) / (2 * draws)) + 1 / min(len(found.values), 201)
    assert np.max(np.abs(reached - u)) < bound


def test_service_times_of_every_class_come_back(both):
    profile, found = both
    for kind, pool in profile.pools.items():
        given = {model.features: model for model in pool.tasks}
        assert {model.features for model in found.pools[kind].tasks} == set(given)
        for model in found.pools[kind].tasks:
            # Cells with and without stragglers share their draws.
            draws = model.service_s.samples // 2
            assert_same_distribution(given[model.features].service_s, model.service_s, draws)


def test_stage_times_come_back(both):
    profile, found = both
    for stage in ("partition", "generate", "reconstruct"):
        for given, back in zip(getattr(profile, stage), getattr(found, stage), strict=True):
            assert back.partition_labels == given.partition_labels
            assert_same_distribution(given.seconds, back.seconds, QUERIES)


def test_overheads_of_the_coordinator_come_back(both):
    profile, found = both
    for kind, given in profile.pools.items():
        back = found.pools[kind]
        for name in ("collect_s", "dispatch_s", "start_s"):
            assert_same_distribution(getattr(given, name), getattr(back, name), QUERIES * 107)
        assert back.collect_cpu_share == pytest.approx(given.collect_cpu_share, abs=0.05)


def test_what_sharing_costs_comes_back(both):
    profile, found = both
    for kind, given in profile.pools.items():
        back = found.pools[kind].sharing
        assert (back.resource, back.capacity) == (given.sharing.resource, given.sharing.capacity)
        assert back.efficiency == pytest.approx(given.sharing.efficiency, abs=0.015)


def test_stragglers_come_back_exactly(both):
    _, found = both
    delayed = tasks = 0
    for tasks_of_query in (12, 108):
        for repetition in range(3):
            for index, replication in itertools.product(range(4), range(2)):
                injected = InjectedDelays(
                    Stragglers(probability=0.1, delay_s=0.1),
                    SEED,
                    tasks_of_query,
                    repetition=repetition,
                    index=index,
                    luck=replication,
                )
                delayed += sum(injected(task, 0, 0) > 0 for task in range(tasks_of_query))
                tasks += tasks_of_query
    assert found.stragglers["share"] == pytest.approx(delayed / tasks / 2)
    assert found.stragglers["mean_delay_s"] == pytest.approx(0.1)


EFFECTS = Effects(block_sd=0.06, query_sd=0.05, task_sd=0.1)
TAIL = Tail(scale_s=0.05, shape=0.2)
STRAGGLERS = NaturalStragglers(
    probability=0.02, least_s=0.08, excess_s=QuantileTable.of([0.08, 0.1]), tail=TAIL
)
WARM_UP = (1.5, 1.3, 1.15, 1.05, 1.0)
BLOCKS = 20


@pytest.fixture(scope="module")
def restless(tmp_path_factory: pytest.TempPathFactory) -> tuple[PoolModel, PoolModel]:
    """Workers with effects, stragglers and a warm-up: (simulated from, calibrated on that)."""
    profile = known_profile(collect_manifest().machine.cores)
    pool = msgspec.structs.replace(
        profile.pools["processes"], effects=EFFECTS, stragglers=STRAGGLERS, warm_up=WARM_UP
    )
    cells = tuple(
        Cell(workload=Workload(partition_labels=labels), pool=Pool(kind="processes"), queries=15)
        for labels in LABELS
    )
    log, _ = simulate_scenario(
        Scenario("restless", 4, BLOCKS, 1, cells),
        msgspec.structs.replace(profile, pools={"processes": pool}),
        tmp_path_factory.mktemp("restless"),
        with_tasks=True,
    )
    return pool, calibrate_logs([log]).pools["processes"]


def test_effects_of_blocks_queries_and_tasks_come_back(restless):
    """Each to within 5 standard errors of its own estimate (1e-6 each); seed 4.

    Both labels share their blocks and queries, so these count once; those of the warm-up do not.
    """
    found = restless[1].effects
    queries = BLOCKS * (15 - len(WARM_UP))
    for name, freedom in (("block_sd", BLOCKS - 1), ("query_sd", queries - BLOCKS)):
        given = getattr(EFFECTS, name)
        assert getattr(found, name) == pytest.approx(given, rel=5 / math.sqrt(2 * freedom)), name
    assert found.task_sd == pytest.approx(EFFECTS.task_sd, rel=0.03)


def test_stragglers_nobody_injected_come_back_with_their_tail(restless):
    """To within 5 standard errors (1e-6 each); seed 4."""
    found = restless[1].stragglers
    assert found.tail is not None
    tasks = BLOCKS * (15 - len(WARM_UP)) * 108  # the other label's tasks are the first of these
    p = STRAGGLERS.probability
    assert found.probability == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / tasks))
    mean_s = TAIL.scale_s / (1 - TAIL.shape)
    error_s = mean_s / math.sqrt((1 - 2 * TAIL.shape) * p * tasks)
    found_s = found.least_s + found.tail.scale_s / (1 - found.tail.shape)
    assert found_s == pytest.approx(STRAGGLERS.least_s + mean_s, abs=5 * error_s)


def test_the_warm_up_comes_back_and_does_not_reach_the_service_times(restless):
    """A block shifts them by 0.06 / sqrt(20): 5 standard errors are 7 %; seed 4."""
    given, found = restless
    assert found.warm_up == pytest.approx(WARM_UP, abs=0.1)
    tables = {model.features: model.service_s for model in given.tasks}
    levels = np.array([0.1, 0.5, 0.9])
    for model in found.tasks:
        assert model.at(levels) == pytest.approx(tables[model.features].at(levels), rel=0.07)
