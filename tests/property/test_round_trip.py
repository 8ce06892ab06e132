"""calibrate(simulate(profile)) gives the profile back."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from profiles import LABELS, known_profile

from qcutsim.calibrate import CalibrationProfile, QuantileTable, calibrate_logs
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
            for index in range(4):
                injected = InjectedDelays(
                    Stragglers(probability=0.1, delay_s=0.1),
                    SEED,
                    tasks_of_query,
                    repetition=repetition,
                    index=index,
                )
                delayed += sum(injected(task, 0, 0) > 0 for task in range(tasks_of_query))
                tasks += tasks_of_query
    assert found.stragglers["share"] == pytest.approx(delayed / tasks / 2)
    assert found.stragglers["mean_delay_s"] == pytest.approx(0.1)
