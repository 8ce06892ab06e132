"""Pure functions over records: shares, speed-up, comparison."""

from __future__ import annotations

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

__all__ = [
    "STAGES",
    "Compared",
    "Comparison",
    "Configuration",
    "ErrorSummary",
    "Summary",
    "compare_queries",
    "read_query_records",
    "speed_ups",
    "summarise",
]
