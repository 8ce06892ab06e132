"""Injected delays: which tasks or workers are slow, and by how much, the same in both worlds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np

from qcutsim.errors import InputError
from qcutsim.seeds import stream

if TYPE_CHECKING:
    from scipy.stats import rv_continuous

    FrozenDistribution = Any

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

LONGEST_S = 1e6
"""A drawn delay is never longer: a heavy tail must not outlive its study."""

_BLOCK = 1024
"""Workers whose fate is drawn together."""


class Stragglers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Delays injected at the worker before a task's work.

    Args:
        probability: that a task is delayed, or, ``per: worker``, that a worker delays all of its.
        delay_s: the delay, where it is fixed.
        distribution: of the delay instead: ``{name: lognorm, s: 1.0, scale: 0.05}`` is
            ``scipy.stats.lognorm(s=1.0, scale=0.05)``, in seconds.
        per: what is slow, ``task`` or ``worker``.
    """

    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    delay_s: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 0.0
    distribution: dict[str, Any] | None = None
    per: Literal["task", "worker"] = "task"


def frozen_distribution(asked: Mapping[str, Any]) -> FrozenDistribution:
    """The distribution of ``scipy.stats`` of that name and parameters.

    Raises:
        InputError: there is none, its parameters do not fit, or it can be negative.
    """
    import scipy.stats

    parameters = {name: value for name, value in asked.items() if name != "name"}
    name = asked.get("name")
    found: rv_continuous | None = (
        getattr(scipy.stats, name, None) if isinstance(name, str) else None
    )
    kinds = (scipy.stats.rv_continuous, scipy.stats.rv_discrete)
    if not isinstance(found, kinds):
        raise InputError(
            f"found name {name!r}; expected a distribution of scipy.stats, as in "
            "{name: lognorm, s: 1.0, scale: 0.05}"
        )
    for key, value in parameters.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"{key} is {value!r}; expected a number")
    try:
        with np.errstate(all="ignore"):
            frozen = found(**parameters)
            lowest = float(frozen.support()[0])
            median = float(frozen.median())
    except (TypeError, ValueError, OverflowError):
        shapes = f"{found.shapes}, " if found.shapes else ""
        raise InputError(
            f"scipy.stats.{name} does not take {parameters}; it takes {shapes}loc, scale"
        ) from None
    if not np.isfinite(median):
        raise InputError(f"scipy.stats.{name} is not defined for {parameters}")
    if not lowest >= 0:
        raise InputError(
            f"scipy.stats.{name} with {parameters} reaches down to {lowest}; a delay cannot be "
            "negative: give loc, or another distribution"
        )
    return frozen


def no_delay(task: int, attempt: int, worker: int) -> float:
    """Nothing is injected."""
    return 0.0


class InjectedDelays:
    """The delays of one query's copies, in seconds; keyed by what they belong to.

    Args:
        stragglers: what is injected.
        seed: the scenario's seed.
        nodes: number of tasks and merges of the query.
        repetition: of the query.
        index: of the query in its repetition. The pool is not part of the key, so that pool sizes
            meet the same stragglers.
        luck: 0 is that of a real run; with another one the same query meets other stragglers.
    """

    def __init__(
        self,
        stragglers: Stragglers,
        seed: int,
        nodes: int,
        *,
        repetition: int,
        index: int,
        luck: int = 0,
    ) -> None:
        self._stragglers = stragglers
        self._seed = seed
        self._nodes = nodes
        self._repetition = repetition
        self._index = index
        self._luck = (luck,) if luck else ()
        self._amounts: dict[int, list[float]] = {}
        self._arrays: dict[int, FloatArray] = {}
        self._slow: dict[int, list[bool]] = {}

    @property
    def is_per_task(self) -> bool:
        """Whether a copy's delay does not depend on its worker."""
        return self._stragglers.per == "task" or not self._has_any

    def arrays(
        self, tasks: int, workers: int, attempt: int = 0
    ) -> tuple[FloatArray, np.ndarray[Any, np.dtype[np.bool_]]]:
        """Delay of each task's copy of that attempt in seconds, and which workers it strikes."""
        is_slow = np.ones(workers, np.bool_)
        if not self._has_any:
            return np.zeros(tasks), is_slow
        if self._stragglers.per == "worker":
            is_slow = np.array([self._is_slow(worker) for worker in range(workers)])
        return self._draw(attempt)[:tasks], is_slow

    def __call__(self, task: int, attempt: int, worker: int) -> float:
        """Injected delay of a copy in seconds; 0 where there is none."""
        if not self._has_any:
            return 0.0
        if self._stragglers.per == "worker" and not self._is_slow(worker):
            return 0.0
        if attempt not in self._amounts:
            self._amounts[attempt] = self._draw(attempt).tolist()
        return self._amounts[attempt][task]

    @cached_property
    def _has_any(self) -> bool:
        asked = self._stragglers
        return asked.probability > 0 and (asked.delay_s > 0 or asked.distribution is not None)

    def _stream(self, purpose: str, *key: int) -> np.random.Generator:
        return stream(self._seed, purpose, *key, *self._luck)

    def _is_slow(self, worker: int) -> bool:
        block, place = divmod(worker, _BLOCK)
        if block not in self._slow:
            uniform = self._stream("slow worker", self._repetition, block).random(_BLOCK)
            self._slow[block] = (uniform < self._stragglers.probability).tolist()
        return self._slow[block][place]

    def _draw(self, attempt: int) -> FloatArray:
        if attempt in self._arrays:
            return self._arrays[attempt]
        key = (self._repetition, self._index, attempt)
        delays: FloatArray = np.full(self._nodes, self._stragglers.delay_s)
        if self._stragglers.distribution is not None:
            uniform = self._stream("straggler delay", *key).random(self._nodes)
            asked = frozen_distribution(self._stragglers.distribution)
            delays = np.minimum(asked.ppf(uniform), LONGEST_S)
        if self._stragglers.per == "task":
            hits = self._stream("straggler", *key).random(self._nodes)
            delays = np.where(hits < self._stragglers.probability, delays, 0.0)
        self._arrays[attempt] = delays
        return delays
