"""Data sets and the models that queries evaluate. Needs the extra ``real``."""

from __future__ import annotations

from qcutsim.learning.datasets import Dataset, load_iris_angles
from qcutsim.learning.model import bind_model, model_circuit, random_weights

__all__ = ["Dataset", "bind_model", "load_iris_angles", "model_circuit", "random_weights"]
