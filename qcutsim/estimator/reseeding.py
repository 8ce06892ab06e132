"""Samplers with a fixed seed, given another one for every run.

A sampler that starts from one seed in each run, or for each PUB, repeats its outcomes: partitions
would not be independent, their products biased, and every job like the one before.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
from qiskit.primitives import BaseSamplerV2, StatevectorSampler

from qcutsim.errors import InputError
from qcutsim.seeds import derived_seed


def fixed_seed(sampler: BaseSamplerV2) -> int | None:
    """The integer seed of a sampler; ``None`` if it has none, or a generator that goes on."""
    for seed in (
        getattr(sampler, "seed", None),
        getattr(getattr(sampler, "options", None), "seed_simulator", None),
    ):
        if isinstance(seed, (int, np.integer)):
            return int(seed)
    return None


def reseeded(sampler: BaseSamplerV2, run: int) -> BaseSamplerV2:
    """The sampler itself, or for one with a fixed seed a copy whose seed is that of ``run``.

    Raises:
        InputError: its seed cannot be replaced.
    """
    fixed = fixed_seed(sampler)
    if fixed is None:
        return sampler
    seed = derived_seed(fixed, "sampler run", run)
    copied: Any = copy.copy(sampler)
    if isinstance(sampler, StatevectorSampler):
        # An integer would start anew with each PUB.
        return StatevectorSampler(
            default_shots=sampler.default_shots, seed=np.random.default_rng(seed)
        )
    if getattr(sampler, "seed", None) is not None:
        copied._seed = seed
    else:
        copied._options = replace(copied.options, seed_simulator=seed)
    if fixed_seed(copied) != seed or fixed_seed(sampler) != fixed:
        raise InputError(
            f"the {type(sampler).__name__} has a fixed seed, with which it repeats its outcomes in "
            "every partition and job, and which cannot be replaced; give it none"
        )
    return copied
