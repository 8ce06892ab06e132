"""Ranges in the place of a sweep's list of values.

``{linear: {from: 1, to: 9, steps: 5}}`` is ``[1, 3, 5, 7, 9]``, and
``{log: {from: 1, to: 1024, steps: 6}}`` is ``[1, 4, 16, 64, 256, 1024]``.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np

from qcutsim.errors import ScenarioError
from qcutsim.yamlfile import Path_, YamlFile, convert

SPACINGS = ("linear", "log")

_DIGITS = 12
"""Significant digits of a value: more would be the noise of its calculation."""


class Range(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Values from one to another, evenly spaced (``linear``) or by the same factor (``log``).

    Args:
        start: the first value.
        to: the last value.
        steps: how many there are; of whole numbers those that round to the same count once.
    """

    start: int | float = msgspec.field(name="from")
    to: int | float
    steps: Annotated[int, msgspec.Meta(ge=2, le=100_000)]


def values_of(file: YamlFile, values: Any, at: Path_) -> list[tuple[Any, Path_]]:
    """Each value of a list or a range, and where it stands; none of anything else.

    Raises:
        ScenarioError: a range names place, value, and what is allowed.
    """
    if isinstance(values, list):
        return [(value, (*at, place)) for place, value in enumerate(values)]
    if isinstance(values, dict) and len(values) == 1 and next(iter(values)) in SPACINGS:
        return [(value, at) for value in expand(file, values, at)]
    return []


def expand(file: YamlFile, values: dict[str, Any], at: Path_) -> list[int | float]:
    """The values of a range: whole numbers where both of its ends are.

    Args:
        file: where it stands.
        values: the range, by its spacing.
        at: its place.

    Raises:
        ScenarioError: names place, value, and what is allowed.
    """
    spacing = next(iter(values))
    asked = convert(file, values[spacing], Range, (*at, spacing))
    if spacing == "log" and min(asked.start, asked.to) <= 0:
        raise ScenarioError(
            f"{file.where((*at, spacing))}: sweep.{at[-1]}: found from {asked.start} to "
            f"{asked.to}; a logarithmic range needs both above 0"
        )
    space = np.geomspace if spacing == "log" else np.linspace
    between = space(asked.start, asked.to, asked.steps).tolist()
    if isinstance(asked.start, int) and isinstance(asked.to, int):
        return list(dict.fromkeys(round(value) for value in between))
    return [float(f"{value:.{_DIGITS}g}") for value in between]
