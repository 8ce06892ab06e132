"""Variance first: the tasks whose results say most about a query's value begin first."""

from __future__ import annotations

from typing import ClassVar

from qcutsim.dispatch.events import TaskKind
from qcutsim.dispatch.policies.base import PolicyConfig
from qcutsim.dispatch.policies.longest_first import LongestFirst


class VarianceFirstConfig(PolicyConfig, frozen=True, kw_only=True, tag="variance_first"):
    """Variance first has no parameters."""


class VarianceFirst(LongestFirst):
    """Within a query the task first that may add most to the variance of the value.

    What is still missing when time is up then matters least. Older queries go before younger ones,
    ties in task order; where weights are not known all are ties, as with the pipeline ``upstream``.
    """

    kind: ClassVar[str] = "variance_first"
    config: ClassVar[type[PolicyConfig]] = VarianceFirstConfig

    def urgency(self, kind: TaskKind) -> float:
        return kind.weight
