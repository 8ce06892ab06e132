"""Where a result comes from: versions, machine and commit, written into every output."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import msgspec

import qcutsim

_PACKAGES = ("qiskit", "qiskit-aer", "qiskit-addon-cutting", "numpy", "simpy", "torch")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The host of a run. ``cores`` are those this process may use, ``None``: not known."""

    system: str
    processor: str
    cores: Annotated[int, msgspec.Meta(ge=1)] | None


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Origin of a result.

    ``code`` is a hash of what it depends on: qcutsim's files, those of plugged in policies, and the
    versions of the packages.
    """

    qcutsim: str
    python: str
    machine: Machine
    packages: dict[str, str]
    commit: str | None = None
    code: str | None = None


def usable_cores() -> int:
    """Number of cores this process may use: its affinity mask, less where a quota is smaller."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return min(cores, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no control group, or no quota ("max")
        return cores


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    root = Path(qcutsim.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _code() -> str:
    """What results depend on: modules, shapes of workloads, plugged in packages, libraries."""
    digest = hashlib.sha256(repr(sorted(_installed().items())).encode())
    for root in [Path(qcutsim.__file__).resolve().parent, *_plugged_in()]:
        for path in sorted([*root.rglob("*.py"), *root.glob("workloads/*.json")]):
            digest.update(f"{path.relative_to(root)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _plugged_in() -> list[Path]:
    """Folders of other packages that bring policies or reconstructions; nothing is imported."""
    groups = ("qcutsim.policies", "qcutsim.reconstructions")
    points = [point for group in groups for point in entry_points(group=group)]
    names = {point.module.partition(".")[0] for point in points} - {"qcutsim"}
    specs = filter(None, map(find_spec, sorted(names)))
    return [Path(place) for spec in specs for place in spec.submodule_search_locations or ()]


def _installed() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


@cache
def collect_manifest() -> Manifest:
    """Describe this machine and this installation; imports none of the packages it names."""
    return Manifest(
        qcutsim=qcutsim.__version__,
        python=platform.python_version(),
        machine=Machine(
            system=f"{platform.system()} {platform.machine()}",
            processor=_processor(),
            cores=usable_cores(),
        ),
        packages=_installed(),
        commit=_commit(),
        code=_code(),
    )
