"""What a report shows, as plain data: figures of marks, each with its table, or why it is absent.

Pure: the same sources give the same page. A figure knows nothing of how it is drawn; the script of
the page and :mod:`qcutsim.report.reportfigures` both draw from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from qcutsim.analysis import Configuration, Interval
from qcutsim.report.sources import Sources, evenly
from qcutsim.report.worlds import World

MOST_CONFIGURATIONS = 800
"""On a page; more are chosen from evenly, and the page says so."""

MOST_TABLE_ROWS = 400

LEGIBLE = 6
"""Series of a panel that are shown at first."""

_USUAL = ("eager", "-")

Scale = Literal["linear", "log2", "log10", "words"]

NEVER_SHOWN = ("straggler_probability", "straggler_delay_s")
"""Fields of a configuration that ``stragglers`` says in words."""


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """``unit`` is ``s`` where numbers are seconds, ``%`` where they are parts of one."""

    label: str
    scale: Scale = "linear"
    unit: str = ""


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One point, bar or cell of a figure.

    Args:
        c: number of its configuration.
        origin: ``measured``, ``simulated`` or ``analytic``.
        x: where it stands; a word on an axis of words.
        y: its value; a stacked bar has one a part.
        low, high: of its interval.
        queries: it was made from.
        series: what it is, where that is not a matter of its configuration.
        panel: likewise, which panel of the figure it belongs to.
        is_extrapolated: simulated outside the calibrated range.
        tip: what else to tell of it.
    """

    c: int
    origin: str
    x: float | str
    y: float | tuple[float, ...]
    low: float | None = None
    high: float | None = None
    queries: int = 0
    series: str = ""
    panel: str = ""
    is_extrapolated: bool = False
    tip: str = ""


class Curve(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line without marks: a distribution."""

    c: int
    origin: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    is_extrapolated: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure shows, in words and numbers; ``left_out`` rows are not shown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


class Figure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One figure.

    Args:
        name: also of its file.
        kind: how it is drawn.
        title: what it shows.
        note: how it was made, and what is analytic.
        x, y: the axes.
        panels: fields of a configuration; what differs in them stands in panels of its own.
        filters: fields a reader can choose by, with the value that is chosen at first.
        marks, curves: what is drawn.
        parts: of stacked bars.
        joined: what marks are connected of: ``simulated``, ``all`` or ``none``.
        has_diagonal: the line where both axes are equal, and 10 % about it.
        runs: of the timelines, see :mod:`qcutsim.report.timelines`.
        table: the same in words.
    """

    name: str
    kind: Literal["points", "bars", "heat", "timeline"]
    title: str
    note: str
    table: Table
    x: Axis = Axis(label="")
    y: Axis = Axis(label="")
    panels: tuple[str, ...] = ()
    filters: dict[str, str] = {}
    marks: tuple[Mark, ...] = ()
    curves: tuple[Curve, ...] = ()
    parts: tuple[str, ...] = ()
    joined: Literal["simulated", "all", "none"] = "simulated"
    has_diagonal: bool = False
    runs: tuple[dict[str, Any], ...] = ()


class Absent(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that is left out, and why."""

    name: str
    title: str
    why: str


@dataclass(slots=True)
class Evidence:
    """What figures are made from: both worlds, and the configurations that are shown."""

    sources: Sources
    measured: World
    simulated: World
    keys: tuple[Configuration, ...]
    known: int
    number: dict[Configuration, int] = field(default_factory=dict)

    @classmethod
    def of(cls, sources: Sources) -> Evidence:
        """Summarise what was read."""
        measured = World("measured", sources.measured)
        simulated = World("simulated", sources.simulated, sources.statistics)
        known = sorted({*measured.summaries, *simulated.summaries})
        keys = tuple(evenly(known, MOST_CONFIGURATIONS))
        numbers = {key: number for number, key in enumerate(keys)}
        return cls(sources, measured, simulated, keys, len(known), numbers)

    @property
    def worlds(self) -> tuple[World, World]:
        """Measured, then simulated."""
        return self.measured, self.simulated

    def seen(self) -> Iterable[tuple[World, Configuration]]:
        """What is shown of each world, in order."""
        for world in self.worlds:
            for key in self.keys:
                if key in world.summaries:
                    yield world, key

    @property
    def varied(self) -> tuple[str, ...]:
        """Fields of a configuration in which those that are shown differ."""
        return tuple(
            name
            for name in Configuration._fields
            if name not in NEVER_SHOWN and len({getattr(key, name) for key in self.keys}) > 1
        )

    def mark(
        self, world: World, key: Configuration, x: float | str, y: Interval, **more: Any
    ) -> Mark:
        """A point of a configuration, with its interval."""
        summary = world.summaries[key]
        return Mark(
            c=self.number[key],
            origin=world.origin,
            x=x,
            y=y.estimate,
            low=y.low,
            high=y.high,
            queries=summary.queries,
            is_extrapolated=summary.is_extrapolated,
            **more,
        )

    def table(
        self,
        columns: Sequence[str],
        rows: Iterable[tuple[str, Configuration, Sequence[str]]],
    ) -> Table:
        """Rows of (origin, configuration, values); of a configuration only what varies."""
        shown = [
            (origin, *(word(getattr(key, name)) for name in self.varied), *values)
            for origin, key, values in rows
        ]
        heads = (name.replace("_", " ") for name in self.varied)
        return Table(
            columns=("origin", *heads, *columns),
            rows=tuple(shown[:MOST_TABLE_ROWS]),
            left_out=max(len(shown) - MOST_TABLE_ROWS, 0),
        )


def word(value: Any) -> str:
    """A value of a configuration; ``-`` for none."""
    return f"{value:g}" if isinstance(value, float) else str(value) or "-"


def number(value: float | None) -> str:
    """Three digits."""
    if value is None:
        return "-"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def span(value: Interval) -> str:
    """The bounds of an interval, or ``-``."""
    if value.low is None or value.high is None:
        return "-"
    return f"{number(value.low)} to {number(value.high)}"


def initial(keys: Iterable[Configuration], *names: str, most: int = LEGIBLE) -> dict[str, str]:
    """Filters, by the fields in this order, that show at first no more than so many series.

    Each keeps what most of the configurations have that the filters before it left.
    """
    shown = list(keys)
    filters = dict.fromkeys(names, "")
    for name in names:
        if len({(key.pool, *(getattr(key, n) for n in names)) for key in shown}) <= most:
            break
        counts = Counter(word(getattr(key, name)) for key in shown)
        filters[name] = max(counts, key=lambda value: (counts[value], value in _USUAL))
        shown = [key for key in shown if word(getattr(key, name)) == filters[name]]
    return filters
