"""Pools as users write them: ``inline``, ``threads:4``, ``processes``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self

from qcutsim.errors import InputError
from qcutsim.runtime import MOST_WORKERS

KINDS = ("inline", "threads", "processes")


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """A kind of pool and its number of workers."""

    kind: str
    workers: int

    @classmethod
    def parse(cls, text: str | None, *, default: str) -> Self:
        """Read ``kind`` or ``kind:workers``; without a number, one worker a core.

        Raises:
            InputError: the text names no pool.
        """
        kind, colon, number = str(default if text is None else text).partition(":")
        if kind not in KINDS:
            raise InputError(f"pool is {text!r}; expected 'inline', 'threads:N' or 'processes:N'")
        if kind == "inline":
            if colon:
                raise InputError(f"pool is {text!r}; an inline pool has one worker, write 'inline'")
            return cls(kind, 1)
        if not colon:
            return cls(kind, len(os.sched_getaffinity(0)))
        if not number.isdecimal() or not 1 <= int(number) <= MOST_WORKERS:
            raise InputError(
                f"pool is {text!r}; expected a number of workers from 1 to {MOST_WORKERS}"
            )
        return cls(kind, int(number))
