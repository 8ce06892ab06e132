"""Workload shapes beside those that are shipped: looked up in a folder, and made where missing."""

from __future__ import annotations

from pathlib import Path

import msgspec

from qcutsim.cell import Cell
from qcutsim.extras import require
from qcutsim.files import exists, make_folder, write_whole
from qcutsim.workload import is_shipped, shape_name


def with_shape(cell: Cell, folder: Path | None) -> Cell:
    """The cell, naming its shape's file in the folder where none is shipped.

    Args:
        cell: of a scenario; a shape that it names already is kept.
        folder: of shapes as ``qcutsim shape`` names them; ``None``: there is none.

    Raises:
        InputError: the workload cannot be cut so, or the file cannot be written.
        MissingExtraError: the shape must be made, which needs the extra ``real``.
    """
    work, workers = cell.workload, cell.pool.workers
    if work.shape is not None or folder is None or is_shipped(work, workers):
        return cell
    path = folder / shape_name(work, workers)
    if not exists(path):
        require("qiskit", "qiskit_aer", "qiskit_addon_cutting")
        from qcutsim.estimator.shapes import shape_of

        shape = shape_of(work, workers)
        write_whole(
            make_folder(folder) / path.name,
            msgspec.json.format(msgspec.json.encode(shape), indent=0),
        )
    return msgspec.structs.replace(cell, workload=msgspec.structs.replace(work, shape=str(path)))
