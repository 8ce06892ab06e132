"""What of a scenario does not go with an allocation of its shots by variance."""

from __future__ import annotations

from collections.abc import Iterator

from qcutsim.cell import Cell, Workload
from qcutsim.workload import LEAST_ALLOCATED_SHOTS
from qcutsim.yamlfile import YamlFile


def check_allocation(values: YamlFile, cell: Cell) -> Iterator[str]:
    """What is wrong, a sentence each, with its place in the file."""
    for name, problem in allocation_problems(cell.workload):
        yield f"{values.where(('workload', name))}: workload.{name}: {problem}"


def allocation_problems(work: Workload) -> Iterator[tuple[str, str]]:
    """What is wrong: the field, and a sentence."""
    if work.shot_allocation == "uniform":
        return
    if work.pipeline == "upstream":
        yield (
            "allocation",
            f"{work.shot_allocation!r} belongs to 'pipeline: planned'; the pipeline 'upstream' "
            "gives every subexperiment the same shots",
        )
    if work.reconstruction == "per_shot":
        yield (
            "allocation",
            f"{work.shot_allocation!r} weighs shots, which 'reconstruction: per_shot' counts; "
            "take another reconstruction",
        )
    if work.shots < LEAST_ALLOCATED_SHOTS:
        yield (
            "shots",
            f"found {work.shots}; 'allocation: {work.shot_allocation}' needs at least "
            f"{LEAST_ALLOCATED_SHOTS}, on average over the subexperiments",
        )
