"""Writing files so that nothing is lost: whole or not at all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qcutsim.errors import InputError


@contextmanager
def writing_whole(path: Path) -> Iterator[Path]:
    """Gives the block a name to write to; afterwards the file is there whole, or as it was.

    Raises:
        InputError: it cannot be written; nothing is left behind.
    """
    if not path.name:
        raise InputError(f"'{path}' is no name of a file")
    temporary = path.parent / f".{path.name}.{os.getpid()}.part"  # nobody else's
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> Path:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Raises:
        InputError: it cannot be written; nothing is left behind.
    """
    with writing_whole(path) as temporary:
        temporary.write_bytes(data)
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


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """While the block runs no other process (that asks) writes the file, which is made if need be.

    Raises:
        InputError: another one does, or the file cannot be opened.
    """
    try:
        file = path.open("ab")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{path}: another process is writing it; wait for that, or give another --out"
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
