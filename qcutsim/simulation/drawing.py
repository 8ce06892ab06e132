"""Draws that cells share: policies and pool sizes meet the same service times and stragglers."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace

import msgspec

from qcutsim.cell import Cell
from qcutsim.simulation.draws import QueryDraws, draw_query
from qcutsim.simulation.models import ServiceModels
from qcutsim.stragglers import InjectedDelays

MOST_TASKS = 2_000_000
"""So many tasks' draws are kept, some 80 MB; what is larger is drawn again."""


@dataclass(slots=True)
class SharedDraws:
    """Draws of one profile under one seed, the latest kept. What it gives is not to be changed.

    ``fresh_delays``: each replication meets stragglers of its own; else all those of a real run.
    """

    seed: int
    fresh_delays: bool = False
    _kept: OrderedDict[tuple[object, ...], QueryDraws] = field(default_factory=OrderedDict)
    _delays: OrderedDict[tuple[object, ...], InjectedDelays] = field(default_factory=OrderedDict)
    _tasks: int = 0

    def of(
        self,
        models: ServiceModels,
        cell: Cell,
        *,
        repetition: int,
        index: int,
        replication: int = 0,
        calibration: int | None = None,
    ) -> QueryDraws:
        """As :func:`draw_query`."""
        pool = cell.pool
        key = (
            msgspec.json.encode(cell.workload),
            pool.kind,
            pool.shares_cores,
            pool.workers if models.merges else None,
            (repetition, index, replication, calibration),
        )
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            drawn = draw_query(
                models,
                cell,
                self.seed,
                repetition=repetition,
                index=index,
                replication=replication,
                calibration=calibration,
            )
            if drawn.tasks > MOST_TASKS:
                luck = replication if self.fresh_delays else 0
                return replace(drawn, delay_s=self._delays_of(cell, drawn, repetition, index, luck))
            self._kept[key] = drawn
            self._tasks += drawn.tasks
            while self._tasks > MOST_TASKS:
                self._tasks -= self._kept.popitem(last=False)[1].tasks
        found = self._kept[key]
        luck = replication if self.fresh_delays else 0
        return replace(found, delay_s=self._delays_of(cell, found, repetition, index, luck))

    def _delays_of(
        self, cell: Cell, drawn: QueryDraws, repetition: int, index: int, luck: int
    ) -> InjectedDelays:
        nodes = len(drawn.service_s)
        key = (msgspec.json.encode(cell.stragglers), nodes, repetition, index, luck)
        if key not in self._delays:
            self._delays[key] = InjectedDelays(
                cell.stragglers, self.seed, nodes, repetition=repetition, index=index, luck=luck
            )
            if len(self._delays) > len(self._kept) + 64:
                self._delays.popitem(last=False)
        return self._delays[key]
