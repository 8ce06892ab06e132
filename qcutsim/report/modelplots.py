"""A plot per calibrated model: its quantiles as observed, and as the model draws them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qcutsim.calibrate import CalibrationProfile, Family, Goodness, QuantileTable
from qcutsim.errors import InputError
from qcutsim.extras import require
from qcutsim.files import make_folder


def draw_profile(profile: CalibrationProfile, folder: Path) -> list[Path]:
    """Write an SVG per model of a profile; returns the files.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: a figure cannot be written.
    """
    require("matplotlib")
    make_folder(folder)
    return [
        _draw(folder / f"{_file_name(title)}.svg", title, table, family, goodness)
        for title, table, family, goodness in _models(profile)
    ]


def _models(
    profile: CalibrationProfile,
) -> Iterator[tuple[str, QuantileTable, Family | None, Goodness | None]]:
    for stage in ("partition", "generate", "reconstruct"):
        for model in getattr(profile, stage):
            yield f"{stage} {model.partition_labels}", model.seconds, model.family, model.goodness
    for kind, pool in sorted(profile.pools.items()):
        for task in pool.tasks:
            mid, width, depth, count = task.features
            title = f"{kind} task, {mid} mid-circuit, width {width}, depth {depth}, x {count}"
            yield title, task.service_s, task.family, task.goodness
        for name in ("dispatch_s", "start_s", "collect_s", "idle_gap_s"):
            yield f"{kind} {name.removesuffix('_s')}", getattr(pool, name), None, None
        if pool.cold_start_s is not None:
            yield f"{kind} cold start", pool.cold_start_s, None, None


def _file_name(title: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", title).strip("-")


def _draw(
    path: Path, title: str, table: QuantileTable, family: Family | None, goodness: Goodness | None
) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axis = figure.subplots()
    shares = np.linspace(0, 1, len(table.values))
    observed_ms = 1e3 * np.array(table.values)
    axis.step(observed_ms, shares, where="post", color="#0072B2", label="observed")
    if family is not None:
        inner = np.linspace(0.001, 0.999, 300)
        axis.plot(1e3 * family.at(inner), inner, color="#D55E00", label=family.name)
    fit = "" if goodness is None else f", KS {goodness.ks:.3f}"
    axis.set_title(f"{title}\n{table.samples} observations{fit}", fontsize=9)
    axis.set_xlabel("ms")
    axis.set_ylabel("share not longer")
    axis.legend(fontsize=8)
    try:
        figure.savefig(path, metadata={"Date": None})
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return path
