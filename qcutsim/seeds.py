"""Random streams keyed by what they are for, never by the order in which they are used.

A draw belongs to (seed, purpose, query, attempt, ...) and, inside the stream, to the position
of its task. So a task has the same delay in a real run and in a simulation, whatever the pool,
and two configurations that share a seed are compared under common random numbers.
"""

from __future__ import annotations

import zlib

import numpy as np


def seed_sequence(seed: int, purpose: str, *key: int) -> np.random.SeedSequence:
    """The seed sequence that belongs to ``purpose`` and ``key`` under ``seed``.

    >>> seed_sequence(7, "straggler", 0, 3).generate_state(1)[0] == seed_sequence(
    ...     7, "straggler", 0, 3).generate_state(1)[0]
    np.True_
    """
    return np.random.SeedSequence(entropy=seed, spawn_key=(zlib.crc32(purpose.encode()), *key))


def derived_seed(seed: int, purpose: str, *key: int) -> int:
    """A 32-bit seed of its own for ``purpose`` and ``key`` under ``seed``."""
    return int(seed_sequence(seed, purpose, *key).generate_state(1)[0])


def stream(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """A generator for ``purpose`` and ``key``; element i of its draws belongs to task i."""
    return np.random.Generator(np.random.PCG64(seed_sequence(seed, purpose, *key)))


def task_seeds(seed: int, tasks: int, *key: int) -> list[int]:
    """One 31-bit simulator seed a task; a task keeps its seed when it is run again."""
    return [int(s) for s in stream(seed, "task", *key).integers(0, 2**31 - 1, size=tasks)]
