"""The example of a policy in a package of its own, installed as a user installs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "examples" / "policy-plugin"

KIND = "fair_share"


def install_plugin(folder: Path) -> Path:
    """Builds a copy of the package, since a build leaves files beside it; needs no network.

    Returns:
        A folder for the module search path.
    """
    copy, target = folder / "source", folder / "installed"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    options = "--quiet --no-deps --no-build-isolation --no-index --disable-pip-version-check"
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options.split(), "--target", target, copy],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def write_plugin(folder: Path, module: str, code: str, *kinds: str) -> Path:
    """A package of one module that defines a class of each kind's name; returns ``folder``."""
    (folder / f"{module}.py").write_text(code)
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    points = [f"{kind} = {module}:{kind}\n" for kind in kinds]
    (about / "entry_points.txt").write_text("[qcutsim.policies]\n" + "".join(points))
    return folder
