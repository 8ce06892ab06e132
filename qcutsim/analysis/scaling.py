"""What people use instead of a simulation: laws of speed-up, fitted to makespans of small pools.

With T(W) the makespan on W workers:

- independent workers: T(W) = serial + parallel / W, where nothing is shared;
- Amdahl's law: T(W) = T(1) (s + (1 - s) / W), the serial share s fitted (Amdahl, AFIPS 1967);
- the universal scalability law: T(W) = T(1) (1 + a (W - 1) + b W (W - 1)) / W (Gunther, Guerrilla
  Capacity Planning, 2007); from two sizes alone b cannot be told and is 0;
- a power law: T(W) = T(1) W^-c.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class ScalingLaws:
    """The laws, as T(W) / T(1); a law that could not be fitted is missing.

    ``parallel_share`` is the part of one worker's makespan that its tasks take.
    """

    parallel_share: float
    serial_share: float | None
    contention: float | None
    coherency: float | None
    exponent: float | None

    @classmethod
    def fit(cls, makespan_s: Mapping[int, float], parallel_share: float) -> ScalingLaws:
        """Fit to makespans by pool size; one worker must be among them.

        Raises:
            ValueError: the makespan of one worker is missing.
        """
        if 1 not in makespan_s:
            raise ValueError("the makespan of one worker is missing")
        sizes = np.array(sorted(size for size in makespan_s if size > 1), np.float64)
        if not sizes.size:
            return cls(parallel_share, None, None, None, None)
        ratio = np.array([makespan_s[int(size)] / makespan_s[1] for size in sizes])
        contention, coherency = _universal(sizes, ratio)
        return cls(
            parallel_share=parallel_share,
            serial_share=_amdahl(sizes, ratio),
            contention=contention,
            coherency=coherency,
            exponent=float(
                -np.dot(np.log(sizes), np.log(ratio)) / np.dot(np.log(sizes), np.log(sizes))
            ),
        )

    def ratios(self, workers: int) -> dict[str, float]:
        """T(W) / T(1) by each law."""
        found = {"independent workers": 1 - self.parallel_share * (1 - 1 / workers)}
        if self.serial_share is not None:
            found["Amdahl"] = self.serial_share + (1 - self.serial_share) / workers
        if self.contention is not None and self.coherency is not None:
            grown = self.contention * (workers - 1) + self.coherency * workers * (workers - 1)
            found["universal scalability law"] = (1 + grown) / workers
        if self.exponent is not None:
            found["power law"] = float(workers) ** -self.exponent
        return found


def _amdahl(sizes: FloatArray, ratio: FloatArray) -> float:
    """Least squares of ratio - 1/W = s (1 - 1/W), within 0 and 1."""
    slope = 1 - 1 / sizes
    return float(np.clip(np.dot(slope, ratio - 1 / sizes) / np.dot(slope, slope), 0, 1))


def _universal(sizes: FloatArray, ratio: FloatArray) -> tuple[float, float]:
    """Non-negative least squares of W ratio - 1 = a (W - 1) + b W (W - 1)."""
    from scipy.optimize import nnls

    grown = np.maximum(sizes * ratio - 1, 0)
    columns = [sizes - 1] if len(sizes) < 2 else [sizes - 1, sizes * (sizes - 1)]
    found, _ = nnls(np.column_stack(columns), grown)
    return float(found[0]), float(found[1]) if len(found) > 1 else 0.0
