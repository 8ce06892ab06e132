"""Data sets and the models that queries evaluate. Needs the extra ``real``."""

from __future__ import annotations

from qcutsim.learning.circuits import (
    bind_random,
    load_circuit,
    load_circuits,
    refused_circuit,
)
from qcutsim.learning.datasets import Dataset, load_iris_angles
from qcutsim.learning.model import bind_model, model_circuit, random_weights

__all__ = [
    "Dataset",
    "bind_model",
    "bind_random",
    "load_circuit",
    "load_circuits",
    "load_iris_angles",
    "model_circuit",
    "random_weights",
    "refused_circuit",
]
