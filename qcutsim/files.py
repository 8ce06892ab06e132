"""Writing files so that nothing is lost: whole or not at all."""

from __future__ import annotations

from pathlib import Path

from qcutsim.errors import InputError


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Raises:
        InputError: it cannot be written; nothing is left behind.
    """
    temporary = path.parent / (path.name + ".part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def make_folder(path: Path) -> Path:
    """Make a folder and its parents where they are missing.

    Raises:
        InputError: it cannot be made, or is a file.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made a folder ({error.strerror})") from error
    return path
