"""The scenarios that come with qcutsim, also where only the package is installed."""

from __future__ import annotations

from importlib import resources

from qcutsim.scenario import Scenario, load_scenario


def packaged_scenario(name: str, seed: int | None = None) -> Scenario:
    """One of the scenarios that come with qcutsim; ``seed`` replaces its own."""
    with resources.as_file(resources.files("qcutsim.scenarios") / f"{name}.yaml") as path:
        return load_scenario(path, seed=seed)
