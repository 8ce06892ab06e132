"""Optional dependencies, asked for by name before they are needed."""

from __future__ import annotations

from importlib.util import find_spec

from qcutsim.errors import MissingExtraError

_EXTRA_OF = {
    "matplotlib": "real",
    "opt_einsum": "real",
    "pandas": "tables",
    "pyarrow": "tables",
    "qiskit": "real",
    "qiskit_addon_cutting": "real",
    "qiskit_aer": "real",
    "qiskit_qasm3_import": "real",
    "shtab": "completion",
    "sklearn": "real",
    "torch": "train",
}


def is_installed(package: str) -> bool:
    """Whether there is such a package; it is not imported."""
    return find_spec(package) is not None


def require(*packages: str) -> None:
    """Check that the packages are installed, without importing them.

    Raises:
        MissingExtraError: names the first that is missing and the extra that brings it.
    """
    for package in packages:
        if not is_installed(package):
            raise MissingExtraError(package, _EXTRA_OF[package])
