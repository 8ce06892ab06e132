"""Blocks of hand-made queries on simulated machines: a coordinator that costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from profiles import known_profile

from qcutsim.calibrate import PoolModel
from qcutsim.cell import Cell, Host, Pool, Workload
from qcutsim.dispatch import Action, Event
from qcutsim.simulation import QueryDraws
from qcutsim.simulation.block import Block, NumberedQuery

SEED = 4


def draws_of(service_s: Sequence[float], reconstruct_s: float = 0.0, **changes: Any) -> QueryDraws:
    """Tasks with these service times; all else takes no time unless it is given."""
    nothing = [0.0] * len(service_s)
    return QueryDraws(
        **{
            "partition_s": 0.0,
            "generate_s": 0.0,
            "reconstruct_s": reconstruct_s,
            "service_s": list(service_s),
            "collect_cpu_s": nothing,
            "collect_latency_s": nothing,
            "dispatch_s": nothing,
            "start_s": nothing,
        }
        | changes
    )


def pool_model(efficiency: float = 1.0) -> PoolModel:
    """Workers that share cores with that efficiency."""
    pool = known_profile(1).pools["processes"]
    sharing = msgspec.structs.replace(pool.sharing, efficiency=efficiency)
    return msgspec.structs.replace(pool, sharing=sharing)


def cell_of(*hosts: Host, kind: str = "processes", **changes: Any) -> Cell:
    """A cell whose workers are on these hosts."""
    pool = Pool(kind=kind, hosts=hosts or msgspec.UNSET, **changes.pop("pool", {}))
    return Cell(workload=Workload(partition_labels="AABB"), pool=pool, **changes)


def run_block(
    cell: Cell,
    queries: Sequence[QueryDraws],
    *,
    efficiency: float = 1.0,
    node_bytes: Sequence[tuple[int, int]] | None = None,
    repetition: int = 0,
    on_event: Callable[[Event, list[Action]], None] | None = None,
) -> Block:
    """Simulate the queries together."""
    numbered = [
        NumberedQuery(number, repetition, number, 0, None, draws)
        for number, draws in enumerate(queries)
    ]
    most = max(len(draws.service_s) for draws in queries)
    sizes = [(0, 0)] * most if node_bytes is None else node_bytes
    block = Block(cell, pool_model(efficiency), numbered, SEED, sizes, on_event)
    block.run()
    return block
