"""Data sets, scaled so that a feature is the angle of a qubit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Dataset:
    """``angles`` has shape (samples, features), ``labels`` (samples,) with values -1 and +1."""

    angles: Array
    labels: Array


def load_iris_angles() -> Dataset:
    """Iris setosa (-1) and versicolor (+1), each feature scaled to [0, pi]; 100 samples."""
    from sklearn.datasets import load_iris

    bunch = load_iris()
    chosen = bunch.target < 2
    features = np.asarray(bunch.data[chosen], dtype=np.float64)
    low, high = features.min(axis=0), features.max(axis=0)
    labels = np.where(bunch.target[chosen] == 0, -1.0, 1.0)
    return Dataset(np.pi * (features - low) / (high - low), labels)
