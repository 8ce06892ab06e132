"""What results must not depend on: policies, and workers that others have used before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from qcutsim import DistributedEstimator

POLICIES: list[dict[str, Any]] = [
    {"kind": "eager"},
    {"kind": "batched", "size": 3, "delay_s": 0.002},
    {"kind": "batched", "size": 2, "loop": "open", "delay_s": 0.001},
    {"kind": "staggered", "spacing_s": 0.01},
    {"kind": "staggered", "spacing_s": 0.002, "by": "structure"},
    {"kind": "longest_first"},
    {"kind": "variance_first"},
    {"kind": "work_stealing", "deal": "blocks"},
    {"kind": "work_stealing", "deal": "round_robin"},
    {"kind": "speculative", "slowdown": 1.0, "quantile": 0.01, "samples": 1, "cap": 1.0},
]
"""The last one copies a task nearly always, as soon as a worker has nothing else to do."""


def shown(policy: dict[str, Any]) -> str:
    """The kind and what is not as by default, for the name of a test."""
    return "-".join(str(value) for value in policy.values())


class SharedWorkers:
    """Worker processes that serve one estimator after the other: to start them takes seconds."""

    def __init__(self) -> None:
        self._first: dict[Any, DistributedEstimator] = {}

    def lend(self, estimator: DistributedEstimator) -> DistributedEstimator:
        """The estimator; where it works with processes, with those of the first that does so."""
        own = estimator._host
        if own.spec.kind == "processes":
            estimator._host = self._first.setdefault((own.spec, own._function), estimator)._host
        return estimator

    def close(self) -> None:
        """Stop them all."""
        for estimator in self._first.values():
            estimator.close()


def bits_of(result: Any) -> list[tuple[bytes, bytes]]:
    """The bits of all values and standard errors of a job's result."""
    return [
        (np.asarray(one.data.evs).tobytes(), np.asarray(one.data.stds).tobytes()) for one in result
    ]


def is_alive(pid: int) -> bool:
    """Whether a process runs: one that has ended may wait for its parent to notice."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
