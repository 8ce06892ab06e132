"""Simulation: the same dispatcher, in virtual time, on calibrated service times."""

from __future__ import annotations

from qcutsim.simulation.draws import QueryDraws, draw_query
from qcutsim.simulation.farm import Farm, SimulatedQuery
from qcutsim.simulation.models import ServiceModels, find_models
from qcutsim.simulation.parallel import spread
from qcutsim.simulation.replicate import discrepancies, replicate
from qcutsim.simulation.simulate import EngineName, Simulation
from qcutsim.simulation.station import SharedHost
from qcutsim.simulation.workers import SimulatedRun, SimulatedWorkers

__all__ = [
    "EngineName",
    "Farm",
    "QueryDraws",
    "ServiceModels",
    "SharedHost",
    "SimulatedQuery",
    "SimulatedRun",
    "SimulatedWorkers",
    "Simulation",
    "discrepancies",
    "draw_query",
    "find_models",
    "replicate",
    "spread",
]
