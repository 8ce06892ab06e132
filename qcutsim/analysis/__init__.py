"""Pure functions over records: shares, speed-up, comparison."""

from __future__ import annotations

from qcutsim.analysis.attribution import Attribution, WorkerUse, attribute, worker_use
from qcutsim.analysis.compare import (
    Compared,
    Comparison,
    ErrorSummary,
    compare_queries,
    read_query_records,
)
from qcutsim.analysis.configurations import (
    STAGES,
    Configuration,
    Summary,
    speed_ups,
    summarise,
)
from qcutsim.analysis.evidence import (
    Errors,
    Evidence,
    Prediction,
    Ranking,
    alternative_errors,
    errors_of,
    gather,
    rank_policies,
)
from qcutsim.analysis.intervals import Interval, are_enough, half_width, interval
from qcutsim.analysis.resampling import FEWEST_QUERIES, resampled_medians
from qcutsim.analysis.scaling import ScalingLaws

__all__ = [
    "FEWEST_QUERIES",
    "STAGES",
    "Attribution",
    "Compared",
    "Comparison",
    "Configuration",
    "ErrorSummary",
    "Errors",
    "Evidence",
    "Interval",
    "Prediction",
    "Ranking",
    "ScalingLaws",
    "Summary",
    "WorkerUse",
    "alternative_errors",
    "are_enough",
    "attribute",
    "compare_queries",
    "errors_of",
    "gather",
    "half_width",
    "interval",
    "rank_policies",
    "read_query_records",
    "resampled_medians",
    "speed_ups",
    "summarise",
    "worker_use",
]
