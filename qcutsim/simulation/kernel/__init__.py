"""A compiled engine for blocks of queries that follow each other, bit for bit as the farm.

What it takes is told by :func:`why_not`; numba is loaded with :mod:`.loop` only.
"""

from __future__ import annotations

from qcutsim.simulation.kernel.eligible import is_available, why_not

__all__ = ["is_available", "why_not"]
