"""Pools of several hosts, and workers that fail: what a cell asks for, put into a farm."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from qcutsim.calibrate import Sharing
from qcutsim.cell import Cell, Failures, Host
from qcutsim.seeds import stream
from qcutsim.simulation.farm import Farm
from qcutsim.simulation.hosts import Place, Way
from qcutsim.simulation.station import SharedHost

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
    sharing: Sharing,
    ways: Sequence[Way | None],
    calibration: int | None = None,
) -> None:
    """Let the workers of a cell's hosts join; ``ways`` lead to each of the hosts."""
    assert cell.pool.hosts is not msgspec.UNSET
    for number, (host, way) in enumerate(zip(cell.pool.hosts, ways, strict=True)):
        base = farm.workers.coordinator
        if number > 0:
            base = farm.workers.place_on(_host_station(cell, host, sharing, calibration))
        place = Place(base.host, host.speed, way, number)
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
    capacity = sharing.capacity if cores is None else cores
    return SharedHost(capacity, min(sharing.efficiency * drawn, 1.0))
