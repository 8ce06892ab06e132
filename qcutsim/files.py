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
    if exists(temporary) and not temporary.is_file():
        raise InputError(f"{path}: cannot be written ({temporary} is in the way)")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        if temporary.is_file():
            temporary.unlink()
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def exists(path: Path) -> bool:
    """Whether there is a file or folder of that name.

    Raises:
        InputError: it cannot be told (the name is too long, or a folder may not be searched).
    """
    try:
        return path.exists()
    except OSError as error:
        raise InputError(f"{path}: cannot be looked at ({error.strerror})") from error


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
