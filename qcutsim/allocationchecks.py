"""What of a scenario does not go with an allocation of its shots by variance."""

from __future__ import annotations

from collections.abc import Iterator

from qcutsim.cell import Cell
from qcutsim.workload import LEAST_ALLOCATED_SHOTS
from qcutsim.yamlfile import YamlFile


def check_allocation(values: YamlFile, cell: Cell) -> Iterator[str]:
    """What is wrong, a sentence each, with its place in the file."""
    work = cell.workload
    if work.shot_allocation == "uniform":
        return
    where = values.where(("workload", "allocation"))
    if work.pipeline == "upstream":
        yield (
            f"{where}: workload.allocation: {work.shot_allocation!r} belongs to 'pipeline: "
            "planned'; the pipeline 'upstream' gives every subexperiment the same shots"
        )
    if work.reconstruction == "per_shot":
        yield (
            f"{where}: workload.allocation: {work.shot_allocation!r} weighs shots, which "
            "'reconstruction: per_shot' counts; take another reconstruction"
        )
    if work.shots < LEAST_ALLOCATED_SHOTS:
        yield (
            f"{values.where(('workload', 'shots'))}: workload.shots: found {work.shots}; "
            f"'allocation: {work.shot_allocation}' needs at least {LEAST_ALLOCATED_SHOTS}, on "
            "average over the subexperiments"
        )
