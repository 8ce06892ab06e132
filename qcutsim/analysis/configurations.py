"""Queries of one configuration, and what they say together."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

import msgspec
import numpy as np

from qcutsim.dispatch import policy_config, policy_kinds
from qcutsim.records import QueryRecord, labels_of

STAGES = ("partition", "generate", "execute", "reconstruct")


class Configuration(NamedTuple):
    """What two queries must have in common to be compared.

    ``policy`` and ``stragglers`` are words: a policy with its parameters where these are not the
    default, stragglers with their law, or nothing where there are none.
    """

    dataset: str
    pipeline: str
    partition_labels: str
    cuts: int
    observable: str
    shots: int
    allocation: str
    reconstruction: str
    pool: str
    policy: str
    cancel: str
    chunk: int
    window: int
    timeout_s: float
    straggler_probability: float
    straggler_delay_s: float
    stragglers: str
    machines: str
    workers: int

    @classmethod
    def of(cls, query: QueryRecord) -> Configuration:
        """The configuration of a query; a delay that never strikes is none."""
        fields = {n: getattr(query, n) for n in cls._fields if hasattr(query, n)}
        fields["policy"] = _policy(query)
        fields["stragglers"] = _stragglers(query)
        fields["timeout_s"] = query.timeout_s or 0.0
        fields["cancel"] = query.cancel or ""
        fields["machines"] = query.machines or ""
        fields["chunk"] = query.chunk or 0
        if not fields["stragglers"]:
            fields["straggler_delay_s"] = 0.0
        return cls(**fields)

    @property
    def labels(self) -> str:
        """Partition labels, of one's own circuit after its name."""
        return labels_of(self.dataset, self.partition_labels)

    @property
    def alone(self) -> Configuration:
        """The same with one worker: what speed-up is measured against."""
        return self._replace(workers=1)

    @property
    def undisturbed(self) -> Configuration:
        """The same without stragglers: what their slowdown is measured against."""
        return self._replace(straggler_probability=0.0, straggler_delay_s=0.0, stragglers="")


def _policy(query: QueryRecord) -> str:
    usual = _default_parameters(query.policy)
    parameters = (
        f" {name}={value}"
        for name, value in query.policy_parameters.items()
        if name not in usual or usual[name] != value
    )
    return query.policy + "".join(parameters)


@cache
def _default_parameters(kind: str) -> dict[str, Any]:
    """Of an installed policy; a log may hold others."""
    defaults: dict[str, Any] = {}
    if kind in policy_kinds():
        defaults = msgspec.to_builtins(policy_config(kind))
    return defaults


def _stragglers(query: QueryRecord) -> str:
    if query.straggler_probability <= 0:
        return ""
    law = f"{query.straggler_delay_s:g} s"
    if query.straggler_distribution is not None:
        shown = query.straggler_distribution.items()
        law = " ".join(str(v) if k == "name" else f"{k}={v:g}" for k, v in shown)
    per = " per worker" if query.straggler_per == "worker" else ""
    return f"{query.straggler_probability:g} x {law}{per}"


class Summary(NamedTuple):
    """Times of one configuration's warm queries, in seconds.

    ``stages_s`` are medians in the order of :data:`STAGES`. ``queries_per_s`` is the throughput of
    queries that one dispatcher ran, which a window raises where it does not shorten a query.
    ``is_extrapolated``: simulated outside what the profile was calibrated on.
    """

    queries: int
    makespan_s: float
    lowest_s: float
    highest_s: float
    stages_s: tuple[float, ...]
    queries_per_s: float
    is_extrapolated: bool = False

    @property
    def stage_shares(self) -> tuple[float, ...]:
        """Each stage's part of their sum."""
        total = sum(self.stages_s)
        return tuple(s / total if total > 0 else 0.0 for s in self.stages_s)


def summarise(queries: Iterable[QueryRecord]) -> dict[Configuration, Summary]:
    """Summaries by configuration, sorted; cold, failed and timeless queries are left out."""
    by_configuration: dict[Configuration, list[QueryRecord]] = {}
    for query in queries:
        if query.outcome == "ok" and not query.is_cold and query.total_s > 0:
            by_configuration.setdefault(Configuration.of(query), []).append(query)
    return {key: _summary(by_configuration[key]) for key in sorted(by_configuration)}


def _summary(queries: list[QueryRecord]) -> Summary:
    totals = [query.total_s for query in queries]
    stages = tuple(
        float(np.median([getattr(query, f"{stage}_s") for query in queries])) for stage in STAGES
    )
    return Summary(
        queries=len(queries),
        makespan_s=float(np.median(totals)),
        lowest_s=min(totals),
        highest_s=max(totals),
        stages_s=stages,
        queries_per_s=_throughput(queries),
        is_extrapolated=any(query.is_extrapolated for query in queries),
    )


def _throughput(queries: list[QueryRecord]) -> float:
    """Median over blocks of queries of one cell, repetition and replication."""
    blocks: dict[tuple[str, int, int], list[QueryRecord]] = {}
    for query in queries:
        blocks.setdefault((query.cell, query.repetition, query.replication), []).append(query)
    rates = []
    for block in blocks.values():
        first_s = min(query.submitted_s for query in block)
        last_s = max(query.submitted_s + query.total_s for query in block)
        rates.append(len(block) / (last_s - first_s))
    return float(np.median(rates))


def speed_ups(summaries: dict[Configuration, Summary]) -> dict[Configuration, float]:
    """Makespan with one worker over makespan, where both were seen."""
    return {
        key: summaries[key.alone].makespan_s / summary.makespan_s
        for key, summary in summaries.items()
        if key.alone in summaries and summary.makespan_s > 0
    }


def slowdowns(summaries: dict[Configuration, Summary]) -> dict[Configuration, float]:
    """Makespan with stragglers over makespan without, where both were seen."""
    return {
        key: summary.makespan_s / summaries[key.undisturbed].makespan_s
        for key, summary in summaries.items()
        if key.stragglers and key.undisturbed in summaries
    }
