"""Simulation: the same dispatcher, in virtual time, on calibrated service times."""

from __future__ import annotations

from qcutsim.simulation.draws import QueryDraws, ServiceModels, draw_query, find_models
from qcutsim.simulation.farm import Farm, SimulatedQuery, SimulatedRun
from qcutsim.simulation.simulate import (
    SIMULATED_NAME,
    Simulation,
    simulate_scenario,
    write_simulations,
)
from qcutsim.simulation.station import SharedHost

__all__ = [
    "SIMULATED_NAME",
    "Farm",
    "QueryDraws",
    "ServiceModels",
    "SharedHost",
    "SimulatedQuery",
    "SimulatedRun",
    "Simulation",
    "draw_query",
    "find_models",
    "simulate_scenario",
    "write_simulations",
]
