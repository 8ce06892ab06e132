"""Logs in, calibration profile out."""

from __future__ import annotations

from qcutsim.calibrate.fit import FEWEST_GAPS, FEWEST_TASKS, calibrate_logs
from qcutsim.calibrate.profile import (
    PROFILE_SCHEMA,
    CalibrationProfile,
    PoolModel,
    Sharing,
    StageModel,
    TaskModel,
    load_profile,
    save_profile,
)
from qcutsim.calibrate.tables import QuantileTable

__all__ = [
    "FEWEST_GAPS",
    "FEWEST_TASKS",
    "PROFILE_SCHEMA",
    "CalibrationProfile",
    "PoolModel",
    "QuantileTable",
    "Sharing",
    "StageModel",
    "TaskModel",
    "calibrate_logs",
    "load_profile",
    "save_profile",
]
