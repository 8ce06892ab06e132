"""Measured values as the runtime's benchmarks print them: medians, quartiles, and the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Self

import numpy as np


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and its quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        low, median, high = np.quantile(list(values), [0.25, 0.5, 0.75]).tolist()
        return cls(low, median, high)

    def shown(self, form: str) -> str:
        """``median (low to high)``, each as ``form`` has it."""
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


def print_machine(*packages: str) -> None:
    """What the numbers were taken on. A load above 0 makes them noisy."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("qcutsim", *packages))
    print(
        f"Python {platform.python_version()}, {versions}; {platform.machine()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
