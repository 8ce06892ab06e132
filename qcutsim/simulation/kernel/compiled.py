"""How the functions of this engine are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}


def compiled(function: F) -> F:
    """Compile a function on its first call and cache it; no fast-math.

    None of them makes or keeps an array, so none needs numba's counts of references to arrays
    (``_nrt``), which took three quarters of the time.
    """
    made: F = njit(**_OPTIONS)(function)
    return made


def inlined(function: F) -> F:
    """As :func:`compiled`, within its caller: a call would hand over four arrays word by word."""
    made: F = njit(**_OPTIONS, forceinline=True)(function)
    return made
