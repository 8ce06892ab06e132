"""What a scenario can say for simulations only: checks of it, and its refusal in a real run."""

from __future__ import annotations

from typing import Any

import msgspec

from qcutsim.cell import Cell, Host
from qcutsim.errors import InputError, ScenarioError
from qcutsim.stragglers import frozen_distribution
from qcutsim.yamlfile import YamlFile

MOST_QUERIES = 1_000_000
"""Of all steps of a training run together."""

_REMOTE_KINDS = ("processes", "dedicated")
"""Pools whose workers can be on several hosts, and fail by themselves."""


def refusal(cell: Cell) -> str | None:
    """What of a cell a real run cannot do, with what it can; ``None``: nothing."""
    if cell.pool.kind == "dedicated":
        return (
            "pool.kind: 'dedicated' can only be simulated; a real run takes 'inline', 'threads' "
            "or 'processes'"
        )
    if cell.arrivals.kind != "sequence":
        return (
            f"arrivals.kind: {cell.arrivals.kind!r} can only be simulated; a real run takes "
            "'sequence'"
        )
    if cell.pool.hosts is not msgspec.UNSET:
        return (
            "pool.hosts: can only be simulated; a real run has its workers on this host, as many "
            "as 'pool.workers' says"
        )
    if cell.pool.failures is not msgspec.UNSET:
        return (
            "pool.failures: can only be simulated; in a real run workers are lost when they die, "
            "and replaced"
        )
    if cell.training is not msgspec.UNSET:
        return (
            "training: can only be simulated; a real run takes 'queries', in a 'window', without "
            "steps"
        )
    return None


def check_worker_count(values: YamlFile, pool: Any) -> None:
    """Where ``pool.workers`` is given, it is the sum over ``pool.hosts``.

    To be called before they are converted: afterwards what was left out cannot be told from what
    was given.

    Raises:
        ScenarioError: it is another number.
    """
    if not isinstance(pool, dict) or not isinstance(pool.get("hosts"), list):
        return
    hosts = [host for host in pool["hosts"] if isinstance(host, dict)]
    counts = [count for host in hosts if isinstance(count := host.get("workers"), int)]
    if "workers" not in pool or len(counts) < len(pool["hosts"]):
        return
    if pool["workers"] != sum(counts):
        raise ScenarioError(
            f"{values.where(('pool', 'workers'))}: pool.workers: found {pool['workers']!r}, but "
            f"'pool.hosts' have {sum(counts)} workers together; leave it out"
        )


def check_simulated_only(values: YamlFile, cell: Cell) -> None:
    """Hosts, failures and training fit the rest of the cell.

    Raises:
        ScenarioError: names file, line, column, field, value, and what is allowed.
    """
    for name in ("hosts", "failures"):
        is_given = getattr(cell.pool, name) is not msgspec.UNSET
        if is_given and cell.pool.kind not in _REMOTE_KINDS:
            raise ScenarioError(
                f"{values.where(('pool', name))}: pool.{name}: a pool of kind "
                f"{cell.pool.kind!r} is one process on one host; take 'kind: processes' or "
                "'kind: dedicated'"
            )
    if cell.pool.hosts is not msgspec.UNSET:
        for number, host in enumerate(cell.pool.hosts):
            _check_host(values, cell.pool.kind, number, host)
    if cell.training is not msgspec.UNSET:
        _check_training(values, cell)


def _check_host(values: YamlFile, kind: str, number: int, host: Host) -> None:
    def refuse(name: str, problem: str) -> ScenarioError:
        where = values.where(("pool", "hosts", number, name))
        return ScenarioError(f"{where}: pool.hosts.{number}.{name}: {problem}")

    if kind == "dedicated" and host.cores is not None:
        raise refuse(
            "cores",
            f"found {host.cores}; dedicated workers share none: leave it out, or take 'kind: "
            "processes'",
        )
    if host.queue_delay is None:
        return
    if host.queue_delay_s:
        raise refuse("queue_delay", "'queue_delay_s' says the delay already; give one of them")
    try:
        frozen_distribution(host.queue_delay)
    except InputError as error:
        raise refuse("queue_delay", str(error)) from None


def _check_training(values: YamlFile, cell: Cell) -> None:
    where = values.where(("training",))
    if cell.arrivals.kind != "sequence":
        raise ScenarioError(
            f"{where}: training: its steps follow each other; take 'arrivals.kind: sequence'"
        )
    if cell.queries_together > MOST_QUERIES:
        raise ScenarioError(
            f"{where}: training: asks for {cell.queries_together:,} queries in all of its steps "
            f"together; expected at most {MOST_QUERIES:,}"
        )
