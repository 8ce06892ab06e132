"""The compiled engine and the SimPy farm give the same numbers, to the last bit.

Times are tied (multiples of 1/8), zero, or in general position; what is held equal are all times of
every query and the whole life of every task.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qcutsim.calibrate import PoolModel, QuantileTable, Sharing, TaskModel, load_profile
from qcutsim.cell import Cell, Pool, Workload
from qcutsim.dispatch import CancelMode, TaskKind
from qcutsim.records import Record
from qcutsim.scenario import Scenario
from qcutsim.simulation import QueryDraws, Simulation
from qcutsim.simulation.block import Block, NumberedQuery
from qcutsim.simulation.draws import draw_query
from qcutsim.simulation.farm import SimulatedQuery
from qcutsim.simulation.kernel import memory, why_not
from qcutsim.simulation.kernel.engine import run_block
from qcutsim.simulation.simulate import EngineName
from qcutsim.stragglers import Stragglers

PROFILE = Path(__file__).parents[2] / "calibration" / "iris-upstream.json"

EXAMPLES = 400
"""Blocks of each policy; of speculation, where there is more to get wrong, three times as many."""

KINDS = (
    TaskKind("A", "short", 0.25),
    TaskKind("A", "long", 2.0),
    TaskKind("B", "long", 1.5),
    TaskKind("C", "unknown"),
)

SECONDS = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0]) | st.floats(1e-3, 3.0)
LIFE = [
    "task",
    "attempt",
    "worker",
    "outcome",
    "ready_s",
    "dispatched_s",
    "injected_delay_s",
    "started_s",
    "ended_s",
    "collected_s",
]
COSTS = st.sampled_from(["none", "tied", "any"])

POLICIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "eager": st.just({}),
    "longest_first": st.just({}),
    "batched": st.fixed_dictionaries(
        {
            "size": st.integers(1, 6),
            "delay_s": st.sampled_from([0.0, 0.25, 0.3]),
            "loop": st.sampled_from(["open", "closed"]),
        }
    ),
    "staggered": st.fixed_dictionaries(
        {
            "by": st.sampled_from(["partition", "structure"]),
            "spacing_s": st.sampled_from([0.0, 0.25, 0.7]),
        }
    ),
    "work_stealing": st.fixed_dictionaries({"deal": st.sampled_from(["blocks", "round_robin"])}),
    "speculative": st.fixed_dictionaries(
        {
            "quantile": st.sampled_from([0.1, 0.5, 0.75]),
            "slowdown": st.sampled_from([1.0, 1.25, 2.0]),
            "copies": st.integers(2, 4),
            "cap": st.sampled_from([0.25, 1.0]),
            "samples": st.sampled_from([1, 3, 5]),
        }
    ),
}


class Delays:
    """Injected on every worker, or on slow ones only, as injected delays are."""

    def __init__(self, *amounts: list[float], slow: set[int] | None = None) -> None:
        self.amounts = amounts  # of the first copy, the second, and again
        self.slow = slow
        self.is_per_task = slow is None

    def __call__(self, task: int, attempt: int, worker: int) -> float:
        strikes = self.slow is None or worker in self.slow
        return self.amounts[attempt % len(self.amounts)][task] if strikes else 0.0

    def arrays(self, tasks: int, workers: int, attempt: int) -> tuple[np.ndarray, np.ndarray]:
        is_slow = [self.slow is None or worker in self.slow for worker in range(workers)]
        amounts = self.amounts[attempt % len(self.amounts)]
        return np.array(amounts[:tasks], np.float64), np.array(is_slow, np.bool_)


@st.composite
def queries(draw: st.DrawFn) -> list[QueryDraws]:
    cost = draw(COSTS)
    slow = draw(st.none() | st.sets(st.integers(0, 4)))

    def times(count: int, *, is_cost: bool = True) -> list[float]:
        if is_cost and cost == "none":
            return [0.0] * count
        values = SECONDS if not is_cost or cost == "any" else st.sampled_from([0.0, 0.125, 0.25])
        return draw(st.lists(values, min_size=count, max_size=count))

    found = []
    for _ in range(draw(st.integers(1, 3))):
        tasks = draw(st.integers(1, 12))
        stages = times(3)
        delays_s = times(tasks), times(tasks)

        kind_of = tuple(
            draw(st.lists(st.integers(0, len(KINDS) - 1), min_size=tasks, max_size=tasks))
        )
        found.append(
            QueryDraws(
                partition_s=stages[0],
                generate_s=stages[1],
                reconstruct_s=stages[2],
                service_s=times(tasks, is_cost=False),
                collect_cpu_s=times(tasks),
                collect_latency_s=times(tasks),
                dispatch_s=times(tasks),
                start_s=times(tasks),
                delay_s=Delays(*delays_s, slow=slow),
                kinds=KINDS,
                kind_of=kind_of,
            )
        )
    return found


def pool_of(capacity: int, efficiency: float) -> PoolModel:
    nothing = QuantileTable.constant(0.0)
    return PoolModel(
        workers=(1,),
        sharing=Sharing(
            resource="cores", capacity=capacity, efficiency=efficiency, efficiency_from="chosen"
        ),
        collect_s=nothing,
        collect_cpu_share=0.0,
        dispatch_s=nothing,
        start_s=nothing,
        idle_gap_s=nothing,
        coordinator_cpu_per_task_s=0.0,
        waiting_share=0.0,
        tasks=(
            TaskModel(
                mid_circuit_measurements=0, width=1, depth=0, service_s=nothing, cpu_s=nothing
            ),
        ),
    )


def outcome(query: SimulatedQuery) -> tuple[Any, ...]:
    lives = [tuple(getattr(run, name) for name in LIFE) for run in query.runs]
    times = query.times
    return (
        query.arrived_s,
        query.partition_s,
        query.generate_s,
        times.submitted_s,
        times.executed_s,
        query.reconstructed_s,
        query.ended_s,
        query.coordinator_cpu_s,
        query.copies,
        lives,
    )


def both(cell: Cell, pool: PoolModel, drawn: list[QueryDraws]) -> tuple[list[Any], list[Any]]:
    numbered = [NumberedQuery(n, 0, n, 0, None, draws) for n, draws in enumerate(drawn)]
    block = Block(cell, pool, numbered, 0)
    block.run()
    compiled = run_block(cell, pool, numbered, with_runs=True)
    return (
        [outcome(block.simulated[n]) for n in range(len(drawn))],
        [outcome(compiled[n]) for n in range(len(drawn))],
    )


@pytest.mark.parametrize("policy", POLICIES)
def test_both_engines_agree_to_the_last_bit(policy):
    is_speculative = policy == "speculative"
    seen: set[str] = set()

    @settings(
        max_examples=3 * EXAMPLES if is_speculative else EXAMPLES,
        derandomize=True,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        parameters=POLICIES[policy],
        workers=st.integers(1, 5),
        host=st.none() | st.tuples(st.integers(1, 3), st.sampled_from([1.0, 0.93])),
        cancel=st.sampled_from(["none", "sleep_only", "kill"]),
        restart_s=st.sampled_from([0.0, 0.25, 0.6]),
        drawn=queries(),
    )
    def check(
        parameters: dict[str, Any],
        workers: int,
        host: tuple[int, float] | None,
        cancel: CancelMode,
        restart_s: float,
        drawn: list[QueryDraws],
    ) -> None:
        kind = "dedicated" if host is None else "processes"
        cell = Cell(
            workload=Workload(partition_labels="AABB"),
            pool=Pool(kind=kind, workers=workers, cancel=cancel, restart_s=restart_s),
            policy={"kind": policy, **parameters},
        )
        assert why_not(cell) is None
        farm, compiled = both(cell, pool_of(*(host or (1, 1.0))), drawn)
        assert compiled == farm
        seen.update(f"{cancel}: {life[3]}" for query in farm for life in query[-1])

    check()
    if is_speculative:
        assert {f"{mode}: cancelled" for mode in ("none", "sleep_only", "kill")} <= seen


def random_block(policy: str, seed: int) -> tuple[Cell, PoolModel, list[QueryDraws]]:
    """More workers than cores and more queries at once than :func:`queries` makes."""
    rng = np.random.default_rng(seed)
    workers = int(rng.integers(1, 14))
    is_shared = rng.random() >= 0.35
    host = (int(rng.integers(1, 4)), float(rng.choice([1.0, 0.93, 0.7]))) if is_shared else None
    speculation = {
        "quantile": float(rng.choice([1e-6, 0.1, 0.5, 0.75, 0.999999])),
        "slowdown": float(rng.choice([1.0, 1.1, 1.5, 2.0])),
        "copies": int(rng.integers(2, 5)),
        "cap": float(rng.choice([0.01, 0.25, 0.5, 1.0])),
        "samples": int(rng.choice([1, 2, 3, 5, 50, 512])),
    }
    cost = rng.choice(["none", "tied", "any", "big"])
    slow = None if rng.random() < 0.5 else set(rng.integers(0, 40, 6).tolist())

    def times(count: int, *, is_cost: bool = True) -> list[float]:
        if is_cost and cost == "none":
            return [0.0] * count
        if is_cost and cost == "big":
            return rng.choice([0.0, 0.5, 1.0, 2.0], count).tolist()
        if cost == "tied" if is_cost else seed % 2:
            return rng.choice([0.0, 0.125, 0.25, 0.5, 1.0], count).tolist()
        scale_s = 0.1 if is_cost else 1.0
        return (rng.exponential(scale_s, count) * (rng.random(count) < 0.7)).tolist()

    def delays(tasks: int) -> list[float]:
        amounts = np.array(times(tasks, is_cost=False)) * 5
        return (amounts * (rng.random(tasks) < 0.3)).tolist()

    def query() -> QueryDraws:
        tasks = int(rng.integers(1, 16))
        partition_s, generate_s, reconstruct_s = times(3)
        return QueryDraws(
            partition_s=partition_s,
            generate_s=generate_s,
            reconstruct_s=reconstruct_s * float(rng.choice([1, 10])),
            service_s=times(tasks, is_cost=False),
            collect_cpu_s=times(tasks),
            collect_latency_s=times(tasks),
            dispatch_s=times(tasks),
            start_s=times(tasks),
            delay_s=Delays(*[delays(tasks) for _ in range(int(rng.integers(1, 4)))], slow=slow),
            kinds=KINDS,
            kind_of=tuple(rng.integers(0, len(KINDS), tasks).tolist()),
        )

    drawn = [query() for _ in range(int(rng.integers(1, 6)))]
    pool = Pool(
        kind="processes" if is_shared else "dedicated",
        workers=workers,
        cancel=str(rng.choice(["none", "sleep_only", "kill"])),
        restart_s=float(rng.choice([0.0, 0.25, 0.6, 5.0])),
    )
    cell = Cell(
        workload=Workload(partition_labels="AABB"),
        pool=pool,
        policy={"kind": policy, **(speculation if policy == "speculative" else {})},
    )
    return cell, pool_of(*(host or (1, 1.0))), drawn


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None)
@example(policy="speculative", seed=100072)
@example(policy="speculative", seed=102891)
@example(policy="speculative", seed=107262)
@example(policy="eager", seed=209582)
@example(policy="longest_first", seed=200689)
@given(
    policy=st.sampled_from(["eager", "longest_first", "speculative"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_they_agree_on_blocks_in_which_jobs_end_as_others_begin(policy, seed):
    """In the examples the order of ends and entries at one instant on a shared host decides."""
    farm, compiled = both(*random_block(policy, seed))
    assert compiled == farm


@pytest.mark.parametrize("policy", ["eager", "longest_first"])
@pytest.mark.parametrize("workers", [1, 3, 16])
def test_the_short_way_of_work_alone_agrees_too(policy, workers):
    """Seed 8: 300 queries of up to 60 tasks, half of them with ties."""
    rng = np.random.default_rng(8)
    cell = Cell(
        workload=Workload(partition_labels="AABB"),
        pool=Pool(kind="dedicated", workers=workers),
        policy={"kind": policy},
    )
    drawn = []
    for number in range(300):
        tasks = int(rng.integers(1, 60))
        service = rng.exponential(1.0, tasks)
        if number % 2:
            service = np.ceil(4 * service) / 4
        nothing = [0.0] * tasks
        drawn.append(
            QueryDraws(
                partition_s=float(rng.random()),
                generate_s=float(rng.random()),
                reconstruct_s=float(rng.random()),
                service_s=service.tolist(),
                collect_cpu_s=nothing,
                collect_latency_s=nothing,
                dispatch_s=nothing,
                start_s=nothing,
                delay_s=Delays((0.25 * (rng.random(tasks) < 0.2)).tolist()),
                kinds=KINDS,
                kind_of=tuple(rng.integers(0, len(KINDS), tasks).tolist()),
            )
        )
    numbered = [NumberedQuery(n, 0, n, 0, None, draws) for n, draws in enumerate(drawn)]
    block = Block(cell, pool_of(1, 1.0), numbered, 0)
    block.run()
    compiled = run_block(cell, pool_of(1, 1.0), numbered, with_runs=False)
    for number, farm in block.simulated.items():
        assert outcome(compiled[number])[:-1] == outcome(farm)[:-1]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"policy": {"kind": "speculative", "copies": 5}}, "more than 4 copies of a task"),
        ({"policy": {"kind": "variance_first"}}, "policy 'variance_first' (it takes eager, "),
        ({"window": 2}, "a window of queries"),
        ({"timeout_s": 3.0}, "a timeout"),
    ],
)
def test_what_the_compiled_engine_does_not_take_is_named(changes, reason):
    cell = Cell(workload=Workload(partition_labels="AABB"))
    found = why_not(msgspec.structs.replace(cell, **changes))
    assert found is not None
    assert found.startswith(reason)
    assert why_not(cell, has_merges=True) == "merges beside the tasks"
    assert why_not(cell, is_learned=True) == "a learned rate of sharing"


def test_where_timers_find_no_room_the_farm_takes_over(monkeypatch):
    cell = Cell(
        workload=Workload(partition_labels="AABB"),
        pool=Pool(kind="dedicated", workers=16),
        policy={"kind": "speculative", "slowdown": 2.0, "cap": 1.0},
        stragglers=Stragglers(probability=0.3, delay_s=0.5),
        queries=5,
    )
    profile = load_profile(PROFILE)
    scenario = Scenario("timers", 3, 1, 1, (cell,))

    def records(engine: EngineName) -> list[Record]:
        return list(
            Simulation(scenario, profile, engine=engine, with_tasks=True).cell_records(cell)
        )

    farm = records("simpy")
    assert records("kernel") == farm
    monkeypatch.setitem(memory._MOST_TIMERS, True, 0)
    simulation = Simulation(scenario, profile)
    _, models = simulation.look_up(cell)
    draws = draw_query(models, cell, 3, repetition=0, index=0)
    with pytest.raises(OverflowError, match="more timers than there is room for"):
        run_block(cell, models.pool, [NumberedQuery(0, 0, 0, 0, None, draws)], with_runs=True)
    assert records("kernel") == farm
