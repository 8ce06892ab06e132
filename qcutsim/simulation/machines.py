"""Pools of several hosts, and workers that fail: what a cell asks for, put into a farm."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
import numpy as np

from qcutsim.calibrate import PoolModel, Sharing
from qcutsim.cell import Cell, Failures, Host
from qcutsim.seeds import stream
from qcutsim.simulation.farm import Farm
from qcutsim.simulation.hosts import Place, no_queue
from qcutsim.simulation.station import SharedHost
from qcutsim.stragglers import frozen_distribution

Station = SharedHost[Callable[[], None]]


def coordinators_station(
    cell: Cell, sharing: Sharing, calibration: int | None = None
) -> Station | None:
    """What the coordinator shares with workers, fresh; ``None``: nothing.

    It lives on the first host, where there are several.
    """
    if cell.pool.hosts is msgspec.UNSET:
        return None if cell.pool.kind == "dedicated" else _station(sharing, None, calibration)
    return _host_station(cell, cell.pool.hosts[0], sharing, calibration)


def join_hosts(
    farm: Farm,
    cell: Cell,
    pool: PoolModel,
    seed: int,
    key: tuple[int, int],
    calibration: int | None = None,
) -> None:
    """Let the workers of a cell's hosts join; delays of devices are keyed by seed and ``key``."""
    assert cell.pool.hosts is not msgspec.UNSET
    for number, host in enumerate(cell.pool.hosts):
        base = farm.workers.coordinator
        if number > 0:
            base = farm.workers.place_on(_host_station(cell, host, pool.sharing, calibration))
        byte_s = 1 / host.bandwidth_bytes_per_s if host.bandwidth_bytes_per_s else 0.0
        waits = host.queue_delay_s > 0 or host.queue_delay is not None
        place = Place(
            base.host,
            host.speed,
            host.latency_s + pool.payload_bytes * byte_s,
            host.latency_s + pool.result_bytes * byte_s,
            _QueueDelays(host, seed, (*key, number)) if waits else no_queue,
        )
        for _ in range(host.workers):
            farm.workers.join(place)


def fail_workers(farm: Farm, failures: Failures, seed: int, key: tuple[int, int]) -> None:
    """From now on workers that join die after a while of their own."""

    def joined(worker: int) -> None:
        lives_s = stream(seed, "worker fails", *key, worker).exponential(failures.mtbf_s)
        farm.workers.schedule(lives_s, farm.workers.lose, worker, failures.repair_s)

    farm.workers.on_joined = joined


def _host_station(
    cell: Cell, host: Host, sharing: Sharing, calibration: int | None
) -> Station | None:
    if cell.pool.kind == "dedicated" or host.cores is None:
        return None
    return _station(sharing, host.cores, calibration)


def _station(sharing: Sharing, cores: int | None, calibration: int | None) -> Station:
    """The calibrated sharing; with other cores where these are what is shared."""
    drawn = 1.0
    if calibration is not None and sharing.bootstrap:
        drawn = sharing.bootstrap[calibration % len(sharing.bootstrap)]
    if sharing.resource == "learned":
        busy = np.arange(1, max(sharing.sizes) + 1)
        rates = np.interp(busy, sharing.sizes, sharing.rates)
        return SharedHost(1, rates=[1.0, *(rates[1:] * drawn).tolist()])
    is_cores = sharing.resource == "cores" and cores is not None
    capacity = cores if is_cores and cores is not None else sharing.capacity
    return SharedHost(capacity, min(sharing.efficiency * drawn, 1.0))


class _QueueDelays:
    """What copies wait for a device: one draw a query, task and attempt, by key."""

    def __init__(self, host: Host, seed: int, key: tuple[int, ...]) -> None:
        self._host = host
        self._uniform = partial(stream, seed, "device queue", *key)
        self._law = None if host.queue_delay is None else frozen_distribution(host.queue_delay)

    def __call__(self, query: int, task: int, attempt: int) -> float:
        if self._law is None:
            return self._host.queue_delay_s
        return max(float(self._law.ppf(self._uniform(query, task, attempt).random())), 0.0)
