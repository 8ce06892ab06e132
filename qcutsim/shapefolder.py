"""Workload shapes beside those that are shipped: looked up in a folder, and made where missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qcutsim.cell import Cell, Workload
from qcutsim.errors import ProfileError
from qcutsim.extras import require
from qcutsim.workload import has_shape

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


def with_shape(
    cell: Cell,
    folder: Path | None,
    circuit_of: Callable[[Workload], QuantumCircuit | None],
    beside: Path | None = None,
) -> Cell:
    """The cell, naming the folder that has its shape, or none where it is shipped.

    Args:
        cell: of a scenario; the file that it names is kept, and so is a folder that has its shape.
        folder: of shapes as ``qcutsim shape`` names them; ``None``: there is none.
        circuit_of: the workload's own circuit, if it has one; asked where a shape is made.
        beside: the scenario's folder.

    Raises:
        InputError: there is no shape, the workload cannot be cut so, or the file cannot be
            written.
        MissingExtraError: the shape must be made, which needs the extra ``real``.
    """
    work, workers = cell.workload, cell.pool.workers
    for place in dict.fromkeys((work.shape, None)):
        named = msgspec.structs.replace(work, shape=place)
        if has_shape(named, workers, beside):
            return msgspec.structs.replace(cell, workload=named)
    if folder is None:
        raise ProfileError("no workload shape is shipped; --shapes DIR makes it")
    named = msgspec.structs.replace(work, shape=str(folder))
    if not folder.is_dir() or not has_shape(named, workers):
        require("qiskit", "qiskit_aer", "qiskit_addon_cutting")
        from qcutsim.estimator.shapes import shapes_of, write_shapes

        write_shapes(dict(shapes_of(work, workers, circuit_of(work))), folder)
    return msgspec.structs.replace(cell, workload=named)
