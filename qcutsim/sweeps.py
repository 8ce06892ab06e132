"""The axes of a sweep: what each of them sets, point by point."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from qcutsim.errors import ScenarioError
from qcutsim.ranges import values_of
from qcutsim.yamlfile import Path_, YamlFile

Point = dict[str, tuple[Any, Path_]]
"""What an axis sets at once: dotted field -> its value, and where that stands."""


def axes_of(file: YamlFile) -> list[Any]:
    """The axes as they stand in the file.

    Raises:
        ScenarioError: 'sweep' is no list.
    """
    axes = file.data.get("sweep", [])
    if not isinstance(axes, list):
        raise ScenarioError(
            f"{file.where(('sweep',))}: sweep: expected a list of axes, found {axes!r}"
        )
    return axes


def points_of(file: YamlFile, number: int) -> list[Point]:
    """The points of an axis, in their order.

    Raises:
        ScenarioError: names file, line, column, field, and what is allowed.
    """
    axis = axes_of(file)[number]
    at: Path_ = ("sweep", number)
    _refuse_repeated_fields(file, number)
    if isinstance(axis, list) and axis:
        return [point for i in range(len(axis)) for point in _part(file, axis[i], (*at, i))]
    if not isinstance(axis, dict) or not axis:
        raise ScenarioError(
            f"{file.where(at)}: sweep: an axis maps fields to lists, "
            f"as in 'pool.workers: [1, 2, 4]', or is a list of parts; found {axis!r}"
        )
    lists: dict[str, list[tuple[Any, Path_]]] = {}
    for dotted, values in axis.items():
        lists[dotted] = values_of(file, values, (*at, dotted))
        if not lists[dotted]:
            raise ScenarioError(
                f"{file.where((*at, dotted))}: sweep.{dotted}: expected a non-empty list or a "
                f"range, found {values!r}"
            )
    lengths = {len(values) for values in lists.values()}
    if len(lengths) > 1:
        raise ScenarioError(
            f"{file.where(at)}: sweep: fields of one axis vary together and need lists of the "
            f"same length; found lengths {', '.join(str(n) for n in sorted(lengths))}"
        )
    return [{dotted: values[i] for dotted, values in lists.items()} for i in range(lengths.pop())]


def _part(file: YamlFile, part: Any, at: Path_) -> list[Point]:
    """The grid of one part: a field that has a list takes each of its values."""
    if not isinstance(part, dict) or not part:
        raise ScenarioError(
            f"{file.where(at)}: sweep: a part maps fields to a value or a list of values, "
            f"as in '{{pool.workers: [4, 8], stragglers.probability: 0.1}}'; found {part!r}"
        )
    choices = []
    for dotted, values in part.items():
        if values == []:
            raise ScenarioError(
                f"{file.where((*at, dotted))}: sweep.{dotted}: expected a value or a non-empty "
                "list, found []"
            )
        found = values_of(file, values, (*at, dotted)) or [(values, (*at, dotted))]
        choices.append([(dotted, one) for one in found])
    return [dict(point) for point in itertools.product(*choices)]


def _fields(axis: Any) -> Iterator[str]:
    """The fields that an axis sets."""
    for part in axis if isinstance(axis, list) else [axis]:
        if isinstance(part, dict):
            yield from part


def _refuse_repeated_fields(file: YamlFile, number: int) -> None:
    axes = axes_of(file)
    for dotted in _fields(axes[number]):
        if any(_overlap(dotted, other) for axis in axes[:number] for other in _fields(axis)):
            at = ("sweep", number, *(() if isinstance(axes[number], list) else (dotted,)))
            raise ScenarioError(
                f"{file.where(at)}: sweep.{dotted}: another axis sets it already; "
                "vary a field in one axis only"
            )


def _overlap(one: str, other: str) -> bool:
    """Whether one dotted field is, or lies within, the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def assign(file: YamlFile, data: dict[str, Any], dotted: str, value: Any, at: Path_) -> None:
    """Set a field, given as ``pool.workers``.

    Raises:
        ScenarioError: what it lies in is no mapping.
    """
    *parents, last = dotted.split(".")
    target = data
    for parent in parents:
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            raise ScenarioError(f"{file.where(at[:-1])}: sweep: '{dotted}' is not a field")
    target[last] = value
