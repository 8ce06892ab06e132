"""Pure functions over records: shares, speed-up, comparison, choice."""

from __future__ import annotations

from qcutsim.analysis.attribution import (
    Attribution,
    WorkerUse,
    attribute,
    stage_spans,
    worker_use,
)
from qcutsim.analysis.choosing import (
    TIE,
    Choice,
    Objectives,
    Targets,
    choose,
    largest_kappa,
    nominal_error,
    pareto_front,
)
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
    slowdowns,
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
from qcutsim.analysis.intervals import (
    FEWEST_REPLICATIONS,
    Interval,
    are_enough,
    half_width,
    interval,
    pooled_quantiles,
)
from qcutsim.analysis.published import (
    PUBLISHED_SHARES,
    CoresUsed,
    MidCircuitCost,
    ReconstructionShare,
    cores_used,
    mid_circuit_cost,
    reconstruction_shares,
)
from qcutsim.analysis.resampling import FEWEST_QUERIES, resampled_medians
from qcutsim.analysis.scaling import ScalingLaws

__all__ = [
    "FEWEST_QUERIES",
    "FEWEST_REPLICATIONS",
    "PUBLISHED_SHARES",
    "STAGES",
    "TIE",
    "Attribution",
    "Choice",
    "Compared",
    "Comparison",
    "Configuration",
    "CoresUsed",
    "ErrorSummary",
    "Errors",
    "Evidence",
    "Interval",
    "MidCircuitCost",
    "Objectives",
    "Prediction",
    "Ranking",
    "ReconstructionShare",
    "ScalingLaws",
    "Summary",
    "Targets",
    "WorkerUse",
    "alternative_errors",
    "are_enough",
    "attribute",
    "choose",
    "compare_queries",
    "cores_used",
    "errors_of",
    "gather",
    "half_width",
    "interval",
    "largest_kappa",
    "mid_circuit_cost",
    "nominal_error",
    "pareto_front",
    "pooled_quantiles",
    "rank_policies",
    "read_query_records",
    "reconstruction_shares",
    "resampled_medians",
    "slowdowns",
    "speed_ups",
    "stage_spans",
    "summarise",
    "worker_use",
]
