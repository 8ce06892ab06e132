"""Logs in, calibration profile out."""

from __future__ import annotations

from qcutsim.calibrate.effects import Effects
from qcutsim.calibrate.families import Family, Goodness
from qcutsim.calibrate.fit import calibrate_logs
from qcutsim.calibrate.poolfit import FEWEST_GAPS, FEWEST_TASKS
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
from qcutsim.calibrate.scales import Scale, stage_scale_s, task_scale_s
from qcutsim.calibrate.selection import query_filter
from qcutsim.calibrate.tables import QuantileTable, Sampler
from qcutsim.calibrate.tails import NaturalStragglers, Tail

__all__ = [
    "FEWEST_GAPS",
    "FEWEST_TASKS",
    "PROFILE_SCHEMA",
    "CalibrationProfile",
    "Effects",
    "Family",
    "Goodness",
    "NaturalStragglers",
    "PoolModel",
    "QuantileTable",
    "Sampler",
    "Scale",
    "Sharing",
    "StageModel",
    "Tail",
    "TaskModel",
    "calibrate_logs",
    "load_profile",
    "query_filter",
    "save_profile",
    "stage_scale_s",
    "task_scale_s",
]
