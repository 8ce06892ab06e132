"""qcutsim: where the time of circuit cutting goes, and what it would be otherwise.

The names below are loaded when first used, so that ``import qcutsim`` stays light and nothing
that only simulates needs qiskit.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "CalibrationProfile": "qcutsim.calibrate",
    "Comparison": "qcutsim.analysis",
    "DistributedEstimator": "qcutsim.estimator",
    "Limits": "qcutsim.estimator",
    "Scenario": "qcutsim.scenario",
    "assess_profile": "qcutsim.assessment",
    "calibrate_logs": "qcutsim.calibrate",
    "compare_logs": "qcutsim.comparison",
    "load_profile": "qcutsim.calibrate",
    "load_scenario": "qcutsim.scenario",
    "read_queries": "qcutsim.logreader",
    "read_records": "qcutsim.logreader",
    "read_results": "qcutsim.results",
    "read_study": "qcutsim.study",
    "run_quickstart": "qcutsim.quickstart",
    "run_scenario": "qcutsim.measure",
    "save_profile": "qcutsim.calibrate",
    "search_settings": "qcutsim.planner",
    "simulate_scenario": "qcutsim.study",
    "validate_logs": "qcutsim.validation",
}

__all__ = [
    "CalibrationProfile",
    "Comparison",
    "DistributedEstimator",
    "Limits",
    "Scenario",
    "__version__",
    "assess_profile",
    "calibrate_logs",
    "compare_logs",
    "load_profile",
    "load_scenario",
    "read_queries",
    "read_records",
    "read_results",
    "read_study",
    "run_quickstart",
    "run_scenario",
    "save_profile",
    "search_settings",
    "simulate_scenario",
    "validate_logs",
]

if TYPE_CHECKING:
    from qcutsim.analysis import Comparison
    from qcutsim.assessment import assess_profile
    from qcutsim.calibrate import CalibrationProfile, calibrate_logs, load_profile, save_profile
    from qcutsim.comparison import compare_logs
    from qcutsim.estimator import DistributedEstimator, Limits
    from qcutsim.logreader import read_queries, read_records
    from qcutsim.measure import run_scenario
    from qcutsim.planner import search_settings
    from qcutsim.quickstart import run_quickstart
    from qcutsim.results import read_results
    from qcutsim.scenario import Scenario, load_scenario
    from qcutsim.study import read_study, simulate_scenario
    from qcutsim.validation import validate_logs


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'qcutsim' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
